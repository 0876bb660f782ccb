"""Bindings, contents and intents for tests of pushes, and chance that is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from callctl.model.device import ClientType, Platform
from callctl.model.release import Release
from callctl.model.service_parameter import ServiceParameters
from callctl.push.capability.capabilities import Capabilities
from callctl.push.capability.capability import Switches
from callctl.push.content import ActiveNode, CallContent
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.events import CpnsAction, PostPush, PushOutcome, TokenChanged
from callctl.push.features import PushFeatures
from callctl.push.intent import PushIntent
from callctl.push.kind import PushKind
from callctl.registration.push_binding import PushBinding
from sipstack.timing import MS, Instant

URL = "https://push.example.com/push/v1/notifications"
KEY = bytes(range(32))
KEY_ID = "k7"
VOIP_TOKEN = "aa" * 32
MESSAGE_TOKEN = "bb" * 32
FCM_TOKEN = "dQw4:APA91b-x_y"
UNIX_MS = 1_720_602_000_000  # 2024-07-10T09:00:00Z
NODE = ActiveNode("cm2.example.com", "192.0.2.12", 5061, "tls", "backup")

IPHONE = PushBinding(
    "TCTALICE",
    Platform.IOS,
    "17.4",
    ClientType.WEBEX,
    "44.1",
    "APNS",
    VOIP_TOKEN,
    MESSAGE_TOKEN,
    KEY_ID,
    KEY,
)
CHINA = replace(IPHONE, device_name="TCTLI", custom_region=True)
IOS_12 = replace(IPHONE, device_name="TCTOLD", os_version="12.4", message_token=None)
ANDROID = replace(
    IPHONE,
    device_name="BOTBOB",
    platform=Platform.ANDROID,
    os_version="14",
    subscriber_service="FCM",
    voip_token=FCM_TOKEN,
    message_token=None,
)
KEYLESS = replace(
    IPHONE, device_name="TCTSTD", client=ClientType.STANDARD, key=None, key_id=None, managed=False
)


class CountedEntropy:
    """Chance that never repeats and is the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def octets(self, count: int) -> bytes:
        self._count += 1
        return (self._count.to_bytes(4, "big") * (count // 4 + 1))[:count]

    def below(self, limit: int) -> int:
        self._count += 1
        return self._count % limit


def content(kind: PushKind = PushKind.INCOMING, call_uuid: str = "c1") -> CallContent:
    """A call from Büro Süd at +498912345678, through the hunt pilot 555800099."""
    return CallContent(kind, call_uuid, "Büro Süd", "+498912345678", "555800099", True, NODE)


def intent(
    kind: PushKind = PushKind.INCOMING,
    binding: PushBinding = IPHONE,
    *,
    call_uuid: str = "c1",
    intent_id: str | None = None,
    deadline_ms: int = 13_000,
) -> PushIntent:
    """What an engine asks for; its id says what it is unless one is given."""
    return PushIntent(
        intent_id or f"{call_uuid}/{binding.device_name}/{kind.value}",
        binding.device_name,
        kind,
        call_uuid,
        binding,
        content(kind, call_uuid),
        at(deadline_ms),
    )


def features_in(
    release: str = "15", *, android_caller_id: bool = False
) -> Callable[[PushBinding], PushFeatures]:
    """What `release` offers to a device."""
    parameters = ServiceParameters(android_caller_id=android_caller_id)
    return Capabilities(Release.parse(release), Switches.of(parameters)).features


FULL = features_in()(IPHONE)
"""All that a push can hold."""


class Service:
    """A push service with its token, and the bindings it finds when a push is about to leave."""

    def __init__(
        self,
        release: str = "15",
        *,
        android_caller_id: bool = False,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        self.bindings = {b.device_name: b for b in (IPHONE, CHINA, IOS_12, ANDROID, KEYLESS)}
        self.cpns = Cpns(
            CpnsSettings(URL, unix_ms_at_zero=UNIX_MS, **settings),
            CountedEntropy(),
            lambda device_name: self.bindings.get(device_name),
            features_in(release, android_caller_id=android_caller_id),
        )
        self.cpns.receive(TokenChanged("secret-token"), Instant(0))


def at(ms: int) -> Instant:
    """Milliseconds as an instant."""
    return Instant(ms * MS)


def posts(actions: tuple[CpnsAction, ...]) -> list[PostPush]:
    """The posts among `actions`."""
    return [action for action in actions if isinstance(action, PostPush)]


def outcomes(actions: tuple[CpnsAction, ...]) -> list[PushOutcome]:
    """The outcomes among `actions`."""
    return [action for action in actions if isinstance(action, PushOutcome)]
