"""Who the phones are, and the cluster file that has them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from callctl.fleet.load import load_plan
from callctl.fleet.own_cluster import write_cluster
from callctl.fleet.population import dealt, draw_phones
from callctl.model.load import load_cluster

FILE = """
phones:
  count: 200
  groups:
    iphones: {share: 50%, platform: ios, os_versions: {17.4: 100%}}
    china: {share: 10%, platform: ios, region: china, client: jabber, client_version: 14.3}
    androids: {share: 40%, platform: android}
  transports: {tls: 75%, tcp: 25%}
  awake: 5%
  never_wake: 2%
callers: {count: 7}
cluster: {nodes: 4, release: 14SU3}
"""


def test_shares_are_kept_to_the_last_phone(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FILE)
    plan = load_plan(tmp_path / "fleet.yaml", {}, seed=1)
    phones = list(draw_phones(plan.phones, Random(1)))
    assert Counter(phone.group.name for phone in phones) == {
        "iphones": 100,
        "china": 20,
        "androids": 80,
    }
    assert Counter(phone.transport for phone in phones) == {"TLS": 150, "TCP": 50}
    assert sum(phone.awake for phone in phones) == 10
    assert sum(phone.never_wakes for phone in phones) == 4
    assert not any(phone.awake and phone.never_wakes for phone in phones)
    assert phones == list(draw_phones(plan.phones, Random(1)))
    assert phones != list(draw_phones(plan.phones, Random(2)))


@given(
    st.lists(st.floats(min_value=0.01, max_value=1), min_size=1, max_size=6),
    st.integers(min_value=0, max_value=300),
)
def test_dealing_gives_out_all_and_no_value_more_than_one_off(
    shares: list[float], count: int
) -> None:
    values = Counter(dealt(list(enumerate(shares)), count, Random(1)))
    assert values.total() == count
    for value, share in enumerate(shares):
        assert abs(values[value] - count * share / sum(shares)) <= 1.001


def test_cluster_file_that_is_written_has_every_phone_and_caller(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(FILE)
    plan = load_plan(tmp_path / "fleet.yaml", {}, seed=1)
    phones = list(draw_phones(plan.phones, Random(1)))
    cluster = load_cluster(write_cluster(plan, phones, tmp_path))
    assert len(cluster.devices) == 207
    assert list(cluster.nodes) == ["ucm1", "ucm2", "ucm3", "ucm4"]
    assert str(cluster.release) == "14SU3"
    assert cluster.cm_groups["ucm3"].nodes == ("ucm3", "ucm4", "ucm1")
    pools = Counter(device.device_pool for device in cluster.devices.values())
    assert max(pools.values()) - min(pools.values()) <= 2
    assert sum(device.custom_region for device in cluster.devices.values()) == 20
    assert len({place.port for node in cluster.nodes.values() for place in node.listeners}) == 8
    assert cluster.cloud.push_enabled
    assert cluster.cloud.emulator
