"""Each step of a story has a sentence, and whoever notes the step gives what the sentence needs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Final

import pytest

import callctl
from callctl.call.called import CalledDevice
from callctl.call.story import SENTENCES, CallRecord, Step
from callctl.model.build import android, desk_phone, iphone
from callctl.model.device import ClientType, Device
from callctl.model.release import Release
from callctl.push.capability.capabilities import Capabilities
from callctl.push.capability.capability import BY_THE_BOOK
from helpers.call_rig import at
from helpers.engine_rig import iphone_binding

PACKAGE: Final = Path(callctl.__file__).parent
GIVEN: Final = frozenset({"device"})  # by `Step` itself


def places() -> Iterator[tuple[str, set[str], set[str]]]:
    """Every `record.note(...)`: where it is, the codes it may note, the values it gives."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            notes = [it for it in ast.walk(function) if isinstance(it, ast.Call) and is_note(it)]
            fixed = {
                str(code.value) for it in notes if isinstance(code := it.args[1], ast.Constant)
            }
            for node in notes:
                code = node.args[1]
                if isinstance(code, ast.Constant):
                    codes = {str(code.value)}
                else:  # chosen in the function, or by a table of the module
                    tables = {it.id for it in ast.walk(function) if isinstance(it, ast.Name)}
                    codes = (codes_in(function) | codes_of_tables(tree, tables)) - fixed
                where = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                yield where, codes, {keyword.arg or "**" for keyword in node.keywords}


def is_note(call: ast.Call) -> bool:
    """True for `record.note(...)`, `self.record.note(...)`, and `self.note(...)` of the record."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "note" or len(call.args) < 2:
        return False
    owner = function.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    code = call.args[1]
    of_record = name == "self" and isinstance(code, ast.Constant) and code.value in SENTENCES
    return name in ("record", "missed") or of_record


def codes_in(tree: ast.AST) -> set[str]:
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    } & set(SENTENCES)


def codes_of_tables(tree: ast.Module, names: set[str]) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        target = getattr(node, "target", None)
        if isinstance(node, ast.AnnAssign) and isinstance(target, ast.Name) and target.id in names:
            found |= codes_in(node)
    return found


def placeholders(code: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(SENTENCES[code][0]) if name}


def test_every_place_that_notes_a_step_fills_its_sentence() -> None:
    found = list(places())
    assert len(found) > 40
    for where, codes, values in found:
        assert codes, where
        assert codes <= set(SENTENCES), where
        for code in codes:
            assert placeholders(code) <= values | GIVEN, (where, code)


def test_every_sentence_is_noted_somewhere() -> None:
    assert set(SENTENCES) == {code for _, codes, _ in places() for code in codes}


def test_values_are_told_in_the_units_of_their_names() -> None:
    step = Step(at(0), "late-register", "TCT2001", (("late_ms", 130),))
    assert step.sentence() == "TCT2001 registered 0.130 s after its wait had ended: no INVITE"
    step = Step(at(0), "final", "", (("status", 480),))
    assert step.sentence() == "the caller gets 480 Temporarily Unavailable"
    assert step.value("status") == "480 Temporarily Unavailable"
    assert step.value("node") == ""


@pytest.mark.parametrize(
    ("codes", "late"),
    [(("dropped", "final"), "2.000 s"), (("cancelled",), "1.000 s")],
    ids=["its own wait ended", "the call ended"],
)
def test_a_late_device_is_told_how_late_from_the_end_of_its_own_wait(
    codes: tuple[str, ...], late: str
) -> None:
    record = CallRecord("uuid-1", "c1", "ucm1", "1001", "2001", at(0))
    for code in codes:
        record.note(at(13), code, "TCT2001")
    record.ended_at = at(14)
    record.note_late(at(15), "TCT2001")
    assert f"registered {late} after" in record.steps[-1].sentence()


def test_a_node_that_dies_ends_only_calls_without_a_final_answer() -> None:
    open_call = CallRecord("uuid-1", "c1", "ucm1", "1001", "2001", at(0))
    answered = CallRecord("uuid-2", "c2", "ucm1", "1001", "2001", at(0), status=200)
    for record in (open_call, answered):
        record.note_death(at(2))
    assert [step.code for step in open_call.steps] == ["node-died"]
    assert answered.steps == []


def called(device: Device, release: str, *, key: bool = True) -> CalledDevice:
    binding = replace(iphone_binding(device), custom_region=device.custom_region)
    if not key:
        binding = replace(binding, key=None, key_id=None, managed=False)
    capability = Capabilities(Release.parse(release), BY_THE_BOOK).of(binding)
    return CalledDevice.of(device, "2001", binding, capability.features, capability.refused)


@pytest.mark.parametrize(
    ("device", "release", "kind", "rule"),
    [
        (
            iphone("2001"),
            "15",
            "iPhone (iOS 17.0, Jabber 14.3)",
            "VoIP push with caller and node; a second push if the call ends without it",
        ),
        (
            iphone("2001"),
            "11.5(1)SU8",
            "iPhone (iOS 17.0, Jabber 14.3)",
            "VoIP push with caller, without node; a second push if the call ends without it",
        ),
        (
            iphone("2001", client=ClientType.WEBEX, client_version="44.1"),
            "12.5(1)SU2",
            "iPhone (iOS 17.0, Webex 44.1)",
            "push over the one channel of release 12.5(1)SU2, without caller and node; "
            "no second push with release 12.5(1)SU2",
        ),
        (
            iphone("2001", os_version="12.4", client_version="12.8"),
            "12.5(1)SU3",
            "iPhone (iOS 12.4, Jabber 12.8)",
            "push over the one channel of iOS 12, without caller and node; "
            "no second push with iOS 12",
        ),
        (
            iphone("2001", custom_region=True),
            "15",
            "iPhone (iOS 17.0, Jabber 14.3, custom region)",
            "message push to tap (the custom region has no CallKit) with caller and node; "
            "a second push if the call ends without it",
        ),
        (
            android("2001"),
            "15",
            "Android phone (Android 14, Jabber 14.3)",
            "VoIP push with node; the caller comes with the INVITE; "
            "a second push if the call ends without it",
        ),
        (
            android("2001"),
            "12.5(1)SU2",
            "Android phone (Android 14, Jabber 14.3)",
            "call push needs release 12.5(1)SU3 or later",
        ),
    ],
)
def test_the_rule_of_a_device_names_its_reason(
    device: Device, release: str, kind: str, rule: str
) -> None:
    found = called(device, release)
    assert found.kind == kind
    told, requirements = found.rule(release)
    assert told == rule
    assert requirements


def test_a_client_without_a_key_is_woken_without_a_word() -> None:
    device = iphone("2001", client=ClientType.STANDARD, client_version="5.2")
    found = called(device, "15", key=False)
    assert found.kind == "iPhone (iOS 17.0, standard client 5.2)"
    told, requirements = found.rule("15")
    assert told.startswith("VoIP push without content, as the client gave no key to seal it; ")
    assert "OP-01" in requirements


def test_a_device_that_is_never_pushed_to_has_no_rule() -> None:
    desk = CalledDevice.of(desk_phone("2001"), "2001", None, None, "")
    assert (desk.kind, desk.rule("15")) == ("desk phone", ("", ()))
    asleep = CalledDevice.of(iphone("2001"), "2001", None, None, "")
    assert (asleep.kind, asleep.rule("15")[0]) == ("iPhone (iOS 17.0, Jabber 14.3)", "")
    assert not asleep.second_push
