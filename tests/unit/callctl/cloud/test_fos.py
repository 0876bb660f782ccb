"""The emulated FOS and licence managers: what they grant, refuse and remember."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callctl.cloud.faults import Fault
from callctl.cloud.fos import (
    BODY_MAX,
    SUBSCRIPTION_PATH,
    TRUST_BUNDLE_PATH,
    AccountProvisioned,
    Fos,
)
from callctl.cloud.http import HttpAnswer, HttpRequest, Ignored, RequestReceived, SendAnswer
from callctl.cloud.json_service import JsonService
from callctl.cloud.license_manager import LicenseManager
from callctl.cloud.voucher_book import LIFETIME_NS, VoucherBook
from callctl.onboarding.licensing import Issuer
from helpers.pushes import CountedEntropy
from sipstack.timing import SECOND, Instant


class Cloud:
    """FOS and both licence managers around one book of vouchers."""

    def __init__(self) -> None:
        entropy = CountedEntropy()
        self.book = VoucherBook(entropy)
        self.fos = Fos(self.book, entropy)
        self.fos.token_url = "https://ci.example/token"
        self.fos.push_rest_url = "https://push.example/push"
        self.plm = LicenseManager(Issuer.PLM, self.book, entropy)
        self.cssm = LicenseManager(Issuer.CSSM, self.book, entropy)
        self.now = Instant(0)
        self.actions: list[object] = []

    def ask(self, service: JsonService, request: HttpRequest) -> HttpAnswer:
        out = service.receive(RequestReceived(1, request), self.now)
        self.actions += out
        (sent,) = [action for action in out if isinstance(action, SendAnswer)]
        return sent.answer

    def post(self, service: JsonService, path: str, **fields: Any) -> HttpAnswer:  # noqa: ANN401
        return self.ask(service, HttpRequest("POST", path, (), msgspec.json.encode(fields)))

    def subscribe(
        self,
        voucher: str,
        tracking_id: str = "FOS_1",
        **changes: Any,  # noqa: ANN401
    ) -> HttpAnswer:
        fields = {
            "voucher": voucher,
            "clusterId": "c1",
            "release": "14SU3",
            "publisher": "ucm1",
            **changes,
        }
        body = msgspec.json.encode({key: it for key, it in fields.items() if it is not None})
        headers = (("trackingid", tracking_id),)
        return self.ask(self.fos, HttpRequest("POST", SUBSCRIPTION_PATH, headers, body))

    def voucher(self, issuer: Issuer = Issuer.CSSM) -> str:
        return self.book.make(issuer, self.now)

    def accounts(self) -> list[AccountProvisioned]:
        return [action for action in self.actions if isinstance(action, AccountProvisioned)]


@pytest.mark.req("CLOUD-02")
def test_subscription_with_a_voucher_gives_a_machine_account_that_ci_hears_of() -> None:
    cloud = Cloud()
    answer = cloud.subscribe(cloud.voucher())
    (provisioned,) = cloud.accounts()
    account = provisioned.account
    assert answer.status == 201
    assert answer.header("trackingid") == "FOS_1"
    assert answer.json() == {
        "accountId": account.account_id,
        "organisationId": account.organisation_id,
        "tokenUrl": "https://ci.example/token",
        "refreshToken": account.refresh_token,
        "pushRestUrl": "https://push.example/push",
    }
    assert cloud.fos.account_of("c1") == account
    assert account.refresh_token not in repr(cloud.actions[0])
    assert isinstance(cloud.actions[0], AccountProvisioned), "CI has to know before the cluster"


def test_same_request_again_gets_the_same_account() -> None:
    """OP-11: a tracking id stays the same when a lost answer is asked for again."""
    cloud = Cloud()
    voucher = cloud.voucher()
    first, again = cloud.subscribe(voucher), cloud.subscribe(voucher)
    assert (first.status, again.status) == (201, 200)
    assert first.json() == again.json()
    assert len(cloud.accounts()) == 1


@pytest.mark.req("LIC-09")
def test_cluster_that_onboards_anew_needs_another_voucher_and_gets_another_account() -> None:
    cloud = Cloud()
    voucher = cloud.voucher()
    cloud.subscribe(voucher)
    assert cloud.subscribe(voucher, "FOS_2").json() == {"error": "VoucherUsed"}
    assert cloud.subscribe(cloud.voucher(), "FOS_3").status == 201
    first, second = cloud.accounts()
    assert second.replaced == first.account
    assert second.account.refresh_token != first.account.refresh_token


@pytest.mark.req("LIC-04")
@pytest.mark.parametrize(
    ("release", "issuer", "status"),
    [
        ("11.5(1)SU4", Issuer.PLM, 201),
        ("11.5(1)SU4", Issuer.CSSM, 403),
        ("12.0(1)", Issuer.CSSM, 201),
        ("12.5(1)SU3", Issuer.PLM, 403),
    ],
)
def test_issuer_of_the_voucher_has_to_be_that_of_the_release(
    release: str, issuer: Issuer, status: int
) -> None:
    cloud = Cloud()
    answer = cloud.subscribe(cloud.voucher(issuer), release=release)
    assert answer.status == status
    assert (answer.json().get("error") == "VoucherIssuer") is (status == 403)


def test_voucher_that_is_unknown_missing_used_by_another_or_too_old_is_refused() -> None:
    cloud = Cloud()
    made = cloud.voucher()
    assert cloud.subscribe("invented").status == 403
    assert cloud.subscribe("invented").json() == {"error": "VoucherUnknown"}
    assert cloud.subscribe("").json() == {"error": "VoucherMissing"}
    cloud.subscribe(made)
    other = cloud.subscribe(made, clusterId="c2")
    assert (other.status, other.json()) == (409, {"error": "VoucherUsed"})
    old = cloud.voucher()
    cloud.now = Instant(LIFETIME_NS)
    assert cloud.subscribe(old, "FOS_2").json() == {"error": "VoucherExpired"}
    assert len(cloud.accounts()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"clusterId": None},
        {"clusterId": ""},
        {"publisher": 5},
        {"release": "newest"},
        {"name": "of somebody"},
        {"publisher": "v" * 300},
    ],
)
def test_request_that_is_none_is_refused_and_not_echoed(changes: dict[str, Any]) -> None:
    cloud = Cloud()
    made = cloud.voucher()
    answer = cloud.subscribe(made, **changes)
    assert answer.status == 400
    assert answer.json()["error"] in ("Malformed", "ReleaseUnknown")
    assert made.encode() not in answer.body
    assert cloud.subscribe(made).status == 201


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HttpRequest("GET", SUBSCRIPTION_PATH, ()), 405),
        (HttpRequest("POST", TRUST_BUNDLE_PATH, ()), 405),
        (HttpRequest("GET", "/", ()), 404),
        (HttpRequest("POST", SUBSCRIPTION_PATH, (), b"x" * (BODY_MAX + 1)), 413),
        (HttpRequest("POST", SUBSCRIPTION_PATH, (), b"[" * 9_000), 400),
        (HttpRequest("GET", TRUST_BUNDLE_PATH, ()), 404),
    ],
)
def test_request_to_nothing_is_refused(request_: HttpRequest, status: int) -> None:
    assert Cloud().ask(Cloud().fos, request_).status == status


def test_trust_bundle_leaves_octet_by_octet_as_it_was_handed_in() -> None:
    """OP-50."""
    cloud = Cloud()
    cloud.fos.trust_bundle = b'{"protected":"x"}'
    answer = cloud.ask(cloud.fos, HttpRequest("GET", TRUST_BUNDLE_PATH, ()))
    assert (answer.status, answer.body) == (200, b'{"protected":"x"}')


def test_faults_answer_in_place_of_fos_and_are_logged() -> None:
    cloud = Cloud()
    made = cloud.voucher()
    cloud.fos.faults.add(Fault(status=429, reason="TooManyRequests", retry_after_s=7, times=1))
    cloud.fos.faults.add(Fault(garbage=True, times=1))
    answer = cloud.subscribe(made)
    assert (answer.status, answer.header("retry-after")) == (429, "7")
    assert cloud.accounts() == []
    assert cloud.subscribe(made).json() == {}  # the account is made, the answer spoiled
    assert cloud.subscribe(made).status == 200
    assert [(each.status, each.reason) for each in cloud.fos.log] == [
        (429, "TooManyRequests"),
        (201, ""),
        (200, ""),
    ]


def test_silent_fault_never_answers_and_a_delay_answers_later() -> None:
    cloud = Cloud()
    request = HttpRequest("GET", TRUST_BUNDLE_PATH, ())
    cloud.fos.faults.add(Fault(silent=True, times=1))
    out = cloud.fos.receive(RequestReceived(1, request), Instant(0))
    assert out == (Ignored("silent by fault", TRUST_BUNDLE_PATH),)
    cloud.fos.faults.add(Fault(delay_ns=3 * SECOND, times=1))
    assert cloud.fos.receive(RequestReceived(2, request), Instant(0)) == ()
    assert cloud.fos.next_deadline() == 3 * SECOND
    assert cloud.fos.advance(Instant(3 * SECOND - 1)) == ()
    (sent,) = cloud.fos.advance(Instant(3 * SECOND))
    assert isinstance(sent, SendAnswer)
    assert (sent.exchange, sent.answer.status) == (2, 404)
    assert cloud.fos.next_deadline() is None


@pytest.mark.req("LIC-01", "LIC-04")
def test_plm_makes_a_voucher_once_the_product_instance_was_synchronised() -> None:
    cloud = Cloud()
    who = {"clusterId": "c1", "release": "11.5(1)SU4"}
    refused = cloud.post(cloud.plm, "/vouchers", **who)
    assert (refused.status, refused.json()) == (409, {"error": "NotSynchronised"})
    assert cloud.post(cloud.plm, "/synchronise", **who).status == 200
    made = cloud.post(cloud.plm, "/vouchers", **who)
    assert (made.status, made.json()["issuer"]) == (201, "PLM")
    assert cloud.subscribe(made.json()["voucher"], release="11.5(1)SU4").status == 201


@pytest.mark.req("LIC-02", "LIC-05")
def test_cssm_makes_a_voucher_for_a_cluster_that_is_registered_and_synchronised() -> None:
    cloud = Cloud()
    cloud.cssm.registration_tokens = frozenset({"id-token"})
    who = {"clusterId": "c1", "release": "14SU3"}
    for path in ("/vouchers", "/synchronise", "/deregister"):
        refused = cloud.post(cloud.cssm, path, **who)
        assert (refused.status, refused.json()) == (403, {"error": "NotRegistered"})
    wrong = cloud.post(cloud.cssm, "/register", **who, token="guessed")
    assert (wrong.status, wrong.json()) == (403, {"error": "InvalidToken"})
    assert cloud.post(cloud.cssm, "/register", **who, token="id-token").status == 200
    assert cloud.post(cloud.cssm, "/vouchers", **who).json() == {"error": "NotSynchronised"}
    assert cloud.post(cloud.cssm, "/synchronise", **who).status == 200
    assert cloud.post(cloud.cssm, "/vouchers", **who).json()["issuer"] == "CSSM"
    assert cloud.post(cloud.cssm, "/deregister", **who).status == 200
    assert cloud.post(cloud.cssm, "/vouchers", **who).status == 403


@pytest.mark.req("LIC-02")
def test_each_release_has_its_own_kind_of_license_manager() -> None:
    cloud = Cloud()
    new, old = {"release": "12.0(1)"}, {"release": "11.5(1)SU4"}
    assert cloud.post(cloud.plm, "/synchronise", clusterId="c1", **new).status == 403
    assert cloud.post(cloud.cssm, "/register", clusterId="c1", **old).status == 403
    assert cloud.post(cloud.plm, "/register", clusterId="c1", **old).status == 404


@pytest.mark.parametrize("body", [b"", b"{}", b'{"clusterId":"c","release":"x"}', b"[" * 9_000])
def test_license_manager_refuses_what_it_cannot_read(body: bytes) -> None:
    cloud = Cloud()
    request = HttpRequest("POST", "/synchronise", (), body)
    assert cloud.ask(cloud.cssm, request).status == 400
    too_long = HttpRequest("POST", "/synchronise", (), b"x" * 20_000)
    assert cloud.ask(cloud.cssm, too_long).status == 413
    assert cloud.ask(cloud.cssm, HttpRequest("GET", "/synchronise", ())).status == 405
    who = {"clusterId": "c1", "release": "14SU3"}
    assert cloud.post(cloud.cssm, "/elsewhere", **who).status == 404


def test_request_shows_no_secret_in_its_representation() -> None:
    cloud = Cloud()
    made = cloud.voucher()
    cloud.subscribe(made)
    assert made not in repr(list(cloud.fos.log))
