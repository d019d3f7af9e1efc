"""What memory decides: initial writes, who reads from whom, who writes last.

Every load has chosen a store; here the choice is tied to what the store wrote, where, and whether it happened at all.
"""

from __future__ import annotations

from checker.core.acyclic import forbid_cycles
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.source import Span
from checker.core.value import known
from checker.program.branches import Tree
from checker.program.draft import Draft
from checker.program.events import INIT_TID
from checker.program.ir import Address


def initial_writes(d: Draft) -> None:
    start = Tree(d.circuit, 0).root
    touched = {a for where in d.ranges.addresses.values() for a in where if isinstance(a, Address)}
    for index, address in enumerate(sorted(touched | d.observed)):
        d.event(INIT_TID, "IW", frozenset(), start, known(address), known(d.memory.get(address, 0)), test_span(d))
        d.store_at[INIT_TID, index] = len(d.events) - 1
        d.by_address.setdefault(address, []).append((INIT_TID, index))


def test_span(d: Draft) -> Span:
    return Span(d.test.source, 0, 0)


def same_address(d: Draft, a: int, b: int) -> Lit:
    """The literal for "events a and b have the same location"."""
    left, right = d.events[a].addr, d.events[b].addr
    if left is None or right is None:
        return FALSE
    if len(left) == 1 and len(right) == 1:
        return TRUE if next(iter(left)) == next(iter(right)) else FALSE
    circuit = d.circuit
    return circuit.either([circuit.both2(lit, right[v]) for v, lit in left.items() if v in right and isinstance(v, Address)])


def read_from(d: Draft) -> dict[tuple[int, int], Lit]:
    """rf: the literal of each pair, and the constraints that tie a load's choice to what the store wrote, and where."""
    circuit = d.circuit
    rf: dict[tuple[int, int], Lit] = {}
    for access in d.loads:
        read = d.events[access.eid]
        assert read.value is not None and read.addr is not None
        stray = circuit.either([lit for v, lit in read.addr.items() if not isinstance(v, Address)])
        for site, choice in access.choice.items():
            writer = d.store_at.get(site)
            if writer is None:  # that store is on no path
                circuit.require((-choice, -read.guard))
                continue
            write = d.events[writer]
            edge = circuit.both((choice, read.guard, -stray))
            if edge == FALSE:
                continue
            rf[writer, access.eid] = edge
            circuit.imply(edge, write.guard)
            circuit.imply(edge, same_address(d, writer, access.eid))
            assert write.value is not None
            if len(read.value) > 1:
                for v, lit in write.value.items():
                    circuit.require((-edge, -lit, read.value.get(v, FALSE)))
    return rf


def justify_circles(d: Draft, rf: dict[tuple[int, int], Lit]) -> None:
    """No value comes from itself: reads that feed each other by copies hold the value nothing determines, and what is computed
    from a read does not feed that read."""
    spans = d.ranges
    if not spans.loops:
        return
    eids = {access.site: access.eid for access in d.loads if access.site in spans.loops}
    edges: dict[int, dict[int, Lit]] = {eid: {} for eid in eids.values()}
    for store in spans.copies:
        writer = d.store_at.get(store)
        for site, eid in eids.items():
            edge = rf.get((writer, eid), FALSE) if writer is not None else FALSE
            value = d.events[eid].value or {}
            nothing = value.get(spans.circles[site], FALSE) if site in spans.circles else FALSE
            for sources, lit in ((spans.copies[store], d.circuit.both2(edge, -nothing)), (spans.computed[store], edge)):
                for source in sources & eids.keys():
                    row, depends = edges[eids[source]], d.deps["data"].get((eids[source], writer or 0), FALSE)
                    row[eid] = d.circuit.either2(row.get(eid, FALSE), d.circuit.both2(lit, depends))
    forbid_cycles(d.circuit, edges)


def final_write(d: Draft, address: Address) -> dict[int, Lit]:
    """Which write is the last to `address`: one literal each, exactly one of which holds."""
    writers = [d.store_at[s] for s in d.by_address.get(address, ()) if s in d.store_at]
    lits = d.circuit.choice(len(writers))
    for writer, lit in zip(writers, lits, strict=True):
        event = d.events[writer]
        assert event.addr is not None
        d.circuit.imply(lit, event.guard)
        d.circuit.imply(lit, event.addr.get(address, FALSE))
        if event.kind == "IW" and not d.coherent:  # elsewhere coherence says so
            for other in writers:
                written = d.events[other].addr or {}
                if other != writer:
                    d.circuit.require((-lit, -d.circuit.both2(d.events[other].guard, written.get(address, FALSE))))
    return dict(zip(writers, lits, strict=True))
