"""The cluster files that come with the product: right, without a warning, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.certificate.cloud_roots import TABLE_H1
from callctl.cli.check import check
from callctl.cli.lab_file import LAB_FILE
from callctl.cli.serving import load
from callctl.io.certificate_files import image_roots
from callctl.io.trust import INSECURE_WARNING
from callctl.model.cloud import OnboardingWay
from callctl.model.load import load_cluster

EXAMPLES = sorted(LAB_FILE.parent.glob("*.yaml"))
CLOUD_FILE = LAB_FILE.parent / "cloud.yaml"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_example_has_no_mistake_and_no_warning(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(file, strict=True) == 0
    assert f"{file}: ok, " in capsys.readouterr().out


@pytest.mark.req("CLOUD-14", "PROXY-01", "NET-02")
def test_example_of_the_cloud_names_the_production_hosts_a_proxy_and_a_collector() -> None:
    cluster = load_cluster(CLOUD_FILE)
    cloud = cluster.cloud
    assert (cloud.fos_url, cloud.ci_url, cloud.push_rest_url) == (
        "https://fos-a.wbx2.com",
        "https://idbroker.webex.com",
        "https://push.webexconnect.com",
    )
    assert cloud.onboarding is OnboardingWay.MANUAL
    assert not cloud.emulator
    assert cloud.proxy is not None
    assert (cloud.proxy.host, cloud.proxy.user) == ("proxy.cloud.example", "callctl")
    assert cloud.proxy.password is not None
    assert [collector.host for collector in cluster.alarms.syslog] == ["127.0.0.1"]


@pytest.mark.req("CERT-01", "CERT-02")
def test_certificates_beside_the_examples_are_those_of_table_h1() -> None:
    cluster = load_cluster(CLOUD_FILE)
    found = image_roots(cluster.certificate_files, TABLE_H1)
    assert len(found) == 2


def test_certificate_file_that_cannot_be_used_is_a_mistake_at_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = LAB_FILE.read_text(encoding="utf-8").replace("bulk: [devices.csv, devices.jsonl]", "")
    file = tmp_path / "lab.yaml"
    file.write_text(f"{text}\ncertificates: {{tomcat_trust: [nowhere.pem]}}\n", encoding="utf-8")
    assert check(file) == 1
    out = capsys.readouterr().out
    assert "  certificates\n" in out
    assert "nowhere.pem: No such file" in out


def test_start_warns_of_a_cluster_that_takes_any_certificate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = LAB_FILE.read_text(encoding="utf-8").replace("bulk: [devices.csv, devices.jsonl]", "")
    text = text.replace("emulator: true}", "emulator: true, insecure_skip_tls_verification: true}")
    file = tmp_path / "lab.yaml"
    file.write_text(text, encoding="utf-8")
    load(file)
    assert " ".join(INSECURE_WARNING.split()) in capsys.readouterr().err
    load(LAB_FILE)
    assert capsys.readouterr().err == ""
