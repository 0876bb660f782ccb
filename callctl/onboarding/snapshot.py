"""What a cluster keeps of its onboarding while it is down, as one JSON document.

It holds secrets: the file is its owner's alone, and `secrets_in` names them to who has to mask.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from callctl.model.machine_account import MachineAccount
from callctl.model.release import Release
from callctl.model.user import Secret
from callctl.onboarding.event import InForce
from callctl.onboarding.failure import Failure
from callctl.onboarding.licensing import Manager, Voucher
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import PageSettings
from callctl.onboarding.state import State
from sipstack.timing import MS, Instant

VERSION: Final = 1


class LicensingSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the licences."""

    synchronised: bool
    manager: Manager | None
    reserved: bool
    evaluation_ends_unix_ms: int | None
    expired: bool


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of everything that cannot be found out again."""

    version: int
    release: str
    state: State
    page: PageSettings
    account: MachineAccount | None
    in_force: dict[str, InForce]
    due: tuple[tuple[str, tuple[str, ...]], ...]
    voucher: Voucher | None
    failure: Failure | None
    notices: tuple[str, ...]
    switched_on: bool
    old_interface: bool
    marked_tasks: tuple[int, ...]
    licensing: LicensingSnapshot

    def __repr__(self) -> str:
        return f"Snapshot(state={self.state.value!r})"


class SnapshotError(ValueError):
    """A document that is no snapshot of this version. The text holds nothing of it."""


def taken(onboarding: Onboarding, unix_ms_at_zero: int) -> Snapshot:
    """The snapshot of now; `unix_ms_at_zero` is the wall-clock time of Instant 0."""
    licensing = onboarding.licensing
    ends_at = licensing.evaluation_ends_at
    return Snapshot(
        VERSION,
        str(onboarding.home.release),
        onboarding.state,
        onboarding.page,
        onboarding.account,
        dict(onboarding.in_force),
        onboarding.due.listed(),
        onboarding.desk.voucher,
        onboarding.failure,
        onboarding.notices,
        onboarding.switched_on,
        onboarding.old_interface,
        tuple(sorted(onboarding.marked_tasks)),
        LicensingSnapshot(
            licensing.synchronised,
            licensing.manager,
            licensing.reserved,
            None if ends_at is None else unix_ms_at_zero + ends_at // MS,
            licensing.expired,
        ),
    )


def restore(onboarding: Onboarding, snapshot: Snapshot, unix_ms_at_zero: int) -> Release:
    """Put a fresh machine where the snapshot was taken. Returns: the release to `start` it with.

    Nodes that are no more are forgotten; one that is new works with what is saved.
    """
    onboarding.state = snapshot.state
    onboarding.page = snapshot.page
    onboarding.account = snapshot.account
    saved = InForce(snapshot.page, snapshot.account)
    onboarding.in_force = {node: snapshot.in_force.get(node, saved) for node in onboarding.in_force}
    for service, nodes in snapshot.due:
        onboarding.due.add(service, [node for node in nodes if node in onboarding.in_force])
    onboarding.desk.voucher = snapshot.voucher
    onboarding.failure = snapshot.failure
    onboarding.notices = snapshot.notices
    onboarding.switched_on = snapshot.switched_on
    onboarding.old_interface = snapshot.old_interface
    onboarding.marked_tasks = frozenset(snapshot.marked_tasks)
    kept, licensing = snapshot.licensing, onboarding.licensing
    release = licensing.release = Release.parse(snapshot.release)
    licensing.synchronised = kept.synchronised
    licensing.manager = kept.manager
    licensing.reserved = kept.reserved
    licensing.expired = kept.expired
    if kept.evaluation_ends_unix_ms is not None:
        licensing.evaluation_ends_at = Instant(
            (kept.evaluation_ends_unix_ms - unix_ms_at_zero) * MS
        )
    return release


def encode(snapshot: Snapshot) -> bytes:
    """As JSON, with its secrets."""
    return msgspec.json.format(msgspec.json.encode(snapshot, enc_hook=_plain), indent=2)


def decode(document: bytes) -> Snapshot:
    """Raises: SnapshotError."""
    try:
        snapshot = msgspec.json.decode(document, type=Snapshot, dec_hook=_secret)
        Release.parse(snapshot.release)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise SnapshotError("not a snapshot of onboarding that this version reads") from error
    if snapshot.version != VERSION:
        raise SnapshotError(f"a snapshot of version {snapshot.version}; this one reads {VERSION}")
    return snapshot


def secrets_in(snapshot: Snapshot) -> frozenset[str]:
    """The texts that must show nowhere: voucher, refresh tokens, passwords of proxies."""
    pages = [snapshot.page, *(each.page for each in snapshot.in_force.values())]
    accounts = [snapshot.account, *(each.account for each in snapshot.in_force.values())]
    found = {account.refresh_token for account in accounts if account is not None}
    for page in pages:
        if page.proxy is not None and page.proxy.password is not None:
            found.add(page.proxy.password.get_secret_value())
    if snapshot.voucher is not None:
        found.add(snapshot.voucher.code.get_secret_value())
    return frozenset(found)


def _plain(value: object) -> str:
    assert isinstance(value, Secret), type(value)
    return value.get_secret_value()


def _secret(wanted: type, value: Any) -> Secret:  # noqa: ANN401  (what JSON holds)
    if wanted is not Secret or not isinstance(value, str):
        raise ValueError("not a text")
    return Secret(value)
