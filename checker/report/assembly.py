"""A C test as a herd assembly test: what a primitive is compiled to, written down for other tools and for hardware.

export(test, model, "aarch64")   AArch64 MP             the instructions that `expand` makes with the model's table, one
                                 { 0:X0=x; … }          column a process; init, filter and question translated; a comment
                                 P0 | P1 ;  …           says which register holds which local variable

Every location and register has 64 bits, as in a check of the C test. A critical section that no grace period of the test
waits for is nothing but its fences. What tries until it succeeds (a lock) is tried once, and a `filter` keeps the executions in
which it succeeded. What is no instruction (a grace period, kfree()) is refused by name and place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from checker.cat.term import Model
from checker.core.source import NOWHERE, LimitExceeded, Span, Unsupported
from checker.core.value import Free
from checker.program.defer import defer
from checker.program.expand import expand
from checker.program.ir import (
    Address,
    And,
    Assign,
    Assume,
    Branch,
    Choose,
    Compare,
    Const,
    Cut,
    Expr,
    Implies,
    Instr,
    Label,
    Load,
    Loc,
    Mark,
    MemLoc,
    Not,
    Op,
    Or,
    Prop,
    Reg,
    RegLoc,
    Store,
    Test,
    Thread,
    Truth,
    Value,
)

SIZE = 8  # bytes of a location
_SECTION = frozenset({"Rcu-lock", "Rcu-unlock", "Srcu-lock", "Srcu-unlock"})
_PERIOD = frozenset({"Rcu-gp-start", "Rcu-gp-end", "Srcu-gp-start", "Srcu-gp-end"})
_BUSY = re.compile(r"(?i:[wxbhsdqrv]\d+|[re]?[abcd][xhl]|[re]?(?:si|di|sp|bp)l?|[wx]?zr|lr|pc|nzcv|ip\d?|r\d+[dwb]|p\d+)")
"""What an assembler takes for a register, or herd for a process."""


@dataclass(frozen=True, slots=True)
class Exported:
    """The `text` of the assembly test, and under which name each place of the C test is found there."""

    text: str
    places: dict[Loc, str]


@dataclass(slots=True)
class Code:
    """The assembly of one thread while it grows. The two machines differ in `Machine`, which writes into it."""

    tid: int
    params: frozenset[str]
    names: dict[str, str]
    free: list[str]
    lines: list[str] = field(default_factory=list)
    registers: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    initial: dict[str, Value] = field(default_factory=dict)
    scratch: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    failed: str = ""
    here: Span = NOWHERE

    def emit(self, *lines: str) -> None:
        self.lines.extend(lines)

    def take(self, *, fresh: bool) -> str:
        """A register nobody uses; a fresh one nobody has used before either: it has its initial value, 0 unless said otherwise."""
        found = next((r for r in self.free if not (fresh and r in self.written)), "")
        if not found:
            raise LimitExceeded(f"P{self.tid} needs more registers than the machine has", self.here)
        self.free.remove(found)
        self.written.add(found)
        return found

    def temporary(self) -> str:
        """A register until the end of the instruction at work."""
        self.scratch.append(self.take(fresh=False))
        return self.scratch[-1]

    def constant(self, value: Value) -> str:
        """A register that has a value from the start."""
        register = self.take(fresh=True)
        self.initial[register] = value
        return register

    def register(self, name: str) -> str:
        """The register of a local variable, or of a temporary of `expand`."""
        if name not in self.registers:
            self.registers[name] = self.take(fresh=not name.startswith("%"))
            if name in self.params:
                self.initial[self.registers[name]] = Address(name)
        return self.registers[name]

    def address(self, name: str) -> str:
        """A register that holds the address of a global from the start."""
        if name not in self.addresses:
            self.addresses[name] = self.constant(Address(name))
        return self.addresses[name]

    def label(self, name: str) -> str:
        return self.labels.setdefault(name, f"L{self.tid}{len(self.labels)}")

    def release(self, upto: dict[str, int], at: int) -> None:
        """Give back what instruction `at` was the last to use."""
        self.free[:0] = reversed(self.scratch)
        self.scratch.clear()
        for name, last in upto.items():
            if last == at and name in self.registers:
                self.free.insert(0, self.registers.pop(name))

    def refuse(self, what: str, hint: str = "") -> Unsupported:
        return Unsupported(f"{what} cannot be written as {self.machine_name} instructions", self.here, hint=hint)

    machine_name: str = ""


class Machine:
    """How one machine says what instructions of the program mean. Subclasses write into the `Code` they are given."""

    arch = ""
    name = ""
    pool: tuple[str, ...] = ()

    def assign(self, code: Code, dst: str, value: Expr) -> None:
        raise NotImplementedError

    def load(self, code: Code, load: Load) -> None:
        raise NotImplementedError

    def store(self, code: Code, store: Store) -> None:
        raise NotImplementedError

    def fence(self, code: Code, tags: frozenset[str]) -> None:
        raise NotImplementedError

    def branch(self, code: Code, cond: Expr, target: str) -> None:
        raise NotImplementedError

    def fail_unless(self, code: Code, cond: Expr) -> None:
        """Make `code.failed` something else than 0 unless the condition holds."""
        raise NotImplementedError

    def exchange(self, code: Code, load: Load, store: Store, *, used: bool) -> None:
        raise NotImplementedError

    def fetch(self, code: Code, load: Load, store: Store, op: str, value: Expr, *, used: bool) -> None:
        raise NotImplementedError

    def compare_exchange(self, code: Code, load: Load, expected: Expr, store: Store, *, succeeds: bool) -> None:
        """`succeeds`: only the executions in which it does are looked at."""
        raise NotImplementedError


def export(test: Test, model: Model, machine: Machine) -> Exported:
    """`test` in the machine's assembly, its primitives compiled by the model's table. Raises Unsupported."""
    if test.arch != "C":
        raise Unsupported(f"'{test.name}' is {test.arch} already")
    deferred = defer(test)
    programs = [expand(thread, model.primitives or {}) for thread in deferred.threads]
    _instructions_only(programs)
    names = _names(test)
    threads = [_compiled(t, code, names, machine) for t, code in zip(deferred.threads, programs, strict=True)]
    return _written(test, threads, names, machine)


def _instructions_only(programs: list[tuple[Instr, ...]]) -> None:
    for code in programs:
        for i in code:
            if isinstance(i, Mark) and (i.tags & _PERIOD or i.tags - _SECTION and "F" not in i.tags):
                raise Unsupported(f"'{_called(i.span)}' is a protocol, not an instruction", i.span, hint="no machine has it")
            if isinstance(i, Store) and "FREE" in i.tags:
                raise Unsupported(f"'{_called(i.span)}': no machine knows of the end of an object", i.span)
            if isinstance(i, Choose):
                raise Unsupported(f"'{_called(i.span)}' may succeed or not, which is no instruction", i.span)


def _called(span: Span) -> str:
    """The name of the primitive at a place."""
    found = re.match(r"\w+", span.source.line(span.line)[max(span.column - 1, 0) :])
    return found[0] if found else "this"


def _names(test: Test) -> dict[str, str]:
    """Each global's name in the assembly."""
    globals_ = dict.fromkeys(g.address.name for g in test.globals)
    for thread in test.threads:
        globals_ |= dict.fromkeys(thread.params)
    return {name: f"v_{name}" if _BUSY.fullmatch(name) else name for name in globals_}


# ---------------------------------------------------------------- one thread


def _compiled(thread: Thread, program: tuple[Instr, ...], names: dict[str, str], machine: Machine) -> Code:
    code = Code(thread.tid, frozenset(thread.params), names, list(machine.pool), machine_name=machine.name)
    last: dict[str, int] = {}
    for at, i in enumerate(program):
        last |= {name: at for name in _mentions(i) if name.startswith("%")}
    for at, i in enumerate(program):  # what is written and never read
        if isinstance(i, Load | Assign) and i.dst.startswith("%"):
            last.setdefault(i.dst, at)
    at = 0
    while at < len(program):
        code.here = getattr(program[at], "span", code.here)
        step = _instruction(code, program, at, machine, last)
        for done in range(at, at + step):
            code.release(last, done)
        at += step
    return code


def _instruction(code: Code, program: tuple[Instr, ...], at: int, machine: Machine, last: dict[str, int]) -> int:
    """Write the instruction at `at`, with those it makes one with; how many these are."""
    match program[at]:
        case Load() as load if load.pair:
            return _read_modify_write(code, program, at, machine, last)
        case Load() as load:
            machine.load(code, load)
        case Store() as store if store.pair:
            raise code.refuse(f"'{_called(store.span)}'")
        case Store() as store:
            machine.store(code, store)
        case Assign(dst, value):
            machine.assign(code, code.register(dst), value)
        case Mark(tags, dst=dst):
            if "F" in tags and not tags & _SECTION:
                machine.fence(code, tags)
            if dst:
                machine.assign(code, code.register(dst), Const(0))
        case Branch(cond, target):
            machine.branch(code, cond, code.label(target))
        case Label(name):
            code.emit(f"{code.label(name)}:")
        case Assume(cond):
            if not code.failed:
                code.failed = code.take(fresh=True)
            machine.fail_unless(code, cond)
        case Choose(span=span) | Cut(span):
            raise Unsupported("what is chosen freely is no instruction", span)
    return 1


def _read_modify_write(code: Code, program: tuple[Instr, ...], at: int, machine: Machine, last: dict[str, int]) -> int:
    load = program[at]
    assert isinstance(load, Load)
    used = last.get(load.dst, at) > at + 1
    match program[at + 1 : at + 7]:
        case (Store(pair=pair, value=Op(op, (Reg(old), value))) as store, *_) if pair == load.pair and old == load.dst:
            if load.dst not in _names_in(value):
                machine.fetch(code, load, store, op, value, used=used)
                return 2
        case (Store(pair=pair) as store, *_) if pair == load.pair and load.dst not in _names_in(store.value):
            machine.exchange(code, load, store, used=used)
            return 2
        case (
            Branch(Op("ne", (Reg(old), before)), fail), Store(pair=pair) as store, Branch(Const(1), end),
            Label(here), Assign(expected, Reg(kept)), Label(there),
        ) if pair == load.pair and old == kept == load.dst and here == fail and there == end:  # fmt: skip
            machine.compare_exchange(code, load, before, _plain(store), succeeds=False)
            machine.assign(code, code.register(expected), Reg(load.dst))
            return 7
        case (Branch(Op("ne", (Reg(old), before)), fail), Store(pair=pair) as store, Label(here), *rest) if (
            pair == load.pair and old == load.dst and here == fail
        ):
            sure = bool(rest) and isinstance(rest[0], Assume) and rest[0].cond == Op("eq", (Reg(old), before))
            machine.compare_exchange(code, load, before, _plain(store), succeeds=sure)
            return 4
    raise code.refuse(f"'{_called(load.span)}'", hint="the machine needs a loop for it")


def _plain(store: Store) -> Store:
    """The store of a compare-and-swap, without the remark that it depends on the comparison."""
    match store.value:
        case Op("weak", (value, _)):
            return replace(store, value=value)
    return store


def _names_in(e: Expr | None) -> set[str]:
    match e:
        case Reg(name):
            return {name}
        case Op(_, args):
            return set().union(*map(_names_in, args))
    return set()


def _mentions(i: Instr) -> set[str]:
    match i:
        case Assign(_, value):
            return _names_in(value)
        case Load(_, addr):
            return _names_in(addr)
        case Store(addr, value):
            return _names_in(addr) | _names_in(value)
        case Mark(_, addr, _, value):
            return _names_in(addr) | _names_in(value)
        case Branch(cond) | Assume(cond):
            return _names_in(cond)
    return set()


# ---------------------------------------------------------------- the file


def _written(test: Test, threads: list[Code], names: dict[str, str], machine: Machine) -> Exported:
    places: dict[Loc, str] = {}
    for loc in _places(test):
        match loc:
            case RegLoc(tid, reg):
                code = next(c for c in threads if c.tid == tid)
                places[loc] = f"{tid}:{code.register(reg)}"
            case MemLoc(address):
                places[loc] = _location(address, names)
    for loc, value in test.registers:
        code = next(c for c in threads if c.tid == loc.tid)
        code.initial[code.register(loc.reg)] = value
    init = [f"int64_t {text};" for text in _memory(test, names)]
    init += [f"{c.tid}:{reg}={_value(v, names)};" for c in threads for reg, v in c.initial.items()]
    kept = [f"{c.tid}:{c.failed}=0" for c in threads if c.failed]
    if test.filter is not None:
        kept.append(_prop(test.filter, places, names))
    said = {"exists": "exists", "~exists": "~exists", "forall": "forall"}[test.condition.quantifier]
    parts = [f"{machine.arch} {test.name}", _comment(test, threads, names), "{", *init, "}", *_columns(threads)]
    if test.shown:
        parts.append(f"locations [{' '.join(f'{places[loc]};' for loc in test.shown)}]")
    if kept:
        parts.append("filter (" + " /\\ ".join(kept) + ")")
    parts.append(f"{said} ({_prop(test.condition.prop, places, names)})")
    return Exported("\n".join(part for part in parts if part) + "\n", places)


def _comment(test: Test, threads: list[Code], names: dict[str, str]) -> str:
    rows = []
    for code in threads:
        local = [f"{name} {reg}" for name, reg in code.registers.items() if name not in code.params and name[0] != "%"]
        if local:
            rows.append(f" * P{code.tid}: {', '.join(local)}")
    rows += [f" * {old} is {new}" for old, new in names.items() if old != new]
    return "\n".join([f"(* {test.name}, compiled from C. Which register holds which variable:", *rows, " *)"])


def _places(test: Test) -> list[Loc]:
    found: dict[Loc, None] = dict.fromkeys(test.shown)

    def walk(prop: Prop | None) -> None:
        match prop:
            case Compare(_, left, right):
                found.update({side: None for side in (left, right) if isinstance(side, RegLoc | MemLoc)})
            case Not(arg):
                walk(arg)
            case And(args) | Or(args):
                for arg in args:
                    walk(arg)
            case Implies(left, right):
                walk(left)
                walk(right)

    walk(test.condition.prop)
    walk(test.filter)
    return list(found)


def _memory(test: Test, names: dict[str, str]) -> list[str]:
    """The initial values, arrays put together."""
    arrays: dict[str, list[Value]] = {}
    for g in sorted(test.globals, key=lambda g: g.address.offset):
        arrays.setdefault(g.address.name, []).append(g.value)
    texts = []
    for name, values in arrays.items():
        if len(values) == 1:
            texts.append(f"{names[name]}={_value(values[0], names)}")
        else:
            texts.append(f"{names[name]}[{len(values)}]={{{','.join(_value(v, names) for v in values)}}}")
    return texts


def _location(address: Address, names: dict[str, str]) -> str:
    return f"{names[address.name]}[{address.offset}]" if address.offset else names[address.name]


def _value(value: Value, names: dict[str, str]) -> str:
    match value:
        case Address(name, 0):
            return names[name]
        case Address() | Free():
            raise Unsupported(f"the value {value}")
    return str(value)


def _prop(prop: Prop, places: dict[Loc, str], names: dict[str, str]) -> str:
    def side(x: Loc | Value) -> str:
        return places[x] if isinstance(x, RegLoc | MemLoc) else _value(x, names)

    match prop:
        case Compare(op, left, right):
            return f"{side(left)}{'=' if op == '==' else op}{side(right)}"
        case Not(arg):
            return f"~({_prop(arg, places, names)})"
        case And(args):
            return "(" + " /\\ ".join(_prop(a, places, names) for a in args) + ")" if args else "true"
        case Or(args):
            return "(" + " \\/ ".join(_prop(a, places, names) for a in args) + ")" if args else "false"
        case Implies(left, right):
            return f"({_prop(left, places, names)} => {_prop(right, places, names)})"
        case Truth(value):
            return str(value).lower()


def _columns(threads: list[Code]) -> list[str]:
    cells = [[f"P{c.tid}", *c.lines] for c in threads]
    height = max(map(len, cells))
    widths = [max(map(len, column)) for column in cells]
    rows = []
    for n in range(height):
        row = [(column[n] if n < len(column) else "").ljust(width) for column, width in zip(cells, widths, strict=True)]
        rows.append(" " + " | ".join(row) + " ;")
    return rows
