"""Where a fleet stands: who its phones and callers are, how they are reached and woken."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import anyio

from callctl.cloud.partner import Partner
from callctl.fleet.admin import LIST_MAX, Admin, NoAnswer
from callctl.fleet.calling import Server
from callctl.fleet.own_cluster import PASSWORD, pool_of
from callctl.fleet.plan import Plan
from callctl.fleet.population import PhoneTraits, caller_device, phone_device
from callctl.io.phone_setup import (
    Manner,
    NoSuchPhone,
    PhoneAddress,
    PhoneSetup,
    agent_settings,
    phone_settings,
)
from callctl.model.device import MOBILE, ClientType, Platform
from callctl.model.values import parse_listener
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings

ASKED_AT_ONCE: Final = 20  # set-ups of devices
NO_PLAN: Final = AnswerPlan()  # the fleet answers, not the phone by itself


class NoGround(Exception):
    """The fleet cannot stand there; the text says why."""


@dataclass(frozen=True, slots=True)
class PhoneSeat:
    """One phone that can be played."""

    settings: PhoneSettings
    awake: bool
    never_wakes: bool


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that does not move."""

    name: str  # what it is, for people
    phones: Sequence[PhoneSeat]
    callers: Sequence[UserAgentSettings]
    servers: Sequence[Server]
    tls: ssl.SSLContext | None = None
    sign_in_url: str | None = None
    attach_urls: Mapping[Partner, str] = field(default_factory=dict)
    processes: Mapping[str, Sequence[int]] = field(default_factory=dict)  # by name
    notes: Sequence[str] = ()

    @property
    def loopback(self) -> bool:
        """True if nothing of it is beyond this machine."""
        hosts = [server.registrar.host for server in self.servers]
        hosts += [it.settings.agent.registrars[0].host for it in self.phones[:1]]
        urls = [*self.attach_urls.values(), *([self.sign_in_url] if self.sign_in_url else [])]
        hosts += [urlsplit(url).hostname or "" for url in urls]
        return all(is_loopback(host) for host in hosts)


def is_loopback(host: str) -> bool:
    """True for an address of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def own_ground(
    plan: Plan, traits: Sequence[PhoneTraits], admin: Admin, unix_ms_at_zero: int
) -> Ground:
    """On the own cluster, which knows these phones. Raises: NoAnswer."""
    # One phone of each pool is asked for: what it is told holds for all of the pool.
    known: list[dict[str, Any]] = []
    for number in range(min(plan.nodes, len(traits))):
        _, device = phone_device(number, traits[number].group.platform)
        known.append(await admin.setup(device))
    nodes = [_addresses(each) for each in known]
    domain: str = known[0]["setup"]["domain"]
    seats = []
    for number, phone in enumerate(traits):
        dn, device = phone_device(number, phone.group.platform)
        setup = PhoneSetup(
            device=device,
            user_id=dn,
            dn=dn,
            domain=domain,
            nodes=nodes[pool_of(number, plan.nodes) % len(nodes)],
            display_name=f"Phone {number}",
            platform=phone.group.platform.value,
            os_version=phone.os_version,
            client=phone.group.client.value,
            client_version=phone.group.client_version,
            custom_region=phone.group.custom_region,
        )
        settings = _phone(setup, PASSWORD, phone.transport, plan, phone, unix_ms_at_zero)
        seats.append(PhoneSeat(settings, phone.awake, phone.never_wakes))
    servers = await _servers(admin, plan.caller_transport)
    callers = []
    for number in range(plan.callers):
        dn, device = caller_device(number)
        named = PhoneSetup(
            device, dn, dn, known[0]["setup"]["domain"], nodes[0], f"Caller {number}"
        )
        callers.append(agent_settings(named, PASSWORD, plan.caller_transport, NO_PLAN))
    return Ground(
        "own cluster",
        seats,
        callers,
        servers,
        ssl.create_default_context(cadata=known[0]["ca_pem"]),
        known[0]["sign_in_url"],
        {Partner(name): url for name, url in known[0]["attach_urls"].items()},
        {"cluster": [admin.pid]},
        _one_process(servers),
    )


async def cluster_ground(
    plan: Plan, traits: Sequence[PhoneTraits], admin: Admin, unix_ms_at_zero: int
) -> Ground:
    """On a cluster that runs already: its mobiles are called, its other devices call.

    Raises: NoAnswer; NoGround if it has nobody to call.
    """
    # Those that the cluster plays itself, as the lab does, are left to it.
    listed = await admin.devices()
    devices = [it for it in listed if it["owner"] is not None and it["phone"] is None]
    mobile = [it for it in devices if Platform(it["platform"]) in MOBILE]
    others = [it for it in devices if Platform(it["platform"]) not in MOBILE]
    if not mobile:
        raise NoGround("the cluster has no mobile with an owner")
    if not others:  # some of the mobiles' users call, and are not called
        others, mobile = mobile[: plan.callers], mobile[plan.callers :]
    if not mobile:
        raise NoGround("the cluster has too few devices: all of them would be callers")
    count = min(len(mobile), len(traits))
    known = await _setups(admin, [it["name"] for it in mobile[:count]])
    target = plan.target
    seats = []
    for found, phone in zip(known, traits, strict=False):
        setup = PhoneSetup(**{**found["setup"], "nodes": _addresses(found)})
        password = target.password_of(setup.user_id)
        settings = _phone(setup, password, phone.transport, plan, phone, unix_ms_at_zero)
        seats.append(PhoneSeat(settings, phone.awake, phone.never_wakes))
    calling = await _setups(admin, [it["name"] for it in others[: plan.callers]])
    callers = []
    for found in calling:
        named = PhoneSetup(**{**found["setup"], "nodes": _addresses(found)})
        password = target.password_of(named.user_id)
        callers.append(agent_settings(named, password, plan.caller_transport, NO_PLAN))
    notes = []
    if count < len(traits):
        more = f", of which the first {LIST_MAX} were looked at" if len(listed) == LIST_MAX else ""
        notes.append(f"{len(traits)} phones were wanted, the cluster has {len(mobile)}{more}")
    servers = await _servers(admin, plan.caller_transport)
    return Ground(
        f"cluster at {admin.url}",
        seats,
        callers,
        servers,
        ssl.create_default_context(cadata=known[0]["ca_pem"]),
        known[0]["sign_in_url"],
        {Partner(name): url for name, url in known[0]["attach_urls"].items()},
        {"cluster": [admin.pid, *target.pids]},
        [*notes, *_one_process(servers)],
    )


def registrar_ground(plan: Plan, traits: Sequence[PhoneTraits], unix_ms_at_zero: int) -> Ground:
    """On any registrar: phones with RFC 8599 parameters, users by a pattern. Raises: NoGround."""
    target = plan.target
    registrar = target.registrar
    assert registrar is not None
    address = PhoneAddress(registrar.transport, registrar.host, registrar.port)
    woken = target.push_endpoint is not None
    seats = []
    for number, phone in enumerate(traits):
        user = target.user(number)
        setup = PhoneSetup(
            device=user,
            user_id=user,
            dn=user,
            domain=target.domain,
            nodes=(address,),
            platform=phone.group.platform.value,
            os_version=phone.os_version,
            client=ClientType.STANDARD.value,
            client_version=phone.group.client_version,
        )
        password = target.password_of(user)
        settings = _phone(setup, password, registrar.transport, plan, phone, unix_ms_at_zero)
        seats.append(PhoneSeat(settings, phone.awake or not woken, phone.never_wakes and woken))
    callers = []
    for number in range(len(traits), len(traits) + plan.callers):
        user = target.user(number)
        named = PhoneSetup(user, user, user, target.domain, (address,))
        password = target.password_of(user)
        callers.append(agent_settings(named, password, registrar.transport, NO_PLAN))
    tls = ssl.create_default_context(cafile=target.ca_file)
    notes = ["every phone is a standard client with RFC 8599 parameters"]
    if not woken:
        notes.append("without a push endpoint nothing can wake a phone: all stay awake")
    return Ground(
        f"registrar {registrar}",
        seats,
        callers,
        [Server(str(registrar), Registrar(registrar.host, registrar.port))],
        tls,
        processes={"registrar": target.pids} if target.pids else {},
        notes=notes,
    )


def _phone(
    setup: PhoneSetup,
    password: str,
    transport: str,
    plan: Plan,
    traits: PhoneTraits,
    unix_ms_at_zero: int,
) -> PhoneSettings:
    """Raises: NoGround if no node speaks the transport."""
    manner = Manner(NO_PLAN, 0, plan.phones.grace_ns, traits.tap_after_ns)
    try:
        return phone_settings(setup, password, transport, manner, unix_ms_at_zero)
    except NoSuchPhone as error:
        raise NoGround(str(error)) from error


def _addresses(found: Mapping[str, Any]) -> tuple[PhoneAddress, ...]:
    return tuple(PhoneAddress(**node) for node in found["setup"]["nodes"])


async def _setups(admin: Admin, names: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{} for _ in names]
    room = anyio.CapacityLimiter(ASKED_AT_ONCE)

    async def ask(at: int, name: str) -> None:
        async with room:
            found[at] = await admin.setup(name)

    try:
        async with anyio.create_task_group() as tasks:
            for at, name in enumerate(names):
                tasks.start_soon(ask, at, name)
    except BaseExceptionGroup as errors:
        raise NoAnswer(str(errors.exceptions[0])) from errors
    return found


async def _servers(admin: Admin, transport: str) -> list[Server]:
    """The nodes that callers may send to. Raises: NoGround if none speaks their transport."""
    servers = []
    for node in await admin.nodes():
        for listener in node["listeners"]:
            place = parse_listener(listener)
            if place.transport == transport:
                servers.append(Server(node["name"], Registrar(place.host, place.port)))
                break
    if not servers:
        raise NoGround(f"no node listens for {transport}")
    return servers


def _one_process(servers: Sequence[Server]) -> list[str]:
    if len(servers) < 2:
        return []
    return [
        f"the {len(servers)} nodes and the emulated clouds run in one process: "
        "its memory and CPU are theirs together"
    ]
