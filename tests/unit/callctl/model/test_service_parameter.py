"""Service parameters: defaults of the catalogue, ranges, contradictions."""

from __future__ import annotations

from typing import Any

import pytest

from callctl.model.service_parameter import PARAMETERS, ServiceParameters


def test_defaults_are_those_of_the_catalogue() -> None:
    parameters = ServiceParameters()
    assert (parameters.ring_back_s, parameters.drop_s) == (5, 13)
    assert (parameters.t1_ms, parameters.t2_ms, parameters.t4_ms) == (500, 4000, 5000)
    assert (parameters.digest_algorithm, parameters.invite_challenge_code) == ("MD5", 407)
    assert parameters.timer_c_s > 180  # RFC 3261 §16.6: more than 3 minutes


def test_every_parameter_has_a_source_a_meaning_and_a_default_in_range() -> None:
    for name, parameter in PARAMETERS.items():
        assert parameter.name == name
        assert parameter.requirement
        assert parameter.text.endswith(".")
        if parameter.low is not None and parameter.high is not None:
            assert isinstance(parameter.default, int)
            assert parameter.low <= parameter.default <= parameter.high
            assert parameter.unit


@pytest.mark.parametrize("name", [name for name, it in PARAMETERS.items() if it.low is not None])
def test_a_number_below_or_above_its_range_is_refused(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter.low is not None
    assert parameter.high is not None
    for value in (parameter.low - 1, parameter.high + 1):
        values: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=f"{name} is {value}, not"):
            ServiceParameters(**values)


@pytest.mark.parametrize(
    "values",
    [{"digest_algorithm": "md5"}, {"invite_challenge_code": 402}],
)
def test_a_choice_that_is_not_offered_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))} is"):
        ServiceParameters(**values)


def test_all_contradictions_are_named_together() -> None:
    with pytest.raises(ValueError, match="drop_s") as caught:
        ServiceParameters(ring_back_s=20, heartbeat_ms=3000)
    assert "node_suspect_ms" in str(caught.value)
