"""What an execution that was cut off could still do, had its loops been followed further.

The code before its loops are unrolled says which kinds of events there can be at all. Over these kinds, with every relation as
large as it can be, the term of a check has a value that holds whatever any longer execution holds: where it is empty, no number
of rounds raises a flag. What only the code's shape decides (tags, program order, locations that are not computed) shows as
soon as each statement has taken part, those of a loop in two rounds: a lock without an unlock does not wait for the third.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy

from msgspec import Struct

from checker.cat.term import Axiom, Term
from checker.core.rel import Rows, closure, codomain, compose, domain, identity, inverse, product, restrict
from checker.program.events import INIT_TID, Event
from checker.program.ir import Assign, Branch, Choose, Instr, Label, Load, Mark, Reg, Store, Test
from checker.solve.proposition import observed_memory

_SHAPE = frozenset({"po", "int", "ext", "id"})  # what the code alone decides
_OF_REGISTERS = (("Rreg",), ("Rreg", "ADDR"), ("Rreg", "DATA"), ("Rreg", "ADDR", "DATA"), ("Wreg",), ("B",), ("B", "BCC"))
"""The sets that an event of a register is in (program/registers.py)."""


ANYWHERE = "?"


class _Kind(Struct, frozen=True):
    """All events of one thread with the same tags, at one location."""

    tid: int
    kind: str
    tags: frozenset[str]
    place: str  # the global it is at, ANYWHERE when that is computed, "" when it has no location


class Beyond:
    """The kinds of events of a test's code, and what they may be related by."""

    def __init__(self, test: Test, codes: Sequence[tuple[Instr, ...]], taken: Iterable[Event], *, registers: bool = False) -> None:
        """`codes` have their loops still; `taken` are events that took part in what was followed, two of each statement that
        did so twice. `registers`: there are events of registers as well."""
        kinds = {_Kind(INIT_TID, "IW", frozenset(), g.address.name): None for g in test.globals}
        self.observed = {ANYWHERE, *[address.name for address in observed_memory(test)]}
        seen = Counter([(e.tid, e.span, e.tags) for e in taken])
        self.all_seen = not registers
        self.of_loops: set[_Kind] = set()  # what rounds of loops are made of, beside what their code says
        self.shape = _SHAPE | {"loc"}
        self.code: list[tuple[Sequence[Instr], list[range], dict[int, _Kind]]] = []
        for thread, code in zip(test.threads, codes, strict=True):
            assigned = {instr.dst for instr in code if isinstance(instr, Assign | Choose | Load | Mark)}
            fixed = set(thread.params) - assigned
            loops = loops_of(code)
            self.code.append((code, loops, {}))
            for tags in _OF_REGISTERS if registers else ():
                of_register = _Kind(thread.tid, "F", frozenset(tags), ANYWHERE)
                kinds[of_register] = None
                if loops:
                    self.of_loops.add(of_register)
            for i, instr in enumerate(code):
                if isinstance(instr, Load | Store | Mark):
                    kind = "R" if isinstance(instr, Load) else "W" if isinstance(instr, Store) else "F"
                    place = "" if instr.addr is None else ANYWHERE
                    if isinstance(instr.addr, Reg) and instr.addr.name in fixed:
                        place = instr.addr.name
                    made = self.code[-1][2][i] = _Kind(thread.tid, kind, instr.tags, place)
                    kinds[made] = None
                    rounds = 2 if any(i in loop for loop in loops) else 1
                    self.all_seen = self.all_seen and seen[thread.tid, instr.span, instr.tags] >= rounds
                    if place == ANYWHERE:  # what nobody declared begins with a value, too
                        self.shape = _SHAPE
                        kinds[_Kind(INIT_TID, "IW", frozenset(), ANYWHERE)] = None
        self.kinds = list(kinds)
        self.n = len(self.kinds)
        self.everything = (1 << self.n) - 1
        self.full: Rows = (self.everything,) * self.n
        self.values: dict[int, Rows] = {}
        self.singles: dict[str, Rows] = {}  # what the variable of a choice may be; of a set, its members as pairs

    def of_single(self, choice: Term) -> tuple[Rows, Rows]:
        """What choices may be made for (of a set, its members as pairs), and what from."""
        over = choice.args[0]
        members = self.rel(over) if over.kind == "rel" else identity(self.set(over)[1], self.n)
        other = copy(self)
        other.values, other.singles = {}, {**self.singles, choice.name: members}
        return members, other.rel(choice.args[1])

    def may_fail(self, axiom: Axiom) -> bool:
        """Whether a longer execution may fail this check, or raise it, if it is a flag."""
        fails_when_full = (axiom.role == "flag") == axiom.negated
        if not fails_when_full:
            return True
        if self.all_seen and self.of_shape(axiom.term) and self.steady(axiom.term):
            return False
        if axiom.term.kind == "set":
            return bool(self.set(axiom.term)[1])
        rows = self.rel(axiom.term)
        if axiom.kind == "acyclic":
            rows = closure(rows)
        if axiom.kind == "empty":
            return any(rows)
        return any(row >> a & 1 for a, row in enumerate(rows))

    # ------------------------------------------------------------ sets: (must, may) over kinds

    def set(self, term: Term) -> tuple[int, int]:
        args = term.args
        match term.op:
            case "empty":
                return 0, 0
            case "leaf":
                if term.name == "FW":
                    places = sum(1 << i for i, k in enumerate(self.kinds) if k.place in self.observed)
                    return 0, self.members("W") & places
                mask = self.members(term.name)
                return mask, mask
            case "union":
                parts = [self.set(a) for a in args]
                must = may = 0
                for a, b in parts:
                    must, may = must | a, may | b
                return must, may
            case "inter":
                (a, b), (c, d) = self.set(args[0]), self.set(args[1])
                return a & c, b & d
            case "diff":
                (a, b), (c, d) = self.set(args[0]), self.set(args[1])
                return a & ~d, b & ~c
            case "domain":
                return 0, domain(self.rel(args[0]))
            case "range":
                return 0, codomain(self.rel(args[0]))
            case "single":
                return 0, domain(self.singles.get(term.name, self.full))
        return 0, self.everything  # recursive, or chosen by the execution

    def members(self, name: str) -> int:
        found = 0
        for i, k in enumerate(self.kinds):
            inside = {
                "_": True, "R": "R" in (k.kind, *k.tags), "W": k.kind in ("W", "IW"), "IW": k.kind == "IW", "M": k.kind != "F"
            }.get(name, name in k.tags)  # fmt: skip
            found |= inside << i
        return found

    # ------------------------------------------------------------ relations: may only

    def rel(self, term: Term) -> Rows:
        found = self.values.get(term.index)
        if found is None:
            found = self.values[term.index] = self._rel(term)
        return found

    def _rel(self, term: Term) -> Rows:
        args = term.args
        match term.op:
            case "empty":
                return (0,) * self.n
            case "leaf":
                return self.leaf(term.name)
            case "union":
                rows = [0] * self.n
                for part in args:
                    rows = [a | b for a, b in zip(rows, self.rel(part), strict=True)]
                return tuple(rows)
            case "inter":
                return tuple([a & b for a, b in zip(self.rel(args[0]), self.rel(args[1]), strict=True)])
            case "diff":
                if args[1].op == "product":
                    less = product(self.set(args[1].args[0])[0], self.set(args[1].args[1])[0], self.n)
                    return tuple([a & ~b for a, b in zip(self.rel(args[0]), less, strict=True)])
                return self.rel(args[0])
            case "seq":
                return compose(self.rel(args[0]), self.rel(args[1]))
            case "inverse":
                return inverse(self.rel(args[0]))
            case "id":
                return identity(self.set(args[0])[1], self.n)
            case "product":
                return product(self.set(args[0])[1], self.set(args[1])[1], self.n)
            case "plus":
                return closure(self.rel(args[0]))
            case "values":
                return self.rel(args[0])
            case "single":
                return self.singles.get(term.name, self.full)
            case "choice":
                return self.of_single(term)[1]
            case "orders":
                written = self.set(args[0])[1]
                return restrict(written, self.leaf("loc"), written)
        return self.full

    def leaf(self, name: str) -> Rows:
        rows = []
        for k in self.kinds:
            row = 0
            for j, other in enumerate(self.kinds):
                row |= self.related(name, k, other) << j
            rows.append(row)
        return tuple(rows)

    def related(self, name: str, a: _Kind, b: _Kind) -> bool:
        """Whether some event of kind a may be related by a base relation to one of kind b."""
        within = a.tid == b.tid != INIT_TID
        match name:
            case "ext":
                return a.tid != b.tid
            case "loc":
                return bool(a.place and b.place) and (a.place == b.place or ANYWHERE in (a.place, b.place))
            case "rf":
                return a.kind in ("W", "IW") and b.kind == "R"
            case "id":
                return a == b
            case "sm" | "si":
                return a.kind != "F" and (a == b or within)
            case "rmw" | "amo":
                return within and (a.kind, b.kind) == ("R", "W")
            case "same-low-order-bits":
                return "F" not in (a.kind, b.kind)
            case "rf-reg":
                return within and "Wreg" in a.tags and "Rreg" in b.tags
        return within  # int, po, and dependencies, which may begin and end at marks

    def of_shape(self, term: Term) -> bool:
        """Whether only tags and program order, and no values, decide a term."""
        seen: set[int] = set()
        todo = [term]
        while todo:
            t = todo.pop()
            if t.index in seen:
                continue
            seen.add(t.index)
            if t.op in ("orders", "choice", "values", "single", "fix"):  # a fixpoint may count rounds
                return False
            if t.op == "leaf" and (t.name == "FW" or (t.kind == "rel" and t.name not in self.shape)):
                return False
            todo.extend((*t.args, *t.bodies))
        return True

    def steady(self, term: Term) -> bool:
        """Whether the events that a term names are the same in every round, and two rounds are as many as it can tell apart."""
        if any(times > 2 for times in _named(term, {}).values()):
            return False
        named = 0
        for name in _sets(term):
            named |= self.members(name)
        known = {kind for i, kind in enumerate(self.kinds) if named >> i & 1}
        for code, loops, kinds in self.code:
            at = {instr.name: i for i, instr in enumerate(code) if isinstance(instr, Label)}
            for i, instr in enumerate(code):
                if not isinstance(instr, Branch) or (target := at[instr.target]) <= i:
                    continue
                left = max([loop for loop in loops if i in loop and target > loop.stop], key=len, default=None)
                skipped = [*range(i, target)] if left is None else [*range(left.start, i), *range(left.stop, target)]
                if any(kinds.get(k) in known for k in skipped):
                    return False
        return True


def _sets(term: Term) -> set[str]:
    """The sets of events that a term names, but for that of all events."""
    seen: dict[int, Term] = {}
    todo = [term]
    while todo:
        t = todo.pop()
        if t.index not in seen:
            seen[t.index] = t
            todo.extend(t.args)
    return {t.name for t in seen.values() if t.op == "leaf" and t.kind == "set" and t.name != "_"}


def _named(term: Term, known: dict[int, Counter[str]]) -> Counter[str]:
    """How many events of each set one instance of a term may be made of; what is taken away from it does not count."""
    if term.index in known:
        return known[term.index]
    found = Counter({term.name: 1}) if term.op == "leaf" and term.kind == "set" else Counter[str]()
    for part in [_named(a, known) for a in (term.args[:1] if term.op == "diff" else term.args)]:
        found = found | part if term.op == "union" else found + part
    known[term.index] = found = Counter(dict.fromkeys(found, 3)) if term.op == "plus" else found
    return found


def loops_of(code: Sequence[Instr]) -> list[range]:
    """From where to where branches go back."""
    at = {instr.name: i for i, instr in enumerate(code) if isinstance(instr, Label)}
    return [range(at[b.target], i) for i, b in enumerate(code) if isinstance(b, Branch) and at[b.target] <= i]
