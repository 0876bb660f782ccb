"""The reference page of the cluster file, made from the schema: `docs/cluster-file.md`.

`python -m callctl.model.reference` prints it.
"""

from __future__ import annotations

import sys
from typing import Final

from pydantic import BaseModel

from callctl.model.alarm_schema import AlarmsEntry, SyslogEntry
from callctl.model.certificate_schema import (
    CertificatesEntry,
    DeploymentCertificatesEntry,
    RootEntry,
    SystemCertificatesEntry,
)
from callctl.model.cloud_schema import CloudEntry, ProxyEntry
from callctl.model.deployment_schema import DeploymentEntry
from callctl.model.direct_schema import ApnsEntry, DirectEntry, FcmEntry
from callctl.model.routing_schema import (
    CredentialsEntry,
    ExternalPresentationEntry,
    ForwardingEntry,
    HuntPilotEntry,
    RoutePatternEntry,
    SipProfileEntry,
    TrunkEntry,
)
from callctl.model.schema import (
    BulkRow,
    ClusterFile,
    DeviceEntry,
    DevicePoolEntry,
    LineEntry,
    NodeEntry,
    UserEntry,
    WebSocketEntry,
)
from callctl.model.schema_table import keys_table, shown, table
from callctl.model.service_parameter import PARAMETERS

SMALLEST: Final = """\
id: small
domain: lab.example
nodes:
  ucm1: {listeners: [udp:127.0.0.1:5060, tcp:127.0.0.1:5060]}
cm_groups:
  all: [ucm1]
device_pools:
  office: {cm_group: all}
users:
  1001: {password: pw1001, display_name: Ada}
lines:
  1001: {display_name: Ada}
devices:
  TCT1001: {owner: 1001, lines: [1001]}
"""

BULK_CSV: Final = """\
user,password,display_name,line,device,device_pool
1001,pw1001,Ada,1001,SEP001122334401,office
1001,,,1001,TCT1001,office
"""

BULK_JSONL: Final = """\
{"user": "1002", "password": "pw1002", "device": "BOT1002", "os_version": "14"}
"""

INTRO: Final = f"""\
# The cluster file

A cluster is described in one YAML 1.2 file, and the masses in bulk files that it names.
`callctl check FILE` reports every mistake in all of them at once, with file, line and key;
it exits with 0 if there is none, 1 if there are some, 2 if the command line cannot be used.
It warns of what works and should not stay so, such as releases that do not go together; warnings
count as mistakes with `--strict` only.
This page is generated from the schema that does the checking.

The smallest useful cluster:

```yaml
{SMALLEST}```

Keys that are not on this page are mistakes. A name or number may stand without quotes: where text
is due, `no`, `15` and `0123` are taken as they are written. Switches are `true` or `false`.
"""

BULK_INTRO: Final = f"""\
## Bulk files

A row is a user, a line and a device that belong together; 100,000 of them load in seconds. The
first row of a CSV file (`.csv`, RFC 4180, commas, UTF-8) names the columns, in any order; an empty
cell is a column left out.

```
{BULK_CSV}```

A JSON lines file (`.jsonl`) has one object in each line, with the same names:

```
{BULK_JSONL}```

Users and lines may come again in later rows or stand in the cluster file: that is how a user gets
a second device, and how a line is shared. A device comes once.
"""

SECTIONS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("nodes", NodeEntry),
    ("device_pools", DevicePoolEntry),
    ("users", UserEntry),
    ("lines", LineEntry),
    ("external_presentation", ExternalPresentationEntry),
    ("forwarding", ForwardingEntry),
    ("devices", DeviceEntry),
    ("hunt_pilots", HuntPilotEntry),
    ("trunks", TrunkEntry),
    ("outbound` and `inbound", CredentialsEntry),
    ("route_patterns", RoutePatternEntry),
    ("sip_profiles", SipProfileEntry),
    ("cloud", CloudEntry),
    ("proxy", ProxyEntry),
    ("direct", DirectEntry),
    ("apns", ApnsEntry),
    ("fcm", FcmEntry),
    ("certificates", CertificatesEntry),
    ("roots", RootEntry),
    ("alarms", AlarmsEntry),
    ("syslog", SyslogEntry),
    ("websocket", WebSocketEntry),
    ("deployment", DeploymentEntry),
    ("deployment.certificates", DeploymentCertificatesEntry),
    ("cucm`, `im_and_presence` and `expressway", SystemCertificatesEntry),
)


def page() -> str:
    """The whole page, in Markdown."""
    parts = [INTRO, "## Top level\n", keys_table(ClusterFile)]
    for name, model in SECTIONS:
        parts += [f"## `{name}`\n", f"{model.__doc__}\n", keys_table(model)]
    parts += ["## `service_parameters`\n", _parameters_table()]
    parts += [BULK_INTRO, keys_table(BulkRow, "Column")]
    return "\n".join(parts)


def _parameters_table() -> str:
    rows = (
        (
            f"`{parameter.name}`",
            shown(parameter.default),
            parameter.allowed,
            parameter.text,
            parameter.requirement,
        )
        for parameter in PARAMETERS.values()
    )
    text = "Numbers of call processing, the same on every node.\n\n"
    return text + table(("Name", "Default", "Allowed", "Meaning", "Source"), rows)


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
