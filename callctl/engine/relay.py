"""A request passed on to targets that are known: in a dialog, from node to node, or a MESSAGE.

The response context of RFC 3261 §16 without devices, parking or pushes; those are a `Call`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from callctl.call.best_response import Candidate, best
from sipstack.message.message import Request, Response
from sipstack.timing import Instant, Timed

FLOW_FAILED_REASON: Final = 'SIP;cause=430;text="Flow failed"'
"""Reason of the CANCEL from a node that leaves: the same INVITE may come by another (RFC 3326)."""


class RelayBranch:
    """One copy of the request."""

    __slots__ = ("answers", "done", "ended", "fallback", "relay", "to_tag", "transaction")

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transaction: Any = None  # the engine's client transaction
        self.fallback: Any = None  # what the engine sends if the flow cannot be had
        self.answers = 0  # challenges of a trunk's peer that were answered
        self.ended = False  # a final answer came, or it was cancelled
        self.done = False  # nothing can come any more
        self.to_tag: str | None = None  # of the 2xx that was passed on


@dataclass(frozen=True, slots=True)
class PassBack:
    """Forward this response to the sender, even a 2xx after another final one."""

    response: Response


@dataclass(frozen=True, slots=True)
class AnswerBack:
    """Answer the sender ourselves."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CancelRelayed:
    """Cancel this copy."""

    branch: RelayBranch
    reason: str | None


@dataclass(frozen=True, slots=True)
class HangUpRelayed:
    """End the dialog of a 2xx that nobody waits for (I4)."""

    branch: RelayBranch
    response: Response


RelayAction: TypeAlias = PassBack | AnswerBack | CancelRelayed | HangUpRelayed


class Relay(Timed):
    """Passes one request on and one final response back."""

    __slots__ = (
        "_answered",
        "_cancelled",
        "_candidates",
        "_flow_failed",
        "_timer_c_at",
        "_timer_c_ns",
        "branches",
        "final",
        "request",
        "transaction",
    )

    def __init__(self, request: Request, timer_c_ns: int, *, hop: bool = False) -> None:
        super().__init__()
        self.request = request
        # 430 tells the node that owns the call to look for another flow; nobody else knows it.
        self._flow_failed = 430 if hop else 480
        self.transaction: Any = None  # the engine's server transaction
        self.branches: list[RelayBranch] = []
        self.final: int | None = None  # status of the final response given
        self._answered: RelayBranch | None = None
        self._cancelled = False  # within a dialog: the other side's answer is awaited
        self._candidates: list[Candidate] = []
        self._timer_c_ns = timer_c_ns
        self._timer_c_at: Instant | None = None

    def add_branch(self, now: Instant) -> RelayBranch:
        """One more copy is about to be sent."""
        branch = RelayBranch(self)
        self.branches.append(branch)
        if self.request.method == "INVITE":
            self._timer_c_at = Instant(now + self._timer_c_ns)
        return branch

    def responded(
        self, branch: RelayBranch, response: Response, now: Instant
    ) -> tuple[RelayAction, ...]:
        """A copy was answered."""
        status = response.status
        if status < 200:
            if self._timer_c_at is not None and status > 100:
                self._timer_c_at = Instant(now + self._timer_c_ns)
            passes = status > 100 and self.final is None and not branch.ended
            return (PassBack(response),) if passes else ()
        if status < 300:
            return self._succeeded(branch, response)
        branch.ended = True
        if self.final is not None:
            return ()
        self._candidates.append(Candidate(status, response))
        if status >= 600:
            return (*self._finish(), *self._cancel_all(None))
        return self._finish_if_last()

    def failed(self, branch: RelayBranch, cause: str) -> tuple[RelayAction, ...]:
        """No answer, or no way to send."""
        if branch.ended:
            return ()
        branch.ended = True
        if self.final is not None:
            return ()
        if self.request.method != "INVITE" and cause == "timeout":
            # The sender's own timer has run out as well: a 408 would only be a stray (RFC 4320).
            return ()
        status = 408 if cause == "timeout" else self._flow_failed
        if self._cancelled:
            status = 487  # nothing came of the CANCEL either (RFC 3261 §9.1)
        self._candidates.append(Candidate(status, None))
        return self._finish_if_last()

    def over(self, branch: RelayBranch) -> bool:
        """Nothing more can come of this copy; True if that holds for all of them."""
        branch.done = True
        branch.transaction = None
        return all(each.done for each in self.branches)

    def cancelled(self, reason: str | None) -> tuple[RelayAction, ...]:
        """The sender gave up.

        Within a dialog there is one way on, and its answer may be under way: it has the last word,
        or a dialog that two sides believe in would die of two answers (RFC 3261 §16.10).
        """
        if self.final is not None:
            return ()
        if self.request.to_tag is not None:
            self._cancelled = True
            waiting = [branch for branch in self.branches if not branch.ended]
            return tuple(CancelRelayed(branch, reason) for branch in waiting)
        self._end(487)
        return (AnswerBack(487), *self._cancel_all(reason))

    def stopped(self) -> tuple[RelayAction, ...]:
        """This node leaves in order: another may do better."""
        if self.final is not None:
            return ()
        status = self._flow_failed if self._flow_failed == 430 else 503
        self._end(status)
        return (AnswerBack(status), *self._cancel_all(FLOW_FAILED_REASON))

    def advance(self, now: Instant) -> tuple[RelayAction, ...]:
        """Timer C: it rang for too long (RFC 3261 §16.8)."""
        if self._timer_c_at is None or now < self._timer_c_at or self.final is not None:
            return ()
        self._end(408)
        return (AnswerBack(408), *self._cancel_all(None))

    def next_deadline(self) -> Instant | None:
        """Timer C while it runs."""
        return self._timer_c_at

    def _succeeded(self, branch: RelayBranch, response: Response) -> tuple[RelayAction, ...]:
        if branch is self._answered and response.to_tag == branch.to_tag:
            return (PassBack(response),)
        if self.final is not None or branch.ended:
            branch.ended = True
            if self.request.method != "INVITE":
                return ()
            if self.request.to_tag is not None:
                return (PassBack(response),)
            return PassBack(response), HangUpRelayed(branch, response)
        branch.ended = True
        branch.to_tag = response.to_tag
        self._answered = branch
        self._end(response.status)
        return (PassBack(response), *self._cancel_all(None))

    def _cancel_all(self, reason: str | None) -> tuple[RelayAction, ...]:
        pending = [branch for branch in self.branches if not branch.ended]
        for branch in pending:
            branch.ended = True
        if self.request.method != "INVITE":
            return ()
        return tuple(CancelRelayed(branch, reason) for branch in pending)

    def _finish_if_last(self) -> tuple[RelayAction, ...]:
        return self._finish() if all(branch.ended for branch in self.branches) else ()

    def _finish(self) -> tuple[RelayAction, ...]:
        chosen = best(self._candidates)
        self._end(chosen.status)
        if chosen.response is not None:
            return (PassBack(chosen.response),)
        return (AnswerBack(chosen.status, chosen.headers),)

    def _end(self, status: int) -> None:
        self.final = status
        self._timer_c_at = None
