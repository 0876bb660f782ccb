"""What a phone gives away so that it can be woken: device tokens, and the key that seals pushes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from callctl.model.device import Platform
from callctl.phone.phone_event import (
    AttachPush,
    PhoneOut,
    PushArrived,
    PushOpened,
    PushRejected,
)
from callctl.phone.phone_settings import PhoneSettings
from callctl.push.envelope import KEY_OCTETS, EnvelopeError, b64url
from callctl.push.reader import ReadPush, read_push
from callctl.push.sign_in import SignInRequest, SignOutRequest
from sipstack.entropy import Entropy, token
from sipstack.timing import MS, Instant

TOKEN_OCTETS: Final = 32
KEYS_MAX: Final = 3  # the newest, and those that pushes under way may still be sealed with
VOIP_TOPIC: Final = ".voip"  # behind the bundle id, for the VoIP token
TEAM_ID: Final = "CALLCTL000"  # of the app's maker at Apple, in front of the bundle id (RFC 8599)
PROVIDERS: Final = {"APNS": "apns", "APNS:dev": "apns.dev", "FCM": "fcm", "FCM:dev": "fcm.dev"}


class PushIdentity:
    """Kept in the phone's safe storage: it outlives the app."""

    __slots__ = ("_entropy", "_settings", "keys", "message_token", "voip_token")

    def __init__(self, settings: PhoneSettings, entropy: Entropy) -> None:
        self._settings = settings
        self._entropy = entropy
        self.voip_token = token(entropy, TOKEN_OCTETS)
        self.message_token = None if settings.one_token else token(entropy, TOKEN_OCTETS)
        self.keys: OrderedDict[str, bytes] = OrderedDict()  # by key id, the newest last
        self.renew_key()

    def renew_key(self) -> None:
        """Make a new key; the client defines it, and nobody else (SEC-02)."""
        self.keys[f"k{token(self._entropy, 4)}"] = self._entropy.octets(KEY_OCTETS)
        if len(self.keys) > KEYS_MAX:
            self.keys.popitem(last=False)

    def open(self, push: PushArrived, now: Instant, out: PhoneOut) -> ReadPush | None:
        """Open a push; None if it is not to be acted on, which is then noted."""
        try:
            if push.token not in (self.voip_token, self.message_token):
                raise EnvelopeError("for a token that is not ours")
            read = read_push(push.payload, push.token, self.keys)
        except EnvelopeError as error:
            out.append(PushRejected("unreadable", str(error)))
            return None
        if read.is_stale(self._settings.unix_ms_at_zero + now // MS):
            out.append(PushRejected("stale", read.tracking_id))
            return None
        content = read.content
        if content is None:
            out.append(PushOpened(read.tracking_id, None, None))
        else:
            told = (content.event, content.call_uuid, content.hunt_pilot_dn)
            out.append(PushOpened(read.tracking_id, *told))
        return read

    def sign_in(self) -> SignInRequest:
        """What a managed client tells its cluster."""
        settings = self._settings
        key_id, key = next(reversed(self.keys.items()))
        return SignInRequest(
            user_id=settings.agent.auth_user,
            password=settings.agent.password,
            device_name=settings.agent.device_name or "",
            platform=settings.platform,
            os_version=settings.os_version,
            client=settings.client,
            client_version=settings.client_version,
            subscriber_service=settings.subscriber_service,
            key=b64url(key),
            key_id=key_id,
            voip_token=self.voip_token,
            message_token=self.message_token,
            custom_region=settings.custom_region,
        )

    def sign_out(self) -> SignOutRequest:
        """The wish to get no more pushes."""
        agent = self._settings.agent
        return SignOutRequest(agent.auth_user, agent.password, agent.device_name or "")

    def attachments(self) -> tuple[AttachPush, ...]:
        """What to hold at the partner cloud."""
        settings = self._settings
        service, app = settings.subscriber_service, settings.app
        topic = app + VOIP_TOPIC if settings.platform is Platform.IOS else app
        calls = AttachPush(self.voip_token, service, topic)
        if self.message_token is None:
            return (calls,)
        return calls, AttachPush(self.message_token, service, app)

    def contact_uri_params(self) -> tuple[str, ...]:
        """What a standard client registers with (RFC 8599 §4.1), in Apple's double form."""
        settings = self._settings
        prid = self.voip_token
        if self.message_token is not None:
            prid = f"{self.voip_token}:voip&{self.message_token}:remote"
        provider = PROVIDERS[settings.subscriber_service]
        param = settings.app
        if settings.platform is Platform.IOS:
            kinds = "voip" if self.message_token is None else "remote&voip"
            param = f"{TEAM_ID}.{settings.app}.{kinds}"
        return f"pn-provider={provider}", f"pn-param={param}", f"pn-prid={prid}"
