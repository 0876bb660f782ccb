"""CPNS-05, OP-14: one token fetch at a time for each node, and none before its time."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from callctl.push.channel import PUSH_REST, bearer_of
from callctl.push.events import (
    FetchToken,
    PostPush,
    PushAnswered,
    PushLost,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.token_gate import REPLACE_AGAIN_NS
from callctl.sim.cloud_way import CloudNews
from callctl.sim.party import Party
from callctl.sim.watch import Judge
from sipstack.timing import SECOND, Instant


@dataclass(slots=True)
class _Machine:
    """What one life of a push service knows of its token."""

    not_before: Instant  # by the end of the last fetch
    under_way: bool = False
    refused: bool = False  # the newest token was, and no fetch has come of it
    replaced_at: Instant | None = None
    token: str = ""
    posted: dict[str, str] = field(default_factory=dict)  # tokens by tracking id


class TokenFetches(Judge):
    """Hears what each push service asks of CI, and what it is told."""

    invariant = "CPNS-05"
    __slots__ = ("_again_ns", "_machines")

    def __init__(self, again_ns: int) -> None:
        """`again_ns`: from a fetch that failed to the next."""
        self._again_ns = again_ns
        self._machines: dict[str, _Machine] = {}  # by name of the node

    def service(self, who: Party, running: bool) -> None:
        """A start is a reason for a fetch."""
        self._machines.pop(who.name, None)
        if running:
            self._machines[who.name] = _Machine(self.now)

    def fetched(self, who: Party, fetch: FetchToken) -> None:
        """Ask for the reason."""
        machine = self._machines[who.name]
        if machine.under_way:
            self.blame(f"{who.label} fetches a second token while a fetch is under way")
        machine.under_way = True
        if self.now >= machine.not_before:
            return
        if not machine.refused:
            early = (machine.not_before - self.now) / 1e9
            self.blame(f"{who.label} fetches a token {early:.3f} s too early")
            return
        before = machine.replaced_at
        if before is not None and self.now - before < min(REPLACE_AGAIN_NS, self._again_ns):
            self.blame(f"{who.label} replaces tokens that are refused one after the other")
        machine.replaced_at, machine.refused = self.now, False

    def posted(self, who: Party, push: PostPush) -> None:
        """Note with which token."""
        machine = self._machines.get(who.name)
        if machine is not None:
            machine.posted[push.tracking_id] = bearer_of(push)

    def heard(self, who: Party, news: CloudNews) -> None:
        """The end of a fetch, or a refusal."""
        machine = self._machines[who.name]
        match news:
            case TokenFetched(status=status, body=body, retry_after=retry_after):
                machine.under_way = False
                token, life_s = _granted(body) if status == 200 else ("", 0)
                if token:
                    machine.token, machine.refused = token, False
                    # Early by what the answer took: a token is renewed at 80 % of its life.
                    machine.not_before = Instant(self.now + life_s * SECOND * 4 // 5 - 10 * SECOND)
                else:
                    asked_s = int(retry_after or 0)
                    self._failed(machine, asked_s * SECOND)
            case TokenFetchLost():
                machine.under_way = False
                self._failed(machine)
            case PushAnswered(tracking_id, status):
                token = machine.posted.pop(tracking_id, "")
                if status in (401, 403) and token == machine.token:
                    machine.refused = True
            case PushLost(tracking_id):
                machine.posted.pop(tracking_id, None)

    def abandoned(self, who: Party, what: str) -> None:
        """A fetch that took too long has failed."""
        machine = self._machines.get(who.name)
        if machine is not None and what == PUSH_REST:
            machine.under_way = False
            self._failed(machine)

    def _failed(self, machine: _Machine, asked_ns: int = 0) -> None:
        machine.not_before = Instant(self.now + max(self._again_ns, asked_ns))
        machine.refused = False


def _granted(body: bytes) -> tuple[str, int]:
    try:
        fields = msgspec.json.decode(body)
        return str(fields["access_token"]), int(fields["expires_in"])
    except (msgspec.DecodeError, TypeError, KeyError):
        return "", 0
