"""One push about to leave: its content sealed with the newest key, the rest in the open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from callctl.push.channel import Outgoing
from callctl.push.envelope import CONTENT_FREE, IV_OCTETS, collapse_id, seal
from callctl.push.features import PushFeatures
from callctl.push.intent import PushIntent
from callctl.push.kind import CALL_PUSHES, Channel, channel_of
from callctl.registration.push_binding import PushBinding
from sipstack.entropy import Entropy
from sipstack.timing import MS, SECOND, Instant

ON_THE_WAY_NS: Final = 20 * MS  # from the engine, over port 9966, to the moment it is posted


def outgoing_push(
    intent: PushIntent,
    binding: PushBinding,
    target: str,
    features: PushFeatures,
    *,
    tracking_id: str,
    now: Instant,
    unix_ms_at_zero: int,
    entropy: Entropy,
) -> Outgoing:
    """What a channel needs to write the request: nothing of it names a person but under the seal.

    `binding` is the newest one of the device, so that its newest key is used (SEC-07). The `ttl_s`
    is what is left of the deadline in whole seconds, 0 meaning "now or never" to both partner
    clouds; the way from CallManager to here does not count.
    Source: OP-10, PUSH-06, PUSH-07, SEC-06.
    """
    channel = channel_of(intent.kind, binding, features)
    call = intent.kind in CALL_PUSHES
    payload: Mapping[str, str] = CONTENT_FREE
    if binding.key is not None and binding.key_id is not None:
        payload = seal(
            intent.content.plaintext(features, unix_ms_at_zero + now // MS),
            key=binding.key,
            key_id=binding.key_id,
            iv=entropy.octets(IV_OCTETS),
            tracking_id=tracking_id,
            target=target,
        ).payload()
    replaces = channel is Channel.MESSAGE and call
    return Outgoing(
        tracking_id=tracking_id,
        kind=intent.kind,
        service=binding.subscriber_service,
        target=target,
        channel=channel,
        topic=binding.topic,
        payload=payload,
        call=call,
        collapse_id=collapse_id(intent.call_uuid, target) if replaces else None,
        ttl_s=(intent.deadline - now + ON_THE_WAY_NS) // SECOND,
        deadline=intent.deadline,
        stored_at=binding.stamp[0],
    )
