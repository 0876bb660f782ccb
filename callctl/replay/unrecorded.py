"""Requests of parties that the capture does not show."""

from __future__ import annotations

from callctl.replay.header_lines import BRANCH, add_lines, lines_of
from callctl.replay.notes_schema import RegisteredEntry
from callctl.replay.recording import Place
from sipstack.message.headers import Headers
from sipstack.message.message import Request, Response


def acknowledging(sent: Request, response: Response) -> Request:
    """The ACK of a final response that is no success (RFC 3261 §17.1.1.3)."""
    headers = Headers()
    add_lines(headers, "via", lines_of(sent.headers, "via")[:1])
    for key in ("route", "from"):
        add_lines(headers, key, lines_of(sent.headers, key))
    add_lines(headers, "to", lines_of(response.headers, "to"))
    add_lines(headers, "call-id", lines_of(sent.headers, "call-id"))
    return _finished("ACK", sent.uri_text, headers, sent.cseq.number)


def in_dialog(method: str, number: int, sent: Request, response: Response, branch: str) -> Request:
    """A request in the dialog that `response` has made, by who sent `sent`."""
    headers = Headers()
    via = BRANCH.sub(lambda it: f"{it[1]}{branch}", lines_of(sent.headers, "via")[0], count=1)
    add_lines(headers, "via", [via])
    for route in reversed(response.record_routes):
        headers.append("Route", str(route))
    for key, source in (("from", sent.headers), ("to", response.headers)):
        add_lines(headers, key, lines_of(source, key))
    add_lines(headers, "call-id", lines_of(sent.headers, "call-id"))
    contacts = response.contacts
    target = str(contacts[0].uri) if contacts else sent.uri_text
    return _finished(method, target, headers, number)


def registering(entry: RegisteredEntry, place: Place, domain: str, number: int) -> Request:
    """A REGISTER for a line at a place."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    there, aor = f"{host}:{place.port}", f"sip:{entry.line}@{domain}"
    way = "" if place.transport == "UDP" else f";transport={place.transport.lower()}"
    headers = Headers()
    for name, value in (
        ("Via", f"SIP/2.0/{place.transport} {there};branch=z9hG4bKregistered{number}"),
        ("From", f"<{aor}>;tag=registered{number}"),
        ("To", f"<{aor}>"),
        ("Call-ID", f"registered-{number}@{there}"),
        ("CSeq", "1 REGISTER"),
        ("Contact", entry.contact or f"<sip:{entry.line}@{there}{way}>"),
        ("Supported", "path, gruu, outbound"),
        ("Expires", "3600"),
        ("Max-Forwards", "70"),
        ("Content-Length", "0"),
    ):
        headers.append(name, value)
    return Request("REGISTER", f"sip:{domain}", headers)


def _finished(method: str, uri: str, headers: Headers, number: int) -> Request:
    headers.append("CSeq", f"{number} {method}")
    headers.append("Max-Forwards", "70")
    headers.append("Content-Length", "0")
    return Request(method, uri, headers)
