"""The cluster that the demo and the lab run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LAB_FILE: Final = Path(__file__).parent.parent / "examples" / "lab.yaml"
