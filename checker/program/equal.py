"""Threads that are equal up to names: the same code over the same locations, begun with the same registers.

Two threads are equal when some renaming of registers, and of labels, turns the code and the initial registers of one into those
of the other. Addresses are constants here and have to agree as they are, so a thread that allocates an object of its own is
equal to no other. What two equal threads are called is then all that tells them apart: exchanging them in an execution, each
event for the one at the same place in the other's code, gives an execution.

    P0: a = READ_ONCE(*x)     P1: r1 = READ_ONCE(*x)     ──►  Equal((0, 1), (("x", "a"), ("x", "r1")))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from checker.program.ir import (
    Allocate,
    Assign,
    Assume,
    Branch,
    Choose,
    Const,
    Cut,
    Expr,
    Instr,
    Label,
    Load,
    Mark,
    Op,
    Reg,
    RegLoc,
    Store,
    Test,
    Value,
)

FEWEST = 3  # threads that must be equal for it to be of use: of two, exchanging them halves the work at best
Shape: TypeAlias = tuple[object, ...]


class Equal(Struct, frozen=True):
    """Equal threads: their tids, and of each the registers of its code, the k-th of one being what the k-th of another is."""

    tids: tuple[int, ...]
    registers: tuple[tuple[str, ...], ...]


def equal_threads(
    test: Test, codes: Sequence[tuple[Instr, ...]], envs: Sequence[Mapping[str, Value]], *, fewest: int = FEWEST
) -> tuple[Equal, ...]:
    """The groups of at least `fewest` equal threads, whose straight code is `codes` and whose initial registers are `envs`."""
    if len(codes) < fewest:
        return ()
    alike: dict[tuple[object, ...], list[int]] = {}
    for t, code in enumerate(codes):
        alike.setdefault(tuple(map(type, code)), []).append(t)
    groups: dict[Shape, list[tuple[int, tuple[str, ...]]]] = {}
    widths = dict(test.widths)
    for kinds, members in alike.items():
        if len(members) < fewest or Allocate in kinds:
            continue
        for t in members:
            tid = test.threads[t].tid
            names = _Names()
            shape = tuple([names.shape(instr) for instr in codes[t]])
            start = tuple([(envs[t].get(name), widths.get(RegLoc(tid, name), 0)) for name in names.registers])
            groups.setdefault((shape, start), []).append((tid, tuple(names.registers)))
    return tuple([Equal(*map(tuple, zip(*found, strict=True))) for found in groups.values() if len(found) >= fewest])


class _Names:
    """The names of one thread's registers, labels, pairs and groups, each replaced by the place where it first occurs."""

    def __init__(self) -> None:
        self.registers: dict[str, int] = {}
        self.others: dict[tuple[str, object], int] = {}

    def register(self, name: str) -> int:
        return self.registers.setdefault(name, len(self.registers))

    def other(self, kind: str, name: object) -> int:
        return self.others.setdefault((kind, name), len(self.others)) if name else -1

    def shape(self, instr: Instr) -> Shape:
        """All of an instruction but its names and where it was written."""
        match instr:
            case Load(dst, addr, tags, _, size, pair, group, exclusive, turn):
                return self.expr(addr), self.register(dst), tags, size, *self.together(pair, group), exclusive, turn
            case Store(addr, value, tags, _, size, pair, group, exclusive, turn, result):
                where, what = self.expr(addr), self.expr(value)
                return (
                    where,
                    what,
                    tags,
                    size,
                    *self.together(pair, group),
                    exclusive,
                    turn,
                    self.register(result) if result else -1,
                )
            case Mark(tags, addr, dst, value, _, group, turn):
                parts = [self.expr(e) if e is not None else None for e in (addr, value)]
                return tags, *parts, self.register(dst) if dst else -1, *self.together(0, group), turn
            case Assign(dst, value):
                return self.expr(value), self.register(dst)
            case Choose(dst):
                return (self.register(dst),)
            case Assume(cond):
                return (self.expr(cond),)
            case Branch(cond, target, scope, ctrl):
                return self.expr(cond), self.other("label", target), self.other("label", scope), ctrl
            case Label(name):
                return (self.other("label", name),)
            case Cut(after=after):
                return (self.other("label", after),)
        raise AssertionError(f"equal threads with {instr}")

    def together(self, pair: int, group: int) -> tuple[int, int]:
        return self.other("pair", pair), self.other("group", group)

    def expr(self, e: Expr) -> Shape:
        match e:
            case Reg(name):
                return ("register", self.register(name))
            case Const(value):
                return ("constant", value)
            case Op(op, args):
                return (op, *[self.expr(a) for a in args])
        raise AssertionError(f"not an instruction's operand: {e}")
