"""One message out of its octets (RFC 3261 §7, §25)."""

from __future__ import annotations

import re
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.limits import (
    HEAD_OCTETS_MAX,
    HEADER_LINES_MAX,
    MAX_FORWARDS_MAX,
    REQUEST_URI_OCTETS_MAX,
    VIAS_MAX,
)
from sipstack.message.cseq import METHODS, CSeq
from sipstack.message.grammar import QUOTED, is_token, parse_number, unfold
from sipstack.message.headers import Headers
from sipstack.message.message import (
    Request,
    Response,
    read_address,
    read_call_id,
    read_top_via,
)
from sipstack.message.names import KEYS, NAME_OF, SINGLE
from sipstack.message.salvage import salvage

_NUL_IN_QUOTED_PAIRS: Final = re.compile(rf'(?>(?:[^"\x00]++|{QUOTED})*)')
_LENGTH_MAX: Final = 2**63
_MANDATORY: Final = frozenset({"via", "from", "to", "call-id", "cseq"})


def parse_message(data: bytes) -> Request | Response:
    """Read one datagram, or one message that a stream's framer has cut out.

    CRLFs before the message are skipped. The body ends with Content-Length, or with `data` if
    there is none; octets after it are dropped (§18.3). What a proxy depends on is checked: the
    start line, header names, Via, From, To, Call-ID, CSeq, Max-Forwards and Content-Length, and
    that no header which decides something comes twice. Typed access to these can no longer fail.
    Other headers are not read here, so that a proxy can forward what it cannot interpret.

    Raises: SipSyntaxError with the status to answer (400, 414, 505, 513). Its `request` is what
    an answer can be built from; None for a response, and where no answer is possible.
    Source: RFC 3261 §7.3, §8.1.1, §18.3; RFC 4475; RFC 5118.
    """
    try:
        return _parse(data)
    except SipSyntaxError as error:
        if data[:1] in (b"\r", b"\n"):
            return parse_message(data.lstrip(b"\r\n"))
        error.request = salvage(data)
        raise


def _parse(data: bytes) -> Request | Response:
    octets, end, body = data.partition(b"\r\n\r\n")
    if not end:
        raise SipSyntaxError("no empty line ends the headers", header="start line")
    if len(octets) > HEAD_OCTETS_MAX:
        raise SipSyntaxError("headers are too long", header="start line", status=513)
    head = octets.decode("utf-8", "surrogateescape")
    lines = head.split("\r\n", HEADER_LINES_MAX + 2)
    start_line = lines.pop(0)
    if len(lines) > HEADER_LINES_MAX:
        raise SipSyntaxError("too many lines", header="start line", status=513)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines):
        raise SipSyntaxError("a line does not end with CRLF", header="start line")
    try:
        names, colons, values = zip(*[line.partition(":") for line in lines], strict=True)
        keys = [KEYS[name] for name in names]
        plain = "" not in colons
    except (KeyError, ValueError):
        plain = False
    if not plain:
        lines = _joined(lines)
        keys = [_key_of_line(line) for line in lines]
        values = tuple([unfold(line.partition(":")[2]) for line in lines])
    if "\0" in head:
        _check_nul(lines)
    headers = Headers(keys, lines)
    message = _start(start_line, headers)
    first = dict(zip(reversed(keys), reversed(values), strict=True))
    if len(first) != len(keys):
        _check_repeated(keys)
    _check_mandatory(message, first)
    if "content-length" in first:
        body = _trimmed(body, first["content-length"].strip(" \t"))
    message.body = body
    return message


def _start(line: str, headers: Headers) -> Request | Response:
    first, _, rest = line.partition(" ")
    if first not in METHODS and first.upper() == "SIP/2.0":
        code, space, reason = rest.partition(" ")
        if not (len(code) == 3 and code.isascii() and code.isdigit() and "100" <= code <= "699"):
            raise SipSyntaxError("status is not 100 to 699", header="start line")
        if not space:
            raise SipSyntaxError("no space after the status", header="start line")
        return Response(int(code), reason, headers)
    uri_text, _, version = rest.rpartition(" ")
    if first not in METHODS and not is_token(first):
        raise SipSyntaxError("method is not a token", header="start line")
    if version != "SIP/2.0" and version.upper() != "SIP/2.0":
        wrong = version[:4].upper() == "SIP/" and version[4:].replace(".", "", 1).isdigit()
        raise SipSyntaxError(
            "version is not SIP/2.0", header="start line", status=505 if wrong else 400
        )
    if len(uri_text) > REQUEST_URI_OCTETS_MAX:
        raise SipSyntaxError("too long", header="Request-URI", status=414)
    request = Request(first, uri_text, headers)
    if request.uri.headers:
        raise SipSyntaxError("holds headers", header="Request-URI")
    return request


def _check_mandatory(message: Request | Response, first: dict[str, str]) -> None:
    """Read what a proxy depends on; the results stay in the cache of the headers."""
    if not first.keys() >= _MANDATORY:
        missing = next(key for key in sorted(_MANDATORY) if key not in first)
        raise SipSyntaxError("missing", header=NAME_OF[missing])
    cache = message.headers.cache
    cache["via"] = read_top_via(first["via"].strip(" \t"))
    cache["from"] = read_address(first["from"].strip(" \t"), "From")
    cache["to"] = read_address(first["to"].strip(" \t"), "To")
    cache["call-id"] = read_call_id(first["call-id"].strip(" \t"))
    cache["cseq"] = cseq = CSeq.parse(first["cseq"].strip(" \t"))
    if type(message) is Request and cseq.method != message.method:
        raise SipSyntaxError("method is not the one of the request", header="CSeq")
    if "max-forwards" in first:
        text = first["max-forwards"].strip(" \t")
        cache["max-forwards"] = parse_number(text, MAX_FORWARDS_MAX, "Max-Forwards")


def _check_repeated(keys: list[str]) -> None:
    vias = keys.count("via")
    if vias > VIAS_MAX:
        raise SipSyntaxError(f"more than {VIAS_MAX} values", header="Via")
    seen: set[str] = set()
    for key in keys:
        if key in seen and key in SINGLE:
            raise SipSyntaxError("given more than once", header=NAME_OF[key])
        seen.add(key)


def _trimmed(body: bytes, text: str) -> bytes:
    length = parse_number(text, _LENGTH_MAX, "Content-Length")
    if length == len(body):
        return body
    if length > len(body):
        raise SipSyntaxError("larger than what came", header="Content-Length")
    return body[:length]


def _joined(lines: list[str]) -> list[str]:
    """Each folded header as one line that holds its CRLFs (§7.3.1)."""
    joined: list[list[str]] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            if not joined:
                raise SipSyntaxError("folded line without a header", header="start line")
            joined[-1].append(line)
        else:
            joined.append([line])
    return ["\r\n".join(parts) for parts in joined]


def _key_of_line(line: str) -> str:
    name, colon, _ = line.partition(":")
    if colon:
        try:
            return KEYS[name]
        except KeyError:
            pass
    raise SipSyntaxError("header name is malformed", header=ascii(name[:40]))


def _check_nul(lines: list[str]) -> None:
    """A NUL may stand in a quoted pair of a quoted string only (RFC 4475 §3.1.1.2)."""
    for line in lines:
        if "\0" in line and _NUL_IN_QUOTED_PAIRS.fullmatch(unfold(line)) is None:
            raise SipSyntaxError("NUL outside a quoted pair", header=line.partition(":")[0][:40])
