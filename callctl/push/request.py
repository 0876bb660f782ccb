"""The request that carries one push to Push REST."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from callctl.push.envelope import CONTENT_FREE, IV_OCTETS, collapse_id, seal
from callctl.push.features import PushFeatures
from callctl.push.intent import PushIntent
from callctl.push.kind import CALL_PUSHES, Channel, channel_of
from callctl.registration.push_binding import PushBinding
from sipstack.entropy import Entropy

HIGH: Final = "high"  # at once, even if it costs battery: every call push (CALL-12, PUSH-04)
NORMAL: Final = "normal"


def outer_request(
    intent: PushIntent,
    binding: PushBinding,
    target: str,
    features: PushFeatures,
    *,
    tracking_id: str,
    ttl_s: int,
    sent_at_unix_ms: int,
    entropy: Entropy,
) -> bytes:
    """The JSON body. Outside the seal are only service details, the target and the tracking id.

    `binding` is the newest one of the device, so that its newest key is used (SEC-07). `ttl_s` is
    what is left of the deadline, 0 meaning "now or never" to both partner clouds.
    Source: OP-10, PUSH-06, PUSH-07.
    """
    channel = channel_of(intent.kind, binding, features)
    fields: dict[str, Any] = {
        "trackingId": tracking_id,
        "service": binding.subscriber_service,
        "target": target,
        "channel": channel.value,
        "priority": HIGH if intent.kind in CALL_PUSHES else NORMAL,
        "ttl": ttl_s,
    }
    if binding.topic is not None:
        fields["topic"] = binding.topic
    if channel is Channel.MESSAGE and intent.kind in CALL_PUSHES:
        fields["collapseId"] = collapse_id(intent.call_uuid, target)
    if binding.key is None or binding.key_id is None:
        fields["payload"] = CONTENT_FREE
    else:
        fields["payload"] = seal(
            intent.content.plaintext(features, sent_at_unix_ms),
            key=binding.key,
            key_id=binding.key_id,
            iv=entropy.octets(IV_OCTETS),
            tracking_id=tracking_id,
            target=target,
        ).payload()
    return msgspec.json.encode(fields)
