"""How the pushes of a node leave it, from one start of its push service to the next."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from callctl.io.direct_route import DirectRoute
from callctl.io.egress import Egress
from callctl.model.machine_account import MachineAccount


@dataclass(frozen=True, slots=True)
class PushRoute:
    """What was in force when the push service started; it holds until the next start (CPNS-11)."""

    url: str  # of Push REST
    tls: ssl.SSLContext | None  # to Push REST and CI
    account: MachineAccount | None = field(default=None, repr=False)  # gets the access tokens
    access_token: str | None = field(default=None, repr=False)  # one that is handed in instead
    egress: Egress | None = None  # None: straight to the clouds
    insecure: bool = False  # http, or a server that nobody has verified
    direct: DirectRoute | None = None  # channels that do without Push REST


RouteInForce: TypeAlias = Callable[[str], PushRoute | None]
"""Asked at each start of the push service of a node. None: no push leaves (GEN-09)."""
