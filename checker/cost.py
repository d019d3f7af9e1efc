"""What each process of a test pays, as compiled: waits for grace periods, callbacks, barriers, atomics, loads and stores.

A test and a model in, one `Price` a process out. Primitives are replaced by what the model's .def table says, as for a check,
and the items counted on every way through the code: `low` on the cheapest, `high` on the dearest, item by item. A grace period
is no instruction on any machine: what waits for one, or leaves a callback to one, is counted by its name.

    smp_mb();                          aarch64   full     dmb ish
    if (r) smp_rmb();                  aarch64   partial  dmb ishld   0–1
    synchronize_srcu_expedited(ss);    any       waits    synchronize_srcu_expedited
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TypeAlias, cast

from msgspec import Struct

from checker.cat.term import Model
from checker.core.source import Unsupported
from checker.kernel.primitives import DEFER, FREE, GRACE, primitive
from checker.program.expand import expand
from checker.program.ir import (
    Branch,
    Call,
    Const,
    Cut,
    Do,
    Instr,
    Label,
    Load,
    Macro,
    Mark,
    Store,
    Test,
    Thread,
)  # fmt: skip
from checker.program.tree import walk
from checker.program.unroll import unroll

# Counted by name: what blocks its caller for a grace period (or for callbacks, which wait for one), what returns at once and
# leaves the work to a callback after one, what ends an object.
_BY_VERB = {GRACE: "waits", DEFER: "defers", FREE: "frees"}

CATEGORIES = ("waits", "defers", "frees", "sections", "full", "partial", "ordered", "atomic", "plain")


class Item(Struct, frozen=True, order=True):
    """One kind of thing that is paid for; `category` is one of CATEGORIES, `name` an instruction or a primitive."""

    category: str
    name: str


class Range(Struct, frozen=True):
    """How often: at least, at most."""

    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}–{self.high}"


NEVER = Range(0, 0)
Counts = dict[Item, Range]


class Price(Struct, frozen=True):
    """What process `tid` of `test` pays under `model`, in the order of CATEGORIES."""

    test: str
    file: str
    model: str
    tid: int
    counts: tuple[tuple[Item, Range], ...]

    def of(self, category: str) -> Range:
        """All of one category together."""
        found = [count for item, count in self.counts if item.category == category]
        return Range(sum(c.low for c in found), sum(c.high for c in found))


def cost(test: Test, model: Model, *, rounds: int = 1) -> tuple[Price, ...]:
    """What each process of `test` pays as `model` compiles it; a loop body is counted up to `rounds` times."""
    if test.arch not in model.archs:
        raise Unsupported(f"{test.arch} tests cannot be compiled for '{model.name}'", hint=f"it takes {', '.join(model.archs)}")
    return tuple(_price(test, thread, model, rounds) for thread in test.threads)


def _price(test: Test, thread: Thread, model: Model, rounds: int) -> Price:
    table = ChainMap(_by_name(thread), cast(dict[str, Macro], model.primitives or {}))  # which is only read
    code = unroll(expand(thread, table), rounds, thread.span)
    counts = sorted(_paths(code, model.machine).items(), key=lambda pair: (CATEGORIES.index(pair[0].category), pair[0].name))
    return Price(test.name, test.source.name, model.name, thread.tid, tuple(counts))


# ---------------------------------------------------------------- primitives counted by name

_TAG = "cost:"


def _by_name(thread: Thread) -> dict[str, Macro]:
    """Macros for the primitives of `thread` that are no instructions: each leaves a mark that names it."""
    made: dict[str, Macro] = {}
    for call in [part for part in walk(*thread.body) if isinstance(part, Call)]:
        known = primitive(call.name)
        category = _BY_VERB.get(known.verb) if known is not None else None
        if category is not None:
            made[call.name] = _named(call, category)
    return made


def _named(call: Call, category: str) -> Macro:
    params = tuple(f"%arg{i}" for i in range(len(call.args)))
    body = (Do(Call("__fence", (), (f"{_TAG}{category}:{call.name}",), call.span), call.span),)
    return Macro(call.name, params, None, body, call.span)


# ---------------------------------------------------------------- instructions by what they cost

Prices: TypeAlias = tuple[tuple[str, str, str, str], ...]
"""What is paid for: a fence (F), read (R), write (W) or read-modify-write (RMW) with all these tags, its category, its name."""
_OWN: Prices = (
    ("F", "MB", "full", "smp_mb"), ("F", "Rmb", "partial", "smp_rmb"), ("F", "Wmb", "partial", "smp_wmb"),
    ("F", "Before-atomic", "full", "smp_mb__before_atomic"), ("F", "After-atomic", "full", "smp_mb__after_atomic"),
    ("F", "After-spinlock", "full", "smp_mb__after_spinlock"), ("F", "After-unlock-lock", "full", "smp_mb__after_unlock_lock"),
    ("F", "After-srcu-read-unlock", "full", "smp_mb__after_srcu_read_unlock"),
    ("F", "After-srcu-read-lock", "full", "smp_mb__after_srcu_read_lock"), ("F", "LKR", "atomic", "lock"),
    ("F", "UL", "ordered", "unlock"), ("R", "ACQUIRE", "ordered", "load-acquire"), ("W", "RELEASE", "ordered", "store-release"),
    ("RMW", "MB", "atomic", "atomic, full"), ("RMW", "ACQUIRE", "atomic", "atomic, acquire"),
    ("RMW", "RELEASE", "atomic", "atomic, release"), ("RMW", "NORETURN", "atomic", "atomic, no result"),
    ("RMW", "ONCE", "atomic", "atomic, relaxed"),
)  # fmt: skip
_ALL: Prices = (
    *[(kind, tag, "sections", "read-side section") for kind in "FR" for tag in ("Rcu-lock", "Srcu-lock")],
    ("RMW", "", "atomic", "atomic"), ("R", "", "plain", "load"), ("W", "Srcu-unlock", "", ""), ("W", "", "plain", "store"),
)  # fmt: skip


@cache
def _prices(machine: str) -> tuple[tuple[str, frozenset[str], Item | None], ...]:
    """The prices of a machine, by its room in isa/, or those of the kernel's own model; the most telling first."""
    own: Prices = import_module(f"checker.isa.{machine}").PRICES if machine else _OWN
    return tuple(
        [(kind, frozenset(tags.split()), Item(category, name) if name else None) for kind, tags, category, name in (*own, *_ALL)]
    )


def _item(instr: Instr, machine: str) -> Item | None:
    """What an instruction counts as; None for what costs nothing to speak of."""
    if not isinstance(instr, Load | Store | Mark):
        return None
    named = next((tag for tag in sorted(instr.tags) if _TAG in tag.lower()), None)
    if named is not None:
        _, category, name = named.split(":")
        return Item(category, name)
    match instr:
        case Load(pair=pair):
            kind = "RMW" if pair else "R"
        case Store(pair=pair) if pair:
            return None  # counted with its load
        case Store():
            kind = "W"
        case _:
            kind = "F"
    return next((item for of, tags, item in _prices(machine) if of == kind and tags <= instr.tags), None)


# ---------------------------------------------------------------- all ways through the code


def _paths(code: Sequence[Instr], machine: str) -> Counts:
    """Every item of straight code with forward branches: how often on the cheapest and on the dearest way through it."""
    at: dict[str, Counts] = {}
    here: Counts = {}
    for instr in reversed(code):
        match instr:
            case Label(name):
                at[name] = here
            case Branch(cond=Const(value), target=target):
                here = at[target] if value else here
            case Branch(target=target):
                here = _either(here, at[target])
            case Cut():
                here = {}
            case _:
                item = _item(instr, machine)
                if item is not None:
                    count = here.get(item, NEVER)
                    here = {**here, item: Range(count.low + 1, count.high + 1)}
    return here


def _either(one: Counts, other: Counts) -> Counts:
    both: Counts = {}
    for item in {**one, **other}:
        a, b = one.get(item, NEVER), other.get(item, NEVER)
        both[item] = Range(min(a.low, b.low), max(a.high, b.high))
    return both
