"""Digest challenges (RFC 7616 §3.3, RFC 8760): WWW-Authenticate and Proxy-Authenticate."""

from __future__ import annotations

from dataclasses import dataclass

from sipstack.digest.auth_params import parse_schemes, required
from sipstack.message.grammar import quote


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a client must know to answer. An empty `qop` is the manner of RFC 2069."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ("auth",)
    opaque: str | None = None
    stale: bool = False

    def header_value(self) -> str:
        """The wire form, in the order and quoting that every phone of note understands."""
        parts = [f"realm={quote(self.realm)}", f"nonce={quote(self.nonce)}"]
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        parts.append(f"algorithm={self.algorithm}")
        if self.qop:
            parts.append(f"qop={quote(','.join(self.qop))}")
        return "Digest " + ", ".join(parts)


def parse_challenges(text: str, header: str = "WWW-Authenticate") -> tuple[Challenge, ...]:
    """Every Digest challenge of one header value, in order; other schemes are left out.

    Raises: SipSyntaxError (400) if a Digest challenge lacks its realm or nonce, or is malformed.
    """
    return tuple(
        Challenge(
            realm=required(params, "realm", header),
            nonce=required(params, "nonce", header),
            algorithm=params.get("algorithm") or "MD5",
            qop=tuple(
                option.lower()
                for part in params.get("qop", "").split(",")
                if (option := part.strip(" \t"))
            ),
            opaque=params.get("opaque"),
            stale=params.get("stale", "").lower() == "true",
        )
        for scheme, params in parse_schemes(text, header)
        if scheme == "digest"
    )
