"""How the cluster reaches the clouds, from its part of the cluster file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from callctl.model.cloud import CloudSettings, OnboardingWay, ProxySettings
from callctl.model.cloud_schema import CloudEntry, ProxyEntry
from callctl.model.consistency import Mistake
from callctl.model.direct_draft import direct_push
from callctl.model.password_file import password_in_entry
from callctl.model.user import Secret

PROXY_PATH = ("cloud", "proxy")


def cloud_settings(entry: CloudEntry, directory: Path, mistakes: list[Mistake]) -> CloudSettings:
    """The record; what is wrong is added to `mistakes`, and then left out."""
    direct = None
    if entry.direct is not None:
        direct = direct_push(entry.direct, entry.emulator, directory, mistakes)
    usual = OnboardingWay.AUTOMATIC if entry.emulator else OnboardingWay.MANUAL
    return CloudSettings(
        push_enabled=entry.push_enabled,
        emulator=entry.emulator,
        push_rest_url=entry.push_rest_url,
        fos_url=entry.fos_url,
        ci_url=entry.ci_url,
        plm_url=entry.plm_url or "",
        cssm_url=entry.cssm_url or "",
        satellite_url=entry.satellite_url or "",
        alarm_upload_url=entry.alarm_upload_url,
        onboarding=entry.onboarding or usual,
        proxy=None if entry.proxy is None else _proxy(entry.proxy, directory, mistakes),
        manage_certificates=entry.manage_certificates,
        insecure_skip_tls_verification=entry.insecure_skip_tls_verification,
        direct=direct,
    )


def _proxy(entry: ProxyEntry, directory: Path, mistakes: list[Mistake]) -> ProxySettings:
    parts = urlsplit(entry.url)
    password = None
    given = entry.password is not None or entry.password_file is not None
    if entry.user is not None:
        found = password_in_entry(entry, PROXY_PATH, directory)
        if isinstance(found, Mistake):
            mistakes.append(found)
        else:
            password = Secret(found)
    elif given:
        mistakes.append(Mistake(PROXY_PATH, "has a password and no user", "a user"))
    assert parts.hostname is not None
    assert parts.port is not None
    return ProxySettings(
        parts.scheme, parts.hostname, parts.port, entry.user, password, entry.basic_over_http
    )
