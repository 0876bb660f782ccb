"""Messages and notes in, pcapng octets out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from callctl.capture import pcapng
from callctl.capture.mask import masked
from callctl.capture.packet import FIN_ACK, SEGMENT_MAX, Address, tcp_packet, udp_packet
from callctl.capture.pcapng import Direction
from sipstack.timing import Instant
from sipstack.transport.flow import UNCONNECTED, Flow

SYSLOG: Final = 514
NOTICE: Final = "<133>"  # facility local0, severity notice (RFC 5424 §6.2.1)
NOTE_OCTETS_MAX: Final = 8_192
STREAMS_MAX: Final = 100_000

TLS_PORT: Final = 5061
PLAIN_PORT: Final = 5060
"""What was inside TLS is shown as TCP, and port 5061 as 5060: a reader would try to decrypt it."""

NOWHERE: Final = "192.0.2.0"
"""Stands for "no address" in notes of IPv4 parties (RFC 5737), and for IPv6 ones 2001:db8::."""
NOWHERE_V6: Final = "2001:db8::"


class Capture:
    """Turns what parties send and receive into the blocks of one pcapng file.

    Each party (a node, a phone) is an interface of its own, so that
    `frame.interface_name == "node1"` filters its view. TLS shows in the clear. Pushes, node
    events and whatever else is no SIP message shows as a syslog packet with the text as comment.

    Every method returns octets to append to the file, in the order of the calls.
    """

    __slots__ = ("_epoch_unix_ns", "_interfaces", "_mask", "_sequences")

    def __init__(self, epoch_unix_ns: int, *, mask_secrets: bool = True) -> None:
        """`epoch_unix_ns` is the wall-clock time of instant 0, in ns since 1970."""
        self._epoch_unix_ns = epoch_unix_ns
        self._mask = mask_secrets
        self._interfaces: dict[str, int] = {}
        # Octets that went [received, sent] over a stream, by party and flow.
        self._sequences: dict[tuple[int, Flow], list[int]] = {}

    def begin(self, names: Iterable[tuple[str, str]] = ()) -> bytes:
        """The start of the file; `names` are (numeric address, name) pairs."""
        listed = list(names)
        header = pcapng.section_header("callctl")
        return header + pcapng.name_resolution(listed) if listed else header

    def message(
        self,
        now: Instant,
        party: str,
        flow: Flow,
        direction: Direction,
        data: bytes,
        comment: str | None = None,
    ) -> bytes:
        """One SIP message, or keep-alive, that `party` sent or received over `flow`.

        Raises: ValueError if an address of `flow` is not numeric.
        """
        interface, blocks = self._interface(party)
        if self._mask:
            data = masked(data)
        comments = ([comment] if comment else []) + _way_of(flow)
        unix_ns = self._epoch_unix_ns + now
        for packet in self._packets(interface, flow, direction, data):
            blocks += pcapng.enhanced_packet(interface, unix_ns, packet, direction, comments)
        return blocks

    def closed(self, now: Instant, party: str, flow: Flow, direction: Direction) -> bytes:
        """A stream of `party` is gone: closed by it (SENT), or by the other end or lost (RECEIVED).

        Raises: ValueError if an address of `flow` is not numeric.
        """
        interface, blocks = self._interface(party)
        local = Address(flow.local_host, _shown_port(flow, flow.local_port))
        remote = Address(flow.remote_host, _shown_port(flow, flow.remote_port))
        out = direction is Direction.SENT
        source, target = (local, remote) if out else (remote, local)
        counts = self._counts(interface, flow)
        packet = tcp_packet(source, target, b"", counts[out], counts[not out], FIN_ACK)
        unix_ns = self._epoch_unix_ns + now
        return blocks + pcapng.enhanced_packet(interface, unix_ns, packet, direction, _way_of(flow))

    def note(
        self,
        now: Instant,
        party: str,
        text: str,
        *,
        source: str | None = None,
        target: str | None = None,
    ) -> bytes:
        """Something that is no SIP message: a push, a node that stops, a decision.

        `source` and `target` are numeric addresses, to show it between the parties it concerns.
        Raises: ValueError if they are not.
        """
        interface, blocks = self._interface(party)
        nowhere = NOWHERE_V6 if ":" in (source or target or "") else NOWHERE
        line = " ".join(text.split())
        data = f"{NOTICE}{party}: {line}".encode("utf-8", "replace")[:NOTE_OCTETS_MAX]
        packet = udp_packet(
            Address(source or nowhere, SYSLOG), Address(target or nowhere, SYSLOG), data
        )
        unix_ns = self._epoch_unix_ns + now
        return blocks + pcapng.enhanced_packet(interface, unix_ns, packet, None, [text])

    def _interface(self, party: str) -> tuple[int, bytes]:
        """Number of a party's interface, and the block that declares it if it is new."""
        known = self._interfaces.get(party)
        if known is not None:
            return known, b""
        number = self._interfaces[party] = len(self._interfaces)
        return number, pcapng.interface_description(party)

    def _packets(
        self, interface: int, flow: Flow, direction: Direction, data: bytes
    ) -> Iterable[bytes]:
        local = Address(flow.local_host, _shown_port(flow, flow.local_port))
        remote = Address(flow.remote_host, _shown_port(flow, flow.remote_port))
        out = direction is Direction.SENT
        source, target = (local, remote) if out else (remote, local)
        if flow.transport == "UDP":
            yield udp_packet(source, target, data)
            return
        counts = self._counts(interface, flow)
        for at in range(0, len(data), SEGMENT_MAX):
            segment = data[at : at + SEGMENT_MAX]
            yield tcp_packet(source, target, segment, counts[out], counts[not out])
            counts[out] += len(segment)

    def _counts(self, interface: int, flow: Flow) -> list[int]:
        # A message for a flow without a connection goes over some connection to that peer: the
        # reader knows streams by addresses and ports only, and so must the counting.
        key = interface, flow._replace(connection=UNCONNECTED)
        counts = self._sequences.get(key)
        if counts is None:
            if len(self._sequences) >= STREAMS_MAX:
                del self._sequences[next(iter(self._sequences))]
            counts = self._sequences[key] = [1, 1]
        return counts


def _way_of(flow: Flow) -> list[str]:
    if flow.transport in ("UDP", "TCP"):
        return []
    return [f"carried over {flow.transport}, port {flow.local_port}, shown as TCP"]


def _shown_port(flow: Flow, port: int) -> int:
    return PLAIN_PORT if flow.transport == "TLS" and port == TLS_PORT else port
