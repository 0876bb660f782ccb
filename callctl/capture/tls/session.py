"""What the two directions of a TLS connection must know of each other."""

from __future__ import annotations

from typing import Final, Protocol

from callctl.capture.captured import Frame, Ignored
from callctl.capture.tls.hello import (
    RETRY,
    TLS_1_2,
    TLS_1_3,
    read_client_hello,
    read_server_hello,
)
from callctl.capture.tls.key_log import MASTER, KeyLog
from callctl.capture.tls.opener import Opener, Opener13, Unreadable, openers_1_2
from callctl.capture.tls.suite import SUITES_1_2, SUITES_1_3, Suite
from callctl.capture.way import Way

SIDES: Final = ("SERVER", "CLIENT")  # by whether it is the client


class Waiting(Protocol):
    """A direction that may wait for the other."""

    def resume(self, frame: Frame) -> None:
        """The other direction has said what was missing."""


class Session:
    """One TLS connection."""

    __slots__ = (
        "_client_random",
        "_key_log",
        "_mac_outside",
        "_server_random",
        "early_data",
        "streams",
        "suite",
        "unread",
        "version",
    )

    def __init__(self, key_log: KeyLog) -> None:
        self._key_log = key_log
        self._client_random = b""
        self._server_random = b""
        self._mac_outside = False
        self.early_data = False  # the client may have sent some
        self.version = 0  # until the server has said hello
        self.suite: Suite | None = None  # likewise
        self.unread = False  # the rest cannot be read
        self.streams: list[Waiting] = []

    @property
    def ready(self) -> bool:
        """Whether both have said hello."""
        return self.suite is not None and self._client_random != b""

    def client_hello(self, octets: bytes, speaker: Waiting, frame: Frame) -> None:
        """Raises: Unreadable."""
        ready = self.ready
        hello = read_client_hello(octets)
        self._client_random = hello.random
        self.early_data = hello.early_data
        if not ready:
            self._resume(speaker, frame)

    def server_hello(self, octets: bytes, speaker: Waiting, frame: Frame) -> None:
        """Raises: Unreadable."""
        ready = self.ready
        hello = read_server_hello(octets)
        if hello.random == RETRY:
            return
        suites = {TLS_1_3: SUITES_1_3, TLS_1_2: SUITES_1_2}.get(hello.version)
        if suites is None:
            raise Unreadable(f"TLS of version {hello.version:#06x} is not read")
        if hello.compressed or hello.suite not in suites:
            raise Unreadable(f"TLS with cipher suite {hello.suite:#06x} is not read")
        self._server_random = hello.random
        self._mac_outside = hello.encrypt_then_mac
        self.version = hello.version
        self.suite = suites[hello.suite]
        if not ready:
            self._resume(speaker, frame)

    def opener(self, *, client: bool, handshake: bool) -> Opener:
        """For the records of client or server; in TLS 1.3 those of the handshake have their own.

        Raises: Unreadable, without words if that is for want of secrets.
        """
        assert self.suite is not None
        if self.version == TLS_1_3:
            side = SIDES[client]
            label = f"{side}_HANDSHAKE_TRAFFIC_SECRET" if handshake else f"{side}_TRAFFIC_SECRET_0"
            return Opener13(self.suite, self._secret(label), of_handshake=handshake)
        randoms = self._client_random, self._server_random
        pair = openers_1_2(self.suite, self._secret(MASTER), randoms, mac_outside=self._mac_outside)
        return pair[not client]

    def give_up(self, why: str, way: Way, number: int) -> None:
        """The rest is not read, from the frame of that number on; `why` may be empty."""
        if not self.unread:
            self.unread = True
            way.tally.counts[Ignored.UNREAD_TLS] += 1
            if why:
                way.tell(why, number)

    def _resume(self, speaker: Waiting, frame: Frame) -> None:
        """Who spoke goes on anyhow."""
        if self.ready:
            for stream in self.streams:
                if stream is not speaker:
                    stream.resume(frame)

    def _secret(self, label: str) -> bytes:
        secret = self._key_log.secret(self._client_random, label)
        if secret is None:
            raise Unreadable
        return secret
