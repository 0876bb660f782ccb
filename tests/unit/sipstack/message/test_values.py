"""Value types: what is read, what is refused, what goes back on the wire."""

from __future__ import annotations

import pytest

from sipstack.errors import SipSyntaxError
from sipstack.message import NameAddr, Params, Uri, Via, same_uri
from sipstack.message.feature_caps import FeatureCaps
from sipstack.message.instance import instance_of, reg_id_of
from sipstack.message.push_params import PushParams
from sipstack.message.reason import Reason
from sipstack.message.session_id import NULL, SessionId

# Parameters.


def test_parameters_keep_order_and_spelling_and_are_found_in_any_case() -> None:
    params = Params.parse(';Expires=60 ; +sip.instance = "<urn:uuid:1>";lr;x=')
    assert params.text == ';Expires=60;+sip.instance="<urn:uuid:1>";lr;x='
    assert params.get("expires") == "60"
    assert params.get("+SIP.Instance") == '"<urn:uuid:1>"'
    assert params.unquoted("+sip.instance") == "<urn:uuid:1>"
    assert params.get("lr") is None
    assert params.has("lr")
    assert params.get("x") == ""
    assert not params.has("y")


def test_the_first_of_a_doubled_parameter_counts() -> None:
    params = Params.parse(";A=1;a=2")
    assert params.get("a") == "1"
    assert params.count("a") == 2
    assert str(params.with_param("a", "3")) == ";A=3"
    assert str(params.without("A")) == ""


@pytest.mark.parametrize("text", [";", ";;", ";=x", ';a="', ";a=b c", "a", ";a b", ";a=<", ";a=,"])
def test_malformed_parameters_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        Params.parse(text)


def test_a_semicolon_in_quotes_is_not_a_sign() -> None:
    params = Params.parse(';a="x;b=1";b=2')
    assert params.get("b") == "2"


# URIs.


def test_a_sip_uri_in_its_parts() -> None:
    uri = Uri.parse("sip:ali%63e:pw@[2001:DB8::1]:5070;transport=TCP;lr?subject=x&to=y")
    assert (uri.scheme, uri.user, uri.password) == ("sip", "ali%63e", "pw")
    assert uri.host_port() == ("2001:db8::1", 5070)
    assert uri.transport == "tcp"
    assert uri.headers == "subject=x&to=y"
    assert uri.user_unescaped == "alice"
    assert str(uri.bare()) == "sip:ali%63e:pw@[2001:DB8::1]:5070"
    assert str(uri.without_headers()) == "sip:ali%63e:pw@[2001:DB8::1]:5070;transport=TCP;lr"
    assert str(uri.with_host_port("b", None).without_param("lr").with_param("ob")) == (
        "sip:ali%63e:pw@b;transport=TCP;ob?subject=x&to=y"
    )


def test_a_tel_uri_and_an_opaque_one() -> None:
    tel = Uri.parse("tel:+1-212-555;phone-context=example.com")
    assert (tel.user, tel.host, tel.params.get("phone-context")) == (
        "+1-212-555",
        "",
        "example.com",
    )
    urn = Uri.parse("urn:service:sos")
    assert (urn.scheme, urn.opaque, urn.user, str(urn)) == (
        "urn",
        "service:sos",
        None,
        "urn:service:sos",
    )


@pytest.mark.parametrize(
    "text",
    ["", "sip:", "sip:@a", "sip:a@", "sip:a b", "sip:a@b@c", "sip:a:65536", "sip:a:", "sip:[::1",
     "sip:%zz@a", "sip:a;", "sip:a;;b", "tel:", "tel:x y", "noscheme", ":x", "sip:a\x00", "sip:-a",
     "sip:a?", "urn:a b", "sip:a;b=\x16", "sip:é@a"],
)  # fmt: skip
def test_malformed_uris_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        Uri.parse(text)


@pytest.mark.parametrize("port", ["0", "5", "80", "5060", "59999", "60000", "65535"])
def test_every_port_is_read(port: str) -> None:
    assert Uri.parse(f"sip:a:{port}").port == int(port)


def test_control_octets_stay_escaped() -> None:
    assert Uri.parse("sip:a%00%0d%0A%7f%41@b").user_unescaped == "a%00%0D%0A%7FA"
    assert Uri.parse("sip:%ff%C3%A9@b").user_unescaped == "%FFé"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@b;gr=urn:uuid:1", "sip:a@b;gr=urn%3Auuid%3A1"),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ],
)
def test_equivalent_uris(a: str, b: str) -> None:
    assert same_uri(Uri.parse(a), Uri.parse(b))
    assert same_uri(Uri.parse(b), Uri.parse(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("tel:+12015550123", "tel:+12015550123;ext=1"),
        ("urn:service:sos", "urn:service:fire"),
    ],
)
def test_uris_that_are_not_equivalent(a: str, b: str) -> None:
    assert not same_uri(Uri.parse(a), Uri.parse(b))
    assert not same_uri(Uri.parse(b), Uri.parse(a))


# Addresses.


def test_parameters_without_brackets_belong_to_the_header() -> None:
    address = NameAddr.parse("sip:alice@example.com;expires=3600")
    assert not address.uri.params
    assert address.params.get("expires") == "3600"
    assert str(address) == "<sip:alice@example.com>;expires=3600"


def test_two_contacts_with_quoted_names_in_one_header_are_two() -> None:
    one, two = NameAddr.parse_many('"A, \\"x\\"" <sip:a@b>;q=1, "B" <sip:c@d;lr>')
    assert (one.display_name, two.display_name) == ('A, "x"', "B")
    assert str(one) == '"A, \\"x\\"" <sip:a@b>;q=1'
    assert two.uri.params.has("lr")


def test_a_display_name_needs_no_blank_before_the_bracket() -> None:
    assert NameAddr.parse("caller<sip:a@b>").display_name == "caller"
    assert NameAddr.parse('"caller"<sip:a@b>').display_name == "caller"


def test_a_display_name_that_is_built_cannot_break_out() -> None:
    hostile = NameAddr('Bob" <sip:x@y>\r\nX: y', Uri.parse("sip:a@b"), Params())
    assert str(hostile) == '"Bob\\" <sip:x@y>  X: y" <sip:a@b>'
    assert NameAddr.parse(str(hostile)).uri.host == "b"


def test_tel_and_other_uris_stand_in_addresses_too() -> None:
    assert NameAddr.parse("<tel:+12125551212>;tag=1").uri.scheme == "tel"
    assert NameAddr.parse("<urn:x-y:z>").uri.opaque == "x-y:z"


# Via.


def test_via_reads_its_blanks_and_writes_none() -> None:
    via = Via.parse("SIP / 2.0 / tcp  [2001:db8::1] : 5070 ; branch = z9hG4bK1 ; rport ; ttl=1")
    assert str(via) == "SIP/2.0/TCP [2001:db8::1]:5070;branch=z9hG4bK1;rport;ttl=1"
    assert (via.transport, via.host, via.port) == ("TCP", "[2001:db8::1]", 5070)


def test_via_parameters() -> None:
    via = Via.parse("SIP/2.0/UDP a;rport;branch=x;maddr=m")
    assert (via.rport, via.received, via.maddr) == ("", None, "m")
    stamped = via.with_param("rport", "5070").with_param("received", "192.0.2.1")
    assert (stamped.rport, stamped.received) == (5070, "192.0.2.1")
    assert str(stamped) == "SIP/2.0/UDP a;rport=5070;branch=x;maddr=m;received=192.0.2.1"
    assert Via.parse("SIP/2.0/UDP a").rport is None


# The others.


def test_reason() -> None:
    sip, isdn = Reason.parse_many('SIP;cause=200;text="Call, \\"done\\"", Q.850 ;cause=16;x=y')
    assert (sip.protocol, sip.cause, sip.text) == ("SIP", 200, 'Call, "done"')
    assert (isdn.cause, isdn.text) == (16, None)
    assert str(isdn) == "Q.850;cause=16;x=y"
    assert str(Reason("SIP", 487, 'a"b')) == 'SIP;cause=487;text="a\\"b"'
    for text in ("", ";cause=1", "SIP;cause=x", "SIP cause=1"):
        with pytest.raises(SipSyntaxError):
            Reason.parse(text)


def test_instance_and_reg_id_are_read_even_if_given_twice() -> None:
    contact = NameAddr.parse(
        '<sip:a@b>;+sip.instance="<urn:uuid:0A>";reg-id=2;+sip.instance="<urn:uuid:0A>"'
    )
    assert instance_of(contact) == "urn:uuid:0A"
    assert reg_id_of(contact) == 2
    assert instance_of(NameAddr.parse("<sip:a@b>")) is None
    assert reg_id_of(NameAddr.parse("<sip:a@b>")) is None
    for bad in ("0", "x", "", "2147483648"):
        with pytest.raises(SipSyntaxError):
            reg_id_of(NameAddr.parse(f"<sip:a@b>;reg-id={bad}"))


def test_instance_goes_back_on_the_wire_as_it_came() -> None:
    text = '<sip:a@b>;+sip.instance="<urn:uuid:f81d4fae>";reg-id=1'
    assert str(NameAddr.parse(text)) == text


def test_push_parameters_of_a_standard_phone() -> None:
    uri = Uri.parse("sip:a@b;pn-provider=FCM;pn-param=project;pn-prid=tok%3Aen;pn-purr=p1")
    push = PushParams.of(uri)
    assert push == PushParams("fcm", "project", "tok:en", "p1")
    assert push is not None
    assert push.voip_token == push.message_token == "tok:en"
    assert PushParams.of(Uri.parse("sip:a@b")) is None
    asked = PushParams.of(Uri.parse("sip:a@b;pn-provider"))
    assert asked == PushParams("")


def test_two_apple_tokens_in_one_parameter() -> None:
    uri = Uri.parse(
        "sip:a@b;pn-provider=apns;pn-prid=aa:voip&bb:remote;pn-param=T.org.x.voip&remote"
    )
    push = PushParams.of(uri)
    assert push is not None
    assert (push.voip_token, push.message_token) == ("aa", "bb")
    assert push.apple_topic == "org.x"
    assert "aa" not in repr(push)


def test_push_parameters_with_control_characters_or_too_long_are_refused() -> None:
    for value in ("a%0d%0aX", "%00", "a" * 4_097):
        with pytest.raises(SipSyntaxError) as caught:
            PushParams.of(Uri.parse(f"sip:a@b;pn-provider=apns;pn-prid={value}"))
        assert caught.value.status == 400


def test_session_id() -> None:
    local = "ab30317f1a784dc48ff824d0d3715d86"
    assert SessionId.parse(f"{local};remote={NULL}") == SessionId(local, NULL)
    assert str(SessionId.parse(f"{local} ; remote={NULL};x=y")) == f"{local};remote={NULL}"
    assert SessionId.parse(local).remote is None
    for text in ("", local.upper(), f"{local};remote=", f"{local};remote=1", local[:-1]):
        with pytest.raises(SipSyntaxError):
            SessionId.parse(text)


def test_feature_caps() -> None:
    caps = FeatureCaps((("+sip.pns", "apns"), ("+sip.pnspurr", None)))
    assert str(caps) == '*;+sip.pns="apns";+sip.pnspurr'
    assert FeatureCaps.parse(str(caps)) == caps
    assert caps.get("+SIP.pns") == "apns"
    assert caps.has("+sip.pnspurr")
    with pytest.raises(SipSyntaxError):
        FeatureCaps.parse("+sip.pns")
