"""No cycles: constraints that forbid every cycle of a graph whose edges are literals.

Vertex elimination (Rankooh and Rintanen, AAAI 2022): take the nodes away one by one, joining what comes before a node to what
comes after it; a cycle shows as a node joined to itself. The node with the fewest pairs of neighbours goes first, so that
sparse graphs, as those of litmus tests are, need few new edges.
"""

from __future__ import annotations

from checker.core.circuit import FALSE, TRUE, Circuit, Lit


def forbid_cycles(circuit: Circuit, edges: dict[int, dict[int, Lit]]) -> None:
    """Assert that the edges (a, b) whose literal edges[a][b] holds form no cycle. Every node is a key; `edges` is consumed."""
    back: dict[int, set[int]] = {v: set() for v in edges}
    for a, row in edges.items():
        for b in row:
            back[b].add(a)
    for a, row in edges.items():
        if a in row:
            circuit.require([-row.pop(a)])
            back[a].discard(a)
    left = set(edges)
    while left:
        v = min(left, key=lambda x: (len(back[x]) * len(edges[x]), x))
        left.discard(v)
        after = edges[v]
        for u in sorted(back[v]):
            _join(circuit, u, edges[u].pop(v), after, edges[u], back)
        for w in after:
            back[w].discard(v)


def _join(
    circuit: Circuit, u: int, into: Lit, after: dict[int, Lit], row: dict[int, Lit], back: dict[int, set[int]]
) -> None:
    """Join u to everything after the node that `into` leads to; `row` holds the edges of u."""
    for w, lit in after.items():
        if u == w:
            circuit.require((-into, -lit))
            continue
        through = circuit.both2(into, lit)
        old = row.get(w, FALSE)
        if through != FALSE and old not in (TRUE, through):
            row[w] = circuit.either2(old, through)
            back[w].add(u)
