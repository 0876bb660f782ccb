"""What an operation costs the server, beside its peers.

python -m bench.run                               all, to the terminal
python -m bench.run --write docs/benchmark.md     the page that the project keeps
python -m bench.run --servers kamailio,engine --operations push --repeat 3

Servers take turns inside each repeat, so that a machine that drifts drifts for all. A run during
which other processes used more than --others of a processor is done again, twice at most.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench.loopback import enter_private_loopback
from bench.operations import OPERATIONS, Operation, Sample, measure
from bench.place import CLIENT_CPU, SERVER_CPU
from bench.report import Samples, page
from bench.servers import SERVERS, Server

ATTEMPTS = 3


def main() -> None:
    options = _arguments()
    if not enter_private_loopback():
        print("no right to a loopback of our own: using the common one", file=sys.stderr)
    servers = [SERVERS[name] for name in options.servers.split(",")]
    operations = [OPERATIONS[name] for name in options.operations.split(",")]
    samples = Samples([])
    with tempfile.TemporaryDirectory(prefix="callctl-bench-", ignore_cleanup_errors=True) as top:
        for operation in operations:
            repeats = 1 if operation.name == "memory" else options.repeat
            for repeat in range(repeats):
                for server in servers:
                    if operation.name in server.operations:
                        run = Path(top) / f"{server.name}-{operation.name}-{repeat}"
                        samples.all.append(_measure_quietly(server, operation, options, run))
    text = page(samples, _command(options), _machine())
    print(text)
    if options.write:
        options.write.write_text(text)


def _measure_quietly(
    server: Server, operation: Operation, options: argparse.Namespace, run: Path
) -> Sample:
    """One sample; taken again while the machine was busy with something else."""
    for attempt in range(1, ATTEMPTS + 1):
        place = run.with_name(f"{run.name}-{attempt}")
        place.mkdir()
        sample = measure(server, operation, options.seconds, options.registrations, place)
        print(
            f"{sample.server:9} {sample.operation:14} {sample.cpu_us:8.1f} us/op"
            f" {sample.completed} done, {sample.failed} failed,"
            f" {sample.retransmissions} sent again, others {sample.others_busy:.2f}",
            file=sys.stderr,
        )
        if sample.others_busy <= options.others:
            break
    return sample


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", default=",".join(SERVERS), help="in this order")
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--repeat", type=int, default=5, help="runs of each (memory: one)")
    parser.add_argument("--seconds", type=float, default=8, help="of load in each run")
    parser.add_argument("--registrations", type=int, default=100_000, help="of the memory figure")
    parser.add_argument("--others", type=float, default=0.25, help="processors others may use")
    parser.add_argument("--write", type=Path, help="write the page to this file too")
    return parser.parse_args()


def _command(options: argparse.Namespace) -> str:
    if options.write and len(sys.argv) == 3:
        return "make bench"
    return " ".join(["python -m bench.run", *sys.argv[1:]])


def _machine() -> str:
    processors = len(os.sched_getaffinity(0))
    return (
        f"Machine: {processors} processors ({platform.machine()}), server on number {SERVER_CPU},"
        f" load on number {CLIENT_CPU}; CPython {platform.python_version()};"
        f" Linux {platform.release()}."
    )


if __name__ == "__main__":
    main()
