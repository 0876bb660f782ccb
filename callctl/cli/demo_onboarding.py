"""How the cluster of the demo was onboarded: its steps as an administrator knows them, judged.

Source: Table L, ONB-04 to ONB-12; GEN-09.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from callctl.io.host import Hosted
from callctl.onboarding.guide import Step, StepKind
from callctl.onboarding.state import COMPLETED_TEXT, State


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step, and what the page said after it."""

    text: str
    nodes: tuple[str, ...]  # where something was restarted
    effect: str
    outcome: str

    @property
    def words(self) -> str:
        """What was done, and where."""
        return f"{self.text} on {', '.join(self.nodes)}" if self.nodes else self.text


@dataclass(frozen=True, slots=True)
class DemoOnboarding:
    """What a cluster that has just started can tell of its onboarding."""

    steps: tuple[StepDone, ...]
    status: str
    tokens: dict[str, bool]  # by node: it holds an access token
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True if pushes flow."""
        return not self.problems

    def report(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "ok": self.ok,
            "status": self.status,
            "steps": [
                {
                    "text": step.text,
                    "nodes": list(step.nodes),
                    "effect": step.effect,
                    "outcome": step.outcome,
                }
                for step in self.steps
            ],
            "access_tokens": self.tokens,
        }


def onboarding_of(host: Hosted) -> DemoOnboarding:
    """Look at the run of steps that the start of the cluster has made."""
    shell = host.cluster.operations.access.onboarding
    run, page = shell.guided, shell.onboarding
    tokens = {node.name: node.cpns.access_token is not None for node in host.cluster.nodes}
    problems = []
    if run is None:
        problems.append("onboarding was not started")
    elif run.ended is None:
        problems.append("onboarding has not ended")
    elif run.ended:
        problems.append(f"not onboarded: {run.ended}")
    elif page.status != COMPLETED_TEXT or not page.pushing:
        problems.append(f"onboarded, but no push may leave: {page.status or page.state.value}")
    else:
        problems += [f"{node} has no access token" for node, held in tokens.items() if not held]
    steps = () if run is None else tuple(_done(taken.step, taken.outcome) for taken in run.steps)
    return DemoOnboarding(steps, page.status, tokens, tuple(problems))


def _done(step: Step, outcome: str) -> StepDone:
    """In words: what follows a registration is not a state of the page."""
    if step.kind is StepKind.REGISTER and outcome == State.NOT_ONBOARDED.value:
        outcome = "registered"
    return StepDone(step.text, step.nodes, step.effect, outcome)
