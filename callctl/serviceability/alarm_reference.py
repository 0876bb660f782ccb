"""The page of all alarms: `docs/alarms.md`.

`python -m callctl.serviceability.alarm_reference` prints it.
"""

from __future__ import annotations

import sys
from typing import Final

from callctl.serviceability.alarm_catalogue import (
    ALWAYS,
    CATALOGUE,
    AlarmDefinition,
    Lasting,
    Scope,
)

INTRO: Final = """\
# Alarms

This page is generated from the catalogue in the code.

An alarm is raised when its condition begins and cleared when it ends, once for each condition and
not for each call. While the condition lasts it is repeated at most once an hour. An alarm of a
moment has no end; what follows within the hour is counted and told at its end. Alarms about a
device are raised once in the cluster for each device and token: a new sign-in of the device clears
them.

```
callctl alarm list
callctl alarm list --all
callctl alarm show AccessTokenInvalid
```

Alarms go to the admin API (`/alarms`), to the log as JSON lines, and to syslog (RFC 5424 over UDP,
TCP or TLS) with the structured data element `alarm@32473`: `name`, `severity`, `component`, `node`,
`state` (`raised`, `repeated`, `cleared`), `number` (the same for all three of one condition) and
`occurrences`. Neither the log nor syslog names the device that an alarm is about; the admin API
does. The management agent uploads alarms of the push services to the Cisco cloud (TRB-01), those of
this project's own never.

```yaml
alarms:
  log_file: lab.log             # JSON lines; else callctl.log in the state directory
  syslog:
    - {host: 192.0.2.9}         # udp, port 514
    - {host: logs.example.com, transport: tls, ca_file: ca.pem}
```

No call waits for any of these. What a full disk or a collector that hangs cannot take is lost and
counted; a collector that was away gets what waits when it is back.

An alarm that the emulated release does not have is not raised; it is counted as ignored.
"""


def page() -> str:
    """The whole page, in Markdown."""
    own = [each for each in CATALOGUE.values() if each.own]
    table_f = [each for each in CATALOGUE.values() if not each.own]
    parts = [INTRO, "## Overview\n", _overview()]
    parts += ["## Alarms of the original\n", *map(_section, table_f)]
    parts += [
        "## Alarms of callctl\n",
        "The original has none of these; they have no release.\n",
        *map(_section, own),
    ]
    return "\n".join(parts)


def releases(definition: AlarmDefinition) -> str:
    """In which releases an alarm exists, in words."""
    if definition.since is ALWAYS:
        return "all"
    before = "" if definition.before is None else f", before {definition.before}"
    return f"from {definition.since}{before}"


def _overview() -> str:
    rows = ["| Alarm | Component | Severity | Releases |", "|---|---|---|---|"]
    rows += [
        f"| {each.name} | {each.component} | {each.severity.alarm_name} | {releases(each)} |"
        for each in CATALOGUE.values()
    ]
    return "\n".join(rows) + "\n"


def _section(definition: AlarmDefinition) -> str:
    row = f" (Table F, {definition.row})" if definition.row else ""
    one = "in the cluster for each device and token"
    once = one if definition.scope is Scope.DEVICE else "on each node"
    ends = "a moment" if definition.lasting is Lasting.MOMENT else "until its condition ends"
    return (
        f"### {definition.name}\n\n"
        f"{definition.component}, {definition.severity.alarm_name}{row}. Once {once}; lasts {ends}."
        f"\n\n{definition.explanation}\n\n**Action.** {definition.action}\n"
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
