"""A desk phone or caller in the simulated world: a user agent that is always on."""

from __future__ import annotations

from typing import Any

from callctl.phone.event import UserAgentAction
from callctl.phone.settings import UserAgentSettings
from callctl.phone.user_agent import UserAgent
from callctl.sim.entropy import SeededEntropy
from callctl.sim.network import Network, Sockets
from callctl.sim.party import Party, Role
from callctl.sim.watch import Watch
from callctl.sim.world import World
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send, TransportEvent


class AgentParty(Party):
    """Registers, calls and answers by its settings; `told` holds what it said, with the time."""

    __slots__ = ("_watch", "agent", "told")

    def __init__(
        self,
        name: str,
        world: World,
        network: Network,
        watch: Watch,
        settings: UserAgentSettings,
        entropy: SeededEntropy,
    ) -> None:
        super().__init__(name, Role.AGENT, world, network)
        listeners = ((settings.transport, settings.local_port),)
        self.sockets = Sockets(self, settings.local_host, listeners, self.take)
        self.agent = UserAgent(settings, entropy)
        self.told: list[tuple[Instant, Any]] = []
        self._watch = watch
        network.start(self.sockets)
        self.up = True

    # Commands.

    def register(self) -> None:
        """Register at the first node that takes it."""
        self.perform(self.agent.register(self.world.now))

    def call(self, target: str, hang_up_after_ns: int | None = None) -> int:
        """Call a number; returns the number of the call."""
        now = self.world.now
        number, actions = self.agent.invite(target, now, hang_up_after_ns=hang_up_after_ns)
        self.perform(actions)
        return number

    def hang_up(self, call: int) -> None:
        """CANCEL or BYE, as it stands."""
        self.perform(self.agent.bye(call, self.world.now))

    # The three doors.

    def take(self, event: TransportEvent) -> None:
        """Something came."""
        self.perform(self.agent.receive(event, self.world.now))

    def advance(self, now: Instant) -> None:
        """Fire what is due."""
        self.perform(self.agent.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.agent.next_deadline()

    # What judges ask.

    def talking(self) -> tuple[str, ...]:
        """Call-IDs of the calls that are alive."""
        return tuple(self.agent.calls().values())

    def counts(self) -> dict[str, int]:
        """What is alive."""
        return self.agent.counts()

    def events(self, kind: type) -> list[tuple[Instant, Any]]:
        """What it said of one kind, and when."""
        return [(at, event) for at, event in self.told if isinstance(event, kind)]

    def perform(self, actions: tuple[UserAgentAction, ...]) -> None:
        """Do what the user agent wants done; for commands that have no method here."""
        for action in actions:
            if type(action) is Send:
                self.network.send(self.sockets, action)
            elif isinstance(action, CloseFlow):
                self.network.close(self.sockets, action.flow)
            elif isinstance(action, Ignored):
                self._watch.ignored(self, action.reason, action.detail)
            else:
                self.told.append((self.world.now, action))
                self._watch.told(self, action)
        self.world.watch(self)
