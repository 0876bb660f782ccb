"""The servers that are compared: how each is started and which operations it can do."""

from __future__ import annotations

import shlex
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.place import (
    CALLEE_PORT,
    DOMAIN,
    HERE,
    HOST,
    PASSWORD,
    SERVER_CPU,
    SERVER_PORT,
    SINK_PORT,
    SINK_TLS_PORT,
)
from bench.process import Process, wait_until_gone

REFERENCE: Final = "kamailio"  # ratios are against this one
START_LIMIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """One peer.

    `command` is a template; `{options}` becomes the `options` of the operation's needs: "auth"
    (REGISTER is challenged), "rr" (the server stays in the path), "push" (plain HTTP POST to the
    sink for a user without contact), "push_tls" (encrypted content, HTTPS).
    """

    name: str
    command: str
    operations: frozenset[str]
    options: dict[str, str] = field(default_factory=dict)
    note: str = ""


# What bench.engine is asked for. It serves DOMAIN; users u0000000 and up have PASSWORD, one device
# each, without limit on their number. A device's push token is its user name: the sink wakes the
# user whom the body names as `user` or `target`, the only name that travels in clear.
#   --port P            UDP, on 127.0.0.1
#   --domain D, --password S
#   --auth              challenge REGISTER (MD5, qop=auth); else accept it. INVITE: never
#   --rr                Record-Route
#   --push plain|tls    plain: POST {"user": ...} over HTTP, no encryption, as the peer does;
#                       tls: the real envelope over HTTPS
#   --push-url URL      where to
#   --push-ca FILE      whom to trust, with tls
ENGINE: Final = (
    "{python} -m bench.engine --port {port} --domain {domain} --password {password} {options}"
)

SERVERS: Final = {
    server.name: server
    for server in (
        Server(
            "kamailio",
            "kamailio -f {here}/kamailio/kamailio.cfg -DD -E -m 1536 -M 16 -x fm -X fm"
            " -w {run} -Y {run} -P {run}/kamailio.pid {options}",
            frozenset({"register", "register_auth", "call_rr", "push", "memory"}),
            {"auth": "-A WITH_AUTH", "rr": "-A WITH_RR", "push": "-A WITH_PUSH"},
            "Debian's Kamailio, one worker, allocator fm; push through tsilo and http_client",
        ),
        Server(
            "engine",
            ENGINE,
            frozenset({"register", "register_auth", "call_rr", "push", "push_tls", "memory"}),
            {
                "auth": "--auth",
                "rr": "--rr",
                "push": f"--push plain --push-url http://{HOST}:{SINK_PORT}/push",
                "push_tls": f"--push tls --push-url https://{HOST}:{SINK_TLS_PORT}/push"
                " --push-ca {run}/sink.pem",
            },
        ),
        Server(
            "sippy",
            "env SIPLOG_BEND=none SIPLOG_LVL=CRIT {python} -c"
            ' "from sippy.b2bua_simple import main_func; main_func()"'
            " -f -l {host} -p {port} -n {host}:{callee_port}",
            frozenset({"call_rr"}),
            {},
            "the B2BUA of the Python package: no registrar, one fixed next hop",
        ),
    )
}


class RunningServer:
    """A server that has answered; its processes are what is counted."""

    def __init__(self, server: Server, needs: tuple[str, ...], run: Path) -> None:
        fields = {
            "python": sys.executable,
            "here": HERE,
            "run": run,
            "host": HOST,
            "port": SERVER_PORT,
            "callee_port": CALLEE_PORT,
            "domain": DOMAIN,
            "password": PASSWORD,
        }
        options = " ".join(server.options.get(need, "") for need in needs).format(**fields)
        command = shlex.split(server.command.format(**fields, options=options))
        env = ["env", f"PYTHONPATH={HERE.parent}"]
        self._process = Process([*env, *command], SERVER_CPU, run / f"{server.name}.log")
        if not self._answers():
            log = self._process.log.read_text(errors="replace")[-2000:]
            self.stop()
            raise SystemExit(f"{server.name} did not answer; {shlex.join(command)}\n{log}")
        self.pids = self._process.pids

    def stop(self) -> None:
        pids = self._process.pids
        self._process.stop()
        wait_until_gone(pids)

    def _answers(self) -> bool:
        """True once it sends back anything at all to an OPTIONS."""
        end = time.monotonic() + START_LIMIT_S
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            probe.settimeout(0.2)
            number = 0
            while time.monotonic() < end and self._process.running:
                number += 1
                try:
                    probe.sendto(_options(probe.getsockname()[1], number), (HOST, SERVER_PORT))
                    probe.recv(65536)
                except OSError:
                    time.sleep(0.1)
                    continue
                time.sleep(0.5)  # workers that start late
                return True
        return False


def _options(port: int, number: int) -> bytes:
    return (
        f"OPTIONS sip:{HOST}:{SERVER_PORT} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {HOST}:{port};rport;branch=z9hG4bK-ready-{number}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:ready@{DOMAIN}>;tag=ready\r\n"
        f"To: <sip:{HOST}:{SERVER_PORT}>\r\n"
        f"Call-ID: ready-{port}-{number}\r\n"
        "CSeq: 1 OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
