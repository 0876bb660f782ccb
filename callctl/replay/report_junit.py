"""The report for build servers: JUnit XML, one test case for each capture.

Keeps to what the schemas of Ant and of Jenkins both allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from callctl.replay.report import Report, counted, entry_text, headline, name_of, ways
from callctl.replay.shown import shown_text

SUITE: Final = "callctl replay"
EPOCH: Final = "1970-01-01T00:00:00"


def report_junit(
    reports: Sequence[Report], *, began_at: str = EPOCH, hostname: str = "localhost"
) -> bytes:
    """The file. `began_at`: when the first one was played, ISO 8601 in whole seconds, no zone."""
    failures = sum(report.played and not report.same for report in reports)
    root = Element("testsuites")
    suite = SubElement(
        root,
        "testsuite",
        {
            "name": SUITE,
            "package": SUITE,
            "id": "0",
            "timestamp": began_at,
            "hostname": shown_text(hostname),
            "tests": str(len(reports)),
            "failures": str(failures),
            "errors": str(sum(not report.played for report in reports)),
            "time": _seconds(sum(report.real_ns for report in reports)),
        },
    )
    SubElement(suite, "properties")
    for report in reports:
        _case(suite, report)
    SubElement(suite, "system-out").text = "\n".join(
        line for report in reports for line in _remarks(report)
    )
    SubElement(suite, "system-err")
    indent(root)
    octets: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return octets + b"\n"


def _case(suite: Element, report: Report) -> None:
    name = {"classname": SUITE, "name": shown_text(report.name), "time": _seconds(report.real_ns)}
    case = SubElement(suite, "testcase", name)
    if not report.played:
        wrong = {"type": "not played", "message": shown_text(report.first_problem)}
        SubElement(case, "error", wrong).text = shown_text("\n".join(report.problems))
    elif not report.same:
        wrong = {"type": name_of(report.open[0]), "message": report.first_problem}
        SubElement(case, "failure", wrong).text = "\n".join(_details(report))


def _details(report: Report) -> list[str]:
    lines = [f"{counted(len(report.open), 'difference')}, {report.compared} compared"]
    for number, difference in enumerate(report.differences, start=1):
        if not difference.accepted:
            lines.append(f"{number}  {headline(difference)}")
            lines.append(f"   {difference.detail}")
    return lines


def _remarks(report: Report) -> list[str]:
    """What is no failure and should be known."""
    lines = [
        f"accepted: {headline(difference)}: {difference.reason}" for difference in report.accepted
    ]
    lines += [f"accepted in the notes, but not seen: {entry_text(it)}" for it in report.unused]
    lines += [f"could not be said: {row.title}, {ways(row)}" for row in report.not_said]
    return [shown_text(f"{report.name}: {line}") for line in lines]


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.3f}"
