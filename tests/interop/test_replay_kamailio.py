"""Captures of ours, played at Kamailio: where it is another system, and where it is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from callctl.cli.main import main
from interop.conftest import PCAPS
from interop.drivers.kamailio import HOST, registrar
from interop.drivers.program import free_port
from interop.lab import Site

pytestmark = [pytest.mark.anyio, pytest.mark.needs("kamailio")]

ASSERTED = ("header", "p-asserted-identity", "INVITE")


@pytest.fixture
async def kamailio(site: Site) -> AsyncIterator[str]:
    """HOST:PORT of one that knows the users of the captures."""
    port = free_port()
    async with registrar(port, site.directory):
        yield f"{HOST}:{port}"


async def played(name: str, live: str) -> int:
    """The exit code; the rest is printed."""
    line = ["replay", "run", str(PCAPS / f"{name}.notes.yaml"), "--live", live, "--json"]
    return await anyio.to_thread.run_sync(main, line)


def found(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(it["difference"], it["header"], it["message"]) for it in report["differences"]]


async def test_registration_and_call_are_the_same_but_for_the_asserted_identity(
    kamailio: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await played("sipp-udp-calls-sipp-with-prack", kamailio) == 1
    (report,) = json.loads(capfd.readouterr().out)["captures"]
    assert found(report) == [ASSERTED]
    assert report["not_said"] == []
    # Two challenges, ringing with PRACK, the answer and the end came as in the capture.
    came = {it["title"] for it in report["ladder"] if it["title"] == it["title_now"]}
    assert came >= {
        "401 (REGISTER)",
        "407 (INVITE)",
        "200 (REGISTER)",
        "INVITE",
        "180 (INVITE)",
        "PRACK",
        "200 (PRACK)",
        "200 (INVITE)",
        "ACK",
        "BYE",
        "200 (BYE)",
    }


async def test_server_that_wakes_nobody_answers_at_once_and_has_no_flows(
    kamailio: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await played("caller-gives-up-tcp", f"{kamailio};transport=tcp") == 1
    (report,) = json.loads(capfd.readouterr().out)["captures"]
    assert set(found(report)) == {
        ("other status", "", "487 (INVITE)"),
        ("missing", "", "200 (CANCEL)"),  # there is nothing left that it could cancel
        ("header", "require", "200 (REGISTER)"),  # RFC 5626: who keeps flows says so
    }
    refused = next(it for it in report["differences"] if it["message"] == "487 (INVITE)")
    assert refused["detail"] == "487 (INVITE) in the capture, 404 (INVITE) now"
    assert refused["captured"].startswith("SIP/2.0 487 ")
    assert refused["now"].startswith("SIP/2.0 404 ")
    assert report["ignored"]["challenge that the capture does not have"] == 1


async def test_every_difference_is_printed_with_its_name(
    kamailio: str, capfd: pytest.CaptureFixture[str]
) -> None:
    notes = PCAPS / "sipp-udp-calls-sipp-with-prack.notes.yaml"
    line = ["replay", "run", str(notes), "--live", kamailio]
    assert await anyio.to_thread.run_sync(main, line) == 1
    out = capfd.readouterr().out
    assert out.startswith("sipp-udp-calls-sipp-with-prack: different, 1 difference, 13 compared")
    assert "1  header p-asserted-identity: INVITE for LPH4930111007" in out
