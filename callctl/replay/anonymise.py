"""Takes what is personal out of SIP messages: everywhere, and everywhere the same way.

First all messages are looked through for names, numbers, addresses, hosts and tokens; then each of
these is replaced wherever it stands, also where nobody looked for it. Bodies that are no SDP are
blotted out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from callctl.model.device import platforms_of_name
from callctl.replay.pseudonyms import Pseudonyms
from callctl.replay.tokens import is_masked

_URI: Final = re.compile(r"\b(?:sips?|tel):(?:([^@\s<>;\",]+)@)?(\[[^\]]+\]|[^\s:;,<>\"?]+)", re.I)
_ADDRESS: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_ADDRESS_6: Final = re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.I)
_NAME: Final = re.compile(
    r"^[\w-]+[ \t]*:[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^\"<:;,]+?))[ \t]*<", re.M
)
_NAMED: Final = re.compile(
    r"^(?:from|to|f|t|m|contact|p-asserted-identity|p-preferred-identity|remote-party-id|b|"
    r"diversion|history-info|referred-by)[ \t]*:",
    re.I,
)
_TOKENS: Final = (
    re.compile(r"\bpn-(?:prid|param|purr)=\"?([^;>\"\s,]+)", re.I),
    re.compile(r"\b(?:nonce|cnonce|response|opaque|auts)=\"?([^\",\s]+)", re.I),
    re.compile(r"\+sip\.instance=\"?<?(?:urn:uuid:)?([^>\"]+)", re.I),
    re.compile(r"^a=(?:ice-ufrag|ice-pwd|fingerprint:\S+)[: ]([^\s]+)", re.I | re.M),
    re.compile(r"^a=crypto:.*?inline:([^\s|]+)", re.I | re.M),
    re.compile(r"\bBearer[ \t]+(\S+)", re.I),
)
_USERNAME: Final = re.compile(r"\busername=\"?([^\",\s]+)", re.I)
_CALL_ID: Final = re.compile(r"^(?:call-id|i)[ \t]*:[ \t]*([^@\s]+)", re.I | re.M)
_KIND: Final = re.compile(r"^(?:content-type|c)[ \t]*:[ \t]*([\w/+.-]+)", re.I | re.M)
_LENGTH: Final = re.compile(r"^((?:content-length|l)[ \t]*:[ \t]*)(\d+)", re.I | re.M)
_SDP_PERSON: Final = re.compile(r"^([siep]=)([^\r\n]*)", re.M)
_WORD: Final = re.compile(r"[\w+*#.-]+")

NAME_MIN: Final = 3  # characters of a name that is looked for outside the place it was found in
NUMBER_MIN: Final = 3

# fmt: off
RESERVED: Final = frozenset({
    "sip", "sips", "tel", "urn", "uuid", "udp", "tcp", "tls", "wss", "via", "from", "to",
    "call-id", "cseq", "contact", "invite", "ack", "bye", "cancel", "register", "options",
    "subscribe", "notify", "publish", "message", "prack", "update", "info", "refer",
    "application", "sdp", "audio", "video", "rtp", "avp", "user", "phone", "transport", "expires",
    "tag", "branch", "anonymous",
})
# fmt: on
"""Words that mean something in SIP: one who is called so is replaced in URIs only."""


class Anonymiser:
    """`learn` every message, then let each of them be `anonymised`."""

    def __init__(self, key: bytes) -> None:
        self.names = Pseudonyms(key)
        self._pattern: re.Pattern[str] | None = None
        self._lookup: dict[str, str] = {}

    def learn(self, octets: bytes) -> None:
        """Find what is personal in a message."""
        text = octets.decode("utf-8", "surrogateescape")
        head, _, body = text.partition("\r\n\r\n")
        for line in head.split("\r\n"):
            if _NAMED.match(line):
                for found in _NAME.finditer(line):
                    name = found[1] if found[1] is not None else found[2]
                    if name and name.strip() and not set(name) & set(":@"):  # else it is a URI
                        self.names.name(name.strip())
        for found in _URI.finditer(text):
            self._uri(found[1], found[2])
        for address in _addresses(text):
            self.names.address(address)
        for pattern in _TOKENS:
            for found in pattern.finditer(text):
                if not is_masked(found[1]):
                    self.names.token(found[1])
        for found in _USERNAME.finditer(head):
            self.names.user(found[1].partition("@")[0])
        for found in _CALL_ID.finditer(head):
            self.names.token(found[1])
        for found in re.finditer(r"^o=(\S+) ", body, re.M):
            if found[1] != "-":
                self.names.user(found[1])
        self._pattern = None

    def anonymised(self, octets: bytes) -> bytes:
        """The same message with other names; a Content-Length is kept as true as it was."""
        head, blank, body = octets.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "surrogateescape")
        kind = _KIND.search(lines)
        made = self._body(body, "" if kind is None else kind[1].lower())
        told = _LENGTH.search(lines)
        lines = self.text(lines)
        if told is not None and told[2] == str(len(body)):
            lines = _LENGTH.sub(lambda it: f"{it[1]}{len(made)}", lines, count=1)
        return lines.encode("utf-8", "surrogateescape") + blank + made

    def text(self, text: str) -> str:
        """Any text with other names, such as notes."""
        given = self.names.given
        text = _URI.sub(self._in_uri, text)
        if self._pattern is None:
            self._lookup = {it.lower(): made for it, made in given.items()}
            words = sorted((it for it in given if _counts(it)), key=len, reverse=True)
            joined = "|".join(map(re.escape, words)) or r"(?!)"
            self._pattern = re.compile(rf"(?<![\w])(?:{joined})(?![\w])", re.IGNORECASE)
        return self._pattern.sub(lambda it: given.get(it[0]) or self._lookup[it[0].lower()], text)

    def _in_uri(self, uri: re.Match[str]) -> str:
        """A user may be called as a word of SIP is: there it is certainly one."""
        user = uri[1]
        bare = None if user is None else user.partition(":")[0]
        if bare is None or bare not in self.names.given or _counts(bare):
            return uri[0]
        made, start = self.names.given[bare], uri.start(1) - uri.start()
        return uri[0][:start] + made + uri[0][start + len(bare) :]

    def learn_device(self, name: str) -> None:
        """A device is often called as its owner is: its name is replaced, but for its kind."""
        kind = name[:3] if platforms_of_name(name) else ""
        self.names.given.setdefault(name, f"{kind}DEVICE{len(self.names.given) + 1}")

    def left(self, octets: bytes) -> Iterator[str]:
        """What of all that is personal still stands in a text; nothing, if all is well."""
        text = octets.decode("utf-8", "surrogateescape")
        words = set(_WORD.findall(text))
        made_up = set(self.names.given.values())  # one's address may stand for another's
        for what in self.names.given:
            if (
                what not in made_up
                and _counts(what)
                and (what in words or (" " in what and what in text))
            ):
                yield what

    def _uri(self, user: str | None, host: str) -> None:
        if user is None and host.lstrip("+").isdigit():  # tel:+49...
            self.names.number(host)
            return
        if user is not None:
            self.names.user(user.partition(":")[0])
        bare = host.strip("[]")
        if not any(bare == it for it in _addresses(bare)):
            self.names.host(bare)

    def _body(self, body: bytes, kind: str) -> bytes:
        if kind == "application/sdp":
            text = _SDP_PERSON.sub(_blotted_line, body.decode("utf-8", "surrogateescape"))
            return self.text(text).encode("utf-8", "surrogateescape")
        if kind in ("message/sipfrag", "application/simple-message-summary"):
            text = self.text(body.decode("utf-8", "surrogateescape"))
            return text.encode("utf-8", "surrogateescape")
        return re.sub(rb"[^\s<>/\"=?!.:-]", b"x", body)


def _blotted_line(line: re.Match[str]) -> str:
    """Session names and what else is for people."""
    return f"{line[1]}-"


def _addresses(text: str) -> Iterator[str]:
    for pattern in (_ADDRESS, _ADDRESS_6):
        for found in pattern.finditer(text):
            try:
                ip_address(found[0])
            except ValueError:
                continue
            yield found[0]


def _counts(what: str) -> bool:
    """Whether it is looked for everywhere: a number such as 5 is in all, a name may be "sip"."""
    if what.lower() in RESERVED:
        return False
    if what.isdigit():
        return len(what) >= NUMBER_MIN
    return len(what) >= NAME_MIN
