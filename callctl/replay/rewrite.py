"""A message of the capture as its party says it now: what is quoted is what was made up now.

Headers keep their order, their spelling and their values wherever nothing has to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from callctl.replay.header_lines import BRANCH, add_lines, lines_of
from callctl.replay.learned import Learned
from callctl.replay.recording import INITIAL, Recorded
from sipstack.digest.answer import answer
from sipstack.digest.compute import is_supported
from sipstack.message.headers import Headers
from sipstack.message.message import Message, Request, Response, ensure_content_length
from sipstack.message.nameaddr import NameAddr

_TAG: Final = re.compile(r"(;\s*tag\s*=\s*)([^\s;,]+)", re.IGNORECASE)
_PARAMETER: Final = r"\b{}\s*=\s*\"?([^\",\s]+)"
_AUTHORIZATIONS: Final = ("authorization", "proxy-authorization")
_RING: Final = range(101, 300)  # responses that may make a dialog (RFC 3261 §12.1)

WRONG: Final = " is wrong"
"""Behind a password, where it was wrong in the capture."""

Passwords: TypeAlias = Callable[[str], str | None]
"""The password of a user name; None for one that nobody knows."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What is the same for all messages of one play."""

    passwords: Passwords | None = None  # None: digests stay as they were recorded
    addresses: Mapping[str, str] = field(default_factory=dict)  # of the capture, to those of now
    targets: Mapping[str, str] = field(default_factory=dict)  # in Request-URIs outside dialogs
    salt: str = ""  # behind branches, Call-IDs and tags, for a server that remembers

    def moved(self, text: str) -> str:
        """`text` with the addresses of now."""
        return _substituted(text, self.addresses)


class Rewriter:
    """Knows what was learned, and how this play goes."""

    __slots__ = ("_manner", "_texts", "learned")

    def __init__(self, manner: Manner, learned: Learned) -> None:
        self.learned = learned
        self._manner = manner

    # Requests of a party.

    def unrecorded(self, made: Request) -> None:
        """Let a request that the capture does not have be one of now."""
        salt = self._manner.salt
        self._branch(made)
        if salt:
            self._set(made, "Call-ID", f"{salt}-{made.call_id}")
        self._texts_and_addresses(made)

    def begin(self, call_id: str) -> None:
        """A party will say this Call-ID first: a server that remembers must not know it."""
        if self._manner.salt:
            self.learned.call_ids[call_id] = f"{self._manner.salt}-{call_id}"

    def request(self, recorded: Recorded, *, refused: bool = False) -> Request:
        """A request of the capture, for now. `refused`: its password was wrong there."""
        assert recorded.request is not None
        made = recorded.request.copy()
        party, learned = recorded.place.party, self.learned
        call_id, peer = made.call_id, made.to_tag
        own = made.from_tag
        self._branch(made)
        if peer is not None:
            self._set_tag(made, "to", learned.tag(call_id, peer))
            self._route(made, party, call_id, peer)
        elif self._manner.targets:
            made.set_uri(_substituted(made.uri_text, self._manner.targets))
        if own is not None:
            self._set_tag(made, "from", learned.tag(call_id, own))
        self._set(made, "Call-ID", learned.call_id(call_id))
        self._number(made, party, call_id)
        self._rack(made, call_id)
        self._texts_and_addresses(made)
        if made.method != "ACK" or peer is None:
            self._credentials(made, party, refused=refused)
        ensure_length(made)
        return made

    def _branch(self, made: Request) -> None:
        salt = self._manner.salt
        if salt:
            line = made.headers.keys.index("via")
            lines = made.headers.lines
            lines[line] = BRANCH.sub(lambda it: f"{it[1]}{it[2]}{salt}", lines[line], count=1)
            made.headers.cache.pop("via", None)

    def _route(self, made: Request, party: str, call_id: str, peer: str) -> None:
        way = self.learned.ways.get((party, call_id, peer))
        if way is None:
            return
        made.headers.remove("route")
        for route in reversed(way.routes):
            made.headers.prepend("Route", route)
        made.set_uri(way.target)

    def _number(self, made: Request, party: str, call_id: str) -> None:
        ahead = self.learned.ahead.get((party, call_id), 0)
        if ahead:
            number, method = made.cseq.number + ahead, made.cseq.method
            self._set(made, "CSeq", f"{number} {method}")

    def _rack(self, made: Request, call_id: str) -> None:
        text = made.headers.first("rack")
        if text is None:
            return
        number, _, rest = text.partition(" ")
        now = self.learned.reliable.get((call_id, number))
        if now is not None:
            self._set(made, "RAck", f"{now} {rest.strip()}")

    def _credentials(self, made: Request, party: str, *, refused: bool) -> None:
        passwords = self._manner.passwords
        if passwords is None:
            return
        for key in _AUTHORIZATIONS:
            text = made.headers.first(key)
            if text is None or not text.lower().startswith("digest"):
                continue
            made.headers.remove(key)
            username = _parameter(text, "username")
            if username is not None:
                self.authorize(made, party, key, username, refused=refused)

    def authorize(
        self, made: Request, party: str, key: str, username: str, *, refused: bool = False
    ) -> bool:
        """Answer the last challenge of a party; False if that cannot be done.

        `refused`: with a password that is wrong.
        """
        passwords = self._manner.passwords
        challenge = self.learned.challenges.get((party, key))
        password = passwords(username) if passwords is not None else None
        if challenge is None or password is None or not is_supported(challenge.algorithm):
            return False
        if refused:
            password += WRONG
        uses = self.learned.uses
        count = uses[challenge.nonce] = uses.get(challenge.nonce, 0) + 1
        credentials = answer(
            challenge, username, password, made.method, made.uri_text, f"{count:016x}", count
        )
        name = "Authorization" if key == "authorization" else "Proxy-Authorization"
        made.headers.remove(key)
        made.headers.append(name, credentials.header_value())
        return True

    # Responses of a party.

    def response(self, recorded: Recorded, asked: Recorded, request: Request) -> Response:
        """A response of the capture to what was asked now, which was `asked` in the capture.

        Source: RFC 3261 §8.2.6.2; hops behind the party have their Record-Route on top (§16.6).
        """
        message = recorded.message
        assert isinstance(message, Response)
        own = message.to_tag
        made = Response(message.status, message.reason, Headers(), message.body)
        source = request.headers
        routes = lines_of(source, "record-route") if _makes_dialog(message) else []
        behind = message.headers.values("record-route")
        before = len(asked.message.headers.values("record-route"))
        routes = [f"Record-Route: {it}" for it in behind[: max(0, len(behind) - before)]] + routes
        copied = {
            "via": lines_of(source, "via"),
            "record-route": routes,
            "from": lines_of(source, "from"),
            "to": [_with_tag(lines_of(source, "to")[0], own, has_one=request.to_tag is not None)],
            "call-id": lines_of(source, "call-id"),
            "cseq": lines_of(source, "cseq"),
        }
        if "record-route" not in message.headers.keys and routes:
            add_lines(made.headers, "record-route", copied.pop("record-route"))
        for key, line in zip(message.headers.keys, message.headers.lines, strict=True):
            if key in ("via", "from", "to", "call-id", "cseq", "record-route"):
                add_lines(made.headers, key, copied.pop(key, []))
            else:
                add_lines(made.headers, key, [line])
        self._texts_and_addresses(made, but=("via", "from", "to", "record-route"))
        ensure_length(made)
        return made

    # Inside.

    def _texts_and_addresses(self, made: Message, but: tuple[str, ...] = ()) -> None:
        texts, addresses = self.learned.texts, self._manner.addresses
        if not texts and not addresses:
            return
        headers = made.headers
        for at, (key, line) in enumerate(zip(headers.keys, headers.lines, strict=True)):
            if key in but or key == "route":
                continue
            changed = self._manner.moved(_substituted(line, texts))
            if changed != line:
                headers.lines[at] = changed
                headers.cache.pop(key, None)
        if isinstance(made, Request):
            made.set_uri(self._manner.moved(_substituted(made.uri_text, texts)))
        if addresses and made.body:
            made.body = self._manner.moved(made.body.decode("latin-1")).encode("latin-1")

    @staticmethod
    def _set(made: Message, name: str, value: str) -> None:
        if made.headers.first(name.lower()) != value:
            made.headers.replace_first(name, value)

    @staticmethod
    def _set_tag(made: Message, key: str, tag: str) -> None:
        headers = made.headers
        line = headers.keys.index(key)
        head, found, rest = headers.lines[line].rpartition(">")
        changed = _TAG.sub(lambda it: f"{it[1]}{tag}", rest, count=1)
        if changed != rest:
            headers.lines[line] = head + found + changed
            headers.cache.pop(key, None)


def ensure_length(made: Message) -> None:
    """Keep a Content-Length true; a message that has none stays without."""
    if made.headers.has("content-length"):
        ensure_content_length(made)


def user_of(request: Request) -> str | None:
    """The user that a request would give credentials as: of its From."""
    address: NameAddr = request.from_
    return address.uri.user_unescaped


def username_of(request: Request) -> str | None:
    """The user name of its credentials, readable even where the rest is masked."""
    for key in _AUTHORIZATIONS:
        for text in request.headers.all(key):
            name = _parameter(text, "username")
            if name is not None:
                return name
    return None


def _makes_dialog(response: Response) -> bool:
    return response.cseq.method in INITIAL and response.status in _RING


def _with_tag(line: str, tag: str | None, *, has_one: bool) -> str:
    return line if tag is None or has_one else f"{line.rstrip()};tag={tag}"


def _parameter(text: str, name: str) -> str | None:
    found = re.search(_PARAMETER.format(name), text, re.IGNORECASE)
    return None if found is None else found[1]


def _substituted(text: str, texts: Mapping[str, str]) -> str:
    """`text` with each key of `texts` replaced, the longest first, and nothing twice."""
    found = [old for old in texts if old in text]
    if not found:
        return text
    pattern = "|".join(re.escape(old) for old in sorted(found, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])(?:{pattern})(?![\w])", lambda it: texts[it[0]], text)
