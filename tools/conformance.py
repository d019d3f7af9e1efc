"""Our verdicts against a corpus's oracle: observation, set of final states and flags, test by test.

    python -m tools.conformance CORPUS [--model M] [--against M] [--only TEXT] [--timeout S] [--jobs N] [--solver fast|z3|both]

CORPUS holds litmus tests and `oracle.jsonl` (one object a line: file, observation, states, flags; null where the oracle has no
answer). Tests that differ must be named, with the reason, in `tests/conformance.toml`; a named test that agrees is an error
too. Both solvers are asked unless one is named, and have to agree. Exit code 0 when there is nothing unexplained, else 1.

A model may be the path of a .cat: what is listed for the corpus's own model is taken for listed of it. With `--against` each test
is asked of another model as well, which must give the same verdict and states, whatever the oracle has of it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from checker.campaign.pool import processes, spread
from checker.check import Options, check
from checker.core.source import CheckerError
from checker.library import load_model, load_test
from checker.result import NEVER

MODEL_OF = {"lkmm": "lkmm", "aarch64": "aarch64", "x86": "x86-tso", "riscv": "riscv", "ppc": "ppc", "mixed": "aarch64"}
EXCEPTIONS = Path(__file__).resolve().parents[1] / "tests" / "conformance.toml"


class Outcome(Struct, frozen=True):
    """One test: what differs (empty when nothing does) and how long it took, seconds."""

    file: str
    difference: str
    seconds: float
    explained: bool = False


def compare(row: dict[str, Any], folder: Path, model_name: str, options: Options, variant: str = "", against: str = "") -> Outcome:
    """Check one test of the oracle and say what is not as it says; with `variant`, whether it explains the difference; with
    `against`, what is not as under that model."""
    found = difference(row, folder, model_name, options, ())
    if against and not found.difference:
        return apart(row["file"], folder, (model_name, against), options)
    if found.difference and variant and not difference(row, folder, model_name, options, (variant,)).difference:
        return Outcome(found.file, found.difference, found.seconds, explained=True)
    return found


def difference(row: dict[str, Any], folder: Path, model_name: str, options: Options, variants: tuple[str, ...]) -> Outcome:
    """What our verdict, states and flags have that the oracle's have not, and the reverse."""
    start = time.perf_counter()
    try:
        model = load_model(model_name, variants=variants)
        test = load_test(folder / row["file"])
        result = check(test, model, replace(options, solver="z3" if options.solver == "z3" else "fast"))
        if options.solver == "both":  # without states, which are not compared and make the question harder
            check(test, model, replace(options, states=False))
    except CheckerError as error:
        return Outcome(row["file"], f"error: {error.render().splitlines()[0]}", time.perf_counter() - start)
    except Exception as error:  # a bug of ours: one row of the report, not the end of it
        return Outcome(row["file"], f"crash: {type(error).__name__}: {error}", time.perf_counter() - start)
    seconds = time.perf_counter() - start
    found = []
    observation = NEVER if result.deadlock else result.observation  # as herd7 says it
    if row["observation"] is not None and observation != row["observation"]:
        found.append(f"observation {result.observation}, oracle {row['observation']} {result.unknown_because}")
    elif result.observation == "Unknown":
        found.append(f"Unknown: {result.unknown_because}")
    elif row["ok"] is not None and result.ok != row["ok"]:
        found.append(f"ok {result.ok}, oracle {row['ok']}")
    if row["states"] is not None:
        ours, theirs = _states(result.states or ()), _states(row["states"])
        if ours != theirs:
            found.append(f"states: {sorted(ours - theirs)[:3]} only ours, {sorted(theirs - ours)[:3]} only the oracle's")
    if row["flags"] is not None and sorted(result.flags) != sorted(row["flags"]):
        found.append(f"flags {list(result.flags)}, oracle {row['flags']}")
    return Outcome(row["file"], "; ".join(found), seconds)


def apart(file: str, folder: Path, names: tuple[str, str], options: Options) -> Outcome:
    """What two models do not say alike of a test."""
    start = time.perf_counter()
    try:
        test = load_test(folder / file)
        one, other = [check(test, load_model(name), replace(options, solver="fast")) for name in names]
    except CheckerError as error:
        return Outcome(file, f"error: {error.render().splitlines()[0]}", time.perf_counter() - start)
    found = []
    if (one.observation, one.ok) != (other.observation, other.ok):
        found.append(f"{one.observation}, under {names[1]} {other.observation}")
    here, there = _states(one.states or ()), _states(other.states or ())
    if here != there:
        found.append(f"states: {sorted(here - there)[:3]} only here, {sorted(there - here)[:3]} only under {names[1]}")
    return Outcome(file, "; ".join(found), time.perf_counter() - start)


def _states(states: Iterable[str]) -> set[str]:
    """States with the arbitrary numbers of undetermined values taken out (herd's S8 is some value nothing determines)."""
    return {re.sub(r"=S\d+;", "=S;", s) for s in states}


def run(
    folder: Path, model: str, rows: list[dict[str, Any]], options: Options, jobs: int, variant: str, against: str = ""
) -> Iterator[Outcome]:
    """The outcomes of all rows, in order."""
    one = partial(compare, folder=folder, model_name=model, options=options, variant=variant, against=against)
    if jobs == 1:
        yield from map(one, rows)
    else:
        yield from spread(one, rows, jobs, processes, lambda row, why: Outcome(row["file"], why, 0.0))


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", default="")
    parser.add_argument("--against", default="", help="another model that must say the same")
    parser.add_argument("--only", default="", help="tests whose path contains this")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--solver", choices=("fast", "z3", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--slowest", type=int, default=5)
    args = parser.parse_args()
    own = MODEL_OF.get(args.corpus.resolve().name, "")
    model = args.model or own
    named = own if model.endswith(".cat") else model
    rows = [json.loads(line) for line in (args.corpus / "oracle.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [r for r in rows if args.only in r["file"]]
    listed = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8")) if EXCEPTIONS.is_file() else {}
    known, variant = listed.get(named, {}), listed.get("variants", {}).get(named, {})
    outcomes = []
    unexplained = 0
    start = time.perf_counter()
    options = Options(states=True, timeout=args.timeout, solver=args.solver)
    for outcome in run(args.corpus, model, rows, options, args.jobs, variant.get("variant", ""), args.against):
        outcomes.append(outcome)
        reason = known.get(outcome.file) or (variant["reason"] if outcome.explained else None)
        if outcome.difference and reason is None:
            unexplained += 1
            print(f"DIFFERS {outcome.file}: {outcome.difference}")
        elif outcome.difference:
            print(f"known   {outcome.file}: {outcome.difference} ({reason})")
        elif reason is not None:
            unexplained += 1
            print(f"AGREES  {outcome.file}, but is listed as an exception: {reason}")
    total = time.perf_counter() - start
    for outcome in sorted(outcomes, key=lambda o: -o.seconds)[: args.slowest]:
        print(f"slow    {outcome.file}: {outcome.seconds:.2f} s")
    agreeing = sum(not o.difference for o in outcomes)
    print(f"{model}: {agreeing} of {len(outcomes)} tests agree, {unexplained} unexplained, {total:.0f} s")
    return 1 if unexplained or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
