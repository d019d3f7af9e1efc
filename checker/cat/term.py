"""A memory model, elaborated: relational terms and the axioms over them. No names to resolve, no functions, no files.

Terms are hash-consed, so equal subterms are one object, compared by identity and evaluated once. About a dozen operators:

    leaf     a base set or relation of the event graph          union inter diff seq inverse plus
    id       [S]                                                product   S * T
    domain, range                                               values    pairs of r whose values differ
    var/fix  a component of `let rec`                           single    the event a bound variable stands for
    orders   a total order per location on S that extends r     choice    one pair of r(e) for each e in S
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from checker.core.source import NOWHERE, Span, Unsupported
from checker.program.ir import Table


class Term:
    """A node. `kind` is "set" or "rel"; `name` is a leaf's or a variable's name; `bodies` are a fix's components."""

    __slots__ = ("args", "bodies", "free", "index", "kind", "loops", "monotone", "name", "op", "span", "unfolded")

    def __init__(self, op: str, kind: str, args: tuple[Term, ...], name: str, span: Span, index: int) -> None:
        self.op, self.kind, self.args, self.name, self.span, self.index = op, kind, args, name, span, index
        self.bodies: tuple[Term, ...] = ()  # a fix: the right sides of its group, over variables
        self.unfolded: Term = self  # a fix: its own right side, over the fixes of its group
        self.monotone = True
        self.free: frozenset[str] = frozenset().union(*[a.free for a in args])
        if op in ("var", "single"):
            self.free |= {name}
        elif op == "choice":  # its name is the variable its second argument is about
            self.free -= {name}
        self.loops: bool = op in ("plus", "fix", "var") or any(a.loops for a in args)

    def __repr__(self) -> str:
        return show(self)


class Terms:
    """The interning table of one model."""

    def __init__(self) -> None:
        self._table: dict[tuple[object, ...], Term] = {}
        self.all: list[Term] = []
        self.generators: list[Term] = []  # orders and choices, in the order in which the model makes them
        self.empty_rel = self.make("empty", "rel")
        self.empty_set = self.make("empty", "set")
        self.universe = self.make("leaf", "set", name="_")
        self.identity = self.make("id", "rel", (self.universe,))

    def make(self, op: str, kind: str, args: tuple[Term, ...] = (), name: str = "", span: Span = NOWHERE) -> Term:
        """The term with this operator and these arguments; made if it is new."""
        key = (op, kind, name, *[a.index for a in args])
        term = self._table.get(key)
        if term is None:
            term = self._table[key] = Term(op, kind, args, name, span, len(self.all))
            self.all.append(term)
            if op in ("orders", "choice"):
                self.generators.append(term)
        return term

    def union(self, parts: tuple[Term, ...], span: Span = NOWHERE) -> Term:
        flat: dict[int, Term] = {}
        for part in parts:
            for t in part.args if part.op == "union" else (part,):
                if t.op != "empty":
                    flat[t.index] = t
        if not flat:
            return parts[0]
        if len(flat) == 1:
            return next(iter(flat.values()))
        return self.make("union", parts[0].kind, tuple(flat.values()), span=span)

    def inter(self, a: Term, b: Term, span: Span = NOWHERE) -> Term:
        if a.op == "empty" or b is a or (b is self.universe):
            return a
        if b.op == "empty" or a is self.universe:
            return b
        return self.make("inter", a.kind, (a, b), span=span)

    def diff(self, a: Term, b: Term, span: Span = NOWHERE) -> Term:
        if a.op == "empty" or b.op == "empty":
            return a
        return self.make("diff", a.kind, (a, b), span=span)

    def seq(self, a: Term, b: Term, span: Span = NOWHERE) -> Term:
        if a.op == "empty" or b is self.identity:
            return a
        if b.op == "empty" or a is self.identity:
            return b
        if a.op == "id" and b.op == "id":
            return self.diagonal(self.inter(a.args[0], b.args[0], span), span)
        return self.make("seq", "rel", (a, b), span=span)

    def diagonal(self, a: Term, span: Span = NOWHERE) -> Term:
        return self.empty_rel if a.op == "empty" else self.make("id", "rel", (a,), span=span)

    def projection(self, op: str, r: Term, span: Span = NOWHERE) -> Term:
        """The domain or the range of a relation."""
        return self.empty_set if r.op == "empty" else self.make(op, "set", (r,), span=span)

    def inverse(self, a: Term, span: Span = NOWHERE) -> Term:
        if a.op in ("empty", "id"):
            return a
        if a.op == "inverse":
            return a.args[0]
        return self.make("inverse", "rel", (a,), span=span)

    def plus(self, a: Term, span: Span = NOWHERE) -> Term:
        return a if a.op in ("empty", "plus", "id") else self.make("plus", "rel", (a,), span=span)

    def optional(self, a: Term, span: Span = NOWHERE) -> Term:
        return self.union((self.identity, a), span)

    def star(self, a: Term, span: Span = NOWHERE) -> Term:
        return self.optional(self.plus(a, span), span)

    def fix(self, names: tuple[str, ...], bodies: tuple[Term, ...], span: Span) -> tuple[Term, ...]:
        """The components of `let rec names = bodies`, where the bodies use the variables `names`."""
        if len(names) == 1 and (same := self._closure(names[0], bodies[0], span)):
            return (same,)
        group = "+".join(names)
        monotone = all(_monotone(b, frozenset(names)) for b in bodies)
        made = []
        for name, body in zip(names, bodies, strict=True):
            term = self.make("fix", body.kind, (), f"{name}@{group}", span)
            term.bodies = bodies
            term.monotone = monotone
            term.loops = True
            term.free = frozenset().union(*[b.free for b in bodies]) - frozenset(names)
            made.append(term)
        fixed = dict(zip(names, made, strict=True))
        for term, body in zip(made, bodies, strict=True):
            term.unfolded = self.substitute(body, fixed)
        return tuple(made)

    def _closure(self, name: str, body: Term, span: Span) -> Term | None:
        """What `let rec r = … | r; r` defines: r+ of the rest."""
        parts = body.args if body.op == "union" else (body,)
        rest = tuple([p for p in parts if name not in p.free])
        loops = [p for p in parts if name in p.free]
        if rest and all(p.op == "seq" and all(a.op == "var" and a.name == name for a in p.args) for p in loops):
            return self.plus(self.union(rest, span), span) if loops else body
        return None

    def substitute(self, term: Term, values: dict[str, Term]) -> Term:
        """`term` with its free variables replaced. The result is interned like any other term."""
        memo: dict[int, Term] = {}

        def walk(t: Term) -> Term:
            if t.free.isdisjoint(values):
                return t
            found = memo.get(t.index)
            if found is None:
                if t.op in ("var", "single"):
                    found = values[t.name]
                elif t.op == "fix":
                    raise Unsupported("a recursive definition inside another that uses its names", t.span)
                else:
                    found = self.make(t.op, t.kind, tuple([walk(a) for a in t.args]), t.name, t.span)
                memo[t.index] = found
            return found

        return walk(term)


def _monotone(t: Term, names: frozenset[str]) -> bool:
    """Whether no variable of `names` stands on the right of a difference in t."""
    if not t.free & names:
        return True
    if t.op == "diff" and t.args[1].free & names:
        return False
    return all(_monotone(a, names) for a in t.args)


_INFIX = {"union": " | ", "inter": " & ", "diff": " \\ ", "seq": "; ", "product": " * "}


def show(t: Term, depth: int = 6) -> str:
    """The term in cat syntax, cut off below `depth`."""
    if depth == 0:
        return "…"
    inner = [show(a, depth - 1) for a in t.args]
    match t.op:
        case "leaf" | "var" | "single":
            return t.name
        case "fix":
            return t.name.partition("@")[0]
        case "empty":
            return "0" if t.kind == "rel" else "{}"
        case "id":
            return f"[{inner[0]}]"
        case "inverse":
            return f"{inner[0]}^-1"
        case "plus":
            return f"{inner[0]}+"
        case op if op in _INFIX:
            return "(" + _INFIX[op].join(inner) + ")"
    return f"{t.op}({', '.join(inner)})"


class Axiom(Struct, frozen=True):
    """A check: `kind` is acyclic, irreflexive or empty; `role` is check, flag, undefined_unless or assert."""

    kind: str
    term: Term
    name: str
    negated: bool = False
    role: str = "check"
    span: Span = NOWHERE


class Model(Struct, frozen=True):
    """A memory model ready to use: what must hold, what is flagged, and what the primitives of C tests mean under it.

    `names` are the relations and sets a reader of the model knows, for reports; `key` is a digest of all its files; `answers` are
    the names under which a test may speak of it, the nearest first; `machine` is the folder of isa/ that `primitives` are made for.
    `compiled`: C is taken as machine code made of it (the accesses of an expression come in some order that C allows), not as
    herd has it (what C leaves open has no order). `coherent` and `in_order`: see the functions of these names. `mixed`: it says
    what the parts of an access are to each other (`sm`, `si`), so accesses of several sizes can be asked about. `registers`: it is
    about events of registers too.
    """

    name: str
    title: str
    axioms: tuple[Axiom, ...]
    terms: Terms
    names: dict[str, Term]
    primitives: Table | None = None
    plan: tuple[Term, ...] = ()  # all terms of the checks, parts before wholes
    key: str = ""
    archs: tuple[str, ...] = ("C",)
    compiled: bool = False
    answers: tuple[str, ...] = ()
    coherent: bool = False
    mixed: bool = False
    registers: bool = False
    in_order: frozenset[int] = frozenset()
    machine: str = ""

    def __repr__(self) -> str:
        return f"Model({self.name!r})"


def in_order(axioms: Iterable[Axiom], terms: Terms) -> frozenset[int]:
    """The coherence orders (by index) that agree with program order, since an axiom has a cycle where they do not."""
    unions = [a.term for a in axioms if coherent((a,))]
    return frozenset(t.index for t in terms.generators if t.op == "orders" and any(_includes(union, t) for union in unions))


def _includes(term: Term, part: Term) -> bool:
    """Whether all of `part` is in `term` whatever the test: as a member of a union, or composed with what may be skipped."""
    if term is part:
        return True
    if term.op == "union":
        return any(_includes(t, part) for t in term.args)
    if term.op == "seq":
        return any(_includes(t, part) and _skippable(other) for t, other in (term.args, term.args[::-1]))
    return False


def _skippable(term: Term) -> bool:
    return term.op == "union" and any(t.op == "id" and t.args[0].name == "_" for t in term.args)


def coherent(axioms: Iterable[Axiom]) -> bool:
    """Whether an axiom has program order per location and rf agree: no read takes what its own thread writes later."""
    return any(a.role == "check" and a.kind == "acyclic" and not a.negated and _coherent(a.term) for a in axioms)


def _coherent(term: Term) -> bool:
    """Whether a union holds all of rf, and all of po & loc but the pairs of a read-modify-write."""
    parts = term.args if term.op == "union" else (term,)
    reads = any(part.op == "leaf" and part.name == "rf" for part in parts)
    return reads and any(map(_has_program_order, parts))


def _has_program_order(term: Term) -> bool:
    match term.op:
        case "leaf":
            return term.name == "po"
        case "diff":
            return _has_program_order(term.args[0]) and term.args[1].name == "rmw"
        case "inter":
            return any(_has_program_order(a) and b.name == "loc" for a, b in (term.args, term.args[::-1]))
    return False
