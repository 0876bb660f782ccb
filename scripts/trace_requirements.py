"""Which requirements have a passing test, by the record of the last full test run.

--groups CMG,CALL   only these groups
--tests             name the tests of each requirement
--require FILE      exit 1 unless every id that FILE lists has a passing test and no failing one
--check-fresh       print nothing; exit 3 unless the record is there and of the present sources

The record is written by a run of all tests (`make test`), never by this script. Without a fresh
record the report is refused (exit 3), so that what it says is true of the sources as they are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from plugins.requirement_list import Group, expand, load_groups
from plugins.requirement_record import Record, fingerprint, read_record

STALE = 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", default="", help=argparse.SUPPRESS)
    parser.add_argument("--tests", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--require", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--check-fresh", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)

    record = read_record()
    if record is None or record.fingerprint != fingerprint():
        if not options.check_fresh:
            print("no record of a full test run of these sources: run `make test`", file=sys.stderr)
        return STALE
    if options.check_fresh:
        return 0
    chosen = {name for name in options.groups.split(",") if name}
    groups = [group for group in load_groups() if not chosen or group.name in chosen]
    print(report(record, groups, name_tests=options.tests))
    if options.require:
        return require(record, expand(options.require.read_text(encoding="utf-8")))
    return 0


def report(record: Record, groups: list[Group], *, name_tests: bool) -> str:
    """One paragraph a group: proved ids, failing ids, and those that no test cites."""
    lines = [f"{record.tests_run} tests in the last full run"]
    for group in groups:
        proved = [i for i in group.ids if record.proves(i)]
        failing = [i for i in group.ids if record.tests(i, "failed")]
        open_ids = [i for i in group.ids if i not in proved and i not in failing]
        lines.append(f"\n{group.name}: {group.title}: {len(proved)} of {len(group.ids)}")
        for label, ids in (("passing", proved), ("failing", failing), ("none", open_ids)):
            if ids:
                lines.append(f"  {label:8} {' '.join(ids)}")
        if name_tests:
            for identifier in proved + failing:
                for outcome in ("passed", "failed"):
                    lines += [
                        f"    {identifier} {outcome} {t}" for t in record.tests(identifier, outcome)
                    ]
    return "\n".join(lines)


def require(record: Record, ids: list[str]) -> int:
    unproved = [identifier for identifier in ids if not record.proves(identifier)]
    if unproved:
        print(f"\nrequired, without a passing test: {' '.join(unproved)}")
        return 1
    print(f"\nall {len(ids)} required ids have a passing test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
