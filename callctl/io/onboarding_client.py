"""What onboarding asks of FOS and of licence managers: one exchange each, tried again if of use.

tenacity decides; its sleep and its end are of the clock handed in, never of the system's. Source:
OP-15, OP-49, LIC-04; CLOUD-02.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Protocol, TypeAlias

import msgspec
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_any,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_exponential

from callctl.cloud.fos import SUBSCRIPTION_PATH, TRUST_BUNDLE_PATH
from callctl.cloud.http import HeaderList, HttpAnswer
from callctl.egress.failure import ExchangeFailed, Step
from callctl.io.egress import EXCHANGE_TIMEOUT_S, Egress
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from callctl.onboarding.event import (
    CloudChecked,
    LicenseManagerFailed,
    LicenseRegistered,
    LicensesSynchronised,
    OnboardingEvent,
    RequestSubscription,
    SubscriptionAnswered,
    SubscriptionFailed,
    VoucherReceived,
)
from callctl.onboarding.licensing import Issuer, Manager, Voucher
from sipstack.timing import SECOND, Instant

TRIES_MAX: Final = 3
TAKES_MAX_NS: Final = 60 * SECOND  # no further try begins after it
RETRY_AFTER_MAX_S: Final = 30.0  # a longer wait is left to the administrator

_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_PASSING_STEPS: Final[frozenset[Step]] = frozenset(
    {"dns", "tcp", "proxy", "tls", "http", "timeout"}
)
_backoff: Final = wait_exponential(multiplier=1, max=8)

Clock: TypeAlias = Callable[[], Instant]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


class Exchange(Protocol):
    """One request to the outside, and its answer. Raises: ExchangeFailed."""

    async def __call__(
        self,
        url: str,
        method: str,
        headers: HeaderList,
        body: bytes,
        proxy: ProxySettings | None,
    ) -> HttpAnswer: ...


class EgressExchange:
    """Exchanges over an `Egress` that nobody else uses: its proxy is the saved one, not the one
    in force in the push services."""

    def __init__(self, egress: Egress, timeout_s: float = EXCHANGE_TIMEOUT_S) -> None:
        self._egress = egress
        self._timeout_s = timeout_s

    async def __call__(
        self,
        url: str,
        method: str,
        headers: HeaderList,
        body: bytes,
        proxy: ProxySettings | None,
    ) -> HttpAnswer:
        """Raises: ExchangeFailed."""
        if proxy != self._egress.proxy:
            self._egress.change(proxy)
        return await self._egress.exchange(
            url, method=method, headers=headers, body=body, timeout_s=self._timeout_s
        )


@dataclass(frozen=True, slots=True)
class Services:
    """Where FOS and the licence managers are; "" for one that there is not."""

    fos_url: str
    plm_url: str = ""
    cssm_url: str = ""
    satellite_url: str = ""

    def url_of(self, manager: Manager) -> str:
        """Of a licence manager."""
        urls = {
            Manager.PLM: self.plm_url,
            Manager.CSSM: self.cssm_url,
            Manager.SATELLITE: self.satellite_url,
        }
        return urls[manager]


class _VoucherAnswer(msgspec.Struct, frozen=True):
    voucher: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    issuer: Issuer


class OnboardingClient:
    """Turns each action that asks somebody into the event that tells what came of it."""

    def __init__(
        self, services: Services, exchange: Exchange, *, clock: Clock, sleep: Sleep
    ) -> None:
        self.services = services
        self._exchange = exchange
        self._clock = clock
        self._sleep = sleep

    async def subscribe(self, request: RequestSubscription) -> OnboardingEvent:
        """Send the subscription; the tracking id stays the same in every try, so that FOS knows
        a request again whose answer was lost."""
        body = {
            "voucher": request.voucher.code.get_secret_value(),
            "clusterId": request.cluster_id,
            "release": request.release,
            "publisher": request.publisher,
        }
        url = self.services.fos_url + SUBSCRIPTION_PATH
        headers = (("trackingid", request.tracking_id),)
        try:
            answer = await self._post(url, headers, body, request.proxy)
        except ExchangeFailed as failure:
            return SubscriptionFailed(failure.step, failure.detail)
        return SubscriptionAnswered(answer.status, answer.body)

    async def check_cloud(self, proxy: ProxySettings | None) -> OnboardingEvent:
        """Whether FOS answers at all, tried once (ONB-03)."""
        try:
            url = self.services.fos_url + TRUST_BUNDLE_PATH
            await self._exchange(url, "GET", (), b"", proxy)
        except ExchangeFailed as failure:
            return CloudChecked(failure.step, failure.detail)
        return CloudChecked()

    async def synchronise(
        self, manager: Manager, cluster_id: str, release: str, proxy: ProxySettings | None
    ) -> OnboardingEvent:
        """Let the licence manager take note of the cluster."""
        answer = await self._ask(manager, "/synchronise", cluster_id, release, proxy)
        return answer if isinstance(answer, LicenseManagerFailed) else LicensesSynchronised()

    async def fetch_voucher(
        self, manager: Manager, cluster_id: str, release: str, proxy: ProxySettings | None
    ) -> OnboardingEvent:
        """Have a voucher made."""
        answer = await self._ask(manager, "/vouchers", cluster_id, release, proxy)
        if isinstance(answer, LicenseManagerFailed):
            return answer
        try:
            made = msgspec.json.decode(answer.body, type=_VoucherAnswer)
        except (msgspec.DecodeError, RecursionError):  # not told on: it may hold a voucher
            return LicenseManagerFailed(f"{manager.value} sent no voucher")
        return VoucherReceived(Voucher(Secret(made.voucher), made.issuer))

    async def register(
        self,
        manager: Manager,
        token: str,
        cluster_id: str,
        release: str,
        proxy: ProxySettings | None,
    ) -> OnboardingEvent:
        """Register the cluster."""
        answer = await self._ask(manager, "/register", cluster_id, release, proxy, token)
        return answer if isinstance(answer, LicenseManagerFailed) else LicenseRegistered(manager)

    async def _ask(
        self,
        manager: Manager,
        path: str,
        cluster_id: str,
        release: str,
        proxy: ProxySettings | None,
        token: str = "",
    ) -> HttpAnswer | LicenseManagerFailed:
        url = self.services.url_of(manager)
        if not url:
            return LicenseManagerFailed(f"no address of {manager.value} is configured")
        body = {"clusterId": cluster_id, "release": release}
        if token:
            body["token"] = token
        in_house = manager is not Manager.CSSM
        try:
            answer = await self._post(url + path, (), body, None if in_house else proxy)
        except ExchangeFailed as failure:
            return LicenseManagerFailed(f"{manager.value}: {failure}")
        if answer.status not in (200, 201):
            error = str(answer.json().get("error", ""))[:64]
            return LicenseManagerFailed(f"{manager.value} answered {answer.status} {error}".strip())
        return answer

    async def _post(
        self, url: str, headers: HeaderList, body: dict[str, str], proxy: ProxySettings | None
    ) -> HttpAnswer:
        """Raises: ExchangeFailed of the last try."""
        typed = (("content-type", "application/json"), *headers)
        over = _Over(self._clock, Instant(self._clock() + TAKES_MAX_NS))
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_any(stop_after_attempt(TRIES_MAX), over),
            wait=_wait,
            retry=retry_if_exception(_may_pass) | retry_if_result(_is_passing),
            retry_error_callback=_last_outcome,
        )
        octets = msgspec.json.encode(body)
        answer: HttpAnswer = await retrying(self._exchange, url, "POST", typed, octets, proxy)
        return answer


class _Over(stop_base):
    """Ends the tries on the clock handed in; tenacity's own reads that of the system."""

    def __init__(self, clock: Clock, ends_at: Instant) -> None:
        self._clock = clock
        self._ends_at = ends_at

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._clock() + round(_wait(retry_state) * SECOND) >= self._ends_at


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ExchangeFailed) and error.step in _PASSING_STEPS


def _is_passing(answer: HttpAnswer) -> bool:
    return answer.status in _PASSING


def _wait(state: RetryCallState) -> float:
    """As long as the answer asks for, else a little longer each time."""
    outcome = state.outcome
    if outcome is not None and not outcome.failed:
        asked = outcome.result().header("retry-after") or ""
        if asked.isascii() and asked.isdigit() and len(asked) <= 9:
            # Asked for too much, it never comes to the next try: see `over`.
            return float(asked) if int(asked) <= RETRY_AFTER_MAX_S else TAKES_MAX_NS / SECOND
    return _backoff(state)


def _last_outcome(state: RetryCallState) -> HttpAnswer:
    """Raises: ExchangeFailed, if that is how the last try ended."""
    assert state.outcome is not None
    answer: HttpAnswer = state.outcome.result()
    return answer
