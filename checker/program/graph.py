"""The finished event graph: sets by name, and the base relations with what is known of each pair."""

from __future__ import annotations

from itertools import combinations, groupby, permutations, product

from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.rel import Rows, bits, mask_of
from checker.program.branches import Place, exclusive
from checker.program.draft import Draft
from checker.program.equal import equal_threads
from checker.program.events import INIT_TID, Event, EventGraph, Leaf
from checker.program.ir import Address, Turn, Value
from checker.program.memory import same_address


def graph(d: Draft, rf: dict[tuple[int, int], Lit], finals: dict[Address, dict[int, Lit]]) -> EventGraph:
    events = d.events
    n = len(events)
    at: dict[Place, int] = {}
    for e in events:
        if e.guard != TRUE:
            at[d.places[e.eid]] = at.get(d.places[e.eid], 0) | 1 << e.eid
    leaves: dict[str, Leaf] = {name: leaf(d, pairs, relative=True) for name, pairs in d.deps.items()}
    leaves["rf"] = leaf(d, rf, relative=False)
    leaves["po"] = program_order(d, exclusive(at))
    leaves["loc"] = locations(d)
    leaves["rmw"] = leaf(d, d.rmw, relative=True)
    leaves["amo"] = leaf(d, {p: lit for p, lit in d.rmw.items() if "X" not in events[p[0]].tags}, relative=True)
    threads: dict[int, int] = {}
    for e in events:
        threads[e.tid] = threads.get(e.tid, 0) | 1 << e.eid
    everything = (1 << n) - 1
    leaves["int"] = _exact(tuple([threads[e.tid] if e.tid != INIT_TID else 0 for e in events]))
    leaves["ext"] = _exact(tuple([everything & ~threads[e.tid] for e in events]))
    leaves["sm"] = leaves["si"] = _exact(same_access(d))
    leaves["id"] = _exact(tuple([1 << a for a in range(n)]))
    if d.ports:
        leaves["same-instance"] = _exact(same_instance(d))
        leaves["same-low-order-bits"] = leaf(d, same_offset(d), relative=False)
    return EventGraph(
        tuple(events), d.circuit, sets(d), leaves, d.finals, finals, tuple(d.cut), tuple(d.wild),
        implied_by(d, at), len(d.codes), tuple([(lit, span, what) for lit, span, what in d.undefined if lit != FALSE]),
        () if d.ranges.circles else equal_threads(d.test, d.codes, d.envs), d.parts, tuple(d.idle),
    )  # fmt: skip


def sets(d: Draft) -> dict[str, int]:
    found: dict[str, int] = {"R": 0, "W": 0, "M": 0, "IW": 0, "F": 0}
    for e in d.events:
        bit = 1 << e.eid
        if e.kind in ("W", "IW", "R"):
            found["M"] |= bit
            found["R" if e.kind == "R" else "W"] |= bit
        if e.kind == "IW":
            found["IW"] |= bit
        for tag in e.tags:
            found[tag] = found.get(tag, 0) | bit
    return found | d.ports


def same_instance(d: Draft) -> Rows:
    """The events of one instruction, each also with itself."""
    masks: dict[tuple[int, int], int] = {}
    for e in d.events:
        masks[d.group_of[e.eid]] = masks.get(d.group_of[e.eid], 0) | 1 << e.eid
    return tuple([masks[d.group_of[e.eid]] if e.tid != INIT_TID else 0 for e in d.events])


def same_offset(d: Draft) -> dict[tuple[int, int], Lit]:
    """For each two accesses when they are at the same distance from where what they access begins."""
    at: dict[int, dict[int, Lit]] = {}
    for e in d.events:
        for address, lit in (e.addr or {}).items() if e.kind != "F" else ():
            if isinstance(address, Address):
                here = at.setdefault(address.offset, {})
                here[e.eid] = d.circuit.either2(here.get(e.eid, FALSE), lit)
    found: dict[tuple[int, int], Lit] = {}
    for here in at.values():
        for (a, x), (b, y) in product(here.items(), repeat=2):
            both = d.circuit.both((x, y, d.events[a].guard, d.events[b].guard))
            found[a, b] = d.circuit.either2(found.get((a, b), FALSE), both)
    return found


def same_access(d: Draft) -> Rows:
    """The events of one access to memory: the parts it was cut into, each also with itself (herd/machModelChecker.ml, calc_si)."""
    rows = [1 << e.eid if e.kind != "F" else 0 for e in d.events]
    for parts in d.accesses.values():
        mask = mask_of(parts)
        for eid in parts:
            rows[eid] = mask
    return tuple(rows)


def implied_by(d: Draft, at: dict[Place, int]) -> tuple[int, ...]:
    """For each event those that execute whenever it does."""
    always = mask_of(e.eid for e in d.events if e.guard == TRUE)
    result = [always | 1 << e.eid for e in d.events]
    if at:
        for tree in d.trees:
            for place, executed in tree.implied(at).items():
                for eid in bits(at.get(place, 0)):
                    result[eid] |= executed
    return tuple(result)


def program_order(d: Draft, apart: dict[Place, int]) -> Leaf:
    """Events of one thread in the order of the text; those of one full expression as `_within` has them."""
    rows = [0] * len(d.events)
    lits: dict[tuple[int, int], Lit] = {}
    by_thread: dict[int, list[Event]] = {}
    for e in d.events:
        if e.tid != INIT_TID:
            by_thread.setdefault(e.tid, []).append(e)
    for thread in by_thread.values():
        later = 0
        for e in reversed(thread):
            rows[e.eid] = later
            later |= 1 << e.eid
        for _, together in groupby(thread, lambda e: d.group_of[e.eid]):
            group = list(together)
            if len(group) > 1:
                _within(d, group, rows, lits)
        earlier = 0
        for e in thread:
            for a in bits(earlier & (~d.before[e.eid] | apart.get(d.places[e.eid], 0))):
                rows[a] &= ~(1 << e.eid)
                lits.pop((a, e.eid), None)
                lits.pop((e.eid, a), None)
            earlier |= 1 << e.eid
    if not lits:
        return _exact(tuple(rows))
    may = list(rows)
    for a, b in lits:
        may[a] |= 1 << b
    return tuple(rows), tuple(may), lits


def _within(d: Draft, group: list[Event], rows: list[int], lits: dict[tuple[int, int], Lit]) -> None:
    """The order of events of one full expression or instruction: `rows` has them in the order of the text.

    Sequence points order under every model. Otherwise the kernel model and assembly order what uses another's value, and
    nothing else, as herd does; compiled code has the operands before what is computed from them, and one order or the other
    of what C leaves open: `lits` has a literal for each.
    """
    turns = d.turns
    if d.compiled:
        orders = _orders(d, [turns[e.eid] for e in group])
    for i, e in enumerate(group):
        for f in group[i + 1 :]:
            first, second = turns.get(e.eid), turns.get(f.eid)
            if first is not None and second is not None and first.unit in second.points:
                continue
            if d.compiled and first is not None and second is not None:
                if first.unit == second.unit or (order := orders[first.unit, second.unit]) == TRUE:
                    continue
                both = d.circuit.both2(e.guard, f.guard)
                lits[e.eid, f.eid], lits[f.eid, e.eid] = d.circuit.both2(order, both), d.circuit.both2(-order, both)
            elif first is not None and (e.eid, f.eid) in d.together:
                continue
            rows[e.eid] &= ~(1 << f.eid)


def _orders(d: Draft, turns: list[Turn]) -> dict[tuple[int, int], Lit]:
    """For each two units of a full expression the literal for "the first comes before the second": a total order."""
    units = {turn.unit: turn for turn in turns}
    before: dict[tuple[int, int], Lit] = {}
    for (a, first), (b, second) in combinations(sorted(units.items()), 2):
        lit = TRUE if second.follows(first) else FALSE if first.follows(second) else d.circuit.name()
        before[a, b], before[b, a] = lit, -lit
    for a, b, c in permutations(units, 3):
        d.circuit.require((-before[a, b], -before[b, c], before[a, c]))
    return before


def locations(d: Draft) -> Leaf:
    n = len(d.events)
    at: dict[Value, int] = {}
    unsure = []
    for e in d.events:
        if e.addr is not None:
            if len(e.addr) == 1:
                (value,) = e.addr
                at[value] = at.get(value, 0) | 1 << e.eid
            else:
                unsure.append(e.eid)
    must = [0] * n
    for mask in at.values():
        for a in bits(mask):
            must[a] = mask
    if not unsure:
        return _exact(tuple(must))
    may, lits = list(must), {}
    circuit = d.circuit
    for a in unsure:
        must[a] |= 1 << a
        may[a] |= 1 << a
        for b in range(n):
            lit = FALSE if a == b else same_address(d, a, b)
            if lit != FALSE:
                guarded = circuit.both((lit, d.events[a].guard, d.events[b].guard))
                may[a] |= 1 << b
                may[b] |= 1 << a
                lits[a, b] = lits[b, a] = guarded
    return tuple(must), tuple(may), lits


def leaf(d: Draft, pairs: dict[tuple[int, int], Lit], *, relative: bool) -> Leaf:
    """A base relation from its pairs; with `relative`, a literal TRUE means "whenever both execute"."""
    n, circuit = len(d.events), d.circuit
    must, may = [0] * n, [0] * n
    lits: dict[tuple[int, int], Lit] = {}
    for (a, b), lit in pairs.items():
        both = circuit.both2(d.events[a].guard, d.events[b].guard)
        whole = circuit.both2(lit, both) if relative else lit
        if whole == FALSE:
            continue
        may[a] |= 1 << b
        if whole == both:
            must[a] |= 1 << b
        else:
            lits[a, b] = whole
    if must == may:
        return _exact(tuple(must))
    return tuple(must), tuple(may), lits


def _exact(rows: Rows) -> Leaf:
    return rows, rows, {}
