"""What a log event may not say, by its key and by its form."""

from __future__ import annotations

import pytest

from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.mask import masked_event, masked_text


@pytest.mark.parametrize(
    "key",
    [
        "token", "refresh_token", "access_token", "password", "api_key", "Authorization", "voucher",
        "subject", "device", "device_name", "caller", "display_name", "number", "calling_number",
        "from", "to", "user", "user_id", "aor", "contact", "hunt_pilot_number", "text", "pn_prid",
    ],
)  # fmt: skip
def test_a_value_goes_by_its_key(key: str) -> None:
    assert masked_event({key: "alice"}) == {key: "***"}
    assert masked_event({"more": {key: ["alice"]}}) == {"more": {key: "***"}}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Digest username=alice, uri=x", "Authorization: ***"),
        ("sent bearer abc.def-ghi_123", "sent bearer ***"),
        ("Basic YWxpY2U6c2VjcmV0MQ==", "Basic ***"),
        ("got eyJhbGciOiJI.eyJzdWIi.c2ln now", "got *** now"),
        (f"push to {'0f' * 32}", "push to ***"),
        ("sip:alice@example.com;tag=1", "sip:***;tag=1"),
        ("tel:+498912345678", "tel:***"),
        ("mail alice@example.com", "mail ***example.com"),
        ("called +498912345678.", "called ***."),
        ("TCTALICE does not answer", "*** does not answer"),
    ],
)
def test_a_secret_or_a_person_goes_by_its_form(text: str, masked: str) -> None:
    assert masked_text(text) == masked
    assert masked_event({"detail": text}) == {"detail": masked}


@pytest.mark.parametrize(
    "text",
    [
        "the cloud answered 410 after 1200 ms",
        "bearer token needed",
        "basic push, both separate; table C3",
        "192.0.2.1:5060 and [2001:db8::1]:5061",
        "https://push.webexconnect.com/push/v1/notifications",
        "KeyError at call.py:120",
        "6f9c2d1e-0000-4000-8000-000012345678",
        "2024-07-10T09:00:00.250999Z",
        *CATALOGUE,
        *(each.explanation for each in CATALOGUE.values()),
    ],
)
def test_what_is_neither_stays(text: str) -> None:
    assert masked_text(text) == text


def test_objects_and_octets_show_nothing() -> None:
    class Talkative:
        def __repr__(self) -> str:
            return "alice"

    deep: object = "alice"
    for _ in range(9):
        deep = [deep]
    event = masked_event({"a": Talkative(), "b": b"alice", "c": deep, "d": 1.5, "e": None})
    assert "alice" not in repr(event)
    assert (event["d"], event["e"]) == (1.5, None)
