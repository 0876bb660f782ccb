"""A cluster as the text of a cluster file: all that calls depend on, secrets replaced.

Clouds, certificates, collectors of alarms and the servers beside the cluster are left out: they are
of the place where it runs. Where nothing else is said, defaults are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from io import StringIO
from typing import Any, TypeAlias

from ruamel.yaml import YAML

from callctl.model.cluster import Cluster
from callctl.model.device import ClientType, Device
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import NO_FORWARDING, ExternalPresentation, Forwarding, Line
from callctl.model.node import Node
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import SipProfile, SipTrunk, TrunkCredentials
from callctl.model.user import User

Tree: TypeAlias = dict[str, Any]
Passwords: TypeAlias = Callable[[str], str]
"""The password to write for a user name."""


def cluster_text(cluster: Cluster, passwords: Passwords) -> str:
    """YAML that `load_cluster` reads as the same cluster, with other passwords."""
    out = StringIO()
    yaml = YAML()
    yaml.default_flow_style = None  # lists of words on a line of their own
    yaml.width = 10_000  # folded lines would end in blanks
    yaml.dump(cluster_tree(cluster, passwords), out)
    return out.getvalue()


def cluster_tree(cluster: Cluster, passwords: Passwords) -> Tree:
    """The cluster as mappings and lists, in the order of a cluster file."""
    return _without_defaults(
        {
            "id": cluster.id,
            "domain": cluster.domain,
            "release": str(cluster.release),
            "unrestricted": cluster.unrestricted,
            "nodes": {name: _node(node) for name, node in cluster.nodes.items()},
            "cm_groups": {name: list(it.nodes) for name, it in cluster.cm_groups.items()},
            "device_pools": {
                name: _without_defaults({"cm_group": it.cm_group, "description": it.description})
                for name, it in cluster.device_pools.items()
            },
            "users": {name: _user(it, passwords) for name, it in cluster.users.items()},
            "lines": {dn: _line(it) for dn, it in cluster.lines.items()},
            "devices": {name: _device(it) for name, it in cluster.devices.items()},
            "hunt_pilots": {dn: _hunt_pilot(it) for dn, it in cluster.hunt_pilots.items()},
            "trunks": {name: _trunk(it, passwords) for name, it in cluster.trunks.items()},
            "route_patterns": {
                it.pattern: _without_defaults(
                    {"trunks": list(it.trunks), "strip": it.strip, "prefix": it.prefix}
                )
                for it in cluster.route_patterns
            },
            "sip_profiles": {name: _profile(it) for name, it in cluster.sip_profiles.items()},
            "service_parameters": _parameters(cluster.service_parameters),
            "cloud": {"push_enabled": True, "emulator": True} if cluster.cloud.push_enabled else {},
            "websocket": _without_defaults(
                {
                    "origins": list(cluster.websocket.allowed),
                    "origin_required": cluster.websocket.required,
                }
            ),
        }
    )


def _node(node: Node) -> Tree:
    listeners = [str(listener) for listener in node.listeners]
    return _without_defaults(
        {"listeners": listeners, "fqdn": node.fqdn, "publisher": node.publisher}
    ) | ({"cpns_port": node.cpns_port} if node.cpns_port else {})


def _user(user: User, passwords: Passwords) -> Tree:
    return _without_defaults(
        {
            "password": passwords(user.user_id),
            "display_name": user.display_name,
            "mobility_identity": user.mobility_identity,
        }
    )


def _line(line: Line) -> Tree:
    return _without_defaults(
        {
            "display_name": line.display_name,
            "external_presentation": _presentation(line.external_presentation),
            "description": line.description,
            "forwarding": _forwarding(line.forwarding),
        }
    )


def _forwarding(forwarding: Forwarding) -> Tree:
    if forwarding == NO_FORWARDING:
        return {}
    tree = {each.name: getattr(forwarding, each.name) for each in fields(forwarding)}
    return _without_defaults(tree)


def _device(device: Device) -> Tree:
    return _without_defaults(
        {
            "owner": device.owner,
            "lines": list(device.lines),
            "device_pool": device.device_pool,
            "platform": device.platform.value,
            "client": "" if device.client is ClientType.STANDARD else device.client.value,
            "os_version": device.os_version,
            "client_version": device.client_version,
            "custom_region": device.custom_region,
            "instance": device.instance,
            "subscriber_service": device.subscriber_service,
            "sip_profile": device.sip_profile,
            "push_channel": None if device.push_way is None else device.push_way.value,
        }
    )


def _hunt_pilot(pilot: HuntPilot) -> Tree:
    sequential = pilot.distribution is Distribution.SEQUENTIAL
    return _without_defaults(
        {
            "members": list(pilot.members),
            "distribution": "" if sequential else pilot.distribution.value,
            "display_name": pilot.display_name,
            "member_ring_s": pilot.member_ring_s,
            "forward_unanswered": pilot.forward_unanswered,
        }
    )


def _trunk(trunk: SipTrunk, passwords: Passwords) -> Tree:
    tree = _without_defaults(
        {
            "destinations": [str(destination) for destination in trunk.destinations],
            "try_s": trunk.try_s,
            "outbound": _credentials(trunk.outbound, passwords),
            "inbound": _credentials(trunk.inbound, passwords),
            "external_presentation": _presentation(trunk.external_presentation),
            "sip_profile": trunk.sip_profile,
        }
    )
    return tree | {
        "options_ping_s": trunk.options_ping_s,
        "trust_identity": trunk.trust_identity,
    }


def _credentials(credentials: TrunkCredentials | None, passwords: Passwords) -> Tree:
    if credentials is None:
        return {}
    return {"username": credentials.username, "password": passwords(credentials.username)}


def _profile(profile: SipProfile) -> Tree:
    return _without_defaults(
        {
            "enable_external_presentation": profile.enable_external_presentation,
            "external_presentation": _presentation(profile.external_presentation),
        }
    )


def _presentation(shown: ExternalPresentation | None) -> Tree:
    if shown is None:
        return {}
    return _without_defaults(
        {"name": shown.name, "number": shown.number, "anonymous": shown.anonymous}
    )


def _parameters(parameters: ServiceParameters) -> Tree:
    default = ServiceParameters()
    return {
        each.name: getattr(parameters, each.name)
        for each in fields(parameters)
        if getattr(parameters, each.name) != getattr(default, each.name)
    }


def _without_defaults(tree: Tree) -> Tree:
    """Without what is empty or off; 0 is neither."""
    return {key: it for key, it in tree.items() if it or (it == 0 and it is not False)}
