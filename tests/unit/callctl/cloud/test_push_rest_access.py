"""The emulated Push REST: whom it lets push, and that it keeps nothing of what passes through."""

from __future__ import annotations

import gc
from typing import Any

import msgspec
import pytest

from callctl.cloud.ci import Ci
from callctl.cloud.faults import Fault
from callctl.cloud.http import (
    Forward,
    ForwardAnswered,
    ForwardFailed,
    HttpAnswer,
    HttpRequest,
    RequestReceived,
    SendAnswer,
    json_answer,
)
from callctl.cloud.partner import Partner
from callctl.cloud.push_rest import OPEN_MAX, PUSH_PATH, PushRest, PushRestAction, PushRestSettings
from callctl.cloud.reachability import PEER_ADDRESS, PING_PATH
from callctl.model.device import SUBSCRIBER_SERVICES, Platform
from callctl.model.push_access import SigningKey
from callctl.push.kind import PushKind
from callctl.registration.push_binding import PushBinding
from helpers.pushes import (
    ANDROID,
    IPHONE,
    UNIX_MS,
    CountedEntropy,
    Service,
    at,
    intent,
    posts,
)
from sipstack.timing import Instant


class Cloud:
    """Push REST beside the CI that knows its tokens."""

    def __init__(self) -> None:
        entropy = CountedEntropy()
        self.ci = Ci(entropy)
        account = self.ci.accounts.provision("org-1", at(0))
        self.account_id = account.account_id
        self.token = self.ci.accounts.grant(account.refresh_token, at(0)).access_token
        self.core = PushRest(
            PushRestSettings(
                (),
                SigningKey.make(entropy),
                {"callctl-phone": "google-token"},
                unix_ms_at_zero=UNIX_MS,
                access=self.ci.accounts,
                block_list=self.ci.block_list,
            ),
            entropy,
        )

    def ask(
        self, made: HttpRequest | None = None, *, exchange: int = 1, now: Instant | None = None
    ) -> tuple[PushRestAction, ...]:
        request = made or push(self.token)
        return self.core.receive(RequestReceived(exchange, request), now or at(0))


def push(
    token: str,
    binding: PushBinding = IPHONE,
    *headers: tuple[str, str],
    kind: PushKind = PushKind.INCOMING,
    **changes: Any,  # noqa: ANN401
) -> HttpRequest:
    """What CPNS posts, with this token."""
    (post,) = posts(Service().cpns.receive(intent(kind, binding), at(0)))
    given = tuple((name.lower(), value) for name, value in post.headers if name != "Authorization")
    body = msgspec.json.encode({**msgspec.json.decode(post.body), **changes})
    return HttpRequest(
        "POST", PUSH_PATH, (*given, ("authorization", f"Bearer {token}"), *headers), body
    )


def answer(actions: tuple[PushRestAction, ...]) -> HttpAnswer:
    (made,) = (action for action in actions if isinstance(action, SendAnswer))
    return made.answer


def forwards(actions: tuple[PushRestAction, ...]) -> list[Forward]:
    return [action for action in actions if isinstance(action, Forward)]


@pytest.mark.req("CLOUD-03")
def test_token_of_ci_is_good_until_its_end_or_until_it_is_revoked() -> None:
    cloud = Cloud()
    assert len(forwards(cloud.ask(now=at(43_199_999)))) == 1
    late = cloud.ask(now=at(43_200_000))
    assert (answer(late).status, forwards(late)) == (401, [])
    assert answer(late).header("www-authenticate") == "Bearer"
    cloud = Cloud()
    cloud.ci.accounts.revoke()
    assert answer(cloud.ask()).status == 401


def test_account_that_may_not_push_is_refused_with_403() -> None:
    """OP-13."""
    cloud = Cloud()
    cloud.ci.accounts.suspend(cloud.account_id)
    refused = cloud.ask()
    assert (answer(refused).status, answer(refused).json()["error"]) == (403, "AccountForbidden")
    assert forwards(refused) == []


@pytest.mark.req("AUTH-12")
def test_no_other_credential_is_a_machine_token() -> None:
    """Neither that of a user, nor the refresh token, nor a password."""
    cloud = Cloud()
    made = cloud.ci.accounts.provision("org-2", at(0))
    for token in (made.refresh_token, made.account_id, "ya29.user", "", "alice:secret"):
        assert answer(cloud.ask(push(token))).status == 401


def test_forged_tokens_are_refused_however_near_they_come() -> None:
    """P5."""
    cloud = Cloud()
    good = cloud.token
    forged = [good[:i] + ("0" if good[i] != "0" else "1") + good[i + 1 :] for i in range(64)]
    forged += [good[:i] for i in range(64)]
    forged += [good.upper(), good + "0", good + " ", f" {good}", f"{good}\0", good[::-1], good * 2]
    forged += ["eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcmctMSJ9.", cloud.account_id, "null", "*", "é"]
    for token in set(forged) - {good}:  # one of digits alone has no upper case
        refused = cloud.ask(push(token))
        assert (answer(refused).status, forwards(refused)) == (401, []), token
    for scheme in ("Basic", "Digest", "", "Bearer,"):
        made = push(good)
        headers = (*made.headers[:-1], ("authorization", f"{scheme} {good}"))
        assert answer(cloud.ask(HttpRequest("POST", PUSH_PATH, headers, made.body))).status == 401
    assert forwards(cloud.ask(push(good)))


def test_token_that_is_fixed_for_a_rig_is_taken_beside_those_of_ci() -> None:
    cloud = Cloud()
    entropy = CountedEntropy()
    both = PushRest(
        PushRestSettings(("rig",), SigningKey.make(entropy), {}, access=cloud.ci.accounts), entropy
    )
    for token, taken in (("rig", True), (cloud.token, True), ("other", False)):
        made = both.receive(RequestReceived(1, push(token)), at(0))
        assert bool(forwards(made)) == taken


def test_blocked_address_is_shut_out_and_whoever_asks_hears_that_the_service_is_there() -> None:
    """CLOUD-12."""
    cloud = Cloud()
    cloud.ci.block_list.block("192.0.2.7")
    blocked = cloud.ask(push(cloud.token, IPHONE, (PEER_ADDRESS, "192.0.2.7")))
    assert (answer(blocked).status, answer(blocked).json()["error"]) == (403, "AddressBlocked")
    assert forwards(cloud.ask(push(cloud.token, IPHONE, (PEER_ADDRESS, "192.0.2.8"))))
    ping = cloud.ask(HttpRequest("GET", PING_PATH, ()))
    assert (answer(ping).status, answer(ping).json()) == (200, {"service": "Push REST"})


@pytest.mark.req("CLOUD-09", "CLOUD-10")
@pytest.mark.parametrize(("service", "platform"), SUBSCRIBER_SERVICES.items())
@pytest.mark.parametrize("binding", [IPHONE, ANDROID])
def test_service_that_the_client_gave_decides_the_partner_cloud_and_nothing_else(
    service: str, platform: Platform, binding: PushBinding
) -> None:
    partner = Partner.APNS if platform is Platform.IOS else Partner.FCM
    cloud = Cloud()
    (forward,) = forwards(cloud.ask(push(cloud.token, binding, service=service)))
    assert forward.partner is partner


def test_the_seven_subscriber_services_are_those_of_the_catalogue() -> None:
    """CLOUD-09."""
    apple = ("APNS", "APNS:beta", "APNS:dev", "APNS:test", "APNS:load")
    assert dict(SUBSCRIBER_SERVICES) == {
        **dict.fromkeys(apple, Platform.IOS),
        **dict.fromkeys(("FCM", "FCM:dev"), Platform.ANDROID),
    }


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (200, "partner 200"),
        (400, "clear"),
        (401, "token"),
        (403, "suspended"),
        (410, "partner 410"),
        (413, "long"),
        (429, "partner 429"),
        (500, "partner 500"),
        (502, "partner 403"),
        (503, "lost"),
        (504, "silent"),
    ],
)
def test_each_status_comes_of_a_rule_and_can_be_had_by_a_fault(status: int, how: str) -> None:
    """OP-13."""
    cloud = Cloud()
    made = push(cloud.token)
    if how == "clear":
        made = push(cloud.token, payload={"displayName": "alice"})
    elif how == "token":
        made = push("other")
    elif how == "suspended":
        cloud.ci.accounts.suspend(cloud.account_id)
    elif how == "long":
        made = HttpRequest("POST", PUSH_PATH, made.headers, b" " * 16_385)
    actions = cloud.ask(made)
    kind, _, partner = how.partition(" ")
    for forward in forwards(actions):
        if kind == "partner":
            told = ForwardAnswered(forward.forward, json_answer(int(partner), {}))
            actions = cloud.core.receive(told, at(1))
        elif kind == "lost":
            actions = cloud.core.receive(ForwardFailed(forward.forward, "reset"), at(1))
        else:
            actions = cloud.core.advance(at(10_000))
    assert answer(actions).status == status
    faulty = Cloud()
    faulty.core.faults.add(Fault(status=status, reason="Asked", retry_after_s=7))
    refused = answer(faulty.ask())
    assert (refused.status, refused.header("retry-after")) == (status, "7")


def test_too_many_pushes_at_once_are_refused_with_429(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callctl.cloud.push_rest.OPEN_MAX", 2)
    assert OPEN_MAX > 2
    cloud = Cloud()
    answers = [cloud.ask(exchange=exchange) for exchange in range(3)]
    assert [len(forwards(made)) for made in answers] == [1, 1, 0]
    assert answer(answers[2]).status == 429


def test_answer_leaves_as_a_fault_spoils_it() -> None:
    """6.I 92, 93."""
    cloud = Cloud()
    cloud.core.faults.add(Fault(status=302, location="https://elsewhere.example.com/", times=1))
    assert answer(cloud.ask()).header("location") == "https://elsewhere.example.com/"
    cloud.core.faults.add(Fault(garbage=True, times=1))
    (forward,) = forwards(cloud.ask())
    told = ForwardAnswered(forward.forward, HttpAnswer(200))
    assert answer(cloud.core.receive(told, at(1))).json() == {}


def reachable(root: object) -> list[object]:
    """All that can be reached from `root`, but for modules, classes and what they hold."""
    found: dict[int, object] = {}
    waiting = [root]
    while waiting:
        here = waiting.pop()
        if (
            id(here) in found
            or isinstance(here, type)
            or callable(here)
            or type(here).__name__ == "module"
        ):
            continue
        found[id(here)] = here
        waiting += gc.get_referents(here)
    return list(found.values())


def holds(root: object, text: str) -> bool:
    """True if `text` stands in anything that can be reached from `root`."""
    for here in reachable(root):
        if isinstance(here, str) and text in here:
            return True
        if isinstance(here, bytes | bytearray) and text.encode() in here:
            return True
    return False


@pytest.mark.req("SEC-05", "CLOUD-05")
@pytest.mark.parametrize(
    "end", ["accepted", "refused", "lost", "silent partner", "fault", "silent"]
)
def test_no_payload_can_be_reached_once_the_push_is_over_however_it_ends(end: str) -> None:
    cloud = Cloud()
    if end == "fault":
        cloud.core.faults.add(Fault(status=500, delay_ns=at(10)))
    elif end == "silent":
        cloud.core.faults.add(Fault(silent=True))
    else:
        cloud.core.faults.add(Fault(delay_ns=at(10)))
    made = push(cloud.token)
    sealed = msgspec.json.decode(made.body)["payload"]["ct"]
    assert not holds(cloud.core, sealed)
    cloud.ask(made)
    if end not in ("fault", "silent"):
        assert holds(cloud.core, sealed)  # while it waits: the test can see what there is to see
    for forward in forwards(cloud.core.advance(at(10))):
        if end == "accepted":
            cloud.core.receive(ForwardAnswered(forward.forward, HttpAnswer(200)), at(20))
        elif end == "refused":
            gone = json_answer(410, {"reason": "Unregistered"})
            cloud.core.receive(ForwardAnswered(forward.forward, gone), at(20))
        elif end == "lost":
            cloud.core.receive(ForwardFailed(forward.forward, "reset"), at(20))
        else:
            cloud.core.advance(at(20_000))
        del forward
    assert len(cloud.core.log) == 1
    assert not holds(cloud.core, sealed)
    assert cloud.core.counts() == {"open": 0, "delayed": 0}


@pytest.mark.req("SEC-03", "CLOUD-05")
def test_clear_payload_is_refused_though_the_token_is_good_and_leaves_no_trace() -> None:
    cloud = Cloud()
    refused = cloud.ask(push(cloud.token, payload={"displayName": "alice of the third floor"}))
    assert (answer(refused).status, answer(refused).json()["error"]) == (400, "NotEncrypted")
    assert forwards(refused) == []
    assert not holds(cloud.core, "third floor")
    assert "third floor" not in repr(refused)
