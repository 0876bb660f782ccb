"""`callctl fleet`: thousands of simulated phones and callers over real sockets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Group, Parameter

PHONES: Final = Group.create_ordered("Phones")
CALLS: Final = Group.create_ordered("Calls")
SERVERS: Final = Group.create_ordered("Servers")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Options that stand for keys of the fleet file, and override them."""

    phones: Annotated[
        int | None, Parameter(help="Phones that are called; else 1000.", group=PHONES)
    ] = None
    transport: Annotated[
        Literal["tls", "tcp", "udp"] | None,
        Parameter(help="What all phones speak; else tls.", group=PHONES),
    ] = None
    wake_delay: Annotated[
        str | None,
        Parameter(help="From a push to the app: 400ms, 200ms..2s, lognormal 1s 4s.", group=PHONES),
    ] = None
    awake: Annotated[
        str | None, Parameter(help="Share of phones that never sleep: 5%.", group=PHONES)
    ] = None
    never_wake: Annotated[
        str | None, Parameter(help="Share of phones that no push wakes.", group=PHONES)
    ] = None
    network_changes: Annotated[
        str | None, Parameter(help="Times an hour that a phone changes its address.", group=PHONES)
    ] = None
    network_losses: Annotated[
        str | None, Parameter(help="Times an hour that a phone loses its network.", group=PHONES)
    ] = None
    calls_per_second: Annotated[
        str | None, Parameter(help="Rate of calls; else 5.", group=CALLS)
    ] = None
    bhca: Annotated[str | None, Parameter(help="Calls an hour instead.", group=CALLS)] = None
    calls_per_phone_hour: Annotated[
        str | None, Parameter(help="Calls an hour that each phone gets, instead.", group=CALLS)
    ] = None
    duration: Annotated[
        str | None, Parameter(help="How long calls are placed; else 60s.", group=CALLS)
    ] = None
    ramp_up: Annotated[str | None, Parameter(help="The rate grows for so long.", group=CALLS)] = (
        None
    )
    answer_after: Annotated[
        str | None, Parameter(help="From the call on the screen to the answer.", group=CALLS)
    ] = None
    talk: Annotated[
        str | None, Parameter(help="From the answer to the end: exponential 30s.", group=CALLS)
    ] = None
    give_up_after: Annotated[
        str | None, Parameter(help="A caller cancels then; else 20s.", group=CALLS)
    ] = None
    callers: Annotated[int | None, Parameter(help="How many call.", group=CALLS)] = None
    caller_transport: Annotated[
        Literal["tcp", "udp", "tls"] | None,
        Parameter(help="What callers speak; else tcp.", group=CALLS),
    ] = None
    allowed_failures: Annotated[
        str | None,
        Parameter(help="Share of calls that may end otherwise than planned.", group=CALLS),
    ] = None
    seed: Annotated[int | None, Parameter(help="Of all choices.", group=CALLS)] = None
    nodes: Annotated[
        int | None, Parameter(help="Of the cluster that is started; else 3.", group=SERVERS)
    ] = None
    kill: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="A node dies: ucm1@20s, and is back later: ucm1@20s+15s. May come again.",
            group=SERVERS,
        ),
    ] = ()
    cluster: Annotated[
        str | None,
        Parameter(help="State directory of a cluster that runs, instead of one.", group=SERVERS),
    ] = None
    target: Annotated[
        str | None,
        Parameter(help="Any registrar instead, as udp:127.0.0.1:5060.", group=SERVERS),
    ] = None
    domain: Annotated[str | None, Parameter(help="With --target: its domain.", group=SERVERS)] = (
        None
    )
    user_pattern: Annotated[
        str | None, Parameter(help="With --target: its users; else fleet%05d.", group=SERVERS)
    ] = None
    password: Annotated[
        str | None,
        Parameter(
            help="Of each user, {user} standing for its name; else pw{user}.",
            group=SERVERS,
            env_var="CALLCTL_FLEET_PASSWORD",
        ),
    ] = None
    push_endpoint: Annotated[
        int | None,
        Parameter(help="With --target: take its pushes at this HTTP port.", group=SERVERS),
    ] = None
    watch_pid: Annotated[
        tuple[int, ...],
        Parameter(negative="", help="With --target: a process to watch.", group=SERVERS),
    ] = ()


KEYS: Final[dict[str, tuple[str, ...]]] = {
    "phones": ("phones", "count"),
    "wake_delay": ("phones", "wake_delay"),
    "awake": ("phones", "awake"),
    "never_wake": ("phones", "never_wake"),
    "network_changes": ("networks", "changes_per_phone_hour"),
    "network_losses": ("networks", "losses_per_phone_hour"),
    "calls_per_second": ("calls", "per_second"),
    "bhca": ("calls", "bhca"),
    "calls_per_phone_hour": ("calls", "per_phone_hour"),
    "duration": ("calls", "duration"),
    "ramp_up": ("calls", "ramp_up"),
    "answer_after": ("calls", "answer_after"),
    "talk": ("calls", "talk"),
    "give_up_after": ("calls", "give_up_after"),
    "callers": ("callers", "count"),
    "caller_transport": ("callers", "transport"),
    "allowed_failures": ("allowed_failures",),
    "seed": ("seed",),
    "nodes": ("cluster", "nodes"),
    "cluster": ("target", "cluster"),
    "target": ("target", "registrar"),
    "domain": ("target", "domain"),
    "user_pattern": ("target", "user_pattern"),
    "password": ("target", "password"),
    "push_endpoint": ("target", "push_endpoint"),
}
"""The key of the file that each option stands for; those with a form of their own are apart."""

NO_OPTIONS: Final = FleetOptions()
SEEDS: Final = 2**32  # to draw one from


def fleet(
    file: Path | None = None,
    /,
    *,
    options: FleetOptions = NO_OPTIONS,
    json: Annotated[
        Path | None,
        Parameter(
            help="Write the result as JSON; - for standard output.", allow_leading_hyphen=True
        ),
    ] = None,
    html: Annotated[Path | None, Parameter(help="Write the result as one HTML page.")] = None,
    keep: Annotated[
        Path | None, Parameter(help="Keep file, log and state of the own cluster here.")
    ] = None,
    allow_network: Annotated[
        bool, Parameter(negative="", help="Let calls leave this machine.")
    ] = False,
) -> int:
    """Call thousands of simulated phones that sleep and are woken by push, and time every stage.

    Starts a cluster with emulated clouds of its own in a process beside it, unless another is
    named; ends by itself, or at Ctrl-C with the report of what was done. Exits with 0 if calls
    ended as they were planned.

    Parameters
    ----------
    file
        A fleet file: every key is described in docs/fleet.md. Options override it.
    """
    from callctl.cli.errors import Refused, Usage
    from callctl.cli.exit_code import NEGATIVE, OK, USAGE
    from callctl.cli.output import print_error
    from callctl.cli.serving import run_async
    from callctl.errors import ConfigError
    from callctl.fleet.command import report_to, run_plan
    from callctl.fleet.load import load_plan
    from callctl.fleet.run import CannotRun, Elsewhere, RunSettings
    from sipstack.io.entropy import OsEntropy

    try:
        plan = load_plan(file, _given(options), seed=OsEntropy().below(SEEDS))
    except ConfigError as error:
        for finding in error.findings:
            print_error(str(finding))
        return USAGE
    to_stdout = json is not None and str(json) == "-"

    async def main() -> int:
        try:
            settings = RunSettings(allow_network, keep)
            result = await run_plan(plan, settings, quiet=to_stdout)
        except Elsewhere as error:
            raise Usage(str(error)) from error
        except CannotRun as error:
            raise Refused(str(error)) from error
        report_to(result, None if to_stdout else json, html, to_stdout=to_stdout)
        return OK if result.ok else NEGATIVE

    return run_async(main)


def _given(options: FleetOptions) -> dict[str, tuple[tuple[str, ...], object]]:
    """The options that were given: by name the key they stand for, and the value as text.

    Raises: Usage for a kill that cannot be read.
    """
    given: dict[str, tuple[tuple[str, ...], object]] = {}
    for name, key in KEYS.items():
        value = getattr(options, name)
        if value is not None:
            given[f"--{name.replace('_', '-')}"] = (key, str(value))
    if options.transport is not None:
        given["--transport"] = (("phones", "transports"), {options.transport: "100%"})
    if options.kill:
        given["--kill"] = (("kills",), [_kill(text) for text in options.kill])
    if options.watch_pid:
        given["--watch-pid"] = (("target", "pids"), [str(pid) for pid in options.watch_pid])
    return given


def _kill(text: str) -> dict[str, str]:
    """ucm1@20s or ucm1@20s+15s, as the file has it. Raises: Usage."""
    from callctl.cli.errors import Usage

    node, at_sign, when = text.partition("@")
    at, plus, back_after = when.partition("+")
    if not (node and at_sign and at) or (plus and not back_after):
        raise Usage(f"--kill {text}: expected as ucm1@20s, or ucm1@20s+15s")
    return {"node": node, "at": at} | ({"back_after": back_after} if plus else {})
