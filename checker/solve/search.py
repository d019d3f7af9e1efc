"""Small problems decided on the spot: unit propagation and backtracking, no solver to set up.

Most litmus tests leave a handful of choices. Deciding them one by one and propagating costs microseconds, less than handing
the clauses to Z3. It gives up (`GiveUp`) as soon as backtracking shows that the problem is not that small.

Only the circuit's free variables are decided. Once these have values, propagation has settled every gate in the directions
in which it is used, and every closure's least solution, so that no conflict then means a solution.

Z3 is the solver of record; `solver="both"` holds every answer against it. What answers first is this, and not a library with
learning: python-sat's solvers, put in its place, are no faster where most tests are (CPU time of solving, states listed, samples of
the corpora: median 1.26 ms here, 1.44 MiniSat, 1.47 Glucose, 4.7 Z3 under lkmm; 0.77, 0.72, 0.73, 2.8 under aarch64), better in
the tail (mean 9.5, 6.8, 7.5, 38 ms; 1.2, 0.8, 0.8, 3.6 ms; 32 writers to one location 0.26, 0.14, 0.13, 0.28 s), and far slower
where there are many states: a ring with 16,383 of them takes 0.07 s here, where whole blocks of states are seen at once (see
settled.py), 1.3 and 2.5 s there, 15 s with Z3. And they have no wheels for some machines (Linux on arm64 with Python 3.12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.deadline import Deadline, look

CONFLICTS = 300
CONFLICTS_PER_SOLUTION = 8


class GiveUp(Exception):
    """The problem needs a real solver."""


class Search:
    """A set of clauses over variables 1..n (1 is TRUE); `inputs` are the free variables, in the order to decide them."""

    def __init__(self, clauses: Sequence[Sequence[Lit]], variables: int, inputs: Sequence[Lit], deadline: Deadline) -> None:
        self.deadline, self.variables = deadline, variables
        self.values = values = [0] * (2 * variables + 2)  # 1 true, -1 false, 0 open; values[-v] is the negation's
        values[1], values[-1] = 1, -1
        self.trail: list[Lit] = []
        self.head = 0
        self.binary: list[list[Lit]] = [[] for _ in range(2 * variables + 2)]
        self.watches: list[list[list[Lit]]] = [[] for _ in range(2 * variables + 2)]
        self.inputs = inputs
        self.conflicts = 0
        self.allowed = CONFLICTS
        self.contradiction = not self._load(clauses)
        self.root = len(self.trail)

    def _load(self, clauses: Sequence[Sequence[Lit]]) -> bool:
        binary, watches = self.binary, self.watches
        units = []
        for i, clause in enumerate(clauses):
            size = len(clause)
            if not i & 4095:
                look(self.deadline)
            if size == 2:
                a, b = clause
                binary[a].append(b)
                binary[b].append(a)
            elif size > 2:
                lits = list(clause)
                watches[lits[0]].append(lits)
                watches[lits[1]].append(lits)
            elif size == 1:
                units.append(clause[0])
            else:
                return False
        return all(self._assert(lit) for lit in units)

    # ------------------------------------------------------------ propagation

    def _assert(self, lit: Lit) -> bool:
        """Make `lit` true and draw the consequences; False on a conflict. binary[a] lists what a clause (a, b) forces."""
        values = self.values
        if values[lit]:
            return values[lit] == 1
        values[lit], values[-lit] = 1, -1
        self.trail.append(lit)
        return self._propagate()

    def _propagate(self) -> bool:
        values, trail, binary, watches = self.values, self.trail, self.binary, self.watches
        head = self.head
        while head < len(trail):
            false = -trail[head]
            head += 1
            for other in binary[false]:
                value = values[other]
                if value < 0:
                    self.head = len(trail)
                    return False
                if not value:
                    values[other], values[-other] = 1, -1
                    trail.append(other)
            watching = watches[false]
            if not watching:
                continue
            kept: list[list[Lit]] = []
            for i, clause in enumerate(watching):
                if clause[0] == false:
                    clause[0], clause[1] = clause[1], false
                first = clause[0]
                if values[first] > 0:
                    kept.append(clause)
                    continue
                for k in range(2, len(clause)):
                    if values[clause[k]] >= 0:
                        clause[1], clause[k] = clause[k], false
                        watches[clause[1]].append(clause)
                        break
                else:
                    kept.append(clause)
                    if values[first] < 0:
                        kept.extend(watching[i + 1 :])
                        watches[false] = kept
                        self.head = len(trail)
                        return False
                    values[first], values[-first] = 1, -1
                    trail.append(first)
            watches[false] = kept
        self.head = head
        return True

    def _undo(self, length: int) -> None:
        values, trail = self.values, self.trail
        for lit in trail[length:]:
            values[lit] = values[-lit] = 0
        del trail[length:]
        self.head = length

    # ------------------------------------------------------------ questions

    def satisfiable(self, assumptions: Iterable[Lit] = ()) -> bool:
        """Whether there is a solution in which the assumptions hold; it stays, for `holding`. Raises GiveUp or Timeout."""
        self.allowed = self.conflicts + CONFLICTS
        return next(self._solutions(assumptions, (), lambda _: False), None) is not None

    def holding(self, variables: Iterable[Lit]) -> set[Lit]:
        """Which of `variables` are true in the solution just found; those it leaves open are false."""
        values = self.values
        return {v for v in variables if values[v] > 0}

    def solutions(
        self, assumptions: Iterable[Lit], projected: Sequence[Lit], read: Sequence[Lit], free: Callable[[Sequence[int]], bool]
    ) -> Iterator[Sequence[int]]:
        """One solution for each way the literals `projected` can come out: a table from literal to 1 (true) or -1, good for
        the literals `read` (all of which must be roots, with their negations) until the next solution is asked for.

        `free` tells of a table with open entries (0) whether every choice of these is a solution; then it is given as it is.
        """
        assert all(abs(lit) <= self.variables for lit in read)
        self.allowed = self.conflicts + CONFLICTS
        for _ in self._solutions(assumptions, projected, free):
            self.allowed += CONFLICTS_PER_SOLUTION
            yield self.values

    def _solutions(
        self, assumptions: Iterable[Lit], projected: Sequence[Lit], free: Callable[[Sequence[int]], bool]
    ) -> Iterator[bool]:
        if self.contradiction:
            return
        self._undo(self.root)
        for lit in assumptions:
            if lit == FALSE or (lit != TRUE and not self._assert(lit)):
                return
        first = [abs(lit) for lit in projected]
        order = [*dict.fromkeys(first), *self.inputs]
        split = len(dict.fromkeys(first))  # before this place in `order`, both values matter
        values = self.values
        decisions: list[tuple[int, Lit, int]] = []  # (trail length before, literal decided, place in order)
        at = 0
        while True:
            look(self.deadline)
            while at < len(order) and values[order[at]]:
                at += 1
            if at < split and free(values):
                yield True
                keep = split
            elif at < len(order):
                decisions.append((len(self.trail), -order[at], at))
                if self._assert(-order[at]):
                    continue
                self._conflict()
                keep = len(order)
            else:
                yield True
                keep = split
            at = self._back(decisions, keep)
            if at < 0:
                return

    def _conflict(self) -> None:
        self.conflicts += 1
        if self.conflicts > self.allowed:
            raise GiveUp

    def _back(self, decisions: list[tuple[int, Lit, int]], keep: int) -> int:
        """Take back decisions until one, placed before `keep`, can be turned round; its place, or -1 when none is left."""
        while decisions:
            length, lit, place = decisions.pop()
            self._undo(length)
            if place >= keep:
                continue
            if self._assert(-lit):
                return place + 1
            self._conflict()
            keep = len(self.values)
        return -1
