"""The clouds over real sockets: TLS on loopback, HTTP/1.1 and HTTP/2."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from callctl.cloud.faults import Fault
from callctl.cloud.partner import DEFAULT_BUNDLE_ID, DEFAULT_PROJECT_ID, Partner
from callctl.io.emulators import PushCloud, PushCloudSettings
from callctl.io.http_pool import PoolSettings
from callctl.io.pki import CertificateAuthority
from callctl.io.push_receiver import PushReceiver, ReceivedPush
from callctl.io.push_rest_client import PushRestClient
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.events import (
    AbandonPush,
    CpnsAction,
    CpnsEvent,
    Outcome,
    PostPush,
    PushOutcome,
    TokenChanged,
)
from callctl.push.intent import PushIntent
from callctl.push.kind import PushKind
from callctl.push.reader import read_push
from callctl.registration.push_binding import PushBinding
from helpers.loops import BACKENDS
from helpers.pushes import (
    ANDROID,
    FCM_TOKEN,
    IPHONE,
    KEY,
    KEY_ID,
    KEYLESS,
    MESSAGE_TOKEN,
    VOIP_TOKEN,
    features_in,
    intent,
)
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import SECOND, Instant

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", BACKENDS)]

AUTHORITY = CertificateAuthority()
VOIP_APP = f"{DEFAULT_BUNDLE_ID}.voip"


class Bench:
    """A running cloud, a node's push service in front of it, and phones behind it."""

    def __init__(self, cloud: PushCloud, clock: MonotonicClock) -> None:
        self.cloud = cloud
        self.clock = clock
        self.outcomes: list[PushOutcome] = []
        self.received: list[tuple[str, ReceivedPush]] = []
        self._changed = anyio.Event()
        self.cpns = Cpns(
            CpnsSettings(cloud.push_rest_url), OsEntropy(), self._binding, features_in()
        )
        self.client = PushRestClient(
            PoolSettings(cloud.push_rest_url), AUTHORITY.client_context(), clock, self.feed
        )
        self._bindings: dict[str, PushBinding] = {}
        self.feed(TokenChanged(cloud.access_token))

    def feed(self, event: CpnsEvent) -> None:
        if isinstance(event, PushIntent):
            self._bindings[event.device_name] = event.binding
        self.perform(self.cpns.receive(event, self.clock()))

    def perform(self, actions: tuple[CpnsAction, ...]) -> None:
        for action in actions:
            match action:
                case PostPush():
                    self.client.post(action)
                case AbandonPush():
                    self.client.abandon(action)
                case PushOutcome():
                    self.outcomes.append(action)
                    self._changed.set()

    def ask(self, kind: PushKind, binding: PushBinding, call_uuid: str = "c1") -> None:
        """Ask for a push with 13 s to go."""
        asked = intent(kind, binding, call_uuid=call_uuid)
        self.feed(replace(asked, deadline=Instant(self.clock() + 13 * SECOND)))

    def on_push(self, token: str) -> Callable[[ReceivedPush], None]:
        def keep(push: ReceivedPush) -> None:
            self.received.append((token, push))
            self._changed.set()

        return keep

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(5):
            while not condition():
                self._changed = anyio.Event()
                await self._changed.wait()

    async def until_outcomes(self, count: int) -> None:
        await self.until(lambda: len(self.outcomes) >= count)

    def _binding(self, device_name: str) -> PushBinding | None:
        return self._bindings.get(device_name)


@asynccontextmanager
async def bench(*attached: tuple[Partner, str, str]) -> AsyncIterator[Bench]:
    """A cloud with devices attached, each (partner, token, app)."""
    clock = MonotonicClock()
    cloud = PushCloud(PushCloudSettings(), clock, OsEntropy(), AUTHORITY)
    async with anyio.create_task_group() as tasks:
        await tasks.start(cloud.run)
        made = Bench(cloud, clock)
        await tasks.start(made.client.run)
        for partner, token, app in attached:
            tls = AUTHORITY.client_context()
            url = cloud.attach_urls[partner]
            receiver = PushReceiver(url, tls, token, app, made.on_push(token))
            await tasks.start(receiver.run)
        yield made
        tasks.cancel_scope.cancel()


@pytest.mark.req("PUSH-02", "CLOUD-04", "SEC-04")
async def test_ring_push_travels_through_push_rest_and_apns_to_the_phone_that_opens_it() -> None:
    async with bench((Partner.APNS, VOIP_TOKEN, VOIP_APP)) as run:
        run.ask(PushKind.INCOMING, IPHONE)
        await run.until(lambda: bool(run.outcomes and run.received))
        assert [o.outcome for o in run.outcomes] == [Outcome.ACCEPTED]
        token, push = run.received[0]
        assert (push.push_type, push.topic) == ("voip", VOIP_APP)
        read = read_push(push.payload, token, {KEY_ID: KEY})
        assert read.content is not None
        assert (read.content.display_name, read.content.active_node) is not None
        assert read.content.display_name == "Büro Süd"
        assert read.tracking_id == run.outcomes[0].tracking_id


@pytest.mark.req("PUSH-03")
async def test_push_to_an_android_phone_goes_by_fcm() -> None:
    async with bench((Partner.FCM, FCM_TOKEN, DEFAULT_PROJECT_ID)) as run:
        run.ask(PushKind.INCOMING, ANDROID)
        await run.until(lambda: bool(run.outcomes and run.received))
        token, push = run.received[0]
        assert push.push_type == "data"
        assert read_push(push.payload, token, {KEY_ID: KEY}).content is not None
        assert len(run.cloud.apns.log) == 0


async def test_phone_without_a_key_is_woken_and_told_nothing() -> None:
    async with bench((Partner.APNS, VOIP_TOKEN, VOIP_APP)) as run:
        run.ask(PushKind.INCOMING, KEYLESS)
        await run.until(lambda: bool(run.received))
        token, push = run.received[0]
        assert read_push(push.payload, token, {}).content is None


@pytest.mark.req("CPNS-08")
async def test_one_connection_carries_push_after_push() -> None:
    async with bench((Partner.APNS, VOIP_TOKEN, VOIP_APP)) as run:
        for number in range(5):
            run.ask(PushKind.INCOMING, IPHONE, call_uuid=f"c{number}")
            await run.until_outcomes(number + 1)
        assert run.client.counts() == {"idle": 1, "busy": 0, "connecting": 0, "waiting": 0}


async def test_removed_app_is_a_refused_token_at_the_node() -> None:
    async with bench((Partner.APNS, VOIP_TOKEN, VOIP_APP)) as run:
        run.cloud.remove_app(Partner.APNS, VOIP_TOKEN)
        run.ask(PushKind.INCOMING, IPHONE)
        await run.until(lambda: bool(run.outcomes))
        assert (run.outcomes[0].outcome, run.outcomes[0].status) == (Outcome.REFUSED_TOKEN, 410)
        assert "TargetExpired" in run.outcomes[0].reason


async def test_silent_cloud_costs_the_connection_that_waited_for_it_and_no_other() -> None:
    async with bench((Partner.APNS, VOIP_TOKEN, VOIP_APP)) as run:
        run.cloud.push_rest.faults.add(Fault(silent=True, times=1))
        run.ask(PushKind.INCOMING, IPHONE)
        with anyio.fail_after(5):
            while not len(run.cloud.push_rest.log):  # noqa: ASYNC110 (nothing to wait on)
                await anyio.sleep(0.01)
        run.perform(run.cpns.advance(Instant(run.clock() + 5 * SECOND)))
        assert [o.reason for o in run.outcomes] == ["no answer"]
        assert run.client.counts()["busy"] == 0
        run.ask(PushKind.INCOMING, IPHONE, call_uuid="c2")
        await run.until(lambda: len(run.outcomes) == 2)
        assert run.outcomes[1].outcome is Outcome.ACCEPTED


async def test_custom_region_phone_gets_an_alert_on_its_message_token() -> None:
    async with bench((Partner.APNS, MESSAGE_TOKEN, DEFAULT_BUNDLE_ID)) as run:
        run.ask(PushKind.INCOMING, replace(IPHONE, custom_region=True))
        await run.until(lambda: bool(run.received))
        assert run.received[0][1].push_type == "alert"


@pytest.mark.req("CPNS-14")
async def test_cloud_with_a_certificate_of_somebody_else_gets_no_push() -> None:
    async with bench() as run:
        lost: list[object] = []
        stranger = CertificateAuthority("somebody else")
        client = PushRestClient(
            PoolSettings(run.cloud.push_rest_url), stranger.client_context(), run.clock, lost.append
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(client.run)
            client.post(PostPush("t1", run.cloud.push_rest_url, (), b"{}", Instant(2**62)))
            with anyio.fail_after(5):
                while not lost:  # noqa: ASYNC110 (nothing to wait on)
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert [getattr(event, "reason", None) for event in lost] == ["tls"]
        assert len(run.cloud.push_rest.log) == 0


@pytest.mark.req("SEC-06", "SEC-05")
async def test_nothing_that_passed_through_the_cloud_names_the_caller() -> None:
    devices = (
        (Partner.APNS, VOIP_TOKEN, VOIP_APP),
        (Partner.APNS, MESSAGE_TOKEN, DEFAULT_BUNDLE_ID),
        (Partner.FCM, FCM_TOKEN, DEFAULT_PROJECT_ID),
    )
    async with bench(*devices) as run:
        cloud = run.cloud
        logs = (cloud.push_rest.log, cloud.apns.log, cloud.fcm.log)
        for log in logs:
            log.keeps_raw = True
        china = replace(IPHONE, device_name="TCTLI", custom_region=True)
        for binding in (IPHONE, china, ANDROID, KEYLESS):
            for kind in (PushKind.INCOMING, PushKind.MISSED):
                run.ask(kind, binding)
        await run.until(lambda: len(run.outcomes) == len(run.received) == 8)
        seen = [
            repr((record.raw.path, record.raw.headers)).encode() + record.raw.body
            for log in logs
            for record in log
            if record.raw is not None
        ]
        assert len(seen) == 16
        for octets in seen:
            for personal in ("Büro", "Süd", "498912345678", "555800099"):
                assert personal.encode() not in octets
        assert not any(cloud.push_rest.counts().values())


async def test_phone_attaches_again_when_its_cloud_has_dropped_it() -> None:
    async with bench((Partner.APNS, VOIP_TOKEN, VOIP_APP)) as run:
        # A second stream with the same token takes the place of the first, which comes back.
        async with anyio.create_task_group() as tasks:
            url, tls = run.cloud.attach_urls[Partner.APNS], AUTHORITY.client_context()
            second = PushReceiver(url, tls, VOIP_TOKEN, VOIP_APP, run.on_push("second"))
            await tasks.start(second.run)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            while not run.cloud.apns.desk.tokens[VOIP_TOKEN].attached:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        run.ask(PushKind.INCOMING, IPHONE)
        await run.until(lambda: bool(run.received))
