"""RISC-V assembly: what instructions compute, their sets, store-conditionals, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.isa.riscv.table import TABLE
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.program import ir
from checker.program.ir import Load, Mark, Store

WORDS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**31 - 1, 2**32 - 1, 2**63, 2**63 - 1, 2**64 - 1]))


def parsed(*lines: str, init: str = "", tail: str = "forall (true)") -> ir.Test:
    rows = "".join(f" {line} ;\n" for line in lines)
    return parse_test(Source("t.litmus", f"RISCV t\n{{{init}}}\n P0 ;\n{rows}{tail}\n"))


def state(*lines: str, init: str, shown: str) -> str:
    test = parsed(*lines, init=init, tail=f"locations [{shown}]\nforall (true)")
    (found,) = check(test, load_model("sc"), Options(states=True)).states or ()
    return found


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


REFERENCE: dict[str, Callable[[int, int], int]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "and": lambda x, y: x & y, "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y, "sll": lambda x, y: x << (y & 63), "srl": lambda x, y: (x % 2**64) >> (y & 63),
    "sra": lambda x, y: x >> (y & 63), "slt": lambda x, y: int(x < y), "sltu": lambda x, y: int(x % 2**64 < y % 2**64),
    "mul": lambda x, y: x * y, "addw": lambda x, y: signed(x + y, 32), "subw": lambda x, y: signed(x - y, 32),
    "sllw": lambda x, y: signed(x << (y & 31), 32), "srlw": lambda x, y: signed((x % 2**32) >> (y & 31), 32),
    "sraw": lambda x, y: signed(x, 32) >> (y & 31),
}  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(REFERENCE)), WORDS, WORDS, st.booleans())
def test_an_operation_gives_the_manuals_bits(name: str, x: int, y: int, memory: bool) -> None:
    init = f"uint64_t 0:x5; uint64_t 0:x6={x}; uint64_t 0:x7={y};"
    loads = []
    if memory:
        init = f"uint64_t 0:x5; uint64_t p={x}; uint64_t q={y}; 0:x8=p; 0:x9=q;"
        loads = ["ld t1,0(s0)", "ld x7,(s1)"]
    result = REFERENCE[name](signed(x, 64), signed(y, 64)) % 2**64
    assert state(*loads, f"{name} x5,x6,x7", init=init, shown="0:x5;") == f"0:x5={result};"


@pytest.mark.parametrize(
    ("line", "kind", "value", "expected"),
    [("lb x5,(x6)", "int8_t", -2, -2), ("lbu x5,(x6)", "uint8_t", 254, 254), ("lw x5,(x6)", "uint32_t", 2**32 - 2, -2),
     ("lwu x5,(x6)", "uint32_t", 2**32 - 2, 2**32 - 2), ("amomax.w x5,x7,(x6)", "int32_t", -2, -2)],
)  # fmt: skip
def test_a_load_extends_what_it_reads(line: str, kind: str, value: int, expected: int) -> None:
    assert state(line, init=f"{kind} x={value}; 0:x6=x; int64_t 0:x5;", shown="0:x5;") == f"0:x5={expected};"


@pytest.mark.parametrize(("line", "left"), [("sh x7,0(x6)", 65535), ("sb x7,0(x6)", 255), ("sw x7,0(x6)", -1)])
def test_a_store_leaves_the_rest_of_the_place_as_it_was(line: str, left: int) -> None:
    assert state(line, init="int x; 0:x6=x; 0:x7=-1;", shown="x;") == f"[x]={left};"


@pytest.mark.parametrize(
    ("atomic", "new"), [("swap", 6), ("add", 18), ("and", 4), ("or", 14), ("xor", 10), ("max", 12), ("min", 6)]
)
def test_an_atomic_returns_the_old_value_and_leaves_the_new(atomic: str, new: int) -> None:
    init = "int64_t x=12; 0:x6=x; 0:x7=6;"
    assert state(f"amo{atomic}.d.aq x5,x7,(x6)", init=init, shown="0:x5; x;") == f"0:x5=12; [x]={new};"


def test_a_store_conditional_succeeds_or_fails_and_writes_zero_or_one() -> None:
    test = parsed("lr.w x5,0(a0)", "sc.w x7,x8,0(a0)", init="0:x10=x; 0:x8=3;", tail="locations [0:x7; x;]\nforall (true)")
    found = check(test, load_model("sc"), Options(states=True)).states
    assert found == ("0:x7=0; [x]=3;", "0:x7=1; [x]=0;")


def test_orders_and_fences_are_sets_of_events() -> None:
    lines = [
        "lw.aq x5,0(x6)",
        "sw.rl x5,0(x6)",
        "lr.w.aq.rl x5,0(x6)",
        "amoadd.w.rl x5,x7,(x6)",
        "fence r,rw",
        "fence",
        "fence.tso",
    ]
    body = parsed(*lines, init="0:x6=x;").threads[0].body
    tags = [i.tags - {"F"} for i in body if isinstance(i, Load | Store | Mark)]
    amo = {"AMO", "Rel"}
    assert tags == [{"Acq"}, {"Rel"}, {"X", "AcqRel"}, amo, amo | {"R"}, {"Fence.r.rw"}, {"Fence.rw.rw"}, {"Fence.tso"}]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("amoad.w x5,x6,(x7)", "unknown instruction 'amoad.w'", "did you mean"),
        ("lw x5,x6", "'lw' cannot take a register there", "it is written 'lw xd, 4(xn)'"),
        ("lr.w x5,4(x6)", "lr.w takes an address without offset", "(xn)"),
        ("lw x5,0(x32)", "there is no register 'x32'", "x3"),
        ("fence rw,foo", "a fence of these sets", "fence rw,rw"),
        ("add x5,x6", "'add' takes 3 operands", "add xd, xn, xm"),
    ],
)
def test_a_line_that_is_not_understood_names_itself(line: str, message: str, hint: str) -> None:
    with pytest.raises(CheckerError) as caught:
        parsed(line)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.span is not None and caught.value.span.line == 4


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TABLE)), st.lists(st.sampled_from(["x5", "zero", "1", "0(x6)", "4(x6)", "L", "rw"]), max_size=4))
def test_any_operands_give_code_or_an_error(mnemonic: str, operands: list[str]) -> None:
    try:
        parsed(f"L: {mnemonic} {','.join(operands)}", init="0:x6=x;")
    except CheckerError as error:
        assert error.span is not None  # noqa: PT017


def observation(first: list[str], second: list[str], init: str, question: str, model: str = "riscv") -> str:
    height = max(len(first), len(second))
    rows = "".join(
        f" {a} | {b} ;\n"
        for a, b in zip([*first, *[""] * (height - len(first))], [*second, *[""] * (height - len(second))], strict=True)
    )
    test = parse_test(Source("t.litmus", f"RISCV t\n{{{init}}}\n P0 | P1 ;\n{rows}exists ({question})\n"))
    return str(check(test, load_model(model)).observation)


POINTERS = "0:x6=x; 0:x9=y; 1:x6=x; 1:x9=y; 0:x8=1; 1:x8=1;"


def test_the_status_of_a_store_conditional_depends_on_its_store() -> None:
    """RVWMO, table of the register operands: a successful sc carries a dependency to its status."""
    reader = ["lw x5,0(x9)", "fence r,r", "lw x7,0(x6)"]
    for writes, expected in (("add x7,x7,x8", "Never"), ("mv x7,x8", "Sometimes")):
        writer = ["lr.w x5,0(x6)", "sc.w x7,x8,0(x6)", "mv x10,x7", writes, "sw x7,0(x9)"]
        assert observation(writer, reader, POINTERS, r"0:x10=0 /\ 1:x5=1 /\ 1:x7=0") == expected


@pytest.mark.parametrize(("line", "tags"), [("lr.w.rl x5,0(x6)", {"X"}), ("lr.w.aq.rl x5,0(x6)", {"X", "AcqRel"})])
def test_an_lr_with_rl_alone_promises_no_more_than_one_without(line: str, tags: set[str]) -> None:
    """Chapter "A", on LR and SC; an SC with .aq alone is the same."""
    body = parsed(line, "sc.w.aq x5,x7,0(x6)", init="0:x6=x;").threads[0].body
    assert [i.tags for i in body if isinstance(i, Load | Store)] == [tags, {"X"}]


@pytest.mark.parametrize(("fence", "expected"), [("fence r,rw", "Never"), ("fence.tso", "Never"), ("fence w,w", "Sometimes")])
def test_an_amo_is_one_operation_what_waits_for_its_load_waits_for_its_store(fence: str, expected: str) -> None:
    side = [["amoswap.w x5,x8,(x6)", fence, "lw x7,0(x9)"], ["amoswap.w x5,x8,(x9)", fence, "lw x7,0(x6)"]]
    assert observation(*side, POINTERS, r"0:x7=0 /\ 1:x7=0") == expected


def test_what_depends_on_an_amos_result_waits_for_its_store() -> None:
    for depends, expected in (("xor x5,x5,x5", "Never"), ("li x5,0", "Sometimes")):
        sides = [
            ["amoadd.w x5,x8,(x6)", depends, "add x9,x9,x5", "lw x7,0(x9)"],
            ["amoadd.w x5,x8,(x9)", depends, "add x6,x6,x5", "lw x7,0(x6)"],
        ]
        assert observation(*sides, POINTERS, r"0:x7=0 /\ 1:x7=0") == expected


def test_an_amocas_writes_where_memory_holds_what_is_expected_and_returns_what_it_read() -> None:
    init = "int32_t x=-5; 0:x6=x; 0:x7=-5; 0:x8=6; 0:x9=4;"
    lines = ["amocas.w x7,x8,(x6)", "amocas.w x9,x8,(x6)"]
    assert state(*lines, init=init, shown="0:x7; 0:x9; x;") == "0:x7=-5; 0:x9=6; [x]=6;"


@pytest.mark.parametrize(("name", "expected"), [("amomaxu", -1), ("amominu", 1), ("amomax", 1), ("amomin", -1)])
def test_the_larger_of_two_numbers_is_that_of_the_bits_accessed(name: str, expected: int) -> None:
    init = "int32_t x=-1; 0:x6=x; int64_t 0:x7=4294967297; int64_t 0:x5;"
    assert state(f"{name}.w x5,x7,(x6)", init=init, shown="0:x5; x;") == f"0:x5=-1; [x]={expected};"


def test_a_loop_that_waits_orders_later_stores_and_a_failed_amocas_no_earlier_ones() -> None:
    def kernel(text: str, model: str) -> str:
        return str(check(parse_test(Source("t", f"C t\n{{}}\n{text}")), load_model(model)).observation)

    waits = "P0(int *x, int *y) {{ int r0 = smp_cond_load_{}(x, VAL == 1); WRITE_ONCE(*y, 1); }}\n"
    answers = "P1(int *x, int *y) { int r0 = READ_ONCE(*y); smp_store_release(x, 1); }\nexists (1:r0=1)\n"
    assert kernel(waits.format("acquire") + answers, "riscv") == kernel(waits.format("relaxed") + answers, "riscv") == "Never"
    failing = "P0(int *x, int *y, int *z) { WRITE_ONCE(*x, 1); int r0 = cmpxchg(z, 5, 6); int r1 = READ_ONCE(*y); }\n"
    other = "P1(int *x, int *y) { WRITE_ONCE(*y, 1); smp_mb(); int r0 = READ_ONCE(*x); }\nexists (0:r1=0 /\\ 1:r0=0)\n"
    assert kernel(failing + other, "riscv-zacas") == kernel(failing + other, "riscv") == "Sometimes"
    assert kernel(failing.replace("5", "0") + other, "riscv-zacas") == kernel(failing.replace("5", "0") + other, "riscv") == "Never"
