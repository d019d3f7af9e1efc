"""Kernel C as a machine's table compiles it, and the same scenario written by hand in assembly: the same verdict and states.

Each scenario stands once in C and once for arm64 with LSE atomics, for arm64 with load- and store-exclusives, and for x86-64.
In assembly x, y and z are at X10, X11 and X12; a try that may fail is filtered for success where the kernel would try again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from checker.check import Options, check
from checker.core.source import Source
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.result import Result

Threads = list[list[str]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`c` are the bodies of the processes; of each machine, the rows of each process. `filters` keep the successful tries."""

    c: list[str]
    ask: str
    lse: Threads
    llsc: Threads
    x86: Threads
    filters: tuple[str, str, str] = ("", "", "")
    atomic: str = ""  # the locations that are atomic_t in C


PLAIN_READER = ["LDR W0,[X11]", "LDR W1,[X10]"]
ARM_FENCED = ["MOV W9,#1", "STR W9,[X11]", "DMB ISH", "LDR W0,[X10]"]
X86_FENCED = ["movl $1,(y)", "mfence", "movl (x),%eax"]
C_FENCED = "WRITE_ONCE(*y, 1); smp_mb(); int r0 = READ_ONCE(*x);"
ONE = "MOV W9,#1"


def same(*, arm: Threads, **others: object) -> Scenario:
    """A scenario without atomics: arm64 has one code for it."""
    return Scenario(lse=arm, llsc=arm, **others)  # type: ignore[arg-type]


def lock(*enter: str) -> Threads:
    return [[ONE, *enter, "LDR W0,[X10]", "ADD W1,W0,#1", "STR W1,[X10]", "STLR WZR,[X12]"]] * 2


SCENARIOS: dict[str, Scenario] = {
    "message passing": same(
        c=["WRITE_ONCE(*x, 1); WRITE_ONCE(*y, 1);", "int r0 = READ_ONCE(*y); int r1 = READ_ONCE(*x);"],
        ask="exists (1:r0=1 /\\ 1:r1=0)",
        arm=[[ONE, "STR W9,[X10]", "STR W9,[X11]"], PLAIN_READER],
        x86=[["movl $1,(x)", "movl $1,(y)"], ["movl (y),%eax", "movl (x),%ebx"]],
    ),
    "message passing with smp_wmb and smp_rmb": same(
        c=["WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1);", "int r0 = READ_ONCE(*y); smp_rmb(); int r1 = READ_ONCE(*x);"],
        ask="exists (1:r0=1 /\\ 1:r1=0)",
        arm=[[ONE, "STR W9,[X10]", "DMB ISHST", "STR W9,[X11]"], ["LDR W0,[X11]", "DMB ISHLD", "LDR W1,[X10]"]],
        x86=[["movl $1,(x)", "movl $1,(y)"], ["movl (y),%eax", "movl (x),%ebx"]],
    ),
    "message passing with smp_wmb alone": same(
        c=["WRITE_ONCE(*x, 1); smp_wmb(); WRITE_ONCE(*y, 1);", "int r0 = READ_ONCE(*y); int r1 = READ_ONCE(*x);"],
        ask="exists (1:r0=1 /\\ 1:r1=0)",
        arm=[[ONE, "STR W9,[X10]", "DMB ISHST", "STR W9,[X11]"], PLAIN_READER],
        x86=[["movl $1,(x)", "movl $1,(y)"], ["movl (y),%eax", "movl (x),%ebx"]],
    ),
    "release and acquire": same(
        c=["WRITE_ONCE(*x, 1); smp_store_release(y, 1);", "int r0 = smp_load_acquire(y); int r1 = READ_ONCE(*x);"],
        ask="exists (1:r0=1 /\\ 1:r1=0)",
        arm=[[ONE, "STR W9,[X10]", "STLR W9,[X11]"], ["LDAR W0,[X11]", "LDR W1,[X10]"]],
        x86=[["movl $1,(x)", "movl $1,(y)"], ["movl (y),%eax", "movl (x),%ebx"]],
    ),
    "store buffering": same(
        c=["WRITE_ONCE(*x, 1); int r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1); int r0 = READ_ONCE(*x);"],
        ask="exists (0:r0=0 /\\ 1:r0=0)",
        arm=[[ONE, "STR W9,[X10]", "LDR W0,[X11]"], [ONE, "STR W9,[X11]", "LDR W0,[X10]"]],
        x86=[["movl $1,(x)", "movl (y),%eax"], ["movl $1,(y)", "movl (x),%eax"]],
    ),
    "store buffering with smp_mb": same(
        c=["WRITE_ONCE(*x, 1); smp_mb(); int r0 = READ_ONCE(*y);", C_FENCED],
        ask="exists (0:r0=0 /\\ 1:r0=0)",
        arm=[[ONE, "STR W9,[X10]", "DMB ISH", "LDR W0,[X11]"], ARM_FENCED],
        x86=[["movl $1,(x)", "lock; addl $0,(stack)", "movl (y),%eax"], X86_FENCED],
    ),
    "store buffering with smp_store_mb": same(
        c=["smp_store_mb(*x, 1); int r0 = READ_ONCE(*y);", C_FENCED],
        ask="exists (0:r0=0 /\\ 1:r0=0)",
        arm=[[ONE, "STR W9,[X10]", "DMB ISH", "LDR W0,[X11]"], ARM_FENCED],
        x86=[["movl $1,%ecx", "xchgl %ecx,(x)", "movl (y),%eax"], X86_FENCED],
    ),
    "store buffering with smp_wmb": same(
        c=["WRITE_ONCE(*x, 1); smp_wmb(); int r0 = READ_ONCE(*y);", C_FENCED],
        ask="exists (0:r0=0 /\\ 1:r0=0)",
        arm=[[ONE, "STR W9,[X10]", "DMB ISHST", "LDR W0,[X11]"], ARM_FENCED],
        x86=[["movl $1,(x)", "movl (y),%eax"], X86_FENCED],
    ),
    "load buffering with a branch": same(
        c=["int r0 = READ_ONCE(*x); if (r0) WRITE_ONCE(*y, 1);", "int r0 = READ_ONCE(*y); WRITE_ONCE(*x, 1);"],
        ask="exists (0:r0=1 /\\ 1:r0=1)",
        arm=[["LDR W0,[X10]", "CBZ W0,L", ONE, "STR W9,[X11]", "L: NOP"], ["LDR W0,[X11]", ONE, "STR W9,[X10]"]],
        x86=[["movl (x),%eax", "cmpl $0,%eax", "je L", "movl $1,(y)", "L: nop"], ["movl (y),%eax", "movl $1,(x)"]],
    ),
    "store buffering with xchg": Scenario(
        c=["int r0 = xchg(x, 1); int r1 = READ_ONCE(*y);", C_FENCED],
        ask="exists (0:r1=0 /\\ 1:r0=0)",
        lse=[[ONE, "SWPAL W9,W0,[X10]", "LDR W1,[X11]"], ARM_FENCED],
        llsc=[[ONE, "LDXR W0,[X10]", "STLXR W8,W9,[X10]", "DMB ISH", "LDR W1,[X11]"], ARM_FENCED],
        x86=[["movl $1,%eax", "xchgl %eax,(x)", "movl (y),%ebx"], X86_FENCED],
        filters=("", "filter 0:X8=0", ""),
    ),
    "store buffering with xchg_relaxed": Scenario(
        c=["int r0 = xchg_relaxed(x, 1); int r1 = READ_ONCE(*y);", C_FENCED],
        ask="exists (0:r1=0 /\\ 1:r0=0)",
        lse=[[ONE, "SWP W9,W0,[X10]", "LDR W1,[X11]"], ARM_FENCED],
        llsc=[[ONE, "LDXR W0,[X10]", "STXR W8,W9,[X10]", "LDR W1,[X11]"], ARM_FENCED],
        x86=[["movl $1,%eax", "xchgl %eax,(x)", "movl (y),%ebx"], X86_FENCED],
        filters=("", "filter 0:X8=0", ""),
    ),
    "a cmpxchg that fails between a store and a load": Scenario(
        c=["WRITE_ONCE(*x, 1); int r0 = cmpxchg(z, 1, 2); int r1 = READ_ONCE(*y);", C_FENCED],
        ask="exists (0:r1=0 /\\ 1:r0=0)",
        lse=[[ONE, "STR W9,[X10]", "MOV W0,#1", "MOV W8,#2", "CASAL W0,W8,[X12]", "LDR W1,[X11]"], ARM_FENCED],
        llsc=[
            [ONE, "STR W9,[X10]", "MOV W8,#2", "LDXR W0,[X12]", "EOR W7,W0,W9", "CBNZ W7,L", "STLXR W6,W8,[X12]", "DMB ISH",
             "L: LDR W1,[X11]"],
            ARM_FENCED,
        ],
        x86=[["movl $1,(x)", "movl $1,%eax", "movl $2,%ecx", "lock; cmpxchgl %ecx,(z)", "movl (y),%ebx"], X86_FENCED],
    ),
    "a cmpxchg that succeeds between a store and a load": Scenario(
        c=["WRITE_ONCE(*x, 1); int r0 = cmpxchg(z, 0, 2); int r1 = READ_ONCE(*y);", C_FENCED],
        ask="exists (0:r1=0 /\\ 1:r0=0)",
        lse=[[ONE, "STR W9,[X10]", "MOV W0,#0", "MOV W8,#2", "CASAL W0,W8,[X12]", "LDR W1,[X11]"], ARM_FENCED],
        llsc=[
            [ONE, "STR W9,[X10]", "MOV W8,#2", "LDXR W0,[X12]", "CBNZ W0,L", "STLXR W6,W8,[X12]", "DMB ISH", "L: LDR W1,[X11]"],
            ARM_FENCED,
        ],
        x86=[["movl $1,(x)", "movl $0,%eax", "movl $2,%ecx", "lock; cmpxchgl %ecx,(z)", "movl (y),%ebx"], X86_FENCED],
        filters=("", "filter 0:X6=0", ""),
    ),
    "a spin lock": Scenario(
        c=["spin_lock(z); int r0 = READ_ONCE(*x); WRITE_ONCE(*x, r0 + 1); spin_unlock(z);"] * 2,
        ask="locations [x;] exists (0:r0=0 /\\ 1:r0=0)",
        lse=lock("MOV W8,#0", "CASA W8,W9,[X12]"),
        llsc=lock("LDAXR W8,[X12]", "STXR W7,W9,[X12]"),
        x86=[["movl $0,%eax", "movl $1,%ecx", "lock; cmpxchgl %ecx,(z)", "movl %eax,%edx", "movl (x),%eax", "movl %eax,%ebx",
              "incl %ebx", "movl %ebx,(x)", "movl $0,(z)"]] * 2,
        filters=("filter 0:X8=0 /\\ 1:X8=0", "filter 0:X8=0 /\\ 0:X7=0 /\\ 1:X8=0 /\\ 1:X7=0", "filter 0:rdx=0 /\\ 1:rdx=0"),
    ),
    "counting": Scenario(
        c=["atomic_inc(x); int r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1); smp_mb(); int r0 = atomic_read(x); atomic_inc(x);"],
        ask="locations [x;] exists (0:r0=0 /\\ 1:r0=0)",
        lse=[[ONE, "STADD W9,[X10]", "LDR W0,[X11]"], [*ARM_FENCED, "STADD W9,[X10]"]],
        llsc=[
            [ONE, "LDXR W8,[X10]", "ADD W8,W8,#1", "STXR W7,W8,[X10]", "LDR W0,[X11]"],
            [*ARM_FENCED, "LDXR W8,[X10]", "ADD W8,W8,#1", "STXR W7,W8,[X10]"],
        ],
        x86=[["lock; incl (x)", "movl (y),%eax"], [*X86_FENCED, "lock; incl (x)"]],
        filters=("", "filter 0:X7=0 /\\ 1:X7=0", ""),
        atomic="x",
    ),
    "store buffering with this_cpu_inc": Scenario(
        c=["this_cpu_inc(*x); int r0 = READ_ONCE(*y);", "WRITE_ONCE(*y, 1); smp_mb(); int r0 = READ_ONCE(*x);"],
        ask="exists (0:r0=0 /\\ 1:r0=0)",
        lse=[[ONE, "LDADD W9,W8,[X10]", "LDR W0,[X11]"], ARM_FENCED],
        llsc=[[ONE, "LDXR W8,[X10]", "ADD W8,W8,#1", "STXR W7,W8,[X10]", "LDR W0,[X11]"], ARM_FENCED],
        x86=[["incl (x)", "movl (y),%eax"], X86_FENCED],
        filters=("", "filter 0:X7=0", ""),
    ),
    "store buffering with atomic_fetch_add": Scenario(
        c=["int r0 = atomic_fetch_add(1, x); int r1 = READ_ONCE(*y);",
           "WRITE_ONCE(*y, 1); smp_mb(); int r0 = atomic_read(x);"],
        ask="exists (0:r1=0 /\\ 1:r0=0)",
        lse=[[ONE, "LDADDAL W9,W0,[X10]", "LDR W1,[X11]"], ARM_FENCED],
        llsc=[[ONE, "LDXR W0,[X10]", "ADD W8,W0,W9", "STLXR W7,W8,[X10]", "DMB ISH", "LDR W1,[X11]"], ARM_FENCED],
        x86=[["movl $1,%eax", "lock; xaddl %eax,(x)", "movl (y),%ebx"], X86_FENCED],
        filters=("", "filter 0:X7=0", ""),
        atomic="x",
    ),
}  # fmt: skip

MACHINES = {"aarch64": ("lse", "AArch64", 0), "aarch64-llsc": ("llsc", "AArch64", 1), "x86-tso": ("x86", "X86_64", 2)}
SPELLED = {"AArch64": {"r0": "X0", "r1": "X1"}, "X86_64": {"r0": "rax", "r1": "rbx"}}


def in_c(scenario: Scenario, model: str) -> Result:
    kinds = {name: "atomic_t" if name in scenario.atomic else "int" for name in "xy"}
    kinds["z"] = "spinlock_t" if "spin_lock" in scenario.c[0] else "int"
    params = ", ".join(f"{kind} *{name}" for name, kind in kinds.items())
    code = "\n".join(f"P{n}({params}) {{ {body} }}" for n, body in enumerate(scenario.c))
    test = parse_test(Source("c.litmus", f"C c\n{{}}\n{code}\n{scenario.ask}"))
    return check(test, load_model(model), Options(states=True))


def by_hand(scenario: Scenario, model: str) -> Result:
    field, arch, n = MACHINES[model]
    columns: Threads = getattr(scenario, field)
    longest = max(map(len, columns))
    rows = [[column[i] if i < len(column) else "" for column in columns] for i in range(longest)]
    code = "".join(" | ".join(row) + " ;\n" for row in [[f"P{p}" for p in range(len(columns))], *rows])
    addresses = "".join(f"{p}:X10=x; {p}:X11=y; {p}:X12=z; " for p in range(len(columns)))
    init = addresses if arch == "AArch64" else "x=0; y=0; z=0;"
    ask = re.sub(r"\br[0-9]\b", lambda m: SPELLED[arch][m[0]], scenario.ask)
    place = ask.index("exists")
    test = parse_test(Source("asm.litmus", f"{arch} t\n{{ {init} }}\n{code}\n{ask[:place]}{scenario.filters[n]} {ask[place:]}"))
    return check(test, load_model("aarch64" if arch == "AArch64" else model), Options(states=True))


@pytest.mark.parametrize("model", MACHINES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_the_table_compiles_and_what_is_written_by_hand_behave_the_same(name: str, model: str) -> None:
    compiled, written = in_c(SCENARIOS[name], model), by_hand(SCENARIOS[name], model)
    _, arch, _ = MACHINES[model]
    back = {theirs: ours for ours, theirs in SPELLED[arch].items()}
    states = [re.sub(r"(?<=:)(\w+)(?==)", lambda m: back.get(m[0], m[0]), s) for s in written.states or ()]
    assert (compiled.observation, sorted(compiled.states or ())) == (written.observation, sorted(states))
    assert states


def test_the_scenarios_tell_the_machines_apart() -> None:
    """Both answers occur on each machine, so that agreement says something."""
    for model in MACHINES:
        assert {in_c(s, model).observation for s in SCENARIOS.values()} >= {"Never", "Sometimes"}
