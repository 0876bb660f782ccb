"""What may be sent to a device, and over which channel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Channel(Enum):
    """Separate ways to one device; the value is the `channel` of the outer request (OP-10)."""

    VOIP = "voip"
    MESSAGE = "message"
    DEFAULT = "default"  # the one channel of iOS 12 and of old releases (MODE-08, OP-63)


@dataclass(frozen=True, slots=True)
class PushFeatures:
    """What the capability function says to call processing and to the push service (GEN-10)."""

    call_push: bool = False  # at all; the rest is of no matter without it, but message_channel
    separate_channels: bool = False  # VoIP and Message, else one shared channel (REL-06)
    call_channel: Channel = Channel.DEFAULT  # of ring pushes and second pushes
    message_channel: Channel = Channel.DEFAULT
    caller_id: bool = False  # name and number inside the sealed content, CID-01
    external_presentation: bool = False  # CID-04
    active_node: bool = False  # CMG-05, CMG-06
    second_push: bool = False  # OP-70
    custom_region: bool = False  # calls as message notifications are to be had, CHN-03
