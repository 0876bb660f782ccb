"""The admin API's way to the reachability check: `POST /cloud/check`."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from callctl.io.reachability import CloudCheck
from callctl.serviceability.reachability import NOTES, Check


class CheckView(BaseModel):
    """One thing that was tried from one node."""

    node: str
    target: str
    use: str
    ok: bool
    step: str
    cause: str
    action: str
    took_ms: float | None

    @classmethod
    def of(cls, check: Check) -> CheckView:
        """How a check shows."""
        return cls(
            node=check.node,
            target=check.target,
            use=check.use,
            ok=check.ok,
            step=check.step,
            cause=check.cause,
            action=check.action,
            took_ms=None if check.took_ms is None else round(check.took_ms, 1),
        )


class CloudCheckView(BaseModel):
    """A whole check."""

    ok: bool
    checks: list[CheckView]
    notes: list[str]


def reachability_router(check: CloudCheck) -> APIRouter:
    """The route of one cluster."""
    router = APIRouter(tags=["cloud"])

    @router.post("/cloud/check")
    async def cloud_check() -> CloudCheckView:
        """Every cloud host from every node, and which step fails."""
        found = await check.run()
        return CloudCheckView(
            ok=all(each.ok for each in found),
            checks=[CheckView.of(each) for each in found],
            notes=list(NOTES),
        )

    return router
