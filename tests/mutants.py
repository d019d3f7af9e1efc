"""Mutation testing: small changes of the checker that some test must notice.

python -m tests.mutants [--count 40] [--seed 1] [--jobs 2] [--timeout 120] [module or folder …]

Each mutant is made in a copy of the tree, one at a time, and tried with the test files named in TESTS. Prints each survivor
with its place and the changed line, then a line for each folder. What runs out of time is counted apart: neither killed nor
survived. Exits with 1 where more than a tenth of what was decided survive, with 2 where the tests fail without any change.
docs/mutants.md tells what is known of survivors.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import contextlib
import itertools
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("checker/kernel", "checker/campaign", "checker/report", "checker/program")
GATE = "gate_paths kernel_conditional kernel_kept gate_hostile gate_patches"
REPORTS = "edges report_terminal report_herd gate_reports cli"
C = "parse_c c_control sequencing integers ranges generic_primitives deferred_work grace_periods rwlocks parse_litmus"
TESTS = {
    "checker/kernel/[dgm][ia][ftil]*.py": "patch_apply patch_mail gate_hostile gate_series",
    "checker/kernel/patch.py": "patch_apply patch_mail gate_hostile gate_series",
    "checker/kernel/trees.py": "patch_apply gate_hostile kernel_kept",
    "checker/kernel/primitives.py": f"primitives {GATE}",
    "checker/kernel/*.py": f"{GATE} gate_series",
    "checker/campaign/bench.py": "command",
    "checker/campaign/conformance.py": "corpus command",
    "checker/campaign/corpus.py": "corpus gate_pool command cli",
    "checker/campaign/paths.py": "corpus gate_pool gate_series command cli",
    "checker/campaign/pool.py": "gate_pool command",
    "checker/campaign/starter.py": "gate_docs gate",
    "checker/campaign/witness.py": "gate_reports gate",
    "checker/campaign/*.py": "edges gate_docs gate_paths gate_reports gate gate_patches",
    "checker/isa/*.py": "parse_aarch64 parse_x86 compile edges",
    "checker/isa/aarch64/*.py": "parse_aarch64 compile generic_primitives edges",
    "checker/isa/x86/*.py": "parse_x86 x86_machine compile edges",
    "checker/report/dump.py": "c_control cli parse_litmus",
    "checker/report/timeline.py": "gp",
    "checker/report/spell.py": "edges parse_litmus report_terminal report_herd",
    "checker/report/*.py": REPORTS,
    "checker/program/ranges.py": f"ranges {C}",
    "checker/program/*.py": f"wellformed {C} parse_x86 parse_aarch64",
}
"""Which tests are asked about a module, by the first pattern that fits: the quickest and nearest first."""
COMPARE: dict[type, str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.In: "not in", ast.NotIn: "in",
    ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """`path` with the bytes start…end replaced by `new`."""

    path: str
    line: int
    start: int
    end: int
    new: str

    def text(self) -> str:
        old = (ROOT / self.path).read_bytes()
        return (old[: self.start] + self.new.encode() + old[self.end :]).decode()

    def __str__(self) -> str:
        old, new = (ROOT / self.path).read_text().splitlines(), self.text().splitlines()
        at = next(i for i, line in enumerate(old) if i >= len(new) or line != new[i])
        return f"{self.path}:{at + 1}\n    - {old[at].strip()}\n    + {new[at].strip() if at < len(new) else ''}"


def tests_of(path: str) -> list[str]:
    names = next(names for pattern, names in TESTS.items() if fnmatch(path, pattern))
    return [f"tests/test_{name}.py" for name in dict.fromkeys(names.split())]


def mutants(path: str) -> list[Mutant]:
    """Every place of a module with what may stand there instead."""
    data = (ROOT / path).read_bytes()
    starts = [0, *[i + 1 for i, byte in enumerate(data) if byte == 10]]

    def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
        end = starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
        return starts[node.lineno - 1] + node.col_offset, end

    changes = _changes(ast.parse(data), lambda node: data[slice(*span(node))].decode())
    return list(dict.fromkeys(Mutant(path, node.lineno, *span(node), new) for node, new in changes))


def is_python(mutant: Mutant) -> bool:
    try:
        return ast.dump(ast.parse(mutant.text())) != ast.dump(ast.parse((ROOT / mutant.path).read_bytes()))
    except SyntaxError:
        return False


def _changes(tree: ast.Module, source) -> Iterator[tuple[ast.expr | ast.stmt, str]]:  # type: ignore[no-untyped-def]
    types = [n for node in ast.walk(tree) for n in (getattr(node, "annotation", None), getattr(node, "returns", None)) if n]
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]  # wording, and 3.11 cannot place their parts
    skipped = {id(part) for node in [*types, *texts] for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        match node:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if source(test) != "TYPE_CHECKING":
                yield test, f"(not ({source(test)}))"
            case ast.comprehension(ifs=[*ifs]):
                yield from ((test, "True") for test in ifs)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield node, f"({source(left)} {COMPARE[type(op)]} {source(right)})"
            case ast.BoolOp(op=op, values=values):
                yield node, "(" + (" or " if isinstance(op, ast.And) else " and ").join(f"({source(v)})" for v in values) + ")"
            case ast.BinOp(op=ast.Add() | ast.Sub() as op, left=left, right=right):
                yield node, f"({source(left)} {'-' if isinstance(op, ast.Add) else '+'} {source(right)})"
            case ast.Constant(value=bool() as value):
                yield node, str(not value)
            case ast.Constant(value=int() as value):
                yield node, str(value + 1)
            case ast.Tuple(elts=elts, ctx=ast.Load()) | ast.Set(elts=elts) if len(elts) > 1:
                left, right = ("{", "}") if isinstance(node, ast.Set) else ("(", ")")
                for gone in elts if all(isinstance(e, ast.Name | ast.Constant) for e in elts) else []:
                    yield node, f"{left}{''.join(source(e) + ', ' for e in elts if e is not gone)}{right}"
            case ast.Return(value=value) if value is not None:
                yield node, "return None"
            case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.Raise() | ast.Continue() | ast.Break():
                yield node, "pass"
            case ast.AugAssign():
                yield node, "pass"
            case ast.Constant(value=str() as value) if value and not value.isspace() and " " not in value and "\n" not in value:
                yield node, repr(value + "X")


def _pytest(where: Path, files: list[str], timeout: float) -> str:
    """Passed, failed or timeout. No bytecode is left behind, and no verdict kept for the next."""
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "PYTHONPATH": str(where), "XDG_CACHE_HOME": cache, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=where, env=env, stdout=quiet, stderr=quiet, start_new_session=True) as process:
            try:
                return "passed" if process.wait(timeout) == 0 else "failed"
            except subprocess.TimeoutExpired:
                return "timeout"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def tried(mutant: Mutant, where: Path, timeout: float) -> str:
    file = where / mutant.path
    try:
        file.write_text(mutant.text())
        return _pytest(where, tests_of(mutant.path), timeout)
    finally:
        shutil.copy2(ROOT / mutant.path, file)


def sample(names: list[str], count: int, seed: int) -> list[Mutant]:
    """As many of each folder, one module after another: a small module is asked as often as a large one."""
    rng, chosen = random.Random(seed), []
    for i, name in enumerate(names):
        paths = [ROOT / name] if name.endswith(".py") else sorted((ROOT / name).glob("*.py"))
        several = [made for path in paths if (made := mutants(path.relative_to(ROOT).as_posix()))]
        left = [rng.sample(made, len(made)) for made in rng.sample(several, len(several))]
        wanted = count // len(names) + (i < count % len(names))
        ranked = (made[k] for k in range(max(map(len, left), default=0)) for made in left if k < len(made))
        chosen += itertools.islice(filter(is_python, ranked), wanted)
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation testing of the checker.")
    for option, default in (("--count", 40), ("--seed", 1), ("--jobs", 2), ("--timeout", 300)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--no-check", action="store_true", help="trust that the tests pass without any change")
    parser.add_argument("names", nargs="*", default=list(FOLDERS))
    given = parser.parse_args()
    chosen = sample(given.names, given.count, given.seed)
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        copies: queue.Queue[Path] = queue.Queue()
        for n in range(given.jobs):
            shutil.copytree(ROOT, Path(scratch) / f"{n}", ignore=shutil.ignore_patterns(".git", ".venv", "build", ".*_cache"))
            copies.put(Path(scratch) / f"{n}")
        files = sorted({file for mutant in chosen for file in tests_of(mutant.path)})
        if not given.no_check and _pytest(Path(scratch) / "0", files, 3600) != "passed":
            print("the tests fail without any change", file=sys.stderr)
            return 2

        def job(mutant: Mutant) -> str:
            where = copies.get()
            try:
                return tried(mutant, where, given.timeout)
            finally:
                copies.put(where)

        ends = []
        for mutant, end in zip(chosen, pool.map(job, chosen)):
            ends.append(end)
            print(f"survived: {mutant}" if end == "passed" else f"{end}: {mutant.path}:{mutant.line}", flush=True)
    for name in given.names:
        here = [end for mutant, end in zip(chosen, ends) if mutant.path.startswith(name)]
        slow, alive = here.count("timeout"), here.count("passed")
        print(f"{name}: {len(here)} tried, {len(here) - alive - slow} killed, {slow} out of time, {alive} survived")
    survived, decided = ends.count("passed"), len(ends) - ends.count("timeout")
    print(f"{survived} of {decided} survived: {100 * survived / max(1, decided):.1f} % ({len(ends) - decided} out of time)")
    return int(10 * survived > decided)


if __name__ == "__main__":
    sys.exit(main())
