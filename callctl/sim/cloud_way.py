"""The way between the push services of the nodes and the Cisco cloud: requests, answers, losses.

A connection that is abandoned brings nothing any more, and one of a former life of its service
neither. Source: OP-35, NET-05; house style 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from callctl.cloud.http import HttpAnswer, HttpRequest
from callctl.push.events import (
    FetchToken,
    LostReason,
    PostPush,
    PushAnswered,
    PushLost,
    PushWritten,
    TokenFetched,
    TokenFetchLost,
)
from callctl.sim.weather import CALM, Weather
from callctl.sim.world import World
from sipstack.timing import Instant

if TYPE_CHECKING:
    from callctl.sim.node_party import NodeParty

CloudNews: TypeAlias = PushWritten | PushAnswered | PushLost | TokenFetched | TokenFetchLost


class Way(Enum):
    """How far a new connection to a host comes."""

    OPEN = "open"
    CONNECT = "connect"  # refused, or no name
    TLS = "tls"  # the handshake fails: a certificate, a host name
    PROXY = "proxy"  # it opens no tunnel
    BLACK_HOLE = "black hole"  # nothing is ever heard: half open, or dropped by a firewall

    @property
    def reason(self) -> LostReason | None:
        """What a request is lost for; None for an open way, and for one that says nothing."""
        match self:
            case Way.CONNECT:
                return "connect"
            case Way.TLS:
                return "tls"
            case Way.PROXY:
                return "proxy"
            case _:
                return None


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Who waits for an answer; `what`: tracking id of a push, or the channel of a token."""

    node: NodeParty
    service: tuple[int, int]  # life of the node, and of its push service
    what: str
    is_push: bool

    def lost(self, reason: LostReason) -> CloudNews:
        return PushLost(self.what, reason) if self.is_push else TokenFetchLost(self.what, reason)

    def answered(self, answer: HttpAnswer) -> CloudNews:
        retry_after = answer.header("retry-after")
        if self.is_push:
            return PushAnswered(self.what, answer.status, answer.body, retry_after)
        return TokenFetched(self.what, answer.status, answer.body, retry_after)


class CloudWay:
    """Carries requests to `deliver`, and their answers back."""

    __slots__ = (
        "_deliver",
        "_exchanges",
        "_random",
        "_waiting",
        "_world",
        "ci",
        "first_address",
        "push_rest",
        "weather",
    )

    def __init__(
        self, world: World, random: Random, deliver: Callable[[tuple[int, HttpRequest]], None]
    ) -> None:
        self.weather: Weather = CALM  # its loss is a lost answer
        self.ci = self.push_rest = Way.OPEN
        self.first_address = Way.OPEN
        """Of the proxy, where there is one: a push that is lost there may go by the second."""
        self._world = world
        self._random = random
        self._deliver = deliver
        self._exchanges = 0
        self._waiting: dict[int, _Exchange] = {}

    def clear(self) -> None:
        """From now on all is well."""
        self.weather = CALM
        self.ci = self.push_rest = self.first_address = Way.OPEN

    def post(self, node: NodeParty, push: PostPush, request: HttpRequest) -> None:
        """A push sets out."""
        way = self.push_rest
        if way is Way.OPEN and push.attempt == 0:
            way = self.first_address
        exchange = _Exchange(node, node.service_life, push.tracking_id, is_push=True)
        self._set_out(exchange, way, request, push.deadline)

    def fetch(self, node: NodeParty, fetch: FetchToken, request: HttpRequest) -> None:
        """A request for a token sets out."""
        exchange = _Exchange(node, node.service_life, fetch.channel, is_push=False)
        self._set_out(exchange, self.ci, request, None)

    def abandon(self, node: NodeParty, what: str) -> None:
        """Nobody waits for this answer any more."""
        for number, exchange in tuple(self._waiting.items()):
            if (exchange.node, exchange.what) == (node, what):
                del self._waiting[number]

    def answer(self, number: int, answer: HttpAnswer) -> bool:
        """A cloud answers; False if nobody waits for it."""
        exchange = self._waiting.get(number)
        if exchange is None:
            return False
        manner = answer.manner
        broken = manner is not None and manner.break_after is not None
        if broken or self.weather.loses(self._random):
            news = exchange.lost("closed")
        else:
            news = exchange.answered(answer)
        delay_ns = self.weather.delay(self._random)
        if manner is not None:
            delay_ns += manner.octet_every_ns * len(answer.body)
        self._plan(number, Instant(self._world.now + delay_ns), news)
        return True

    def pushed_by(self, number: int) -> str | None:
        """Tracking id of the push that waits under this number, None for a token or nobody."""
        exchange = self._waiting.get(number)
        return exchange.what if exchange is not None and exchange.is_push else None

    def _set_out(
        self, exchange: _Exchange, way: Way, request: HttpRequest, deadline: Instant | None
    ) -> None:
        now = self._world.now
        self._exchanges += 1
        number = self._exchanges
        self._waiting[number] = exchange
        if way is Way.BLACK_HOLE:
            return
        if way.reason is not None:
            at = Instant(now + self.weather.delay(self._random))
            if deadline is not None:
                at = min(at, deadline)
            self._plan(number, at, exchange.lost(way.reason))
            return
        if exchange.is_push:
            self._world.plan(now, self._arrive, (number, PushWritten(exchange.what)))
        at = Instant(now + self.weather.stream_delay(self._random))
        self._world.plan(at, self._deliver, (number, request))

    def _plan(self, number: int, at: Instant, news: CloudNews) -> None:
        self._world.plan(at, self._arrive, (number, news))

    def _arrive(self, what: tuple[int, CloudNews]) -> None:
        number, news = what
        exchange = self._waiting.get(number)
        if exchange is None:
            return
        if not isinstance(news, PushWritten):
            del self._waiting[number]
        if exchange.node.service_life == exchange.service:
            exchange.node.hear_from_cloud(news)
