"""How a call ended and for whom: the closing paragraph of its story.

Made from the steps alone, so that it says nothing that the story does not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from callctl.call.story import CallRecord, Step
from sipstack.message.status import reason_of
from sipstack.timing import SECOND

STANDS: Final = {
    # It does not answer any more.
    "late-answer": "{device} answered as well and was hung up",
    "declined": "{device} declined ({status})",
    "failed": "{device} answered {status}",
    "unsendable": "the INVITE could not be sent to {device} ({why})",
    "gave-up": "{device} did not answer within its {wait_s} s",
    "no-answer": "{device} rang for as long as a call may ring",
    "lost": "{device} was lost ({why})",
    "extended": "{device} {why}",
    "dropped": "{device} did not register within {drop_s} s",
    "push-refused": "{device} cannot be pushed to until it has signed in again",
    "push-no-service": "{device} could not be pushed to (see Pushes)",
    "trunk-failed": "{destination} of {device} did not take the call ({why})",
    "crowded": "{device} had as many calls waiting as it may",
    "no-node": "{device} could not be woken, as no node of its CM group ({group}) is in service",
    "unreachable": "{device} was not registered and could not be woken ({why})",
    # It could still have answered.
    "ringing": "{device} was ringing",
    "offered": "{device} had the INVITE and said nothing yet",
    "joined": "{device} had the INVITE and said nothing yet",
    "direct": "{device} had the INVITE and said nothing yet",
    "flow-doubtful": "{device} had not registered again",
    "flow-lost": "{device} had not registered again",
    "parked": "{device} had not registered yet",
    "trunk": "{destination} of {device} had said nothing yet",
}
"""How a party of the call stands after a step; the last one counts."""

LOST_AGAIN: Final = "{device} was lost and did not come back within {drop_s} s"
"""Instead of "dropped", for a device that had the INVITE."""

PUSH_FAILURES: Final = frozenset({"push-refused", "push-no-service"})
UNREGISTERED: Final = frozenset({"dropped", "extended", "parked"})
WAITED: Final = UNREGISTERED | PUSH_FAILURES | {"gave-up"}
INVITED: Final = frozenset({"direct", "offered", "joined", "ringing"})
RINGS: Final = frozenset({"ringing", "ring-back"})

WAYS: Final = {
    "hunt": "called as member {number} of hunt pilot {pilot}",
    "hunt-all": "called as a member of hunt pilot {pilot}",
    "forward-unconditional": "forwarded to {number}, as all calls for {dn} are",
    "forward-busy": "forwarded to {number}, as {dn} was busy",
    "forward-no-answer": "forwarded to {number}, as nobody answered {dn}",
    "forward-unregistered": "forwarded to {number}, as nobody could be reached at {dn}",
    "extended": "called at {number}, the mobility identity of the user of {device}",
}
"""How a call came to a number other than the one that was dialled; of hunts, the last step."""

TOLD: Final = {
    "branch-cancelled": ("CANCEL", "that another device answered"),
    "elsewhere-push": ("push", "that another device answered"),
    "branch-left": ("CANCEL", "to stop ringing, and that nothing was missed"),
    "cancelled-push": ("push", "to stop ringing, and that nothing was missed"),
    "branch-ended": ("CANCEL", "of a missed call"),
    "missed-push": ("push", "of a missed call"),
}
"""How a device hears that the call is over for it, and what."""


def verdict(record: CallRecord) -> str:
    """The closing paragraph."""
    status = record.status
    names = _names(record)
    if status is None:
        died = _last(record, "node-died")
        if died is None:
            return f"The call is under way{_so_far(record)}."
        after_s = (died.at - record.started_at) / SECOND
        fates = [_fate(record, name) for name in names]
        how = f", when {_listed(fates)}" if fates else ""
        return f"Lost: {record.node} died after {after_s:.3f} s, and the call with it{how}."
    if 200 <= status < 300:
        answered = _last(record, "answered")
        answerer = "" if answered is None else answered.device
        names = [name for name in names if name != answerer]
        sentences = [_answered(record, answerer), _heard(record)]
        sentences += _tried_in_vain(record)
        for name in names:
            told = _told(record, name)
            sentences.append(f"{_fate(record, name)}{f', and is{told}' if told else ''}.")
    else:
        sentences = [_not_answered(record, status, names), _heard(record)]
        news: dict[str, list[str]] = {}
        for name in names:
            news.setdefault(_told(record, name), []).append(name)
        sentences += [f"{_listed(who)}{_are(who)}{told}." for told, who in news.items() if told]
    for name in names:
        sentences += _notes(record, name)
    if status == 503 and not any(_cause(step) for step in record.steps) and _push_failed(record):
        # Invariant I7.
        sentences.append("A push that fails says nothing of the subscriber: 503, and no 480.")
    return " ".join(sentence for sentence in sentences if sentence)


def _answered(record: CallRecord, name: str) -> str:
    device = record.called.get(name)
    text = f"Answered by {name}" if device is None else f"Answered by {name}, {device.kind},"
    text += f" after {_after_s(record):.3f} s"
    direct = _last(record, "direct", name)
    if direct is not None:
        text += f" on its live flow at {direct.value('node')}"
    trunk = _last(record, "trunk", name)
    if trunk is not None:
        text += f" at {trunk.value('destination')}"
    ways: dict[str, Step] = {}
    for step in record.steps:
        if step.device == name:
            break
        if step.code in WAYS:
            ways.pop("hunt" if step.code.startswith("forward") else step.code, None)
            ways[step.code] = step
    if ways:
        how = "; ".join(WAYS[code].format_map(_values(step)) for code, step in ways.items())
        text += f": {how}"
    came, parked = _last(record, "registered", name), _last(record, "parked", name)
    if came is not None and parked is not None:
        took_s = (came.at - parked.at) / SECOND
        text += f"; asleep at first, it registered at {came.value('node')} {took_s:.3f} s later"
        text += _why_there(record, came)
    return f"{text}."


def _why_there(record: CallRecord, came: Step) -> str:
    """Why a push sent a device to a node where it was not before."""
    for step in reversed(record.steps):
        if step.device == came.device and step.code in ("ring-push", "ring-push-again"):
            moved = step.value("node") == came.value("node") and " out of service" in step.value(
                "why"
            )
            return f" ({step.value('why')})" if moved else ""
    return ""


def _tried_in_vain(record: CallRecord) -> Iterator[str]:
    """Of a call that was answered: the destinations of trunks that did not take it."""
    for step in record.steps:
        if step.code == "trunk-failed":
            tried = f"{step.value('destination')} of {step.device}"
            yield f"Tried in vain: {tried} ({step.value('why')})."


def _not_answered(record: CallRecord, status: int, names: list[str]) -> str:
    after = f"{_after_s(record):.3f} s"
    fates = [_fate(record, name) for name in names]
    why = next((told for step in record.steps if (told := _cause(step))), _listed(fates))
    if status == 487:
        return f"Not answered: the caller gave up after {after}{f', when {why}' if why else ''}."
    because = f", because {why}" if why else ""
    return f"Not answered: the caller got {status} {reason_of(status)} after {after}{because}."


def _cause(step: Step) -> str:
    """Why nobody could answer, if it is no matter of a device."""
    if step.code == "node-stopping":
        return f"{step.value('node')} was being stopped"
    if step.code == "fault":
        return f"{step.value('node')} had a fault of its own"
    return f"nobody has number {step.value('dn')}" if step.code == "no-such-line" else ""


def _fate(record: CallRecord, name: str) -> str:
    """How one party stood at the end, as a clause."""
    stands = _stands(record, name)
    assert stands is not None
    text = STANDS[stands.code]
    if stands.code == "dropped" and any(
        step.device == name and step.code in INVITED for step in record.steps
    ):
        text = LOST_AGAIN
    late = _last(record, "late-register", name)
    if late is not None and stands.code in UNREGISTERED:
        text += f" (it did {late.value('late_ms')} too late)"
    return text.format_map(_values(stands))


def _told(record: CallRecord, name: str) -> str:
    """What a device hears of the end: " told by push that ..."; "" if there is nothing to say."""
    if name not in record.called:
        return ""  # a trunk
    codes = {step.code for step in record.steps if step.device == name}
    told = [TOLD[code] for code in TOLD if code in codes]
    if _cloud_failed(codes):
        # Whether a second push leaves depends on what became of the first.
        told = [(means, what) for means, what in told if means != "push"]
    if told:
        means = " and ".join(dict.fromkeys(means for means, _ in told))
        return f" told by {means} {told[0][1]}"
    if "no-second-push" in codes:
        return " told nothing, as the release has no second push for such a device"
    return ""


def _notes(record: CallRecord, name: str) -> Iterator[str]:
    """Where to look further, for a device that was waited for in vain."""
    codes = {step.code for step in record.steps if step.device == name}
    if INVITED & codes:
        return
    if _cloud_failed(codes) and codes & WAITED:
        yield f"The cloud had not taken the push to {name} (see Pushes)."
    elif {"push-accepted", "dropped", "no-node"} <= codes:
        yield (
            f"The push sent {name} to a node that went out of service meanwhile, and its CM group "
            "has no other that is in service."
        )
    elif {"push-accepted", "dropped"} <= codes and "late-register" not in codes:
        device = record.called.get(name)
        if device is not None and device.custom_region:
            yield (
                f"The cloud had taken the push, but in the custom region {name} shows a message "
                "and rings only once that is tapped."
            )
        else:
            yield (
                f"The cloud had taken the push, so the answer is on {name} itself: switched off, "
                "without a network, or its app kept from running."
            )


def _push_failed(record: CallRecord) -> bool:
    return any(step.code in ("push-failed", "push-no-service") for step in record.steps)


def _listed(texts: list[str]) -> str:
    """ "one", "one and another", "one, another and a third"."""
    return " and ".join([", ".join(texts[:-1]), *texts[-1:]][-min(len(texts), 2) :])


def _are(names: list[str]) -> str:
    return " is" if len(names) == 1 else " are"


def _cloud_failed(codes: set[str]) -> bool:
    return "push-failed" in codes and "push-accepted" not in codes


def _heard(record: CallRecord) -> str:
    """What the caller heard before the end."""
    first = next((step for step in record.steps if step.code in RINGS), None)
    if first is None:
        return ""
    after_s = (first.at - record.started_at) / SECOND
    by_us = ", though no device rang by then" if first.code == "ring-back" else ""
    return f"The caller heard ringing from {after_s:.3f} s on{by_us}."


def _so_far(record: CallRecord) -> str:
    """Who rings, or is waited for."""
    stand = {name: step.code for name in _names(record) if (step := _stands(record, name))}
    rings = [name for name, code in stand.items() if code == "ringing"]
    waits = [name for name, code in stand.items() if code == "parked"]
    told = [f"{' and '.join(rings)} ringing"] if rings else []
    told += [f"{' and '.join(waits)} parked so far"] if waits else []
    return f", {', '.join(told)}" if told else ""


def _stands(record: CallRecord, name: str) -> Step | None:
    """The step that says how a party of the call stands."""
    found: Step | None = None
    for step in record.steps:
        if step.device != name or step.code not in STANDS:
            continue
        if step.code in PUSH_FAILURES and found is not None and found.code in INVITED:
            continue  # it has its INVITE by another way
        found = step
    return found


def _names(record: CallRecord) -> list[str]:
    """Every party that was called, in the order in which the story comes to it."""
    return list(dict.fromkeys(step.device for step in record.steps if step.code in STANDS))


def _last(record: CallRecord, code: str, device: str = "") -> Step | None:
    return next(
        (it for it in reversed(record.steps) if it.code == code and device in ("", it.device)),
        None,
    )


def _values(step: Step) -> dict[str, str]:
    return {"device": step.device} | {name: step.value(name) for name, _ in step.values}


def _after_s(record: CallRecord) -> float:
    return ((record.ended_at or record.started_at) - record.started_at) / SECOND
