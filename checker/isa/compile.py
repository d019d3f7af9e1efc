"""A C test as a herd assembly test: what a primitive is compiled to, written down for other tools and for hardware.

export(test, model, "aarch64")   AArch64 MP             the instructions that `expand` makes with the model's table, one
                                 { 0:X0=x; … }          column a process; init, filter and question translated; a comment
                                 P0 | P1 ;  …           says which register holds which local variable

Every location and register has 64 bits: what is computed is brought to the type that C says, but an atomic_t counts on
beyond 32 bits. A critical section that no grace period of the test
waits for is nothing but its fences. What tries until it succeeds (a lock) is tried once, and a `filter` keeps the executions in
which it succeeded. A branch lasts: on AArch64 what follows the join of an `if` is control dependent on its condition too, so an
assembly test may have fewer states than the C test, in which a compiler is free to undo that. What is no instruction (a grace
period, kfree()) is refused by name and place.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from checker.cat.term import Model
from checker.core.source import Span, Unsupported
from checker.isa.emit import op as fold
from checker.isa.text import Exported, names_of, written
from checker.isa.writer import SIZE, Writer
from checker.program.defer import defer
from checker.program.expand import expand
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
    Store,
    Test,
    Thread,
    registers,
)

_SECTION = frozenset({"Rcu-lock", "Rcu-unlock", "Srcu-lock", "Srcu-unlock"})
_PERIOD = frozenset({"Rcu-gp-start", "Rcu-gp-end", "Srcu-gp-start", "Srcu-gp-end"})


def export(test: Test, model: Model, machine: type[Writer]) -> Exported:
    """`test` in the machine's assembly, its primitives compiled by the model's table. Raises Unsupported."""
    if test.arch != "C":
        raise Unsupported(f"'{test.name}' is {test.arch} already")
    if test.views:
        raise Unsupported(
            f"{test.views[0].address} is in a union", test.views[0].span, hint="the compiled test would access whole locations"
        )
    deferred = defer(test, model.primitives or {})
    programs = [expand(thread, model.primitives or {}) for thread in deferred.threads]
    _instructions_only(programs)
    names = names_of(test, machine.machine)
    threads = [_compiled(t, code, names, machine) for t, code in zip(deferred.threads, programs, strict=True)]
    return written(test, threads, names, machine)


def _instructions_only(programs: list[tuple[Instr, ...]]) -> None:
    for code in programs:
        for i in code:
            if isinstance(i, Mark) and (i.tags & _PERIOD or (i.tags - _SECTION and "F" not in i.tags)):
                raise Unsupported(f"'{_called(i.span)}' is a protocol, not an instruction", i.span, hint="no machine has it")
            if isinstance(i, Store) and "FREE" in i.tags:
                raise Unsupported(f"'{_called(i.span)}': no machine knows of the end of an object", i.span)
            if isinstance(i, Choose):
                raise Unsupported(f"'{_called(i.span)}' goes either way, which is no instruction", i.span)


def _called(span: Span) -> str:
    """The name of the primitive at a place."""
    found = re.match(r"\w+", span.source.line(span.line)[max(span.column - 1, 0) :])
    return found[0] if found else "this"


# ---------------------------------------------------------------- one thread


def _compiled(thread: Thread, program: tuple[Instr, ...], names: dict[str, str], machine: type[Writer]) -> Writer:
    writer = machine(thread.tid, frozenset(thread.params), names)
    program = _in_bytes(program, writer.params)
    last: dict[str, int] = {}
    for at, i in enumerate(program):
        last |= {name: at for name in _mentions(i) if name.startswith("%")}
    for at, i in enumerate(program):  # what is written and never read
        if isinstance(i, Load | Assign) and i.dst.startswith("%"):
            last.setdefault(i.dst, at)
    at = 0
    while at < len(program):
        writer.here = getattr(program[at], "span", writer.here)
        step = _instruction(writer, program, at, last)
        for done in range(at, at + step):
            writer.release(last, done)
        at += step
    return writer


def _in_bytes(program: tuple[Instr, ...], params: frozenset[str]) -> tuple[Instr, ...]:
    """The program with the elements that are added to the address of an array counted in bytes."""
    arrays = params - {i.dst for i in program if isinstance(i, Load | Assign)}

    def scaled(e: Expr) -> Expr:
        match e:
            case Op("add", (Reg(name) as array, Const(int(n)))) if name in arrays:
                return Op("add", (array, Const(n * SIZE)))
            case Op("add", (Reg(name) as array, index)) if name in arrays:
                return Op("add", (array, Op("mul", (scaled(index), Const(SIZE)))))
            case Op(op, args):
                return Op(op, tuple([scaled(a) for a in args]))
        return e

    def place(addr: Expr, span: Span) -> Expr:
        match addr:
            case Reg() | Const() | Op("add", (Reg(_), _)) if isinstance(addr, Reg | Const) or arrays & {*registers(addr)}:
                return scaled(addr)
        raise Unsupported("the address of this access is computed from no array of the test", span)

    made: list[Instr] = []
    for i in program:
        match i:
            case Load(addr=addr, span=span):
                made.append(replace(i, addr=place(addr, span)))
            case Store(addr=addr, value=value, span=span):
                made.append(replace(i, addr=place(addr, span), value=scaled(value)))
            case Assign(value=value):
                made.append(replace(i, value=scaled(value)))
            case _:
                made.append(i)
    return tuple(made)


def _instruction(w: Writer, program: tuple[Instr, ...], at: int, last: dict[str, int]) -> int:
    """Write the instruction at `at`, with those it makes one with; how many these are."""
    match program[at]:
        case Load() as load if load.pair:
            return _read_modify_write(w, program, at, last)
        case Load() as load:
            w.load(load)
        case Store() as store if store.pair:
            raise w.refuse(f"'{_called(store.span)}'")
        case Store() as store:
            w.store(store)
        case Assign(dst, value):
            w.assign(w.register(dst), value)
        case Mark(tags, dst=dst):
            if "F" in tags and not tags & _SECTION:
                w.fence(tags)
            if dst:
                w.assign(w.register(dst), Const(0))
        case Branch(Op("first", (Const(0), value)), target):  # of `__ctrl`: whichever way it goes
            w.branch(value, w.label(target))
        case Branch(cond, target):
            w.branch(cond, w.label(target))
        case Label(name):
            if name in w.labels or any(isinstance(i, Branch) and i.target == name for i in program):
                w.lines.append(f"{w.label(name)}:")
        case Assume(cond):
            w.fail_unless(cond)
        case Choose(span=span) | Allocate(span=span) | Cut(span):
            raise Unsupported("what is chosen freely is no instruction", span)
    return 1


def _read_modify_write(w: Writer, program: tuple[Instr, ...], at: int, last: dict[str, int]) -> int:
    load = program[at]
    assert isinstance(load, Load)
    used = last.get(load.dst, at) > at + 1
    match program[at + 1 : at + 7]:
        case (Store(pair=pair, value=value) as store, *_) if pair == load.pair:
            match value:  # on locations of 64 bits, all that is computed is stored
                case Op("int32" | "uint32", (whole,)):
                    value = whole
            match value:
                case Op(op, (Reg(old), operand)) if old == load.dst and old not in registers(operand):
                    if op == "sub":
                        op, operand = "add", fold("neg", operand)
                    w.fetch(load, op, operand, used=used)
                    return 2
                case _ if load.dst not in registers(value):
                    w.exchange(load, replace(store, value=value), used=used)
                    return 2
        case (
            Branch(Op("ne", (Reg(old), before)), fail), Store(pair=pair, value=new), Branch(Const(1), end),
            Label(here), Assign(expected, Reg(kept)), Label(there),
        ) if pair == load.pair and old == kept == load.dst and here == fail and there == end:  # fmt: skip
            w.compare_exchange(load, before, _plain(new))
            w.assign(w.register(expected), Reg(load.dst))
            return 7
        case (Branch(Op("ne", (Reg(old), before)), fail), Store(pair=pair, value=new), Label(here), *_) if (
            pair == load.pair and old == load.dst and here == fail
        ):
            w.compare_exchange(load, before, _plain(new))
            return 4
    raise w.refuse(f"'{_called(load.span)}'", hint="the machine needs a loop for it")


def _plain(value: Expr) -> Expr:
    """What a compare-and-swap stores, without the remark that it depends on the comparison."""
    return value.args[0] if isinstance(value, Op) and value.op == "weak" else value


def _mentions(i: Instr) -> set[str]:
    parts = [getattr(i, part, None) for part in ("value", "addr", "cond")]
    return {name for part in parts if part is not None for name in registers(part)}
