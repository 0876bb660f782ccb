"""Deliberate faults of what nodes and clouds have to do with each other; see `planted_faults`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import callctl.call.call as call_module
import callctl.call.parties as parties
from callctl.call.best_response import Candidate
from callctl.cluster.event import PushBindingRemoved
from callctl.cluster.membership import Publish
from callctl.engine.node_core import NodeCore, NodeEvent
from callctl.engine.registry import Registry
from callctl.push.call_manager_link import CallManagerLink
from callctl.push.cpns import Cpns
from callctl.push.events import CpnsEvent, FetchToken, Outcome, PushLost
from callctl.push.job import Job
from callctl.push.machine_grant import refresh_form
from callctl.push.machine_token import MachineToken
from callctl.push.rest import PushRestChannel
from callctl.registration.push_binding import mark_of
from callctl.serviceability.alarm import AlarmAction, AlarmRaised
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.alarms import AlarmBoard, _key_of
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from simulation.planted_faults import fault
from sipstack.timing import SECOND, Instant

Original = Callable[..., Any]
Out = tuple[Any, ...]

# Pushes that go more than once.


def _again_after_reset(
    original: Original, cpns: Cpns, event: CpnsEvent, now: Instant, **more: bool
) -> Out:
    if isinstance(event, PushLost) and event.reason == "closed":
        job = cpns._posted.get(event.tracking_id)
        if job is not None and job.again:
            job.again = False
            return (job.post,)
    out: Out = original(cpns, event, now, **more)
    return out


fault("push sent again after a reset", "CPNS-08", (Cpns, "receive", _again_after_reset))


def _again_after_errors(original: Original, *args: object) -> Any:  # noqa: ANN401
    verdict = original(*args)
    return replace(verdict, again=verdict.again or verdict.outcome is Outcome.FAILED)


fault(
    "push sent again after an error of the cloud",
    "CPNS-08",
    (PushRestChannel, "judge", _again_after_errors),
)


def _longer_life(original: Original, cpns: Cpns, job: Job, *rest: object) -> None:
    if not job.again:
        later = Instant(job.intent.deadline + 10 * SECOND)
        job.intent = replace(job.intent, deadline=later)
    original(cpns, job, *rest)


fault("push that is posted again gets a new deadline", "I5", (Cpns, "_post", _longer_life))

# Tokens.


def _fetch_for_each(original: Original, token: MachineToken, now: Instant) -> Out:
    readiness, actions = original(token, now)
    if token._fetch_ends_at is not None and not actions and token.account is not None:
        form = refresh_form(token.account)
        actions = (FetchToken("push rest", token.account.token_url, form),)
    return readiness, actions


fault("each waiting push fetches a token", "CPNS-05", (MachineToken, "prepare", _fetch_for_each))


def _at_once(original: Original, token: MachineToken, now: Instant) -> Instant:
    original(token, now)
    token._fetch_at = Instant(now + SECOND)
    return token._fetch_at


fault("CI asked again after a second", "CPNS-05", (MachineToken, "_wait", _at_once))

# Targets that are no more.


def _keep_to_itself(original: Original, core: NodeCore, event: NodeEvent, now: Instant) -> Out:
    return tuple(
        action
        for action in original(core, event, now)
        if not (
            isinstance(action, Publish)
            and isinstance(action.event, PushBindingRemoved)
            and action.event.refused_mark
        )
    )


fault("410 not told to the other nodes", "CLOUD-06", (NodeCore, "receive", _keep_to_itself))


def _stop_the_newest(
    original: Original, registry: Registry, device_name: str, mark: str, out: list[Any]
) -> None:
    binding = registry._context.push_bindings.get(device_name)
    target = None if binding is None else binding.voip_token or binding.message_token
    original(registry, device_name, mark if target is None else mark_of(target), out)


fault("late 410 stops the new target", "CLOUD-06", (Registry, "refuse_target", _stop_the_newest))
fault(
    "410 stops nothing",
    "CLOUD-06",
    (Registry, "refuse_target", lambda original, *args: None),
)

# Alarms.


def _each_time(
    original: Original, board: AlarmBoard, event: ConditionEntered, now: Instant
) -> Iterator[AlarmAction]:
    told = tuple(original(board, event, now))
    yield from told
    if not told:
        yield board._tell(AlarmRaised, board._held[_key_of(CATALOGUE[event.alarm], event)], now)


fault("alarm raised each time", "ALARM-10", (AlarmBoard, "_entered", _each_time))


def _for_ever(original: Original, link: CallManagerLink, now: Instant, out: list[Any]) -> None:
    original(link, now, out)
    out[:] = [action for action in out if not isinstance(action, ConditionLeft)]


fault("alarm never cleared", "ALARM-10", (CallManagerLink, "_reached", _for_ever))

# What the caller is told.


def _subscriber_absent(original: Original, *, cloud_failed: bool) -> Candidate:
    made: Candidate = original(cloud_failed=False)
    return made


fault(
    "cloud that fails taken for a subscriber who is not there",
    "I7",
    (call_module, "absent", _subscriber_absent),
    (parties, "absent", _subscriber_absent),
)
