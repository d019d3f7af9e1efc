"""What a litmus test says: threads of instructions, initial memory, and the question.

A front end (C, AArch64, x86) makes a `Test`. C threads are made of *statements* (`Assign Write Do If While`) whose
expressions may still read memory (`Deref`) or call a primitive (`Call`); `expand` turns them into *instructions*
(`Assign Load Store Mark Choose Allocate Assume Branch Label Cut`), the only thing the later stages know. Assembly front ends emit
instructions at once.

    WRITE_ONCE(*x, 1);      Do(Call("WRITE_ONCE", (Deref(Reg("x")), Const(1))))
                            Store(addr=Reg("x"), value=Const(1), tags={"ONCE"})

Values are integers (signed, 64 bits) or symbolic addresses of globals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from checker.core.source import NOWHERE, Source, Span
from checker.core.value import Free

# ---------------------------------------------------------------- values and expressions


class Address(Struct, frozen=True, eq=False):
    """The address of global `name`, plus `offset` (elements of an array in C, bytes in assembly).

    `members` are the names of the locations of a structure, for people: addresses are the same without.
    """

    name: str
    offset: int = 0
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        if 0 < self.offset < len(self.members):
            return self.members[self.offset]
        return f"{self.name}[{self.offset}]" if self.offset else self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.name == other.name and self.offset == other.offset

    def __ne__(self, other: object) -> bool:  # msgspec has one of its own
        return not self == other

    def __hash__(self) -> int:
        return hash((self.name, self.offset))

    def __lt__(self, other: Address) -> bool:
        return (self.name, self.offset) < (other.name, other.offset)


Value: TypeAlias = int | Address | Free


class Const(Struct, frozen=True):
    value: Value


class Reg(Struct, frozen=True):
    """A register (a local variable, in C) of the thread. Names beginning with '%' are temporaries of `expand`."""

    name: str


class Op(Struct, frozen=True):
    """A pure operation; `op` names a row of `OPERATORS`. 'ite' takes (condition, then, else)."""

    op: str
    args: tuple[Expr, ...]


class Deref(Struct, frozen=True):
    """`*addr` in a C expression: a plain read, or the location itself where a primitive takes one (`READ_ONCE(*x)`)."""

    addr: Expr
    span: Span = NOWHERE


class Call(Struct, frozen=True):
    """A call of a primitive or of one of the built-ins a `.def` body uses: `__load{ONCE}(X)` has tags ("ONCE",)."""

    name: str
    args: tuple[Expr, ...]
    tags: tuple[str, ...] = ()
    span: Span = NOWHERE


class Block(Struct, frozen=True):
    """Statements and then a value: an assignment that is a value, a helper function written out. GNU C's `({ … value; })`."""

    body: tuple[Stmt, ...]
    value: Expr


Expr: TypeAlias = Const | Reg | Op | Deref | Call | Block


def registers(e: Expr) -> list[str]:
    """The registers in an instruction's operand, in order, each as often as it is there."""
    match e:
        case Reg(name):
            return [name]
        case Op(_, args):
            return [name for a in args for name in registers(a)]
    return []


MONITOR = "%monitor"
"""The register of each thread that says which exclusive load armed its monitor; 0 disarms it."""

# One row an operator: how many operands it takes. Comparisons and logic give 0 or 1.
OPERATORS: dict[str, int] = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "mod": 2,
    "and": 2, "or": 2, "xor": 2, "andnot": 2, "shl": 2, "shr": 2, "sar": 2,
    "lt": 2, "le": 2, "gt": 2, "ge": 2, "eq": 2, "ne": 2, "ltu": 2, "leu": 2, "gtu": 2, "geu": 2,
    "land": 2, "lor": 2, "lnot": 1, "neg": 1, "not": 1,
    "ite": 3,
    "first": 2,  # the value of the first operand, depending on both
    "weak": 2,  # the value of the first operand, depending on it; on the second only weakly ("pick")
    "pick": 3,  # 'ite' as a conditional select does it: depends on what it selects; on the condition only weakly ("pick")
    "part": 2,  # an address, of so many bytes: -4 is a signed number of four
    "ref": 1,  # the address of a local variable; only __try_cmpxchg takes one
    "sext8": 1, "sext16": 1, "sext32": 1, "zext8": 1, "zext16": 1, "zext32": 1,
    # C's conversions: of a number as above, of what is no number (an address kept in an int) none
    "int8": 1, "int16": 1, "int32": 1, "uint8": 1, "uint16": 1, "uint32": 1,
    "divu": 2, "modu": 2, "div32": 2, "mod32": 2,  # of 64 unsigned bits, of 32 signed ones
    "within": 2,  # the first operand, which must be at least 0 and less than the second: what a shift may be by
}  # fmt: skip

# ---------------------------------------------------------------- statements (C, before expand)


class Write(Struct, frozen=True):
    """`*addr = value;` a plain store."""

    addr: Expr
    value: Expr
    span: Span = NOWHERE


class Do(Struct, frozen=True):
    """A call for its effect: `smp_mb();`, or an expression whose value is thrown away."""

    call: Expr
    span: Span = NOWHERE


class If(Struct, frozen=True):
    cond: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()
    span: Span = NOWHERE


class While(Struct, frozen=True):
    cond: Expr
    body: tuple[Stmt, ...]
    span: Span = NOWHERE


# ---------------------------------------------------------------- instructions (after expand; what assembly emits)


class Turn(Struct, frozen=True):
    """When an access of a C expression has its turn among those of the same full expression (C11 6.5, annex C).

    `unit` numbers the accesses of the expression; the read and the write of a read-modify-write are one unit. `operands` are
    the units that its operands are computed from, `points` those that a sequence point puts before it (`&&`, `||`, `?:`).
    Two units of which neither is in the other's sets may come in either order.
    """

    unit: int
    operands: frozenset[int] = frozenset()
    points: frozenset[int] = frozenset()

    def follows(self, other: Turn) -> bool:
        """Whether C has `other` before this."""
        return other.unit in self.operands or other.unit in self.points


class Assign(Struct, frozen=True):
    """dst := value; moves no memory."""

    dst: str
    value: Expr
    span: Span = NOWHERE


class Load(Struct, frozen=True):
    """dst := memory[addr]. `tags` are names of event sets the read is in. `size` is in bytes, 0: the whole location.

    `pair` > 0 names the read-modify-write this read is a part of: the Store of the same thread with the same `pair`.
    `group` > 0 is shared by the events of one full expression or one instruction, which program order does not order by their
    place in the text: those of an expression by their `turn`, those of an instruction (they have none) not at all.
    `exclusive`: the read arms the thread's monitor.
    `access` > 0 is shared by what one access was cut into, and `part` says which of these it is (see program/parts.py).
    """

    dst: str
    addr: Expr
    tags: frozenset[str] = frozenset()
    span: Span = NOWHERE
    size: int = 0
    pair: int = 0
    group: int = 0
    exclusive: bool = False
    turn: Turn | None = None
    access: int = 0
    part: int = 0


class Store(Struct, frozen=True):
    """memory[addr] := value. `pair`, `group`, `turn`, `access` and `part` as in Load.

    `exclusive`: only an execution in which the monitor was armed last for this location, with this size, comes here; the two
    accesses are a read-modify-write. `result`: a register that from here on depends on this write too.
    """

    addr: Expr
    value: Expr
    tags: frozenset[str] = frozenset()
    span: Span = NOWHERE
    size: int = 0
    pair: int = 0
    group: int = 0
    exclusive: bool = False
    turn: Turn | None = None
    result: str = ""
    access: int = 0
    part: int = 0


class Mark(Struct, frozen=True):
    """An event that neither reads nor writes memory for the engine: a fence (tags hold "F"), a lock event, a grace period.

    With `addr` it has a location; with `dst` it sets that register to `value`, and the register depends on it as on a read;
    without, it depends on `value` as a write does on its data.
    """

    tags: frozenset[str]
    addr: Expr | None = None
    dst: str = ""
    value: Expr | None = None
    span: Span = NOWHERE
    group: int = 0
    turn: Turn | None = None


class Choose(Struct, frozen=True):
    """dst := 0 or 1, whichever: both are explored (a trylock that may fail)."""

    dst: str
    span: Span = NOWHERE


class Allocate(Struct, frozen=True):
    """dst := the address of `object`, which nobody else knows; each round of a loop has one of its own."""

    dst: str
    object: str
    span: Span = NOWHERE


class Assume(Struct, frozen=True):
    """Only executions in which `cond` is not 0 here are looked at: the last round of a loop that tries until it succeeds.

    `waits`: the loop is one in which the process waits, reading with the load before.
    """

    cond: Expr
    span: Span = NOWHERE
    waits: bool = False


class Branch(Struct, frozen=True):
    """Go to `target` when `cond` is not 0.

    Every later event of the thread is control dependent on the reads in `cond`, as far as the label `scope`
    (C: the join of the `if`), or to the end when `scope` is ""; not at all when `ctrl` is false.
    """

    cond: Expr
    target: str
    scope: str = ""
    ctrl: bool = True
    span: Span = NOWHERE


class Label(Struct, frozen=True):
    name: str


class Cut(Struct, frozen=True):
    """The loop bound: an execution that comes here was not followed through all its rounds.

    It goes on at the label `after`, behind the loop, as if it had been: what it does there may be what others wait for. Nothing
    that it does answers a question; it shows that there are executions which were not looked at. `idle` >= 0: once so many of the
    loop's rounds are looked at, further ones may be left out (see spin.py); where `after` is empty that is done, and the process
    goes no further. `lost`: it is no loop bound, but where the text says that code is left out which may do anything.
    """

    span: Span = NOWHERE
    after: str = ""
    idle: int = -1
    lost: bool = False


Instr: TypeAlias = Assign | Load | Store | Mark | Choose | Allocate | Assume | Branch | Label | Cut
Stmt: TypeAlias = Write | Do | If | While | Instr


class Thread(Struct, frozen=True):
    """Process `tid` (the n of Pn): its parameters (globals it may name), its declared locals, its code."""

    tid: int
    body: tuple[Stmt, ...]
    params: tuple[str, ...] = ()
    span: Span = NOWHERE


# ---------------------------------------------------------------- the question


class RegLoc(Struct, frozen=True):
    """Register `reg` of process `tid`, as in `0:r1`."""

    tid: int
    reg: str

    def __str__(self) -> str:
        return f"{self.tid}:{self.reg}"


class MemLoc(Struct, frozen=True, eq=False):
    """The global at `address`, as in `x` or `[x]`. `text` is how it is shown, where that is not by its address."""

    address: Address
    text: str = ""

    def __str__(self) -> str:
        return self.text or f"[{self.address}]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemLoc) and self.address == other.address

    def __ne__(self, other: object) -> bool:  # msgspec has one of its own
        return not self == other

    def __hash__(self) -> int:
        return hash((MemLoc, self.address))


Loc: TypeAlias = RegLoc | MemLoc


class Compare(Struct, frozen=True):
    """`left op right`; op is one of == != < <= > >=; each side is a location or a value."""

    op: str
    left: Loc | Value
    right: Loc | Value
    span: Span = NOWHERE


class Not(Struct, frozen=True):
    arg: Prop


class And(Struct, frozen=True):
    args: tuple[Prop, ...]


class Or(Struct, frozen=True):
    args: tuple[Prop, ...]


class Implies(Struct, frozen=True):
    left: Prop
    right: Prop


class Truth(Struct, frozen=True):
    value: bool


Prop: TypeAlias = Compare | Not | And | Or | Implies | Truth


class Condition(Struct, frozen=True):
    """`quantifier` is "exists", "~exists" or "forall"; `text` is herd's spelling of the proposition."""

    quantifier: str
    prop: Prop
    span: Span = NOWHERE


LIFETIME_FLAGS = ("use-after-free", "double-free", "srcu-cleanup-too-early")
ENDLESS, PROGRESS = "endless-wait", "progress"
"""What a file may say of waits: that one can last for ever, or that none can. Where it says neither, nobody asks."""


class Expectation(Struct, frozen=True):
    """What the file says of one model: `verdict` (Never Sometimes Always DEADLOCK Maybe) and `race` (a DATARACE is expected).

    `race` is None where the file says nothing about races (our `Result(model):` lines). `flags` are the LIFETIME_FLAGS that are
    expected, of which none may appear unannounced, and what is said of waits.
    """

    model: str
    verdict: str
    race: bool | None
    span: Span = NOWHERE
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.verdict, *["DATARACE"] * bool(self.race), *[flag.upper() for flag in self.flags]])


class Global(Struct, frozen=True):
    """A location that exists: its initial value, its C type as written ("int", "spinlock_t", "int *", "" when unsaid)."""

    address: Address
    value: Value = 0
    type: str = ""
    span: Span = NOWHERE
    bytes: int = 0
    """How large it is, where the type does not say so."""


class View(Struct, frozen=True):
    """A member of a union, or of a structure that has one: the `size` bytes at `of`, which others may be parts of or have as
    theirs. Its `address` is its name in questions."""

    address: Address
    of: Address
    size: int
    span: Span


class Test(Struct, frozen=True):
    """One litmus test, as parsed.

    `registers` holds initial register values; `shown` is what `locations [...]` adds to the condition's locations;
    `filter` keeps only the executions that satisfy it. `warnings` are remarks for people (a global used as a local).
    `widths` says of locations which integer their final value is seen as: one of so many bits, negative when signed.
    """

    name: str
    arch: str
    threads: tuple[Thread, ...]
    globals: tuple[Global, ...]
    registers: tuple[tuple[RegLoc, Value], ...]
    condition: Condition
    shown: tuple[Loc, ...] = ()
    filter: Prop | None = None
    expect: tuple[Expectation, ...] = ()
    info: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, Span], ...] = ()
    source: Source = field(default_factory=lambda: Source("<none>", ""))
    widths: tuple[tuple[Loc, int], ...] = ()
    views: tuple[View, ...] = ()


# ---------------------------------------------------------------- what a .def file says


class Macro(Struct, frozen=True):
    """One line of a `.def` table: `name(params)` stands for an expression (`value`) or for statements (`body`)."""

    name: str
    params: tuple[str, ...]
    value: Expr | None
    body: tuple[Stmt, ...]
    span: Span = NOWHERE


Table: TypeAlias = Mapping[str, Macro]
