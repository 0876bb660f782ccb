"""Makes the phones and callers of a fleet where they stand."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace

from callctl.fleet.calling import Caller, OnEnd, Servers
from callctl.fleet.clockwork import Clockwork
from callctl.fleet.ground import Ground, PhoneSeat
from callctl.fleet.handset import Following, Handset, Manners
from callctl.fleet.wires import WireCounts, Wires
from callctl.io.agent_shell import EPHEMERAL
from callctl.phone.phone import Phone
from sipstack.io.entropy import OsEntropy


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all parties are made with. Names and keys are of the system's chance, not of the seed:
    two runs of one seed against one cluster must not share a Call-ID."""

    clockwork: Clockwork
    entropy: OsEntropy
    counts: WireCounts
    tls: ssl.SSLContext | None

    async def handset(self, seat: PhoneSeat, manners: Manners, following: Following) -> Handset:
        """One phone, not yet switched on. Raises: OSError if it gets no socket."""
        agent = seat.settings.agent
        wires = Wires(agent.local_host, self.tls, self.counts)
        if agent.transport == "UDP":
            port = await wires.bind()
        else:  # it only dials out: nobody can connect to it anyway
            first, count = EPHEMERAL
            port = first + self.entropy.below(count)
        settings = replace(seat.settings, agent=replace(agent, local_port=port))
        phone = Phone(settings, self.entropy)
        return Handset(
            phone,
            wires,
            self.clockwork,
            manners,
            following,
            awake=seat.awake,
            never_wakes=seat.never_wakes,
        )

    async def callers(self, ground: Ground, on_end: OnEnd) -> Sequence[Caller]:
        """All callers. Raises: OSError if one gets no socket."""
        servers = Servers(ground.servers)
        made = []
        for settings in ground.callers:
            caller = Caller(settings, self.entropy, self.clockwork, servers, on_end)
            await caller.open(self.tls)
            made.append(caller)
        return made
