"""What stories of cloud faults look at: what was posted, told and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from callctl.model.build import iphone
from callctl.push.channel import bearer_of
from callctl.push.events import FetchToken, PostPush
from callctl.serviceability.alarm import state_of
from callctl.serviceability.counter_catalogue import (
    PUSH_ERROR_RES_RECEIVED,
    PUSH_REQ_SENT,
    PUSH_RES_RECEIVED,
)
from callctl.sim.party import Party
from simulation.story import CALL_AT, Story, at, awake, phone_plan
from sipstack.timing import SECOND, Instant

TAKES_IT = "ucm3"  # the node of the caller
INVALID_TARGET = "PushNotificationInvalidDeviceTokenResponse"  # F2
NO_SERVICE = "PushNotificationServiceUnavailable"  # F1
NO_TOKEN = "PushNotificationServiceAccessTokenUnavailable"  # F3
TOKEN_INVALID = "AccessTokenInvalid"  # F5

OTHER = replace(
    awake(phone_plan()),
    device=iphone("colleague", "2002", name="TCTOTHER", device_pool="phones"),
    host="198.51.100.2",
)
"""A phone that is awake at ucm1, from where it calls."""


class CloudStory(Story):
    """A story that remembers every post and every fetch. Times are seconds from the call."""

    def __init__(self, *phones: Any, **more: Any) -> None:  # noqa: ANN401
        """By default one phone, which no push wakes."""
        super().__init__(*(phones or (phone_plan(wake_s=None),)), **more)
        self.posts: list[tuple[float, str, PostPush]] = []  # with the node
        self.fetches: list[tuple[float, str]] = []
        watch = self.simulation.watch
        watch._on_posted = [*watch._on_posted, self._note_post]
        watch._on_fetched = [*watch._on_fetched, self._note_fetch]

    @staticmethod
    def at_s(after: float) -> Instant:
        """So long after the call."""
        return at(after)

    def ends(self) -> list[tuple[float, int | None]]:
        """When the caller's calls ended, and how."""
        return [(seconds(when), status) for when, status in self.ended()]

    def posted(self) -> list[tuple[float, str]]:
        """Each post: when, and what; the same push once more is the same word."""
        return [(seconds(when), kind.split()[1]) for when, kind, _ in self._all_pushes()]

    def _all_pushes(self) -> list[tuple[Instant, str, str]]:
        return [it for name in self.simulation.phones for it in self.pushes(name)]

    def tokens(self) -> list[str]:
        """The access tokens of all posts, in order."""
        return [bearer_of(post) for _, _, post in self.posts]

    def alarms(self) -> list[tuple[float, str, str]]:
        """When the board told what: name, and "raised" or "cleared"."""
        history = self.simulation.alarms.board.history
        return [(seconds(it.at), it.name, state_of(it)) for it in history]

    def counted(self, node: str = TAKES_IT) -> tuple[int, int, int]:
        """Requests, responses, errors."""
        values = self.nodes[node].processes.engine.counters.values
        return values[PUSH_REQ_SENT], values[PUSH_RES_RECEIVED], values[PUSH_ERROR_RES_RECEIVED]

    def _note_post(self, who: Party, push: PostPush) -> None:
        self.posts.append((seconds(self.simulation.world.now), who.name, push))

    def _note_fetch(self, who: Party, fetch: FetchToken) -> None:
        self.fetches.append((seconds(self.simulation.world.now), who.name))


def seconds(when: Instant) -> float:
    """From the call."""
    return round((when - CALL_AT) / SECOND, 6)
