"""Record, then replay: no difference for any story, and every change of the engine is named."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callctl.call import best_response
from callctl.call.best_response import Candidate
from callctl.call.called import CalledDevice
from callctl.call.caller_identity import CallerIdentity
from callctl.engine import call_copy, delivery
from callctl.engine.delivery import Outgoing
from callctl.model.release import Release
from callctl.replay.notes import Notes
from callctl.replay.notes_schema import DifferenceKind
from callctl.sim.stories import STORIES
from helpers.replayed import played, recorded, replayed, told, with_parameters
from sipstack.message.message import ensure_content_length
from sipstack.timing import SECOND

MISSING, UNEXPECTED = DifferenceKind.MISSING, DifferenceKind.UNEXPECTED
STATUS, TARGET = DifferenceKind.STATUS, DifferenceKind.TARGET
HEADER, LATE = DifferenceKind.HEADER, DifferenceKind.LATE


@pytest.mark.parametrize("name", STORIES)
def test_story_that_is_played_as_it_was_recorded_shows_no_difference(name: str) -> None:
    verdict = replayed(name)
    assert verdict.differences == ()
    assert verdict.unsaid == ()
    exchanges = recorded(name).recording().exchanges
    asked = [it for it in exchanges if not it.inward]
    answered = [one for it in exchanges if it.inward for one in it.responses if one.status != 100]
    pushes = recorded(name).file.pushes or []
    assert verdict.compared == len(asked) + len(answered) + len(pushes)


@pytest.mark.parametrize("seed", range(2, 22))
def test_tags_branches_and_nonces_of_another_run_make_no_difference(seed: int) -> None:
    for name in ("ios_13", "desk_answers", "hunt_sequential"):
        assert replayed(name, seed=seed).differences == ()


@pytest.mark.parametrize("hash_seed", ["1", "4711"])
def test_order_of_hashes_makes_no_difference(hash_seed: str) -> None:
    script = (
        "from callctl.replay.story import record_story\n"
        "from helpers.replayed import replayed\n"
        "for name in ('second_mobile_answers', 'late_200', 'node_dies_meanwhile'):\n"
        "    assert replayed(name).differences == (), name\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        timeout=60,
    )


# Changes of the engine: each is found, and named.

CHANGED = (
    "forward_all",
    "ios_13",
    "nobody_wakes",
    "release_refuses",
    "second_mobile_answers",
    "trunk",
)


@pytest.fixture(autouse=True, scope="module")
def before_any_change() -> None:
    """What is played against a changed engine was recorded with one that is as it should be."""
    for name in CHANGED:
        recorded(name)


def test_without_record_route_it_is_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "record_route", lambda *_, **__: ())
    found = replayed("ios_13").differences
    assert (found[0].kind, found[0].header, found[0].party) == (HEADER, "record-route", "TCT2001")
    assert found[0].detail == "in the capture, not now"


def test_486_for_480_is_another_status(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Candidate(486, None, (best_response.SUBSCRIBER_ABSENT,))
    monkeypatch.setattr("callctl.call.parties.best", lambda _: busy)
    (found,) = replayed("nobody_wakes").differences
    assert (found.kind, found.message, found.party) == (STATUS, "480 (INVITE)", "SEP1001")
    assert found.detail == "480 (INVITE) in the capture, 486 (INVITE) now"
    assert found.captured.startswith(b"SIP/2.0 480 ")
    assert found.now.startswith(b"SIP/2.0 486 ")


def test_ringing_at_6_s_is_late() -> None:
    cluster = with_parameters("nobody_wakes", ring_back_s=6)
    (found,) = replayed("nobody_wakes", cluster=cluster).differences
    assert (found.kind, found.message) == (LATE, "180 (INVITE)")
    assert found.detail == "1.000 s later than in the capture"


def test_call_that_is_given_up_for_later_is_late() -> None:
    cluster = with_parameters("nobody_wakes", drop_s=15)
    assert (LATE, "480 (INVITE)", "SEP1001") in told(replayed("nobody_wakes", cluster=cluster))


def test_second_push_that_does_not_leave_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CalledDevice, "second_push", property(lambda _: False))
    assert told(replayed("nobody_wakes")) == [(MISSING, "push missed", "TCT2001")]


def test_push_of_a_release_that_has_none_is_unexpected() -> None:
    cluster = replace(recorded("release_refuses").cluster, release=Release.parse("15"))
    found = told(replayed("release_refuses", cluster=cluster))
    assert (UNEXPECTED, "push incoming") in {it[:2] for it in found}


def test_push_that_names_another_node_has_another_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callctl.engine.context.active_node", lambda *_: "ucm2")
    first = replayed("nobody_wakes").differences[0]
    assert (first.kind, first.message) == (TARGET, "push incoming")
    assert first.detail == "names ucm1.lab.example in the notes, ucm2.lab.example now"


def test_cancel_without_reason_is_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callctl.call.call.ELSEWHERE", None)
    (found,) = replayed("second_mobile_answers").differences
    assert (found.kind, found.header, found.message) == (HEADER, "reason", "CANCEL")


def test_asserted_identity_that_is_gone_is_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CallerIdentity, "asserted", lambda *_: None)
    (found,) = replayed("ios_13").differences
    assert (found.kind, found.header) == (HEADER, "p-asserted-identity")
    assert found.detail.endswith("in the capture, nothing now")


def test_forwarded_call_without_its_history_is_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_copy, "with_history", lambda request, *_: request)
    (found,) = replayed("forward_all").differences
    assert (found.kind, found.header, found.party) == (HEADER, "history-info", "SEP2002")


def test_call_that_goes_nowhere_is_another_status_and_its_invite_is_missing() -> None:
    cluster = replace(recorded("trunk").cluster, route_patterns=())
    verdict = replayed("trunk", cluster=cluster)
    assert told(verdict) == [
        (MISSING, "INVITE", "PEER 192.0.2.90"),
        (STATUS, "200 (INVITE)", "SEP1001"),
    ]
    assert [message.title for message in verdict.unsaid] == [
        "100 (INVITE)",
        "180 (INVITE)",
        "200 (INVITE)",
        "ACK",
        "BYE",
        "200 (BYE)",
    ]


def test_body_that_is_touched_on_the_way_is_told_by_its_first_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied = call_copy.copy_for

    def touched(*arguments: Any) -> Outgoing | str:  # noqa: ANN401
        outgoing = copied(*arguments)
        assert isinstance(outgoing, Outgoing)
        outgoing.request.body = outgoing.request.body.replace(b"s=-", b"s=callctl")
        ensure_content_length(outgoing.request)
        return outgoing

    monkeypatch.setattr("callctl.engine.call_control.copy_for", touched)
    (found,) = replayed("ios_13").differences
    assert (found.kind, found.header) == (HEADER, "body")
    assert found.detail == "'s=-' in the capture, 's=callctl' now"


@pytest.mark.parametrize("ending", [b"c", b"0"])
def test_nonce_of_before_the_capture_is_challenged_and_answered_once_more(ending: bytes) -> None:
    """A phone that registers again uses the nonce it has; that of the capture is worth nothing."""
    story = recorded("ios_13")
    seen = tuple(
        it._replace(
            octets=re.sub(rb"(branch=z9hG4bK\w+)\w(?=[\r;])", rb"\g<1>" + ending, it.octets)
        )
        for it in story.seen
        if it.at > 20 * SECOND
    )
    cut = replace(story, seen=seen).recording()
    register = next(it for it in cut.exchanges if it.request.method == "REGISTER")
    assert register.request.message.headers.has("authorization")
    assert [it.status for it in register.responses] == [200]
    notes = Notes(Path("cut.notes.yaml"), story.file, Path("cut.pcapng"), story.cluster)
    result, verdict = played(cut, notes)
    assert verdict.differences == ()
    assert result.ignored == {"challenge that the capture does not have": 1}
