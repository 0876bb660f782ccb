"""`--set KEY=VALUE`: parts of a world file on the command line, over those of the file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from callctl.errors import Finding
from callctl.model.consistency import Path
from callctl.model.document import Document, Tree, key_text

FORM = "KEY=VALUE, as calls=[] or draw.calls.number=20"


@dataclass(frozen=True, slots=True)
class Setting:
    """One of them."""

    path: Path
    value: Tree
    text: str

    @property
    def place(self) -> str:
        """Stands for the file in what is told of it."""
        return f"--set {self.text}"


def parse_settings(texts: Iterable[str]) -> tuple[list[Setting], list[Finding]]:
    """The settings, and what is wrong with the others; the value of each is YAML."""
    settings: list[Setting] = []
    findings: list[Finding] = []
    for text in texts:
        key, found, value = text.partition("=")
        path = tuple(key.strip().split("."))
        place = f"--set {text}"
        if not found or not all(path):
            findings.append(Finding(place, None, "", "is no setting", FORM))
            continue
        document = Document(value)
        findings += [
            Finding(place, None, key_text(path), mistake.problem, mistake.expected)
            for _, mistake in document.mistakes
        ]
        settings.append(Setting(path, document.tree, text))
    return settings, findings


def merged(
    tree: dict[str, Any], settings: Iterable[Setting]
) -> tuple[dict[str, Any], list[Finding]]:
    """`tree` with the settings in it. A setting may not reach into a list, or below a value."""
    findings: list[Finding] = []
    for setting in settings:
        here = tree
        *above, last = setting.path
        for part in above:
            below = here.get(str(part))
            if below is None:
                below = {}
            if not isinstance(below, dict):
                problem = f"{part} has no keys below it"
                expected = "the key of a mapping; a list is set as a whole"
                findings.append(
                    Finding(setting.place, None, key_text(setting.path), problem, expected)
                )
                break
            here[str(part)] = dict(below)
            here = here[str(part)]
        else:
            here[str(last)] = setting.value
    return tree, findings
