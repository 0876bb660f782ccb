"""Which addresses of a capture look like servers."""

from __future__ import annotations

from callctl.capture.captured import CapturedMessage
from callctl.capture.packet import Address
from callctl.replay.roles import Role, roles_of, under_test

PHONE = Address("198.51.100.1", 5060)
OTHER_PHONE = Address("198.51.100.2", 5060)
SERVER = Address("192.0.2.1", 5060)
SECOND_SERVER = Address("192.0.2.2", 5060)


def request(
    source: Address, target: Address, method: str, call: str = "one", domain: str = "lab.example"
) -> CapturedMessage:
    host, port = source
    text = (
        f"{method} sip:{domain} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call}{host}\r\n"
        f"From: <sip:1001@{domain}>;tag=a\r\n"
        f"To: <sip:1001@{domain}>\r\n"
        f"Call-ID: {call}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
    return captured(source, target, text.encode())


def challenge(source: Address, target: Address, status: int = 407) -> CapturedMessage:
    host, port = target
    text = (
        f"SIP/2.0 {status} Who\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bKone{host}\r\n"
        "From: <sip:1001@lab.example>;tag=a\r\nTo: <sip:1002@lab.example>;tag=b\r\n"
        "Call-ID: one\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    return captured(source, target, text.encode())


def captured(source: Address, target: Address, octets: bytes) -> CapturedMessage:
    return CapturedMessage(1, 0, "UDP", source, target, octets, 0, None, "", None, ())


def hosts(roles: list[Role]) -> list[str]:
    return [role.place for role in roles]


def test_who_is_registered_at_is_a_server() -> None:
    roles = roles_of([request(PHONE, SERVER, "REGISTER")])
    assert hosts(roles) == ["192.0.2.1", "198.51.100.1"]
    assert roles[0].because == "is registered at"
    assert roles[1].because == "nothing speaks for it"
    assert hosts(under_test(roles)) == ["192.0.2.1"]


def test_who_asks_for_credentials_is_a_server() -> None:
    for status in (401, 407):
        call = [request(PHONE, SERVER, "INVITE"), challenge(SERVER, PHONE, status)]
        roles = roles_of(call)
        assert (roles[0].place, roles[0].because) == ("192.0.2.1", "asks for credentials")


def test_who_passes_a_call_on_is_a_server() -> None:
    roles = roles_of([request(PHONE, SERVER, "INVITE"), request(SERVER, OTHER_PHONE, "INVITE")])
    assert (roles[0].place, roles[0].because) == ("192.0.2.1", "passes calls on")
    assert (roles[0].sent, roles[0].received) == (1, 1)


def test_of_two_that_call_each_other_none_is_a_server() -> None:
    calls = [
        request(PHONE, OTHER_PHONE, "INVITE", "one"),
        request(OTHER_PHONE, PHONE, "INVITE", "two"),
    ]
    assert under_test(roles_of(calls)) == []


def test_registrars_of_one_domain_are_nodes_of_one_cluster() -> None:
    registrations = [
        request(PHONE, SERVER, "REGISTER", "one"),
        request(PHONE, SECOND_SERVER, "REGISTER", "two"),
    ]
    assert hosts(under_test(roles_of(registrations))) == ["192.0.2.1", "192.0.2.2"]


def test_registrar_of_another_domain_is_somebody_else() -> None:
    registrations = [
        request(PHONE, SERVER, "REGISTER", "one"),
        request(OTHER_PHONE, SERVER, "REGISTER", "two"),
        request(PHONE, SECOND_SERVER, "REGISTER", "three", domain="other.example"),
    ]
    assert hosts(under_test(roles_of(registrations))) == ["192.0.2.1"]


def test_on_one_host_ports_tell_who_is_who() -> None:
    server, phone = Address("127.0.0.1", 5060), Address("127.0.0.1", 6000)
    roles = roles_of([request(phone, server, "REGISTER")])
    assert hosts(roles) == ["127.0.0.1:5060", "127.0.0.1:6000"]


def test_address_of_ipv6_with_a_port_is_in_brackets() -> None:
    server, phone = Address("2001:db8::1", 5060), Address("2001:db8::1", 6000)
    message = captured(phone, server, b"REGISTER nonsense")
    assert hosts(roles_of([message])) == ["[2001:db8::1]:5060", "[2001:db8::1]:6000"]


def test_message_that_cannot_be_read_is_counted_and_tells_nothing() -> None:
    (role, _) = roles_of([captured(PHONE, SERVER, b"REGISTER nonsense\r\n\r\n")])
    assert role.because == "nothing speaks for it"
    assert role.sent + role.received == 1
