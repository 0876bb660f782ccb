"""The machine token over real sockets: push service, CI and Push REST, all over TLS on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from callctl.cloud.ci import TOKEN_PATH, Ci
from callctl.cloud.faults import Fault
from callctl.cloud.http import (
    Forward,
    ForwardAnswered,
    HttpAnswer,
    HttpRequest,
    RequestReceived,
    SendAnswer,
)
from callctl.cloud.push_rest import PUSH_PATH, PushRest, PushRestSettings
from callctl.io.core_runner import CoreRunner
from callctl.io.http_pool import PoolSettings
from callctl.io.http_server import (
    AsgiApp,
    Receive,
    Scope,
    Send,
    read_request,
    send_answer,
    serve,
    unless_disconnected,
)
from callctl.io.pki import CertificateAuthority
from callctl.io.push_clients import PushClients, TokenClient
from callctl.io.push_rest_client import PushRestClient
from callctl.model.machine_account import MachineAccount
from callctl.model.push_access import SigningKey
from callctl.push.channel import PUSH_REST, Channels
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.events import (
    AbandonFetch,
    AbandonPush,
    CpnsAction,
    CpnsEvent,
    FetchToken,
    Outcome,
    PostPush,
    PushOutcome,
    ServiceStarted,
    ServiceStopped,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.machine_token import MachineToken, MachineTokenSettings
from callctl.push.rest import PushRestChannel
from callctl.push.token_alarms import CPNS_ALARMS, XCP_ALARMS, TokenAlarms
from callctl.push.token_events import (
    MachineAccountGiven,
    MachineAccountRenewed,
    RepairStateChanged,
    TokenFetchFailed,
    TokenObtained,
    TokenStateChanged,
)
from callctl.registration.push_binding import PushBinding
from helpers.loops import on_each_loop
from helpers.machine import alarms, only
from helpers.pushes import IPHONE, features_in, intent
from sipstack.errors import LocalProtocolError
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import MS, SECOND, Instant

pytestmark = [pytest.mark.anyio, on_each_loop]

AUTHORITY = CertificateAuthority()
BODY_MAX = 16_384


def app_of(runner: CoreRunner) -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, BODY_MAX)
        if request is None:
            return
        answer = await unless_disconnected(receive, runner.answer_to(request))
        if answer is not None:
            await send_answer(send, answer)

    return app


class Cloud:
    """CI and Push REST on loopback. What is forwarded is taken by a partner that likes it all."""

    def __init__(self, clock: MonotonicClock) -> None:
        entropy = OsEntropy()
        self.ci = Ci(entropy)
        self.push_rest = PushRest(
            PushRestSettings((), SigningKey.make(entropy), {}, access=self.ci.accounts),
            entropy,
        )
        self.clock = clock
        self.account = MachineAccount("", "", "", "", "", "")

    @asynccontextmanager
    async def serving(self, authority: CertificateAuthority = AUTHORITY) -> AsyncIterator[None]:
        """`authority` signs for CI."""
        ci = CoreRunner(self.ci, self.clock, lambda _: None)
        pushes = CoreRunner(self.push_rest, self.clock, self._perform)
        self._feed = pushes.feed
        async with (
            serve(app_of(ci), authority.server_context(), before_stop=ci.close) as ci_port,
            serve(
                app_of(pushes), AUTHORITY.server_context(), before_stop=pushes.close
            ) as push_port,
        ):
            made = self.ci.accounts.provision("org-1", self.clock())
            self.account = MachineAccount(
                "pkid-1",
                made.account_id,
                made.organisation_id,
                f"https://127.0.0.1:{ci_port}{TOKEN_PATH}",
                made.refresh_token,
                f"https://127.0.0.1:{push_port}{PUSH_PATH}",
            )
            yield

    def _perform(self, action: object) -> None:
        if isinstance(action, Forward):
            told = ForwardAnswered(action.forward, HttpAnswer(200))
            asyncio.get_running_loop().call_soon(self._feed, told)


class Node:
    """One push service with its clients, and a timer that wakes it."""

    def __init__(
        self, account: MachineAccount, clock: MonotonicClock, tls: ssl.SSLContext | None = None
    ) -> None:
        self.account = account
        self.clock = clock
        self.said: list[CpnsAction] = []
        self._changed = anyio.Event()
        loop = asyncio.get_running_loop()
        self._timer = DeadlineTimer(loop, clock, self._due)
        self._loop = loop
        machine = MachineToken(MachineTokenSettings("cm1"), account)
        url = account.push_rest_url
        self.cpns = Cpns(
            CpnsSettings(url),
            OsEntropy(),
            self._binding,
            features_in(),
            Channels(PushRestChannel(url, machine)),
        )
        tls = tls or AUTHORITY.client_context()
        self.clients = PushClients(
            PushRestClient(PoolSettings(url), tls, clock, self._later),
            None,
            clock,
            self._later,
            TokenClient(PUSH_REST, account.token_url, tls, clock, self._later),
        )

    def start(self) -> None:
        """Come into service: nothing but time makes it fetch its token."""
        self._timer.follow(self.cpns.next_deadline())

    def feed(self, event: CpnsEvent) -> None:
        self._perform(self.cpns.receive(event, self.clock()))
        self._timer.follow(self.cpns.next_deadline())

    def call(self, call_uuid: str, *, within_s: int = 13) -> None:
        asked = intent(call_uuid=call_uuid)
        self.feed(replace(asked, deadline=Instant(self.clock() + within_s * SECOND)))

    def close(self) -> None:
        self._timer.cancel()

    async def until(self, condition: Callable[[], bool], within_s: float = 10) -> None:
        with anyio.fail_after(within_s):
            while not condition():
                self._changed = anyio.Event()
                await self._changed.wait()

    def outcomes(self) -> list[PushOutcome]:
        return only(PushOutcome, self.said)

    def _binding(self, device_name: str) -> PushBinding | None:
        return IPHONE

    def _later(self, event: CpnsEvent) -> None:
        self._loop.call_soon(self.feed, event)

    def _due(self, now: Instant) -> None:
        self._perform(self.cpns.advance(now))
        self._timer.follow(self.cpns.next_deadline())

    def _perform(self, actions: tuple[CpnsAction, ...]) -> None:
        for action in actions:
            self.said.append(action)
            match action:
                case PostPush():
                    self.clients.post(action)
                case AbandonPush():
                    self.clients.abandon(action)
                case FetchToken():
                    self.clients.fetch(action)
                case AbandonFetch():
                    self.clients.abandon_fetch(action)
        self._changed.set()


@asynccontextmanager
async def running(
    cloud: Cloud, account: MachineAccount | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Node]:
    node = Node(account or cloud.account, cloud.clock, tls)
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.clients.run)
        node.start()
        yield node
        node.close()
        tasks.cancel_scope.cancel()


@pytest.mark.req("CPNS-05", "CLOUD-03", "CLOUD-04")
async def test_service_fetches_its_token_when_it_starts_and_pushes_with_it() -> None:
    cloud = Cloud(MonotonicClock())
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: bool(only(TokenObtained, node.said)))
        assert only(TokenStateChanged, node.said) == [TokenStateChanged(True)]
        node.call("c1")
        await node.until(lambda: bool(node.outcomes()))
        assert [ended.outcome for ended in node.outcomes()] == [Outcome.ACCEPTED]
        assert [record.status for record in cloud.ci.log] == [200]
        assert [record.status for record in cloud.push_rest.log] == [200]


@pytest.mark.req("CPNS-05")
async def test_token_is_renewed_before_its_end_though_nobody_pushes() -> None:
    cloud = Cloud(MonotonicClock())
    cloud.ci.accounts.access_lifetime_s = 1
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: len(only(TokenObtained, node.said)) >= 3)
        assert alarms(node.said) == []
        assert only(TokenStateChanged, node.said) == [TokenStateChanged(True)]
        first, second, third = list(cloud.ci.log)[:3]
        for before, after in ((first, second), (second, third)):
            assert 700 * MS <= after.at - before.at < 1_000 * MS
        # Each over a connection of its own, so that none is found dead when it is needed.
        await node.until(lambda: node.clients.counts()["busy"] == 0)
        assert node.clients.counts()["idle"] == 0


async def test_burst_of_calls_with_a_revoked_token_costs_one_fetch_and_all_get_through() -> None:
    """6.I 95."""
    cloud = Cloud(MonotonicClock())
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: bool(only(TokenObtained, node.said)))
        cloud.ci.accounts.revoke()
        for number in range(60):
            node.call(f"c{number}")
        await node.until(lambda: len(node.outcomes()) == 60)
        assert {ended.outcome for ended in node.outcomes()} == {Outcome.ACCEPTED}
        assert len(cloud.ci.log) == 2
        statuses = [record.status for record in cloud.push_rest.log]
        assert statuses.count(200) == 60
        assert set(statuses) == {200, 401}


@pytest.mark.req("CPNS-06")
async def test_alarm_is_raised_when_push_rest_refuses_every_token_and_ends_when_it_does_not() -> (
    None
):
    cloud = Cloud(MonotonicClock())
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: bool(only(TokenObtained, node.said)))
        cloud.ci.accounts.suspend(cloud.account.account_id)
        node.call("c1")
        await node.until(lambda: bool(alarms(node.said)))
        assert alarms(node.said) == [("entered", "AccessTokenInvalid")]
        assert [ended.outcome for ended in node.outcomes()] == [Outcome.REFUSED]
        assert [record.status for record in cloud.push_rest.log] == [403, 403]
        cloud.ci.accounts.suspend(cloud.account.account_id, False)
        node.feed(ServiceStopped())
        node.feed(ServiceStarted())
        await node.until(lambda: len(only(TokenObtained, node.said)) == 3)
        node.call("c2")
        await node.until(lambda: len(node.outcomes()) == 2)
        assert node.outcomes()[1].outcome is Outcome.ACCEPTED
        assert alarms(node.said) == [
            ("entered", "AccessTokenInvalid"),
            ("left", "AccessTokenInvalid"),
        ]


@pytest.mark.req("CPNS-06")
async def test_token_that_ends_while_ci_is_away_raises_the_alarm_and_no_push_leaves() -> None:
    cloud = Cloud(MonotonicClock())
    cloud.ci.accounts.access_lifetime_s = 1
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: bool(only(TokenObtained, node.said)))
        cloud.ci.faults.add(Fault(status=503, reason="down"))
        await node.until(lambda: bool(alarms(node.said)))
        assert alarms(node.said) == [("entered", "AccessTokenInvalid")]
        (failed,) = only(TokenFetchFailed, node.said)
        assert failed.status == 503
        assert 599 * SECOND < failed.again_at - cloud.clock() <= 600 * SECOND
        node.call("c1")
        assert [ended.reason for ended in node.outcomes()] == ["no access token"]
        assert len(cloud.push_rest.log) == 0


@pytest.mark.req("CLOUD-07", "TRB-20")
async def test_expired_machine_account_is_repaired_with_the_refresh_token_of_another_machine() -> (
    None
):
    """TRB-21, steps 4 and 7."""
    cloud = Cloud(MonotonicClock())
    async with cloud.serving():
        cloud.ci.accounts.expire(cloud.account.account_id)
        async with running(cloud) as node:
            await node.until(lambda: bool(only(RepairStateChanged, node.said)))
            assert only(RepairStateChanged, node.said) == [
                RepairStateChanged(True, "invalid refresh token")
            ]
            other = cloud.ci.accounts.provision("org-1", cloud.clock())
            repaired = replace(cloud.account, refresh_token=other.refresh_token)
            node.feed(MachineAccountGiven(repaired))
            node.feed(ServiceStopped())
            node.feed(ServiceStarted())
            await node.until(lambda: bool(only(TokenObtained, node.said)))
            assert only(RepairStateChanged, node.said)[-1] == RepairStateChanged(False)
            node.call("c1")
            await node.until(lambda: bool(node.outcomes()))
            assert node.outcomes()[0].outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=429, reason="slow_down", retry_after_s=1_200), "429 of CI"),
        (Fault(status=400, reason="token_limit_reached"), "400 of CI: token limit reached"),
        (Fault(status=302, location="https://127.0.0.1:1/"), "302 of CI"),
        (Fault(garbage=True), "no token in the answer of CI"),
        (Fault(body_octets=50_000_000), "CI not reached: bad answer"),
    ],
)
async def test_answer_of_ci_that_is_of_no_use_is_read_within_bounds_and_not_followed(
    fault: Fault, reason: str
) -> None:
    """6.I 92, 93."""
    cloud = Cloud(MonotonicClock())
    cloud.ci.faults.add(fault)
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: bool(only(TokenFetchFailed, node.said)))
        (failed,) = only(TokenFetchFailed, node.said)
        assert failed.reason == reason
        wait_s = max(600, fault.retry_after_s or 0)
        assert (wait_s - 5) * SECOND < failed.again_at - cloud.clock() <= wait_s * SECOND


async def test_ci_with_a_certificate_of_somebody_else_gets_no_refresh_token() -> None:
    """6.I 91, P7."""
    cloud = Cloud(MonotonicClock())
    async with cloud.serving(CertificateAuthority("somebody else")), running(cloud) as node:
        await node.until(lambda: bool(only(TokenFetchFailed, node.said)))
        assert only(TokenFetchFailed, node.said)[0].reason == "CI not reached: tls"
        assert len(cloud.ci.log) == 0


async def test_ci_that_is_called_by_a_wrong_name_gets_no_refresh_token() -> None:
    """P7: the host name is checked."""
    cloud = Cloud(MonotonicClock())
    async with cloud.serving():
        port = cloud.account.token_url.split(":")[2].split("/")[0]
        wrong = replace(cloud.account, token_url=f"https://127.0.0.2:{port}{TOKEN_PATH}")
        async with running(cloud, wrong) as node:
            await node.until(lambda: bool(only(TokenFetchFailed, node.said)))
            assert len(cloud.ci.log) == 0


async def test_rotated_refresh_token_is_handed_up_and_the_next_fetch_uses_it() -> None:
    """RFC 6749 §6."""
    cloud = Cloud(MonotonicClock())
    accounts = cloud.ci.accounts
    accounts.access_lifetime_s, accounts.rotates, accounts.revokes_rotated = 1, True, True
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: len(only(MachineAccountRenewed, node.said)) >= 2)
        first, second = only(MachineAccountRenewed, node.said)[:2]
        tokens = {a.refresh_token for a in (cloud.account, first.account, second.account)}
        assert len(tokens) == 3
        assert [record.status for record in cloud.ci.log][:2] == [200, 200]


@pytest.mark.req("CLOUD-11")
@pytest.mark.parametrize("kind", [CPNS_ALARMS, XCP_ALARMS])
async def test_every_node_reaches_ci_by_itself_and_has_a_token_of_its_own(
    kind: TokenAlarms,
) -> None:
    """CUCM nodes and IM and Presence nodes share the machine account, and nothing else."""
    clock = MonotonicClock()
    cloud = Cloud(clock)
    async with cloud.serving(), anyio.create_task_group() as tasks:
        tokens: set[str] = set()
        for name in ("imp1", "imp2"):
            settings = MachineTokenSettings(name, "xcp", kind)
            machine = MachineToken(settings, cloud.account)
            (fetch,) = machine.advance(clock())
            assert isinstance(fetch, FetchToken)
            asked, told = anyio.create_memory_object_stream[TokenFetched | TokenFetchLost](1)
            client = TokenClient(
                "xcp",
                cloud.account.token_url,
                AUTHORITY.client_context(),
                clock,
                asked.send_nowait,  # type: ignore[arg-type]
            )
            await tasks.start(client.run)
            client.fetch(fetch)
            with asked, told, anyio.fail_after(10):
                assert alarms(machine.receive(await told.receive(), clock())) == []
            tokens.add(str(machine.token(clock())))
        assert len(tokens) == 2
        assert all(cloud.ci.accounts.account_of(t, clock()) for t in tokens)
        tasks.cancel_scope.cancel()


async def test_client_fetches_from_the_one_place_it_was_made_for() -> None:
    clock = MonotonicClock()
    client = TokenClient(
        PUSH_REST, "https://127.0.0.1:1/token", AUTHORITY.client_context(), clock, lambda _: None
    )
    with pytest.raises(LocalProtocolError, match=r"127\.0\.0\.1:1/token"):
        client.fetch(FetchToken(PUSH_REST, "https://elsewhere.example.com/token", b""))
    with pytest.raises(ValueError, match="https"):
        TokenClient(PUSH_REST, "http://127.0.0.1:1/", None, clock, lambda _: None)


@pytest.mark.req("AUTH-12")
async def test_machine_token_and_tokens_of_users_open_nothing_of_each_other() -> None:
    cloud = Cloud(MonotonicClock())
    async with cloud.serving(), running(cloud) as node:
        await node.until(lambda: bool(only(TokenObtained, node.said)))
        node.call("c1")
        await node.until(lambda: bool(node.outcomes()))
        (post,) = only(PostPush, node.said)
        machine = dict(post.headers)["Authorization"]
        # What a user signs in with is no grant of CI, and the machine token is no refresh token.
        for body in (
            b"grant_type=password&username=alice&password=x&client_id=callctl-push",
            b"grant_type=refresh_token&client_id=callctl-push&refresh_token="
            + machine.removeprefix("Bearer ").encode(),
        ):
            made = HttpRequest(
                "POST", TOKEN_PATH, (("content-type", "application/x-www-form-urlencoded"),), body
            )
            (action,) = cloud.ci.receive(RequestReceived(99, made), cloud.clock())
            assert isinstance(action, SendAnswer)
            assert action.answer.status == 400
