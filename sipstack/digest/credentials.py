"""Digest credentials (RFC 7616 §3.4): Authorization and Proxy-Authorization."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sipstack.digest.auth_params import parse_schemes, required
from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import quote

_NC: Final = re.compile(r"[0-9A-Fa-f]{8}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{1,128}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client answered. None stands for a parameter that it left out.

    Nothing is compared here: that `uri`, `realm` and `qop` fit the request and the challenge is
    for the authenticator to judge.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str  # lower-case hexadecimal digits
    algorithm: str | None = None
    cnonce: str | None = None
    nc: str | None = None  # eight hexadecimal digits, as written: they are hashed so
    qop: str | None = None
    opaque: str | None = None

    @classmethod
    def parse(cls, text: str, header: str = "Authorization") -> Credentials | None:
        """Read one header value; None if its scheme is not Digest.

        Quotes around algorithm, qop and nc are allowed, as several phones write them.
        Raises: SipSyntaxError (400).
        """
        schemes = parse_schemes(text, header)
        if len(schemes) != 1:
            raise SipSyntaxError("not one set of credentials", header=header)
        scheme, params = schemes[0]
        if scheme != "digest":
            return None
        response, nc = required(params, "response", header), params.get("nc")
        if _HEX.fullmatch(response) is None:
            raise SipSyntaxError("response is not hexadecimal", header=header)
        if nc is not None and _NC.fullmatch(nc) is None:
            raise SipSyntaxError("nc is not eight hexadecimal digits", header=header)
        return cls(
            username=required(params, "username", header),
            realm=required(params, "realm", header),
            nonce=required(params, "nonce", header),
            uri=required(params, "uri", header),
            response=response.lower(),
            algorithm=params.get("algorithm"),
            cnonce=params.get("cnonce"),
            nc=nc,
            qop=params.get("qop"),
            opaque=params.get("opaque"),
        )

    def header_value(self) -> str:
        """The wire form; qop, nc and algorithm without quotes (RFC 7616 §3.4)."""
        parts = [
            f"username={quote(self.username)}",
            f"realm={quote(self.realm)}",
            f"nonce={quote(self.nonce)}",
            f"uri={quote(self.uri)}",
            f"response={quote(self.response)}",
        ]
        if self.algorithm is not None:
            parts.append(f"algorithm={self.algorithm}")
        if self.cnonce is not None:
            parts.append(f"cnonce={quote(self.cnonce)}")
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.qop is not None:
            parts.append(f"qop={self.qop}")
        if self.nc is not None:
            parts.append(f"nc={self.nc}")
        return "Digest " + ", ".join(parts)
