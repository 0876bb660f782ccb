"""Compares two messages by what they mean.

What hops and parties make up (Via, tags, branches, nonces, Record-Route and Contact of the system
under test, dates, its name) is compared for being there, or not at all; what callers, callees and
the rules of call control put in is compared in full. Source: RFC 3261 §20.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

from callctl.capture.mask import masked
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Message, Request
from sipstack.message.nameaddr import NameAddr

ADDRESSES: Final = ("from", "to", "p-asserted-identity", "p-preferred-identity", "remote-party-id")
"""Compared by display name and URI; tags and other parameters are left out."""

VALUES: Final = (
    "alert-info",
    "call-info",
    "diversion",
    "event",
    "history-info",
    "join",
    "min-expires",
    "privacy",
    "proxy-require",
    "rack",
    "reason",
    "refer-to",
    "referred-by",
    "replaces",
    "require",
    "retry-after",
    "session-expires",
    "subject",
    "subscription-state",
    "unsupported",
    "x-push-call-uuid",
)
"""Compared as sets of values, without blanks and what is made up."""

PRESENCE: Final = (
    "record-route",
    "contact",
    "content-type",
    "www-authenticate",
    "proxy-authenticate",
    "rseq",
    "sip-etag",
    "service-route",
)
"""Compared for being there."""

_MADE_UP: Final = re.compile(r";\s*(?:tag|branch|from-tag|to-tag|received|rport)=[^;>,\s]+", re.I)
_EXPIRES: Final = re.compile(r"expires=(\d+)", re.I)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_BLANKS: Final = re.compile(r"\s+")


class Unlike(NamedTuple):
    """One header, or the body, that differs."""

    header: str  # in lower case; "body"; "request-uri"
    detail: str


Same = Callable[[str], str]
"""What a text of the capture is now, where addresses have changed."""


def unlike(
    captured: Message, now: Message, same: Same, ignored: Collection[str] = ()
) -> Iterator[Unlike]:
    """What differs in meaning; nothing twice."""
    if isinstance(captured, Request) and isinstance(now, Request):
        target, target_now = same(_target(captured)), _target(now)
        if target != target_now:
            yield Unlike("request-uri", f"{target} in the capture, {target_now} now")
    for key in ADDRESSES:
        if key not in ignored:
            yield from _differ(key, _addresses(captured, key, same), _addresses(now, key, str))
    for key in VALUES:
        if key not in ignored:
            yield from _differ(key, _values(captured, key, same), _values(now, key, str))
    for key in PRESENCE:
        if key in ignored:
            continue
        there, here = captured.headers.has(key), now.headers.has(key)
        if there != here:
            which = "in the capture, not now" if there else "now, not in the capture"
            yield Unlike(key, which)
    if "body" not in ignored:
        body = same(captured.body.decode("latin-1")).encode("latin-1")
        if body != now.body:
            yield Unlike("body", _bodies(body, now.body))


def _differ(key: str, captured: list[str], now: list[str]) -> Iterator[Unlike]:
    if captured != now:
        there, here = ", ".join(captured) or "nothing", ", ".join(now) or "nothing"
        yield Unlike(key, f"{there} in the capture, {here} now")


def _target(request: Request) -> str:
    """Who is asked: user, host and port of the Request-URI, in any case of letters."""
    try:
        uri = request.uri
    except SipSyntaxError:
        return request.uri_text
    if not uri.is_sip:
        return request.uri_text
    user = f"{uri.user}@" if uri.user else ""
    host, port = uri.host_port()
    return f"{uri.scheme.lower()}:{user}{host}{'' if port is None else f':{port}'}"


def _addresses(message: Message, key: str, same: Same) -> list[str]:
    found = []
    for text in message.headers.values(key):
        try:
            address = NameAddr.parse(text, key)
        except SipSyntaxError:
            found.append(same(text))
            continue
        name = f'"{address.display_name}" ' if address.display_name else ""
        found.append(same(f"{name}<{address.uri.bare()}>"))
    return found


def _values(message: Message, key: str, same: Same) -> list[str]:
    found = []
    for text in message.headers.values(key):
        value = _BLANKS.sub(" ", _MADE_UP.sub("", text))
        # A subscription runs down while it is told; a call has an id of its own each time.
        value = _EXPIRES.sub("expires", value) if key == "subscription-state" else value
        found.append(same(_UUID.sub("UUID", value)))
    return found if key in ("history-info", "diversion") else sorted(found)


def _bodies(captured: bytes, now: bytes) -> str:
    if not now:
        return f"{len(captured)} octets in the capture, none now"
    if not captured:
        return f"none in the capture, {len(now)} octets now"
    lines, lines_now = masked(captured).splitlines(), masked(now).splitlines()
    for line, line_now in zip(lines, lines_now, strict=False):
        if line != line_now:
            there = line.decode("utf-8", "replace")
            return (
                f"{there[:60]!r} in the capture, {line_now.decode('utf-8', 'replace')[:60]!r} now"
            )
    if len(lines) == len(lines_now):
        return "other keys, or other line ends"
    return f"{len(lines)} lines in the capture, {len(lines_now)} now"
