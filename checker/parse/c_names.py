"""Names that nothing gives a value: a variable that is read and neither declared, assigned, a parameter nor set at the start.

herd takes such a name for a local variable that holds 0, so that a typing error turns into a verdict. Here it is an error;
a global that was only forgotten among the parameters keeps herd's meaning, with a warning (see litmus.py).
"""

from __future__ import annotations

import difflib
import re

from checker.core.source import CheckerError, Span, UnknownName
from checker.parse.c_prototypes import WAITS
from checker.parse.macros import shipped_table
from checker.program.builtins import ALLOCATORS
from checker.program.ir import Assign, Call, Expr, Op, Reg, RegLoc, Stmt, Test
from checker.program.tree import parts


def wrong_names(test: Test, tid: int, known: frozenset[str], used: dict[str, Span]) -> list[CheckerError]:
    """An error for every name of process `tid` (all of `used`, with where each is) that has no value.

    `known` are those that are declared, or parameters.
    """
    body = next(t.body for t in test.threads if t.tid == tid)
    assigned: set[str] = set()
    read: set[str] = set()
    for s in body:
        _names(s, assigned, read)
    initial = {loc.reg for loc, _ in test.registers if isinstance(loc, RegLoc) and loc.tid == tid}
    world = {g.address.name for g in test.globals}
    problems: list[CheckerError] = []
    for name, span in used.items():
        if name in read and not (name in known or name in assigned or name in initial or name in world):
            near = difflib.get_close_matches(name, [*known, *assigned], n=1)
            hint = f"did you mean {near[0]}?" if near else "declare it, or make it a parameter of the process"
            problems.append(UnknownName(f"undeclared variable '{name}'", span, hint=hint))
    return problems


def _names(x: Stmt | Expr, assigned: set[str], read: set[str]) -> None:
    """Note the variables that a statement or an expression assigns and reads."""
    inner = parts(x)
    match x:
        case Reg(name):
            read.add(name)
        case Assign(dst):
            assigned.add(dst)
        case Op("ref"):
            inner = ()
        case Call(name, args):
            if WAITS.fullmatch(name):
                assigned.add("VAL")  # what it reads, in its condition
            unused = shipped_table("lkmm/linux.def").unused(name)  # the head of a callback, the flags of irqsave, …
            inner = tuple([arg for i, arg in enumerate(args) if i not in unused and not _process(arg)])
            if name in ALLOCATORS:  # of sizes and flags
                inner = ()
    for part in inner:
        _names(part, assigned, read)


def _process(arg: Expr) -> bool:
    """Whether an argument is the name of a process, which a callback has."""
    return isinstance(arg, Reg) and re.fullmatch(r"P\d+", arg.name) is not None
