"""The management agent of a running cluster: what it uploads, to whom, and what it shows.

Commands come in by the command line of a node, as administrators enter them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from callctl.cloud.partner import Partner
from callctl.io.management_agent import MEMORY_FILE
from callctl.serviceability import management_agent
from callctl.serviceability.alarm_upload import personal_data
from callctl.serviceability.support_token import SupportToken
from helpers.node_rig import eventually
from helpers.operated import BY_HAND, DEAF, PHONE, UNAVAILABLE, Operated, operated
from sipstack.timing import MS

pytestmark = pytest.mark.anyio

BAD_DEVICE_TOKEN: Final = "PushNotificationInvalidDeviceTokenResponse"
POOL_ERROR: Final = "HttpClientPoolCreationError"
NOW: Final = "utils managementAgent alarms pushnow"
SERVICE: Final = "Cisco Management Agent Service"


@asynccontextmanager
async def agent_of(directory: Path, **more: Any) -> AsyncIterator[Operated]:  # noqa: ANN401
    """Two nodes, a phone that does not come back, and nothing of the start left to upload."""
    async with operated(directory, nodes=2, **more) as it:
        it.cloud.cisco.alarm_intake.log.keeps_raw = True
        await it.phone(manner=DEAF)
        await eventually(lambda: it.active() == [])
        if it.operations.agent.pending:
            await upload(it)
        it.forget()
        yield it


async def upload(it: Operated) -> None:
    """Have it uploaded by hand, and wait for the answer."""
    before = len(it.cloud.cisco.alarm_intake.log)
    answer = await it.cli(NOW)
    assert answer["ok"], answer
    await eventually(lambda: len(it.cloud.cisco.alarm_intake.log) == before + 1)
    await eventually(lambda: it.operations.agent.agent.pending == 0)


async def device_alarm(it: Operated) -> None:
    """The app of the phone is removed: an alarm about somebody's device (severity Error)."""
    token = it.host.parties.phone(PHONE.name).phone.identity.voip_token
    it.cloud.remove_app(Partner.APNS, token)
    await it.call()
    await it.raised(BAD_DEVICE_TOKEN)


def uploaded(it: Operated, since: int) -> list[tuple[str, str]]:
    """Alarm and state of all that was taken, but for the first `since` uploads."""
    taken = it.cloud.cisco.alarm_intake.uploads[since:]
    return [(alarm["alarm"], alarm["state"]) for each in taken for alarm in each.alarms]


def bodies(it: Operated) -> list[bytes]:
    return [each.raw.body for each in it.cloud.cisco.alarm_intake.log if each.raw is not None]


def count(it: Operated) -> int:
    return len(it.cloud.cisco.alarm_intake.uploads)


@pytest.mark.req("ALARM-07", "TRB-01", "TRB-05", "TRB-08")
async def test_pushnow_on_the_publisher_uploads_what_was_raised_on_any_node_at_once(
    tmp_path: Path,
) -> None:
    async with agent_of(tmp_path) as it:
        before = count(it)
        await it.post("/nodes/ucm2/cpns/stop")
        await it.raised(UNAVAILABLE)
        assert (await it.cli(NOW))["text"] == "upload of 1 alarms begun"
        await eventually(lambda: count(it) == before + 1)
        assert uploaded(it, before) == [(UNAVAILABLE, "raised")]
        last = it.cloud.cisco.alarm_intake.uploads[-1]
        assert last.cluster_id == it.operations.agent.agent.cluster_id
        assert last.alarms[0]["node"] == 2
        await eventually(lambda: it.operations.agent.pending == 0)
        assert (await it.cli(NOW))["text"] == "no alarms to upload"


@pytest.mark.req("TRB-06")
async def test_commands_of_the_agent_are_refused_on_a_subscriber_and_change_nothing(
    tmp_path: Path,
) -> None:
    async with agent_of(tmp_path) as it:
        agent = it.operations.agent
        for words in ("pushfrequency 10", "minpushlevel Critical", "pushlevel Notice", "pushnow"):
            answer = await it.cli(f"utils managementAgent alarms {words}", "ucm2")
            assert (answer["ok"], answer["text"]) == (False, "run on the publisher (ucm1)")
        assert (agent.frequency_min, agent.level.value) == (30, "Error")


@pytest.mark.req("TRB-03", "TRB-01")
async def test_interval_ends_by_itself_and_is_the_one_that_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agent_of(tmp_path) as it:
        before = count(it)
        monkeypatch.setattr(management_agent, "MINUTE_NS", 100 * MS)  # a minute in a tenth
        await it.post("/nodes/ucm2/cpns/stop")
        await it.raised(UNAVAILABLE)
        answer = await it.cli("utils managementAgent alarms pushfrequency 5")
        assert answer["text"] == "push frequency is now 5 minutes"
        at = it.operations.agent.agent.next_upload_at
        assert at is not None
        await eventually(lambda: count(it) == before + 1)
        assert it.shell.clock() >= at
        assert uploaded(it, before) == [(UNAVAILABLE, "raised")]


@pytest.mark.req("TRB-03", "TRB-19")
@pytest.mark.parametrize("minutes", ["4", "91", "-1", "5.5", "often"])
async def test_interval_out_of_its_range_is_refused_and_the_old_one_kept(
    tmp_path: Path, minutes: str
) -> None:
    async with operated(tmp_path) as it:
        answer = await it.cli(f"utils managementAgent alarms pushfrequency {minutes}")
        assert not answer["ok"]
        assert it.operations.agent.frequency_min == 30


@pytest.mark.req("TRB-04", "TRB-07", "ALARM-07")
async def test_alarms_below_the_level_are_not_uploaded(tmp_path: Path) -> None:
    async with agent_of(tmp_path) as it:
        before = count(it)
        assert (await it.cli("utils managementAgent alarms minpushlevel critical"))["ok"]
        await device_alarm(it)  # an Error
        await it.post("/nodes/ucm2/cpns/stop")  # an Alert
        await it.raised(UNAVAILABLE)
        await upload(it)
        assert uploaded(it, before) == [(UNAVAILABLE, "raised")]
        answer = await it.cli("utils managementAgent alarms pushlevel error")  # DIFF-18
        assert answer["text"] == "minimum push level is now Error"
        await it.installed_anew(manner=DEAF)
        await upload(it)
        assert (BAD_DEVICE_TOKEN, "cleared") in uploaded(it, before)


@pytest.mark.req("TRB-02", "SVC-01")
async def test_stopped_service_sends_nothing_and_started_again_it_does(tmp_path: Path) -> None:
    async with agent_of(tmp_path) as it:
        before = count(it)
        assert (await it.cli(f"utils service stop {SERVICE}"))["ok"]
        await it.post("/nodes/ucm2/cpns/stop")
        await it.raised(UNAVAILABLE)
        answer = await it.cli(NOW)
        assert (answer["ok"], answer["text"]) == (False, f"{SERVICE} is stopped")
        assert it.operations.agent.agent.next_upload_at is None
        assert count(it) == before
        assert (await it.cli(f"utils service start {SERVICE}"))["ok"]
        await upload(it)
        assert (UNAVAILABLE, "raised") in uploaded(it, before)


@pytest.mark.req("TRB-02")
async def test_service_of_a_subscriber_has_nothing_to_do_with_it(tmp_path: Path) -> None:
    async with agent_of(tmp_path) as it:
        assert (await it.cli(f"utils service stop {SERVICE}", "ucm2"))["ok"]
        assert it.operations.agent.agent.running


async def everything_personal(it: Operated) -> tuple[str, ...]:
    """What names somebody or a machine of the customer (TRB-11)."""
    cluster = it.shell.cluster
    nodes = cluster.nodes.values()
    return (
        *cluster.users,
        *cluster.lines,
        *cluster.devices,
        *cluster.nodes,
        *(node.fqdn for node in nodes),
        "127.0.0.1",
        it.host.parties.phone(PHONE.name).phone.identity.voip_token,
    )


@pytest.mark.req("TRB-11", "TRB-13", "ALARM-08")
async def test_with_the_option_off_nothing_personal_is_in_an_upload(tmp_path: Path) -> None:
    async with agent_of(tmp_path) as it:
        await device_alarm(it)
        await it.post("/nodes/ucm2/cpns/stop")
        await it.raised(UNAVAILABLE)
        await upload(it)
        personal = await everything_personal(it)
        assert bodies(it)
        for body in bodies(it):
            assert not [word for word in personal if word.encode() in body]
            assert b"pii" not in body


@pytest.mark.req("TRB-10", "TRB-11", "TRB-12", "ALARM-08")
async def test_with_the_option_on_it_is_encrypted_and_the_support_token_alone_opens_it(
    tmp_path: Path,
) -> None:
    async with agent_of(tmp_path) as it:
        await it.post("/onboarding/save", pii=True)
        for node in ("ucm1", "ucm2"):
            await it.restart_cpns(node)
        await device_alarm(it)
        await upload(it)
        personal, body = await everything_personal(it), bodies(it)[-1]
        assert not [word for word in personal if word.encode() in body]
        token = it.operations.agent.agent.support_token
        assert token is not None
        assert token.encode() not in b"".join(bodies(it))
        (opened,) = personal_data(body, SupportToken.parse(token)).values()
        assert (opened["subject"], opened["node"]) == (PHONE.name, "ucm1")
        with pytest.raises(ValueError):  # noqa: PT011  (whatever it says)
            personal_data(body, SupportToken.make(it.shell.entropy))


@pytest.mark.req("TRB-01", "TRB-10", "CPNS-11", "SVC-04")
async def test_boxes_of_the_page_rule_the_agent_from_the_restart_on_and_not_before(
    tmp_path: Path,
) -> None:
    async with agent_of(tmp_path) as it:
        agent = it.operations.agent.agent
        assert (agent.sending, agent.encrypted_pii) == (True, False)  # by default, with push
        await it.post("/onboarding/save", troubleshooting=False, pii=True)
        assert (agent.sending, agent.encrypted_pii) == (True, False)
        for node in ("ucm1", "ucm2"):
            await it.restart_cpns(node)
        assert (agent.sending, agent.encrypted_pii) == (False, False)  # no PII without the rest
        answer = await it.cli(NOW)
        assert (answer["ok"], answer["text"]) == (
            False,
            "sending troubleshooting information is switched off",
        )
        await it.post("/onboarding/save", troubleshooting=True)
        for node in ("ucm1", "ucm2"):
            await it.restart_cpns(node)
        assert (agent.sending, agent.encrypted_pii) == (True, True)


@pytest.mark.req("TRB-01", "GEN-09")
async def test_without_push_nothing_is_collected_and_nothing_sent(tmp_path: Path) -> None:
    async with operated(tmp_path, cloud=BY_HAND) as it:
        await it.post("/nodes/ucm1/cpns/stop")
        await it.raised(UNAVAILABLE)
        assert it.operations.agent.pending == 0
        answer = await it.cli(NOW)
        assert (answer["ok"], answer["text"]) == (False, "push is not enabled")
        view = await it.get("/onboarding")
        assert (view["customer_cluster_id"], view["support_token"]) == (None, None)


@pytest.mark.req("TRB-08", "TRB-09", "TRB-12")
async def test_cluster_id_and_support_token_are_on_the_onboarding_page_and_nowhere_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with agent_of(tmp_path) as it:
        agent = it.operations.agent.agent
        token, cluster_id = agent.support_token, agent.cluster_id
        assert token is not None
        assert cluster_id is not None
        await device_alarm(it)
        await upload(it)
        view = await it.get("/onboarding")
        assert (view["customer_cluster_id"], view["support_token"]) == (cluster_id, token)
        capfd.readouterr()
        assert await it.callctl("onboarding status") == 0
        shown = capfd.readouterr().out
        assert f"Customer cluster id: {cluster_id}" in shown
        assert f"Cisco Support Token: {token}" in shown
        for path in await other_paths(it):
            assert token not in (await it.client.get(path)).text, path
        files = [each for each in it.state.path.rglob("*") if each.is_file()]
        kept = [each.name for each in files if token.encode() in each.read_bytes()]
        assert kept == [MEMORY_FILE]
        mode = (it.state.path / MEMORY_FILE).stat().st_mode & 0o777
        assert mode == 0o600
        assert json.loads((it.state.path / MEMORY_FILE).read_text())["cluster_id"] == cluster_id


async def other_paths(it: Operated) -> list[str]:
    """Every GET of the API that needs no name and is not the page, nor without end."""
    described = (await it.get("/openapi.json"))["paths"]
    found = [path for path, ways in described.items() if "get" in ways and "{" not in path]
    assert "/alarms" in found
    return [path for path in found if path not in ("/onboarding", "/trace")]


@pytest.mark.req("TRB-14")
async def test_agent_traces_its_uploads_in_its_folder_at_info(tmp_path: Path) -> None:
    async with agent_of(tmp_path) as it:
        await device_alarm(it)
        await upload(it)
        await eventually(lambda: "answered 200" in it.trace("ucm1", "cmas.log"))
        (file,) = it.state.path.rglob("cmas.log")
        assert str(file).endswith("/ucm1/var/log/active/cm/trace/cmas/log4j/cmas.log")
        lines = file.read_text().splitlines()
        assert {line.split()[2] for line in lines} <= {"INFO", "WARN"}
        assert any(" leaves, " in line for line in lines)
        assert not any(PHONE.name in line for line in lines)
