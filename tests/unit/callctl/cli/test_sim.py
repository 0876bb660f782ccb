"""`callctl sim`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callctl.cli.exit_code import INTERRUPTED, NEGATIVE, OK, USAGE
from callctl.cli.main import main
from callctl.replay.notes import read_notes
from callctl.sim.coverage import FAULTS, STATES
from callctl.sim.runner import run
from simulation.planted_faults import FAULTS as PLANTED

WORLDS = Path(__file__).parents[4] / "examples" / "worlds"
SLEEPING = str(WORLDS / "sleeping-phone.yaml")
QUIET = ("--set", "calls=[]", "--set", "faults={}")

Capture = pytest.CaptureFixture[str]


def test_one_seed_is_told_with_the_digest_of_its_trace(capsys: Capture) -> None:
    assert main(["sim", "--seed", "21"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "seed 21"
    assert lines[-2:] == [f"trace {run(21).trace.digest()}", "no violation"]


def test_a_written_world_repeats_the_digest_of_its_seed(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "seed21.yaml"
    assert main(["sim", "--seed", "21", "--write-world", str(path)]) == OK
    first = capsys.readouterr().out.splitlines()
    assert first[0] == f"{path}: the world of seed 21"
    assert main(["sim", str(path)]) == OK
    again = capsys.readouterr().out.splitlines()
    assert again == first[1:]


def test_a_world_file_has_a_seed_that_the_command_line_replaces(capsys: Capture) -> None:
    assert main(["sim", SLEEPING, "--seed", "4", "--runs", "2", "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["first_seed"], told["runs"]) == (True, 4, 2)
    assert told["stats"]["push incoming"] == 4
    assert told["interrupted"] is False


def test_settings_make_a_world_without_a_file(capsys: Capture) -> None:
    assert main(["sim", *QUIET, "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert not any(name.startswith("push ") for name in told["stats"])
    assert len(told["digest"]) == 64


def test_coverage_is_a_table_for_people_and_numbers_for_programs(capsys: Capture) -> None:
    assert main(["sim", SLEEPING, "--coverage"]) == OK
    lines = capsys.readouterr().out.splitlines()
    [power_off] = [line for line in lines if line.startswith("power off ")]
    assert power_off.split()[2:] == [".", ".", "1", ".", ".", ".", ".", "."]
    assert main(["sim", SLEEPING, "--coverage", "--json"]) == OK
    rows = json.loads(capsys.readouterr().out)["coverage"]
    assert [row["fault"] for row in rows] == list(FAULTS)
    [hits] = [row["hits"] for row in rows if row["fault"] == "power off"]
    assert hits == {state: int(state == "waiting") for state in STATES}


def test_a_capture_is_one_that_replay_can_read(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "run.pcapng"
    assert main(["sim", SLEEPING, "--pcap", str(path)]) == OK
    written = capsys.readouterr().out.splitlines()[:3]
    assert [Path(name).name for name in written] == [
        "run.pcapng",
        "run.notes.yaml",
        "run.cluster.yaml",
    ]
    notes = read_notes(tmp_path / "run.notes.yaml")
    assert [push.device for push in notes.file.pushes or ()][:2] == ["TCT4711", "TCT4711"]
    assert main(["replay", "show", str(path)]) == OK
    assert "SIP messages" in capsys.readouterr().out


def test_a_replayed_capture_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    calm = ("--set", "faults={}")
    assert main(["sim", SLEEPING, *calm, "--pcap", str(path)]) == OK
    assert main(["replay", "run", str(path)]) == OK


def test_what_fails_is_named_shrunk_and_repeated_by_its_file(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "least.yaml"
    [fault] = [it for it in PLANTED if it.name == "drop clock started a second late"]
    with fault.planted():
        seed = next(seed for seed in range(1, 60) if run(seed).violations)
        ordered = ["sim", "--seed", str(seed), "--runs", "2", "--shrink", str(path)]
        assert main(ordered) == NEGATIVE
        lines = capsys.readouterr().out.splitlines()
        assert f"seed {seed} FAILED; to repeat: callctl sim --seed {seed} --trace" in lines
        assert lines[-1] == f"  to repeat: callctl sim {path} --trace"
        violation = lines[-2]
        assert main(["sim", str(path)]) == NEGATIVE
        assert violation in capsys.readouterr().out.splitlines()
    assert main(["sim", str(path)]) == OK


def test_without_a_failure_there_is_nothing_to_shrink(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "least.yaml"
    assert main(["sim", "--shrink", str(path)]) == OK
    assert capsys.readouterr().out.splitlines()[-1] == "nothing to shrink"
    assert not path.exists()


def test_one_run_of_the_small_model_is_repeated(capsys: Capture) -> None:
    assert main(["sim", "--explore", "--lose", "gives-up-early:3"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gives-up-early: the caller gives up while the phone wakes; ")
    assert lines[1].startswith("  lost 3: ")
    assert lines[-1] == "no violation"


def test_the_small_model_without_losses_is_told_by_plots(capsys: Capture) -> None:
    assert main(["sim", "--explore", "--losses", "0", "--json"]) == OK
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["finished"], told["branches"]) == (True, True, 0)
    assert told["runs"] == len(told["plots"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--runs", "0"], "--runs 0: 1 to 100000000"),
        (["--processes", "65"], "--processes 65: 1 to 64"),
        (["--seed", "-1"], "--seed -1: 0 or more"),
        (["--trace", "--json"], "--trace or --json, one of the two"),
        (["--runs", "2", "--pcap", "x.pcapng"], "--pcap is for one run: --runs 1"),
        (["--pcap", "x.pcap"], "--pcap x.pcap: a name that ends in .pcapng"),
        (["--write-world", "no/x.yaml"], "no/x.yaml: there is no directory no"),
        (["--losses", "1"], "--losses goes with --explore only"),
        (["--explore", "--losses", "3"], "--losses 3: 0 to 2"),
        (["--explore", "--seed", "3"], "--explore has a world of its own"),
        (["--explore", "--coverage"], "--explore goes with"),
        (["--lose", "nothing:1"], "--lose nothing:1: there is no plot 'nothing'"),
        (["--lose", "gives-up-early:x"], "--lose gives-up-early:x: the plot and numbers"),
        (["none.yaml"], "none.yaml: No such file or directory; expected a world file"),
        (["--set", "seed=x"], "--set seed=x: seed: is 'x'; expected a whole number"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(
    words: list[str], told: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sim", *words]) == USAGE
    error = capsys.readouterr().err
    assert error.startswith(f"callctl: {told}")
    assert error.count("\n") == 1


def test_a_wrong_world_file_is_told_with_file_line_and_key(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("seed: 1\nfaults:\n  untill: 30\n  weather: {sip: {loss: a}}\n")
    assert main(["sim", str(path)]) == USAGE
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"callctl: {path}:3: faults.untill: unknown key")
    assert second.startswith(f"callctl: {path}:4: faults.weather.sip.loss: ")


def test_an_interrupted_run_tells_what_there_is_by_then(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callctl.sim import runner

    plain = runner.judge

    def interrupted(seed: int, **options: object) -> runner.Verdict:
        if seed == 3:
            raise KeyboardInterrupt
        return plain(seed, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "judge", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["sim", "--runs", "9"])
    assert ended.value.code == INTERRUPTED
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "interrupted after 2 of 9 runs"
    assert lines[-1] == "no violation"
