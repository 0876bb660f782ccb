"""`callctl certificate` and `/certificates`: the trust store, worked from outside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException

from callctl.certificate.certificate import Certificate, parse_certificates
from callctl.certificate.cloud_roots import CloudRoots, CloudService
from callctl.certificate.report import OwnCertificates, report
from callctl.certificate.trust_store import TrustStore
from callctl.cli import certificate
from callctl.cli.client import Where
from callctl.cli.errors import CommandError, Refused, Usage
from callctl.io.certificate_api import certificate_router
from callctl.io.http_server import serve
from callctl.io.pki import CertificateAuthority, emulated_cloud_authorities
from callctl.io.state_dir import StateDir
from callctl.io.trust import Trust
from callctl.io.trust_files import TrustFiles
from helpers.loops import on_each_loop
from sipstack.io.entropy import OsEntropy

pytestmark = [pytest.mark.anyio, on_each_loop]

CI, FOS = emulated_cloud_authorities()


def root(authority: CertificateAuthority) -> Certificate:
    return parse_certificates(authority.ca_pem.encode())[0]


ROOTS = CloudRoots.emulated([(CloudService.CI, root(CI)), (CloudService.FOS, root(FOS))])


@dataclass
class Cluster:
    """The part of a cluster that is asked."""

    trust: Trust
    where: Where
    capsys: pytest.CaptureFixture[str]
    directory: Path

    async def run(self, command: Callable[..., int], *words: Any, **more: Any) -> tuple[int, str]:  # noqa: ANN401
        """Exit code, and what was printed."""
        code = await anyio.to_thread.run_sync(lambda: command(*words, where=self.where, **more))
        return code, self.capsys.readouterr().out

    async def error(self, command: Callable[..., int], *words: Any, **more: Any) -> CommandError:  # noqa: ANN401
        with pytest.raises(CommandError) as caught:
            await self.run(command, *words, **more)
        return caught.value

    def file(self, data: bytes | str, name: str = "given.pem") -> Path:
        path = self.directory / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


@pytest.fixture
def cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    @asynccontextmanager
    async def running(*, json: bool = False, insecure: bool = False) -> AsyncIterator[Cluster]:
        state = StateDir(tmp_path / "state")
        token = state.make_token(OsEntropy())
        trust = Trust(
            TrustStore(ROOTS), TrustFiles(state.path), insecure_skip_tls_verification=insecure
        )

        def authorized(authorization: Annotated[str, Header()] = "") -> None:
            if authorization != f"Bearer {token}":
                raise HTTPException(401)

        app = FastAPI()
        app.include_router(
            certificate_router(
                trust,
                lambda: report(
                    trust.store, OwnCertificates(), trust.unix_s(), insecure=trust.insecure
                ),
                [Depends(authorized)],
            )
        )
        async with serve(app, None) as port:
            where = Where(json=json, state=state.path, url=f"http://127.0.0.1:{port}")
            yield Cluster(trust, where, capsys, tmp_path)

    return running


@pytest.mark.req("CERT-01", "CERT-02", "CERT-04")
async def test_administrator_uploads_the_roots_and_the_check_says_ok(
    cluster: Callable[..., Any],
) -> None:
    async with cluster() as here:
        code, out = await here.run(certificate.check)
        assert code == 1
        assert str(root(CI).fingerprint) in out
        assert out.count("CERT-01") == 2
        _, out = await here.run(certificate.list_)
        assert "TLS with the cloud fails" in out
        both = here.file(CI.ca_pem + FOS.ca_pem)
        code, out = await here.run(certificate.upload, both)
        assert (code, out.count("added")) == (0, 2)
        code, out = await here.run(certificate.check)
        assert code == 0
        assert out.count("ok") == 2
        _, out = await here.run(certificate.list_)
        assert "Emulated Commercial Root CA 1" in out
        assert "uploaded" in out
        code, out = await here.run(certificate.upload, here.file(root(CI).der), cloud_root="ci")
        assert "present" in out


@pytest.mark.req("CERT-02")
async def test_wrong_root_is_refused_with_both_fingerprints_on_the_command_line(
    cluster: Callable[..., Any],
) -> None:
    async with cluster() as here:
        false, _ = emulated_cloud_authorities()
        refused = await here.error(certificate.upload, here.file(false.ca_pem))
        assert isinstance(refused, Refused)
        assert str(root(false).fingerprint) in str(refused)
        assert str(root(CI).fingerprint) in str(refused)
        refused = await here.error(certificate.upload, here.file(FOS.ca_pem), cloud_root="ci")
        assert str(root(CI).fingerprint) in str(refused)
        assert here.trust.store.entries == ()


async def test_certificate_is_removed_by_the_beginning_of_its_fingerprint(
    cluster: Callable[..., Any],
) -> None:
    async with cluster() as here:
        await here.run(certificate.upload, here.file(CI.ca_pem + FOS.ca_pem))
        word = str(root(CI).fingerprint)
        for given in ("", "??"):
            assert isinstance(await here.error(certificate.remove, given), CommandError)
        code, out = await here.run(certificate.remove, word[:14].lower())
        assert (code, "removed" in out, word in out) == (0, True, True)
        assert here.trust.store.certificates == (root(FOS),)
        gone = await here.error(certificate.remove, word)
        assert "no certificate" in str(gone)


async def test_answers_for_scripts(cluster: Callable[..., Any]) -> None:
    async with cluster(json=True, insecure=True) as here:
        _, out = await here.run(certificate.upload, here.file(CI.ca_pem))
        added = json.loads(out)
        assert [each["fingerprint"] for each in added["added"]] == [str(root(CI).fingerprint)]
        _, out = await here.run(certificate.list_)
        store = json.loads(out)
        assert store["verification"] is False
        assert [each["cloud_root"] for each in store["certificates"]] == ["ci"]
        code, out = await here.run(certificate.check)
        assert [each["verdict"] for each in json.loads(out)] == ["failed", "ok", "failed"]
        assert code == 1
        _, out = await here.run(certificate.remove, root(CI).fingerprint.word)
        assert json.loads(out)["subject"] == root(CI).subject


async def test_verification_that_is_off_stands_above_the_list(cluster: Callable[..., Any]) -> None:
    async with cluster(insecure=True) as here:
        _, out = await here.run(certificate.list_)
        assert "TLS verification is off: insecure_skip_tls_verification" in out


async def test_file_that_cannot_be_read_is_a_mistake_of_the_command_line(
    cluster: Callable[..., Any], tmp_path: Path
) -> None:
    async with cluster() as here:
        for file in (tmp_path / "none.pem", tmp_path, here.file(b"x" * 300_000)):
            assert isinstance(await here.error(certificate.upload, file), Usage)
        refused = await here.error(certificate.upload, here.file("hello"))
        assert "not a certificate" in str(refused)
