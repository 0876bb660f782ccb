"""Why a subcommand ends early. The text of each is one line, for stderr."""

from __future__ import annotations

from callctl.cli.exit_code import NEGATIVE, UNREACHABLE, USAGE


class CommandError(Exception):
    """Ends the command with `code`, one of `exit_code`."""

    code = NEGATIVE


class Refused(CommandError):
    """The cluster said no: there is no such thing, or it is not in a state for that."""


class Usage(CommandError):
    """The command line cannot be meant like this."""

    code = USAGE


class Unreachable(CommandError):
    """There is no cluster to ask."""

    code = UNREACHABLE
