"""A process of an extracted test while it is made: its lines, its locals, and how it names places."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct, field

from checker.reach.declared import pointee
from checker.reach.places import Place, located
from checker.reach.process import At, Line, Part
from checker.reach.statements import (
    AddressOf,
    Cast,
    Deref,
    Expr,
    Index,
    Member,
    Name,
    Number,
)
from checker.reach.summary import Path
from checker.reach.types import Types
from checker.reach.world import (
    KEYWORDS,
    STRAY,
    UNKNOWN,
    Frame,
    Note,
    TooLong,
    Value,
    World,
    bracketed,
    element,
    number_type,
    scalar,
)

MAX_PARTS = 600


class Draft(Struct):
    """A process while it is made. `chosen` are the places; `world` says what they are called."""

    types: Types
    chosen: frozenset[Place]
    world: World
    depth: int = 3
    """How deep calls are followed that only order something."""
    deepest: int = 12
    """How deep calls are followed that touch a place."""
    rounds: int = 1
    out: list[Part] = field(default_factory=list)
    first: list[Part] = field(default_factory=list)
    """What is put out ahead of everything."""
    notes: set[Note] = field(default_factory=set)
    locals: dict[str, str] = field(default_factory=dict)
    """The locals of the process, with their types."""
    reads: dict[str, Place] = field(default_factory=dict)
    """Which locals are what was read of a place."""
    held: dict[str, str] = field(default_factory=dict)
    """The locks that the caller holds: how each is unlocked."""
    unknown: set[str] = field(default_factory=set)
    """Locals that are not always known: of these only whether they are 0 is kept, chosen freely."""
    dropped: int = -1
    """How many parts there were where an atomic operation that gives nothing was on another place, and left out."""
    count: int = 0
    parts: int = 0
    bodies: int = 0
    # ------------------------------------------------------------ what is put out

    def line(self, text: str, at: At, sets: str = "", *, idle: bool = False, note: str = "") -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise TooLong(f"more than {MAX_PARTS:,} lines, functions written out", hint="--depth follows calls less deep")
        self.out.append(Line(text, at, sets, idle, note))

    def apart(self, make: Callable[[], None]) -> tuple[Part, ...]:
        """What `make` puts out, not yet put out."""
        before, self.out = self.out, []
        try:
            make()
            return tuple(self.out)
        finally:
            self.out = before

    def note(self, kind: str, at: At, text: str) -> None:
        self.notes.add(Note(kind, at[0], at[1], text))

    def lost(self, at: At, text: str) -> None:
        self.note("lost", at, text)
        self.line("__lost()", at, note=text)

    def fresh(self, wish: str, kind: str) -> str:
        """A new local of the process, called about as wished."""
        wish = re.sub(r"\W+", "_", wish).strip("_") or "r"
        name, n = wish, 0
        while name in self.locals or self.world.taken(name) or name in KEYWORDS:
            n += 1
            name = f"{wish}{n}"
        self.locals[name] = kind
        return name

    def label(self, what: str) -> str:
        self.count += 1
        return f"{what}_{self.count}"

    def value(self, e: Expr, frame: Frame, *, wanted: bool = True, wish: str = "") -> Value:
        """What an expression is worth, after what it does is put out (slice.py)."""
        raise NotImplementedError

    # ------------------------------------------------------------ places

    def through(self, at: Path | None, frame: Frame) -> tuple[Path | None, str]:
        """A path as the caller has it, where it begins with a parameter that points to no structure; and whose file's it is."""
        if at is not None and at.root in frame.given and at.type and not at.type.startswith("struct "):
            made, home = frame.given[at.root]
            for step in at.steps:
                made = made.then(step)
            return made, home
        return at, frame.path

    def spot(self, e: Expr, frame: Frame, *, address: bool = False) -> tuple[Place | None, str]:
        """The place that an lvalue, or an address, names, and its type."""
        path = frame.walk.path(e)
        if path is not None and address:
            path = path.then("*")
        path, where = self.through(path, frame)
        return located(self.types, where, path) if path is not None else (None, "")

    def astray(self, e: Expr, frame: Frame, *, address: bool = False) -> bool:
        """Whether a write may be to a chosen place without saying so: through a local pointer to a number that was set to it among
        others, or to nobody knows what of the type that a place has. It is to none of which the type says that."""
        path = frame.walk.path(e)
        path, where = self.through(path.then("*") if address and path is not None else path, frame)
        if path is not None and self.world.may_be(located(self.types, where, path)[0]):
            return True  # of a structure that no type says
        if path is None or path.steps[:1] not in (("*",), ("[]",)) or path.type.endswith("[]") or not path.type:
            return False
        kind = located(self.types, where, path)[1]
        set_to = frame.walk.several.get(path.root, [None])
        for one in set_to:
            if one is None or one.root == path.root or one.root.endswith("()"):
                bare = self.types.bare(where, kind)
                if any(self.types.bare(p.home, element(self.kind(p))) == bare for p in self.chosen) and "*" not in bare:
                    return True
            elif located(self.types, where, one.then("*"))[0] in self.chosen:
                return True
        return False

    def parts_of(self, e: Expr, frame: Frame) -> Value:
        """What it takes to find the place that an lvalue names is put out; the pointer that it goes through."""
        match e:
            case Member(base, _, arrow):
                return self.value(base, frame) if arrow else self.parts_of(base, frame)
            case Index(base, index):
                found = self.parts_of(base, frame)
                self.value(index, frame)
                return found
            case Deref(base):
                return self.value(base, frame)
            case AddressOf(base) | Cast(_, base):
                return self.parts_of(base, frame)
            case Name() | Number():
                return UNKNOWN
        return self.value(e, frame)

    def lvalue(self, e: Expr, spot: Place, kind: str, through: Value) -> str:
        """How the test names a chosen place."""
        name = self.world.name(spot, element(kind))
        if through.text is not None and self.locals.get(through.text, "").endswith("*") and "->" in name:
            return f"{through.text}->{name.partition('->')[2]}"
        return name if "->" in name else f"*{name}"

    def read(self, e: Expr, frame: Frame, wish: str) -> Value:
        through = self.parts_of(e, frame)
        spot, kind = self.spot(e, frame)
        if spot not in self.chosen or spot is None or not scalar(self.types, frame.path, kind):
            if spot not in self.chosen and self.astray(e, frame):
                self.note("reads", (frame.path, frame.line), STRAY)
            return UNKNOWN
        return self.kept(self.lvalue(e, spot, kind, through), spot, kind, frame, wish)

    def kept(self, text: str, spot: Place, kind: str, frame: Frame, wish: str, result: str = "") -> Value:
        """What is read of a place, in a local."""
        found = self.fresh(
            wish or spot.name, result or self.pointed(spot, kind) or number_type(self.types, frame.path, element(kind))
        )
        self.reads[found] = spot
        self.line(f"{found} = {text}", (frame.path, frame.line), found)
        return Value(found)

    def kind(self, spot: Place) -> str:
        """The type of a place, as it is declared."""
        if not spot.tag:
            known = self.types.variable(spot.home, spot.name)
            return known[1] if known is not None else ""
        member = self.types.member(spot.home, f"struct {spot.tag}", spot.name)
        return member.type if member is not None else ""

    def pointed(self, spot: Place, kind: str) -> str:
        """The type of a pointer to a structure that the test has; empty for anything else."""
        tag = pointee(element(kind)).removeprefix("struct ")
        return f"struct {tag} *" if tag and tag in self.world.objects else ""

    def pointer(self, e: Expr, frame: Frame) -> Value:
        """What the address of an object is worth: its name, where the test has such objects."""
        path = frame.walk.path(e)
        path, where = self.through(path, frame)
        kind = located(self.types, where, path)[1] if path is not None else ""
        tag = pointee(kind).removeprefix("struct ")
        return Value(self.world.object(tag)) if tag in self.world.objects else UNKNOWN

    def stored(self, found: Value, e: Expr, spot: Place, frame: Frame, at: At) -> str:
        """What is written; 1 where nobody knows, which is told."""
        tag = pointee(element(self.kind(spot))).removeprefix("struct ")
        if tag in self.world.objects and not self.locals.get(found.text or "", "").endswith("*") and found.text != "0":
            return self.world.object(tag)
        if found.text is None:
            self.note("assumed", at, f"what is written to {spot} is 1")
            return "1"
        if found.truth and not found.text.isdigit():
            self.note("assumed", at, f"what is written to {spot} is 0 or 1")
            return f"!!{bracketed(found)}"
        return found.text
