"""The handshake with a proxy, octet by octet, against answers of every kind."""

from __future__ import annotations

import pytest

from callctl.egress.connect_handshake import (
    ASKED_MAX,
    ConnectHandshake,
    OpenAgain,
    SendOctets,
    TunnelOpened,
    TunnelRefused,
)
from callctl.egress.proxy_auth import ProxyAuthentication
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from helpers.pushes import CountedEntropy
from sipstack.digest import Credentials, ha1, response_of
from sipstack.errors import LocalProtocolError

TARGET = "push.example.com:443"
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
DIGEST = 'Digest realm="lab", nonce="n1", algorithm=SHA-256, qop="auth", opaque="o"'
BASIC = 'Basic realm="lab"'
USER, PASSWORD = "callctl", "keep this"


def settings(scheme: str = "http", **changes: object) -> ProxySettings:
    return ProxySettings(
        scheme,
        "proxy.example.com",
        3128,
        user=changes.get("user", USER),  # type: ignore[arg-type]
        password=Secret(PASSWORD),
        basic_over_http=bool(changes.get("basic_over_http", False)),
    )


def authentication(proxy: ProxySettings | None = None) -> ProxyAuthentication:
    return ProxyAuthentication(proxy or settings(), CountedEntropy())


def handshake(proxy: ProxySettings | None = None) -> ConnectHandshake:
    return ConnectHandshake(TARGET, authentication(proxy))


def challenge(*values: str, body: bytes = b"", more: str = "") -> bytes:
    fields = "".join(f"Proxy-Authenticate: {value}\r\n" for value in values)
    head = f"HTTP/1.1 407 Proxy Authentication Required\r\n{fields}{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def sent(actions: tuple[object, ...]) -> str:
    """What a handshake writes, if that is all it does."""
    (action,) = actions
    assert isinstance(action, SendOctets)
    return action.octets.decode()


def credentials(request: str) -> Credentials:
    """The Digest credentials of a request."""
    line = next(each for each in request.split("\r\n") if each.startswith("Proxy-Authorization: "))
    found = Credentials.parse(line.partition(": ")[2])
    assert found is not None
    return found


def is_right(given: Credentials, password: str = PASSWORD) -> bool:
    """Whether the proxy would take them: computed as the proxy does."""
    algorithm = given.algorithm or "MD5"
    return given.response == response_of(
        ha1(given.username, given.realm, password, algorithm),
        "CONNECT",
        TARGET,
        given.nonce,
        qop=given.qop,
        nc=given.nc,
        cnonce=given.cnonce,
        algorithm=algorithm,
    )


@pytest.mark.req("OP-54")
def test_tunnel_is_asked_for_by_connect_and_open_with_any_2xx() -> None:
    for status in (200, 204, 299):
        asking = handshake()
        assert sent(asking.start()) == f"CONNECT {TARGET} HTTP/1.1\r\nHost: {TARGET}\r\n\r\n"
        assert asking.receive(f"HTTP/1.1 {status} X\r\n\r\n".encode()) == (TunnelOpened(),)
        assert asking.receive(b"for the service") == ()
        assert asking.closed() == ()


@pytest.mark.req("PROXY-03", "OP-54")
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess"])
def test_digest_challenge_is_answered_on_the_same_connection_where_it_serves_on(
    algorithm: str,
) -> None:
    asking = handshake()
    asking.start()
    asked = f'Digest realm="lab", nonce="n1", algorithm={algorithm}, qop="auth,auth-int"'
    again = sent(asking.receive(challenge(asked, body=b"<html>please</html>")))
    given = credentials(again)
    assert (given.username, given.nonce, given.nc, given.qop) == (USER, "n1", "00000001", "auth")
    assert given.uri == TARGET
    assert is_right(given)
    assert not is_right(given, "another")
    assert asking.receive(OPENED) == (TunnelOpened(),)


@pytest.mark.req("PROXY-03")
def test_digest_without_qop_is_answered_as_rfc_2069_has_it() -> None:
    asking = handshake()
    asking.start()
    given = credentials(sent(asking.receive(challenge('Digest realm="lab", nonce="n1"'))))
    assert (given.qop, given.nc, given.cnonce) == (None, None, None)
    assert is_right(given)


@pytest.mark.req("PROXY-03", "OP-54")
def test_strongest_digest_goes_before_others_and_any_digest_before_basic() -> None:
    asking = handshake(settings("https"))
    asking.start()
    md5 = 'Digest realm="lab", nonce="weak", algorithm=MD5, qop="auth"'
    unknown = 'Digest realm="lab", nonce="odd", algorithm=SHA-1024, qop="auth"'
    answer = challenge(BASIC, "Negotiate", f"{unknown}, {md5}", DIGEST)
    assert credentials(sent(asking.receive(answer))).nonce == "n1"
    asking = handshake(settings("https"))
    asking.start()
    assert credentials(sent(asking.receive(challenge(f"{BASIC}, {md5}")))).nonce == "weak"


@pytest.mark.req("PROXY-03", "OP-54")
def test_basic_goes_over_tls_only_unless_it_is_allowed() -> None:
    proxy = settings("https", user="grüß")
    asking = handshake(proxy)
    asking.start()
    expected = "Proxy-Authorization: Basic Z3LDvMOfOmtlZXAgdGhpcw=="  # UTF-8, RFC 7617 §2.1
    assert expected in sent(asking.receive(challenge(BASIC)))
    asking = handshake(settings("http", basic_over_http=True))
    asking.start()
    assert "Proxy-Authorization: Basic " in sent(asking.receive(challenge(BASIC)))
    asking = handshake(settings("http"))
    asking.start()
    (refusal,) = asking.receive(challenge(BASIC))
    assert isinstance(refusal, TunnelRefused)
    assert (refusal.step, refusal.final) == ("proxy authentication", True)
    assert "basic_over_http" in refusal.detail


@pytest.mark.req("OP-54")
@pytest.mark.parametrize("asked", [DIGEST, BASIC])
def test_credentials_that_were_refused_are_not_given_again(asked: str) -> None:
    asking = handshake(settings("https"))
    asking.start()
    asking.receive(challenge(asked))
    refusal = TunnelRefused(
        "proxy authentication", "the proxy refused the user name or password", final=True
    )
    assert asking.receive(challenge(asked.replace("n1", "n2"))) == (refusal,)


def test_401_from_a_proxy_that_was_given_credentials_refuses_them() -> None:
    asking = handshake(settings("https"))
    asking.start()
    asking.receive(challenge(BASIC))
    (refusal,) = asking.receive(b"HTTP/1.0 401 Unauthorized\r\n\r\n")
    assert isinstance(refusal, TunnelRefused)
    assert refusal.step == "proxy authentication"


def test_basic_that_was_taken_before_and_is_refused_now_is_not_given_twice() -> None:
    shared = authentication(settings("https"))
    first = ConnectHandshake(TARGET, shared)
    first.start()
    first.receive(challenge(BASIC))
    assert first.receive(OPENED) == (TunnelOpened(),)
    second = ConnectHandshake(TARGET, shared)
    assert "Proxy-Authorization: Basic" in sent(second.start())
    (refusal,) = second.receive(challenge(BASIC))
    assert isinstance(refusal, TunnelRefused)
    assert refusal.step == "proxy authentication"


@pytest.mark.req("PROXY-03")
def test_nonce_that_is_stale_is_replaced_but_not_for_ever() -> None:
    asking = handshake()
    asking.start()
    for number in range(1, ASKED_MAX):
        asked = DIGEST.replace("n1", f"n{number}") + ", stale=true"
        given = credentials(sent(asking.receive(challenge(asked))))
        assert (given.nonce, given.nc) == (f"n{number}", "00000001")
    last = asking.receive(challenge(DIGEST + ", stale=true"))
    assert last == (TunnelRefused("proxy authentication", "the proxy asks for ever", final=True),)


@pytest.mark.req("PROXY-03")
def test_later_connections_answer_unasked_with_the_next_count_or_the_next_nonce() -> None:
    shared = authentication()
    first = ConnectHandshake(TARGET, shared)
    first.start()
    first.receive(challenge(DIGEST))
    first.receive(OPENED)
    second = ConnectHandshake(TARGET, shared)
    given = credentials(sent(second.start()))
    assert (given.nonce, given.nc) == ("n1", "00000002")
    assert is_right(given)
    info = b'HTTP/1.1 200 OK\r\nProxy-Authentication-Info: nextnonce="n7"\r\n\r\n'
    assert second.receive(info) == (TunnelOpened(),)
    third = ConnectHandshake(TARGET, shared)
    given = credentials(sent(third.start()))
    assert (given.nonce, given.nc) == ("n7", "00000001")
    # The neighbour behind the next address knows nothing of this nonce: that is no wrong password.
    assert credentials(sent(third.receive(challenge(DIGEST)))).nonce == "n1"


@pytest.mark.req("OP-54")
@pytest.mark.parametrize(
    "manner",
    [
        "Connection: close\r\n",
        "Proxy-Connection: close\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 999999\r\n",
    ],
)
def test_proxy_that_hangs_up_behind_407_is_answered_on_a_new_connection(manner: str) -> None:
    asking = handshake()
    asking.start()
    assert asking.receive(challenge(DIGEST, body=b"x", more=manner)) == (OpenAgain(),)
    assert asking.closed() == ()
    assert is_right(credentials(sent(asking.start())))
    assert asking.receive(OPENED) == (TunnelOpened(),)


def test_http_1_0_ends_its_connection_unless_it_says_otherwise() -> None:
    old = challenge(DIGEST).replace(b"HTTP/1.1", b"HTTP/1.0")
    asking = handshake()
    asking.start()
    assert asking.receive(old) == (OpenAgain(),)
    asking = handshake()
    asking.start()
    kept = old.replace(b"Content-", b"Proxy-Connection: Keep-Alive\r\nContent-")
    assert is_right(credentials(sent(asking.receive(kept))))


def test_proxy_that_promised_to_serve_on_and_hung_up_is_answered_on_a_new_connection() -> None:
    asking = handshake()
    asking.start()
    asking.receive(challenge(DIGEST))
    assert asking.closed() == (OpenAgain(),)
    assert is_right(credentials(sent(asking.start())))
    in_the_body = handshake()
    in_the_body.start()
    assert in_the_body.receive(challenge(DIGEST, body=b"12345")[:-2]) == ()
    assert in_the_body.closed() == (OpenAgain(),)


@pytest.mark.req("OP-54")
@pytest.mark.parametrize(
    ("answer", "step", "final"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\n\r\n", "proxy", True),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy", True),
        (b"HTTP/1.1 405 Method Not Allowed\r\n\r\n", "proxy", True),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "proxy", False),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "proxy", False),
        (b"HTTP/1.0 504 Gateway Timeout\r\n\r\n", "proxy", False),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "proxy", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "proxy", False),
        (b"\x15\x03\x03\x00\x02\x02\x28", "proxy", False),
        (b"<html>not at all</html>", "proxy", False),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "proxy", False),
        (b"HTTP/1.1 200 OK\nX: y\n\n\r\n\r\n", "proxy", False),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "proxy", False),
        (b"HTTP/1.1 200 OK\r\n X: folded\r\n\r\n", "proxy", False),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000, "proxy", False),
        (b"HTTP/1.1 103 Hints\r\nX: y\r\n\r\n" * 2_000, "proxy", False),
        (OPENED + b"early", "proxy", False),
        (challenge(), "proxy authentication", True),
        (challenge("Negotiate", "NTLM"), "proxy authentication", True),
        (challenge('Digest realm="lab"'), "proxy authentication", True),
        (challenge('Digest realm="lab", nonce="n", qop="auth-int"'), "proxy authentication", True),
    ],
)
def test_whatever_else_it_answers_there_is_no_tunnel(answer: bytes, step: str, final: bool) -> None:
    whole, piecemeal = handshake(), handshake()
    whole.start()
    piecemeal.start()
    (refusal,) = whole.receive(answer)
    assert isinstance(refusal, TunnelRefused)
    assert (refusal.step, refusal.final) == (step, final)
    assert whole.receive(OPENED) == ()
    if answer.startswith(OPENED):
        return  # octet by octet, what comes behind is for the service
    slowly: list[object] = []
    for octet in answer:
        slowly += piecemeal.receive(bytes([octet]))
    assert slowly == [refusal]


def test_malformed_challenge_hides_no_good_one() -> None:
    asking = handshake()
    asking.start()
    answer = challenge("Digest realm=", 'Digest realm="lab", qop="auth"', DIGEST)
    assert is_right(credentials(sent(asking.receive(answer))))


def test_proxy_that_hangs_up_without_a_word_is_left() -> None:
    asking = handshake()
    asking.start()
    asking.receive(b"HTTP/1.1 20")
    why = "it closed the connection without an answer"
    assert asking.closed() == (TunnelRefused("proxy", why, final=False),)


def test_octets_behind_the_body_of_407_are_no_answer_to_what_was_not_asked_yet() -> None:
    asking = handshake()
    asking.start()
    (refusal,) = asking.receive(challenge(DIGEST) + OPENED)
    assert isinstance(refusal, TunnelRefused)


@pytest.mark.req("PROXY-03")
def test_what_cannot_be_answered_says_what_to_set() -> None:
    nobody = ProxySettings("http", "proxy.example.com", 3128)
    for proxy, asked, words in (
        (nobody, DIGEST, "none are set"),
        (settings("https", user="a:b"), BASIC, "no colon"),
        (settings(user="a\r\nX: y"), DIGEST, "control character"),
    ):
        asking = handshake(proxy)
        asking.start()
        (refusal,) = asking.receive(challenge(asked))
        assert isinstance(refusal, TunnelRefused)
        assert words in refusal.detail
        assert PASSWORD not in repr(refusal)


def test_credentials_show_in_no_representation() -> None:
    asking = handshake(settings("https"))
    asking.start()
    assert "Z3Jv" not in repr(asking.receive(challenge(BASIC)))


def test_started_twice_is_a_fault_of_ours() -> None:
    asking = handshake()
    asking.start()
    with pytest.raises(LocalProtocolError):
        asking.start()
