"""How pushes leave a node without Push REST: the channels, and the clients behind them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace

from callctl.io.h2_connection import ALPN
from callctl.io.pki import CertificateAuthority
from callctl.model.push_access import DirectPush, ServiceAccount, SigningKey
from callctl.push.channel import PushChannel
from callctl.push.direct.apns import ApnsSettings, DirectApns
from callctl.push.direct.choice import APNS, APNS_SANDBOX, FCM
from callctl.push.direct.fcm import DirectFcm, FcmSettings
from callctl.push.direct.provider_token import ProviderTokens


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """Direct channels as every node of a cluster uses them."""

    apns: tuple[ApnsSettings, SigningKey] | None
    apns_sandbox_url: str
    fcm: FcmSettings | None
    tls: ssl.SSLContext  # to FCM and its token endpoint
    tls_h2: ssl.SSLContext  # to APNs; offers h2 by ALPN

    def channels(self, unix_ms_at_zero: int, room: int) -> tuple[PushChannel, ...]:
        """The channels of one node. `room`: requests to FCM at once."""
        made: list[PushChannel] = []
        if self.apns is not None:
            settings, key = self.apns
            tokens = ProviderTokens(key)
            sandbox = replace(settings, url=self.apns_sandbox_url)
            made.append(DirectApns(APNS, settings, tokens, unix_ms_at_zero))
            made.append(DirectApns(APNS_SANDBOX, sandbox, tokens, unix_ms_at_zero))
        if self.fcm is not None:
            made.append(DirectFcm(FCM, self.fcm, unix_ms_at_zero, room))
        return tuple(made)


def route_of(direct: DirectPush) -> DirectRoute:
    """The channels of the cluster file, to the real clouds.

    Raises: ValueError if an account is missing: only the emulator does without.
    """
    tls = ssl.create_default_context()  # the system's authorities: Apple's have changed before
    return _route(
        direct,
        None if direct.apns is None else direct.apns.key,
        None if direct.fcm is None else direct.fcm.account,
        tls,
        _offering_h2(ssl.create_default_context()),
    )


def emulated_route(
    direct: DirectPush,
    authority: CertificateAuthority,
    *,
    apns_url: str,
    apns_key: SigningKey,
    fcm_url: str,
    token_url: str,
    account: ServiceAccount | None,
) -> DirectRoute:
    """The channels of the cluster file, to the emulated clouds, with accounts they know.

    Raises: ValueError if an account is missing.
    """
    apns, fcm = direct.apns, direct.fcm
    if apns is not None:
        apns = replace(apns, url=apns_url, sandbox_url=apns_url)
    if fcm is not None:
        fcm = replace(fcm, url=fcm_url)
    return _route(
        replace(direct, apns=apns, fcm=fcm),
        apns_key,
        None if account is None else replace(account, token_url=token_url),
        authority.client_context(),
        authority.client_context(ALPN),
    )


def _route(
    direct: DirectPush,
    key: SigningKey | None,
    account: ServiceAccount | None,
    tls: ssl.SSLContext,
    tls_h2: ssl.SSLContext,
) -> DirectRoute:
    apns, fcm = None, None
    sandbox_url = ""
    if direct.apns is not None:
        if key is None:
            raise ValueError("direct pushes to APNs need a signing key")
        apns = ApnsSettings(direct.apns.url, direct.apns.bundle_id), key
        sandbox_url = direct.apns.sandbox_url
    if direct.fcm is not None:
        if account is None:
            raise ValueError("direct pushes to FCM need a service account")
        fcm = FcmSettings(direct.fcm.url, account)
    return DirectRoute(apns, sandbox_url, fcm, tls, tls_h2)


def _offering_h2(tls: ssl.SSLContext) -> ssl.SSLContext:
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.set_alpn_protocols(list(ALPN))
    return tls
