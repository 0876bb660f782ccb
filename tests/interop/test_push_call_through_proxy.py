"""Calls to sleeping phones whose cluster reaches its clouds through a proxy, real or bad.

The proxy goes by a name that leads to two addresses of the loopback network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from callctl.cloud.fault_orders import CI, FOS, PUSH_REST
from callctl.io.lab import has_flow
from callctl.io.pki import CertificateAuthority
from callctl.model.build import iphone
from callctl.model.cloud import CloudSettings
from callctl.onboarding.state import State
from callctl.push.events import Outcome
from helpers.bad_proxy import bad_proxy
from helpers.cloud_calls import (
    active,
    cloud_of,
    cut,
    heard,
    lost,
    order,
    posts,
    restart,
    rings,
    talk,
)
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from helpers.proxies import RealProxy, squid, tinyproxy
from helpers.stage import SCALED, Stage, in_service, manner, staged
from helpers.ways import PROXY_NAME, Names, black_hole, settings_for

pytestmark = [pytest.mark.anyio]

PHONE: Final = iphone("4930666001")
DN: Final = PHONE.lines[0]
DEAD: Final = "127.0.0.3"
GOOD: Final = "127.0.0.1"
FULL = replace(SCALED, ring_back_s=5, drop_s=13)
"""The waits of production, with short timers of SIP."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def through(
    port: int, *, scheme: str = "https", basic: bool = False, password: str = "cello"
) -> CloudSettings:
    """Push, by emulated clouds behind the proxy."""
    proxy = settings_for(port, scheme=scheme, password=password)
    proxy = replace(proxy, basic_over_http=basic)
    return CloudSettings(push_enabled=True, emulator=True, proxy=proxy)


def uploaded(authority: CertificateAuthority, place: Path) -> Sequence[Path]:
    """The certificate of the proxy's authority, as an administrator uploads it."""
    file = place / "proxy-ca.pem"
    file.write_text(authority.ca_pem)
    return [file]


def names(*addresses: str) -> Names:
    return Names({PROXY_NAME: addresses})


def tunnels(proxy: RealProxy) -> Counter[str]:
    """How many tunnels Squid opened to each place; it tells of one when it has ended."""
    opened = [line for line in proxy.requests() if line.startswith("TCP_TUNNEL/200")]
    return Counter(line.split(" ")[2] for line in opened)


def place(stage: Stage, service: str) -> str:
    """Where a service is reached, as a proxy is told."""
    return urlsplit(cloud_of(stage).services[service].url).netloc


def asked(stage: Stage, service: str) -> int:
    """How many requests a service has had."""
    return len(cloud_of(stage).services[service].core.log)


@on_each_loop
@pytest.mark.needs("squid")
@pytest.mark.req("PROXY-01", "PROXY-02", "PROXY-03", "PROXY-04", "PROXY-05")
async def test_call_to_a_sleeping_phone_works_through_squid_with_digest_and_its_first_address_dead(
    tmp_path: Path,
) -> None:
    """Over https, as onboarding, tokens and pushes are; then the dead address is a black hole."""
    authority = CertificateAuthority("proxy CA")
    async with squid(authority, names=(PROXY_NAME,)) as proxy:
        way = names(DEAD, GOOD)
        async with staged(
            sleepers={PHONE: manner()},
            parameters=FULL,
            cloud=through(proxy.port),
            tomcat_trust=uploaded(authority, tmp_path),
            resolve=way,
            rests=False,
        ) as stage:
            first = await talk(stage, DN)
            assert (first.status, first.after_s < 3) == (200, True)
            with black_hole(DEAD, proxy.port):
                await cut(stage)
                second = await talk(stage, DN)
            assert second.status == 200
            assert 2 <= second.after_s < 13  # 2 s for the address that says nothing
            assert active(stage) == []
            found = rings(stage, DN)
            assert [push.outcome for push in found] == [Outcome.ACCEPTED] * 2
            assert asked(stage, PUSH_REST) == 2
            wanted = {place(stage, PUSH_REST): 2}  # the first was cut
            wanted |= {place(stage, service): asked(stage, service) for service in (FOS, CI)}
            assert set(way.asked) == {PROXY_NAME}
        # As many tunnels as connections: nothing went past the proxy.
        await eventually(lambda: wanted.items() <= tunnels(proxy).items())
        assert 0 not in wanted.values()
        assert all(" callctl" in line for line in proxy.requests() if "TUNNEL" in line)


@pytest.mark.needs("tinyproxy")
@pytest.mark.req("PROXY-01", "PROXY-02", "PROXY-03")
async def test_call_works_through_tinyproxy_with_basic_in_the_clear_where_that_is_allowed() -> None:
    async with tinyproxy() as proxy:
        async with staged(
            sleepers={PHONE: manner()},
            cloud=through(proxy.port, scheme="http", basic=True),
            resolve=names(GOOD),
            rests=False,
        ) as stage:
            assert (await talk(stage, DN)).status == 200
            assert active(stage) == []
        asked_of = [line for line in proxy.requests() if "CONNECT" in line]
        assert len(asked_of) >= 4


@pytest.mark.needs("tinyproxy")
@pytest.mark.req("PROXY-03")
async def test_password_is_not_sent_in_the_clear_by_basic_unless_that_is_allowed() -> None:
    async with tinyproxy() as proxy:
        async with staged(
            sleepers={},
            cloud=through(proxy.port, scheme="http"),
            resolve=names(GOOD),
            rests=False,
            pushes=False,
        ) as stage:
            onboarding = stage.shell.operations.access.onboarding.onboarding
            assert onboarding.state not in (State.COMPLETED, State.ACTIVE)
            assert asked(stage, FOS) == asked(stage, CI) == 0
        assert not [line for line in proxy.requests() if "Established" in line]


@pytest.mark.req("CPNS-15", "PROXY-06")
async def test_push_that_the_first_address_swallows_goes_once_more_by_the_second_after_5_s(
    tmp_path: Path,
) -> None:
    """53, with the 5 s and 13 s of production: the same push, and the call completes."""
    authority = CertificateAuthority("proxy CA")
    tls = authority.server_context((PROXY_NAME,))
    async with (
        bad_proxy("digest", tls=tls) as second,
        bad_proxy("digest", tls=tls, host=DEAD, port=second.port) as first,
        staged(
            sleepers={PHONE: manner()},
            parameters=FULL,
            cloud=through(second.port),
            tomcat_trust=uploaded(authority, tmp_path),
            resolve=names(DEAD, GOOD),
            rests=False,
        ) as stage,
    ):
        assert (await talk(stage, DN)).status == 200
        assert first.tunnels > 3
        assert second.connections == 0
        first.deaf = True
        answer = await talk(stage, DN)
        assert answer.status == 200
        assert 5 <= answer.after_s < 8
        assert second.tunnels == 1
        swallowed = rings(stage, DN)[-1]
        assert swallowed.outcome is Outcome.ACCEPTED
        assert swallowed.tracking_id is not None
        assert posts(stage)[swallowed.tracking_id] == 1  # the other never got through
        assert active(stage) == []


@pytest.mark.req("CPNS-15", "PROXY-06")
async def test_push_whose_answer_alone_is_lost_is_not_sent_again_to_a_phone_that_has_come() -> None:
    """53, the other way round: the call is over when the 5 s are."""
    quick = replace(SCALED, push_response_timeout_s=1, drop_s=3)
    async with (
        bad_proxy() as second,
        bad_proxy(host=DEAD, port=second.port) as first,
        staged(
            sleepers={PHONE: manner()},
            parameters=quick,
            cloud=through(second.port, scheme="http"),
            resolve=names(DEAD, GOOD),
            rests=False,
        ) as stage,
    ):
        assert (await talk(stage, DN)).status == 200
        first.mute = True
        assert (await talk(stage, DN)).status == 200
        await eventually(lambda: rings(stage, DN)[-1].outcome is not None)
        assert rings(stage, DN)[-1].outcome is Outcome.FAILED
        assert second.connections == 0
        assert set(posts(stage).values()) == {1}


@pytest.mark.req("PROXY-06")
async def test_push_that_was_answered_with_an_error_does_not_go_by_the_next_address() -> None:
    quick = replace(SCALED, push_response_timeout_s=1)
    async with (
        bad_proxy() as second,
        bad_proxy(host=DEAD, port=second.port) as first,
        staged(
            sleepers={PHONE: manner()},
            parameters=quick,
            cloud=through(second.port, scheme="http"),
            resolve=names(DEAD, GOOD),
            rests=False,
        ) as stage,
    ):
        order(stage, PUSH_REST, "status", status=503, times=1)
        placed, ring = await lost(stage, DN)
        assert (ring.outcome, ring.status) == (Outcome.FAILED, 503)
        assert (await heard(placed)).status == 503  # it waited, and nothing was sent meanwhile
        assert set(posts(stage).values()) == {1}
        assert (first.tunnels > 0, second.connections) == (True, 0)


@pytest.mark.req("PROXY-11")
async def test_wrong_settings_of_the_proxy_raise_one_alarm_until_they_are_right() -> None:
    async with (
        bad_proxy("digest") as proxy,
        staged(
            sleepers={PHONE: manner()},
            cloud=through(proxy.port, scheme="http"),
            resolve=names(GOOD),
            rests=False,
        ) as stage,
    ):
        assert active(stage) == []
        proxy.manner = "407 for ever"
        await restart(stage)
        await eventually(lambda: "HttpClientPoolCreationError" in active(stage))
        board = stage.shell.operations.alarms.board
        (alarm,) = (
            alarm
            for alarm in board.active
            if alarm.definition.name == "HttpClientPoolCreationError"
        )
        assert alarm.detail.startswith("proxy authentication: ")
        assert "cello" not in alarm.detail
        assert (await talk(stage, DN)).at_once  # without a token nobody waits
        await eventually(lambda: "PushNotificationServiceAccessTokenUnavailable" in active(stage))
        assert len(active(stage)) == 2
        proxy.manner = "digest"
        await restart(stage)
        await eventually(lambda: active(stage) == [])
        assert (await talk(stage, DN)).status == 200


@pytest.mark.req("PROXY-12")
async def test_dead_proxy_touches_no_call_inside_the_cluster_nor_sign_in() -> None:
    """The way to the clouds is the only one that it is on."""
    phone = iphone("4930666002")
    async with bad_proxy() as proxy:
        way = names(GOOD)
        port = proxy.port
        async with staged(
            sleepers={},
            watched={PHONE: manner()},
            nodes=2,
            cloud=through(port, scheme="http"),
            resolve=way,
            rests=False,
            pushes=False,
            later=[phone],
        ) as stage:
            proxy.manner = "hangs up"
            await cut(stage)
            at_proxy = proxy.connections
            assert has_flow(stage.shell, PHONE.name)
            answer = await talk(stage, DN)  # from a desk phone at ucm2
            assert (answer.status, answer.at_once) == (200, True)
            assert proxy.connections > at_proxy  # its push was tried, and lost
            await stage.watched(phone.name, manner())
            assert (await talk(stage, phone.lines[0])).status == 200
            await in_service(stage.shell)  # port 9966
