"""Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3).

A branch counts as an identifier only if something follows the magic cookie. A bare cookie, or none,
is a peer of RFC 2543: its transactions are told apart by everything that tells its requests apart.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from sipstack.message.message import Request, Response
from sipstack.transaction.machine import ClientKey, ServerKey

MAGIC_COOKIE: Final = "z9hG4bK"  # RFC 3261 §8.1.1.7
STEADY_TAG_LENGTH: Final = 16  # hexadecimal digits


def client_key(message: Request | Response) -> ClientKey | None:
    """Branch and method; None if the top Via has no branch.

    The method keeps apart an INVITE and its CANCEL, which share their branch.
    """
    branch = message.top_via.branch
    return (branch, message.cseq.method) if branch else None


def server_key(request: Request, method: str) -> ServerKey:
    """Key of the server transaction of `method` that `request` belongs to.

    Args:
        method: the request's own, or "INVITE" to find what a CANCEL means.
    Source: RFC 3261 §17.2.3; RFC 4475 §3.2.1 (a bare cookie).
    """
    via = request.top_via
    branch = via.branch
    if branch and len(branch) > len(MAGIC_COOKIE) and branch.startswith(MAGIC_COOKIE):
        # Sent-by is part of it, because two clients may draw the same branch.
        return (branch, via.host.lower(), via.port, method)
    return _rfc2543_key(request, method, request.to_tag)


def server_keys_of_ack(request: Request) -> tuple[ServerKey, ...]:
    """Keys of the INVITE an ACK may belong to, in the order to try them.

    In the RFC 2543 way an ACK has the To tag of the response, which a first INVITE has not and a
    re-INVITE has; whether it is the right tag is up to `acknowledges`.
    """
    key = server_key(request, "INVITE")
    if len(key) == 4:
        return (key,)
    return (key, _rfc2543_key(request, "INVITE", None))


def acknowledges(ack: Request, key: ServerKey, last_response: Response | None) -> bool:
    """True if `ack`, found by `key`, is for that response. Only the RFC 2543 way leaves doubt."""
    if len(key) == 4:
        return True
    return last_response is not None and last_response.to_tag == ack.to_tag


def steady_tag(request: Request) -> str:
    """A To tag that is the same whenever the same request is answered (RFC 3261 §8.2.7).

    The ACK of such an answer has it too, with the same branch: so it is known for what it is.
    """
    text = f"{request.call_id}\0{request.from_tag}\0{request.top_via.branch}"
    octets = text.encode("utf-8", "surrogateescape")
    return blake2b(octets, digest_size=STEADY_TAG_LENGTH // 2).hexdigest()


def _rfc2543_key(request: Request, method: str, to_tag: str | None) -> ServerKey:
    return (
        "RFC 2543",
        request.uri_text,
        request.from_tag,
        to_tag,
        request.call_id,
        request.cseq.number,
        str(request.top_via),
        method,
    )
