"""Alarms as syslog messages, read back by a strict reader."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.serviceability.alarm import AlarmCleared, AlarmNotice, AlarmRaised
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.syslog import (
    DATAGRAM_MAX,
    MESSAGE_LEAST,
    STREAM_MAX,
    SyslogOrigin,
    framed,
    structured_data,
    syslog_message,
    timestamp,
)
from helpers.rfc5424 import BOM, read_syslog, unframed
from sipstack.timing import Instant

ORIGIN = SyslogOrigin("ucm1.example.com")
UNIX_NS = 1_720_602_000_250_999_999  # 2024-07-10T09:00:00.250999999Z


def raised(
    name: str = "AccessTokenInvalid", *, node: str = "ucm1", subject: str = "", detail: str = ""
) -> AlarmRaised:
    return AlarmRaised(7, CATALOGUE[name], node, Instant(0), Instant(0), 1, subject, detail)


def test_an_alarm_is_this_line() -> None:
    assert syslog_message(raised("APNSAlarm"), UNIX_NS, ORIGIN) == (
        b"<185>1 2024-07-10T09:00:00.250Z ucm1.example.com callctl - AlarmRaised"
        b' [alarm@32473 name="APNSAlarm" severity="ALERT_ALARM" component="Cisco Jabber"'
        b' node="ucm1" state="raised" number="7" occurrences="1"]'
        b" A Jabber client on iOS could not process a push."
    )


@pytest.mark.req("ALARM-01", "ALARM-09")
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_alarm_is_a_message_of_its_severity(name: str) -> None:
    read = read_syslog(syslog_message(raised(name), UNIX_NS, ORIGIN))
    assert read.severity == CATALOGUE[name].severity
    assert read.facility == 23
    assert read.data["alarm@32473"]["name"] == name
    assert read.data["alarm@32473"]["component"] == CATALOGUE[name].component


@pytest.mark.req("ALARM-08")
def test_whom_an_alarm_is_about_is_not_in_it() -> None:
    notice = raised("PushNotificationInvalidDeviceTokenResponse", subject="TCTALICE")
    assert b"TCTALICE" not in syslog_message(notice, UNIX_NS, ORIGIN)


def test_a_cleared_alarm_is_a_notice_that_names_the_severity_it_had() -> None:
    up = raised()
    notice = AlarmCleared(7, up.definition, "ucm1", Instant(9), Instant(0), 3)
    read = read_syslog(syslog_message(notice, UNIX_NS, ORIGIN))
    assert (read.severity, read.msg_id, read.text) == (5, "AlarmCleared", "The condition is over.")
    values = read.data["alarm@32473"]
    assert (values["severity"], values["state"], values["number"]) == (
        "ALERT_ALARM",
        "cleared",
        "7",
    )


@pytest.mark.parametrize(
    ("value", "escaped"),
    [('a"b', 'a\\"b'), ("a\\b", "a\\\\b"), ("a]b", "a\\]b"), ('\\"]', '\\\\\\"\\]')],
)
def test_three_characters_of_a_value_are_escaped_and_no_other(value: str, escaped: str) -> None:
    assert structured_data({"node": value}) == f'[alarm@32473 node="{escaped}"]'
    assert structured_data({"node": "a[b=c"}) == '[alarm@32473 node="a[b=c"]'


def test_a_byte_order_mark_comes_before_text_that_needs_it_and_no_other() -> None:
    assert BOM not in syslog_message(raised(detail="plain"), UNIX_NS, ORIGIN)
    message = syslog_message(raised(detail="Überlauf"), UNIX_NS, ORIGIN)
    assert message.count(BOM) == 1
    assert read_syslog(message).text.startswith("Überlauf. The access token")


def test_a_line_end_in_a_detail_forges_no_second_message() -> None:
    message = syslog_message(raised(detail="x\r\n<0>1 - - - - - -\x00"), UNIX_NS, ORIGIN)
    assert b"\n" not in message
    assert b"\x00" not in message
    read_syslog(message)


def test_a_long_text_is_cut_at_its_end_between_characters() -> None:
    message = syslog_message(raised(detail="ü" * 3_000), UNIX_NS, ORIGIN, size_max=DATAGRAM_MAX)
    assert DATAGRAM_MAX - 1 <= len(message) <= DATAGRAM_MAX
    assert set(read_syslog(message).text) == {"ü"}


def test_a_header_field_takes_visible_ascii_alone_and_is_a_dash_if_nothing_is_left() -> None:
    origin = SyslogOrigin("my host\n", app="", process="ü")
    read = read_syslog(syslog_message(raised(), UNIX_NS, origin))
    assert (read.host, read.app, read.process) == ("myhost", "-", "-")


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="no facility 24: it is one of 0 to 23"):
        SyslogOrigin("ucm1", facility=24)
    with pytest.raises(ValueError, match="does not fit into 480 octets"):
        syslog_message(raised(), UNIX_NS, ORIGIN, size_max=480)


def test_a_count_goes_before_each_message_of_a_stream() -> None:
    assert framed("ü".encode()) == b"2 \xc3\xbc"
    assert unframed(framed(b"<0>1 a") + framed(b"b c") + b"9 d") == ([b"<0>1 a", b"b c"], b"9 d")


@given(st.integers(0, 253_402_300_799_999_999_999))
def test_every_time_can_be_written(unix_ns: int) -> None:
    text = timestamp(unix_ns)
    assert len(text) == len("2024-07-10T09:00:00.250Z")


ANY_TEXT = st.text(max_size=3_000)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.integers(0, 23), st.integers(MESSAGE_LEAST, STREAM_MAX))
def test_whatever_is_in_it_a_message_is_well_formed_fits_and_comes_out_of_its_frame(
    node: str, detail: str, host: str, facility: int, size_max: int
) -> None:
    definition = replace(CATALOGUE["StartFailed"], component=node)
    notice: AlarmNotice = AlarmRaised(
        2**64, definition, node, Instant(0), Instant(0), 2**64, node, detail
    )
    origin = SyslogOrigin(host, host, host, facility)
    message = syslog_message(notice, UNIX_NS, origin, size_max=size_max)
    assert len(message) <= size_max
    read = read_syslog(message)
    assert read.facility == facility
    assert list(read.data["alarm@32473"]) == [
        "name", "severity", "component", "node", "state", "number", "occurrences",
    ]  # fmt: skip
    assert unframed(framed(message) * 2) == ([message, message], b"")


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=16))
def test_a_printable_value_is_read_back_as_it_was(value: str) -> None:
    printable = "".join(each for each in value if each.isprintable())
    read = read_syslog(syslog_message(raised(node=printable), UNIX_NS, ORIGIN))
    assert read.data["alarm@32473"]["node"] == printable
