"""Sign-in of managed clients over HTTPS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import msgspec
import pytest

from callctl.io.pki import CertificateAuthority
from callctl.io.sign_in_client import SignInClient, SignInRefused
from callctl.io.sign_in_server import SignInServer
from callctl.model.device import ClientType, Platform
from callctl.push.envelope import b64url
from callctl.push.sign_in import (
    ClientSignedIn,
    ClientSignedOut,
    ClusterFacts,
    LineFacts,
    NodeAddress,
    NodeFacts,
    SignInEvent,
    SignInRequest,
    SignOutRequest,
)
from helpers.loops import BACKENDS
from helpers.pushes import KEY, KEY_ID, VOIP_TOKEN
from sipstack.io.clock import MonotonicClock

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", BACKENDS)]

AUTHORITY = CertificateAuthority()
FACTS = ClusterFacts(
    "example.com",
    "alice",
    (NodeFacts("cm1", "cm1.example.com", "primary", (NodeAddress("TLS", "192.0.2.11", 5061),)),),
    (LineFacts("1001", "Front Desk"),),
)
REQUEST = SignInRequest(
    user_id="alice",
    password="correct horse",
    device_name="TCTALICE",
    platform=Platform.IOS,
    os_version="17.4",
    client=ClientType.WEBEX,
    client_version="44.1",
    subscriber_service="APNS",
    key=b64url(KEY),
    key_id=KEY_ID,
    voip_token=VOIP_TOKEN,
    custom_region=False,
)


class Directory:
    """One user with one device."""

    def password_of(self, user_id: str) -> str | None:
        return "correct horse" if user_id == "alice" else None

    def facts_for(self, user_id: str, device_name: str) -> ClusterFacts | None:
        return FACTS if (user_id, device_name) == ("alice", "TCTALICE") else None


@asynccontextmanager
async def server() -> AsyncIterator[tuple[SignInClient, list[SignInEvent], str]]:
    events: list[SignInEvent] = []
    made = SignInServer(Directory(), AUTHORITY.server_context(), MonotonicClock(), events.append)
    async with anyio.create_task_group() as tasks:
        await tasks.start(made.run)
        client = SignInClient(made.url, AUTHORITY.client_context())
        try:
            yield client, events, made.url
        finally:
            await client.aclose()
        tasks.cancel_scope.cancel()


def changed(**fields: object) -> SignInRequest:
    return msgspec.structs.replace(REQUEST, **fields)


async def refused(client: SignInClient, request: SignInRequest) -> tuple[int, str]:
    with pytest.raises(SignInRefused) as refusal:
        await client.sign_in(request)
    return refusal.value.status, refusal.value.reason


@pytest.mark.req("SEC-02")
async def test_client_signs_in_renews_its_key_and_signs_out() -> None:
    async with server() as (client, events, _):
        assert await client.sign_in(REQUEST) == FACTS
        await client.sign_in(changed(key=b64url(b"n" * 32), key_id="k8"))
        await client.sign_out(SignOutRequest("alice", "correct horse", "TCTALICE"))
        first, renewed, out = events
        assert isinstance(first, ClientSignedIn)
        assert isinstance(renewed, ClientSignedIn)
        assert (first.binding.key, first.binding.voip_token) == (KEY, VOIP_TOKEN)
        assert (renewed.binding.key_id, renewed.binding.key) == ("k8", b"n" * 32)
        assert out == ClientSignedOut("TCTALICE", "alice")


async def test_wrong_password_and_unknown_user_look_the_same() -> None:
    async with server() as (client, events, _):
        for request in (changed(password="wrong"), changed(user_id="nobody")):
            assert await refused(client, request) == (401, "WrongUserOrPassword")
        assert events == []


async def test_sixth_wrong_password_in_a_minute_is_not_even_tried() -> None:
    async with server() as (client, events, _):
        for _attempt in range(5):
            assert (await refused(client, changed(password="wrong")))[0] == 401
        assert await refused(client, REQUEST) == (429, "TooManyAttempts")
        assert events == []


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"device_name": "TCTBOB"}, 403, "NotYourDevice"),
        ({"key": b64url(b"short")}, 400, "BadKey"),
        ({"key": "not base64!"}, 400, "BadKey"),
        ({"voip_token": None}, 400, "NoToken"),
        ({"voip_token": "a b"}, 400, "Malformed"),
        ({"subscriber_service": "FCM"}, 400, "UnknownSubscriberService"),
        ({"platform": Platform.DESK}, 400, "NoPushOnThisPlatform"),
    ],
)
async def test_sign_in_that_cannot_work_is_refused(
    fields: dict[str, object], status: int, reason: str
) -> None:
    async with server() as (client, events, _):
        assert await refused(client, changed(**fields)) == (status, reason)
        assert events == []


async def test_key_and_password_come_back_in_no_answer_and_no_representation() -> None:
    async with server() as (_, events, url):
        good = msgspec.json.encode(REQUEST)
        async with httpx2.AsyncClient(
            verify=AUTHORITY.client_context(), trust_env=False, base_url=url
        ) as raw:
            answers = [
                await raw.post("/sign-in", content=good),
                await raw.post("/sign-in", content=good[:-1]),
                await raw.post("/sign-in", content=good[:-1] + b',"extra":1}'),
                await raw.post("/sign-in", content=b"x" * 20_000),
                await raw.get("/sign-in"),
                await raw.get("/elsewhere"),
            ]
        assert [answer.status_code for answer in answers] == [200, 400, 400, 413, 405, 404]
        texts = [answer.text for answer in answers] + [repr(REQUEST), repr(events)]
        for text in texts:
            for secret in ("correct horse", b64url(KEY), KEY.hex(), repr(KEY)):
                assert secret not in text
