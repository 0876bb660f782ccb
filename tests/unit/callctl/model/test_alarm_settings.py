"""The log and the syslog collectors of a cluster file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callctl.model.alarm_schema import AlarmsEntry
from callctl.model.alarm_settings import NOBODY_TOLD, AlarmSettings, SyslogSettings

HERE = Path("/etc/lab")


@pytest.mark.parametrize(("transport", "port"), [("udp", 514), ("tcp", 601), ("tls", 6514)])
def test_each_transport_has_its_port(transport: Any, port: int) -> None:  # noqa: ANN401
    assert SyslogSettings("192.0.2.1", transport).port == port
    assert SyslogSettings("192.0.2.1", transport, 5_514).port == 5_514


def test_a_file_is_read_relative_to_the_cluster_file() -> None:
    entry = AlarmsEntry.model_validate(
        {
            "log_file": "lab.log",
            "syslog": [
                {"host": "Logs.Example.com"},
                {"host": "2001:db8::1", "transport": "tls", "facility": 16, "ca_file": "ca.pem"},
            ],
        }
    )
    assert entry.record(HERE) == AlarmSettings(
        HERE / "lab.log",
        (
            SyslogSettings("logs.example.com", "udp", 514, 23),
            SyslogSettings("2001:db8::1", "tls", 6514, 16, HERE / "ca.pem"),
        ),
    )
    assert AlarmsEntry().record(HERE) == NOBODY_TOLD


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"host": "no host"},
        {"host": "[::1]"},
        {"host": "a", "transport": "sctp"},
        {"host": "a", "port": 0},
        {"host": "a", "facility": 24},
        {"host": "a", "severity": "error"},
    ],
)
def test_what_is_no_collector_is_a_mistake(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AlarmsEntry.model_validate({"syslog": [wrong]})


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"transport": "sctp"}, "one of udp, tcp, tls"),
        ({"port": 70_000}, "1 to 65535"),
        ({"facility": 24}, "0 to 23"),
        ({"ca_file": Path("ca.pem")}, "only tls"),
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SyslogSettings("127.0.0.1", **bad)
