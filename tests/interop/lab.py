"""A cluster with emulated clouds on loopback, for real clients to meet sleeping phones."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import anyio
import msgspec

from callctl.capture.read import read_capture
from callctl.cloud.record import PushRecord
from callctl.io.cluster_shell import ClusterShell
from callctl.io.lab import has_flow
from callctl.io.parties import Parties
from callctl.io.phone_setup import Manner
from callctl.io.phone_shell import PhoneShell
from callctl.io.ports import moved_where_free
from callctl.io.replay_notes import beginning_of, notes_since
from callctl.model.build import PUSH_ON, iphone, make_cluster, make_node, password_of, softphone
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.model.line import Line
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.phone_event import PhoneAction, PushArrived
from callctl.phone.settings import AnswerPlan
from callctl.push.envelope import CONTENT_FREE, parse_payload
from callctl.push.history import PushEntry
from callctl.push.kind import PushKind
from callctl.replay.happened import Beginning
from callctl.replay.notes import SUFFIX, Notes, read_notes
from callctl.replay.replay import replay
from interop.drivers.baresip import Settings
from interop.drivers.baresip import Transport as BaresipTransport
from interop.drivers.capture import Tls, capturing, complaints, ladder
from interop.drivers.linphone import Settings as LinphoneSettings
from interop.drivers.linphone import Transport as LinphoneTransport
from interop.drivers.sipp import Account
from interop.film import ORIGIN, Address, Film, OpenAuthority, keep
from sipstack.timing import MS, Instant

T = TypeVar("T")

CALLER: Final = "4930111001"  # numbers so long that nothing else looks like them by chance
CALLER_NAME: Final = "Front Desk"
SLEEPER: Final = "4930111005"
IPHONE: Final = f"TCT{SLEEPER}"
SOFTPHONE: Final = f"CSF{CALLER}"  # what SIPp and baresip are
MOBILE: Final = "4930111007"  # of a standard client on a telephone
MOBILE_NAME: Final = "Loading Dock"

PICKS_UP: Final = AnswerPlan(after_ns=100 * MS)
STANDARD_PORT: Final = 5060

REAL: Final = ServiceParameters()
QUICK: Final = ServiceParameters(t1_ms=40, t2_ms=160, t4_ms=200)
"""SIP timers that bring a node to rest in seconds, yet slower than answers on loopback are."""

IDLE: Final = frozenset({"streams", "connections", "push_idle", "remembered_rings"})
"""Counts of a node that may stay: open connections, and what only remembers."""

_labs = itertools.count()


@dataclass(frozen=True, slots=True)
class Site:
    """Where labs are set up."""

    directory: Path
    archive: Path | None = None  # where captures are kept

    def host(self, number: int) -> str:
        """The address of a node. The clients are at 127.0.0.1, and so is ucm1, where it can be."""
        return f"127.0.{0 if self.archive is None else 60}.{number}"

    def with_free_ports(self, cluster: Cluster) -> Cluster:
        """The same cluster at ports that are free: each worker of xdist has its own.

        For a recording they are those a reader expects; its addresses are nobody else's.
        """
        if self.archive is not None:
            return cluster
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        base = 11_000 + 400 * (worker % 8) + 4 * (next(_labs) % 90)
        return moved_where_free(cluster, range(base - STANDARD_PORT, base + 40, 4))[0]


@dataclass(slots=True)
class Mobile:
    """A simulated mobile phone and what it observed."""

    shell: PhoneShell
    seen: list[PhoneAction | PushArrived] = field(default_factory=list)

    def all(self, kind: type[T]) -> list[T]:
        return [event for event in self.seen if isinstance(event, kind)]

    async def until(self, kind: type[T], *, within_s: float = 10.0) -> T:
        """Wait for the first event of `kind`."""
        await eventually(lambda: bool(self.all(kind)), f"{kind.__name__}", within_s=within_s)
        return self.all(kind)[0]


class Lab:
    """What runs, and what tests ask of it."""

    def __init__(self, site: Site, shell: ClusterShell, parties: Parties) -> None:
        self.site = site
        self.shell = shell
        self.parties = parties
        self.authority_file = site.directory / "authority.pem"
        self.authority_file.write_text(shell.authority.ca_pem)
        cloud = shell.cloud
        assert cloud is not None
        self.cloud = cloud
        for log in (cloud.push_rest.log, cloud.apns.log, cloud.fcm.log):
            log.keeps_raw = True

    # Who is where.

    def server(self, transport: str, node: str = "ucm1") -> Address:
        """The address of a node for a client."""
        listener = self.shell.cluster.nodes[node].listener(transport.upper())
        assert listener is not None
        return listener.host, listener.port

    def account(self, user: str = CALLER) -> Account:
        """What a client of this user is configured with."""
        return Account(user, password_of(user), self.shell.cluster.domain)

    def baresip(self, transport: BaresipTransport, *, answers: bool = False) -> Settings:
        """A baresip of the caller at ucm1."""
        settings = Settings(self.account(), self.server(transport), transport, answers=answers)
        if transport != "tls":
            return settings
        certificate = self.site.directory / "baresip.pem"
        certificate.write_bytes(b"".join(self.shell.authority.issue()))
        return replace(settings, authority=self.authority_file, certificate=certificate)

    def linphone(
        self, transport: LinphoneTransport, user: str = CALLER, *, answers: bool = False
    ) -> LinphoneSettings:
        """A Linphone of this user at ucm1."""
        return LinphoneSettings(
            self.account(user),
            self.server(transport),
            transport,
            answers=answers,
            authority=self.authority_file if transport == "tls" else None,
        )

    async def sleeper(self, *, transport: str = "TLS", answer: AnswerPlan = PICKS_UP) -> Mobile:
        """The simulated iPhone: signed in, registered, and asleep again."""
        seen: list[PhoneAction | PushArrived] = []
        phone = await self.parties.add_phone(
            IPHONE,
            transport=transport,
            manner=Manner(answer, wake_delay_ns=100 * MS, grace_ns=10 * MS),
            on_event=lambda now, event: seen.append(event),
        )
        await eventually(lambda: phone.signed_in, "sign-in")
        await eventually(lambda: phone.phone.registered is not None, "registration")
        phone.suspend()
        await eventually(lambda: phone.state == "suspended", "sleep")
        if transport != "UDP":
            await eventually(lambda: not has_flow(self.shell, IPHONE), "end of the flow")
        seen.clear()
        return Mobile(phone, seen)

    # What became of it.

    def pushes(self, kind: PushKind) -> list[PushEntry]:
        """The pushes of a kind that nodes wanted."""
        return [entry for _, entry in self.shell.pushes() if entry.kind is kind]

    def records_of_the_cloud(self) -> list[PushRecord]:
        """What the emulators saw, all in one."""
        return [*self.cloud.push_rest.log, *self.cloud.apns.log, *self.cloud.fcm.log]

    def assert_clouds_know_nobody(self) -> None:
        """Every push was sealed, and no cloud saw a name or number (SEC-01, SEC-03, SEC-06)."""
        for payload in self._payloads_without_names():
            assert parse_payload(payload) is not None

    def assert_pushes_say_nothing(self) -> None:
        """Every push was content-free, as those to a device without a key must be (OP-01)."""
        for payload in self._payloads_without_names():
            assert payload == CONTENT_FREE

    def _payloads_without_names(self) -> list[dict[str, str]]:
        assert len(self.cloud.push_rest.log)
        assert len(self.cloud.apns.log) + len(self.cloud.fcm.log)
        self.assert_no_cloud_saw_a_name()
        bodies = [record.raw.body for record in self.cloud.push_rest.log if record.raw is not None]
        return [msgspec.json.decode(body)["payload"] for body in bodies]

    def assert_no_cloud_saw_a_name(self) -> None:
        """Neither a name nor a number is in anything that a cloud was sent (SEC-06)."""
        lines = self.shell.cluster.lines.values()
        secrets = {line.dn for line in lines} | {line.display_name for line in lines} - {""}
        for record in self.records_of_the_cloud():
            assert record.raw is not None
            seen = f"{record} {record.raw.path} {record.raw.headers} {record.raw.body!r}"
            assert [secret for secret in secrets if secret in seen] == []

    async def noted(self, code: str) -> None:
        """Wait until the story of a call has that step."""
        await eventually(
            lambda: any(step.code == code for it in self.shell.records() for step in it.steps), code
        )

    def left(self) -> dict[str, dict[str, int]]:
        """What is alive of calls in each node; {} at rest."""
        return {
            node: alive
            for node, counts in self.shell.counts().items()
            if (alive := {name: n for name, n in counts.items() if n and name not in IDLE})
        }

    async def at_rest(self, within_s: float = 10.0) -> None:
        """Wait until nothing is left of any call, in any node.

        Not for a recording: with standard timers that takes half a minute.
        """
        if self.site.archive is None:
            await eventually(lambda: not self.left(), self.left, within_s=within_s)

    @asynccontextmanager
    async def filmed(self, name: str, shows: str, *, whole: bool = True) -> AsyncIterator[Film]:
        """Capture what nodes say while the body runs; tshark must find nothing malformed in it.

        Then it is played against nodes in virtual time, where other ports, tags and nonces must
        make no difference. `whole`: False for one that lacks what a node said on a connection that
        it has opened itself; that cannot be played, and is not kept.
        """
        listeners = [it for node in self.shell.cluster.nodes.values() for it in node.listeners]
        plain = sorted({it.port for it in listeners if it.transport != "TLS"})
        sealed = sorted({it.port for it in listeners if it.transport == "TLS"})
        tls = Tls(sealed, keylog_of(self.site))
        capture = self.site.directory / f"{name}.pcap"
        film = Film(name, shows, self._names())
        hosts = {listener.host for listener in listeners}
        begun = beginning_of(self.shell)
        async with capturing(capture, [*plain, *sealed], sorted(hosts)):
            yield film
        film.rungs = await ladder(capture, plain, tls)
        assert film.rungs, f"no SIP in {capture}"
        assert await complaints(capture, plain, tls) == []
        if whole:
            notes = self._notes(film, capture, begun)
            assert_plays(notes)
            if self.site.archive is not None:
                assert_plays(read_notes(await keep(film, notes, self.site.archive, tls)))

    def _notes(self, film: Film, capture: Path, begun: Beginning) -> Notes:
        """What it takes to play the capture again."""
        keys = keylog_of(self.site)
        messages = read_capture(capture, key_log=keys if keys.exists() else None).messages
        file = notes_since(begun, self.shell, messages, title=film.shows, origin=ORIGIN)
        if keys.exists():
            file = file.model_copy(update={"key_log": keys.name})
        return Notes(capture.with_suffix(SUFFIX), file, capture, self.shell.cluster)

    def _names(self) -> dict[Address, str]:
        return {
            (listener.host, listener.port): name
            for name, node in self.shell.cluster.nodes.items()
            for listener in node.listeners
        }


@asynccontextmanager
async def lab(
    site: Site,
    *,
    nodes: int = 1,
    group: Sequence[str] = (),
    parameters: ServiceParameters = QUICK,
    devices: Sequence[Device] = (),
    cloud: CloudSettings = PUSH_ON,
) -> AsyncIterator[Lab]:
    """A running cluster: ucm1 to ucmN, the caller's device, the iPhone, and `devices`.

    `group` is the CM group of all, in order; without it the order of the nodes.
    """
    if site.archive is not None:
        parameters = replace(parameters, t1_ms=REAL.t1_ms, t2_ms=REAL.t2_ms, t4_ms=REAL.t4_ms)
    names = [f"ucm{number}" for number in range(1, nodes + 1)]
    cluster = make_cluster(
        nodes=[
            make_node(name, number, host=site.host(number), port=STANDARD_PORT)
            for number, name in enumerate(names, 1)
        ],
        cm_groups={"default": tuple(group) or tuple(names[:3])},
        devices=[softphone(CALLER), iphone(SLEEPER), *devices],
        lines=[Line(CALLER, CALLER_NAME), Line(MOBILE, MOBILE_NAME)],
        cloud=cloud,
        parameters=parameters,
    )
    shell = ClusterShell(site.with_free_ports(cluster))
    shell.authority = OpenAuthority(keylog_of(site))
    parties = Parties(shell)
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        await tasks.start(parties.run)
        yield Lab(site, shell, parties)
        tasks.cancel_scope.cancel()
    del shell, parties
    gc.collect()  # so that what was left open warns here, not in the next test


def assert_plays(notes: Notes) -> None:
    """A capture plays as it was recorded."""
    verdict = replay(notes)[2]
    assert verdict.open == (), "\n".join(map(str, verdict.open))
    assert verdict.compared > 0


def keylog_of(site: Site) -> Path:
    """Where the TLS secrets of a lab are logged."""
    return site.directory / "tls.keys"


async def eventually(
    condition: Callable[[], bool],
    what: str | Callable[[], Mapping[str, object]],
    *,
    within_s: float = 10.0,
) -> None:
    """Wait until `condition` holds. Raises: AssertionError that says `what` did not come."""
    with anyio.move_on_after(within_s):
        while not condition():  # noqa: ASYNC110 (what is looked at sets no event)
            await anyio.sleep(0.005)
        return
    raise AssertionError(f"within {within_s} s: {what if isinstance(what, str) else what()}")


def seconds(later: Instant, earlier: Instant) -> float:
    """The time between two instants."""
    return (later - earlier) / 1e9
