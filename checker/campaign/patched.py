"""A kernel patch before the gate: what it does to the functions that tests stand for, and what becomes of those tests.

Each bound process is held against the function in the tree. Where they agree, what the patch changes in the function is
changed in the process, and the variant is checked under every model: if a model now allows what the test forbids, the patch
is blocked, with the execution. Changes that no test can be asked about need review. Without a patch, only drift is reported.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from checker.campaign.gate import Finding, Report, Request, broken
from checker.campaign.policy import Policy
from checker.campaign.variants import Verdicts
from checker.campaign.verdicts import tool
from checker.core.source import CheckerError, Source
from checker.kernel.binding import Binding, Process, bindings, bound_skeleton, processes
from checker.kernel.changes import Change, Difference, difference
from checker.kernel.kept import Kept
from checker.kernel.matching import Match, match
from checker.kernel.mentions import untold
from checker.kernel.patch import Applied, opened
from checker.kernel.skeleton import Code, Op, own_ops
from checker.kernel.transfer import Transfer, apply, transfer, weakens
from checker.kernel.trees import folder_tree
from checker.parse.files import read_source

MOST_VARIANTS = 32


@dataclass(frozen=True, slots=True)
class Bound:
    """A process held against one of its functions, before and after the patch."""

    binding: Binding
    process: Process
    match: Match
    before: tuple[Op, ...]
    after: tuple[Op, ...]
    changed: Difference
    carried: Transfer


@dataclass(slots=True)
class Scene:
    """A test with bindings: what agrees with the tree, and what there is to say."""

    path: str
    source: Source
    bound: dict[int, list[Bound]] = field(default_factory=dict)
    """What agrees, by process; empty unless each of the bound processes agrees with some code."""
    held: list[Bound] = field(default_factory=list)
    """What agrees, whether or not the others do."""
    claimed: set[tuple[str, str]] = field(default_factory=set)
    """The functions that the test says it shows."""
    drift: list[Finding] = field(default_factory=list)
    becomes: list[str] = field(default_factory=list)
    """Functions that agree with the test only with the patch."""

    @property
    def name(self) -> str:
        return os.path.basename(self.path).removesuffix(".litmus")


def with_kernel(report: Report, kernel: str, diff: str | None, request: Request, policy: Policy) -> Report:
    """The report, with what the kernel tree and the patch add to it. Raises CheckerError."""
    patch = opened(kernel, diff) if diff else None
    tree = patch.before if patch is not None else folder_tree(kernel)
    found: list[Finding] = []
    scenes: list[Scene] = []
    sources: list[tuple[str, Source, tuple[Binding, ...]]] = []
    for path in dict.fromkeys(one.path for one in report.rows if not one.error):
        try:
            source = read_source(path)
            sources.append((path, source, bindings(source)))
        except CheckerError as error:
            found.append(broken(error, path))
    also = tuple(dict.fromkeys(file for _, _, bound in sources for b in bound for file, _ in b.parts))
    kept = Kept(request.store.folder / "source", tool()) if request.store is not None else None
    before = Code(tree, also, policy.arch, kept)
    codes = (before, Code(patch.after, also, policy.arch, kept, before, _touched(patch)) if patch else None)
    for path, source, bound in sources:
        if bound:
            scene = _scene(path, source, bound, codes, policy)
            scenes.append(scene)
            found += scene.drift
    if patch is not None:
        found += [_finding("skeleton", remark, policy) for remark in patch.remarks]
        found += _becomes(scenes, policy)
        found += judge_patch(scenes, codes, patch, policy)
        found += _untold(found, codes, patch, policy)
    order = ("error", "block", "warning", "note")
    merged = sorted(
        [*report.findings, *dict.fromkeys(found)],
        key=lambda f: (order.index(f.level), f.kernel or ("", 0), f.path, f.line, f.kind, f.model, f.message),
    )
    return replace(report, findings=tuple(merged))


def _finding(kind: str, message: str, policy: Policy, **more: object) -> Finding:
    return Finding(kind, policy.level(kind), message, **more)  # type: ignore[arg-type]


def _touched(patch: Applied) -> frozenset[str]:
    return frozenset(path for pair in patch.paths for path in pair if path)


def _untold(found: list[Finding], codes: tuple[Code, Code | None], patch: Applied, policy: Policy) -> list[Finding]:
    """What orders, is changed, and is in none of the findings."""
    assert codes[1] is not None
    told = [(finding.kernel, finding.message) for finding in found if finding.kernel is not None]
    left = untold(codes[0], codes[1], patch.paths, told)
    return [_finding("review", f"needs review: {message}", policy, kernel=place) for place, message in left]


# ---------------------------------------------------------------- tests beside the tree


def _scene(path: str, source: Source, bound: tuple[Binding, ...], codes: tuple[Code, Code | None], policy: Policy) -> Scene:
    scene = Scene(path, source)
    try:
        known = processes(source)
        for binding in bound:
            scene.claimed |= set() if binding.variant else set(binding.parts)
            process = known.get(binding.tid)
            if process is None:
                message = f"there is no P{binding.tid} to be bound to {binding}"
                scene.drift.append(_finding("error", message, policy, path=path, line=binding.line, test=scene.name))
                continue
            made = _held(scene, binding, process, codes, policy)
            if made is not None:
                scene.bound.setdefault(binding.tid, []).append(made)
                scene.held.append(made)
    except CheckerError as error:
        scene.drift.append(broken(error, path))
    if {binding.tid for binding in bound} != scene.bound.keys():
        scene.bound.clear()
    return scene


def _held(scene: Scene, binding: Binding, process: Process, codes: tuple[Code, Code | None], policy: Policy) -> Bound | None:
    """A process beside a function; None, and drift, where they do not agree."""
    place = {"path": scene.path, "line": binding.line, "test": scene.name}
    before = bound_skeleton(codes[0], binding, policy.depth)
    if isinstance(before, str):
        if not binding.variant:
            scene.drift.append(_finding("drift", f"P{binding.tid}: {before}", policy, **place))
        return None
    found = match(process, before.ops, binding)
    if not found.agrees:
        if codes[1] is not None and _agrees_after(binding, process, codes[1], policy):
            scene.becomes.append(str(binding))
        elif not binding.variant:
            scene.drift += [_drift(scene, binding, problem, op, policy) for problem, op in found.problems]
        return None
    after = bound_skeleton(codes[1], binding, policy.depth) if codes[1] is not None else before
    if isinstance(after, str):
        message = f"with the patch, {after}: P{binding.tid} stands for nothing"
        scene.drift.append(_finding("review", message, policy, **place))
        return None
    if before.cut or after.cut:
        message = f"needs review: {binding} is too large to be read to its end"
        scene.drift.append(_finding("review" if codes[1] is not None else "drift", message, policy, **place))
    changed = difference(before.ops, after.ops)
    text = scene.source.text.encode()
    carried = transfer(process, text, found, changed, before.ops, after.ops, binding.outside)
    return Bound(binding, process, found, before.ops, after.ops, changed, carried)


def _agrees_after(binding: Binding, process: Process, code: Code, policy: Policy) -> bool:
    after = bound_skeleton(code, binding, policy.depth)
    return not isinstance(after, str) and match(process, after.ops, binding).agrees


def _drift(scene: Scene, binding: Binding, problem: str, op: Op, policy: Policy) -> Finding:
    ours = op.path == scene.source.name
    return _finding(
        "drift", f"P{binding.tid} is not {binding} any more: {problem}", policy,
        path=scene.path, line=op.line if ours else binding.line, test=scene.name, kernel=None if ours else (op.path, op.line),
    )  # fmt: skip


def _becomes(scenes: list[Scene], policy: Policy) -> Iterator[Finding]:
    """Functions that become what tests show."""
    names: dict[str, list[str]] = {}
    for scene in scenes:
        for function in dict.fromkeys(scene.becomes):
            names.setdefault(function, []).append(scene.name)
    for function, tests in sorted(names.items()):
        more = f" and {len(tests) - 3} more" if len(tests) > 3 else ""
        yield _finding("skeleton", f"with the patch, {function} is what {', '.join(tests[:3])}{more} show", policy)


# ---------------------------------------------------------------- judging


def judge_patch(scenes: list[Scene], codes: tuple[Code, Code | None], patch: Applied, policy: Policy) -> Iterator[Finding]:
    """What there is to say of a patch."""
    settled: set[tuple[str, int]] = set()
    told: dict[tuple[str, int, str], set[str]] = {}
    failed: dict[tuple[str, int, str], tuple[Change, str, Scene, Binding]] = {}
    foreign: dict[tuple[str, int], Change] = {}
    for scene in scenes:
        for bound in scene.held:
            for change in bound.carried.made:
                told.setdefault((*change.place, str(change)), set()).add(scene.name)
            for change, reason in bound.carried.failed:
                failed.setdefault((*change.place, reason), (change, reason, scene, bound.binding))
            for change in (*bound.carried.foreign, *bound.carried.made):
                foreign.setdefault(change.place, change)
        for finding, places in _variants(scene, policy):
            settled |= places
            yield finding
    for (path, line, message), tests in sorted(told.items()):
        names = ", ".join(sorted(tests))
        yield _finding("skeleton", f"{message}: {names}", policy, kernel=(path, line))
    for change, reason, scene, binding in failed.values():
        message = f"needs review: {reason}"
        yield _finding("review", message, policy, path=scene.path, line=binding.line, test=scene.name, kernel=change.place)
    yield from _foreign(foreign, settled, scenes, policy)
    yield from _uncovered(codes, patch, scenes, policy)


def _covered(scenes: Iterable[Scene]) -> set[tuple[str, str]]:
    """The functions that tests stand for: bound ones, and those in which an operation of a test was found."""
    functions = set()
    for scene in scenes:
        for bound in scene.held:
            functions |= set(bound.binding.parts)
            functions |= {(bound.before[k].path, bound.before[k].function) for k in bound.match.pairs.values()}
    return functions


def _foreign(
    foreign: dict[tuple[str, int], Change], settled: set[tuple[str, int]], scenes: list[Scene], policy: Policy
) -> Iterator[Finding]:
    """Changes in covered functions that no test shows: those that may weaken need review."""
    covered = _covered(scenes)
    for place, change in sorted(foreign.items()):
        if place in settled or (change.op.path, change.op.function) not in covered:
            continue
        if weakens(change):
            message = f"needs review: {change}, and no test of {change.op.function}() shows it"
            yield _finding("review", message, policy, kernel=place)
        else:
            message = f"{change}: it adds order, or concerns nothing that a test of {change.op.function}() forbids"
            yield _finding("harmless", message, policy, kernel=place)


def _uncovered(codes: tuple[Code, Code | None], patch: Applied, scenes: list[Scene], policy: Policy) -> Iterator[Finding]:
    """Changed barriers in functions that no test stands for."""
    covered = _covered(scenes)
    claimed = {function for scene in scenes for function in scene.claimed}
    after = codes[1]
    assert after is not None
    for old, new in patch.paths:
        before_unit = codes[0].unit(old) if old.endswith((".c", ".h")) else None
        after_unit = after.unit(new) if new.endswith((".c", ".h")) else None
        names = {**(before_unit.functions if before_unit else {}), **(after_unit.functions if after_unit else {})}
        for name in names:
            if (old, name) in covered or (new, name) in covered:
                continue
            if before_unit and after_unit and before_unit.functions.written(name) == after_unit.functions.written(name):
                continue
            was = own_ops(before_unit.functions[name]) if before_unit and name in before_unit.functions else []
            now = own_ops(after_unit.functions[name]) if after_unit and name in after_unit.functions else []
            for change in difference(was, now).changes:
                if not any(op is not None and op.concerns for op in (change.before, change.after)):
                    continue
                if {(old, name), (new, name)} & claimed and weakens(change):
                    message = f"needs review: {change} in {name}(), and no test that is about it agrees with it"
                    yield _finding("review", message, policy, kernel=change.place)
                else:
                    message = f"{change} in {name}(), which no test covers"
                    yield _finding("uncovered", message, policy, kernel=change.place)


# ---------------------------------------------------------------- variants


def _variants(scene: Scene, policy: Policy) -> Iterator[tuple[Finding, set[tuple[str, int]]]]:
    """The test with the patch's changes made to its processes, under every model."""
    groups = [[b for b in several if b.carried.variants] for several in scene.bound.values()]
    groups = [group for group in groups if group]
    if not groups:
        return
    text = scene.source.text.encode()
    verdicts = Verdicts(scene.source, policy)
    known: set[tuple[bytes, ...]] = set()
    for bound in itertools.product(*groups):
        ways = math.prod(len(b.carried.variants) for b in bound)
        made = [
            apply(text, [edit for part in edits for edit in part])
            for edits in itertools.islice(itertools.product(*[b.carried.variants for b in bound]), MOST_VARIANTS)
        ]
        variants = tuple(dict.fromkeys(variant for variant in made if variant is not None))
        if ways > MOST_VARIANTS or None in made or len(known) > MOST_VARIANTS:
            message = "needs review: there are too many changes to carry them over to the test"
            yield _finding("review", message, policy, path=scene.path, line=bound[0].binding.line, test=scene.name), set()
        elif variants not in known:
            known.add(variants)
            yield from _outcome(scene, list(variants), bound, verdicts, policy)


def _outcome(
    scene: Scene, variants: list[bytes], bound: tuple[Bound, ...], verdicts: Verdicts, policy: Policy
) -> Iterator[tuple[Finding, set[tuple[str, int]]]]:
    """What becomes of the test: harmful where every way to make the change is, review where some are, else harmless."""
    changes = list(dict.fromkeys(change for b in bound for change in b.carried.made))
    places = {change.place for change in changes}
    head = "; ".join(str(change) for change in changes[:3]) + (" …" if len(changes) > 3 else "")
    common: dict[str, object] = {"path": scene.path, "line": bound[0].binding.line, "test": scene.name, "kernel": changes[0].place}
    common["functions"] = _functions([*scene.held, *bound])
    told: dict[tuple[str, str], tuple[list[str], tuple[str, ...]]] = {}
    models = verdicts.models()
    if not models:
        yield _finding("review", f"needs review: {head}: no model can be asked about the test", policy, **common), places
    if not verdicts.guards():
        places = set()
    for model in models:
        said = [verdicts.compare(variant, model) for variant in variants]
        bad = [one for one in said if one.kind == "harmful"]
        doubt = [one for one in said if one.kind == "review"]
        worst = (bad or doubt or said)[0]
        kind, why = worst.kind, worst.why
        if bad and len(bad) < len(said):
            kind, why = "review", f"depending on where it then stands, {why}"
        told.setdefault((kind, why), ([], worst.detail))[0].append(model)
    for (kind, why), (models, detail) in told.items():
        message = f"{'needs review: ' if kind == 'review' else ''}{head}: {why}"
        yield _finding(kind, message, policy, model=", ".join(models), detail=detail, change=head, why=why, **common), places


def _functions(bound: Iterable[Bound]) -> tuple[tuple[int, str], ...]:
    """What each process stands for, by name; of several functions the last that is given."""
    names = {b.binding.tid: " + ".join(name for _, name in b.binding.parts) for b in bound}
    return tuple(sorted(names.items()))
