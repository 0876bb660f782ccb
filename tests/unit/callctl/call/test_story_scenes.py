"""Every kind of call, played in the simulated world: what `callctl explain` says of it and why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from callctl.call.verdict import verdict
from callctl.sim.stories import STORIES, page

PAGE: Final = Path(__file__).parents[4] / "docs" / "stories.md"

TOLD: Final[dict[str, tuple[str, ...]]] = {
    "foreground": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 3.1 s on its live flow at "
        "ucm1. The caller heard ringing from 0.1 s on.",
        "TCT2001 has a live flow at ucm1: INVITE sent at once",
        "ring push to TCT2001 naming ucm1: it registered there last",
    ),
    "ios_13": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 4.1 s; asleep at first, it "
        "registered at ucm1 1.1 s later. The caller heard ringing from 1.3 s on.",
        "VoIP push with caller and node; a second push if the call ends without it",
        "TCT2001 has no live flow: INVITE parked; 180 to the caller after 5 s, wait ends after 13 "
        "s",
        "parked INVITE sent to TCT2001 on its new flow at ucm1",
        "ring push to TCT2001 by ucm3, APNS, VoIP channel: accepted (200) after 200 ms",
    ),
    "ios_12": (
        "Not answered: the caller gave up after 7.9 s, when TCT2001 was ringing. The caller heard "
        "ringing from 1.3 s on. TCT2001 is told by CANCEL of a missed call.",
        "push over the one channel of iOS 12, without caller and node; no second push with iOS 12",
        "ring push to TCT2001, naming no node: the phone tries those it knows",
        "no second push to TCT2001: this release sends none to such a device",
        "ring push to TCT2001 by ucm3, APNS, the one channel: accepted (200) after 200 ms",
    ),
    "old_release": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 4.1 s; asleep at first, it "
        "registered at ucm1 1.1 s later. The caller heard ringing from 1.3 s on.",
        "push over the one channel of release 12.5(1)SU2, without caller and node; no second push "
        "with release 12.5(1)SU2",
    ),
    "android_phone": (
        "Answered by BOT2001, Android phone (Android 14, Jabber 14.3), after 4.3 s; asleep at "
        "first, it registered at ucm1 1.1 s later. The caller heard ringing from 1.3 s on.",
        "VoIP push with node; the caller comes with the INVITE; a second push if the call ends "
        "without it",
        "ring push to BOT2001 by ucm3, FCM, VoIP channel: accepted (200) after 200 ms",
    ),
    "china_tap": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3, custom region), after 7.3 s; asleep "
        "at first, it registered at ucm1 4.1 s later. The caller heard ringing from 4.3 s on.",
        "message push to tap (the custom region has no CallKit) with caller and node; a second "
        "push if the call ends without it",
        "ring push to TCT2001 by ucm3, APNS, Message channel: accepted (200) after 200 ms",
    ),
    "china_timeout": (
        "Not answered: the caller got 480 Temporarily Unavailable after 13.0 s, because TCT2001 "
        "did not register within 13 s. The caller heard ringing from 5.0 s on, though no device "
        "rang by then. TCT2001 is told by push of a missed call. The cloud had taken the push, "
        "but in the custom region TCT2001 shows a message and rings only once that is tapped.",
        "no device rings 5 s after the push: 180 sent to the caller",
        "TCT2001 did not register within 13 s of its push: its wait ends",
        "missed-call push to TCT2001 by ucm3, APNS, Message channel: accepted (200) after 200 ms",
    ),
    "standard_client": (
        "Answered by BOT2001, Android phone (standard client), after 4.3 s; asleep at first, it "
        "registered at ucm1 1.1 s later. The caller heard ringing from 1.3 s on.",
        "VoIP push without content, as the client gave no key to seal it; no second push, which "
        "would say nothing either",
    ),
    "browser": (
        "Answered by web-2001, browser, after 3.0 s on its live flow at ucm3. The caller heard "
        "ringing from 0.0 s on.",
        "web-2001 has a live flow at ucm3: INVITE sent at once",
    ),
    "browser_closed": (
        "Not answered: the caller got 480 Temporarily Unavailable after 0.0 s, because web-2001 "
        "was not registered and could not be woken (a browser gets no push).",
        "web-2001 has no live flow and cannot be woken: a browser gets no push",
    ),
    "release_refuses": (
        "Not answered: the caller got 480 Temporarily Unavailable after 0.0 s, because BOT2001 "
        "was not registered and could not be woken (call push needs release 12.5(1)SU3 or later).",
        "call push needs release 12.5(1)SU3 or later",
    ),
    "desk_answers": (
        "Answered by SEP2001, desk phone, after 3.0 s on its live flow at ucm3. The caller heard "
        "ringing from 0.0 s on. TCT2001 had not registered yet (it did 2.1 s too late), and is "
        "told by push that another device answered.",
        "answered-elsewhere push to TCT2001",
        "TCT2001 registered 2.140 s after its wait had ended: no INVITE",
    ),
    "second_mobile_answers": (
        "Answered by BOT2001, Android phone (Android 14, Jabber 14.3), after 5.2 s; asleep at "
        "first, it registered at ucm1 2.1 s later. The caller heard ringing from 1.3 s on. "
        "TCT2001 was ringing, and is told by CANCEL and push that another device answered.",
        "CANCEL to TCT2001, which says that it was answered elsewhere",
        "answered-elsewhere push to TCT2001",
    ),
    "joins": (
        "Answered by SEP2001, desk phone, after 7.0 s. The caller heard ringing from 1.3 s on. "
        "TCT2001 was ringing, and is told by CANCEL and push that another device answered.",
        "SEP2001 has no live flow and cannot be woken: a desk phone gets no push",
        "SEP2001 registered at ucm3 while the call still rings: INVITE sent to it too",
    ),
    "late_200": (
        "Answered by SEP2001, desk phone, after 3.0 s on its live flow at ucm3. The caller heard "
        "ringing from 0.0 s on. TCT2001 answered as well and was hung up, and is told by CANCEL "
        "and push that another device answered.",
        "TCT2001 answered when the call was over: 200 OK passed on, and hung up for it",
    ),
    "declines": (
        "Not answered: the caller got 603 Decline after 3.1 s, because TCT2001 declined (603 "
        "Decline). The caller heard ringing from 1.3 s on.",
        "TCT2001 declined: 603 Decline",
        "the caller gets 603 Decline",
    ),
    "gives_up": (
        "Not answered: the caller gave up after 3.9 s, when TCT2001 had not registered yet. "
        "TCT2001 is told by push of a missed call.",
        "the caller gave up: it gets 487",
        "missed-call push to TCT2001",
    ),
    "nobody_wakes": (
        "Not answered: the caller got 480 Temporarily Unavailable after 13.0 s, because TCT2001 "
        "did not register within 13 s. The caller heard ringing from 5.0 s on, though no device "
        "rang by then. TCT2001 is told by push of a missed call. The cloud had taken the push, so "
        "the answer is on TCT2001 itself: switched off, without a network, or its app kept from "
        "running.",
        "no device rings 5 s after the push: 180 sent to the caller",
        "TCT2001 did not register within 13 s of its push: its wait ends",
        "the caller gets 480 Temporarily Unavailable",
    ),
    "wakes_too_late": (
        "Not answered: the caller got 480 Temporarily Unavailable after 13.0 s, because TCT2001 "
        "did not register within 13 s (it did 0.1 s too late). The caller heard ringing from 5.0 "
        "s on, though no device rang by then. TCT2001 is told by push of a missed call.",
        "TCT2001 registered 0.130 s after its wait had ended: no INVITE",
    ),
    "signed_out": (
        "Not answered: the caller got 480 Temporarily Unavailable after 0.0 s, because TCT2001 "
        "was not registered and could not be woken (it has signed out, or lost its app).",
        "TCT2001 has no live flow and cannot be woken: it has signed out, or lost its app",
    ),
    "refused": (
        "Not answered: the caller got 480 Temporarily Unavailable after 0.2 s, because TCT2001 "
        "cannot be pushed to until it has signed in again.",
        "the cloud does not know TCT2001 any more: no wait, and no push until it signs in again",
        "ring push to TCT2001 by ucm3, APNS, VoIP channel: refused token (410) after 200 ms: "
        "TargetExpired, Unregistered",
    ),
    "cloud_gone": (
        "Not answered: the caller got 503 Service Unavailable after 13.0 s, because TCT2001 did "
        "not register within 13 s. The caller heard ringing from 5.0 s on, though no device rang "
        "by then. The cloud had not taken the push to TCT2001 (see Pushes). A push that fails "
        "says nothing of the subscriber: 503, and no 480.",
        "the cloud did not take the ring push to TCT2001 (see Pushes): waiting all the same",
        "ring push to TCT2001 by ucm3, APNS, VoIP channel: failed after 100 ms: no connection to "
        "the cloud",
    ),
    "no_push_service": (
        "Not answered: the caller got 503 Service Unavailable after 0.0 s, because TCT2001 could "
        "not be pushed to (see Pushes). A push that fails says nothing of the subscriber: 503, "
        "and no 480.",
        "the ring push to TCT2001 was refused, here or in the cloud (see Pushes): no wait",
        "ring push to TCT2001 by ucm3: refused: no push service",
    ),
    "hunt_sequential": (
        "Answered by SEP2002, desk phone, after 9.0 s on its live flow at ucm3: called as member "
        "2002 of hunt pilot 3000. The caller heard ringing from 1.3 s on. TCT2001 did not answer "
        "within its 6 s, and is told by CANCEL and push to stop ringing, and that nothing was "
        "missed.",
        "hunt pilot 3000: member 2001 is next, for 6 s",
        "TCT2001 did not answer within the 6 s it had",
        "CANCEL to TCT2001, which says that nothing was missed",
        "the hunt left TCT2001: push to end its ringing, nothing was missed",
        "hunt pilot 3000: member 2002 is next, for 6 s",
    ),
    "hunt_simultaneous": (
        "Answered by SEP2002, desk phone, after 3.0 s on its live flow at ucm3: called as a "
        "member of hunt pilot 3000. The caller heard ringing from 0.0 s on. TCT2001 was ringing, "
        "and is told by CANCEL and push that another device answered.",
        "hunt pilot 3000: all members at once, for 6 s",
    ),
    "in_time": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 9.1 s; asleep at first, it "
        "registered at ucm1 6.1 s later. The caller heard ringing from 5.0 s on, though no device "
        "rang by then.",
        "TCT2001 came in time: the mobility identity of its user is left in peace",
    ),
    "extended": (
        "Answered by trunk PSTN after 13.0 s at udp:192.0.2.90:5060: called at 0049171555, the "
        "mobility identity of the user of TCT2001. The caller heard ringing from 5.0 s on, though "
        "no device rang by then. TCT2001 did not register within 10 s, and is told by push that "
        "another device answered.",
        "TCT2001 did not register within 10 s: 0049171555, the mobility identity of its user, is "
        "called",
        "INVITE sent over trunk PSTN to udp:192.0.2.90:5060",
    ),
    "forward_all": (
        "Answered by SEP2002, desk phone, after 3.0 s on its live flow at ucm3: forwarded to 2002, "
        "as all calls for 2001 are. The caller heard ringing from 0.0 s on.",
        "2001 has all calls forwarded to 2002",
        "SEP2002 of 2002, desk phone",
    ),
    "forward_unregistered": (
        "Answered by SEP2002, desk phone, after 16.0 s on its live flow at ucm3: forwarded to "
        "2002, as nobody could be reached at 2001. The caller heard ringing from 5.0 s on, though "
        "no device rang by then. TCT2001 did not register within 13 s, and is told by push of a "
        "missed call. The cloud had taken the push, so the answer is on TCT2001 itself: switched "
        "off, without a network, or its app kept from running.",
        "nobody could be reached at 2001: forwarded to 2002",
    ),
    "forward_busy": (
        "Answered by SEP2002, desk phone, after 6.1 s on its live flow at ucm3: forwarded to "
        "2002, as 2001 was busy. The caller heard ringing from 1.3 s on. TCT2001 declined (486 "
        "Busy Here).",
        "2001 is busy: forwarded to 2002",
    ),
    "forward_no_answer": (
        "Answered by SEP2002, desk phone, after 12.3 s on its live flow at ucm3: forwarded to "
        "2002, as nobody answered 2001. The caller heard ringing from 1.3 s on. TCT2001 did not "
        "answer within its 8 s, and is told by CANCEL and push of a missed call.",
        "TCT2001 did not answer within the 8 s it had",
        "nobody answered 2001: forwarded to 2002",
    ),
    "trunk": (
        "Answered by trunk PSTN after 3.0 s at udp:192.0.2.90:5060. The caller heard ringing from "
        "0.0 s on.",
        "INVITE sent over trunk PSTN to udp:192.0.2.90:5060",
    ),
    "trunk_failover": (
        "Answered by trunk PSTN after 7.0 s at udp:192.0.2.91:5060. The caller heard ringing from "
        "4.0 s on. Tried in vain: udp:192.0.2.90:5060 of trunk PSTN (no answer in time).",
        "udp:192.0.2.90:5060 of trunk PSTN does not take the call: no answer in time",
        "INVITE sent over trunk PSTN to udp:192.0.2.91:5060",
    ),
    "external_presentation": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 4.1 s; asleep at first, it "
        "registered at ucm1 1.1 s later. The caller heard ringing from 1.3 s on.",
        "INVITE from +49305550 for 2001 taken by ucm3, 100 sent at once",
        "SEP1001 calls, and +49305550 is shown as the caller: external presentation",
    ),
    "anonymous": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 4.1 s; asleep at first, it "
        "registered at ucm1 1.1 s later. The caller heard ringing from 1.3 s on.",
        "INVITE from an anonymous caller for 2001 taken by ucm3, 100 sent at once",
        "the caller is not to be shown: pushes and P-Asserted-Identity say nothing of it",
    ),
    "backup": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 4.1 s; asleep at first, it "
        "registered at ucm2 1.2 s later (its backup node, as ucm1 is out of service). The caller "
        "heard ringing from 1.3 s on.",
        "ring push to TCT2001 naming ucm2: its backup node, as ucm1 is out of service",
    ),
    "tertiary": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 4.1 s; asleep at first, it "
        "registered at ucm3 1.2 s later (its tertiary node, as ucm1 and ucm2 are out of service). "
        "The caller heard ringing from 1.2 s on.",
        "ring push to TCT2001 naming ucm3: its tertiary node, as ucm1 and ucm2 are out of service",
    ),
    "node_dies_meanwhile": (
        "Answered by TCT2001, iPhone (iOS 17.0, Jabber 14.3), after 6.1 s; asleep at first, it "
        "registered at ucm2 3.2 s later (its backup node, as ucm1 is out of service). The caller "
        "heard ringing from 3.3 s on.",
        "ring push to TCT2001 once more, naming ucm2: its backup node, as ucm1 is out of service",
    ),
    "no_node": (
        "Not answered: the caller got 480 Temporarily Unavailable after 0.0 s, because TCT2001 "
        "could not be woken, as no node of its CM group (ucm1, ucm2, ucm3) is in service.",
        "no push to TCT2001: no node of its CM group (ucm1, ucm2, ucm3) is in service",
    ),
    "node_stopped": (
        "Not answered: the caller got 503 Service Unavailable after 1.9 s, because ucm3 was being "
        "stopped.",
        "ucm3 is being stopped: the caller gets 503 and may try another node",
    ),
    "node_killed": (
        "Lost: ucm3 died after 1.9 s, and the call with it, when TCT2001 had not registered yet.",
        "ucm3 died, and the call with it: nobody answers the caller any more",
    ),
}
"""The verdict, its times cut to a tenth of a second; then the sentences that explain it."""


def test_every_story_of_the_page_is_judged_here() -> None:
    assert set(TOLD) == set(STORIES)


@pytest.mark.parametrize("name", TOLD)
def test_the_verdict_says_how_it_ended_and_the_steps_say_why(name: str) -> None:
    played = STORIES[name].play()
    assert played.violations == ()
    told, *decisive = TOLD[name]
    found = verdict(played.record)
    assert re.sub(r"(\d+\.\d)\d\d s", r"\1 s", found) == told
    text = played.text
    assert " ".join(text[text.rindex("\n\n") :].split()) == found
    sentences = {part for line in text.splitlines() for part in re.split(" {2,}", line.strip())}
    assert set(decisive) <= sentences
    assert "{" not in text


@pytest.mark.parametrize("name", TOLD)
def test_no_line_is_told_twice(name: str) -> None:
    lines = [line.split("  ", 2)[-1] for line in STORIES[name].play().text.splitlines() if line]
    assert len(lines) == len(set(lines))


def test_devices_of_a_line_that_forwards_everything_are_not_called() -> None:
    played = STORIES["forward_all"].play()
    assert list(played.record.called) == ["SEP2002"]
    assert "TCT2001" not in played.text
    assert played.screens == {"TCT2001": ()}


def test_what_the_owner_saw_stands_below_the_story() -> None:
    (screen,) = STORIES["old_release"].play().screens.values()
    assert [seen.text for seen in screen][:2] == [
        "CallKit, full screen: video call from nobody known",
        "the call is from Front Desk 1001",
    ]


def test_published_stories_are_current() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"
