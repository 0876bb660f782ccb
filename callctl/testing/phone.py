"""A mobile phone: it sleeps, is woken by push, shows calls and messages, and its owner acts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callctl.testing.call import Call
from callctl.testing.fact import SECOND_NS, Fact, What
from callctl.testing.party import Party
from callctl.testing.word import expect, word

if TYPE_CHECKING:
    from callctl.testing.stage import PhoneHands, Push, PushName, Stage

RING_PUSHES: Final = frozenset({"ring", "content-free"})
CALL_PUSHES: Final = frozenset({What.PUSH, What.WOKEN})


class MobilePhone(Party):
    """A phone with an app, asleep unless it was asked for awake. `phone` is one, an iPhone."""

    kind = "mobile phone"

    # Words of pushes.

    @word
    async def is_woken(self, *, node: str | None = None, within: float | None = None) -> None:
        """A ring push has woken the app; with `node`, one that names this node has reached it.

        A phone whose active node went down gets a second one, with the next node (CALL-16).
        """
        __tracebackhide__ = True
        naming = "" if node is None else f" by a push that names {node}"
        since = self.since
        await expect(
            self._play,
            f"{self} is woken{naming}",
            lambda: self._woken(since, node),
            within=within,
            instead=lambda: f"{self._since(since)}\n{self._pushed()}",
        )

    @word
    async def gets_push(self, kind: PushName, *, within: float | None = None) -> None:
        """A push of this kind has reached the phone and was read there."""
        __tracebackhide__ = True
        since = self.since
        await self._sees(
            What.PUSH,
            f"{self} gets a {kind} push",
            since,
            within,
            lambda fact: fact.text == kind,
        )

    @word
    async def stays_asleep(self, seconds: float) -> None:
        """For so long no push wakes it, and none is shown."""
        __tracebackhide__ = True
        await self._undisturbed(CALL_PUSHES, seconds, f"{self} stays asleep for {seconds:g} s")

    @word
    async def registers_at(self, node: str, *, within: float | None = None) -> None:
        """The phone is registered, and it is this node that took it."""
        __tracebackhide__ = True
        await self._sees(
            What.REGISTERED,
            f"{self} registers at {node}",
            self.since,
            within,
            lambda fact: fact.text == node,
        )

    # Words of the screen.

    @word
    async def shows_call(self, caller: str = "", *, within: float | None = None) -> None:
        """The owner sees a call; with `caller`, a name or number that has to stand there.

        With CallKit that is as soon as the push is there, before the INVITE.
        """
        __tracebackhide__ = True
        who = f" from {caller}" if caller else ""
        await self._sees(
            What.SHOWN,
            f"{self} shows a call{who}",
            self.since,
            within,
            lambda fact: caller in fact.text,
        )

    @word
    async def shows(self, text: str, *, within: float | None = None) -> None:
        """A notification with this text in it has come up: "Missed call", "tap now to answer"."""
        __tracebackhide__ = True
        await self._sees(
            What.NOTIFIED,
            f"{self} shows {text!r}",
            self.since,
            within,
            lambda fact: text in fact.text,
        )

    @word
    async def taps_notification(self, *, within: float | None = None) -> None:
        """The owner taps the newest notification as soon as there is one."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        await self._has(What.NOTIFIED, f"{self} shows a notification to tap", within)
        stage.note(self.name, "notification tapped")
        self._hands(stage).tap()

    @word
    async def answers_at_once(self, *, within: float | None = None) -> None:
        """Pick up as soon as the call shows, though its INVITE may not be there yet, and talk."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        await self._has(What.SHOWN, f"{self} shows a call and is picked up", within)
        stage.note(self.name, "picks up")
        self._hands(stage).answer()
        await self._has(What.PICKED_UP, f"{self} talks after it was picked up", within)

    # Words of the owner between calls.

    @word
    async def falls_asleep(self, *, within: float | None = None) -> None:
        """The owner puts the phone away, locked; the system suspends the app a little later."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        stage.note(self.name, "put away")
        self._hands(stage).put_away()
        await expect(
            self._play,
            f"{self} falls asleep",
            lambda: self._hands(stage).asleep or None,
            within=within,
            instead=lambda: self._since(self.since),
        )

    @word
    async def opens_app(self, *, within: float | None = None) -> None:
        """The owner opens the app, and it is registered."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        first = len(stage.facts)
        stage.note(self.name, "app opened")
        self._hands(stage).open_app()
        await self._sees(What.REGISTERED, f"{self} registers with its app open", first, within)

    @word
    async def closes_app(self) -> None:
        """The owner swipes the app away; pushes still reach the phone."""
        stage = await self._play.begun()
        stage.note(self.name, "app closed")
        self._hands(stage).close_app()

    @word
    async def removes_app(self) -> None:
        """The owner deletes the app: its device tokens are dead, and APNs or FCM will say so."""
        stage = await self._play.begun()
        stage.note(self.name, "app removed")
        self._hands(stage).remove_app()

    @word
    async def signs_out(self) -> None:
        """The owner logs out: no more pushes."""
        stage = await self._play.begun()
        stage.note(self.name, "signs out")
        self._hands(stage).sign_out()

    @word
    async def signs_in(self, *, within: float | None = None) -> None:
        """The owner opens the app and logs in; the phone is registered."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        first = len(stage.facts)
        stage.note(self.name, "signs in")
        self._hands(stage).sign_in()
        await self._sees(What.REGISTERED, f"{self} registers after signing in", first, within)

    @word
    async def loses_network(self) -> None:
        """From now on no push and no message reaches it, and nothing leaves it."""
        stage = await self._play.begun()
        stage.note(self.name, "loses its network")
        self._hands(stage).set_online(False)

    @word
    async def finds_network(self) -> None:
        """It can be reached again, and gets the pushes that its cloud has kept."""
        stage = await self._play.begun()
        stage.note(self.name, "finds its network")
        self._hands(stage).set_online(True)

    # What is known.

    @property
    def pushes(self) -> tuple[Push, ...]:
        """The pushes that nodes sent to it since the newest call to it, oldest first."""
        stage = self._play.stage
        if stage is None:
            return ()
        call = self._play.last_call_to(self.numbers)
        began = 0.0 if call is None else call.began / SECOND_NS
        return tuple(push for push in stage.pushes(self.name) if push.at >= began)

    @property
    def asleep(self) -> bool:
        """True while its app is suspended or does not run."""
        return self._play.stage is None or self._hands(self._play.stage).asleep

    # Inside.

    def _woken(self, since: int, node: str | None) -> Fact | None:
        woken = self._play.facts(self.name, since, (What.WOKEN,))
        if not woken or node is None:
            return woken[0] if woken else None
        read = self._play.facts(self.name, since, (What.PUSH,))
        opened = {fact.tracking_id for fact in read if fact.text in RING_PUSHES}
        named = any(push.node == node and push.tracking_id in opened for push in self.pushes)
        return woken[0] if named else None

    def _pushed(self) -> str:
        """Which ring pushes were sent, in a sentence."""
        sent = [
            f"{push.sent_by} at {push.at:.3f} s, naming {push.node or 'no node'}: "
            f"{push.outcome or 'under way'}"
            for push in self.pushes
            if push.kind == "ring"
        ]
        return f"Ring pushes by {'; by '.join(sent)}." if sent else "No ring push was sent to it."

    def _hands(self, stage: Stage) -> PhoneHands:
        return stage.phone(self.name)

    def _place(self, stage: Stage, number: str, call: Call) -> None:
        self._hands(stage).call(number)

    def _answer(self, stage: Stage, call: int) -> None:
        self._hands(stage).answer()

    def _decline(self, stage: Stage, call: int, status: int) -> None:
        self._hands(stage).decline(status)

    def _hang_up(self, stage: Stage) -> None:
        self._hands(stage).hang_up()
