"""Real proxies on loopback: Squid with Digest, over TLS or in the clear, and tinyproxy with Basic.

Each has its own directory, port and process, and lets CONNECT through to every port.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callctl.io.pki import CertificateAuthority
from interop.drivers.program import free_port, is_bound, running, until

HOST: Final = "127.0.0.1"
USER: Final = "callctl"
PASSWORD: Final = "cello"
PASSWORD_CRYPTED: Final = "$5$callctl$g.3NS6SeVBFgRQYXcydkiKLZ5sSFsfUfd.J1qJvUX54"
"""By `openssl passwd -5 -salt callctl`."""
START_LIMIT_S: Final = 30.0

_HELPERS: Final = Path("/usr/lib/squid")


@dataclass(frozen=True, slots=True)
class RealProxy:
    """One running proxy."""

    port: int
    log: Path  # a line for each request

    def requests(self) -> list[str]:
        """What was asked of it so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@asynccontextmanager
async def squid(
    authority: CertificateAuthority | None = None,
    *,
    digest: bool = True,
    names: tuple[str, ...] = (),
) -> AsyncGenerator[RealProxy]:
    """Squid that asks for Digest (MD5), or for Basic; with an authority it is an https proxy.

    `names`: what else it is called, for its certificate.
    """
    port = free_port(HOST)
    with _place() as place:
        lines = [
            *_squid_port(port, authority, names, place),
            *(_squid_digest(place) if digest else _squid_basic(place)),
            "acl known proxy_auth REQUIRED",
            "acl tunnel method CONNECT",
            "http_access allow tunnel known",
            "http_access deny all",
            "cache deny all",
            "pinger_enable off",
            "shutdown_lifetime 0 seconds",
            "visible_hostname localhost",
            "max_filedescriptors 1024",
            f"pid_filename {place}/pid",
            f"coredump_dir {place}",
            f"cache_log {place}/cache.log",
            "logformat plain %Ss/%>Hs %rm %ru %un",
            f"access_log stdio:{place}/access.log plain",
        ]
        configuration = place / "squid.conf"
        configuration.write_text("\n".join(lines) + "\n")
        log = place / "output"
        async with running(["squid", "-N", "-f", str(configuration)], log):
            if not await until(lambda: is_bound(port), START_LIMIT_S):
                raise TimeoutError(f"squid does not listen on {port}\n{log.read_text()}")
            yield RealProxy(port, place / "access.log")


@asynccontextmanager
async def tinyproxy() -> AsyncGenerator[RealProxy]:
    """tinyproxy that asks for Basic, in the clear."""
    port = free_port(HOST)
    with _place() as place:
        configuration = place / "tinyproxy.conf"
        configuration.write_text(
            f"Port {port}\nListen {HOST}\nTimeout 60\nMaxClients 50\nAllow {HOST}\n"
            f'BasicAuth {USER} {PASSWORD}\nLogFile "{place}/log"\nLogLevel Connect\n'
        )
        log = place / "output"
        async with running(["tinyproxy", "-d", "-c", str(configuration)], log):
            if not await until(lambda: is_bound(port), START_LIMIT_S):
                raise TimeoutError(f"tinyproxy does not listen on {port}\n{log.read_text()}")
            yield RealProxy(port, place / "log")


@contextmanager
def _place() -> Iterator[Path]:
    """A directory that also a program which gives up its rights may use."""
    place = Path(tempfile.mkdtemp(prefix="callctl-proxy-"))
    os.chmod(place, 0o777)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _squid_port(
    port: int, authority: CertificateAuthority | None, names: tuple[str, ...], place: Path
) -> list[str]:
    if authority is None:
        return [f"http_port {HOST}:{port}"]
    certificate, key = authority.issue(names)
    (place / "certificate.pem").write_bytes(certificate)
    (place / "key.pem").write_bytes(key)
    return [f"https_port {HOST}:{port} tls-cert={place}/certificate.pem tls-key={place}/key.pem"]


def _squid_digest(place: Path) -> list[str]:
    users = place / "users"
    users.write_text(f"{USER}:{PASSWORD}\n")
    return [
        f"auth_param digest program {_HELPERS}/digest_file_auth {users}",
        "auth_param digest children 1 startup=1",
        "auth_param digest realm lab",
        "auth_param digest nonce_max_duration 30 minutes",
        "auth_param digest nonce_max_count 50",
    ]


def _squid_basic(place: Path) -> list[str]:
    users = place / "users"
    users.write_text(f"{USER}:{PASSWORD_CRYPTED}\n")
    return [
        f"auth_param basic program {_HELPERS}/basic_ncsa_auth {users}",
        "auth_param basic children 1 startup=1",
        "auth_param basic realm lab",
    ]
