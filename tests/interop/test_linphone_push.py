"""A standard mobile client end to end: Linphone registers with RFC 8599 parameters, its operating
system kills it, a call comes, a push starts it again, it registers and gets the INVITE.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from callctl.cloud.partner import DEFAULT_PROJECT_ID, Partner
from callctl.io.lab import has_flow
from callctl.io.push_receiver import ReceivedPush
from callctl.model.build import PUSH_ON, iphone
from callctl.model.device import ClientType
from callctl.model.push_access import ApnsAccess, DirectPush, FcmAccess
from callctl.push.envelope import CONTENT_FREE
from callctl.push.kind import PushKind
from callctl.registration.push_binding import PushBinding
from interop.drivers.linphone import Linphone, Settings, Transport, linphone
from interop.drivers.sipp import Sipp
from interop.handset import Handset, handset
from interop.lab import MOBILE, QUICK, Lab, Site, eventually, lab
from sipstack.message.reason import Reason

pytestmark = [pytest.mark.anyio, pytest.mark.needs("linphone-daemon", "sipp")]

DEVICE: Final = iphone(MOBILE, name=f"LPH{MOBILE}", client=ClientType.STANDARD)
TOPIC: Final = "org.example.dock"


@dataclass(frozen=True, slots=True)
class PushTarget:
    """What the app tells of itself in its Contact, and where its pushes arrive."""

    parameters: str
    partner: Partner
    token: str  # of call pushes
    app: str  # as its handset is attached to the partner cloud with
    provider: str = "apns"


ONE_TOKEN: Final = PushTarget(
    f"pn-provider=apns;pn-param=TEAM123456.{TOPIC}.voip;pn-prid=4f2a00e1",
    Partner.APNS,
    "4f2a00e1",
    f"{TOPIC}.voip",
)
TWO_TOKENS: Final = PushTarget(
    f"pn-provider=apns;pn-param=TEAM123456.{TOPIC}.remote&voip;"
    "pn-prid=4f2a00e1:remote&4f2a00e2:voip",
    Partner.APNS,
    "4f2a00e2",
    f"{TOPIC}.voip",
)
GOOGLE: Final = PushTarget(
    f"pn-provider=fcm;pn-param={DEFAULT_PROJECT_ID};pn-prid=dAb:APA91_-x",
    Partner.FCM,
    "dAb:APA91_-x",
    DEFAULT_PROJECT_ID,
    "fcm",
)

DIRECT: Final = replace(
    PUSH_ON, direct=DirectPush(frozenset({"APNS", "FCM"}), ApnsAccess(TOPIC), FcmAccess())
)

SHOWS: Final = (
    "Linphone registers by {} with the push parameters of RFC 8599 in its Contact ({}) and is "
    "killed. SIPp calls: a push without content goes out, its delivery starts Linphone again, "
    "whose REGISTER releases the INVITE, and it answers. SIPp hangs up."
)


@pytest.mark.needs("tshark", "capture")
@pytest.mark.req("REG-02", "REG-03", "REG-09", "REG-13", "CALL-01", "CALL-02")
@pytest.mark.parametrize(
    ("transport", "target"),
    [
        pytest.param("udp", ONE_TOKEN, id="udp-apple"),
        pytest.param("tcp", TWO_TOKENS, id="tcp-apple-with-two-tokens"),
        pytest.param("tls", GOOGLE, id="tls-google"),
    ],
)
async def test_killed_linphone_is_started_by_a_push_that_says_nothing_and_gets_the_call(
    transport: Transport, target: PushTarget, site: Site
) -> None:
    by = transport.upper()
    shows = SHOWS.format(by, target.provider)
    async with lab(site, devices=[DEVICE]) as here:
        settings = replace(here.linphone(transport, MOBILE), push=target.parameters)
        async with (
            here.filmed(f"linphone-{transport}-is-woken-by-{target.provider}", shows) as film,
            asleep(here, settings, target) as system,
            Sipp(site.directory, here.server("UDP"), "udp").calling(here.account(), MOBILE) as sipp,
        ):
            await system.push()
            async with linphone(app_of(site), settings) as woken:
                await woken.call("IncomingReceived")
                await woken.answer()
                await woken.call("StreamsRunning")
                ended = await sipp.ended(within_s=10)
                assert ended.ok, (ended.errors, ended.messages)
                await woken.call("Released")
                assert f'Feature-Caps: *;+sip.pns="{target.provider}"' in woken.trace
        # Over a stream nothing leaves before the REGISTER; a datagram flow may be alive (CALL-03).
        registered = [rung for rung in film.rungs if rung.what == "200" and "REG" in rung.cseq]
        assert len(registered) == 3  # before, woken, and taken back in the end
        offered = [r for r in film.rungs if r.what == "INVITE" and r.source in film.nodes]
        assert film.rungs.index(registered[1]) < film.rungs.index(offered[-1])
        assert transport == "udp" or len(offered) == 1
        assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
        here.assert_pushes_say_nothing()
        await here.at_rest()


@pytest.mark.parametrize("target", [TWO_TOKENS, GOOGLE], ids=["apns", "fcm"])
async def test_killed_linphone_is_started_by_its_cloud_without_push_rest_in_between(
    target: PushTarget, site: Site
) -> None:
    async with lab(site, devices=[DEVICE], cloud=DIRECT) as here:
        settings = replace(here.linphone("tcp", MOBILE, answers=True), push=target.parameters)
        sipp = Sipp(site.directory, here.server("UDP"), "udp")
        async with (
            asleep(here, settings, target) as system,
            sipp.calling(here.account(), MOBILE) as caller,
        ):
            push = await system.push()
            async with linphone(app_of(site), settings) as woken:
                ended = await caller.ended(within_s=10)
                assert ended.ok, (ended.errors, ended.messages)
                await woken.call("Released")
        assert len(here.cloud.push_rest.log) == 0
        here.assert_no_cloud_saw_a_name()
        assert content_of(push) == CONTENT_FREE


@pytest.mark.req("CALL-04", "CALL-05", "CALL-06", "CALL-07", "SHL-02")
async def test_linphone_that_never_wakes_rings_by_the_node_and_then_is_not_there(
    site: Site,
) -> None:
    """With the clocks of the service shortened: 5 s to 1 s, 13 s to 2 s."""
    quick = replace(QUICK, ring_back_s=1, drop_s=2)
    async with lab(site, parameters=quick, devices=[DEVICE]) as here:
        settings = replace(here.linphone("tcp", MOBILE), push=TWO_TOKENS.parameters)
        async with asleep(here, settings, TWO_TOKENS) as system:
            sipp = Sipp(site.directory, here.server("UDP"), "udp")
            ended = await sipp.refused(here.account(), MOBILE)
            assert ended.ok, (ended.errors, ended.messages)
            assert ended.messages.count("SIP/2.0 180 ") == 1
            reason = ended.messages.split("\nReason: ")[1].partition("\n")[0]
            assert [(r.protocol, r.cause) for r in Reason.parse_many(reason)] == [("Q.850", 20)]
            (record,) = here.shell.records()
            at = {step.code: (step.at - record.started_at) // 10**9 for step in record.steps}
            assert (at["ring-back"], at["dropped"], at["final"]) == (1, 2, 2)
            await system.push()
            # No second one: without a key it could not say what it is for, and would ring again.
            kinds = [entry.kind for _, entry in here.shell.pushes()]
            assert kinds == [PushKind.INCOMING]
            here.assert_pushes_say_nothing()
            # Started too late, by its owner, it gets nothing of the call. An INVITE would have
            # come on its connection before the answer to the REGISTER that it leaves with.
            async with linphone(app_of(site), settings) as late:
                await late.registration()
            assert "CSeq: 1 INVITE" not in late.trace
            assert "offered" not in [step.code for step in record.steps]
        await here.at_rest()


@pytest.mark.req("REG-10")
async def test_linphone_with_an_unknown_push_service_is_told_555_and_not_registered(
    site: Site,
) -> None:
    async with lab(site, devices=[DEVICE]) as here:
        push = "pn-provider=carrier-pigeon;pn-param=loft;pn-prid=4f2a00e1"
        settings = replace(here.linphone("tcp", MOBILE), push=push)
        async with linphone(app_of(site), settings) as client:
            await client.registration("Failed")
            assert "SIP/2.0 555 " in client.trace
            assert "Feature-Caps" not in client.trace
        assert push_binding(here) is None
        assert not has_flow(here.shell, DEVICE.name)


@pytest.mark.req("REG-08", "REG-13")
async def test_linphone_that_unregisters_is_not_pushed_to_any_more(site: Site) -> None:
    async with lab(site, devices=[DEVICE]) as here:
        settings = replace(here.linphone("tcp", MOBILE), push=ONE_TOKEN.parameters)
        async with linphone(app_of(site), settings) as client:
            await client.registration()
            assert push_binding(here) is not None
            await client.unregister()
            await eventually(lambda: push_binding(here) is None, "end of the push binding")
            assert "\nExpires: 0" in client.trace
        sipp = Sipp(site.directory, here.server("UDP"), "udp")
        ended = await sipp.refused(here.account(), MOBILE)  # 480, at once
        assert ended.ok, (ended.errors, ended.messages)
        assert "SIP/2.0 180 " not in ended.messages
        assert here.shell.pushes() == []


@asynccontextmanager
async def asleep(here: Lab, settings: Settings, target: PushTarget) -> AsyncIterator[Handset]:
    """A handset whose Linphone has registered and was killed then."""
    async with linphone(app_of(here.site), settings) as client:
        await client.registration()
        await kill(here, client, settings)
    binding = push_binding(here)
    assert binding is not None
    assert binding.voip_token == target.token
    async with handset(here, target.partner, target.token, target.app) as system:
        yield system


def content_of(push: ReceivedPush) -> object:
    """What a push tells the app beside what the cloud itself reads. FCM has it all in one."""
    told = {k: v for k, v in push.payload.items() if k not in ("aps", "channel", "trackingId")}
    return told.get("payload", told)


async def kill(here: Lab, client: Linphone, settings: Settings) -> None:
    """End the app without a word; the end of a connection is seen by the node."""
    await client.kill()
    if settings.transport != "udp":
        await eventually(lambda: not has_flow(here.shell, DEVICE.name), "end of the flow")


def push_binding(here: Lab) -> PushBinding | None:
    """What the node knows of waking the device."""
    return here.shell.nodes[0].engine.push_binding(DEVICE.name)


def app_of(site: Site) -> Path:
    """Where Linphone keeps its files, in all of its lives."""
    return site.directory / "linphone"
