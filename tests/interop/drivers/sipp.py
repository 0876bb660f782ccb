"""SIPp as caller, callee and phone, with the scenarios of tests/interop/sipp.

SIPp's digest `uri` is `sip:HOST:PORT` of the server, not the Request-URI. Debian's build knows MD5
only and has no TLS: for TLS put a `TlsRelay` between (its Via then says TCP).
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import anyio
from anyio.abc import Process

from interop.drivers.program import free_port, is_bound, running, until

SCENARIOS: Final = Path(__file__).parent.parent / "sipp"
HOST: Final = "127.0.0.1"
MODES: Final = {"udp": "u1", "tcp": "t1"}  # one socket for all calls
START_LIMIT_S: Final = 30.0

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Account:
    """Who a client says it is."""

    user: str
    password: str
    domain: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A SIPp that has ended."""

    exit_code: int  # 0: every call went as its scenario says
    messages: str  # all that it sent and received, as text
    errors: str

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


class Running:
    """A SIPp at work."""

    def __init__(self, process: Process, port: int, stem: Path) -> None:
        self.port = port
        self._process = process
        self._stem = stem

    async def ended(self, within_s: float) -> Ended:
        """Waits until its calls are done. Raises: TimeoutError, with what it did so far."""
        with anyio.move_on_after(within_s):
            code = await self._process.wait()
            return Ended(code, self.messages, _read(self._stem, "err"))
        raise TimeoutError(f"sipp still runs after {within_s} s\n{self.messages}")

    async def seen(self, text: str, within_s: float = 10.0) -> None:
        """Waits until `text` is in its messages. Raises: TimeoutError."""
        if not await until(lambda: text in self.messages, within_s):
            raise TimeoutError(f"no {text!r} at sipp within {within_s} s\n{self.messages}")

    @property
    def messages(self) -> str:
        return _read(self._stem, "msg")


class Sipp:
    """SIPp against one server, over one transport; files go into `directory`."""

    def __init__(self, directory: Path, server: tuple[str, int], transport: Transport) -> None:
        self.directory = directory
        self.server = server
        self.transport: Transport = transport
        self._numbers = itertools.count(1)

    async def call(
        self,
        caller: Account,
        callee: str,
        *,
        hold_ms: int = 200,
        reliably: bool = False,
        within_s: float = 20,
    ) -> Ended:
        """Calls, holds, hangs up. `reliably`: requires a 180 with RSeq, and acknowledges it."""
        async with self.calling(caller, callee, hold_ms=hold_ms, reliably=reliably) as sipp:
            return await sipp.ended(within_s)

    @asynccontextmanager
    async def calling(
        self, caller: Account, callee: str, *, hold_ms: int = 200, reliably: bool = False
    ) -> AsyncGenerator[Running]:
        """The same, with a body that watches meanwhile."""
        options = ("-d", str(hold_ms), "-m", "1", *_keys(caller, callee=callee))
        scenario = "call_reliably" if reliably else "call"
        async with self._start(scenario, self._to_server(caller), options) as sipp:
            yield sipp

    async def give_up(
        self, caller: Account, callee: str, *, after_ms: int, within_s: float = 20
    ) -> Ended:
        """Calls, and cancels that long after the last provisional response; must be challenged."""
        options = ("-recv_timeout", str(after_ms), "-m", "1", *_keys(caller, callee=callee))
        async with self._start("give_up", self._to_server(caller), options) as sipp:
            return await sipp.ended(within_s)

    async def refused(self, caller: Account, callee: str, *, within_s: float = 30) -> Ended:
        """Calls, and must be answered 480; must be challenged."""
        options = ("-m", "1", *_keys(caller, callee=callee))
        async with self._start("refused", self._to_server(caller), options) as sipp:
            return await sipp.ended(within_s)

    @asynccontextmanager
    async def answering(self, *, calls: int = 1, port: int = 0) -> AsyncGenerator[Running]:
        """A callee that listens on a port of its own; ends by itself after so many calls."""
        # A caller that closes its connection after the BYE has not spoiled the call.
        options = ("-m", str(calls), "-reconnect_close", "false")
        async with self._start("answer", (), options, port=port) as sipp:
            if not await until(lambda: is_bound(sipp.port), START_LIMIT_S):
                raise TimeoutError(f"sipp does not listen on {sipp.port}")
            yield sipp

    async def register(
        self,
        account: Account,
        *,
        contact_port: int,
        expires_s: int = 600,
        uri_params: str = "",
        contact_params: str = "",
        within_s: float = 10,
    ) -> Ended:
        """Registers a Contact with that port, which need not be its own; 0 s takes it back."""
        keys = _contact_keys(account, contact_port, expires_s, uri_params, contact_params)
        options = ("-m", "1", *keys)
        async with self._start("register", self._to_server(account), options) as sipp:
            return await sipp.ended(within_s)

    @asynccontextmanager
    async def phone(
        self,
        account: Account,
        *,
        stay_ms: int,
        expires_s: int = 600,
        uri_params: str = "",
        contact_params: str = "",
        reliably: bool = False,
    ) -> AsyncGenerator[Running]:
        """A phone that registers, answers calls on that same flow, and unregisters in the end.

        `reliably`: it rings with RSeq and waits for PRACK; there must be one node before it. The
        body begins when it is registered.
        """
        port = free_port()
        keys = _contact_keys(account, port, expires_s, uri_params, contact_params)
        scenario = "answer_reliably" if reliably else "answer"
        answer = ("-oocsf", str(SCENARIOS / f"{scenario}.xml"))
        options = ("-m", "1", "-d", str(stay_ms), *answer, *keys)
        target = self._to_server(account)
        async with self._start("stay_registered", target, options, port=port) as sipp:
            await sipp.seen("SIP/2.0 200")
            yield sipp

    @asynccontextmanager
    async def _start(
        self, scenario: str, target: tuple[str, ...], options: tuple[str, ...], port: int = 0
    ) -> AsyncGenerator[Running]:
        port = port or free_port()
        stem = self.directory / f"sipp-{scenario}-{next(self._numbers)}"
        command = [
            "sipp",
            *target,
            *("-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", HOST, "-p", str(port)),
            *("-t", MODES[self.transport], "-nostdin", "-mp", str(free_port())),
            *("-trace_msg", "-message_file", f"{stem}.msg", "-message_overwrite", "true"),
            *("-trace_err", "-error_file", f"{stem}.err"),
            *options,
        ]
        async with running(command, stem.with_suffix(".log")) as process:
            yield Running(process, port, stem)

    def _to_server(self, account: Account) -> tuple[str, ...]:
        host, port = self.server
        users = self.directory / f"sipp-{account.user}.csv"
        keyword = f"[authentication username={account.user} password={account.password}]"
        users.write_text(f"SEQUENTIAL\n{keyword}\n")
        return f"{host}:{port}", "-inf", str(users)


def _keys(account: Account, **keys: str) -> tuple[str, ...]:
    keys |= {"user": account.user, "domain": account.domain}
    return tuple(itertools.chain.from_iterable(("-key", k, v) for k, v in keys.items()))


def _contact_keys(
    account: Account, port: int, expires_s: int, uri_params: str, contact_params: str
) -> tuple[str, ...]:
    return _keys(
        account,
        contact_port=str(port),
        expires=str(expires_s),
        uri_params=uri_params,
        contact_params=contact_params,
    )


def _read(stem: Path, kind: str) -> str:
    path = stem.with_suffix(f".{kind}")
    return path.read_text(errors="replace") if path.exists() else ""
