"""docs/settings.md: every setting of the product, its default, and its key or the part it is with.

Source: the settings table of section 12 (SVC-03).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from callctl.cli.onboarding import save
from callctl.model.cloud_schema import CloudEntry
from callctl.model.schema import ClusterFile
from callctl.model.service_parameter import ServiceParameters
from callctl.onboarding.page import PageSettings

PAGE: Final = Path(__file__).parents[4] / "docs" / "settings.md"
CLUSTER_FILE_PAGE: Final = PAGE.with_name("cluster-file.md")

TABLE: Final = {
    "Enable Push Notifications": "off",
    "I want Cisco to manage the Cisco Cloud Service CA Certificates required for this trust": "on",
    "Enable HTTP(S) Proxy": "off",
    "Send Troubleshooting Information to the Cisco Cloud": "on after push is enabled",
    "Send encrypted PII to the Cisco Cloud for troubleshooting": "off",
    "Push Notifications High Availability": "not stated",
    "OAuth with Refresh Login Flow": "Disabled",
    "OAuth Access Token Expiry Timer": "60 minutes",
    "OAuth Refresh Token Expiry Timer": "60 days",
    "Authorize by OAuth token with refresh": "On",
    "EnableVoipSocket": "must be false",
    "LocalPushSSIDList": "empty",
    "Jabber Dual Mode (iPhone) Incoming Call Push Notification Wait Timer": "10 s",
    "Multiple Device Messaging, Stream Management": "not stated",
    "Client re-login lower and upper limit": "not stated",
}
"""Settings of section 12, and how the page begins to tell their default."""

NOT_BUILT: Final = (
    "with IM and Presence",
    "with local push",
    "with the user logins (OAuth)",
    "with Expressway",
)


def rows() -> dict[str, tuple[str, str]]:
    """By setting: default, and where it is here."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] not in ("Setting", "---"):
            name, _, default, here = cells
            found[name] = (default, here)
    return found


@pytest.mark.req("SVC-03")
def test_every_setting_of_the_table_is_on_the_page_with_its_default() -> None:
    found = rows()
    assert set(found) == set(TABLE)
    for name, default in TABLE.items():
        assert found[name][0].startswith(default), name


@pytest.mark.req("SVC-03")
def test_setting_is_a_documented_key_or_comes_with_a_part_that_is_named() -> None:
    keys = CLUSTER_FILE_PAGE.read_text(encoding="utf-8")
    options = save.__annotations__
    for name, (_, here) in rows().items():
        if here in NOT_BUILT:
            continue
        named = re.findall(r"`([^`]+)`", here)
        assert named, name
        for each in named:
            if each.startswith("callctl onboarding save --"):
                assert each.rpartition("--")[2].replace("-", "_") in options, each
            elif not each.startswith("callctl "):
                assert f"| `{each.rpartition('.')[2]}` |" in keys, each


@pytest.mark.req("SVC-03")
def test_defaults_of_the_page_are_those_of_the_keys() -> None:
    cloud = CloudEntry()
    assert cloud.push_enabled is False
    assert cloud.manage_certificates is True
    assert cloud.proxy is None
    assert PageSettings().encrypted_pii is False
    assert PageSettings(push_enabled=True).sends_troubleshooting is True
    assert ServiceParameters().mobility_wait_s == 10


@pytest.mark.req("SVC-03")
def test_key_of_a_part_that_is_not_built_is_refused() -> None:
    """So that nobody believes it acts."""
    for key in ("oauth", "local_push", "push_high_availability"):
        assert key not in ClusterFile.model_fields
        assert key not in ServiceParameters.__dataclass_fields__
