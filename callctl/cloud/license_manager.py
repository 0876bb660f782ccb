"""An emulated licence manager: Prime License Manager, or Cisco Smart Software Manager.

`POST /synchronise`, `/register`, `/deregister`, `/vouchers`, each with `{"clusterId": ...,
"release": ...}`; `/register` with a `"token"`, too, where the manager was given some. PLM makes a
voucher for whom it has synchronised, CSSM for whom it has registered.

Source: LIC-01, LIC-02, LIC-04, LIC-05, OP-57.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from callctl.cloud.http import HttpAnswer, HttpRequest, json_answer
from callctl.cloud.json_service import JsonService, Refusal
from callctl.cloud.voucher_book import VoucherBook
from callctl.model.release import Release
from callctl.onboarding.licensing import Issuer, issuer_for
from sipstack.entropy import Entropy
from sipstack.timing import Instant

BODY_MAX: Final = 16_384  # octets
CLUSTERS_MAX: Final = 10_000

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class LicenseRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """Body of every request."""

    cluster_id: _Text
    release: _Text
    token: Annotated[str, msgspec.Meta(max_length=1024)] = ""

    def __repr__(self) -> str:
        return f"LicenseRequest(cluster_id={self.cluster_id!r})"


class LicenseManager(JsonService):
    """Knows clusters, and makes vouchers for them. A satellite is a CSSM of one's own."""

    def __init__(self, issuer: Issuer, vouchers: VoucherBook, entropy: Entropy) -> None:
        super().__init__(entropy)
        self.issuer = issuer
        self.registration_tokens: frozenset[str] = frozenset()
        """Of which `/register` wants one; none set, it wants none."""
        self.clusters: dict[str, bool] = {}  # registered here; True: synchronised too
        self._vouchers = vouchers

    def granted(self, request: HttpRequest, now: Instant) -> tuple[HttpAnswer, tuple[object, ...]]:
        """Raises: Refusal."""
        if request.method != "POST":
            raise Refusal(405, "MethodNotAllowed", (("allow", "POST"),))
        wanted = self._read(request)
        cluster_id = wanted.cluster_id
        match request.path:
            case "/register":
                self._register(wanted)
            case "/deregister":
                self._known(cluster_id)
                del self.clusters[cluster_id]
            case "/synchronise":
                if self.issuer is Issuer.PLM:  # knows every product instance, licence or not
                    self._room_for(cluster_id)
                else:
                    self._known(cluster_id)
                self.clusters[cluster_id] = True
            case "/vouchers":
                if not self._known(cluster_id):
                    raise Refusal(409, "NotSynchronised")
                made = {"voucher": self._vouchers.make(self.issuer, now)}
                fields = {**made, "issuer": self.issuer.value}
                return json_answer(201, fields, (("cache-control", "no-store"),)), ()
            case _:
                raise Refusal(404, "NotFound")
        return json_answer(200, {}), ()

    def _register(self, wanted: LicenseRequest) -> None:
        if self.issuer is Issuer.PLM:
            raise Refusal(404, "NotFound")
        if self.registration_tokens and wanted.token not in self.registration_tokens:
            raise Refusal(403, "InvalidToken")
        self._room_for(wanted.cluster_id)
        self.clusters.setdefault(wanted.cluster_id, False)

    def _known(self, cluster_id: str) -> bool:
        synchronised = self.clusters.get(cluster_id)
        if synchronised is None:
            plm = self.issuer is Issuer.PLM
            raise Refusal(409, "NotSynchronised") if plm else Refusal(403, "NotRegistered")
        return synchronised

    def _room_for(self, cluster_id: str) -> None:
        if len(self.clusters) >= CLUSTERS_MAX and cluster_id not in self.clusters:
            raise Refusal(429, "TooManyClusters")

    def _read(self, request: HttpRequest) -> LicenseRequest:
        if len(request.body) > BODY_MAX:
            raise Refusal(413, "TooLong")
        try:
            wanted = msgspec.json.decode(request.body, type=LicenseRequest)
            release = Release.parse(wanted.release)
        except (ValueError, RecursionError) as error:  # not echoed: it may hold a token
            raise Refusal(400, "Malformed") from error
        if issuer_for(release) is not self.issuer:
            raise Refusal(403, "WrongManager")
        return wanted
