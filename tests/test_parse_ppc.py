"""Power assembly: what instructions compute, CR0, store conditionals, what forwards writes and what fences propagate, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.isa.ppc.table import TABLE
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.program import ir

WORDS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**31 - 1, 2**32 - 1, 2**63, 2**63 - 1, 2**64 - 1]))


def parsed(*columns: list[str], init: str = "", tail: str = "forall (true)") -> ir.Test:
    height = max(map(len, columns))
    rows = [[*column, *[""] * (height - len(column))] for column in columns]
    code = "".join(" | ".join(row) + " ;\n" for row in zip(*rows, strict=True))
    header = " | ".join(f"P{n}" for n in range(len(columns)))
    return parse_test(Source("t.litmus", f"PPC t\n{{{init}}}\n{header} ;\n{code}{tail}\n"))


def states(*lines: str, init: str, shown: str) -> list[str]:
    test = parsed(list(lines), init=init, tail=f"locations [{shown}]\nforall (true)")
    return sorted(check(test, load_model("sc"), Options(states=True)).states or ())


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def low(value: int, bits: int = 32) -> int:
    return value % 2**bits


REFERENCE: dict[str, Callable[[int, int], int]] = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "subf": lambda x, y: y - x, "and": lambda x, y: x & y,
    "or": lambda x, y: x | y, "xor": lambda x, y: x ^ y, "andc": lambda x, y: x & ~y, "orc": lambda x, y: x | ~y,
    "nor": lambda x, y: ~(x | y), "nand": lambda x, y: ~(x & y), "eqv": lambda x, y: ~(x ^ y), "mulld": lambda x, y: x * y,
    "mullw": lambda x, y: signed(x, 32) * signed(y, 32), "slw": lambda x, y: low(low(x) << (y & 63)),
    "srw": lambda x, y: low(x) >> (y & 63), "sraw": lambda x, y: signed(x, 32) >> (y & 63),
}  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(REFERENCE)), WORDS, WORDS, st.booleans())
def test_an_operation_gives_the_manuals_bits(name: str, x: int, y: int, memory: bool) -> None:
    init, loads = f"uint64_t 0:r5; uint64_t 0:r6={x}; uint64_t 0:r7={y};", []
    if memory:
        init = f"uint64_t 0:r5; uint64_t p={x}; uint64_t q={y}; 0:r8=p; 0:r9=q;"
        loads = ["ld r6,0(r8)", "ldx r7,r0,r9"]
    result = REFERENCE[name](signed(x, 64), signed(y, 64)) % 2**64
    assert states(*loads, f"{name} r5,r6,r7", init=init, shown="0:r5;") == [f"0:r5={result};"]


@pytest.mark.parametrize(
    ("line", "kind", "value", "expected"),
    [("lbz r5,0(r6)", "uint8_t", 254, 254), ("lha r5,0(r6)", "int16_t", -2, -2), ("lwz r5,0(r6)", "int32_t", -2, 2**32 - 2),
     ("lwa r5,0(r6)", "uint32_t", 2**32 - 2, -2), ("lwax r5,0,r6", "int32_t", -2, -2)],
)  # fmt: skip
def test_a_load_extends_what_it_reads(line: str, kind: str, value: int, expected: int) -> None:
    assert states(line, init=f"{kind} x={value}; 0:r6=x; int64_t 0:r5;", shown="0:r5;") == [f"0:r5={expected};"]


@settings(max_examples=80, deadline=None)
@given(WORDS, WORDS, st.integers(0, 31), st.integers(0, 31), st.integers(0, 31))
def test_a_rotated_word_is_cut_to_a_mask_or_put_into_another(x: int, y: int, by: int, first: int, last: int) -> None:
    """Power ISA, book I, 3.3.14: ROTL32 has the word twice; the mask's bits are counted from the left, the word's from 32."""
    bits = f"{low(x):032b}"
    turned = (bits[by:] + bits[:by]) * 2
    marked = [at in range(first + 32, last + 33) if first <= last else not last + 33 <= at <= first + 31 for at in range(64)]
    rotated = "".join(b if m else "0" for b, m in zip(turned, marked, strict=True))
    inserted = "".join(b if m else o for b, m, o in zip(turned, marked, f"{y:064b}", strict=True))
    init = f"uint64_t 0:r5; uint64_t 0:r6={x}; uint64_t 0:r7={y};"
    found = states(f"rlwinm r5,r6,{by},{first},{last}", f"rlwimi r7,r6,{by},{first},{last}", init=init, shown="0:r5; 0:r7;")
    assert found == [f"0:r5={int(rotated, 2)}; 0:r7={int(inserted, 2)};"]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["cmpw", "cmpd", "cmplw", "cmpld", "sub."]), WORDS, WORDS)
def test_a_comparison_sets_one_of_three_bits(name: str, x: int, y: int) -> None:
    a, b = {
        "cmpw": (signed(x, 32), signed(y, 32)), "cmpd": (signed(x, 64), signed(y, 64)), "cmplw": (low(x), low(y)), "cmpld": (x, y),
        "sub.": (signed(x - y, 64), 0),
    }[name]  # fmt: skip
    compare = f"{name} {'r9,' * (name[-1] == '.')}r5,r6"
    lines = [compare]
    for condition in ("lt", "gt", "eq", "ge", "le", "ne"):
        lines += [f"b{condition} L{condition}", "addi r7,r7,1", f"L{condition}: addi r7,r7,0", "mulli r7,r7,2"]
    taken = [a < b, a > b, a == b, a >= b, a <= b, a != b]
    expected = 0
    for yes in taken:
        expected = 2 * (expected + (not yes))
    init = f"uint64_t 0:r5={x}; uint64_t 0:r6={y}; 0:r7=0;"
    assert states(*lines, init=init, shown="0:r7;") == [f"0:r7={expected};"]


def test_a_store_conditional_leaves_its_success_in_cr0_and_needs_the_reservation_of_its_place() -> None:
    lines = ["lwarx r5,0,r6", "stwcx. r7,0,r6", "bne- L", "li r9,1", "L:"]
    init = "0:r6=x; 0:r7=3; 0:r8=y;"
    assert states(*lines, init=init, shown="0:r9; x;") == ["0:r9=0; [x]=0;", "0:r9=1; [x]=3;"]
    lines[1] = "stwcx. r7,0,r8"
    assert states(*lines, init=init, shown="0:r9; y;") == ["0:r9=0; [y]=0;"]


def test_a_cpus_store_conditionals_are_committed_in_the_order_of_the_program() -> None:
    """2+2W with store conditionals only: herd7's ppc.cat and the model of PLDI 2012 forbid it, with plain stores they do not."""

    def side(first: str, second: str, store: str) -> list[str]:
        writes = [
            ["lwarx r5,0," + a, f"stwcx. {value},0,{a}", "bne L"] if store == "stwcx." else [f"stw {value},0({a})"]
            for a, value in ((first, "r1"), (second, "r3"))
        ]
        return ["li r3,2", *writes[0], *writes[1], "li r9,1", "L:"]

    question = r"x=1 /\ y=1 /\ 0:r9=1 /\ 1:r9=1"
    for store, expected in (("stwcx.", "Never"), ("stw", "Sometimes")):
        assert observation(side("r2", "r4", store), side("r4", "r2", store), question=question) == expected


def observation(*columns: list[str], question: str) -> str:
    init = "".join(f"{p}:r1=1; {p}:r2=x; {p}:r4=y; " for p in range(len(columns)))
    return str(check(parsed(*columns, init=init, tail=f"exists ({question})"), load_model("ppc")).observation)


@pytest.mark.parametrize(
    ("fence", "mp", "sb", "iriw"),
    [
        ("sync", "Never", "Never", "Never"),
        ("lwsync", "Never", "Sometimes", "Sometimes"),
        *[(fence, "Sometimes", "Sometimes", "Sometimes") for fence in ("eieio", "isync")],
    ],
)
def test_fences_order_and_propagate_what_the_architecture_says(fence: str, mp: str, sb: str, iriw: str) -> None:
    """Herding Cats, section 6: IRIW needs sync, MP lwsync, SB sync; eieio orders writes, isync needs a branch."""
    write, read = ["stw r1,0(r2)", fence, "stw r1,0(r4)"], ["lwz r5,0(r4)", fence, "lwz r6,0(r2)"]
    assert observation(write, read, question=r"1:r5=1 /\ 1:r6=0") == mp
    side = ["stw r1,0(r2)", fence, "lwz r5,0(r4)"], ["stw r1,0(r4)", fence, "lwz r5,0(r2)"]
    assert observation(*side, question=r"0:r5=0 /\ 1:r5=0") == sb
    readers = read, ["lwz r5,0(r2)", fence, "lwz r6,0(r4)"]
    question = r"2:r5=1 /\ 2:r6=0 /\ 3:r5=1 /\ 3:r6=0"
    assert observation(["stw r1,0(r2)"], ["stw r1,0(r4)"], *readers, question=question) == iriw


def test_a_branch_and_an_isync_order_a_later_read() -> None:
    write = ["stw r1,0(r2)", "lwsync", "stw r1,0(r4)"]
    for branch, expected in ((["cmpw r5,r5", "beq L", "L: isync"], "Never"), (["cmpw r5,r5", "beq L", "L:"], "Sometimes")):
        read = ["lwz r5,0(r4)", *branch, "lwz r6,0(r2)"]
        assert observation(write, read, question=r"1:r5=1 /\ 1:r6=0") == expected


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("lwarxx r5,0,r6", "unknown instruction 'lwarxx'", "did you mean"),
        ("lwz r5,r6", "'lwz' cannot take a register there", "it is written 'lwz rd, 4(rn)'"),
        ("lwz r5,0(r32)", "this is no operand: '0(r32)'", "r0 to r31"),
        ("cmpw cr1,r5,r6", "the condition field cr1", "only CR0"),
        ("add r5,r6", "'add' takes 3 operands", "add rd, rn, rm"),
        ("stwu r5,0(r6)", "unknown instruction 'stwu'", "did you mean"),
    ],
)
def test_a_line_that_is_not_understood_names_itself(line: str, message: str, hint: str) -> None:
    with pytest.raises(CheckerError) as caught:
        parsed([line])
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.span is not None and caught.value.span.line == 4


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TABLE)), st.lists(st.sampled_from(["r5", "r0", "0", "1", "0(r6)", "4(r6)", "L", "cr0"]), max_size=4))
def test_any_operands_give_code_or_an_error(mnemonic: str, operands: list[str]) -> None:
    try:
        parsed([f"L: {mnemonic} {','.join(operands)}"], init="0:r6=x;")
    except CheckerError as error:
        assert error.span is not None  # noqa: PT017
