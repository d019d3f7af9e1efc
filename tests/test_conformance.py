"""What is compared with an oracle's verdicts, and what is said of each difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kernel_c import contended

from checker.check import Options
from checker.library import forget, load_model
from checker.parse.macros import MODELS
from tools import conformance

MP = """C MP
{}
P0(int *x, int *y) { WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1); }
P1(int *x, int *y) { int r0 = READ_ONCE(*y); smp_rmb(); int r1 = READ_ONCE(*x); }
exists (1:r0=1 /\\ 1:r1=0)
"""
STATES = ["1:r0=0; 1:r1=0;", "1:r0=0; 1:r1=1;", "1:r0=1; 1:r1=1;"]
RIGHT = {"observation": "Never", "ok": False, "states": STATES, "flags": []}
NOTHING = dict.fromkeys(RIGHT)
ROWS: dict[str, dict[str, object]] = {
    "right": RIGHT,
    "silent": NOTHING,
    "observation": {**RIGHT, "observation": "Sometimes"},
    "ok": {**RIGHT, "ok": True},
    "states": {**RIGHT, "states": [*STATES[1:], "1:r0=9; 1:r1=9;"]},
    "flags": {**NOTHING, "flags": ["data-race"]},
    "all": {"observation": "Always", "ok": True, "states": [], "flags": ["b", "a"]},
    "broken": RIGHT,
    "gone": RIGHT,
}
SAID = {
    "observation": "observation Never, oracle Sometimes ",
    "ok": "ok False, oracle True",
    "states": "states: ['1:r0=0; 1:r1=0;'] only ours, ['1:r0=9; 1:r1=9;'] only the oracle's",
    "flags": "flags [], oracle ['data-race']",
    "all": "observation Never, oracle Always ; "
    "states: ['1:r0=0; 1:r1=0;', '1:r0=0; 1:r1=1;', '1:r0=1; 1:r1=1;'] only ours, [] only the "
    "oracle's; flags [], oracle ['b', 'a']",
}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "lkmm"
    folder.mkdir()
    rows = []
    for name, row in ROWS.items():
        if name != "gone":
            (folder / f"{name}.litmus").write_text("C broken\n" if name == "broken" else MP)
        rows.append(json.dumps({"file": f"{name}.litmus", **row}))
    (folder / "oracle.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, exceptions: Path, *args: object) -> int:
    monkeypatch.setattr(conformance, "EXCEPTIONS", exceptions)
    monkeypatch.setattr("sys.argv", ["conformance", *map(str, args)])
    return conformance.main()


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_difference_is_told_and_those_that_are_known_with_their_reason(
    corpus: Path, tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.toml"
    known.write_text('[lkmm]\n"ok.litmus" = "it is so"\n"silent.litmus" = "was so"\n')
    assert run(monkeypatch, known, corpus, "--jobs", jobs, "--slowest", 9) == 1
    told = capsys.readouterr().out.splitlines()
    for name, said in SAID.items():
        assert (f"known   ok.litmus: {said} (it is so)" if name == "ok" else f"DIFFERS {name}.litmus: {said}") in told
    assert "AGREES  silent.litmus, but is listed as an exception: was so" in told
    assert [line for line in told if line.startswith("DIFFERS broken.litmus: error: ") and "broken" in line]
    assert [line for line in told if line.startswith("DIFFERS gone.litmus: error: ")]
    assert not [line for line in told if "right.litmus" in line and not line.startswith("slow ")]
    slow = [float(line.split()[-2]) for line in told if line.startswith("slow ")]
    assert len(slow) == 9
    assert slow == sorted(slow, reverse=True)
    assert slow[0] < 60
    assert told[-1].startswith("lkmm: 2 of 9 tests agree, 7 unexplained, ")


def test_what_agrees_or_is_known_passes_and_nothing_does_not(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "none.toml"
    assert run(monkeypatch, nowhere, corpus, "--only", "right", "--jobs", 1) == 0
    assert run(monkeypatch, nowhere, corpus, "--only", "nobody", "--jobs", 1) == 1
    capsys.readouterr()
    assert run(monkeypatch, nowhere, corpus, "--only", "right", "--model", "sc", "--jobs", 1) == 0
    assert "sc: 1 of 1 tests agree, 0 unexplained" in capsys.readouterr().out


def test_a_difference_that_a_variant_of_the_model_makes_is_explained(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.toml"
    known.write_text('[variants.lkmm]\nvariant = "weak"\nreason = "it is weaker"\n')
    whole = conformance.difference

    def difference(row: dict[str, object], folder: Path, model: str, options: Options, variants: tuple[str, ...]) -> object:
        found = whole(row, folder, model, options, ())
        return conformance.Outcome(found.file, "" if variants == ("weak",) and row["ok"] is False else found.difference, 0)

    monkeypatch.setattr(conformance, "difference", difference)
    assert run(monkeypatch, known, corpus, "--only", "states", "--jobs", 1) == 0
    assert f"known   states.litmus: {SAID['states']} (it is weaker)" in capsys.readouterr().out
    assert run(monkeypatch, known, corpus, "--only", "ok", "--jobs", 1) == 1


def test_a_model_by_path_is_compared_with_another_on_every_test(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.toml"
    known.write_text('[lkmm]\n"ok.litmus" = "it is so"\n')
    own = tmp_path / "own.cat"
    table = str(MODELS / "lkmm" / "linux.def")
    monkeypatch.setattr(conformance, "load_model", lambda name, **_: load_model(name, macros=table if name == str(own) else None))
    for order, status in (("po", 0), ("po-loc", 1)):
        own.write_text(f'"own"\ninclude "cos.cat"\nacyclic {order} | rf | co | fr as c\n')
        forget()
        only = ["--only", "silent", "--jobs", 1, "--model", own]
        assert run(monkeypatch, known, corpus, *only) == 0
        capsys.readouterr()
        assert run(monkeypatch, known, corpus, *only, "--against", "sc") == status
        told = capsys.readouterr().out
        assert ("DIFFERS silent.litmus: Sometimes, under sc Never; states: " in told) == bool(status)
    assert run(monkeypatch, known, corpus, "--only", "ok.l", "--jobs", 1, "--model", own) == 0


def test_a_bug_of_ours_is_one_row_and_unknown_is_no_agreement(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (corpus / "hard.litmus").write_text(contended(9))
    row = {"file": "hard.litmus", **NOTHING}
    assert conformance.difference(row, corpus, "lkmm", Options(timeout=0.2), ()).difference.startswith("Unknown: ")
    monkeypatch.setattr(conformance, "check", lambda *_: 1 / 0)
    assert conformance.difference(row, corpus, "lkmm", Options(), ()).difference == "crash: ZeroDivisionError: division by zero"


def test_identifiers_of_sections_are_no_part_of_a_state() -> None:
    assert conformance._states(["0:r=S12; x=1;", "0:r=S3; x=1;", "0:r=1;"]) == {"0:r=S; x=1;", "0:r=1;"}
