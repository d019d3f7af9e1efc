"""Straight code to an event structure: every path at once, each event with the guard under which it executes.

One pass per thread carries the registers as symbolic values with the reads they depend on. Where paths join, values and
dependencies are merged under the paths' guards. Every load chooses one store it reads from; what it read is then known.

    P0: x = 1                      a: W x=1
    P1: if (x) y = 1        ──►    b: R x={0: -l, 1: l}   rf(a,b) = l, rf(init,b) = -l
                                   c: W y=1  guard l      ctrl(b,c)
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.deadline import Deadline, look
from checker.core.source import Span, UnknownName
from checker.core.value import UNSOLVED, Free, Symbolic, Undefined, apply, known, merge, nonzero, undetermined
from checker.program.branches import Place, Tree
from checker.program.draft import Access, Deps, Draft, add
from checker.program.events import INIT_TID, EventGraph
from checker.program.graph import graph
from checker.program.ir import (
    MONITOR,
    Address,
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
    registers,
)
from checker.program.memory import final_write, initial_writes, justify_circles, read_from, same_address
from checker.program.parts import Parts, check_parts, in_parts
from checker.program.ranges import Ranges, Site, ranges, simplified, takes
from checker.program.sizes import SeveralSizes, check_sizes

NONE: Deps = {}


class Register(NamedTuple):
    value: Symbolic
    data: Deps
    ctrl: Deps  # reads that decide, through a branch and another register, what this one holds
    pick: Deps = NONE  # reads that decide, through a conditional select, what this one holds


UNSET = Register(known(0), NONE, NONE)


class Path(Struct):
    """Where a path stands: its place among the branches, its registers, and by scope the reads its branches depended on."""

    place: Place
    before: int  # the events on the way here
    env: dict[str, Register]
    ctrl: dict[str, tuple[Deps, Deps]]  # scope -> (all reads, those that came through a register)


def execute(
    test: Test,
    codes: list[tuple[Instr, ...]],
    observed: frozenset[Address],
    *,
    compiled: bool = False,
    coherent: bool = True,
    mixed: bool = False,
    threads: type[Threads] | None = None,
    deadline: Deadline = None,
) -> EventGraph:
    """The event structure of the test's threads, whose straight code is `codes`. `observed`: locations whose end value matters;
    `compiled`, `coherent` and `mixed` say what the model takes tests for (see cat/term.py); `threads` makes the events."""
    spans = _spans(test, codes, coherent=coherent, deadline=deadline)
    parts = None
    try:
        check_sizes(codes, spans.addresses, test)
    except SeveralSizes:
        if not mixed:
            raise
        test, codes, parts = in_parts(test, codes, spans.addresses)
        spans = _spans(test, codes, coherent=coherent, deadline=deadline)
        check_parts(codes, spans.addresses, parts)
        observed = parts.all_of(observed)
    return _execute(
        test, codes, observed, spans, parts, threads or Threads, compiled=compiled, coherent=coherent, deadline=deadline
    )


def _spans(test: Test, codes: list[tuple[Instr, ...]], *, coherent: bool, deadline: Deadline) -> Ranges:
    start = [{name: frozenset({value}) for name, value in env.items()} for env in _environments(test)]
    return ranges(codes, start, {g.address: frozenset({g.value}) for g in test.globals}, coherent=coherent, deadline=deadline)


def _environments(test: Test) -> list[dict[str, Value]]:
    """The registers of each thread at its start."""
    envs: list[dict[str, Value]] = []
    for thread in test.threads:
        env: dict[str, Value] = {p: Address(p) for p in thread.params}
        env.update({loc.reg: value for loc, value in test.registers if loc.tid == thread.tid})
        envs.append(env)
    return envs


def _execute(
    test: Test, codes: list[tuple[Instr, ...]], observed: frozenset[Address], spans: Ranges, parts: Parts | None,
    threads: type[Threads], *, compiled: bool, coherent: bool, deadline: Deadline,
) -> EventGraph:  # fmt: skip
    memory: dict[Address, Value] = {g.address: g.value for g in test.globals}
    envs = _environments(test)
    draft = Draft(test, codes, envs, memory, spans, observed, compiled and test.arch == "C", coherent, parts, Circuit(deadline))
    initial_writes(draft)
    for site in spans.stores:
        for a in spans.addresses[site]:
            if isinstance(a, Address):
                draft.by_address.setdefault(a, []).append(site)
    made = threads(draft)
    for t in range(len(codes)):
        made.thread(t)
    unfinished = draft.unfinished + [lit for lit, _, _ in draft.wild]
    for guard, cond in draft.assumed:  # a thread may wait in vain for what an unfinished one would do
        draft.circuit.require((-guard, cond, *unfinished))
    rf = read_from(draft)
    justify_circles(draft, rf)
    return graph(draft, rf, {a: final_write(draft, a) for a in sorted(observed)})


class Threads:
    """The threads of a draft, run one by one."""

    def __init__(self, draft: Draft) -> None:
        self.draft, self.circuit = draft, draft.circuit

    # ------------------------------------------------------------ one thread

    def thread(self, t: int) -> None:
        tid = self.draft.test.threads[t].tid
        env = {name: Register(known(value), NONE, NONE) for name, value in self.draft.envs[t].items()}
        code = self.draft.codes[t]
        self.assumed = len(self.draft.assumed)
        self.tree = Tree(self.circuit, sum([isinstance(i, Branch) for i in code]))
        self.draft.trees.append(self.tree)
        path: Path | None = Path(self.tree.root, 0, env, {})
        pending: dict[str, list[Path]] = {}
        for i, instr in enumerate(code):
            if isinstance(instr, Label):
                arriving = pending.pop(instr.name, [])
                if path is not None:
                    arriving.append(path)
                path = self.joined(arriving, instr.name)
            elif path is not None:
                path = self.step(t, tid, i, instr, path, pending)
        if path is not None:
            self.end(tid, [path])

    def end(self, tid: int, paths: list[Path]) -> None:
        path = self.joined(paths, "")
        if path is not None:
            for name, register in path.env.items():
                self.draft.finals[RegLoc(tid, name)] = register.value

    def step(self, t: int, tid: int, i: int, instr: Instr, path: Path, pending: dict[str, list[Path]]) -> Path | None:
        look(self.circuit.deadline)
        match instr:
            case Load() | Store() | Mark():
                self.access(t, tid, i, instr, path)
            case Assign(dst, value, span):
                path.env[dst] = self.steered(self.evaluate(value, path, span), path)
            case Choose(dst):
                lit = self.circuit.name()
                path.env[dst] = Register({0: -lit, 1: lit}, NONE, NONE)
            case Allocate(dst, name):
                path.env[dst] = self.steered(Register(known(Address(name)), NONE, NONE), path)
            case Assume(cond, span):
                self.draft.assumed.append((path.place.guard, nonzero(self.evaluate(cond, path, span).value)))
            case Branch():
                return self.branch(instr, path, pending)
            case Cut(span, after, idle, lost):
                here = self.reached(path.place.guard)
                self.draft.cut.append((here, span, lost))
                if idle >= 0:
                    self.draft.idle.append((here, idle))
                if after:
                    self.draft.unfinished.append(here)
                    pending.setdefault(after, []).append(path)
                return None
            case _:
                raise AssertionError(f"not an instruction: {instr}")
        return path

    def reached(self, guard: Lit) -> Lit:
        """That this thread gets to where it is on a path with `guard`: all that it waited for before has come. (What is behind a
        wait is no reason why the wait may be in vain.)"""
        waited = [self.circuit.either2(-before, cond) for before, cond in self.draft.assumed[self.assumed :]]
        return self.circuit.both([guard, *waited]) if waited else guard

    def steered(self, register: Register, path: Path) -> Register:
        """`register` as assigned here: the branches around decide it too."""
        if not path.ctrl:
            return register
        ctrl = dict(register.ctrl)
        for _, through in path.ctrl.values():
            add(self.circuit, ctrl, through)
        return register._replace(ctrl=ctrl)

    def branch(self, instr: Branch, path: Path, pending: dict[str, list[Path]]) -> Path | None:
        circuit = self.circuit
        cond = self.evaluate(instr.cond, path, instr.span)
        taken = nonzero(self.determined(cond.value, path))
        if instr.ctrl and (cond.data or cond.ctrl or cond.pick):
            everything = dict(cond.data)
            add(circuit, everything, cond.ctrl)
            add(circuit, everything, cond.pick)
            through = dict(cond.ctrl)
            for name in registers(instr.cond) if instr.scope else ():  # where no end is set, all that follows depends anyway
                if name[0] != "%":  # a read right inside the condition steers events, but no registers (modelUtils.ml)
                    add(circuit, through, path.env.get(name, UNSET).data)
            old = path.ctrl.get(instr.scope)
            if old is not None:
                add(circuit, everything, old[0])
                add(circuit, through, old[1])
            path = replace(path, ctrl={**path.ctrl, instr.scope: (everything, through)})
        there, here = self.tree.part(path.place, taken)
        if there is not None:
            pending.setdefault(instr.target, []).append(replace(path, place=there))
        if here is None:
            return None
        return replace(path, place=here, env=dict(path.env) if there is not None else path.env)

    def joined(self, paths: list[Path], label: str) -> Path | None:
        """The one path that goes on where `paths` meet; the scope `label` ends here."""
        if not paths:
            return None
        first = paths[0]
        if len(paths) == 1:
            ctrl = {s: d for s, d in first.ctrl.items() if s != label} if label in first.ctrl else first.ctrl
            return replace(first, env=dict(first.env), ctrl=ctrl)
        circuit = self.circuit
        place, cases = self.tree.meet([path.place for path in paths])
        env: dict[str, Register] = {}
        names: dict[str, None] = {}
        for path in paths:
            names.update(dict.fromkeys(path.env))
        for name in names:
            values = [path.env.get(name, UNSET) for path in paths]
            if all(v is values[0] for v in values):
                env[name] = values[0]
                continue
            data, ctrls, picks = [
                self.merged([(path.place.guard, v[k]) for path, v in zip(paths, values, strict=True)]) for k in (1, 2, 3)
            ]
            env[name] = Register(merge(circuit, [(lit, v.value) for lit, v in zip(cases, values, strict=True)]), data, ctrls, picks)
        scopes: dict[str, None] = {}
        for path in paths:
            scopes.update(dict.fromkeys(path.ctrl))
        scopes.pop(label, None)
        ctrl = {}
        for scope in scopes:
            both = [(path.place.guard, path.ctrl.get(scope, (NONE, NONE))) for path in paths]
            ctrl[scope] = (self.merged([(g, d[0]) for g, d in both]), self.merged([(g, d[1]) for g, d in both]))
        return Path(place, reduce(or_, [path.before for path in paths]), env, ctrl)

    def merged(self, cases: list[tuple[Lit, Deps]]) -> Deps:
        """Dependencies after a join: each holds when a path was taken on which it does."""
        if not any(deps for _, deps in cases):
            return NONE
        if all(deps == cases[0][1] for _, deps in cases):
            return cases[0][1]
        circuit = self.circuit
        result: Deps = {}
        for eid in {e: None for _, deps in cases for e in deps}:
            lit = circuit.either([circuit.both2(guard, deps[eid]) for guard, deps in cases if eid in deps])
            executed = self.draft.events[eid].guard
            result[eid] = TRUE if circuit.both2(lit, executed) == executed else lit
        return result

    # ------------------------------------------------------------ expressions

    def evaluate(self, e: Expr, path: Path, span: Span) -> Register:
        """The value of an operand. Where it is undefined it is noted, and 0, as `ranges` has it."""
        found = self.computed(e, path, span)
        if type(e) is not Op or Undefined not in map(type, found.value):
            return found
        value = dict(found.value)
        zero = [lit for v, lit in found.value.items() if v == 0]
        for v, lit in found.value.items():
            if isinstance(v, Undefined):
                self.draft.undefined.append((self.circuit.both2(path.place.guard, lit), span, v.name))
                zero.append(value.pop(v))
        return found._replace(value={**value, 0: self.circuit.either(zero)})

    def computed(self, e: Expr, path: Path, span: Span) -> Register:
        match e:
            case Const(constant):
                return Register(known(constant), NONE, NONE)
            case Reg(name):
                return path.env.get(name, UNSET)
            case Op(op, args):
                operands = [self.computed(a, path, span) for a in args]
                values = [r.value for r in operands]
                if not simplified(op, args, [not (r.data or r.pick) for r in operands]):
                    values = [self.determined(value, path) for value in values]
                value = apply(self.circuit, op, values, span)
                if UNSOLVED in value:
                    value = self.determined(value, path)
                if op == "pick":
                    return self.picked(value, *operands)
                if op == "weak":
                    first, second = operands
                    return first._replace(value=value, pick=self.united(self.united(first.pick, second.pick), second.data))
                first, *rest = operands
                _, data, ctrl, pick = first
                for r in rest:
                    data, ctrl = self.united(data, r.data), self.united(ctrl, r.ctrl)
                    pick = self.united(pick, r.pick)
                return Register(value, data, ctrl, pick)
        raise AssertionError(f"not an instruction's operand: {e}")

    def determined(self, value: Symbolic, path: Path) -> Symbolic:
        """`value` without what nothing determines: no execution computes with it, or goes where it leads."""
        nothing = [v for v in value if undetermined(v)]
        if not nothing:
            return value
        for v in nothing:
            self.circuit.imply(path.place.guard, -value[v])
        return {v: lit for v, lit in value.items() if v not in nothing} or known(0)

    def united(self, a: Deps, b: Deps) -> Deps:
        if not b or a is b:
            return a
        if not a:
            return b
        result = dict(a)
        add(self.circuit, result, b)
        return result

    def picked(self, value: Symbolic, cond: Register, yes: Register, no: Register) -> Register:
        """What a conditional select gives: it depends on the operand it selects, and weakly on what the condition reads."""
        taken = nonzero(cond.value)
        data, ctrl, pick = (
            self.merged([(taken, a), (-taken, b)]) if a is not b else a for a, b in zip(yes[1:], no[1:], strict=True)
        )
        return Register(value, data, self.united(ctrl, cond.ctrl), self.united(self.united(pick, cond.pick), cond.data))

    # ------------------------------------------------------------ events

    def access(self, t: int, tid: int, i: int, instr: Load | Store | Mark, path: Path) -> None:
        span = instr.span
        addr = self.evaluate(instr.addr, path, span) if instr.addr is not None else None
        if addr is not None:
            self.check_address(addr.value, path.place.guard, span)
        eid = len(self.draft.events)
        value: Symbolic | None = None
        written = UNSET
        match instr:
            case Load():
                access = Access(eid, (t, i))
                value = self.read(access, t, i)
                self.draft.loads.append(access)
                kind, size = "R", instr.size
            case Store():
                written = self.evaluate(instr.value, path, span)
                value = written.value
                self.draft.store_at[t, i] = eid
                kind, size = "W", instr.size
            case Mark():
                if instr.value is not None and not instr.dst:
                    written = self.evaluate(instr.value, path, span)
                kind, size = "F", 0
        self.draft.event(tid, kind, instr.tags, path.place, addr.value if addr else None, value, span, path.before, size)
        path.before |= 1 << eid
        self.draft.group_of[eid] = (tid, instr.group) if instr.group else (tid, -1 - eid)
        if instr.turn is not None:
            self.draft.turns[eid] = instr.turn
        if not isinstance(instr, Mark) and instr.access:
            self.draft.accesses.setdefault((tid, instr.access), []).append(eid)
        self.depend(eid, addr or UNSET, written, path)
        if isinstance(instr, Load | Store):
            if instr.pair:
                self.paired(tid, instr, eid)
            if instr.exclusive:
                self.monitored(instr, eid, path)
        if isinstance(instr, Load):
            assert value is not None
            path.env[instr.dst] = self.steered(Register(value, {eid: TRUE}, NONE), path)
        elif isinstance(instr, Store):
            if instr.result:
                held = path.env[instr.result]
                path.env[instr.result] = held._replace(data={**held.data, eid: TRUE})
        elif instr.dst and instr.value is not None:
            base = self.evaluate(instr.value, path, span)
            path.env[instr.dst] = self.steered(Register(base.value, {**base.data, eid: TRUE}, base.ctrl), path)

    def depend(self, eid: int, addr: Register, data: Register, path: Path) -> None:
        for name, deps in (("addr", addr.data), ("data", data.data)):
            for source, lit in deps.items():
                self.draft.deps[name][source, eid] = lit
                self.use(source, eid)
        for name, deps in (("pick-addr", addr.pick), ("pick-data", data.pick)):
            for source, lit in deps.items():
                self.draft.deps[name][source, eid] = lit
                self.use(source, eid)
        for everything, _ in path.ctrl.values():
            for source, lit in everything.items():
                old = self.draft.deps["ctrl"].get((source, eid), FALSE)
                self.draft.deps["ctrl"][source, eid] = self.circuit.either2(old, lit)

    def use(self, source: int, eid: int) -> None:
        if self.draft.group_of[source] == self.draft.group_of[eid]:
            self.draft.together.add((source, eid))

    def paired(self, tid: int, instr: Load | Store, eid: int) -> None:
        if isinstance(instr, Load):
            self.draft.open_pairs[tid, instr.pair] = eid
        else:
            read = self.draft.open_pairs[tid, instr.pair]
            self.draft.rmw[read, eid] = TRUE
            self.draft.together.add((read, eid))

    def monitored(self, instr: Load | Store, eid: int, path: Path) -> None:
        """The monitor holds the load that armed it; a store executes only when that load was of its location and size.
        Each part of an access that is cut has one.

        (Event 0 is an initial write, so a monitor of 0 is armed by no load.)
        """
        monitor = f"{MONITOR}.{instr.part}" if instr.part else MONITOR
        if isinstance(instr, Load):
            path.env[monitor] = Register(known(eid), NONE, NONE)
            return
        pairs = []
        for read, armed in path.env.get(monitor, UNSET).value.items():
            if self.draft.events[read].kind == "R" and self.draft.events[read].size == instr.size:
                lit = self.circuit.both2(armed, same_address(self.draft, read, eid))
                if lit != FALSE:
                    self.draft.rmw[read, eid] = lit
                    pairs.append(lit)
        self.circuit.imply(path.place.guard, self.circuit.either(pairs))

    def check_address(self, addr: Symbolic, guard: Lit, span: Span) -> None:
        """Note accesses through a value that is no address; refuse one that cannot be anything else."""
        for value, lit in addr.items():
            if isinstance(value, Address):
                continue
            if len(addr) == 1 and guard == TRUE:
                raise UnknownName(
                    f"memory is accessed through {value}, which is no address", span,
                    hint="is the location a parameter of this process, and its pointer initialised?",
                )  # fmt: skip
            self.draft.wild.append((self.circuit.both2(self.reached(guard), lit), span, str(value)))

    def read(self, access: Access, t: int, i: int) -> Symbolic:
        """The value of a load: one choice of a store; where every store writes one known value, the choice is the value."""
        circuit, spans, code = self.circuit, self.draft.ranges, self.draft.codes[t]
        sites: dict[Site, None] = {}
        for a in sorted(x for x in spans.addresses[t, i] if isinstance(x, Address)):
            for site in self.draft.by_address.get(a, ()):
                k = site[1]
                if site[0] != t or takes(code[i], code[k], earlier=k < i, coherent=self.draft.coherent):
                    sites[site] = None
        access.choice = dict(zip(sites, self.circuit.choice(len(sites)), strict=True))
        written = {site: self.written_range(site) for site in sites}
        if all(len(values) == 1 for values in written.values()):
            found: dict[Value, list[Lit]] = {}
            for site, lit in access.choice.items():
                found.setdefault(next(iter(written[site])), []).append(lit)
            if len(found) < 2:
                return known(next(iter(found), 0))
            return {v: circuit.either(lits) for v, lits in found.items()}
        seed = spans.circles.get((t, i))
        values = {v for known_values in written.values() for v in known_values} | ({seed} if seed is not None else set())
        domain = sorted(values, key=_value_key)
        return dict(zip(domain, self.circuit.choice(len(domain)), strict=True))

    def written_range(self, site: Site) -> frozenset[Value]:
        if site[0] == INIT_TID:
            value = self.draft.events[self.draft.store_at[site]].value
            assert value is not None
            return frozenset(value)
        return self.draft.ranges.values[site]


def _value_key(value: Value) -> tuple[int, int, str, int]:
    match value:
        case Address(name, offset):
            return 1, 0, name, offset
        case Free(name):
            return 2, 0, name, 0
    return 0, value, "", 0
