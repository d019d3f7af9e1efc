"""Loops whose repeated rounds cannot matter: a spin on a condition, a retry of exclusives, of a compare-and-swap.

A round that comes back to where the loop begins and has written nothing may be left out, where the next one starts from the
same state: what is left is what the program does when it comes by later. (VSync: Oberhauser et al., ASPLOS 2021, "await
termination"; GenMC: Kokologiannakis, Ren, Vafeiadis, "Dynamic Partial Order Reductions for Spinloops", FMCAD 2021; Dartagnan's
spin loops likewise.) Of the program this asks, and here it is checked, for every path of a round:

    no store, and nothing allocated, on a path that comes back;
    each register that the path leaves changed is written before it is read in whatever follows, or holds, wherever a round
    begins, one constant that the path itself tests for (`while (r == 0) r = READ_ONCE(*x);`: all rounds but the last may go).

A loop may also be entered by code that its own end repeats (`r = READ_ONCE(*x); while (!r) r = READ_ONCE(*x);`): then its rounds
begin there. Of the model it asks that fewer events never break a check: solve/dropped.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from checker.program.ir import (
    MONITOR,
    Allocate,
    Assign,
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
    Store,
    registers,
)
from checker.program.ir import Assume as Assumption

PATHS = 256
"""How many paths of a round are looked at; a loop with more is taken for one whose rounds matter."""


def rounds_kept(body: Sequence[Instr], first: int, last: int) -> int | None:
    """How many rounds that fail have to be looked at of the loop body[first..last], in which there is no other loop: the others
    may be left out. None: its rounds matter."""
    region = list(body[first : last + 1])
    kept = _kept(region, _live(body)[first])
    if kept != 0 and (peeled := _peeled(body, first, last)):
        at = last - peeled  # the rounds begin there: what precedes the loop is their first part
        turned = _kept([region[0], *body[at:last], *region[1 : at - first], body[last]], _live(body)[at])
        kept = turned if kept is None or turned == 0 else kept
    return kept


def _peeled(body: Sequence[Instr], first: int, last: int) -> int:
    """How many instructions before the loop are those of its end; 0 when the end is not straight code, or is not there."""
    end = body[last]
    if not (isinstance(end, Branch) and isinstance(end.cond, Const) and end.cond.value):
        return 0
    best = 0
    for n in range(1, min(first, last - first - 1) + 1):
        one, other = body[first - n], body[last - n]
        if isinstance(one, Branch | Label | Cut | Store | Allocate) or _shape(one) != _shape(other):
            break
        best = n
    return best if _same(body[first - best : first], body[last - best : last]) else 0


def _shape(instr: Instr) -> tuple[object, ...]:
    return type(instr), getattr(instr, "tags", None), getattr(instr, "size", None), getattr(instr, "exclusive", None)


def _same(one: Sequence[Instr], other: Sequence[Instr]) -> bool:
    """Whether two stretches of code do the same, but for the names of temporaries."""
    names: dict[str, str] = {}

    def same(a: Expr, b: Expr) -> bool:
        match a, b:
            case Reg(x), Reg(y):
                return names.get(x, x) == y
            case Op(x, xs), Op(y, ys):
                return x == y and len(xs) == len(ys) and all(map(same, xs, ys))
        return a == b

    for a, b in zip(one, other, strict=True):
        match a, b:
            case Load(), Load():
                if not same(a.addr, b.addr) or bool(a.pair) != bool(b.pair):
                    return False
            case Assign(), Assign():
                if not same(a.value, b.value):
                    return False
            case Assumption(), Assumption():
                if not same(a.cond, b.cond):
                    return False
            case Mark(), Mark():
                if (a.addr, a.value, a.dst) != (b.addr, b.value, b.dst):
                    return False
            case Choose(), Choose():
                pass
            case _:
                return False
        written, there = getattr(a, "dst", ""), getattr(b, "dst", "")
        if written != there and not (written[:1] == there[:1] == "%"):
            return False
        names[written] = there
    return True


# ---------------------------------------------------------------- the paths of a round


class _Round(Struct, frozen=True):
    """A path: the value of each register in terms of those at its beginning (`@r`), and what its branches found true or false."""

    env: dict[str, Expr]
    facts: dict[Expr, bool]


class _Matters(Exception):
    """A round does what others can see, or there are too many paths."""


def _kept(region: Sequence[Instr], live: frozenset[str]) -> int | None:
    """As rounds_kept, of code whose first label is where its rounds begin, with the registers that are read from there on."""
    try:
        rounds = list(_rounds(region))
    except _Matters:
        return None
    changed = {name for path in rounds for name, value in path.env.items() if name in live and value != Reg(f"@{name}")}
    if not changed:
        return 0
    fixed = all(len({_constant(path, name) for path in rounds}) == 1 and _constant(rounds[0], name) is not None for name in changed)
    return 1 if fixed else None


def _constant(path: _Round, name: str) -> int | None:
    """What a register is known to hold where the path begins."""
    begun = Reg(f"@{name}")
    if path.facts.get(begun) is False:
        return 0
    for fact, holds in path.facts.items():
        if holds and isinstance(fact, Op) and fact.op == "eq" and begun in fact.args:
            other = fact.args[1 - fact.args.index(begun)]
            if isinstance(other, Const) and isinstance(other.value, int):
                return other.value
    return None


def _rounds(region: Sequence[Instr]) -> Iterator[_Round]:
    """The paths from the first label back to it. Raises _Matters."""
    head = region[0]
    assert isinstance(head, Label)
    at = {instr.name: i for i, instr in enumerate(region) if isinstance(instr, Label)}
    written = {name for instr in region if (name := getattr(instr, "dst", ""))}
    count, fresh = 0, 0
    todo: list[tuple[int, dict[str, Expr], dict[Expr, bool], bool]] = [(1, {}, {}, False)]
    while todo:
        i, env, facts, stored = todo.pop()
        count += 1
        if count > PATHS:
            raise _Matters
        while i < len(region):
            instr = region[i]
            i += 1
            match instr:
                case Assign(dst, value):
                    env[dst] = _within(value, env)
                case Load() | Choose():
                    fresh += 1
                    env[instr.dst] = Reg(f"?{fresh}")
                    if isinstance(instr, Load) and instr.exclusive:
                        env[MONITOR] = Reg(f"?{fresh}")
                case Mark(dst=dst):
                    if dst:
                        fresh += 1
                        env[dst] = Reg(f"?{fresh}")
                case Store() | Allocate():
                    stored = True
                case Assumption(cond):
                    fact, holds = _fact(_within(cond, env))
                    facts[fact] = holds
                case Cut(_, after):
                    for name in written:
                        fresh += 1
                        env[name] = Reg(f"?{fresh}")
                    if after not in at:
                        break
                    i = at[after]
                case Branch(cond, target):
                    fact, wanted = _fact(_within(cond, env))
                    known = facts.get(fact) if not isinstance(fact, Const) else bool(fact.value)
                    goes = None if known is None else known == wanted
                    if goes is None:
                        todo.append((i, dict(env), {**facts, fact: not wanted}, stored))
                        facts = {**facts, fact: wanted}
                    if goes is False:
                        continue
                    if target == head.name:
                        if stored:
                            raise _Matters
                        yield _Round(env, facts)
                        break
                    if target not in at:
                        break  # out of the loop
                    i = at[target]
                case _:
                    pass


def _within(e: Expr, env: dict[str, Expr]) -> Expr:
    """An operand in terms of the registers at the beginning of the round."""
    match e:
        case Reg(name):
            return env.get(name, Reg(f"@{name}"))
        case Op(op, args):
            inner = tuple([_within(a, env) for a in args])
            return inner[0] if op in ("weak", "first", "part") else Op(op, inner)
    return e


def _fact(e: Expr) -> tuple[Expr, bool]:
    """What it is for an operand not to be 0: that something is true, or false, spelled in one way."""
    match e:
        case Op("lnot", (arg,)):
            fact, holds = _fact(arg)
            return fact, not holds
        case Op("ne", (a, b)):
            fact, holds = _fact(Op("eq", (a, b)))
            return fact, not holds
        case Op("eq", (a, b)):
            if isinstance(a, Const) and isinstance(b, Const):
                return Const(int(a.value == b.value)), True
            if b == Const(0) or a == Const(0):
                fact, holds = _fact(a if b == Const(0) else b)
                return fact, not holds
            return Op("eq", (a, b) if repr(a) <= repr(b) else (b, a)), True
    return e, True


# ---------------------------------------------------------------- which registers are still read


def _live(body: Sequence[Instr]) -> list[frozenset[str]]:
    """For each place in the code the registers that are read from there on before they are written. At the end, all that have
    names of the program may be read."""
    at = {instr.name: i for i, instr in enumerate(body) if isinstance(instr, Label)}
    named = frozenset([name for instr in body for name in _reads(instr) | _writes(instr) if name[0] != "%"])
    live = [frozenset[str]()] * len(body) + [named]
    changed = True
    while changed:
        changed = False
        for i in range(len(body) - 1, -1, -1):
            instr = body[i]
            after = live[i + 1]
            if isinstance(instr, Branch):
                always = isinstance(instr.cond, Const) and instr.cond.value
                after = live[at[instr.target]] if always else after | live[at[instr.target]]
            elif isinstance(instr, Cut) and instr.after in at:
                after = live[at[instr.after]]
            now = (after - _writes(instr)) | _reads(instr)
            if now != live[i]:
                live[i], changed = now, True
    return live


def _reads(instr: Instr) -> frozenset[str]:
    found = [name for field in ("addr", "value", "cond") if (e := getattr(instr, field, None)) is not None for name in registers(e)]
    return frozenset(found + [MONITOR] * (isinstance(instr, Store) and instr.exclusive))


def _writes(instr: Instr) -> frozenset[str]:
    found = [name] if (name := getattr(instr, "dst", "")) else []
    return frozenset(found + [MONITOR] * (isinstance(instr, Load) and instr.exclusive))
