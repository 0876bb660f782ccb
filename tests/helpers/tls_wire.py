"""TLS connections in memory whose octets and secrets a test can put into a capture."""

from __future__ import annotations

import ssl
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from callctl.io.pki import CertificateAuthority
from helpers.packets import Conversation

NO_ENCRYPT_THEN_MAC: Final = 1 << 19  # SSL_OP_NO_ENCRYPT_THEN_MAC, which `ssl` has no name for
NAME: Final = "localhost"
PRIME: Final = bytes.fromhex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A0879"
    "8E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B"
    "0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
"""Second Oakley Group (RFC 2409 §6.2), which is quick, and need not be safe."""


class TlsTalk:
    """A client and a server that say things over TLS, and the TCP packets that carry them."""

    def __init__(
        self,
        client: ssl.SSLContext,
        server: ssl.SSLContext,
        conversation: Conversation | None = None,
        session: ssl.SSLSession | None = None,
        cut: int = 1_400,
    ) -> None:
        """`cut`: octets of a segment."""
        self.conversation = conversation or Conversation().opened()
        # What one reads, the other has written.
        self._to_server, self._to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        server_out, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._out = {True: client_out, False: server_out}
        self.client = client.wrap_bio(
            self._to_client, client_out, server_hostname=NAME, session=session
        )
        self.server = server.wrap_bio(self._to_server, server_out, server_side=True)
        self.cut = cut
        for _ in range(6):
            for side in (self.client, self.server):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
                self._flush()
        assert self.client.version() is not None

    @property
    def packets(self) -> list[bytes]:
        return self.conversation.packets

    def sent(self, data: bytes) -> TlsTalk:
        """The client says something, in one record if it is short."""
        self.client.write(data)
        self._flush()
        assert self.server.read(len(data))
        return self

    def answered(self, data: bytes) -> TlsTalk:
        """The server says something, and its tickets before it."""
        self.server.write(data)
        self._flush()
        assert self.client.read(len(data))
        return self

    def ended(self) -> TlsTalk:
        """The client says that nothing more comes."""
        try:
            self.client.unwrap()
        except ssl.SSLWantReadError:
            self._flush()
        return self

    def _flush(self) -> None:
        for by_client, out in self._out.items():
            data = out.read()
            if data and by_client:
                self.conversation.sent(data, cut=self.cut)
                self._to_server.write(data)
            elif data:
                self.conversation.answered(data, cut=self.cut)
                self._to_client.write(data)


class TlsRoom:
    """Contexts that log their secrets to a file of a directory."""

    def __init__(self, directory: Path) -> None:
        self.keys = directory / "test.keys"
        self._authority = CertificateAuthority()

    @property
    def key_log(self) -> bytes:
        return self.keys.read_bytes() if self.keys.exists() else b""

    def client(
        self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, ciphers: str = ""
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.keylog_filename = str(self.keys)
        return context

    def server(self, *, with_rsa: bool = False) -> ssl.SSLContext:
        """One that takes whatever the client wants."""
        if with_rsa:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with TemporaryDirectory() as directory:
                path = Path(directory) / "rsa.pem"
                path.write_bytes(_rsa_certificate())
                context.load_cert_chain(path)
                context.set_ciphers("ALL:@SECLEVEL=0")
                path.write_text(_dh_parameters())
                context.load_dh_params(str(path))
            return context
        context = self._authority.server_context((NAME,))
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def talk(
        self,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        conversation: Conversation | None = None,
        *,
        cut: int = 1_400,
    ) -> TlsTalk:
        """A connection after its handshake."""
        return TlsTalk(self.client(version), self.server(), conversation, cut=cut)


def _dh_parameters() -> str:
    numbers = b"\x02\x81\x81\x00" + PRIME + b"\x02\x01\x02"
    text = b64encode(b"\x30\x81" + bytes((len(numbers),)) + numbers).decode()
    return f"-----BEGIN DH PARAMETERS-----\n{text}\n-----END DH PARAMETERS-----\n"


@cache
def _rsa_certificate() -> bytes:
    """A certificate that nobody verifies, and its key: made once, for it takes its time."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem + certificate.public_bytes(Encoding.PEM)
