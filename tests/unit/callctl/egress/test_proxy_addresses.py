"""The addresses of the proxy in virtual time."""

from __future__ import annotations

import pytest

from callctl.egress.proxy_addresses import LIFETIME_S, UNANSWERED_S, ProxyAddresses, in_turn
from sipstack.timing import SECOND, Instant

A, B, C = "192.0.2.3", "192.0.2.1", "2001:db8::2"
START = Instant(5 * SECOND)
HOUR = LIFETIME_S * SECOND


@pytest.mark.req("PROXY-07", "OP-55")
def test_answer_is_kept_for_an_hour_and_not_longer() -> None:
    kept = ProxyAddresses()
    assert kept.known(START) is None
    assert kept.answered((A, B), START) == (A, B)
    assert LIFETIME_S == 3_600
    assert kept.known(Instant(START + HOUR - 1)) == (A, B)
    assert kept.known(Instant(START + HOUR)) is None
    kept.answered((C,), Instant(START + HOUR))
    assert kept.known(Instant(START + HOUR)) == (C,)


@pytest.mark.req("OP-55")
def test_addresses_keep_the_order_of_the_answer_each_once() -> None:
    assert ProxyAddresses().answered((A, C, B, A), START) == (A, C, B)


def test_old_answer_serves_on_while_no_name_server_answers() -> None:
    kept = ProxyAddresses()
    kept.answered((A, B), START)
    later = Instant(START + HOUR)
    assert kept.unanswered(later) == (A, B)
    assert kept.known(Instant(later + UNANSWERED_S * SECOND - 1)) == (A, B)
    assert kept.known(Instant(later + UNANSWERED_S * SECOND)) is None


def test_name_that_does_not_exist_is_asked_for_again() -> None:
    kept = ProxyAddresses()
    assert kept.answered((), START) == ()
    assert kept.known(START) is None
    assert kept.unanswered(START) == ()
    assert kept.known(START) is None


@pytest.mark.req("PROXY-06", "OP-35")
def test_second_time_begins_behind_the_address_that_was_used_and_does_without_it() -> None:
    assert in_turn((A, B, C), None) == (A, B, C)
    assert in_turn((A, B, C), A) == (B, C)
    assert in_turn((A, B, C), B) == (C, A)
    assert in_turn((A, B, C), "2001:db8:0::2") == (A, B)
    assert in_turn((A,), A) == ()
    assert in_turn((A, B), "192.0.2.99") == (A, B)
