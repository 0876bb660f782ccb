"""An alarm as a syslog message, and how a stream carries it.

    <185>1 2024-07-10T09:00:00.000Z ucm1.example.com callctl - AlarmRaised [alarm@32473
    name="AccessTokenInvalid" severity="ALERT_ALARM" component="Cisco Push Notification Service"
    node="ucm1" state="raised" number="7" occurrences="1"] The access token has expired ...

(one line on the wire). The subject of an alarm is left out, because it is personal (ALARM-08).
Source: RFC 5424 §6; RFC 6587 §3.4.1 and RFC 5425 §4.3 (octet counting); RFC 5426 §3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from callctl.model.alarm_settings import FACILITY, FACILITY_MAX
from callctl.serviceability.alarm import AlarmNotice, state_of
from callctl.serviceability.severity import Severity

SD_ID: Final = "alarm@32473"  # the enterprise number of RFC 5612, for examples: we have no own one
STREAM_MAX: Final = 2_048  # octets: receivers should take so many (RFC 5424 §6.1)
DATAGRAM_MAX: Final = 1_180  # octets: never split over IPv6 (RFC 5426 §3.2)
MESSAGE_LEAST: Final = 1_150  # octets: header and structured data are never longer
VALUE_MAX: Final = 64  # octets of one parameter, before escaping
NIL: Final = "-"

_BOM: Final = b"\xef\xbb\xbf"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "]": "\\]"})
_MSG_IDS: Final = {"raised": "AlarmRaised", "repeated": "AlarmRepeated", "cleared": "AlarmCleared"}
_HOST_MAX, _APP_MAX, _PROCESS_MAX = 255, 48, 128  # characters, RFC 5424 §6


@dataclass(frozen=True, slots=True)
class SyslogOrigin:
    """Who sends."""

    host: str
    app: str = "callctl"
    process: str = ""
    facility: int = FACILITY

    def __post_init__(self) -> None:
        """Raises: ValueError for a facility that syslog does not have."""
        if not 0 <= self.facility <= FACILITY_MAX:
            raise ValueError(f"syslog has no facility {self.facility}: it is one of 0 to 23")


def syslog_message(
    notice: AlarmNotice, unix_ns: int, origin: SyslogOrigin, *, size_max: int = STREAM_MAX
) -> bytes:
    """The whole message, at most `size_max` octets; what is too long loses the end of its text.

    A cleared alarm is sent as a notice: it is good news, whatever was before.
    """
    if size_max < MESSAGE_LEAST:
        raise ValueError(f"a message does not fit into {size_max} octets")
    definition, state = notice.definition, state_of(notice)
    severity = Severity.NOTICE if state == "cleared" else definition.severity
    header = " ".join(
        (
            f"<{origin.facility * 8 + severity}>1",
            timestamp(unix_ns),
            _word(origin.host, _HOST_MAX),
            _word(origin.app, _APP_MAX),
            _word(origin.process, _PROCESS_MAX),
            _MSG_IDS[state],
        )
    )
    data = structured_data(
        {
            "name": definition.name,
            "severity": definition.severity.alarm_name,
            "component": definition.component,
            "node": notice.node,
            "state": state,
            "number": str(notice.number),
            "occurrences": str(notice.occurrences),
        }
    )
    text = "The condition is over." if state == "cleared" else definition.explanation
    if notice.detail:
        text = f"{notice.detail}. {text}"
    head = f"{header} {data}".encode()
    return head + _text(text, size_max, head)


def structured_data(values: dict[str, str]) -> str:
    """One element; the names are ours, the values anybody's (RFC 5424 §6.3.3)."""
    pairs = "".join(
        f' {name}="{_cut(_printable(value), VALUE_MAX).translate(_ESCAPED)}"'
        for name, value in values.items()
    )
    return f"[{SD_ID}{pairs}]"


def framed(message: bytes) -> bytes:
    """As TCP and TLS carry it: its length in octets first."""
    return b"%d %s" % (len(message), message)


def timestamp(unix_ns: int) -> str:
    """UTC with milliseconds (RFC 5424 §6.2.3)."""
    at = _EPOCH + timedelta(milliseconds=unix_ns // 1_000_000)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1_000:03}Z"


def _text(text: str, size_max: int, head: bytes) -> bytes:
    """The space and the free text; with a byte order mark only where it is needed (§6.4)."""
    readable = _printable(text)
    mark = b" " if readable.isascii() else b" " + _BOM
    return mark + _cut(readable, size_max - len(head) - len(mark)).encode()


def _printable(text: str) -> str:
    """Without control characters, line ends and halves of surrogate pairs."""
    return "".join(
        " " if not each.isprintable() and each != " " else each
        for each in text
        if not 0xD800 <= ord(each) <= 0xDFFF
    )


def _cut(text: str, octets_max: int) -> str:
    """At most so many octets of UTF-8, and no character cut in two."""
    octets = text.encode()
    if len(octets) <= octets_max:
        return text
    return octets[:octets_max].decode(errors="ignore")


def _word(text: str, characters_max: int) -> str:
    """A field of the header: visible ASCII, without spaces; `-` if nothing is left."""
    return "".join(each for each in text if "!" <= each <= "~")[:characters_max] or NIL
