"""Media of a simulated phone: a tone of 400 Hz over plain RTP, and a count of what comes back.

Needs the extra `media`: the packet and the codecs are aiortc's. Source: RFC 3550, RFC 3551.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, cast

from aiortc.codecs.g711 import PcmaEncoder, PcmuEncoder
from aiortc.rtp import RtpPacket
from av import AudioFrame

from callctl.phone.sdp_offer import AudioPeer
from sipstack.entropy import Entropy

RATE_HZ: Final = 8000
FRAME_SAMPLES: Final = 160  # 20 ms
FRAME_S: Final = FRAME_SAMPLES / RATE_HZ
TONE_HZ: Final = 400  # a whole number of waves in each frame, so that frames join without a click
AMPLITUDE: Final = 8000  # of 32,767
FRAMES: Final = 50  # one second, which is then repeated
CODECS: Final = {0: PcmuEncoder, 8: PcmaEncoder}  # by payload type
BEHIND_MAX: Final = 5  # frames sent at once by a late timer; what is more is skipped


@dataclass(frozen=True, slots=True)
class ToneReport:
    """What went and what came, in packets."""

    sent: int = 0
    received: int = 0
    lost: int = 0  # missing in the sequence of the other side
    payload_type: int | None = None  # of the last one received
    malformed: int = 0


class ToneSession(asyncio.DatagramProtocol):
    """One UDP port for RTP. `open_tone` makes it; tell its port in the SDP, then `start`."""

    def __init__(self, entropy: Entropy) -> None:
        self.host = ""
        self.port = 0
        self._sequence = entropy.below(2**15)  # RFC 3550 §5.1: at random, far from the end
        self._timestamp = entropy.below(2**31)
        self._ssrc = int.from_bytes(entropy.octets(4))
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peer: AudioPeer | None = None
        self._started_at = 0.0
        self._frames = 0  # due since the start, sent or skipped
        self._sent = self._received = self._malformed = 0
        self._payload_type: int | None = None
        self._first = self._highest = 0  # sequence numbers received, counted on over the wrap

    # Commands.

    def start(self, peer: AudioPeer) -> None:
        """Send the tone there, from now on."""
        self.stop()
        self._peer = peer
        loop = asyncio.get_running_loop()
        self._started_at = loop.time()
        self._frames = 0
        self._tick()

    def stop(self) -> None:
        """Be silent, and go on counting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._peer = None

    def close(self) -> None:
        """Give the port back."""
        self.stop()
        if self._transport is not None:
            self._transport.close()

    def report(self) -> ToneReport:
        """What has been counted until now."""
        expected = self._highest - self._first + 1 if self._received else 0
        lost = max(0, expected - self._received)
        return ToneReport(self._sent, self._received, lost, self._payload_type, self._malformed)

    # From the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # no loop's inherits from it
        self.host, self.port = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            packet = RtpPacket.parse(data)
        except ValueError:
            self._malformed += 1
            return
        if self._received == 0:
            self._first = self._highest = packet.sequence_number
        else:
            step = (packet.sequence_number - self._highest) & 0xFFFF
            if step < 0x8000:  # else it comes late, after one that followed it
                self._highest += step
        self._received += 1
        self._payload_type = packet.payload_type

    def _tick(self) -> None:
        loop, peer, transport = asyncio.get_running_loop(), self._peer, self._transport
        if peer is None or transport is None:
            return
        due = int((loop.time() - self._started_at) / FRAME_S) + 1
        skipped = max(0, due - self._frames - BEHIND_MAX)
        self._frames += skipped
        self._timestamp += skipped * FRAME_SAMPLES
        while self._frames < due:
            transport.sendto(self._next_packet(peer.payload_type), (peer.host, peer.port))
            self._frames += 1
        self._timer = loop.call_at(self._started_at + self._frames * FRAME_S, self._tick)

    def _next_packet(self, payload_type: int) -> bytes:
        packet = RtpPacket(
            payload_type=payload_type,
            marker=int(self._sent == 0),
            sequence_number=self._sequence & 0xFFFF,
            timestamp=self._timestamp & 0xFFFFFFFF,
            ssrc=self._ssrc,
            payload=tone(payload_type)[self._frames % FRAMES],
        )
        self._sequence += 1
        self._timestamp += FRAME_SAMPLES
        self._sent += 1
        return packet.serialize()


async def open_tone(host: str, entropy: Entropy, port: int = 0) -> ToneSession:
    """Take a port for RTP at a numeric address. Raises: OSError if it cannot be had."""
    session = ToneSession(entropy)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: session, local_addr=(host, port))
    return session


@lru_cache(maxsize=len(CODECS))
def tone(payload_type: int) -> tuple[bytes, ...]:
    """One second of tone as `FRAMES` payloads of 20 ms. Raises: KeyError for another codec."""
    encoder = CODECS[payload_type]()
    step = 2 * math.pi * TONE_HZ / RATE_HZ
    wave = array("h", (round(AMPLITUDE * math.sin(step * n)) for n in range(FRAME_SAMPLES)))
    payloads: list[bytes] = []
    for number in range(FRAMES):
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.planes[0].update(wave.tobytes())
        frame.sample_rate = RATE_HZ
        frame.pts = number * FRAME_SAMPLES
        frame.time_base = Fraction(1, RATE_HZ)
        payloads += encoder.encode(frame)[0]
    return tuple(payloads)
