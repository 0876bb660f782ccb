"""The part of a world file that says how to draw what is not listed (see `schema`)."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import Field

from callctl.model.entry import Entry
from callctl.model.values import Dn, Kind, ReleaseText, Text
from callctl.sim.scenario import Trouble
from callctl.sim.world_file.values import Count, CountText, Percent, Span, SpanText
from sipstack.timing import MS, SECOND

Weight: TypeAlias = Annotated[int, Kind("weight"), Field(ge=1, le=1_000)]

WEIGHTS: Final[dict[Trouble, int]] = {
    Trouble.STOP: 4,
    Trouble.KILL: 4,
    Trouble.POWER_OFF: 4,
    Trouble.CUT: 5,
    Trouble.CPNS_STOP: 1,
    Trouble.CPNS_HANG: 1,
    Trouble.CPNS_KILL: 1,
    Trouble.CLOUD_GONE: 1,
    Trouble.CI_GONE: 1,
    Trouble.TOKENS_REVOKED: 1,
    Trouble.ACCOUNT_SUSPENDED: 1,
    Trouble.PROVIDERS_DOWN: 1,
    Trouble.NEW_TARGETS: 1,
}
"""How often each trouble is drawn beside the others, unless a file says otherwise."""


class DrawClusterEntry(Entry):
    """A cluster that is made up. Each device has a line of its own, if it shares none."""

    nodes: CountText = Field(default=Count(1, 3), description="Nodes, at most 9.")
    cm_groups: CountText = Field(
        default=Count(1, 1), description="CM groups of the phones; their order is drawn."
    )
    iphones: CountText = Field(default=Count(1, 2), description="iPhones with CallKit.")
    iphones_custom_region: CountText = Field(
        default=Count(0, 0), description="iPhones without CallKit (CHN-01)."
    )
    androids: CountText = Field(default=Count(0, 1), description="Android phones.")
    standard_clients: Percent = Field(
        default=120, description="Phones that speak RFC 8599 in place of signing in."
    )
    desk_phones: CountText = Field(
        default=Count(0, 1), description="Desk phones beside those that call."
    )
    callers: CountText = Field(default=Count(1, 3), description="Desk phones that call.")
    shared_lines: CountText = Field(
        default=Count(0, 1),
        description="Lines with two devices or three; fewer, if there are not devices enough.",
    )
    release: ReleaseText = Field(default="15", description="Release of the cluster.")


class HabitsEntry(Entry):
    """What owners of devices do, where it is not listed."""

    asleep: Percent = Field(
        default=850, description="Mobile phones that are put away before the first call."
    )
    offline: Percent = Field(default=100, description="Phones that no push reaches.")
    wake: SpanText = Field(
        default=Span(50 * MS, 1_500 * MS), description="From a push to the app at work."
    )
    looks: CountText = Field(
        default=Count(0, 0), description="How often an owner looks at the phone among the calls."
    )
    answers: Percent = Field(default=700, description="Calls that are answered.")
    declines: Percent = Field(
        default=180, description="Calls that are declined; the rest rings on."
    )
    after: SpanText = Field(default=Span(0, 8 * SECOND), description="From ringing to the answer.")


class DrawCallsEntry(Entry):
    """Calls that are made up."""

    number: CountText = Field(
        default=Count(1, 6), description="How many, unless `per_minute` is given."
    )
    gap: SpanText = Field(default=Span(0, 8 * SECOND), description="From one to the next.")
    per_minute: int | None = Field(
        default=None, ge=1, le=6_000, description="How many on an average; gaps are exponential."
    )
    lasting: int = Field(
        default=60, ge=1, le=3_600, description="Seconds that calls come at that rate."
    )
    callers: list[Text] = Field(
        default=[], description="Who calls; without it every desk phone and a trunk's other end."
    )
    targets: list[Dn] = Field(
        default=[], description="Whom; without it every line, hunt pilot and number outside."
    )
    give_up: Percent = Field(default=250, description="Callers that give up early.")
    give_up_after: SpanText = Field(
        default=Span(0, 4 * SECOND), description="How early; the others wait for 10 to 40 s."
    )
    talk: SpanText = Field(
        default=Span(500 * MS, 12 * SECOND), description="From the answer to the caller's BYE."
    )


class DrawTroublesEntry(Entry):
    """Troubles that are made up. What was broken is well again in the end, at `until` at last."""

    number: CountText = Field(default=Count(0, 3), description="How many.")
    kinds: dict[Trouble, Weight] = Field(
        default=WEIGHTS, description="Which, and how often beside the others: `{kill: 3, cut: 1}`."
    )
    near_calls: Percent = Field(
        default=600, description="Troubles that strike within 8 s of the start of a call."
    )
    mended: Percent = Field(default=700, description="Troubles that are over before the end.")
    mended_after: SpanText = Field(
        default=Span(100 * MS, 20 * SECOND), description="How long they last."
    )


class DrawEntry(Entry):
    """How to draw what is not listed."""

    cluster: DrawClusterEntry | None = Field(
        default=None, description="Sizes of the cluster; without it as the seed has it."
    )
    habits: HabitsEntry | None = Field(
        default=None, description="Of devices that are not listed, or not wholly."
    )
    calls: DrawCallsEntry | None = Field(default=None, description="Calls.")
    troubles: DrawTroublesEntry | None = Field(
        default=None, description="Troubles, in place of those of the seed or beside other faults."
    )
