"""Make tests/requirements.toml, the list of requirement ids that a test may cite.

Usage: python scripts/list_requirements.py CATALOGUE.md > tests/requirements.toml

The catalogue is a Markdown page in which `**CMG-01**` defines a requirement and `**OP-30 ...**` an
open point with its resolution. Only the ids are taken; the titles of the groups are ours.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

DEFINED: Final = re.compile(r"^- \*\*([A-Z]+)-(\d{2,3})\b", re.MULTILINE)

TITLES: Final = {
    "GEN": "general rules",
    "MODE": "foreground, suspended, and what each platform does",
    "REG": "registrar and push bindings",
    "CMG": "CM groups, device pools, active node",
    "CALL": "calls to devices that may sleep",
    "CID": "the caller as shown",
    "SHL": "second pushes: missed, answered elsewhere",
    "CHN": "regions without CallKit",
    "AND": "Android",
    "PUSH": "kinds of push and their path",
    "SEC": "encryption of what a push says",
    "CPNS": "the push service of a node",
    "SVC": "network services",
    "CLOUD": "Push REST, APNs, FCM",
    "ONB": "onboarding to the cloud",
    "LIC": "licences and vouchers",
    "CERT": "certificates",
    "NET": "ports, hosts, DNS, NAT",
    "PROXY": "HTTP proxies",
    "IMP": "push of instant messages",
    "HA": "push of messages when a node fails",
    "LPNS": "local push",
    "MRA": "devices outside, through Expressway",
    "AUTH": "OAuth sign-in",
    "MOB": "mobility identity",
    "MSGR": "cloud messenger deployment",
    "ALARM": "alarms",
    "CTR": "counters",
    "TRB": "commands and traces for troubleshooting",
    "REL": "what each release can do",
    "OP": "open points, as resolved",
}


def numbers_by_group(catalogue: str) -> dict[str, list[str]]:
    """Every id the catalogue defines, sorted, by group; groups in the order of TITLES."""
    found: dict[str, set[str]] = {group: set() for group in TITLES}
    for group, number in DEFINED.findall(catalogue):
        if group in found:
            found[group].add(f"{group}-{number}")
    return {group: sorted(ids) for group, ids in found.items()}


def as_toml(groups: dict[str, list[str]]) -> str:
    """The list as a TOML page: one table a group, ten ids a line."""
    lines = ["# The requirement ids a test may cite. Made by scripts/list_requirements.py.", ""]
    for group, ids in groups.items():
        lines += [f"[{group}]", f'title = "{TITLES[group]}"', "ids = ["]
        for first in range(0, len(ids), 10):
            quoted = (f'"{identifier}"' for identifier in ids[first : first + 10])
            lines.append("  " + ", ".join(quoted) + ",")
        lines += ["]", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(as_toml(numbers_by_group(Path(sys.argv[1]).read_text(encoding="utf-8"))), end="")
