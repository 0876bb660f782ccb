"""One dialog as one of its two user agents sees it: RFC 3261 §12.

A dialog builds the requests sent within it and checks those that arrive. It has no timers and
sends nothing: transactions do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from sipstack.errors import LocalProtocolError
from sipstack.message.headers import Headers
from sipstack.message.message import Message, Request, Response
from sipstack.message.nameaddr import NameAddr

TARGET_REFRESH: Final = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})
"""Methods whose Contact moves the remote target (RFC 3261 §12.2, RFC 3311, RFC 6665, RFC 3515)."""


class DialogState(Enum):
    """RFC 3261 §12: early by a provisional response, confirmed by a 2xx."""

    EARLY = "EARLY"
    CONFIRMED = "CONFIRMED"
    TERMINATED = "TERMINATED"


MOVES: Final[Mapping[DialogState, frozenset[DialogState]]] = {
    DialogState.EARLY: frozenset({DialogState.CONFIRMED, DialogState.TERMINATED}),
    DialogState.CONFIRMED: frozenset({DialogState.TERMINATED}),
    DialogState.TERMINATED: frozenset(),
}


class DialogId(NamedTuple):
    """What names a dialog at one of its ends; the other end has the tags the other way round."""

    call_id: str
    local_tag: str
    remote_tag: str  # empty for a peer of RFC 2543


class Dialog:
    """State of one dialog (RFC 3261 §12.1.1, §12.1.2); made by `of_client` or `of_server`."""

    __slots__ = (
        "contact",
        "id",
        "local_cseq",
        "local_party",
        "remote_cseq",
        "remote_party",
        "remote_target",
        "route_set",
        "state",
    )

    def __init__(
        self,
        dialog_id: DialogId,
        state: DialogState,
        *,
        local_party: str,
        remote_party: str,
        remote_target: str,
        route_set: tuple[str, ...],
        contact: str,
        local_cseq: int | None = None,
        remote_cseq: int | None = None,
    ) -> None:
        self.id = dialog_id
        self.state = state
        self.local_party = local_party  # header value with tag: From of what we send
        self.remote_party = remote_party  # header value with tag: To of what we send
        self.remote_target = remote_target  # URI
        self.route_set = route_set  # header values, the next hop first
        self.contact = contact  # header value of our own
        self.local_cseq = local_cseq  # of our last request, None before the first
        self.remote_cseq = remote_cseq  # of the peer's last request, None before the first

    @classmethod
    def of_client(cls, request: Request, response: Response) -> Dialog:
        """The dialog that a 101 to 2xx makes of a request we sent.

        Raises: LocalProtocolError unless the request has a From tag and the response may make one;
            SipSyntaxError if the response's Contact cannot be read.
        """
        if not 100 < response.status < 300 or (response.status < 200 and not response.to_tag):
            raise LocalProtocolError(f"{response.status} makes no dialog")
        dialog = cls(
            DialogId(request.call_id, _own_tag(request.from_tag), response.to_tag or ""),
            DialogState.EARLY,
            local_party=_value(response, "from"),
            remote_party=_value(response, "to"),
            remote_target=request.uri_text,
            route_set=_reversed_route(response),
            contact=_value(request, "contact"),
            local_cseq=request.cseq.number,
        )
        dialog.receive_response(response)
        return dialog

    @classmethod
    def of_server(cls, request: Request, response: Response) -> Dialog:
        """The dialog that our 101 to 2xx makes of a request we received.

        Raises: LocalProtocolError unless the response has a To tag and may make one;
            SipSyntaxError if the request's Contact cannot be read.
        """
        if not 100 < response.status < 300:
            raise LocalProtocolError(f"{response.status} makes no dialog")
        contacts = request.contacts
        return cls(
            DialogId(request.call_id, _own_tag(response.to_tag), request.from_tag or ""),
            DialogState.EARLY if response.status < 200 else DialogState.CONFIRMED,
            local_party=_value(response, "to"),
            remote_party=_value(request, "from"),
            remote_target=str(contacts[0].uri) if contacts else str(request.from_.uri),
            route_set=tuple(request.headers.values("record-route")),
            contact=_value(response, "contact"),
            remote_cseq=request.cseq.number,
        )

    def receive_response(self, response: Response) -> None:
        """A 1xx or 2xx to the request that made the dialog, or to one that refreshes its target.

        The 2xx that confirms a dialog brings its final route set (RFC 3261 §13.2.2.4); after that
        only the remote target moves (§12.2.1.2).

        Raises: SipSyntaxError if its Contact cannot be read.
        """
        if not 100 < response.status < 300 or self.state is DialogState.TERMINATED:
            return
        contacts = response.contacts
        if self.state is DialogState.EARLY:
            if contacts:
                self.remote_target = str(contacts[0].uri)
            if response.status >= 200:
                self.route_set = _reversed_route(response)
                self._enter(DialogState.CONFIRMED)
        elif contacts and response.status >= 200:
            self.remote_target = str(contacts[0].uri)

    def receive_request(self, request: Request) -> int | None:
        """A request of the peer within the dialog, CANCEL excepted: it belongs to a transaction.

        Returns: None if it is to be served, else the status to answer: 500 for a number that is
            lower than one before (§12.2.2), 481 after the end. An ACK is never to be answered.
        Raises: SipSyntaxError if its Contact cannot be read.
        """
        if request.method == "ACK":
            return None  # It has the number of its INVITE and says nothing new.
        if self.state is DialogState.TERMINATED:
            return 481
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            return 500
        self.remote_cseq = number
        if request.method in TARGET_REFRESH:
            contacts = request.contacts
            if contacts:
                self.remote_target = str(contacts[0].uri)
        return None

    def confirm(self) -> None:
        """We have sent a 2xx (§12.1.1, §13.3.1.4); nothing happens if it was confirmed before."""
        if self.state is not DialogState.CONFIRMED:
            self._enter(DialogState.CONFIRMED)

    def terminate(self) -> None:
        """A BYE, or the end of the INVITE while early (§12.3); may be said twice."""
        if self.state is not DialogState.TERMINATED:
            self._enter(DialogState.TERMINATED)

    def request(
        self,
        method: str,
        via: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """A new request within the dialog, with the next number (§12.2.1.1).

        Args:
            via: value of our Via header, with a fresh branch.
            headers: what else it is to have, such as Content-Type; a Contact is there if needed.
        Raises: LocalProtocolError for ACK and CANCEL, and after the end.
        """
        if method in ("ACK", "CANCEL") or self.state is DialogState.TERMINATED:
            raise LocalProtocolError(f"{method} in a dialog that is {self.state.name}")
        number = 1 if self.local_cseq is None else self.local_cseq + 1
        self.local_cseq = number
        return self._build(method, number, via, headers, body)

    def ack(
        self,
        number: int,
        via: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """The ACK of a 2xx (§13.2.2.4).

        Args:
            number: CSeq number of the INVITE.
            via: value of our Via header, with a fresh branch: it is no part of the INVITE.
            headers: credentials of the INVITE (§22.1), and Content-Type for a body.
        """
        return self._build("ACK", number, via, headers, body)

    def next_hop(self) -> str:
        """URI a request is to be sent to: the first route, else the remote target (§8.1.2)."""
        if not self.route_set:
            return self.remote_target
        return str(NameAddr.parse(self.route_set[0]).uri)

    def _build(
        self, method: str, number: int, via: str, extra: Iterable[tuple[str, str]], body: bytes
    ) -> Request:
        uri_text, routes = self._route()
        headers = Headers()
        headers.append("Via", via)
        for route in routes:
            headers.append("Route", route)
        headers.append("Max-Forwards", "70")
        headers.append("From", self.local_party)
        headers.append("To", self.remote_party)
        headers.append("Call-ID", self.id.call_id)
        headers.append("CSeq", f"{number} {method}")
        if method in TARGET_REFRESH:
            headers.append("Contact", self.contact)
        for name, value in extra:
            headers.append(name, value)
        headers.append("Content-Length", str(len(body)))
        return Request(method, uri_text, headers, body)

    def _route(self) -> tuple[str, tuple[str, ...]]:
        """Request-URI and Route values of a request within the dialog (§12.2.1.1).

        A first route without `lr` is a strict router: it takes the Request-URI as its own, so the
        remote target travels as the last route.
        """
        if not self.route_set:
            return self.remote_target, ()
        first = NameAddr.parse(self.route_set[0]).uri
        if first.params.has("lr"):
            return self.remote_target, self.route_set
        # What a Request-URI may not have is dropped (§19.1.1, Table 1).
        uri = first.without_param("method").without_headers()
        return str(uri), (*self.route_set[1:], f"<{self.remote_target}>")

    def _enter(self, state: DialogState) -> None:
        assert state in MOVES[self.state], (self.state, state)
        self.state = state


def _value(message: Message, key: str) -> str:
    return message.headers.first(key) or ""


def _reversed_route(response: Response) -> tuple[str, ...]:
    """The caller's route set: Record-Route lists the hop next to the called side first."""
    return tuple(reversed(response.headers.values("record-route")))


def _own_tag(tag: str | None) -> str:
    if not tag:
        raise LocalProtocolError("no tag of ours, so no dialog")
    return tag
