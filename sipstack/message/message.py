"""Requests and responses: raw headers with typed access on demand."""

from __future__ import annotations

import re
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.limits import (
    CONTACTS_MAX,
    EXPIRES_MAX,
    LIST_VALUES_MAX,
    MAX_FORWARDS_MAX,
    ROUTES_MAX,
    VIAS_MAX,
)
from sipstack.message.cseq import CSeq
from sipstack.message.grammar import is_token, parse_number, split_list
from sipstack.message.headers import Headers
from sipstack.message.nameaddr import REST, SIP_NAME_ADDR, TAG, NameAddr
from sipstack.message.uri import Uri
from sipstack.message.via import Via

_CALL_ID: Final = re.compile(r"[!-~]++")


class Message:
    """What requests and responses share: headers and body.

    Each typed property parses once and keeps the result in `headers.cache` under the header's
    key, where every edit of that header drops it. All raise SipSyntaxError, with the header's
    name, if the text is malformed, and if a header that must be there is missing.
    """

    __slots__ = ("body", "headers")

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body

    @property
    def top_via(self) -> Via:
        """The topmost Via value: where the message came from, or where a response goes."""
        via: Via | None = self.headers.cache.get("via")
        if via is None:
            self.headers.cache["via"] = via = read_top_via(self._required("via", "Via"))
        return via

    @property
    def vias(self) -> list[Via]:
        """Every Via value, topmost first."""
        values = self._list("via", "Via", VIAS_MAX)
        return [Via.parse(value) for value in values]

    @property
    def from_(self) -> NameAddr:
        return self._address("from", "From")

    @property
    def to(self) -> NameAddr:
        return self._address("to", "To")

    @property
    def from_tag(self) -> str | None:
        """None if there is none, as RFC 2543 allowed."""
        return self._tag("from", "From")

    @property
    def to_tag(self) -> str | None:
        return self._tag("to", "To")

    @property
    def call_id(self) -> str:
        value: str | None = self.headers.cache.get("call-id")
        if value is None:
            value = read_call_id(self._required("call-id", "Call-ID"))
            self.headers.cache["call-id"] = value
        return value

    @property
    def cseq(self) -> CSeq:
        value: CSeq | None = self.headers.cache.get("cseq")
        if value is None:
            value = CSeq.parse(self._required("cseq", "CSeq"))
            self.headers.cache["cseq"] = value
        return value

    @property
    def max_forwards(self) -> int | None:
        """0 to 255, None if there is none."""
        return self._number("max-forwards", "Max-Forwards", MAX_FORWARDS_MAX)

    @property
    def expires(self) -> int | None:
        """Seconds of the Expires header, None if there is none."""
        return self._number("expires", "Expires", EXPIRES_MAX)

    @property
    def contact_is_star(self) -> bool:
        """True if the only Contact value is `*` (RFC 3261 §10.2.2)."""
        headers = self.headers
        return headers.keys.count("contact") == 1 and headers.first("contact") == "*"

    @property
    def contacts(self) -> list[NameAddr]:
        """Every Contact value; none for `*`, which is refused beside others."""
        if self.contact_is_star:
            return []
        return self._addresses("contact", "Contact", CONTACTS_MAX)

    @property
    def routes(self) -> list[NameAddr]:
        """Every Route value, topmost first."""
        return self._addresses("route", "Route", ROUTES_MAX)

    @property
    def record_routes(self) -> list[NameAddr]:
        return self._addresses("record-route", "Record-Route", ROUTES_MAX)

    @property
    def paths(self) -> list[NameAddr]:
        """Every Path value (RFC 3327), topmost first."""
        return self._addresses("path", "Path", ROUTES_MAX)

    @property
    def supported(self) -> list[str]:
        """Option tags in lower case."""
        return self._option_tags("supported", "Supported")

    @property
    def require(self) -> list[str]:
        """Option tags in lower case."""
        return self._option_tags("require", "Require")

    @property
    def proxy_require(self) -> list[str]:
        """Option tags in lower case."""
        return self._option_tags("proxy-require", "Proxy-Require")

    def _required(self, key: str, name: str) -> str:
        value = self.headers.first(key)
        if value is None:
            raise SipSyntaxError("missing", header=name)
        return value

    def _read_address(self, key: str, name: str) -> NameAddr | re.Match[str]:
        self.headers.cache[key] = kept = read_address(self._required(key, name), name)
        return kept

    def _address(self, key: str, name: str) -> NameAddr:
        kept: NameAddr | re.Match[str] | None = self.headers.cache.get(key)
        if kept is None:
            kept = self._read_address(key, name)
        if not isinstance(kept, NameAddr):
            kept = NameAddr.of_match(kept)
            self.headers.cache[key] = kept
        return kept

    def _tag(self, key: str, name: str) -> str | None:
        kept: NameAddr | re.Match[str] | None = self.headers.cache.get(key)
        if kept is None:
            kept = self._read_address(key, name)
        if not isinstance(kept, NameAddr):
            tag: str | None = kept[TAG]
            return tag
        return kept.params.get("tag")

    def _number(self, key: str, name: str, limit: int) -> int | None:
        number: int | None = self.headers.cache.get(key)
        if number is None:
            text = self.headers.first(key)
            if text is None:
                return None
            self.headers.cache[key] = number = parse_number(text, limit, name)
        return number

    def _list(self, key: str, name: str, limit: int) -> list[str]:
        values = self.headers.values(key)
        if len(values) > limit:
            raise SipSyntaxError(f"more than {limit} values", header=name)
        return values

    def _addresses(self, key: str, name: str, limit: int) -> list[NameAddr]:
        addresses = self.headers.cache.get(key)
        if addresses is None:
            values = self._list(key, name, limit)
            if not values:
                return []
            addresses = tuple([NameAddr.parse(value, name) for value in values])
            self.headers.cache[key] = addresses
        return list(addresses)

    def _option_tags(self, key: str, name: str) -> list[str]:
        if key not in self.headers.keys:
            return []
        values = self._list(key, name, LIST_VALUES_MAX)
        for value in values:
            if not is_token(value):
                raise SipSyntaxError("malformed option tag", header=name)
        return [value.lower() for value in values]

    def _to_bytes(self, start_line: str) -> bytes:
        lines = self.headers.lines
        head = f"{start_line}\r\n" + "\r\n".join(lines) + ("\r\n\r\n" if lines else "\r\n")
        return head.encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    """A request. `uri_text` is the Request-URI as it is on the wire."""

    __slots__ = ("_uri", "method", "uri_text")

    def __init__(self, method: str, uri_text: str, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self.method = method  # case-exact
        self.uri_text = uri_text
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        uri = self._uri
        if uri is None or uri.received != self.uri_text:
            self._uri = uri = Uri.parse(self.uri_text, "Request-URI")
        return uri

    def set_uri(self, uri: str | Uri) -> None:
        """Put another Request-URI in place."""
        self.uri_text = str(uri)
        self._uri = None

    def to_bytes(self) -> bytes:
        """The message as it goes on the wire; nothing is added or mended."""
        return self._to_bytes(f"{self.method} {self.uri_text} SIP/2.0")

    def copy(self) -> Request:
        """A request whose headers can be edited alone."""
        twin = Request(self.method, self.uri_text, self.headers.copy(), self.body)
        twin._uri = self._uri
        return twin

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri_text}>"


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self.status = status
        self.reason = reason

    def to_bytes(self) -> bytes:
        """The message as it goes on the wire; nothing is added or mended."""
        return self._to_bytes(f"SIP/2.0 {self.status} {self.reason}")

    def copy(self) -> Response:
        """A response whose headers can be edited alone."""
        return Response(self.status, self.reason, self.headers.copy(), self.body)

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def ensure_content_length(message: Message) -> None:
    """Give `message` the Content-Length that its body has, where it is missing or wrong."""
    text = str(len(message.body))
    headers = message.headers
    if headers.count("content-length") != 1 or headers.first("content-length") != text:
        headers.set("Content-Length", text)


def read_top_via(text: str) -> Via:
    """The first value of a Via line. Raises: SipSyntaxError (400)."""
    if "," in text:
        values = split_list(text)
        text = values[0] if values else ""
    return Via.parse(text)


def read_call_id(text: str) -> str:
    """Printable ASCII without a blank: all that a Call-ID may hold, and some more (§25.1 `word`).

    Raises: SipSyntaxError (400).
    """
    if _CALL_ID.fullmatch(text) is None:
        raise SipSyntaxError("malformed", header="Call-ID")
    return text


def read_address(text: str, name: str) -> NameAddr | re.Match[str]:
    """A From or To: mostly a match of SIP_NAME_ADDR, which becomes a NameAddr if one is asked for.

    Raises: SipSyntaxError (400), also for a tag that is empty, quoted or given twice.
    """
    match = SIP_NAME_ADDR.fullmatch(text)
    if match is not None:
        if not match[REST]:
            return match
        address = NameAddr.of_match(match)
    else:
        address = NameAddr.parse(text, name)
    params = address.params
    tag = params.get("tag")
    if (
        tag == ""
        or params.count("tag") > 1
        or (tag is None) == params.has("tag")
        or '"' in (tag or "")
    ):
        raise SipSyntaxError("tag is empty, quoted or given twice", header=name)
    return address
