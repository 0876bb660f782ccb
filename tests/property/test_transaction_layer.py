"""Random operations on one transaction layer; its promises are checked after each."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from helpers.sip_text import INVITE, OPTIONS, TCP, UDP, of_same_call, request, response
from helpers.transactions import AT_REST
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.timing import MS, Instant
from sipstack.transaction.events import (
    CancelReceived,
    Output,
    RequestReceived,
    ResponseReceived,
    TransactionEnded,
    TransactionFailed,
)
from sipstack.transaction.invite_client import InviteClient
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.layer import TransactionLayer
from sipstack.transaction.machine import ClientTransaction, ServerTransaction, State, Transaction
from sipstack.transport.flow import Flow, Send

PICK = st.integers(min_value=0, max_value=1_000)  # which of those there are
FLOWS = st.sampled_from([UDP, TCP])
METHODS = st.sampled_from(["INVITE", "OPTIONS"])
PROVISIONAL = st.sampled_from([100, 180, 183])
FINAL = st.sampled_from([200, 202, 302, 404, 487, 603])
STEPS_MS = st.sampled_from([0, 1, 499, 500, 3_999, 32_000, 100_000])


class Life:
    """What the user of the layer has heard of one transaction."""

    __slots__ = ("cancels", "ended", "failed", "failures_sent", "finals", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.finals: set[int] = set()  # heard by a client
        self.failures_sent: set[bytes] = set()  # by an INVITE server: 3xx to 6xx
        self.failed = 0
        self.cancels = 0
        self.ended = 0


class TransactionLayerMachine(RuleBasedStateMachine):
    """Peer and user in one, each doing whatever it may, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = TransactionLayer()
        self.now = Instant(0)
        self.branches = 0
        self.servers: list[ServerTransaction] = []  # all there ever were
        self.clients: list[ClientTransaction] = []
        self.lives: dict[int, Life] = {}  # by id(): the lists above keep them alive

    # What happens

    @rule(flow=FLOWS, method=METHODS)
    def request_comes(self, flow: Flow, method: str) -> None:
        self._take(self.layer.receive_request(self._fresh(method), flow, flow, self.now))

    @precondition(lambda self: self.servers)
    @rule(pick=PICK)
    def request_comes_again(self, pick: int) -> None:
        server = self.servers[pick % len(self.servers)]
        outputs = self.layer.receive_request(
            server.request.copy(), server.flow, server.flow, self.now
        )
        self._take(outputs)

    @precondition(lambda self: self.servers)
    @rule(pick=PICK, method=st.sampled_from(["ACK", "CANCEL"]))
    def ack_or_cancel_comes(self, pick: int, method: str) -> None:
        server = self.servers[pick % len(self.servers)]
        message = of_same_call(server.request, method, "8321234356" if method == "ACK" else None)
        self._take(self.layer.receive_request(message, server.flow, server.flow, self.now))

    @precondition(lambda self: self.servers)
    @rule(pick=PICK, status=PROVISIONAL)
    def user_says_provisional(self, pick: int, status: int) -> None:
        server = self.servers[pick % len(self.servers)]
        if server.state in (State.TRYING, State.PROCEEDING):
            self._respond(server, status)

    @precondition(lambda self: self.servers)
    @rule(pick=PICK, status=FINAL)
    def user_says_final(self, pick: int, status: int) -> None:
        server = self.servers[pick % len(self.servers)]
        repeated_2xx = isinstance(server, InviteServer) and status < 300
        if server.state in (State.TRYING, State.PROCEEDING) or repeated_2xx:
            self._respond(server, status)

    @rule(flow=FLOWS, method=METHODS)
    def user_sends_request(self, flow: Flow, method: str) -> None:
        client, outputs = self.layer.request(self._fresh(method), flow, self.now)
        self.clients.append(client)
        self.lives[id(client)] = Life()
        self._take(outputs)

    @precondition(lambda self: self.clients)
    @rule(pick=PICK, status=st.one_of(PROVISIONAL, FINAL))
    def response_comes(self, pick: int, status: int) -> None:
        client = self.clients[pick % len(self.clients)]
        answer = response(client.request, status)
        self._take(self.layer.receive_response(answer, client.flow, self.now))

    @precondition(lambda self: self.clients)
    @rule(pick=PICK)
    def user_cancels(self, pick: int) -> None:
        client = self.clients[pick % len(self.clients)]
        if isinstance(client, InviteClient):
            self._take(self.layer.cancel(client, self.now))

    @rule()
    def stream_closes(self) -> None:
        self._take(self.layer.flow_closed(TCP, self.now))

    @rule(step_ms=STEPS_MS)
    def time_passes(self, step_ms: int) -> None:
        self.now = Instant(self.now + step_ms * MS)
        self._take(self.layer.advance(self.now))

    @precondition(lambda self: self.layer.next_deadline() is not None)
    @rule()
    def next_timer_fires(self) -> None:
        deadline = self.layer.next_deadline()
        assert deadline is not None
        self.now = max(self.now, deadline)
        self._take(self.layer.advance(self.now))

    # What must hold

    @invariant()
    def nothing_is_overdue(self) -> None:
        deadline = self.layer.next_deadline()
        assert deadline is None or deadline > self.now

    @invariant()
    def no_timer_outlives_its_state(self) -> None:
        waiting = 0
        for machine in (*self.servers, *self.clients):
            owned = {timer for timer in machine.OWNS[machine.state] if timer is not None}
            assert set(machine.running()) <= owned
            assert machine.deadline == machine.next_deadline()
            waiting += machine.deadline is not None
        assert self.layer.counts()["deadlines"] >= waiting  # CANCELs have theirs too.

    @invariant()
    def what_has_ended_is_gone_and_what_is_gone_has_ended(self) -> None:
        for machine in (*self.servers, *self.clients):
            life = self.lives[id(machine)]
            assert life.ended == (machine.state is State.TERMINATED)

    @invariant()
    def an_invite_gets_one_distinct_failure_at_most(self) -> None:
        for server in self.servers:
            assert len(self.lives[id(server)].failures_sent) <= 1
            assert self.lives[id(server)].cancels <= 1

    @invariant()
    def a_client_hears_one_outcome(self) -> None:
        for client in self.clients:
            life = self.lives[id(client)]
            classes = {status // 100 == 2 for status in life.finals}
            assert len(classes) + life.failed <= 1
            if client.request.method != "INVITE" or True not in classes:
                assert len(life.finals) <= 1

    def teardown(self) -> None:
        """The peers fall silent and the user answers its INVITEs only: then nothing is left."""
        for server in self.servers:
            if isinstance(server, InviteServer) and server.state is State.PROCEEDING:
                self._respond(server, 500)
        for client in self.clients:
            if isinstance(client, InviteClient):
                self._take(self.layer.cancel(client, self.now))
        while self.layer.next_deadline() is not None:
            self.next_timer_fires()
            self.nothing_is_overdue()
        assert self.layer.counts() == AT_REST
        for client in self.clients:
            life = self.lives[id(client)]
            assert bool(life.finals) != bool(life.failed)

    # How it is done

    def _fresh(self, method: str) -> Request:
        self.branches += 1
        text, old = (INVITE, "z9hG4bK74bf9") if method == "INVITE" else (OPTIONS, "z9hG4bKhjhs8")
        return request(text, (old, f"z9hG4bKn{self.branches}"))

    def _respond(self, server: ServerTransaction, status: int) -> None:
        self._take(self.layer.respond(server, response(server.request, status), self.now))

    def _take(self, outputs: tuple[Output, ...]) -> None:
        for output in outputs:
            if isinstance(output, RequestReceived):
                self.servers.append(output.transaction)
                self.lives[id(output.transaction)] = Life()
            elif isinstance(output, ResponseReceived):
                life = self._alive(output.transaction)
                if output.response.status >= 200:
                    life.finals.add(output.response.status)
            elif isinstance(output, TransactionFailed):
                self._alive(output.transaction).failed += 1
            elif isinstance(output, CancelReceived):
                self._alive(output.invite).cancels += 1
            elif isinstance(output, TransactionEnded):
                self._alive(output.transaction).ended += 1
            elif isinstance(output, Send):
                self._note_failure(output)

    def _alive(self, transaction: Transaction) -> Life:
        life = self.lives[id(transaction)]
        assert life.ended == 0, "an output after the end"
        return life

    def _note_failure(self, send: Send) -> None:
        message = parse_message(send.data)
        if isinstance(message, Response) and message.status >= 300:
            for server in self.servers:
                # A repeat that comes after the end is a new transaction with the same top Via.
                if (
                    isinstance(server, InviteServer)
                    and server.state is not State.TERMINATED
                    and message.cseq.method == "INVITE"
                    and server.request.top_via == message.top_via
                ):
                    self.lives[id(server)].failures_sent.add(send.data)


TestTransactionLayer = TransactionLayerMachine.TestCase
TestTransactionLayer.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
