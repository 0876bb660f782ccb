"""What onboarding asks of the outside, in virtual time: when it tries again, and when it ends."""

from __future__ import annotations

import pytest

from callctl.cloud.http import HeaderList, HttpAnswer, json_answer
from callctl.egress.failure import ExchangeFailed, Step
from callctl.io.onboarding_client import OnboardingClient, Services
from callctl.model.cloud import ProxySettings
from callctl.onboarding.event import (
    CloudChecked,
    LicenseManagerFailed,
    LicensesSynchronised,
    OnboardingEvent,
    RequestSubscription,
    SubscriptionAnswered,
    SubscriptionFailed,
    VoucherReceived,
)
from callctl.onboarding.licensing import Manager
from helpers.onboarding_rig import voucher
from sipstack.timing import SECOND, Instant

pytestmark = pytest.mark.anyio

PROXY = ProxySettings("http", "proxy.example", 3128)
REQUEST = RequestSubscription(voucher(), "c1", "14SU3", "ucm1", "FOS_1", PROXY)
SERVICES = Services("https://fos", "https://plm", "https://cssm", "https://satellite")
OK = json_answer(201, {})


class World:
    """Answers from a script, and time that passes only when somebody waits or an answer is slow."""

    def __init__(self, *script: HttpAnswer | Step, takes_s: int = 0) -> None:
        self.script = list(script)
        self.takes_s = takes_s
        self.now_s = 0.0
        self.asked: list[tuple[str, str, HeaderList, ProxySettings | None]] = []
        self.asked_at: list[float] = []
        self.client = OnboardingClient(SERVICES, self.exchange, clock=self.clock, sleep=self.sleep)

    def clock(self) -> Instant:
        return Instant(round(self.now_s * SECOND))

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def exchange(
        self, url: str, method: str, headers: HeaderList, body: bytes, proxy: ProxySettings | None
    ) -> HttpAnswer:
        self.asked.append((url, method, headers, proxy))
        self.asked_at.append(self.now_s)
        self.now_s += self.takes_s
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, str):
            raise ExchangeFailed(answer, "as the test wants it")
        return answer


@pytest.mark.parametrize("step", ["dns", "tcp", "proxy", "tls", "http", "timeout"])
async def test_failure_that_may_pass_is_tried_three_times(step: Step) -> None:
    world = World(step)
    assert await world.client.subscribe(REQUEST) == SubscriptionFailed(step, "as the test wants it")
    assert world.asked_at == [0, 1, 3]


@pytest.mark.parametrize("step", ["not allowed", "proxy authentication", "certificate"])
async def test_failure_that_somebody_has_to_mend_is_tried_once(step: Step) -> None:
    world = World(step)
    assert isinstance(await world.client.subscribe(REQUEST), SubscriptionFailed)
    assert world.asked_at == [0]


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 404, 407, 409, 413, 501])
async def test_answer_that_will_not_change_is_taken_as_it_is(status: int) -> None:
    world = World(HttpAnswer(status, (), b"body"))
    assert await world.client.subscribe(REQUEST) == SubscriptionAnswered(status, b"body")
    assert world.asked_at == [0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_answer_that_may_change_is_asked_for_again(status: int) -> None:
    world = World(HttpAnswer(status), "tcp", OK)
    assert await world.client.subscribe(REQUEST) == SubscriptionAnswered(201, b"{}")
    assert world.asked_at == [0, 1, 3]
    assert len({headers for _, _, headers, _ in world.asked}) == 1  # tracking id


async def test_retry_after_is_kept_to_and_one_that_is_too_long_ends_it() -> None:
    world = World(HttpAnswer(503, (("retry-after", "20"),)), OK)
    await world.client.subscribe(REQUEST)
    assert world.asked_at == [0, 20]
    for text in ("31", "999999999"):
        patient = World(HttpAnswer(503, (("retry-after", text),)))
        assert await patient.client.subscribe(REQUEST) == SubscriptionAnswered(503)
        assert patient.asked_at == [0]
    odd = World(HttpAnswer(503, (("retry-after", "Fri, 31 Dec"),)), OK)
    await odd.client.subscribe(REQUEST)
    assert odd.asked_at == [0, 1]


async def test_no_try_begins_after_a_minute_of_the_clock_handed_in() -> None:
    """Of virtual time: the test takes none of the system's."""
    world = World("timeout", takes_s=40)
    assert isinstance(await world.client.subscribe(REQUEST), SubscriptionFailed)
    assert world.asked_at == [0, 41]


async def test_page_looks_for_the_cloud_once() -> None:
    world = World("dns")
    assert await world.client.check_cloud(PROXY) == CloudChecked("dns", "as the test wants it")
    assert [(method, proxy) for _, method, _, proxy in world.asked] == [("GET", PROXY)]
    assert await World(HttpAnswer(404)).client.check_cloud(None) == CloudChecked()


@pytest.mark.parametrize(
    ("manager", "url", "proxy"),
    [
        (Manager.PLM, "https://plm/vouchers", None),
        (Manager.CSSM, "https://cssm/vouchers", PROXY),
        (Manager.SATELLITE, "https://satellite/vouchers", None),
    ],
)
async def test_license_manager_in_house_is_asked_without_the_proxy(
    manager: Manager, url: str, proxy: ProxySettings | None
) -> None:
    made = {"voucher": "voucher-1", "issuer": manager.issuer.value}
    world = World(json_answer(201, made))
    event = await world.client.fetch_voucher(manager, "c1", "14SU3", PROXY)
    assert isinstance(event, VoucherReceived)
    assert (event.voucher.issuer, event.voucher.code) == (manager.issuer, voucher().code)
    assert [(each[0], each[3]) for each in world.asked] == [(url, proxy)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json_answer(200, {}), LicensesSynchronised()),
        (HttpAnswer(403, (), b"no"), LicenseManagerFailed("cssm answered 403")),
        (
            json_answer(403, {"error": "NotRegistered"}),
            LicenseManagerFailed("cssm answered 403 NotRegistered"),
        ),
        ("dns", LicenseManagerFailed("cssm: dns: as the test wants it")),
    ],
)
async def test_what_a_license_manager_says_is_told(
    answer: HttpAnswer | Step, expected: OnboardingEvent
) -> None:
    world = World(answer)
    assert await world.client.synchronise(Manager.CSSM, "c1", "14SU3", None) == expected


async def test_voucher_that_is_none_and_manager_without_an_address_are_failures() -> None:
    world = World(json_answer(201, {"voucher": "", "issuer": "CSSM"}))
    event = await world.client.fetch_voucher(Manager.CSSM, "c1", "14SU3", None)
    assert event == LicenseManagerFailed("cssm sent no voucher")
    world.client.services = Services("https://fos")
    event = await world.client.fetch_voucher(Manager.PLM, "c1", "11.5(1)SU4", None)
    assert event == LicenseManagerFailed("no address of plm is configured")
