"""Two user agents on a wire that changes octets: they take anything, and come to rest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random

import pytest

from callctl.phone.settings import AnswerPlan
from callctl.phone.user_agent import UserAgent
from helpers.phone_rig import AGENT, PHONE, Rig, s
from helpers.phone_wire import Seeded

SPICE = (b"\r\n", b"<", b">", b'"', b";", b",", b"=", b"@", b":", b" ", b"%", b"\0", b"\xff", b"9")


def mutated(data: bytes, chance: Random) -> bytes:
    octets = bytearray(data)
    for _ in range(chance.randint(0, 2)):
        at = chance.randrange(len(octets))
        match chance.randrange(3):
            case 0:
                octets[at : at + 1] = chance.choice(SPICE)
            case 1:
                del octets[at : at + chance.randint(1, 12)]
            case _:
                octets[at:at] = chance.choice(SPICE)
    return bytes(octets)


@pytest.mark.parametrize("seed", range(60))
def test_no_octets_from_the_network_break_a_user_agent(seed: int) -> None:
    chance = Random(seed)
    rig = Rig()
    wire = rig.wire
    plan = AnswerPlan(after_ns=s(chance.random()), status=chance.choice((200, 200, 603)))
    desk = UserAgent(replace(AGENT, retry_base_ns=None, answer=plan), Seeded(seed))
    caller = rig.nodes[0].caller
    caller.plan = plan
    wire.add("desk", *PHONE, desk)
    # The scripted node that takes a REGISTER is no part of the product.
    wire.spoil = lambda data: data if data.startswith(b"REGISTER") else mutated(data, chance)
    for round_ms in range(0, 40_000, 4_000):
        wire.at(round_ms, "desk", desk.register)
        wire.at(round_ms + 500, "desk", lambda now: desk.invite("1001", now)[1])
        wire.at(round_ms + 1_000, "node1", lambda now: caller.invite("2001", now)[1])
    for number in range(1, 41):
        wire.at(60_000, "desk", partial(desk.bye, number))
        wire.at(60_000, "node1", partial(caller.bye, number))
    wire.at(60_000, "desk", desk.unregister)
    wire.run(3_600_000)
    for agent in (desk, caller):
        assert set(agent.counts().values()) == {0}
