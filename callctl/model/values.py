"""Types of single values in cluster files and bulk files, each with its mistakes in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from callctl.model.device import SUBSCRIBER_SERVICES
from callctl.model.node import TRANSPORTS, Listener
from callctl.model.release import ExpresswayVersion, Release, Version
from callctl.model.service_parameter import Parameter
from callctl.model.trunk import TrunkDestination
from sipstack.transport.websocket import ANY_ORIGIN, ANY_PORT

LISTENER_FORM: Final = "transport:address:port, as udp:127.0.0.1:5060 or tls:[::1]:5061"
ORIGIN_FORM: Final = "as https://phone.example, http://127.0.0.1:8000, http://127.0.0.1:* or any"

DESTINATION_FORM: Final = "transport:address:port, as udp:192.0.2.9:5060 or tls:[2001:db8::9]:5061"

DN_PATTERN: Final = r"[\w+*#][\w.+*#-]*"

_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is, in a word or two; for the reference page."""

    text: str


def wrong(problem: str, expected: str) -> PydanticCustomError:
    """A mistake in words of our own; `explain` takes it apart again."""
    return PydanticCustomError("callctl", "{problem}", {"problem": problem, "expected": expected})


def quoted(text: str) -> str:
    """`text` for a message: printable, and short however long it is."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _matching(pattern: str, longest: int, noun: str, expected: str) -> AfterValidator:
    matches = re.compile(pattern, re.ASCII).fullmatch

    def check(text: str) -> str:
        if len(text) > longest:
            raise wrong(f"has {len(text)} characters", f"at most {longest}")
        if matches(text) is None:
            raise wrong(f"{quoted(text)} is not {noun}", expected)
        return text

    return AfterValidator(check)


def _parsed_by(parse: Callable[[str], object], noun: str, expected: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            parse(text)
        except ValueError:
            raise wrong(f"{quoted(text)} is not {noun}", expected) from None
        return text

    return AfterValidator(check)


def _domain(text: str) -> str:
    if len(text) > 253 or not all(map(_HOST_LABEL.fullmatch, text.split("."))):
        raise wrong(f"{quoted(text)} is not a domain name", "a name such as lab.example")
    return text.lower()


def parse_listener(text: str) -> Listener:
    """Read `udp:127.0.0.1:5060` or `tls:[::1]:5061`. Raises: PydanticCustomError."""
    transport, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if transport.upper() not in TRANSPORTS:
        known = f"{', '.join(TRANSPORTS[:-1])} or {TRANSPORTS[-1]}".lower()
        raise wrong(f"{quoted(transport)} is not a transport", f"{known}; {LISTENER_FORM}")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise wrong(f"{quoted(port)} is not a port from 1 to 65535", LISTENER_FORM)
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise wrong(f"{quoted(host)} is not a numeric address", LISTENER_FORM) from None
    if bracketed != isinstance(address, IPv6Address):
        raise wrong(f"{quoted(host)} is not an address", f"{LISTENER_FORM}; only IPv6 in brackets")
    if address.is_unspecified or address.is_multicast:
        # It goes into Via, Record-Route and pushes, where phones read it.
        raise wrong(f"{address} is no address to send to", "the address that phones can reach")
    return Listener(transport.upper(), str(address), int(port))


def parse_destination(text: str) -> TrunkDestination:
    """Read `udp:192.0.2.9:5060`, where a peer takes SIP. Raises: PydanticCustomError."""
    transport = text.partition(":")[0]
    if transport.upper() not in ("UDP", "TCP", "TLS"):
        raise wrong(f"{quoted(transport)} is not a transport to a peer", DESTINATION_FORM)
    place = parse_listener(text)
    return TrunkDestination(place.transport, place.host, place.port)


def _destination(text: str) -> str:
    parse_destination(text)
    return text


def _listener(text: str) -> str:
    parse_listener(text)
    return text


def _origin(text: str) -> str:
    if text == ANY_ORIGIN:
        return text
    scheme, _, rest = text.lower().partition("://")
    host = rest.removesuffix(ANY_PORT)
    try:
        parts = urlsplit(f"{scheme}://{host}")
        sound = bool(parts.hostname) and parts.netloc == host and parts.port != 0
    except ValueError:  # a port that is none, or half an IPv6 address
        sound = False
    plain = host.isascii() and host.isprintable() and not set(host) & set(" @*")
    if scheme not in ("http", "https") or not (sound and plain):
        raise wrong(f"{quoted(text)} is not an origin", ORIGIN_FORM)
    return f"{scheme}://{rest}"


def _https_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or half an IPv6 address
        sound = False
    if not (sound and text.isascii() and text.isprintable() and " " not in text):
        raise wrong(f"{quoted(text)} is not an https URL", "https://host or https://host:port")
    return text.rstrip("/")


def _proxy_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and bool(parts.port)
        sound = sound and parts.username is None and parts.path in ("", "/") and not parts.query
    except ValueError:
        sound = False
    if not (sound and text.isascii() and text.isprintable() and " " not in text):
        shown = quoted(text) if "@" not in text else "it"  # there may be a password in it
        raise wrong(
            f"{shown} is not the URL of a proxy", "http://host:port or https://host:port, no more"
        )
    return text.rstrip("/")


def _lower(text: str) -> str:
    return text.lower()


def _password(text: str) -> str:
    if not (1 <= len(text) <= 256 and text.isprintable()):
        # Not shown: it may be nearly right.
        raise wrong("is not a password", "1 to 256 printable characters")
    return text


def is_dn(text: str) -> bool:
    """True if `text` can be a directory number."""
    return len(text) <= 64 and re.fullmatch(DN_PATTERN, text, re.ASCII) is not None


def choice_of(parameter: Parameter) -> Any:  # noqa: ANN401  (a type made at run time)
    """The type of a service parameter that is one of a few texts or numbers."""
    by_text = {str(choice): choice for choice in parameter.choices}

    def check(value: object) -> object:
        if str(value) not in by_text:
            raise wrong(f"is {quoted(str(value))}", parameter.allowed)
        return by_text[str(value)]

    return Annotated[Any, AfterValidator(check)]


Text: TypeAlias = Annotated[
    str,
    Kind("text"),
    _matching(r"[^\x00-\x1f\x7f]*", 200, "one line of text", "no control characters"),
]
FilePath: TypeAlias = Annotated[
    str,
    Kind("path"),
    _matching(r"[^\x00-\x1f\x7f]+", 1000, "a path", "a file, relative to the cluster file"),
]
Password: TypeAlias = Annotated[str, Kind("text"), AfterValidator(_password)]
Name: TypeAlias = Annotated[
    str,
    Kind("name"),
    _matching(r"[A-Za-z0-9][\w.-]*", 64, "a name", "letters, digits and . _ - after the first"),
]
UserId: TypeAlias = Annotated[
    str,
    Kind("user id"),
    _matching(r"[A-Za-z0-9][\w.@+-]*", 128, "a user id", "letters, digits and . _ - + @"),
]
Dn: TypeAlias = Annotated[
    str,
    Kind("directory number"),
    _matching(DN_PATTERN, 64, "a directory number", "digits, letters and + * # . _ -"),
]
PresentationNumber: TypeAlias = Annotated[
    str,
    Kind("number"),
    _matching(
        r"\+?[0-9*#]*[Xx]*(?<=.)", 32, "a number to show", "digits, X at the end for the DN's"
    ),
]
Instance: TypeAlias = Annotated[
    str,
    Kind("URN"),
    AfterValidator(_lower),
    _matching(
        r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        45,
        "an instance",
        "urn:uuid: and a UUID (RFC 5626 §4.1)",
    ),
]
Domain: TypeAlias = Annotated[str, Kind("domain name"), AfterValidator(_domain)]
DestinationText: TypeAlias = Annotated[str, Kind("destination"), AfterValidator(_destination)]
PatternText: TypeAlias = Annotated[
    str,
    Kind("pattern"),
    _matching(
        r"\+?[0-9X*#]*!?(?<=.)",
        32,
        "a route pattern",
        "digits, * and #, X for any digit, ! at the end for one or more digits",
    ),
]
Prefix: TypeAlias = Annotated[
    str, Kind("digits"), _matching(r"\+?[0-9*#]*", 32, "a prefix", "digits, * and #, + in front")
]
ListenerText: TypeAlias = Annotated[str, Kind("listener"), AfterValidator(_listener)]
OriginText: TypeAlias = Annotated[str, Kind("origin"), AfterValidator(_origin)]
HttpsUrl: TypeAlias = Annotated[str, Kind("https URL"), AfterValidator(_https_url)]
ProxyUrl: TypeAlias = Annotated[str, Kind("proxy URL"), AfterValidator(_proxy_url)]
ReleaseText: TypeAlias = Annotated[
    str,
    Kind("release"),
    _parsed_by(Release.parse, "a release", "one such as 12.5(1)SU3, 14SU3 or 15"),
]
ExpresswayText: TypeAlias = Annotated[
    str,
    Kind("Expressway version"),
    _parsed_by(ExpresswayVersion.parse, "an Expressway version", "one such as X12.6.2"),
]
VersionText: TypeAlias = Annotated[
    str, Kind("version"), _parsed_by(Version.parse, "a version", "one such as 12.9.1 or 16.5")
]
SubscriberService: TypeAlias = Annotated[
    str,
    Kind("subscriber service"),
    _matching(
        "|".join(SUBSCRIBER_SERVICES), 16, "a subscriber service", " or ".join(SUBSCRIBER_SERVICES)
    ),
]
AppleId: TypeAlias = Annotated[
    str,
    Kind("id"),
    _matching(r"[A-Z0-9]{10}", 10, "an id of Apple", "10 capital letters and digits"),
]
BundleId: TypeAlias = Annotated[
    str,
    Kind("bundle id"),
    _matching(
        r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", 155, "a bundle id", "one such as org.example.phone"
    ),
]
