"""The task list of a full set-up, and how far it is.

Source: ONB-18, ONB-02, ONB-19, ONB-17.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.release import Release
from callctl.onboarding.licensing import SMART_SINCE
from callctl.onboarding.state import ONBOARDED, State


@dataclass(frozen=True, slots=True)
class Prerequisites:
    """What onboarding depends on and does not do itself; None where nobody has looked."""

    cpns_running: bool | None = None
    management_agent_running: bool | None = None
    ports_open: bool | None = None  # 443 outbound: publisher to FOS, all nodes to CI and Push REST
    dns_resolves: bool | None = None  # names that are routable from outside (ONB-19)
    push_ha: bool | None = None  # Push Notifications High Availability of IM and Presence
    oauth_refresh_logins: bool | None = None
    expressway_c_refreshed: bool | None = None  # and restarted
    expressway_e_restarted: bool | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task: done, due, or (None) not known, because only the administrator can see it."""

    number: int
    text: str
    needed: bool
    done: bool | None

    @property
    def due(self) -> bool:
        """True unless it is done or not needed here."""
        return self.needed and not self.done


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What the list is made from."""

    release: Release
    licenses_synchronised: bool
    state: State
    im_and_presence: bool
    mobile_remote_access: bool
    troubleshooting_decided: bool
    prerequisites: Prerequisites


TASKS_MAX: Final = 8


def task_list(facts: TaskFacts, marked: frozenset[int] = frozenset()) -> tuple[Task, ...]:
    """The eight tasks in their order; `marked` are those the administrator says are done."""
    seen = facts.prerequisites
    ways = (seen.ports_open, seen.dns_resolves)
    open_ways = False if False in ways else (None if None in ways else True)
    im_and_presence, access = facts.im_and_presence, facts.mobile_remote_access
    listed = (
        Task(
            1,
            "Synchronise licenses in Prime License Manager",
            facts.release < SMART_SINCE,
            facts.licenses_synchronised,
        ),
        Task(2, "Open port 443 to the cloud and let DNS resolve its names", True, open_ways),
        Task(3, "Enable push: the two saves and the restarts", True, facts.state in ONBOARDED),
        Task(4, "Enable push high availability of IM and Presence", im_and_presence, seen.push_ha),
        Task(5, "Enable OAuth refresh logins", True, seen.oauth_refresh_logins),
        Task(
            6, "Refresh servers on Expressway-C and restart it", access, seen.expressway_c_refreshed
        ),
        Task(7, "Restart Expressway-E", access and im_and_presence, seen.expressway_e_restarted),
        Task(8, "Choose the troubleshooting options", True, facts.troubleshooting_decided),
    )
    return tuple(
        Task(task.number, task.text, task.needed, True) if task.number in marked else task
        for task in listed
    )
