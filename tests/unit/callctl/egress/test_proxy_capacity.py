"""The capacity calculator, by numbers that can be checked with pencil and paper."""

from __future__ import annotations

import json
from math import ceil, sqrt

import pytest

from callctl.cli.errors import Usage
from callctl.cli.proxy_capacity import proxy_capacity
from callctl.egress.proxy_capacity import ASSUMPTIONS, CONNECTIONS_MAX, Deployment, capacity_of


@pytest.mark.req("PROXY-10")
def test_transactions_are_pushes_of_the_busy_hour_and_what_nodes_do_by_themselves() -> None:
    """10,000 users, 1.5 devices, 6 calls an hour, half with a second push: 37.5 a second."""
    deployment = Deployment(10_000, 1.0, 0.5, calls_per_user=6, second_push_share=0.5, nodes=4)
    capacity = capacity_of(deployment)
    others = 4 * (3_600 / (0.8 * 43_200) + 2 + 1 / 24) / 3_600
    assert capacity.transactions_per_second == pytest.approx(37.5 + others, abs=0.001)
    assert capacity.busy_transactions_per_second == ceil(37.5 + 3 * sqrt(37.5 * 1.5)) + 1
    by_node = ceil(ceil(37.5 / 4 + 3 * sqrt(37.5 / 4 * 1.5)) * 0.3)
    assert capacity.kept_connections == 4 * by_node
    assert capacity.connections_at_once_after_a_restart == capacity.kept_connections
    assert capacity.nodes_enough
    assert capacity.assumptions == ASSUMPTIONS


@pytest.mark.req("PROXY-10")
def test_messages_and_second_pushes_add_to_it() -> None:
    plain = capacity_of(Deployment(3_600, calls_per_user=10, second_push_share=0))
    second = capacity_of(Deployment(3_600, calls_per_user=10, second_push_share=1))
    chatty = capacity_of(
        Deployment(3_600, calls_per_user=10, second_push_share=0, messages_per_user=20)
    )
    assert second.transactions_per_second - plain.transactions_per_second == pytest.approx(10)
    assert chatty.transactions_per_second - plain.transactions_per_second == pytest.approx(20)
    assert chatty.bandwidth_up_kbit_s > plain.bandwidth_up_kbit_s > plain.bandwidth_down_kbit_s


def test_nodes_that_are_too_few_are_told() -> None:
    crowd = Deployment(1_000_000, calls_per_user=20, nodes=2)
    capacity = capacity_of(crowd)
    assert not capacity.nodes_enough
    assert capacity.kept_connections == 2 * CONNECTIONS_MAX


def test_deployment_without_calls_keeps_its_connections_all_the_same() -> None:
    capacity = capacity_of(Deployment(10, calls_per_user=0, nodes=3))
    assert capacity.kept_connections == 3
    assert 0 < capacity.transactions_per_second < 0.01
    assert capacity.busy_transactions_per_second == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"users": 0}, "users: 0 is not between"),
        ({"users": 1, "nodes": -1}, "nodes"),
        ({"users": 1, "ios_per_user": -0.5}, "ios_per_user"),
        ({"users": 1, "calls_per_user": float("nan")}, "calls_per_user"),
        ({"users": 1, "messages_per_user": float("inf")}, "messages_per_user"),
        ({"users": 1, "second_push_share": 1.5}, "second_push_share"),
    ],
)
def test_what_cannot_be_is_named(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Deployment(**wrong)  # type: ignore[arg-type]


@pytest.mark.req("PROXY-10")
def test_command_prints_the_estimate_and_what_it_assumes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert proxy_capacity(users=10_000, devices_per_user=1.5, calls_per_hour=6, nodes=4) == 0
    text = capsys.readouterr().out
    assert "transactions, busy hour" in text
    assert "37.502" in text
    assert "Push REST answers in 0.3 s" in text
    assert proxy_capacity(users=10_000, ios_per_user=1, android_per_user=0.5, json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["nodes_enough"] is True
    assert told["kept_connections"] == told["connections_at_once_after_a_restart"]
    assert proxy_capacity(users=1_000_000, calls_per_hour=20) == 0
    assert "more nodes" in capsys.readouterr().out


def test_command_refuses_what_cannot_be_meant() -> None:
    with pytest.raises(Usage, match="either"):
        proxy_capacity(users=1, devices_per_user=1, ios_per_user=1)
    with pytest.raises(Usage, match="users"):
        proxy_capacity(users=-1)
