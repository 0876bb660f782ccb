"""The boxes of the page, the task list, and what the guide says next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.build import make_cluster, make_node
from callctl.model.cloud import ProxySettings
from callctl.model.deployment import Deployment
from callctl.model.release import ExpresswayVersion, Release
from callctl.onboarding.event import PrerequisitesSeen, TaskMarked
from callctl.onboarding.guide import CORRECTION, StepKind, next_step
from callctl.onboarding.home import HomeCluster
from callctl.onboarding.page import PageChange, PageSettings
from callctl.onboarding.restarts import CPNS, TOMCAT, XCP_ROUTER, DueRestarts
from callctl.onboarding.state import Reason
from callctl.onboarding.tasks import Prerequisites
from helpers.onboarding_rig import HOME, OFF, OLD, ON, WITH_IMP, Rig, refused

PROXY = ProxySettings("http", "proxy.example", 3128)


@pytest.mark.req("SVC-03")
def test_boxes_start_as_the_settings_table_has_them() -> None:
    page = PageSettings()
    assert not page.push_enabled
    assert page.proxy is None
    assert not page.sends_troubleshooting
    assert not page.encrypted_pii


@pytest.mark.req("TRB-01")
def test_troubleshooting_is_on_with_push_unless_it_was_cleared() -> None:
    assert PageSettings(push_enabled=True).sends_troubleshooting
    assert not PageSettings(push_enabled=True, troubleshooting=False).sends_troubleshooting
    assert not PageSettings(push_enabled=False, troubleshooting=True).sends_troubleshooting


def test_personal_data_goes_nowhere_without_the_rest() -> None:
    assert PageSettings(push_enabled=True, encrypted_pii=True).sends_pii
    cleared = PageSettings(push_enabled=True, troubleshooting=False, encrypted_pii=True)
    assert not cleared.sends_pii


def test_save_changes_what_it_names_and_nothing_else() -> None:
    page = PageSettings(True, False, PROXY, False, True)
    assert PageChange().applied_to(page) == page
    assert PageChange(proxy=None).applied_to(page) == replace(page, proxy=None)
    changed = PageChange(push_enabled=False, troubleshooting=True).applied_to(page)
    assert changed == replace(page, push_enabled=False, troubleshooting=True)


def states(rig: Rig) -> list[str]:
    """Of the eight tasks: done, due, unknown or -."""
    return [
        "-"
        if not task.needed
        else "unknown"
        if task.done is None
        else "done"
        if task.done
        else "due"
        for task in rig.core.tasks()
    ]


@pytest.mark.req("ONB-18", "ONB-02", "ONB-19")
def test_task_list_has_the_order_of_a_full_setup_and_tells_what_is_due() -> None:
    rig = Rig(replace(WITH_IMP, release=OLD.release, mobile_remote_access=True))
    assert [task.text.split()[0] for task in rig.core.tasks()] == [
        "Synchronise",
        "Open",
        "Enable",
        "Enable",
        "Enable",
        "Refresh",
        "Restart",
        "Choose",
    ]
    assert states(rig) == ["due", "unknown", "due", *["unknown"] * 4, "due"]
    rig.tell(PrerequisitesSeen(Prerequisites(ports_open=True, dns_resolves=False, push_ha=False)))
    assert states(rig)[1] == "due"
    assert states(rig)[3] == "due"
    rig.tell(PrerequisitesSeen(Prerequisites(ports_open=True, dns_resolves=True, push_ha=True)))
    rig.completed()
    for number in (5, 6, 7):
        rig.tell(TaskMarked(number, True))
    assert states(rig) == ["done"] * 8
    rig.tell(TaskMarked(5, False))
    assert states(rig)[4] == "unknown"
    assert refused(rig.tell(TaskMarked(9, True))) == "tasks have the numbers 1 to 8"


@pytest.mark.req("ONB-18", "LIC-02")
def test_tasks_of_servers_that_there_are_not_are_not_needed() -> None:
    rig = Rig()
    assert states(rig) == ["-", "unknown", "due", "-", "unknown", "-", "-", "due"]
    with_access = Rig(replace(HOME, mobile_remote_access=True))
    assert states(with_access)[5:7] == ["unknown", "-"]


def test_guide_names_each_step_on_the_way_and_nothing_at_its_end() -> None:
    rig = Rig(WITH_IMP)
    assert next_step(rig.core).kind is StepKind.REGISTER
    rig.license()
    assert next_step(rig.core).kind is StepKind.VOUCHER
    rig.voucher()
    assert next_step(rig.core).kind is StepKind.SAVE
    rig.save(ON)
    assert next_step(rig.core).service == TOMCAT
    rig.restart(TOMCAT, *WITH_IMP.all_nodes)
    assert next_step(rig.core).kind is StepKind.SAVE
    rig.save(ON)
    assert next_step(rig.core).kind is StepKind.WAIT
    failed = Rig(WITH_IMP)
    failed.requesting("some root")
    assert next_step(failed.core).text.startswith("Upload the certificates of the cloud")
    done = Rig(WITH_IMP)
    done.completed()
    assert next_step(done.core).service == CPNS
    done.all_restarts()
    assert next_step(done.core).kind is StepKind.NONE
    done.save(OFF)
    assert next_step(done.core).service == XCP_ROUTER
    assert set(CORRECTION) == set(Reason)


def test_restart_that_is_due_twice_is_listed_once() -> None:
    due = DueRestarts()
    due.add(CPNS, ("ucm1", "ucm2"))
    due.add(CPNS, ("ucm1",))
    assert due.listed() == ((CPNS, ("ucm1", "ucm2")),)
    assert not due.done(CPNS, "ucm9")
    assert due.done(CPNS, "ucm1")
    assert due.listed() == ((CPNS, ("ucm2",)),)
    due.drop(CPNS)
    assert due.listed() == ()


def test_release_without_smart_licensing_is_known_by_its_number() -> None:
    assert not Rig(replace(HOME, release=Release.parse("11.5(1)SU8"))).core.licensing.smart
    assert Rig(replace(HOME, release=Release.parse("12.0(1)"))).core.licensing.smart


def test_home_cluster_is_that_of_the_cluster_file() -> None:
    cluster = make_cluster(
        nodes=[make_node("ucm1", 1), make_node("ucm2", 2)],
        deployment=Deployment(
            expressway=ExpresswayVersion.parse("X14"), im_and_presence_nodes=("imp1",)
        ),
    )
    home = HomeCluster.of(cluster)
    assert (home.publisher, home.nodes) == ("ucm1", ("ucm1", "ucm2"))
    assert home.all_nodes == ("ucm1", "ucm2", "imp1")
    assert (home.cluster_id, home.release) == (cluster.id, cluster.release)
    assert home.mobile_remote_access
    assert replace(home, local_push_only=True).message_nodes == ()
