"""The gate: every test under every model it speaks of, held against what the files and a baseline say.

Nothing is silently green: what could not be decided, what nobody expects anything of, what is gone since the baseline, and
what could not be read are findings. A finding's level (error, block, warning, note) comes from the policy.

    report = gate(Request(paths=("litmus",)), load_policy("."))
    report.code        0 clean, 1 blocked, 2 something could not be checked
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from checker import __version__
from checker.campaign.baseline import Baseline, Known, covers, read_baseline, relative
from checker.campaign.corpus import ExecutorOf, Job, Setup, located, model_of, run
from checker.campaign.paths import expand_paths, models_named_in
from checker.campaign.policy import Policy
from checker.campaign.verdicts import Journal, Row, Store, key, row
from checker.check import Options
from checker.core.source import CheckerError, Source, Span, Unreadable
from checker.parse.files import MAX_BYTES
from checker.result import UNKNOWN
from checker.solve import solver

MAX_TESTS = 100_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say. `kind` is one of the policy's kinds; the place is in a test, `kernel` in a kernel tree (file, line)."""

    kind: str
    level: str
    message: str
    path: str = ""
    line: int = 1
    model: str = ""
    test: str = ""
    kernel: tuple[str, int] | None = None
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a gate says: `rows` are all verdicts in the order of the tests, `findings` what is to be said of them."""

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    models: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def code(self) -> int:
        levels = {finding.level for finding in self.findings}
        return 2 if "error" in levels else 1 if "block" in levels else 0


@dataclass(frozen=True, slots=True)
class Request:
    """What to look at, and with what means. `store` and `journal` are None to do without."""

    paths: tuple[str, ...]
    baseline: str = ""
    store: Store | None = None
    journal: Journal | None = None
    resume: bool = False
    workers: int = 1
    executor: ExecutorOf | None = None
    step: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True, slots=True)
class Task:
    """A job, with the key of its row and the digest of its text."""

    job: Job
    key: str
    digest: str


def gate(request: Request, policy: Policy) -> Report:
    """Check, compare, judge."""
    setup = Setup(Options(unroll=policy.unroll, timeout=policy.timeout))
    findings: list[Finding] = []
    tasks, keys = _plan(request, policy, setup, findings)
    rows = _rows(tasks, setup, request)
    baseline = None
    if request.baseline:
        try:
            baseline = read_baseline(request.baseline)
        except CheckerError as error:
            findings.append(broken(error, request.baseline))
    for one in rows:
        findings.extend(judge(one, policy))
    findings.extend(_missing(rows, policy))
    if baseline is not None:
        findings.extend(_compared(tasks, rows, keys, baseline, request, policy))
    return Report(tuple(rows), tuple(sorted(findings, key=_order)), keys)


_LEVELS = ("error", "block", "warning", "note")


def _order(finding: Finding) -> tuple[object, ...]:
    return _LEVELS.index(finding.level), finding.path, finding.line, finding.kind, finding.model, finding.message


def broken(error: CheckerError, path: str) -> Finding:
    """An input that cannot be used."""
    line = error.span.line if error.span is not None else 1
    name = error.span.source.name if error.span is not None else path
    return Finding("error", "error", error.message, name or path, line or 1, detail=tuple(located(error, path).split("\n")))


# ---------------------------------------------------------------- what to check


def _plan(request: Request, policy: Policy, setup: Setup, findings: list[Finding]) -> tuple[list[Task], dict[str, str]]:
    """The tasks, and the keys of the models; what cannot be checked becomes a finding."""
    files, errors = expand_paths(request.paths)
    findings.extend([broken(error, "") for error in errors])
    roots = _roots(request.paths)
    keys: dict[str, str] = {}
    tasks: list[Task] = []
    for path in dict.fromkeys(files):
        try:
            text = contained(path, roots)
            if len(tasks) >= MAX_TESTS:
                raise Unreadable(f"there are more than {MAX_TESTS:,} checks", hint="gate a part of them")
            digest = hashlib.sha256(text).hexdigest()
            for model in _models(path, policy):
                if model not in keys:
                    keys[model] = _model_key(model, setup, roots)
                tasks.append(Task(Job(path, model), key(text, model, keys[model], f"unroll={policy.unroll}"), digest))
        except CheckerError as error:
            findings.append(broken(error, path))
    if not tasks and not findings:
        findings.append(Finding("error", "error", "there is nothing to check: no test was found"))
    return tasks, keys


def _models(path: str, policy: Policy) -> list[str]:
    named = models_named_in(path)
    return [m for m in named if m in policy.models] if policy.models else named


def _model_key(model: str, setup: Setup, roots: list[Path]) -> str:
    if model.endswith(".cat"):
        contained(model, roots)
    return model_of(model, setup).key


def _roots(paths: Iterable[str]) -> list[Path]:
    """Where files may lie: below the working folder, and below what was named."""
    roots = [Path.cwd()]
    for path in paths:
        roots.append(Path(path) if os.path.isdir(path) else Path(path).parent)
    return [root.resolve() for root in roots]


def contained(path: str, roots: list[Path]) -> bytes:
    """The bytes of a regular file below one of `roots`, wherever its links lead. Raises Unreadable."""
    here = Span(Source(path, ""), 0, 0)
    try:
        real = Path(path).resolve(strict=True)
        if not any(real.is_relative_to(root) for root in roots):
            raise Unreadable("this is a link out of the folders given", here, hint="name the folder it leads to, if you trust it")
        if not stat.S_ISREG(real.stat().st_mode):
            raise Unreadable("this is not a regular file", here)
        with real.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Unreadable("there is no such file", here) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise Unreadable(f"the file cannot be read: {getattr(error, 'strerror', None) or error}", here) from None


# ---------------------------------------------------------------- checking


def _rows(tasks: list[Task], setup: Setup, request: Request) -> list[Row]:
    """The row of every task: from the journal, from the store, or checked now."""
    known: dict[int, Row] = {}
    journaled = request.journal.rows() if request.journal is not None and request.resume else {}
    for i, task in enumerate(tasks):
        found = journaled.get(task.key)
        if found is not None:
            found = replace(found, path=task.job.path, cached=True)
        elif request.store is not None:
            found = request.store.get(task.key, task.job.path)
        if found is not None:
            known[i] = found
    todo = [i for i in range(len(tasks)) if i not in known]
    known.update(zip(todo, _checked([tasks[i] for i in todo], setup, request), strict=True))
    return [known[i] for i in range(len(tasks))]


def _checked(tasks: list[Task], setup: Setup, request: Request) -> Iterator[Row]:
    with ExitStack() as stack:
        journal = None
        if request.journal is not None:
            journal = stack.enter_context(request.journal.writing(afresh=not request.resume))
        workers = max(1, min(request.workers, len(tasks)))
        jobs = [task.job for task in tasks]
        outcomes = stack.enter_context(closing(run(jobs, setup, workers=workers, executor=request.executor if jobs else None)))
        for done, (task, outcome) in enumerate(zip(tasks, outcomes, strict=True), 1):
            made = row(outcome)
            if request.store is not None:
                request.store.put(task.key, made)
            if journal is not None:
                journal.add(task.key, made)
            request.step(done, len(tasks))
            yield made
    if request.store is not None and tasks:
        request.store.trim()


# ---------------------------------------------------------------- judging


def judge(one: Row, policy: Policy) -> Iterator[Finding]:
    """What there is to say of a row by itself."""

    def finding(kind: str, message: str, *detail: str) -> Finding:
        return Finding(kind, policy.level(kind), message, one.path, one.line, one.model, one.test, detail=detail)

    if one.error:
        yield finding("error", one.error.split("\n")[0], *one.error.split("\n"))
    elif one.verdict == UNKNOWN:
        yield finding("unknown", f"Unknown: {one.reason}")
    elif one.unmet:
        yield finding("unexpected", one.unmet)
    elif not one.expected:
        yield finding("missing", f"got {one.said}, but the file says nothing of '{one.model}'")


def _missing(rows: list[Row], policy: Policy) -> Iterator[Finding]:
    """Tests that say nothing of a model they have to speak of."""
    spoken: dict[str, set[str]] = {}
    for one in rows:
        spoken.setdefault(one.path, set()).add(one.model)
    for path, models in spoken.items():
        for model in policy.require:
            if model not in models:
                kind = "missing"
                message = f"the file says nothing of '{model}', and every test has to"
                yield Finding(kind, policy.level(kind), message, path, model=model)


def _compared(
    tasks: list[Task], rows: list[Row], keys: dict[str, str], baseline: Baseline, request: Request, policy: Policy
) -> Iterator[Finding]:
    """What differs from the baseline."""
    here: dict[str, str] = {}
    digests: dict[str, str] = {}
    for task in tasks:
        name = relative(task.job.path, request.baseline)
        here[name], digests[name] = task.job.path, task.digest
    gone = {
        name: known for name, known in baseline.tests.items()
        if name not in here and covers(request.paths, name, request.baseline)
    }  # fmt: skip
    source = _renamed(here, digests, gone, baseline)
    for name, old in source.items():
        yield _said("renamed", f"this was {old} in the baseline", policy, here[name])
    for name in gone.keys() - set(source.values()):
        yield _said("removed", f"the baseline has {name}, and it is gone", policy, request.baseline)
    for name in here.keys() - baseline.tests.keys() - source.keys():
        yield _said("added", "the baseline does not have this test", policy, here[name])
    found: dict[str, dict[str, Row]] = {}
    for one in rows:
        found.setdefault(relative(one.path, request.baseline), {})[one.model] = one
    differs = False
    for name in here:
        known = baseline.tests.get(source.get(name, name))
        if known is not None:
            for finding in _moved(known, found.get(name, {}), here[name], known.digest != digests[name], policy):
                differs = True
                yield finding
    if differs:
        yield from _stale(keys, baseline, policy, request.baseline)


def _said(kind: str, message: str, policy: Policy, path: str, model: str = "", line: int = 1, test: str = "") -> Finding:
    return Finding(kind, policy.level(kind), message, path, line, model, test)


def _renamed(here: dict[str, str], digests: dict[str, str], gone: dict[str, Known], baseline: Baseline) -> dict[str, str]:
    """New path → old path, for the tests whose text was found under another path."""
    lost = {known.digest: name for name, known in sorted(gone.items(), reverse=True)}
    renamed = {}
    for name in sorted(here.keys() - baseline.tests.keys()):
        old = lost.pop(digests[name], None)
        if old is not None:
            renamed[name] = old
    return renamed


def _moved(known: Known, found: dict[str, Row], path: str, edited: bool, policy: Policy) -> Iterator[Finding]:
    """What became of the verdicts of one test."""
    why = "the test was edited" if edited else "the test is the same"
    for model, before in sorted(known.verdicts.items()):
        one = found.get(model)
        if one is None:
            if not policy.models or model in policy.models:
                message = f"the baseline has {before} under '{model}', the file says nothing of it"
                yield _said("missing", message, policy, path, model)
            continue
        if one.error or one.verdict == UNKNOWN:
            continue
        if before.split()[0] != one.verdict:
            message = f"{before.split()[0]} in the baseline, now {one.verdict}; {why}"
            yield _said("changed", message, policy, path, model, one.line, one.test)
        if one.race != before.endswith(" DATARACE"):
            kind = "race-appeared" if one.race else "race-gone"
            message = "a data race that the baseline does not have" if one.race else "the data race of the baseline is gone"
            yield _said(kind, f"{message}; {why}", policy, path, model, one.line, one.test)


def _stale(keys: dict[str, str], baseline: Baseline, policy: Policy, path: str) -> Iterator[Finding]:
    """What else may be why verdicts differ from the baseline's."""
    for model, made in sorted(keys.items()):
        before = baseline.models.get(model)
        if before is not None and before != made:
            yield _said("stale", f"the model '{model}' has changed since the baseline was made", policy, path, model)
    for what, before, now in (("checker", baseline.tool, __version__), ("solver", baseline.solver, solver.version())):
        if before != now:
            yield _said("stale", f"the baseline was made with {what} {before}, this is {now}", policy, path)


# ---------------------------------------------------------------- a baseline from a report


def baseline_of(report: Report, path: str) -> Baseline:
    """The baseline that a report amounts to, to be kept at `path`. Rows without a verdict are not in it."""
    tests: dict[str, dict[str, str]] = {}
    digests: dict[str, str] = {}
    for one in report.rows:
        if one.error or one.verdict == UNKNOWN:
            continue
        name = relative(one.path, path)
        tests.setdefault(name, {})[one.model] = one.said
        if name not in digests:
            digests[name] = hashlib.sha256(Path(one.path).read_bytes()).hexdigest()
    return Baseline(
        {name: Known(digests[name], verdicts) for name, verdicts in tests.items()}, report.models, __version__, solver.version()
    )
