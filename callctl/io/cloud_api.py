"""The part of the admin API that works the emulated cloud: its state, its faults, what it got.

A router for FastAPI; the shell that serves the API includes it. Nothing here shows a payload, a
token or more of a target than its end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from callctl.cloud.fault_orders import CI, FCM_TOKENS, PUSH_REST, SERVICES, BadFault, FaultOrder
from callctl.cloud.faults import FINGERPRINT_MIN, fingerprint_of
from callctl.cloud.known_faults import KNOWN_FAULTS, name_of
from callctl.cloud.partner import Partner
from callctl.io.cloud_service import CERTIFICATE_FAULT, CORE_FAULTS, CloudService
from callctl.io.emulators import PushCloud

TARGET_END: Final = 6  # characters of a target that are shown
FINGERPRINT_SHOWN: Final = 12
LOG_MAX: Final = 2_000

GetCloud: TypeAlias = Callable[[], PushCloud | None]


class FaultView(BaseModel):
    """A fault in force."""

    number: int = Field(description="Names it to DELETE; unique in its service.")
    service: str
    fault: str = Field(description="What it does, in one word.")
    hits: int | None = Field(description="How often it has acted.")
    left: int | None = Field(description="How often it still may; null: until it is cleared.")


class ServiceView(BaseModel):
    """One emulated service."""

    service: str
    url: str
    state: Literal["up", "down"]
    connections: int | None = Field(description="Open now; null where nobody counts.")
    requests: int = Field(description="In its log.")
    by_status: dict[str, int] = Field(description="Answers; `none` where a fault left them out.")
    faults: list[FaultView]


class LogView(BaseModel):
    """One request that a service got."""

    at: datetime
    service: str
    status: int | None = Field(description="null: no answer, by a fault.")
    reason: str
    tracking_id: str | None
    target: str | None = Field(description="The end of the device token.")
    fingerprint: str | None = Field(description="Names the target to a fault.")
    octets: int


class NewFault(BaseModel):
    """What to do, to whom, how often. `GET /cloud/faults` has the names."""

    model_config = ConfigDict(extra="forbid")

    service: str
    fault: str
    status: int | None = None
    reason: str = ""
    retry_after_s: int | None = None
    location: str = ""
    delay_ms: int | None = None
    octets: int | None = None
    target: str = Field("", description="Start of the fingerprint of a device token.")
    subscriber_service: str = Field("", description="Or topic, or project, in a partner cloud.")
    times: int | None = None
    percent: float = 100.0
    for_s: float | None = None

    def order(self) -> FaultOrder:
        """The same for the cloud."""
        values = self.model_dump()
        return FaultOrder(name=values.pop("fault"), **values)


class KnownFaultView(BaseModel):
    """A fault that can be ordered."""

    fault: str
    text: str
    services: list[str]
    takes: list[str]


class Done(BaseModel):
    """How much was done."""

    count: int


class Goodbye(BaseModel):
    """GOAWAY of APNs."""

    model_config = ConfigDict(extra="forbid")

    unread: bool = Field(False, description="By its word, what is open was not read.")


class Revocation(BaseModel):
    """Access tokens that are good no more."""

    model_config = ConfigDict(extra="forbid")

    service: Literal["ci", "push-rest", "fcm-tokens"] = "ci"


class AppRemoval(BaseModel):
    """An app that its user removes."""

    model_config = ConfigDict(extra="forbid")

    service: Literal["apns", "fcm"]
    target: str = Field(description="Start of the fingerprint of its device token.")


class CloudApi:
    """The handlers. `get` gives the cloud, None while there is none."""

    def __init__(self, get: GetCloud) -> None:
        self._get = get

    def router(self) -> APIRouter:
        """All routes, under /cloud."""
        router = APIRouter(prefix="/cloud", tags=["cloud"])
        router.get("")(self.status)
        router.get("/faults")(self.known)
        router.post("/faults", status_code=201)(self.add)
        router.delete("/faults")(self.clear_all)
        router.delete("/faults/{service}")(self.clear)
        router.delete("/faults/{service}/{number}")(self.remove)
        router.get("/log")(self.log)
        router.post("/goaway")(self.go_away)
        router.post("/tokens/revoke")(self.revoke)
        router.post("/apps/remove")(self.remove_app)
        return router

    async def status(self) -> list[ServiceView]:
        """Every emulated service: where it is, what it answered, what is wrong with it."""
        return [_service_view(service) for service in self._cloud().services.values()]

    async def known(self) -> list[KnownFaultView]:
        """The faults that can be ordered."""
        return [
            KnownFaultView(
                fault=name,
                text=known.text,
                services=[each for each in SERVICES if each in known.services],
                takes=sorted(known.takes | {"for_s"}),
            )
            for name, known in KNOWN_FAULTS.items()
        ]

    async def add(self, wanted: NewFault) -> FaultView:
        """Put a fault in force. 422 with the known names if it cannot be meant like this."""
        cloud = self._cloud()
        service = cloud.services.get(wanted.service)
        try:
            if service is None:
                raise BadFault(f"no service is called {wanted.service!r}: {', '.join(SERVICES)}")
            number = service.add_fault(wanted.order())
        except BadFault as error:
            raise HTTPException(422, str(error)) from error
        return next(view for view in _faults(service) if view.number == number)

    async def clear_all(self) -> Done:
        """End every fault. A connection that is dead stays dead."""
        services = self._cloud().services.values()
        count = sum(len(_faults(service)) for service in services)
        for service in services:
            service.clear_faults()
        return Done(count=count)

    async def clear(self, service: str) -> Done:
        """End every fault of a service."""
        found = self._service(service)
        count = len(_faults(found))
        found.clear_faults()
        return Done(count=count)

    async def remove(self, service: str, number: int) -> Done:
        """End one fault."""
        if not self._service(service).remove_fault(number):
            raise HTTPException(404, f"{service} has no fault {number}")
        return Done(count=1)

    async def log(
        self,
        service: Annotated[str | None, Query(description="Only of this one.")] = None,
        limit: Annotated[int, Query(ge=1, le=LOG_MAX, description="The newest so many.")] = 100,
    ) -> list[LogView]:
        """What the services got and answered, newest first."""
        cloud = self._cloud()
        services = cloud.services.values() if service is None else (self._service(service),)
        found = [(record, each.name) for each in services for record in each.core.log]
        found.sort(key=lambda pair: pair[0].at, reverse=True)
        return [
            LogView(
                at=datetime.fromtimestamp(cloud.hosting.clock.unix_ns(record.at) / 1e9, UTC),
                service=name,
                status=record.status or None,
                reason=record.reason,
                tracking_id=record.tracking_id,
                target=record.target and record.target[-TARGET_END:],
                fingerprint=record.target and fingerprint_of(record.target)[:FINGERPRINT_SHOWN],
                octets=record.size,
            )
            for record, name in found[:limit]
        ]

    async def go_away(self, wanted: Goodbye | None = None) -> Done:
        """APNs says goodbye on every connection."""
        cloud = self._cloud()
        return Done(count=cloud.apns_goes_away(unread=wanted is not None and wanted.unread))

    async def revoke(self, wanted: Revocation | None = None) -> Done:
        """No access token given out so far is good any more."""
        cloud = self._cloud()
        which = CI if wanted is None else wanted.service
        if which == CI:
            cloud.cisco.ci.accounts.revoke()
        elif which == PUSH_REST:
            cloud.rotate_token()
        elif which == FCM_TOKENS:
            cloud.fcm_tokens.revoke_all()
        return Done(count=1)

    async def remove_app(self, wanted: AppRemoval) -> Done:
        """The user removes the app: its device token is dead, and the sender is told so."""
        cloud = self._cloud()
        partner, core = (
            (Partner.APNS, cloud.apns) if wanted.service == "apns" else (Partner.FCM, cloud.fcm)
        )
        start = wanted.target.lower()
        if len(start) < FINGERPRINT_MIN:
            raise HTTPException(422, f"target: {FINGERPRINT_MIN} characters of the fingerprint")
        found = [token for token in core.desk.tokens if fingerprint_of(token).startswith(start)]
        if not found:
            raise HTTPException(404, f"no device of {wanted.service} has that fingerprint")
        for token in found:
            cloud.remove_app(partner, token)
        return Done(count=len(found))

    def _cloud(self) -> PushCloud:
        cloud = self._get()
        if cloud is None:
            raise HTTPException(409, "this cluster has no emulated cloud: see cloud.emulator")
        return cloud

    def _service(self, name: str) -> CloudService:
        found = self._cloud().services.get(name)
        if found is None:
            raise HTTPException(404, f"no service is called {name!r}: {', '.join(SERVICES)}")
        return found


def cloud_router(get: GetCloud) -> APIRouter:
    """The routes of the cloud that `get` gives at the time of each request."""
    return CloudApi(get).router()


def _service_view(service: CloudService) -> ServiceView:
    statuses = service.statuses()
    return ServiceView(
        service=service.name,
        url=service.url,
        state="up" if service.running else "down",
        connections=service.open_connections,
        requests=sum(statuses.values()),
        by_status={str(status or "none"): count for status, count in statuses.items()},
        faults=_faults(service),
    )


def _faults(service: CloudService) -> list[FaultView]:
    name = service.name
    views = [
        FaultView(
            number=CORE_FAULTS * each.number,
            service=name,
            fault=name_of(each.fault),
            hits=each.hits,
            left=each.left,
        )
        for each in service.core.faults
    ]
    views += [
        FaultView(
            number=CORE_FAULTS * each.number + 1,
            service=name,
            fault=name_of(each.fault),
            hits=each.hits,
            left=None if each.fault.times is None else each.fault.times - each.hits,
        )
        for each in service.wire
    ]
    shown = service.certificate.in_force()
    if shown is not None:
        views.append(
            FaultView(
                number=CERTIFICATE_FAULT, service=name, fault=name_of(shown), hits=None, left=None
            )
        )
    return views
