"""One push through CallManager, its push service and Push REST, as their traces tell it."""

from __future__ import annotations

import pytest

from callctl.cloud.http import (
    Forward,
    ForwardAnswered,
    HttpAnswer,
    HttpRequest,
    RequestReceived,
    SendAnswer,
)
from callctl.cloud.push_rest import PUSH_PATH, PushRest, PushRestSettings
from callctl.cloud.trace_lines import cloud_got
from callctl.model.push_access import SigningKey
from callctl.push.events import AbandonPush, Outcome, PushAnswered, PushOutcome
from callctl.push.history import PushEntry
from callctl.push.token_events import TokenFetchFailed, TokenObtained
from callctl.push.trace_lines import call_manager_heard, call_manager_wants, push_service_did
from callctl.serviceability.reachability import CloudHost, answer_fault
from callctl.serviceability.tracing import Source, TraceLevel, TraceLevels, TraceRecord
from helpers.pushes import (
    UNIX_MS,
    VOIP_TOKEN,
    CountedEntropy,
    Service,
    at,
    intent,
    outcomes,
    posts,
)


def push_rest() -> PushRest:
    entropy = CountedEntropy()
    key = SigningKey.make(entropy)
    return PushRest(PushRestSettings(("secret-token",), key, {}, unix_ms_at_zero=UNIX_MS), entropy)


def lines(*records: TraceRecord | None) -> list[str]:
    return [TraceLevels().line(record, 0) for record in records if record is not None]


@pytest.mark.req("PUSH-06", "TRB-22")
def test_tracking_id_of_a_push_stands_in_the_line_of_every_part() -> None:
    cpns, cloud = Service().cpns, push_rest()
    (post,) = posts(cpns.receive(intent(), at(0)))
    headers = tuple((name.lower(), value) for name, value in post.headers)
    request = HttpRequest("POST", PUSH_PATH, headers, post.body)
    (forward,) = (
        it for it in cloud.receive(RequestReceived(1, request), at(1)) if isinstance(it, Forward)
    )
    cloud.receive(ForwardAnswered(forward.forward, HttpAnswer(200)), at(2))
    ended = cpns.receive(PushAnswered(post.tracking_id, 200), at(3))
    (outcome,) = outcomes(ended)
    entry = PushEntry("i", "c1", "TCTALICE", intent().kind, at(0))
    entry.tracking_id, entry.outcome, entry.status = post.tracking_id, outcome.outcome, 200
    written = lines(
        push_service_did("ucm1", post, at(0)),
        *(cloud_got(Source.PUSH_REST, record) for record in cloud.log),
        push_service_did("ucm1", outcome, at(3)),
        call_manager_heard("ucm1", entry, at(3)),
    )
    assert len(written) == 4
    assert all(f" {post.tracking_id} " in line for line in written)
    text = "\n".join(written)
    assert "posted to push rest" in text
    assert f"answered 200, {len(post.body)} octets, device token ...{VOIP_TOKEN[-6:]}" in text
    assert "push accepted (200)" in text


@pytest.mark.req("OP-69")
def test_lines_hold_no_token_key_name_or_number() -> None:
    cpns = Service().cpns
    wanted = intent()
    (post,) = posts(cpns.receive(wanted, at(0)))
    records = [call_manager_wants("ucm1", wanted, at(0)), push_service_did("ucm1", post, at(0))]
    text = "\n".join(lines(*records))
    content = wanted.content
    for hidden in (wanted.device_name, VOIP_TOKEN, "secret-token", str(content)):
        assert hidden not in text
    assert wanted.device_name not in repr(records)


@pytest.mark.req("TRB-21")
def test_token_that_was_obtained_or_not_is_in_the_trace_of_the_push_service() -> None:
    good, bad, silent = lines(
        push_service_did("ucm1", TokenObtained("push rest", 3_600), at(0)),
        push_service_did("ucm1", TokenFetchFailed("push rest", "expired", at(9), 400), at(0)),
        push_service_did("ucm1", TokenFetchFailed("push rest", "connect", at(9)), at(0)),
    )
    assert good.endswith("INFO  ucm1 - token obtained for push rest, good for 3600 s")
    assert bad.endswith("ERROR ucm1 - no token obtained for push rest (400): expired")
    assert silent.endswith("(no answer): connect")


def test_push_that_failed_is_a_warning_and_what_no_trace_has_is_none() -> None:
    failed = push_service_did("ucm1", PushOutcome("i", Outcome.FAILED, 503, "x", "CPNS_1"), at(0))
    given_up = push_service_did("ucm1", AbandonPush("CPNS_1"), at(0))
    assert failed is not None
    assert given_up is not None
    assert (failed.level, failed.text) == (TraceLevel.WARN, "failed (503): x")
    assert given_up.level is TraceLevel.WARN
    assert push_service_did("ucm1", object(), at(0)) is None


@pytest.mark.req("CLOUD-12")
@pytest.mark.parametrize("with_token", [False, True])
def test_emulated_push_rest_answers_the_reachability_check_as_it_expects(with_token: bool) -> None:
    headers = (("authorization", "Bearer secret-token"),) if with_token else ()
    request = HttpRequest("POST", PUSH_PATH, headers, b"{}")
    (answered,) = push_rest().receive(RequestReceived(1, request), at(0))
    assert isinstance(answered, SendAnswer)
    answer = answered.answer
    fault = answer_fault(CloudHost.PUSH_REST, answer.status, answer.body, with_token=with_token)
    assert fault is None, (answer.status, answer.body)
