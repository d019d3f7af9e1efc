"""The benchmark: what its families say, what it counts, and what it calls slower."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checker import check, load_model
from checker.core.source import Source
from checker.parse.litmus import parse_test
from tools import bench
from tools.families import FAMILIES

MP = """C MP
{}
P0(int *x, int *y) { WRITE_ONCE(*x, 1); smp_store_release(y, 1); }
P1(int *x, int *y) { int r0 = smp_load_acquire(y); int r1 = READ_ONCE(*x); }
exists (1:r0=1 /\\ 1:r1=0)
"""
POSSIBLE = {"SB ring", "LB ring", "MP chain"}  # the others are forbidden: by fences, by coherence, by release and acquire


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_possible_without_fences_only_and_never_in_sc(name: str, size: int) -> None:
    text = FAMILIES[name](size)
    test = parse_test(Source(name, text))
    assert len(test.threads) == size
    found = {model: check(test, load_model(model)).observation for model in ("lkmm", "sc")}
    assert found == {"lkmm": "Sometimes" if name in POSSIBLE else "Never", "sc": "Never"}, text


def corpora(folder: Path) -> Path:
    (folder / "lkmm").mkdir()
    rows = []
    for name, text, seconds in (("a", MP, 0.05), ("b", MP, 0.06), ("c", MP, None), ("d", "C broken\n", 0.01)):
        (folder / "lkmm" / f"{name}.litmus").write_text(text)
        rows.append(json.dumps({"file": f"{name}.litmus", "herd_s": seconds}))
    (folder / "lkmm" / "oracle.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *args: object) -> None:
    monkeypatch.setattr("sys.argv", ["bench", *map(str, args)])
    assert bench.main() == 0


def test_a_benchmark_counts_what_it_could_read_and_says_what_got_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, before = tmp_path / "new" / "now.json", tmp_path / "before.json"
    run(monkeypatch, "--corpora", corpora(tmp_path), "--only", "lkmm", "--save", saved, "--against", before)
    told = capsys.readouterr().out
    assert "lkmm: 3 tests, " in told
    assert "  1 small ones: " in told
    assert "  d.litmus: " in told
    assert "slower" not in told
    figures = json.loads(saved.read_text())
    assert set(figures) == {"lkmm"}
    now = figures["lkmm"]
    assert 0 < now["small ms"] < 1000 * now["total s"] + 5
    assert now["slowest s"] <= now["total s"]
    before.write_text(json.dumps({"lkmm": {"small ms": now["small ms"] / 1e6, "total s": 1e6}}))
    monkeypatch.setattr(bench, "compare", lambda now, old: [f"{len(now)} {len(old)}"])
    run(monkeypatch, "--corpora", tmp_path, "--only", "lkmm", "--against", before)
    assert "slower: 1 1" in capsys.readouterr().out


def test_slower_is_by_more_than_a_third_and_more_than_noise() -> None:
    before = {"lkmm": {"total s": 3.0, "small ms": 0.3, "gone": 1}}
    assert bench.compare({"lkmm": {"total s": 4.0, "small ms": 0.6, "new": 9}, "x86": {"total s": 9}}, before) == []
    assert bench.compare({"lkmm": {"total s": 4.01}}, before) == ["lkmm, total s: 3.0 → 4.01 (1.34 ×)"]
    assert bench.compare({"lkmm": {"small ms": 0.61}}, before) == ["lkmm, small ms: 0.3 → 0.61 (2.03 ×)"]


def test_families_and_a_cold_command_are_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "SIZES", (2, 3))
    monkeypatch.setattr(bench, "cold", lambda test: {"cold ms": 1.0 if test.suffix == ".litmus" else 0.0})
    run(monkeypatch, "--corpora", "/nowhere", "--against", "/nowhere")
    told = capsys.readouterr().out
    assert "families, ms for n = 2, 3\n" in told
    for name in FAMILIES:
        (line,) = [line.split() for line in told.split("\n") if line.startswith(f"  {name:18}")]
        assert line[-1] == ("Sometimes" if name in POSSIBLE else "Never")
        assert all(0 < float(ms) < 60_000 for ms in line[-3:-1])
    assert "peak memory of this process: " in told
    assert "lkmm:" not in told


def test_reasons_are_counted_with_the_candidates_they_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "scenarios", lambda: iter(()))
    run(monkeypatch, "--corpora", corpora(tmp_path), "--only", "reasons", "--save", tmp_path / "now.json")
    said = capsys.readouterr().out
    assert "lkmm: 3 Never, 3 explained and certified" in said
    assert "3 need one candidate or none (100 %), most 1; 3 have one cycle" in said
    assert json.loads((tmp_path / "now.json").read_text())["reasons lkmm"]["explain / check"] > 0
