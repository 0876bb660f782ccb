"""The reference page in the repository is the one that the commands make."""

from __future__ import annotations

from pathlib import Path

from callctl.cli.reference import page

ROOT = Path(__file__).parents[4]


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"


def test_every_command_is_on_it() -> None:
    text = page()
    for names in (
        ["demo", "lab", "run", "phone", "check", "capability", "sim", "trace", "explain", "call"],
        ["call list", "call show", "reg show", "push list", "device suspend", "device resume"],
        ["node list", "node stop", "node start", "node kill"],
        ["onboarding status", "onboarding voucher", "onboarding save", "onboarding run"],
        ["license show", "certificate list", "certificate check", "alarm list", "alarm show"],
        ["cloud check", "cloud status", "cloud fault", "cloud log", "cloud repair-token"],
        ["cloud proxy-capacity", "rtmt show", "utils", "cli", "trace find", "trace level"],
    ):
        for name in names:
            assert f" callctl {name}\n" in text
