"""The support token as people copy it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.serviceability.support_token import SupportToken
from helpers.pushes import CountedEntropy


@pytest.mark.req("OP-52", "TRB-12")
@given(st.binary(min_size=32, max_size=32))
def test_it_is_eleven_groups_of_five_and_read_back_however_it_is_typed(key: bytes) -> None:
    token = SupportToken(key)
    text = str(token)
    assert [len(group) for group in text.split("-")] == [5] * 11
    assert SupportToken.parse(text) == token
    assert SupportToken.parse(text.lower().replace("-", " ") + "\n") == token


@given(st.integers(0, 54), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_slip_of_the_pen_is_noticed(at: int, letter: str) -> None:
    token = SupportToken(bytes(range(32)))
    letters = str(token).replace("-", "")
    typed = letters[:at] + letter + letters[at + 1 :]
    if typed == letters:
        return
    with pytest.raises(ValueError, match="not copied rightly") as caught:
        SupportToken.parse(typed)
    assert typed not in str(caught.value)


@pytest.mark.parametrize("text", ["", "ABC", "1" * 55, "A" * 54, "Ü" * 55])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="support token"):
        SupportToken.parse(text)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        SupportToken(bytes(16))


@pytest.mark.parametrize(
    "sealed", [{}, {"iv": "zz", "ct": ""}, {"iv": 1, "ct": 2}, {"iv": "00" * 12, "ct": "00"}]
)
def test_what_was_not_sealed_is_not_opened(sealed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="does not open"):
        SupportToken(bytes(32)).open(sealed, "")


@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_what_was_sealed_is_opened(fields: dict[str, str]) -> None:
    token = SupportToken.make(CountedEntropy())
    assert token.open(token.seal(fields, CountedEntropy(), "c\nr"), "c\nr") == fields
