"""Where the log goes, and which syslog collectors are sent the alarms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

SyslogTransport: TypeAlias = Literal["udp", "tcp", "tls"]

SYSLOG_PORTS: Final[dict[SyslogTransport, int]] = {"udp": 514, "tcp": 601, "tls": 6514}
FACILITY: Final = 23  # local7, the facility of Unified CM's own alarms
FACILITY_MAX: Final = 23


@dataclass(frozen=True, slots=True)
class SyslogSettings:
    """One collector (RFC 5426, RFC 6587, RFC 5425)."""

    host: str  # name or numeric address, IPv6 without brackets
    transport: SyslogTransport = "udp"
    port: int = 0  # 0: that of the transport
    facility: int = FACILITY
    ca_file: Path | None = None  # whom to trust over TLS; None: whom the system trusts

    def __post_init__(self) -> None:
        """Raises: ValueError for a transport, port or facility that there is not."""
        if self.transport not in get_args(SyslogTransport):
            raise ValueError(f"syslog over {self.transport!r}: it is one of udp, tcp, tls")
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"syslog port {self.port}: it is one of 1 to 65535")
        if not 0 <= self.facility <= FACILITY_MAX:
            raise ValueError(f"syslog facility {self.facility}: it is one of 0 to {FACILITY_MAX}")
        if self.ca_file is not None and self.transport != "tls":
            raise ValueError(
                f"a CA file for syslog over {self.transport}: only tls has a use for it"
            )
        if not self.port:
            object.__setattr__(self, "port", SYSLOG_PORTS[self.transport])


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """What is told to whom outside of the cluster."""

    log_file: Path | None = None  # None: `callctl.log` in the state directory
    syslog: tuple[SyslogSettings, ...] = ()


NOBODY_TOLD: Final = AlarmSettings()
"""The log where it always is, and no collector."""
