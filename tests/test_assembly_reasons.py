"""Audit, repair and explanation of tests in assembly: what they say of an instruction is what the test without it says."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from checker import library
from checker.check import Options, check
from checker.cli import cli
from checker.core.source import NOWHERE, Source
from checker.insight.assembly import lines_of
from checker.insight.audit import IDLE, LOAD_BEARING, TOO_STRONG, Audit, audit
from checker.insight.explanation import explain
from checker.insight.repair import repair
from checker.isa.operand import Problem
from checker.library import load_model
from checker.program import ir

WRITES = ("STR W{0},[X{1}]", "STLR W{0},[X{1}]")
READS = ("LDR W{0},[X{1}]", "LDAPR W{0},[X{1}]", "LDAR W{0},[X{1}]")
FENCES = ("", "DMB SY", "DMB ISH", "DMB ISHLD", "DMB ISHST", "DSB SY", "DSB ISHST", "ISB")
ACCESSES = {"R": READS, "W": WRITES}
SHAPES = {
    "MP": ("Wx1 Wy1", "Ry Rx", "1:X2=1 /\\ 1:X4=0"), "SB": ("Wx1 Ry", "Wy1 Rx", "0:X4=0 /\\ 1:X4=0"),
    "LB": ("Rx Wy1", "Ry Wx1", "0:X2=1 /\\ 1:X2=1"), "S": ("Wx2 Wy1", "Ry Wx1", "1:X2=1 /\\ x=2"),
    "R": ("Wx1 Wy1", "Wy2 Rx", "y=2 /\\ 1:X4=0"), "2+2W": ("Wx2 Wy1", "Wy2 Wx1", "x=2 /\\ y=2"),
}  # fmt: skip


def aarch64(name: str, threads: list[list[str]]) -> ir.Test:
    """The code of two threads, of which each has the two addresses in X1 and X3, and what it writes there in X2 and X4."""
    init = []
    for tid, accesses in enumerate(SHAPES[name][:2]):
        for register, (_, place, *value) in zip((1, 3), accesses.split(), strict=True):
            init += [f"{tid}:X{register}={place};", *[f"{tid}:X{register + 1}={v};" for v in value]]
    height = max(map(len, threads))
    rows = [" | ".join(t[n] if n < len(t) else "" for t in threads) + " ;" for n in range(height)]
    head = f"AArch64 {name.replace('+', '')}\n{{ {' '.join(init)} }}\n P0 | P1 ;\n"
    return library.test_in(Source(f"{name}.litmus", head + "\n".join(rows) + f"\nexists ({SHAPES[name][2]})\n"))


@st.composite
def made(draw: st.DrawFn) -> ir.Test:
    name = draw(st.sampled_from(sorted(SHAPES)))
    threads = []
    for accesses in SHAPES[name][:2]:
        first, second = (draw(st.sampled_from(ACCESSES[access[0]])) for access in accesses.split())
        fences = draw(st.lists(st.sampled_from(FENCES), max_size=2))
        threads.append([first.format(2, 1), *filter(None, fences), second.format(4, 3)])
    return aarch64(name, threads)


def without(test: ir.Test, line: int, tid: int, instruction: str) -> ir.Test:
    """The test with another instruction in a line of a process."""
    rows = test.source.text.split("\n")
    cells = rows[line - 1].removesuffix(";").split("|")
    cells[tid] = f" {instruction} "
    rows[line - 1] = "|".join(cells) + ";"
    return library.test_in(Source(test.source.name, "\n".join(rows)))


def judged(found: Audit) -> dict[tuple[int, int, str], tuple[str, str]]:
    """Status and weakest form by line, process and instruction, of those that are instructions."""
    choices = [c for c in found.choices if "dependency" not in c.text]
    return {(c.line, int(c.text[1]), c.text[4:]): (c.status, c.weakest) for c in choices}


MODEL = load_model("aarch64")


@given(made())
@settings(max_examples=60)
def test_an_audit_says_what_each_file_with_one_instruction_changed_says(test: ir.Test) -> None:
    found = audit(test, MODEL, Options())
    if found.result.observation != "Never":
        assert not found.choices
        return
    lines = lines_of(test)
    for (line, tid, text), (status, weakest) in judged(found).items():
        machine = lines.machine
        own = next(iter(dict(machine.kin(text))))
        kin = [t for s, t in machine.kin(text)[1:] if s[0] <= own[0] and s[1] <= own[1]]
        forms = [*machine.lighter(text), ""] if machine.fence(text) else kin
        never = {form: check(without(test, line, tid, form), MODEL, Options()).observation == "Never" for form in forms}
        assert (status == LOAD_BEARING) == (not any(never.values()))
        if status == IDLE:
            assert never[_least(text)]
        if status == TOO_STRONG:
            assert never[weakest]


@given(made())
@settings(max_examples=40)
def test_every_minimal_set_is_enough_and_no_smaller_one_is(test: ir.Test) -> None:
    found = audit(test, MODEL, Options())
    for some in found.minimal:
        for less in [some, *[some - {n} for n in some]]:
            bare = test
            for n, choice in enumerate(found.choices):
                if n not in less:
                    bare = without(bare, choice.line, int(choice.text[1]), _least(choice.text[4:]))
            assert (check(bare, MODEL, Options()).observation == "Never") == (less == some)


def _least(text: str) -> str:
    if text.startswith(("DMB", "DSB", "ISB")):
        return ""
    return text.replace("LDAPR", "LDR").replace("LDAR", "LDR").replace("STLR", "STR")


@given(made())
@settings(max_examples=40)
def test_each_repair_is_enough_and_nothing_in_it_can_be_left_out(test: ir.Test) -> None:
    found = repair(test, [MODEL], Options())
    if check(test, MODEL, Options()).observation == "Never":
        assert not found.alternatives
        return
    assert found.alternatives
    for one in found.alternatives:
        assert check(library.test_in(Source(test.source.name, one.text)), MODEL, Options()).observation == "Never"
    first = found.alternatives[0]
    before, after = test.source.text.split("\n"), first.text.split("\n")
    if len(before) == len(after) and len(first.changes) > 1:  # accesses only: take one back
        for line, what, _ in first.changes:
            old, _, new = what.partition(": ")[2].partition(" → ")
            less = without(library.test_in(Source(test.source.name, first.text)), line, int(what[1]), old)
            assert new in after[line - 1]
            assert check(less, MODEL, Options()).observation != "Never"


@given(made())
@settings(max_examples=30)
def test_the_fences_an_explanation_names_forbid_the_outcome(test: ir.Test) -> None:
    found = explain(test, MODEL, Options())
    if found.weakness is None:
        return
    assert found.weakness.gaps
    text = test.source.text.split("\n")
    events = found.weakness.found.graph.events
    for gap in sorted(found.weakness.gaps, key=lambda gap: -events[gap.a].span.line):
        assert gap.would
        cells = ["", ""]
        cells[events[gap.a].tid] = gap.would
        text.insert(events[gap.a].span.line, " | ".join(cells) + " ;")
    assert check(library.test_in(Source("t", "\n".join(text))), MODEL, Options()).observation == "Never"


def test_what_means_the_same_has_the_same_code_but_for_sets() -> None:
    shown = [
        f"{name} {','.join(operands)}"
        for name, operands in itertools.product(
            (
                "LDR",
                "LDAR",
                "LDAPR",
                "LDXR",
                "LDAXR",
                "STR",
                "STLR",
                "LDRB",
                "STLRH",
                "LDADDAL",
                "SWPA",
                "CASL",
                "STADD",
                "STXR",
                "STLXR",
            ),
            (["W0", "[X1]"], ["W0", "W2", "[X1]"], ["X0", "[X1]"], ["X0", "X2", "[X1]"]),
        )
    ]
    seen = 0
    machine = lines_of(aarch64("MP", [["NOP"], ["NOP"]])).machine
    for text in shown:
        try:
            kin = machine.kin(text)
        except Problem:
            continue
        assert kin[0][1] == text
        codes = set()
        for _, other in kin:
            lines = lines_of(aarch64("MP", [[other], ["NOP"]]))
            (line,) = [line for line in lines.threads[0][1] if not isinstance(line, ir.Label)]
            codes.add(tuple([_bare(instr) for instr in line.code]))
            seen += 1
        assert len(codes) == 1, text
    assert seen > 40


def _bare(instr: ir.Instr) -> ir.Instr:
    """An instruction without its sets, and without its place."""
    if isinstance(instr, ir.Load | ir.Store):
        instr = replace(instr, tags=frozenset())
    return instr if isinstance(instr, ir.Label) else replace(instr, span=NOWHERE)


SB = "{} SB\n{{ x=0; y=0; }}\n P0 | P1 ;\n{}\nexists ({})\n"
INTEL = SB.format("X86", " MOV [x],$1 | MOV [y],$1 ;\n MOV EAX,[y] | MOV EAX,[x] ;", "0:EAX=0 /\\ 1:EAX=0")
ATT = SB.format("X86_64", " movl $1,(x) | movl $1,(y) ;\n movl (y),%eax | movl (x),%eax ;", "0:rax=0 /\\ 1:rax=0")


@pytest.mark.parametrize("text,fence", [(INTEL, "MFENCE"), (ATT, "mfence")])
def test_x86_is_repaired_by_fences_and_audited_with_them(text: str, fence: str) -> None:
    model = load_model("x86-tso")
    (one,) = repair(library.test_in(Source("sb.litmus", text)), [model], Options()).alternatives
    assert one.cost[:3] == (2, 0, 0)
    assert one.text.count(fence) == 2
    found = audit(library.test_in(Source("sb.litmus", one.text)), model, Options())
    assert sorted((c.text, c.status) for c in found.choices) == [(f"P{tid}: {fence}", LOAD_BEARING) for tid in range(2)]


def test_dependencies_are_choices_of_an_instruction_s_process() -> None:
    code = " LDR W2,[X1] | LDR W2,[X1] ;\n EOR W5,W2,W2 | CBNZ W2,L ;\n ADD W5,W5,#1 | L: ;\n STR W5,[X3] | STR W4,[X3] ;"
    text = f"AArch64 LB\n{{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; 1:X4=1; }}\n P0 | P1 ;\n{code}\nexists (0:X2=1 /\\ 1:X2=1)\n"
    found = audit(library.test_in(Source("lb.litmus", text)), MODEL, Options())
    assert [(c.line, c.text, c.status) for c in found.choices] == [
        (4, "P0: data dependency of line 7", LOAD_BEARING), (4, "P1: control dependency", LOAD_BEARING)
    ]  # fmt: skip


def test_a_fence_behind_a_label_s_instruction_stays_behind_the_label(tmp_path: Path) -> None:
    code = " L: STR W2,[X1] | LDAR W2,[X1] ;\n STR W4,[X3] | LDR W4,[X3] ;"
    text = f"AArch64 MP\n{{ 0:X1=x; 0:X3=y; 0:X2=1; 0:X4=1; 1:X1=y; 1:X3=x; }}\n P0 | P1 ;\n{code}\nexists (1:X2=1 /\\ 1:X4=0)\n"
    found = repair(library.test_in(Source("mp.litmus", text)), [MODEL], Options())
    fenced = next(one for one in found.alternatives if "DMB" in one.text)
    assert "L: STR W2,[X1] | LDAR W2,[X1] ;\n DMB" in fenced.text


def test_where_nothing_can_be_weakened_the_command_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.litmus"
    path.write_text("X86 T\n{ x=0; }\n P0 ;\n MOV [x],$1 ;\nexists (x=0)\n")
    done = CliRunner().invoke(cli, ["audit", "-m", "x86-tso", str(path)])
    assert done.exit_code == 0
    assert "no choice" in done.stdout


RISCV = (
    "RISCV MP\n{ 0:x5=1; 0:x6=x; 0:x8=y; 1:x6=y; 1:x8=x; }\n P0 | P1 ;\n"
    " sw x5,0(x6) | lw x5,0(x6) ;\n sw x5,0(x8) | lw x7,0(x8) ;\nexists (1:x5=1 /\\ 1:x7=0)\n"
)


def test_what_happens_on_a_machine_without_known_fences_is_explained_without_naming_one() -> None:
    found = explain(library.test_in(Source("mp.litmus", RISCV)), load_model("riscv"), Options())
    assert found.weakness is not None
    assert [gap.would for gap in found.weakness.gaps] == ["", ""]
