"""Reading sealed pushes as only their devices can: the judges hold every device's key."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from callctl.push.events import PostPush
from callctl.push.kind import PushKind
from callctl.push.reader import read_push
from callctl.registration.push_binding import PushBinding


class SeenPush(NamedTuple):
    """A call push on its way to Push REST."""

    device_name: str
    call_uuid: str  # "" if the push is content-free
    kind: PushKind
    tracking_id: str
    active_node: str  # FQDN, "" without one
    body: bytes

    @property
    def rings(self) -> bool:
        """True for the push that makes a phone ring."""
        return self.kind is PushKind.INCOMING


class PushEye:
    """Knows which device has which token, and the keys it ever had."""

    __slots__ = ("_keys", "_of_token")

    def __init__(self) -> None:
        self._of_token: dict[str, str] = {}
        self._keys: dict[str, bytes] = {}

    def learn(self, binding: PushBinding) -> None:
        """A device signed in with this."""
        for token in (binding.voip_token, binding.message_token):
            if token is not None:
                self._of_token[token] = binding.device_name
        if binding.key is not None and binding.key_id is not None:
            self._keys[binding.key_id] = binding.key

    def read(self, push: PostPush) -> SeenPush:
        """Raises: EnvelopeError if no device can read it."""
        outer = msgspec.json.decode(push.body)
        target = outer["target"]
        read = read_push(outer, target, self._keys)
        name = self._of_token.get(target, "?")
        content = read.content
        if content is None:
            return SeenPush(name, "", PushKind.INCOMING, push.tracking_id, "", push.body)
        node = content.active_node.fqdn if content.active_node is not None else ""
        uuid, kind = content.call_uuid, content.event
        return SeenPush(name, uuid, kind, push.tracking_id, node, push.body)
