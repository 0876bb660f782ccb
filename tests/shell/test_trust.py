"""TLS with cloud hosts over real sockets: whom the trust store lets in, and what leaves before."""

from __future__ import annotations

import asyncio
import socket
import ssl
import stat
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from callctl.certificate.certificate import Certificate, parse_certificates
from callctl.certificate.cloud_roots import CloudRoots, CloudService
from callctl.certificate.tls_failure import TlsFailure, TlsProblem
from callctl.certificate.trust_store import Origin, TrustStore, UploadRefused
from callctl.io.dial import P, Service, dial_places
from callctl.io.pki import CertificateAuthority, Flaw, Span, emulated_cloud_authorities
from callctl.io.tls_failure import chain_shown, why_tls_failed
from callctl.io.trust import INSECURE_WARNING, CloudTls, Trust, cloud_tls, verification_disabled
from callctl.io.trust_files import TrustFiles, TrustFilesError
from helpers.loops import on_each_loop
from helpers.node_rig import eventually

HOST: Final = "127.0.0.1"
SECRET: Final = b"POST /push HTTP/1.1\r\nAuthorization: Bearer machine-token\r\n\r\n"
CI, FOS = emulated_cloud_authorities()
ROOTS: Final = CloudRoots.emulated(
    (service, parse_certificates(authority.ca_pem.encode())[0])
    for service, authority in ((CloudService.CI, CI), (CloudService.FOS, FOS))
)


def root(authority: CertificateAuthority) -> Certificate:
    (certificate,) = parse_certificates(authority.ca_pem.encode())
    return certificate


@dataclass
class Heard:
    """A TLS server, and what of it came through: octets of the application, and hellos."""

    port: int = 0
    octets: bytearray = field(default_factory=bytearray)
    tried: int = 0


@asynccontextmanager
async def server(tls: ssl.SSLContext | None) -> AsyncIterator[Heard]:
    heard = Heard()
    here: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.add(writer)
        with suppress(OSError):
            while piece := await reader.read(4096):
                heard.octets += piece
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.transport.abort()
        here.discard(writer)

    def hello(*_: object) -> None:
        heard.tried += 1

    if tls is not None:
        tls.sni_callback = hello
    listening = await asyncio.start_server(serve, HOST, 0, ssl=tls)
    heard.port = listening.sockets[0].getsockname()[1]
    try:
        yield heard
    finally:
        listening.close()
        for writer in here:
            writer.transport.abort()
        await eventually(lambda: not here)


async def post(port: int, tls: CloudTls, host: str = "localhost") -> bytes:
    """Send the secret as soon as TLS allows it; the answer. Raises: OSError."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(
            HOST, port, ssl=tls.context, server_hostname=host
        )
        try:
            writer.write(SECRET)
            return await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.transport.abort()


async def failure(
    heard: Heard, tls: CloudTls, host: str = "localhost", *, cloud: bool = False
) -> TlsFailure:
    """Why `post` fails, as a support engineer reads it; the server has heard nothing of it."""
    with pytest.raises(OSError) as caught:  # noqa: PT011  (every failure of TLS is one)
        await post(heard.port, tls, host)
    chain = await chain_shown(to_loopback, host, heard.port)
    await asyncio.sleep(0)
    assert heard.octets == b""
    return why_tls_failed(caught.value, host, chain, cloud=cloud, roots=ROOTS)


async def to_loopback(service: Service, make: Callable[[], P]) -> P:
    """Any host is here."""
    return await dial_places(((HOST, service.port),), service, make)


def old_tls() -> ssl.SSLContext:
    """TLS 1.1 and nothing later."""
    context = CI.server_context()
    context.set_ciphers("ALL@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@asynccontextmanager
async def old_server() -> AsyncIterator[Heard]:
    """A server that knows TLS 1.1 and nothing later.

    In a thread: asyncio hangs up without the alert that says what was wrong.
    """
    context = old_tls()
    heard = Heard()

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                heard.tried += 1
                with suppress(OSError), connection:
                    connection.settimeout(5)
                    with context.wrap_socket(connection, server_side=True) as secured:
                        heard.octets += secured.recv(4096)

    with socket.create_server((HOST, 0)) as listening:
        heard.port = listening.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield heard
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()


@pytest.mark.anyio
@pytest.mark.req("CERT-01")
@on_each_loop
async def test_server_below_a_trusted_root_gets_what_is_meant_for_it() -> None:
    between = CertificateAuthority("Emulated Issuing CA", signed_by=CI)
    trusted = cloud_tls([root(CI)])
    for context in (CI.server_context(), between.server_context()):
        async with server(context) as heard:
            assert (await post(heard.port, trusted)).startswith(b"HTTP/1.1 200")
            assert bytes(heard.octets) == SECRET


@pytest.mark.anyio
@pytest.mark.req("CERT-01")
@on_each_loop
@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        (lambda: CI.flawed_context(Flaw.EXPIRED), TlsProblem.EXPIRED),
        (lambda: CI.flawed_context(Flaw.NOT_YET_VALID), TlsProblem.NOT_YET_VALID),
        (lambda: CI.flawed_context(Flaw.WRONG_HOST), TlsProblem.WRONG_HOST),
        (lambda: CI.flawed_context(Flaw.SELF_SIGNED), TlsProblem.SELF_SIGNED),
        (lambda: CI.flawed_context(Flaw.WEAK_KEY), TlsProblem.WEAK),
        (lambda: CI.flawed_context(Flaw.NO_SERVER), TlsProblem.BAD_CERTIFICATE),
        (lambda: FOS.server_context(), TlsProblem.UNKNOWN_AUTHORITY),
    ],
    ids=lambda value: value.value if isinstance(value, TlsProblem) else "",
)
async def test_server_with_something_wrong_gets_not_an_octet(
    tls: Callable[[], ssl.SSLContext], problem: TlsProblem
) -> None:
    """research/reliability 5.2 P7, 6.I 91."""
    async with server(tls()) as heard:
        found = await failure(heard, cloud_tls([root(CI)]))
        assert found.problem is problem, found
        assert "localhost" in found.sentence
        assert heard.tried > 0


@pytest.mark.anyio
@on_each_loop
async def test_certificate_for_another_host_is_named_with_its_hosts() -> None:
    async with server(CI.flawed_context(Flaw.WRONG_HOST)) as heard:
        found = await failure(heard, cloud_tls([root(CI)]))
        assert found.sentence == (
            "the certificate shown by localhost is for another host: elsewhere.invalid"
        )
    async with server(CI.server_context()) as heard:
        found = await failure(heard, cloud_tls([root(CI)]), host="push.example.com")
        assert found.problem is TlsProblem.WRONG_HOST


@pytest.mark.anyio
@pytest.mark.req("CERT-01")
@on_each_loop
async def test_store_without_the_roots_lets_nobody_in_not_even_whom_the_system_trusts() -> None:
    empty = cloud_tls([])
    assert empty.context.get_ca_certs() == []
    async with server(CI.server_context()) as heard:
        found = await failure(heard, empty, cloud=True)
        assert found.problem is TlsProblem.ROOT_MISSING
        assert "CERT-01" in found.action


@pytest.mark.anyio
@pytest.mark.req("CERT-01")
@on_each_loop
async def test_each_root_is_needed_for_its_own_hosts() -> None:
    """Without that of FOS onboarding fails; without that of CI pushes do."""
    for present, absent in ((CI, FOS), (FOS, CI)):
        trusted = cloud_tls([root(present)])
        async with server(present.server_context()) as heard:
            await post(heard.port, trusted)
        async with server(absent.server_context()) as heard:
            found = await failure(heard, trusted, cloud=True)
            assert found.problem is TlsProblem.ROOT_MISSING


@pytest.mark.anyio
@pytest.mark.req("NET-04")
@on_each_loop
async def test_firewall_that_decrypts_is_told_by_its_issuer() -> None:
    firewall = CertificateAuthority("Inspection CA", organisation="Firewall Vendor")
    between = CertificateAuthority("Inspection Issuing CA", signed_by=firewall)
    for inspecting in (firewall, between):
        async with server(inspecting.server_context()) as heard:
            found = await failure(heard, cloud_tls([root(CI), root(FOS)]), cloud=True)
            assert found.problem is TlsProblem.INTERCEPTED
            assert "Inspection" in found.issuer
            assert found.issuer in found.sentence
            assert found.action == (
                "exclude localhost from TLS decryption on the firewall (NET-04)"
            )


@pytest.mark.anyio
@on_each_loop
async def test_peer_that_speaks_no_tls_or_none_at_all_is_told_apart() -> None:
    trusted = cloud_tls([root(CI)])
    said = {b"HTTP/1.1 400 Bad Request\r\n\r\n": TlsProblem.NO_TLS, b"": TlsProblem.BROKEN_OFF}
    for answer, problem in said.items():
        async with plain(answer) as port:
            with pytest.raises(OSError) as caught:  # noqa: PT011
                await post(port, trusted)
            assert await chain_shown(to_loopback, HOST, port) == ()
            assert why_tls_failed(caught.value, "h").problem is problem


@asynccontextmanager
async def plain(answer: bytes) -> AsyncIterator[int]:
    """Somebody who answers the hello with this and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(serve, HOST, 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


@pytest.mark.anyio
@on_each_loop
@pytest.mark.parametrize("flaw", list(Flaw))
async def test_insecure_option_lets_everybody_in_and_shows(flaw: Flaw) -> None:
    """research/reliability 5.2 P7."""
    tls = cloud_tls([], insecure_skip_tls_verification=True)
    async with server(CI.flawed_context(flaw)) as heard:
        assert (await post(heard.port, tls)).startswith(b"HTTP/1.1 200")
        assert bytes(heard.octets) == SECRET
    assert tls.insecure
    assert not cloud_tls([]).insecure
    condition = verification_disabled("ucm1")
    assert (condition.alarm, condition.detail) == ("TlsVerificationDisabled", INSECURE_WARNING)
    assert "insecure_skip_tls_verification" in INSECURE_WARNING


@pytest.mark.anyio
@on_each_loop
@pytest.mark.parametrize("insecure", [False, True])
async def test_server_that_knows_no_tls_1_2_gets_not_an_octet(insecure: bool) -> None:
    """research/reliability 5.2 P7. The insecure option does not bring old TLS back."""
    tls = cloud_tls([root(CI)], insecure_skip_tls_verification=insecure)
    async with old_server() as heard:
        assert (await failure(heard, tls)).problem is TlsProblem.OLD_TLS
        assert heard.tried > 0


@pytest.mark.anyio
@on_each_loop
async def test_look_at_a_certificate_sends_nothing_and_leaves_nothing_behind() -> None:
    between = CertificateAuthority("Emulated Issuing CA", signed_by=CI)
    before = asyncio.all_tasks()
    async with server(between.server_context()) as heard:
        chain = await chain_shown(to_loopback, "localhost", heard.port)
        assert [each.issuer for each in chain] == [
            "CN=Emulated Issuing CA",
            "O=Emulated CI Authority, CN=Emulated Commercial Root CA 1",
        ]
        assert heard.octets == b""
    await eventually(lambda: asyncio.all_tasks() <= before | {asyncio.current_task()})


@pytest.mark.anyio
@pytest.mark.req("CERT-01")
@on_each_loop
async def test_upload_takes_effect_with_the_next_connection_and_so_does_a_removal() -> None:
    changes: list[int] = []
    trust = Trust(TrustStore(ROOTS), changed=lambda: changes.append(1))
    async with server(CI.server_context()) as heard:
        with pytest.raises(ssl.SSLCertVerificationError):
            await post(heard.port, trust.tls())
        trust.upload(CI.ca_pem.encode(), CloudService.CI)
        await post(heard.port, trust.tls())
        trust.upload(CI.ca_pem.encode())  # is there already
        trust.remove(root(CI).fingerprint)
        with pytest.raises(ssl.SSLCertVerificationError):
            await post(heard.port, trust.tls())
    assert len(changes) == 2


def test_alpn_is_kept_apart() -> None:
    trust = Trust(TrustStore(ROOTS))
    assert trust.tls(("h2",)) is trust.tls(("h2",))
    assert trust.tls(("h2",)).context is not trust.tls().context


def test_store_outlives_the_process_and_its_files_are_for_its_owner_alone(tmp_path: Path) -> None:
    files = TrustFiles(tmp_path)
    assert files.load() == ()
    trust = Trust(TrustStore(ROOTS), files, unix_s=lambda: 1_900_000_000.5)
    with pytest.raises(UploadRefused):
        trust.upload(b"nothing")
    assert not files.directory.exists()
    trust = Trust(TrustStore(ROOTS), files)
    trust.install([root(CI)], Origin.IMAGE)
    trust.upload(FOS.ca_pem.encode())
    kept = files.load()
    assert kept == trust.store.entries
    assert [entry.origin for entry in kept] == [Origin.IMAGE, Origin.UPLOADED]
    modes = {stat.S_IMODE(file.stat().st_mode) for file in files.directory.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700
    trust.remove(root(CI).fingerprint)
    assert [each.certificate for each in files.load()] == [root(FOS)]
    assert len(list(files.directory.iterdir())) == 2


def test_store_whose_files_were_changed_does_not_load_and_names_the_file(tmp_path: Path) -> None:
    files = TrustFiles(tmp_path)
    trust = Trust(TrustStore(ROOTS), files)
    trust.upload(CI.ca_pem.encode())
    file = files.directory / f"{root(CI).fingerprint.word}.pem"
    index = files.directory / "index.json"
    (files.directory / "stray.pem").write_text(FOS.ca_pem)
    assert len(files.load()) == 1  # what the index does not name is nothing
    for broken, text in (
        (file, FOS.ca_pem),
        (file, ""),
        (file, CI.ca_pem * 2),
        (index, "[{"),
        (index, '[{"fingerprint": "?", "origin": "image", "added_at": 1}]'),
    ):
        right = broken.read_text()
        broken.write_text(text)
        with pytest.raises(TrustFilesError, match=broken.name):
            files.load()
        broken.write_text(right)
    file.unlink()
    with pytest.raises(TrustFilesError, match=r"is not there"):
        files.load()


def test_certificate_that_cannot_be_kept_is_not_trusted_either(tmp_path: Path) -> None:
    (tmp_path / "tomcat-trust").write_text("a file where the directory should be")
    trust = Trust(TrustStore(ROOTS), TrustFiles(tmp_path))
    with pytest.raises(OSError):  # noqa: PT011
        trust.upload(CI.ca_pem.encode())
    assert trust.store.entries == ()
    assert trust.tls().context.get_ca_certs() == []


def test_server_certificate_can_be_made_for_any_span() -> None:
    span = Span(timedelta(days=-3), timedelta(days=10))
    pem, _ = CI.issue(("ucm1.example.com",), span=span)
    (certificate,) = parse_certificates(pem)
    assert certificate.validity_days == 13
    assert certificate.hosts[0] == "ucm1.example.com"
    assert root(CI).issued(certificate)
