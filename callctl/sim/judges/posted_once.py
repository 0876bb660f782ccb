"""CPNS-08: a push is posted once, and again only where nobody can have acted on the first.

That is: with a new token after 401 or 403, or by the proxy's next address after the time for an
answer has passed without a word (OP-13, OP-35).
"""

from __future__ import annotations

from dataclasses import dataclass

from callctl.push.channel import bearer_of
from callctl.push.events import PostPush, PushAnswered, PushLost
from callctl.sim.cloud_way import CloudNews
from callctl.sim.party import Party
from callctl.sim.watch import Judge

REFUSED = frozenset({401, 403})


@dataclass(slots=True)
class _Posted:
    bearer: str
    attempt: int
    refused: bool = False  # 401 or 403 was heard
    ended: bool = False  # another answer, or an error, was heard
    given_up: bool = False  # nobody waits for its answer any more
    again: int = 0  # reposts with a new token


class PostedOnce(Judge):
    """Follows each tracking id."""

    invariant = "CPNS-08"
    __slots__ = ("_posted",)

    def __init__(self) -> None:
        self._posted: dict[str, _Posted] = {}  # by tracking id

    def posted(self, who: Party, push: PostPush) -> None:
        """Ask of each further post why."""
        bearer = bearer_of(push)
        known = self._posted.get(push.tracking_id)
        if known is None:
            self._posted[push.tracking_id] = _Posted(bearer, push.attempt)
            if push.attempt:
                self.blame(f"{who.label}: {push.tracking_id} goes by the next address first")
        elif known.ended:
            self.blame(f"{who.label}: {push.tracking_id} again, after an answer or an error")
        elif known.refused:
            if known.again or bearer == known.bearer:
                self.blame(f"{who.label}: {push.tracking_id} again, with no new token")
            known.again += 1
            known.refused, known.given_up, known.bearer = False, False, bearer
        elif known.given_up and push.attempt == known.attempt + 1 == 1:
            known.attempt, known.given_up = 1, False
        else:
            self.blame(f"{who.label}: {push.tracking_id} again, while its answer may still come")

    def heard(self, who: Party, news: CloudNews) -> None:
        """An end of a post."""
        if not isinstance(news, PushAnswered | PushLost):
            return
        known = self._posted.get(news.tracking_id)
        if known is not None and not known.given_up:
            known.refused = isinstance(news, PushAnswered) and news.status in REFUSED
            known.ended = not known.refused

    def abandoned(self, who: Party, what: str) -> None:
        """No answer in time."""
        known = self._posted.get(what)
        if known is not None:
            known.given_up = True
