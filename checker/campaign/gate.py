"""The gate: every test under every model it speaks of, held against what the files and a baseline say.

Nothing is silently green: what could not be decided, what nobody expects anything of, what is gone since the baseline, and
what could not be read are findings. A finding's level (error, block, warning, note) comes from the policy.

    report = gate(Request(paths=("litmus",)), load_policy("."))
    report.code        0 clean, 1 blocked, 2 something could not be checked
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from checker import __version__
from checker.campaign.baseline import Baseline, Known, is_there, lies_below, merged, read_baseline, relative
from checker.campaign.corpus import Job, Outcome, Setup, located, model_of, run
from checker.campaign.paths import expand_paths, models_named_in
from checker.campaign.policy import Policy
from checker.campaign.verdicts import Journal, Row, Store, digest_of, key, row
from checker.campaign.witness import Opened
from checker.check import Options
from checker.core.source import CheckerError, Source, Span, Unreadable
from checker.parse.files import Text, read_bytes
from checker.result import UNKNOWN
from checker.solve import solver

if TYPE_CHECKING:
    from checker.campaign.pool import ExecutorOf

MAX_TESTS = 100_000
MAX_TOTAL = 500_000_000
NO_TEST = "there is nothing to check: no test was found"


class Finding(Struct, frozen=True):
    """One thing to say. `kind` is one of the policy's kinds; the place is in a test, `kernel` in a kernel tree (file, line).

    Of a patch `change` is what it does, `why` what comes of that (both are in the message), `functions` what the processes of
    the test stand for, `opened` the cycle that was forbidden without it, and `repair` what would mend it, where these are known.
    `litmus` is the test itself, where it was extracted.
    """

    kind: str
    level: str
    message: str
    path: str = ""
    line: int = 1
    model: str = ""
    test: str = ""
    kernel: tuple[str, int] | None = None
    detail: tuple[str, ...] = ()
    change: str = ""
    why: str = ""
    functions: tuple[tuple[int, str], ...] = ()
    repair: str = ""
    column: int = 1
    opened: Opened | None = None
    litmus: str = ""


class Report(Struct, frozen=True):
    """What a gate says: `rows` are all verdicts in the order of the tests, `findings` what is to be said of them.

    `models` are the keys of the models asked, `digests` those of the tests' texts, by path; `looked` are the files and folders
    that tests were looked for in, and `unasked` is how many tests of the baseline lie elsewhere.
    """

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    models: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    digests: dict[str, str] = field(default_factory=dict)
    looked: tuple[str, ...] = ()
    unasked: int = 0

    @property
    def code(self) -> int:
        levels = {finding.level for finding in self.findings}
        return 2 if "error" in levels else 1 if "block" in levels else 0


class Request(Struct, frozen=True):
    """What to look at, and with what means. `whole`: the paths are all there is; `store` and `journal` None to do without."""

    paths: tuple[str, ...]
    baseline: str = ""
    whole: bool = False
    store: Store | None = None
    journal: Journal | None = None
    resume: bool = False
    workers: int = 1
    memory: int = 0
    executor: ExecutorOf | None = None
    step: Callable[[int, int], None] = lambda done, total: None


class Task(Struct, frozen=True):
    """A job, with the key of its row, that of its model's files, and the digest of its text."""

    job: Job
    key: str
    model_key: str
    digest: str


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with the report of what was decided until then."""

    def __init__(self, report: Report, total: int) -> None:
        super().__init__()
        self.report, self.total = report, total


class Plan(Struct):
    """What there is to check, the keys of the models, where tests were looked for, and what cannot be checked."""

    tasks: list[Task] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def gate(request: Request, policy: Policy) -> Report:
    """Check, compare, judge."""
    setup = Setup(Options(unroll=policy.unroll, timeout=policy.timeout))
    plan = _plan(request, policy, setup)
    findings = plan.findings
    known: dict[int, Row] = {}
    try:
        rows = _rows(plan.tasks, setup, request, known)
    except KeyboardInterrupt:
        done = [known[i] for i in sorted(known)]
        said = [*findings, *[finding for one in done for finding in judge(one, policy)]]
        raise Interrupted(Report(tuple(done), tuple(sorted(said, key=_order)), plan.models), len(plan.tasks)) from None
    baseline = None
    if request.baseline:
        try:
            baseline = read_baseline(request.baseline)
        except CheckerError as error:
            findings.append(broken(error, request.baseline))
    for one in rows:
        findings.extend(judge(one, policy))
    findings.extend(_missing(rows, policy))
    unasked = 0
    if baseline is not None:
        findings.extend(_compared(plan, rows, baseline, request, policy))
        unasked = len(_absent(plan, baseline, request.baseline)) - len(_gone(plan, baseline, request.baseline, whole=request.whole))
    return Report(
        tuple(rows), tuple(sorted(findings, key=_order)), plan.models, digests=plan.digests, looked=tuple(plan.looked),
        unasked=unasked,
    )  # fmt: skip


_LEVELS = ("error", "block", "warning", "note")


def _order(finding: Finding) -> tuple[object, ...]:
    return _LEVELS.index(finding.level), finding.path, finding.line, finding.kind, finding.model, finding.message


def broken(error: CheckerError, path: str) -> Finding:
    """An input that cannot be used."""
    line = error.span.line if error.span is not None else 1
    column = error.span.column if error.span is not None else 1
    name = error.span.source.name if error.span is not None else path
    told = tuple(located(error, path).split("\n"))
    return Finding("error", "error", error.message, name or path, line or 1, detail=told, column=column or 1)


# ---------------------------------------------------------------- what to check


def _plan(request: Request, policy: Policy, setup: Setup) -> Plan:
    """The tasks; what cannot be checked becomes a finding. A text is read once, for its key, its digest and its check."""
    plan = Plan()
    roots = _roots(request.paths)
    found = expand_paths(request.paths, lambda path: contained(path, roots))
    plan.findings += [broken(error, "") for error in found.errors]
    plan.looked = [*found.folders, *found.files]
    total = 0
    for path in dict.fromkeys(found.files):
        try:
            data = contained(path, roots)
            total += len(data)
            if len(plan.tasks) >= MAX_TESTS or total > MAX_TOTAL:
                raise Unreadable(f"there are more than {MAX_TESTS:,} checks, or {MAX_TOTAL:,} bytes", hint="gate a part of them")
            plan.digests[path] = digest_of(data)
            plan.tasks += _tasks(Text(path, data), policy, setup, roots, plan)
        except CheckerError as error:
            plan.findings.append(broken(error, path))
    if not plan.tasks and not plan.findings:
        plan.findings.append(Finding("error", "error", NO_TEST))
    return plan


def _tasks(text: Text, policy: Policy, setup: Setup, roots: list[Path], plan: Plan) -> Iterator[Task]:
    """The text under every model that is asked; a finding where it speaks of none of them."""
    named = models_named_in(text)
    asked = [model for model in named if not policy.models or model in policy.models]
    if not asked:
        message = f"the file speaks of {', '.join(named)}, and only {', '.join(policy.models)} may be asked"
        plan.findings.append(Finding("missing", policy.level("missing"), message, text.path))
    digest = plan.digests[text.path]
    for model in asked:
        if model not in plan.models:
            plan.models[model] = _model_key(model, setup, roots)
        model_key = plan.models[model]
        yield Task(Job(text, model), key(digest, model, model_key, _options(setup)), model_key, digest)


def _options(setup: Setup) -> str:
    """All options that may change a verdict that there is; how much time it may take cannot."""
    options = setup.options
    return f"unroll={options.unroll} assume={','.join(sorted(options.assume))} strict={setup.strict}"


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
    except FileNotFoundError:
        raise Unreadable("there is no such file", here) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise Unreadable(f"the file cannot be read: {getattr(error, 'strerror', None) or error}", here) from None
    if not any(real.is_relative_to(root) for root in roots):
        raise Unreadable("this is a link out of the folders given", here, hint="name the folder it leads to, if you trust it")
    try:
        return read_bytes(real, regular=True)
    except Unreadable as error:
        raise Unreadable(error.message, here) from None


# ---------------------------------------------------------------- checking


def _rows(tasks: list[Task], setup: Setup, request: Request, known: dict[int, Row]) -> list[Row]:
    """The row of every task: from the journal, from the store, or checked now. They come into `known` one by one."""
    journaled = request.journal.rows() if request.journal is not None and request.resume else {}
    for i, task in enumerate(tasks):
        found = journaled.get(_journal_key(task, setup))
        if found is not None:
            found = replace(found, path=task.job.path, cached=True)
        elif request.store is not None:
            found = request.store.get(task.key, task.job.path)
        if found is not None:
            known[i] = found
    todo = [i for i in range(len(tasks)) if i not in known]
    for i, made in zip(todo, _checked([tasks[i] for i in todo], setup, request), strict=True):
        known[i] = made  # noqa: PERF403 (one by one, for whoever interrupts)
    return [known[i] for i in range(len(tasks))]


def _checked(tasks: list[Task], setup: Setup, request: Request) -> Iterator[Row]:
    with ExitStack() as stack:
        journal = None
        if request.journal is not None:
            journal = stack.enter_context(request.journal.writing(afresh=not request.resume))
        workers = max(1, min(request.workers, len(tasks)))
        jobs = [task.job for task in tasks]
        executor = request.executor if jobs else None
        outcomes = stack.enter_context(closing(run(jobs, setup, workers=workers, memory=request.memory, executor=executor)))
        request.step(0, len(tasks))
        for done, (task, outcome) in enumerate(zip(tasks, outcomes, strict=True), 1):
            made = row(_same_model(task, outcome))
            if request.store is not None:
                request.store.put(task.key, made)
            if journal is not None:
                journal.add(_journal_key(task, setup), made)
            request.step(done, len(tasks))
            yield made
    if request.store is not None and tasks:
        request.store.trim()


def _journal_key(task: Task, setup: Setup) -> str:
    """A journal keeps what could not be decided too: given more time, that is asked again."""
    return f"{task.key} {setup.options.timeout}"


def _same_model(task: Task, outcome: Outcome) -> Outcome:
    """The outcome, unless the model's files were not those that its key was made of."""
    if outcome.result is None or outcome.model_key == task.model_key:
        return outcome
    return replace(outcome, result=None, unknown_because=f"the files of '{outcome.model}' changed while tests were checked")


# ---------------------------------------------------------------- judging


def judge(one: Row, policy: Policy) -> Iterator[Finding]:
    """What there is to say of a row by itself."""

    def finding(kind: str, message: str, *detail: str) -> Finding:
        return Finding(kind, policy.level(kind), message, one.path, one.line, one.model, one.test, detail=detail, column=one.column)

    if one.error:
        yield finding("error", one.error.split("\n")[0], *one.error.split("\n"))
    elif one.verdict == UNKNOWN:
        yield finding("unknown", f"Unknown: {one.reason}")
    elif one.unmet:
        yield finding("unexpected", one.unmet)
    elif one.undecided:
        yield finding("unknown", f"{one.said}, but unknown: {one.reason}")
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


def _absent(plan: Plan, baseline: Baseline, path: str) -> list[str]:
    """The tests of the baseline that were not checked."""
    here = {relative(name, path) for name in plan.digests}
    return [name for name in baseline.tests if name not in here]


def _gone(plan: Plan, baseline: Baseline, path: str, *, whole: bool) -> dict[str, Known]:
    """The tests of the baseline that are no more: their file is not there, or the run should have come across it."""
    return {
        name: baseline.tests[name] for name in _absent(plan, baseline, path)
        if whole or not is_there(name, path) or lies_below(plan.looked, name, path)
    }  # fmt: skip


def _compared(plan: Plan, rows: list[Row], baseline: Baseline, request: Request, policy: Policy) -> Iterator[Finding]:
    """What differs from the baseline."""
    here = {relative(path, request.baseline): path for path in plan.digests}
    digests = {name: plan.digests[path] for name, path in here.items()}
    gone = _gone(plan, baseline, request.baseline, whole=request.whole)
    source = _renamed(here, digests, gone, baseline)
    for name, old in source.items():
        yield _said("renamed", f"this was {old} in the baseline", policy, here[name])
    for name in gone.keys() - set(source.values()):
        why = "no longer checked" if is_there(name, request.baseline) else "gone"
        yield _said("removed", f"the baseline has {name}, and it is {why}", policy, request.baseline)
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
        yield from _stale(plan.models, baseline, policy, request.baseline)


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
        if one.error or one.undecided:
            continue
        if before.split()[0] != one.verdict:
            message = f"{before.split()[0]} in the baseline, now {one.verdict}; {why}"
            yield _said("changed", message, policy, path, model, one.line, one.test)
        if one.race != ("DATARACE" in before.split()):
            kind = "race-appeared" if one.race else "race-gone"
            message = "a data race that the baseline does not have" if one.race else "the data race of the baseline is gone"
            yield _said(kind, f"{message}; {why}", policy, path, model, one.line, one.test)
        had, has = _flags(before), _flags(one.said)
        for flag in sorted(had ^ has):
            kind = "flag-appeared" if flag in has else "flag-gone"
            message = f"{flag}, which the baseline does not have" if flag in has else f"{flag} of the baseline is gone"
            yield _said(kind, f"{message}; {why}", policy, path, model, one.line, one.test)


def _flags(said: str) -> set[str]:
    """The flags in what a baseline says, data races aside."""
    return set(said.split()[1:]) - {"DATARACE"}


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
    digests = {relative(name, path): digest for name, digest in report.digests.items()}
    for one in report.rows:
        if not one.error and not one.undecided:
            tests.setdefault(relative(one.path, path), {})[one.model] = one.said
    known = {name: Known(digests[name], verdicts) for name, verdicts in tests.items()}
    return Baseline(known, report.models, __version__, solver.version())


def updated_baseline(report: Report, path: str, policy: Policy, *, whole: bool) -> Baseline:
    """The baseline at `path` with what a report says put into it; what the run was not to look at stays. Raises CheckerError."""
    now = baseline_of(report, path)
    if not os.path.lexists(path):
        return now
    before = read_baseline(path)
    plan = Plan(digests=report.digests, looked=[*report.looked])
    undecided: dict[str, set[str]] = {}
    for one in report.rows:
        if one.undecided:
            undecided.setdefault(relative(one.path, path), set()).add(one.model)
    kept = {}
    for name in [relative(name, path) for name in report.digests]:
        models = before.tests[name].verdicts if name in before.tests else {}
        kept[name] = {m for m in models if m in undecided.get(name, ()) or (policy.models and m not in policy.models)}
    return merged(before, now, gone=_gone(plan, before, path, whole=whole), kept=kept)
