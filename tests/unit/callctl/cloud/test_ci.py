"""The emulated CI: who gets an access token, for how long, and what is said to the rest."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import pytest

from callctl.cloud.access import FixedTokens, Standing, bearer
from callctl.cloud.ci import TOKEN_PATH, Ci
from callctl.cloud.faults import Fault
from callctl.cloud.http import HttpAnswer, HttpRequest, Ignored, RequestReceived, SendAnswer
from callctl.cloud.machine_accounts import ACCOUNTS_MAX, REFRESH_TOKENS_MAX, MachineAccounts
from callctl.cloud.reachability import BLOCK_LIST_PATH, PEER_ADDRESS, PING_PATH
from callctl.push.machine_grant import CLIENT_ID
from helpers.pushes import CountedEntropy, at
from sipstack.timing import Instant

FORM = (("content-type", "application/x-www-form-urlencoded"),)
LIFETIME_MS = 43_200_000


def ci() -> Ci:
    """One that knows the account "m1" with the refresh token "r1"."""
    core = Ci(CountedEntropy())
    core.accounts.know("m1", "org-1", "r1", at(0))
    return core


def form(**changes: str | None) -> bytes:
    fields: dict[str, str | None] = {
        "grant_type": "refresh_token",
        "refresh_token": "r1",
        "client_id": CLIENT_ID,
        **changes,
    }
    return urlencode({name: value for name, value in fields.items() if value is not None}).encode()


def ask(
    core: Ci,
    body: bytes | None = None,
    *,
    now: Instant | None = None,
    **how: Any,  # noqa: ANN401
) -> HttpAnswer:
    request: dict[str, Any] = {
        "method": "POST",
        "path": TOKEN_PATH,
        "headers": FORM,
        "body": form() if body is None else body,
        **how,
    }
    made = RequestReceived(1, HttpRequest(**request))
    (action,) = core.receive(made, at(0) if now is None else now)
    assert isinstance(action, SendAnswer)
    return action.answer


def access_token(core: Ci, *, now: Instant | None = None, refresh_token: str = "r1") -> str:
    answer = ask(core, form(refresh_token=refresh_token), now=now)
    assert answer.status == 200
    return str(answer.json()["access_token"])


@pytest.mark.req("CLOUD-03")
def test_refresh_token_of_a_known_account_gets_an_access_token_that_is_good_until_its_end() -> None:
    """RFC 6749 §5.1."""
    core = ci()
    answer = ask(core)
    assert answer.status == 200
    assert answer.header("cache-control") == "no-store"
    fields = answer.json()
    assert (fields["token_type"], fields["expires_in"]) == ("Bearer", 43_200)
    token = fields["access_token"]
    assert "refresh_token" not in fields
    assert core.accounts.standing(token, at(LIFETIME_MS - 1)) is Standing.GOOD
    assert core.accounts.account_of(token, at(LIFETIME_MS - 1)) == "m1"
    assert core.accounts.standing(token, at(LIFETIME_MS)) is Standing.UNKNOWN
    assert core.accounts.account_of(token, at(LIFETIME_MS)) is None
    assert core.accounts.standing("other", at(0)) is Standing.UNKNOWN


def test_account_of_fos_is_known_and_the_one_it_replaces_is_not_any_more() -> None:
    """CLOUD-02, OP-15."""
    core = ci()
    made = core.accounts.provision("org-2", at(0))
    assert made.account_id in core.accounts
    old = access_token(core)
    new = access_token(core, refresh_token=made.refresh_token)
    core.accounts.remove("m1")
    core.accounts.remove("m1")
    assert ask(core).json() == {"error": "invalid_grant"}
    assert core.accounts.standing(old, at(0)) is Standing.UNKNOWN
    assert core.accounts.standing(new, at(0)) is Standing.GOOD


@pytest.mark.req("CLOUD-07")
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_request"),
        (b"\xff", "invalid_request"),
        (b"a&b", "invalid_request"),
        (b"a=1&" * 20, "invalid_request"),
        (form() + b"&refresh_token=r2", "invalid_request"),
        (b" " * 16_385, "invalid_request"),
        (form(grant_type=None), "invalid_request"),
        (form(refresh_token=None), "invalid_request"),
        (form(client_id=None), "invalid_request"),
        (form(grant_type="password"), "unsupported_grant_type"),
        (form(client_id="somebody"), "invalid_client"),
        (form(refresh_token="r2"), "invalid_grant"),
        (form(refresh_token="é"), "invalid_grant"),
    ],
)
def test_each_400_has_its_reason(body: bytes, error: str) -> None:
    """OP-14; RFC 6749 §5.2."""
    answer = ask(ci(), body)
    assert (answer.status, answer.json()) == (400, {"error": error})
    assert answer.header("cache-control") == "no-store"


def test_request_that_is_no_form_is_invalid() -> None:
    for headers in ((), (("content-type", "application/json"),)):
        assert ask(ci(), headers=headers).json() == {"error": "invalid_request"}
    with_charset = (("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),)
    assert ask(ci(), headers=with_charset).status == 200


@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        (f"Basic {b64encode(f'{CLIENT_ID}:'.encode()).decode()}", 200),
        (f"Basic {b64encode(b'somebody:x').decode()}", 401),
        ("Basic !", 401),
        (f"Basic {b64encode(bytes([255])).decode()}", 401),
        (f"Bearer {b64encode(CLIENT_ID.encode()).decode()}", 401),
    ],
)
def test_client_that_authenticates_by_a_header_hears_of_its_failure_by_401(
    credentials: str, status: int
) -> None:
    """RFC 6749 §5.2."""
    headers = (*FORM, ("authorization", credentials))
    answer = ask(ci(), form(client_id=None), headers=headers)
    assert answer.status == status
    if status == 401:
        assert answer.json() == {"error": "invalid_client"}
        assert answer.header("www-authenticate") == 'Basic realm="CI"'
    both = ask(ci(), form(), headers=headers)
    assert (both.status, both.json()) == (400, {"error": "invalid_request"})


@pytest.mark.req("CLOUD-07", "TRB-20")
def test_expired_machine_account_gets_a_400_until_its_refresh_token_is_replaced() -> None:
    core = ci()
    token = access_token(core)
    core.accounts.expire("m1")
    assert (ask(core).status, ask(core).json()) == (400, {"error": "invalid_grant"})
    assert core.accounts.standing(token, at(0)) is Standing.GOOD  # what was given out stays good
    core.accounts.know("m1", "org-1", "r2", at(0))
    assert ask(core, form(refresh_token="r2")).status == 200


def test_refresh_tokens_end_where_they_are_told_to() -> None:
    core = Ci(CountedEntropy())
    core.accounts.refresh_lifetime_s = 60
    core.accounts.know("m1", "org-1", "r1", at(0))
    assert ask(core, now=at(59_999)).status == 200
    assert ask(core, now=at(60_000)).json() == {"error": "invalid_grant"}


def test_account_with_too_many_good_tokens_has_to_wait_until_one_ends() -> None:
    """OP-14."""
    core = ci()
    core.accounts.tokens_max, core.accounts.access_lifetime_s = 2, 60
    for now_ms in (0, 1_000):
        access_token(core, now=at(now_ms))
    refused = ask(core, now=at(59_999))
    assert (refused.status, refused.json()) == (400, {"error": "token_limit_reached"})
    assert ask(core, now=at(60_000)).status == 200
    core.accounts.revoke("m1")
    assert ask(core, now=at(60_000)).status == 200


def test_revoked_tokens_are_good_no_more_and_others_can_be_had() -> None:
    core = ci()
    core.accounts.know("m2", "org-2", "q1", at(0))
    one, two = access_token(core), access_token(core, refresh_token="q1")
    core.accounts.revoke("m1")
    assert [core.accounts.standing(token, at(0)) for token in (one, two)] == [
        Standing.UNKNOWN,
        Standing.GOOD,
    ]
    core.accounts.revoke()
    assert core.accounts.standing(two, at(0)) is Standing.UNKNOWN
    assert core.accounts.standing(access_token(core), at(0)) is Standing.GOOD


def test_suspended_account_gets_tokens_that_may_not_push() -> None:
    core = ci()
    token = access_token(core)
    core.accounts.suspend("m1")
    assert core.accounts.standing(token, at(0)) is Standing.FORBIDDEN
    assert core.accounts.account_of(token, at(0)) == "m1"
    core.accounts.suspend("m1", False)
    assert core.accounts.standing(token, at(0)) is Standing.GOOD


@pytest.mark.parametrize("revokes", [True, False])
def test_rotated_refresh_token_works_and_the_old_one_as_it_is_told(revokes: bool) -> None:
    """RFC 6749 §6."""
    core = ci()
    core.accounts.rotates, core.accounts.revokes_rotated = True, revokes
    new = ask(core).json()["refresh_token"]
    assert ask(core, form(refresh_token=new)).status == 200
    assert ask(core).status == (400 if revokes else 200)


def test_tables_are_bounded() -> None:
    core = ci()
    core.accounts.rotates = True
    for _ in range(REFRESH_TOKENS_MAX):
        ask(core)
    assert ask(core).json() == {"error": "invalid_grant"}  # the oldest has gone
    accounts = MachineAccounts(CountedEntropy())
    for number in range(ACCOUNTS_MAX):
        accounts.know(f"m{number}", "org", f"r{number}", at(0))
    with pytest.raises(ValueError, match="10000 machine accounts"):
        accounts.provision("org", at(0))
    assert len(accounts) == ACCOUNTS_MAX


def test_faults_refuse_delay_and_silence() -> None:
    core = ci()
    for fault in (
        Fault(status=429, reason="slow_down", retry_after_s=30, times=1),
        Fault(silent=True, times=1),
        Fault(delay_ns=at(2_000), times=1),
        Fault(garbage=True, times=1),
    ):
        core.faults.add(fault)
    refused = ask(core)
    assert (refused.status, refused.header("retry-after")) == (429, "30")
    made = RequestReceived(2, HttpRequest("POST", TOKEN_PATH, FORM, form()))
    assert [type(action) for action in core.receive(made, at(0))] == [Ignored]
    assert core.receive(made, at(0)) == ()
    assert core.next_deadline() == at(2_000)
    (late,) = core.advance(at(2_000))
    assert isinstance(late, SendAnswer)
    assert late.answer.status == 200
    assert core.next_deadline() is None
    assert ask(core).json() == {}
    assert ask(core).status == 200


def test_other_paths_and_methods_are_none_of_its_business() -> None:
    assert ask(ci(), path="/").status == 404
    wrong = ask(ci(), method="GET")
    assert (wrong.status, wrong.header("allow")) == (405, "POST")
    assert ask(ci(), method="GET", path=PING_PATH).json() == {"service": "CI"}


def test_block_list_tells_whoever_asks_about_his_own_address_and_shuts_him_out() -> None:
    """CLOUD-12."""
    core = ci()
    core.block_list.block("192.0.2.0/24")
    core.block_list.block("2001:db8::1")
    for address, blocked in (
        ("192.0.2.7", True),
        ("198.51.100.7", False),
        ("2001:db8::1", True),
        ("fe80::1%eth0", False),
        ("somewhere", False),
    ):
        peer = ((PEER_ADDRESS, address),)
        told = ask(core, method="GET", path=BLOCK_LIST_PATH, headers=peer)
        assert told.json() == {"address": address, "blocked": blocked}
        for method, path in (("POST", TOKEN_PATH), ("GET", PING_PATH)):
            answer = ask(core, method=method, path=path, headers=(*FORM, *peer))
            expected = (403, "AddressBlocked") if blocked else (200, None)
            assert (answer.status, answer.json().get("error")) == expected
    assert ask(core, method="GET", path=BLOCK_LIST_PATH, headers=()).status == 501
    with pytest.raises(ValueError, match="nowhere"):
        core.block_list.block("nowhere")
    core.block_list.clear()
    assert not core.block_list.has("192.0.2.7")


def test_log_says_what_was_answered_and_holds_no_secret() -> None:
    """P6."""
    core = ci()
    token = access_token(core)
    ask(core, form(refresh_token="wrong-secret"))
    records = list(core.log)
    assert [(record.status, record.reason) for record in records] == [
        (200, ""),
        (400, "invalid_grant"),
    ]
    shown = repr((records, core.accounts.provision("org", at(0)), core.faults))
    for secret in (token, "wrong-secret", "refresh_token="):
        assert secret not in shown


def test_fixed_tokens_and_bearer_headers() -> None:
    table = FixedTokens(("a", "b"))
    assert [table.standing(token, at(10**12)) for token in ("b", "c", "", "\udcff")] == [
        Standing.GOOD,
        Standing.UNKNOWN,
        Standing.UNKNOWN,
        Standing.UNKNOWN,
    ]
    for header, token in (("Bearer a", "a"), ("bearer a", "a"), ("Basic a", ""), ("", "")):
        assert bearer(HttpRequest("POST", "/", (("authorization", header),))) == token
