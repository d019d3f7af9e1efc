"""Straight code to an event structure: every path at once, each event with the guard under which it executes.

One pass per thread carries the registers as symbolic values with the reads they depend on. Where paths join, values and
dependencies are merged under the paths' guards. Every load chooses one store it reads from; what it read is then known.

    P0: x = 1                      a: W x=1
    P1: if (x) y = 1        ──►    b: R x={0: -l, 1: l}   rf(a,b) = l, rf(init,b) = -l
                                   c: W y=1  guard l      ctrl(b,c)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from checker.core.acyclic import forbid_cycles
from checker.core.circuit import FALSE, TRUE, Circuit, Lit
from checker.core.rel import Rows, bits, mask_of
from checker.core.source import Span, UnknownName, Unsupported
from checker.core.value import Free, Symbolic, Undetermined, apply, known, merge, nonzero
from checker.program.events import INIT_TID, Event, EventGraph, Leaf
from checker.program.ir import (
    MONITOR,
    Address,
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
from checker.program.ranges import Ranges, Site, ranges
from checker.program.sizes import check_sizes

Deps = dict[int, Lit]
"""Events something depends on; each with the condition under which it does (TRUE: whenever the event executes)."""
NONE: Deps = {}
Cube = frozenset[Lit]
"""A path, as the branch decisions it took."""


class Register(NamedTuple):
    value: Symbolic
    data: Deps
    ctrl: Deps  # reads that decide, through a branch and another register, what this one holds
    pick: Deps = NONE  # reads that decide, through a conditional select, what this one holds


UNSET = Register(known(0), NONE, NONE)


@dataclass(slots=True)
class _Path:
    """Where a path stands: its decisions, its registers, and by scope the reads its branches depended on."""

    cubes: list[Cube]
    guard: Lit
    env: dict[str, Register]
    ctrl: dict[str, tuple[Deps, Deps]]  # scope -> (all reads, those that came through a register)


@dataclass(slots=True)
class _Access:
    """A load or store that became an event."""

    eid: int
    site: Site
    choice: dict[Site, Lit] = field(default_factory=dict)  # loads: the store read from


def execute(test: Test, codes: list[tuple[Instr, ...]], observed: frozenset[Address]) -> EventGraph:
    """The event structure of the test's threads, whose straight code is `codes`. `observed`: locations whose end value matters."""
    memory: dict[Address, Value] = {g.address: g.value for g in test.globals}
    envs: list[dict[str, Value]] = []
    for thread in test.threads:
        env: dict[str, Value] = {p: Address(p) for p in thread.params}
        env.update({loc.reg: value for loc, value in test.registers if loc.tid == thread.tid})
        envs.append(env)
    known_memory = {a: frozenset({v}) for a, v in memory.items()}
    spans = ranges(codes, [{r: frozenset({v}) for r, v in env.items()} for env in envs], known_memory)
    check_sizes(codes, spans.addresses, {g.address: g for g in test.globals})
    return _Execution(test, codes, envs, memory, spans, observed).run()


class _Execution:
    def __init__(
        self,
        test: Test,
        codes: list[tuple[Instr, ...]],
        envs: list[dict[str, Value]],
        memory: dict[Address, Value],
        spans: Ranges,
        observed: frozenset[Address],
    ) -> None:
        self.test, self.codes, self.envs, self.memory, self.ranges, self.observed = test, codes, envs, memory, spans, observed
        self.circuit = Circuit()
        self.events: list[Event] = []
        self.cubes: list[list[Cube]] = []
        self.loads: list[_Access] = []
        self.store_at: dict[Site, int] = {}
        self.group_of: list[tuple[int, int]] = []
        self.deps: dict[str, dict[tuple[int, int], Lit]] = {
            "addr": {}, "data": {}, "ctrl": {}, "pick-addr": {}, "pick-data": {}
        }  # fmt: skip
        self.together: set[tuple[int, int]] = set()  # pairs of one C statement that are ordered; of one instruction none are
        self.rmw: dict[tuple[int, int], Lit] = {}
        self.open_pairs: dict[tuple[int, int], int] = {}
        self.finals: dict[RegLoc, Symbolic] = {}
        self.cut: list[tuple[Lit, Span]] = []
        self.wild: list[tuple[Lit, Span, str]] = []
        self.by_address: dict[Address, list[Site]] = {}

    # ------------------------------------------------------------ the whole

    def run(self) -> EventGraph:
        self.initial_writes()
        for site in self.ranges.stores:
            for a in self.ranges.addresses[site]:
                if isinstance(a, Address):
                    self.by_address.setdefault(a, []).append(site)
        for t in range(len(self.codes)):
            self.thread(t)
        rf = self.read_from()
        self.justify_circles(rf)
        finals = {a: self.final_write(a) for a in sorted(self.observed)}
        return self.graph(rf, finals)

    def initial_writes(self) -> None:
        touched = {a for where in self.ranges.addresses.values() for a in where if isinstance(a, Address)}
        for index, address in enumerate(sorted(touched | self.observed | set(self.lock_addresses()))):
            self.event(INIT_TID, "IW", frozenset(), TRUE, known(address), known(self.memory.get(address, 0)), self.test_span(), [])
            self.store_at[INIT_TID, index] = len(self.events) - 1
            self.by_address.setdefault(address, []).append((INIT_TID, index))

    def lock_addresses(self) -> list[Address]:
        """Locations that only locks and grace periods name; they have an initial write too."""
        found = []
        for code, env in zip(self.codes, self.envs, strict=True):
            for instr in code:
                if isinstance(instr, Mark) and isinstance(instr.addr, Reg):
                    value = env.get(instr.addr.name)
                    if isinstance(value, Address):
                        found.append(value)
        return found

    def test_span(self) -> Span:
        return Span(self.test.source, 0, 0)

    def event(
        self, tid: int, kind: str, tags: frozenset[str], guard: Lit, addr: Symbolic | None, value: Symbolic | None,
        span: Span, cubes: list[Cube], size: int = 0,
    ) -> int:  # fmt: skip
        eid = len(self.events)
        self.events.append(Event(eid, tid, kind, tags, guard, addr, value, span, size))
        self.cubes.append(cubes)
        self.group_of.append((tid, 0))
        return eid

    # ------------------------------------------------------------ one thread

    def thread(self, t: int) -> None:
        tid = self.test.threads[t].tid
        env = {name: Register(known(value), NONE, NONE) for name, value in self.envs[t].items()}
        path: _Path | None = _Path([frozenset()], TRUE, env, {})
        pending: dict[str, list[_Path]] = {}
        for i, instr in enumerate(self.codes[t]):
            if isinstance(instr, Label):
                arriving = pending.pop(instr.name, [])
                if path is not None:
                    arriving.append(path)
                path = self.joined(arriving, instr.name)
            elif path is not None:
                path = self.step(t, tid, i, instr, path, pending)
        if path is not None:
            self.end(tid, [path])

    def end(self, tid: int, paths: list[_Path]) -> None:
        path = self.joined(paths, "")
        if path is not None:
            for name, register in path.env.items():
                self.finals[RegLoc(tid, name)] = register.value

    def step(self, t: int, tid: int, i: int, instr: Instr, path: _Path, pending: dict[str, list[_Path]]) -> _Path | None:
        match instr:
            case Load() | Store() | Mark():
                self.access(t, tid, i, instr, path)
            case Assign(dst, value, span):
                path.env[dst] = self.steered(self.evaluate(value, path.env, span), path)
            case Choose(dst):
                lit = self.circuit.name()
                path.env[dst] = Register({0: -lit, 1: lit}, NONE, NONE)
            case Assume(cond, span):
                self.circuit.imply(path.guard, nonzero(self.evaluate(cond, path.env, span).value))
            case Branch():
                return self.branch(instr, path, pending)
            case Cut(span):
                self.cut.append((path.guard, span))
                return None
            case _:
                raise AssertionError(f"not an instruction: {instr}")
        return path

    def steered(self, register: Register, path: _Path) -> Register:
        """`register` as assigned here: the branches around decide it too."""
        if not path.ctrl:
            return register
        ctrl = dict(register.ctrl)
        for _, through in path.ctrl.values():
            _add(self.circuit, ctrl, through)
        return register._replace(ctrl=ctrl)

    def branch(self, instr: Branch, path: _Path, pending: dict[str, list[_Path]]) -> _Path | None:
        circuit = self.circuit
        cond = self.evaluate(instr.cond, path.env, instr.span)
        taken = nonzero(cond.value)
        if instr.ctrl and (cond.data or cond.ctrl or cond.pick):
            everything = dict(cond.data)
            _add(circuit, everything, cond.ctrl)
            _add(circuit, everything, cond.pick)
            through = dict(cond.ctrl)
            for name in _registers(instr.cond) if instr.scope else ():  # where no end is set, all that follows depends anyway
                if name[0] != "%":  # a read right inside the condition steers events, but no registers (modelUtils.ml)
                    _add(circuit, through, path.env.get(name, UNSET).data)
            old = path.ctrl.get(instr.scope)
            if old is not None:
                _add(circuit, everything, old[0])
                _add(circuit, through, old[1])
            path = _Path(path.cubes, path.guard, path.env, {**path.ctrl, instr.scope: (everything, through)})
        if taken == FALSE:
            return path
        there = circuit.both2(path.guard, taken)
        if there != FALSE:
            cubes = path.cubes if taken == TRUE else [cube | {taken} for cube in path.cubes]
            pending.setdefault(instr.target, []).append(_Path(cubes, there, path.env, path.ctrl))
        here = circuit.both2(path.guard, -taken)
        if taken == TRUE or here == FALSE:
            return None
        return _Path([cube | {-taken} for cube in path.cubes], here, dict(path.env), path.ctrl)

    def joined(self, paths: list[_Path], label: str) -> _Path | None:
        """The one path that goes on where `paths` meet; the scope `label` ends here."""
        if not paths:
            return None
        first = paths[0]
        if len(paths) == 1:
            ctrl = {s: d for s, d in first.ctrl.items() if s != label} if label in first.ctrl else first.ctrl
            return _Path(first.cubes, first.guard, dict(first.env), ctrl)
        circuit = self.circuit
        cubes = _simplified([cube for path in paths for cube in path.cubes])
        guard = circuit.either([circuit.both(cube) for cube in cubes])
        env: dict[str, Register] = {}
        names: dict[str, None] = {}
        for path in paths:
            names.update(dict.fromkeys(path.env))
        for name in names:
            values = [path.env.get(name, UNSET) for path in paths]
            if all(v is values[0] for v in values):
                env[name] = values[0]
                continue
            cases = [(path.guard, v) for path, v in zip(paths, values, strict=True)]
            env[name] = Register(
                merge(circuit, [(g, v.value) for g, v in cases]),
                self.merged([(g, v.data) for g, v in cases]),
                self.merged([(g, v.ctrl) for g, v in cases]),
                self.merged([(g, v.pick) for g, v in cases]),
            )
        scopes: dict[str, None] = {}
        for path in paths:
            scopes.update(dict.fromkeys(path.ctrl))
        scopes.pop(label, None)
        ctrl = {}
        for scope in scopes:
            both = [(path.guard, path.ctrl.get(scope, (NONE, NONE))) for path in paths]
            ctrl[scope] = (self.merged([(g, d[0]) for g, d in both]), self.merged([(g, d[1]) for g, d in both]))
        return _Path(cubes, guard, env, ctrl)

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
            executed = self.events[eid].guard
            result[eid] = TRUE if circuit.both2(lit, executed) == executed else lit
        return result

    # ------------------------------------------------------------ expressions

    def evaluate(self, e: Expr, env: dict[str, Register], span: Span) -> Register:
        match e:
            case Const(constant):
                return Register(known(constant), NONE, NONE)
            case Reg(name):
                return env.get(name, UNSET)
            case Op(op, args):
                operands = [self.evaluate(a, env, span) for a in args]
                try:
                    value = apply(self.circuit, op, [r.value for r in operands], span)
                except Undetermined as error:
                    raise Unsupported(f"no value can be given to {error}", span) from None
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

    def united(self, a: Deps, b: Deps) -> Deps:
        if not b or a is b:
            return a
        if not a:
            return b
        result = dict(a)
        _add(self.circuit, result, b)
        return result

    def picked(self, value: Symbolic, cond: Register, yes: Register, no: Register) -> Register:
        """What a conditional select gives: it depends on the operand it selects, and weakly on what the condition reads."""
        taken = nonzero(cond.value)
        data, ctrl, pick = (
            self.merged([(taken, a), (-taken, b)]) if a is not b else a for a, b in zip(yes[1:], no[1:], strict=True)
        )
        return Register(value, data, self.united(ctrl, cond.ctrl), self.united(self.united(pick, cond.pick), cond.data))

    # ------------------------------------------------------------ events

    def access(self, t: int, tid: int, i: int, instr: Load | Store | Mark, path: _Path) -> None:
        span = instr.span
        addr = self.evaluate(instr.addr, path.env, span) if instr.addr is not None else None
        if addr is not None:
            self.check_address(addr.value, path.guard, span)
        eid = len(self.events)
        value: Symbolic | None = None
        written = UNSET
        match instr:
            case Load():
                access = _Access(eid, (t, i))
                value = self.read(access, t, i)
                self.loads.append(access)
                kind, size = "R", instr.size
            case Store():
                written = self.evaluate(instr.value, path.env, span)
                value = written.value
                self.store_at[t, i] = eid
                kind, size = "W", instr.size
            case Mark():
                if instr.value is not None and not instr.dst:
                    written = self.evaluate(instr.value, path.env, span)
                kind, size = "F", 0
        self.event(tid, kind, instr.tags, path.guard, addr.value if addr else None, value, span, path.cubes, size)
        self.group_of[eid] = (tid, instr.group) if instr.group else (tid, -1 - eid)
        self.depend(eid, addr or UNSET, written, path)
        if isinstance(instr, Load | Store):
            if instr.pair:
                self.paired(tid, instr, eid)
            if instr.exclusive:
                self.monitored(instr, eid, path)
        if isinstance(instr, Load):
            assert value is not None
            path.env[instr.dst] = self.steered(Register(value, {eid: TRUE}, NONE), path)
        elif isinstance(instr, Mark) and instr.dst and instr.value is not None:
            base = self.evaluate(instr.value, path.env, span)
            path.env[instr.dst] = self.steered(Register(base.value, {**base.data, eid: TRUE}, base.ctrl), path)

    def depend(self, eid: int, addr: Register, data: Register, path: _Path) -> None:
        for name, deps in (("addr", addr.data), ("data", data.data)):
            for source, lit in deps.items():
                self.deps[name][source, eid] = lit
                if self.group_of[source] == self.group_of[eid]:
                    self.together.add((source, eid))
        for name, deps in (("pick-addr", addr.pick), ("pick-data", data.pick)):
            for source, lit in deps.items():
                self.deps[name][source, eid] = lit
        for everything, _ in path.ctrl.values():
            for source, lit in everything.items():
                old = self.deps["ctrl"].get((source, eid), FALSE)
                self.deps["ctrl"][source, eid] = self.circuit.either2(old, lit)

    def paired(self, tid: int, instr: Load | Store, eid: int) -> None:
        if isinstance(instr, Load):
            self.open_pairs[tid, instr.pair] = eid
        else:
            read = self.open_pairs[tid, instr.pair]
            self.rmw[read, eid] = TRUE
            self.together.add((read, eid))

    def monitored(self, instr: Load | Store, eid: int, path: _Path) -> None:
        """The monitor holds the load that armed it; a store executes only when that load was of its location and size.

        (Event 0 is an initial write, so a monitor of 0 is armed by no load.)
        """
        if isinstance(instr, Load):
            path.env[MONITOR] = Register(known(eid), NONE, NONE)
            return
        pairs = []
        for read, armed in path.env.get(MONITOR, UNSET).value.items():
            if self.events[read].kind == "R" and self.events[read].size == instr.size:
                lit = self.circuit.both2(armed, self.same_address(read, eid))
                if lit != FALSE:
                    self.rmw[read, eid] = lit
                    pairs.append(lit)
        self.circuit.imply(path.guard, self.circuit.either(pairs))

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
            self.wild.append((self.circuit.both2(guard, lit), span, str(value)))

    def read(self, access: _Access, t: int, i: int) -> Symbolic:
        """The value of a load: one choice of a store; where every store writes one known value, the choice is the value."""
        circuit, spans = self.circuit, self.ranges
        sites: dict[Site, None] = {}
        for a in sorted(x for x in spans.addresses[t, i] if isinstance(x, Address)):
            for site in self.by_address.get(a, ()):
                if site[0] != t or site[1] < i:
                    sites[site] = None
        access.choice = dict(zip(sites, self.circuit.choice(len(sites)), strict=True))
        written = {site: self.written_range(site) for site in sites}
        if all(len(values) == 1 for values in written.values()):
            found: dict[Value, list[Lit]] = {}
            for site, lit in access.choice.items():
                found.setdefault(next(iter(written[site])), []).append(lit)
            if not found:
                return known(0)
            return {v: circuit.either(lits) for v, lits in found.items()}
        seed = spans.circles.get((t, i))
        values = {v for known_values in written.values() for v in known_values} | ({seed} if seed is not None else set())
        domain = sorted(values, key=_value_key)
        return dict(zip(domain, self.circuit.choice(len(domain)), strict=True))

    def written_range(self, site: Site) -> frozenset[Value]:
        if site[0] == INIT_TID:
            value = self.events[self.store_at[site]].value
            assert value is not None
            return frozenset(value)
        return self.ranges.values[site]

    # ------------------------------------------------------------ memory

    def same_address(self, a: int, b: int) -> Lit:
        """The literal for "events a and b have the same location"."""
        left, right = self.events[a].addr, self.events[b].addr
        if left is None or right is None:
            return FALSE
        if len(left) == 1 and len(right) == 1:
            return TRUE if next(iter(left)) == next(iter(right)) else FALSE
        circuit = self.circuit
        return circuit.either([circuit.both2(lit, right[v]) for v, lit in left.items() if v in right and isinstance(v, Address)])

    def read_from(self) -> dict[tuple[int, int], Lit]:
        """rf: the literal of each pair, and the constraints that tie a load's choice to what the store wrote, and where."""
        circuit = self.circuit
        rf: dict[tuple[int, int], Lit] = {}
        for access in self.loads:
            read = self.events[access.eid]
            assert read.value is not None and read.addr is not None
            stray = circuit.either([lit for v, lit in read.addr.items() if not isinstance(v, Address)])
            for site, choice in access.choice.items():
                writer = self.store_at.get(site)
                if writer is None:  # that store is on no path
                    circuit.require((-choice, -read.guard))
                    continue
                write = self.events[writer]
                edge = circuit.both((choice, read.guard, -stray))
                if edge == FALSE:
                    continue
                rf[writer, access.eid] = edge
                circuit.imply(edge, write.guard)
                circuit.imply(edge, self.same_address(writer, access.eid))
                assert write.value is not None
                if len(read.value) > 1:
                    for v, lit in write.value.items():
                        circuit.require((-edge, -lit, read.value.get(v, FALSE)))
        return rf

    def justify_circles(self, rf: dict[tuple[int, int], Lit]) -> None:
        """Reads that feed each other by copies hold the value nothing determines, or there is no such circle."""
        circles = self.ranges.circles
        eids = {access.site: access.eid for access in self.loads if access.site in circles}
        edges: dict[int, dict[int, Lit]] = {eid: {} for eid in eids.values()}
        for store, sources in self.ranges.copies.items():
            writer = self.store_at.get(store)
            for site, eid in eids.items():
                edge = rf.get((writer, eid), FALSE) if writer is not None else FALSE
                value = self.events[eid].value or {}
                known_value = self.circuit.both2(edge, -value.get(circles[site], FALSE))
                for source in sources & eids.keys():
                    row = edges[eids[source]]
                    row[eid] = self.circuit.either2(row.get(eid, FALSE), known_value)
        forbid_cycles(self.circuit, edges)

    def final_write(self, address: Address) -> dict[int, Lit]:
        """Which write is the last to `address`: one literal each, exactly one of which holds."""
        writers = [self.store_at[s] for s in self.by_address.get(address, ()) if s in self.store_at]
        lits = self.circuit.choice(len(writers))
        for writer, lit in zip(writers, lits, strict=True):
            event = self.events[writer]
            assert event.addr is not None
            self.circuit.imply(lit, event.guard)
            self.circuit.imply(lit, event.addr.get(address, FALSE))
        return dict(zip(writers, lits, strict=True))

    # ------------------------------------------------------------ the graph

    def graph(self, rf: dict[tuple[int, int], Lit], finals: dict[Address, dict[int, Lit]]) -> EventGraph:
        events = self.events
        n = len(events)
        implied = self.implied_by()
        leaves: dict[str, Leaf] = {name: self.leaf(pairs, relative=True) for name, pairs in self.deps.items()}
        leaves["rf"] = self.leaf(rf, relative=False)
        leaves["po"] = _exact(self.program_order(implied))
        leaves["loc"] = self.locations()
        leaves["rmw"] = self.leaf(self.rmw, relative=True)
        leaves["amo"] = self.leaf({p: lit for p, lit in self.rmw.items() if "X" not in events[p[0]].tags}, relative=True)
        threads: dict[int, int] = {}
        for e in events:
            threads[e.tid] = threads.get(e.tid, 0) | 1 << e.eid
        everything = (1 << n) - 1
        leaves["int"] = _exact(tuple([threads[e.tid] if e.tid != INIT_TID else 0 for e in events]))
        leaves["ext"] = _exact(tuple([everything & ~threads[e.tid] for e in events]))
        leaves["id"] = _exact(tuple([1 << a for a in range(n)]))
        return EventGraph(
            tuple(events), self.circuit, self.sets(), leaves, self.finals, finals, tuple(self.cut), tuple(self.wild),
            implied, len(self.codes),
        )  # fmt: skip

    def sets(self) -> dict[str, int]:
        found: dict[str, int] = {"R": 0, "W": 0, "M": 0, "IW": 0, "F": 0}
        for e in self.events:
            bit = 1 << e.eid
            if e.kind in ("W", "IW", "R"):
                found["M"] |= bit
                found["R" if e.kind == "R" else "W"] |= bit
            if e.kind == "IW":
                found["IW"] |= bit
            for tag in e.tags:
                found[tag] = found.get(tag, 0) | bit
        return found

    def implied_by(self) -> tuple[int, ...]:
        always = mask_of(e.eid for e in self.events if e.guard == TRUE)
        conditional = [e.eid for e in self.events if e.guard != TRUE]
        result = [always | 1 << e.eid for e in self.events]
        for a in conditional:
            for b in conditional:
                if self.events[a].guard == self.events[b].guard or all(
                    any(weaker <= cube for weaker in self.cubes[b]) for cube in self.cubes[a]
                ):
                    result[a] |= 1 << b
        return tuple(result)

    def exclusive(self, a: int, b: int) -> bool:
        """Whether a and b are on different branches."""
        return all(any(-lit in right for lit in left) for left in self.cubes[a] for right in self.cubes[b])

    def program_order(self, implied: tuple[int, ...]) -> Rows:
        rows = [0] * len(self.events)
        by_thread: dict[int, list[Event]] = {}
        for e in self.events:
            if e.tid != INIT_TID:
                by_thread.setdefault(e.tid, []).append(e)
        for thread in by_thread.values():
            conditional = [e for e in thread if e.guard != TRUE]
            later = 0
            for e in reversed(thread):
                rows[e.eid] = later
                later |= 1 << e.eid
            for i, e in enumerate(thread):
                for f in thread[i + 1 :]:
                    if self.group_of[e.eid] != self.group_of[f.eid]:
                        break
                    if self.test.arch != "C" or (e.eid, f.eid) not in self.together:
                        rows[e.eid] &= ~(1 << f.eid)
            for i, e in enumerate(conditional):
                for f in conditional[i + 1 :]:
                    if self.exclusive(e.eid, f.eid):
                        rows[e.eid] &= ~(1 << f.eid)
        return tuple(rows)

    def locations(self) -> Leaf:
        n = len(self.events)
        at: dict[Value, int] = {}
        unsure = []
        for e in self.events:
            if e.addr is not None:
                if len(e.addr) == 1:
                    (value,) = e.addr
                    at[value] = at.get(value, 0) | 1 << e.eid
                else:
                    unsure.append(e.eid)
        must = [0] * n
        for mask in at.values():
            for a in bits(mask):
                must[a] = mask
        if not unsure:
            return _exact(tuple(must))
        may, lits = list(must), {}
        circuit = self.circuit
        for a in unsure:
            must[a] |= 1 << a
            may[a] |= 1 << a
            for b in range(n):
                lit = FALSE if a == b else self.same_address(a, b)
                if lit != FALSE:
                    guarded = circuit.both((lit, self.events[a].guard, self.events[b].guard))
                    may[a] |= 1 << b
                    may[b] |= 1 << a
                    lits[a, b] = lits[b, a] = guarded
        return tuple(must), tuple(may), lits

    def leaf(self, pairs: dict[tuple[int, int], Lit], *, relative: bool) -> Leaf:
        """A base relation from its pairs; with `relative`, a literal TRUE means "whenever both execute"."""
        n, circuit = len(self.events), self.circuit
        must, may = [0] * n, [0] * n
        lits: dict[tuple[int, int], Lit] = {}
        for (a, b), lit in pairs.items():
            both = circuit.both2(self.events[a].guard, self.events[b].guard)
            whole = circuit.both2(lit, both) if relative else lit
            if whole == FALSE:
                continue
            may[a] |= 1 << b
            if whole == both:
                must[a] |= 1 << b
            else:
                lits[a, b] = whole
        if must == may:
            return _exact(tuple(must))
        return tuple(must), tuple(may), lits


def _exact(rows: Rows) -> Leaf:
    return rows, rows, {}


def _value_key(value: Value) -> tuple[int, int, str, int]:
    match value:
        case Address(name, offset):
            return 1, 0, name, offset
        case Free(name):
            return 2, 0, name, 0
    return 0, value, "", 0


def _add(circuit: Circuit, into: Deps, more: Deps) -> None:
    for eid, lit in more.items():
        into[eid] = circuit.either2(into.get(eid, FALSE), lit)


def _registers(e: Expr) -> list[str]:
    match e:
        case Reg(name):
            return [name]
        case Op(_, args):
            return [name for a in args for name in _registers(a)]
    return []


def _simplified(cubes: list[Cube]) -> list[Cube]:
    """The same paths with fewer decisions: two that differ in one decision only are one path without it."""
    found = list(dict.fromkeys(cubes))
    changed = True
    while changed:
        changed = False
        for i, a in enumerate(found):
            for j in range(i + 1, len(found)):
                odd = a ^ found[j]
                if len(odd) == 2 and sum(odd) == 0:
                    found[i] = a & found[j]
                    del found[j]
                    changed = True
                    break
            if changed:
                break
    return found
