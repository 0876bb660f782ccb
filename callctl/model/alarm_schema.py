"""The part of the cluster file about the log and syslog (see `schema`)."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

from callctl.model.alarm_settings import (
    FACILITY,
    FACILITY_MAX,
    AlarmSettings,
    SyslogSettings,
    SyslogTransport,
)
from callctl.model.entry import Entry
from callctl.model.values import FilePath, Kind, quoted, wrong

COLLECTORS_MAX: Final = 5
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", re.ASCII)


def _host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        if _NAME.fullmatch(text) is None:
            raise wrong(
                f"{quoted(text)} is not a host", "a name or a numeric address, without brackets"
            ) from None
        return text.lower()


Host: TypeAlias = Annotated[str, Kind("host"), AfterValidator(_host)]


class SyslogEntry(Entry):
    """One collector of alarms, as RFC 5424 messages with structured data `alarm@32473`."""

    host: Host = Field(description="Name or numeric address.")
    transport: SyslogTransport = Field(
        default="udp", description="`udp` (RFC 5426), `tcp` (RFC 6587) or `tls` (RFC 5425)."
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="Without it 514 for udp, 601 for tcp and 6514 for tls.",
    )
    facility: int = Field(
        default=FACILITY, ge=0, le=FACILITY_MAX, description="Syslog facility; 23 is local7."
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of the authorities to trust, relative to the cluster file; without "
        "it those of the system. Only with `tls`.",
    )

    def record(self, directory: Path) -> SyslogSettings:
        """Raises: ValueError for settings that do not go together."""
        ca_file = None if self.ca_file is None else directory / self.ca_file
        return SyslogSettings(self.host, self.transport, self.port or 0, self.facility, ca_file)


class AlarmsEntry(Entry):
    """Who is told of alarms, beside the admin API."""

    log_file: FilePath | None = Field(
        default=None,
        description="JSON lines, relative to the cluster file; without it `callctl.log` in the "
        "state directory.",
    )
    syslog: list[SyslogEntry] = Field(
        default=[], max_length=COLLECTORS_MAX, description="Collectors; each is sent every alarm."
    )

    def record(self, directory: Path) -> AlarmSettings:
        """Raises: ValueError for settings that do not go together."""
        return AlarmSettings(
            None if self.log_file is None else directory / self.log_file,
            tuple(each.record(directory) for each in self.syslog),
        )
