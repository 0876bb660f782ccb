"""PySIPio as a phone; run as a program of its own, as Python 3.13 has no audioop for it any more.

    pysipio_phone.py HOST:PORT USER PASSWORD answer
    pysipio_phone.py HOST:PORT USER PASSWORD call CALLEE SECONDS

It registers and answers every call until it is ended; or it makes one call and unregisters, as far
as it knows: it may go before it has answered the challenge to that. The library asks a public
service for its own address: here it is told.
Prints what happens, one line an event, the first when the library is loaded.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from PySIP.filters import CallState
from PySIP.sip_account import SipAccount
from PySIP.sip_core import SipCore

HOST = "127.0.0.1"


def say(event: str) -> None:
    print(event, flush=True)


async def answer(account: Any) -> None:
    """Take what comes."""

    @account.on_incoming_call  # type: ignore[untyped-decorator]
    async def called(call: Any) -> None:
        say("called")
        await call.accept()
        say("answered")

    await account.register()
    await asyncio.Event().wait()


async def call(account: Any, callee: str, seconds: float) -> None:
    """Call, and hang up so long after the answer."""
    await account.register()
    made = account.make_call(callee)
    answered = asyncio.Event()

    @made.on_call_state_changed  # type: ignore[untyped-decorator]
    async def changed(state: CallState) -> None:
        if state is CallState.ANSWERED:
            answered.set()

    running = asyncio.create_task(made.start())
    await answered.wait()
    say("answered")
    await asyncio.sleep(seconds)
    await made.stop("hung up")
    await running
    say("over")


async def main() -> None:
    say("loaded")
    server, user, what, *rest = sys.argv[1:]
    password = os.environ["SIP_PASSWORD"]  # arguments can be read by everybody on the machine
    account = SipAccount(user, password, server, connection_type="UDP", register_duration=60)
    if what == "answer":
        await answer(account)
    else:
        callee, seconds = rest
        await call(account, callee, float(seconds))
    await account.unregister()


if __name__ == "__main__":
    SipCore.get_public_ip = SipCore.get_local_ip = lambda self: HOST
    asyncio.run(main())
