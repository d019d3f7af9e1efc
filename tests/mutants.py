"""Mutation testing: small changes of the checker that some test must notice.

python -m tests.mutants [--count 40] [--seed 1] [--jobs 2] [--timeout 300] [--budget SECONDS] [module or folder …]

First every test file is run once, to learn which tests run which lines (tests/reach.py; kept in build/reach for the same files).
Then each mutant is made in a copy of the tree, one at a time, and tried with the tests that run its line, the cheap ones first.
Prints each with its place and the test that failed, a survivor with the changed line, then a line for each folder. A mutant
that takes five times the CPU that the tests took, and 30 seconds, is killed; one that waits for longer than --timeout seconds
is undecided, as is one that only a test kills which fails without it, too. Tests that fail without any change are named and not
asked. With --budget only the quickest tests are asked, of so many seconds together: more may survive. Exits with 1 where more
than a tenth of what was decided survive. docs/mutants.md tells what is known of survivors.
"""

from __future__ import annotations

import argparse
import ast
import bisect
import concurrent.futures
import itertools
import queue
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.reach import Reach, digest, stop

ROOT = Path(__file__).parent.parent
FOLDERS = ("checker/kernel", "checker/campaign", "checker/report", "checker/program")
COMPARE: dict[type, str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.In: "not in", ast.NotIn: "in",
    ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """`path` with the bytes start…end replaced by `new`: within the statement that stands in `lines`."""

    path: str
    line: int
    lines: range
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


def mutants(path: str) -> list[Mutant]:
    """Every place of a module with what may stand there instead."""
    data = (ROOT / path).read_bytes()
    starts = [0, *[i + 1 for i, byte in enumerate(data) if byte == 10]]

    def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
        end = starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
        return starts[node.lineno - 1] + node.col_offset, end

    tree = ast.parse(data)
    statements: dict[int, range] = {}
    for node in ast.walk(tree):  # the innermost comes last
        if isinstance(node, ast.stmt):
            first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
            last = max(node.lineno, node.body[0].lineno - 1) if hasattr(node, "body") else node.end_lineno or node.lineno
            statements |= dict.fromkeys(range(first, (node.end_lineno or first) + 1), range(first, last + 1))
    changes = _changes(tree, lambda node: data[slice(*span(node))].decode())
    return list(dict.fromkeys(Mutant(path, node.lineno, statements[node.lineno], *span(node), new) for node, new in changes))


def is_python(mutant: Mutant) -> bool:
    try:
        return ast.dump(ast.parse(mutant.text())) != ast.dump(ast.parse((ROOT / mutant.path).read_bytes()))
    except SyntaxError:
        return False


def _changes(tree: ast.Module, source) -> Iterator[tuple[ast.expr | ast.stmt, str]]:  # type: ignore[no-untyped-def]
    types = [n for node in ast.walk(tree) for n in (getattr(node, "annotation", None), getattr(node, "returns", None)) if n]
    types += [base for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]  # wording, and 3.11 cannot place their parts
    notes = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in ("frozen", "slots")]  # for who writes
    skipped = {id(part) for node in [*types, *texts, *notes] for part in ast.walk(node)}
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


def batches(tests: list[str], seconds: dict[str, float]) -> Iterator[list[str]]:
    """Those of six files at a time, the files first whose tests cost least together."""
    of: dict[str, list[str]] = {}
    for name in tests:
        of.setdefault(name.split("::")[0], []).append(name)
    files = iter(sorted(of.values(), key=lambda names: sum(seconds[name] for name in names)))
    while some := list(itertools.islice(files, 6)):
        yield sorted(itertools.chain(*some), key=seconds.__getitem__)


def tried(mutant: Mutant, where: Path, reach: Reach, timeout: float, budget: float) -> tuple[str, str]:
    """How it ended, and by which test. A test may lean on what another one left in a cache: at last whole files are asked."""
    file, tests = where / mutant.path, reach.tests(mutant.path, mutant.lines)
    files = {name.split("::")[0] for name in tests}
    rest = sorted({name for name in reach.seconds if name.split("::")[0] in files} - {*tests} - reach.broken)
    spent = list(itertools.accumulate(reach.seconds[name] for name in tests))
    quick = tests[: 1 + bisect.bisect(spent, budget)]
    slow = "no test runs this line" if not tests else f"{len(tests) - len(quick)} tests that take longer were not asked"
    try:
        file.write_text(mutant.text())
        for some in [*batches(quick, reach.seconds), *([rest] if rest and quick == tests else [])]:
            end, by = reach.asked(where, some, timeout, "-x")
            if end != "passed":
                return end, " ".join(by)
        return "survived", "" if tests and quick == tests else slow
    finally:
        shutil.copy2(ROOT / mutant.path, file)


def sample(names: list[str], count: int, seed: int) -> list[Mutant]:
    """As many of each folder, one module after another: a small module is asked as often as a large one."""
    rng, chosen = random.Random(seed), []
    for i, name in enumerate(names):
        paths = [ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("*.py"))
        several = [made for path in paths if (made := mutants(path.relative_to(ROOT).as_posix()))]
        left = [rng.sample(made, len(made)) for made in rng.sample(several, len(several))]
        wanted = count // len(names) + (i < count % len(names))
        ranked = (made[k] for k in range(max(map(len, left), default=0)) for made in left if k < len(made))
        chosen += itertools.islice(filter(is_python, ranked), wanted)
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation testing of the checker.")
    for option, default in (("--count", 40), ("--seed", 1), ("--jobs", 2), ("--timeout", 300), ("--budget", 10**6)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("names", nargs="*", default=list(FOLDERS))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # some tests send it; a shell's background job ignores it
    with tempfile.TemporaryDirectory() as scratch:
        pool = concurrent.futures.ThreadPoolExecutor(given.jobs)
        try:
            return _all(given, [Path(scratch) / f"{n}" for n in range(given.jobs)], pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            pool.shutdown()


def _all(given: argparse.Namespace, trees: list[Path], pool: concurrent.futures.Executor) -> int:
    copies: queue.Queue[Path] = queue.Queue()
    for tree in trees:
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "build", ".*_cache"))
        copies.put(tree)
    chosen = sample(given.names, given.count, given.seed)
    reach = Reach(trees[0], ROOT / "build" / "reach" / digest(trees[0]), pool)
    for test in reach.asked(trees[0], reach.failed, 3600)[1] if reach.failed else ():  # others fail only while they are measured
        print(f"fails without any change, and is not asked: {test}")
        reach.broken.add(test)

    def job(mutant: Mutant) -> tuple[str, str]:
        where = copies.get()
        try:
            return tried(mutant, where, reach, given.timeout, given.budget)
        finally:
            copies.put(where)

    results = []
    asked = {pool.submit(job, mutant): mutant for mutant in chosen}
    for done in concurrent.futures.as_completed(asked):
        mutant, (end, test) = asked[done], done.result()
        results.append((mutant.path, end, test))
        print(f"survived: {mutant} {test}" if end == "survived" else f"{end}: {mutant.path}:{mutant.line} {test}", flush=True)
    killers = sorted({test for _, _, test in results if test in reach.seconds})
    for failed in reach.asked(trees[0], killers, 3600)[1] if killers else ():
        print(f"fails without any change: {failed}")
        results = [(path, "undecided" if test == failed else end, test) for path, end, test in results]
    for name in [*given.names, ""]:
        ends = [end for path, end, _ in results if path.startswith(name)]
        alive, decided = ends.count("survived"), len(ends) - ends.count("undecided")
        rate = f"{100 * alive / max(1, decided):.1f} %"
        print(f"{name or 'all'}: {alive} of {decided} survived: {rate} ({len(ends) - decided} undecided)")
    return int(10 * alive > decided)


if __name__ == "__main__":
    sys.exit(main())
