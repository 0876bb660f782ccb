"""Enough of a malformed request to answer it.

A 400 says what is wrong (RFC 3261 §21.4.1) and copies five headers (§8.2.6.2). Where one of these
is what is wrong, the copy would make an answer that no strict peer can read. So it is mended, as
long as the topmost Via still tells the transaction and the way back.
"""

from __future__ import annotations

import re
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.limits import HEAD_OCTETS_MAX, HEADER_LINES_MAX, VIAS_MAX
from sipstack.message.grammar import is_token, split_list
from sipstack.message.headers import Headers
from sipstack.message.message import Request
from sipstack.message.names import COMPACT, NAME_OF
from sipstack.message.via import Via

_BLANKS: Final = {ord("\r"): " ", ord("\0"): " "}
_NEEDED: Final = ("via", "from", "to", "call-id", "cseq")
_FOLDED: Final = re.compile(r"\r?\n[ \t]+")
_TAG: Final = re.compile(r";[ \t]*+tag[ \t]*+=[ \t]*+([A-Za-z0-9\-.!%*_+`'~]++)", re.IGNORECASE)
_PARAM: Final = re.compile(r"(branch|rport|received)(?>(?:=([A-Za-z0-9\-.!%*_+`'~:\[\]]++))?)")

UNREADABLE: Final = "<sip:unreadable.invalid>"
"""Stands for a From or To that cannot be read; the domain is reserved (RFC 2606)."""


def salvage(data: bytes) -> Request | None:
    """A request with Via, From, To, Call-ID and CSeq, each well-formed, for `respond` to copy.

    None if `data` is a response or no request at all, if one of the five is missing, or if the
    sent-by of the topmost Via or the Call-ID cannot be read.
    """
    head = data.lstrip(b"\r\n")[:HEAD_OCTETS_MAX].partition(b"\r\n\r\n")[0]
    text = _FOLDED.sub(" ", head.decode("utf-8", "surrogateescape"))
    start_line, *lines = [line.rstrip("\r") for line in text.split("\n", HEADER_LINES_MAX + 1)]
    words = start_line.split()
    if len(words) < 3 or not is_token(words[0]) or words[-1][:4].upper() != "SIP/":
        return None
    found: dict[str, list[str]] = {key: [] for key in _NEEDED}
    for line in lines[:HEADER_LINES_MAX]:
        name, colon, value = line.partition(":")
        key = name.rstrip(" \t").lower()
        key = COMPACT.get(key, key)
        if colon and key in found:
            found[key].append(value.translate(_BLANKS).strip(" \t"))
    if not all(found.values()):
        return None
    vias = _vias(found["via"])
    request = Request(words[0], " ".join(words[1:-1]), Headers())
    if vias is None:
        return None
    for via in vias:
        request.headers.append("Via", via)
    for key in ("from", "to", "call-id", "cseq"):
        request.headers.append(NAME_OF[key], found[key][0])
    return _mended(request)


def _mended(request: Request) -> Request | None:
    headers = request.headers
    try:
        _ = request.call_id
    except SipSyntaxError:
        return None
    for key in ("from", "to"):
        try:
            _ = request.from_tag if key == "from" else request.to_tag
        except SipSyntaxError:
            tag = _TAG.search(headers.first(key) or "")
            headers.set(NAME_OF[key], f"{UNREADABLE};tag={tag[1]}" if tag else UNREADABLE)
    try:
        _ = request.cseq
    except SipSyntaxError:
        # A response is matched by branch and method (§17.1.3); the number cannot be kept.
        headers.set("CSeq", f"0 {request.method}")
    return request


def _vias(lines: list[str]) -> list[str] | None:
    """The Via lines to copy, the topmost value mended; None if that cannot be done."""
    values = split_list(lines[0])
    if not values:
        return None
    try:
        Via.parse(values[0])
    except SipSyntaxError:
        sent_by, *params = values[0].split(";")
        kept = [match for part in params if (match := _PARAM.fullmatch(part.strip(" \t")))]
        text = sent_by.strip(" \t") + "".join(f";{match[0]}" for match in kept)
        try:
            Via.parse(text)
        except SipSyntaxError:
            return None
        # What follows in this line was split by signs that may themselves be the fault.
        return [text, *lines[1:VIAS_MAX]]
    return lines[:VIAS_MAX]
