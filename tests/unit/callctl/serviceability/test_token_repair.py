"""The repair of a refresh token: its steps in order, what fails, what is repeated."""

from __future__ import annotations

import pytest

from callctl.model.user import Secret
from callctl.serviceability.repair_steps import (
    COMPARE,
    PROVE,
    READ,
    RESTART,
    STEPS,
    WRITE,
    AccountRead,
    Action,
    CompareCopies,
    CopiesCompared,
    Event,
    NewToken,
    ReadAccount,
    Refused,
    Restarted,
    RestartService,
    Resume,
    StepFailed,
    StepState,
    TokenTried,
    TokenWritten,
    TryToken,
    WriteToken,
    restarts_due,
)
from callctl.serviceability.services import (
    CMAS,
    CPNS,
    TOMCAT,
    XCP_CONFIG_MANAGER,
    XCP_ROUTER,
    NodeKind,
    Server,
)
from callctl.serviceability.token_repair import REPAIR_NS, TokenRepair
from sipstack.timing import Instant

SERVERS = (
    Server("ucm1", publisher=True),
    Server("ucm2"),
    Server("imp1", NodeKind.IM_AND_PRESENCE),
)
TOKEN = Secret("new-token")
T0 = Instant(0)


class World:
    """Does what the repair asks for; each answer can be set."""

    def __init__(self) -> None:
        self.repair = TokenRepair(SERVERS)
        self.done: list[Action] = []
        self.pkid: str | None = "p1"
        self.rows = 1
        self.copies = CopiesCompared((), ())
        self.status = 200
        self.broken: RestartService | None = None

    def run(self, event: Event) -> None:
        waiting = list(self.repair.receive(event, T0))
        while waiting:
            action = waiting.pop(0)
            self.done.append(action)
            waiting += self.repair.receive(self._answer(action), T0)

    def _answer(self, action: Action) -> Event:
        match action:
            case ReadAccount():
                return AccountRead(self.pkid)
            case WriteToken():
                return TokenWritten(self.rows)
            case CompareCopies():
                return self.copies
            case RestartService(node, service):
                return StepFailed("no") if action == self.broken else Restarted(node, service)
            case TryToken(nodes):
                return TokenTried(tuple((node, self.status) for node in nodes))
            case Refused(reason):
                raise AssertionError(reason)

    def state(self, number: int) -> tuple[StepState, str]:
        step = self.repair.steps[number - 1]
        return step.state, step.detail


@pytest.mark.req("TRB-20", "TRB-21", "OP-58")
def test_steps_are_those_of_the_procedure_in_its_order() -> None:
    assert [step.number for step in STEPS] == list(range(1, 11))
    assert STEPS[3].command == "utils service restart Cisco Push Notification service"
    assert STEPS[4].command == STEPS[5].command == "run sql select * from machineaccountdetails"
    assert STEPS[6].command.startswith("run sql update machineaccountdetails set refreshtoken='")
    assert "where pkid=" in STEPS[6].command
    assert STEPS[7].command == "run sql select refreshtoken from machineaccountdetails"


@pytest.mark.req("TRB-21", "OP-58")
def test_repair_writes_by_key_compares_restarts_in_order_and_proves_it() -> None:
    world = World()
    world.run(NewToken(TOKEN))
    assert world.done == [
        ReadAccount(),
        WriteToken(TOKEN, "p1"),
        CompareCopies(),
        *(RestartService("ucm1", it) for it in (CMAS, CPNS, TOMCAT)),
        *(RestartService("ucm2", it) for it in (CMAS, CPNS, TOMCAT)),
        *(RestartService("imp1", it) for it in (XCP_CONFIG_MANAGER, XCP_ROUTER, TOMCAT)),
        TryToken(("ucm1", "ucm2", "imp1")),
    ]
    assert world.repair.done
    assert not world.repair.under_way
    assert world.repair.next_deadline() is None
    assert {step.state for step in world.repair.steps} == {StepState.DONE}


@pytest.mark.req("TRB-21")
def test_repair_can_be_repeated() -> None:
    world = World()
    world.run(NewToken(TOKEN))
    first, world.done = world.done, []
    world.run(NewToken(TOKEN))
    assert world.done == first
    assert world.repair.done


def test_second_repair_while_one_is_under_way_is_refused() -> None:
    repair = TokenRepair(SERVERS)
    repair.receive(NewToken(TOKEN), T0)
    assert repair.receive(NewToken(TOKEN), T0) == (Refused("a repair is under way already"),)
    assert repair.receive(Resume(), T0) == (Refused("a repair is under way already"),)


def test_resume_without_a_failure_is_refused() -> None:
    (refused,) = TokenRepair(SERVERS).receive(Resume(), T0)
    assert refused == Refused("no repair has failed: give a new refresh token")


def test_cluster_without_machine_account_has_to_be_onboarded() -> None:
    world = World()
    world.pkid = None
    world.run(NewToken(TOKEN))
    state, why = world.state(READ)
    assert state is StepState.FAILED
    assert "onboard this cluster" in why
    assert world.done == [ReadAccount()]


@pytest.mark.req("TRB-21")
def test_node_that_lacks_the_new_token_stops_the_repair_until_it_has_it() -> None:
    world = World()
    world.copies = CopiesCompared(("ucm2",), ())
    world.run(NewToken(TOKEN))
    assert world.state(COMPARE) == (StepState.FAILED, "not yet on ucm2")
    assert not any(isinstance(action, RestartService) for action in world.done)
    world.copies, world.done = CopiesCompared((), ()), []
    world.run(Resume())
    assert world.done[0] == CompareCopies()
    assert world.repair.done


def test_node_out_of_service_is_left_out_and_named() -> None:
    world = World()
    world.copies = CopiesCompared((), ("ucm2",))
    world.run(NewToken(TOKEN))
    assert world.repair.done
    assert "ucm2" in world.state(COMPARE)[1]
    assert TryToken(("ucm1", "imp1")) in world.done
    assert not any(isinstance(it, RestartService) and it.node == "ucm2" for it in world.done)


@pytest.mark.req("TRB-21")
def test_restart_that_fails_is_repeated_after_resume() -> None:
    world = World()
    world.broken = RestartService("ucm2", CPNS)
    world.run(NewToken(TOKEN))
    assert world.state(RESTART) == (StepState.FAILED, "no")
    assert world.state(PROVE)[0] is StepState.TO_DO
    world.broken = None
    world.run(Resume())
    assert world.repair.done


@pytest.mark.req("TRB-20", "CLOUD-07")
def test_token_that_is_answered_400_too_sends_back_to_the_new_machine() -> None:
    world = World()
    world.status = 400
    world.run(NewToken(TOKEN))
    state, why = world.state(PROVE)
    assert state is StepState.FAILED
    assert "400 again on ucm1, ucm2, imp1" in why
    world.status = 200
    world.run(NewToken(Secret("better")))
    assert world.repair.done


def test_token_service_that_does_not_answer_is_told_from_one_that_refuses() -> None:
    world = World()
    world.status = 0
    world.run(NewToken(TOKEN))
    assert "no token yet on ucm1 (no answer)" in world.state(PROVE)[1]


def test_row_that_is_gone_when_it_is_to_be_set_is_read_again() -> None:
    world = World()
    world.rows = 0
    world.run(NewToken(TOKEN))
    assert world.state(READ)[0] is StepState.FAILED
    assert world.state(WRITE)[0] is StepState.TO_DO
    world.rows = 1
    world.run(Resume())
    assert world.repair.done


def test_repair_that_does_not_end_is_given_up_and_late_answers_change_nothing() -> None:
    repair = TokenRepair(SERVERS)
    repair.receive(NewToken(TOKEN), T0)
    assert repair.next_deadline() == REPAIR_NS
    repair.advance(Instant(REPAIR_NS - 1))
    assert repair.steps[READ - 1].state is StepState.UNDER_WAY
    repair.advance(Instant(REPAIR_NS))
    assert repair.steps[READ - 1].state is StepState.FAILED
    assert repair.next_deadline() is None
    (late,) = repair.receive(AccountRead("p1"), Instant(REPAIR_NS + 1))
    assert late == Refused("no repair is under way")


def test_answer_to_another_question_is_refused() -> None:
    repair = TokenRepair(SERVERS)
    repair.receive(NewToken(TOKEN), T0)
    (refused,) = repair.receive(TokenWritten(1), T0)
    assert refused == Refused(f"not what step {READ} waits for")


def test_token_shows_in_no_representation() -> None:
    repair = TokenRepair(SERVERS)
    actions = repair.receive(NewToken(TOKEN), T0)
    actions += repair.receive(AccountRead("p1"), T0)
    assert "new-token" not in repr(repair) + repr(actions)


@pytest.mark.req("OP-58", "SVC-04")
def test_new_token_makes_the_restarts_due_that_it_waits_for() -> None:
    due = restarts_due()
    assert [it.service for it in due] == [CMAS, CPNS, TOMCAT, XCP_CONFIG_MANAGER, XCP_ROUTER]
    assert due[-1].after is XCP_CONFIG_MANAGER
