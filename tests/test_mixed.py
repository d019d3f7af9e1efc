"""Accesses of several sizes to one place. Verdicts, states and counts are herd7's, with `-variant mixed`."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.check import Options, check
from checker.core.source import CheckerError, Source, Unsupported
from checker.library import load_model, load_test
from checker.parse.litmus import parse_test
from checker.result import Result


def result(text: str, model: str = "aarch64") -> Result:
    return check(parse_test(Source("t.litmus", text)), load_model(model), Options(states=True, counts=True))


def aarch64(init: str, code: str, question: str) -> str:
    return f"AArch64 t\n{{ {init} }}\n{code}\n{question}\n"


X86 = """X86_64 t
{{ uint64_t x; uint64_t 0:rax; uint64_t 1:rax; {} }}
 P0                | P1                ;
{}
exists ({})
"""


def test_a_double_word_is_never_seen_half_written() -> None:
    found = result(
        aarch64(
            "uint64_t x; uint64_t 1:X2; 0:X1=x; 1:X1=x; 0:X0=0x100000001;",
            " P0 | P1 ;\n STR X0,[X1] | LDR W3,[X1,#4] ;\n | LDR X2,[X1] ;",
            "locations [1:X2; 1:X3;]\nexists (1:X2=1)",
        )
    )
    assert found.observation == "Never"
    assert found.states == ("1:X2=0; 1:X3=0;", "1:X2=4294967297; 1:X3=0;", "1:X2=4294967297; 1:X3=1;")


def test_halves_written_one_by_one_are_seen_one_by_one() -> None:
    """Two stores, two locations: without a barrier either may be seen first."""
    code = " P0 | P1 ;\n STR W0,[X1] | LDR X2,[X1] ;\n {} STR W0,[X1,#4] | ;"
    init = "uint64_t x; uint64_t 1:X2; 0:X1=x; 1:X1=x; 0:X0=1;"
    weak = aarch64(init, code.format(""), "exists (1:X2=4294967296)")
    strong = aarch64(init, code.format("DMB ST | ;\n"), "exists (1:X2=4294967296)")
    assert result(weak).observation == "Sometimes"
    assert result(strong).observation == "Never"
    assert result(strong).counts == (0, 3)


def test_a_load_may_take_a_part_from_the_own_store_before_others_see_it() -> None:
    """Store buffering with the reads of a part: herd7 has 4 executions, 1 of them weak."""
    found = result(
        aarch64(
            "uint64_t x; uint64_t y; 0:X1=x; 0:X2=y; 1:X1=y; 1:X2=x; 0:X0=0x100000001; 1:X0=0x100000001;",
            " P0 | P1 ;\n STR X0,[X1] | STR X0,[X1] ;\n LDR W3,[X2,#4] | LDR W3,[X2,#4] ;",
            "exists (0:X3=0 /\\ 1:X3=0)",
        )
    )
    assert found.counts == (1, 3)


@pytest.mark.parametrize(
    ("code", "asked", "observation", "counts"),
    [
        ("movq $-1,(%x) | movl 4(%x),%eax ;\n | movl (%x),%ebx ;", "1:rax<>0 /\\ 1:rbx=0", "Never", (0, 3)),
        ("movl $1,(%x) | movq (%x),%rax ;\nmovl $1,4(%x) | ;", "1:rax=4294967296", "Never", (0, 3)),
        ("movl $1,4(%x) | movl $2,(%x) ;\nmovq (%x),%rax | movq (%x),%rax ;", "0:rax=4294967296 /\\ 1:rax=2", "Sometimes", (1, 3)),
    ],
)
def test_x86_serves_an_access_as_a_whole_but_reads_its_own_buffer_early(
    code: str, asked: str, observation: str, counts: tuple[int, int]
) -> None:
    text = X86.format("0:rsi=x; 1:rsi=x; uint64_t 1:rbx;", code.replace("%x", "%rsi"), asked)
    found = result(text, "x86-tso")
    assert (found.observation, found.counts) == (observation, counts)


def test_an_exclusive_store_needs_an_exclusive_load_of_its_size() -> None:
    code = " P0 | P1 ;\n LDXR {0},[X1] | LDR X2,[X1] ;\n STXR W3,W0,[X1] | ;"
    init = "uint64_t x; uint64_t 1:X2; 0:X1=x; 1:X1=x; 0:X0=1;"
    assert result(aarch64(init, code.format("W2"), "exists (0:X3=0)")).observation == "Sometimes"
    assert result(aarch64(init, code.format("X2"), "exists (0:X3=0)")).observation == "Never"


def test_an_atomic_instruction_of_a_part_is_atomic_to_who_writes_the_whole() -> None:
    found = result(
        aarch64(
            "uint64_t x; 0:X1=x; 1:X1=x; 0:X0=1; 1:X0=0x700000007;",
            " P0 | P1 ;\n LDADD W0,W2,[X1] | STR X0,[X1] ;",
            "locations [0:X2; x;]\nexists (0:X2=0 /\\ x=1)",
        )
    )
    assert found.observation == "Never"
    assert found.states == ("0:X2=0; [x]=30064771079;", "0:X2=7; [x]=30064771080;")


@pytest.mark.parametrize(
    ("init", "code", "message"),
    [
        ("uint64_t x; 0:X1=x; 1:X1=x;", "P0 | P1 ;\nSTR X0,[X1] | LDR W0,[X1,#2] ;", "4 bytes to x at offset 2: it is not aligned"),
        (
            "uint64_t x; 0:X1=x; 1:X1=x;",
            "P0 | P1 ;\nSTR X0,[X1] | LDR W0,[X1,#8] ;",
            "4 bytes of x at offset 8: so much is not declared",
        ),
        ("x; 0:X1=x; 1:X1=x;", "P0 | P1 ;\nSTR X0,[X1] | LDR W0,[X1] ;", "8 bytes of x at offset 0: so much is not declared"),
        ("int *x=y; 0:X1=x; 1:X1=x;", "P0 | P1 ;\nSTR X0,[X1] | LDR W0,[X1] ;", "x holds the address y, and is"),
    ],
)
def test_what_is_not_aligned_or_not_there_is_refused_by_name(init: str, code: str, message: str) -> None:
    with pytest.raises(CheckerError) as error:
        result(aarch64(init, code, "exists (0:X0=1)"))
    assert message in str(error.value)
    assert error.value.span is not None


def test_a_model_that_does_not_speak_of_parts_refuses_them() -> None:
    text = aarch64("uint64_t x; 0:X1=x; 1:X1=x;", "P0 | P1 ;\nSTR X0,[X1] | LDR W0,[X1] ;", "exists (1:X0=1)")
    with pytest.raises(Unsupported, match="accesses of different sizes to x"):
        result(text, "sc")


INSTRUCTIONS = [
    "STR W{r},[{a}]", "STLR W{r},[{a}]", "LDR W{v},[{a}]", "LDAR W{v},[{a}]", "SWP W{r},W{v},[{a}]",
    "LDADDAL W{r},W{v},[{a}]", "DMB SY",
]  # fmt: skip
threads = st.lists(
    st.lists(st.tuples(st.sampled_from(INSTRUCTIONS), st.sampled_from(["X10", "X11"])), min_size=1, max_size=3),
    min_size=2,
    max_size=2,
)


@given(threads)
def test_memory_in_smaller_units_changes_nothing_for_who_accesses_it_whole(code: list[list[tuple[str, str]]]) -> None:
    """The law of single-copy atomicity: another location, read by halves elsewhere, cuts all memory into these."""
    init = "uint32_t x; uint32_t y; uint32_t z; 0:X10=x; 0:X11=y; 1:X10=x; 1:X11=y;"
    shown = []
    columns: list[list[str]] = []
    for tid, instructions in enumerate(code):
        columns.append([])
        for k, (instruction, address) in enumerate(instructions):
            init += f" {tid}:X{20 + k}={(tid * 3 + k + 1) * 0x10001};"
            columns[-1].append(instruction.format(r=20 + k, v=k, a=address))
            shown += [f"{tid}:X{k};"] * ("W{v}" in instruction)
    columns.append(["LDRH W0,[X10]", "LDR W1,[X10]"])

    def states(used: int) -> tuple[set[str], tuple[int, int]]:
        rows = [" | ".join(row) + " ;" for row in itertools.zip_longest(*columns[:used], fillvalue="")]
        head = " | ".join(f"P{t}" for t in range(used)) + " ;"
        found = result(
            aarch64(init + " 2:X10=z;" * (used > 2), "\n".join([head, *rows]), f"locations [{' '.join(shown)} x; y;]\nexists (x=0)")
        )
        assert found.states is not None
        assert found.counts is not None
        return set(found.states), found.counts

    assert states(3) == states(2)


@pytest.mark.parametrize(("fence", "observation"), [("fence r,r", "Never"), ("nop", "Sometimes")])
def test_riscv_orders_whole_operations(fence: str, observation: str) -> None:
    """The load of the whole overlaps nothing that was loaded before: only a fence keeps it behind."""
    found = result(
        "RISCV t\n{ uint64_t x; uint64_t y; uint64_t 1:x5; 0:x5=0x100000001; 0:x6=x; 0:x8=y; 1:x6=x; 1:x8=y; }\n"
        " P0 | P1 ;\n sd x5,0(x6) | lw x7,4(x8) ;\n fence w,w | " + fence + " ;\n sd x5,0(x8) | ld x5,0(x6) ;\n"
        "exists (1:x7=1 /\\ 1:x5=0)",
        "riscv",
    )  # fmt: skip
    assert found.observation == observation
    assert found.states is not None
    assert not any("1:x5=1;" in state or "1:x5=4294967296;" in state for state in found.states)


# ---------------------------------------------------------------- unions in C

WORD = "union word { u64 d; u32 w[2]; u16 h[4]; };\n"
MEMBER = {2: "h", 4: "w", 8: "d"}
accesses = st.lists(
    st.lists(
        st.tuples(st.sampled_from("xy"), st.sampled_from([2, 4, 8]), st.integers(0, 3), st.booleans(), st.booleans()),
        min_size=1,
        max_size=3,
    ),
    min_size=2,
    max_size=2,
)


@given(accesses)
def test_members_of_a_union_in_c_are_what_instructions_access(code: list[list[tuple[str, int, int, bool, bool]]]) -> None:
    """States and numbers of executions; those of the instructions are herd7's."""
    init, columns, bodies, shown = "uint64_t x; uint64_t y; ", [], [], []
    for tid, accesses in enumerate(code):
        init += f"{tid}:X10=x; {tid}:X11=y; "
        columns.append([])
        bodies.append("")
        for k, (name, size, at, writes, ordered) in enumerate(accesses):
            offset = at * size % 8
            ordered = ordered and not offset
            suffix, register = {2: "H", 4: "", 8: ""}[size], "X" if size == 8 else "W"
            base = "X10" if name == "x" else "X11"
            where = f"[{base},#{offset}]" if offset else f"[{base}]"
            place = f"{name}->{MEMBER[size]}" + ("" if size == 8 else f"[{offset // size}]")
            if writes:
                value = sum((tid * 4 + k + 1) << 16 * n for n in range(size // 2))
                init += f"{tid}:X{20 + k}={value}; "
                columns[-1].append(f"{'STLR' if ordered else 'STR'}{suffix} {register}{20 + k},{where}")
                bodies[-1] += f"{'smp_store_release(&' if ordered else 'WRITE_ONCE('}{place}, {value}UL);\n"
            else:
                init += f"uint64_t {tid}:X{k}; "
                shown.append((tid, k))
                columns[-1].append(f"{'LDAR' if ordered else 'LDR'}{suffix} {register}{k},{where}")
                bodies[-1] += f"u64 r{k} = {'smp_load_acquire(&' if ordered else 'READ_ONCE('}{place});\n"
    rows = "\n".join(" | ".join(row) + " ;" for row in itertools.zip_longest(*columns, fillvalue=""))
    listed = " ".join(f"{tid}:X{k};" for tid, k in shown)
    machine = result(aarch64(init, f"P0 | P1 ;\n{rows}", f"locations [{listed} x; y;]\nexists (x=0)"))
    processes = "".join(f"P{tid}(union word *x, union word *y)\n{{\n{body}}}\n" for tid, body in enumerate(bodies))
    listed = listed.replace("X", "r")
    kernel = result(f"C t\n{{ union word x; union word y; }}\n{WORD}{processes}locations [{listed} x.d; y.d;]\nexists (x.d=0)\n")
    spelled = {state.replace(":X", ":r").replace("[x]", "x.d").replace("[y]", "y.d") for state in machine.states or ()}
    assert set(kernel.states or ()) == spelled
    assert kernel.counts == machine.counts


LOCK = "struct lock { union { int all; struct { u8 low; s8 second; u16 high; }; }; struct lock *next; };\n"


def union(init: str, body: str, shown: str, *, more: str = "") -> tuple[str, ...]:
    """The final states of one process on `struct lock l`, under x86."""
    text = f"C t\n{{ {init} }}\n{LOCK}{more}P0(struct lock *l)\n{{\n{body}\n}}\nlocations [{shown}]\nforall (true)\n"
    found = result(text, "x86-tso").states
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("init", "body", "shown", "state"),
    [
        ("struct lock l = { .all = 0x12345678 };", "", "l.low; l.second; l.high;", "l.high=4660; l.low=120; l.second=86;"),
        ("struct lock l = { .all = -1 };", "", "l.low; l.second; l.all;", "l.all=-1; l.low=255; l.second=-1;"),
        ("struct lock l = { .low = 1, .high = 2 };", "", "l.all;", "l.all=131073;"),
        ("struct lock l;", "l->second = -2;", "l.all; l.second;", "l.all=65024; l.second=-2;"),
        ("struct lock l;", "WRITE_ONCE(l->all, -2); int r = l->second; long s = l->low;", "0:r; 0:s;", "0:r=-1; 0:s=254;"),
        ("struct lock l;", "atomic_add(0x10001, &l->all); l->high++; l->low += 255;", "l.all;", "l.all=131072;"),
        ("struct lock l;", "int r = xchg(&l->high, 0x1ffff); int s = l->all;", "0:r; 0:s;", "0:r=0; 0:s=-65536;"),
        ("struct lock l;", "l->next = l; l->next->low = 7;", "l.all;", "l.all=7;"),
        ("struct lock l;", "set(l, 300);", "l.all;", "l.all=44;"),
    ],
)
def test_a_union_is_one_memory_of_several_views(init: str, body: str, shown: str, state: str) -> None:
    """As gcc has it on a machine whose lowest byte comes first."""
    helper = "static inline void set(struct lock *lock, int value)\n{\n\tlock->low = value;\n}\n"
    assert union(init, body, shown, more=helper) == (state,)


@pytest.mark.parametrize(
    ("init", "body", "message"),
    [
        ("struct lock l;", "u8 *p = &l->low; WRITE_ONCE(*p, 1);", "a part of l through a pointer"),
        ("struct lock l = { 1 };", "", "values without names for 'l'"),
        ("struct lock l = { .all = 1, .low = 2 };", "", "two initial values"),
        ("struct lock l = { .none = 1 };", "", "no member 'none'"),
        ("struct lock l;", "spin_lock(l);", "a part of l"),
    ],
)
def test_what_a_union_cannot_say_is_refused_by_name(init: str, body: str, message: str) -> None:
    with pytest.raises(CheckerError, match=message):
        union(init, body, "l.all;")


@pytest.mark.parametrize("model", ["lkmm", "ppc", "sc"])
def test_a_model_that_says_nothing_of_parts_refuses_unions(model: str) -> None:
    text = f"C t\n{{ struct lock l; }}\n{LOCK}P0(struct lock *l) {{ WRITE_ONCE(l->low, 1); }}\nexists (l.all=1)\n"
    with pytest.raises(Unsupported, match=r"l\.all is in a union"):
        result(text, model)


LOCKS = Path(__file__).parent / "machines"


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.litmus")), ids=lambda path: path.stem)
def test_the_kernels_queued_spinlock_excludes_and_nobody_waits_for_ever(path: Path) -> None:
    """Its word is accessed by halves and by bytes; with an unlock that is no release it excludes nobody, but on x86."""
    test = load_test(path)
    assert len(test.expect) >= 4
    for wanted in test.expect[::2]:  # arm64 and x86; the other two take as long
        assert not check(test, load_model(wanted.model)).unmet(), wanted
