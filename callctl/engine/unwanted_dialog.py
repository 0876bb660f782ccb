"""Ending the dialog of a 2xx that comes when the call is over: ACK and BYE in the caller's name.

The caller has forgotten the call, so nobody else would: the phone would stay in a call with no one
(design, I4). Source: RFC 3261 §13.2.2.4, §15.
"""

from __future__ import annotations

from callctl.engine.context import NodeContext
from sipstack.errors import SipSyntaxError
from sipstack.message.headers import Headers
from sipstack.message.message import Request, Response
from sipstack.stack import StackOutput
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transaction.machine import ClientTransaction
from sipstack.transport.flow import Flow


def hang_up(
    context: NodeContext,
    transaction: ClientTransaction,
    response: Response,
    now: Instant,
    *,
    again: bool,
) -> tuple[StackOutput, ...]:
    """Acknowledge `response` and, unless that was done before (`again`), send BYE."""
    try:
        ack = _in_dialog(context, "ACK", transaction.request, response, transaction.flow, 0)
        outputs = context.stack.send_request_stateless(ack, transaction.flow, now)
        if again:
            return outputs
        bye = _in_dialog(context, "BYE", transaction.request, response, transaction.flow, 1)
    except SipSyntaxError as error:
        return (Ignored("2xx without a way back", str(error)),)
    _, more = context.stack.request(bye, transaction.flow, now)
    return (*outputs, *more)


def _in_dialog(
    context: NodeContext, method: str, invite: Request, response: Response, flow: Flow, step: int
) -> Request:
    contacts = response.contacts
    target = str(contacts[0].uri) if contacts else invite.uri_text
    # Record-Route of proxies behind us stand above our own value; the way there is in reverse.
    downstream: list[str] = []
    for value in response.record_routes:
        if context.tokens.open(value.uri.user_unescaped or "") and (
            context.book.node_at(value.uri) == context.name
        ):
            break
        downstream.append(str(value))
    headers = Headers()
    headers.append("Max-Forwards", "70")
    for value_text in reversed(downstream):
        headers.append("Route", value_text)
    headers.append("From", invite.headers.first("from") or "")
    headers.append("To", response.headers.first("to") or "")
    headers.append("Call-ID", invite.call_id)
    headers.append("CSeq", f"{invite.cseq.number + step} {method}")
    headers.append("Content-Length", "0")
    request = Request(method, target, headers)
    via = f"SIP/2.0/{flow.transport} {context.book.sent_by(flow.transport)};branch="
    headers.prepend("Via", via + context.forwarder.branch(request))
    return request
