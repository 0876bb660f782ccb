"""The parts of a cluster file that name certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callctl.certificate.cloud_roots import IDENTRUST
from callctl.io.certificate_files import cloud_roots
from callctl.model.certificate_files import NO_FILES, SystemFiles
from callctl.model.certificate_schema import (
    CertificatesEntry,
    DeploymentCertificatesEntry,
    certificate_files,
)

HERE = Path("/etc/callctl")


def test_paths_are_relative_to_the_cluster_file() -> None:
    store = CertificatesEntry.model_validate(
        {"image": ["roots.pem"], "tomcat_trust": ["/srv/ca.pem"], "bundle_signers": {"k1": "k.pem"}}
    )
    deployment = DeploymentCertificatesEntry.model_validate(
        {
            "cucm": {"tomcat": "t.pem", "trusts": ["a.pem", "b.pem"]},
            "local_push": "l.pem",
            "local_push_ca": "private",
        }
    )
    files = certificate_files(store, deployment, HERE)
    assert files.image == (HERE / "roots.pem",)
    assert files.tomcat_trust == (Path("/srv/ca.pem"),)
    assert files.bundle_signers == {"k1": HERE / "k.pem"}
    trusts = (HERE / "a.pem", HERE / "b.pem")
    assert files.cucm == SystemFiles(tomcat=HERE / "t.pem", trusts=trusts)
    assert files.im_and_presence is None
    assert (files.local_push, files.local_push_public_ca) == (HERE / "l.pem", False)


def test_file_that_names_no_certificates_is_the_usual_one() -> None:
    assert certificate_files(CertificatesEntry(), None, HERE) == NO_FILES


@pytest.mark.req("CERT-02")
@pytest.mark.parametrize("separator", [":", " ", ""])
def test_fingerprint_of_a_root_is_taken_as_people_copy_it(separator: str) -> None:
    text = str(IDENTRUST.fingerprint).replace(":", separator).lower()
    given = {"roots": [{"service": "ci", "fingerprint": text}]}
    files = certificate_files(CertificatesEntry.model_validate(given), None, HERE)
    assert cloud_roots(files).of(IDENTRUST.fingerprint) is IDENTRUST


@pytest.mark.parametrize(
    "root",
    [
        {"service": "push", "fingerprint": "5D" * 32},
        {"service": "ci", "fingerprint": "5D" * 31},
        {"service": "ci", "fingerprint": "٣" * 64},
        {"service": "ci"},
        {"service": "ci", "fingerprint": "5D" * 32, "name": "x"},
    ],
)
def test_root_that_is_none_is_a_mistake(root: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CertificatesEntry.model_validate({"roots": [root]})
