"""`/onboarding` and `/licensing` of the admin API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr

from callctl.io.onboarding import OnboardingShell
from callctl.io.onboarding_view import LicensingView, OnboardingView, Support
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from callctl.onboarding.event import (
    LicenseDeregistered,
    OnboardingEvent,
    Refused,
    ReservationChanged,
    TaskMarked,
    VoucherRequested,
)
from callctl.onboarding.licensing import Manager
from callctl.onboarding.page import KEPT, PageChange

HOST_MAX: Final = 253

Text = Annotated[str, Field(max_length=256)]


class ProxyBody(BaseModel):
    """The proxy box with its server."""

    url: Annotated[str, Field(max_length=512, description="http://host:port or https://host:port")]
    user: Text | None = None
    password: SecretStr | None = None
    basic_over_http: bool = False

    def settings(self) -> ProxySettings:
        """Raises: HTTPException (422)."""
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise HTTPException(422, "proxy: the URL cannot be read") from error
        bare = not (parts.username or parts.password or parts.path.strip("/") or parts.query)
        if parts.scheme not in ("http", "https") or not host or len(host) > HOST_MAX or not bare:
            raise HTTPException(422, "proxy: expected http://host:port or https://host:port")
        if port is None or port == 0:
            raise HTTPException(422, "proxy: the URL needs a port")
        if (self.password is None) is not (self.user is None):
            raise HTTPException(422, "proxy: user and password go together")
        password = None if self.password is None else Secret(self.password.get_secret_value())
        return ProxySettings(parts.scheme, host, port, self.user, password, self.basic_over_http)


class SaveBody(BaseModel):
    """What changes on the page; what is left out stays as it is."""

    push: bool | None = None
    managed_certificates: bool | None = None
    proxy: ProxyBody | None = None
    no_proxy: bool = False
    troubleshooting: bool | None = None
    pii: bool | None = None
    node: Text | None = Field(default=None, description="Where Save is clicked.")

    def change(self) -> PageChange:
        """Raises: HTTPException (422)."""
        if self.no_proxy and self.proxy is not None:
            raise HTTPException(422, "proxy and no_proxy exclude each other")
        proxy = None if self.no_proxy else KEPT if self.proxy is None else self.proxy.settings()
        return PageChange(
            self.push, self.managed_certificates, proxy, self.troubleshooting, self.pii
        )


class NodeBody(BaseModel):
    """Where a button is clicked."""

    node: Text | None = None


class RegisterBody(BaseModel):
    """With whom the cluster is registered."""

    manager: Manager = Manager.CSSM
    token: SecretStr = SecretStr("")


class RunBody(RegisterBody):
    """All steps in one."""

    save: SaveBody = SaveBody()


class ReservationBody(BaseModel):
    """Specific License Reservation."""

    on: bool


class TaskBody(BaseModel):
    """What the administrator says of a task."""

    done: bool


class OnboardingApi:
    """The handlers; `router` is what is included into the admin API."""

    def __init__(
        self,
        shell: OnboardingShell,
        dependencies: Sequence[Any] = (),
        *,
        support: Callable[[], Support] = Support,
    ) -> None:
        """`dependencies` let through who may; `support`: what the page shows for support staff."""
        self._shell = shell
        self._support = support
        self.router = APIRouter(tags=["onboarding"], dependencies=list(dependencies))
        get, post = self.router.get, self.router.post
        get("/onboarding")(self.page)
        post("/onboarding/load")(self.load)
        post("/onboarding/voucher")(self.voucher)
        post("/onboarding/save")(self.save)
        post("/onboarding/run")(self.run)
        post("/onboarding/tasks/{number}")(self.task)
        get("/licensing")(self.licensing)
        post("/licensing/synchronise")(self.synchronise)
        post("/licensing/register")(self.register)
        post("/licensing/deregister")(self.deregister)
        post("/licensing/reservation")(self.reservation)

    async def page(self) -> OnboardingView:
        """The page as it stands."""
        return self._view()

    async def load(self) -> OnboardingView:
        """Load the page: it looks at certificates and cloud, which may take a minute."""
        await self._shell.load_page()
        return self._view()

    async def voucher(self, body: NodeBody | None = None) -> OnboardingView:
        """Generate Voucher. Follow `busy` at `/onboarding`."""
        node = (body.node if body is not None else None) or self._shell.onboarding.home.publisher
        return self._told(VoucherRequested(node))

    async def save(self, body: SaveBody) -> OnboardingView:
        """Save. The second one asks the cloud: follow `busy` at `/onboarding`."""
        _unless(await self._shell.save(body.change(), body.node))
        return self._view()

    async def run(self, body: RunBody) -> OnboardingView:
        """Take every step to the end. Follow `run` at `/onboarding`."""
        token = body.token.get_secret_value()
        if not self._shell.start_run(body.save.change(), body.manager, token):
            raise HTTPException(409, "a run is under way")
        return self._view()

    async def task(self, number: int, body: TaskBody) -> OnboardingView:
        """Mark a task of the full set-up as done, or as due again."""
        return self._told(TaskMarked(number, body.done))

    async def licensing(self) -> LicensingView:
        """How the cluster is licensed."""
        return self._licensing()

    async def synchronise(self) -> LicensingView:
        """Synchronise with the license manager."""
        _unless(await self._shell.synchronise())
        return self._licensing()

    async def register(self, body: RegisterBody) -> LicensingView:
        """Register with a smart license manager."""
        _unless(await self._shell.register(body.manager, body.token.get_secret_value()))
        return self._licensing()

    async def deregister(self) -> LicensingView:
        """End the registration."""
        self._told(LicenseDeregistered())
        return self._licensing()

    async def reservation(self, body: ReservationBody) -> LicensingView:
        """Turn Specific License Reservation on or off."""
        self._told(ReservationChanged(body.on))
        return self._licensing()

    def _told(self, event: OnboardingEvent) -> OnboardingView:
        _unless(self._shell.feed(event))
        return self._view()

    def _view(self) -> OnboardingView:
        return OnboardingView.of(self._shell, self._support())

    def _licensing(self) -> LicensingView:
        return LicensingView.of(self._shell.onboarding.licensing, self._shell.now())


def _unless(refused: Refused | None) -> None:
    """Raises: HTTPException (409) with what the machine says."""
    if refused is not None:
        raise HTTPException(409, refused.problem)
