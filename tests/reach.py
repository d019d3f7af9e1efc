"""Which tests run which lines of the checker, and what each costs: recorded once, for tests/mutants.py.

A plugin of pytest (-p tests.reach), too. Where coverage.py measures, it names the contexts after the tests; what a test starts
as a process of its own is named after PYTEST_CURRENT_TEST. Given a choice, it runs the tests named there, in that order.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import coverage
import pytest

CHOICE, SPENT = "REACH_CHOICE", "REACH_SPENT"
MEASURED = """[run]
core = ctrace
parallel = true
concurrency = thread, multiprocessing
include = {where}/checker/*
data_file = {store}/lines
context = ${{PYTEST_CURRENT_TEST-}}
disable_warnings = no-data-collected, trace-changed, dynamic-conflict, include-ignored
"""


class Plugin:
    """Seconds of CPU of each test, those that failed, and which tests are to run (a JSON file, see `asked`)."""

    def __init__(self, spent: str, choice: str) -> None:
        self.spent, self.choice = Path(spent), Path(choice)
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.choice.is_file():
            chosen = json.loads(self.choice.read_text())
            order, known = {name: n for n, name in enumerate(chosen["run"])}, set(chosen["known"])
            items[:] = [item for item in items if item.nodeid in order or item.nodeid not in known]
            items.sort(key=lambda item: order.get(item.nodeid, len(order)))
            resource.setrlimit(resource.RLIMIT_CPU, (chosen["limit"], resource.RLIM_INFINITY))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        measured, begin = coverage.Coverage.current(), sum(os.times()[:4])
        if measured:
            measured.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = sum(os.times()[:4]) - begin
            if measured:
                measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed += [report.nodeid] * report.failed

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed += [report.nodeid] * report.failed

    def pytest_sessionfinish(self) -> None:
        self.spent.write_text(json.dumps({"seconds": self.seconds, "failed": self.failed}))


def pytest_configure(config: pytest.Config) -> None:
    if SPENT in os.environ:
        config.pluginmanager.register(Plugin(os.environ[SPENT], os.environ.get(CHOICE, "/")))


class Reach:
    """What was recorded of the tree `where`: kept in `store`, of a tree with the same files."""

    def __init__(self, where: Path, store: Path, pool: Executor) -> None:
        self.where = where
        if not (store / "whole").exists():
            self._record(store, pool)
        self.data = coverage.CoverageData(str(store / "whole"))
        self.data.read()
        self.stored: dict[str, list[str]] = {}  # of a recording that was cut short: in several trees
        for file in self.data.measured_files():
            self.stored.setdefault(file[file.rindex("/checker/") + 1 :], []).append(file)
        spent = [json.loads(file.read_text()) for file in sorted(store.glob("*.json"))]
        self.seconds: dict[str, float] = {name: cost for one in spent for name, cost in one["seconds"].items()}
        self.failed = [name for one in spent for name in one["failed"]]
        self.broken: set[str] = set()
        self._lines, self._importers = functools.cache(self._lines), functools.cache(self._importers)  # type: ignore[method-assign]

    def tests(self, path: str, lines: Iterable[int]) -> list[str]:
        """The tests that run one of `lines`, quickest first; of what runs on import, all that use the module or an importer's."""
        of = self._lines(path)
        names = {name for line in lines for name in of.get(line, ())}
        if "" in names:
            names |= {name for user in (path, *self._importers(path)) for found in self._lines(user).values() for name in found}
        return sorted(names & {*self.seconds} - self.broken, key=lambda name: self.seconds[name])

    def asked(self, where: Path, tests: list[str], wall: float, *options: str) -> tuple[str, list[str]]:
        """Passed, killed (and by which tests) or undecided, in a tree like this one. No bytecode or verdict is left behind."""
        with tempfile.TemporaryDirectory() as scratch:
            spent, choice = Path(scratch) / "spent", Path(scratch) / "choice"
            limit = 30 + int(5 * sum(self.seconds[name] for name in tests))
            choice.write_text(json.dumps({"run": tests, "known": list(self.seconds), "limit": limit}))
            env = {**os.environ, CHOICE: str(choice), "HYPOTHESIS_PROFILE": "mutants"}
            files = dict.fromkeys(name.split("::")[0] for name in tests)
            code = run_pytest(where, [*options, *files], spent, env, wall)
            failed = json.loads(spent.read_text())["failed"] if spent.exists() else [f"status {code}"]
        return ("passed" if code == 0 else "undecided" if code is None else "killed"), failed

    def _record(self, store: Path, pool: Executor) -> None:
        if not store.exists():
            shutil.rmtree(store.parent, ignore_errors=True)
            store.mkdir(parents=True)
        (store / "rc").write_text(MEASURED.format(where=self.where, store=store))
        env = {**os.environ, "COVERAGE_PROCESS_START": str(store / "rc")}
        files = sorted((self.where / "tests").glob("test_*.py"), key=lambda file: file.stat().st_size, reverse=True)
        left = [(f"tests/{file.name}", spent) for file in files if not (spent := store / f"{file.stem}.json").exists()]
        list(pool.map(lambda one: run_pytest(self.where, [one[0]], one[1], env), left))
        whole = coverage.CoverageData(str(store / "part"))
        for file in store.glob("lines.*"):
            with contextlib.suppress(coverage.exceptions.DataError):  # of a process that was killed
                one = coverage.CoverageData(str(file))
                one.read()
                whole.update(one)
            file.unlink()
        whole.close()
        (store / "part").rename(store / "whole")

    def _lines(self, path: str) -> dict[int, set[str]]:
        made: dict[int, set[str]] = {}
        for file in self.stored.get(path, ()):
            for line, names in self.data.contexts_by_lineno(file).items():
                made.setdefault(line, set()).update(re.sub(r" \((setup|call|teardown)\)$", "", name) for name in names)
        return made

    def _importers(self, path: str) -> list[str]:
        wanted, found = path.removesuffix(".py").replace("/", "."), []
        for file in sorted((self.where / "checker").rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_bytes())):
                match node:
                    case ast.ImportFrom(module=str() as module, names=names):
                        given = [module, *(f"{module}.{name.name}" for name in names)]
                    case ast.Import(names=names):
                        given = [name.name for name in names]
                    case _:
                        given = []
                if wanted in given:
                    found.append(file.relative_to(self.where).as_posix())
        return list(dict.fromkeys(found))


RUNNING: set[int] = set()
"""Process groups that are to end with this process."""


def run_pytest(where: Path, args: list[str], spent: Path, env: dict[str, str], wall: float | None = None) -> int | None:
    """The exit status, None after `wall` seconds."""
    with tempfile.TemporaryDirectory() as own:
        more = {"PYTHONPATH": str(where), "XDG_CACHE_HOME": own, "PYTHONDONTWRITEBYTECODE": "1", SPENT: str(spent)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.reach", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += [f"--basetemp={own}/tests", *args]
        with (
            open(f"{spent}.log", "w") as log,
            subprocess.Popen(command, cwd=where, env={**env, **more}, stdout=log, stderr=log, start_new_session=True) as process,
        ):
            RUNNING.add(process.pid)
            try:
                return process.wait(wall)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                RUNNING.discard(process.pid)


def stop() -> None:
    for group in [*RUNNING]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def digest(where: Path) -> str:
    """Of everything that says what the tests do."""
    made = hashlib.sha256()
    for folder in ("checker", "grammar", "litmus", "tests", "docs"):
        for file in sorted(file for file in (where / folder).rglob("*") if file.is_file() and file.suffix != ".pyc"):
            made.update(f"{file.relative_to(where)}\0".encode() + file.read_bytes() + b"\0")
    return made.hexdigest()[:16]
