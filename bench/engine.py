"""The engine as a benchmark sees it: one node, one UDP listener, users u0000000 and up.

    python -m bench.engine --port 15060 --domain bench.test --password secret [--auth] [--rr]
        [--push plain|tls --push-url URL [--push-ca FILE]]

It is the product's own node shell and nothing else: the same listener, engine and push client that
`callctl run` starts. `--push plain` sends content-free pushes over plain HTTP, as the peer does;
`--push tls` sends sealed ones over HTTPS.
"""

from __future__ import annotations

import argparse
import signal
import ssl
from collections.abc import Iterator

import anyio

from bench.place import HOST, user
from callctl.engine.event import DeviceSignedIn
from callctl.io.bus import Bus
from callctl.io.node_shell import NodeShell
from callctl.io.process import run_loop, settled_memory
from callctl.io.push_route import PushRoute
from callctl.io.surroundings import Surroundings
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.device import ClientType, Device, Platform
from callctl.model.line import Line
from callctl.model.node import CmGroup, DevicePool, Listener, Node
from callctl.model.release import Release
from callctl.model.service_parameter import ServiceParameters
from callctl.model.user import Secret, User
from callctl.registration.push_binding import PushBinding
from sipstack.io.clock import MonotonicClock

NODE = "ucm1"
KEY = b"benchmark key, known to everybody"[:32]
ACCESS_TOKEN = "benchmark"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--users", type=int, default=120_000)
    parser.add_argument("--auth", action="store_true", help="challenge REGISTER and INVITE")
    parser.add_argument("--rr", action="store_true", help="stay in the path of every call")
    parser.add_argument("--push", choices=("plain", "tls"))
    parser.add_argument("--push-url")
    parser.add_argument("--push-ca")
    return parser.parse_args()


def cluster_of(options: argparse.Namespace) -> Cluster:
    """A cluster of one node, with a line, a user and a device for each benchmark user."""
    platform = Platform.IOS if options.push else Platform.DESKTOP
    password = Secret(options.password)
    names = [user(number) for number in range(options.users)]
    node = Node(NODE, (Listener("UDP", HOST, options.port),), fqdn=HOST, publisher=True)
    return Cluster(
        id="bench",
        domain=options.domain,
        release=Release.parse("15"),
        nodes={NODE: node},
        cm_groups={"default": CmGroup("default", (NODE,))},
        device_pools={"default": DevicePool("default", "default")},
        users={name: User(name, password) for name in names},
        lines={name: Line(name) for name in names},
        devices={
            name: Device(name, name, (name,), "default", platform, ClientType.JABBER)
            for name in names
        },
        service_parameters=ServiceParameters(
            authentication="digest" if options.auth else "none",
            record_route="always" if options.rr else "flows",
        ),
        cloud=CloudSettings(push_enabled=options.push is not None, emulator=True),
    )


def push_bindings(cluster: Cluster, *, sealed: bool) -> Iterator[PushBinding]:
    """Every device can be woken; its push target is its user name."""
    for name in cluster.devices:
        yield PushBinding(
            device_name=name,
            platform=Platform.IOS,
            os_version="17.0",
            client=ClientType.JABBER,
            client_version="14.3",
            subscriber_service="APNS",
            voip_token=name,
            message_token=name,
            key_id="k1" if sealed else None,
            key=KEY if sealed else None,
        )


def push_route(options: argparse.Namespace) -> PushRoute | None:
    if options.push is None:
        return None
    tls = ssl.create_default_context(cafile=options.push_ca) if options.push == "tls" else None
    insecure = options.push == "plain"
    return PushRoute(options.push_url, tls, access_token=ACCESS_TOKEN, insecure=insecure)


async def serve(options: argparse.Namespace) -> None:
    cluster = cluster_of(options)
    route = push_route(options)
    around = Surroundings(
        cluster=cluster, key=KEY, bus=Bus(), clock=MonotonicClock(), route=lambda node: route
    )
    node = NodeShell(NODE, around)
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        if options.push is not None:
            for binding in push_bindings(cluster, sealed=options.push == "tls"):
                node.feed(DeviceSignedIn(binding))
        print("ready", flush=True)
        with settled_memory(), anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                node.stop()
                return


if __name__ == "__main__":
    run_loop(serve, arguments())
