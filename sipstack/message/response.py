"""The response to a request (RFC 3261 §8.2.6)."""

from __future__ import annotations

from sipstack.message.headers import Headers
from sipstack.message.message import Request, Response
from sipstack.message.status import reason_of


def respond(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> Response:
    """A response with what §8.2.6.2 copies from the request, then `headers`, then Content-Length.

    `to_tag` is added where the To has none; a 100 takes the Timestamp over (§8.2.6.1). The copied
    lines stay byte for byte as they came.
    """
    from_line = to_line = call_id_line = cseq_line = timestamp_line = ""
    keys: list[str] = []
    lines: list[str] = []
    source = request.headers
    for key, line in zip(source.keys, source.lines, strict=True):
        if key == "via":
            keys.append(key)
            lines.append(line)
        elif key == "from":
            from_line = line
        elif key == "to":
            to_line = line
        elif key == "call-id":
            call_id_line = line
        elif key == "cseq":
            cseq_line = line
        elif key == "timestamp":
            timestamp_line = line
    made = Headers(keys, lines)
    cache, known = made.cache, source.cache
    for key in ("via", "from", "call-id", "cseq"):
        if key in known:
            cache[key] = known[key]
    if to_tag is not None and request.to_tag is None:
        to_line = f"{to_line.rstrip()};tag={to_tag}"
    elif "to" in known:
        cache["to"] = known["to"]
    keys += ("from", "to", "call-id", "cseq")
    lines += (from_line, to_line, call_id_line, cseq_line)
    if status == 100 and timestamp_line:
        keys.append("timestamp")
        lines.append(timestamp_line)
    for name, value in headers:
        made.append(name, value)
    keys.append("content-length")
    lines.append(f"Content-Length: {len(body)}")
    return Response(status, reason_of(status) if reason is None else reason, made, body)
