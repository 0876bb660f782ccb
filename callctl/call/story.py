"""The story of a call: why this phone was pushed, parked, offered or dropped, step by step.

A call notes codes and plain values as it goes, which costs next to nothing; the sentences are made
when somebody asks. Each step names the requirements it follows from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from callctl.call.called import CalledDevice
from sipstack.message.status import reason_of
from sipstack.timing import MS, Instant

SENTENCES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "received": (
        "INVITE from {caller} for {dn} taken by {node}{over}, 100 sent at once",
        ("CALL-19",),
    ),
    "presented": (
        "{device} calls, and {number} is shown as the caller: external presentation",
        ("CID-03", "CID-09"),
    ),
    "anonymous": (
        "the caller is not to be shown: pushes and P-Asserted-Identity say nothing of it",
        ("CID-10",),
    ),
    # Whom the number stands for.
    "no-such-line": ("nobody has number {dn}", ("OP-02",)),
    "unreachable": (
        "{device} has no live flow and cannot be woken: {why}",
        ("REG-13", "CALL-09"),
    ),
    "no-node": (
        "no push to {device}: no node of its CM group ({group}) is in service",
        ("CMG-11",),
    ),
    "crowded": ("{device} has as many calls waiting as it may", ("OP-06",)),
    "direct": ("{device} has a live flow at {node}: INVITE sent at once", ("CALL-03", "MODE-04")),
    "parked": (
        "{device} has no live flow: INVITE parked; 180 to the caller after {ring_back_s} s, "
        "wait ends after {drop_s} s",
        ("CALL-01", "CALL-04", "CALL-05"),
    ),
    "joined": (
        "{device} registered at {node} while the call still rings: INVITE sent to it too",
        ("SHL-03",),
    ),
    # The ring push.
    "ring-push": (
        "ring push to {device} naming {node}: {why}",
        ("CALL-01", "CMG-05", "CMG-07"),
    ),
    "ring-push-plain": (
        "ring push to {device}, naming no node: the phone tries those it knows",
        ("CALL-01", "CMG-06"),
    ),
    "ring-push-again": (
        "ring push to {device} once more, naming {node}: {why}",
        ("CMG-04", "CALL-16"),
    ),
    "push-accepted": ("the cloud took the ring push to {device}", ("OP-13",)),
    "push-refused": (
        "the cloud does not know {device} any more: no wait, and no push until it signs in again",
        ("REG-06", "CALL-18"),
    ),
    "push-no-service": (
        "the ring push to {device} was refused, here or in the cloud (see Pushes): no wait",
        ("CPNS-03", "CALL-18"),
    ),
    "push-failed": (
        "the cloud did not take the ring push to {device} (see Pushes): waiting all the same",
        ("CLOUD-08",),
    ),
    # The device comes, or does not.
    "registered": ("{device} registered at {node}", ("REG-02", "REG-11")),
    "in-time": (
        "{device} came in time: the mobility identity of its user is left in peace",
        ("MOB-03",),
    ),
    "offered": ("parked INVITE sent to {device} on its new flow at {node}", ("CALL-02",)),
    "flow-doubtful": (
        "no answer from {device} on its flow for {probe_s} s: INVITE parked until it registers, "
        "for {left_ms}",
        ("OP-29",),
    ),
    "flow-lost": (
        "{device} was lost before it answered ({why}): INVITE parked again, for {left_ms}",
        ("OP-29",),
    ),
    "dropped": (
        "{device} did not register within {drop_s} s of its push: its wait ends",
        ("CALL-05", "CALL-06"),
    ),
    "late-register": (
        "{device} registered {late_ms} after its wait had ended: no INVITE",
        ("CALL-10",),
    ),
    # What it says.
    "ringing": ("{device} rings: {status} passed on to the caller", ("CALL-04",)),
    "answered": ("{device} answered: {status} passed on to the caller", ("CALL-02",)),
    "declined": ("{device} declined: {status}", ("CALL-14", "SHL-09")),
    "failed": ("{device} answered {status}", ()),
    "lost": ("{device} could not be reached after all: {why}", ("OP-29",)),
    "unsendable": ("the INVITE cannot be sent to {device}: {why}", ()),
    "no-answer": ("{device} rang without answer until Timer C", ()),
    "gave-up": ("{device} did not answer within the {wait_s} s it had", ("CALL-09",)),
    "late-answer": (
        "{device} answered when the call was over: {status} passed on, and hung up for it",
        ("I4", "I10"),
    ),
    # What the caller hears from us.
    "ring-back": (
        "no device rings {ring_back_s} s after the push: 180 sent to the caller",
        ("CALL-04", "CALL-07"),
    ),
    "ring-back-held": (
        "no device rings {ring_back_s} s after the push, but the caller requires 100rel: "
        "no 180 of our own, it hears nothing",
        ("OP-03",),
    ),
    # Where the call goes on.
    "hunt": ("hunt pilot {pilot}: member {number} is next, for {wait_s} s", ("CALL-20",)),
    "hunt-all": ("hunt pilot {pilot}: all members at once, for {wait_s} s", ("CALL-20",)),
    "hunt-over": ("hunt pilot {pilot}: no member took the call", ("CALL-20",)),
    "forward-unconditional": ("{dn} has all calls forwarded to {number}", ("CALL-09",)),
    "forward-busy": ("{dn} is busy: forwarded to {number}", ("CALL-09", "CALL-14")),
    "forward-no-answer": ("nobody answered {dn}: forwarded to {number}", ("CALL-09",)),
    "forward-unregistered": (
        "nobody could be reached at {dn}: forwarded to {number}",
        ("CALL-09", "OP-04"),
    ),
    "forward-refused": (
        "not forwarded to {number}: the call has been there, or was forwarded often enough",
        ("CALL-09",),
    ),
    "extended": (
        "{device} {why}: {number}, the mobility identity of its user, is called",
        ("MOB-02", "CALL-09"),
    ),
    "trunk": ("INVITE sent over {device} to {destination}", ()),
    "trunk-failed": ("{destination} of {device} does not take the call: {why}", ()),
    # The end.
    "branch-cancelled": (
        "CANCEL to {device}, which says that it was answered elsewhere",
        ("SHL-05",),
    ),
    "branch-left": ("CANCEL to {device}, which says that nothing was missed", ("OP-66",)),
    "branch-ended": ("CANCEL to {device}", ()),
    "missed-push": ("missed-call push to {device}", ("CALL-06", "SHL-01", "SHL-02")),
    "elsewhere-push": ("answered-elsewhere push to {device}", ("SHL-03", "SHL-04")),
    "cancelled-push": (
        "the hunt left {device}: push to end its ringing, nothing was missed",
        ("CALL-20", "OP-66"),
    ),
    "no-second-push": (
        "no second push to {device}: this release sends none to such a device",
        ("OP-70",),
    ),
    "push-off": ("no push to {device}: push was switched off meanwhile", ("GEN-09",)),
    "signed-out": ("no push to {device}: it has signed out meanwhile", ("REG-08",)),
    "cancelled": ("the caller gave up: it gets 487", ("CALL-11", "SHL-01")),
    "node-stopping": (
        "{node} is being stopped: the caller gets 503 and may try another node",
        ("CALL-22",),
    ),
    "node-died": (
        "{node} died, and the call with it: nobody answers the caller any more",
        ("CALL-22",),
    ),
    "fault": ("a fault of {node}: the call was ended", ()),
    "final": ("the caller gets {status}", ("CALL-09",)),
}
"""Step code to sentence and requirement ids. Invariants (I4) are those of the design."""

WAIT_ENDS: Final = frozenset({"dropped", "extended", "gave-up", "push-refused", "push-no-service"})
"""Steps after which a device is not waited for any more, while the call may go on."""


class Step(NamedTuple):
    """One thing that happened."""

    at: Instant
    code: str
    device: str
    values: tuple[tuple[str, str | int], ...] = ()

    def sentence(self) -> str:
        """What happened, in words."""
        shown = {"device": self.device}
        for name, value in self.values:
            shown[name] = in_words(name, value)
        return SENTENCES[self.code][0].format_map(shown)

    def requirements(self) -> tuple[str, ...]:
        """Why: ids of the catalogue."""
        return SENTENCES[self.code][1]

    def value(self, name: str) -> str:
        """One value in words, "" if it has none of this name."""
        return next((in_words(name, value) for known, value in self.values if known == name), "")


def in_words(name: str, value: str | int) -> str:
    """A value of a step by the unit or kind that its name ends with."""
    if name == "status":
        return f"{value} {reason_of(int(value))}"
    return f"{int(value) / 1000:.3f} s" if name.endswith("_ms") else str(value)


@dataclass(slots=True)
class CallRecord:
    """What is kept of a call, also after its end."""

    call_uuid: str
    call_id: str
    node: str
    caller: str
    dn: str
    started_at: Instant
    release: str = ""  # of the cluster: its rules
    ended_at: Instant | None = None
    status: int | None = None  # final response to the caller
    steps: list[Step] = field(default_factory=list)
    called: dict[str, CalledDevice] = field(default_factory=dict)  # by device name

    def note(self, now: Instant, code: str, device: str = "", **values: str | int) -> None:
        """Add a step."""
        self.steps.append(Step(now, code, device, tuple(values.items())))

    @property
    def lost(self) -> bool:
        """True if the node of the call died with it: no answer can come (CALL-22)."""
        return any(step.code == "node-died" for step in self.steps)

    def note_death(self, now: Instant) -> None:
        """The node of the call died; a call that had its final answer lives on without it."""
        if self.status is None:
            self.note(now, "node-died", node=self.node)

    def note_late(self, now: Instant, device: str) -> None:
        """A device registered that is not waited for any more."""
        since = next(
            (it.at for it in reversed(self.steps) if it.device == device and it.code in WAIT_ENDS),
            self.ended_at or self.started_at,
        )
        self.note(now, "late-register", device, late_ms=(now - since) // MS)
