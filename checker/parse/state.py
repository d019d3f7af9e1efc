"""The initial state and the condition of a litmus test: the same words for every architecture.

`parse_init` reads `x=1; int *p=&x; 0:r1=x; int z[2]={1,2}` into entries; `parse_tail` reads `locations [x;]`, `filter P`
and `exists P`. A bare name on the right of a comparison is the address of that global, on the left the location.

    exists (0:r1=x /\\ [y]=2)    Condition("exists", And((Compare("==", RegLoc(0, "r1"), Address("x")), Compare(…))))

A reader of its own, which takes a third of the time that a generated parser does. The language:

    state  = [entry] {";" [entry]}      entry = {"*"} (types [name] ["[" number | name "]"] | [types] register) ["=" value]
    value  = number | ["&"] name ["[" number "]"] | name "(" [value] ")" | "{" [".member ="] value {"," …} "}"
    tail   = ["locations" "[" [place types] {";" …} "]"] ["filter" prop] [quantifier prop | "(" prop ")"] [";"] ["with" …]
    prop   = and {"\\/" and}      and = imply {"/\\" imply}      imply = unit ["=>" imply]
    unit   = ("~" | "not") unit | "(" prop ")" | "true" | "false" | (place | number) comparison (value | place)
    place  = ["P"] number ":" name | name ["[" number "]"] | "[" name ["[" number "]"] "]"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from msgspec import Struct

from checker.core.source import LimitExceeded, Source, Span, SyntaxProblem, Unsupported
from checker.parse.grammar import MAX_NESTING
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
    return () if not text or text.isspace() else tuple(_Reader(source, text, "initial state").entries())


def parse_tail(source: Source, text: str, span: Span) -> Tail:
    """What `text` asks; `span` is where it stands. No condition is `forall (true)`."""
    if not text or text.isspace():
        return Tail((), None, Condition("forall", Truth(True), span), (), ())
    return _Reader(source, text, "condition").tail()


# ---------------------------------------------------------------- what the words look like, with the blanks behind them

_NAME = r"[A-Za-z_$][A-Za-z0-9_.$]*+"
_NUM = r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![A-Za-z0-9_.])"
_PLACE = re.compile(
    r"(?:P?(?P<tid>[0-9]+)\s*:\s*[%$]?(?P<reg>[A-Za-z_][A-Za-z0-9_.$]*+)"
    rf"|(?P<bracket>\[\s*)?(?P<name>{_NAME})(?:\s*\[\s*(?P<index>{_NUM})\s*\])?(?(bracket)\s*\]))\s*"
)
_NUMBER = re.compile(rf"({_NUM})(?!\s*:)\s*")
_TYPES = re.compile(rf"(?:{_NAME}[\s*]*+(?!:))+")
_LAST_NAME = re.compile(rf"({_NAME})\s*$")
_ELEMENT = re.compile(rf"\[\s*(?:({_NUM})|({_NAME}))\s*\]\s*")
_MEMBER = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_.]*(?:\[[0-9]+\])?)\s*=(?!=)\s*")
_STARS = re.compile(r"[\s*]*")
_BLANKS = re.compile(r"\s*")
_TYPED = re.compile(rf"(?:{_NAME}\s*|\*\s*)*")
_QUANTIFIER = re.compile(r"(~\s*exists|not\s+exists|exists|forall|final)(?![A-Za-z0-9_])\s*")
_LOCATIONS = re.compile(r"locations(?![A-Za-z0-9_])\s*\[\s*")
_FILTER = re.compile(r"filter(?![A-Za-z0-9_])\s*")
_WITH = re.compile(rf"with(?![A-Za-z0-9_])\s*(?:(?:{_NAME}\s*:\s*{_QUANTIFIER.pattern})?(?:;\s*|\Z))*")
_NOT = re.compile(r"(?:~|!(?!=)|not(?![A-Za-z0-9_]))\s*")
_TRUTH = re.compile(r"(true|false)(?![A-Za-z0-9_])\s*")
_COMPARISON = re.compile(r"(==|!=|<>|<=|>=|<|>|=(?!>))\s*")
_AND, _OR, _IMPLIES = re.compile(r"(?:/\\|&&)\s*"), re.compile(r"(?:\\/|\|\|)\s*"), re.compile(r"=>\s*")
_EQUAL, _AMP, _SEMI, _COMMA = (re.compile(rf"{c}\s*") for c in ("=(?!=)", "&", ";", ","))
_OPEN, _CLOSE, _SQUARE_CLOSE, _BRACE, _BRACE_CLOSE = (re.compile(rf"\{c}\s*") for c in "()]{}")
_WORD = re.compile(r"P?[0-9]+:[%$]?[A-Za-z_][A-Za-z0-9_.$]*|[A-Za-z0-9_$][A-Za-z0-9_.$]*|[=!<>]+|/\\|\\/|&&|\|\||.", re.S)

_CONNECTIVES = "'/\\' or '\\/'"
_PLACES = ("a name", "a register like 0:r1")
_UNSUPPORTED = {
    "fault": "a condition compares registers and locations",
    "Fault": "a condition compares registers and locations",
    "PTE": "page tables are not modelled",
}


class _Reader:
    """A position in `text`, and the places named so far."""

    def __init__(self, source: Source, text: str, what: str) -> None:
        self.source, self.text, self.what = source, text, what
        self.line, self.start, self.next = 1, 0, text.find("\n")
        self.mentioned: list[tuple[Loc | Address, Span]] = []
        self.negations = 0
        self.at = _end(_BLANKS, text, 0)

    def span(self, at: int, end: int) -> Span:
        """The place of text[at:end], as far as the end of its first line; asked for from left to right, or nearly so."""
        if at < self.start:
            self.line, self.start, self.next = 1, 0, self.text.find("\n")
        while 0 <= self.next < at:
            self.line += 1
            self.start = self.next + 1
            self.next = self.text.find("\n", self.start)
        column = at - self.start + 1
        end = end if self.next < 0 else min(end, self.next)
        return Span(self.source, self.line, column, column + max(1, end - at))

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def need(self, pattern: re.Pattern[str], *wanted: str) -> re.Match[str]:
        return self.take(pattern) or self.fail(*wanted)

    def fail(self, *wanted: str) -> NoReturn:
        """What is unsupported, or missing, where the reader stopped."""
        hint = "expected " + " or ".join(sorted(wanted)) if wanted else ""
        if self.at >= len(self.text):
            last = len(self.text.rstrip())
            raise SyntaxProblem(f"the {self.what} is not complete", self.span(last - 1, last), hint=hint)
        found = _WORD.match(self.text, self.at)
        assert found
        word, span = found[0], self.span(self.at, found.end())
        before = re.search(r"([A-Za-z]+)\s*$", self.text[self.start : self.at])
        word = before[1] if word == "(" and before and before[1] in _UNSUPPORTED else word
        if word in _UNSUPPORTED:
            raise Unsupported(f"'{word}' is not supported here", span, hint=_UNSUPPORTED[word])
        if "';'" in wanted and (word[0].isalnum() or word[0] in "_["):
            raise SyntaxProblem(f"missing ';' before {word!r}", span)
        raise SyntaxProblem(f"unexpected {word!r}", span, hint=hint)

    # ------------------------------------------------------------ the initial state

    def entries(self) -> list[Entry]:
        found = []
        while self.at < len(self.text):
            if not self.take(_SEMI):
                found.append(self.entry())
                if self.at < len(self.text):
                    self.need(_SEMI, "';'", "'='")
        return found

    def entry(self) -> Entry:
        self.take(_STARS)
        target = self.target()
        if not self.take(_EQUAL):
            return target
        value = self.value()
        words = target.type.split()
        if isinstance(value, list) and target.size < 0 and len(words) == 2 and words[0] in ("struct", "union"):
            members = [v if isinstance(v, tuple) else ("", v) for v in value]
            return Entry(target.loc, target.type, -1, (), target.span, tuple(members))
        values = value if isinstance(value, list) else [value]
        if any(isinstance(v, tuple) for v in values):
            raise SyntaxProblem("'.member = value' in what is no structure", target.span, hint="declare it 'struct s x'")
        if isinstance(value, list) != (target.size >= 0):
            raise SyntaxProblem(
                "an array takes '{…}', and only an array does", target.span, hint="write 'int z[2]={1,2}' or 'z[1]=2'"
            )
        if target.size >= 0 and len(values) != target.size:
            raise SyntaxProblem(f"{len(values)} values for an array of {target.size}", target.span)
        return Entry(target.loc, target.type, target.size, tuple(values), target.span)

    def target(self) -> Entry:
        """`x`, `int *x`, `int x[2]`, `x[1]`, `[x]`, `int [x]`, `0:r1` or `int 0:r1`, without a value."""
        types = self.take(_TYPES)
        kind = " ".join(types[0].split()) if types else ""
        element = None
        if self.text.startswith("[", self.at):
            element = self.need(_ELEMENT, *_PLACES, "a number")
            if element[2]:
                return Entry(MemLoc(Address(element[2])), kind, -1, (), self.span(*element.span(2)))
        elif (place := _PLACE.match(self.text, self.at)) and place["reg"]:
            self.at = place.end()
            return Entry(self.register(place), kind, -1, (), self.span(place.start(), place.end("reg")))
        if types is None:
            self.at = element.start(1) if element else self.at
            self.fail(*_PLACES)
        span = self.span(types.start(), types.start() + len(types[0].rstrip()))
        name = _LAST_NAME.search(types[0])
        if not name:
            raise SyntaxProblem("a location has no name", span, hint="write 'int x=1' or 'int *p=&x'")
        kind = " ".join(types[0][: name.start()].split())
        index = self.index(element, 1) if element else -1
        if element and not kind:
            return Entry(MemLoc(Address(name[1], index)), "", -1, (), span)
        if element and index == 0:
            raise SyntaxProblem("an array of no elements", self.span(*element.span(1)))
        return Entry(MemLoc(Address(name[1])), kind, index, (), span)

    # ------------------------------------------------------------ values and places

    def value(self) -> Any:
        """A number, an address, or a list of values; in a structure's, `(member, value)`."""
        if number := self.take(_NUMBER):
            return self.number(number, 1)
        if several := self.take(_BRACE):
            return self.several(several)
        address = bool(self.take(_AMP))
        place = _PLACE.match(self.text, self.at)
        if not place or place["reg"] or place["bracket"]:
            self.fail("a number", "a name")
        self.at = place.end()
        if not address and not place["index"] and self.take(_OPEN):
            return self.wrapped(place)
        return self.address(place, literal=not address)

    def address(self, place: re.Match[str], *, literal: bool) -> Value:
        """What `x` or `x[1]` stands for as a value; `literal`: it may be a constant."""
        name = place["name"]
        if literal and name in _ZERO and not place["index"]:
            return 0
        return self.mention(Address(name, self.index(place, "index") if place["index"] else 0), place)  # type: ignore[no-any-return]

    def wrapped(self, macro: re.Match[str]) -> Any:
        """The value in `ATOMIC_INIT(1)`."""
        name, value = macro["name"], None
        if not self.take(_CLOSE):
            value = self.value()
            self.need(_CLOSE, "')'")
        if name in _INITIALISERS and value is not None:
            return value
        if name in _ZERO:
            return 0
        raise Unsupported(f"the initial value {name!r}", self.span(*macro.span("name")), hint="write a number, or ATOMIC_INIT(1)")

    def several(self, opening: re.Match[str]) -> list[Any]:
        values: list[Any] = []
        while not (values and self.take(_BRACE_CLOSE)):
            if member := self.take(_MEMBER):
                if isinstance(value := self.value(), list):
                    raise Unsupported(
                        "a structure inside a structure's initial value",
                        self.span(*member.span(1)),
                        hint="write '.inner.member = 1'",
                    )
                values.append((member[1][1:], value))
            elif isinstance(value := self.value(), list):
                raise Unsupported("arrays of arrays", self.span(opening.start(), opening.start() + 1))
            else:
                values.append(value)
            if not self.take(_COMMA):
                self.need(_BRACE_CLOSE, "','", "'}'")
                break
        return values

    def number(self, found: re.Match[str], group: int | str, *, bits: int = 64) -> int:
        """The value of a literal, as a signed number of 64 bits."""
        text = found[group]
        if len(text) <= 25:
            value = int(text, 16) if "x" in text or "X" in text else int(text)
            if -(1 << (bits - 1)) <= value < 1 << bits:
                return value - (1 << bits) if value >= 1 << (bits - 1) else value
        raise SyntaxProblem(f"not an integer of {bits} bits", self.span(*found.span(group)))

    def index(self, found: re.Match[str], group: int | str) -> int:
        value = self.number(found, group)
        if not 0 <= value <= MAX_ELEMENTS:
            raise LimitExceeded(f"an array has at most {MAX_ELEMENTS} elements", self.span(*found.span(group)))
        return value

    def register(self, place: re.Match[str]) -> RegLoc:
        return RegLoc(int(place["tid"]) if len(place["tid"]) <= 9 else 10**9, place["reg"])

    def mention(self, place: Any, found: re.Match[str]) -> Any:
        whole = (found.start(), found.end("reg")) if found["reg"] else found.span("name")
        self.mentioned.append((place, self.span(*whole)))
        return place

    def place(self, found: re.Match[str]) -> Loc:
        if found["reg"]:
            return self.mention(self.register(found), found)  # type: ignore[no-any-return]
        name = found["name"]
        if not found["index"]:
            return self.mention(MemLoc(Address(name)), found)  # type: ignore[no-any-return]
        index = self.index(found, "index")
        return self.mention(MemLoc(Address(name, index), f"{name}[{index}]"), found)  # type: ignore[no-any-return]

    # ------------------------------------------------------------ propositions

    def prop(self) -> Prop:
        return self.chain(_OR, Or, lambda: self.chain(_AND, And, self.implication))

    def chain(self, connective: re.Pattern[str], kind: Callable[[tuple[Prop, ...]], Prop], part: Callable[[], Prop]) -> Prop:
        first = part()
        if not self.take(connective):
            return first
        parts = [first, part()]
        while self.take(connective):
            parts.append(part())
        return kind(tuple(parts))

    def implication(self) -> Prop:
        left = self.unit()
        if not (arrow := self.take(_IMPLIES)):
            return left
        self.deeper(arrow)
        return Implies(left, self.implication())

    def unit(self) -> Prop:
        if self.take(_OPEN):
            prop = self.prop()
            self.need(_CLOSE, "')'", _CONNECTIVES)
            return prop
        if truth := self.take(_TRUTH):
            return Truth(truth[1] == "true")
        if negation := self.take(_NOT):
            self.deeper(negation)
            return Not(self.unit())
        left: Any
        if place := self.take(_PLACE):
            left = self.place(place)
        else:
            left = self.number(self.need(_NUMBER, "'('", "a number", *_PLACES), 1)
        comparison = self.need(_COMPARISON, "'='")
        return self.compared(left, comparison)

    def compared(self, left: Any, comparison: re.Match[str]) -> Prop:
        op, span = {"=": "==", "<>": "!="}.get(comparison[1], comparison[1]), self.span(*comparison.span(1))
        place = _PLACE.match(self.text, self.at)
        if place and (place["reg"] or place["bracket"]):
            self.at = place.end()
            return Compare(op, left, self.place(place), span)
        right = self.value()
        if not isinstance(right, list):
            return Compare(op, left, right, span)
        if not isinstance(left, MemLoc) or op not in ("==", "!="):
            raise SyntaxProblem("'{…}' is compared with an array by '=' or '!='", span)
        if len(right) > MAX_ELEMENTS:
            raise LimitExceeded(f"an array has at most {MAX_ELEMENTS} elements", span)
        if any(isinstance(v, tuple) for v in right):
            raise SyntaxProblem("'.member = value' in a condition", span, hint="compare the members one by one")
        name = left.address.name
        same = And(tuple(Compare("==", MemLoc(Address(name, i)), value, span) for i, value in enumerate(right)))
        return same if op == "==" else Not(same)

    def deeper(self, token: re.Match[str]) -> None:
        self.negations += 1
        if self.negations > MAX_NESTING:
            raise LimitExceeded(f"more than {MAX_NESTING} negations and implications", self.span(*token.span()))

    # ------------------------------------------------------------ the question

    def tail(self) -> Tail:
        shown = self.shown() if self.take(_LOCATIONS) else ()
        listed, self.mentioned = tuple(self.mentioned), []
        kept = self.prop() if self.take(_FILTER) else None
        condition = self.condition()
        self.take(_SEMI)
        self.take(_WITH)
        if self.at < len(self.text):
            self.fail(_CONNECTIVES)
        return Tail(shown, kept, condition, tuple(self.mentioned), listed)

    def condition(self) -> Condition:
        if self.at == len(self.text):
            return Condition("forall", Truth(True), Span(self.source, 1, 1))
        start = self.at
        if not (word := self.take(_QUANTIFIER)):
            self.need(_OPEN, "'exists', '~exists' or 'forall'")
            prop = self.prop()
            self.need(_CLOSE, "')'", _CONNECTIVES)
            return Condition("exists", prop, self.span(start, start + 1))
        span = self.span(*word.span(1))
        said = {"exists": "exists", "forall": "forall", "final": "exists"}.get(word[1], "~exists")
        return Condition(said, self.prop(), span)

    def shown(self) -> tuple[Loc, ...]:
        """The places of `locations [...]`; what follows one is its type."""
        found = []
        while not self.take(_SQUARE_CLOSE):
            if place := self.take(_PLACE):
                found.append(self.place(place))
                self.take(_TYPED)
            if not self.text.startswith("]", self.at):
                self.need(_SEMI, "']'", "';'" if place else "a name")
        return tuple(found)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
