"""An emulated FOS: takes the subscription of a cluster, gives it a machine account of CI.

`POST /fos/v1/subscriptions` with voucher, cluster id, release and publisher. The account is in the
answer: 201, or 200 if the same request comes again because its answer was lost. `GET
/trust-bundle` gives the signed bundle of cloud certificates (OP-50), which is made elsewhere.

Source: CLOUD-02, OP-11, OP-15, OP-50; ONB-01, LIC-04.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec

from callctl.cloud.http import HttpAnswer, HttpRequest, json_answer
from callctl.cloud.json_service import JsonService, Refusal, tracking_id_of
from callctl.cloud.voucher_book import VoucherBook, VoucherError
from callctl.model.release import Release
from sipstack.entropy import Entropy, token, uuid4
from sipstack.timing import Instant

SUBSCRIPTION_PATH: Final = "/fos/v1/subscriptions"
TRUST_BUNDLE_PATH: Final = "/trust-bundle"
BODY_MAX: Final = 16_384  # octets
ACCOUNTS_MAX: Final = 1_000  # clusters that are remembered; the oldest goes first

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class SubscriptionRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """Body of the subscription (OP-15)."""

    voucher: Annotated[str, msgspec.Meta(max_length=256)]
    cluster_id: _Text
    release: _Text
    publisher: _Text

    def __repr__(self) -> str:
        return f"SubscriptionRequest(cluster_id={self.cluster_id!r})"


@dataclass(frozen=True, slots=True)
class ProvisionedAccount:
    """A machine account as FOS made it."""

    account_id: str
    organisation_id: str
    refresh_token: str = field(repr=False)
    cluster_id: str


@dataclass(frozen=True, slots=True)
class AccountProvisioned:
    """CI has to know this account from now on, and no longer the one it replaces."""

    account: ProvisionedAccount
    replaced: ProvisionedAccount | None = None


class Fos(JsonService):
    """Holds the accounts it made. `token_url` and `push_rest_url` go into each answer."""

    def __init__(self, vouchers: VoucherBook, entropy: Entropy) -> None:
        super().__init__(entropy)
        self.token_url = ""  # both known once CI and Push REST run
        self.push_rest_url = ""
        self.trust_bundle: bytes | None = None
        self._vouchers = vouchers
        self._entropy = entropy
        self._accounts: OrderedDict[str, ProvisionedAccount] = OrderedDict()  # by cluster id
        self._asked: dict[str, tuple[str, str]] = {}  # cluster id: tracking id and voucher

    def account_of(self, cluster_id: str) -> ProvisionedAccount | None:
        """The account of a cluster, None if it has not subscribed."""
        return self._accounts.get(cluster_id)

    def granted(self, request: HttpRequest, now: Instant) -> tuple[HttpAnswer, tuple[object, ...]]:
        """Raises: Refusal."""
        if request.path == TRUST_BUNDLE_PATH:
            return self._bundle(request), ()
        if request.path != SUBSCRIPTION_PATH:
            raise Refusal(404, "NotFound")
        if request.method != "POST":
            raise Refusal(405, "MethodNotAllowed", (("allow", "POST"),))
        wanted, release = _read(request)
        asked = (tracking_id_of(request) or "", wanted.voucher)
        known = self._accounts.get(wanted.cluster_id)
        if known is not None and asked[0] and self._asked[wanted.cluster_id] == asked:
            return self._answer_with(known, 200), ()
        try:
            self._vouchers.use(wanted.voucher, wanted.cluster_id, release, now)
        except VoucherError as error:
            raise Refusal(error.status, str(error)) from error
        account = ProvisionedAccount(
            uuid4(self._entropy), uuid4(self._entropy), token(self._entropy, 32), wanted.cluster_id
        )
        self._remember(account, asked)
        return self._answer_with(account, 201), (AccountProvisioned(account, known),)

    def _remember(self, account: ProvisionedAccount, asked: tuple[str, str]) -> None:
        self._accounts[account.cluster_id] = account
        self._accounts.move_to_end(account.cluster_id)
        self._asked[account.cluster_id] = asked
        if len(self._accounts) > ACCOUNTS_MAX:
            oldest, _ = self._accounts.popitem(last=False)
            del self._asked[oldest]

    def _answer_with(self, account: ProvisionedAccount, status: int) -> HttpAnswer:
        fields = {
            "accountId": account.account_id,
            "organisationId": account.organisation_id,
            "tokenUrl": self.token_url,
            "refreshToken": account.refresh_token,
            "pushRestUrl": self.push_rest_url,
        }
        return json_answer(status, fields, (("cache-control", "no-store"),))

    def _bundle(self, request: HttpRequest) -> HttpAnswer:
        if request.method != "GET":
            raise Refusal(405, "MethodNotAllowed", (("allow", "GET"),))
        if self.trust_bundle is None:
            raise Refusal(404, "NoBundle")
        return HttpAnswer(200, (("content-type", "application/json"),), self.trust_bundle)


def _read(request: HttpRequest) -> tuple[SubscriptionRequest, Release]:
    if len(request.body) > BODY_MAX:
        raise Refusal(413, "TooLong")
    try:
        wanted = msgspec.json.decode(request.body, type=SubscriptionRequest)
    except (msgspec.DecodeError, RecursionError) as error:  # not echoed: it holds a voucher
        raise Refusal(400, "Malformed") from error
    try:
        return wanted, Release.parse(wanted.release)
    except ValueError as error:
        raise Refusal(400, "ReleaseUnknown") from error
