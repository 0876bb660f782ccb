"""The page of the tables that decide about pushes: `docs/capabilities.md`.

`python -m callctl.push.capability.reference` prints it.
"""

from __future__ import annotations

import sys
from typing import Final

from callctl.model.service_parameter import PARAMETERS
from callctl.push.capability.by_release import RELEASES
from callctl.push.capability.table import Table
from callctl.push.capability.tables import TABLES

INTRO: Final = """\
# What a device can be sent

One function decides what a release sends to a device, over which channel and with what in it
(GEN-10). In go the release of the cluster, the platform, the version of its system, the client and
its version, whether it is in the custom region, and the way it comes in. The rows below are the
data it works with; this page is generated from them.

```
callctl capability --release '12.5(1)SU3' --device TCT1005
callctl capability --platform ios --os 16.4 --client webex --client-version 43.6
callctl capability --table C3
```

The first two print each answer with the row it came from. `callctl check` compares a cluster file,
with the other servers that its section `deployment` names, to the same rows and warns of what falls
short.
"""

COMPARING: Final = """\
## How releases and versions compare

- A release is ordered by major, minor, maintenance and service update: `14SU3` is 14.0(1)SU3
  (OP-62).
- Trains are apart. What began with 11.5(1)SU8 and 12.5(1)SU3 is in 11.5(1)SU9 and in 14, and not
  in 12.0(1) or 12.5(1)SU2: of several starts the one of a release's own major number counts, else
  the latest of a lower one.
- A release without a row in Table C3 takes the nearest lower row of its train, as the next table
  has it.
- Versions of clients and systems compare number by number. `12.9 MR` is 12.9.1. Of a longer build
  number the first three parts count: `12.8.0.303720` is 12.8.
- A version that is not known, or cannot be read, counts as current.
- Standard clients (RFC 8599) have no least version; the release and the system decide.
"""

RULES: Final = f"""\
## Rules beside the tables

- iOS 13 up to 16.4 from 14SU3 on: the cell of Table C3 only means that there is no local push; the
  pushes through the cloud stay those of 12.5(1)SU3 (OP-61). With the service parameter
  `strict_matrix` the table is taken word for word: no push.
- Second pushes go where there are separate channels: to iOS 13 and later from 11.5(1)SU8 and
  12.5(1)SU3 on, to Android from 12.5(1)SU3 on, never to iOS 12 (OP-70).
- Call pushes work from 11.5(1)SU3 on, one service update before their support begins (OP-60).
- Android has no caller in its pushes. With the service parameter `android_caller_id` it has, inside
  the seal (OP-17).
- A device in the custom region whose calls cannot go as message notifications gets no call push at
  all: each other push would have to show CallKit (CHN-09). Its message pushes stay (CHN-07).
- Local push is for Jabber and the Webex app inside the enterprise, not over MRA (LPNS-04).
- Message pushes go to Jabber alone; messages of the Webex app belong to another cloud (GEN-08).
- Desk phones, desktops and browsers get no push (GEN-04). A standard client that registers with
  push parameters is taken for the platform of its push provider.

Defaults: `strict_matrix` is {str(PARAMETERS["strict_matrix"].default).lower()}, \
`android_caller_id` is {str(PARAMETERS["android_caller_id"].default).lower()}.
"""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [INTRO, COMPARING, _starts(), RULES]
    parts += [f"## {it.name}: {it.title}\n\n{markdown(it)}" for it in TABLES.values()]
    return "\n".join(parts)


def markdown(table: Table) -> str:
    """A table in Markdown."""

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    dashes = tuple("---" for _ in table.columns)
    return line(table.columns) + line(dashes) + "".join(map(line, table.rows))


def _starts() -> str:
    ends = [str(row.start) for row in RELEASES[1:]]
    rows = tuple(
        (row.name, str(row.start), f"before {end}" if end else "no end yet")
        for row, end in zip(RELEASES, [*ends, ""], strict=True)
    )
    return markdown(Table("", "", ("Row of Table C3", "Holds from", "To"), rows))


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
