"""A call's story as `callctl explain` prints it."""

from __future__ import annotations

from typing import Any

from callctl.cli.explain import explanation

VERDICT = "Answered by TCT1005, iPhone (iOS 17.0, Jabber 14.3), after 1.414 s."


def story(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "call_uuid": "ac8ba1db-22c3-4a2d-9e30-15c1b79e6c85",
        "call_id": "58635f4b",
        "node": "ucm1",
        "caller": "1004",
        "dn": "1005",
        "started_at": "2026-11-22T01:00:40.226000+00:00",
        "setup_s": 1.414,
        "status": 200,
        "called": [
            {
                "device": "TCT1005",
                "dn": "1005",
                "kind": "iPhone (iOS 17.0, Jabber 14.3)",
                "push_rule": "VoIP push with caller and node",
                "requirements": ["MODE-09", "CID-01"],
            },
            {
                "device": "SEP1005",
                "dn": "1005",
                "kind": "desk phone",
                "push_rule": "",
                "requirements": [],
            },
        ],
        "steps": [
            {
                "at_ms": 0.0,
                "code": "parked",
                "device": "TCT1005",
                "text": "TCT1005 has no live flow: INVITE parked",
                "requirements": ["CALL-01", "CALL-04"],
            },
            {
                "at_ms": 1414.0,
                "code": "answered",
                "device": "TCT1005",
                "text": "TCT1005 answered",
                "requirements": ["CALL-02"],
            },
        ],
        "pushes": [],
        "verdict": VERDICT,
    } | more


def push(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "wanted_at": "2026-11-22T01:00:53.226000+00:00",
        "node": "ucm1",
        "device": "TCT1005",
        "kind": "missed",
        "service": "APNS",
        "channel": "voip",
        "tracking_id": "CPNS_1",
        "answered_after_ms": 13.0,
        "outcome": "failed",
        "status": 503,
        "reason": "no answer",
    } | more


def test_each_step_has_its_time_its_sentence_and_why() -> None:
    text = explanation(story())
    assert (
        "Call ac8ba1db-22c3-4a2d-9e30-15c1b79e6c85\n  from 1004 to 1005, taken by ucm1 on" in text
    )
    parked, answered = (line for line in text.splitlines() if " s  TCT1005" in line)
    assert parked.startswith("    +0.000 s  TCT1005 has no live flow: INVITE parked   ")
    assert parked.endswith("  CALL-01, CALL-04")
    assert answered.split()[:2] == ["+1.414", "s"]
    assert text.endswith(f"\n\n{VERDICT}")


def test_who_was_called_stands_first_with_the_rule_that_its_pushes_follow() -> None:
    lines = explanation(story()).splitlines()
    mobile, rule, desk = lines[lines.index("Called") + 1 :][:3]
    assert mobile == "  TCT1005 of 1005, iPhone (iOS 17.0, Jabber 14.3)"
    assert rule.split("   ")[2] == "VoIP push with caller and node"
    assert rule.endswith("  MODE-09, CID-01")
    assert desk == "  SEP1005 of 1005, desk phone"
    assert "Called" not in explanation(story(called=[]))


def test_pushes_tell_who_sent_them_over_which_channel_and_what_became_of_them() -> None:
    text = explanation(story(pushes=[push()]))
    told = "missed-call push to TCT1005 by ucm1, APNS, VoIP channel: failed (503) after 13 ms"
    assert f"+13.000 s  {told}: no answer" in text
    assert explanation(story(pushes=[push(outcome=None)])).count("under way") == 1
    never_left = push(channel=None, tracking_id=None, outcome="withdrawn", status=None)
    never_left |= {"answered_after_ms": None, "reason": "call is over"}
    told = "missed-call push to TCT1005 by ucm1: withdrawn: call is over"
    assert explanation(story(pushes=[never_left])).count(told) == 1


def test_what_push_rest_says_is_told_without_the_json_around_it() -> None:
    reason = '{"trackingId":"CPNS_1","error":"TargetInvalid","partnerReason":"Unregistered"}'
    text = explanation(story(pushes=[push(reason=reason, status=410, outcome="refused token")]))
    assert "refused token (410) after 13 ms: TargetInvalid, Unregistered  " in text
    assert 'after 13 ms: {"cut off  ' in explanation(story(pushes=[push(reason='{"cut off')]))
    for odd in ("[1]", "{}", "<html>gateway</html>", "\x1b[2J"):  # says nothing, or does harm
        assert "after 13 ms  " in explanation(story(pushes=[push(reason=odd)]))


def test_a_caller_without_a_number_is_no_blank() -> None:
    assert "\n  from somebody whose number is not shown to 1005, " in explanation(story(caller=""))
