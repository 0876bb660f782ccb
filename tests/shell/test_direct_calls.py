"""Calls to sleeping phones whose pushes go straight to the (emulated) partner clouds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from callctl.cloud.faults import Fault
from callctl.cloud.partner import DEFAULT_BUNDLE_ID, Partner
from callctl.cloud.record import PushLog
from callctl.io.cluster_shell import ClusterShell
from callctl.io.emulators import PushCloud
from callctl.io.lab import has_flow
from callctl.model.build import PUSH_ON, android, desk_phone, iphone
from callctl.model.cloud import CloudSettings
from callctl.model.device import ClientType, Device, Platform, PushWay
from callctl.model.push_access import ApnsAccess, DirectPush, FcmAccess, SigningKey
from callctl.phone.event import CallAnswered, CallEnded
from callctl.phone.phone_event import AppSuspended, PhoneAnswered
from helpers.direct import account
from helpers.loops import on_each_loop
from helpers.node_rig import Agent, eventually, loopback_cluster, running, user_agent
from helpers.sleeping_phone import Told, sleeping
from sipstack.io.entropy import OsEntropy

pytestmark = [pytest.mark.anyio, on_each_loop]

DIRECT = replace(
    PUSH_ON,
    direct=DirectPush(frozenset({"APNS", "FCM"}), ApnsAccess(DEFAULT_BUNDLE_ID), FcmAccess()),
)
IPHONE = replace(iphone("2001"), client=ClientType.STANDARD)
ROBOT = replace(android("2002"), client=ClientType.STANDARD)


async def is_asleep(cluster: ClusterShell, phone: Told, times: int = 1) -> None:
    """The app is suspended, and no node holds its connection for one that lives."""
    await phone.until(AppSuspended, times)
    device_name = phone.shell.settings.agent.device_name or ""
    await eventually(lambda: not has_flow(cluster, device_name))


def cloud_of(cluster: ClusterShell) -> PushCloud:
    assert cluster.cloud is not None
    return cluster.cloud


@asynccontextmanager
async def scene(
    device: Device, cloud: CloudSettings = DIRECT
) -> AsyncIterator[tuple[ClusterShell, Told, Agent]]:
    """A node, a sleeping phone, and somebody who can call it."""
    cluster = loopback_cluster(device, desk_phone("1001"), cloud=cloud)
    async with (
        running(cluster) as shell,
        sleeping(shell, device) as phone,
        user_agent(shell, "1001") as caller,
    ):
        for log in logs(shell):
            log.keeps_raw = True
        await is_asleep(shell, phone)
        yield shell, phone, caller


def logs(cluster: ClusterShell) -> tuple[PushLog, PushLog, PushLog]:
    """Of Push REST, APNs and FCM."""
    cloud = cloud_of(cluster)
    return cloud.push_rest.log, cloud.apns.log, cloud.fcm.log


def statuses(log: PushLog) -> list[tuple[int, str]]:
    return [(record.status, record.reason) for record in log]


async def is_answered(caller: Agent, dn: str) -> None:
    before = len(caller.all(CallEnded))
    caller.shell.invite(dn)
    await eventually(lambda: len(caller.all(CallEnded)) > before)


@pytest.mark.req("SEC-06")
@pytest.mark.parametrize("device", [IPHONE, ROBOT], ids=["apns", "fcm"])
async def test_sleeping_standard_phone_is_woken_directly_and_answers(device: Device) -> None:
    """A client with RFC 8599 parameters and no key: the push says nothing but "wake up"."""
    async with scene(device) as (shell, phone, caller):
        await is_answered(caller, device.lines[0])
        assert len(caller.all(CallAnswered)) == len(phone.all(PhoneAnswered)) == 1
        rest, apns, fcm = logs(shell)
        partner = apns if device is IPHONE else fcm
        assert len(rest) == 0
        assert statuses(partner) == [(200, "")]
        (record,) = partner
        assert record.raw is not None
        sent = repr((record.raw.path, record.raw.headers)).encode() + record.raw.body
        assert b'"enc":"none"' in sent
        for personal in (b"1001", b"displayName", b"callUUID"):
            assert personal not in record.raw.body
        if device is IPHONE:
            headers = dict(record.raw.headers)
            assert headers["apns-push-type"] == "voip"
            assert headers["apns-topic"] == f"{DEFAULT_BUNDLE_ID}.voip"
            assert headers["apns-priority"] == "10"
        (entry,) = (entry for _, entry in shell.pushes())
        assert entry.tracking_id == record.tracking_id


@pytest.mark.req("SEC-01")
@pytest.mark.parametrize("device", [iphone("2001"), android("2002")], ids=["apns", "fcm"])
async def test_managed_phone_opens_what_a_direct_push_brings_it(device: Device) -> None:
    async with scene(device) as (shell, phone, caller):
        await eventually(lambda: phone.shell.signed_in)
        await is_answered(caller, device.lines[0])
        assert len(phone.all(PhoneAnswered)) == 1
        (record, *_) = logs(shell)[1 if device.platform is Platform.IOS else 2]
        assert record.raw is not None
        assert b"A256GCM" in record.raw.body
        assert len(logs(shell)[0]) == 0


@pytest.mark.req("PUSH-02")
async def test_device_that_is_to_take_push_rest_takes_it_though_its_service_goes_directly() -> None:
    device = replace(IPHONE, push_way=PushWay.PUSH_REST)
    async with scene(device) as (shell, _phone, caller):
        await is_answered(caller, "2001")
        assert statuses(logs(shell)[0]) == [(200, "")]


async def test_accounts_of_the_cluster_are_what_the_emulators_ask_for() -> None:
    key = SigningKey.make(OsEntropy(), "OWNKEY0001", "OWNTEAM001")
    own = DirectPush(
        frozenset({"APNS", "FCM"}),
        ApnsAccess(DEFAULT_BUNDLE_ID, key),
        FcmAccess(account()),
    )
    for device, which in ((IPHONE, 1), (ROBOT, 2)):
        async with scene(device, replace(PUSH_ON, direct=own)) as (shell, _phone, caller):
            await is_answered(caller, device.lines[0])
            assert statuses(logs(shell)[which]) == [(200, "")]


async def test_removed_app_stops_its_pushes_at_once_and_the_caller_hears_it() -> None:
    """OP-20, CLOUD-06, REG-06."""
    async with scene(IPHONE) as (shell, phone, caller):
        token = phone.shell.phone.identity.voip_token
        cloud_of(shell).remove_app(Partner.APNS, token)
        caller.shell.invite("2001")
        ended = await caller.until(CallEnded)
        assert ended.status == 480
        assert statuses(logs(shell)[1]) == [(410, "Unregistered")]
        assert shell.view.engine.push_bindings == ()


async def test_apns_that_says_goodbye_between_calls_costs_no_call() -> None:
    async with scene(IPHONE) as (shell, phone, caller):
        await is_answered(caller, "2001")
        await is_asleep(shell, phone, 2)
        cloud_of(shell).apns_goes_away()
        await is_answered(caller, "2001")
        assert len(phone.all(PhoneAnswered)) == 2
        assert [status for status, _ in statuses(logs(shell)[1])] == [200, 200]
        await eventually(lambda: shell.nodes[0].counts()["push_streams"] == 0)
        assert shell.nodes[0].counts()["push_connections"] == 1


async def test_access_token_that_google_revoked_costs_no_call() -> None:
    """One refusal, one new token, and the push again."""
    async with scene(ROBOT) as (shell, phone, caller):
        await is_answered(caller, "2002")
        await is_asleep(shell, phone, 2)
        cloud_of(shell).fcm_tokens.revoke_all()
        await is_answered(caller, "2002")
        assert len(phone.all(PhoneAnswered)) == 2
        assert [status for status, _ in statuses(logs(shell)[2])] == [200, 401, 200]
        assert len(cloud_of(shell).token_endpoint.log) == 2


@pytest.mark.req("CALL-18")
async def test_token_endpoint_that_gives_nothing_ends_the_wait_of_the_caller() -> None:
    async with scene(ROBOT) as (shell, _phone, caller):
        refused = Fault(status=400, reason="invalid_grant")
        cloud_of(shell).token_endpoint.faults.add(refused)
        caller.shell.invite("2002")
        ended = await caller.until(CallEnded)
        assert ended.status == 503  # the cloud's fault, not the phone's (I7)
        assert len(logs(shell)[2]) == 0


async def test_access_token_of_push_rest_that_was_rotated_costs_no_call() -> None:
    """OP-13, reliability area I, 95."""
    async with scene(IPHONE, PUSH_ON) as (shell, phone, caller):
        await is_answered(caller, "2001")
        await is_asleep(shell, phone, 2)
        cloud_of(shell).cisco.ci.accounts.revoke(None)
        await is_answered(caller, "2001")
        assert len(phone.all(PhoneAnswered)) == 2
        assert [status for status, _ in statuses(logs(shell)[0])] == [200, 401, 200]


async def test_cloud_that_asks_for_rest_is_left_alone_and_the_caller_hears_at_once() -> None:
    async with scene(IPHONE) as (shell, _phone, caller):
        busy = Fault(status=503, reason="ServiceUnavailable", retry_after_s=60, times=1)
        cloud_of(shell).apns.faults.add(busy)
        caller.shell.invite("2001")
        await eventually(lambda: statuses(logs(shell)[1]) == [(503, "ServiceUnavailable")])
        await eventually(lambda: shell.nodes[0].counts()["push_streams"] == 0)  # and it was heard
        caller.shell.invite("2001")
        ended = await caller.until(CallEnded)
        assert ended.status == 503
        assert len(logs(shell)[1]) == 1
