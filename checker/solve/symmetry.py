"""One execution of many that differ in which of several equal threads did what: an order for equal threads to come in.

Equal threads (program/equal.py) may be exchanged in an execution, event for event and register for register; what comes out is
an execution again. A model cannot tell the two apart: its terms are made of po, rf, co, places, values and tags, and never name
a thread. So they pass the same checks and raise the same flags, and they end with the same memory and with the registers of
the threads exchanged. A question that says the same of the threads when they are exchanged has the same answer in both.

For such a question it is enough to look at the executions in which the threads of each group come in the order of a *key*. A
key is read off an execution and moves with the threads: the key of a thread after an exchange is that of the one it took the
place of. Therefore sorting the threads by their keys is an exchange, and every execution has one with sorted threads: if
there is a yes at all, there is a sorted one. Any preorder will do; the closer it is to a total one, the fewer are left.

The key here: who executes its first write (the first that always executes, if one does) to the same place comes before who
does not; of those who do, the first in coherence comes first; of those who do not, the one whose first read has the least value.

A question is asked under the literal of its own order: that of the groups of threads that it says the same of (`exchangeable`).
Two threads belong together when exchanging just these two gives the same proposition, term for term; that is an equivalence,
and the exchanges of two generate all others. Final states are closed under the exchanges of threads with the same registers
shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from math import factorial, prod
from typing import TypeAlias

from msgspec import Struct

from checker.cat.term import Term
from checker.core.circuit import TRUE, Lit
from checker.program.equal import Equal
from checker.program.events import Event
from checker.program.ir import And, Compare, Implies, Loc, Not, Or, Prop, RegLoc, Test, Truth, Value
from checker.solve.encode import Problem

Exchange: TypeAlias = Mapping[RegLoc, RegLoc]
Values: TypeAlias = tuple[Value, ...]


def exchangeable(equal: Sequence[Equal], props: Sequence[Prop], shown: Sequence[Loc] = ()) -> tuple[Equal, ...]:
    """The equal threads that `props`, and `shown` as a set, say the same of: each group in parts of at least two threads."""
    meant = _meaning(props, shown, {}, ())
    found = []
    for group in equal:
        parts: list[list[int]] = []
        for i in range(len(group.tids)):
            for part in parts:
                there = dict(zip(_places(group, part[0]), _places(group, i), strict=True))
                exchange = there | {b: a for a, b in there.items()}
                if _meaning(props, shown, exchange, (group.tids[part[0]], group.tids[i])) == meant:
                    part.append(i)
                    break
            else:
                parts.append([i])
        found.extend([_part(group, part) for part in parts if len(part) > 1])
    return tuple(found)


def _part(group: Equal, part: Sequence[int]) -> Equal:
    return Equal(tuple([group.tids[i] for i in part]), tuple([group.registers[i] for i in part]))


def _places(group: Equal, i: int) -> list[RegLoc]:
    return [RegLoc(group.tids[i], name) for name in group.registers[i]]


def _meaning(props: Sequence[Prop], shown: Sequence[Loc], exchange: Exchange, tids: Sequence[int]) -> object:
    """What is said, after an exchange of the registers of `tids`, without regard to the order in which it is said."""

    def place(x: object) -> object:
        if isinstance(x, RegLoc) and x.tid in tids:
            return exchange.get(x, _Other())  # a register that is not in the code
        return x

    def said(prop: Prop) -> object:
        match prop:
            case Truth(value):
                return value
            case Not(arg):
                return "not", said(arg)
            case And(args) | Or(args):
                return type(prop), frozenset(map(said, args))
            case Implies(left, right):
                return "implies", said(left), said(right)
            case Compare(op, left, right):
                sides = (place(left), place(right))
                return op, frozenset(sides) if op in ("==", "!=") else sides

    return [said(p) for p in props], frozenset(map(place, shown))


class _Other:
    """What is equal to itself alone."""


class Orders(Struct, frozen=True):
    """Under which literal each question is asked: `any` those about an execution as a whole (a flag, a loop bound), `prop` those
    about the proposition, `states` those about final states, which are then closed under the exchanges of `shown`. Executions
    are counted under `counted`: each stands for `each`."""

    any: Lit
    prop: Lit
    states: Lit
    shown: tuple[Equal, ...]
    counted: Lit
    each: int


def orders_of(problem: Problem, test: Test, shown: Sequence[Loc]) -> Orders:
    """The orders in which the equal threads of a test come, by question."""
    equal = problem.graph.equal
    if not equal:
        return Orders(TRUE, TRUE, TRUE, (), TRUE, 1)
    sorting = _Sorting(problem)
    always = [test.filter] if test.filter is not None else []
    asked = exchangeable(equal, [*always, test.condition.prop])
    listed = exchangeable(equal, always, shown)
    counted = [group for group in asked if sorting.is_strict(group)]
    return Orders(
        sorting.sorted(exchangeable(equal, always)), sorting.sorted(asked), sorting.sorted(listed), listed,
        sorting.sorted(counted), prod([factorial(len(group.tids)) for group in counted]),
    )  # fmt: skip


def images(groups: Sequence[Equal], places: Sequence[Loc], state: Values) -> Iterator[Values]:
    """The states that come of one, the values of `places`, when the equal threads of each group change places; each once."""
    for choice in product(*[_arrangements(held) for _, held in _held(groups, places, state)]):
        image = list(state)
        for (columns, _), held in zip(_held(groups, places, state), choice, strict=True):
            for places_of_one, values in zip(columns, held, strict=True):
                for i, v in zip(places_of_one, values, strict=True):
                    image[i] = v
        yield tuple(image)


def image_count(groups: Sequence[Equal], places: Sequence[Loc], state: Values) -> int:
    """How many `images` there are."""
    return prod([factorial(len(held)) // prod(map(factorial, Counter(held).values())) for _, held in _held(groups, places, state)])


def _held(groups: Sequence[Equal], places: Sequence[Loc], state: Values) -> list[tuple[list[list[int]], list[Values]]]:
    """Of each group, where the registers of each of its threads are in a state, and what they hold."""
    at = {loc: i for i, loc in enumerate(places)}
    found = []
    for group in groups:
        columns = [[at[loc] for loc in _places(group, i) if loc in at] for i in range(len(group.tids))]
        found.append((columns, [tuple([state[i] for i in column]) for column in columns]))
    return found


def _arrangements(items: Sequence[Values]) -> Iterator[tuple[Values, ...]]:
    """Every different order of `items`."""
    if not items:
        yield ()
    for first in dict.fromkeys(items):
        rest = list(items)
        rest.remove(first)
        for others in _arrangements(rest):
            yield (first, *others)


class _Sorting:
    """The literals that have equal threads come in order, over one problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.circuit = problem, problem.circuit
        self.events: dict[int, list[Event]] = {}
        for e in problem.graph.events:
            self.events.setdefault(e.tid, []).append(e)

    def sorted(self, groups: Sequence[Equal]) -> Lit:
        """The literal for "the threads of each group come in the order of their keys"."""
        return self.circuit.both([lit for group in groups for lit in self.steps(group)])

    def is_strict(self, group: Equal) -> bool:
        """Whether no two threads ever have the same key: all of them write one place, whatever happens."""
        writes = self.first_write(self.threads(group))
        return writes is not None and writes[0].guard == TRUE

    def steps(self, group: Equal) -> Iterator[Lit]:
        threads = self.threads(group)
        writes = self.first_write(threads)
        reads = next(([t[k] for t in threads] for k, e in enumerate(threads[0]) if e.kind == "R" and e.guard == TRUE), None)
        for i, j in pairwise(range(len(threads))):
            least = self.at_most(reads[i], reads[j]) if reads else TRUE
            yield self.before(writes[i], writes[j], least) if writes else least

    def threads(self, group: Equal) -> list[list[Event]]:
        """The events of each thread; those at one place correspond."""
        threads = [self.events.get(tid, []) for tid in group.tids]
        assert len({tuple(map(_look, events)) for events in threads}) == 1, "equal threads with different events"
        return threads

    def first_write(self, threads: Sequence[Sequence[Event]]) -> list[Event] | None:
        """The event of each thread that is its first write to one place, if there is one; rather one that always executes."""
        found = None
        for k, event in enumerate(threads[0]):
            events = [t[k] for t in threads]
            if coherence_of(self.problem, events) is not None:
                found = found or events
                if event.guard == TRUE:
                    return events
        return found

    def before(self, a: Event, b: Event, otherwise: Lit) -> Lit:
        """The key of a is not after that of b; `otherwise` compares them where neither executes."""
        circuit = self.circuit
        term = coherence_of(self.problem, (a, b))
        assert term is not None
        order = self.problem.encoder.literal(term, a.eid, b.eid, up=True)
        return circuit.both(
            (circuit.either2(-b.guard, a.guard), circuit.either((-a.guard, -b.guard, order)),
             circuit.either((a.guard, b.guard, otherwise)))
        )  # fmt: skip

    def at_most(self, a: Event, b: Event) -> Lit:
        """The value of a is at most that of b, among the values they may have."""
        low, high = a.value or {}, b.value or {}
        values = list(low)
        if values != list(high):
            return TRUE
        return self.circuit.both([self.circuit.either((-low[v], *[high[w] for w in values[i:]])) for i, v in enumerate(values)])


def coherence_of(problem: Problem, events: Sequence[Event]) -> Term | None:
    """The order that has all these events one way or the other wherever they execute, if there is one."""
    places = {tuple(e.addr or ()) for e in events}
    if len(places) != 1 or len(places.pop()) != 1:
        return None
    mask = sum(1 << e.eid for e in events)
    bounds = problem.encoder.bounds
    for term in bounds.terms.generators:
        if term.op == "orders":
            may = bounds.of(term)[1]
            rows = [may[e.eid] | sum(1 << o.eid for o in events if may[o.eid] >> e.eid & 1) for e in events]
            if all(mask & ~row == 1 << e.eid for e, row in zip(events, rows, strict=True)):
                return term
    return None


def _look(event: Event) -> object:
    """What corresponding events of equal threads have in common."""
    return event.kind, event.tags, event.guard == TRUE, event.size, frozenset(event.addr or ()), frozenset(event.value or ())
