"""Kinds of push, the channels they travel on, and how they end."""

from __future__ import annotations

from enum import Enum
from typing import Final

from callctl.push.features import Channel as Channel
from callctl.push.features import PushFeatures
from callctl.registration.push_binding import PushBinding


class PushKind(Enum):
    """Why a push is sent; the value is the `event` of its content (OP-10)."""

    INCOMING = "incoming"
    MISSED = "missed"
    ANSWERED_ELSEWHERE = "answeredElsewhere"
    CANCELLED = "cancelled"  # a hunt went on to another member: stop ringing, nothing was missed
    INSTANT_MESSAGE = "im"
    INVITATION = "invitation"
    TERMINATED = "terminated"  # the messaging session ended with its server


SECOND_PUSHES: Final = frozenset({PushKind.MISSED, PushKind.ANSWERED_ELSEWHERE, PushKind.CANCELLED})
CALL_PUSHES: Final = frozenset({PushKind.INCOMING}) | SECOND_PUSHES


def channel_of(kind: PushKind, binding: PushBinding, features: PushFeatures) -> Channel:
    """The channel for a push of `kind` to the device of `binding`.

    A second push goes the way of the ring push, because CallKit may still ring for that (OP-08).
    A call push to a custom-region device stays off the VoIP channel whatever `features` were looked
    up for it: each push there would have to show CallKit (CHN-09). A standard client that gave no
    VoIP token takes its calls as messages, as Linphone's `pn-prid=<token>:remote` asks for.
    Source: MODE-08, MODE-09, SHL-06.
    """
    if kind not in CALL_PUSHES:
        return features.message_channel
    if binding.custom_region or (features.call_channel is Channel.VOIP and _messages_only(binding)):
        return Channel.MESSAGE
    return features.call_channel


def _messages_only(binding: PushBinding) -> bool:
    return not binding.managed and binding.voip_token is None


def target_of(channel: Channel, binding: PushBinding) -> str | None:
    """The device token for `channel`, None if the device has not given one.

    An app on FCM has one registration token, and iOS 12 one for its only channel; so whichever the
    client gave serves there. APNs tells the two apart: a token works on its own channel only.
    """
    voip, message = binding.voip_token, binding.message_token
    if channel is Channel.DEFAULT or binding.subscriber_service.startswith("FCM"):
        return voip or message
    return voip if channel is Channel.VOIP else message
