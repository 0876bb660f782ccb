"""Whatever words a test says, its world comes to rest, and the kit gives the judges no cause."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any, Final

from callctl.testing import MobilePhone, NotAsExpected, Party, SetUpError
from callctl.testing.running import by_hand as perform

from .conftest import MakeWorld, World

PLAYS: Final = 25
WORDS_MAX: Final = 30

Word = Coroutine[Any, Any, object]


def acts(world: World, random: Random, people: list[Party]) -> list[Callable[[], Word]]:
    """One word each, about somebody or something that is drawn."""
    cluster, cloud, network = world.cluster, world.cloud, world.network
    node, person = random.choice(cluster.nodes), random.choice(people)
    mobile = random.choice([each for each in people if isinstance(each, MobilePhone)])
    status = random.choice((401, 410, 429, 503))
    return [
        lambda: world.caller.calls(person),
        lambda: world.caller.calls(random.choice(("3000", "0049171555", "9999"))),
        lambda: mobile.calls(person),
        lambda: person.answers(within=3),
        lambda: person.declines(within=3),
        world.caller.gives_up,
        lambda: world.caller.hangs_up(within=1),
        lambda: mobile.taps_notification(within=2),
        lambda: mobile.falls_asleep(within=8),
        mobile.loses_network,
        mobile.finds_network,
        mobile.removes_app,
        mobile.closes_app,
        node.dies,
        node.stops,
        node.loses_power,
        node.comes_back,
        node.push_service.stops,
        node.push_service.starts,
        lambda: network.cuts(node, random.choice((world.phone, world.caller))),
        lambda: network.isolates(node),
        lambda: network.loses(0.2),
        network.heals,
        lambda: cloud.push_rest.answers(status, times=random.choice((1, None))),
        cloud.push_rest.is_unreachable,
        cloud.apns.loses_pushes,
        cloud.recovers,
    ]


def play(world: World, random: Random) -> list[str]:
    """Some words; then what the judges have to say."""
    cluster, phone = world.cluster, world.phone
    china = cluster.iphone(custom_region=True)
    android, desk = cluster.android(), cluster.desk_phone(phone.number)
    people: list[Party] = [phone, china, android, desk, cluster.android(client="standard")]
    cluster.hunt_pilot(phone, android, member_rings=5, then=desk)
    cluster.trunk(peers=2)
    for _ in range(random.randint(3, WORDS_MAX)):
        with suppress(NotAsExpected, SetUpError):  # what is drawn need not make sense
            perform(random.choice(acts(world, random, people))())
        perform(world.clock.passes(random.choice((0, 0.05, 0.3, 1, 3))))
    return world.play.judge()


def test_no_words_make_the_judges_blame_the_cluster(make_world: MakeWorld) -> None:
    for seed in range(PLAYS):
        assert play(make_world(seed=seed), Random(seed)) == [], f"seed {seed}"
