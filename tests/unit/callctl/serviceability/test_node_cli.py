"""Lines at the command line of a node, and what they mean."""

from __future__ import annotations

import pytest

from callctl.model.user import Secret
from callctl.serviceability.node_cli import (
    LINE_MAX,
    USAGE,
    Command,
    Connectivity,
    Exit,
    Help,
    ListServices,
    MinPushLevel,
    PushFrequency,
    PushNow,
    SelectAccount,
    UpdateToken,
    UsageError,
    WorkService,
    checked_token,
    help_text,
    parse_command,
)
from callctl.serviceability.service_event import Wish
from callctl.serviceability.services import CPNS, TOMCAT
from callctl.serviceability.severity import UploadLevel

PKID = "7c8f2d5a-0f1e-4b3c-9d2a-1f0e5b6c7d8e"
TOKEN = "NTE4YTlm.Zg-_~+/=="


def refusal(line: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_command(line)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("utils managementAgent alarms pushfrequency 5", PushFrequency(5)),
        ("utils managementAgent alarms pushfrequency 90", PushFrequency(90)),
        ("utils managementAgent alarms pushfrequency", PushFrequency(None)),
        ("utils managementAgent alarms minpushlevel Critical", MinPushLevel(UploadLevel.CRITICAL)),
        ("utils managementagent alarms pushlevel warning", MinPushLevel(UploadLevel.WARNING)),
        ("utils managementAgent alarms minpushlevel", MinPushLevel(None)),
        ("utils managementAgent alarms pushnow", PushNow()),
        ("utils service list", ListServices()),
        ("utils service restart Cisco Tomcat", WorkService(Wish.RESTART, TOMCAT)),
        (
            "utils service restart Cisco Push Notification service",
            WorkService(Wish.RESTART, CPNS),
        ),
        ("utils service stop  cisco tomcat ", WorkService(Wish.STOP, TOMCAT)),
        ("utils service start Cisco Tomcat", WorkService(Wish.START, TOMCAT)),
        ("run sql select * from machineaccountdetails", SelectAccount(only_token=False)),
        (
            "run sql select refreshtoken from machineaccountdetails",
            SelectAccount(only_token=True),
        ),
        (
            f"run sql SELECT * FROM machineaccountdetails WHERE pkid='{PKID}';",
            SelectAccount(only_token=False, pkid=PKID),
        ),
        (
            f"run sql update machineaccountdetails set refreshtoken={TOKEN}",
            UpdateToken(Secret(TOKEN), None),
        ),
        (
            f"run sql update machineaccountdetails set refreshtoken='{TOKEN}' where pkid='{PKID}'",
            UpdateToken(Secret(TOKEN), PKID),
        ),
        (
            f'run sql update machineaccountdetails set refreshtoken="{TOKEN}" where pkid = {PKID}',
            UpdateToken(Secret(TOKEN), PKID),
        ),
        (
            f"run sql update machineaccountdetails set refreshtoken=- where pkid='{PKID}'",
            UpdateToken(None, PKID),
        ),
        ("utils network connectivity", Connectivity(None)),
        ("utils network connectivity Push.Webexconnect.com", Connectivity("push.webexconnect.com")),
        ("help", Help()),
        ("?", Help()),
        ("exit", Exit()),
    ],
)
@pytest.mark.req("TRB-03", "TRB-04", "TRB-05", "TRB-19", "TRB-21", "OP-58")
def test_line_is_its_command(line: str, command: Command) -> None:
    assert parse_command(line) == command


@pytest.mark.req("TRB-03", "TRB-19", "OP-53")
@pytest.mark.parametrize("minutes", ["4", "91", "0", "-5", "999999999"])
def test_frequency_out_of_range_is_told_the_range(minutes: str) -> None:
    assert refusal(f"utils managementAgent alarms pushfrequency {minutes}").splitlines() == [
        "value must be between 5 and 90",
        "usage: utils managementAgent alarms pushfrequency <minutes>",
    ]


@pytest.mark.req("TRB-19")
@pytest.mark.parametrize(
    ("line", "why", "usage"),
    [
        ("utils managementAgent alarms pushfrequency ten", "'ten' is not", "pushfrequency"),
        ("utils managementAgent alarms pushfrequency 5.5", "'5.5' is not", "pushfrequency"),
        ("utils managementAgent alarms pushfrequency ٣٠", "is not a whole", "pushfrequency"),
        ("utils managementAgent alarms pushfrequency 5 6", "too many values", "pushfrequency"),
        ("utils managementAgent alarms minpushlevel Loud", "Critical, Error, W", "minpushlevel"),
        ("utils managementAgent alarms pushlevel Error x", "too many values", "minpushlevel"),
        ("utils managementAgent alarms pushnow please", "too many values", "pushnow"),
        ("utils service reboot Cisco Tomcat", "'reboot' is nothing", "service"),
        ("utils service restart", "name the service", "service"),
        ("utils service restart Cisco Tom", "there is no service 'Cisco Tom'", "service"),
        ("utils service list all", "too many values", "list"),
        ("utils network connectivity a b", "not one host name", "connectivity"),
        ("utils network connectivity http://x", "not one host name", "connectivity"),
    ],
)
def test_bad_argument_is_answered_with_the_reason_and_a_usage_line(
    line: str, why: str, usage: str
) -> None:
    reason, shown = refusal(line).splitlines()
    assert why in reason
    assert shown == f"usage: {USAGE[usage]}"


@pytest.mark.req("OP-58")
@pytest.mark.parametrize(
    "statement",
    [
        "select * from enduser",
        "select pkid from machineaccountdetails",
        "select * from machine account details",
        "select * from machineaccountdetails; drop table machineaccountdetails",
        "select * from machineaccountdetails where 1=1",
        "select * from machineaccountdetails where pkid='x' or '1'='1'",
        "select * from machineaccountdetails where pkid='%'",
        "update machineaccountdetails set pkid='x'",
        "update machineaccountdetails set refreshtoken='x', pkid='y'",
        "update machineaccountdetails set refreshtoken='x'; delete from machineaccountdetails",
        "update machineaccountdetails set refreshtoken='x' where 1=1",
        "update machineaccountdetails set refreshtoken=",
        "update machineaccountdetails set refreshtoken=''",
        "update machineaccountdetails set refreshtoken='a b'",
        "update machineaccountdetails set refreshtoken=<actual_token_text>",
        "delete from machineaccountdetails",
        "pragma user_version",
        "attach 'x' as y",
    ],
)
def test_no_other_sql_is_taken(statement: str) -> None:
    refusal(f"run sql {statement}")


def test_refusal_does_not_repeat_a_token() -> None:
    for line in (
        f"run sql update machineaccountdetails set refreshtoken='{TOKEN} {TOKEN}'",
        f"run sql update machineaccountdetails set refreshtoken='{TOKEN}' where pkid='%'",
        f"run sql update machineaccountdetails set refreshtoken='{TOKEN}' where x=1",
        f"update machineaccountdetails set refreshtoken='{TOKEN}'",
    ):
        assert TOKEN not in refusal(line)


def test_token_shows_in_no_representation_of_its_command() -> None:
    command = parse_command(f"run sql update machineaccountdetails set refreshtoken={TOKEN}")
    assert TOKEN not in repr(command)
    assert TOKEN not in str(command)


@pytest.mark.parametrize("text", ["", "  ", "a b", "ä", "x" * 4_097, "<token>", "a\nb"])
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        checked_token(text)


def test_blanks_around_a_token_are_not_part_of_it() -> None:
    assert checked_token(f"  {TOKEN}\n").get_secret_value() == TOKEN


@pytest.mark.parametrize(
    "line", ["", "show tech", "utils", "run sql", "utils dbreplication status", "rm -rf /"]
)
def test_unknown_line_points_to_help(line: str) -> None:
    assert refusal(line) == "no such command; help lists those that there are"


def test_line_too_long_or_with_control_characters_is_refused() -> None:
    assert refusal("x" * (LINE_MAX + 1)) == f"line is longer than {LINE_MAX} characters"
    assert refusal("help\x1b[2J") == "line holds a control character"
    assert refusal("help\x00") == "line holds a control character"


def test_help_lists_every_usage_line() -> None:
    assert help_text().splitlines() == list(USAGE.values())
