"""I. Cloud push, line 91: the cloud shows a certificate that is not right.

`test_cloud` has the line for TLS as such; here the trust store of the cluster stands behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from callctl.certificate.certificate import parse_certificates
from callctl.certificate.cloud_roots import CloudRoots, CloudService
from callctl.certificate.trust_store import TrustStore
from callctl.egress.pool_state import PoolFailed, PoolMade
from callctl.io.http_pool import HttpPool, PoolSettings, Post
from callctl.io.http_server import Receive, Scope, Send, serve
from callctl.io.pki import CertificateAuthority, Flaw, emulated_cloud_authorities
from callctl.io.trust import Trust
from callctl.push.events import LostReason
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from sipstack.timing import Instant

pytestmark = [pytest.mark.anyio, on_each_loop]

HEAD = b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
SECRET = b"secret"
CI, FOS = emulated_cloud_authorities()
IMPOSTER, _ = emulated_cloud_authorities()  # the same names, other keys
ROOTS = CloudRoots.emulated(
    (service, parse_certificates(authority.ca_pem.encode())[0])
    for service, authority in ((CloudService.CI, CI), (CloudService.FOS, FOS))
)


@dataclass
class Told:
    """What the pool reported, and what the cloud heard."""

    answers: dict[str, int] = field(default_factory=dict)
    lost: dict[str, LostReason] = field(default_factory=dict)
    states: list[PoolFailed | PoolMade] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def pushing(
    authority: CertificateAuthority, flaw: Flaw | None, *, insecure: bool = False
) -> AsyncIterator[tuple[Told, HttpPool]]:
    """A pool of a cluster that trusts `CI`, towards a cloud of this authority."""
    told = Told()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        told.heard.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    shown = authority.flawed_context(flaw) if flaw else authority.server_context()
    trust = Trust(TrustStore(ROOTS), insecure_skip_tls_verification=insecure)
    trust.upload(CI.ca_pem.encode() + FOS.ca_pem.encode())
    async with serve(app, shown) as port, anyio.create_task_group() as tasks:
        tls = trust.tls()
        pool = HttpPool(
            PoolSettings(f"https://127.0.0.1:{port}/push", insecure=tls.insecure),
            tls.context,
            lambda: Instant(0),
            lambda key, answer: told.answers.update({key: answer.status}),
            lambda key, reason: told.lost.update({key: reason}),
            on_state=told.states.append,
        )
        await tasks.start(pool.run)
        yield told, pool
        tasks.cancel_scope.cancel()


async def pushed(told: Told, pool: HttpPool) -> None:
    pool.post(Post("t1", HEAD + SECRET, None))
    await eventually(lambda: "t1" in told.answers or "t1" in told.lost)


@pytest.mark.parametrize("flaw", list(Flaw))
async def test_push_does_not_leave_for_a_cloud_whose_certificate_is_not_right(flaw: Flaw) -> None:
    """91. Refused, told for the alarm, and nothing of the push was sent."""
    async with pushing(CI, flaw) as (told, pool):
        await pushed(told, pool)
        assert told.lost == {"t1": "tls"}
        assert told.heard == []
        await eventually(lambda: bool(told.states))
        (state,) = told.states
        assert isinstance(state, PoolFailed)
        assert state.step == "certificate"


async def test_push_does_not_leave_for_an_authority_that_has_only_the_name_of_ours() -> None:
    """91."""
    async with pushing(IMPOSTER, None) as (told, pool):
        await pushed(told, pool)
        assert told.lost == {"t1": "tls"}
        assert told.heard == []


async def test_push_leaves_for_the_right_cloud_and_to_anybody_with_the_insecure_option() -> None:
    """91: the tests above could fail."""
    for authority, flaw, insecure in ((CI, None, False), (IMPOSTER, Flaw.EXPIRED, True)):
        async with pushing(authority, flaw, insecure=insecure) as (told, pool):
            await pushed(told, pool)
            assert told.answers == {"t1": 200}
            assert told.heard == [SECRET]
