"""A kernel patch before the gate: what it does to the functions that tests stand for, and what becomes of those tests.

Each bound process is held against the function in the tree. Where they agree, what the patch changes in the function is
changed in the process, and the variant is checked under every model: if a model now allows what the test forbids, the patch
is blocked, with the execution. Changes that no test can be asked about need review. Without a patch, only drift is reported.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from checker.campaign.gate import NO_TEST, Finding, Report, Request, broken
from checker.campaign.paired import UNJUDGED, paired
from checker.campaign.policy import Policy
from checker.campaign.variants import Answer, Verdicts, only_where, wanted
from checker.campaign.verdicts import tool
from checker.core.source import CheckerError, Source
from checker.kernel.binding import Binding, Process, bindings, bound_skeleton, processes
from checker.kernel.carry import Carried, carry, halves, lost, orders
from checker.kernel.changes import Change, difference
from checker.kernel.kept import Kept
from checker.kernel.matching import Match, match
from checker.kernel.mentions import untold
from checker.kernel.patch import Applied, opened
from checker.kernel.primitives import CALL, DEFER, FENCE, FREE, GRACE, JUMP, SECTIONS, WRITE
from checker.kernel.signal import other_signal
from checker.kernel.skeleton import Code, Op, own_ops, skeleton
from checker.kernel.strength import weakens
from checker.kernel.transfer import Transfer, apply
from checker.kernel.trees import folder_tree
from checker.parse.files import read_source

MOST_VARIANTS = 32


class Bound(Struct, frozen=True):
    """A process held against one of its functions, before and after the patch."""

    binding: Binding
    process: Process
    match: Match
    before: tuple[Op, ...]
    read: tuple[tuple[str, str], ...]
    """The functions that it consists of with the patch, followed calls included."""
    carried: Carried


class Scene(Struct):
    """A test with bindings: what agrees with the tree, and what there is to say."""

    path: str
    source: Source
    bound: dict[int, list[Bound]] = field(default_factory=dict)
    """What agrees, by process; empty unless each of the bound processes agrees with some code."""
    held: list[Bound] = field(default_factory=list)
    """What agrees, whether or not the others do."""
    claimed: set[tuple[str, str]] = field(default_factory=set)
    """The functions that the test says it shows."""
    processes: dict[int, Process] = field(default_factory=dict)
    told: str = ""
    """How others are told, where the test is asked both ways."""
    drift: list[Finding] = field(default_factory=list)
    becomes: list[str] = field(default_factory=list)
    """Functions that agree with the test only with the patch."""

    @property
    def name(self) -> str:
        return os.path.basename(self.path).removesuffix(".litmus")


def with_kernel(report: Report, kernel: str, diff: str | tuple[str, ...] | None, request: Request, policy: Policy) -> Report:
    """The report, with what the kernel tree and the patch, or several one after the other, add to it. Raises CheckerError."""
    patch = opened(kernel, *([diff] if isinstance(diff, str) else diff)) if diff else None
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
            if patch is not None and scene.held:
                scenes += _told_otherwise(scene, bound, codes, policy, found)
    if patch is not None:
        found += [_finding("skeleton", remark, policy) for remark in patch.remarks]
        found += becomes(scenes, policy)
        found = judged(found, scenes, codes, patch, policy, kept)
    unread = {why: path for code in codes if code is not None for path, why in code.unread.items()}
    found += [_finding("drift", f"{why}, and is taken for missing", policy, kernel=(path, 1)) for why, path in unread.items()]
    order = ("error", "block", "warning", "note")
    merged = sorted(
        [
            *(f for f in report.findings if not (patch is not None and request.whole and f.message == NO_TEST)),
            *dict.fromkeys(found),
        ],
        key=lambda f: (order.index(f.level), f.kernel or ("", 0), f.path, f.line, f.kind, f.model, f.message),
    )
    return replace(report, findings=tuple(merged))


def judged(
    found: Sequence[Finding], scenes: list[Scene], codes: tuple[Code, Code | None], patch: Applied, policy: Policy,
    kept: Kept | None,
) -> list[Finding]:  # fmt: skip
    """The findings, with all that there is to say of a patch: by the tests, by pairs of functions, by the text that is left."""
    assert codes[1] is not None
    first = [*found, *judge_patch(scenes, codes, patch, policy)]
    known, more = paired(patch, (codes[0], codes[1]), first, policy, kept)
    left = _untold([*first, *[one for one in more if one.kind not in UNJUDGED]], codes, patch, policy)
    places = {one.kernel for one in left}
    return [*known, *[one for one in more if not (one.kind in UNJUDGED and one.kernel in places)], *left]


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
        known = scene.processes = processes(source)
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


def _told_otherwise(
    scene: Scene, bound: tuple[Binding, ...], codes: tuple[Code, Code | None], policy: Policy, found: list[Finding]
) -> list[Scene]:
    """The same test with the other signal, if it names one."""
    try:
        other = other_signal(scene.source, scene.processes)
    except CheckerError as error:
        found.append(broken(error, scene.path))
        return []
    if other is None:
        return []
    source, how, scene.told = other
    twin = _scene(scene.path, source, bound, codes, policy)
    twin.told = how
    twin.becomes.clear()
    return [twin]


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
    named = _named_now(binding, codes[1])
    after = bound_skeleton(codes[1], named, policy.depth) if codes[1] is not None else before
    if named != binding:
        scene.drift.append(_finding("drift", f"with the patch, {binding} is {named}: the test is to say so", policy, **place))
    if isinstance(after, str):
        message = f"with the patch, {after}: P{binding.tid} stands for nothing"
        scene.drift.append(_finding("review", message, policy, **place))
        return None
    if before.cut or after.cut:
        message = f"needs review: {binding} is too large to be read to its end"
        scene.drift.append(_finding("review" if codes[1] is not None else "drift", message, policy, **place))
    text = scene.source.text.encode()
    wants = wanted(scene.source, binding.tid) if before.ops != after.ops else {}
    carried = carry(process, scene.processes, text, found, before.ops, after.ops, binding.outside, wants)
    return Bound(binding, process, found, before.ops, after.functions, carried)


def _named_now(binding: Binding, code: Code | None) -> Binding:
    """The binding with the names that a patch gives its functions."""
    parts = tuple(
        [(path, code.renamed(path).get(name, name)) if code is not None else (path, name) for path, name in binding.parts]
    )
    return replace(binding, parts=parts)


def _agrees_after(binding: Binding, process: Process, code: Code, policy: Policy) -> bool:
    after = bound_skeleton(code, binding, policy.depth)
    return not isinstance(after, str) and match(process, after.ops, binding).agrees


def _drift(scene: Scene, binding: Binding, problem: str, op: Op, policy: Policy) -> Finding:
    ours = op.path == scene.source.name
    return _finding(
        "drift", f"P{binding.tid} is not {binding} any more: {problem}", policy,
        path=scene.path, line=op.line if ours else binding.line, test=scene.name, kernel=None if ours else (op.path, op.line),
    )  # fmt: skip


def becomes(scenes: list[Scene], policy: Policy) -> Iterator[Finding]:
    """Functions that become what tests show."""
    names: dict[str, list[str]] = {}
    for scene in scenes:
        for function in dict.fromkeys(scene.becomes):
            names.setdefault(function, []).append(scene.name)
    for function, tests in sorted(names.items()):
        more = f" and {len(tests) - 3} more" if len(tests) > 3 else ""
        yield _finding("skeleton", f"with the patch, {function} is what {', '.join(tests[:3])}{more} show", policy)


# ---------------------------------------------------------------- judging


Ident: TypeAlias = tuple[object, ...]


def _ident(op: Op | None) -> tuple[Ident, ...]:
    """Which operation of the code this is, on whatever path it was met."""
    return ((op.path, op.start, op.end, op.verb),) if op is not None else ()


def _idents(change: Change) -> set[Ident]:
    return {("old", *ident) for ident in _ident(change.before)} | {("new", *ident) for ident in _ident(change.after)}


def _of_lifetime(change: Change) -> bool:
    """Whether a change concerns when something is freed: a test in which nothing is freed does not show that."""
    return any(op is not None and op.verb in (GRACE, DEFER, FREE) for op in (change.before, change.after))


def judge_patch(scenes: list[Scene], codes: tuple[Code, Code | None], patch: Applied, policy: Policy) -> Iterator[Finding]:
    """What there is to say of a patch."""
    settled: set[Ident] = set()
    told: dict[tuple[str, int, str], set[str]] = {}
    failed: dict[tuple[str, int, str], tuple[Change, str, Scene, Binding]] = {}
    foreign: dict[Change, None] = {}
    quiet: dict[Change, None] = {}
    for scene in scenes:
        for bound in scene.held:
            for change in bound.carried.made:
                told.setdefault((*change.place, str(change)), set()).add(scene.name)
            for change, reason in bound.carried.failed:
                failed.setdefault((*change.place, reason), (change, reason, scene, bound.binding))
            foreign |= dict.fromkeys((*bound.carried.foreign, *bound.carried.made))
            quiet |= dict.fromkeys(bound.carried.settled)
        for finding, changes in _variants(scene, policy):
            settled |= changes
            yield finding
    for (path, line, message), tests in sorted(told.items()):
        names = ", ".join(sorted(tests))
        yield _finding("skeleton", f"{message}: {names}", policy, kernel=(path, line))
    for change, reason, scene, binding in failed.values():
        message = f"needs review: {reason}"
        yield _finding("review", message, policy, path=scene.path, line=binding.line, test=scene.name, kernel=change.place)
    doubted = {ident for change, *_ in failed.values() for ident in _idents(change)}
    yield from _foreign(foreign, settled, doubted, scenes, policy)
    loud = {ident for change in [*foreign, *[change for change, *_ in failed.values()]] for ident in _idents(change)}
    yield from _quiet([change for change in quiet if not _idents(change) & loud], policy)
    yield from _uncovered(codes, patch, scenes, policy)


def _quiet(quiet: list[Change], policy: Policy) -> Iterator[Finding]:
    """Changes of the text that change no path."""
    for place, message in sorted({(change.place, str(change)) for change in quiet}):
        yield _finding("harmless", f"{message}: every path does the same in the same order", policy, kernel=place)


def _covered(scenes: Iterable[Scene]) -> set[tuple[str, str]]:
    """The functions that tests stand for: bound ones, and those in which an operation of a test was found."""
    functions = set()
    for scene in scenes:
        for bound in scene.held:
            functions |= set(bound.binding.parts)
            functions |= {(bound.before[k].path, bound.before[k].function) for k in bound.match.pairs.values()}
    return functions


def _foreign(
    foreign: Iterable[Change], settled: set[Ident], doubted: set[Ident], scenes: list[Scene], policy: Policy
) -> Iterator[Finding]:
    """Changes in covered functions that no test shows: those that may weaken need review; what is `doubted` has been told."""
    covered = _covered(scenes)
    said: dict[tuple[str, tuple[str, int], str], None] = {}
    for change in foreign:
        functions = {(op.path, op.function) for op in (change.before, change.after) if op is not None}
        if _idents(change) <= settled or not functions & covered:
            continue
        if weakens(change):
            message = f"needs review: {change}, and no test of {change.op.function}() shows it"
            said["review", change.place, message] = None
        elif _anywhere(change):
            said["review", change.place, f"needs review: {change}, and it may be to a place that a test has"] = None
        elif not _idents(change) & doubted:
            message = f"{change}: it adds order, or concerns nothing that a test of {change.op.function}() forbids"
            said["harmless", change.place, message] = None
    for kind, place, message in sorted(said):
        yield _finding(kind, message, policy, kernel=place)


def _anywhere(change: Change) -> bool:
    """Whether it is a new marked write through a pointer by itself, of which nothing is known."""
    op = change.after
    return change.before is None and op is not None and op.verb == WRITE and bool(re.search(r"\(\s*\*\s*\w+\s*[,)]", op.text))


def _uncovered(codes: tuple[Code, Code | None], patch: Applied, scenes: list[Scene], policy: Policy) -> Iterator[Finding]:
    """Changed barriers in functions that no test stands for."""
    covered = _covered(scenes)
    claimed = {function for scene in scenes for function in scene.claimed}
    held = [bound for scene in scenes for bound in scene.held]
    read = {function for bound in held for function in bound.read}
    changed = {ident for bound in held for change in bound.carried.flat for ident in _idents(change)}
    after = codes[1]
    assert after is not None
    for old, new in patch.paths:
        before_unit = codes[0].unit(old) if old.endswith((".c", ".h")) else None
        after_unit = after.unit(new) if new.endswith((".c", ".h")) else None
        names = {**(before_unit.functions if before_unit else {}), **(after_unit.functions if after_unit else {})}
        renamed = after.renamed(new) if old == new else {}
        for name in [name for name in names if name not in {*renamed, *renamed.values()}]:
            if before_unit and after_unit and before_unit.functions.written(name) == after_unit.functions.written(name):
                continue
            was = own_ops(before_unit.functions[name]) if before_unit and name in before_unit.functions else []
            now = own_ops(after_unit.functions[name]) if after_unit and name in after_unit.functions else []
            bound = bool({(old, name), (new, name)} & covered)
            yield from _respelled(name, was, now, "harmless" if bound else "unasked", policy)
            if bound or (not was and (new, name) in read):
                yield from _rearranged(name, was, now, changed, policy)
                for change in halves(_lost(codes, (old, new), name, policy) if now and halves(lost(was, now)) else lost(was, now)):
                    if not _idents(change) & changed:
                        message = f"needs review: a path of {name}() ends without {change.op.text}, or begins without it"
                        yield _finding("review", message, policy, kernel=change.place)
                continue
            gone: Sequence[Change] = lost(was, now) if was else ()  # a new function is what its callers make of it
            rest = difference(was, now).changes
            called = any(c.op.verb == CALL and c.kind != "add" for c in rest)  # as much as that may have ordered
            if now and (gone or called or any(c.kind == "move" or c.op.verb == JUMP for c in rest)):
                found = _lost(codes, (old, new), name, policy)
                less = [
                    c
                    for c in found
                    if orders(c.op) and c.op.verb not in SECTIONS and (called or (c.kind, c.op.verb) == ("move", FENCE))
                ]
                gone = found if gone else [*less, *halves(found)]
            yield from _unjudged(name, was, now, gone, bool({(old, name), (new, name)} & claimed), policy)


def _lost(codes: tuple[Code, Code | None], paths: tuple[str, str], name: str, policy: Policy) -> Sequence[Change]:
    """What some path of a function loses, with what it calls: a part of it may only have become a function of its own."""
    assert codes[1] is not None
    whole = [skeleton(code, path, name, policy.depth) for code, path in zip((codes[0], codes[1]), paths, strict=True)]
    if whole[0] is None or whole[1] is None:
        return ()
    return lost(whole[0].ops, whole[1].ops)


def _respelled(name: str, was: Sequence[Op], now: Sequence[Op], kind: str, policy: Policy) -> Iterator[Finding]:
    """Locks of another flavour that are the same to the tables: their other halves may have to change, too."""
    for i, k in difference(was, now).kept:
        if was[i].verb in SECTIONS and was[i].name != now[k].name and "guard" not in (was[i].name, now[k].name):
            message = f"{was[i].text} becomes {now[k].text} in {name}(), which is to order the same"
            yield _finding(kind, message, policy, kernel=(now[k].path, now[k].line))


def _rearranged(name: str, was: Sequence[Op], now: Sequence[Op], changed: set[Ident], policy: Policy) -> Iterator[Finding]:
    """What changes in the text of a function and not in what it does: it is done by what it calls, or by what calls it."""
    for change in difference(was, now).changes:
        if any(op is not None and op.concerns for op in (change.before, change.after)) and not _idents(change) & changed:
            message = f"{change} in {name}(): with what it calls, what tests stand for does the same in the same order"
            yield _finding("harmless", message, policy, kernel=change.place)


def _unjudged(
    name: str, was: Sequence[Op], now: Sequence[Op], gone: Sequence[Change], claimed: bool, policy: Policy
) -> Iterator[Finding]:
    """What changes in one such function. A barrier that it loses is what nobody judged; one that it gets is only told."""
    seen = {ident for change in gone for ident in _idents(change)}
    for change in gone:
        if claimed:
            message = f"needs review: {change} in {name}(), and no test that is about it agrees with it"
            yield _finding("review", message, policy, kernel=change.place)
        else:
            yield _finding("uncovered", f"{change} in {name}(), which no test covers", policy, kernel=change.place)
    for change in difference(was, now).changes:
        if any(op is not None and op.concerns for op in (change.before, change.after)) and not _idents(change) & seen:
            message = f"{change} in {name}(), which no test covers: no path loses order by it"
            yield _finding("unasked", message, policy, kernel=change.place)


# ---------------------------------------------------------------- variants


class Choice(Struct, frozen=True):
    """A process as one path of one function makes it; None where that path is as it was."""

    bound: Bound
    transfer: Transfer | None


def _variants(scene: Scene, policy: Policy) -> Iterator[tuple[Finding, set[Ident]]]:
    """The test with the patch's changes made to its processes, under every model."""
    choices = [list(_choices(several)) for several in scene.bound.values()]
    if not any(choice.transfer for several in choices for choice in several):
        return
    text = scene.source.text.encode()
    outside = frozenset().union(*[bound.binding.outside for bounds in scene.bound.values() for bound in bounds])
    verdicts = Verdicts(scene.source, policy, outside)
    known: set[tuple[bytes, ...]] = set()
    for chosen in itertools.product(*choices):
        carried = [(c.bound, c.transfer) for c in chosen if c.transfer is not None]
        if not carried:
            continue
        ways = math.prod(len(one.variants) for _, one in carried)
        made = [
            apply(text, [edit for part in edits for edit in part])
            for edits in itertools.islice(itertools.product(*[one.variants for _, one in carried]), MOST_VARIANTS)
        ]
        taken = [(bound.binding.tid, *one) for bound, transfer in carried for one in transfer.taken]
        variants = tuple(dict.fromkeys(only_where(variant, taken) for variant in made if variant is not None))
        if ways > MOST_VARIANTS or None in made or len(known) > MOST_VARIANTS:
            yield _too_many(scene, carried, policy), set()
        elif variants not in known:
            known.add(variants)
            yield from _outcome(scene, list(variants), carried, verdicts, policy)


def _too_many(scene: Scene, carried: list[tuple[Bound, Transfer]], policy: Policy) -> Finding:
    """More ways than can be asked about: nothing to worry about only where all of them add fences, and nothing else."""
    place = {"path": scene.path, "line": carried[0][0].binding.line, "test": scene.name}
    changes = [change for _, one in carried for change in one.made]
    if all(change.kind == "add" and change.op.verb == FENCE for change in changes):
        message = f"{changes[0]}: a fence more allows nothing that was impossible"
        return _finding("harmless", message, policy, kernel=changes[0].place, **place)
    message = "needs review: there are too many changes to carry them over to the test"
    return _finding("review", message, policy, **place)


def _choices(several: list[Bound]) -> Iterator[Choice]:
    """What may become of a process: every new path of every function that it stands for, and the old ones that are left."""
    for bound in several:
        for one in bound.carried.transfers:
            if one.variants:
                yield Choice(bound, one)
    if any(bound.carried.stays or not all(one.variants for one in bound.carried.transfers) for bound in several):
        yield Choice(several[0], None)


def _outcome(
    scene: Scene, variants: list[bytes], carried: list[tuple[Bound, Transfer]], verdicts: Verdicts, policy: Policy
) -> Iterator[tuple[Finding, set[Ident]]]:
    """What becomes of the test: harmful where every way to make the change is, review where some are, else harmless."""
    changes = list(dict.fromkeys(change for _, one in carried for change in one.made))
    frees = any(op.verb in (FREE, DEFER) for process in scene.processes.values() for op in process.ops)
    settled = {ident for change in changes if frees or not _of_lifetime(change) for ident in _idents(change)}
    head = "; ".join(str(change) for change in changes[:3]) + (" …" if len(changes) > 3 else "")
    common: dict[str, object] = {"path": scene.path, "line": carried[0][0].binding.line, "test": scene.name}
    common |= {"kernel": changes[0].place, "functions": _functions([*scene.held, *[bound for bound, _ in carried]])}
    unsaid = any(bound.carried.failed for bounds in scene.bound.values() for bound in bounds)
    told: dict[tuple[str, str], tuple[list[str], Answer]] = {}
    models = verdicts.models()
    if not models:
        yield _finding("review", f"needs review: {head}: no model can be asked about the test", policy, **common), settled
    if not verdicts.guards():
        settled = set()
    for model in models:
        said = [verdicts.compare(variant, model) for variant in variants]
        bad = [one for one in said if one.kind == "harmful"]
        doubt = [one for one in said if one.kind == "review"]
        if all(one.kind == "untaken" for one in said):
            settled = set()  # nobody was asked
            continue
        leans = [one for one in said if one.kind == "leans"]
        worst = (bad or doubt or leans or said)[0]
        kind, why = worst.kind, worst.why
        if bad and len(bad) < len(said):
            kind, why = "review", f"depending on where it then stands, {why}"
        elif bad and unsaid:
            kind, why = "review", f"without the changes that cannot be carried over, {why}"
        told.setdefault((kind, why), ([], worst))[0].append(model)
    for (kind, why), (models, worst) in told.items():
        why += f" ({scene.told})" if scene.told else ""
        message = f"{'needs review: ' if kind == 'review' else ''}{head}: {why}"
        yield (
            _finding(
                kind,
                message,
                policy,
                model=", ".join(models),
                detail=worst.detail,
                repair=worst.repair,
                opened=worst.opened,
                change=head,
                why=why,
                **common,
            ),
            settled,
        )


def _functions(bound: Iterable[Bound]) -> tuple[tuple[int, str], ...]:
    """What each process stands for, by name; of several functions the last that is given."""
    names = {b.binding.tid: " + ".join(name for _, name in b.binding.parts) for b in bound}
    return tuple(sorted(names.items()))
