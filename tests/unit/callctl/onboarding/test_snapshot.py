"""What a cluster keeps of its onboarding."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from callctl.io.onboarding_file import OnboardingFile
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from callctl.onboarding.event import PushSwitched, TaskMarked
from callctl.onboarding.home import HomeCluster
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import PageChange
from callctl.onboarding.snapshot import (
    Snapshot,
    SnapshotError,
    decode,
    encode,
    restore,
    secrets_in,
    taken,
)
from callctl.onboarding.state import State
from helpers.onboarding_rig import HOME, ON, WITH_IMP, Rig
from helpers.pushes import CountedEntropy
from sipstack.timing import Instant

PROXY = ProxySettings("https", "proxy.example", 3129, "callctl", Secret("proxy-word"))
UNIX_MS = 1_900_000_000_000


def failed(rig: Rig) -> None:
    rig.requesting("some root")


def updated(rig: Rig) -> None:
    rig.active()
    rig.save(PageChange(proxy=PROXY, encrypted_pii=True))
    rig.tell(TaskMarked(5, True))
    rig.voucher("spare")


def again(rig: Rig, home: HomeCluster | None = None) -> Onboarding:
    core = Onboarding(home or rig.home, CountedEntropy())
    restore(core, decode(encode(taken(rig.core, UNIX_MS))), UNIX_MS)
    return core


@pytest.mark.parametrize(
    "stage", [Rig.voucher, Rig.pending, failed, Rig.completed, Rig.active, updated]
)
def test_restored_machine_is_as_it_was(stage: Callable[[Rig], None]) -> None:
    rig = Rig(WITH_IMP)
    stage(rig)
    core = again(rig)
    assert taken(core, UNIX_MS) == taken(rig.core, UNIX_MS)
    core.start(Instant(0))
    assert (core.state, core.status, core.pushing) == (
        rig.state(),
        rig.core.status,
        rig.pushing(),
    )


def test_request_that_nobody_waits_for_any_more_is_pending_again() -> None:
    rig = Rig()
    rig.requesting()
    core = again(rig)
    core.start(Instant(0))
    assert (core.state, core.status) == (State.PENDING, "Cisco Cloud Onboarding Pending")


@pytest.mark.req("GEN-02")
def test_active_cluster_pushes_again_after_its_start() -> None:
    rig = Rig()
    rig.active()
    core = again(rig)
    assert not core.pushing
    assert PushSwitched(True) in core.start(Instant(0))


def test_evaluation_ends_at_the_same_time_of_day_after_a_restart() -> None:
    rig = Rig()
    end = rig.core.next_deadline()
    assert end is not None
    core = Onboarding(HOME, CountedEntropy())
    later_ms = 5_000
    restore(core, taken(rig.core, UNIX_MS), UNIX_MS + later_ms)
    assert core.next_deadline() == end - later_ms * 1_000_000


def test_node_that_is_new_works_with_what_is_saved_and_one_that_is_gone_is_forgotten() -> None:
    rig = Rig(WITH_IMP)
    rig.completed()
    core = again(rig, HOME)
    assert set(core.in_force) == {"ucm1", "ucm2"}
    assert all("imp1" not in nodes for _, nodes in core.due.listed())
    bigger = Rig(HOME)
    bigger.active()
    with_imp = again(bigger, WITH_IMP)
    assert with_imp.in_force["imp1"].account == bigger.core.account


def test_secrets_are_named_to_who_has_to_mask_them_and_show_nowhere_else() -> None:
    rig = Rig()
    updated(rig)
    snapshot = taken(rig.core, UNIX_MS)
    assert secrets_in(snapshot) == {"spare", "refresh-1", "proxy-word"}
    for secret in secrets_in(snapshot):
        assert secret not in repr(snapshot)
        assert secret.encode() in encode(snapshot)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"release": "none"},
        {"state": "unheard of"},
        {"page": None},
        {"surprise": 1},
        {"voucher": {"code": 5, "issuer": "CSSM"}},
        {"voucher": {"code": "very secret", "issuer": "nobody"}},
    ],
)
def test_document_that_is_no_snapshot_is_refused_without_telling_its_secrets(
    change: dict[str, object],
) -> None:
    rig = Rig()
    rig.voucher()
    fields = msgspec.json.decode(encode(taken(rig.core, 0)))
    with pytest.raises(SnapshotError) as caught:
        decode(msgspec.json.encode({**fields, **change}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("document", [b"", b"{", b"[" * 100_000, b"\xff\xfe"])
def test_garbage_is_no_snapshot(document: bytes) -> None:
    with pytest.raises(SnapshotError):
        decode(document)


def test_file_is_its_owners_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    kept = OnboardingFile(tmp_path / "state")
    assert kept.read() is None
    rig = Rig()
    rig.voucher()
    kept.write(encode(taken(rig.core, 0)))
    rig.save(ON)
    kept.write(encode(taken(rig.core, 0)))
    read = kept.read()
    assert isinstance(read, Snapshot)
    assert read.state is State.CERTS_PREPARED
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert [each.name for each in kept.directory.iterdir()] == ["onboarding.json"]
    kept.path.chmod(0o644)
    with pytest.raises(PermissionError, match="can be read by others"):
        kept.read()
