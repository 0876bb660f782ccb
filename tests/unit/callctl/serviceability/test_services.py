"""The network services: where they run, how they start and stop, which restarts are due."""

from __future__ import annotations

import pytest

from callctl.model.release import Release
from callctl.serviceability.service_event import (
    Action,
    NodeDown,
    NodeUp,
    Refused,
    RestartIsDue,
    ServiceDown,
    ServiceFailed,
    ServiceRestarted,
    ServiceUp,
    ServiceWanted,
    StartService,
    StopService,
    Wish,
)
from callctl.serviceability.service_table import MOVES, WORK_NS, Entry, ServiceTable, State
from callctl.serviceability.services import (
    CALL_MANAGER,
    CMAS,
    CPNS,
    LPNS,
    TOMCAT,
    XCP_CONFIG_MANAGER,
    XCP_ROUTER,
    NetworkService,
    NodeKind,
    Server,
    UnknownService,
    servers_with,
    service_named,
    services_of,
)
from sipstack.timing import Instant

PUBLISHER = Server("ucm1", publisher=True)
SUBSCRIBER = Server("ucm2")
PRESENCE = Server("imp1", NodeKind.IM_AND_PRESENCE)
T0 = Instant(0)


def table(*servers: Server, forbidden: str = "", release: str = "15") -> ServiceTable:
    return ServiceTable(
        servers or (PUBLISHER, SUBSCRIBER, PRESENCE), Release.parse(release), forbidden
    )


def settle(services: ServiceTable, actions: tuple[Action, ...], now: Instant) -> list[Action]:
    """Do at once what the table asks for. Returns: every action, in order."""
    done: list[Action] = []
    waiting = list(actions)
    while waiting:
        action = waiting.pop(0)
        done.append(action)
        if isinstance(action, StartService):
            waiting += services.receive(ServiceUp(action.node, action.service), now)
        if isinstance(action, StopService):
            waiting += services.receive(ServiceDown(action.node, action.service), now)
    return done


def running(*servers: Server, forbidden: str = "") -> ServiceTable:
    made = table(*servers, forbidden=forbidden)
    for server in made.servers:
        settle(made, made.receive(NodeUp(server.name), T0), T0)
    return made


def entry_of(services: ServiceTable, node: str, service: NetworkService) -> Entry:
    entry = services.entry(node, service)
    assert entry is not None
    return entry


@pytest.mark.req("SVC-01", "CPNS-02")
def test_each_service_runs_where_the_table_says() -> None:
    everywhere = ["ucm1", "ucm2", "imp1"]
    servers = (PUBLISHER, SUBSCRIBER, PRESENCE)
    for service, where in (
        (CPNS, ["ucm1", "ucm2"]),
        (CMAS, ["ucm1", "ucm2"]),
        (CALL_MANAGER, ["ucm1", "ucm2"]),
        (LPNS, ["ucm1", "ucm2"]),
        (TOMCAT, everywhere),
        (XCP_CONFIG_MANAGER, ["imp1"]),
        (XCP_ROUTER, ["imp1"]),
    ):
        assert list(servers_with(service, servers)) == where, service


@pytest.mark.req("SVC-01")
def test_im_and_presence_services_are_there_only_with_such_a_node() -> None:
    listed = {entry.service for entry in table(PUBLISHER, SUBSCRIBER).entries()}
    assert listed == {CPNS, CMAS, CALL_MANAGER, LPNS, TOMCAT}


@pytest.mark.req("SVC-01", "SVC-02")
def test_services_run_by_default_once_their_node_is_up() -> None:
    services = running()
    stopped = [it.service for it in services.entries() if it.state is not State.STARTED]
    assert stopped == [LPNS, LPNS]  # known, and not built
    assert services.runs("ucm2", CPNS)
    assert services.runs("ucm1", CMAS)


def test_local_push_is_a_service_from_14su3_on() -> None:
    assert LPNS in services_of(PUBLISHER, Release.parse("14SU3"))
    assert LPNS not in services_of(PUBLISHER, Release.parse("14SU2"))


@pytest.mark.parametrize(
    "name",
    [
        "Cisco Push Notification Service",
        "Cisco Push Notification service",
        "  cisco  push notification SERVICE ",
    ],
)
def test_names_are_matched_as_the_command_line_of_cisco_does(name: str) -> None:
    assert service_named(name) is CPNS


def test_unknown_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownService, match="there is no service 'Cisco Cats'; there are Cisco"):
        service_named("Cisco  Cats")


@pytest.mark.req("SVC-01")
def test_service_is_stopped_started_and_restarted() -> None:
    services = running()
    stop = services.receive(ServiceWanted(Wish.STOP, "ucm1", CPNS), T0)
    assert stop == (StopService("ucm1", CPNS),)
    assert entry_of(services, "ucm1", CPNS).state is State.STOPPING
    assert settle(services, stop, T0) == [StopService("ucm1", CPNS)]
    assert not services.runs("ucm1", CPNS)
    assert services.runs("ucm2", CPNS)
    start = services.receive(ServiceWanted(Wish.START, "ucm1", CPNS), T0)
    assert settle(services, start, T0) == [
        StartService("ucm1", CPNS),
        ServiceRestarted("ucm1", CPNS),
    ]
    restart = services.receive(ServiceWanted(Wish.RESTART, "ucm1", CPNS), T0)
    assert settle(services, restart, T0) == [
        StopService("ucm1", CPNS),
        StartService("ucm1", CPNS),
        ServiceRestarted("ucm1", CPNS),
    ]
    assert services.next_deadline() is None


@pytest.mark.parametrize(
    ("wish", "node", "service", "why"),
    [
        (Wish.START, "ucm1", CPNS, "Cisco Push Notification Service is started already"),
        (Wish.START, "imp1", CPNS, "Cisco Push Notification Service does not run on imp1"),
        (Wish.RESTART, "ucm1", XCP_ROUTER, "Cisco XCP Router does not run on ucm1"),
        (Wish.RESTART, "ucm9", TOMCAT, "Cisco Tomcat does not run on ucm9"),
        (Wish.STOP, "ucm1", LPNS, "Cisco Local Push Notification Service is stopped already"),
        (
            Wish.START,
            "ucm1",
            LPNS,
            "Cisco Local Push Notification Service is not part of this version",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    wish: Wish, node: str, service: NetworkService, why: str
) -> None:
    assert running().receive(ServiceWanted(wish, node, service), T0) == (Refused(why),)


def test_second_restart_while_one_is_under_way_is_refused() -> None:
    services = running()
    services.receive(ServiceWanted(Wish.RESTART, "ucm1", CPNS), T0)
    (refused,) = services.receive(ServiceWanted(Wish.RESTART, "ucm1", CPNS), T0)
    assert refused == Refused("Cisco Push Notification Service is stopping on ucm1; try again then")


@pytest.mark.req("OP-59")
def test_push_services_stay_stopped_where_push_is_not_allowed() -> None:
    services = running(PUBLISHER, forbidden="unrestricted software")
    assert not services.runs("ucm1", CPNS)
    assert not services.runs("ucm1", CMAS)
    assert services.runs("ucm1", CALL_MANAGER)
    assert services.receive(ServiceWanted(Wish.START, "ucm1", CPNS), T0) == (
        Refused("Cisco Push Notification Service cannot run: unrestricted software"),
    )


@pytest.mark.req("SVC-04", "CPNS-11")
def test_restart_is_due_until_a_start_that_began_after_the_change() -> None:
    services = running()
    services.receive(RestartIsDue(CPNS, "onboarding page updated"), Instant(5))
    assert [(e.node, d.reason, d.since) for e, d in services.dues()] == [
        ("ucm1", "onboarding page updated", 5),
        ("ucm2", "onboarding page updated", 5),
    ]
    restart = services.receive(ServiceWanted(Wish.RESTART, "ucm1", CPNS), Instant(6))
    assert settle(services, restart, Instant(7))[-1] == ServiceRestarted(
        "ucm1", CPNS, ("onboarding page updated",)
    )
    assert [entry.node for entry, _ in services.dues()] == ["ucm2"]


@pytest.mark.req("SVC-04")
def test_change_that_comes_while_the_service_starts_waits_for_the_next_restart() -> None:
    services = running()
    services.receive(RestartIsDue(CPNS, "first"), Instant(1))
    services.receive(ServiceWanted(Wish.RESTART, "ucm1", CPNS), Instant(2))
    assert services.receive(ServiceDown("ucm1", CPNS), Instant(3)) == (StartService("ucm1", CPNS),)
    services.receive(RestartIsDue(CPNS, "second", nodes=("ucm1",)), Instant(4))
    assert services.receive(ServiceUp("ucm1", CPNS), Instant(5)) == (
        ServiceRestarted("ucm1", CPNS, ("first",)),
    )
    assert [due.reason for due in entry_of(services, "ucm1", CPNS).dues] == ["second"]


@pytest.mark.req("SVC-04")
def test_stop_alone_brings_no_change_into_effect() -> None:
    services = running()
    services.receive(RestartIsDue(TOMCAT, "certificates"), T0)
    settle(services, services.receive(ServiceWanted(Wish.STOP, "ucm1", TOMCAT), T0), T0)
    assert len(entry_of(services, "ucm1", TOMCAT).dues) == 1


@pytest.mark.req("ONB-06", "SVC-04")
def test_tomcat_is_due_on_every_server_each_for_itself() -> None:
    services = running()
    services.receive(RestartIsDue(TOMCAT, "Cisco-managed certificates"), T0)
    for number, node in enumerate(("ucm2", "imp1", "ucm1"), start=1):
        settle(services, services.receive(ServiceWanted(Wish.RESTART, node, TOMCAT), T0), T0)
        assert len(services.dues()) == 3 - number


@pytest.mark.req("SVC-04", "ONB-12")
def test_router_restarted_before_the_config_manager_stays_due() -> None:
    services = running()
    reason = "onboarding completed"
    services.receive(RestartIsDue(XCP_CONFIG_MANAGER, reason), T0)
    services.receive(RestartIsDue(XCP_ROUTER, reason, after=XCP_CONFIG_MANAGER), T0)
    for service, left in ((XCP_ROUTER, 2), (XCP_CONFIG_MANAGER, 1), (XCP_ROUTER, 0)):
        settle(services, services.receive(ServiceWanted(Wish.RESTART, "imp1", service), T0), T0)
        assert len(services.dues()) == left


@pytest.mark.req("SVC-04")
def test_node_that_comes_back_has_every_change_in_effect() -> None:
    services = running()
    reason = "onboarding completed"
    services.receive(RestartIsDue(XCP_CONFIG_MANAGER, reason), T0)
    services.receive(RestartIsDue(XCP_ROUTER, reason, after=XCP_CONFIG_MANAGER), T0)
    services.receive(NodeDown("imp1"), T0)
    assert not services.runs("imp1", XCP_ROUTER)
    (refused,) = services.receive(ServiceWanted(Wish.START, "imp1", XCP_ROUTER), T0)
    assert refused == Refused("imp1 is out of service")
    settle(services, services.receive(NodeUp("imp1"), T0), T0)
    assert services.dues() == []


def test_same_change_said_again_is_one_line_with_the_later_time() -> None:
    services = running(PUBLISHER)
    for at in (1, 2):
        services.receive(RestartIsDue(CPNS, "onboarding page updated"), Instant(at))
    assert [due.since for _, due in services.dues()] == [2]


def test_service_that_fails_is_stopped_and_says_why() -> None:
    services = running()
    assert services.receive(ServiceDown("ucm1", CPNS, "port 9966 is taken"), T0) == (
        ServiceFailed("ucm1", CPNS, "port 9966 is taken"),
    )
    assert entry_of(services, "ucm1", CPNS).failure == "port 9966 is taken"
    start = services.receive(ServiceWanted(Wish.START, "ucm1", CPNS), T0)
    assert start == (StartService("ucm1", CPNS),)
    assert services.receive(ServiceDown("ucm1", CPNS, "port 9966 is taken"), T0) == (
        ServiceFailed("ucm1", CPNS, "port 9966 is taken"),
    )


def test_start_that_never_ends_has_failed_after_its_time_not_before() -> None:
    services = running()
    services.receive(ServiceWanted(Wish.RESTART, "ucm1", CPNS), T0)
    services.receive(ServiceDown("ucm1", CPNS), T0)
    assert services.next_deadline() == WORK_NS
    assert services.advance(Instant(WORK_NS - 1)) == ()
    assert services.advance(Instant(WORK_NS)) == (
        ServiceFailed("ucm1", CPNS, "did not start within 30 s"),
    )
    assert services.next_deadline() is None
    (late,) = services.receive(ServiceUp("ucm1", CPNS), Instant(WORK_NS + 1))
    assert isinstance(late, Refused)
    assert not services.runs("ucm1", CPNS)


def test_legal_moves_lead_from_each_state_to_another_and_back() -> None:
    assert set(MOVES) == set(State)
    for state, next_ones in MOVES.items():
        assert state not in next_ones
        assert any(state in MOVES[other] for other in next_ones | set(State) - {state})
