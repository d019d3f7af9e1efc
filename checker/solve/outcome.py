"""Answers from the solver: final states, verdict, flags, each with a certified execution where it is yes.

All questions go to one solver: a state, a flag, the loop bound is an assumption. States are enumerated by blocking the
observed values of each one found, never whole executions.

A yes is an execution that is whole: no loop bound hit, no access through what is no address. A no is said only where no
execution was left unfinished, or where whatever it would go on to do cannot matter; else the answer is unknown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise, product

from msgspec import Struct, field
from msgspec.structs import replace

from checker.cat.recursion import endless
from checker.cat.term import Model
from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.deadline import Timeout, look
from checker.core.memory import OutOfMemory
from checker.core.source import Span, Unsupported
from checker.core.value import Symbolic
from checker.program.events import Event
from checker.program.ir import Address, Loc, Test, Value
from checker.solve.answer import NO, YES, Answer, Answers, State, unknown
from checker.solve.beyond import Beyond
from checker.solve.dropped import Dropped
from checker.solve.encode import Problem
from checker.solve.execution import Uncertified, certify, execution
from checker.solve.proposition import final_value, observed, proposition, satisfied, value_in
from checker.solve.refine import Refined
from checker.solve.search import GiveUp, Search
from checker.solve.settled import Settled
from checker.solve.solver import Solver
from checker.solve.sums import assert_sums
from checker.solve.symmetry import Orders, image_count, images, orders_of

COUNT_LIMIT = 500_000
STATE_LIMIT = 2_000_000
SEARCH_CLAUSES = 1_000_000


class TooMany(Exception):
    """More answers than anybody would read; the text says of what."""


class Found(Struct, frozen=True):
    """What the solver said. `states` and `counts` are None unless they were asked for, and whenever they are not complete;
    `cut` tells that an execution was left unfinished at a loop bound."""

    answers: Answers
    cut: bool = False
    states: tuple[str, ...] | None = None
    counts: tuple[int, int] | None = None
    unfinished: str = ""


class Wanted(Struct, frozen=True):
    """What to find beside the answers, when loops have run `unroll` rounds at most, and by which `solver`: "fast" is the search,
    and Z3 where that gives up; "z3" is Z3 alone; "both" have to agree on every answer. `late` says what it means to have missed
    the deadline. `beyond(events)` tells what an execution that goes on longer than those looked at may be, in which these events
    took part.
    """

    states: bool
    counts: bool
    witness: bool
    unroll: int
    solver: str
    late: str
    beyond: Callable[[Iterable[Event]], Beyond]


def question(problem: Problem, test: Test) -> Lit:
    """The literal of the test's proposition; its filter is asserted of the executions that are over."""
    if test.filter is not None:
        problem.circuit.require((proposition(problem.graph, test, test.filter), problem.cut, problem.wild))
    return proposition(problem.graph, test, test.condition.prop)


def matters(problem: Problem, unroll: int) -> Lit:
    """That a loop was cut short whose further rounds may matter."""
    waits = Counter(lit for lit, kept in problem.graph.idle if kept <= unroll)
    return problem.circuit.either(list(Counter(lit for lit, *_ in problem.graph.cut) - waits))


def solve(problem: Problem, model: Model, test: Test, wanted: Wanted) -> Found:
    """Answer the test's questions. What the deadline cuts off is unknown."""
    graph, circuit = problem.graph, problem.circuit
    prop = question(problem, test)
    shown = [(loc, final_value(graph, test, loc)) for loc in observed(test)]
    if wanted.solver == "fast":
        assert_sums(problem)
    choices = memory_choices(problem) if wanted.counts else None
    flags = sorted({a.name for a in model.axioms if a.role == "flag"})
    orders = orders_of(problem, test, [loc for loc, _ in shown])
    questions = _Questions(problem, model, test, prop, shown, choices, wanted, flags, orders)
    roots = [
        prop,
        -prop,
        problem.cut,
        matters(problem, wanted.unroll),
        problem.wild,
        problem.undefined,
        *questions.whole,
        *[lit for _, lit in problem.flags],
    ]
    roots.extend([*[lit for lit, _ in problem.encoder.endless], *[lit for lit, _, _ in graph.undefined]])
    roots.extend((orders.any, orders.prop, orders.states, orders.counted))
    if questions.whole:
        roots.extend([e.guard for e in graph.events])
    for lit in [*[lit for _, value in shown for lit in value.values()], *(choices or ())]:
        roots.extend((lit, -lit))
    if problem.later:
        with Refined(problem, model, roots, circuit.deadline) as refined:
            return questions.answered(refined)
    clauses = circuit.clauses(roots)
    variables = len(circuit.gates) - 1
    found: list[Found] = []
    if wanted.solver != "z3" and len(clauses) <= SEARCH_CLAUSES:
        used = set(roots)
        for i, clause in enumerate(clauses):
            used.update(clause)
            if not i & 4095:
                look(circuit.deadline)
        inputs = sorted([v for v in set(map(abs, used)) - circuit.derived - {TRUE} if circuit.gates[v] is None])
        with suppress(GiveUp):
            found.append(questions.answered(Search(clauses, variables, inputs, circuit.deadline)))
    if wanted.solver == "both" and found:  # one state after the other is not Z3's strength: it says whether the answers are right
        questions = replace(questions, choices=None, wanted=replace(wanted, states=False, counts=False))
    if wanted.solver == "both" or not found:
        with Solver(clauses, variables, circuit.deadline) as solver:
            found.append(questions.answered(solver))
    first, record = found[0], found[-1]
    compare(first, record, wanted.late)
    return replace(record, states=first.states, counts=first.counts)


def compare(other: Found, record: Found, late: str) -> None:
    """Raise Uncertified where another solver has answered otherwise than that of record."""
    for (name, one), (_, answer) in zip(other.answers.named(), record.answers.named(), strict=True):
        if one.word != answer.word and late not in (one.because, answer.because):
            raise Uncertified(f"the solvers do not agree on the {name}: {one.word}, and Z3 says {answer.word}")


class _Heard(Struct):
    """What an engine has said so far: the questions it has answered, with the execution of a yes that shows one."""

    said: dict[str, Answer] = field(default_factory=dict)
    unfinished: str = ""  # why executions were left unfinished
    begun: set[str] = field(default_factory=set)  # the questions to which only such an execution says yes
    idle: str = ""  # why executions were left unfinished, where they do nothing in the end but wait
    dropped: Dropped | None = None
    beyond: Beyond | None = None  # what more than was looked at may be
    cut: bool = False
    lost: Span | None = None  # where an execution comes to code that is left out
    states: tuple[str, ...] | None = None
    counts: tuple[int, int] | None = None


POSITIVE, NEGATIVE, UNDEFINED, FLAG = "positive", "negative", "undefined", "flag "


class _Questions(Struct, frozen=True):
    """What one test wants to know, to be put to either engine."""

    problem: Problem
    model: Model
    test: Test
    prop: Lit
    shown: list[tuple[Loc, Symbolic]]
    choices: list[Lit] | None  # what tells executions apart, when they are to be counted
    wanted: Wanted
    flags: list[str]  # the names of all that the model has
    orders: Orders

    @property
    def whole(self) -> list[Lit]:
        """That an execution is whole: no loop bound hit, no wild access."""
        return [lit for lit in (-self.problem.cut, -self.problem.wild) if lit != TRUE]

    def answered(self, engine: Search | Solver) -> Found:
        heard, stopped = _Heard(), ""
        try:
            self.ask(engine, heard)
        except Timeout:
            stopped = self.wanted.late
        except (TooMany, OutOfMemory) as error:
            stopped = str(error)
        names = [POSITIVE, NEGATIVE, UNDEFINED, *[FLAG + name for name in self.flags]]
        if stopped or heard.unfinished or heard.idle:
            positive, negative, undefined, *raised = [self.answer(heard, stopped, name) for name in names]
        else:
            positive, negative, undefined, *raised = [heard.said[name] for name in names]
        flags = tuple(zip(self.flags, raised, strict=True))
        return Found(
            Answers(positive, negative, undefined, flags), heard.cut, heard.states, heard.counts, stopped or heard.unfinished
        )

    def ask(self, engine: Search | Solver, heard: _Heard) -> None:
        """Put every question, and note what the engine says."""
        problem = self.problem
        for lit, rounds in problem.encoder.endless:
            if engine.satisfiable([lit, *self.whole, self.orders.any]):
                raise endless(rounds.group, len(rounds.states) - 1)
        self.leftovers(engine, heard)
        for lit, span, what in problem.graph.undefined:
            if engine.satisfiable([lit, *self.whole]):
                raise Unsupported(f"no value can be given to {what}", span, hint="an execution of the test gets there")
            if heard.cut and engine.satisfiable([lit, problem.cut]):
                heard.begun.add(UNDEFINED)
        self.condition(engine, heard)
        if heard.said[POSITIVE].no and heard.said[NEGATIVE].no and problem.cut != FALSE and not (heard.unfinished or heard.idle):
            heard.unfinished = f"no execution ends within {self.wanted.unroll} rounds of its loops (--unroll)"
        flags_only = all(axiom.role in ("check", "flag") for axiom in self.model.axioms)
        late = bool(heard.idle) and not (flags_only and all(self.raised_early(heard, FLAG + name) for name in self.flags))
        if (heard.unfinished or late) and heard.lost is None:  # of what is left out nothing is known
            heard.beyond = self.wanted.beyond(self.taken(engine))
        heard.said.update(dict.fromkeys([FLAG + name for name in self.flags], NO))
        for name, lit in problem.flags:
            self.note(engine, heard, FLAG + name, lit, flag=name)
        self.note(engine, heard, UNDEFINED, problem.undefined, undefined=True)
        heard.counts = self.counts(engine)
        if heard.counts is not None and tuple(map(bool, heard.counts)) != (heard.said[POSITIVE].yes, heard.said[NEGATIVE].yes):
            raise Uncertified(f"the counts {heard.counts} do not agree with the answers")

    def taken(self, engine: Search | Solver) -> list[Event]:
        """An event of each statement that takes part in some whole execution, and two of one that does so twice."""
        copies: dict[tuple[object, ...], list[Event]] = {}
        for e in self.problem.graph.events:
            copies.setdefault((e.tid, e.span, e.tags), []).append(e)
        found = []
        for events in copies.values():
            if any(engine.satisfiable([a.guard, b.guard, *self.whole]) for a, b in pairwise(events)):
                found.extend(events[:2])
            elif any(engine.satisfiable([e.guard, *self.whole]) for e in events):
                found.append(events[0])
        return found

    def leftovers(self, engine: Search | Solver, heard: _Heard) -> None:
        """Whether executions were left unfinished, and why."""
        cut, wild = self.problem.cut, self.problem.wild
        if wild != FALSE and engine.satisfiable([wild, self.orders.any]):
            heard.unfinished = "memory may be accessed through something that is no address"
        if cut != FALSE and engine.satisfiable([cut, -wild, self.orders.any]):
            heard.cut = True
            heard.lost = next(
                (s for lit, s, lost in self.problem.graph.cut if lost and engine.satisfiable([lit, -wild, self.orders.any])), None
            )
            if heard.lost is not None:
                heard.unfinished = f"line {heard.lost.line} says that code is left out which may matter (__lost)"
                return
            reason = f"a loop may run more than {self.wanted.unroll} times (--unroll)"
            further = matters(self.problem, self.wanted.unroll)
            if further != FALSE and engine.satisfiable([further, -wild, self.orders.any]):
                heard.unfinished = reason
                return
            heard.dropped = Dropped(self.wanted.beyond(()))
            if heard.dropped.never_breaks(self.model.axioms):
                heard.idle = reason
            else:
                heard.unfinished = reason

    def condition(self, engine: Search | Solver, heard: _Heard) -> None:
        """Whether some execution satisfies the proposition, and some does not; the states on the way."""
        forall = self.test.condition.quantifier == "forall"
        (asked, lit), (other, opposite) = ((NEGATIVE, -self.prop), (POSITIVE, self.prop)) if forall else (
            (POSITIVE, self.prop), (NEGATIVE, -self.prop))  # fmt: skip
        witness = heard.said[asked] = self.yes_or_no(engine, lit, prop=not forall)
        if not self.wanted.states:
            heard.said[other] = self.yes_or_no(engine, opposite, shown=False)
            return
        found = self.states(engine)
        heard.states = tuple(sorted(found))
        some = {POSITIVE: any(found.values()), NEGATIVE: not all(found.values())}
        if some[asked] != witness.yes:
            raise Uncertified("the states do not agree with the answers")
        heard.said[other] = YES if some[other] else NO

    def note(
        self, engine: Search | Solver, heard: _Heard, name: str, lit: Lit, *, flag: str = "", undefined: bool = False
    ) -> None:  # fmt: skip
        """Ask whether an execution has `lit`; where none does, whether one that was cut off has it already."""
        said = heard.said[name] = self.yes_or_no(engine, lit, flag=flag, undefined=undefined)
        if said.no and heard.cut and lit != FALSE and engine.satisfiable([lit, self.problem.cut, self.orders.any]):
            heard.begun.add(name)

    def yes_or_no(
        self, engine: Search | Solver, lit: Lit, *, prop: bool | None = None, flag: str = "", undefined: bool = False,
        shown: bool = True,
    ) -> Answer:  # fmt: skip
        """Whether a whole execution has `lit`; a yes shows it, certified to be what the question is about."""
        order = self.orders.any if flag or undefined else self.orders.prop
        if lit == FALSE or not engine.satisfiable([lit, *self.whole, order]):
            return NO
        if not shown or not self.wanted.witness:
            return YES
        problem, gates = self.problem, self.problem.circuit.gates
        holds = engine.holding([v for v in range(2, len(gates)) if gates[v] is None])
        found = execution(problem.graph, problem.encoder, self.model, holds)
        certify(self.model, found, flag=flag, undefined=undefined)
        state = state_of(problem.circuit, self.shown, holds)
        if any(value_in(found, self.test, loc) != value for loc, value in state):
            raise Uncertified("an execution was found that does not end in the state it was found for")
        if prop is not None and satisfied(self.test.condition.prop, lambda loc: value_in(found, self.test, loc)) != prop:
            raise Uncertified("an execution was found that is no witness of the proposition")
        return Answer("yes", execution=found, state=state)

    def answer(self, heard: _Heard, stopped: str, name: str) -> Answer:
        """What was heard, where it can be relied on: a no only if nothing was left unfinished that could make it a yes."""
        said = heard.said.get(name)
        if said is None:
            return unknown(stopped)
        if said.yes or not (heard.unfinished or heard.idle):
            return said
        if heard.idle and (name in (POSITIVE, NEGATIVE) or (self.raised_early(heard, name) and name not in heard.begun)):
            return said
        open_end = name == UNDEFINED and name in heard.begun  # of an operation's values nothing is known beyond the loop
        ends = heard.idle or any(heard.said[one].yes for one in (POSITIVE, NEGATIVE) if one in heard.said)
        if name not in (POSITIVE, NEGATIVE) and not open_end and ends:
            role = (lambda a: FLAG + a.name == name and a.role == "flag") if name != UNDEFINED else (
                lambda a: a.role not in ("check", "flag"))  # fmt: skip
            axioms = [axiom for axiom in self.model.axioms if role(axiom)]
            if not axioms or (heard.beyond and not any(map(heard.beyond.may_fail, axioms))):
                return NO
        begun = "; an execution that was cut off there has it" if name in heard.begun else ""
        return unknown((heard.unfinished or heard.idle) + begun)

    def raised_early(self, heard: _Heard, name: str) -> bool:
        """Whether a flag that an execution raises is raised in one that runs no more rounds than were looked at."""
        assert heard.dropped is not None
        kept = max([rounds for _, rounds in self.problem.graph.idle], default=0)
        for axiom in self.model.axioms:
            if axiom.role == "flag" and FLAG + axiom.name == name:
                rounds = heard.dropped.rounds(axiom)
                if rounds is None or rounds + kept > self.wanted.unroll:
                    return False
        return name != UNDEFINED

    def counts(self, engine: Search | Solver) -> tuple[int, int] | None:
        """How many executions satisfy the proposition and how many do not."""
        if self.choices is None:
            return None
        yes = no = 0
        prop, orders = self.prop, self.orders
        for table in engine.solutions([*self.whole, orders.counted], self.choices, [*self.choices, prop], lambda _: False):
            if table[prop] > 0:
                yes += 1
            else:
                no += 1
            if yes + no > COUNT_LIMIT:
                raise TooMany(f"more than {COUNT_LIMIT:,} executions")
        return yes * orders.each, no * orders.each

    def states(self, engine: Search | Solver) -> dict[str, bool]:
        """Every final state as text, with whether it satisfies the proposition."""
        bytewise = self.test.arch != "C"  # offsets of addresses count bytes
        columns = [
            [(lit if len(value) > 1 else TRUE, v) for v, lit in sorted(value.items(), key=lambda x: abs(x[1]))]
            for _, value in self.shown
        ]
        words = [{v: f"{show_location(loc)}={show_value(v, bytewise)};" for v in value} for loc, value in self.shown]
        projected = [lit for column in columns if len(column) > 1 for lit, _ in column]
        prop, asked = self.prop, [*self.whole, self.orders.states]
        found: dict[tuple[Value, ...], bool] = {}
        free = _Blocks(self, columns, asked).free
        solutions: Iterator[Mapping[int, int] | Sequence[int]] = engine.solutions(asked, projected, [*projected, prop], free)
        for table in solutions:
            holds = table[prop] > 0
            values = [[v for lit, v in column if table[lit] > 0] for column in columns]
            choices = [vs or [v for lit, v in column if table[lit] == 0] for vs, column in zip(values, columns)]
            if len(found) + math.prod(map(len, choices)) > STATE_LIMIT:
                raise TooMany(f"more than {STATE_LIMIT:,} final states")
            found.update(dict.fromkeys(product(*choices), holds))
        if self.orders.shown:
            found = self.closed(found)
        texts = {}
        for i, (state, holds) in enumerate(found.items()):
            texts[" ".join([word[v] for word, v in zip(words, state)])] = holds
            if not i & 4095:
                look(self.problem.circuit.deadline)
        return texts

    def closed(self, found: dict[tuple[Value, ...], bool]) -> dict[tuple[Value, ...], bool]:
        """With the states in which equal threads have changed places."""
        places = [loc for loc, _ in self.shown]
        result: dict[tuple[Value, ...], bool] = {}
        for state in found:
            if state not in result:
                if len(result) + image_count(self.orders.shown, places, state) > STATE_LIMIT:
                    raise TooMany(f"more than {STATE_LIMIT:,} final states")
                for image in images(self.orders.shown, places, state):
                    look(self.problem.circuit.deadline)
                    result[image] = satisfied(self.test.condition.prop, dict(zip(places, image)).__getitem__)
        return result


BLOCK = 64
BLOCK_FAILURES = 24


class _Blocks:
    """Whether all ways to fill in the columns a search has left open are states; asked only where that saves many visits."""

    def __init__(self, questions: _Questions, columns: list[list[tuple[Lit, Value]]], asked: list[Lit]) -> None:
        circuit = questions.problem.circuit
        self.prop, self.failures = questions.prop, 0
        self.columns = [[lit for lit, _ in column] for column in columns if len(column) > 1]
        owners = [{circuit.exclusive.get(lit, -abs(lit)) for lit in column} for column in self.columns]
        free = all(circuit.gates[abs(lit)] is None for column in self.columns for lit in column)
        whole = all(len(o) == 1 for o in owners) and len(set().union(*owners)) == len(owners)
        sizes = all(len(c) == (2 if o < 0 else len(circuit.one_of[o])) for c, (o,) in zip(self.columns, owners)) if whole else False
        self.independent = free and sizes
        self.circuit, self.asked = circuit, asked
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
            self.settled = Settled(self.circuit, self.asked)
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


def memory_choices(problem: Problem) -> list[Lit]:
    """What tells executions apart, as herd7 counts them: which events execute, rf, coherence, the sources of lock events, and
    the values. (Where reads feed each other, the same events and rf may go with several paths, and so with several values.)
    """
    graph = problem.graph
    choices = [e.guard for e in graph.events] + list(graph.leaves["rf"][2].values())
    for e in graph.events:
        if e.value is not None and len(e.value) > 1:
            choices.extend([problem.circuit.both2(e.guard, lit) for lit in e.value.values()])
    for _, lits in problem.encoder.chosen_terms():
        choices.extend(lits.values())
    return sorted({lit for lit in choices if abs(lit) != TRUE})
