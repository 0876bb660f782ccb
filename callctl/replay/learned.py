"""What the system under test makes up now, by what it had made up in the capture.

Tags, Call-IDs, route sets, remote targets, nonces, reliable provisional numbers and entity tags:
the parties outside quote them back (RFC 3261 §12, §22; RFC 3262 §7.1; RFC 3903 §4.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from callctl.replay.recording import INITIAL
from sipstack.digest.challenge import Challenge, parse_challenges
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Message, Request, Response

CHALLENGES: Final = {
    "www-authenticate": "authorization",
    "proxy-authenticate": "proxy-authorization",
}
"""Header of a challenge, and that of its answer."""

_GRUU: Final = re.compile(r";(?:pub|temp)-gruu=\"([^\"]+)\"", re.IGNORECASE)
_QUOTED: Final = ("sip-etag", "service-route", "path")

DialogKey: TypeAlias = tuple[str, str, str]  # party, Call-ID of the capture, tag of its peer there


@dataclass(slots=True)
class Way:
    """Where a party sends the requests of a dialog."""

    routes: tuple[str, ...]  # topmost first, each with its angle brackets
    target: str


@dataclass(slots=True)
class Learned:
    """Grows with every message that could be told to be the one of the capture."""

    call_ids: dict[str, str] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)  # by Call-ID of the capture
    ways: dict[DialogKey, Way] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """Other texts that are quoted: of the capture, to what stands for it now."""
    reliable: dict[tuple[str, str], str] = field(default_factory=dict)
    """RSeq, by Call-ID and RSeq of the capture."""
    challenges: dict[tuple[str, str], Challenge] = field(default_factory=dict)
    """The last of a party, by the header that answers it."""
    uses: dict[str, int] = field(default_factory=dict)  # of a nonce
    ahead: dict[tuple[str, str], int] = field(default_factory=dict)
    """How much higher the numbers (CSeq) of a party are now, by party and Call-ID."""

    def call_id(self, recorded: str) -> str:
        """What a Call-ID of the capture is now."""
        return self.call_ids.get(recorded, recorded)

    def tag(self, call_id: str, recorded: str) -> str:
        """What a tag of the capture is now; those of parties outside stay."""
        return self.tags.get((call_id, recorded), recorded)

    def pair(self, party: str, recorded: Message, now: Message) -> None:
        """These two messages to a party are one: whatever was made up is known now."""
        call_id = recorded.call_id
        self.call_ids[call_id] = now.call_id
        if isinstance(recorded, Request) and isinstance(now, Request):
            peer, peer_now = recorded.from_tag, now.from_tag
            self._target(party, call_id, peer, now, routes=_uris(now, "record-route"))
        else:
            peer, peer_now = recorded.to_tag, now.to_tag
            if recorded.cseq.method in INITIAL:
                routes = tuple(reversed(_uris(now, "record-route")))
                self._target(party, call_id, peer, now, routes=routes)
        if peer is not None and peer_now is not None:
            self.tags[call_id, peer] = peer_now
        self._quoted(recorded, now)

    def challenged(self, party: str, response: Response) -> None:
        """A party was asked for credentials."""
        for asks, answers in CHALLENGES.items():
            for text in response.headers.all(asks):
                try:
                    found = parse_challenges(text, asks)
                except SipSyntaxError:
                    continue
                if found:
                    self.challenges[party, answers] = found[0]
                    break

    def _target(
        self,
        party: str,
        call_id: str,
        peer: str | None,
        now: Message,
        *,
        routes: tuple[str, ...],
    ) -> None:
        contacts = _uris(now, "contact")
        if peer is None or not contacts:
            return
        target = contacts[0].strip("<>")
        key = (party, call_id, peer)
        known = self.ways.get(key)
        # A later response of the same dialog repeats the set, or brings it at last (§12.1.2).
        repeats = isinstance(now, Response) and now.cseq.method in INITIAL and bool(routes)
        if known is None or repeats:
            self.ways[key] = Way(routes, target)
        else:
            known.target = target  # target refresh (§12.2)

    def _quoted(self, recorded: Message, now: Message) -> None:
        for key in _QUOTED:
            for old, new in zip(
                recorded.headers.values(key), now.headers.values(key), strict=False
            ):
                if old != new:
                    self.texts[old] = new
        olds = [gruu for text in recorded.headers.all("contact") for gruu in _GRUU.findall(text)]
        news = [gruu for text in now.headers.all("contact") for gruu in _GRUU.findall(text)]
        for old, new in zip(olds, news, strict=False):
            if old != new:
                self.texts[old] = new
        reliable, reliable_now = recorded.headers.first("rseq"), now.headers.first("rseq")
        if reliable is not None and reliable_now is not None:
            self.reliable[recorded.call_id, reliable] = reliable_now


def _uris(message: Message, key: str) -> tuple[str, ...]:
    """The URIs of a header in angle brackets; () for one that cannot be read."""
    try:
        addresses = message.record_routes if key == "record-route" else message.contacts
    except SipSyntaxError:
        return ()
    return tuple(f"<{address.uri}>" for address in addresses)
