"""SIP, SIPS and tel URIs, and any other as opaque text (RFC 3261 §19.1, RFC 3966)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import SIP_URI, URI_PARAM
from sipstack.message.params import NONE, Params

_SIP: Final = re.compile(SIP_URI)
_TEL: Final = re.compile(rf"tel:(\+?[0-9A-Fa-f*#().\-]++)((?>(?:{URI_PARAM})*))", re.IGNORECASE)
_OTHER: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):([!#-;=?-\[\]_a-z~]++)")
_ESCAPE: Final = re.compile(r"((?:%[0-9A-Fa-f]{2})+)")
_VISUAL: Final = str.maketrans("", "", "-.()")
_BY_SCHEME: Final = frozenset({"user", "ttl", "method", "maddr", "transport"})


class Uri(NamedTuple):
    """A URI in its parts; `str()` and `text` are its wire form.

    For a scheme other than sip, sips and tel only `scheme` and `opaque` are set. A tel number is
    in `user`. Escapes (`%41`) stay as written everywhere but in `user_unescaped`.
    """

    scheme: str  # lower-case
    user: str | None
    password: str | None
    host: str  # as written; an IPv6 address keeps its brackets; "" if the scheme has none
    port: int | None
    params: Params
    headers: str = ""  # what follows "?", raw
    opaque: str = ""  # what follows the scheme, if it is neither sip, sips nor tel
    received: str = ""  # the text this was parsed from; "" once a part was changed

    @classmethod
    def parse(cls, text: str, header: str = "URI") -> Uri:
        """Raises: SipSyntaxError (400); an unknown scheme is no error."""
        match = _SIP.fullmatch(text)
        if match is not None:
            return cls.of_groups(text, *match.groups())
        scheme = text.partition(":")[0].lower()
        if scheme == "tel":
            match = _TEL.fullmatch(text)
            if match is not None:
                return cls("tel", match[1], None, "", None, Params(match[2]), "", "", text)
        elif scheme not in ("sip", "sips"):
            match = _OTHER.fullmatch(text)
            if match is not None:
                return cls(scheme, None, None, "", None, NONE, "", match[2], text)
        raise SipSyntaxError("malformed URI", header=header)

    @classmethod
    def of_groups(
        cls,
        text: str,
        scheme: str,
        user: str | None,
        password: str | None,
        host: str,
        port: str | None,
        params: str,
        headers: str,
    ) -> Uri:
        """Build from the groups of the pattern SIP_URI, which `text` has matched."""
        return cls(
            "sip" if scheme == "sip" else scheme.lower(),
            user,
            password,
            host,
            None if port is None else int(port),
            Params(params) if params else NONE,
            headers[1:],
            "",
            text,
        )

    @property
    def text(self) -> str:
        """The wire form: as received, or composed of the parts."""
        return self.received or self._compose()

    @property
    def is_sip(self) -> bool:
        """True for a sip or sips URI."""
        return self.scheme == "sip" or self.scheme == "sips"

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case, None if there is none."""
        value = self.params.get("transport")
        return value.lower() if value else None

    @property
    def user_unescaped(self) -> str | None:
        """The user part with its escapes resolved, those of control octets excepted.

        `%00` stays `%00` (RFC 4475 §3.1.1.4): no raw NUL, CR or LF comes out of a URI.
        """
        return None if self.user is None else unescape(self.user)

    def host_port(self) -> tuple[str, int | None]:
        """Host in lower case without IPv6 brackets, and the port if one is written."""
        return self.host.strip("[]").lower(), self.port

    def bare(self) -> Uri:
        """Scheme, user, host and port only."""
        return self._replace(params=NONE, headers="", received="")

    def with_param(self, name: str, value: str | None = None) -> Uri:
        """This URI with one parameter set."""
        return self._replace(params=self.params.with_param(name, value), received="")

    def without_param(self, name: str) -> Uri:
        """This URI without one parameter."""
        return self._replace(params=self.params.without(name), received="")

    def with_host_port(self, host: str, port: int | None) -> Uri:
        """This URI with another host (IPv6 in brackets) and port."""
        return self._replace(host=host, port=port, received="")

    def without_headers(self) -> Uri:
        """This URI as a Request-URI may hold it: without the part after "?"."""
        return self._replace(headers="", received="") if self.headers else self

    def _compose(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        if self.scheme == "tel":
            return f"tel:{self.user}{self.params.text}"
        userinfo = ""
        if self.user is not None:
            password = "" if self.password is None else f":{self.password}"
            userinfo = f"{self.user}{password}@"
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{userinfo}{self.host}{port}{self.params.text}{headers}"

    def __str__(self) -> str:
        return self.received or self._compose()


def unescape(text: str) -> str:
    """`text` with `%41` resolved, escapes of control octets left as they are, upper-case."""
    return _ESCAPE.sub(_resolve, text) if "%" in text else text


def _resolve(match: re.Match[str]) -> str:
    octets = bytes.fromhex(match[1].replace("%", ""))
    text = octets.decode("utf-8", "surrogateescape")
    return "".join(
        char
        if " " <= char < "\x7f" or (char > "\x9f" and not "\ud800" <= char <= "\udfff")
        else "".join(f"%{octet:02X}" for octet in char.encode("utf-8", "surrogateescape"))
        for char in text
    )


def same_uri(a: Uri, b: Uri) -> bool:
    """True if `a` and `b` are equivalent (RFC 3261 §19.1.4; tel by RFC 3966 §4).

    Host, parameter names and values are compared without case, users and passwords with it; an
    escaped character equals itself. `user`, `ttl`, `method`, `maddr` and `transport` must be in
    both or in neither, other parameters only agree where both have them. Port 5060 is not the
    same as no port.
    """
    if a.scheme != b.scheme:
        return False
    if a.opaque or b.opaque:
        return a.opaque == b.opaque
    if a.scheme == "tel":
        return _tel_key(a) == _tel_key(b)
    return (
        a.user_unescaped == b.user_unescaped
        and unescape(a.password or "") == unescape(b.password or "")
        and a.host.lower() == b.host.lower()
        and a.port == b.port
        and _same_params(a.params, b.params)
        and _header_key(a.headers) == _header_key(b.headers)
    )


def _same_params(a: Params, b: Params) -> bool:
    theirs = {unescape(n).lower(): unescape(v or "").lower() for n, v in reversed(b.items())}
    ours = {unescape(n).lower(): unescape(v or "").lower() for n, v in reversed(a.items())}
    for name in _BY_SCHEME:
        if (name in ours) != (name in theirs):
            return False
    return all(theirs.get(name, value) == value for name, value in ours.items())


def _header_key(headers: str) -> list[str]:
    pairs = [part.partition("=") for part in headers.split("&")] if headers else []
    return sorted(f"{unescape(name).lower()}={unescape(value)}" for name, _, value in pairs)


def _tel_key(uri: Uri) -> tuple[str, list[str]]:
    number = (uri.user or "").translate(_VISUAL).lower()
    params = sorted(f"{n.lower()}={(v or '').lower()}" for n, v in uri.params.items())
    return number, params
