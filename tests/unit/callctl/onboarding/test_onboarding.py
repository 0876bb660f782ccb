"""The way from a voucher to pushes that flow, and back: every move of Table L."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.cloud import ProxySettings
from callctl.model.machine_account import MachineAccount
from callctl.model.user import Secret
from callctl.onboarding.event import (
    AccountRenewed,
    AccountRepaired,
    CertificateReport,
    CheckCertificates,
    CheckCloud,
    CloudChecked,
    FetchVoucher,
    Ignored,
    InForceChanged,
    InstallCertificates,
    LicenseManagerFailed,
    LicenseRegistered,
    LicensesSynchronised,
    PageLoaded,
    PrepareCertificates,
    PrerequisitesSeen,
    PushSwitched,
    Refused,
    RequestSubscription,
    ReservationChanged,
    RestartDue,
    ServiceRestarted,
    StatusChanged,
    StoreMachineAccount,
    SubscriptionAnswered,
    SubscriptionFailed,
    SynchroniseLicenses,
    VoucherReceived,
    VoucherRequested,
)
from callctl.onboarding.licensing import Manager
from callctl.onboarding.page import ACTIVATION_CODE_NOTICE, XCP_ROUTER_NOTICE, PageChange
from callctl.onboarding.restarts import CPNS, TOMCAT, XCP_CONFIG_MANAGER, XCP_ROUTER
from callctl.onboarding.state import MOVES, Reason, State
from callctl.onboarding.tasks import Prerequisites
from helpers.onboarding_rig import (
    ANSWER,
    HOME,
    OFF,
    OLD,
    ON,
    WITH_IMP,
    Rig,
    plm_voucher,
    refused,
    voucher,
)

PROXY = ProxySettings("http", "proxy.example", 3128, "callctl", Secret("word"))
NODES = HOME.nodes


def failure(rig: Rig) -> tuple[State, str]:
    return rig.state(), rig.core.status


@pytest.mark.req("GEN-02")
def test_cluster_that_was_never_onboarded_does_not_push() -> None:
    rig = Rig()
    assert rig.state() is State.NOT_ONBOARDED
    assert rig.core.status == ""
    assert not rig.pushing()
    assert rig.of(PushSwitched) == []


@pytest.mark.req("ONB-04", "LIC-05")
def test_generate_voucher_synchronises_licenses_and_then_fetches_the_voucher() -> None:
    rig = Rig()
    rig.tell(LicenseRegistered(Manager.SATELLITE))
    assert rig.tell(VoucherRequested("ucm1")) == (SynchroniseLicenses(Manager.SATELLITE),)
    assert rig.tell(LicensesSynchronised()) == (FetchVoucher(Manager.SATELLITE),)
    assert rig.state() is State.NOT_ONBOARDED
    rig.tell(VoucherReceived(voucher()))
    assert rig.state() is State.VOUCHER_READY
    assert rig.core.status == ""


def test_second_click_while_the_voucher_is_fetched_is_refused() -> None:
    rig = Rig()
    rig.license()
    rig.tell(VoucherRequested("ucm1"))
    assert refused(rig.tell(VoucherRequested("ucm1"))) == "a voucher is being fetched"
    rig.tell(LicensesSynchronised())
    rig.tell(VoucherReceived(voucher()))
    late = rig.tell(VoucherReceived(voucher("another")))
    assert refused(late) == "nobody asked for this voucher"
    assert rig.core.desk.voucher == voucher()


def test_license_manager_that_fails_leaves_everything_as_it_was() -> None:
    rig = Rig()
    rig.license()
    rig.tell(VoucherRequested("ucm1"))
    out = rig.tell(LicenseManagerFailed("cssm answered 503"))
    assert refused(out) == "license manager: cssm answered 503"
    assert rig.state() is State.NOT_ONBOARDED
    assert rig.core.status == ""  # none of the reasons of OP-49
    assert rig.tell(VoucherRequested("ucm1"))[0] == SynchroniseLicenses(Manager.CSSM)


@pytest.mark.req("ONB-01")
def test_voucher_and_save_are_refused_on_a_subscriber() -> None:
    rig = Rig()
    rig.license()
    assert refused(rig.tell(VoucherRequested("ucm2"))) == "run on the publisher"
    rig.voucher()
    assert refused(rig.save(ON, "ucm2")) == "run on the publisher"
    assert rig.state() is State.VOUCHER_READY
    assert not rig.page().push_enabled


@pytest.mark.req("ONB-05", "ONB-06")
def test_first_save_prepares_certificates_sends_nothing_and_makes_tomcat_due_everywhere() -> None:
    rig = Rig(WITH_IMP)
    rig.voucher()
    change = PageChange(push_enabled=True, manage_certificates=True, proxy=PROXY)
    assert rig.save(change) == (
        PrepareCertificates(True),
        RestartDue(TOMCAT, ("ucm1", "ucm2", "imp1", "imp2")),
        StatusChanged(State.CERTS_PREPARED, ""),
    )
    assert rig.page().proxy == PROXY
    assert rig.of(RequestSubscription) == []


@pytest.mark.req("ONB-06", "ONB-07")
def test_status_is_pending_once_tomcat_was_restarted_on_the_last_node_and_not_before() -> None:
    rig = Rig(WITH_IMP)
    rig.voucher()
    rig.save(ON)
    assert rig.restart(TOMCAT, "ucm1", "ucm2", "imp2") == ()
    assert rig.restart(CPNS, "imp1") == ()  # another service is no help
    assert rig.core.due.listed() == ((TOMCAT, ("imp1",)),)
    assert rig.restart(TOMCAT, "imp1") == (
        InstallCertificates(True),
        StatusChanged(State.PENDING, "Cisco Cloud Onboarding Pending"),
    )


@pytest.mark.req("ONB-08")
def test_boxes_that_the_tomcat_restart_cleared_are_checked_again_and_onboarding_goes_on() -> None:
    rig = Rig(replace(HOME, tomcat_clears_boxes=True))
    rig.pending()
    assert not rig.page().push_enabled
    assert not rig.page().manage_certificates
    rig.save(PageChange(troubleshooting=False))  # forgot the boxes
    assert (rig.state(), rig.core.status) == (State.PENDING, "Cisco Cloud Onboarding Pending")
    out = rig.save(PageChange(push_enabled=True, manage_certificates=True))
    assert out[0] == CheckCertificates()
    rig.tell(CertificateReport(()))
    rig.answered()
    assert rig.state() is State.COMPLETED
    assert rig.page().manage_certificates


@pytest.mark.req("ONB-01", "ONB-10", "CLOUD-02")
def test_second_save_lets_the_publisher_ask_fos_once_certificates_are_found() -> None:
    rig = Rig(WITH_IMP)
    rig.pending()
    assert rig.save(PageChange(True, proxy=PROXY)) == (
        CheckCertificates(),
        StatusChanged(State.REQUESTING, ""),
    )
    (request,) = rig.tell(CertificateReport(()))
    assert isinstance(request, RequestSubscription)
    assert request.tracking_id.startswith("FOS_")
    assert request == RequestSubscription(
        voucher(), "cluster-1", "14SU3", "ucm1", request.tracking_id, PROXY
    )
    assert "voucher-1" not in repr(request)
    assert "refresh-1" not in repr(SubscriptionAnswered(201, b"refresh-1"))


@pytest.mark.req("ONB-09", "TRB-01")
def test_troubleshooting_boxes_may_be_set_at_the_second_save() -> None:
    rig = Rig()
    assert not rig.page().sends_troubleshooting
    rig.pending()
    assert rig.page().sends_troubleshooting  # on by default once push is
    assert not rig.page().sends_pii
    rig.save(PageChange(push_enabled=True, encrypted_pii=True))
    rig.tell(CertificateReport(()))
    rig.answered()
    assert rig.page().sends_pii
    rig.save(PageChange(troubleshooting=False))
    assert not rig.page().sends_troubleshooting
    assert not rig.page().sends_pii


@pytest.mark.req("ONB-10", "ONB-11", "ONB-12", "ONB-21")
def test_account_is_stored_on_all_nodes_and_restarts_are_due_in_order() -> None:
    rig = Rig(WITH_IMP)
    rig.requesting()
    before = len(rig.actions)
    rig.answered()
    stored = rig.of(StoreMachineAccount)[0].account
    assert stored is not None
    assert stored == MachineAccount(
        stored.pkid,
        "account-1",
        "organisation-1",
        ANSWER["tokenUrl"],
        "refresh-1",
        ANSWER["pushRestUrl"],
    )
    assert rig.actions[before:] == [
        StoreMachineAccount(stored, ("ucm1", "ucm2", "imp1", "imp2")),
        RestartDue(CPNS, ("ucm1", "ucm2")),
        RestartDue(XCP_CONFIG_MANAGER, ("imp1", "imp2")),
        RestartDue(XCP_ROUTER, ("imp1", "imp2")),
        StatusChanged(State.COMPLETED, "Cloud Onboarding Completed"),
    ]
    assert rig.core.due.listed() == (
        (CPNS, ("ucm1", "ucm2")),
        (XCP_CONFIG_MANAGER, ("imp1", "imp2")),
        (XCP_ROUTER, ("imp1", "imp2")),
    )
    assert not rig.pushing()


@pytest.mark.req("GEN-02", "ONB-11", "CPNS-11", "SVC-04")
def test_pushes_flow_after_the_last_restart_and_each_node_takes_over_at_its_own() -> None:
    rig = Rig()
    rig.completed()
    assert rig.core.in_force["ucm1"].account is None
    (changed,) = rig.restart(CPNS, "ucm1")
    assert isinstance(changed, InForceChanged)
    assert changed.node == "ucm1"
    assert changed.in_force.account == rig.core.account
    assert rig.core.in_force["ucm2"].account is None
    assert not rig.pushing()
    out = rig.restart(CPNS, "ucm2")
    assert PushSwitched(True) in out
    assert rig.state() is State.ACTIVE
    assert rig.core.status == "Cloud Onboarding Completed"
    assert rig.core.due.listed() == ()


@pytest.mark.req("ONB-12")
def test_xcp_router_that_is_restarted_before_its_config_manager_has_to_be_restarted_again() -> None:
    rig = Rig(WITH_IMP)
    rig.completed()
    rig.restart(CPNS, *NODES)
    rig.restart(XCP_ROUTER, "imp1", "imp2")
    assert rig.core.in_force["imp1"].account is None
    rig.restart(XCP_CONFIG_MANAGER, "imp1", "imp2")
    assert rig.core.due.listed() == ((XCP_ROUTER, ("imp1", "imp2")),)
    rig.restart(XCP_ROUTER, "imp1")
    assert rig.state() is State.COMPLETED
    assert rig.core.in_force["imp1"].account == rig.core.account
    rig.restart(XCP_ROUTER, "imp2")
    assert rig.state() is State.ACTIVE


@pytest.mark.req("ONB-13", "ONB-14")
def test_notices_stay_after_all_restarts_and_are_no_failure() -> None:
    rig = Rig(WITH_IMP)
    rig.active()
    assert rig.state() is State.ACTIVE
    assert rig.notices() == (XCP_ROUTER_NOTICE, ACTIVATION_CODE_NOTICE)
    assert ACTIVATION_CODE_NOTICE == (
        "No phones are enabled in the Device Defaults page to use Activation Code Onboarding"
    )
    assert rig.core.status == "Cloud Onboarding Completed"
    assert rig.core.due.listed() == ()  # one restart of each node was enough
    rig.save(PageChange(encrypted_pii=True))
    assert rig.notices() == ()


@pytest.mark.req("ONB-15", "CPNS-11", "SVC-04")
def test_later_update_asks_for_a_cpns_restart_and_has_no_effect_before_it() -> None:
    rig = Rig()
    rig.active()
    before = dict(rig.core.in_force)
    assert rig.save(PageChange(proxy=PROXY)) == (
        RestartDue(CPNS, NODES),
        StatusChanged(State.COMPLETED, "Cloud Onboarding Completed"),
    )
    assert rig.core.in_force == before
    assert rig.pushing()  # with what is in force
    rig.restart(CPNS, "ucm1")
    assert rig.core.in_force["ucm1"].page.proxy == PROXY
    assert rig.core.in_force["ucm2"].page.proxy is None
    rig.restart(CPNS, "ucm2")
    assert rig.state() is State.ACTIVE
    assert len(rig.of(PushSwitched)) == 1
    assert len(rig.of(RequestSubscription)) == 1


@pytest.mark.req("ONB-16")
def test_clearing_the_box_ends_pushes_at_once_and_asks_for_the_xcp_routers() -> None:
    rig = Rig(WITH_IMP)
    rig.active()
    assert rig.save(OFF) == (
        StoreMachineAccount(None, WITH_IMP.all_nodes),
        RestartDue(CPNS, NODES),
        RestartDue(XCP_ROUTER, ("imp1", "imp2")),
        PushSwitched(False),
        StatusChanged(State.DISABLING, ""),
    )
    assert rig.notices() == (XCP_ROUTER_NOTICE,)
    assert refused(rig.save(ON)) == "push is being disabled: restart Cisco XCP Router first"
    rig.restart(XCP_ROUTER, "imp1", "imp2")
    assert rig.state() is State.NOT_ONBOARDED
    assert rig.account_on("imp1") is None
    assert rig.account_on("ucm1") is not None  # its CPNS has not been restarted
    rig.restart(CPNS, *NODES)
    assert rig.account_on("ucm1") is None
    assert rig.core.due.listed() == ()


@pytest.mark.req("ONB-16", "LIC-09")
def test_cluster_without_im_and_presence_is_off_at_once_and_needs_a_new_voucher() -> None:
    rig = Rig()
    rig.active()
    rig.save(OFF)
    assert rig.state() is State.NOT_ONBOARDED
    assert refused(rig.save(ON)) == "voucher missing"
    rig.active()
    assert rig.pushing()


@pytest.mark.req("ONB-17")
def test_local_push_alone_needs_onboarding_but_no_restart_of_im_and_presence() -> None:
    rig = Rig(replace(WITH_IMP, local_push_only=True))
    rig.completed()
    assert rig.core.due.listed() == ((CPNS, NODES),)
    rig.restart(CPNS, *NODES)
    assert rig.state() is State.ACTIVE
    assert rig.notices() == (ACTIVATION_CODE_NOTICE,)


@pytest.mark.req("GEN-07")
def test_unrestricted_software_refuses_voucher_and_push_with_a_fixed_reason() -> None:
    rig = Rig(replace(HOME, unrestricted=True))
    rig.license()
    assert refused(rig.tell(VoucherRequested("ucm1"))) == "unrestricted software"
    assert refused(rig.save(ON)) == "unrestricted software"
    assert rig.core.status == "Cloud Onboarding Failed: unrestricted software"
    assert rig.state() is State.NOT_ONBOARDED
    assert not rig.page().push_enabled
    rig.save(PageChange(encrypted_pii=True))  # what is no push may be saved
    assert rig.core.status == ""


@pytest.mark.req("LIC-03")
def test_license_reservation_refuses_onboarding_until_it_is_turned_off() -> None:
    rig = Rig()
    rig.voucher()
    rig.tell(ReservationChanged(True))
    assert refused(rig.tell(VoucherRequested("ucm1"))) == "license reservation active"
    assert refused(rig.save(ON)) == "license reservation active"
    assert rig.core.status == "Cloud Onboarding Failed: license reservation active"
    rig.tell(ReservationChanged(False))
    assert rig.core.status == ""
    rig.save(ON)
    assert rig.state() is State.CERTS_PREPARED


@pytest.mark.req("LIC-03")
def test_reservation_that_comes_before_the_second_save_fails_it() -> None:
    rig = Rig()
    rig.pending()
    rig.tell(ReservationChanged(True))
    rig.save(ON)
    text = "Cloud Onboarding Failed: license reservation active"
    assert failure(rig) == (State.FAILED, text)
    assert rig.of(RequestSubscription) == []
    rig.tell(ReservationChanged(False))
    assert failure(rig) == (State.PENDING, "Cisco Cloud Onboarding Pending")


def test_save_without_a_voucher_is_refused_and_a_voucher_helps() -> None:
    rig = Rig()
    assert refused(rig.save(ON)) == "voucher missing"
    assert rig.core.status == "Cloud Onboarding Failed: voucher missing"
    rig.voucher()
    assert (rig.state(), rig.core.status) == (State.VOUCHER_READY, "")


@pytest.mark.req("ONB-02")
@pytest.mark.parametrize(
    ("prerequisites", "service"),
    [
        (Prerequisites(cpns_running=False), "Cisco Push Notification Service"),
        (Prerequisites(management_agent_running=False), "Cisco Management Agent Service"),
    ],
)
def test_service_that_onboarding_needs_and_does_not_run_refuses_the_first_save(
    prerequisites: Prerequisites, service: str
) -> None:
    rig = Rig()
    rig.voucher()
    rig.tell(PrerequisitesSeen(prerequisites))
    assert refused(rig.save(ON)) == f"{service} does not run on the publisher"
    rig.tell(PrerequisitesSeen(Prerequisites(cpns_running=True, management_agent_running=True)))
    rig.save(ON)
    assert rig.state() is State.CERTS_PREPARED


def test_missing_certificate_fails_before_anything_is_sent_and_its_upload_helps() -> None:
    """Table L, CERT-04."""
    rig = Rig()
    rig.requesting("IdenTrust Commercial Root CA 1")
    assert failure(rig) == (State.FAILED, "Cloud Onboarding Failed: certificate missing")
    assert rig.core.failure is not None
    assert rig.core.failure.detail == "IdenTrust Commercial Root CA 1"
    assert rig.of(RequestSubscription) == []
    rig.tell(CertificateReport(()))
    assert failure(rig) == (State.PENDING, "Cisco Cloud Onboarding Pending")
    rig.save(ON)
    rig.tell(CertificateReport(()))
    assert len(rig.of(RequestSubscription)) == 1


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (SubscriptionFailed("dns"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionFailed("tcp"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionFailed("proxy"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionFailed("proxy authentication"), Reason.PROXY_AUTHENTICATION),
        (SubscriptionFailed("tls"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionFailed("certificate"), Reason.CERTIFICATE_MISSING),
        (SubscriptionFailed("http"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionFailed("timeout"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionAnswered(407), Reason.PROXY_AUTHENTICATION),
        (SubscriptionAnswered(503), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionAnswered(429, b'{"error":"TooManyRequests"}'), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionAnswered(400, b'{"error":"VoucherMissing"}'), Reason.VOUCHER_MISSING),
        (SubscriptionAnswered(403, b'{"error":"VoucherExpired"}'), Reason.VOUCHER_MISSING),
        (SubscriptionAnswered(409, b'{"error":"VoucherUsed"}'), Reason.VOUCHER_MISSING),
        (SubscriptionAnswered(403, b"<html>blocked"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionAnswered(200, b"<html>sign in"), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionAnswered(201, b'{"accountId":"a"}'), Reason.CLOUD_NOT_REACHABLE),
        (SubscriptionAnswered(302, b""), Reason.CLOUD_NOT_REACHABLE),
    ],
)
def test_failure_names_its_reason_and_nothing_is_stored(
    event: SubscriptionFailed | SubscriptionAnswered, reason: Reason
) -> None:
    """OP-49."""
    rig = Rig()
    rig.requesting()
    rig.tell(event)
    assert failure(rig) == (State.FAILED, f"Cloud Onboarding Failed: {reason.value}")
    assert rig.of(StoreMachineAccount) == []
    assert not rig.pushing()
    assert (rig.core.desk.voucher is None) is (reason is Reason.VOUCHER_MISSING)


def test_another_save_after_a_failure_asks_again_with_what_was_corrected() -> None:
    rig = Rig()
    rig.requesting()
    rig.tell(SubscriptionFailed("tcp", "fos-a.wbx2.com: refused"))
    rig.save(PageChange(proxy=PROXY))
    rig.tell(CertificateReport(()))
    first, second = rig.of(RequestSubscription)
    assert (first.proxy, second.proxy) == (None, PROXY)
    assert first.tracking_id != second.tracking_id
    rig.answered()
    assert rig.core.status == "Cloud Onboarding Completed"


def test_new_voucher_after_one_was_refused_leads_back_to_pending() -> None:
    rig = Rig()
    rig.requesting()
    rig.tell(SubscriptionAnswered(403, b'{"error":"VoucherUnknown"}'))
    rig.save(ON)  # with none
    assert failure(rig) == (State.FAILED, "Cloud Onboarding Failed: voucher missing")
    assert len(rig.of(RequestSubscription)) == 1
    rig.voucher("voucher-2")
    assert failure(rig) == (State.PENDING, "Cisco Cloud Onboarding Pending")
    rig.save(ON)
    rig.tell(CertificateReport(()))
    assert rig.of(RequestSubscription)[-1].voucher == voucher("voucher-2")


@pytest.mark.req("ONB-03")
def test_page_looks_at_certificates_and_cloud_while_it_loads() -> None:
    rig = Rig()
    rig.requesting()
    rig.tell(SubscriptionFailed("dns"))
    assert rig.tell(PageLoaded()) == (CheckCertificates(), CheckCloud(None))
    rig.tell(CertificateReport(("Go Daddy Class 2 Certification Authority",)))
    rig.tell(CloudChecked("dns", "fos-a.wbx2.com: there is no such name"))
    assert rig.state() is State.FAILED
    assert rig.core.certificates_missing == ("Go Daddy Class 2 Certification Authority",)
    rig.tell(CloudChecked())
    assert rig.state() is State.PENDING


def test_save_while_the_request_is_under_way_is_refused() -> None:
    rig = Rig()
    rig.requesting()
    assert refused(rig.save(OFF)) == "the subscription request is under way"
    rig.answered()
    assert rig.state() is State.COMPLETED


def test_answer_that_nobody_waits_for_changes_nothing() -> None:
    rig = Rig()
    for event in (SubscriptionAnswered(201, b"{}"), SubscriptionFailed("tcp")):
        assert rig.tell(event) == (Ignored("subscription", "none is under way"),)
    rig.active()
    rig.answered(accountId="another")
    assert rig.core.account is not None
    assert rig.core.account.account_id == "account-1"


@pytest.mark.parametrize("way", ["certs prepared", "pending", "failed"])
def test_who_clears_the_box_before_the_request_is_back_where_the_voucher_stands(way: str) -> None:
    rig = Rig()
    if way == "certs prepared":
        rig.voucher()
        rig.save(ON)
    elif way == "pending":
        rig.pending()
    else:
        rig.requesting("some root")
    rig.save(OFF)
    assert (rig.state(), rig.core.status) == (State.VOUCHER_READY, "")
    assert rig.core.due.listed() == ()


def test_box_of_certificates_that_changes_before_the_restart_prepares_them_anew() -> None:
    rig = Rig()
    rig.voucher()
    rig.save(ON)
    rig.restart(TOMCAT, "ucm1")
    assert rig.save(PageChange(encrypted_pii=True)) == ()
    out = rig.save(PageChange(manage_certificates=False))
    assert out == (PrepareCertificates(False), RestartDue(TOMCAT, NODES))
    assert rig.core.due.listed() == ((TOMCAT, ("ucm2", "ucm1")),)


def test_repaired_refresh_token_has_no_effect_before_the_restarts() -> None:
    """TRB-21, OP-58."""
    rig = Rig(WITH_IMP)
    rig.active()
    assert rig.core.account is not None
    mended = replace(rig.core.account, refresh_token="refresh-2")
    out = rig.tell(AccountRepaired(mended))
    assert out[0] == StoreMachineAccount(mended, WITH_IMP.all_nodes)
    assert [service for service, _ in rig.core.due.listed()] == [
        TOMCAT,
        CPNS,
        XCP_CONFIG_MANAGER,
        XCP_ROUTER,
    ]
    held = rig.core.in_force["ucm1"].account
    assert held is not None
    assert held.refresh_token == "refresh-1"
    rig.all_restarts()
    assert rig.core.in_force["imp2"].account == mended
    assert rig.state() is State.ACTIVE


def test_repair_without_an_account_is_refused() -> None:
    rig = Rig()
    account = MachineAccount("p", "a", "o", "https://ci", "r", "https://push")
    out = rig.tell(AccountRepaired(account))
    assert refused(out) == "there is no machine account to repair"


@pytest.mark.req("ONB-21")
def test_token_that_ci_renewed_is_stored_everywhere_and_good_at_once() -> None:
    rig = Rig()
    rig.active()
    assert rig.core.account is not None
    renewed = replace(rig.core.account, refresh_token="refresh-2")
    assert rig.tell(AccountRenewed(renewed)) == (StoreMachineAccount(renewed, NODES),)
    assert {each.account for each in rig.core.in_force.values()} == {renewed}
    stranger = replace(renewed, account_id="another")
    assert isinstance(rig.tell(AccountRenewed(stranger))[0], Ignored)


def test_restart_on_a_node_that_there_is_not_is_ignored_aloud() -> None:
    rig = Rig()
    assert rig.tell(ServiceRestarted(CPNS, "ucm9")) == (Ignored("restart", "no node ucm9"),)


@pytest.mark.req("LIC-04")
def test_voucher_of_the_wrong_issuer_is_refused() -> None:
    rig = Rig()
    rig.license()
    rig.tell(VoucherRequested("ucm1"))
    rig.tell(LicensesSynchronised())
    assert (
        refused(rig.tell(VoucherReceived(plm_voucher()))) == "14SU3 does not take vouchers of PLM"
    )
    assert rig.state() is State.NOT_ONBOARDED


@pytest.mark.req("LIC-01", "LIC-04")
def test_cluster_before_12_0_gets_its_voucher_from_plm_after_synchronising() -> None:
    rig = Rig(OLD)
    assert rig.tell(VoucherRequested("ucm1")) == (SynchroniseLicenses(Manager.PLM),)
    assert rig.tell(LicensesSynchronised()) == (FetchVoucher(Manager.PLM),)
    rig.tell(VoucherReceived(plm_voucher()))
    assert rig.state() is State.VOUCHER_READY


def test_moves_lead_from_every_state_to_every_other() -> None:
    """No state is a dead end or out of reach."""
    for start in State:
        reached, seen = {start}, {start}
        while reached:
            reached = {after for state in reached for after in MOVES[state]} - seen
            seen |= reached
        assert seen == set(State), start


def test_nothing_secret_shows_in_what_is_printed() -> None:
    rig = Rig()
    rig.requesting()
    rig.save(PageChange(proxy=PROXY))
    rig.answered()
    text = repr(rig.actions) + repr(rig.page()) + repr(rig.core.account)
    for secret in ("voucher-1", "refresh-1", "word"):
        assert secret not in text


def test_refusal_of_an_onboarded_cluster_leaves_its_status_alone() -> None:
    rig = Rig()
    rig.active()
    rig.tell(ReservationChanged(True))
    out = rig.tell(VoucherRequested("ucm1"))
    assert out == (Refused("license reservation active", Reason.LICENSE_RESERVATION),)
    assert rig.core.status == "Cloud Onboarding Completed"
