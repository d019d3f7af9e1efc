"""Which ordering choices of a test matter: load-bearing, too strong, or idle; and which sets of them are enough.

Every choice is written out with all that may stand in its place, weaker and weaker, and free registers choose. One solver then
answers for all: whether what never happens stays impossible (and no flag appears) with this choice weakened, with these ones
kept. Dependencies are choices too: their pairs are in the relation or not, by a literal.

    audit(test, model, options).choices     Choice(line=48, text="smp_rmb()", status="load-bearing", …)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.term import Model
from checker.check import RECURSION, SPENT, Options, check, deferred, spent, stages, unfollowed
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.depth import deep_recursion
from checker.core.rel import pairs, restrict
from checker.core.source import Source, Span, Unsupported
from checker.insight.assembly import Code, Line, Lines, lines_of, one_of
from checker.insight.engine import Engine
from checker.insight.hitting import hitting
from checker.insight.ladder import section, weaker
from checker.insight.statements import varied, written
from checker.kernel.primitives import GRACE, LOCK, UNLOCK, primitive
from checker.program.events import EventGraph
from checker.program.ir import (
    LIFETIME_FLAGS,
    Call,
    Choose,
    Const,
    Deref,
    Expr,
    If,
    Op,
    Reg,
    RegLoc,
    Table,
    Test,
    Thread,
)  # fmt: skip
from checker.program.tree import Body
from checker.result import ALWAYS, NEVER, UNKNOWN, Result
from checker.solve.outcome import question

LOAD_BEARING, TOO_STRONG, IDLE, UNSURE = "load-bearing", "too strong", "idle", "unknown"
MOST_SETS = 64
NO_SPAN = Span(Source("<audit>", ""), 0, 0)
DEPENDENCIES = {"addr": "address dependency", "data": "data dependency", "ctrl": "control dependency"}


class Choice(Struct, frozen=True):
    """One ordering choice: where it stands, what it is (`text`), and what it is good for.

    `status`: "load-bearing", "too strong" (`weakest` does as well), "idle" (nothing does as well), or "unknown". `opens` tells
    what becomes possible without it.
    """

    line: int
    text: str
    status: str
    weakest: str = ""
    opens: str = ""


class Audit(Struct, frozen=True):
    """The choices of a test under one model, and the minimal sets of them that are enough, as indices into `choices`.

    `kept` says what the choices are held against: the outcome that never happens, the flags that nothing raises. `complete`: all
    minimal sets are there. `decided`: the verdict is known, and so is what each choice is good for.
    """

    result: Result
    kept: str
    choices: tuple[Choice, ...] = ()
    minimal: tuple[frozenset[int], ...] = ()
    complete: bool = True
    decided: bool = True
    seconds: float = 0.0


class _Site(Struct, frozen=True):
    """A choice to be made: `labels` name the weaker forms; `registers` are 1 where the form before is not taken.

    For dependencies the registers are none and `pairs` are theirs.
    """

    tid: int
    line: int
    text: str
    labels: tuple[str, ...]
    registers: tuple[str, ...] = ()
    kind: str = ""
    pairs: tuple[tuple[int, int], ...] = ()


def audit(test: Test, model: Model, options: Options) -> Audit:
    """What each ordering choice is good for. Raises CheckerError for a test that cannot be asked about, or audited."""
    began = time.perf_counter()
    result = check(test, model, replace(options, progress=False))  # no choice is held against a wait that lasts for ever
    if result.observation not in (NEVER, ALWAYS):
        kept = f"undecided: {result.unknown_because}" if result.observation == UNKNOWN else "nothing is forbidden"
        return Audit(result, kept, decided=result.observation != UNKNOWN, seconds=time.perf_counter() - began)
    with deep_recursion(RECURSION):
        try:
            found = _Auditor(test, model, options, result).audited()
        except SPENT as error:
            late = f"not audited within {options.timeout or 0:g} s"
            found = Audit(result, f"undecided: {spent(error, late)}", decided=False)
    return replace(found, seconds=time.perf_counter() - began)


# ---------------------------------------------------------------- the program with its choices


class _Weakened:
    """A program in which every ordering choice can be weakened."""

    def __init__(self, test: Test, table: Table) -> None:
        self.table = table
        self.sites: list[_Site] = []
        self.tid = 0
        self.known: dict[tuple[int, object], int] = {}  # thread and place, or lock: the number of the site
        self.test = replace(test, threads=tuple([self.thread(t) for t in test.threads]))

    def made(self) -> tuple[Test, list[_Site]]:
        return self.test, self.sites

    def thread(self, thread: Thread) -> Thread:
        self.tid = thread.tid
        first = len(self.sites)
        body = varied(thread.body, self.chosen)
        chosen = [Choose(register, NO_SPAN) for site in self.sites[first:] for register in site.registers]
        return replace(thread, body=(*chosen, *body))

    def sections(self, call: Call) -> str:
        """ "lock" or "unlock", where the call is one."""
        verb = section(call) if call.name in self.table else ""
        return verb if verb in (LOCK, UNLOCK) else ""

    def chosen(self, call: Call, made: Callable[[Expr | None], Body]) -> Body | None:
        """The statements for a call: as it is, or one of its weaker forms; None for one that is no choice."""
        if self.sections(call):
            n = self.section(call)
            forms: list[Expr | None] = [None]
        elif self.forms(call):
            n = self.site(call)
            forms = [form for _, form in self.forms(call)]
        else:
            return None
        body = made(forms[-1])
        for form, register in zip([call, *forms[:-1]][::-1], self.sites[n].registers[::-1], strict=True):
            body = (If(Reg(register), body, made(form), NO_SPAN),)
        return body

    def forms(self, call: Call) -> tuple[tuple[str, Expr | None], ...]:
        """The weaker forms of a call that somebody wrote, or of the grace period of one that defers; of others none."""
        grace = section(call) == GRACE
        return weaker(call, self.table) if grace or call.name == written(call.span) else ()

    def site(self, call: Call) -> int:
        key = (self.tid, call.span)
        if key not in self.known:
            word = written(call.span)
            text = f"{word}()" if word == call.name else f"the grace period of {word}()"
            self.known[key] = self.add(call, text, tuple([label for label, _ in self.forms(call)]))
        return self.known[key]

    def section(self, call: Call) -> int:
        """The site of a section: a lock begins it, and each unlock behind, up to the next lock of the same, ends it."""
        lock = ",".join(registers_in(call.args[:1])) or call.name.partition("_")[0]
        if self.sections(call) == LOCK:
            key = (self.tid, call.span)
            if key not in self.known:
                self.known[key] = self.add(call, f"{call.name}() … unlock", ("nothing",))
            self.known[self.tid, lock] = self.known[key]
        return self.known[self.tid, lock] if (self.tid, lock) in self.known else self.add(call, f"{call.name}()", ("nothing",))

    def add(self, call: Call, text: str, labels: tuple[str, ...]) -> int:
        n = len(self.sites)
        self.sites.append(_Site(self.tid, call.span.line, text, labels, tuple([f"%weak{n}.{k}" for k in range(len(labels))])))
        return n


def _lightened(test: Test) -> tuple[Test, list[_Site]]:
    """A test in assembly in which every fence and every access that keeps others in order can be weakened, and its choices."""
    lines = lines_of(test)
    sites: list[_Site] = []

    def chosen(line: Line) -> Code:
        forms = _less(lines, line)
        if not forms:
            return line.code
        n = len(sites)
        registers = tuple([f"%weak{n}.{k}" for k in range(len(forms))])
        sites.append(_Site(line.tid, line.span.line, f"P{line.tid}: {line.text}", tuple([label for label, _ in forms]), registers))
        return one_of(f"weak{n}", [((r,), code) for r, (_, code) in zip(registers, forms)][::-1], line.code)

    made = lines.varied(chosen, lambda tid: [register for site in sites if site.tid == tid for register in site.registers])
    return made, sites


def _less(lines: Lines, line: Line) -> list[tuple[str, Code]]:
    """What may stand in the place of an instruction, the weakest last; nothing for one that keeps nothing in order."""
    if lines.is_fence(line):
        return [*[(text, lines.like(line, text)) for text in lines.machine.lighter(line.text)], ("nothing", ())]
    (own, _), *others = lines.kin(line).items() or [((0, 0), "")]
    less = [(strength, text) for strength, text in others if strength[0] <= own[0] and strength[1] <= own[1]]
    return [(text, lines.like(line, text)) for _, text in sorted(less, key=lambda kin: (-sum(kin[0]), kin[1]))]


def registers_in(args: Iterable[Expr]) -> list[str]:
    """The names that expressions are made of."""
    found: list[str] = []
    for e in args:
        match e:
            case Reg(name):
                found.append(name)
            case Const(value):
                found.append(str(value))
            case Op(_, inner):
                found += registers_in(inner)
            case Deref(addr):
                found += registers_in((addr,))
    return found


def dependencies(graph: EventGraph, *, assembly: bool) -> list[_Site]:
    """The dependencies of a graph, those between the same two lines together; a branch's together, whatever it controls."""
    found: dict[tuple[str, int, int, int], list[tuple[int, int]]] = {}
    for kind in DEPENDENCIES:
        for a, b in pairs(restrict(graph.sets["M"], graph.leaves[kind][1], (1 << graph.n) - 1)):
            first, second = graph.events[a].span, graph.events[b].span
            if _of_section(first) or (written(first) != written(second) and first.line == second.line and kind != "ctrl"):
                continue
            if assembly and first == second:  # inside an instruction
                continue
            key = (kind, graph.events[a].tid, first.line, second.line if kind != "ctrl" else 0)
            found.setdefault(key, []).append((a, b))
    sites = []
    for (kind, tid, line, to), held in found.items():
        text = (f"P{tid}: " if assembly else "") + DEPENDENCIES[kind] + (f" of line {to}" if to else "")
        sites.append(_Site(tid, line, text, ("no dependency",), kind=kind, pairs=tuple(held)))
    return sites


def _of_section(span: Span) -> bool:
    """Whether the word there begins a section, whose number is handed on to its end."""
    known = primitive(written(span))
    return known is not None and known.verb == LOCK


# ---------------------------------------------------------------- asking


class _Auditor:
    def __init__(self, test: Test, model: Model, options: Options, result: Result) -> None:
        self.model, self.result = model, result
        test, options = deferred(test, model, options)
        self.assembly = test.arch != "C"
        weakened, sites = _lightened(test) if self.assembly else _Weakened(test, model.primitives or {}).made()
        self.deps: list[_Site] = []
        self.broken: list[Lit] = []  # of each dependency: that it is gone
        graph, _, problem = stages(weakened, model, options, change=self.loosened)
        self.graph, self.problem = graph, problem
        self.sites = [*sites, *self.deps]
        negated = result.observation == ALWAYS
        prop = question(problem, weakened)
        absent = {name for name, answer in result.answers.flags if answer.no and name in ("data-race", *LIFETIME_FLAGS)}
        self.bad = {"the outcome": -prop if negated else prop}
        self.bad |= {f"flag {name}": lit for name, lit in problem.flags if name in absent}
        undefined = [lit for lit, _, _ in graph.undefined]
        endless = [lit for lit, _ in problem.encoder.endless]
        doubts = [unfollowed(problem, weakened, model, options), problem.undefined, *undefined, *endless]
        self.doubt = problem.circuit.either(doubts)  # that an execution cannot be followed to its end, or has no meaning

    def loosened(self, graph: EventGraph) -> EventGraph:
        """The graph in which each dependency may be gone."""
        self.deps = dependencies(graph, assembly=self.assembly)
        leaves = dict(graph.leaves)
        for site in self.deps:
            must, may, lits = leaves[site.kind]
            gone = graph.circuit.name()
            self.broken.append(gone)
            rows, lits = list(must), dict(lits)
            for a, b in site.pairs:
                both = graph.circuit.both2(graph.events[a].guard, graph.events[b].guard)
                held = both if rows[a] >> b & 1 else lits[a, b]
                rows[a] &= ~(1 << b)
                lits[a, b] = graph.circuit.both2(held, -gone)
            leaves[site.kind] = tuple(rows), may, lits
        return replace(graph, leaves=leaves)

    def audited(self) -> Audit:
        problem, circuit = self.problem, self.problem.circuit
        whole = [lit for lit in (-problem.cut, -problem.wild) if lit != TRUE]
        bad = circuit.either([lit for lit in self.bad.values() if lit != FALSE])
        levels = [self.levels(n) for n in range(len(self.sites))]
        roots = [bad, self.doubt, *self.bad.values(), *[lit for level in levels for form in level for lit in form], *whole]
        with Engine(problem, roots) as engine:
            return self.answered(engine, whole, bad, levels)

    def levels(self, n: int) -> list[list[Lit]]:
        """What makes a site take each of its forms, the one that is written first."""
        site = self.sites[n]
        if site.kind:
            gone = self.broken[self.deps.index(site)]
            return [[-gone], [gone]]
        finals = [self.graph.finals[RegLoc(site.tid, register)].get(1, FALSE) for register in site.registers]
        return [[*finals[:k], *[-lit for lit in finals[k:]]] for k in range(len(finals) + 1)]

    def answered(self, engine: Engine, whole: list[Lit], bad: Lit, levels: list[list[list[Lit]]]) -> Audit:
        def possible(forms: list[int], what: Lit) -> bool:
            chosen = [lit for level, form in zip(levels, forms, strict=True) for lit in level[form]]
            return engine.satisfiable([*chosen, *whole, what])

        def unfinished(forms: list[int]) -> bool:
            chosen = [lit for level, form in zip(levels, forms, strict=True) for lit in level[form]]
            return self.doubt != FALSE and engine.satisfiable([*chosen, self.doubt])

        written = [0] * len(self.sites)
        if possible(written, bad):
            raise Unsupported(
                "this test cannot be audited: written with its choices open, it is another", self.result.condition.span
            )
        choices = [self.judged(n, written, possible, unfinished, len(levels[n]) - 1) for n in range(len(self.sites))]
        last = [len(level) - 1 for level in levels]

        def enough(kept: frozenset[int]) -> bool:
            forms = [0 if n in kept else last[n] for n in range(len(choices))]
            return not possible(forms, bad) and not unfinished(forms)

        minimal, complete = self.minimal(choices, enough)
        used = frozenset().union(*minimal)
        shown = [n for n, site in enumerate(self.sites) if not site.kind or choices[n].status == LOAD_BEARING or n in used]
        shown.sort(key=lambda n: (choices[n].line, choices[n].text))
        place = {n: k for k, n in enumerate(shown)}
        sets = tuple(sorted([frozenset([place[n] for n in some]) for some in minimal], key=sorted))
        kept = " and ".join(
            ["never" if self.result.observation == NEVER else "always", *[k for k in self.bad if k != "the outcome"]]
        )
        decided = all(choice.status != UNSURE for choice in choices)
        return Audit(self.result, kept, tuple([choices[n] for n in shown]), sets, complete, decided)

    def judged(
        self, n: int, written: list[int], possible: Callable[[list[int], Lit], bool], unfinished: Callable[[list[int]], bool],
        last: int,
    ) -> Choice:  # fmt: skip
        """What one choice is good for, the others being as they are written."""
        site = self.sites[n]
        opened, weakest = "", 0
        for form in range(last, 0, -1):
            forms = [form if k == n else 0 for k in range(len(written))]
            opens = next((name for name, lit in self.bad.items() if lit != FALSE and possible(forms, lit)), "")
            if not opens and unfinished(forms):
                return Choice(site.line, site.text, UNSURE, opens="what cannot be followed to its end")
            if not opens:
                weakest = form
                break
            opened = opened or opens
        status = LOAD_BEARING if not weakest else IDLE if weakest == last else TOO_STRONG
        return Choice(site.line, site.text, status, site.labels[weakest - 1] if weakest else "", opened)

    def minimal(
        self, choices: list[Choice], enough: Callable[[frozenset[int]], bool]
    ) -> tuple[list[frozenset[int]], bool]:  # fmt: skip
        """All minimal sets of choices that are enough, the others being as weak as can be; and whether these are all."""
        needed = frozenset(n for n, c in enumerate(choices) if c.status in (LOAD_BEARING, TOO_STRONG, UNSURE))
        free = frozenset(n for n in range(len(choices)) if n not in needed)
        found: list[frozenset[int]] = []
        for without in hitting(found, len):
            if time.monotonic() > (self.problem.circuit.deadline or float("inf")) or len(found) >= MOST_SETS:
                return [needed | some for some in found], False
            kept = needed | (free - without)
            if not enough(kept):
                continue
            for n in sorted(free & kept, reverse=True):
                if enough(kept - {n}):
                    kept -= {n}
            found.append(kept & free)
        return [needed | some for some in found], True
