"""Whatever is entered at the command line of a node: a command or a usage error, nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.serviceability.node_cli import (
    PushFrequency,
    UpdateToken,
    UsageError,
    parse_command,
)

WORDS = st.sampled_from(
    [
        *("utils", "managementAgent", "alarms", "pushfrequency", "minpushlevel", "pushnow"),
        *("service", "restart", "Cisco", "Tomcat", "network", "connectivity", "run", "sql"),
        *("select", "*", "from", "machineaccountdetails", "update", "set", "where"),
        *("refreshtoken=", "refreshtoken='x'", "pkid='a'", "'", '"', ";", "--", "-", "5"),
    ]
)
LINES = st.text(max_size=200) | st.lists(WORDS | st.text(max_size=8), max_size=12).map(" ".join)
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)


@given(LINES)
@settings(max_examples=500, deadline=None)
def test_any_line_is_a_command_or_a_usage_error(line: str) -> None:
    answer = ""
    try:
        command: object = parse_command(line)
    except UsageError as error:
        command, answer = None, str(error)
    assert (command is None) == bool(answer)


@given(st.integers())
@settings(max_examples=200, deadline=None)
def test_frequency_is_taken_in_its_range_only(minutes: int) -> None:
    line = f"utils managementAgent alarms pushfrequency {minutes}"
    try:
        command = parse_command(line)
    except UsageError:
        assert not 5 <= minutes <= 90
    else:
        assert command == PushFrequency(minutes)
        assert 5 <= minutes <= 90


@given(TOKENS.filter(lambda text: text != "-" and not (text[0] == "<" and text[-1] == ">")))
@settings(max_examples=300, deadline=None)
def test_any_token_comes_through_its_quotes_unchanged(token: str) -> None:
    quoted = token.replace("'", "''")
    command = parse_command(
        f"run sql update machineaccountdetails set refreshtoken='{quoted}' where pkid='a-1'"
    )
    assert isinstance(command, UpdateToken)
    assert command.token is not None
    assert command.token.get_secret_value() == token
    assert command.pkid == "a-1"
