"""Brings phones into service: attached to their clouds, signed in, registered, put to sleep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import anyio
import httpx2
from anyio.abc import TaskGroup

from callctl.fleet.attach import Attachments
from callctl.fleet.conductor import Idle
from callctl.fleet.handset import Handset
from callctl.io.sign_in_client import SignInClient, SignInRefused
from callctl.phone.phone_event import SignedIn, SignIn, SignInFailed

AT_ONCE: Final = 20  # phones on their way: as many as the client of the sign-in keeps connections
COMES_IN_S: Final = 20.0
SLEEPS_IN_S: Final = 10.0  # beyond the grace of the system


class Enrolment:
    """Enrols a fleet, and renews sign-ins later. It is what handsets tell (`Following`)."""

    def __init__(self, idle: Idle, client: SignInClient | None, tasks: TaskGroup) -> None:
        self.done = 0
        self.troubles: Counter[str] = Counter()
        """Why phones did not come into service."""
        self._idle = idle
        self._client = client
        self._tasks = tasks
        self._coming: dict[Handset, anyio.Event] = {}  # until they are registered
        self._wanted: dict[Handset, SignIn] = {}

    # What handsets tell.

    def phone_ready(self, handset: Handset) -> None:
        """It can be called."""
        if handset not in self._coming:
            self._idle.add(handset)

    def phone_registered(self, handset: Handset) -> None:
        """It has come, if it was waited for."""
        event = self._coming.get(handset)
        if event is not None:
            event.set()

    def phone_wants(self, handset: Handset, action: SignIn) -> None:
        """Sign it in: at its enrolment in its turn, later at once."""
        if handset in self._coming:
            self._wanted[handset] = action
        else:
            self._tasks.start_soon(self._sign_in, handset, action)

    # The work.

    async def enrol(
        self, handsets: Sequence[Handset], attachments: Attachments | None, grace_s: float
    ) -> list[Handset]:
        """Return once all are in service, or have had their time. Returns: those that are.

        Raises: CannotAttach
        """
        if attachments is not None:
            wanted = (it for phone in handsets for it in phone.phone.identity.attachments())
            await attachments.attach(wanted)
        queue = iter(handsets)
        came: list[Handset] = []
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(self._work, queue, came)
        with anyio.move_on_after(grace_s + SLEEPS_IN_S):
            while len(self._idle) < len(came):  # noqa: ASYNC110  (thousands of parties set it)
                await anyio.sleep(0.05)
        awake = len(came) - len(self._idle)
        if awake:
            self.troubles["did not fall asleep"] += awake
        return came

    async def _work(self, queue: Iterator[Handset], came: list[Handset]) -> None:
        for handset in queue:
            trouble = await self._bring_in(handset)
            if trouble is None:
                came.append(handset)
            else:
                self.troubles[trouble] += 1
                handset.party.stop()
            self.done += 1

    async def _bring_in(self, handset: Handset) -> str | None:
        """Returns: what went wrong, None if nothing did."""
        event = self._coming[handset] = anyio.Event()
        trouble: str | None = None
        try:
            handset.party.do(handset.phone.start)
            action = self._wanted.pop(handset, None)
            if action is not None:
                trouble = await self._sign_in(handset, action)
            if trouble is None:
                with anyio.move_on_after(COMES_IN_S):
                    await event.wait()
                if not event.is_set():
                    trouble = "did not register"
        finally:
            del self._coming[handset]
        if trouble is None:
            if handset.awake:
                self._idle.add(handset)
            else:
                handset.put_away()
        return trouble

    async def _sign_in(self, handset: Handset, action: SignIn) -> str | None:
        """Returns: what went wrong, None if nothing did."""
        if self._client is None:
            trouble = "there is nothing to sign in to"
        else:
            try:
                facts = await self._client.sign_in(action.request)
            except (SignInRefused, httpx2.HTTPError) as error:
                trouble = f"sign-in: {error or type(error).__name__}"
            else:
                handset.party.feed(SignedIn(facts))
                return None
        handset.party.feed(SignInFailed(trouble))
        return trouble
