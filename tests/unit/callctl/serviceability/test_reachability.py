"""What a failed step of the reachability check is told to be, and what to do."""

from __future__ import annotations

import pytest

from callctl.egress.failure import STEPS
from callctl.serviceability.reachability import (
    NOTES,
    CloudHost,
    answer_fault,
    is_blocked,
    node_fault,
    port_fault,
    token_fault,
    way_failed,
)

BLOCKED = b'{"trackingId": "x", "error": "AddressBlocked"}'


@pytest.mark.req("CLOUD-12")
def test_each_step_that_can_fail_has_a_cause_and_something_to_do() -> None:
    told = {step: way_failed(step, "it failed") for step in STEPS}
    assert {fault.cause for fault in told.values()} == {"It failed."}
    assert len({fault.action for fault in told.values()}) == len(STEPS)
    assert all(fault.step == step for step, fault in told.items())


def test_failure_at_the_proxy_is_not_blamed_on_the_service() -> None:
    fault = way_failed("tcp", "connection refused", at_proxy=True)
    assert fault.cause == "At the proxy: connection refused."
    assert "Verify proxy host and port" in fault.action


@pytest.mark.req("NET-03")
def test_name_that_does_not_resolve_points_to_dns() -> None:
    assert "resolve external names" in way_failed("dns", "no such name").action


@pytest.mark.req("NET-04")
@pytest.mark.parametrize("step", ["tls", "certificate"])
def test_failure_of_tls_points_to_firewalls_that_decrypt(step: str) -> None:
    assert "TLS decryption in the firewall" in way_failed(step, "x").action


@pytest.mark.req("TRB-17")
@pytest.mark.parametrize("host", list(CloudHost))
def test_answer_that_our_address_is_blocked_is_told_from_a_refused_request(
    host: CloudHost,
) -> None:
    fault = answer_fault(host, 403, BLOCKED, with_token=True)
    assert fault is not None
    assert fault.step == "block list"
    assert "block list" in fault.cause


def test_only_an_answer_that_says_so_is_about_the_block_list() -> None:
    assert is_blocked(b"Your IP is on the Block List")
    assert not is_blocked(b'{"error": "InvalidAccessToken"}')
    assert not is_blocked(b"x" * 5_000 + BLOCKED)
    assert not is_blocked(b"\xff\xfe")


@pytest.mark.parametrize(
    ("status", "with_token", "step"),
    [
        (401, False, None),
        (400, True, None),
        (401, True, "token"),
        (403, True, "token"),
        (404, True, "push rest answer"),
        (200, False, "push rest answer"),
        (302, False, "push rest answer"),
        (500, True, "http"),
        (503, False, "http"),
    ],
)
def test_push_rest_is_well_if_it_refuses_an_empty_push_for_the_right_reason(
    status: int, with_token: bool, step: str | None
) -> None:
    fault = answer_fault(CloudHost.PUSH_REST, status, b"{}", with_token=with_token)
    assert (None if fault is None else fault.step) == step


@pytest.mark.parametrize("host", [CloudHost.FOS, CloudHost.CI])
def test_any_answer_of_the_other_services_but_5xx_shows_that_they_are_reached(
    host: CloudHost,
) -> None:
    for status in (200, 302, 400, 401, 403, 404):
        assert answer_fault(host, status, b"", with_token=False) is None
    fault = answer_fault(host, 503, b"", with_token=False)
    assert fault is not None
    assert fault.step == "http"


@pytest.mark.req("CLOUD-07", "TRB-20")
def test_400_of_the_token_service_points_to_the_repair_other_answers_do_not() -> None:
    assert token_fault(400, "").action.endswith("callctl cloud repair-token.")
    assert "repair" not in token_fault(503, "in trouble").action
    assert token_fault(None, "no answer").cause == "No access token: no answer."


@pytest.mark.req("NET-06")
def test_closed_port_between_nodes_names_the_port_to_open() -> None:
    fault = port_fault(9966, "timed out")
    assert fault.step == "port"
    assert "Open TCP 9966 between the nodes" in fault.action


def test_node_out_of_service_is_a_fault_of_its_own() -> None:
    assert node_fault().step == "node"


@pytest.mark.req("NET-05", "NET-09")
def test_what_no_node_can_see_is_said_with_every_check() -> None:
    text = " ".join(NOTES)
    assert "30 minutes" in text
    assert "Apple" in text
    assert "Google" in text
