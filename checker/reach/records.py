"""What the functions of one file do to places, by themselves: what an index of a kernel is made of, and kept by.

A `Record` has every access of a place, everything that orders, and every call of a file, by function; places, operations and
branches once, in tables. It depends on the file's text and on what the headers that were consulted declare: `seen` says which.

    record(types, "virt/kvm/kvm_main.c").functions["kvm_vcpu_wake_up"]    Body(line=3811, params=1, did=(Did(…), …))
"""

from __future__ import annotations

import re

from msgspec import Struct, field

from checker.core.source import CheckerError
from checker.kernel.primitives import ACCESSES, CALL, FENCE, GRACE, LOCK, READ, RMW, UNLOCK, WRITE
from checker.reach.extract import of_interest
from checker.reach.places import Place, located
from checker.reach.remarks import remarks
from checker.reach.summary import Path, Step, Summary, summaries
from checker.reach.types import Types

NONE = -1
_KEPT = frozenset({FENCE, GRACE, LOCK, UNLOCK})
_MARKED = ("acquire", "release", "mb")


class Op(Struct, frozen=True, array_like=True):
    """What is done: `verb` and `strength` as in kernel/primitives.py, `name` the primitive or function (empty: a plain access)."""

    verb: str
    strength: str
    name: str

    @property
    def explicit(self) -> bool:
        """Whether it is a barrier by itself, or an acquire or release."""
        if self.verb == FENCE:
            return self.strength != "barrier"
        if self.verb == RMW:
            return self.strength.endswith(_MARKED[:2]) and self.name.endswith(_MARKED[:2])
        return self.verb in (READ, WRITE) and self.strength in _MARKED


class Did(Struct, frozen=True, array_like=True, gc=False):
    """One thing a function does: numbers of an operation, a place and branches in the tables. A place below -1 is what parameter
    -2-n points to; `args` are what the arguments of a call point to."""

    op: int
    line: int
    place: int
    arms: int
    args: tuple[int, ...] = ()


class Body(Struct, frozen=True, array_like=True):
    """A function: its line, how many parameters it has, and what it does, in order."""

    line: int
    params: int
    did: tuple[Did, ...]


class Record(Struct, frozen=True, array_like=True):
    """A file. `inlines`: the headers that have functions called here; `remarks`: the words of the comments at barriers, by line;
    `seen`: files that said what names mean, with a digest of what they declared."""

    functions: dict[str, Body] = field(default_factory=dict)
    ops: tuple[Op, ...] = ()
    places: tuple[Place, ...] = ()
    arms: tuple[tuple[str, ...], ...] = ()
    inlines: dict[str, str] = field(default_factory=dict)
    remarks: dict[int, tuple[str, ...]] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    """Why the file could not be read."""


def record(types: Types, path: str) -> Record:
    """The record of a file, made anew."""
    writer = _Writer(types, path)
    try:
        for made in summaries(types, path).values():
            writer.function(made)
    except CheckerError as error:
        return Record(problem=error.message)
    ops = tuple(writer.ops)
    lines = [did.line for body in writer.functions.values() for did in body.did if ops[did.op].explicit]
    return Record(
        writer.functions, ops, tuple(writer.places), tuple(writer.arms), _inlines(types, path, writer),
        remarks(types.code.data(path) or b"", lines),
    )  # fmt: skip


class _Writer:
    def __init__(self, types: Types, path: str) -> None:
        self.types, self.path = types, path
        self.functions: dict[str, Body] = {}
        self.ops: dict[Op, int] = {}
        self.places: dict[Place, int] = {}
        self.arms: dict[tuple[str, ...], int] = {}

    def function(self, made: Summary) -> None:
        params = {name: (n, kind.startswith("struct ")) for n, (name, kind) in enumerate(made.params)}
        did = tuple([one for step in made.steps if (one := self.did(step, params)) is not None])
        if did:
            self.functions[made.name] = Body(made.line, len(made.params), did)

    def did(self, step: Step, params: dict[str, tuple[int, bool]]) -> Did | None:
        if step.verb == CALL:
            if not step.name.isidentifier():
                return None
            spot, args = NONE, tuple([self.given(arg, params) for arg in step.args])
            while args and args[-1] == NONE:
                args = args[:-1]
        elif step.verb in ACCESSES:
            spot, args = self.place(step, params), ()
            if spot == NONE:
                return None
        elif step.verb in _KEPT:
            spot, args = self.place(step, params) if step.at is not None else NONE, ()
        else:
            return None
        op = self.ops.setdefault(Op(step.verb, step.strength, step.name), len(self.ops))
        return Did(op, step.line, spot, self.arms.setdefault(step.arms, len(self.arms)), args)

    def place(self, step: Step, params: dict[str, tuple[int, bool]]) -> int:
        at = step.at
        if at is None:
            return NONE
        if at.root in params and not params[at.root][1] and at.steps in (("*",), ("[]",)):
            return -2 - params[at.root][0]
        spot, kind = located(self.types, self.path, at)
        if step.verb == READ and not step.name and kind.endswith(("[]", "()")):  # an array, a function: not read where it is named
            return NONE
        return self.number(spot)

    def given(self, at: Path | None, params: dict[str, tuple[int, bool]]) -> int:
        """What an argument points to."""
        if at is None:
            return NONE
        if at.root in params and not at.steps:
            return -2 - params[at.root][0]
        return self.number(located(self.types, self.path, at.then("*"))[0]) if at.steps else NONE

    def number(self, spot: Place | None) -> int:
        return self.places.setdefault(spot, len(self.places)) if spot is not None and of_interest(spot) else NONE


def _inlines(types: Types, path: str, made: _Writer) -> dict[str, str]:
    """The headers that define functions called in a file, and not in the file itself."""
    found: dict[str, str] = {}
    for op in made.ops:
        if op.verb == CALL and op.name not in made.functions and (home := _header(types, path, op.name)):
            found[op.name] = home
    return found


def _header(types: Types, path: str, name: str) -> str:
    own = re.match(r"arch/\w+/", path)
    several = types.headers.of(types.headers.functions, name)
    several = tuple(sorted(several, key=lambda at: not at.startswith(own[0] if own else "include/")))
    return next((at for at in several if (known := types.code.summary(at)) is not None and name in known.names), "")
