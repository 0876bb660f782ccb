"""The one final response a caller gets out of many (RFC 3261 §16.7 step 6)."""

from __future__ import annotations

from typing import Final, NamedTuple

from sipstack.message.message import Response

SUBSCRIBER_ABSENT: Final = ("Reason", 'Q.850;cause=20;text="Subscriber absent"')
"""Goes with the 480 of a device that did not come (OP-02)."""

NO_ANSWER: Final = ("Reason", 'Q.850;cause=19;text="No answer from user"')
"""Goes with the 480 of a party that rang for the time it was given (RFC 6432)."""

# Within the lowest class, first what tells the caller how to do better, then what says most about
# the callee: busy beats absent, absent beats a request that was lost.
_TELLING: Final = (401, 407, 415, 420, 484, 486, 480, 488)


class Candidate(NamedTuple):
    """A final answer of one leg: a device's response, or a status of our own."""

    status: int
    response: Response | None
    headers: tuple[tuple[str, str], ...] = ()


def absent(*, cloud_failed: bool) -> Candidate:
    """For a device that did not come: 480, or 503 if only the cloud is to blame.

    A cloud that fails says nothing of the subscriber (I7).
    """
    if cloud_failed:
        return Candidate(503, None, (("Retry-After", "10"),))
    return Candidate(480, None, (SUBSCRIBER_ABSENT,))


def best(candidates: list[Candidate]) -> Candidate:
    """The candidate to pass on; 480 if there is none.

    6xx wins over all, else the lowest class. A 503 of one device says nothing of the next, so it
    is passed as such only if nothing else was heard.
    """
    if not candidates:
        return absent(cloud_failed=False)
    return min(candidates, key=_rank)


def _rank(candidate: Candidate) -> tuple[int, int, int]:
    status = candidate.status
    if status >= 600:
        return 0, 0, status
    telling = _TELLING.index(status) if status in _TELLING else len(_TELLING)
    return status // 100, telling, status
