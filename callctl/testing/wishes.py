"""What the mark `callctl` and the function `make_cluster` may say of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from callctl.testing.cluster import Cluster
from callctl.testing.plan import Parameters, Plan
from callctl.testing.play import Play, SetUpError
from callctl.testing.stage import Theatre

NODE_NAMES: Final = "ucm{number}"
NODES_MAX: Final = 20

KNOWN: Final = frozenset({"nodes", "release", "cm_groups", "parameters", "file", "seed", "judges"})


class MakeCluster(Protocol):
    """Makes the one cluster of a test."""

    def __call__(
        self,
        *,
        nodes: int | Sequence[str] | None = None,
        release: str | None = None,
        cm_groups: Mapping[str, Sequence[str]] | None = None,
        parameters: Parameters | None = None,
        file: Path | str | None = None,
        judges: bool | None = None,
    ) -> Cluster:
        """A cluster.

        Args:
            nodes: how many, called ucm1, ucm2, ...; or their names.
            release: that it behaves as, such as "14SU3" or "12.5(1)SU3".
            cm_groups: nodes in order, primary first; `phones` is that of mobile phones, `desks`
                that of desk phones.
            parameters: service parameters, such as `drop_s`, where the defaults do not fit.
            file: a cluster file, in place of all of that but parameters.
            judges: False: nobody watches over the invariants.
        Raises: SetUpError.
        """


def wishes_of(marks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The keywords of all marks of a test, the closest first. Raises: SetUpError."""
    wishes: dict[str, Any] = {}
    for mark in marks:
        for name, value in mark.items():
            if name not in KNOWN:
                raise SetUpError(f"the mark callctl knows no {name}: {', '.join(sorted(KNOWN))}")
            wishes.setdefault(name, value)
    return wishes


def make_cluster_for(
    theatre: Theatre, wishes: Mapping[str, Any], made: Callable[[Play], None]
) -> MakeCluster:
    """The function that a test has; `made` hears of what it makes."""
    plays: list[Play] = []

    def make_cluster(
        *,
        nodes: int | Sequence[str] | None = None,
        release: str | None = None,
        cm_groups: Mapping[str, Sequence[str]] | None = None,
        parameters: Parameters | None = None,
        file: Path | str | None = None,
        judges: bool | None = None,
    ) -> Cluster:
        __tracebackhide__ = True
        if plays:
            raise SetUpError("a test has one cluster: make_cluster was called twice")
        said = {
            "nodes": nodes,
            "release": release,
            "cm_groups": cm_groups,
            "parameters": parameters,
            "file": file,
            "judges": judges,
        }
        given = {**wishes, **{name: value for name, value in said.items() if value is not None}}
        play = Play(plan_of(given), theatre)
        plays.append(play)
        made(play)
        return Cluster(play)

    return make_cluster


def plan_of(wishes: Mapping[str, Any]) -> Plan:
    """A plan with nobody in it. Raises: SetUpError."""
    __tracebackhide__ = True
    plan = Plan(seed=int(wishes["seed"]), judged=bool(wishes.get("judges", True)))
    file = wishes.get("file")
    if file is not None:
        in_the_way = [name for name in ("nodes", "release", "cm_groups") if name in wishes]
        if in_the_way:
            raise SetUpError(f"{', '.join(in_the_way)}: the cluster file {file} says that")
        plan.file = Path(file)
        if not plan.file.is_file():
            raise SetUpError(f"there is no cluster file {plan.file}")
    if "nodes" in wishes:
        plan.nodes = _nodes(wishes["nodes"])
    if "release" in wishes:
        plan.release = str(wishes["release"])
    for name, nodes in wishes.get("cm_groups", {}).items():
        plan.cm_groups[name] = tuple(nodes)
    plan.parameters.update(wishes.get("parameters", {}))
    return plan


def _nodes(wish: int | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(wish, int):
        return tuple(wish)
    if not 1 <= wish <= NODES_MAX:
        raise SetUpError(f"{wish} nodes: a cluster has 1 to {NODES_MAX}")
    return tuple(NODE_NAMES.format(number=number) for number in range(1, wish + 1))
