"""Both ends of the link, back to back: whatever breaks, every push has exactly one outcome.

Octets come in order, in pieces of any length, late or never; connections end, at one end first or
at the other; the service is restarted, or hangs; the cloud answers, or does not.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callctl.push.call_manager_link import (
    CallManagerLink,
    CloseLink,
    LinkAction,
    LinkClosed,
    LinkOctets,
    LinkOpened,
    LinkState,
    OpenLink,
    ServiceReached,
    WriteLink,
)
from callctl.push.events import (
    AbandonPush,
    Ignored,
    PostPush,
    PushAnswered,
    PushLost,
    PushOutcome,
    PushSent,
    PushWithdrawn,
    PushWritten,
)
from callctl.push.kind import PushKind
from callctl.push.service import (
    ClosePeer,
    CpnsService,
    PeerGone,
    PeerOctets,
    ServiceAction,
    WritePeer,
)
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.pushes import IPHONE, Service, intent
from sipstack.timing import MS, Instant

STEPS_MS = st.sampled_from([0, 1, 199, 200, 4_999, 5_000, 60_000])
CALLS = st.sampled_from(["c1", "c2", "c3"])
KINDS = st.sampled_from([PushKind.INCOMING, PushKind.MISSED])
PIECES = st.integers(1, 400)
STATUSES = st.sampled_from([200, 400, 401, 410, 500])
QUEUE = 3  # pushes the service lets wait: it is full now and then


class Connection:
    """Octets under way in both directions."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.to_service = b""
        self.to_caller = b""
        self.caller_has_it = self.service_has_it = True


class PushLinkMachine(RuleBasedStateMachine):
    """Shells, wire and cloud at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Instant(0)
        self.link = CallManagerLink("ucm1")
        self.service: CpnsService | None = None
        self.connections: dict[int, Connection] = {}
        self.current: int | None = None  # the connection CallManager means
        self.dialling = False
        self.made = 0
        self.asked: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.early: set[str] = set()  # sent, told after the outcome
        self.posted: dict[str, str] = {}  # what the cloud has, by tracking id
        self.posts: Counter[str] = Counter()
        self.unavailable = False
        self.start_service()
        self.take(self.link.start(self.now))

    # The shells.

    def start_service(self) -> None:
        cpns = Service(in_flight_max=2, queue_max=QUEUE, next_address=True).cpns
        self.service = CpnsService("ucm1", cpns, {IPHONE.device_name: IPHONE}.get)
        self.serve(self.service.start(self.now))

    def take(self, actions: tuple[LinkAction, ...]) -> None:
        """What CallManager's end wants done."""
        for action in actions:
            match action:
                case OpenLink():
                    assert not self.dialling
                    self.dialling = True
                case WriteLink(octets):
                    assert self.current is not None, "written to nobody"
                    self.connections[self.current].to_service += octets
                case CloseLink():
                    assert self.current is not None, "nothing to close"
                    self.connections[self.current].caller_has_it = False
                    self.current = None
                case PushOutcome(intent_id):
                    assert intent_id in self.asked
                    self.outcomes[intent_id] += 1
                case PushSent(intent_id):
                    assert not self.outcomes[intent_id], "sent after its outcome"
                case ConditionEntered(alarm):
                    assert alarm == "PushNotificationServiceUnavailable"
                    self.unavailable = True
                case ConditionLeft():
                    self.unavailable = False
                case ServiceReached(reached):
                    assert reached == (self.link.state is LinkState.UP)
                case Ignored(reason):
                    assert reason.startswith("stray")

    def serve(self, actions: tuple[ServiceAction, ...]) -> None:
        """What the service wants done."""
        for action in actions:
            match action:
                case WritePeer(peer, octets):
                    assert self.connections[peer].service_has_it, "written to nobody"
                    self.connections[peer].to_caller += octets
                case ClosePeer(peer):
                    self.connections[peer].service_has_it = False
                case PostPush(tracking_id):
                    self.posted[tracking_id] = action.channel
                    self.posts[tracking_id] += 1
                    assert self.now < action.deadline
                case AbandonPush(tracking_id):
                    del self.posted[tracking_id]
                case Ignored(reason):
                    raise AssertionError(reason)

    def tell_link(self, event: LinkOpened | LinkClosed | LinkOctets) -> None:
        self.take(self.link.receive(event, self.now))

    # What happens.

    @rule(call=CALLS, kind=KINDS)
    def push_is_wanted(self, call: str, kind: PushKind) -> None:
        intent_id = f"i{len(self.asked)}"
        self.asked.append(intent_id)
        deadline_ms = self.now // MS + 13_000
        wanted = intent(kind, call_uuid=call, intent_id=intent_id, deadline_ms=deadline_ms)
        self.take(self.link.push(wanted, self.now))

    @rule(call=CALLS)
    def call_is_over(self, call: str) -> None:
        self.take(self.link.withdraw(PushWithdrawn(call, IPHONE.device_name)))

    @precondition(lambda self: self.dialling)
    @rule()
    def dial_ends(self) -> None:
        self.dialling = False
        if self.service is None:
            self.tell_link(LinkClosed("connection refused"))
            return
        self.made += 1
        self.connections[self.made] = Connection(self.made)
        self.current = self.made
        self.tell_link(LinkOpened())

    @precondition(lambda self: self.service is not None)
    @rule(data=st.data(), piece=PIECES)
    def octets_reach_the_service(self, data: st.DataObject, piece: int) -> None:
        waiting = [it for it in self.connections.values() if it.to_service and it.service_has_it]
        if waiting:
            self._to_service(data.draw(st.sampled_from(waiting)), piece)

    def _to_service(self, connection: Connection, piece: int) -> None:
        octets, connection.to_service = (
            connection.to_service[:piece],
            connection.to_service[piece:],
        )
        assert self.service is not None
        self.serve(self.service.receive(PeerOctets(connection.number, octets), self.now))

    @rule(piece=PIECES)
    def octets_reach_callmanager(self, piece: int) -> None:
        if self.current is None:
            return
        connection = self.connections[self.current]
        octets, connection.to_caller = connection.to_caller[:piece], connection.to_caller[piece:]
        if octets:
            self.tell_link(LinkOctets(octets))

    @precondition(lambda self: self.current is not None)
    @rule()
    def connection_is_lost_at_callmanager(self) -> None:
        assert self.current is not None
        self.connections[self.current].caller_has_it = False
        self.current = None
        self.tell_link(LinkClosed("connection reset by peer"))

    @rule(data=st.data())
    def service_notices_the_end_of_a_connection(self, data: st.DataObject) -> None:
        gone = [it for it in self.connections.values() if it.service_has_it]
        gone = [it for it in gone if not it.caller_has_it]
        if gone and self.service is not None:
            connection = data.draw(st.sampled_from(gone))
            connection.service_has_it = False
            self.serve(self.service.receive(PeerGone(connection.number), self.now))

    @rule()
    def callmanager_reads_to_the_end_of_a_connection(self) -> None:
        connection = self.connections.get(self.current or 0)
        if connection is None or connection.service_has_it:
            return
        if connection.to_caller:
            self.octets_reach_callmanager(len(connection.to_caller))
        if self.current == connection.number:
            self.current = None
            connection.caller_has_it = False
            self.tell_link(LinkClosed("closed by the service"))

    @precondition(lambda self: self.service is not None)
    @rule(in_order=st.booleans())
    def service_ends(self, in_order: bool) -> None:
        assert self.service is not None
        if in_order:
            self.serve(self.service.stop(self.now))
        self.service = None
        self.posted.clear()
        for connection in self.connections.values():
            connection.service_has_it = False

    @precondition(lambda self: self.service is None)
    @rule()
    def service_starts(self) -> None:
        self.start_service()

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), status=STATUSES)
    def cloud_answers(self, data: st.DataObject, status: int) -> None:
        assert self.service is not None
        tracking_id = data.draw(st.sampled_from(sorted(self.posted)))
        self.serve(self.service.receive(PushWritten(tracking_id), self.now))
        del self.posted[tracking_id]
        self.serve(self.service.receive(PushAnswered(tracking_id, status), self.now))

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), reason=st.sampled_from(["closed", "connect", "no other address"]))
    def push_is_lost(self, data: st.DataObject, reason: str) -> None:
        assert self.service is not None
        tracking_id = data.draw(st.sampled_from(sorted(self.posted)))
        del self.posted[tracking_id]
        lost = PushLost(tracking_id, reason)  # type: ignore[arg-type]
        self.serve(self.service.receive(lost, self.now))

    @rule(step_ms=STEPS_MS)
    def time_passes(self, step_ms: int) -> None:
        end = Instant(self.now + step_ms * MS)
        for _ in range(10_000):
            due = self.link.next_deadline()
            if self.service is not None:
                at = self.service.next_deadline()
                due = at if due is None or (at is not None and at < due) else due
            if due is None or due > end:
                break
            self.now = Instant(max(self.now, due))
            if self.service is not None:
                self.serve(self.service.advance(self.now))
            self.take(self.link.advance(self.now))
        else:
            raise AssertionError("it is woken again and again")
        self.now = end

    # What holds.

    @invariant()
    def no_push_has_two_outcomes(self) -> None:
        assert all(count == 1 for count in self.outcomes.values())

    @invariant()
    def no_push_is_posted_more_than_twice(self) -> None:
        assert all(count <= 2 for count in self.posts.values())

    @invariant()
    def what_is_open_is_held_somewhere(self) -> None:
        counts = self.link.counts()
        without = [it for it in self.asked if not self.outcomes[it]]
        assert sum(counts.values()) == len(without)

    @invariant()
    def alarm_holds_only_while_the_service_is_missing(self) -> None:
        assert not self.unavailable or self.link.state is LinkState.DOWN

    def teardown(self) -> None:
        """Nothing breaks any more, and the cloud answers."""
        for _ in range(100):
            if self.link.state is LinkState.UP and self.outcomes.total() == len(self.asked):
                break
            if self.service is None:
                self.service_starts()
            if self.dialling:
                self.dial_ends()
            for connection in tuple(self.connections.values()):
                if connection.service_has_it and connection.to_service:
                    self._to_service(connection, 1_000)
            self.octets_reach_callmanager(1_000)
            self.callmanager_reads_to_the_end_of_a_connection()
            for tracking_id in tuple(self.posted):
                assert self.service is not None
                del self.posted[tracking_id]
                self.serve(self.service.receive(PushAnswered(tracking_id, 200), self.now))
            self.time_passes(200)
        assert self.outcomes == Counter(self.asked)
        assert self.link.counts() == {"pushes_at_service": 0, "pushes_held": 0}
        assert self.link.state is LinkState.UP
        assert self.service is not None
        held = self.service.counts()
        del held["remembered_rings"]
        assert set(held.values()) == {0}


TestPushLink = PushLinkMachine.TestCase
TestPushLink.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
