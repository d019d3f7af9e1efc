"""What the processes of an extracted test share: places and their names, what is known of functions, and how they are written.

A `World` is one test's, a `Frame` one function's while it is written out.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from msgspec import Struct, field

from checker.core.source import LimitExceeded
from checker.kernel.primitives import (
    ACCESSES,
    CALL,
    DEFER,
    READ,
    WRITE,
)
from checker.parse.c_types import Tagged, typed
from checker.reach.accesses import Effects
from checker.reach.declared import plain, pointee
from checker.reach.places import Place, located
from checker.reach.pointers import targets
from checker.reach.process import CHOICE, At
from checker.reach.summary import Path, Step, Walk, summaries
from checker.reach.types import ELSEWHERE, Types

MOST_REACHED = 4000
"""How many functions a call may lead to before it is taken to touch anything."""
ENOUGH = 200
"""How many of them are looked at when one of them is found to touch something."""
TRACE = "trace_"
"""What tracepoints begin with, which change nothing: include/linux/tracepoint.h."""
STRAY = "a pointer may lead to a place of this test"
At2: TypeAlias = "tuple[str, str]"
KEYWORDS = frozenset(
    (
        "int", "long", "char", "short", "if", "else", "while", "do", "for", "return", "break", "continue", "goto", "switch", "case",
        "default", "struct", "union", "enum", "void", "static", "unsigned", "signed", "bool",
    )
)  # fmt: skip


class TooLong(LimitExceeded):
    """A process of more lines than anybody reads."""


class Value(Struct, frozen=True):
    """What an expression is worth: a text over locals and numbers; None: nobody knows. `truth`: only whether it is 0 is right."""

    text: str | None = None
    truth: bool = False

    @property
    def condition(self) -> str:
        return self.text if self.text is not None else CHOICE


UNKNOWN = Value()


class Note(Struct, frozen=True, order=True):
    """Something that is not in the process as it is in the code: `kind` "lost", "order" (it may
    order), "call" (of a function whose code is not at hand), "reads", "assumed" or "left out"."""

    kind: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else self.text


class Known(Struct):
    """What was found of functions about some places: whether they touch one, whether they write one; and which files see one."""

    touches: dict[At2, bool] = field(default_factory=dict)
    writes: dict[At2, bool] = field(default_factory=dict)
    seen: dict[str, bool] = field(default_factory=dict)


class World(Struct):
    """The globals of a test. `objects` are the tags of structures that are kept as such, since pointers to them are published."""

    types: Types
    chosen: frozenset[Place]
    objects: frozenset[str] = frozenset()
    members: frozenset[Place] = frozenset()
    names: dict[Place, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    bits: dict[Place, set[int]] = field(default_factory=dict)
    held: dict[str, bool] = field(default_factory=dict)
    effects: dict[tuple[str, str, int], Effects] = field(default_factory=dict)
    """What was found of functions, by this test or another."""
    known: Known = field(default_factory=Known)
    """What was found of functions and files about these places, by this test or another."""
    without: tuple[str, int] | None = None
    """The line of something that orders, which the processes leave out, or weaken."""

    def __post_init__(self) -> None:
        found = self.types.found
        self.effects = found.setdefault(("effects", "", ""), {})  # type: ignore[assignment]
        self.known = found.setdefault(("known", "", str(sorted(self.chosen))), Known())  # type: ignore[assignment]

    def name(self, spot: Place, kind: str) -> str:
        """What a place, a lock or a domain is called: a variable, or a member of an object."""
        if spot in self.members:
            return f"{self.object(spot.tag)}->{spot.name}"
        if spot not in self.names:
            wish = re.sub(r"\W+", "_", spot.name or spot.tag)
            tagged = re.sub(r"\W+", "_", f"{spot.tag.strip('?')}_{wish}").strip("_")
            name = next(
                n for n in (wish, tagged, *[f"{tagged}{i}" for i in range(2, 99)]) if not self.taken(n) and n not in KEYWORDS
            )
            self.names[spot], self.kinds[name] = name, kind
        return self.names[spot]

    def holds(self, path: str, kind: str, depth: int = 3) -> bool:
        """Whether something of this type is, or has inside, a structure with a chosen member."""
        bare = self.types.bare(path, kind)
        if not bare.startswith("struct ") or not plain(bare):
            return False
        tag = bare.removeprefix("struct ")
        if tag not in self.held:
            self.held[tag] = any(p.tag == tag for p in self.chosen)  # for one that leads back to itself
            found = self.types.structure(path, tag) if depth else None
            home, members = found if found is not None else (path, {})
            inside = [element(member) for member in members.values()]
            self.held[tag] = self.held[tag] or any(self.holds(home, one, depth - 1) for one in inside)
        return self.held[tag]

    def reaches(self, where: str, path: Path) -> bool:
        """Whether a pointer leads to a structure with a chosen member, or to one that points to such a structure, or to a place."""
        kind = self.types.bare(where, located(self.types, where, path)[1])
        if located(self.types, where, path.then("*"))[0] in self.chosen:
            return True
        to = pointee(kind)
        if not to.startswith("struct ") or not plain(to):
            return False
        if self.holds(where, to):
            return True
        found = self.types.structure(where, to.removeprefix("struct "))
        return found is not None and any(self.holds(found[0], pointee(one)) for one in found[1].values() if one.endswith("*"))

    def sees(self, path: str) -> bool:
        """Whether a file has the declaration of some chosen place: one that has not cannot name it."""
        seen = self.known.seen
        if path not in seen:
            reads = self.types.reads(path)
            own = ELSEWHERE in reads  # it includes from folders that only its Makefile knows
            seen[path] = any(not p.home or p.home in reads or (own and "include/" not in p.home) for p in self.chosen)
        return seen[path]

    def touching(self, path: str, name: str, *, writes: bool = False) -> bool:
        """Whether a function, or one that it calls, however deep, touches (writes) a chosen place, or may."""
        known = self.known.writes if writes else self.known.touches
        if (path, name) not in known:
            self._explore((path, name), known, writes=writes)
        return known[path, name]

    def _explore(self, first: At2, known: dict[At2, bool], *, writes: bool) -> None:
        """Find out of all functions that `first` leads to whether they touch a place."""
        callers: dict[At2, list[At2]] = {first: []}
        todo, touch = [first], []
        while todo:
            one = todo.pop()
            if known.get(one):
                touch.append(one)
            if one in known or not (one[0].endswith(".h") or self.sees(one[0])):
                continue
            own, called = self._touches(one, writes=writes)
            if own:
                touch.append(one)
            for other in called:
                if other not in callers:
                    callers[other] = []
                    todo.append(other)
                callers[other].append(one)
            if len(callers) > (ENOUGH if touch else MOST_REACHED):  # it does, or nobody knows
                known[first] = True
                return
        known.update({one: known.get(one, False) for one in callers})
        while touch:
            one = touch.pop()
            known[one] = True
            touch += [caller for caller in callers[one] if not known[caller]]

    def _touches(self, one: At2, *, writes: bool) -> tuple[bool, tuple[At2, ...]]:
        """Whether a function by itself touches a chosen place, and the functions that it calls."""
        made = does(self.types, *one)
        path = one[0]
        own = made.cut or any(a is not None and self.reaches(path, a) for args in made.unknown for a in args)
        for verb, spot, kind in made.accesses:
            if own:
                break
            own = not (writes and verb == READ) and (
                self.may_be(spot) or (verb == WRITE and spot is not None and self.holds(path, kind))
            )
        own = own or any(self._touches(macro, writes=False)[0] for macro in made.macros)
        return own, made.called

    def may_be(self, spot: Place | None) -> bool:
        """Whether a place is a chosen one, or may be: a member of that name, of a structure that its type does not say."""
        return spot in self.chosen or (spot is not None and not spot.sure and any(p.name == spot.name for p in self.chosen))

    def object(self, tag: str) -> str:
        """The name of the object that stands for all of a structure type."""
        return re.sub(r"\W+", "_", f"{tag}_new")

    def taken(self, name: str) -> bool:
        return name in self.kinds or any(name in (self.object(tag), self.object(tag)[:-3] + "old") for tag in self.objects)

    def bit(self, spot: Place) -> int:
        """The bit of a place that is meant where the code does not say it: the one that is named somewhere."""
        return min(self.bits.get(spot, {0}))


class Frame(Struct):
    """A function that is being written out. `variables` are its locals as the process has them; `given` what its parameters are."""

    path: str
    name: str
    walk: Walk
    level: int
    id: str = ""
    active: frozenset[str] = frozenset()
    end: str = ""
    result: str = ""
    result_wish: str = ""
    line: int = 0
    params: frozenset[str] = frozenset()
    variables: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    given: dict[str, tuple[Path, str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    returns: list[Value] = field(default_factory=list)
    index: dict[str, str] = field(default_factory=dict)
    guards: list[tuple[str, At]] = field(default_factory=list)
    """What lets go of the locks that guards hold here."""
    around: int = 0
    """How many of these were there before the loop or switch around."""

    def __post_init__(self) -> None:
        self.params = self.params or frozenset(self.walk.locals)


class Does(Struct, frozen=True):
    """What a function does by itself: the functions it calls, what calls get that are of nobody knows what, the macros that it
    writes through, its accesses with their places and types."""

    called: tuple[At2, ...]
    unknown: tuple[tuple[Path | None, ...], ...]
    macros: tuple[At2, ...]
    accesses: tuple[tuple[str, Place | None, str], ...]
    cut: bool


def does(types: Types, path: str, name: str) -> Does:
    """What a function does by itself."""
    key = ("does", path, name)
    if key not in types.found:
        types.found[key] = _does(types, path, name)
    return types.found[key]  # type: ignore[return-value]


def _does(types: Types, path: str, name: str) -> Does:
    made = summaries(types, path).get(name)
    called: dict[At2, None] = {}
    unknown, macros, accesses = [], [], []
    for step in made.steps if made is not None else ():
        if step.verb == CALL and step.at is None:
            found = meant(types, path, step)
            if found is not None:
                called.update(dict.fromkeys(found))
            elif not step.name.startswith(TRACE):
                unknown.append(step.args)
        elif step.at is not None and step.verb in (*ACCESSES, CALL, DEFER):
            macro = types.macro(path, step.at.root[:-2]) if step.at.root.endswith("()") else None
            through = types.where(path, step.at.root[:-2]) if macro is not None else None
            macros += [through] if through is not None else []
            accesses.append((step.verb, *located(types, path, step.at)))
    return Does(tuple(called), tuple(unknown), tuple(macros), tuple(dict.fromkeys(accesses)), made is None or made.cut)


def meant(types: Types, path: str, step: Step) -> tuple[At2, ...] | None:
    """The functions that a call means; None where that is not known."""
    if step.name.startswith("*"):
        return targets(types, path, step.args[0], step.name[1:])
    found = types.where(path, step.name) if step.name.isidentifier() else None
    return (found,) if found is not None else None


def element(kind: str) -> str:
    """The type of the one element that stands for an array."""
    while kind.endswith("[]"):
        kind = kind[:-2]
    return kind


def scalar(types: Types, path: str, kind: str) -> bool:
    """Whether something of this type is read and written as one."""
    if not kind:
        return True
    bare = types.bare(path, kind)
    return not bare.endswith(("[]", "()"))


_ATOMIC = frozenset({"atomic_t", "atomic64_t", "atomic_long_t", "refcount_t", "local_t", "local64_t"})


def number_type(types: Types, path: str, kind: str) -> str:
    """The type of a local that holds something of a type of the kernel's: an integer, as far as tests have it."""
    kind = element(kind)
    if kind in ("atomic_t", "refcount_t", "bool", "struct kref"):
        return "int"
    if kind in _ATOMIC or "*" in kind or not kind:
        return "long"
    for text in (kind, types.bare(path, kind)):
        found = typed(text)
        if found is not None and text.replace(" ", "").isidentifier() and not isinstance(found, Tagged) and hasattr(found, "bits"):
            return text
    return "long"


def bracketed(v: Value) -> str:
    text = v.text or "0"
    return text if re.fullmatch(r"!*\w+(?:\(\))?|\(.*\)", text) and text.count("(") <= 1 else f"({text})"
