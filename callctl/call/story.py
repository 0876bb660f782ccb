"""The story of a call: why this phone was pushed, parked, offered or dropped, step by step.

A call notes codes and plain values as it goes, which costs next to nothing; the sentences are made
when somebody asks. Each step names the requirements it follows from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sipstack.timing import Instant

SENTENCES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "received": ("INVITE from {caller} for {dn} taken by {node}", ("CALL-19",)),
    "relayed": ("INVITE for {dn} passed on to a flow of {node}", ("REG-11",)),
    "no-such-line": ("nobody has number {dn}", ("OP-02",)),
    "unreachable": (
        "{device} has neither a live flow nor a way to be pushed",
        ("REG-13", "CALL-09"),
    ),
    "no-node": ("no node of {device}'s CM group is in service: no push", ("CMG-11",)),
    "direct": ("{device} has a live flow at {node}: INVITE sent at once", ("CALL-03", "MODE-04")),
    "parked": (
        "{device} has no live flow: INVITE parked, ring-back in {ring_back_s} s, "
        "drop in {drop_s} s",
        ("CALL-01", "CALL-04", "CALL-05"),
    ),
    "ring-push": (
        "ring push to {device} naming {node}: {why}",
        ("CALL-01", "CMG-05", "CMG-07"),
    ),
    "ring-push-again": (
        "ring push to {device} once more, naming {node}: {why}",
        ("CMG-04", "CALL-16"),
    ),
    "joined": (
        "{device} registered at {node} while the call still rings: INVITE sent to it too",
        ("SHL-03",),
    ),
    "crowded": ("{device} has as many calls waiting as it may", ("OP-06",)),
    "hunt": ("hunting: next member is {number}", ("CALL-20",)),
    "gave-up": ("{device} did not answer in the time it had", ("CALL-09",)),
    "forward-unconditional": ("all calls are forwarded to {number}", ("CALL-09",)),
    "forward-busy": ("busy: forwarded to {number}", ("CALL-09", "CALL-14")),
    "forward-no-answer": ("no answer: forwarded to {number}", ("CALL-09",)),
    "forward-unregistered": ("nobody could be reached: forwarded to {number}", ("CALL-09",)),
    "forward-refused": (
        "not forwarded to {number}: the call has been there, or was forwarded often enough",
        ("CALL-09",),
    ),
    "extended": (
        "{device} did not come: its user's mobility identity {number} is called instead",
        ("MOB-02", "CALL-09"),
    ),
    "trunk": ("INVITE sent over {device} to {destination}", ()),
    "trunk-failed": ("{destination} of {device} does not take the call", ()),
    "push-accepted": ("the push service accepted the push to {device}", ("OP-13",)),
    "push-refused": ("push target of {device} is invalid: waiting ends", ("REG-06", "CALL-18")),
    "push-no-service": ("no push service on this node: waiting ends", ("CPNS-03", "CALL-18")),
    "push-failed": ("the cloud did not take the push to {device}; still waiting", ("CLOUD-08",)),
    "registered": ("{device} registered at {node}", ("REG-02", "REG-11")),
    "offered": ("parked INVITE sent to {device} on its new flow at {node}", ("CALL-02",)),
    "flow-doubtful": (
        "no answer from {device} on its flow: waiting for it to register",
        ("OP-29",),
    ),
    "flow-lost": ("the flow to {device} was lost before an answer", ("OP-29",)),
    "ringing": ("{device} rings", ("CALL-04",)),
    "ring-back": ("no device rings yet: 180 sent to the caller", ("CALL-04", "CALL-07")),
    "ring-back-held": ("caller requires 100rel: no 180 of our own", ("OP-03",)),
    "answered": ("{device} answered", ("CALL-02",)),
    "declined": ("{device} answered {status}", ("CALL-14", "SHL-09")),
    "failed": ("the INVITE to {device} ended with {status}", ()),
    "dropped": ("{device} did not come in time: leg dropped", ("CALL-05", "CALL-06")),
    "no-answer": ("{device} rang without answer until Timer C", ()),
    "node-stopping": ("this node is being stopped: 503, the caller may try another", ("CALL-22",)),
    "cancelled": ("the caller gave up: 487", ("CALL-11", "SHL-01")),
    "branch-cancelled": ("CANCEL to {device}", ("SHL-05",)),
    "missed-push": ("missed-call push to {device}", ("CALL-06", "SHL-01", "SHL-02")),
    "elsewhere-push": ("answered-elsewhere push to {device}", ("SHL-03", "SHL-04")),
    "cancelled-push": (
        "the hunt left {device}: push to end its ringing, nothing was missed",
        ("CALL-20", "SHL-03"),
    ),
    "late-register": ("{device} registered after its leg had ended: no INVITE", ("CALL-10",)),
    "late-answer": ("{device} answered too late: hung up for it", ("I4",)),
    "fault": ("a fault of this node: the call was ended", ()),
    "final": ("caller answered {status}", ("CALL-09",)),
}
"""Step code to sentence and requirement ids. Invariants (I4) are those of the design."""


class Step(NamedTuple):
    """One thing that happened."""

    at: Instant
    code: str
    device: str
    values: tuple[tuple[str, str | int], ...] = ()

    def sentence(self) -> str:
        """What happened, in words."""
        return SENTENCES[self.code][0].format_map({"device": self.device, **dict(self.values)})

    def requirements(self) -> tuple[str, ...]:
        """Why: ids of the catalogue."""
        return SENTENCES[self.code][1]


@dataclass(slots=True)
class CallRecord:
    """What is kept of a call, also after its end."""

    call_uuid: str
    call_id: str
    node: str
    caller: str
    dn: str
    started_at: Instant
    ended_at: Instant | None = None
    status: int | None = None  # final response to the caller
    steps: list[Step] = field(default_factory=list)

    def note(self, now: Instant, code: str, device: str = "", **values: str | int) -> None:
        """Add a step."""
        self.steps.append(Step(now, code, device, tuple(values.items())))
