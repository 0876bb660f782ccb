"""The registrar: what a REGISTER asks for, checked whole and then done whole or not at all.

Source: RFC 3261 §10.3, RFC 5626 §6, RFC 3327 §5.3, RFC 5627 §5, RFC 8599 §4 and §5; REG-01 to
REG-10. Authentication came before; this decides what the authenticated user may register.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from callctl.model.cluster import Cluster
from callctl.model.device import SUBSCRIBER_SERVICES, ClientType, Device, Platform
from callctl.registration.binding import (
    Binding,
    BindingKey,
    BindingTable,
    binding_key,
)
from callctl.registration.push_binding import PushBinding, Stamp, stamp_after
from sipstack.entropy import Entropy, token
from sipstack.errors import SipSyntaxError
from sipstack.message.instance import instance_of, reg_id_of
from sipstack.message.message import Request
from sipstack.message.nameaddr import NameAddr
from sipstack.message.push_params import PushParams
from sipstack.message.uri import Uri
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import UNCONNECTED, WEBSOCKET, Flow
from sipstack.transport.locate import DEFAULT_PORTS, is_numeric
from sipstack.transport.rules import same_host

SUPPORTED: Final = frozenset({"path", "outbound", "gruu", "timer", "replaces", "100rel"})
"""Option tags a REGISTER may require; those of calls cost the registrar nothing."""

PROVIDERS: Final = {
    "apns": ("APNS", Platform.IOS),
    "apns.dev": ("APNS:dev", Platform.IOS),
    "fcm": ("FCM", Platform.ANDROID),
    "fcm.dev": ("FCM:dev", Platform.ANDROID),
}
"""`pn-provider` to subscriber service and platform. Anything else is answered 555 (REG-10)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was changed; answer with this."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """What is to be stored, and what to answer 200 with."""

    stored: tuple[Binding, ...]
    removed: tuple[Binding, ...]
    push_stored: PushBinding | None
    push_removed: str | None  # device name
    headers: tuple[tuple[str, str], ...]


Outcome: TypeAlias = Registered | Refused


@dataclass(slots=True, eq=False)
class _Wish:
    """One Contact of a REGISTER, understood."""

    contact: NameAddr
    contact_text: str  # its URI
    device: Device
    expires_s: int
    push: PushParams | None
    instance: str | None
    reg_id: int | None


class Registrar:
    """Processes REGISTER requests of one node. It changes nothing itself: see `Registered`."""

    __slots__ = ("_cluster", "_entropy", "_node", "_own", "_table")

    def __init__(self, cluster: Cluster, node: str, table: BindingTable, entropy: Entropy) -> None:
        self._cluster = cluster
        self._node = node
        self._table = table
        self._entropy = entropy
        self._own = frozenset(
            (listener.host, listener.port)
            for each in cluster.nodes.values()
            for listener in each.listeners
        )

    def register(
        self,
        request: Request,
        user_id: str | None,
        flow: Flow,
        now: Instant,
        asked_at: Instant,
    ) -> Outcome:
        """Judge one REGISTER of `user_id`; None where the cluster does not authenticate.

        `asked_at`: when its sender first asked, before it was challenged.

        Raises: SipSyntaxError if a header it needs cannot be read.
        """
        unknown = [tag for tag in request.require if tag not in SUPPORTED]
        if unknown:
            return Refused(420, (("Unsupported", ", ".join(unknown)),), "extension not supported")
        dn = request.to.uri.user_unescaped
        if request.to.uri.scheme not in ("sip", "sips") or not dn:
            return Refused(404, why="To names no address of record")
        devices = self._cluster.devices_of_line.get(dn, ())
        if user_id is not None:
            allowed = tuple(d for d in devices if d.owner == user_id)
            if not allowed:
                # The same for an unknown line as for another user's: nothing to enumerate.
                return Refused(403, why="address of record is not the user's")
            devices = allowed
        if not devices:
            return Refused(404, why="no such line")
        current = self._table.of_dn(dn, now)
        stamp = (now, self._node)
        if request.contact_is_star:
            return self._remove_all(request, current, devices, dn)
        wishes = self._wishes(request, devices, current)
        if isinstance(wishes, Refused):
            return wishes
        wanted: dict[BindingKey, Binding] = {}  # of two Contacts that are one binding, the last
        removed: list[Binding] = []
        push_stored: PushBinding | None = None
        push_removed: str | None = None
        call_id, cseq = request.call_id, request.cseq.number
        for wish in wishes:
            key = binding_key(wish.device.name, wish.instance, wish.reg_id, wish.contact_text)
            old = None
            for binding in current:
                if binding.key == key:
                    old = binding
                    break
            newest = old is None or old.call_id != call_id or old.cseq < cseq
            if not newest:
                return Refused(500, why="REGISTER out of order")
            if wish.expires_s == 0:
                wanted.pop(key, None)
                if old is not None:
                    removed.append(old)
                if wish.push is not None or not self._managed(wish.device):
                    push_removed = wish.device.name
                continue
            binding = self._binding(request, wish, key, old, dn, flow, stamp, now, asked_at)
            if self._leads_here(binding, wish.contact.uri):
                return Refused(403, why="contact is a node of the cluster itself")
            wanted[key] = binding
            # Without pn-prid it only asks which providers there are (RFC 8599 §4.1.2).
            if wish.push is not None and wish.push.pn_provider and wish.push.pn_prid:
                push_stored = self._push_binding(wish.device, wish.push, stamp)
        stored = list(wanted.values())
        changed = {binding.key for binding in (*stored, *removed)}
        kept = [binding for binding in current if binding.key not in changed]
        if len(kept) + len(stored) > self._cluster.service_parameters.contacts_per_device_max:
            crowded = self._crowded(kept, stored)
            removed.extend(crowded)
            kept = [binding for binding in kept if binding not in crowded]
        headers = self._answer(request, wishes, kept + stored, now)
        return Registered(tuple(stored), tuple(removed), push_stored, push_removed, headers)

    def _wishes(
        self, request: Request, devices: tuple[Device, ...], current: tuple[Binding, ...]
    ) -> list[_Wish] | Refused:
        parameters = self._cluster.service_parameters
        try:
            contacts = request.contacts
        except SipSyntaxError:
            # Too many to be read at all is the same fault as too many for a device.
            if len(request.headers.values("contact")) <= parameters.contacts_per_device_max:
                raise
            return Refused(403, why="too many contacts in one REGISTER")
        if len(contacts) > parameters.contacts_per_device_max:
            return Refused(403, why="too many contacts in one REGISTER")
        wishes: list[_Wish] = []
        for contact in contacts:
            if contact.uri.scheme not in ("sip", "sips"):
                return Refused(400, why="contact is not a SIP URI")
            expires_s = self._expires(request, contact)
            if 0 < expires_s < parameters.register_expires_min_s:
                minimum = str(parameters.register_expires_min_s)
                return Refused(423, (("Min-Expires", minimum),), "interval too brief")
            push = PushParams.of(contact.uri)
            if push is not None and push.pn_provider and push.pn_provider not in PROVIDERS:
                return Refused(555, why="push provider is not supported")
            device = self._device(contact, devices, current)
            instance = reg_id = None
            if contact.params.text:
                instance = instance_of(contact)
                reg_id = reg_id_of(contact) if instance is not None else None
            wishes.append(
                _Wish(
                    contact,
                    contact.uri.without_headers().text,
                    device,
                    expires_s,
                    push,
                    instance,
                    reg_id,
                )
            )
        return wishes

    def _expires(self, request: Request, contact: NameAddr) -> int:
        """Seconds asked for: the parameter, else the header, else the default; capped above."""
        parameters = self._cluster.service_parameters
        text = contact.params.get("expires")
        if text is not None and text.isascii() and text.isdigit():
            wanted = int(text.lstrip("0")[:10] or "0")  # in 10 digits nothing is cut that matters
        elif request.headers.has("expires"):
            header = request.expires
            wanted = parameters.register_expires_default_s if header is None else header
        else:
            wanted = parameters.register_expires_default_s
        return min(wanted, parameters.register_expires_max_s)

    def _device(
        self, contact: NameAddr, devices: tuple[Device, ...], current: tuple[Binding, ...]
    ) -> Device:
        """Which of the user's devices on this line this contact is.

        By the device name a Unified CM client puts in its Contact, else by its instance as
        configured or as seen before, else a device of the line that nobody has taken yet.
        """
        if len(devices) == 1:
            return devices[0]
        named = (contact.params.get("+u.sip!devicename.ccm.cisco.com") or "").strip('"')
        for device in devices:
            if device.name == named:
                return device
        instance = instance_of(contact)
        if instance is not None:
            for device in devices:
                if (device.instance or "").lower() == instance.lower():
                    return device
            for binding in current:
                if (binding.instance or "").lower() == instance.lower():
                    for device in devices:
                        if device.name == binding.device_name:
                            return device
        taken = {binding.device_name for binding in current}
        standard = [d for d in devices if d.client is ClientType.STANDARD]
        for device in standard or devices:
            if device.name not in taken:
                return device
        return (standard or list(devices))[0]

    def _binding(
        self,
        request: Request,
        wish: _Wish,
        key: BindingKey,
        old: Binding | None,
        dn: str,
        flow: Flow,
        stamp: Stamp,
        now: Instant,
        asked_at: Instant,
    ) -> Binding:
        contact, instance = wish.contact, wish.instance
        outbound = False
        gruu = None
        supported = request.supported if instance is not None else []
        if wish.reg_id is not None and "outbound" in supported:
            outbound = True
        elif flow.transport in WEBSOCKET:
            outbound = True  # its Contact leads nowhere: it has nothing but its flow (RFC 7118 §5)
        if "gruu" in supported:
            gruu = f"sip:{request.to.uri.user}@{self._cluster.domain};gr={instance}"
        paths = request.headers.has("path")
        return Binding(
            binding_id=token(self._entropy) if old is None else old.binding_id,
            key=key,
            device_name=wish.device.name,
            dn=dn,
            contact=wish.contact_text,
            contact_headers=contact.uri.headers,
            contact_params=str(contact.params.without("expires")) if contact.params.text else "",
            instance=instance,
            reg_id=wish.reg_id,
            node=self._node,
            incarnation=self._table.incarnation,
            flow=flow if outbound else _flow_to(contact.uri, request, flow),
            path=tuple(str(path) for path in request.paths) if paths else (),
            call_id=request.call_id,
            cseq=request.cseq.number,
            expires_at=Instant(now + wish.expires_s * SECOND),
            outbound=outbound,
            gruu=gruu,
            # Later than what it replaces, also if the clock of another node was ahead of ours.
            stamp=stamp_after(None if old is None else old.stamp, *stamp),
            asked_at=asked_at,
        )

    def _leads_here(self, binding: Binding, contact: Uri) -> bool:
        """True if what is sent to the device would come back to a node, and go round."""
        flow = binding.flow
        if flow is None:
            host, port = contact.host_port()
            return (host, port or DEFAULT_PORTS["TCP"]) in self._own
        return flow.connection == UNCONNECTED and (flow.remote_host, flow.remote_port) in self._own

    def _crowded(self, kept: list[Binding], stored: list[Binding]) -> list[Binding]:
        """The oldest contacts of a device that now has more than it may have."""
        limit = self._cluster.service_parameters.contacts_per_device_max
        crowded: list[Binding] = []
        for name in dict.fromkeys(b.device_name for b in stored):
            mine = [b for b in kept if b.device_name == name]
            new = sum(1 for b in stored if b.device_name == name)
            crowded.extend(mine[: max(0, len(mine) + new - limit)])
        return crowded

    def _remove_all(
        self,
        request: Request,
        current: tuple[Binding, ...],
        devices: tuple[Device, ...],
        dn: str,
    ) -> Outcome:
        """`Contact: *`: all bindings of the user's devices on this line go (RFC 3261 §10.3 6)."""
        if len(request.headers.values("contact")) > 1 or request.expires != 0:
            return Refused(400, why="Contact * needs Expires 0 and stands alone")
        names = {device.name for device in devices}
        mine = tuple(b for b in current if b.device_name in names)
        call_id, cseq = request.call_id, request.cseq.number
        if any(b.call_id == call_id and cseq <= b.cseq for b in mine):
            return Refused(500, why="REGISTER out of order")
        unmanaged = [d.name for d in devices if not self._managed(d)]
        push_removed = unmanaged[0] if len(unmanaged) == 1 else None
        return Registered((), mine, None, push_removed, ())

    @staticmethod
    def _managed(device: Device) -> bool:
        return device.client is not ClientType.STANDARD

    def _push_binding(self, device: Device, push: PushParams, stamp: Stamp) -> PushBinding:
        service, platform = PROVIDERS[push.pn_provider]
        chosen = device.subscriber_service  # RFC 8599 knows none of them: what was configured
        if chosen is not None and SUBSCRIBER_SERVICES[chosen] is platform:
            service = chosen
        return PushBinding(
            device_name=device.name,
            platform=platform,
            os_version=device.os_version or "",
            client=device.client,
            client_version=device.client_version or "",
            subscriber_service=service,
            voip_token=push.voip_token,
            message_token=push.message_token,
            custom_region=device.custom_region,
            topic=push.apple_topic if platform is Platform.IOS else push.pn_param,
            managed=False,
            stamp=stamp,
        )

    def _answer(
        self, request: Request, wishes: list[_Wish], bindings: list[Binding], now: Instant
    ) -> tuple[tuple[str, str], ...]:
        headers: list[tuple[str, str]] = []
        for binding in bindings:
            left_s = -((now - binding.expires_at) // SECOND)
            escaped = f"?{binding.contact_headers}" if binding.contact_headers else ""
            value = f"<{binding.contact}{escaped}>{binding.contact_params};expires={left_s}"
            if binding.gruu is not None:
                value += f';pub-gruu="{binding.gruu}"'
            headers.append(("Contact", value))
        paths = request.headers.all("path")
        if paths and "path" in request.supported:
            headers.extend(("Path", path) for path in paths)
        mine = (b for b in bindings if b.call_id == request.call_id and b.reg_id is not None)
        if "outbound" in request.supported and any(b.outbound for b in mine):
            headers.append(("Require", "outbound"))
            if self._cluster.service_parameters.flow_timer_s:
                flow_timer_s = self._cluster.service_parameters.flow_timer_s
                headers.append(("Flow-Timer", str(flow_timer_s)))  # RFC 5626 §4.4
        headers.append(("Supported", "path, outbound, gruu"))
        asked = [w.push.pn_provider for w in wishes if w.push is not None]
        providers = tuple(PROVIDERS) if "" in asked else tuple(dict.fromkeys(asked))
        if providers:
            values = (f'*;+sip.pns="{provider}"' for provider in providers)
            headers.append(("Feature-Caps", ", ".join(values)))
        return tuple(headers)


def _flow_to(contact: Uri, request: Request, arrived_on: Flow) -> Flow | None:
    """How to reach a contact that did not ask for outbound (RFC 5626 §5.3 does not bind us then).

    The connection it registered over, while it is up. Over UDP the source of the REGISTER if a NAT
    changed it, else what the Contact says: a client may listen elsewhere than it sends from.
    """
    if arrived_on.transport != "UDP":
        return arrived_on
    via = request.top_via
    behind_nat = not same_host(via.host, arrived_on.remote_host) or (
        (via.port or DEFAULT_PORTS["UDP"]) != arrived_on.remote_port
    )
    host, port = contact.host_port()
    # A proxy on the way that gave a Path is the way back as well (RFC 3327 §5.3).
    if (
        behind_nat
        or request.headers.has("path")
        or (host != arrived_on.remote_host and not is_numeric(host))
    ):
        return arrived_on
    if contact.transport not in (None, "udp"):
        return None
    return arrived_on._replace(remote_host=host, remote_port=port or DEFAULT_PORTS["UDP"])
