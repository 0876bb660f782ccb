"""A fleet file and the options of the command line to a plan; every mistake in both at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from callctl.errors import ConfigError, Finding
from callctl.fleet.plan import Plan, plan_of
from callctl.fleet.quantity import duration_text, parse_duration, parse_share
from callctl.fleet.schema import FleetFile
from callctl.model.consistency import Mistake
from callctl.model.consistency import Path as Key
from callctl.model.document import TEXT_MAX, Document, key_text
from callctl.model.explain import mistakes_of

RATES: Final = ("per_second", "bhca", "per_phone_hour")
PER_SECOND_MAX: Final = 1_000.0
CALLS_MAX: Final = 1_000_000
FULL_SHARE: Final = 1e-6  # how far from 100% a sum of shares may be

Given: TypeAlias = Mapping[str, tuple[Key, Any]]
"""Options of the command line: by their name, the key that they stand for and its value as text."""


def load_plan(file: Path | None, options: Given, *, seed: int) -> Plan:
    """The plan of a file, or of options alone; options override the file.

    Args:
        seed: for a plan that names none.
    Raises: ConfigError with every mistake.
    """
    return _Loading(file, options).plan(seed)


class _Loading:
    """One run over one file and one command line."""

    __slots__ = ("_document", "_file", "_findings", "_options")

    def __init__(self, file: Path | None, options: Given) -> None:
        self._file = file
        self._options = options
        self._document = Document("")
        self._findings: list[Finding] = []

    def plan(self, seed: int) -> Plan:
        tree = self._tree()
        for key, value in self._options.values():
            _put(tree, key, value)
        self._one_rate(tree)
        try:
            file = FleetFile.model_validate(tree)
        except ValidationError as error:
            for mistake in mistakes_of(error, FleetFile):
                self._report(mistake)
            raise ConfigError(tuple(self._findings)) from None
        plan = plan_of(file, seed, self._file.parent if self._file is not None else Path())
        for mistake in _contradictions(file, plan):
            self._report(mistake)
        if self._findings:
            raise ConfigError(tuple(self._findings))
        return plan

    def _tree(self) -> dict[str, Any]:
        if self._file is None:
            return {}
        try:
            with self._file.open(encoding="utf-8-sig") as stream:
                text = stream.read(TEXT_MAX + 1)
        except UnicodeDecodeError:
            self._report(Mistake((), "is not UTF-8", "a fleet file in UTF-8"))
            return {}
        except OSError as error:
            self._report(Mistake((), error.strerror or "cannot be read", "a fleet file"))
            return {}
        self._document = Document(text)
        for line, mistake in self._document.mistakes:
            self._report(mistake, line)
        tree = self._document.tree
        if tree is not None and not isinstance(tree, dict):
            self._report(Mistake((), "is no mapping", "keys and values: phones, calls, ..."), 1)
        return tree if isinstance(tree, dict) else {}

    def _one_rate(self, tree: dict[str, Any]) -> None:
        """A rate of the command line takes the place of any other rate of the file."""
        calls = tree.get("calls")
        asked = [name for name in RATES if self._option(("calls", name)) is not None]
        if asked and isinstance(calls, dict):
            for name in RATES:
                if name not in asked:
                    calls.pop(name, None)

    def _option(self, key: Key) -> str | None:
        """The option that gave the value at `key`, or at what surrounds it."""
        for name, (place, _) in self._options.items():
            if key[: len(place)] == place:
                return name
        return None

    def _report(self, mistake: Mistake, line: int | None = None) -> None:
        option = self._option(mistake.path)
        if option is not None:
            found = Finding(option, None, "", mistake.problem, mistake.expected)
        elif self._file is None:
            key = key_text(mistake.path)
            found = Finding("the command line", None, key, mistake.problem, mistake.expected)
        else:
            place = line or self._document.line_of(mistake.path)
            key = key_text(mistake.path)
            found = Finding(str(self._file), place, key, mistake.problem, mistake.expected)
        self._findings.append(found)


def _put(tree: dict[str, Any], key: Key, value: object) -> None:
    """Set one value, whatever stands there."""
    for part in key[:-1]:
        below = tree.get(str(part))
        if not isinstance(below, dict):
            below = tree[str(part)] = {}
        tree = below
    tree[str(key[-1])] = value


def _contradictions(file: FleetFile, plan: Plan) -> Iterator[Mistake]:
    """What each value for itself does not show."""
    yield from _shares(file)
    yield from _rate(file, plan)
    yield from _target(file)
    yield from _kills(file, plan)


def _shares(file: FleetFile) -> Iterator[Mistake]:
    phones = file.phones
    sums: list[tuple[Key, list[str]]] = [
        (("phones", "transports"), list(phones.transports.values())),
        (("calls", "answers"), list(file.calls.answers.model_dump().values())),
    ]
    if phones.groups:
        sums.append((("phones", "groups"), [group.share for group in phones.groups.values()]))
    for name, group in phones.groups.items():
        if group.os_versions:
            versions: Key = ("phones", "groups", name, "os_versions")
            sums.append((versions, list(group.os_versions.values())))
        if group.region == "china" and group.platform != "ios":
            problem = "china is for iOS alone"
            yield Mistake(("phones", "groups", name, "region"), problem, "platform ios")
    for key, shares in sums:
        total = sum(map(parse_share, shares))
        if abs(total - 1) > FULL_SHARE:
            yield Mistake(key, f"the shares are {total:.6g} of the whole", "100% together")
    unreachable = parse_share(phones.awake) + parse_share(phones.never_wake)
    if unreachable > 1:
        problem = f"with never_wake it is {unreachable:.0%} of the phones"
        yield Mistake(("phones", "awake"), problem, "100% at most")


def _rate(file: FleetFile, plan: Plan) -> Iterator[Mistake]:
    named = [name for name in RATES if getattr(file.calls, name) is not None]
    key: Key = ("calls", named[-1]) if named else ("calls",)
    if len(named) > 1:
        yield Mistake(key, f"stands beside {named[0]}", "one rate of calls")
    calls = plan.calls
    if calls.per_second > PER_SECOND_MAX:
        expected = f"{PER_SECOND_MAX:.0f} at most"
        yield Mistake(key, f"is {calls.per_second:.0f} calls per second", expected)
    elif calls.expected > CALLS_MAX:
        yield Mistake(key, f"makes {calls.expected:.0f} calls", f"{CALLS_MAX} at most in all")
    if calls.duration_ns == 0:
        yield Mistake(("calls", "duration"), "is no time at all", "how long calls are placed")
    elif calls.ramp_up_ns > calls.duration_ns:
        whole = duration_text(calls.duration_ns)
        yield Mistake(("calls", "ramp_up"), f"is longer than the {whole} of the run", "less")


def _target(file: FleetFile) -> Iterator[Mistake]:
    target = file.target
    if target.cluster is not None and target.registrar is not None:
        yield Mistake(("target", "registrar"), "stands beside cluster", "one of the two")
    if target.registrar is None:
        for name in ("domain", "push_endpoint", "ca_file"):
            if getattr(target, name) is not None:
                yield Mistake(("target", name), "is for a registrar", "a registrar beside it")
        return
    try:
        named = target.user_pattern % 0 != target.user_pattern % 1
    except (TypeError, ValueError):
        named = False
    if not named:
        problem = f"{target.user_pattern!r} has no place for a number"
        yield Mistake(("target", "user_pattern"), problem, "one %d, as fleet%05d")
    if target.registrar.partition(":")[0].lower() not in ("udp", "tcp", "tls"):
        yield Mistake(("target", "registrar"), "phones speak udp, tcp and tls", "one of these")


def _kills(file: FleetFile, plan: Plan) -> Iterator[Mistake]:
    if file.kills and file.target.registrar is not None:
        yield Mistake(("kills",), "a registrar has no nodes to kill", "no kills")
        return
    own = file.target.cluster is None
    names = [f"ucm{number}" for number in range(1, file.cluster.nodes + 1)]
    for at, kill in enumerate(file.kills):
        if own and kill.node not in names:
            yield Mistake(("kills", at, "node"), f"there is no {kill.node}", ", ".join(names))
        if parse_duration(kill.at) > plan.calls.duration_ns:
            whole = duration_text(plan.calls.duration_ns)
            yield Mistake(("kills", at, "at"), f"is after the {whole} of the run", "a time within")
