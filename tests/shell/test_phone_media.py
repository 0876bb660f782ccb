"""Two phones that hear each other: RTP by the addresses that their SDP exchanged."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import anyio
import pytest

from callctl.io.agent_shell import AgentShell
from callctl.phone.event import CallAnswered, CallEnded, UserAgentEvent
from callctl.phone.sdp_offer import AudioPeer, audio_peer
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from helpers.node_rig import eventually
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import MS, Instant

pytest.importorskip("aiortc", reason="the extra `media` is not installed")

from callctl.io.rtp_tone import FRAME_SAMPLES, FRAMES, ToneSession, open_tone, tone

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("payload_type", [0, 8])
def test_a_tone_is_one_second_of_frames_of_20_ms(payload_type: int) -> None:
    frames = tone(payload_type)
    assert [len(frame) for frame in frames] == [FRAME_SAMPLES] * FRAMES
    assert len(set(frames[1])) > 10  # no silence


async def test_lost_packets_are_counted_and_garbage_is_told_apart() -> None:
    session = await open_tone("127.0.0.1", OsEntropy())
    for number in (65_534, 65_535, 1, 0, 4):
        header = bytes((0x80, 0)) + number.to_bytes(2) + bytes(8)
        session.datagram_received(header + b"x", ("127.0.0.1", 1))
    session.datagram_received(b"hello", ("127.0.0.1", 1))
    report = session.report()
    assert (report.received, report.lost, report.malformed) == (5, 2, 1)
    session.close()
    await asyncio.sleep(0)


async def test_a_session_sends_50_packets_a_second() -> None:
    one = await open_tone("127.0.0.1", OsEntropy())
    other = await open_tone("127.0.0.1", OsEntropy())
    one.start(AudioPeer("127.0.0.1", other.port, 8))
    await eventually(lambda: other.report().received >= 10)
    one.stop()
    sent = one.report().sent
    await eventually(lambda: other.report().received == sent)
    assert other.report().payload_type == 8
    assert other.report().lost == 0
    one.close()
    other.close()
    await asyncio.sleep(0)


async def test_in_a_call_each_side_sends_where_the_sdp_of_the_other_says() -> None:
    clock, entropy = MonotonicClock(), OsEntropy()
    media = {name: await open_tone("127.0.0.1", entropy) for name in ("1001", "1002")}
    ended: list[str] = []

    def agent(user: str, registrar: Registrar) -> AgentShell:
        session: ToneSession = media[user]
        settings = UserAgentSettings(
            user,
            "example.com",
            (registrar,),
            "127.0.0.1",
            0,
            answer=AnswerPlan(after_ns=0),
            media_host="127.0.0.1",
            media_port=session.port,
        )

        def hear(now: Instant, event: UserAgentEvent) -> None:
            if isinstance(event, CallAnswered):
                peer = audio_peer(event.remote_sdp)
                assert peer is not None
                session.start(peer)
            elif isinstance(event, CallEnded):
                session.stop()
                ended.append(user)

        return AgentShell(settings, clock, entropy, hear)

    async with anyio.create_task_group() as tasks:
        callee = agent("1002", Registrar("127.0.0.1", 9))
        await tasks.start(callee.run)
        caller = agent("1001", Registrar("127.0.0.1", callee.settings.local_port))
        await tasks.start(caller.run)
        call = caller.invite("1002", hang_up_after_ns=10_000 * MS)
        await eventually(lambda: all(s.report().received >= 5 for s in media.values()))
        caller.bye(call)
        await eventually(lambda: len(ended) == 2)
        caller.close()
        callee.close()
    for session in media.values():
        session.close()
    await asyncio.sleep(0)
    assert replace(media["1001"].report(), sent=0, received=0).lost == 0
