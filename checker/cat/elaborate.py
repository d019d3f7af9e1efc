"""cat files to terms: names are resolved, functions applied, files included, conditions decided. Once per model.

An environment maps names to values; `let` extends it, so rebinding (`let addr = carry-dep; addr`) is lexical scoping. What
depends on a test's events stays a term. The set functions of the standard library (map, cross, linearisations…) are known
here by name: over events they only ever make coherence orders and single-edge choices, which are operators of their own.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec import Struct, field

from checker.cat import syntax as s
from checker.cat.base import (
    BASE_RELATIONS,
    BASE_SETS,
    OF_NOTHING,
    REFUSED,
    REGISTER_RELATIONS,
    REGISTER_SETS,
    WITHOUT_MEMBERS,
)
from checker.cat.term import Axiom, Term, Terms
from checker.cat.values import (
    PRIMITIVES,
    Choices,
    Closure,
    Edges,
    Element,
    Enumeration,
    Family,
    Orders,
    Pair,
    Primitive,
    Procedure,
    SetValue,
    TagValue,
    TupleValue,
    Value,
    describe,
)
from checker.core.source import LimitExceeded, Span, SyntaxProblem, UnknownName, Unsupported
from checker.program.builtins import event_set

MAX_CALLS = 200
_T = TypeVar("_T")


class Unbound(UnknownName):
    """A name that nothing defines; `try … with` catches it."""


class Elaboration(Struct):
    """What elaborating a model's files leaves behind. `registers`: it says `catdep`, and may use events of registers."""

    terms: Terms = field(default_factory=Terms)
    axioms: list[Axiom] = field(default_factory=list)
    env: dict[str, Value] = field(default_factory=dict)
    title: str = ""
    registers: bool = False


def elaborate(files: list[s.File], include: Callable[[str, Span], s.File], variants: frozenset[str]) -> Elaboration:
    """Elaborate `files` in order (standard library, bell, model) into terms and axioms.

    `include` finds and parses an included file; it refuses what it cannot find or may not read.
    """
    work = _Elaborator(include, variants)
    for file in files:
        work.file(file)
    return work.result


class _Elaborator:
    def __init__(self, include: Callable[[str, Span], s.File], variants: frozenset[str]) -> None:
        self.include, self.variants = include, variants
        self.result = Elaboration()
        self.terms = self.result.terms
        self.including: list[str] = []
        self.calls = 0
        self.fresh = 0
        env = self.result.env
        for name in BASE_SETS:
            env[name] = self.terms.make("leaf", "set", name=name)
        for name in BASE_RELATIONS:
            env[name] = self.terms.make("leaf", "rel", name=name)
        env["id"] = self.terms.identity
        self.also: dict[str, Term] = dict.fromkeys(WITHOUT_MEMBERS, self.terms.empty_set)
        """Other names for what there is, or is not."""
        self.also["Exp"] = self.terms.make("leaf", "set", name="M")  # accesses that the program makes, not the hardware
        self.also["PTEtoPA"] = self.terms.empty_rel
        for name in PRIMITIVES:
            env[name] = Primitive(name)

    # ------------------------------------------------------------ instructions

    def file(self, file: s.File) -> None:
        if file.catdep and not self.result.registers:
            self.registers(file)
        self.result.title = file.title or self.result.title
        self.body(file.body, "")

    def registers(self, file: s.File) -> None:
        """Have what `catdep` adds."""
        if self.including:
            raise Unsupported(
                "an included file says 'catdep', the model does not", Span(file.source, 1, 1), hint="say it in the model as well"
            )
        self.result.registers = True
        env = self.result.env
        for name in REGISTER_SETS:
            env[name] = self.terms.make("leaf", "set", name=name)
        for name in REGISTER_RELATIONS:
            env[name] = self.terms.make("leaf", "rel", name=name)
        env["NDATA"] = self.terms.diff(self.terms.universe, self.terms.make("leaf", "set", name="DATA"))

    def body(self, body: tuple[s.Ins, ...], label: str) -> None:
        for ins in body:
            self.instruction(ins, label)

    def instruction(self, ins: s.Ins, label: str) -> None:
        env = self.result.env
        match ins:
            case s.LetIns(bindings, rec):
                env.update(self.bindings(bindings, rec, env, ins.span))
            case s.Check(kind, exp, name, negated, role, span):
                term = self.term(exp, env)
                if kind == "irreflexive" and term.op == "plus":
                    kind, term = "acyclic", term.args[0]
                if term.op != "empty" or negated != (role == "flag"):  # else it holds, or is never raised, whatever the test
                    self.result.axioms.append(Axiom(kind, term, str(label or name or kind), negated, role, span))
            case s.Show():
                pass
            case s.Include(name, span):
                self.included(name, span)
            case s.Procedure(name):
                env[name] = Procedure(ins, dict(env))
            case s.CallIns(name, arg, call_label, span):
                self.call_procedure(name, self.value(arg, env), call_label or label, span)
            case s.WithFrom(name, exp, span):
                env[name] = self.chosen(self.value(exp, env), span)
            case s.IfIns(cond, then, orelse):
                self.body(then if self.condition(cond, env) else orelse, label)
            case s.EnumIns(name, tags):
                env[name] = Enumeration(tags)
                for tag in tags:
                    env[event_set(tag)] = self.terms.make("leaf", "set", name=event_set(tag))
            case s.Instructions():
                pass
            case s.MatchIns(arg, clauses, default, span):
                self.body(self.clause(self.value(arg, env), dict(clauses), default, span), label)
            case s.Forall(name, exp, body, span):
                self.for_all(name, self.value(exp, env), body, label, span)

    def included(self, name: str, span: Span) -> None:
        file = self.include(name, span)
        if file.source.name in self.including:
            chain = " → ".join([*self.including, file.source.name])
            raise LimitExceeded(f"'{name}' includes itself: {chain}", span)
        self.including.append(file.source.name)
        title = self.result.title
        self.file(file)
        self.result.title = title
        self.including.pop()

    def call_procedure(self, name: str, arg: Value, label: str, span: Span) -> None:
        procedure = self.lookup(name, self.result.env, span)
        if not isinstance(procedure, Procedure):
            raise SyntaxProblem(f"'{name}' is no procedure", span)
        self.enter(span)
        saved = self.result.env
        inner = dict(procedure.env)
        if procedure.syntax.rec:
            inner[name] = procedure
        inner.update(self.matched(procedure.syntax.param, arg, span))
        self.result.env = inner
        self.body(procedure.syntax.body, label)
        self.result.env = saved
        self.calls -= 1

    def for_all(self, name: str, over: Value, body: tuple[s.Ins, ...], label: str, span: Span) -> None:
        if not isinstance(over, SetValue | Enumeration):
            raise Unsupported("forall over a set that depends on the test's events", span)
        members = over.members if isinstance(over, SetValue) else tuple(map(TagValue, over.tags))
        saved = self.result.env
        for member in members:
            self.result.env = {**saved, name: member}
            self.body(body, label)
        self.result.env = saved

    def chosen(self, value: Value, span: Span) -> Value:
        """The relation that `with x from value` binds."""
        match value:
            case Orders(events, within):
                return self.terms.make("orders", "rel", (events, within), span=span)
            case Choices(domain, variable, member):
                return self.terms.make("choice", "rel", (domain, member), variable, span)
            case SetValue((single,)):
                return single
        raise Unsupported(
            "'with … from' takes coherence orders (generate_cos) or a cross of single-edge relations", span,
            hint="see cos.cat and lock.cat for the two forms",
        )  # fmt: skip

    # ------------------------------------------------------------ bindings and functions

    def bindings(self, bindings: tuple[s.Binding, ...], rec: bool, env: dict[str, Value], span: Span) -> dict[str, Value]:
        if not rec:
            found: dict[str, Value] = {}
            for b in bindings:
                known = self.known_function(b)
                found.update(self.matched(b.pattern, known or self.value(b.value, env), b.span))
            return found
        functions = [b for b in bindings if isinstance(b.value, s.Fun)]
        if functions:
            if len(functions) != len(bindings):
                raise Unsupported("'let rec' that mixes functions and relations", span)
            return self.recursive_functions(functions, env)
        return self.fixpoint(bindings, env, span)

    def known_function(self, binding: s.Binding) -> Value | None:
        """The built-in, when a library file defines one of the set functions that are operators here, as herd's library does.

        A function of the same name that says something else is not taken for it; applied to a test's events it is refused.
        """
        name = binding.pattern
        if isinstance(name, str) and _LIBRARY.get(name) == fingerprint(binding.value):
            return Primitive(name)
        return None

    def recursive_functions(self, bindings: list[s.Binding], env: dict[str, Value]) -> dict[str, Value]:
        inner = dict(env)
        found: dict[str, Value] = {}
        for b in bindings:
            assert isinstance(b.value, s.Fun) and isinstance(b.pattern, str)
            known = self.known_function(b)
            found[b.pattern] = known or Closure(b.value.param, b.value.body, inner, b.pattern, b.span)
        inner.update(found)
        return found

    def fixpoint(self, bindings: tuple[s.Binding, ...], env: dict[str, Value], span: Span) -> dict[str, Value]:
        self.fresh += 1
        names, kinds = [], []
        for b in bindings:
            if not isinstance(b.pattern, str):
                raise Unsupported("a tuple pattern in 'let rec'", b.span)
            names.append(f"{b.pattern}#{self.fresh}")
            kinds.append("rel")
        for _ in range(2):  # the kinds (set or relation) are known after a first elaboration
            inner = dict(env)
            for b, name, kind in zip(bindings, names, kinds, strict=True):
                inner[str(b.pattern)] = self.terms.make("var", kind, name=name + kind, span=b.span)
            bodies = []
            for i, b in enumerate(bindings):
                try:
                    body = self.term(b.value, inner)
                except _KindMismatch:
                    body = self.terms.empty_set
                kinds[i] = body.kind
                bodies.append(body)
        for b, name, kind, body in zip(bindings, names, kinds, bodies, strict=True):
            if self.terms.make("var", kind, name=name + kind) is not inner[str(b.pattern)] or body.kind != kind:
                return self.fixpoint_settled(bindings, env, span, names, kinds)
        fixed = self.terms.fix(tuple(n + k for n, k in zip(names, kinds, strict=True)), tuple(bodies), span)
        return {str(b.pattern): t for b, t in zip(bindings, fixed, strict=True)}

    def fixpoint_settled(
        self, bindings: tuple[s.Binding, ...], env: dict[str, Value], span: Span, names: list[str], kinds: list[str]
    ) -> dict[str, Value]:
        """The last round of `fixpoint`, once the kinds no longer change."""
        for _ in range(len(bindings) + 1):
            inner = dict(env)
            for b, name, kind in zip(bindings, names, kinds, strict=True):
                inner[str(b.pattern)] = self.terms.make("var", kind, name=name + kind, span=b.span)
            bodies: list[Term] = []
            mismatch = False
            for b in bindings:
                try:
                    bodies.append(self.term(b.value, inner))
                except _KindMismatch:
                    mismatch = True
                    bodies.append(self.terms.empty_rel)
            settled = [b.kind for b in bodies] == kinds and not mismatch
            kinds = [b.kind for b in bodies]
            if settled:
                fixed = self.terms.fix(tuple(n + k for n, k in zip(names, kinds, strict=True)), tuple(bodies), span)
                return {str(b.pattern): t for b, t in zip(bindings, fixed, strict=True)}
        raise SyntaxProblem("'let rec' whose names are neither sets nor relations throughout", span)

    def matched(self, pattern: s.Pattern, value: Value, span: Span) -> dict[str, Value]:
        if isinstance(pattern, str):
            return {} if pattern == "_" else {pattern: value}
        args = value.args if isinstance(value, TupleValue) else (value,)
        if len(args) != len(pattern):
            raise SyntaxProblem(f"{len(pattern)} values are expected here, not {len(args)}", span)
        return {name: arg for name, arg in zip(pattern, args, strict=True) if name != "_"}

    def enter(self, span: Span) -> None:
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise LimitExceeded(f"functions nested more than {MAX_CALLS} deep", span, hint="does one call itself without end?")

    def apply(self, function: Value, arg: Value, span: Span) -> Value:
        match function:
            case Closure(param, body, env):
                self.enter(span)
                result = self.value(body, {**env, **self.matched(param, arg, span)})
                self.calls -= 1
                return result
            case Primitive(name, args):
                args = (*args, arg)
                return Primitive(name, args) if len(args) < PRIMITIVES[name] else self.primitive(name, args, span)
        raise SyntaxProblem("this is applied like a function, but is none", span)

    def primitive(self, name: str, args: tuple[Value, ...], span: Span) -> Value:
        terms = self.terms
        match name, args:
            case (("domain" | "range"), (r,)):
                return terms.projection(name, self.relation(r, span), span)
            case "different-values", (r,):
                return terms.make("values", "rel", (self.relation(r, span),), span=span)
            case (("tag2events" | "tag2instrs"), (TagValue(tag),)):
                return self.lookup(event_set(tag), self.result.env, span)
            case (("classes-loc" | "partition"), (events,)):
                return Orders(self.set(events, span), terms.empty_rel)
            case "linearisations", (TupleValue((Orders(events), within)),):
                return Orders(events, self.relation(within, span))
            case "co_locs", (TupleValue((within, Orders(events))),):
                return Orders(events, self.relation(within, span))
            case "generate_orders", (TupleValue((events, within)),):
                return Orders(self.set(events, span), self.relation(within, span))
            case "generate_cos", (within,):
                events = self.lookup("W", self.result.env, span)
                return Orders(self.set(events, span), self.relation(within, span))
            case "cross", (Orders() as orders,):
                return orders
            case "cross", (Family(domain, variable, Edges(member)),):
                return Choices(domain, variable, member)
            case "cross", (SetValue(()),):
                return SetValue((terms.empty_rel,))
            case "map", (function, over):
                return self.mapped(function, over, span)
            case name, (of,) if name in OF_NOTHING:
                if any(self.as_term(a, span).op == "empty" for a in (of.args if isinstance(of, TupleValue) else (of,))):
                    return terms.empty_rel
                raise Unsupported(f"'{name}' of what may be there", span, hint="translation tables are not modelled")
        raise Unsupported(f"'{name}' of such a value", span, hint="over a test's events, only the forms of cos.cat and lock.cat")

    def mapped(self, function: Value, over: Value, span: Span) -> Value:
        match over:
            case Term() if over.kind == "set":
                self.fresh += 1
                variable = f"e#{self.fresh}"
                element = Element(self.terms.make("single", "set", name=variable, span=span))
                return Family(over, variable, self.apply(function, element, span))
            case Term():
                self.fresh += 1
                variable = f"p#{self.fresh}"
                pair = self.terms.make("single", "rel", name=variable, span=span)
                made = self.apply(function, Pair(pair), span)
                return Edges(over) if made is pair else Family(over, variable, made)
            case SetValue(members):
                return SetValue(tuple(self.apply(function, m, span) for m in members))
        raise Unsupported("a 'map' whose result depends on the test's events in this way", span)

    # ------------------------------------------------------------ expressions

    def lookup(self, name: str, env: Mapping[str, Value], span: Span) -> Value:
        value = env.get(name) or self.also.get(name)
        if value is None:
            if name in REFUSED:
                raise Unsupported(f"'{name}' is not supplied by this checker", span, hint=REFUSED[name])
            near = difflib.get_close_matches(name, [*env], n=2)
            raise Unbound(f"'{name}' is not defined", span, hint=f"did you mean {' or '.join(near)}?" if near else "")
        return value

    def value(self, e: s.Exp, env: dict[str, Value]) -> Value:
        terms = self.terms
        match e:
            case s.Name(name, span):
                return self.lookup(name, env, span)
            case s.Tag(name):
                return TagValue(name)
            case s.Empty():
                return terms.empty_rel
            case s.Universe():
                return terms.universe
            case s.Tuple(args):
                return TupleValue(tuple([self.value(a, env) for a in args]))
            case s.SetOf(args, span):
                return self.written_set([self.value(a, env) for a in args], span)
            case s.Apply(function, arg, span):
                return self.apply(self.value(function, env), self.value(arg, env), span)
            case s.Fun(param, body, name, span):
                return Closure(param, body, dict(env), name, span)
            case s.Let(bindings, body, rec, span):
                return self.value(body, {**env, **self.bindings(bindings, rec, env, span)})
            case s.MatchTag(arg, clauses, default, span):
                return self.value(self.clause(self.value(arg, env), dict(clauses), default, span), env)
            case s.MatchSet(arg):
                return self.match_set(self.value(arg, env), e, env)
            case s.Try(body, otherwise):
                try:
                    return self.value(body, env)
                except Unbound:
                    return self.value(otherwise, env)
            case s.IfExp(cond, then, orelse):
                return self.value(then if self.condition(cond, env) else orelse, env)
            case s.Unary(op, arg, span):
                return self.unary(op, self.value(arg, env), span)
            case s.Binary(op, left, right, span):
                return self.binary(op, self.value(left, env), self.value(right, env), span)

    def match_set(self, value: Value, e: s.MatchSet, env: dict[str, Value]) -> Value:
        if isinstance(value, Term) and value.op == "empty":
            value = SetValue(())
        if not isinstance(value, SetValue):
            raise Unsupported(
                "a match on a set that depends on the test's events", e.span,
                hint="the functions of stdlib.cat and cross.cat (map, cross, generate_orders) are built in",
            )  # fmt: skip
        if not value.members:
            return self.value(e.empty, env)
        first, *rest = value.members
        return self.value(e.step, {**env, e.element: first, e.rest: SetValue(tuple(rest))})

    def written_set(self, members: list[Value], span: Span) -> Value:
        if members and all(isinstance(m, Element) for m in members):
            return self.terms.union(tuple(m.term for m in members if isinstance(m, Element)), span)
        return SetValue(tuple(members))

    def unary(self, op: str, value: Value, span: Span) -> Value:
        terms = self.terms
        if op == "[]":
            return terms.diagonal(self.set(value, span), span)
        if op == "~":
            term = self.as_term(value, span)
            everything = terms.universe if term.kind == "set" else terms.make("product", "rel", (terms.universe, terms.universe))
            return terms.diff(everything, term, span)
        r = self.relation(value, span)
        match op:
            case "+":
                return terms.plus(r, span)
            case "*":
                return terms.star(r, span)
            case "?":
                return terms.optional(r, span)
            case "^-1":
                return terms.inverse(r, span)
        raise AssertionError(op)

    def binary(self, op: str, left: Value, right: Value, span: Span) -> Value:
        terms = self.terms
        match op:
            case ";":
                return terms.seq(self.relation(left, span), self.relation(right, span), span)
            case "*":
                args = (self.set(left, span), self.set(right, span))
                return terms.empty_rel if any(a.op == "empty" for a in args) else terms.make("product", "rel", args, span=span)
            case "++":
                return self.added(left, right, span)
        if isinstance(left, SetValue) and isinstance(right, SetValue) and op == "|" and (left.members or right.members):
            return SetValue((*left.members, *right.members))
        a, b = self.same_kind(self.as_term(left, span), self.as_term(right, span), span)
        match op:
            case "|":
                return terms.union((a, b), span)
            case "&":
                return terms.inter(a, b, span)
            case "\\":
                return terms.diff(a, b, span)
        raise AssertionError(op)

    def added(self, element: Value, into: Value, span: Span) -> Value:
        """`element ++ into`."""
        match element, into:
            case Pair(single), Term() if into.op == "empty":
                return single
            case Pair(single), SetValue(()):
                return single
            case _, SetValue(members):
                return SetValue((element, *members))
            case Element(term), Term() if into.kind == "set" or into.op == "empty":
                return self.terms.union((term, self.set(into, span)), span)
        raise Unsupported("'++' of such values", span)

    # ------------------------------------------------------------ sorts

    def as_term(self, value: Value, span: Span) -> Term:
        match value:
            case Term():
                return value
            case SetValue(()):
                return self.terms.empty_rel
            case Element(term):
                return term
        raise SyntaxProblem(f"a set or a relation is expected here, not {describe(value)}", span)

    def same_kind(self, a: Term, b: Term, span: Span) -> tuple[Term, Term]:
        if a.kind != b.kind:
            if a.op == "empty":
                a = self.terms.empty_set if b.kind == "set" else self.terms.empty_rel
            elif b.op == "empty":
                b = self.terms.empty_set if a.kind == "set" else self.terms.empty_rel
            elif "_" in (a.name, b.name) and "set" in (a.kind, b.kind):
                full = self.terms.make("product", "rel", (self.terms.universe, self.terms.universe))
                a, b = (full if a is self.terms.universe else a), (full if b is self.terms.universe else b)
            if a.kind != b.kind:
                raise _KindMismatch("a set and a relation cannot be combined", span)
        return a, b

    def relation(self, value: Value, span: Span) -> Term:
        term = self.as_term(value, span)
        if term.kind == "set":
            if term.op == "empty":
                return self.terms.empty_rel
            if term is self.terms.universe:
                return self.terms.make("product", "rel", (term, term))
            raise _KindMismatch("a relation is expected here, not a set", span, hint="[S] is the identity on a set S")
        return term

    def set(self, value: Value, span: Span) -> Term:
        term = self.as_term(value, span)
        if term.kind == "rel":
            if term.op == "empty":
                return self.terms.empty_set
            raise _KindMismatch("a set is expected here, not a relation", span, hint="domain(r) and range(r) are sets")
        return term

    def term(self, e: s.Exp, env: dict[str, Value]) -> Term:
        return self.as_term(self.value(e, env), e.span)

    # ------------------------------------------------------------ conditions

    def condition(self, cond: s.Cond, env: dict[str, Value]) -> bool:
        match cond:
            case s.Variant(name):
                return name in self.variants
            case s.Junction("not", (arg,)):
                return not self.condition(arg, env)
            case s.Junction("&&", args):
                return all(self.condition(a, env) for a in args)
            case s.Junction(_, args):
                return any(self.condition(a, env) for a in args)
            case s.Test(op, left, right, span):
                a, b = self.value(left, env), self.value(right, env)
                if op == "=" and isinstance(a, TagValue) and isinstance(b, TagValue):
                    return a.name == b.name
                if op == "in" and isinstance(a, TagValue) and isinstance(b, Enumeration):
                    return a.name in b.tags
                raise Unsupported("a condition on sets or relations of the test's events", span)

    def clause(self, value: Value, clauses: dict[str, _T], default: _T | None, span: Span) -> _T:
        if not isinstance(value, TagValue):
            raise SyntaxProblem(f"a tag is expected here, not {describe(value)}", span)
        found = clauses.get(value.name, default)
        if found is None:
            raise SyntaxProblem(f"no clause for '{value.name}", span)
        return found


class _KindMismatch(SyntaxProblem):
    """A set where a relation is wanted, or the reverse."""


# herd's definitions of the set functions that are operators here (lib: stdlib.cat and cross.cat of 7.58).
_LIBRARY: dict[str, str] = {"map": "95c80bb3c5c34f22", "co_locs": "b626cb47fdcdf159", "cross": "92e45f42fd6ed7d1"}


def fingerprint(value: object) -> str:
    """A digest of an expression that does not depend on where it stands and how its variables are called."""
    numbers: dict[str, int] = {}

    def walk(part: object) -> str:
        if isinstance(part, tuple):
            return "(" + ",".join(map(walk, part)) + ")"
        if isinstance(part, str):
            return str(part) if part in PRIMITIVES or not part[:1].isalpha() else str(numbers.setdefault(str(part), len(numbers)))
        if isinstance(part, Struct):
            skipped = ("span", "name") if isinstance(part, s.Fun) else ("span",)
            inner = [walk(getattr(part, name)) for name in part.__struct_fields__ if name not in skipped]
            return f"{type(part).__name__}[{','.join(inner)}]"
        return repr(part)

    return hashlib.sha256(walk(value).encode()).hexdigest()[:16]
