"""No cycles: constraints that forbid every cycle of a graph whose edges are literals.

Vertex elimination (Rankooh and Rintanen, AAAI 2022): take the nodes away one by one, joining what comes before a node to what
comes after it; a cycle shows as a node joined to itself. The node with the fewest pairs of neighbours goes first, so that
sparse graphs, as those of litmus tests are, need few new edges.
"""

from __future__ import annotations

from typing import TypeAlias

from checker.core.circuit import FALSE, Circuit, Lit

Edge: TypeAlias = tuple[Lit, Lit]
"""The literals of an edge that counts and of one that does not. Only cycles with an edge that counts are forbidden."""


def forbid_cycles(circuit: Circuit, edges: dict[int, dict[int, Lit]]) -> None:
    """Assert that the edges (a, b) whose literal edges[a][b] holds form no cycle. Every node is a key."""
    forbid_counted_cycles(circuit, {a: {b: (lit, FALSE) for b, lit in row.items()} for a, row in edges.items()})


def forbid_counted_cycles(circuit: Circuit, edges: dict[int, dict[int, Edge]]) -> None:
    """Assert that no cycle has an edge that counts; cycles of edges that do not are let be. `edges` is consumed."""
    back: dict[int, set[int]] = {v: set() for v in edges}
    for a, row in edges.items():
        loop, _ = row.pop(a, (FALSE, FALSE))
        circuit.require([-loop])
        for b in row:
            back[b].add(a)
    left = set(edges)
    while left:
        v = min(left, key=lambda x: (len(back[x]) * len(edges[x]), x))
        left.discard(v)
        after = edges[v]
        for u in sorted(back[v]):
            _join(circuit, u, edges[u].pop(v), after, edges[u], back)
        for w in after:
            back[w].discard(v)


def _join(circuit: Circuit, u: int, into: Edge, after: dict[int, Edge], row: dict[int, Edge], back: dict[int, set[int]]) -> None:
    """Join u to everything after the node that `into` leads to; `row` holds the edges of u."""
    counted, uncounted = into
    either = circuit.either2(counted, uncounted)
    for w, (next_counted, next_uncounted) in after.items():
        if next_uncounted == FALSE and uncounted == FALSE:  # everything counts: the usual case
            through, free = circuit.both2(counted, next_counted), FALSE
        else:
            through = circuit.either2(
                circuit.both2(counted, circuit.either2(next_counted, next_uncounted)), circuit.both2(either, next_counted)
            )
            free = circuit.both2(uncounted, next_uncounted)
        if u == w:
            circuit.require([-through])
            continue
        if through == FALSE and free == FALSE:
            continue
        old_counted, old_free = row.get(w, (FALSE, FALSE))
        row[w] = (circuit.either2(old_counted, through), circuit.either2(old_free, free))
        back[w].add(u)
