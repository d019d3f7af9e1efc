"""Instructions with others in their place: what `statements.py` is to C. Which there are, the machine's table says.

    LDAR W0,[X1]      what else means the same, with less order: LDAPR W0,[X1], LDR W0,[X1]
    DMB ISH           lighter fences, and none: DMB ISHLD, DMB ISHST, nothing

An instruction is a run of the thread's code, all of one place in the text. Its kin has the same code but for the sets of its
accesses; free registers choose between copies of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import Span, Unsupported
from checker.insight.statements import written
from checker.isa.operand import Problem
from checker.isa.table import Machine, Strength
from checker.parse.code import machine
from checker.program.ir import Branch, Choose, Const, Instr, Label, Load, Op, Reg, Store, Test, Thread

Code = tuple[Instr, ...]
COPY = 100_000
"""What is added to the numbers of read-modify-writes in a copy of them."""


def machine_of(arch: str) -> Machine:
    """How the instructions of a machine are spelled, and what they mean. Raises Unsupported where nobody said which are fences."""
    found: Machine = machine(arch)
    if not found.fences:
        raise Unsupported(f"audit and repair of {arch} tests", hint="kernel C, AArch64 and x86 can be audited and repaired")
    return found


def fenced(arch: str) -> bool:
    """Whether it is known which instructions of a machine are fences."""
    return bool(machine(arch).fences)


class Line(Struct, frozen=True):
    """An instruction of a thread: where it stands, and its code."""

    tid: int
    span: Span
    code: Code

    @property
    def text(self) -> str:
        return written(self.span)


class Lines(Struct, frozen=True):
    """The instructions of a test by thread, and what of the code is none: labels."""

    test: Test
    threads: tuple[tuple[Thread, tuple[Line | Label, ...]], ...]
    machine: Machine

    def at(self, tid: int, span: Span) -> Line | None:
        """The instruction at a place."""
        found = next(lines for thread, lines in self.threads if thread.tid == tid)
        return next((line for line in found if isinstance(line, Line) and line.span == span), None)

    def between(self, tid: int, first: Span, last: Span) -> list[Line]:
        """The instructions of a thread that stand between two others."""
        lines = [line for line in next(lines for thread, lines in self.threads if thread.tid == tid) if isinstance(line, Line)]
        places = [line.span for line in lines]
        return lines[places.index(first) + 1 : places.index(last)]

    def kin(self, line: Line) -> dict[Strength, str]:
        """What means the same with more or less order, itself first; nothing for what cannot be looked up."""
        try:
            return dict(self.machine.kin(line.text))
        except Problem:  # one of several rows of text
            return {}

    def is_fence(self, line: Line) -> bool:
        try:
            return self.machine.fence(line.text)
        except Problem:
            return False

    def fence(self, text: str, span: Span) -> Code:
        """The code of a fence."""
        emitter = self.machine.emitter([], {}, plain=True)
        emitter.instruction(self.machine.read(text), span)
        return tuple(emitter.code)

    def like(self, line: Line, text: str) -> Code:
        """The code of a line with another instruction in its place, which is a fence or of its kin."""
        if self.is_fence(line):
            return self.fence(text, line.span)
        old, new = self.machine.read(line.text).row, self.machine.read(text).row
        made: list[Instr] = []
        for instr in line.code:
            if isinstance(instr, Load) and instr.tags == old.tags:
                instr = replace(instr, tags=new.tags)
            elif isinstance(instr, Store) and instr.tags == old.written:
                instr = replace(instr, tags=new.written)
            made.append(instr)
        return tuple(made)

    def varied(self, chosen: Callable[[Line], Code], registers: Callable[[int], Iterable[str]]) -> Test:
        """The test with other code for each instruction, and free registers at the start of each thread (asked for last)."""
        threads = []
        for thread, lines in self.threads:
            body: list[Instr] = []
            for line in lines:
                body += [line] if isinstance(line, Label) else chosen(line)
            free = [Choose(register, thread.span) for register in registers(thread.tid)]
            threads.append(replace(thread, body=(*free, *body)))
        return replace(self.test, threads=tuple(threads))


def lines_of(test: Test) -> Lines:
    """The instructions of a test in assembly."""
    threads = []
    for thread in test.threads:
        lines: list[Line | Label] = []
        run: list[Instr] = []

        def end(run: list[Instr] = run, lines: list[Line | Label] = lines, tid: int = thread.tid) -> None:
            if run:
                lines.append(Line(tid, _span(run[0]), tuple(run)))
                run.clear()

        for instr in thread.body:
            assert isinstance(instr, Instr)
            if isinstance(instr, Label):
                if any(isinstance(i, Branch) and i.target == instr.name for i in run) and instr.name.startswith("%"):
                    run.append(instr)
                    continue
                end()
                lines.append(instr)
                continue
            if run and _span(run[0]) != _span(instr):
                end()
            run.append(instr)
        end()
        threads.append((thread, tuple(lines)))
    return Lines(test, tuple(threads), machine_of(test.arch))


def _span(instr: Instr) -> Span:
    assert not isinstance(instr, Label)
    return instr.span


# ---------------------------------------------------------------- choosing


def one_of(name: str, ways: Sequence[tuple[Sequence[str], Code]], otherwise: Code) -> Code:
    """The code of the first of the ways whose registers are all 1; `name` is that of no other choice in the thread."""
    made: list[Instr] = []
    end = f"%{name}.end"
    for k, (registers, code) in enumerate(ways):
        following = f"%{name}.{k}"
        made += [Branch(Op("lnot", (Reg(register),)), following, ctrl=False) for register in registers]
        made += [*_copied(code, name, k + 1), Branch(Const(1), end, ctrl=False), Label(following)]
    return (*made, *_copied(otherwise, name, 0), Label(end))


def _copied(code: Code, name: str, k: int) -> Iterable[Instr]:
    """A copy of the code with labels and read-modify-writes of its own."""
    own = {i.name for i in code if isinstance(i, Label)}
    for i in code:
        match i:
            case Label(label):
                yield Label(f"{label}.{name}.{k}")
            case Branch(target=target) if target in own:
                yield replace(i, target=f"{target}.{name}.{k}")
            case Load() | Store() if i.pair or i.group:
                yield replace(i, pair=i.pair and i.pair + COPY * k, group=i.group and i.group + COPY * k)
            case _:
                yield i
