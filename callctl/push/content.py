"""What a push says to the app, before it is sealed (OP-10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from callctl.push.features import PushFeatures
from callctl.push.kind import PushKind

CONTENT_VERSION: Final = 1
UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Limits in octets of UTF-8. JSON can double a text (quotes, backslashes) and base64 adds a third,
# so content of all longest fields still fits an APNs alert or an FCM message of 4,096 octets, the
# envelope and the partner's own wrapping included (SEC-08).
DISPLAY_NAME_MAX: Final = 256
DISPLAY_NUMBER_MAX: Final = 128
HUNT_PILOT_MAX: Final = 64
HOST_MAX: Final = 255  # RFC 1035 §2.3.4
CALL_UUID_MAX: Final = 64

# Characters that reorder text and so let one name look like another; the marks that join letters
# in Persian or in emoji stay.
_BIDI: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_CONTROLS: Final = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
_NO_UTF_8: Final = range(0xD800, 0xE000)  # how octets that were no UTF-8 are kept in text
_UNSAFE: Final[dict[int, str | None]] = {
    **dict.fromkeys(_CONTROLS, " "),
    **dict.fromkeys(map(ord, _BIDI)),
    **dict.fromkeys(_NO_UTF_8, "\N{REPLACEMENT CHARACTER}"),
}


@dataclass(frozen=True, slots=True)
class ActiveNode:
    """The node a woken client registers at (CMG-05, OP-30)."""

    fqdn: str
    ip: str
    port: int
    transport: str  # "tls", "tcp" or "udp"
    role: str  # "primary", "backup" or "tertiary" in the CM group of the device


@dataclass(frozen=True, slots=True)
class CallContent:
    """The content of a call push. Name, number and hunt pilot are all it may hold of a person.

    Source: CID-06, CALL-20, CALL-21, OP-10.
    """

    event: PushKind
    call_uuid: str  # the same in every push of the call
    display_name: str | None = None
    display_number: str | None = None
    hunt_pilot_dn: str | None = None
    video: bool = False
    active_node: ActiveNode | None = None

    def limited(self) -> CallContent:
        """The same with no more of each text than a push can hold, and as Unicode alone.

        What a caller says of itself has no bounds of its own, and need not be UTF-8.
        """
        return replace(
            self,
            display_name=_limited(self.display_name, DISPLAY_NAME_MAX),
            display_number=_limited(self.display_number, DISPLAY_NUMBER_MAX),
            hunt_pilot_dn=_limited(self.hunt_pilot_dn, HUNT_PILOT_MAX),
        )

    def plaintext(self, features: PushFeatures, sent_at_unix_ms: int | None = None) -> bytes:
        """The content as JSON, for sealing.

        Fields that the release does not offer, and those without a value, are absent, not empty
        (CMG-06, CID-02). `sent_at_unix_ms` lets the client see how old the push is.
        """
        fields: dict[str, Any] = {
            "v": CONTENT_VERSION,
            "event": self.event.value,
            "callUUID": safe_text(self.call_uuid, CALL_UUID_MAX),
        }
        if features.caller_id:
            _put(fields, "displayName", self.display_name, DISPLAY_NAME_MAX)
            _put(fields, "displayNumber", self.display_number, DISPLAY_NUMBER_MAX)
        _put(fields, "huntPilotDn", self.hunt_pilot_dn, HUNT_PILOT_MAX)
        fields["video"] = self.video
        node = self.active_node
        if node is not None and features.active_node:
            fields["activeNode"] = {
                "fqdn": safe_text(node.fqdn, HOST_MAX),
                "ip": node.ip,
                "port": node.port,
                "transport": node.transport,
                "role": node.role,
            }
        if sent_at_unix_ms is not None:
            fields["sentAt"] = UNIX_EPOCH + timedelta(milliseconds=sent_at_unix_ms)
        return msgspec.json.encode(fields)


def safe_text(text: str, octets_max: int) -> str:
    """`text` in at most `octets_max` octets of UTF-8, without what could forge a display.

    Control characters become spaces, marks that change the direction of text vanish, and what was
    not UTF-8 becomes U+FFFD. Cut between characters, never inside one.
    """
    if not text.isprintable():
        text = text.translate(_UNSAFE)
    text = text.strip()
    if text.isascii():
        return text[:octets_max].rstrip()
    raw = text.encode()
    return text if len(raw) <= octets_max else raw[:octets_max].decode(errors="ignore").rstrip()


def _limited(text: str | None, octets_max: int) -> str | None:
    return None if text is None else safe_text(text, octets_max)


def _put(fields: dict[str, Any], name: str, text: str | None, octets_max: int) -> None:
    if text and (safe := safe_text(text, octets_max)):
        fields[name] = safe
