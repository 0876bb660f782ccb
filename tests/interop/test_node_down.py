"""The node of a sleeping phone is gone: the push names the next one, and the call is answered."""

from __future__ import annotations

import pytest

from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered, RegistrarFailed
from callctl.phone.phone_event import PushArrived
from callctl.push.kind import PushKind
from interop.drivers.sipp import Sipp
from interop.lab import IPHONE, SLEEPER, Site, eventually, lab

SHOWS = (
    "Three nodes; the CM group of a simulated iPhone is ucm2, ucm1, ucm3. It registered at ucm2 "
    "and sleeps; ucm2 has stopped. SIPp calls at ucm3, whose push names ucm1: there the phone "
    "registers at once, and gets the INVITE from ucm3 by way of ucm1. SIPp by UDP, the nodes among "
    "themselves and the phone by TCP."
)


@pytest.mark.anyio
@pytest.mark.needs("sipp", "tshark", "capture")
@pytest.mark.req("CMG-04", "CMG-05", "CMG-07", "CMG-08", "REG-02", "REG-11")
async def test_call_at_a_third_node_reaches_the_phone_by_the_next_node_of_its_group(
    site: Site,
) -> None:
    async with lab(site, nodes=3, group=("ucm2", "ucm1", "ucm3")) as here:
        phone = await here.sleeper(transport="TCP")
        (binding,) = here.shell.nodes[0].engine.bindings
        assert binding.node == "ucm2"
        here.shell.stop_node("ucm2")
        third = here.shell.node("ucm3")
        assert third is not None
        await eventually(lambda: not third.engine.membership.in_service("ucm2"), "end of ucm2")

        async with here.filmed("node-of-the-phone-is-down", SHOWS):
            sipp = Sipp(site.directory, here.server("UDP", "ucm3"), "udp")
            ended = await sipp.call(here.account(), SLEEPER)
            assert ended.ok, (ended.errors, ended.messages)
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP

        # The push came from a node that lives, and named the next of the group.
        assert [(node, entry.kind) for node, entry in here.shell.pushes()] == [
            ("ucm3", PushKind.INCOMING)
        ]
        (record,) = here.shell.records()
        (named,) = [dict(step.values)["node"] for step in record.steps if step.code == "ring-push"]
        assert (record.node, named) == ("ucm3", "ucm1")
        # The phone went straight there: it did not try ucm2, the first of its group.
        assert phone.all(RegistrarFailed) == []
        (registered,) = phone.all(Registered)
        assert registered.registrar.fqdn == here.shell.cluster.nodes["ucm1"].fqdn
        story = [type(event) for event in phone.seen]
        assert story.index(PushArrived) < story.index(Registered) < story.index(CallAnswered)
        (now_at,) = {b.node for b in third.engine.bindings if b.device_name == IPHONE}
        assert now_at == "ucm1"
        here.assert_clouds_know_nobody()
        await here.at_rest()
