"""What `callctl explain` says of each kind of call, played in the simulated world.

`python -m callctl.sim.stories` writes the page. Source: catalogue sections 2, 6 to 10, 24.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from callctl.cloud.faults import Fault
from callctl.model.build import desk_phone, make_user
from callctl.model.device import ClientType, Device, Platform
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import ExternalPresentation, Forwarding, Line
from callctl.model.trunk import RoutePattern, SipTrunk, TrunkDestination
from callctl.phone.settings import AnswerPlan
from callctl.phone.user_agent import UserAgent
from callctl.sim.cloud_way import Way
from callctl.sim.entropy import SeededEntropy
from callctl.sim.scenario import PeerPlan
from callctl.sim.story_stage import (
    ANDROID,
    CALLER,
    DESK,
    DN,
    IPHONE,
    PICKS_UP,
    RINGS_ON,
    Played,
    Stage,
    desk,
    mobile,
)
from sipstack.timing import MS, SECOND, Instant

CHINA: Final = replace(IPHONE, custom_region=True)
IOS_12: Final = replace(IPHONE, os_version="12.4", client_version="12.8")
OTHER_DN, PILOT, OUTSIDE = "2002", "3000", "0049171555"
OTHER: Final = desk_phone(OTHER_DN, name="SEP2002", device_pool="desks")
FIRST: Final = TrunkDestination("UDP", "192.0.2.90", 5060)
SECOND_ONE: Final = TrunkDestination("UDP", "192.0.2.91", 5060)
BUSY: Final = AnswerPlan(after_ns=2 * SECOND, status=486)


@dataclass(frozen=True, slots=True)
class Story:
    """One kind of call."""

    name: str
    what: str  # in a sentence
    play: Callable[[], Played]


STORIES: Final[dict[str, Story]] = {}
"""All of them, by the name of their function, in the order of the page."""


def story(name: str, what: str) -> Callable[[Callable[[], Played]], Callable[[], Played]]:
    """Let a function that plays a call be a story of the page."""

    def listed(play: Callable[[], Played]) -> Callable[[], Played]:
        STORIES[play.__name__] = Story(name, what, play)
        return play

    return listed


def _forwarded(**forwarding: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "lines": (Line(DN, forwarding=Forwarding(**forwarding)),),
        "desks": (desk(OTHER),),
    }


def _trunk(*destinations: TrunkDestination) -> dict[str, Any]:
    return {
        "trunks": (SipTrunk("PSTN", destinations, options_ping_s=0),),
        "route_patterns": (RoutePattern("00!", ("PSTN",), strip=2, prefix="+"),),
        "peers": tuple(PeerPlan(destination, PICKS_UP) for destination in destinations),
    }


def _mobility() -> dict[str, Any]:
    user = replace(make_user(DN), mobility_identity=OUTSIDE)
    return {"users": (user,), **_trunk(FIRST)}


def _hunt(distribution: Distribution) -> dict[str, Any]:
    pilot = HuntPilot(PILOT, (DN, OTHER_DN), distribution, member_ring_s=6)
    return {"hunt_pilots": (pilot,), "desks": (desk(OTHER),)}


# Who rings.


@story(
    "iPhone in use",
    "The app is on screen: INVITE and push leave together, and SIP sets the call up.",
)
def foreground() -> Played:
    return Stage(mobile(awake=True)).play()


@story(
    "iPhone, iOS 13 and later", "The phone sleeps, is woken by its push, and its owner picks up."
)
def ios_13() -> Played:
    return Stage(mobile()).play()


@story("iPhone, iOS 12", "The caller gives up while the phone rings.")
def ios_12() -> Played:
    return Stage(mobile(IOS_12, RINGS_ON), release="12.5(1)SU3").play(give_up_s=8)


@story("A new iPhone on an old release", "Release 12.5(1)SU2 sends neither caller nor node.")
def old_release() -> Played:
    return Stage(mobile(), release="12.5(1)SU2").play()


@story("Android phone", "The phone sleeps, is woken through FCM, and its owner picks up.")
def android_phone() -> Played:
    return Stage(mobile(ANDROID)).play()


@story(
    "Custom region, tapped", "In mainland China a call is a message; its owner taps it after 4 s."
)
def china_tap() -> Played:
    return Stage(mobile(CHINA, tap_s=4)).play()


@story("Custom region, not tapped", "Nobody taps the message within 13 s.")
def china_timeout() -> Played:
    return Stage(mobile(CHINA)).play()


@story(
    "Standard client",
    "A client such as Linphone registers with RFC 8599 parameters; its app was closed.",
)
def standard_client() -> Played:
    device = replace(ANDROID, client=ClientType.STANDARD, client_version=None, os_version=None)
    return Stage(mobile(device)).play()


def _browser() -> Stage:
    page = Device("web-2001", DN, (DN,), "desks", Platform.BROWSER)
    stage = Stage(desks=(desk(page),), absent=(page.name,))
    party = stage.agent(page.name)
    instance = "urn:uuid:00000000-0000-4000-8000-000000002001"
    settings = replace(
        party.agent.settings,
        instance=instance,
        contact_params=("reg-id=1",),
        retry_base_ns=None,
    )
    party.agent = UserAgent(settings, SeededEntropy(1, page.name))
    party.register()
    return stage


@story("Browser", "A page that is open. Here a TLS connection stands for its WebSocket.")
def browser() -> Played:
    return _browser().play()


@story("Browser, page closed", "The connection of the page is gone.")
def browser_closed() -> Played:
    stage = _browser()
    stage.run_to(-5)
    stage.simulation.network.crash(stage.agent("web-2001").sockets)
    return stage.play()


@story(
    "Release without push for the phone",
    "Android gets pushes from release 12.5(1)SU3 on, and the cluster has 12.5(1)SU2.",
)
def release_refuses() -> Played:
    return Stage(mobile(ANDROID), release="12.5(1)SU2").play()


# Shared lines.


@story("Shared line, the desk phone answers", "The iPhone of the line wakes too late to ring.")
def desk_answers() -> Played:
    return Stage(mobile(wake_s=5), desks=(desk(),)).play()


@story(
    "Shared line, the second mobile answers",
    "An iPhone and an Android phone ring; the owner takes the Android phone.",
)
def second_mobile_answers() -> Played:
    first = mobile(answer=RINGS_ON)
    second = mobile(ANDROID, wake_s=2, host="198.51.100.2")
    return Stage(first, second).play()


@story(
    "Shared line, a phone joins late",
    "The desk phone registers while the iPhone rings, and answers.",
)
def joins() -> Played:
    stage = Stage(mobile(answer=RINGS_ON), desks=(desk(),), absent=(DESK.name,))
    stage.when(4, stage.agent(DESK.name).register)
    return stage.play()


@story(
    "Shared line, two answers",
    "The iPhone is picked up in the moment in which the desk phone has answered.",
)
def late_200() -> Played:
    late = AnswerPlan(after_ns=2_950 * MS)
    return Stage(mobile(answer=late, awake=True), desks=(desk(),)).play()


# Nobody answers.


@story("Declined", "The owner declines in CallKit.")
def declines() -> Played:
    return Stage(mobile(answer=replace(BUSY, status=603))).play()


@story("The caller gives up", "No push reaches the phone, and the caller hangs up after 4 s.")
def gives_up() -> Played:
    return Stage(mobile(wake_s=None)).play(give_up_s=4)


@story("Nobody wakes", "No push reaches the phone.")
def nobody_wakes() -> Played:
    return Stage(mobile(wake_s=None)).play()


@story(
    "Woken too late", "The phone takes 13 s to wake, and registers just after its wait has ended."
)
def wakes_too_late() -> Played:
    return Stage(mobile(wake_s=12.95)).play()


@story("Signed out", "The owner has signed out of the app.")
def signed_out() -> Played:
    stage = Stage(mobile())
    stage.phone().sign_out()
    return stage.play()


@story("Push refused", "The app was removed: APNs does not know its token any more (410).")
def refused() -> Played:
    stage = Stage(mobile())
    stage.cloud.apns.faults.add(Fault(status=410, reason="Unregistered", times=1))
    return stage.play()


@story("Cloud unreachable", "No connection to the push cloud can be made.")
def cloud_gone() -> Played:
    stage = Stage(mobile())
    stage.cloud.way.push_rest = Way.CONNECT
    return stage.play()


@story("Push service stopped", "The push service of the node that took the call is stopped.")
def no_push_service() -> Played:
    stage = Stage(mobile())
    stage.nodes["ucm3"].set_cpns(False)
    return stage.play()


# Where a call goes on.


@story(
    "Hunt, one after the other",
    "The iPhone is the first member and rings; the hunt goes on to the desk phone.",
)
def hunt_sequential() -> Played:
    return Stage(mobile(answer=RINGS_ON), **_hunt(Distribution.SEQUENTIAL)).play(PILOT)


@story("Hunt, all at once", "iPhone and desk phone ring; the desk phone answers.")
def hunt_simultaneous() -> Played:
    return Stage(mobile(answer=RINGS_ON), **_hunt(Distribution.SIMULTANEOUS)).play(PILOT)


@story(
    "Mobility identity, the app is in time",
    "The phone registers within the 10 s that its user's mobile number waits.",
)
def in_time() -> Played:
    return Stage(mobile(wake_s=6), **_mobility()).play()


@story(
    "Mobility identity is called",
    "The app does not come within 10 s, so the user's mobile number is called.",
)
def extended() -> Played:
    return Stage(mobile(wake_s=None), **_mobility()).play()


@story("Forwarded, all calls", "The owner has all calls forwarded; the phone is left in peace.")
def forward_all() -> Played:
    return Stage(mobile(), **_forwarded(all=OTHER_DN)).play()


@story("Forwarded, as nobody could be reached", "No push reaches the phone.")
def forward_unregistered() -> Played:
    return Stage(mobile(wake_s=None), **_forwarded(unregistered=OTHER_DN)).play()


@story("Forwarded, as busy", "The owner declines.")
def forward_busy() -> Played:
    return Stage(mobile(answer=BUSY), **_forwarded(busy=OTHER_DN)).play()


@story("Forwarded, as nobody answered", "The phone rings for the 8 s that the line gives it.")
def forward_no_answer() -> Played:
    stage = Stage(mobile(answer=RINGS_ON), **_forwarded(no_answer=OTHER_DN, no_answer_s=8))
    return stage.play()


@story("Trunk", "A number outside, over the trunk that its route pattern names.")
def trunk() -> Played:
    return Stage(**_trunk(FIRST)).play(OUTSIDE)


@story("Trunk, second destination", "The first destination of the trunk has lost power.")
def trunk_failover() -> Played:
    stage = Stage(**_trunk(FIRST, SECOND_ONE))
    stage.simulation.network.power_off(stage.agent("PEER 192.0.2.90").sockets)
    return stage.play(OUTSIDE)


# Who is shown as the caller.


@story("External presentation", "The line of the caller presents another name and number.")
def external_presentation() -> Played:
    shown = ExternalPresentation("Harbour", "+49305550")
    return Stage(mobile(), caller=replace(CALLER, external_presentation=shown)).play()


@story("Anonymous caller", "The caller asks for privacy (RFC 3323).")
def anonymous() -> Played:
    return Stage(mobile()).play(headers=(("Privacy", "id"),))


# Nodes fail.


@story("Failover to the backup", "The primary node of the phone is down, and all know it.")
def backup() -> Played:
    stage = Stage(mobile())
    stage.lose("ucm1")
    return stage.play()


@story("Failover to the tertiary", "Primary and backup node of the phone are down.")
def tertiary() -> Played:
    stage = Stage(mobile())
    stage.lose("ucm1", "ucm2")
    return stage.play()


@story(
    "The node dies meanwhile", "The node that the push named dies before the phone has registered."
)
def node_dies_meanwhile() -> Played:
    stage = Stage(mobile(wake_s=3))
    stage.when(1, lambda: stage.lose("ucm1"))
    return stage.play()


@story(
    "No node in service",
    "The push services of all nodes are stopped, so none counts as in service.",
)
def no_node() -> Played:
    stage = Stage(mobile())
    for name in ("ucm1", "ucm2", "ucm3"):
        stage.nodes[name].set_cpns(False)
    return stage.play()


@story("The node of the call is stopped", "The node that took the call is stopped in order.")
def node_stopped() -> Played:
    stage = Stage(mobile(wake_s=None))
    stage.when(2, stage.nodes["ucm3"].stop)
    return stage.play()


@story("The node of the call dies", "The node that took the call dies while the phone wakes.")
def node_killed() -> Played:
    stage = Stage(mobile(wake_s=None))
    stage.when(2, lambda: stage.lose("ucm3"))
    return stage.play(give_up_s=30)


# The page.


def page() -> str:
    """The published page."""
    lines = [
        "# What `callctl explain` says",
        "",
        "Generated by `make docs` from the simulated world; a test plays every call and compares.",
        "",
        "The desk phone of 1001 calls. Mobile phones are in the CM group ucm1, ucm2, ucm3, and",
        "registered at ucm1 last; ucm3 takes the call. Links take 20 ms, the way to the cloud",
        "100 ms, and a phone a second to wake. Below each story stands what no node knows: what",
        "the owner of the phone saw.",
        "",
    ]
    for told in STORIES.values():
        played = told.play()
        lines += [f"## {told.name}", "", told.what, "", "```text", played.text, "```", ""]
        for name, screen in played.screens.items():
            seen = [f"{_after_s(played, it.at):+.3f} s {it.text}" for it in screen]
            lines += [f"On the screen of {name}: {'; '.join(seen) or 'nothing'}.", ""]
    return "\n".join(lines)


def _after_s(played: Played, at: Instant) -> float:
    return (at - played.record.started_at) / SECOND


if __name__ == "__main__":
    print(page(), end="")
