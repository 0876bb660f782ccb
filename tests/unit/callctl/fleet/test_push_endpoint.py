"""Whom a push of another registrar is for, however it says so."""

from __future__ import annotations

import pytest

from callctl.fleet.push_endpoint import PushEndpoint
from callctl.model.device import ClientType, Platform
from callctl.phone.phone import Phone
from callctl.phone.phone_event import PushArrived
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.settings import Registrar, UserAgentSettings
from callctl.push.reader import read_push
from sipstack.io.entropy import OsEntropy


def phone_of(user: str, platform: Platform, service: str) -> Phone:
    agent = UserAgentSettings(
        user, "192.0.2.1", (Registrar("192.0.2.1", 5060),), "192.0.2.9", 5070, "TCP"
    )
    settings = PhoneSettings(
        agent, platform, "17.4", ClientType.STANDARD, subscriber_service=service
    )
    return Phone(settings, OsEntropy())


class Rig:
    """An endpoint that knows two phones, and what it passed on."""

    def __init__(self) -> None:
        self.pushes: list[PushArrived] = []
        self.endpoint = PushEndpoint(self.pushes.append)
        self.iphone = phone_of("fleet00001", Platform.IOS, "APNS")
        self.android = phone_of("fleet00002", Platform.ANDROID, "FCM")
        for phone in (self.iphone, self.android):
            self.endpoint.know(phone.settings, phone.identity)

    @property
    def prid(self) -> str:
        """As the iPhone registers it."""
        params = self.iphone.identity.contact_uri_params()
        return next(it for it in params if it.startswith("pn-prid=")).removeprefix("pn-prid=")


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", '{"pn_prid": "PRID"}'),
        ("", '{"to": [{"token": "PRID"}]}'),
        ("", '{"user": "fleet00001"}'),
        ("", "user=fleet00001&method=INVITE"),
        ("", "fleet00001"),
        ("user=fleet00001", ""),
        ("token=TOKEN", ""),
    ],
)
def test_a_phone_is_named_in_query_form_or_json(query: str, body: str) -> None:
    rig = Rig()
    token = rig.iphone.identity.voip_token
    body = body.replace("PRID", rig.prid)
    assert rig.endpoint.receive(query.replace("TOKEN", token), body.encode())
    (push,) = rig.pushes
    assert (push.token, push.push_type) == (token, "voip")


def test_an_android_phone_gets_a_data_push() -> None:
    rig = Rig()
    assert rig.endpoint.receive("", b"fleet00002")
    assert rig.pushes[0].push_type == "data"


def test_what_names_nobody_is_refused_and_counted() -> None:
    rig = Rig()
    assert not rig.endpoint.receive("user=somebody", b"\xff\xfe")
    assert not rig.endpoint.receive("", b"[1, null, {}]")
    assert (rig.pushes, rig.endpoint.refused) == ([], 2)


def test_pushes_are_without_content_and_each_has_a_number_of_its_own() -> None:
    rig = Rig()
    assert rig.endpoint.receive("", b"fleet00001")
    assert rig.endpoint.receive("", b"fleet00001")
    read = [read_push(push.payload, push.token, {}) for push in rig.pushes]
    assert [it.content for it in read] == [None, None]
    assert read[0].tracking_id != read[1].tracking_id
