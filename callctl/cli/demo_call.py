"""The call of the demo: placed, watched from every side, and judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from callctl.cli.ladder import CLOUD, Ladder
from callctl.io.capture_file import CaptureFile
from callctl.io.host import Hosted
from callctl.io.lab import Cast, NotReady, raise_cast, until
from callctl.io.phone_shell import OnPhoneEvent
from callctl.io.tapped import Address
from callctl.phone.event import CallEnded, EndCause, UserAgentEvent
from callctl.phone.phone_event import AppWoken, CallShown, PhoneAction, PhoneRang, PushArrived
from callctl.push.kind import PushKind
from sipstack.timing import MS, Instant

CALLEE: Final = "1005"
IPHONE: Final = "TCT1005"
DESK_NAME: Final = "desk phone"
IPHONE_NAME: Final = "iPhone"
TALK_NS: Final = 500 * MS
CALL_S: Final = 20.0  # for the call to end
REST_S: Final = 15.0  # for the last of it to be gone

TRANSIENT: Final = (
    "calls",
    "relays",
    "client_transactions",
    "server_transactions",
    "pushes",
    "posted_pushes",
)
"""Counts of a node that are zero once nothing is left of a call."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step that a call to a sleeping phone has to take."""

    name: str
    at: Instant | None  # None: it did not happen


class DemoCall:
    """A desk phone calls a sleeping iPhone."""

    def __init__(self, host: Hosted, trace: Path | None = None) -> None:
        """`trace`: a pcapng file to write."""
        self._cluster = host.cluster
        self._parties = host.parties
        self._trace = trace
        self._end: CallEnded | None = None
        self._seen: dict[str, Instant] = {}  # at the phone, first times
        self._at_rest_at: Instant | None = None
        self.ladder = Ladder(host.cluster.cluster.nodes, {})
        self.stages: list[Stage] = []
        self.problems: list[str] = []

    @property
    def ok(self) -> bool:
        """True if everything happened, in order, and nothing is left."""
        return bool(self.stages) and not self.problems

    async def set_stage(self) -> Cast:
        """Raise the phones and let the mobiles sleep. Raises: NotReady."""

        def hears(name: str) -> OnPhoneEvent:
            return self._phone_event if name == IPHONE else _deaf

        return await raise_cast(
            self._cluster, self._parties, on_desk_event=self._desk_event, on_phone_event=hears
        )

    async def run(self, cast: Cast) -> None:
        """Call, wait for the end, judge."""
        self.ladder = Ladder(self._cluster.cluster.nodes, self._addresses(cast))
        with self._watched():
            cast.desk_phone.invite(CALLEE, hang_up_after_ns=TALK_NS)
            try:
                await until(lambda: self._end is not None, "the call does not end", within_s=CALL_S)
                await until(lambda: not any(self.left().values()), "it leaves", within_s=REST_S)
                self._at_rest_at = self._cluster.clock()
            except NotReady:
                pass  # what is missing is the judge's to say
        self._judge()

    def left(self) -> dict[str, int]:
        """What is alive of calls, over all nodes."""
        counts = self._cluster.counts().values()
        return {name: sum(of_node[name] for of_node in counts) for name in TRANSIENT}

    def after_ms(self, stage: Stage) -> float | None:
        """When a stage came, from the first one on."""
        began = self.stages[0].at
        if stage.at is None or began is None:
            return None
        return round((stage.at - began) / MS, 1)

    def report(self) -> list[dict[str, Any]]:
        """The stages as plain data."""
        return [{"name": stage.name, "at_ms": self.after_ms(stage)} for stage in self.stages]

    # What happens.

    @contextmanager
    def _watched(self) -> Iterator[None]:
        tap = self._cluster.tap
        tap.add(self.ladder)
        capture = None
        if self._trace is not None:
            epoch = self._cluster.clock.unix_ns(Instant(0))
            capture = CaptureFile(self._trace, epoch)
            tap.add(capture)
        try:
            yield
        finally:
            tap.remove(self.ladder)
            if capture is not None:
                tap.remove(capture)
                capture.close()

    def _addresses(self, cast: Cast) -> dict[Address, str]:
        addresses = {
            (listener.host, listener.port): name
            for name, node in self._cluster.cluster.nodes.items()
            for listener in node.listeners
        }
        desk, iphone = cast.desk_phone.settings, cast.mobiles[IPHONE].settings.agent
        addresses[desk.local_host, desk.local_port] = DESK_NAME
        addresses[iphone.local_host, iphone.local_port] = IPHONE_NAME
        return addresses

    def _desk_event(self, now: Instant, event: UserAgentEvent) -> None:
        if isinstance(event, CallEnded):
            self._end = event

    def _phone_event(self, now: Instant, event: PhoneAction | PushArrived) -> None:
        match event:
            case PushArrived(push_type=push_type):
                self._seen.setdefault("push", now)
                self.ladder.add(now, CLOUD, IPHONE_NAME, f"{push_type} push")
            case AppWoken():
                self._seen.setdefault("woken", now)
                self.ladder.add(now, IPHONE_NAME, IPHONE_NAME, "app woken")
            case CallShown(caller_name=name):
                self.ladder.add(now, IPHONE_NAME, IPHONE_NAME, f"shows {name}")
            case PhoneRang():
                self.ladder.add(now, IPHONE_NAME, IPHONE_NAME, "rings")

    # What it means.

    def _judge(self) -> None:
        ladder, seen = self.ladder, self._seen
        records = self._cluster.records()
        posted = [
            entry.posted_at
            for _, entry in self._cluster.pushes()
            if entry.kind is PushKind.INCOMING and entry.device_name == IPHONE
        ]

        def rung(method: str, status: int | None = None, **ends: str) -> Instant | None:
            found = ladder.first(method, status, **ends)
            return None if found is None else found.at

        self.stages = [
            Stage("INVITE in", records[-1].started_at if records else None),
            Stage("push out", posted[0] if posted else None),
            Stage("push at phone", seen.get("push")),
            Stage("app woken", seen.get("woken")),
            Stage("REGISTER", rung("REGISTER", source=IPHONE_NAME)),
            Stage("INVITE out", rung("INVITE", target=IPHONE_NAME)),
            Stage("180 Ringing", rung("INVITE", 180, source=IPHONE_NAME)),
            Stage("200 OK", rung("INVITE", 200, source=IPHONE_NAME)),
            Stage("BYE", rung("BYE", target=IPHONE_NAME)),
            Stage("nothing left", self._at_rest_at),
        ]
        self.problems += [f"{stage.name}: missing" for stage in self.stages if stage.at is None]
        times = [(stage.at, stage.name) for stage in self.stages if stage.at is not None]
        for (before, first), (after, second) in pairwise(times):
            if after < before:
                self.problems.append(f"{second} came before {first}")
        if self._end is None or self._end.cause is not EndCause.HUNG_UP:
            why = "not at all" if self._end is None else self._end.cause.value
            self.problems.append(f"the call did not end by hanging up, but: {why}")
        left = {name: count for name, count in self.left().items() if count}
        if left:
            self.problems.append(f"left behind: {left}")


def _deaf(now: Instant, event: PhoneAction | PushArrived) -> None:
    """Hears nothing of the phones that only sleep."""
