"""A call's story as text."""

from __future__ import annotations

from typing import Any

from callctl.cli.explain import explanation, verdict


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
    assert text.endswith("Answered by TCT1005 after 1.414 s.")


def test_pushes_tell_who_sent_them_and_what_became_of_them() -> None:
    push = {
        "wanted_at": "2026-11-22T01:00:53.226000+00:00",
        "node": "ucm1",
        "device": "TCT1005",
        "kind": "missed",
        "tracking_id": "CPNS_1",
        "answered_after_ms": 13.0,
        "outcome": "failed",
        "status": 503,
        "reason": "no answer",
    }
    text = explanation(story(pushes=[push]))
    assert "+13.000 s  missed push to TCT1005 by ucm1: failed (503) after 13 ms: no answer" in text
    assert explanation(story(pushes=[push | {"outcome": None}])).count("under way") == 1


def test_the_verdict_names_how_it_ended() -> None:
    assert verdict(story(status=487)) == "The caller gave up after 1.414 s."
    assert verdict(story(status=480)) == "Not answered: the caller got 480 after 1.414 s."
    assert verdict(story(status=None)) == "The call is under way, TCT1005 parked so far."
