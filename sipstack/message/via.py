"""One Via value (RFC 3261 §20.42)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import HEADER_PARAM, HOST, PLAIN_PARAM, PORT, SWS, TOKEN, split_few
from sipstack.message.params import Params

_OTHER_PARAMS: Final = rf"(?>(?:(?!;[bB]){PLAIN_PARAM})*)"

_USUAL: Final = re.compile(
    rf"SIP/2\.0/(UDP|TCP|TLS|WSS?) ({HOST})(?>(?::({PORT}))?)"
    rf"({_OTHER_PARAMS};branch={TOKEN}{_OTHER_PARAMS})"
)
"""What nearly every phone writes: no blank to spare, no quotes, one branch."""

_VIA: Final = re.compile(
    rf"({TOKEN}){SWS}/{SWS}({TOKEN}){SWS}/{SWS}({TOKEN})[ \t]++"
    rf"({HOST})(?>(?:{SWS}:{SWS}({PORT}))?)((?>(?:{HEADER_PARAM})*))"
)


class Via(NamedTuple):
    """`protocol/transport host:port;params`. `transport` is upper-case, `host` as written."""

    protocol: str  # "SIP/2.0"
    transport: str
    host: str  # an IPv6 address keeps its brackets
    port: int | None
    params: Params

    @classmethod
    def parse(cls, text: str) -> Via:
        """Raises: SipSyntaxError (400), also for a port 0 and an empty or doubled branch."""
        match = _USUAL.fullmatch(text)
        if match is None:
            return cls._parse_any(text)
        transport, host, port_text, tail = match.groups()
        port = None if port_text is None else int(port_text)
        if port == 0:
            raise SipSyntaxError("port is 0", header="Via")
        return cls("SIP/2.0", transport, host, port, Params(tail))

    @classmethod
    def _parse_any(cls, text: str) -> Via:
        match = _VIA.fullmatch(text)
        if match is None:
            raise SipSyntaxError("malformed", header="Via")
        name, version, transport, host, port_text, tail = match.groups()
        params = Params.validated(tail)
        if params.get("branch") == "" or params.count("branch") > 1:
            raise SipSyntaxError("branch is empty or given twice", header="Via")
        port = None if port_text is None else int(port_text)
        if port == 0:
            raise SipSyntaxError("port is 0", header="Via")
        protocol = "SIP/2.0" if name == "SIP" and version == "2.0" else f"{name}/{version}".upper()
        return cls(protocol, transport.upper(), host, port, params)

    @classmethod
    def parse_many(cls, text: str) -> list[Via]:
        """Every value of a comma list."""
        return [cls.parse(value) for value in split_few(text, "Via")]

    @property
    def branch(self) -> str | None:
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """Source address that the next hop saw, as written (RFC 5118 §4.5: with or without [])."""
        return self.params.get("received")

    @property
    def rport(self) -> int | str | None:
        """None if absent, "" if asked for without a value, else the port (RFC 3581 §3)."""
        if not self.params.has("rport"):
            return None
        text = self.params.get("rport") or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else ""

    @property
    def maddr(self) -> str | None:
        return self.params.get("maddr")

    def with_param(self, name: str, value: str | None = None) -> Via:
        """This Via with one parameter set."""
        return self._replace(params=self.params.with_param(name, value))

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol}/{self.transport} {self.host}{port}{self.params.text}"
