"""Which request of the capture a request of the system under test is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from callctl.replay.learned import Learned
from callctl.replay.recording import Exchange, Place
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request

SAME_PLACE: Final = 4
SAME_CALL: Final = 8
SAME_TARGET: Final = 2
SAME_CALLER: Final = 1


def counterpart(
    request: Request, place: Place, waiting: Iterable[Exchange], learned: Learned
) -> Exchange | None:
    """The exchange that `request`, which came to `place`, stands for; None if there is none.

    `waiting`: requests to parties, in the order of the capture, that nothing stands for yet. Of
    several that fit as well, the first one it is.
    """
    best: Exchange | None = None
    best_score = 0
    for exchange in waiting:
        score = _score(request, place, exchange, learned)
        if score > best_score:
            best, best_score = exchange, score
    return best


def _score(request: Request, place: Place, exchange: Exchange, learned: Learned) -> int:
    """0: it cannot be this one."""
    recorded = exchange.request.request
    assert recorded is not None
    there = exchange.request.place
    if recorded.method != request.method or there.party != place.party:
        return 0
    if (recorded.to_tag is None) is not (request.to_tag is None):
        return 0
    known = learned.call_ids.get(recorded.call_id)
    same_call = request.call_id == (recorded.call_id if known is None else known)
    if not same_call and (known is not None or request.to_tag is not None):
        return 0
    score = 1
    score += SAME_CALL if same_call else 0
    score += SAME_PLACE if there.number == place.number else 0
    score += SAME_TARGET if _user(request) == _user(recorded) else 0
    score += SAME_CALLER if _caller(request) == _caller(recorded) else 0
    if not same_call and score == 1 + SAME_PLACE:
        return 0  # nothing speaks for it but where it came to
    return score


def _user(request: Request) -> str | None:
    try:
        return request.uri.user
    except SipSyntaxError:
        return None


def _caller(request: Request) -> str | None:
    return request.from_.uri.user
