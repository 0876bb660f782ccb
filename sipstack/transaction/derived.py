"""The two requests made from an INVITE hop by hop: ACK for a failure, and CANCEL."""

from __future__ import annotations

from sipstack.message.headers import Headers
from sipstack.message.message import Request, Response


def ack_for_failure(invite: Request, response: Response) -> Request:
    """The ACK for a 3xx to 6xx: all from the INVITE, but the To of the response, with its tag.

    Source: RFC 3261 §17.1.1.3.
    """
    return _derive(invite, "ACK", response.headers.first("to"), None)


def cancel_of(invite: Request, reason: str | None) -> Request:
    """The CANCEL of an INVITE: same Request-URI, top Via, Route set, To, From, Call-ID and number.

    Args:
        reason: value of a Reason header (RFC 3326), None for no such header.
    Source: RFC 3261 §9.1.
    """
    return _derive(invite, "CANCEL", invite.headers.first("to"), reason)


def _derive(invite: Request, method: str, to: str | None, reason: str | None) -> Request:
    headers = Headers()
    headers.append("Via", str(invite.top_via))
    for route in invite.headers.all("route"):
        headers.append("Route", route)
    headers.append("Max-Forwards", "70")
    headers.append("From", invite.headers.first("from") or "")
    headers.append("To", to or "")
    headers.append("Call-ID", invite.call_id)
    headers.append("CSeq", f"{invite.cseq.number} {method}")
    if reason is not None:
        headers.append("Reason", reason)
    headers.append("Content-Length", "0")
    return Request(method, invite.uri_text, headers)
