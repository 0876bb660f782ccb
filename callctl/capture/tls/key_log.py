"""Key logs as SSLKEYLOGFILE gets them, and as a pcapng file holds them.

Source: RFC 9850 (The SSLKEYLOGFILE Format for TLS).
"""

from __future__ import annotations

from sys import intern
from typing import Final

from callctl.capture.limits import KEY_LOG_LINES_MAX

MASTER: Final = "CLIENT_RANDOM"  # TLS 1.2: the label is what stands in the next column
LABELS: Final = frozenset(
    {
        MASTER,
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    }
)
"""What is needed to read application data. Others are left out."""

_SECRET_OCTETS_MAX: Final = 64


class KeyLog:
    """The secrets of any number of TLS connections, each known by its client random."""

    __slots__ = ("_lines", "_secrets")

    def __init__(self) -> None:
        self._secrets: dict[tuple[bytes, str], bytes] = {}
        self._lines = 0

    def add(self, text: bytes) -> list[str]:
        """Takes the lines of a log. Returns: what is wrong with them, in words."""
        malformed = 0
        room = KEY_LOG_LINES_MAX - self._lines
        lines = text.split(b"\n", room)
        for line in lines[:room]:
            if line.strip() and not line.startswith(b"#"):
                malformed += not self._add_line(line)
        self._lines += min(len(lines), room)
        problems = []
        if malformed:
            problems.append(f"{malformed:,} lines of the key log are malformed")
        if len(lines) > room:
            problems.append(f"key logs have more than {KEY_LOG_LINES_MAX:,} lines")
        return problems

    def secret(self, client_random: bytes, label: str) -> bytes | None:
        """One of LABELS, of the connection with that client random."""
        return self._secrets.get((client_random, label))

    def _add_line(self, line: bytes) -> bool:
        try:
            label, random, secret = line.decode("ascii").split()
            if label in LABELS:
                octets = bytes.fromhex(secret)
                if not 0 < len(octets) <= _SECRET_OCTETS_MAX:
                    return False
                self._secrets[bytes.fromhex(random), intern(label)] = octets
        except ValueError:
            return line.startswith(b"RSA ")  # old lines of TLS 1.2 that do not help without more
        return True
