"""What a simulated phone has to know to take part, from a cluster or from somebody's own words."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from callctl.cloud.partner import DEFAULT_BUNDLE_ID, DEFAULT_PROJECT_ID
from callctl.model.cluster import Cluster
from callctl.model.device import MOBILE, ClientType, Platform
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from sipstack.timing import MS, SECOND
from sipstack.transaction.timers import TimerValues

SERVICES: Final = {Platform.IOS: "APNS", Platform.ANDROID: "FCM"}
APPS: Final = {Platform.IOS: DEFAULT_BUNDLE_ID, Platform.ANDROID: DEFAULT_PROJECT_ID}
CURRENT_SYSTEM: Final = {Platform.IOS: "17.4", Platform.ANDROID: "14"}
CURRENT_CLIENT: Final = "14.3"
DISCARD: Final = 9


NO_PLAN: Final = AnswerPlan()  # rings until its owner does something


class NoSuchPhone(ValueError):
    """The device cannot be simulated like this; the text says why."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a simulated phone and its owner behave. Times in ns."""

    answer: AnswerPlan = NO_PLAN
    wake_delay_ns: int = 400 * MS
    grace_ns: int = 5 * SECOND  # from being put away to being suspended
    tap_after_ns: int | None = None  # from a call's message to the tap (CHN-05); None: no tap
    key_life_ns: int | None = None  # from one key to the next (REG-05); None: it keeps its key


DEFAULT_MANNER: Final = Manner()


@dataclass(frozen=True, slots=True)
class PhoneAddress:
    """One way to one node."""

    transport: str  # "UDP", "TCP" or "TLS"
    host: str
    port: int
    fqdn: str = ""


@dataclass(frozen=True, slots=True)
class PhoneSetup:
    """One device as its user would set it up; everything but the password."""

    device: str
    user_id: str
    dn: str
    domain: str
    nodes: tuple[PhoneAddress, ...]  # in the order of the CM group
    display_name: str = ""
    platform: str = Platform.DESK.value
    os_version: str = ""
    client: str = ClientType.STANDARD.value
    client_version: str = ""
    subscriber_service: str = ""
    custom_region: bool = False
    instance: str | None = None
    t1_ms: int = 500
    t2_ms: int = 4_000
    t4_ms: int = 5_000

    @property
    def mobile(self) -> bool:
        """True for a phone that sleeps and is woken by push."""
        return Platform(self.platform) in MOBILE


def setup_of(cluster: Cluster, device_name: str) -> PhoneSetup:
    """What the cluster knows of one of its devices.

    Raises: NoSuchPhone for a device that is not there, or has no owner.
    """
    device = cluster.devices.get(device_name)
    if device is None:
        raise NoSuchPhone(f"there is no device {device_name}")
    if device.owner is None:
        raise NoSuchPhone(f"{device_name} has no owner, so nobody knows its password")
    parameters = cluster.service_parameters
    nodes = [cluster.nodes[name] for name in cluster.group_of(device).nodes]
    platform = device.platform
    return PhoneSetup(
        device=device_name,
        user_id=device.owner,
        dn=device.lines[0],
        domain=cluster.domain,
        nodes=tuple(
            PhoneAddress(listener.transport, listener.host, listener.port, node.fqdn)
            for node in nodes
            for listener in node.listeners
        ),
        display_name=cluster.lines[device.lines[0]].display_name,
        platform=platform.value,
        os_version=device.os_version or CURRENT_SYSTEM.get(platform, ""),
        client=device.client.value,
        client_version=device.client_version or CURRENT_CLIENT,
        subscriber_service=device.subscriber_service or SERVICES.get(platform, ""),
        custom_region=device.custom_region,
        instance=device.instance,
        t1_ms=parameters.t1_ms,
        t2_ms=parameters.t2_ms,
        t4_ms=parameters.t4_ms,
    )


def agent_settings(
    setup: PhoneSetup, password: str, transport: str, answer: AnswerPlan
) -> UserAgentSettings:
    """The SIP side of a phone: registers its line at its CM group, in order.

    Raises: NoSuchPhone if no node speaks the transport.
    """
    registrars = tuple(
        Registrar(at.host, at.port, at.fqdn) for at in setup.nodes if at.transport == transport
    )
    if not registrars:
        raise NoSuchPhone(f"no node for {setup.device} listens for {transport}")
    return UserAgentSettings(
        user=setup.dn,
        domain=setup.domain,
        registrars=registrars,
        local_host=local_host(registrars[0].host),
        local_port=0,
        transport=transport,
        auth_user=setup.user_id,
        password=password,
        display_name=setup.display_name,
        # The same in every run, so that a phone that comes back takes its old contact's place.
        instance=setup.instance or f"urn:uuid:{uuid5(NAMESPACE_OID, setup.device)}",
        device_name=setup.device,
        answer=answer,
        timers=TimerValues(t1_ns=setup.t1_ms * MS, t2_ns=setup.t2_ms * MS, t4_ns=setup.t4_ms * MS),
    )


def phone_settings(
    setup: PhoneSetup, password: str, transport: str, manner: Manner, unix_ms_at_zero: int
) -> PhoneSettings:
    """A mobile phone. Raises: NoSuchPhone, as `agent_settings`, or if it is no mobile."""
    if not setup.mobile:
        raise NoSuchPhone(f"{setup.device} is no mobile")
    platform = Platform(setup.platform)
    return PhoneSettings(
        agent=agent_settings(setup, password, transport, manner.answer),
        platform=platform,
        os_version=setup.os_version or CURRENT_SYSTEM[platform],
        client=ClientType(setup.client),
        client_version=setup.client_version or CURRENT_CLIENT,
        subscriber_service=setup.subscriber_service or SERVICES[platform],
        app=APPS[platform],
        custom_region=setup.custom_region,
        wake_delay_ns=manner.wake_delay_ns,
        grace_ns=manner.grace_ns,
        tap_after_ns=manner.tap_after_ns,
        key_life_ns=manner.key_life_ns,
        unix_ms_at_zero=unix_ms_at_zero,
    )


def local_host(remote_host: str) -> str:
    """The numeric address of this machine by which `remote_host` is reached.

    Raises: NoSuchPhone if there is no way to it.
    """
    family = socket.AF_INET6 if ":" in remote_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((remote_host, DISCARD))  # sends nothing
        except OSError as error:
            raise NoSuchPhone(f"no way to {remote_host}: {error.strerror}") from error
        return str(probe.getsockname()[0])
