"""sippy as a back-to-back gateway behind a node; run as a program of its own.

    sippy_gateway.py PORT NODE_HOST:NODE_PORT USER PASSWORD DOMAIN CALLEE

It registers USER at the node. A call from the node goes to the phone that has registered at the
gateway itself, or without one back through the node to CALLEE, with the digest of USER: then the
call has two halves. A call from the phone goes to the node likewise. The phone is challenged with
401 and never with 407; its password is not looked at. Prints what happens, one line an event.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from sippy.CCEvents import CCEventDisconnect, CCEventTry
from sippy.Core.EventDispatcher import ED2
from sippy.SipConf import SipConf
from sippy.SipHeader import SipHeader
from sippy.SipLogger import SipLogger
from sippy.SipRegistrationAgent import SipRegistrationAgent
from sippy.SipTransactionManager import SipTransactionManager
from sippy.SipURL import SipURL
from sippy.UA import UA

HOST = "127.0.0.1"
TAG = "gateway"  # in a challenge and in the call: PySIPio never looks at a second one
CHALLENGE = f'WWW-Authenticate: Digest realm="{HOST}", nonce="0123456789abcdef", algorithm=MD5'
Address = tuple[str, int]


class Gateway:
    """Registers, and makes a bridge of each call."""

    def __init__(self, port: int, node: Address, user: str, password: str, callee: str) -> None:
        self.node = node
        self.user = user
        self.password = password
        self.callee = callee
        self.phone: tuple[str, Address] | None = None  # its user, and where it is
        self.config: dict[str, Any] = {
            "_sip_address": HOST,
            "_sip_port": port,
            "_sip_logger": SipLogger("gateway"),
            "nh_addr": node,
        }
        self.config["_sip_tm"] = SipTransactionManager(self.config, self.receive)

    def register(self, domain: str) -> None:
        """Register at the node, and again before it expires."""
        host, port = self.node
        agent = SipRegistrationAgent(
            self.config,
            SipURL(username=self.user, host=domain),
            SipURL(username=self.user, host=HOST, port=self.config["_sip_port"]),
            user=self.user,
            passw=self.password,
            exp=600,
            rok_cb=lambda *_: say("registered"),
            rfail_cb=lambda *_: say("not registered"),
            target=((host, port), "udp"),
        )
        agent.doregister()

    def receive(self, request: Any, transaction: Any) -> Any:
        """A request outside of a dialog: the response, or what takes the dialog over."""
        method, source = request.getMethod(), request.getSource()
        # PySIPio puts the To tag of a challenge into the REGISTER that answers it.
        if request.getHFBody("to").getTag() is not None and method != "REGISTER":
            return request.genResponse(481, "No such dialog"), None, None
        if method not in ("REGISTER", "INVITE"):
            return request.genResponse(501, "Not implemented"), None, None
        # PySIPio finds a challenge only behind this, which sippy leaves out where it says nothing.
        request.getHFBody("via").params["received"] = source[0]
        if source != self.node and not request.countHFs("authorization"):
            say(f"challenged {method}")
            refusal = request.genResponse(401, "Unauthorized")
            refusal.getHFBody("to").setTag(TAG)
            refusal.appendHeader(SipHeader(CHALLENGE))
            return refusal, None, None
        if method == "REGISTER":
            user = request.getHFBody("to").getUrl().username
            leaves = request.getHFBody("contact").address.params.get("expires") == "0"
            self.phone = None if leaves else (user, source)
            say(f"phone {'gone' if leaves else 'registered'}")
            return request.genResponse(200, "OK"), None, None
        bridge = Bridge(self, from_node=source == self.node)
        return bridge.near.recvRequest(request, transaction)


class Bridge:
    """Two legs, each told what happens to the other."""

    def __init__(self, gateway: Gateway, *, from_node: bool) -> None:
        self._gateway = gateway
        self._from_node = from_node
        self.near = UA(gateway.config, self._happened, ltag=TAG)
        self._far: Any = None

    def _happened(self, event: Any, leg: Any) -> None:
        say(f"{'near' if leg is self.near else 'far'} {type(event).__name__}")
        if leg is not self.near:
            self.near.recvEvent(event)
            return
        if self._far is None:
            if not isinstance(event, CCEventTry):
                self.near.recvEvent(CCEventDisconnect())
                return
            event = self._onward(event)
        elif self._far.rAddr is not None:
            # PySIPio's Contact says transport=UDP; sippy knows the word in small letters only.
            self._far.rAddr = self._far.rAddr[0], "udp"
        self._far.recvEvent(event)

    def _onward(self, event: Any) -> Any:
        """Make the leg to the other side; its first event."""
        gateway = self._gateway
        call_id, caller, callee, body, _, name = event.getData()[:6]
        if self._from_node and gateway.phone is not None:
            user, address = gateway.phone
            self._far = UA(gateway.config, self._happened, nh_address=address)
            return CCEventTry((call_id, caller, user, body, None, name), rtime=event.rtime)
        if self._from_node:
            callee = gateway.callee
        self._far = UA(
            gateway.config,
            self._happened,
            username=gateway.user,
            password=gateway.password,
            nh_address=gateway.node,
        )
        return CCEventTry((call_id, gateway.user, callee, body, None, name), rtime=event.rtime)


def say(event: str) -> None:
    print(event, flush=True)


def main() -> None:
    port, node, user, domain, callee = sys.argv[1:]
    password = os.environ["SIP_PASSWORD"]  # arguments can be read by everybody on the machine
    host, _, node_port = node.partition(":")
    SipConf.my_uaname = "sippy-b2bua"
    gateway = Gateway(int(port), (host, int(node_port)), user, password, callee)
    gateway.register(domain)
    ED2.loop()


if __name__ == "__main__":
    main()
