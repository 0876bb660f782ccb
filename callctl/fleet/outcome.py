"""The result of a run, made of what the fleet has counted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from callctl.fleet.call_track import STAGES, CallTrack
from callctl.fleet.plan import Plan
from callctl.fleet.quantity import duration_text
from callctl.fleet.result import (
    CallsResult,
    EventResult,
    Example,
    FailureResult,
    FleetResult,
    GeneratorResult,
    ProcessResult,
    SecondResult,
    SetUpResult,
    StageResult,
)
from callctl.fleet.run import Fleet
from callctl.fleet.schedule import expected_until
from callctl.fleet.watch import FLEET
from sipstack.timing import SECOND, Instant

BUSY_CPU: Final = 0.9  # of one processor: an event loop cannot have more than one
BUSY_SHARE: Final = 0.2  # of the seconds of a run
LAG_MS: Final = 50.0  # p99, of the event loop and of the starts of calls
OTHERS: Final = "other processes"
OTHERS_CPU: Final = 0.3  # processors of the machine; past it they disturb
MB: Final = 1_000_000


def result_of(fleet: Fleet) -> FleetResult:
    """What a run has shown; it may have ended early."""
    tally, plan = fleet.tally, fleet.plan
    judged = tally.as_planned + tally.failed
    well = judged > 0 and tally.failed_share <= plan.allowed_failures and not fleet.faults
    generator = generator_of(fleet)
    return FleetResult(
        started_at=fleet.started_at.isoformat(timespec="seconds"),
        ground="" if fleet.ground is None else fleet.ground.name,
        seed=plan.seed,
        plan=dict(plan_lines(plan)),
        notes=(*fleet.notes, *_remarks(fleet)),
        ended_early=fleet.ended_early,
        ok=well and not tally.not_placed,
        allowed_failures=plan.allowed_failures,
        set_up=_set_up(fleet),
        calls=_calls(fleet),
        stages=tuple(
            StageResult(
                stage.name,
                stage.text,
                stage.planned,
                tally.stages[stage.name].summary(),
                tally.stages[stage.name].histogram(),
            )
            for stage in STAGES
        ),
        seconds=tuple(_seconds(fleet)),
        failures=tuple(_failures(fleet)),
        processes=tuple(_processes(fleet)),
        generator=generator,
        events=tuple(
            EventResult(round(it.at_s, 3), f"{it.node} {it.what}")
            for it in (fleet.timetable.events if fleet.timetable is not None else ())
        ),
        counts=_counts(fleet),
        ignored=dict(sorted(fleet.clockwork.ignored.items())),
    )


def plan_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """The plan in a few lines, for people."""
    phones, calls = plan.phones, plan.calls
    for group in phones.groups:
        versions = ", ".join(f"{name} {_percent(share)}" for name, share in group.os_versions)
        region = ", China" if group.custom_region else ""
        text = f"{_percent(group.share)}, {group.client.value} {group.client_version}"
        yield f"phones: {group.name}", f"{text} on {group.platform.value} {versions}{region}"
    yield "phones", f"{phones.count}, {_percent(phones.awake)} awake, " \
        f"{_percent(phones.never_wake)} never wake"  # fmt: skip
    spoken = ", ".join(f"{name.lower()} {_percent(share)}" for name, share in phones.transports)
    yield "transports", f"{spoken}; callers {plan.caller_transport.lower()}"
    arrivals = "Poisson" if calls.poisson else "even"
    yield "calls", f"{calls.per_second:g} per second, {arrivals}, for " \
        f"{duration_text(calls.duration_ns)}, ramp {duration_text(calls.ramp_up_ns)}"  # fmt: skip
    yield "answers", ", ".join(f"{it.value} {_percent(share)}" for it, share in calls.answers)
    yield "callers", str(plan.callers)
    networks = plan.networks
    if networks.changes or networks.losses:
        yield "networks", f"{networks.changes * 3_600:g} changes and " \
            f"{networks.losses * 3_600:g} losses per phone and hour"  # fmt: skip


def generator_of(fleet: Fleet) -> GeneratorResult:
    """Whether the fleet kept up with its own schedule."""
    tally, watch = fleet.tally, fleet.watch
    lag, lateness, limits = watch.lag.summary(), tally.lateness.summary(), []
    samples = watch.processes[FLEET].samples
    busy = sum(sample.cpu >= BUSY_CPU for sample in samples)
    if samples and busy / len(samples) >= BUSY_SHARE:
        limits.append(f"the fleet used up its processor in {busy} of {len(samples)} seconds")
    if lag is not None and lag.p99 > LAG_MS:
        limits.append(f"its event loop was {lag.p99:.0f} ms late at the 99th percentile")
    if lateness is not None and lateness.p99 > LAG_MS:
        limits.append(f"calls were placed {lateness.p99:.0f} ms late at the 99th percentile")
    return GeneratorResult(tuple(limits), lag, lateness, tally.late)


def _remarks(fleet: Fleet) -> Iterator[str]:
    """What somebody who reads the figures should know."""
    tally = fleet.tally
    if tally.not_placed:
        yield f"{tally.not_placed} calls were not placed: no phone was free; more phones are needed"
    for name, watched in fleet.watch.processes.items():
        busy = sum(sample.cpu >= BUSY_CPU for sample in watched.samples)
        if name != FLEET and watched.samples and busy / len(watched.samples) >= BUSY_SHARE:
            seconds = len(watched.samples)
            yield f"the {name} used up a processor in {busy} of {seconds} seconds: it was the limit"
    others = [sample.cpu for sample in fleet.watch.others]
    if others and sum(others) / len(others) > OTHERS_CPU:
        mean = sum(others) / len(others)
        yield (
            f"other processes used {mean:.1f} of {os.cpu_count()} processors meanwhile: "
            "times are longer than they would be without them"
        )
    for fault in fleet.faults:
        yield f"a fault of the fleet itself: {fault}"


def _set_up(fleet: Fleet) -> SetUpResult:
    enrolment, attachments = fleet.enrolment, fleet.attachments
    return SetUpResult(
        wanted=len(fleet.handsets),
        ready=fleet.ready,
        seconds=round(fleet.enrolled_s, 3),
        troubles={} if enrolment is None else dict(enrolment.troubles.most_common()),
        streams=0 if attachments is None else attachments.streams,
    )


def _calls(fleet: Fleet) -> CallsResult:
    tally, calls = fleet.tally, fleet.plan.calls
    placed_s = min(fleet.placed_s, calls.duration_ns / SECOND)
    asked = expected_until(calls, round(placed_s * SECOND))
    full = [it.placed for it in tally.seconds[-(-calls.ramp_up_ns // SECOND) : int(placed_s)]]
    return CallsResult(
        asked=round(asked, 1),
        placed=tally.placed,
        as_planned=tally.as_planned,
        failed=tally.failed,
        cut_short=tally.cut_short,
        not_placed=tally.not_placed,
        retried=tally.retried,
        to_sleepers=tally.to_sleepers,
        seconds=round(placed_s, 3),
        rate_asked=calls.per_second,
        rate_achieved=round(sum(full) / len(full), 2) if full else 0.0,
        outcomes=dict(tally.outcomes.most_common()),
        nodes=dict(sorted(tally.nodes.items())),
    )


def _seconds(fleet: Fleet) -> Iterator[SecondResult]:
    calls = fleet.plan.calls
    for at, second in enumerate(fleet.tally.seconds):
        before = expected_until(calls, at * SECOND)
        asked = expected_until(calls, (at + 1) * SECOND) - before
        yield SecondResult(
            at, round(asked, 2), second.placed, second.rang, second.as_planned, second.failed
        )


def _failures(fleet: Fleet) -> Iterator[FailureResult]:
    told = {} if fleet.explainer is None else fleet.explainer.told
    began = fleet.tally.began or Instant(0)
    failures = sorted(fleet.tally.failures.values(), key=lambda it: (-it.count, it.reason))
    for failure in failures:
        examples = tuple(_example(track, began) for track in failure.examples)
        yield FailureResult(failure.reason, failure.count, examples, told.get(failure.reason))


def _example(track: CallTrack, began: Instant) -> Example:
    at_s = round((track.planned_at - began) / SECOND, 3)
    return Example(track.call_id, at_s, track.caller, track.callee, track.device, track.node)


def _processes(fleet: Fleet) -> Iterator[ProcessResult]:
    for name, watched in fleet.watch.processes.items():
        samples = watched.samples
        yield ProcessResult(
            name,
            tuple(round(it.at_s, 2) for it in samples),
            tuple(round(it.cpu, 3) for it in samples),
            tuple(round(it.memory / MB, 1) for it in samples),
        )
    others = fleet.watch.others
    yield ProcessResult(
        OTHERS,
        tuple(round(it.at_s, 2) for it in others),
        tuple(round(it.cpu, 3) for it in others),
        (),
    )


def _counts(fleet: Fleet) -> dict[str, int]:
    phones, wires = fleet.phone_counts, fleet.wire_counts
    counts = {
        "pushes": phones.pushes,
        "pushes slept through": phones.pushes_slept_through,
        "pushes that waited for a network": phones.pushes_waited,
        "wakes": phones.wakes,
        "REGISTERs": phones.registers,
        "registrations failed": phones.registrations_failed,
        "sign-ins failed": phones.sign_ins_failed,
        "apps ended by iOS": phones.apps_ended_by_system,
        "INVITEs that nobody expected": phones.invites_unexpected,
        "messages lost without a network": wires.lost,
    }
    counts |= {f"pushes rejected: {why}": n for why, n in sorted(phones.pushes_rejected.items())}
    if fleet.churn is not None:
        counts["networks changed"] = fleet.churn.counts.changes
        counts["networks lost"] = fleet.churn.counts.losses
    if fleet.endpoint is not None:
        counts["pushes for nobody"] = fleet.endpoint.refused
    return {name: count for name, count in counts.items() if count}


def _percent(share: float) -> str:
    return f"{share * 100:g}%"
