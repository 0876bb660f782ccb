"""What must hold for any octets that reach the parser; a breach is an AssertionError."""

from __future__ import annotations

from typing import Final

from sipstack.digest import Credentials, parse_challenges
from sipstack.errors import SipSyntaxError
from sipstack.message import (
    Headers,
    Message,
    NameAddr,
    Request,
    Response,
    Uri,
    Via,
    parse_message,
    respond,
)
from sipstack.message.feature_caps import FeatureCaps
from sipstack.message.instance import instance_of, reg_id_of
from sipstack.message.push_params import PushParams
from sipstack.message.reason import Reason
from sipstack.message.sdp import SessionDescription
from sipstack.message.session_id import SessionId

MANDATORY: Final = ("top_via", "from_", "to", "from_tag", "to_tag", "call_id", "cseq")
LAZY: Final = (
    "vias",
    "contacts",
    "contact_is_star",
    "routes",
    "record_routes",
    "paths",
    "max_forwards",
    "expires",
    "supported",
    "require",
    "proxy_require",
)


def check(data: bytes) -> Request | Response | SipSyntaxError:
    """Parse `data`, hold every promise against it, and return what came out."""
    try:
        message = parse_message(data)
    except SipSyntaxError as error:
        if error.request is not None:
            _check_answer(error.request, error.status)
        return error
    _check_fixed_point(message, data)
    _check_typed(message)
    _check_values(message)
    if isinstance(message, Request):
        assert not message.uri.headers
        _check_uri(message.uri)
        _check_answer(message, 488)
    return message


def _check_fixed_point(message: Message, data: bytes) -> None:
    out = message.to_bytes() if isinstance(message, Request | Response) else b""
    sent = data.lstrip(b"\r\n")
    # The version may be written in any case; everything behind the start line stays as it was.
    start = sent.index(b"\r\n")
    assert sent[:start].upper() == out[:start].upper()
    assert sent.startswith(out[start:], start)
    again = parse_message(out)
    assert again.to_bytes() == out
    assert again.headers.keys == message.headers.keys


def _check_typed(message: Message) -> None:
    for name in MANDATORY:
        getattr(message, name)
    for name in LAZY:
        try:
            getattr(message, name)
        except SipSyntaxError:
            continue
    fresh = Response(200, "OK", Headers(message.headers.keys, message.headers.lines))
    for name in MANDATORY:
        assert getattr(fresh, name) == getattr(message, name), name
    assert str(Via.parse(str(message.top_via))) == str(message.top_via)
    for address in (message.from_, message.to):
        _check_address(address)


def _check_values(message: Message) -> None:
    headers = message.headers
    for key in ("contact", "route", "record-route", "path", "p-asserted-identity", "refer-to"):
        for value in headers.values(key):
            try:
                address = NameAddr.parse(value, key)
            except SipSyntaxError:
                continue
            _check_address(address)
    for key, parse in (
        ("authorization", Credentials.parse),
        ("proxy-authorization", Credentials.parse),
        ("www-authenticate", parse_challenges),
        ("reason", Reason.parse_many),
        ("session-id", SessionId.parse),
        ("feature-caps", FeatureCaps.parse_many),
    ):
        for value in headers.all(key):
            try:
                parse(value)
            except SipSyntaxError:
                continue
    try:
        text = message.body.decode("utf-8", "surrogateescape")
        assert str(SessionDescription.parse(text)) == text
    except SipSyntaxError:
        pass


def _check_address(address: NameAddr) -> None:
    text = str(address)
    address.display_name.encode("utf-8")
    assert str(NameAddr.parse(text)) == text
    assert NameAddr.parse(text).display_name == address.display_name
    _check_uri(address.uri)
    instance_of(address)
    for read in (reg_id_of, lambda contact: PushParams.of(contact.uri)):
        try:
            read(address)
        except SipSyntaxError:
            continue


def _check_uri(uri: Uri) -> None:
    composed = str(uri._replace(received=""))
    assert str(Uri.parse(composed)) == composed
    assert str(Uri.parse(str(uri.bare()))) == str(uri.bare())
    unescaped = uri.user_unescaped or ""
    assert not any(char < " " or char == "\x7f" for char in unescaped)


def _check_answer(request: Request, status: int) -> None:
    assert 400 <= status <= 599
    answer = respond(request, status, to_tag="tag-of-ours")
    read = parse_message(answer.to_bytes())
    assert isinstance(read, Response)
    assert read.to_tag
    assert read.top_via == answer.top_via
