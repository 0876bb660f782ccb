"""`callctl trace find`: one push in the traces of every part that had it in hand."""

from __future__ import annotations

from dataclasses import asdict

from callctl.cli.client import HERE, Where
from callctl.cli.errors import Unreachable, Usage
from callctl.cli.output import print_json, print_table
from callctl.io.state_dir import default_path
from callctl.io.trace_files import FOLDER
from callctl.io.trace_files import find as lines_of

SHORTEST = 4  # characters; fewer would mean half of all traces


def find(tracking_id: str, /, *, where: Where = HERE) -> int:
    """Every line about one push: CallManager, CPNS, Push REST and the partner's emulator.

    Reads the traces in the state directory, also when the cluster has ended. `callctl push list`
    shows tracking ids. Exits with 1 if there is no such line.

    Parameters
    ----------
    tracking_id
        The tracking id of the push, or the start of it.
    """
    if len(tracking_id) < SHORTEST or any(c.isspace() for c in tracking_id):
        raise Usage(f"a tracking id, or at least {SHORTEST} characters of its start, is needed")
    root = (where.state or default_path()) / FOLDER
    if not root.is_dir():
        raise Unreachable(f"there are no traces in {root}")
    try:
        found = lines_of(root, tracking_id)
    except OSError as error:
        raise Unreachable(f"{error.filename} cannot be read: {error.strerror}") from error
    if where.json:
        print_json([asdict(line) for line in found])
    else:
        print_table(
            ("TIME (UTC)", "PART", "NODE", "LEVEL", "WHAT"),
            [(line.at, line.source, line.node, line.level, line.text) for line in found],
            none=f"no trace mentions {tracking_id}",
        )
    return 0 if found else 1
