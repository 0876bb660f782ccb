"""The command `callctl`. What a subcommand needs is imported when it runs: start-up stays quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final

from cyclopts import App, CycloptsError, Group

from callctl.cli import (
    alarm,
    call,
    certificate,
    cloud,
    device,
    node,
    onboarding,
    push,
    reg,
    replay,
    rtmt,
    trace,
)
from callctl.cli.demo import demo
from callctl.cli.errors import CommandError
from callctl.cli.exit_code import INTERRUPTED, OK, USAGE
from callctl.cli.explain import explain
from callctl.cli.fleet import fleet
from callctl.cli.lab import lab
from callctl.cli.output import print_error
from callctl.cli.phone import phone
from callctl.cli.run import run
from callctl.cli.sim import sim

HELP: Final = "SIP call control with push-triggered registration: a cluster to test mobile calling."
EPILOGUE: Final = (
    "Exit codes: 0 done, 1 done and the answer is no, 2 wrong command line, 3 no cluster to ask."
)

START: Final = Group.create_ordered("Start something")
ASK: Final = Group.create_ordered("Ask a running cluster")
OPERATE: Final = Group.create_ordered("Operate a running cluster")
WITHOUT: Final = Group.create_ordered("Without a cluster")

Command = App | Callable[..., int]
COMMANDS: Final[tuple[tuple[Group, Command], ...]] = (
    (START, demo),
    (START, lab),
    (START, run),
    (START, phone),
    (START, fleet),
    (ASK, call.app),
    (ASK, explain),
    (ASK, reg.app),
    (ASK, node.app),
    (ASK, device.app),
    (ASK, push.app),
    (ASK, trace.app),
    (OPERATE, onboarding.app),
    (OPERATE, onboarding.license_app),
    (OPERATE, certificate.app),
    (OPERATE, cloud.app),
    (OPERATE, alarm.app),
    (OPERATE, rtmt.app),
    (WITHOUT, sim),
    (WITHOUT, replay.app),
)


def make_app() -> App:
    """The whole command line."""
    app = App(
        name="callctl",
        help=HELP,
        help_epilogue=EPILOGUE,
        version=lambda: version("callctl"),
        result_action="return_value",
    )
    for order, (group, command) in enumerate(COMMANDS):
        if isinstance(command, App):
            command.group = (group,)
            command.sort_key = order
            app.command(command)
        else:
            app.command(command, group=group, sort_key=order)
    # By name, because the schema of cluster files takes longer to import than all the rest.
    check = "callctl.cli.check:check"
    app.command(check, name="check", group=WITHOUT, help="Mistakes and warnings in a cluster file.")
    capability = "callctl.cli.capability:capability"
    app.command(
        capability, name="capability", group=WITHOUT, help="What a device can be sent, and why."
    )
    utils = "callctl.cli.utils:utils"
    app.command(utils, name="utils", group=OPERATE, help="The utils commands of a node.")
    cli = "callctl.cli.node_cli:cli"
    app.command(
        cli,
        name="cli",
        group=OPERATE,
        help="The command line of a node, as administrators know it.",
    )
    route = "callctl.cli.route:route"
    app.command(
        route, name="route", group=WITHOUT, help="Which node and path a call would take, and why."
    )
    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command. Returns: the exit code."""
    try:
        result = make_app()(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print_error(f"{error} (try --help)")
        return USAGE
    except CommandError as error:
        print_error(str(error))
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough, as `head` does.
        sys.stderr.close()
        return OK
    return result if isinstance(result, int) else OK


if __name__ == "__main__":
    sys.exit(main())
