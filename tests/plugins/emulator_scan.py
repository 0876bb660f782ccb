"""pytest plugin: looks at every request that an emulated cloud got in the whole run.

No name, number or hunt pilot may stand there in clear, and no pair of key and IV may seal two
contents. Source: SEC-06, GEN-12; reliability goals P1 and P2.

What counts as the same world. Where the IV came from the operating system's chance, a pair may
occur once in the whole run, over all processes. A simulated world draws its chance from a seed, and
the same seed draws the same IVs whenever a test plays it, perhaps with another story: there the
emulated cloud is the world, and a pair may seal one content in the life of it. In both, the very
same sealed push may come again: it is one message, sent or passed on twice.
"""

from __future__ import annotations

import re
import weakref
from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import pytest

from callctl.cloud import record
from callctl.cloud.http import HttpRequest
from callctl.cloud.record import PushLog
from callctl.push import envelope
from callctl.push.envelope import A256GCM, IV_OCTETS, EnvelopeError, parse_payload
from plugins.known_data import KnownData, after, distinct, watch
from plugins.run_findings import RunFindings
from sipstack.io.entropy import OsEntropy

REMEMBERED: Final = 20_000  # IVs whose seal may still reach an emulator
TEXT_MIN: Final = 48  # octets that are UTF-8 by chance with odds below one in 2**40

UNSCANNED_HEADERS: Final = {
    "authorization": "a token; secrets are known to who gets them",
    "content-length": "a length may be any number",
    "host": "ends with a port of the system's choice",
    "apns-expiration": "a time",
    "apns-priority": "5 or 10",
    "x-peer-address": "put in by the emulator itself",
}
UNSCANNED_FIELDS: Final = {
    "target": "the token that the phone's system gave it: the address of the push",
    "token": "the same in FCM, and a registration token of a licence manager",
    "assertion": "a signed token, opened below",
    "refresh_token": "a secret that is made of chance",
    "voucher": "a secret that is made of chance",
}
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
SEALED: Final = frozenset({"iv", "ct", "tag"})

ALLOWED_WORDS: Final = frozenset(
    {"phone", "callctl", "org", "apns", "fcm", "voip", "message", "high", "normal", "alert"}
)
"""Names of one word that are words of the protocols, too."""


_CLOUD_TESTS: Final = "tests/unit/callctl/cloud/test_push_rest.py::"
_DIRECT_TESTS: Final = "tests/unit/callctl/push/test_direct_"
ON_PURPOSE: Final = {
    f"{_CLOUD_TESTS}test_clear_text_finds_no_member_to_hide_in": "sends clear text by hand",
    f"{_CLOUD_TESTS}test_payload_that_is_not_encrypted_is_refused": "sends clear text by hand",
    "tests/unit/callctl/cloud/test_alarm_intake.py::": "uploads by hand what no agent would",
    "tests/simulation/test_planted_faults.py::": "plants the very fault that the scan is for",
    f"{_DIRECT_TESTS}apns.py::test_every_push_of_the_longest": "counts its chance anew each time",
    f"{_DIRECT_TESTS}fcm.py::test_every_push_is_taken": "counts its chance anew each time",
}
"""Tests, by the start of their name, that hand an emulator what no node of ours would send it."""


class EmulatorScan(RunFindings):
    """Looks on while the tests run."""

    name = "emulator_scan"
    title = "scan of what the emulated clouds received"

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(config)
        self._known = KnownData()
        self._test = ""
        self._requests = 0
        self._seals = 0
        self._found: list[str] = []
        self._keys: dict[bytes, bytes] = {}  # IV: digest of the key it was used with last
        self._drawn: set[bytes] = set()  # IVs of the operating system
        self._drawn_order: deque[bytes] = deque()
        self._real: dict[str, tuple[str, str]] = {}  # pair: digest of the seal, test
        self._worlds: weakref.WeakKeyDictionary[PushLog, dict[str, str]]
        self._worlds = weakref.WeakKeyDictionary()
        self._undo = (watch(self._known), after(OsEntropy, "octets", self._octets_drawn))
        envelope.on_seal = self._sealed
        record.on_request = self._received

    def stop(self) -> None:
        envelope.on_seal = None
        record.on_request = None
        for undo in self._undo:
            undo()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid

    def told(self) -> dict[str, Any]:
        return {
            "found": self._found,
            "requests": self._requests,
            "seals": self._seals,
            "real": {pair: [seal, test] for pair, (seal, test) in self._real.items()},
        }

    def judged(self, told: list[dict[str, Any]]) -> tuple[list[str], str]:
        found = [finding for each in told for finding in each["found"]]
        real: dict[str, list[str]] = {}
        for each in told:
            for pair, (seal, test) in each["real"].items():
                before = real.setdefault(pair, [seal, test])
                if before[0] != seal:
                    found.append(f"{test}: key and IV of another process's push ({before[1]})")
        requests = sum(each["requests"] for each in told)
        seals = sum(each["seals"] for each in told)
        return distinct(found), f"{requests} requests, {seals} seals, {len(real)} with real chance"

    # Looking.

    def _octets_drawn(self, octets: bytes, _: object, count: int) -> None:
        if count == IV_OCTETS:
            self._drawn.add(octets)
            self._drawn_order.append(octets)
            if len(self._drawn_order) > REMEMBERED:
                self._drawn.discard(self._drawn_order.popleft())

    def _sealed(self, content: bytes, key: bytes, iv: bytes) -> None:
        self._known.learn_content(content)
        self._keys.pop(iv, None)  # to the end of the order
        self._keys[iv] = sha256(key).digest()
        if len(self._keys) > REMEMBERED:
            del self._keys[next(iter(self._keys))]

    def _received(self, log: PushLog, request: HttpRequest) -> None:
        self._requests += 1
        for where, text in self._texts(log, request):
            for name in self._known.names_in(text):
                if name not in ALLOWED_WORDS:
                    self._tell(f"a name in clear in {where}: {_dotted(name)}")
            # Four digits of a UUID may be anybody's number.
            for number in self._known.numbers_in(UUID.sub("", text)):
                self._tell(f"a number in clear in {where}: {_dotted(number)}")

    def _texts(self, log: PushLog, request: HttpRequest) -> Iterator[tuple[str, str]]:
        """Every text of the request that is not an address or sealed."""
        if not request.path.startswith("/3/device/"):
            yield "path", request.path
        for name, value in request.headers:
            if name not in UNSCANNED_HEADERS:
                yield name, value
        body = request.body
        if request.header("content-type") == "application/x-www-form-urlencoded":
            for name, value in parse_qsl(body.decode("utf-8", "replace")):
                yield from self._inside(log, name, value)
            return
        try:
            yield from self._inside(log, "body", msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError):
            yield "body", body.decode("utf-8", "replace")

    def _inside(self, log: PushLog, where: str, value: object) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            sealed = value.get("enc") == A256GCM
            if sealed:
                self._judge_seal(log, value)
            for name, inner in value.items():
                if not (sealed and name in SEALED):
                    yield where, str(name)
                    yield from self._inside(log, str(name), inner)
        elif isinstance(value, list):
            for inner in value:
                yield from self._inside(log, where, inner)
        elif isinstance(value, str) and where not in UNSCANNED_FIELDS:
            try:  # FCM carries an object as text
                inner = msgspec.json.decode(value) if value.startswith("{") else None
            except (msgspec.DecodeError, RecursionError):
                inner = None
            if isinstance(inner, dict):
                yield from self._inside(log, where, inner)
            else:
                yield where, value

    def _judge_seal(self, log: PushLog, payload: dict[str, Any]) -> None:
        try:
            made = parse_payload({name: payload.get(name) for name in (*SEALED, "enc", "kid")})
        except EnvelopeError:
            return  # what an emulator refuses, and tests hand it on purpose
        if made is None:
            return
        if len(made.ciphertext) >= TEXT_MIN and made.ciphertext.isascii():
            self._tell("a seal that holds text")
        key = self._keys.get(made.iv)
        if key is None:
            return  # not sealed by us: an example that a test wrote down
        self._seals += 1
        pair = sha256(key + made.iv).hexdigest()[:32]
        seal = sha256(made.ciphertext + made.tag).hexdigest()[:16]
        if made.iv in self._drawn:
            before, test = self._real.setdefault(pair, (seal, self._test))
            if before != seal:
                self._tell(f"key and IV of another push ({test})")
            return
        world = self._worlds.setdefault(log, {})
        if world.setdefault(pair, seal) != seal:
            self._tell("key and IV of another push of the same simulated world")

    def _tell(self, finding: str) -> None:
        if self._test.startswith(tuple(ON_PURPOSE)):
            return
        self._found.append(f"{self._test or 'before the first test'}: {finding}")


def _dotted(text: str) -> str:
    """Enough to find it again: a report is read by more people than a test."""
    return f"{text[:2]}...{text[-1:]} ({len(text)} characters)"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(EmulatorScan(config), "emulator-scan")
