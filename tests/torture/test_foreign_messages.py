"""Foreign collections of odd messages: nothing but a message or a SipSyntaxError comes out."""

from __future__ import annotations

import pytest

from helpers.shared import shared_dir
from sipstack.errors import SipSyntaxError
from sipstack.message import CSeq, NameAddr, Uri, Via
from sipstack.message.grammar import is_token, split_list
from torture.checks import check
from torture.corpus import load

RUST = "torture/siprustserver"


def test_every_collected_message_is_taken_or_refused_and_keeps_every_promise() -> None:
    found = load(shared_dir("torture"))
    results = {name: check(data) for name, data in found.items()}
    taken = [name for name, result in results.items() if not isinstance(result, SipSyntaxError)]
    assert len(found) > 400
    assert len(taken) > 100


@pytest.mark.parametrize("name", ["cve_2023_27598", "cve_2023_27599"])
def test_messages_that_crashed_other_parsers_are_refused(name: str) -> None:
    result = check((shared_dir(f"{RUST}/cve") / f"{name}.sip").read_bytes())
    assert isinstance(result, SipSyntaxError)


def test_credentials_that_crashed_another_parser_are_refused_only_when_read() -> None:
    result = check((shared_dir(f"{RUST}/cve") / "cve_2023_28098.sip").read_bytes())
    assert not isinstance(result, SipSyntaxError)


def test_single_faults_in_parameters_and_ports_are_refused() -> None:
    files = sorted(shared_dir(f"{RUST}/param-gaps").iterdir())
    assert len(files) == 11
    for path in files:
        result = check(path.read_bytes())
        assert isinstance(result, SipSyntaxError), path.name
        assert result.status == 400


def test_small_valid_messages_are_taken() -> None:
    files = sorted(shared_dir(f"{RUST}/strict-valid").iterdir())
    assert len(files) == 5
    for path in files:
        assert not isinstance(check(path.read_bytes()), SipSyntaxError), path.name


def values(name: str) -> list[str]:
    text = (shared_dir(f"{RUST}/abnf") / name).read_bytes().decode("utf-8", "surrogateescape")
    return [line for line in text.split("\n") if line.strip()]


def test_values_made_from_the_grammar_of_cseq_are_read() -> None:
    for line in values("cseq.txt"):
        number, method = line.split()
        if int(number) < 2**31:
            assert CSeq.parse(line) == (int(number), method)


def test_values_made_from_the_grammar_of_sip_uris_are_read_and_written_back() -> None:
    for line in values("sip-uri.txt"):
        assert str(Uri.parse(line)) == line
        assert Uri.parse(str(Uri.parse(line)._replace(received=""))).host


def has_odd_parameter(tail: str) -> bool:
    """True if a header parameter has a name that is no token: RFC 3261 §25.1 has none such.

    The collection takes the wider grammar of URI parameters for them, `;]` and `;&%De`.
    """
    return any(not is_token(part.partition("=")[0].strip()) for part in tail.split(";")[1:])


def test_values_made_from_the_grammar_of_via_are_read() -> None:
    for line in values("via.txt"):
        for value in split_list(line):
            if not has_odd_parameter(value) and value.lower().count("branch=") < 2:
                Via.parse(value)


@pytest.mark.parametrize("name", ["from.txt", "refer-to.txt", "contact.txt", "pai.txt"])
def test_values_made_from_the_grammar_of_addresses_are_read(name: str) -> None:
    read = 0
    for line in values(name):
        for value in [line] if name in ("from.txt", "refer-to.txt") else split_list(line):
            if value != "*" and not has_odd_parameter(value.rpartition(">")[2]):
                NameAddr.parse(value)
                read += 1
    assert read > 500
