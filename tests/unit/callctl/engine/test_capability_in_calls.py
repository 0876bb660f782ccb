"""A call to a sleeping phone on clusters of several releases: which push a node asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from callctl.model.build import android, desk_phone, iphone, make_cluster, softphone
from callctl.model.device import ClientType, Device
from callctl.model.line import ExternalPresentation, Line
from callctl.model.service_parameter import ServiceParameters
from callctl.push.features import Channel
from callctl.push.kind import PushKind, channel_of
from callctl.registration.push_binding import PushBinding
from helpers.engine_rig import EngineRig, Sent, iphone_binding
from sipstack.message.message import Response

CALLER = "192.0.2.50:5060"
PHONE = "192.0.2.60:40000"

INVITE = """
INVITE sip:2001@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKcall1
Max-Forwards: 70
From: "Front Desk" <sip:1001@lab.example>;tag=a1
To: <sip:2001@lab.example>
Call-ID: call-1@192.0.2.50
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Content-Length: 0

"""

CANCEL = INVITE.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")


def signed_in(device: Device) -> PushBinding:
    """What its client signed in with."""
    binding = replace(iphone_binding(device), custom_region=device.custom_region)
    if device.name.startswith("BOT"):
        binding = replace(
            binding, subscriber_service="FCM", voip_token="fcm-token", message_token=None
        )
    return binding


def called(
    release: str,
    device: Device,
    *,
    binding: PushBinding | None = None,
    line: str | Line = "1001",
    android_caller_id: bool = False,
    strict_matrix: bool = False,
) -> tuple[EngineRig, list[Sent]]:
    """A cluster of `release` after a call to the sleeping device, and what left it at once."""
    cluster = make_cluster(
        devices=[desk_phone("1001"), device],
        lines=[line],
        release=release,
        parameters=ServiceParameters(
            authentication="none",
            android_caller_id=android_caller_id,
            strict_matrix=strict_matrix,
        ),
    )
    rig = EngineRig(cluster)
    rig.sign_in(binding or signed_in(device))
    return rig, rig.feed("ucm1", INVITE, rig.flow("ucm1", CALLER))


def pushed(rig: EngineRig) -> tuple[Channel, dict[str, Any]]:
    """Channel and content of the only push that was asked for."""
    (intent,) = rig.pushes
    assert intent.kind is PushKind.INCOMING
    features = rig.engines["ucm1"].features(intent.binding)
    content: dict[str, Any] = msgspec.json.decode(intent.content.plaintext(features))
    return channel_of(intent.kind, intent.binding, features), content


def statuses(sent: list[Sent]) -> list[int]:
    return [s.message.status for s in sent if isinstance(s.message, Response)]


IPHONE = iphone("2001")
ANDROID = android("2001")
IOS_12 = iphone("2001", os_version="12.4", client_version="12.8")


@pytest.mark.req("CID-01", "CID-02", "CMG-05", "CMG-06", "REL-06", "MODE-08", "MODE-09")
@pytest.mark.req("GEN-10", "AND-10", "CID-05")
@pytest.mark.parametrize(
    ("release", "device", "channel", "caller", "node"),
    [
        ("11.5(1)SU3", IPHONE, Channel.DEFAULT, False, False),
        ("11.5(1)SU7", IPHONE, Channel.DEFAULT, False, False),
        ("11.5(1)SU8", IPHONE, Channel.VOIP, True, False),
        ("11.5(1)SU9", IPHONE, Channel.VOIP, True, False),
        ("12.0(1)", IPHONE, Channel.DEFAULT, False, False),
        ("12.5(1)SU2", IPHONE, Channel.DEFAULT, False, False),
        ("12.5(1)SU3", IPHONE, Channel.VOIP, True, True),
        ("14SU3", IPHONE, Channel.VOIP, True, True),
        ("12.5(1)SU3", IOS_12, Channel.DEFAULT, False, False),
        ("14SU2", IOS_12, Channel.DEFAULT, False, False),
        ("12.5(1)SU3", ANDROID, Channel.VOIP, False, True),
        ("15", ANDROID, Channel.VOIP, False, True),
    ],
)
def test_ring_push_carries_what_the_release_knows_and_goes_over_its_channel(
    release: str, device: Device, channel: Channel, caller: bool, node: bool
) -> None:
    rig, sent = called(release, device)
    assert statuses(sent) == [100]
    over, content = pushed(rig)
    assert over is channel
    assert ("displayNumber" in content) is caller
    assert ("activeNode" in content) is node
    if caller:
        assert content["displayNumber"] == "1001"
    if node:
        assert content["activeNode"]["fqdn"] == "ucm1.lab.example"


@pytest.mark.req("GEN-05", "REL-09", "AND-06", "CHN-03", "CHN-09")
@pytest.mark.parametrize(
    ("release", "device"),
    [
        ("11.5(1)SU2", IPHONE),
        ("14SU3", IOS_12),
        ("15", IOS_12),
        ("11.5(1)SU9", ANDROID),
        ("12.5(1)SU2", ANDROID),
        ("15", android("2001", os_version="7.1")),
        ("15", android("2001", client_version="12.9")),
        ("15", android("2001", client=ClientType.WEBEX, client_version="40.7")),
        ("15", iphone("2001", client_version="11.8.1")),
        ("12.5(1)SU2", iphone("2001", custom_region=True)),
        ("15", iphone("2001", custom_region=True, client_version="12.9")),
        ("12.5(1)SU3", iphone("2001", custom_region=True, os_version="12.4")),
    ],
)
def test_device_that_its_release_pushes_nothing_to_is_called_as_one_that_is_not_registered(
    release: str, device: Device
) -> None:
    rig, sent = called(release, device)
    assert statuses(sent) == [100, 480]
    assert set(statuses(rig.run_to(60_000))) == {480}  # repeated, as the caller sends no ACK
    assert rig.pushes == []


@pytest.mark.req("CID-04", "CID-03")
@pytest.mark.parametrize(
    ("release", "name", "number"),
    [
        ("11.5(1)SU8", "Front Desk", "1001"),
        ("11.5(1)SU9", "Front Desk", "1001"),
        ("12.5(1)SU3", "Clinic", "+4930555001"),
        ("14SU3", "Clinic", "+4930555001"),
    ],
)
def test_external_presentation_is_shown_by_releases_that_know_it(
    release: str, name: str, number: str
) -> None:
    line = Line("1001", "Front Desk", ExternalPresentation("Clinic", "+4930555XXX"))
    rig, _ = called(release, IPHONE, line=line)
    content = pushed(rig)[1]
    assert (content["displayName"], content["displayNumber"]) == (name, number)


def test_caller_in_a_push_to_android_is_a_switch() -> None:
    """OP-17."""
    rig, _ = called("15", ANDROID, android_caller_id=True)
    assert pushed(rig)[1]["displayNumber"] == "1001"


def test_strict_matrix_is_a_switch() -> None:
    """OP-61."""
    device = iphone("2001", os_version="16.4")
    assert statuses(called("14SU3", device, strict_matrix=True)[1])[-1] == 480
    rig, _ = called("14SU3", device)
    assert pushed(rig)[0] is Channel.VOIP


@pytest.mark.req("CHN-01", "CHN-09", "SHL-06")
def test_calls_to_the_custom_region_go_as_messages_first_and_second_push() -> None:
    device = iphone("2001", custom_region=True, client_version="12.9 MR")
    rig, _ = called("12.5(1)SU3", device)
    assert pushed(rig)[0] is Channel.MESSAGE
    rig.feed("ucm1", CANCEL, rig.flow("ucm1", CALLER))
    features = rig.engines["ucm1"].features(rig.pushes[1].binding)
    assert rig.pushes[1].kind is PushKind.MISSED
    assert channel_of(PushKind.MISSED, rig.pushes[1].binding, features) is Channel.MESSAGE


@pytest.mark.req("CHN-10")
def test_region_is_what_the_client_says_or_the_administrator() -> None:
    """OP-18: the client's word at sign-in, or the flag of the device, never the address."""
    for by_client, by_administrator in ((True, False), (False, True)):
        device = iphone("2001", custom_region=by_administrator)
        binding = replace(signed_in(device), custom_region=by_client)
        assert pushed(called("15", device, binding=binding)[0])[0] is Channel.MESSAGE
    assert pushed(called("15", IPHONE)[0])[0] is Channel.VOIP


@pytest.mark.parametrize(
    ("release", "device", "kinds"),
    [
        ("11.5(1)SU7", IPHONE, ["incoming"]),
        ("11.5(1)SU8", IPHONE, ["incoming", "missed"]),
        ("12.5(1)SU3", IPHONE, ["incoming", "missed"]),
        ("12.5(1)SU3", IOS_12, ["incoming"]),
        ("12.5(1)SU3", ANDROID, ["incoming", "missed"]),
    ],
)
def test_second_push_goes_to_systems_that_know_it(
    release: str, device: Device, kinds: list[str]
) -> None:
    """OP-70."""
    rig, _ = called(release, device)
    rig.feed("ucm1", CANCEL, rig.flow("ucm1", CALLER))
    rig.run_to(60_000)
    assert [push.kind.value for push in rig.pushes] == kinds


@pytest.mark.req("CHN-03")
def test_device_without_a_token_for_its_channel_cannot_be_woken() -> None:
    for device, without in (
        (IPHONE, {"voip_token": None}),
        (iphone("2001", custom_region=True), {"message_token": None}),
    ):
        binding = replace(signed_in(device), **without)  # type: ignore[arg-type]
        assert statuses(called("15", device, binding=binding)[1])[-1] == 480
    # One channel, one token: whichever the client gave serves (OP-63).
    single = replace(signed_in(IOS_12), voip_token=None)
    rig, _ = called("12.5(1)SU3", IOS_12, binding=single)
    assert pushed(rig)[0] is Channel.DEFAULT


REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.60:40000;branch=z9hG4bKreg
Max-Forwards: 70
From: <sip:2001@lab.example>;tag=p1
To: <sip:2001@lab.example>
Call-ID: reg-1
CSeq: 1 REGISTER
Contact: <sip:2001@192.0.2.60:40000;transport=tcp;pn-provider={};pn-param=x;pn-prid=token1>
Expires: 600
Content-Length: 0

"""


@pytest.mark.parametrize("provider", ["apns", "fcm"])
@pytest.mark.parametrize("device", [softphone("2001"), replace(IPHONE, client=ClientType.STANDARD)])
def test_standard_client_counts_as_the_platform_of_its_push_provider(
    provider: str, device: Device
) -> None:
    """OP-01: RFC 8599 parameters in a REGISTER, whatever the device was configured as."""
    cluster = make_cluster(
        devices=[desk_phone("1001"), device], parameters=ServiceParameters(authentication="none")
    )
    rig = EngineRig(cluster)
    phone = rig.flow("ucm1", PHONE, transport="TCP", connection=7)
    assert statuses(rig.feed("ucm1", REGISTER.format(provider), phone)) == [200]
    rig.close("ucm1", phone)
    assert statuses(rig.feed("ucm1", INVITE, rig.flow("ucm1", CALLER))) == [100]
    assert pushed(rig)[0] is Channel.VOIP


@pytest.mark.req("REG-09")
def test_standard_client_with_a_message_token_alone_is_rung_by_message_pushes() -> None:
    standard = replace(IPHONE, client=ClientType.STANDARD)
    binding = replace(iphone_binding(standard), managed=False, voip_token=None, key=None)
    rig, _ = called("15", standard, binding=binding)
    assert pushed(rig)[0] is Channel.MESSAGE
