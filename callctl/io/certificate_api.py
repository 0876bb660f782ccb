"""`/certificates` of the admin API: the trust store of the cluster."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from callctl.certificate.certificate import UPLOAD_MAX, Certificate
from callctl.certificate.cloud_roots import PURPOSE, CloudService
from callctl.certificate.fingerprint import Fingerprint
from callctl.certificate.report import Line
from callctl.certificate.trust_store import Added, Trusted, TrustStore, UploadRefused

BASE64_MAX: Final = (UPLOAD_MAX * 4) // 3 + 8


class TrustAccess(Protocol):
    """What the API works on: `callctl.io.trust.Trust`."""

    @property
    def store(self) -> TrustStore: ...

    @property
    def insecure(self) -> bool: ...

    def upload(self, data: bytes, for_service: CloudService | None = None) -> Added: ...

    def remove(self, fingerprint: Fingerprint) -> Trusted | None: ...


class UploadBody(BaseModel):
    """A file with certificates."""

    data: Annotated[str, Field(max_length=BASE64_MAX, description="PEM or DER, in base64.")]
    cloud_root: Annotated[
        CloudService | None,
        Field(description="Take it only if it is the root of this service (Table H1)."),
    ] = None


class CertificateView(BaseModel):
    """One certificate."""

    fingerprint: str
    subject: str
    issuer: str
    not_before: int
    not_after: int
    key: str

    @classmethod
    def of(cls, given: Certificate) -> CertificateView:
        return cls(
            fingerprint=str(given.fingerprint),
            subject=given.subject,
            issuer=given.issuer,
            not_before=given.not_before_s,
            not_after=given.not_after_s,
            key=given.key,
        )


class TrustedView(CertificateView):
    """One entry of the store."""

    origin: str
    added_at: int
    cloud_root: str | None

    @classmethod
    def of_entry(cls, entry: Trusted, store: TrustStore) -> TrustedView:
        root = store.roots.of(entry.certificate.fingerprint)
        return cls(
            **CertificateView.of(entry.certificate).model_dump(),
            origin=entry.origin.value,
            added_at=entry.added_at_s,
            cloud_root=None if root is None else root.service.value,
        )


class StoreView(BaseModel):
    """The store."""

    purpose: str
    verification: bool  # False: insecure_skip_tls_verification is on
    certificates: list[TrustedView]


class AddedView(BaseModel):
    """What became of an upload."""

    added: list[CertificateView]
    present: list[CertificateView]
    remarks: list[str]


class LineView(BaseModel):
    """One line of the check."""

    verdict: str
    subject: str
    finding: str
    action: str
    source: str

    @classmethod
    def of(cls, line: Line) -> LineView:
        return cls(
            verdict=line.verdict.value,
            subject=line.subject,
            finding=line.finding,
            action=line.action,
            source=line.source,
        )


def certificate_router(
    trust: TrustAccess,
    check: Callable[[], tuple[Line, ...]],
    dependencies: list[Any],
) -> APIRouter:
    """The routes. `check` makes the report; `dependencies` are what guards the other routes."""
    router = APIRouter(prefix="/certificates", tags=["certificates"], dependencies=dependencies)

    @router.get("")
    async def certificates() -> StoreView:
        """Whom the cluster trusts at TLS."""
        store = trust.store
        return StoreView(
            purpose=PURPOSE,
            verification=not trust.insecure,
            certificates=[TrustedView.of_entry(each, store) for each in store.entries],
        )

    @router.get("/check")
    async def checked() -> list[LineView]:
        """Cloud roots, ends of certificates, trust for MRA, local push."""
        return [LineView.of(line) for line in check()]

    @router.post("", status_code=201)
    async def upload(body: UploadBody) -> AddedView:
        """Trust the certificates of a file: all of them, or none if one is wrong."""
        try:
            data = base64.b64decode(body.data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise HTTPException(422, f"data is not base64: {error}") from error
        try:
            added = trust.upload(data, body.cloud_root)
        except UploadRefused as error:
            raise HTTPException(409, str(error)) from error
        except OSError as error:
            raise HTTPException(500, f"cannot be kept: {error}") from error
        return AddedView(
            added=[CertificateView.of(each) for each in added.added],
            present=[CertificateView.of(each) for each in added.present],
            remarks=list(added.remarks),
        )

    @router.delete("/{fingerprint}")
    async def remove(fingerprint: str) -> CertificateView:
        """Trust it no longer."""
        try:
            wanted = Fingerprint.parse(fingerprint)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        try:
            removed = trust.remove(wanted)
        except OSError as error:
            raise HTTPException(500, f"cannot be kept: {error}") from error
        if removed is None:
            raise HTTPException(404, f"there is no certificate {wanted} in {PURPOSE}")
        return CertificateView.of(removed.certificate)

    return router
