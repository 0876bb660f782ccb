"""Content, envelope and outer request."""

from __future__ import annotations

import base64
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.cloud.fcm import DATA_MAX
from callctl.cloud.translate import OuterRequest, apns_request, fcm_request
from callctl.push.content import ActiveNode, CallContent, safe_text
from callctl.push.envelope import EnvelopeError, open_envelope, parse_payload, seal
from callctl.push.events import Outcome, PushAnswered
from callctl.push.kind import PushKind
from callctl.push.reader import ReadPush, read_push
from callctl.registration.push_binding import PushBinding
from helpers.pushes import (
    ANDROID,
    CHINA,
    FCM_TOKEN,
    FULL,
    IOS_12,
    IPHONE,
    KEY,
    KEY_ID,
    KEYLESS,
    MESSAGE_TOKEN,
    UNIX_MS,
    VOIP_TOKEN,
    Service,
    at,
    features_in,
    intent,
    outcomes,
    posts,
)


def outer(
    kind: PushKind = PushKind.INCOMING,
    binding: PushBinding = IPHONE,
    release: str = "15",
    **settings: bool,
) -> dict[str, object]:
    """The outer request of one push."""
    service = Service(release, **settings)
    (post,) = posts(service.cpns.receive(intent(kind, binding), at(1_000)))
    request: dict[str, object] = msgspec.json.decode(post.body)
    return request


def opened(request: dict[str, object]) -> dict[str, object]:
    """The sealed content of an outer request."""
    envelope = parse_payload(request["payload"])
    assert envelope is not None
    names = str(request["trackingId"]), str(request["target"])
    text = open_envelope(envelope, key=KEY, tracking_id=names[0], target=names[1])
    content: dict[str, object] = msgspec.json.decode(text)
    return content


@pytest.mark.req("PUSH-01", "PUSH-04", "PUSH-05", "SEC-01", "CID-01", "CALL-20", "CMG-05", "OP-10")
@pytest.mark.req("CPNS-10")
def test_ring_push_to_ios_names_caller_hunt_pilot_and_active_node_inside_the_seal() -> None:
    request = outer()
    assert {name: value for name, value in request.items() if name != "payload"} == {
        "trackingId": request["trackingId"],
        "service": "APNS",
        "target": VOIP_TOKEN,
        "channel": "voip",
        "priority": "high",
        "ttl": 12,
    }
    assert opened(request) == {
        "v": 1,
        "event": "incoming",
        "callUUID": "c1",
        "displayName": "Büro Süd",
        "displayNumber": "+498912345678",
        "huntPilotDn": "555800099",
        "video": True,
        "activeNode": {
            "fqdn": "cm2.example.com",
            "ip": "192.0.2.12",
            "port": 5061,
            "transport": "tls",
            "role": "backup",
        },
        "sentAt": "2024-07-10T09:00:01Z",
    }


@pytest.mark.req("CPNS-01", "GEN-11")
@pytest.mark.parametrize("video", [False, True])
def test_voice_and_video_calls_are_pushed_alike_and_told_apart(video: bool) -> None:
    service = Service()
    wanted = intent()
    wanted = replace(wanted, content=replace(wanted.content, video=video))
    (post,) = posts(service.cpns.receive(wanted, at(1_000)))
    request = msgspec.json.decode(post.body)
    assert (request["channel"], request["priority"], request["ttl"]) == ("voip", "high", 12)
    assert (opened(request)["event"], opened(request)["video"]) == ("incoming", video)
    (outcome,) = outcomes(service.cpns.receive(PushAnswered(post.tracking_id, 200), at(1_080)))
    assert outcome.outcome is Outcome.ACCEPTED


@pytest.mark.req("GEN-12", "SEC-06", "PUSH-07", "CID-06")
@pytest.mark.parametrize("binding", [IPHONE, CHINA, IOS_12, ANDROID, KEYLESS])
def test_outside_the_seal_there_is_no_name_no_number_and_no_hunt_pilot(
    binding: PushBinding,
) -> None:
    service = Service(android_caller_id=True)
    (post,) = posts(service.cpns.receive(intent(binding=binding), at(0)))
    request = msgspec.json.decode(post.body)
    payload = request.pop("payload")
    assert set(request) <= {
        "trackingId", "service", "target", "channel", "priority", "ttl", "collapseId",
    }  # fmt: skip
    assert set(payload) <= {"enc", "kid", "iv", "ct", "tag"}
    hidden = [base64.urlsafe_b64decode(payload[n] + "==") for n in ("ct", "tag") if n in payload]
    for octets in (post.body, *hidden):
        for personal in ("Büro", "Süd", "498912345678", "555800099", "cm2.example"):
            assert personal.encode() not in octets
            assert base64.b64encode(personal.encode())[:-2] not in octets


@pytest.mark.req("CMG-06", "CID-02", "CPNS-10")
def test_before_12_5_su3_the_push_has_no_active_node_and_no_caller_not_even_empty_ones() -> None:
    content = opened(outer(release="12.5(1)SU2"))
    assert set(content) == {"v", "event", "callUUID", "huntPilotDn", "video", "sentAt"}


@pytest.mark.req("CMG-05", "MODE-08", "CPNS-10")
def test_ios_12_has_one_channel_and_no_active_node() -> None:
    """OP-63."""
    request = outer(binding=IOS_12, release="12.5(1)SU3")
    assert (request["channel"], request["target"], request["priority"]) == (
        "default",
        VOIP_TOKEN,
        "high",
    )
    assert "activeNode" not in opened(request)


@pytest.mark.req("CMG-05", "CID-05", "MODE-09", "AND-10")
def test_android_gets_the_active_node_and_the_caller_only_if_asked_for() -> None:
    """OP-17."""
    request = outer(binding=ANDROID)
    assert (request["service"], request["target"]) == ("FCM", FCM_TOKEN)
    assert "activeNode" in opened(request)
    assert "displayName" not in opened(request)
    assert opened(outer(binding=ANDROID, android_caller_id=True))["displayName"] == "Büro Süd"


@pytest.mark.req("CHN-01", "CHN-09", "SHL-06")
@pytest.mark.parametrize("kind", [PushKind.INCOMING, PushKind.MISSED, PushKind.ANSWERED_ELSEWHERE])
def test_custom_region_device_gets_message_pushes_that_replace_one_another(
    kind: PushKind,
) -> None:
    """OP-08."""
    request = outer(kind, CHINA)
    assert (request["channel"], request["target"]) == ("message", MESSAGE_TOKEN)
    assert request["priority"] == "high"
    assert request["collapseId"] == outer(PushKind.MISSED, CHINA)["collapseId"]
    assert request["collapseId"] != "c1"


@pytest.mark.req("CALL-21", "SHL-10", "CID-11")
def test_second_push_to_ios_is_voip_with_the_uuid_and_the_caller_of_the_first() -> None:
    """OP-07, OP-08."""
    service = Service()
    (ring,) = posts(service.cpns.receive(intent(), at(0)))
    request = outer(PushKind.MISSED)
    first, second = opened(msgspec.json.decode(ring.body)), opened(request)
    assert request["channel"] == "voip"
    assert second["event"] == "missed"
    for name in ("callUUID", "displayName", "displayNumber"):
        assert second[name] == first[name]


def test_device_without_a_key_gets_a_content_free_push() -> None:
    """OP-01."""
    assert outer(binding=KEYLESS)["payload"] == {"enc": "none"}


@pytest.mark.req("SEC-01", "OP-10")
def test_seal_opens_with_its_key_tracking_id_and_target_only() -> None:
    sealed = seal(b"hello", key=KEY, key_id="k", iv=b"i" * 12, tracking_id="t", target="d")
    assert open_envelope(sealed, key=KEY, tracking_id="t", target="d") == b"hello"
    for key, tracking_id, target in (
        (b"x" * 32, "t", "d"),
        (KEY, "u", "d"),
        (KEY, "t", "e"),
    ):
        with pytest.raises(EnvelopeError):
            open_envelope(sealed, key=key, tracking_id=tracking_id, target=target)
    broken = replace(sealed, ciphertext=b"jello")
    with pytest.raises(EnvelopeError):
        open_envelope(broken, key=KEY, tracking_id="t", target="d")


@pytest.mark.req("SEC-01")
def test_shorter_key_is_not_taken() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        seal(b"x", key=b"k" * 16, key_id="k", iv=b"i" * 12, tracking_id="t", target="d")


def test_no_two_pushes_share_an_initialisation_vector() -> None:
    service = Service(in_flight_max=500)
    ivs = set()
    for number in range(300):
        (post,) = posts(service.cpns.receive(intent(call_uuid=f"c{number}"), at(0)))
        ivs.add(msgspec.json.decode(post.body)["payload"]["iv"])
    assert len(ivs) == 300


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  Büro \r\nSüd\t", "Büro   Süd"),
        ("Bank\u202e4711", "Bank4711"),
        ("\u2066x\u2069", "x"),
        ("a\u2028b\x00c\x85d", "a b c d"),
        ("caf\udce9", "caf\ufffd"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_text_that_could_forge_a_display_is_made_harmless(text: str, shown: str) -> None:
    assert safe_text(text, 100) == shown


def test_text_is_cut_between_characters() -> None:
    assert safe_text("ééé", 5) == "éé"
    assert safe_text("abc", 2) == "ab"


ANY_TEXT = st.text(max_size=600)


@pytest.mark.req("SEC-08")
@settings(max_examples=60, deadline=None)
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_sealed_push_of_any_caller_fits_every_partner(
    name: str, number: str, pilot: str, fqdn: str
) -> None:
    node = ActiveNode(fqdn, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 65535, "tls", "tertiary")
    content = CallContent(PushKind.INCOMING, "u" * 64, name, number, pilot, True, node)
    for features in (FULL, features_in()(ANDROID)):
        text = content.plaintext(features, UNIX_MS)
        sealed = seal(
            text, key=KEY, key_id="k" * 64, iv=b"i" * 12, tracking_id="t" * 41, target="d"
        )
        push = msgspec.convert(
            {
                "trackingId": "t" * 41,
                "service": "APNS",
                "target": "d",
                "channel": "message",
                "priority": "high",
                "ttl": 13,
                "payload": sealed.payload(),
            },
            OuterRequest,
        )
        assert len(apns_request(push, "b", "x", 0).body) <= 4096
        data = msgspec.json.decode(fcm_request(push, "p", "x", 13).body)["message"]["data"]
        assert sum(len(key) + len(value) for key, value in data.items()) <= DATA_MAX


def test_longest_texts_with_every_character_escaped_still_fit() -> None:
    """SEC-08."""
    quotes = '"' * 600
    node = ActiveNode(quotes, "192.0.2.1", 5061, "tls", "primary")
    content = CallContent(PushKind.INCOMING, quotes, quotes, quotes, quotes, True, node)
    assert len(content.plaintext(FULL, UNIX_MS)) * 4 / 3 < 4096 - 600


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "hello",
        {},
        {"displayName": "Zoë"},
        {"enc": "none", "displayName": "Zoë"},
        {"enc": "A256GCM", "kid": "k", "iv": "AAAAAAAAAAAAAAAA", "ct": "AA"},
        {"enc": "A256GCM", "kid": "k", "iv": "AAAA", "ct": "AA", "tag": "A" * 22},
        {"enc": "A256GCM", "kid": "k", "iv": "A" * 16, "ct": "", "tag": "A" * 22},
        {"enc": "A256GCM", "kid": "k", "iv": "A" * 16, "ct": "A=", "tag": "A" * 22},
        {"enc": "A256GCM", "kid": "k", "iv": "A" * 16, "ct": 7, "tag": "A" * 22},
        {"enc": "A256GCM", "kid": "k", "iv": "A" * 16, "ct": "AA", "tag": "A" * 22, "x": ""},
        {
            "enc": "A256GCM",
            "kid": "k",
            "iv": "A" * 16,
            "ct": base64.urlsafe_b64encode(b'{"displayName": "Buero Sued"}' * 3)
            .decode()
            .rstrip("="),
            "tag": "A" * 22,
        },
    ],
)
def test_payload_that_is_no_envelope_is_told_from_one(payload: object) -> None:
    with pytest.raises(EnvelopeError):
        parse_payload(payload)


def test_app_reads_what_the_cluster_wrote_and_sees_how_old_it_is() -> None:
    request = outer()
    payload = {"aps": {}, "trackingId": request["trackingId"], "payload": request["payload"]}
    read = read_push(payload, VOIP_TOKEN, {KEY_ID: KEY})
    assert read.content == replace(intent().content)
    assert not read.is_stale(UNIX_MS + 61_000)
    assert read.is_stale(UNIX_MS + 61_001)


def test_app_that_renewed_its_key_cannot_read_a_push_made_with_the_old_one() -> None:
    """SEC-07."""
    request = outer()
    payload = {"trackingId": request["trackingId"], "payload": request["payload"]}
    with pytest.raises(EnvelopeError, match="not ours any more"):
        read_push(payload, VOIP_TOKEN, {"k8": KEY})


def test_app_learns_from_a_content_free_push_only_that_it_has_to_register() -> None:
    assert read_push({"trackingId": "t", "enc": "none"}, "d", {}) == ReadPush("t")
