"""One call without SIP around it: what its numbers lead to is said beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field

from callctl.call.branch import Branch
from callctl.call.call import Call
from callctl.call.event import (
    AnswerCaller,
    BranchResponded,
    CallAction,
    CallEvent,
    CancelBranch,
    CountMobility,
    DeviceRegistered,
    Offer,
    PassResponse,
    Reach,
    Reached,
    RequestPush,
)
from callctl.call.itinerary import Cause, Target
from callctl.call.leg import Leg
from callctl.call.story import CallRecord
from callctl.model.device import Device
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import NO_FORWARDING, Forwarding
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import SipTrunk, TrunkDestination
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from helpers.engine_rig import iphone_binding
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import Flow

INVITE = b"""INVITE sip:2001@lab.example SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK1\r
From: <sip:1001@lab.example>;tag=a\r
To: <sip:2001@lab.example>\r
Call-ID: c1\r
CSeq: 1 INVITE\r
Content-Length: 0\r
\r
"""


def at(seconds: float) -> Instant:
    return Instant(round(seconds * SECOND))


def invite() -> Request:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    return message


def binding_of(device: Device, dn: str, *, port: int = 40000, node: str = "ucm1") -> Binding:
    flow = Flow("TCP", "192.0.2.1", 5060, "192.0.2.60", port, port)
    return Binding(
        key=(device.name, f"b{port}", None),
        binding_id=f"{device.name}-{port}",
        device_name=device.name,
        dn=dn,
        contact=f"sip:{dn}@192.0.2.60:{port}",
        contact_headers="",
        contact_params="",
        instance=None,
        reg_id=None,
        node=node,
        incarnation=1,
        flow=flow,
        path=(),
        call_id="r1",
        cseq=1,
        expires_at=at(600),
        outbound=False,
        gruu=None,
        stamp=(Instant(0), "ucm1"),
        asked_at=Instant(0),
    )


@dataclass(slots=True)
class CallRig:
    """A call to `dialled`, and what came of it so far."""

    dialled: str
    parameters: ServiceParameters = field(default_factory=ServiceParameters)
    numbers: dict[str, Target] = field(default_factory=dict)
    offered: list[Branch] = field(default_factory=list)
    cancelled: list[Branch] = field(default_factory=list)
    pushes: list[tuple[str, PushKind]] = field(default_factory=list)  # device, kind
    answers: list[int] = field(default_factory=list)
    reached: list[tuple[str, Cause]] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)
    call: Call = field(init=False)

    def __post_init__(self) -> None:
        record = CallRecord("uuid-1", "c1", "ucm1", "1001", self.dialled, Instant(0))
        self.call = Call(invite(), self.dialled, "ucm1", 1, record, self.parameters)

    # What numbers stand for.

    def awake(self, device: Device, dn: str, *, pushed: bool = False) -> None:
        """A device of a line has a live flow; `pushed`: it gets a push as well."""
        leg = Leg(device, iphone_binding(device) if pushed else None, dn)
        self._line(dn).legs.append((leg, (binding_of(device, dn),)))

    def asleep(self, device: Device, dn: str, *, mobility: str | None = None) -> None:
        """A device of a line has to be woken."""
        leg = Leg(device, iphone_binding(device), dn, mobility=mobility)
        self._line(dn).legs.append((leg, ()))

    def gone(self, device: Device, dn: str, *, mobility: str) -> None:
        """A device can be neither reached nor woken, but its user has another number."""
        self._line(dn).legs.append((Leg(device, None, dn, mobility=mobility), ()))

    def outside(self, number: str, *destinations: TrunkDestination, try_s: int = 4) -> None:
        """A number leads over a trunk."""
        leg = Leg(None, None, number, name="trunk PSTN")
        trunk = SipTrunk("PSTN", destinations, try_s=try_s)
        leg.ways.extend((trunk, destination) for destination in destinations)
        self.numbers[number] = Target(number, [(leg, ())])

    def forwards(self, dn: str, forwarding: Forwarding) -> None:
        """A line has rules for calls that nobody takes."""
        self._line(dn).forwarding = forwarding

    def hunts(self, pilot: HuntPilot) -> None:
        """A number is a hunt pilot; one that asks all at once takes the legs of its members."""
        legs = []
        if pilot.distribution.value == "simultaneous":
            legs = [leg for dn in pilot.members for leg in self._line(dn).legs]
        self.numbers[pilot.dn] = Target(pilot.dn, legs, pilot=pilot)

    def _line(self, dn: str) -> Target:
        return self.numbers.setdefault(dn, Target(dn, [], NO_FORWARDING))

    # What happens.

    def start(self, seconds: float = 0) -> None:
        """The INVITE comes."""
        target = self.numbers.get(self.dialled) or Target(self.dialled, [], refusal=404)
        self._take(self.call.start(target, at(seconds)), at(seconds))

    def happens(self, event: CallEvent, seconds: float) -> None:
        """Something happens to the call."""
        self._take(self.call.receive(event, at(seconds)), at(seconds))

    def registers(self, device: Device, dn: str, seconds: float, *, port: int = 40000) -> None:
        """A device registers."""
        self.happens(DeviceRegistered(binding_of(device, dn, port=port), device), seconds)

    def says(self, status: int, seconds: float, *, who: str = "", tag: str = "") -> None:
        """The newest copy of the INVITE, or that of a device, is answered."""
        branch = next(b for b in reversed(self.offered) if who in ("", b.leg.name))
        response = respond(invite(), status, to_tag=tag or branch.leg.name.replace(" ", "-"))
        self.happens(BranchResponded(branch, response), seconds)

    def run_to(self, seconds: float) -> None:
        """Let time pass."""
        while (due := self.call.next_deadline()) is not None and due <= at(seconds):
            self._take(self.call.advance(due), due)

    def steps(self) -> list[str]:
        """The codes of its story."""
        return [step.code for step in self.call.record.steps]

    def story(self) -> list[str]:
        """Its story in words."""
        return [step.sentence() for step in self.call.record.steps]

    def asked(self) -> list[str]:
        """Who got the INVITE, in order."""
        return [branch.leg.name for branch in self.offered]

    def _take(self, actions: tuple[CallAction, ...], now: Instant) -> None:
        for action in actions:
            match action:
                case Reach(onward):
                    self.reached.append((onward.number, onward.cause))
                    known = self.numbers.get(onward.number)
                    target = known or Target(onward.number, [], refusal=404)
                    self._take(self.call.receive(Reached(action, target), now), now)
                case Offer(branch):
                    self.offered.append(branch)
                case CancelBranch(branch):
                    self.cancelled.append(branch)
                case RequestPush(leg, kind):
                    self.pushes.append((leg.name, kind))
                case AnswerCaller(status):
                    self.answers.append(status)
                case PassResponse(response):
                    self.answers.append(response.status)
                case CountMobility(outcome):
                    self.counted.append(outcome.value)
