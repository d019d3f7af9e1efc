"""How fast: the corpora, one cold command, families that grow, and reasons; compared with an earlier run.

    python -m tools.bench [--corpora FOLDER] [--save FILE] [--against FILE]

One process, models parsed once, final states listed (of the families the verdict only: their states are too many).
Prints the mean per test and where the time goes; seconds are wall time of this machine, so only ratios to a run on the same
machine mean anything.
`--against` (default tests/bench/baseline.json) says what got slower by more than a third.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from checker.cat.term import Model
from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.insight.explanation import Explanation, explain
from checker.library import load_model, load_test
from checker.parse.litmus import parse_test
from checker.program.ir import Test
from checker.result import NEVER
from tools.families import FAMILIES, GROWING, SIZES

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "tests" / "bench" / "baseline.json"
MODEL_OF = {"lkmm": "lkmm", "aarch64": "aarch64", "x86": "x86-tso", "riscv": "riscv", "ppc": "ppc"}
SMALL = 0.05  # seconds the oracle needs for a small test
SLOWER = 4 / 3
STAGES = ("parse", "execute", "evaluate", "encode", "solve")


def corpus(folder: Path, model_name: str) -> dict[str, Any]:
    """Check every test of a corpus; mean ms of the small ones and of all, by stage, and the slowest."""
    rows = [json.loads(line) for line in (folder / "oracle.jsonl").read_text(encoding="utf-8").splitlines()]
    model = load_model(model_name)
    laps: Counter[str] = Counter()
    small_laps: Counter[str] = Counter()
    times = []
    small = 0
    for row in rows:
        start = time.perf_counter()
        try:
            test = load_test(folder / row["file"])
            parsed = time.perf_counter()
            result = check(test, model, Options(states=True, timeout=60))
        except CheckerError as error:
            print(f"  {row['file']}: {error.message}")
            continue
        stages = {"parse": parsed - start, **result.seconds}
        seconds = time.perf_counter() - start
        laps.update(stages)
        if row["herd_s"] is not None and row["herd_s"] <= SMALL:
            small += 1
            small_laps.update({**stages, "all": seconds})
        times.append((seconds, row["file"]))
    total = sum(t for t, _ in times)
    slowest = max(times)
    print(f"{folder.name}: {len(times)} tests, {total:.1f} s, slowest {slowest[0]:.2f} s ({slowest[1]})")
    mean = {stage: 1000 * small_laps[stage] / max(1, small) for stage in (*STAGES, "all")}
    shares = ", ".join(f"{stage} {mean[stage]:.2f}" for stage in STAGES)
    print(f"  {small} small ones: {mean['all']:.2f} ms a test ({shares})")
    whole = ", ".join(f"{stage} {100 * laps[stage] / total:.0f} %" for stage in STAGES)
    print(f"  all: {whole}")
    return {"small ms": round(mean["all"], 3), "total s": round(total, 2), "slowest s": round(slowest[0], 2)}


def reasons(name: str, jobs: Iterable[tuple[Test, Model]]) -> dict[str, Any]:
    """Explain every outcome that never happens: how many executions without the axioms had to be looked at, and how long it
    took beside the check."""
    found = [one for test, model in jobs if (one := _explained(test, model)) is not None and one.result.observation == NEVER]
    refuted = [one.refutation for one in found if one.refutation is not None]
    if not refuted:
        return {}
    candidates = Counter(one.candidates for one in refuted)
    cycles = Counter(len(one.reasons) for one in refuted)
    ratios = sorted(one.seconds / one.check_seconds for one in found)
    few = candidates[0] + candidates[1]
    print(f"{name}: {len(found)} Never, {len(refuted)} explained and certified")
    print(
        f"  {few} need one candidate or none ({100 * few / len(refuted):.0f} %), most {max(candidates)}; {cycles[1]} have one cycle"
    )
    median = ratios[len(ratios) // 2]
    print(f"  explanation / check: median {median:.2f}, 90 % up to {ratios[len(ratios) * 9 // 10]:.2f}, most {ratios[-1]:.1f}")
    return {"explain / check": round(median, 2)}


def _explained(test: Test, model: Model) -> Explanation | None:
    try:
        return explain(test, model, Options(timeout=60))
    except CheckerError as error:
        print(f"  {test.name}: {error.message}")
        return None


def tests_in(folder: Path, model: Model) -> Iterator[tuple[Test, Model]]:
    """The tests of a corpus that can be read."""
    for line in (folder / "oracle.jsonl").read_text(encoding="utf-8").splitlines():
        with suppress(CheckerError):
            yield load_test(folder / json.loads(line)["file"]), model


def scenarios() -> Iterator[tuple[Test, Model]]:
    """Every scenario under each model that it expects something of."""
    for path in sorted((ROOT / "litmus").rglob("*.litmus")):
        test = load_test(path)
        for name in dict.fromkeys([e.model for e in test.expect]):
            yield test, load_model(name)


def families() -> dict[str, Any]:
    """Verdict only, of each family at each size: ms."""
    model = load_model("lkmm")
    print(f"families, ms for n = {', '.join(map(str, SIZES))}")
    found = {}
    for name, make in {**FAMILIES, **GROWING}.items():
        row = []
        for n in SIZES:
            text = make(n)
            start = time.perf_counter()
            result = check(parse_test(Source(f"{name} {n}", text)), model, Options(timeout=60))
            row.append(1000 * (time.perf_counter() - start))
        print(f"  {name:18}" + "".join(f"{ms:10.1f}" for ms in row) + f"   {result.observation}")
        found[f"{name} {SIZES[-1]} ms"] = round(row[-1], 1)
    return found


def cold(test: Path) -> dict[str, Any]:
    """One command from nothing, ms: the best of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "checker", "run", str(test)], check=False, capture_output=True)
        times.append(1000 * (time.perf_counter() - start))
    print(f"cold `checker run one.litmus`: {min(times):.0f} ms")
    return {"cold ms": round(min(times), 1)}


def compare(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """What got slower by more than a third."""
    worse = []
    for part, figures in now.items():
        for name, value in figures.items():
            old = before.get(part, {}).get(name)
            if old and value > old * SLOWER and value - old > 0.3:
                worse.append(f"{part}, {name}: {old} → {value} ({value / old:.2f} ×)")
    return worse


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", type=Path, default=ROOT.parent / "shared" / "corpus")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path, default=BASELINE)
    parser.add_argument("--only", default="", help="lkmm, aarch64, x86, riscv, ppc, families, cold or reasons")
    args = parser.parse_args()
    figures: dict[str, Any] = {}
    if args.only in ("", "cold"):
        figures["cold"] = cold(next((ROOT / "litmus" / "kvm").glob("*.litmus")))
    if args.only in ("", "families"):
        figures["families"] = families()
    for folder, model in MODEL_OF.items():
        if (args.corpora / folder).is_dir() and args.only in ("", folder):
            figures[folder] = corpus(args.corpora / folder, model)
    if args.only in ("", "reasons"):
        figures["reasons"] = reasons("litmus", scenarios())
        for folder, model in MODEL_OF.items():
            if (args.corpora / folder).is_dir():
                figures[f"reasons {folder}"] = reasons(folder, tests_in(args.corpora / folder, load_model(model)))
    import resource  # of Unix

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:.0f} MB")
    if args.against.is_file():
        for line in compare(figures, json.loads(args.against.read_text(encoding="utf-8"))):
            print(f"slower: {line}")
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        args.save.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
