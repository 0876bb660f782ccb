"""Mutated messages: only a message or a SipSyntaxError comes out, and every promise holds."""

from __future__ import annotations

import pytest

from helpers.shared import find_shared
from torture.corpus import load
from torture.fuzz import Fuzzer, run
from torture.literals import MESSAGES

CHUNKS = 6


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_mutations_of_our_own_messages_break_no_promise(
    chunk: int, seed: int, fuzz_inputs: int
) -> None:
    count = fuzz_inputs * 2 // CHUNKS
    taken, refused = run(Fuzzer(seed), count)
    # A fuzzer whose inputs are all refused at the start line tests nothing.
    assert taken > count // 20
    assert refused > count // 20


@pytest.mark.parametrize("chunk", range(CHUNKS // 2))
def test_mutations_of_foreign_messages_break_no_promise(
    chunk: int, seed: int, fuzz_inputs: int
) -> None:
    shared = find_shared()
    if shared is None or not (shared / "torture").is_dir():
        pytest.skip("no collection of foreign messages")
    corpus = MESSAGES + tuple(load(shared / "torture").values())
    run(Fuzzer(seed, corpus), fuzz_inputs * 2 // CHUNKS)


def test_an_input_follows_from_seed_and_number_alone(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    made = [data for _, data in fuzzer.inputs(20)]
    assert made[7] == Fuzzer(seed).make(7)
    assert len(set(made)) > 10
