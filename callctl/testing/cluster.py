"""The cluster of the test, and everybody who is to be in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from callctl.model.device import Device, Platform
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import Forwarding, Line
from callctl.testing.cast import Cast, Client
from callctl.testing.node import Node
from callctl.testing.party import DeskPhone, Party, TrunkPeer
from callctl.testing.phone import MobilePhone
from callctl.testing.plan import DESKS, DeskPart, MobilePart, TrunkPart, peer_names
from callctl.testing.play import SetUpError
from callctl.testing.word import word

if TYPE_CHECKING:
    from callctl.testing.play import Play

FIRST_CALLER: Final = 1001
CALLER_NAME: Final = "Front Desk"
PILOT: Final = "3000"


class Trunk:
    """A SIP trunk and the peers at its far end, in the order in which they are tried."""

    def __init__(self, name: str, peers: tuple[TrunkPeer, ...]) -> None:
        self.name = name
        self.peers = peers

    def __str__(self) -> str:
        return self.name


class Cluster:
    """The cluster. What is asked of it before the first awaited word comes to be in it.

    Numbers, names and places that are not given are chosen: callers from 1001 on, mobile phones
    from 2001 on; mobile phones in the CM group `phones` (the first three nodes), desk phones in
    `desks` (the last node, then the one before it).
    """

    def __init__(self, play: Play) -> None:
        __tracebackhide__ = True
        self._play = play
        self._cast = Cast(play)
        self._nodes = {name: Node(play, name) for name in self._cast.nodes}

    def __str__(self) -> str:
        return "cluster"

    def __repr__(self) -> str:
        return f"<cluster: {', '.join(self._nodes)}; {', '.join(self._cast.names) or 'nobody'}>"

    # Nodes.

    def node(self, name: str) -> Node:
        """A node by its name. Raises: SetUpError."""
        found = self._nodes.get(name)
        if found is None:
            raise SetUpError(f"there is no node {name}; there are {', '.join(self._nodes)}")
        return found

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order of the cluster."""
        return tuple(self._nodes.values())

    # Phones.

    def iphone(
        self,
        number: str = "",
        *,
        name: str = "",
        ios: str = "17.0",
        client: Client = "jabber",
        client_version: str = "",
        custom_region: bool = False,
        asleep: bool = True,
        wakes_after: float | None = None,
        cm_group: Sequence[str] = (),
    ) -> MobilePhone:
        """An iPhone.

        Args:
            number: its line; a number that somebody has already makes that a shared line.
            ios: below 13 it knows neither CallKit for calls nor VoIP pushes of their own.
            custom_region: mainland China, where calls come as messages to be tapped.
            wakes_after: seconds from the push to the app at work.
            cm_group: up to three nodes, in place of those of the group `phones`.
        """
        return self._cast.new_mobile(
            Platform.IOS,
            number,
            name,
            ios,
            client,
            client_version,
            cm_group,
            custom_region=custom_region,
            asleep=asleep,
            wakes_after=wakes_after,
        )

    def android(
        self,
        number: str = "",
        *,
        name: str = "",
        android: str = "14",
        client: Client = "jabber",
        client_version: str = "",
        asleep: bool = True,
        wakes_after: float | None = None,
        cm_group: Sequence[str] = (),
    ) -> MobilePhone:
        """An Android phone; as `iphone`."""
        return self._cast.new_mobile(
            Platform.ANDROID,
            number,
            name,
            android,
            client,
            client_version,
            cm_group,
            asleep=asleep,
            wakes_after=wakes_after,
        )

    def desk_phone(
        self,
        number: str = "",
        *,
        name: str = "",
        display_name: str = "",
        registered: bool = True,
        transport: Literal["UDP", "TCP", "TLS"] = "TCP",
        cm_group: Sequence[str] = (),
    ) -> DeskPhone:
        """A desk phone, which calls and is called.

        Args:
            number: its line; a number that somebody has already makes that a shared line.
            display_name: of its line, shown to whom it calls.
            registered: False for one that `registers` when the test says so.
        """
        plan = self._cast.plan("a desk phone")
        number = number or self._cast.free_number(FIRST_CALLER)
        name = name or self._cast.free_name("SEP", number)
        pool = self._cast.pool(DESKS, cm_group)
        device = Device(name, number, (number,), pool, Platform.DESK)
        plan.desks[name] = DeskPart(device, transport, registered)
        known = plan.lines.get(number)
        if known is None:
            usual = CALLER_NAME if number == str(FIRST_CALLER) else f"Desk {number}"
            plan.lines[number] = Line(number, display_name or usual)
        elif display_name:
            plan.lines[number] = replace(known, display_name=display_name)
        return self._cast.add(DeskPhone(self._play, name, (number,)))

    def mobile(self, name: str, *, line: str = "") -> MobilePhone:
        """A mobile phone of the cluster file, by its device name; it sleeps. Raises: SetUpError.

        `line`: the one that it registers, where that is not its first.
        """
        known = self._cast.known(name, line, MobilePhone)
        if known is not None:
            return known
        device = self._cast.of_file(name, line, mobile=True)
        self._play.plan.mobiles[name] = MobilePart(device)
        return self._cast.add(MobilePhone(self._play, name, device.lines))

    def desk(self, name: str, *, line: str = "") -> DeskPhone:
        """A desk phone of the cluster file, or any other device that does not sleep.

        `line`: as for `mobile`. Raises: SetUpError.
        """
        known = self._cast.known(name, line, DeskPhone)
        if known is not None:
            return known
        device = self._cast.of_file(name, line, mobile=False)
        self._play.plan.desks[name] = DeskPart(device, "TCP")
        return self._cast.add(DeskPhone(self._play, name, device.lines))

    def usual_phone(self) -> MobilePhone:
        """An iPhone that sleeps; of a cluster file its first mobile phone. Raises: SetUpError."""
        if not self._cast.from_file:
            return self.iphone()
        return self.mobile(self._cast.first_of_file("mobile phone", lambda it: it.mobile))

    def usual_caller(self) -> DeskPhone:
        """A desk phone; of a cluster file the first with a line on which no mobile phone is.

        Raises: SetUpError.
        """
        if not self._cast.from_file:
            return self.desk_phone()
        theirs = self._cast.lines_of_mobiles()
        return self.desk(
            self._cast.first_of_file(
                "desk phone with a line of its own",
                lambda it: not it.mobile and theirs.isdisjoint(it.lines),
            )
        )

    # Numbers.

    def line(
        self,
        number: str,
        *,
        display_name: str = "",
        forward_all: Party | str | None = None,
        forward_busy: Party | str | None = None,
        forward_no_answer: Party | str | None = None,
        forward_unregistered: Party | str | None = None,
        no_answer_after: int = 12,
    ) -> None:
        """Say more of a line: its name, and where calls go that nobody takes there.

        `no_answer_after`: seconds of ringing.
        """
        plan = self._cast.plan(f"line {number}")
        known = plan.lines.get(number) or Line(number)
        plan.lines[number] = replace(
            known,
            display_name=display_name or known.display_name,
            forwarding=Forwarding(
                _number(forward_all) or known.forwarding.all,
                _number(forward_busy) or known.forwarding.busy,
                _number(forward_no_answer) or known.forwarding.no_answer,
                _number(forward_unregistered) or known.forwarding.unregistered,
                no_answer_after,
            ),
        )

    def hunt_pilot(
        self,
        *members: Party | str,
        number: str = PILOT,
        at_once: bool = False,
        member_rings: int = 10,
        then: Party | str | None = None,
    ) -> str:
        """A number in front of several lines, tried one after the other, or all `at_once`.

        Args:
            member_rings: seconds; the wait for a push counts as ringing.
            then: where a call goes that no member took.
        Returns: the number.
        """
        plan = self._cast.plan(f"hunt pilot {number}")
        kind = Distribution.SIMULTANEOUS if at_once else Distribution.SEQUENTIAL
        numbers = tuple(_number(member) or "" for member in members)
        plan.pilots[number] = HuntPilot(
            number, numbers, kind, member_ring_s=member_rings, forward_unanswered=_number(then)
        )
        return number

    def trunk(
        self,
        name: str = "PSTN",
        *,
        pattern: str = "00!",
        peers: int = 1,
        strip: int = 2,
        prefix: str = "+",
        options_ping: int = 0,
    ) -> Trunk:
        """A SIP trunk; of a cluster file it is the one of this name.

        Args:
            pattern: the numbers that go there: digits, X for any digit, ! for all that follow.
            strip: how many leading characters of a number are taken away.
            prefix: what is put in their place.
            options_ping: seconds between OPTIONS, by which a node learns who is there; 0 for none.
        """
        if self._cast.from_file:
            return self._trunk(name, peer_names(name, self._cast.peers_of_trunk(name)))
        plan = self._cast.plan(f"trunk {name}")
        part = plan.trunks[name] = TrunkPart(name, pattern, strip, prefix, peers, options_ping)
        return self._trunk(name, part.peer_names)

    # Of all of it.

    @word
    async def is_in_service(self) -> None:
        """Every node that runs is known to every other."""
        __tracebackhide__ = True
        for node in self.nodes:
            if node.running:
                await node.is_in_service()

    # Inside.

    def _trunk(self, name: str, peers: tuple[str, ...]) -> Trunk:
        return Trunk(name, tuple(self._cast.add(TrunkPeer(self._play, it, (it,))) for it in peers))


def _number(target: Party | str | None) -> str | None:
    return target.number if isinstance(target, Party) else target
