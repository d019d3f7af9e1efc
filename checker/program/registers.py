"""Events of registers, for models that compute dependencies themselves (`catdep`): what herd7 has of them without saying so.

An instruction reads registers (`Rreg`), writes some (`Wreg`), accesses memory and decides (`B`; a branch `BCC`). What an event of
an instruction is computed from there is before it in `iico_data`, a decision between values before what was decided in
`iico_ctrl`; `rf-reg` leads from the write of a register to each read that takes its value. (herd/AArch64Sem.ml, herd/event.ml.)

    LDR W0,[X1]         Rreg X1 ─iico_data→ R x ─iico_data→ Wreg X0 ─rf-reg→ Rreg X0 ─iico_data→ BCC ─po→ …
    CBNZ W0,L

The events of one instruction are `same-instance`, and in no program order among themselves. Temporaries of the code are no
registers: what is computed through them is computed in the instruction. What a register or temporary was made from is kept
in the environment of a path under a name of its own, and so is merged where paths meet.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from checker.core.circuit import TRUE
from checker.core.source import NOWHERE, Span
from checker.core.value import known, nonzero
from checker.program.draft import Deps, Draft
from checker.program.execute import NONE, UNSET, Path, Register, Threads
from checker.program.ir import Address, Assign, Branch, Choose, Cut, Expr, Instr, Label, Load, Mark, Op, Reg, Store
from checker.program.unroll import unroll

RELATIONS = ("rf-reg", "iico_data", "iico_ctrl", "iico_order")
_READ, _WRITTEN = frozenset({"Rreg"}), frozenset({"Wreg"})
_DECIDES, _BRANCHES = frozenset({"B"}), frozenset({"B", "BCC"})


def carries(code: tuple[Instr, ...]) -> bool:
    """Whether a loop's round takes a register's value from the round before: were that left out, its write would be another's."""
    return any(isinstance(i, Cut) and i.idle > 0 for i in unroll(code, 1, NOWHERE))


class _Made(NamedTuple):
    """Of what a value is made: events of its instruction (of the register that holds it: its writes), and decisions."""

    data: Deps = NONE
    ctrl: Deps = NONE


class ThreadsWithRegisters(Threads):
    """The threads of a draft, with events of registers."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        for name in RELATIONS:
            draft.deps[name] = {}
        draft.ports.update(DATA=0, ADDR=0)
        self.instances = 0
        self.at: Span | None = None  # where the instruction stands, of which these events are
        self.inside: dict[str, _Made] = {}  # what it wrote to registers, for itself to go on with
        self.tid = 0
        self.decided: dict[int, Deps] = {}  # of a decision, what it is made of

    def step(self, t: int, tid: int, i: int, instr: Instr, path: Path, pending: dict[str, list[Path]]) -> Path | None:
        span = getattr(instr, "span", NOWHERE)
        before = self.draft.codes[t][i - 1] if i else None
        if isinstance(before, Label):
            self.inside = {}
        if span != self.at or (isinstance(before, Label) and before.name[0] != "%"):  # else one more round of the same
            self.instances += 1
            self.at, self.inside = span, {}
        self.tid = tid
        match instr:
            case Assign(dst, value):
                made = self.made(value, path, span)
                super().step(t, tid, i, instr, path, pending)
                self.keep(dst, made, path, span)
                return path
            case Load() | Store() | Mark():
                self.accessed(t, tid, i, instr, path, pending)
                return path
            case Cut(idle=idle) if idle > 0:  # see `carries`
                instr = replace(instr, idle=-1)
            case Choose(dst):
                self.keep(dst, _Made(), path, span)
            case Branch(cond, ctrl=True):
                self.event(_BRANCHES, path, span, self.made(cond, path, span))
        return super().step(t, tid, i, instr, path, pending)

    def end(self, tid: int, paths: list[Path]) -> None:
        super().end(tid, [replace(path, env={n: r for n, r in path.env.items() if n[0] != "@"}) for path in paths])

    def accessed(self, t: int, tid: int, i: int, instr: Load | Store | Mark, path: Path, pending: dict[str, list[Path]]) -> None:
        """The event of an access, or of a fence: made of the registers that its address and its value come from."""
        span, deps = instr.span, self.draft.deps
        addr = self.made(instr.addr, path, span) if instr.addr is not None else _Made()
        given = None if isinstance(instr, Load) else instr.value
        value = self.made(given, path, span) if given is not None else _Made()
        eid = len(self.draft.events)
        super().step(t, tid, i, instr, path, pending)
        self.draft.group_of[eid] = (tid, self.instances)
        self.link(eid, addr)
        self.port("ADDR", addr.data)
        if isinstance(instr, Store):
            self.link(eid, value)
            self.port("DATA", value.data)
            read = self.draft.open_pairs.get((tid, instr.pair))
            if read is not None and not {read} & {*value.data, *[e for d in value.ctrl for e in self.decided[d]]}:
                deps["iico_order"][read, eid] = TRUE
            for write, lit in path.env.get(_kept(instr.result), UNSET).data.items():
                deps["iico_data"][eid, write] = lit
        elif isinstance(instr, Load):
            self.keep(instr.dst, _Made({eid: TRUE}), path, span)
        elif instr.dst:
            self.keep(instr.dst, _Made({**value.data, eid: TRUE}, value.ctrl), path, span)
        else:
            self.link(eid, value)

    def keep(self, name: str, made: _Made, path: Path, span: Span) -> None:
        """A register or temporary has a value that is made of these; the writing of a register is an event."""
        if name[0] != "%":
            self.inside[name] = made
            made = _Made({self.event(_WRITTEN, path, span, made, name): TRUE})
        path.env[_kept(name)] = Register(UNSET.value, made.data, NONE, made.ctrl)

    def event(self, tags: frozenset[str], path: Path, span: Span, made: _Made, name: str = "") -> int:
        """An event of the instruction, made of others; with `name`, of that register."""
        value = path.env.get(name, UNSET).value if name else None
        where = known(Address(f"{self.tid}:{name}")) if name else None
        eid = self.draft.event(self.tid, "F", tags, path.place, where, value, span, path.before)
        path.before |= 1 << eid
        self.draft.group_of[eid] = (self.tid, self.instances)
        self.link(eid, made)
        return eid

    def link(self, eid: int, made: _Made) -> None:
        for name, sources in (("iico_data", made.data), ("iico_ctrl", made.ctrl)):
            for source, lit in sources.items():
                self.draft.deps[name][source, eid] = lit

    def port(self, name: str, sources: Deps) -> None:
        """Registers that an address, or data, is read from."""
        for eid in sources:
            if "Rreg" in self.draft.events[eid].tags:
                self.draft.ports[name] |= 1 << eid

    # ------------------------------------------------------------ what values are made of

    def made(self, e: Expr, path: Path, span: Span) -> _Made:
        """Of what an operand is made: each register in it is read."""
        match e:
            case Reg(name) if name[0] == "%":
                kept = path.env.get(_kept(name), UNSET)
                return _Made(kept.data, kept.pick)
            case Reg(name):
                inside = self.inside.get(name)
                if inside is not None:
                    return inside
                eid = self.event(_READ, path, span, _Made(), name)
                for write, lit in path.env.get(_kept(name), UNSET).data.items():
                    self.draft.deps["rf-reg"][write, eid] = lit
                return _Made({eid: TRUE})
            case Op("pick", (cond, yes, no)):
                decision = self.decision(self.made(cond, path, span), path, span)
                taken = nonzero(self.computed(cond, path, span).value)
                cases = [(lit, self.made(e, path, span)) for lit, e in ((taken, yes), (-taken, no))]
                data, ctrl = [self.merged([(lit, made[k]) for lit, made in cases]) for k in (0, 1)]
                self.port("DATA", data)
                return _Made(data, self.united(ctrl, decision))
            case Op("weak", (value, cond)):
                decision = self.decision(self.made(cond, path, span), path, span)
                data, ctrl = self.made(value, path, span)
                for sources in (data, *[self.decided[eid] for eid in decision]):
                    self.port("DATA", sources)
                return _Made(data, self.united(ctrl, decision))
            case Op(_, args):
                data, ctrl = NONE, NONE
                for part in [self.made(a, path, span) for a in args]:
                    data, ctrl = self.united(data, part.data), self.united(ctrl, part.ctrl)
                return _Made(data, ctrl)
        return _Made()

    def decision(self, made: _Made, path: Path, span: Span) -> Deps:
        """That something is decided, by what is made of these; nothing, where it is made of nothing."""
        if made == _Made():
            return NONE
        eid = self.event(_DECIDES, path, span, made)
        self.decided[eid] = made.data
        return {eid: TRUE}


def _kept(name: str) -> str:
    """The name under which a path keeps what a register or temporary was made from."""
    return "@" + name
