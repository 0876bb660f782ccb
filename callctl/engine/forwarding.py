"""Making the copy of a request that goes on, and of a response that goes back.

What the engine does not own passes byte for byte. Source: RFC 3261 §16.6, §16.7, RFC 5393 §4.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from callctl.call.caller_identity import CLAIMS
from callctl.engine.address_book import AddressBook
from sipstack.entropy import Entropy, token
from sipstack.message.grammar import parse_number
from sipstack.message.message import Request, Response, ensure_content_length
from sipstack.message.uri import Uri
from sipstack.transport.flow import Flow

MAX_FORWARDS: Final = "70"  # RFC 3261 §16.6 3, where the request brought none
COOKIE: Final = "z9hG4bK"

BREADTH_MAX: Final = 60  # RFC 5393 §5.3.3


class Forwarder:
    """Writes our Via, Record-Route and Route into requests of one node."""

    __slots__ = ("_book", "_count", "_prefix")

    def __init__(self, book: AddressBook, entropy: Entropy) -> None:
        self._book = book
        # Unique by the prefix among all nodes and restarts, by the count within one.
        self._prefix = f"{COOKIE}{token(entropy, 6)}."
        self._count = 0

    def branch(self, request: Request) -> str:
        """A branch of our own, which also tells a loop from a spiral (RFC 3261 §16.6 8).

        In a dialog the Route set leads: it gets shorter at each turn, so nothing can go round.
        """
        self._count += 1
        mark = loop_mark(request) if request.to_tag is None else "d"
        return f"{self._prefix}{self._count:x}.{mark}"

    def loops(self, request: Request) -> bool:
        """True if this very request has been here before: same target, same dialog, same routes.

        Source: RFC 5393 §4.2.
        """
        if request.to_tag is not None:
            return False
        if request.headers.count("via") < 2 and "," not in (request.headers.first("via") or ""):
            return False
        mark = None
        for via in request.vias[1:]:
            branch = via.branch
            if branch is None or not branch.startswith(self._prefix):
                continue
            mark = mark or loop_mark(request)
            if branch.rpartition(".")[2] == mark:
                return True
        return False

    def forward(
        self,
        request: Request,
        uri: str | Uri,
        flow: Flow,
        *,
        record_route: tuple[str, ...] = (),
        routes: tuple[str, ...] = (),
    ) -> Request:
        """A copy of `request` for the next hop.

        Args:
            uri: its Request-URI.
            flow: what it will be sent over.
            record_route: our Record-Route values, the topmost first.
            routes: Route values to go on top of those that are left.
        """
        copy = request.copy()
        copy.set_uri(uri)
        headers = copy.headers
        left = request.max_forwards
        if left is None:
            headers.append("Max-Forwards", MAX_FORWARDS)
        else:
            headers.replace_first("Max-Forwards", str(left - 1))
        for value in reversed(record_route):
            headers.prepend("Record-Route", value)
        for value in reversed(routes):
            headers.prepend("Route", value)
        via = f"SIP/2.0/{flow.transport} {self._book.sent_by(flow.transport)};branch="
        headers.prepend("Via", via + self.branch(request))
        if not headers.has("content-length"):
            # Optional over UDP only; the next hop may be a stream.
            ensure_content_length(copy)
        return copy


def loop_mark(request: Request) -> str:
    """A checksum of all that decides where a request goes (RFC 3261 §16.6 8)."""
    headers = request.headers
    text = "\n".join(
        (
            request.uri_text,
            request.from_tag or "",
            request.to_tag or "",
            request.call_id,
            str(request.cseq.number),
            headers.first("route") or "",
            headers.first("proxy-require") or "",
        )
    )
    return f"{crc32(text.encode('utf-8', 'surrogateescape')):08x}"


def returned(response: Response) -> Response:
    """A copy of a response without our Via, for the one who sent the request."""
    copy = response.copy()
    copy.headers.remove_first_value("via")
    if not copy.headers.has("content-length"):
        ensure_content_length(copy)
    return copy


def without_claims(response: Response) -> None:
    """Take away who a device says it is: only the cluster and trusted peers may (RFC 3325 §5)."""
    headers = response.headers
    for key in CLAIMS:
        if headers.has(key):
            headers.remove(key)


def breadth_of(request: Request) -> int:
    """Into how many copies a request may still fork, whatever it asks for (RFC 5393 §5.3).

    Raises: SipSyntaxError (400) if Max-Breadth is no number.
    """
    text = request.headers.first("max-breadth")
    if text is None:
        return BREADTH_MAX
    return min(parse_number(text, 2**31 - 1, "Max-Breadth"), BREADTH_MAX)
