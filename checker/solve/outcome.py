"""Answers from the solver: final states, verdict, flags and a certified witness.

All questions go to one solver: a state, a flag, the loop bound is an assumption. States are enumerated by blocking the
observed values of each one found, never whole executions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from checker.cat.term import Model
from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.source import UnknownName
from checker.core.value import INTEGER, Symbolic, apply, as_integer, known, merge, nonzero
from checker.program.events import EventGraph
from checker.program.ir import Address, And, Compare, Implies, Loc, MemLoc, Not, Or, Prop, RegLoc, Test, Truth, Value
from checker.solve.encode import Problem
from checker.solve.execution import Execution, certify, execution
from checker.solve.search import GiveUp, Search
from checker.solve.settled import Settled
from checker.solve.solver import Solver, Timeout

State = tuple[tuple[Loc, Value], ...]
COUNT_LIMIT = 500_000
STATE_LIMIT = 2_000_000
SEARCH_CLAUSES = 4_000_000


class TooMany(Exception):
    """More answers than anybody would read; the text says of what."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the solver said. `states` is None unless they were asked for; `positive` and `negative` tell whether some
    execution satisfies the proposition, and whether some does not."""

    positive: bool
    negative: bool
    flags: tuple[str, ...]
    undefined: bool
    cut: bool
    wild: bool
    states: tuple[str, ...] | None
    witness: Execution | None
    witness_state: State
    counts: tuple[int, int] | None


def locations(prop: Prop) -> list[Loc]:
    """The locations a proposition looks at, in order of appearance."""
    match prop:
        case Compare(_, left, right):
            return [x for x in (left, right) if isinstance(x, RegLoc | MemLoc)]
        case Not(arg):
            return locations(arg)
        case And(args) | Or(args):
            return [x for a in args for x in locations(a)]
        case Implies(left, right):
            return locations(left) + locations(right)
    return []


def observed(test: Test) -> tuple[Loc, ...]:
    """The locations a state shows: those of the condition and of `locations`, registers first."""
    found = {*locations(test.condition.prop), *test.shown}
    registers = sorted([x for x in found if isinstance(x, RegLoc)], key=_machine_order if test.arch == "AArch64" else _text_order)
    memory = sorted([x for x in found if isinstance(x, MemLoc)], key=lambda x: (x.address.name, x.address.offset))
    return (*registers, *memory)


def _text_order(x: RegLoc) -> tuple[int, int, str]:
    return x.tid, 0, x.reg


def _machine_order(x: RegLoc) -> tuple[int, int, str]:
    """X2 before X10."""
    return x.tid, len(x.reg), x.reg


def observed_memory(test: Test) -> frozenset[Address]:
    """The globals whose final value the condition, the filter or `locations` look at."""
    found = [*locations(test.condition.prop), *test.shown, *(locations(test.filter) if test.filter else ())]
    return frozenset(x.address for x in found if isinstance(x, MemLoc))


def final_value(graph: EventGraph, test: Test, loc: Loc) -> Symbolic:
    """The symbolic value of a location when all threads are done, as an integer of its type."""
    value = _final_value(graph, test, loc)
    width = next((w for place, w in test.widths if place == loc), 0)
    if not width:
        return value
    found: dict[Value, list[Lit]] = {}
    for v, lit in value.items():
        found.setdefault(as_integer(v, width), []).append(lit)
    return value if found.keys() == value.keys() else {v: graph.circuit.either(lits) for v, lits in found.items()}


def _final_value(graph: EventGraph, test: Test, loc: Loc) -> Symbolic:
    if isinstance(loc, RegLoc):
        value = graph.finals.get(loc)
        return value if value is not None else known(dict(test.registers).get(loc, 0))
    cases = []
    for w, lit in graph.final_write[loc.address].items():
        written = graph.events[w].value
        assert written is not None
        cases.append((lit, written))
    return merge(graph.circuit, cases)


_COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def proposition(graph: EventGraph, test: Test, prop: Prop) -> Lit:
    """The literal for "the final state satisfies prop"."""
    circuit = graph.circuit
    match prop:
        case Truth(value):
            return TRUE if value else FALSE
        case Not(arg):
            return -proposition(graph, test, arg)
        case And(args):
            return circuit.both([proposition(graph, test, a) for a in args])
        case Or(args):
            return circuit.either([proposition(graph, test, a) for a in args])
        case Implies(left, right):
            return circuit.either2(-proposition(graph, test, left), proposition(graph, test, right))
        case Compare(op, left, right, span):
            sides = [final_value(graph, test, x) if isinstance(x, RegLoc | MemLoc) else known(x) for x in (left, right)]
            name = _COMPARISONS[op]
            if name in INTEGER and any(isinstance(v, Address) for side in sides for v in side):
                raise UnknownName(f"'{op}' compares addresses", span, hint="addresses are equal or not; only = and != make sense")
            if name == "eq" and len(sides[1]) == 1:
                return sides[0].get(next(iter(sides[1])), FALSE)
            return nonzero(apply(circuit, name, sides, span))


def solve(
    problem: Problem,
    model: Model,
    test: Test,
    *,
    want_states: bool,
    want_counts: bool,
    want_witness: bool,
    deadline: float | None,
) -> Found:
    """Answer the test's questions. Raises solver.Timeout when the deadline passes."""
    graph, circuit = problem.graph, problem.circuit
    prop = proposition(graph, test, test.condition.prop)
    if test.filter is not None:
        circuit.require([proposition(graph, test, test.filter)])
    shown = [(loc, final_value(graph, test, loc)) for loc in observed(test)]
    wanted = -prop if test.condition.quantifier == "forall" else prop
    choices = memory_choices(problem) if want_counts else None
    questions = _Questions(problem, model, prop, wanted, shown, want_states, want_witness, choices, test.arch != "C", deadline)
    roots = [prop, -prop, problem.cut, problem.wild, problem.undefined, *questions.whole, *[lit for _, lit in problem.flags]]
    for lit in [*[lit for _, value in shown for lit in value.values()], *(choices or ())]:
        roots.extend((lit, -lit))
    clauses = circuit.clauses(roots)
    variables = len(circuit.gates) - 1
    if len(clauses) <= SEARCH_CLAUSES:
        inputs = sorted(_variables(circuit, [lit for clause in clauses for lit in clause] + roots) - circuit.derived)
        try:
            return questions.answered(Search(clauses, variables, inputs, deadline))
        except GiveUp:
            pass
    with Solver(clauses, variables, deadline) as solver:
        return questions.answered(solver)


@dataclass(frozen=True, slots=True)
class _Questions:
    """What one test wants to know, to be put to either engine."""

    problem: Problem
    model: Model
    prop: Lit
    wanted: Lit  # what a witness must satisfy
    shown: list[tuple[Loc, Symbolic]]
    want_states: bool
    want_witness: bool
    choices: list[Lit] | None  # what tells executions apart, when they are to be counted
    bytewise: bool  # offsets of addresses count bytes
    deadline: float | None

    @property
    def whole(self) -> list[Lit]:
        """That an execution is whole: no loop bound hit, no wild access."""
        return [lit for lit in (-self.problem.cut, -self.problem.wild) if lit != TRUE]

    def answered(self, engine: Search | Solver) -> Found:
        problem, whole, prop = self.problem, self.whole, self.prop

        def possible(lit: Lit) -> bool:
            return lit != FALSE and engine.satisfiable([lit, *whole])

        witness: Execution | None = None
        witness_state: State = ()
        if self.want_witness and possible(self.wanted):
            witness, witness_state = self.witness(engine)
        states: tuple[str, ...] | None = None
        if self.want_states:
            found = self.states(engine)
            states = tuple(sorted(found))
            positive, negative = any(found.values()), not all(found.values())
        else:
            positive = witness is not None if self.want_witness and self.wanted == prop else possible(prop)
            negative = witness is not None if self.want_witness and self.wanted == -prop else possible(-prop)
        flags = tuple([name for name, lit in problem.flags if possible(lit)])
        undefined = possible(problem.undefined)
        cut = problem.cut != FALSE and engine.satisfiable([problem.cut, -problem.wild])
        wild = problem.wild != FALSE and engine.satisfiable([problem.wild])
        return Found(positive, negative, flags, undefined, cut, wild, states, witness, witness_state, self.counts(engine))

    def counts(self, engine: Search | Solver) -> tuple[int, int] | None:
        """How many executions satisfy the proposition and how many do not."""
        if self.choices is None:
            return None
        yes = no = 0
        prop = self.prop
        for table in engine.solutions(self.whole, self.choices, [*self.choices, prop], lambda _: False):
            if table[prop] > 0:
                yes += 1
            else:
                no += 1
            if yes + no > COUNT_LIMIT:
                raise TooMany(f"more than {COUNT_LIMIT:,} executions")
            self.check_time(yes + no)
        return yes, no

    def check_time(self, rounds: int) -> None:
        if not rounds % 256 and self.deadline is not None and time.monotonic() > self.deadline:
            raise Timeout

    def witness(self, engine: Search | Solver) -> tuple[Execution, State]:
        """The execution of the engine's last solution, certified, and its final state."""
        problem, gates = self.problem, self.problem.circuit.gates
        holds = engine.holding([v for v in range(2, len(gates)) if gates[v] is None])
        found = execution(problem.graph, problem.encoder, self.model, holds)
        certify(self.model, found)
        return found, state_of(problem.circuit, self.shown, holds)

    def states(self, engine: Search | Solver) -> dict[str, bool]:
        """Every final state as text, with whether it satisfies the proposition."""
        columns = [
            [
                (lit if len(value) > 1 else TRUE, f"{show_location(loc)}={show_value(v, self.bytewise)};")
                for v, lit in sorted(value.items(), key=lambda x: abs(x[1]))
            ]
            for loc, value in self.shown
        ]
        projected = [lit for column in columns if len(column) > 1 for lit, _ in column]
        prop = self.prop
        found: dict[str, bool] = {}
        rounds = 0
        for table in engine.solutions(self.whole, projected, [*projected, prop], _Blocks(self, columns).free):
            rounds += 1
            self.check_time(rounds)
            satisfied = table[prop] > 0
            words = [[word for lit, word in column if table[lit] > 0] for column in columns]
            if all(words):
                found[" ".join([word for (word,) in words])] = satisfied
                continue
            choices = [w or [word for lit, word in column if table[lit] == 0] for w, column in zip(words, columns)]
            if len(found) + math.prod(map(len, choices)) > STATE_LIMIT:
                raise TooMany(f"more than {STATE_LIMIT:,} final states")
            for state in product(*choices):
                found[" ".join(state)] = satisfied
        return found


BLOCK = 64
BLOCK_FAILURES = 24


class _Blocks:
    """Whether all ways to fill in the columns a search has left open are states; asked only where that saves many visits."""

    def __init__(self, questions: _Questions, columns: list[list[tuple[Lit, str]]]) -> None:
        circuit = questions.problem.circuit
        self.prop, self.failures = questions.prop, 0
        self.columns = [[lit for lit, _ in column] for column in columns if len(column) > 1]
        owners = [{circuit.exclusive.get(lit, -abs(lit)) for lit in column} for column in self.columns]
        free = all(circuit.gates[abs(lit)] is None for column in self.columns for lit in column)
        whole = all(len(o) == 1 for o in owners) and len(set().union(*owners)) == len(owners)
        sizes = all(len(c) == (2 if o < 0 else len(circuit.one_of[o])) for c, (o,) in zip(self.columns, owners)) if whole else False
        self.independent = free and sizes
        self.questions = questions
        self.settled: Settled | None = None

    def free(self, table: Sequence[int]) -> bool:
        if not self.independent or self.failures > BLOCK_FAILURES or not table[self.prop]:
            return False
        size = 1
        for column in self.columns:
            size *= sum([table[lit] == 0 for lit in column]) or 1
        if size < BLOCK:
            return False
        if self.settled is None:
            self.settled = Settled(self.questions.problem.circuit, self.questions.whole)
        if self.settled.holds(table):
            self.failures = 0
            return True
        self.failures += 1
        return False


def show_location(loc: Loc) -> str:
    """A location in herd's spelling: `0:r1` or `[x]`."""
    return str(loc)


def show_value(value: Value, bytewise: bool) -> str:
    """A value; an address inside a location is `x+4` where offsets are bytes, `x[1]` where they count elements."""
    if bytewise and isinstance(value, Address) and value.offset:
        return f"{value.name}{value.offset:+d}"
    return str(value)


def state_of(circuit: Circuit, shown: list[tuple[Loc, Symbolic]], holds: set[Lit]) -> State:
    """The observed values in a solution."""
    cache: dict[Lit, bool] = {}
    return tuple([(loc, next(v for v, lit in value.items() if circuit.value(lit, holds, cache))) for loc, value in shown])


def _variables(circuit: Circuit, lits: Iterable[Lit]) -> set[Lit]:
    """The free variables that `lits` are made of."""
    found: set[Lit] = set()
    seen: set[Lit] = set()
    todo = [abs(lit) for lit in lits]
    while todo:
        node = todo.pop()
        if node in seen or node == TRUE:
            continue
        seen.add(node)
        args = circuit.gates[node]
        if args is None:
            found.add(node)
        else:
            todo.extend(map(abs, args))
    return found


def memory_choices(problem: Problem) -> list[Lit]:
    """What tells executions apart: which events execute, rf, coherence, and the sources of lock events."""
    graph = problem.graph
    choices = [e.guard for e in graph.events] + list(graph.leaves["rf"][2].values())
    for _, lits in problem.encoder.chosen_terms():
        choices.extend(lits.values())
    return sorted({lit for lit in choices if abs(lit) != TRUE})
