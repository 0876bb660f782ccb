"""Direct push channels for tests: their keys, and a push service that uses them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from callctl.model.push_access import ServiceAccount, SigningKey
from callctl.push.channel import PUSH_REST, Channels
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.direct.apns import ApnsSettings, DirectApns
from callctl.push.direct.choice import APNS, FCM
from callctl.push.direct.fcm import DirectFcm, FcmSettings
from callctl.push.direct.provider_token import ProviderTokens
from callctl.push.events import CpnsAction, FetchToken
from callctl.push.rest import PushRestChannel
from callctl.registration.push_binding import PushBinding
from helpers.pushes import (
    ANDROID,
    CHINA,
    IOS_12,
    IPHONE,
    KEYLESS,
    UNIX_MS,
    URL,
    CountedEntropy,
    features_in,
)

UNIX_S = UNIX_MS // 1000
APNS_URL = "https://apns.example.com"
FCM_URL = "https://fcm.example.com"
TOKEN_URL = "https://oauth.example.com/token"
TEAM_ID = "TEAM123456"
BUNDLE_ID = "org.callctl.phone"
PROJECT_ID = "callctl-phone"
SIGNING_KEY = SigningKey.make(CountedEntropy(), "KEY1234567", TEAM_ID)
APNS_SETTINGS = ApnsSettings(APNS_URL, BUNDLE_ID)

ROBOT = replace(
    KEYLESS,
    device_name="BOTSTD",
    platform=ANDROID.platform,
    os_version="14",
    subscriber_service="FCM",
    voip_token="std:APA91b-z",
    message_token=None,
)
"""A standard client on Android."""


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """One for all tests: making it takes a while."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def account() -> ServiceAccount:
    """A service account of the project of simulated phones."""
    return ServiceAccount(PROJECT_ID, "push@example.com", "kid-1", TOKEN_URL, rsa_key())


def pem_of(key: rsa.RSAPrivateKey | object) -> str:
    """A private key in PEM."""
    octets: bytes = key.private_bytes(  # type: ignore[union-attr]
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return octets.decode()


class DirectService:
    """A push service whose pushes to Apple and Google go directly, and to nobody else."""

    def __init__(self, *, room: int = 64) -> None:
        self.bindings = {b.device_name: b for b in (IPHONE, CHINA, IOS_12, ANDROID, KEYLESS, ROBOT)}
        self.apns = DirectApns(APNS, APNS_SETTINGS, ProviderTokens(SIGNING_KEY), UNIX_MS)
        self.fcm = DirectFcm(FCM, FcmSettings(FCM_URL, account()), UNIX_MS, room)
        self.cpns = Cpns(
            CpnsSettings(URL, unix_ms_at_zero=UNIX_MS),
            CountedEntropy(),
            lambda device_name: self.bindings.get(device_name),
            features_in(),
            Channels(PushRestChannel(URL), (self.apns, self.fcm), self._channel),
        )

    def _channel(self, binding: PushBinding) -> str:
        if binding.device_name == "TCTREST":
            return PUSH_REST
        return FCM if binding.subscriber_service == "FCM" else APNS


def fetches(actions: tuple[CpnsAction, ...]) -> list[FetchToken]:
    """The token fetches among `actions`."""
    return [action for action in actions if isinstance(action, FetchToken)]
