"""Provider tokens of APNs: what they say, and for how long each is used."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.cloud.provider_token import ProviderTokenError, ProviderTokenVerifier
from callctl.push.direct.provider_token import (
    EXPIRED,
    TOO_MANY,
    ProviderTokens,
    sign_provider_token,
)
from callctl.push.envelope import b64url_octets
from helpers.direct import SIGNING_KEY, TEAM_ID

HALF_HOUR = 1_720_602_000  # 2024-07-10T09:00:00Z
MINUTE = 60


def issued_at(token: str) -> int:
    claims = msgspec.json.decode(b64url_octets(token.split(".")[1]))
    assert claims["iss"] == TEAM_ID
    at = claims["iat"]
    assert isinstance(at, int)
    return at


def verifier() -> ProviderTokenVerifier:
    key = SIGNING_KEY
    return ProviderTokenVerifier({(key.team_id, key.key_id): key.private.public_key()})


def test_token_names_key_team_and_time_and_its_signature_is_good() -> None:
    token = ProviderTokens(SIGNING_KEY).bearer(HALF_HOUR + 100)
    header = msgspec.json.decode(b64url_octets(token.split(".")[0]))
    assert header == {"alg": "ES256", "kid": "KEY1234567"}
    assert issued_at(token) == HALF_HOUR
    verifier().check(token, HALF_HOUR + 100)


def test_every_node_in_each_of_its_lives_has_the_same_token_at_the_same_time() -> None:
    first, second = ProviderTokens(SIGNING_KEY), ProviderTokens(SIGNING_KEY)
    assert first.bearer(HALF_HOUR + 5) == second.bearer(HALF_HOUR + 17 * MINUTE)


def test_token_is_kept_for_20_minutes_though_a_newer_one_could_be_had() -> None:
    tokens = ProviderTokens(SIGNING_KEY)
    first = tokens.bearer(HALF_HOUR + 29 * MINUTE)
    assert tokens.bearer(HALF_HOUR + 49 * MINUTE - 1) == first
    assert issued_at(tokens.bearer(HALF_HOUR + 49 * MINUTE)) == HALF_HOUR + 30 * MINUTE


def test_token_that_apns_calls_expired_is_left_if_there_is_a_newer_one() -> None:
    tokens = ProviderTokens(SIGNING_KEY)
    first = tokens.bearer(HALF_HOUR + 29 * MINUTE)
    now = HALF_HOUR + 31 * MINUTE
    assert tokens.refused(first, EXPIRED, now)
    newer = tokens.bearer(now)
    assert issued_at(newer) == HALF_HOUR + 30 * MINUTE
    # No better one is to be had, so the push is not sent again.
    assert not tokens.refused(newer, EXPIRED, now)
    # That of another push that was under way is no news.
    assert tokens.refused(first, EXPIRED, now)
    assert tokens.bearer(now) == newer


def test_too_many_updates_lead_back_to_the_token_before_for_20_minutes() -> None:
    tokens = ProviderTokens(SIGNING_KEY)
    now = HALF_HOUR + 31 * MINUTE
    newer = tokens.bearer(now)
    assert tokens.refused(newer, TOO_MANY, now)
    assert issued_at(tokens.bearer(now)) == HALF_HOUR
    assert issued_at(tokens.bearer(now + 20 * MINUTE - 1)) == HALF_HOUR
    assert issued_at(tokens.bearer(now + 20 * MINUTE)) == HALF_HOUR + 30 * MINUTE


def test_there_is_no_way_back_to_a_token_that_is_nearly_60_minutes_old() -> None:
    tokens = ProviderTokens(SIGNING_KEY)
    now = HALF_HOUR + 59 * MINUTE
    token = tokens.bearer(now)
    assert not tokens.refused(token, TOO_MANY, now)
    assert tokens.bearer(now) == token


def test_reason_that_no_other_token_would_change_leads_to_none() -> None:
    tokens = ProviderTokens(SIGNING_KEY)
    token = tokens.bearer(HALF_HOUR)
    assert not tokens.refused(token, "InvalidProviderToken", HALF_HOUR + 40 * MINUTE)


waits = st.lists(st.integers(0, 5_000), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 3_600), waits=waits)
def test_one_provider_renews_after_20_minutes_and_before_60_whenever_it_pushes(
    start: int, waits: list[int]
) -> None:
    tokens, apns = ProviderTokens(SIGNING_KEY), verifier()
    now = HALF_HOUR + start
    used, since = "", 0
    for wait in waits:
        now += wait
        token = tokens.bearer(now)
        apns.check(token, now)  # never too old, never too many
        assert 0 <= now - issued_at(token) <= 3_000
        if token != used:
            assert not used or now - since >= 1_200
            used, since = token, now


@settings(max_examples=150, deadline=None)
@given(
    pushes=st.lists(
        st.tuples(st.integers(0, 2_000), st.integers(0, 2), st.booleans()), min_size=1, max_size=40
    )
)
def test_push_of_nodes_that_share_a_key_and_restart_at_will_is_heard_at_the_second_try_at_last(
    pushes: list[tuple[int, int, bool]],
) -> None:
    """Each push: seconds since the one before, the node, whether that has just been restarted."""
    nodes = [ProviderTokens(SIGNING_KEY) for _ in range(3)]
    apns, now = verifier(), HALF_HOUR
    for wait, which, restarted in pushes:
        now += wait
        if restarted:
            nodes[which] = ProviderTokens(SIGNING_KEY)
        node = nodes[which]
        token = node.bearer(now)
        refused = ""
        try:
            apns.check(token, now)
        except ProviderTokenError as error:
            refused = str(error)
        if refused:
            assert refused == TOO_MANY
            assert node.refused(token, TOO_MANY, now)
            apns.check(node.bearer(now), now)
        assert 0 <= now - issued_at(node.bearer(now)) <= 3_600


def test_signature_is_the_same_for_the_same_key_and_time() -> None:
    assert sign_provider_token(SIGNING_KEY, 7) == sign_provider_token(SIGNING_KEY, 7)
