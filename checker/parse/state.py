"""The initial state and the condition of a litmus test: the same words for every architecture.

`parse_init` reads `x=1; int *p=&x; 0:r1=x; int z[2]={1,2}` into entries; `parse_tail` reads `locations [x;]`, `filter P`
and `exists P`. A bare name on the right of a comparison is the address of that global, on the left the location.

    exists (0:r1=x /\\ [y]=2)    Condition("exists", And((Compare("==", RegLoc(0, "r1"), Address("x")), Compare(…))))
"""

from __future__ import annotations

import functools
import re
import threading
from typing import Any, TypeAlias

import lark
from lark.exceptions import UnexpectedInput, UnexpectedToken
from msgspec import Struct

from checker.core.source import CheckerError, LimitExceeded, Source, Span, SyntaxProblem, Unsupported
from checker.parse.grammar import MAX_NESTING, expected, parser, run, span_of
from checker.parse.quick import simple_tail
from checker.program.ir import Address, And, Compare, Condition, Implies, Loc, MemLoc, Not, Or, Prop, RegLoc, Truth, Value

MAX_ELEMENTS = 1024

# Constants of the kernel that mean 0: an unlocked lock, a null pointer.
_ZERO = frozenset({"NULL", "SPIN_LOCK_UNLOCKED", "__SPIN_LOCK_UNLOCKED", "RAW_SPIN_LOCK_UNLOCKED", "__RAW_SPIN_LOCK_UNLOCKED"})
_INITIALISERS = frozenset({"ATOMIC_INIT", "ATOMIC64_INIT", "ATOMIC_LONG_INIT", "REFCOUNT_INIT", "KREF_INIT"})


Members: TypeAlias = tuple[tuple[str, Value], ...]


class Entry(Struct, frozen=True):
    """One item of an initial state. `size` is the length of a declared array, -1 for what is none; `values` may be empty."""

    loc: Loc
    type: str
    size: int
    values: tuple[Value, ...]
    span: Span
    members: Members | None = None  # of a structure: values, each with a member's name where it has one


class Tail(Struct, frozen=True):
    """What follows the code, and every place it names."""

    shown: tuple[Loc, ...]
    filter: Prop | None
    condition: Condition
    mentioned: tuple[tuple[Loc | Address, Span], ...]  # by the condition and the filter
    listed: tuple[tuple[Loc | Address, Span], ...]  # by `locations`


def parse_init(source: Source, text: str) -> tuple[Entry, ...]:
    """The entries of the initial state in `text`, which is `source` with all the rest blanked."""
    if text.isspace() or not text:
        return ()
    entries: list[Entry | None] = _parse("init", source, text)
    return tuple(e for e in entries if e)


def parse_tail(source: Source, text: str, span: Span) -> Tail:
    """What `text` asks; `span` is where it stands. No condition is `forall (true)`."""
    if text.isspace() or not text:
        return Tail((), None, Condition("forall", Truth(True), span), (), ())
    if parts := simple_tail(source, text):
        return Tail(*parts)
    result: Tail = _parse("tail", source, text)
    return result


_ONE_AT_A_TIME = threading.Lock()  # a parser's callbacks keep state while it runs


def _parse(start: str, source: Source, text: str) -> Any:
    with _ONE_AT_A_TIME:
        grammar, build = _grammar(start)
        build.begin(source)
        return run(grammar, source, text=text, explain=_explain)


@functools.cache
def _grammar(start: str) -> tuple[lark.Lark, _Build]:
    build = _Build()
    return parser("litmus", build, start=start), build


def number(source: Source, token: lark.Token, *, bits: int = 64) -> int:
    """The value of a literal, as a signed number of 64 bits."""
    text = token.rstrip()
    if len(text) <= 25:
        value = int(text, 16) if "x" in text or "X" in text else int(text)
        if -(1 << (bits - 1)) <= value < 1 << bits:
            return value - (1 << bits) if value >= 1 << (bits - 1) else value
    raise SyntaxProblem(f"not an integer of {bits} bits", span_of(source, token))


_LAST_NAME = re.compile(r"([A-Za-z_$][A-Za-z0-9_.$]*)\s*$")


class _Build:
    """What the rules of litmus.lark make. `begin` says of which source."""

    source: Source
    mentioned: list[tuple[Loc | Address, Span]]
    listed: tuple[tuple[Loc | Address, Span], ...]
    negations: int

    def begin(self, source: Source) -> None:
        self.source = source
        self.mentioned = []
        self.listed = ()
        self.negations = 0

    def at(self, token: lark.Token) -> Span:
        return span_of(self.source, token)

    # lists

    def nothing(self, c: list[Any]) -> None:
        return None

    def first(self, c: list[Any]) -> list[Any]:
        return c

    def same(self, c: list[Any]) -> Any:
        return c[0]

    def grow_list(self, c: list[Any]) -> list[Any]:
        c[0].append(c[2])
        return c[0]  # type: ignore[no-any-return]

    def grow_chain(self, c: list[Any]) -> list[Any]:
        chain: list[Any] = c[0]
        chain += c[1:]
        return chain

    # initial state

    def _named(self, token: lark.Token, index: int = -1) -> Entry:
        name = _LAST_NAME.search(token)
        if not name:
            raise SyntaxProblem("a location has no name", self.at(token), hint="write 'int x=1' or 'int *p=&x'")
        kind = " ".join(token[: name.start()].split())
        loc = MemLoc(Address(name[1]))
        if index < 0 or kind:
            return Entry(loc, kind, index, (), self.at(token))
        return Entry(MemLoc(Address(name[1], index)), "", -1, (), self.at(token))

    def named(self, c: list[Any]) -> Entry:
        return self._named(c[0])

    def element(self, c: list[Any]) -> Entry:
        size = self._index(c[2])
        entry = self._named(c[0], size)
        if entry.size == 0:
            raise SyntaxProblem("an array of no elements", self.at(c[2]))
        return entry

    def _index(self, token: lark.Token) -> int:
        value = number(self.source, token)
        if not 0 <= value <= MAX_ELEMENTS:
            raise LimitExceeded(f"an array has at most {MAX_ELEMENTS} elements", self.at(token))
        return value

    def bracketed(self, c: list[Any]) -> Entry:
        return Entry(MemLoc(Address(c[1].rstrip())), "", -1, (), self.at(c[1]))

    def typed_bracketed(self, c: list[Any]) -> Entry:
        return Entry(MemLoc(Address(c[2].rstrip())), " ".join(c[0].split()), -1, (), self.at(c[2]))

    def register(self, c: list[Any]) -> Entry:
        return Entry(_register(c[0]), "", -1, (), self.at(c[0]))

    def typed_register(self, c: list[Any]) -> Entry:
        return Entry(_register(c[1]), " ".join(c[0].split()), -1, (), self.at(c[1]))

    def pointer(self, c: list[Any]) -> Entry:
        return c[1]  # type: ignore[no-any-return]

    def entry(self, c: list[Any]) -> Entry:
        target: Entry = c[0]
        if len(c) == 1:
            return target
        words = target.type.split()
        if isinstance(c[2], list) and target.size < 0 and len(words) == 2 and words[0] == "struct":
            members = [v if isinstance(v, tuple) else ("", v) for v in c[2]]
            return Entry(target.loc, target.type, -1, (), target.span, tuple(members))
        values = c[2] if isinstance(c[2], list) else [c[2]]
        if any(isinstance(v, tuple) for v in values):
            raise SyntaxProblem("'.member = value' in what is no structure", target.span, hint="declare it 'struct s x'")
        if isinstance(c[2], list) != (target.size >= 0):
            raise SyntaxProblem(
                "an array takes '{…}', and only an array does", target.span, hint="write 'int z[2]={1,2}' or 'z[1]=2'"
            )
        if target.size >= 0 and len(values) != target.size:
            raise SyntaxProblem(f"{len(values)} values for an array of {target.size}", target.span)
        return Entry(target.loc, target.type, target.size, tuple(values), target.span)

    # values

    def number(self, c: list[Any]) -> int:
        return number(self.source, c[0])

    def address(self, c: list[Any]) -> Value:
        name = c[0].rstrip()
        return 0 if name in _ZERO else self._mention(Address(name), c[0])

    def address_of(self, c: list[Any]) -> Value:
        return self._mention(Address(c[1].rstrip()), c[1])  # type: ignore[no-any-return]

    def address_element(self, c: list[Any]) -> Value:
        return self._mention(Address(c[0].rstrip(), self._index(c[2])), c[0])  # type: ignore[no-any-return]

    def address_of_element(self, c: list[Any]) -> Value:
        return self.address_element(c[1:])

    def wrapped(self, c: list[Any]) -> Any:
        name = c[0].rstrip()
        if name in _INITIALISERS and len(c) == 4:
            return c[2]
        if name in _ZERO:
            return 0
        raise Unsupported(f"the initial value {name!r}", self.at(c[0]), hint="write a number, or ATOMIC_INIT(1)")

    def several(self, c: list[Any]) -> list[Any]:
        values: list[Any] = c[1]
        if any(isinstance(v, list) for v in values):
            raise Unsupported("arrays of arrays", self.at(c[0]))
        return values

    def named_value(self, c: list[Any]) -> tuple[str, Value]:
        if isinstance(c[2], list):
            raise Unsupported("a structure inside a structure's initial value", self.at(c[0]), hint="write '.inner.member = 1'")
        return c[0].rstrip()[1:], c[2]

    # places

    def _mention(self, place: Any, token: lark.Token) -> Any:
        self.mentioned.append((place, self.at(token)))
        return place

    def register_here(self, c: list[Any]) -> RegLoc:
        return self._mention(_register(c[0]), c[0])  # type: ignore[no-any-return]

    def memory(self, c: list[Any]) -> MemLoc:
        return self._mention(MemLoc(Address(c[0].rstrip())), c[0])  # type: ignore[no-any-return]

    def memory_element(self, c: list[Any]) -> MemLoc:
        name, index = c[0].rstrip(), self._index(c[2])
        return self._mention(MemLoc(Address(name, index), f"{name}[{index}]"), c[0])  # type: ignore[no-any-return]

    def memory_bracketed(self, c: list[Any]) -> MemLoc:
        return self.memory(c[1:])

    def memory_bracketed_element(self, c: list[Any]) -> MemLoc:
        return self.memory_element(c[1:])

    # propositions

    def truth(self, c: list[Any]) -> Prop:
        return Truth(c[0].startswith("true"))

    def negation(self, c: list[Any]) -> Prop:
        self._deeper(c[0])
        return Not(c[1])

    def _deeper(self, token: lark.Token) -> None:
        self.negations += 1
        if self.negations > MAX_NESTING:
            raise LimitExceeded(f"more than {MAX_NESTING} negations and implications", self.at(token))

    def parens(self, c: list[Any]) -> Prop:
        return c[1]  # type: ignore[no-any-return]

    def atom(self, c: list[Any]) -> Prop:
        left, token, right = c
        op, span = token.rstrip(), self.at(token)
        op = {"=": "==", "<>": "!="}.get(op, op)
        if not isinstance(right, list):
            return Compare(op, left, right, span)
        if not isinstance(left, MemLoc) or op not in ("==", "!="):
            raise SyntaxProblem("'{…}' is compared with an array by '=' or '!='", span)
        if len(right) > MAX_ELEMENTS:
            raise LimitExceeded(f"an array has at most {MAX_ELEMENTS} elements", span)
        name = left.address.name
        same = And(tuple(Compare("==", MemLoc(Address(name, i)), value, span) for i, value in enumerate(right)))
        return same if op == "==" else Not(same)

    def bind(self, c: list[Any]) -> Prop:
        chain = c[0]
        if len(chain) == 1:
            return chain[0]  # type: ignore[no-any-return]
        return _or(self, chain)

    # the question

    def plain_place(self, c: list[Any]) -> Loc:
        return c[0]  # type: ignore[no-any-return]

    def shown(self, c: list[Any]) -> tuple[Loc, ...]:
        self.listed = tuple(self.mentioned)
        self.mentioned = []
        return tuple(p for p in c[2] if p)

    def filter(self, c: list[Any]) -> Prop | None:
        return c[1] if c else None

    def no_final(self, c: list[Any]) -> Condition:
        return Condition("forall", Truth(True), Span(self.source, 1, 1))

    def final(self, c: list[Any]) -> Condition:
        word = c[0].rstrip()
        if word.endswith("exists"):
            return Condition("exists" if word == "exists" else "~exists", c[1], self.at(c[0]))
        return Condition("forall" if word == "forall" else "exists", c[1], self.at(c[0]))

    def bare_final(self, c: list[Any]) -> Condition:
        return Condition("exists", c[1], self.at(c[0]))

    def tail(self, c: list[Any]) -> Tail:
        return Tail(c[0] or (), c[1], c[2], tuple(self.mentioned), self.listed)


def _register(token: lark.Token) -> RegLoc:
    tid, _, name = token.partition(":")
    digits = tid.strip().removeprefix("P")
    return RegLoc(int(digits) if len(digits) <= 9 else 10**9, name.strip().lstrip("%$"))


def _or(build: _Build, chain: list[Any]) -> Prop:
    parts = [_and(build, part) for part in _cut(chain, ("\\/", "||"))]
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _and(build: _Build, chain: list[Any]) -> Prop:
    parts = [_implies(build, part) for part in _cut(chain, ("/\\", "&&"))]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _implies(build: _Build, chain: list[Any]) -> Prop:
    result: Prop = chain[-1]
    for at in range(len(chain) - 3, -1, -2):
        build._deeper(chain[at + 1])
        result = Implies(chain[at], result)
    return result


def _cut(chain: list[Any], connectives: tuple[str, str]) -> list[list[Any]]:
    """The chain between the given connectives."""
    parts: list[list[Any]] = [[chain[0]]]
    for at in range(1, len(chain), 2):
        if chain[at].rstrip() in connectives:
            parts.append([chain[at + 1]])
        else:
            parts[-1] += chain[at : at + 2]
    return parts


def _explain(source: Source, error: UnexpectedInput) -> CheckerError | None:
    """What is unsupported, or missing, at the place where the parser stopped."""
    wanted = set(error.expected) if isinstance(error, UnexpectedToken) else set(getattr(error, "allowed", None) or ())
    if isinstance(error, UnexpectedToken):
        if error.token.type == "$END":
            return SyntaxProblem("the condition is not complete", _text_end(source), hint=_hint(wanted))
        word, span = error.token.strip(), span_of(source, error.token)
    else:
        line = source.line(error.line)
        word = line[error.column - 1 : error.column] or "end of line"
        span = Span(source, error.line, error.column)
    if word == "(" and (before := re.search(r"([A-Za-z]+)\s*$", source.line(span.line)[: span.column - 1])):
        word = before[1] if before[1] in _UNSUPPORTED else word
    if word in _UNSUPPORTED:
        return Unsupported(f"'{word}' is not supported here", span, hint=_UNSUPPORTED[word])
    if "SEMI" in wanted and "CONNECTIVE" not in wanted and (word[0].isalnum() or word[0] in "_["):
        return SyntaxProblem(f"missing ';' before {word!r}", span)
    return SyntaxProblem(f"unexpected {word!r}", span, hint=_hint(wanted))


def _text_end(source: Source) -> Span:
    lines = source.text.rstrip().split("\n")
    return Span(source, len(lines), max(1, len(lines[-1])))


_UNSUPPORTED = {
    "fault": "a condition compares registers and locations",
    "Fault": "a condition compares registers and locations",
    "PTE": "page tables are not modelled",
}


def _hint(wanted: set[str]) -> str:
    if "CONNECTIVE" in wanted:
        wanted = wanted & {"CONNECTIVE", "RPAR"}
    elif "CMP" in wanted:
        wanted = {"CMP"}
    return expected(wanted)
