"""When nothing is left to decide: a test whether every assertion of a circuit holds whatever its open inputs turn out to be.

Gates are evaluated over three values (true, false, open); derived variables get the least solution of their rules. Where
all assertions come out true, every choice of the open inputs is a solution, and a whole block of final states is known
without visiting them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.deadline import look


class Settled:
    """The part of a circuit its assertions depend on, ready to be evaluated again and again."""

    def __init__(self, circuit: Circuit, assumptions: Sequence[Lit]) -> None:
        self.circuit = circuit
        self.assertions = [*circuit.constraints, *[(lit,) for lit in assumptions]]
        self.rules = circuit.rules
        needed: set[int] = set()
        todo = [abs(lit) for clause in self.assertions for lit in clause]
        bodies: dict[int, list[Lit]] = {}
        for body, head in circuit.rules:
            bodies.setdefault(head, []).append(body)
        while todo:
            node = todo.pop()
            if node in needed:
                continue
            needed.add(node)
            todo.extend(map(abs, circuit.gates[node] or ()))
            todo.extend(map(abs, bodies.get(node, ())))
        self.gates = [(node, args) for node in sorted(needed) if (args := circuit.gates[node]) is not None]
        self.derived = sorted(needed & circuit.derived)
        self.defining = [(body, head) for body, head in circuit.rules if head in needed]
        self.inputs = sorted(needed - circuit.derived - {g for g, _ in self.gates} - {TRUE})

    def holds(self, values: Sequence[int]) -> bool:
        """Whether all assertions hold for every value of the inputs that `values` (literal to 1, -1 or 0) leaves open."""
        table = [0] * (2 * len(self.circuit.gates) + 2)
        table[TRUE], table[FALSE] = 1, -1
        for v in self.inputs:
            table[v], table[-v] = values[v], -values[v]
        for v in self.derived:
            table[v], table[-v] = -1, 1
        while True:
            look(self.circuit.deadline)
            for node, args in self.gates:
                least = min([table[a] for a in args])
                table[node], table[-node] = least, -least
            changed = False
            for body, head in self.defining:
                if table[body] > table[head]:
                    table[head], table[-head] = table[body], -table[body]
                    changed = True
            if not changed:
                break
        return all(max([table[lit] for lit in clause], default=-1) > 0 for clause in self.assertions)
