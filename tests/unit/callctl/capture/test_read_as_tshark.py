"""Other people's captures, and our own in pcaps/, hold the same messages for us and for tshark.

Frame by frame the same start lines and Call-IDs; octet by octet what tshark has in datagrams and
streams; and each message is what its parser makes of it, but for those that are malformed.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from callctl.capture.captured import CapturedMessage, CaptureRead
from callctl.capture.read import read_capture
from helpers.shared import find_shared
from plugins.real_client import find_program
from sipstack.errors import SipSyntaxError
from sipstack.message.parser import parse_message

pytestmark = pytest.mark.needs("tshark")

PCAPS: Final = Path(__file__).resolve().parents[4] / "pcaps"
FOREIGN: Final = ("pcaps/third-party", "interop/captures")
SUFFIXES: Final = (".pcap", ".pcapng", ".cap")
FIELDS: Final = (
    "frame.number",
    "sip.Request-Line",
    "sip.Status-Line",
    "sip.Call-ID",
    "udp.payload",
)
THREADS: Final = 4  # tshark waits for half of the time it takes to start
BETWEEN: Final = "\x1e"  # values of one field
TLS: Final = ("TLS", "WSS")

OTHER_METHOD: Final = "its CSeq has another method than the request"
BACKSLASHES: Final = "a display name in escaped quotes"
MALFORMED: Final[dict[str, dict[int, str]]] = {
    "protos-c07-sip-r2-overlong.cap": dict.fromkeys(range(5, 16), OTHER_METHOD),
    "suricata-sip-compact-form.pcap": {1: BACKSLASHES},
    "suricata-sip-header-multi-value.pcap": {1: "two To headers"},
    "suricata-sip-sdp.pcap": {1: BACKSLASHES, 2: BACKSLASHES},
    "wireshark-metasploit-invite-spoof.pcap": {1: "an empty user in the Request-URI"},
    "zeek-invalid-content-length.pcap": dict.fromkeys((1, 2), "a Content-Length without a number"),
    "zeek-junk-before-request.pcap": {2: "no Call-ID, no Via, no From"},
}
"""Messages that are read but not parsed: by file and frame, with what is wrong with them."""

CALL_ID: Final = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def captures() -> list[Path]:
    """Every capture there is."""
    shared = find_shared()
    directories = [PCAPS, *(shared / part for part in FOREIGN if shared is not None)]
    return sorted(
        path
        for directory in directories
        if directory.is_dir()
        for path in directory.iterdir()
        if path.suffix in SUFFIXES
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What tshark makes of a capture."""

    lines: dict[int, list[str]]  # start lines of SIP by frame, sorted
    call_ids: dict[int, list[str]]
    payloads: dict[int, bytes]  # of UDP, by frame
    streams: dict[int, list[bytes]]  # octets of both sides by number of the stream


def seen_by_tshark(path: Path, read: CaptureRead) -> Seen:
    """One run of tshark: every SIP frame, and the streams that we found messages in."""
    program = find_program("tshark")
    assert program is not None
    command = [program, "-n", "-r", str(path), "-Y", "sip", "-T", "fields"]
    command += ["-E", "separator=/t", "-E", f"aggregator={BETWEEN}"]
    for name in FIELDS:
        command += ["-e", name]
    for stream in read.streams:
        kind = "tls" if stream.transport in TLS else "tcp"
        command += ["-z", f"follow,{kind},raw,{stream.number - 1}"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True)
    table, *followed = re.split(r"^=+\n", done.stdout, flags=re.MULTILINE)
    seen = Seen({}, {}, {}, {})
    for row in table.splitlines():
        if row:
            number, *lines, call_ids, payload = row.split("\t")
            at = int(number)
            seen.lines[at] = sorted(line for text in lines for line in text.split(BETWEEN) if line)
            seen.call_ids[at] = sorted(part for part in call_ids.split(BETWEEN) if part)
            seen.payloads[at] = bytes.fromhex(payload.split(BETWEEN)[-1])
    for block in followed:
        if found := re.match(
            r"Follow: \w+,raw\nFilter: t\w+.stream eq (\d+)\nNode 0.*\nNode 1.*\n", block
        ):
            seen.streams[int(found[1])] = sides = [b"", b""]
            for line in block[found.end() :].splitlines():
                sides[line.startswith("\t")] += bytes.fromhex(line.strip())
    return seen


def difference(path: Path) -> str:
    """What differs between our reading of a capture and that of tshark; "" if nothing does."""
    read = read_capture(path)
    seen = seen_by_tshark(path, read)
    lines, call_ids = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    for message in read.messages:
        lines[message.number].append(message.octets.partition(b"\r\n")[0].decode())
        if found := CALL_ID.search(message.octets):
            call_ids[message.number].append(found[1].decode())
    # There are frames that tshark calls SIP without a message in them: HTTP on the port of SIP.
    for what, ours, theirs in (
        ("start lines", lines, seen.lines),
        ("Call-IDs", call_ids, seen.call_ids),
    ):
        for number in ours.keys() | theirs.keys():
            if sorted(ours.get(number, [])) != theirs.get(number, []):
                return f"{what} of frame {number}: {ours.get(number)} for {theirs.get(number)}"
    return "\n".join([*read.problems, *_other_octets(read, seen)])


def test_messages_are_those_that_tshark_sees() -> None:
    paths = captures()
    if not paths:
        pytest.skip("no captures are here")
    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(paths, pool.map(difference, paths), strict=True))
    assert {path.name: what for path, what in found.items() if what} == {}


def _other_octets(read: CaptureRead, seen: Seen) -> Iterator[str]:
    """Messages whose octets tshark does not have."""
    by_side: dict[tuple[int, object], list[CapturedMessage]] = defaultdict(list)
    for message in read.messages:
        if message.transport != "UDP":
            by_side[message.stream, message.source].append(message)
        elif message.octets != seen.payloads[message.number].lstrip(b"\r\n"):
            yield f"octets of frame {message.number}"
    for (stream, source), messages in by_side.items():
        websocket = messages[0].transport in ("WS", "WSS")
        sides = [_unframed(side) if websocket else side for side in seen.streams[stream - 1]]
        if not any(_holds(side, messages) for side in sides):
            yield f"octets of stream {stream} from {source}"


def _holds(octets: bytes, messages: list[CapturedMessage]) -> bool:
    """Whether these octets are those messages, and line ends between them."""
    for message in messages:
        before, found, octets = octets.partition(message.octets)
        if not found or before.strip(b"\r\n"):
            return False
    return not octets.strip(b"\r\n")


def _unframed(octets: bytes) -> bytes:
    """The text of all WebSocket frames after the handshake, as the library reads them."""
    _, _, octets = octets.partition(b"\r\n\r\n")
    reader = StreamReader()
    reader.feed_data(octets)
    reader.feed_eof()
    texts = b""
    while reader.buffer:
        masked = bool(reader.buffer[1] & 0x80)
        frame = _run(Frame.parse(reader.read_exact, mask=masked))
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            texts += frame.data
    return texts


def _run(parser: Generator[None, None, Frame]) -> Frame:
    try:
        next(parser)
    except StopIteration as done:
        frame: Frame = done.value
        return frame
    raise AssertionError("a frame is not whole")


@pytest.mark.parametrize("path", captures() or [None], ids=lambda path: path and path.name)
def test_each_message_is_rebuilt_octet_for_octet(path: Path | None) -> None:
    if path is None:
        pytest.skip("no captures are here")
    malformed = set()
    for message in read_capture(path).messages:
        try:
            assert parse_message(message.octets).to_bytes() == message.octets
        except SipSyntaxError:
            malformed.add(message.number)
    assert malformed == MALFORMED.get(path.name, {}).keys()


def test_own_captures_with_tls_are_opened_by_the_secrets_inside() -> None:
    transports = {
        message.transport
        for path in captures()
        if path.parent == PCAPS
        for message in read_capture(path).messages
    }
    assert transports == {"UDP", "TCP", "TLS"}
