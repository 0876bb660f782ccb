"""Lines of traces: their levels, their form, and what never stands in them."""

from __future__ import annotations

import pytest

from callctl.serviceability.tracing import (
    TEXT_MAX,
    Source,
    TraceLevel,
    TraceLevels,
    TraceRecord,
    lines_about,
    read_line,
    shortened,
)
from sipstack.timing import MS, SECOND, Instant

UNIX_NS = 1_795_327_200 * SECOND  # 2026-11-22 06:00:00 UTC


def record(
    text: str = "push accepted",
    *,
    level: TraceLevel = TraceLevel.INFO,
    tracking_id: str = "CPNS_1",
    personal: str = "",
    source: Source = Source.CPNS,
) -> TraceRecord:
    return TraceRecord(source, "ucm1", Instant(1_500 * MS), level, text, tracking_id, personal)


@pytest.mark.req("TRB-14", "TRB-15")
def test_level_is_info_unless_it_is_set_for_one_part_of_one_node() -> None:
    levels = TraceLevels()
    for source in Source:
        assert levels.of(source, "ucm1") is TraceLevel.INFO
    assert levels.wants(record())
    assert not levels.wants(record(level=TraceLevel.DEBUG))
    levels.set(Source.CPNS, "ucm1", TraceLevel.ERROR)
    assert not levels.wants(record(level=TraceLevel.WARN))
    assert levels.of(Source.CPNS, "ucm2") is TraceLevel.INFO
    assert levels.of(Source.CMAS, "ucm1") is TraceLevel.INFO


@pytest.mark.req("TRB-14", "TRB-15")
def test_folders_are_those_of_the_product() -> None:
    assert Source.CMAS.folder == "var/log/active/cm/trace/cmas/log4j"
    assert Source.CPNS.folder == "var/log/active/cm/trace/ccmpns/log4j"


@pytest.mark.req("PUSH-06")
def test_line_tells_time_level_node_and_tracking_id() -> None:
    line = TraceLevels().line(record(), UNIX_NS)
    assert line == "2026-11-22 06:00:01,500 INFO  ucm1 CPNS_1 push accepted"
    found = read_line(Source.CPNS, line + "\n")
    assert found is not None
    assert (found.source, found.node, found.level) == ("CPNS", "ucm1", "INFO")
    assert (found.tracking_id, found.text) == ("CPNS_1", "push accepted")


@pytest.mark.req("OP-69")
def test_names_and_numbers_are_written_at_level_debug_only() -> None:
    levels = TraceLevels()
    told = record(personal="TCTALICE 1005")
    for level in TraceLevel:
        levels.set(Source.CPNS, "ucm1", level)
        line = levels.line(told, UNIX_NS)
        assert ("TCTALICE 1005" in line) == (level is TraceLevel.DEBUG), level
    assert "TCTALICE" not in repr(told)


@pytest.mark.req("OP-69")
def test_secret_that_a_writer_gives_by_mistake_is_masked_at_every_level() -> None:
    levels = TraceLevels()
    for level in TraceLevel:
        levels.set(Source.CPNS, "ucm1", level)
        line = levels.line(record(f"key {'ab' * 32}, Bearer abcdefgh.123, 4915112345678"), UNIX_NS)
        assert "key ***, Bearer ***, ***" in line
        assert "abab" not in line


@pytest.mark.req("OP-69")
def test_device_token_is_shortened_to_its_last_six_characters() -> None:
    assert shortened("0123456789abcdef") == "...abcdef"
    assert shortened("abcdef") == "..."
    assert shortened("") == "..."


def test_text_of_others_makes_no_lines_and_no_escape_sequences() -> None:
    line = TraceLevels().line(record("bad\r\nINFO forged\x1b[31m\u2028"), UNIX_NS)
    assert line.endswith(r"bad\x0d\x0aINFO forged\x1b[31m\x2028")
    assert len(line.splitlines()) == 1


def test_tracking_id_that_is_no_word_is_not_written() -> None:
    for wrong in ("", "a b", "a\nb", "x" * 129):
        assert " ucm1 - push" in TraceLevels().line(record(tracking_id=wrong), UNIX_NS)


def test_text_is_cut_at_its_limit() -> None:
    line = TraceLevels().line(record("x" * (TEXT_MAX + 1)), UNIX_NS)
    assert line.endswith("x" * (TEXT_MAX - 3) + "...")


@pytest.mark.req("TRB-22")
def test_lines_of_one_push_are_found_among_those_of_others() -> None:
    levels = TraceLevels()
    lines = [
        levels.line(record("posted", tracking_id="CPNS_1"), UNIX_NS),
        levels.line(record("posted", tracking_id="CPNS_2"), UNIX_NS),
        levels.line(record("speaks of CPNS_1", tracking_id="CPNS_3"), UNIX_NS),
        "not one of ours CPNS_1",
        levels.line(record("answered", tracking_id="CPNS_1"), UNIX_NS),
    ]
    found = lines_about("CPNS_1", Source.CPNS, iter(lines))
    assert [line.text for line in found] == ["posted", "answered"]


def test_level_is_named_in_any_case_and_a_wrong_one_is_told_the_right_ones() -> None:
    assert TraceLevel.named("Debug") is TraceLevel.DEBUG
    with pytest.raises(ValueError, match="Error, Warn, Info, Debug"):
        TraceLevel.named("loud")
