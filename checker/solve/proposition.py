"""The proposition of a test: which places it looks at, what they hold in the end, and whether it is satisfied.

Once over symbolic values, for the solver (`proposition`), and once over the values of one execution (`satisfied`), to certify
what the solver found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.source import Span, UnknownName
from checker.core.value import INTEGER, Free, Symbolic, apply, as_integer, compute, known, merge, nonzero
from checker.program.events import EventGraph
from checker.program.ir import Address, And, Compare, Implies, Loc, MemLoc, Not, Or, Prop, RegLoc, Test, Truth, Value
from checker.solve.execution import Execution


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
    registers = sorted([x for x in found if isinstance(x, RegLoc)], key=_text_order if test.arch == "C" else _machine_order)
    memory = sorted([x for x in found if isinstance(x, MemLoc)], key=lambda x: (x.address.name, x.address.offset))
    return (*registers, *memory)


def _text_order(x: RegLoc) -> tuple[int, str]:
    return x.tid, x.reg


def _machine_order(x: RegLoc) -> tuple[int, str, int]:
    """X2 before X10."""
    name = x.reg.rstrip("0123456789")
    return x.tid, name, int(x.reg[len(name) :] or 0)


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
    if graph.parts is None or loc.address not in graph.parts.of:
        return _last_written(graph, loc.address)
    last = [_last_written(graph, part) for part in graph.parts.of[loc.address]]
    return graph.parts.joined(loc.address, last, lambda op, a, b: apply(graph.circuit, op, (a, b), test.condition.span), known)


def _last_written(graph: EventGraph, address: Address) -> Symbolic:
    cases = []
    for w, lit in graph.final_write[address].items():
        written = graph.events[w].value
        assert written is not None
        cases.append((lit, written))
    return merge(graph.circuit, cases)


def satisfied(prop: Prop, value: Callable[[Loc], Value]) -> bool:
    """Whether a final state, in which `value` tells what each location holds, satisfies prop."""
    match prop:
        case Truth(truth):
            return truth
        case Not(arg):
            return not satisfied(arg, value)
        case And(args):
            return all(satisfied(a, value) for a in args)
        case Or(args):
            return any(satisfied(a, value) for a in args)
        case Implies(left, right):
            return satisfied(right, value) or not satisfied(left, value)
        case Compare(op, left, right):
            return compute(_COMPARISONS[op], [value(x) if isinstance(x, RegLoc | MemLoc) else x for x in (left, right)]) != 0


def value_in(found: Execution, test: Test, loc: Loc) -> Value:
    """What a location holds at the end of an execution, as an integer of its type."""
    if isinstance(loc, RegLoc):
        value = found.finals.get(loc, dict(test.registers).get(loc, 0))
    else:
        value = found.memory[loc.address]
    width = next((w for place, w in test.widths if place == loc), 0)
    return as_integer(value, width)  # type: ignore[no-any-return]


_COMPARISONS = {"==": "same", "!=": "other", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


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
            if name == "same" and len(sides[1]) == 1:
                return sides[0].get(next(iter(sides[1])), FALSE)
            return nonzero(apply(circuit, name, sides, span))


def remarks(test: Test, graph: EventGraph) -> tuple[tuple[str, Span], ...]:
    """What in the question no model has a say in, and where: values that nothing writes, registers that nothing assigns."""
    if isinstance(test.condition.prop, Truth) and test.condition.quantifier == "forall" and not test.shown:
        return (("the test asks nothing: it has no condition and no locations", test.condition.span),)
    if graph.cut or graph.wild:  # what was not followed may write anything
        return ()
    found = []
    for atom in (*_atoms(test.condition.prop), *(_atoms(test.filter) if test.filter else ())):
        for loc, value in ((atom.left, atom.right), (atom.right, atom.left)):
            if not isinstance(loc, RegLoc | MemLoc) or not isinstance(value, int | Address) or atom.op not in ("==", "!="):
                continue
            if said := _remark(test, graph, loc, value):
                found.append((said, atom.span))
    return tuple(dict.fromkeys(found))


def _remark(test: Test, graph: EventGraph, loc: Loc, value: Value) -> str:
    """Why comparing a location with a value says nothing; empty when it may."""
    if isinstance(loc, RegLoc) and loc not in graph.finals:
        return "" if loc in dict(test.registers) else f"P{loc.tid} never assigns {loc.reg}: it stays 0"
    if isinstance(loc, RegLoc):
        domain = graph.finals[loc]
    else:
        domain = {v: TRUE for w in graph.final_write.get(loc.address, ()) for v in graph.events[w].value or ()}
    if value in domain or any(isinstance(v, Free) for v in domain) or value in final_value(graph, test, loc):
        return ""
    if isinstance(loc, MemLoc):
        return f"nothing writes {value} to {loc.address}"
    written = any(value in e.value for e in graph.events if e.value) or any(value in d for d in graph.finals.values())
    return "" if written else f"{loc} is never {value}: nothing in the test writes that value"


def _atoms(prop: Prop) -> Iterator[Compare]:
    """The comparisons of a proposition, in order."""
    match prop:
        case Compare():
            yield prop
        case Not(arg):
            yield from _atoms(arg)
        case And(args) | Or(args):
            for a in args:
                yield from _atoms(a)
        case Implies(left, right):
            yield from _atoms(left)
            yield from _atoms(right)
