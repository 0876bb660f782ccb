"""The session descriptions of a phone that knows one stream of G.711 audio (RFC 3264, RFC 3551)."""

from __future__ import annotations

from typing import Final, NamedTuple

from sipstack.errors import SipSyntaxError
from sipstack.message.sdp import Block, SessionDescription

DISCARD_PORT: Final = 9  # a phone without media points here (RFC 863)
PAYLOAD_TYPES: Final = {"0": "PCMU/8000", "8": "PCMA/8000"}
MIRRORED: Final = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


class AudioPeer(NamedTuple):
    """Where the other side takes audio, and how."""

    host: str
    port: int
    payload_type: int  # 0 is PCMU, 8 is PCMA


def offer(host: str, port: int, session_id: int) -> bytes:
    """An offer of PCMU and PCMA at `host`, which is numeric and without brackets."""
    head = _session(host, session_id)
    return (head + _audio(port, tuple(PAYLOAD_TYPES), "sendrecv")).encode()


def answer(offered: bytes, host: str, port: int, session_id: int) -> bytes | None:
    """The answer to an offer: its first G.711 audio stream is taken, all others are declined.

    Returns: None if there is no stream we know, which is a 488.
    Raises: SipSyntaxError if the offer cannot be read.
    """
    description = _parse(offered)
    parts: list[str] = []
    taken = False
    for media in description.media:
        formats = () if taken else _formats(media)
        if formats:
            direction = description.direction_of(media)
            parts.append(_audio(port, formats[:1], MIRRORED.get(direction, "sendrecv")))
            taken = True
        else:
            parts.append(_declined(media))
    return (_session(host, session_id) + "".join(parts)).encode() if taken else None


def audio_peer(described: bytes) -> AudioPeer | None:
    """Where to send audio, by the other side's offer or answer; None if it takes none."""
    try:
        description = _parse(described)
    except SipSyntaxError:
        return None
    for media in description.media:
        formats = _formats(media)
        connection = (description.connection_of(media) or "").split()
        if formats and len(connection) == 3:
            port = int((media.get("m") or "").split()[1].partition("/")[0])
            return AudioPeer(connection[2].partition("/")[0], port, int(formats[0]))
    return None


def _parse(text: bytes) -> SessionDescription:
    return SessionDescription.parse(text.decode("utf-8", "surrogateescape"))


def _formats(media: Block) -> tuple[str, ...]:
    """Those formats of a media part that we know; none for video, for SRTP, or for port 0."""
    fields = (media.get("m") or "").split()
    if len(fields) < 4 or fields[0] != "audio" or fields[2] != "RTP/AVP":
        return ()
    port = fields[1].partition("/")[0]
    if not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        return ()
    return tuple(number for number in fields[3:] if number in PAYLOAD_TYPES)


def _session(host: str, session_id: int) -> str:
    family = "IP6" if ":" in host else "IP4"
    return (
        f"v=0\r\no=- {session_id} {session_id} IN {family} {host}\r\n"
        f"s=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
    )


def _audio(port: int, formats: tuple[str, ...], direction: str) -> str:
    maps = "".join(f"a=rtpmap:{number} {PAYLOAD_TYPES[number]}\r\n" for number in formats)
    return f"m=audio {port} RTP/AVP {' '.join(formats)}\r\n{maps}a=ptime:20\r\na={direction}\r\n"


def _declined(media: Block) -> str:
    """A media part with port 0 (RFC 3264 §6)."""
    fields = (media.get("m") or "").split()
    kind, protocol = (fields[0], fields[2]) if len(fields) >= 4 else ("audio", "RTP/AVP")
    return f"m={kind} 0 {protocol} {' '.join(fields[3:]) or '0'}\r\n"
