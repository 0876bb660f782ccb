"""Who the phones and callers are: drawn from the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final, TypeVar

from callctl.fleet.plan import Group, Phones
from callctl.model.device import Platform

T = TypeVar("T")

PREFIXES: Final = {Platform.IOS: "TCT", Platform.ANDROID: "BOT"}
FIRST_PHONE: Final = 7_000_000  # directory numbers of the own cluster; a device is named after it
FIRST_CALLER: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class PhoneTraits:
    """One phone, as far as its group and chance decide it. Times in ns."""

    group: Group
    os_version: str
    transport: str  # "TLS", "TCP" or "UDP"
    awake: bool
    never_wakes: bool
    tap_after_ns: int


def draw_phones(phones: Phones, random: Random) -> Iterator[PhoneTraits]:
    """Every phone. Shares are kept to the last phone; who is what is up to chance."""
    count = phones.count
    groups = dealt([(group, group.share) for group in phones.groups], count, random)
    transports = dealt(phones.transports, count, random)
    rest = max(0.0, 1 - phones.awake - phones.never_wake)
    manners = dealt(
        [("awake", phones.awake), ("never wakes", phones.never_wake), ("sleeps", rest)],
        count,
        random,
    )
    for group, transport, manner in zip(groups, transports, manners, strict=True):
        versions, shares = zip(*group.os_versions, strict=True)
        yield PhoneTraits(
            group,
            random.choices(versions, shares)[0],
            transport,
            manner == "awake",
            manner == "never wakes",
            phones.tap_after.draw(random),
        )


def dealt(shares: Sequence[tuple[T, float]], count: int, random: Random) -> list[T]:
    """`count` values, each as often as its share asks for, in an order of chance."""
    total = sum(share for _, share in shares)
    bounds = [round(count * reached / total) for reached in accumulate(it for _, it in shares)]
    values: list[T] = []
    for (value, _), bound in zip(shares, bounds, strict=True):
        values += [value] * (bound - len(values))
    random.shuffle(values)
    return values


def phone_device(number: int, platform: Platform) -> tuple[str, str]:
    """Directory number, which is the user id too, and device name of a phone from 0 on."""
    dn = str(FIRST_PHONE + number)
    return dn, PREFIXES[platform] + dn


def caller_device(number: int) -> tuple[str, str]:
    """Directory number, which is the user id too, and device name of a caller from 0 on."""
    dn = str(FIRST_CALLER + number)
    return dn, f"SEP{dn}"
