"""Opens the records of one direction (RFC 5246 §6, RFC 8446 §5, §7)."""

from __future__ import annotations

import hmac
from struct import pack
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from callctl.capture.tls.suite import Kind, Suite

TAG_OCTETS: Final = 16
EXPLICIT_OCTETS: Final = 8  # of the nonce, in each record of TLS 1.2 with AES-GCM
BLOCK_OCTETS: Final = 16


class Unreadable(Exception):
    """The rest of a connection cannot be read; the text is empty if that needs no explanation."""


class Record(NamedTuple):
    """One record, without protection."""

    kind: int
    octets: bytes


class Opener(Protocol):
    """The keys of one direction, and how many records they have opened."""

    def open(self, header: bytes, body: bytes) -> Record:
        """The record with that header of 5 octets, and what follows it.

        Raises: Unreadable; then nothing has changed.
        """


class Opener13:
    """TLS 1.3."""

    __slots__ = ("_aead", "_iv", "_secret", "_sequence", "_suite", "of_handshake")

    def __init__(self, suite: Suite, secret: bytes, *, of_handshake: bool = False) -> None:
        """`secret` is a traffic secret."""
        self.of_handshake = of_handshake
        self._suite = suite
        self._secret = secret
        key = expand_label(suite.hash, secret, b"key", suite.key_octets)
        self._iv = expand_label(suite.hash, secret, b"iv", 12)
        self._aead = _aead(suite, key)
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> Record:
        plain = _decrypted(self._aead, _nonce(self._iv, self._sequence), body, header)
        self._sequence += 1
        inner = plain.rstrip(b"\0")
        if not inner:
            raise Unreadable("a TLS record holds nothing but padding")
        return Record(inner[-1], inner[:-1])

    def updated(self) -> Opener13:
        """After a KeyUpdate (RFC 8446 §7.2)."""
        suite, secret = self._suite, self._secret
        return Opener13(suite, expand_label(suite.hash, secret, b"traffic upd", len(secret)))


class AeadOpener12:
    """TLS 1.2 with AES-GCM (RFC 5288) or ChaCha20-Poly1305 (RFC 7905)."""

    __slots__ = ("_aead", "_iv", "_sequence")

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        self._aead = _aead(suite, key)
        self._iv = iv
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> Record:
        if len(self._iv) == 12:
            nonce = _nonce(self._iv, self._sequence)
        else:
            nonce, body = self._iv + body[:EXPLICIT_OCTETS], body[EXPLICIT_OCTETS:]
        size = len(body) - TAG_OCTETS
        if len(nonce) != 12 or size < 0:
            raise Unreadable("a TLS record is too short")
        plain = _decrypted(self._aead, nonce, body, _sealed(self._sequence, header, size))
        self._sequence += 1
        return Record(header[0], plain)


class CbcOpener12:
    """TLS 1.2 with AES-CBC (RFC 5246 §6.2.3.2), MAC inside or outside (RFC 7366)."""

    __slots__ = ("_key", "_mac", "_mac_key", "_mac_outside", "_sequence")

    def __init__(self, suite: Suite, key: bytes, mac_key: bytes, *, mac_outside: bool) -> None:
        self._key = key
        self._mac = suite.mac
        self._mac_key = mac_key
        self._mac_outside = mac_outside
        self._sequence = 0

    def open(self, header: bytes, body: bytes) -> Record:
        mac_octets = len(self._mac_key)
        if self._mac_outside:
            body, mac = body[:-mac_octets], body[-mac_octets:]
            self._check(header, body, mac)
        if len(body) < 2 * BLOCK_OCTETS or len(body) % BLOCK_OCTETS:
            raise Unreadable("a TLS record is too short")
        cipher = Cipher(AES(self._key), CBC(body[:BLOCK_OCTETS])).decryptor()
        plain = cipher.update(body[BLOCK_OCTETS:]) + cipher.finalize()
        plain = plain[: max(len(plain) - plain[-1] - 1, 0)]
        if not self._mac_outside:
            plain, mac = plain[:-mac_octets], plain[-mac_octets:]
            self._check(header, plain, mac)
        self._sequence += 1
        return Record(header[0], plain)

    def _check(self, header: bytes, octets: bytes, mac: bytes) -> None:
        signed = _sealed(self._sequence, header, len(octets)) + octets
        if hmac.digest(self._mac_key, signed, self._mac) != mac:
            raise Unreadable("a TLS record does not open with the secrets of the key log")


def openers_1_2(
    suite: Suite, master: bytes, randoms: tuple[bytes, bytes], *, mac_outside: bool
) -> tuple[Opener, Opener]:
    """What opens the records of client and server. `randoms` are those of client and server."""
    client_random, server_random = randoms
    seed = b"key expansion" + server_random + client_random
    mac_octets = len(hmac.digest(b"", b"", suite.mac)) if suite.kind is Kind.CBC else 0
    iv_octets = {Kind.GCM: 4, Kind.CHACHA: 12, Kind.CBC: 0}[suite.kind]
    sizes = [size for size in (mac_octets, suite.key_octets, iv_octets) for _ in range(2)]
    block = _prf(suite.hash, master, seed, sum(sizes))
    parts = [block[sum(sizes[:at]) :][:size] for at, size in enumerate(sizes)]
    if suite.kind is Kind.CBC:
        first, second = (
            CbcOpener12(suite, parts[2 + side], parts[side], mac_outside=mac_outside)
            for side in range(2)
        )
        return first, second
    return AeadOpener12(suite, parts[2], parts[4]), AeadOpener12(suite, parts[3], parts[5])


def expand_label(hash_name: str, secret: bytes, label: bytes, octets: int) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 §7.1)."""
    label = b"tls13 " + label
    info = pack("!HB", octets, len(label)) + label + b"\0"
    output = block = b""
    for counter in range(1, octets // 32 + 2):  # a hash has 32 octets or more
        block = hmac.digest(secret, block + info + bytes((counter,)), hash_name)
        output += block
    return output[:octets]


def _prf(hash_name: str, secret: bytes, seed: bytes, octets: int) -> bytes:
    """The pseudorandom function of TLS 1.2, label and seed in one (RFC 5246 §5)."""
    output, link = b"", seed
    while len(output) < octets:
        link = hmac.digest(secret, link, hash_name)
        output += hmac.digest(secret, link + seed, hash_name)
    return output[:octets]


def _aead(suite: Suite, key: bytes) -> AESGCM | ChaCha20Poly1305:
    return AESGCM(key) if suite.kind is Kind.GCM else ChaCha20Poly1305(key)


def _nonce(iv: bytes, sequence: int) -> bytes:
    return (int.from_bytes(iv) ^ sequence).to_bytes(len(iv))


def _sealed(sequence: int, header: bytes, size: int) -> bytes:
    """What TLS 1.2 authenticates beside the octets (RFC 5246 §6.2.3.1)."""
    return pack("!Q3sH", sequence, header[:3], size)


def _decrypted(
    aead: AESGCM | ChaCha20Poly1305, nonce: bytes, body: bytes, associated: bytes
) -> bytes:
    try:
        return aead.decrypt(nonce, body, associated)
    except (InvalidTag, ValueError) as error:
        what = "a TLS record does not open with the secrets of the key log"
        raise Unreadable(what) from error
