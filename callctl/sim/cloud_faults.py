"""Draws what goes wrong between the push services and the clouds; see `faults` for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from callctl.cloud.faults import Fault
from callctl.sim.cloud_way import Way
from callctl.sim.scenario import CALLS_FROM_NS, CallPlan, CloudPlan, Trouble, TroublePlan
from sipstack.timing import MS

RETRY_AFTER_S: Final = 90  # the longest that CI or Push REST asks for
GONE: Final = tuple(way.value for way in Way if way is not Way.OPEN)


@dataclass(frozen=True, slots=True)
class CloudDraw:
    """What one run has of it."""

    plan: CloudPlan
    ci_faults: tuple[Fault, ...]
    push_rest_faults: tuple[Fault, ...]
    troubles: tuple[TroublePlan, ...]


def draw_cloud(
    random: Random,
    nodes: tuple[str, ...],
    managed: tuple[str, ...],
    calls: tuple[CallPlan, ...],
    until: int,
) -> CloudDraw:
    """`managed`: phones whose clients sign in. Nothing begins after `until`."""
    plan = CloudPlan(token_again_s=random.choice((600, 600, 60, 20)), proxy=random.random() < 0.25)
    if random.random() < 0.3:
        plan = CloudPlan(random.randrange(8, 120), plan.token_again_s, plan.proxy)
    troubles: list[TroublePlan] = []
    for _ in range(random.choices((0, 1, 2), (55, 30, 15))[0]):
        at = random.randrange(CALLS_FROM_NS, until)
        if random.random() < 0.7:
            at = random.choice(calls).at + random.randrange(-1_000, 8_000) * MS
        back = at + random.randrange(100, 40_000) * MS
        troubles += _trouble(random, nodes, managed, plan.proxy, at, back)
    return CloudDraw(
        plan,
        _ci_faults(random),
        _push_rest_faults(random),
        tuple(each for each in troubles if each.at < until),
    )


def _trouble(
    random: Random,
    nodes: tuple[str, ...],
    managed: tuple[str, ...],
    proxy: bool,
    at: int,
    back: int,
) -> tuple[TroublePlan, ...]:
    node = (random.choice(nodes),)
    gone = (random.choice(GONE),)
    kinds = [
        (TroublePlan(at, Trouble.CPNS_HANG, node), TroublePlan(back, Trouble.CPNS_KILL, node)),
        (TroublePlan(at, Trouble.CPNS_HANG, node), TroublePlan(back, Trouble.CPNS_GO_ON, node)),
        (TroublePlan(at, Trouble.CPNS_KILL, node), TroublePlan(back, Trouble.CPNS_START, node)),
        (TroublePlan(at, Trouble.CPNS_STOP, node), TroublePlan(at + MS, Trouble.CPNS_START, node)),
        (TroublePlan(at, Trouble.CLOUD_GONE, gone), TroublePlan(back, Trouble.CLOUD_BACK)),
        (TroublePlan(at, Trouble.CI_GONE, gone), TroublePlan(back, Trouble.CI_BACK)),
        (TroublePlan(at, Trouble.TOKENS_REVOKED),),
        (TroublePlan(at, Trouble.TOKENS_REVOKED), TroublePlan(at, Trouble.CI_GONE, gone)),
        (
            TroublePlan(at, Trouble.ACCOUNT_SUSPENDED),
            TroublePlan(back, Trouble.ACCOUNT_RESUMED),
        ),
        (TroublePlan(at, Trouble.PROVIDERS_DOWN),),
    ]
    if managed:
        phone = (random.choice(managed),)
        kinds += [(TroublePlan(at, Trouble.NEW_TARGETS, phone),)] * 2
    if proxy:
        kinds += [
            (
                TroublePlan(at, Trouble.FIRST_ADDRESS_GONE, (Way.BLACK_HOLE.value,)),
                TroublePlan(back, Trouble.FIRST_ADDRESS_BACK),
            )
        ] * 3
    return random.choice(kinds)


def _ci_faults(random: Random) -> tuple[Fault, ...]:
    if random.random() < 0.75:
        return ()
    return (
        random.choice(
            (
                Fault(status=400, reason="invalid_grant", times=random.choice((1, None))),
                Fault(status=429, retry_after_s=random.randrange(1, RETRY_AFTER_S), times=1),
                Fault(status=500, per_mille=700),
                Fault(status=503, retry_after_s=random.randrange(1, RETRY_AFTER_S)),
                Fault(silent=True, per_mille=700),
                Fault(delay_ns=random.randrange(1, 8_000) * MS),
                Fault(garbage=True, times=1),
                Fault(break_after=20, times=2),
            )
        ),
    )


def _push_rest_faults(random: Random) -> tuple[Fault, ...]:
    if random.random() < 0.7:
        return ()
    share = random.choice((200, 1000))
    return (
        random.choice(
            (
                Fault(
                    status=429,
                    reason="TooManyRequests",
                    retry_after_s=random.randrange(1, RETRY_AFTER_S),
                    times=random.choice((1, None)),
                ),
                Fault(
                    status=503,
                    reason="Busy",
                    retry_after_s=random.randrange(1, 20),
                    per_mille=share,
                ),
                Fault(break_after=random.randrange(0, 40), per_mille=share),
                Fault(octet_every_ns=random.choice((1, 20, 80)) * MS, per_mille=share),
                Fault(garbage=True, per_mille=share),
                Fault(status=410, reason="TargetExpired", times=random.choice((1, 2))),
            )
        ),
    )
