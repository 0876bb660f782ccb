"""`callctl trace`: what a running cluster sends and receives, as a pcapng file."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from time import monotonic
from typing import Annotated, BinaryIO, Final

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Usage
from callctl.cli.output import print_error

STDOUT: Final = "-"


app = App(name="trace", help="What a running cluster sends and receives: packets, and pushes.")
app.command(
    "callctl.cli.trace_find:find", name="find", help="One push in the traces of every part."
)
app.command(
    "callctl.cli.trace_level:level", name="level", help="How much each part writes into its traces."
)


@app.default
def trace(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    seconds: Annotated[
        float | None, Parameter(help="Stop after so long; else at Ctrl-C or the cluster's end.")
    ] = None,
    secrets: Annotated[
        bool, Parameter(negative="", help="Keep digests and push tokens readable.")
    ] = False,
    where: Where = HERE,
) -> int:
    """Write SIP of all nodes, TLS in the clear, and pushes as comments, for Wireshark or sngrep.

    Parameters
    ----------
    file
        The pcapng file; `-` for stdout, as in `callctl trace - | tshark -r -`.
    """
    client = AdminClient(where)
    limit = {} if seconds is None else {"seconds": seconds}
    pieces = client.stream("trace", mask_secrets=not secrets, **limit)
    octets, began = 0, monotonic()
    with _opened(file) as out, suppress(KeyboardInterrupt):
        for piece in pieces:
            out.write(piece)
            out.flush()
            octets += len(piece)
    name = "stdout" if file == STDOUT else file
    print_error(f"{octets} octets in {monotonic() - began:.1f} s written to {name}")
    return 0


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    if file == STDOUT:
        return nullcontext(sys.stdout.buffer)
    try:
        return Path(file).open("wb")
    except OSError as error:
        raise Usage(f"{file} cannot be written: {error.strerror}") from error
