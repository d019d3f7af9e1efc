"""Boolean circuits, hash-consed: a literal is an int, its negation is minus it, TRUE is 1.

Gates fold at construction, so constants never reach the solver. `name` makes a free variable; `both`/`either` make (or
find) gates. `Circuit.imply` records a one-sided constraint `body => head`, which is how closures are written: any relation
closed under its rules is large enough (Plaisted and Greenbaum 1986). `clauses` turns what a set of asserted literals needs
into CNF, each gate only in the directions in which it is used.

    c = Circuit(); x = c.name(); y = c.name()
    c.both((x, y, TRUE)) == c.both((y, x))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from checker.core import memory
from checker.core.deadline import Deadline, look

Lit: TypeAlias = int
TRUE: Lit = 1
FALSE: Lit = -1
LOOK = 1 << 16


class Circuit:
    """Mutable while one test is encoded; one per check. Node i is a variable (`gates[i]` is None) or an AND of literals."""

    __slots__ = ("_looked", "_table", "constraints", "deadline", "derived", "exclusive", "gates", "one_of", "rules")

    def __init__(self, deadline: Deadline = None) -> None:
        self.deadline = deadline
        self.gates: list[tuple[Lit, ...] | None] = [None, None]  # 0 is unused, 1 is TRUE
        self._table: dict[tuple[Lit, ...], Lit] = {}
        self.constraints: list[tuple[Lit, ...]] = []  # each an asserted clause over literals
        self.rules: list[tuple[Lit, Lit]] = []  # (body, head): body => head, where the head is derived
        self.one_of: list[tuple[Lit, ...]] = []  # variables exactly one of which holds
        self.derived: set[Lit] = set()  # names that constraints define (the least solution is meant), not free choices
        self._looked = LOOK  # the size at which to look at the memory used next
        self.exclusive: dict[Lit, int] = {}  # literals with the same group number never hold together

    def name(self) -> Lit:
        """A new free variable."""
        self.gates.append(None)
        return len(self.gates) - 1

    def derive(self) -> Lit:
        """A new variable that `imply` will define from below: closures and `let rec`."""
        lit = self.name()
        self.derived.add(lit)
        return lit

    def both(self, lits: Iterable[Lit]) -> Lit:
        """The conjunction of `lits`."""
        found: set[Lit] = set()
        for lit in lits:
            if lit == FALSE or -lit in found:
                return FALSE
            if lit != TRUE:
                found.add(lit)
        if not found:
            return TRUE
        if len(found) == 1:
            return found.pop()
        exclusive = self.exclusive
        if exclusive:
            groups = [g for g in map(exclusive.get, found) if g is not None]
            if len(groups) > 1 and len(set(groups)) < len(groups):
                return FALSE
        key = tuple(sorted(found))
        return self._table.get(key) or self._made(key)

    def _made(self, key: tuple[Lit, ...]) -> Lit:
        """The gate of `key`, made now."""
        lit = self._table[key] = len(self.gates)
        self.gates.append(key)
        if not lit & 1023:
            self.look()
        return lit

    def both2(self, a: Lit, b: Lit) -> Lit:
        """a and b."""
        if a == TRUE or a == b:
            return b
        if b == TRUE:
            return a
        if a == FALSE or b == FALSE or a == -b:
            return FALSE
        if self.exclusive:
            group = self.exclusive.get(a)
            if group is not None and group == self.exclusive.get(b):
                return FALSE
        key = (a, b) if a < b else (b, a)
        return self._table.get(key) or self._made(key)

    def either(self, lits: Iterable[Lit]) -> Lit:
        """The disjunction of `lits`."""
        found: set[Lit] = set()
        for lit in lits:
            if lit == TRUE or -lit in found:
                return TRUE
            if lit != FALSE:
                found.add(lit)
        if not found:
            return FALSE
        if len(found) == 1:
            return found.pop()
        key = tuple(sorted([-lit for lit in found]))
        return -(self._table.get(key) or self._made(key))

    def either2(self, a: Lit, b: Lit) -> Lit:
        """a or b."""
        if a == FALSE or a == b:
            return b
        if b == FALSE:
            return a
        if a == TRUE or b == TRUE or a == -b:
            return TRUE
        key = (-a, -b) if a > b else (-b, -a)
        return -(self._table.get(key) or self._made(key))

    def require(self, clause: Iterable[Lit]) -> None:
        """Assert that some literal of `clause` holds."""
        lits = set(clause)
        if TRUE in lits:
            return
        lits.discard(FALSE)
        for lit in lits:
            if -lit in lits:
                return
        self.constraints.append(tuple(sorted(lits)))
        if not len(self.constraints) & 1023:
            self.look()

    def imply(self, body: Lit, head: Lit) -> None:
        """Assert body => head; a rule of the definition of `head` when that is a derived variable."""
        if body == FALSE or head == TRUE or body == head:
            return
        if head in self.derived:
            self.rules.append((body, head))
        else:
            self.require((-body, head))

    def look(self) -> None:
        """Raise Timeout when the deadline has come, OutOfMemory when there is no room for a circuit that has grown."""
        look(self.deadline)
        size = len(self.gates) + len(self.constraints)
        if size >= self._looked:
            self._looked = size + LOOK
            memory.look()

    def exactly_one(self, guard: Lit, lits: Sequence[Lit]) -> None:
        """Assert: if `guard`, exactly one of `lits`; in any case at most one."""
        self.require((-guard, *lits))
        for i, a in enumerate(lits):
            for b in lits[i + 1 :]:
                self.require((-a, -b))

    def choice(self, count: int) -> list[Lit]:
        """`count` literals exactly one of which holds; of two, one is the other's negation."""
        if count <= 1:
            return [TRUE] * count
        if count == 2:
            lit = self.name()
            return [-lit, lit]
        lits = [self.name() for _ in range(count)]
        for lit in lits:
            self.exclusive[lit] = len(self.one_of)
        self.one_of.append(tuple(lits))
        return lits

    def clauses(self, roots: Iterable[Lit], emitted: set[Lit] | None = None) -> list[Sequence[Lit]]:
        """CNF of the constraints and of what defines `roots` and the literals in constraints.

        A literal in `roots` may be assumed or asserted: whenever it holds in a solution, so does what it stands for. The
        literals whose definitions are given are added to `emitted`.
        """
        cnf: list[Sequence[Lit]] = [*self.constraints, *[(head,) if body == TRUE else (-body, head) for body, head in self.rules]]
        todo = [lit for clause in cnf for lit in clause]
        for lits in self.one_of:
            cnf.append(lits)
            cnf.extend([(-a, -b) for i, a in enumerate(lits) for b in lits[i + 1 :]])
            self.look()
        todo.extend(roots)
        cnf.extend(self.definitions(todo, set() if emitted is None else emitted))
        return cnf

    def definitions(self, todo: list[Lit], emitted: set[Lit]) -> list[Sequence[Lit]]:
        """What defines the literals of `todo` (consumed) and all they are made of, but for those in `emitted`; they are added."""
        gates = self.gates
        cnf: list[Sequence[Lit]] = []
        emitted.update((TRUE, FALSE))
        while todo:
            lit = todo.pop()
            if lit in emitted:
                continue
            emitted.add(lit)
            args = gates[abs(lit)]
            if args is None:
                continue
            if not len(emitted) & 1023:
                self.look()
            if lit > 0:
                for arg in args:
                    cnf.append((-lit, arg))
                todo.extend(args)
            else:
                negated = [-arg for arg in args]
                cnf.append((-lit, *negated))
                todo.extend(negated)
        return cnf

    def inputs(self, lits: Iterable[Lit]) -> set[Lit]:
        """The variables that `lits` are made of."""
        found: set[Lit] = set()
        seen = {TRUE}
        todo = {abs(lit) for lit in lits}
        while todo:
            node = todo.pop()
            if node in seen:
                continue
            seen.add(node)
            args = self.gates[node]
            if args is None:
                found.add(node)
            else:
                todo.update(map(abs, args))
        return found

    def value(self, lit: Lit, holds: set[int], cache: dict[Lit, bool]) -> bool:
        """Whether `lit` is true when exactly the variables in `holds` are; `cache` is filled (nodes to truth)."""
        todo = [abs(lit)]
        gates = self.gates
        while todo:
            node = todo[-1]
            if node in cache:
                todo.pop()
            elif (args := gates[node]) is None:
                cache[node] = node == TRUE or node in holds
            elif below := [abs(arg) for arg in args if abs(arg) not in cache]:
                todo.extend(below)
            else:
                cache[node] = all([cache[abs(arg)] == (arg > 0) for arg in args])
        return cache[abs(lit)] == (lit > 0)
