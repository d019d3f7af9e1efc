"""AArch64 assembly: what each instruction computes, against the manual's arithmetic bit by bit; dependencies, sizes, messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.check import Options, check
from checker.core.source import CheckerError, Source, UnknownName, Unsupported
from checker.isa.aarch64.table import TABLE
from checker.library import load_model
from checker.parse.litmus import parse_test

WORDS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**31 - 1, 2**32 - 1, 2**63, 2**63 - 1, 2**64 - 1]))
FLAGS = ("N", "Z", "C", "V")
FLAG_SET = {"N": "MI", "Z": "EQ", "C": "CS", "V": "VS"}
RESULTS = "".join(f"uint64_t 0:X{n}; " for n in (0, 10, 11, 12, 13))


def litmus(init: str, code: str, tail: str) -> str:
    return f"AArch64 t\n{{{init}}}\n{code}\n{tail}\n"


def states(text: str, *, model: str = "aarch64") -> set[str]:
    result = check(parse_test(Source("t.litmus", text)), load_model(model), Options(states=True))
    assert result.states is not None
    return set(result.states)


def alone(instructions: list[str], registers: dict[str, int], *, memory: bool) -> dict[str, int]:
    """The 64 bits of X0, X10 to X13 after a thread of `instructions`. With `memory`, initial values come from loads."""
    init = "".join(f"uint64_t 0:{r}={v}; " for r, v in ({"X0": 0, "X10": 0, "X11": 0, "X12": 0, "X13": 0} | registers).items())
    rows = list(instructions)
    if memory:
        init = RESULTS + "".join(f"uint64_t m{r}={v}; 0:X2{i}=m{r}; " for i, (r, v) in enumerate(registers.items()))
        rows = [f"LDR {r},[X2{i}]" for i, r in enumerate(registers)] + rows
    code = "P0;\n" + "\n".join(f"{row} ;" for row in rows)
    (state,) = states(litmus(init, code, "locations [0:X0; 0:X10; 0:X11; 0:X12; 0:X13;]\nforall (true)"), model="sc")
    return {item.split("=")[0].removeprefix("0:"): int(item.split("=")[1]) for item in state.rstrip(";").split("; ")}


# ---------------------------------------------------------------- arithmetic (Arm ARM J1.1: AddWithCarry; C6.2)


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def add_with_carry(x: int, y: int, carry: int, bits: int) -> tuple[int, str]:
    mask = (1 << bits) - 1
    total, exact = x + y + carry, signed(x, bits) + signed(y, bits) + carry
    result = total & mask
    return result, flags(result, bits, result != total, signed(result, bits) != exact)


def flags(result: int, bits: int, carry: bool = False, overflow: bool = False) -> str:
    return "".join(str(int(f)) for f in (result >> (bits - 1) & 1, result == 0, carry, overflow))


def rotated(x: int, n: int, bits: int) -> int:
    return (x >> n | x << (bits - n)) & ((1 << bits) - 1)


def _add(x: int, y: int, bits: int) -> tuple[int, str]:
    return add_with_carry(x, y, 0, bits)


def _sub(x: int, y: int, bits: int) -> tuple[int, str]:
    return add_with_carry(x, ~y & ((1 << bits) - 1), 1, bits)


def _logic(f: Callable[[int, int], int]) -> Callable[[int, int, int], tuple[int, str]]:
    def operation(x: int, y: int, bits: int) -> tuple[int, str]:
        result = f(x, y) & ((1 << bits) - 1)
        return result, flags(result, bits)

    return operation


def _shift(f: Callable[[int, int, int], int]) -> Callable[[int, int, int], tuple[int, str]]:
    return lambda x, y, bits: (f(x, y % bits, bits) & ((1 << bits) - 1), "")


REFERENCE: dict[str, Callable[[int, int, int], tuple[int, str]]] = {
    "ADD": _add,
    "ADDS": _add,
    "SUB": _sub,
    "SUBS": _sub,
    "AND": _logic(lambda x, y: x & y),
    "ANDS": _logic(lambda x, y: x & y),
    "BIC": _logic(lambda x, y: x & ~y),
    "BICS": _logic(lambda x, y: x & ~y),
    "ORR": _logic(lambda x, y: x | y),
    "ORN": _logic(lambda x, y: x | ~y),
    "EOR": _logic(lambda x, y: x ^ y),
    "EON": _logic(lambda x, y: x ^ ~y),
    "MUL": _logic(lambda x, y: x * y),
    "MNEG": _logic(lambda x, y: -x * y),
    "LSL": _shift(lambda x, n, _: x << n),
    "LSR": _shift(lambda x, n, _: x >> n),
    "ASR": _shift(lambda x, n, bits: signed(x, bits) >> n),
    "ROR": _shift(rotated),
}


def low(value: int, bits: int) -> int:
    return value & ((1 << bits) - 1)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(REFERENCE)), WORDS, WORDS, st.sampled_from([32, 64]), st.booleans(), st.data())
def test_an_operation_gives_the_manuals_bits_and_flags(
    name: str, x: int, y: int, bits: int, memory: bool, data: st.DataObject
) -> None:
    w = "W" if bits == 32 else "X"
    code = [f"{name} {w}0,{w}1,{w}2"]
    sets_flags = name.endswith("S") and "flags" in TABLE[name].meaning
    if sets_flags:
        code += [f"CSET X{10 + i},{FLAG_SET[flag]}" for i, flag in enumerate(FLAGS)]
    result, nzcv = REFERENCE[name](low(x, bits), low(y, bits), bits)
    found = alone(code, {"X1": x, "X2": y}, memory=memory)
    assert found["X0"] == result
    if sets_flags:
        assert "".join(str(found[f"X{10 + i}"]) for i in range(4)) == nzcv


@settings(max_examples=80, deadline=None)
@given(WORDS, WORDS, st.sampled_from([32, 64]), st.sampled_from(["LSL", "LSR", "ASR"]), st.data(), st.booleans())
def test_a_shifted_operand_is_shifted_within_its_width(
    x: int, y: int, bits: int, kind: str, data: st.DataObject, memory: bool
) -> None:
    n = data.draw(st.integers(0, bits - 1))
    w = "W" if bits == 32 else "X"
    moved, _ = REFERENCE[kind](low(y, bits), n, bits)
    found = alone([f"EOR {w}0,{w}1,{w}2,{kind} #{n}"], {"X1": x, "X2": y}, memory=memory)
    assert found["X0"] == low(x, bits) ^ moved


EXTENSIONS = {
    "UXTB": lambda v: v & 0xFF, "UXTH": lambda v: v & 0xFFFF, "UXTW": lambda v: v & 0xFFFFFFFF,
    "SXTB": lambda v: signed(v & 0xFF, 8), "SXTH": lambda v: signed(v & 0xFFFF, 16), "SXTW": lambda v: signed(v & 0xFFFFFFFF, 32),
}  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(WORDS, WORDS, st.sampled_from(sorted(EXTENSIONS)), st.integers(0, 4), st.booleans())
def test_an_extended_operand_is_cut_extended_and_then_shifted(x: int, y: int, kind: str, n: int, memory: bool) -> None:
    found = alone([f"ADD X0,X1,W2,{kind} #{n}"], {"X1": x, "X2": y}, memory=memory)
    assert found["X0"] == low(x + (EXTENSIONS[kind](y) << n), 64)


CONDITIONS: dict[str, Callable[[bool, bool, bool, bool], bool]] = {
    "EQ": lambda n, z, c, v: z, "NE": lambda n, z, c, v: not z, "CS": lambda n, z, c, v: c, "CC": lambda n, z, c, v: not c,
    "MI": lambda n, z, c, v: n, "PL": lambda n, z, c, v: not n, "VS": lambda n, z, c, v: v, "VC": lambda n, z, c, v: not v,
    "HI": lambda n, z, c, v: c and not z, "LS": lambda n, z, c, v: not (c and not z), "GE": lambda n, z, c, v: n == v,
    "LT": lambda n, z, c, v: n != v, "GT": lambda n, z, c, v: not z and n == v, "LE": lambda n, z, c, v: z or n != v,
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(WORDS, WORDS, st.sampled_from([32, 64]), st.sampled_from(sorted(CONDITIONS)), st.booleans())
def test_a_condition_holds_as_the_manual_says(x: int, y: int, bits: int, name: str, memory: bool) -> None:
    w = "W" if bits == 32 else "X"
    _, nzcv = _sub(low(x, bits), low(y, bits), bits)
    expected = CONDITIONS[name](*[f == "1" for f in nzcv])
    code = [f"CMP {w}1,{w}2", f"CSET X10,{name}", f"B.{name} L", "MOV X11,#1", "L: NOP", f"CSINV X12,XZR,XZR,{name}"]
    found = alone([*code, f"CSNEG X13,X10,X10,{name}"], {"X1": x, "X2": y}, memory=memory)
    assert (found["X10"], found["X11"]) == (int(expected), int(not expected))
    assert found["X12"] == (0 if expected else 2**64 - 1)
    assert found["X13"] == int(expected)


@pytest.mark.parametrize(
    ("code", "registers", "expected"),
    [
        (["MOV X0,#-1"], {}, 2**64 - 1),
        (["MOV W0,#-1"], {}, 2**32 - 1),
        (["MOVZ X0,#1,LSL #48"], {}, 1 << 48),
        (["MOVN W0,#0"], {}, 2**32 - 1),
        (["MOVN X0,#1,LSL #16"], {}, 2**64 - 1 - (1 << 16)),
        (["MOVK X0,#0xabcd,LSL #16"], {"X0": 2**64 - 1}, 0xFFFFFFFFABCDFFFF),
        (["MOVK W0,#1"], {"X0": 2**64 - 1}, 0xFFFF0001),
        (["MOV W0,W1"], {"X1": 2**40 + 7}, 7),
        (["MVN W0,W1"], {"X1": 1}, 2**32 - 2),
        (["NEG X0,X1"], {"X1": 1}, 2**64 - 1),
        (["SXTW X0,W1"], {"X1": 2**31}, 2**64 - 2**31),
        (["SXTB W0,W1"], {"X1": 0x80}, 0xFFFFFF80),
        (["UXTH W0,W1"], {"X1": 0x12345678}, 0x5678),
        (["MADD X0,X1,X1,X2"], {"X1": 3, "X2": 4}, 13),
        (["MSUB W0,W1,W1,W2"], {"X1": 3, "X2": 4}, 2**32 - 5),
        (["CMP X1,#0", "CINC W0,W1,NE"], {"X1": 2**32 - 1}, 0),
        (["ADD XZR,X1,X1", "MOV X0,XZR"], {"X1": 3}, 0),
        (["TBZ X1,#40,L", "MOV X0,#1", "L: NOP"], {"X1": 1 << 40}, 1),
        (["TBNZ W1,#31,L", "MOV X0,#1", "L: NOP"], {"X1": 1 << 31}, 0),
        (["CBZ W1,L", "MOV X0,#1", "L: NOP"], {"X1": 1 << 32}, 0),
    ],
)
@pytest.mark.parametrize("memory", [False, True])
def test_other_instructions_give_what_the_manual_says(
    code: list[str], registers: dict[str, int], expected: int, memory: bool
) -> None:
    found = alone(code, registers, memory=memory)
    assert found["X0"] == expected


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("load", "kind", "value", "expected"),
    [
        ("LDRB W0,[X1]", "uint8_t", 0xFE, 0xFE),
        ("LDRSB W0,[X1]", "int8_t", -2, 0xFFFFFFFE),
        ("LDRSB X0,[X1]", "int8_t", -2, 2**64 - 2),
        ("LDRH W0,[X1]", "int16_t", -2, 0xFFFE),
        ("LDRSH X0,[X1]", "int16_t", -2, 2**64 - 2),
        ("LDR W0,[X1]", "int32_t", -2, 0xFFFFFFFE),
        ("LDRSW X0,[X1]", "int32_t", -2, 2**64 - 2),
        ("LDR X0,[X1]", "int64_t", -2, 2**64 - 2),
        ("LDARH W0,[X1]", "uint16_t", 0xFFFE, 0xFFFE),
        ("LDAPRB W0,[X1]", "uint8_t", 0xFE, 0xFE),
        ("LDAXR W0,[X1]", "int32_t", -2, 0xFFFFFFFE),
    ],
)
def test_a_load_extends_what_it_reads(load: str, kind: str, value: int, expected: int) -> None:
    text = litmus(f"{kind} x={value}; 0:X1=x; uint64_t 0:X0;", f"P0;\n{load} ;", "locations [0:X0;]\nforall (true)")
    assert states(text) == {f"0:X0={expected};"}


@pytest.mark.parametrize(
    ("atomic", "old", "operand", "new"),
    [
        ("LDADD", 0xFFFFFFFF, 2, 1),
        ("LDCLR", 0b1110, 0b0100, 0b1010),
        ("LDSET", 0b1000, 0b0001, 0b1001),
        ("LDEOR", 0b1100, 0b1010, 0b0110),
        ("LDSMAX", 0xFFFFFFFF, 1, 1),
        ("LDSMIN", 0xFFFFFFFF, 1, 0xFFFFFFFF),
        ("LDUMAX", 0xFFFFFFFF, 1, 0xFFFFFFFF),
        ("LDUMIN", 0xFFFFFFFF, 1, 1),
        ("SWP", 7, 8, 8),
    ],
)
@pytest.mark.parametrize("order", ["", "A", "L", "AL"])
def test_an_atomic_returns_the_old_value_and_leaves_the_new(atomic: str, old: int, operand: int, new: int, order: str) -> None:
    init = f"uint32_t x={old}; 0:X1=x; uint64_t 0:X2={operand}; uint64_t 0:X0;"
    text = litmus(init, f"P0;\n{atomic}{order} W2,W0,[X1] ;", "locations [0:X0; x;]\nforall (true)")
    assert states(text) == {f"0:X0={old}; [x]={new};"}


def test_a_compare_and_swap_writes_only_where_it_finds_what_it_expects() -> None:
    code = "P0;\nCAS W2,W3,[X1] ;\nMOV W4,W2;\nCASB W5,W6,[X7];"
    init = "x=1; uint8_t y=1; 0:X1=x; 0:X7=y; 0:X2=1; 0:X3=5; 0:X5=257; 0:X6=511;"
    assert states(litmus(init, code, "locations [0:X2; 0:X5; x; y;]\nforall (true)")) == {"0:X2=1; 0:X5=1; [x]=5; [y]=255;"}
    failing = states(litmus(init.replace("x=1;", "x=9;"), code, "locations [0:X2; x;]\nforall (true)"))
    assert failing == {"0:X2=9; [x]=9;"}


def test_pairs_and_moving_bases_access_one_element_after_the_other() -> None:
    code = "P0;\nLDP W2,W3,[X1],#8 ;\nSTR W2,[X1,#4]! ;\nLDR W4,[X1,#-12] ;\nSTP W3,W3,[X1,#-12] ;"
    tail = "locations [0:X2; 0:X3; 0:X4; t[0]; t[1]; t[3]; 0:X1;]\nforall (true)"
    assert states(litmus("int32_t t[4]={1,2,3,4}; 0:X1=t;", code, tail)) == {
        "0:X1=t+12; 0:X2=1; 0:X3=2; 0:X4=1; t[0]=2; t[1]=2; t[3]=1;"
    }


@pytest.mark.parametrize("index", ["X2", "X2,LSL #0", "W2,SXTW", "W2,UXTW", "X2,SXTX"])
def test_an_index_register_is_added_to_the_base(index: str) -> None:
    text = litmus("int32_t t[2]={1,2}; 0:X1=t; 0:X2=4;", f"P0;\nLDR W0,[X1,{index}] ;", "locations [0:X0;]\nforall (true)")
    assert states(text) == {"0:X0=2;"}


# ---------------------------------------------------------------- exclusives


def test_a_store_exclusive_may_fail_and_writes_only_on_success() -> None:
    text = litmus("0:X1=x;", "P0;\nLDXR W0,[X1] ;\nMOV W2,#1 ;\nSTXR W3,W2,[X1] ;", "locations [0:X3; x;]\nforall (true)")
    assert states(text) == {"0:X3=0; [x]=1;", "0:X3=1; [x]=0;"}


@pytest.mark.parametrize(
    "code", ["STXR W3,W2,[X1]", "LDXR W0,[X4]; STXR W3,W2,[X1]", "LDXR W0,[X1]; STXR W5,W2,[X1]; STXR W3,W2,[X1]"]
)
def test_a_store_exclusive_without_its_load_fails(code: str) -> None:
    text = litmus("0:X1=x; 0:X4=y; 0:X2=1;", f"P0;\n{code} ;", "locations [0:X3;]\nforall (true)")
    assert states(text) == {"0:X3=1;"}


def test_only_one_of_two_exclusive_pairs_takes_a_free_lock() -> None:
    rows = ["LDXR W0,[X1] | LDXR W0,[X1]", "MOV W2,#1 | MOV W2,#1", "CBNZ W0,E | CBNZ W0,E", "STXR W3,W2,[X1] | STXR W3,W2,[X1]"]
    code = "P0 | P1;\n" + "\n".join(f"{row} ;" for row in [*rows, "E: NOP | E: NOP"])
    found = states(litmus("0:X1=x; 1:X1=x; 0:X3=7; 1:X3=7;", code, "locations [0:X3; 1:X3;]\nforall (true)"))
    assert "0:X3=0; 1:X3=0;" not in found
    assert {"0:X3=0; 1:X3=1;", "0:X3=1; 1:X3=0;", "0:X3=1; 1:X3=1;", "0:X3=0; 1:X3=7;"} <= found


# ---------------------------------------------------------------- dependencies and order


def load_buffering(between: str) -> str:
    """P0 reads x and, `between` in the middle, writes y; P1 reads y and writes x behind a full barrier."""
    rows = [f"{row} | ;" for row in between.split(";") if row]
    code = ["P0 | P1 ;", "MOV W9,#1 | MOV W9,#1 ;", "LDR W0,[X1] | LDR W0,[X2] ;", *rows]
    code += [("" if "W9," in between or "STR" in between else "STR W9,[X2]") + "| DMB SY ;", "| STR W9,[X1] ;"]
    result = check(
        parse_test(Source("t", litmus("0:X1=x; 0:X2=y; 0:X4=z; 1:X1=x; 1:X2=y;", "\n".join(code), "exists (0:X0=1 /\\ 1:X0=1)"))),
        load_model("aarch64"),
    )
    return result.observation


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ("NOP", "Sometimes"),
        ("DMB LD", "Never"),
        ("DMB ST", "Sometimes"),
        ("CBNZ W0,L; L: NOP", "Never"),
        ("CMP W0,#1; B.NE L; L: NOP", "Never"),
        ("TST W0,W0; B.EQ L; L: NOP", "Never"),
        ("TBZ W0,#0,L; L: NOP", "Never"),
        ("EOR W3,W0,W0; STR W9,[X2,W3,SXTW]", "Never"),
        ("SUB W3,W0,W0; ADD W3,W3,#1; STR W3,[X2]", "Never"),
        ("CMP W0,#1; CSET W3,EQ; ORR W3,W3,#1; STR W3,[X2]", "Never"),
        ("CMP W0,#1; MOV W3,#1; CSEL W3,W3,W3,EQ; STR W3,[X2]", "Never"),
        ("MOV W0,W0; MOV W3,#1; STR W3,[X2]", "Sometimes"),
        ("MOV W3,W0; CAS W3,W9,[X4]; STR W9,[X2]", "Sometimes"),  # it compares, and branches nowhere
    ],
)
def test_a_write_waits_for_the_read_it_depends_on(between: str, expected: str) -> None:
    assert load_buffering(between) == expected


def test_a_conditional_select_does_not_hold_back_a_read() -> None:
    reader = ["LDR W0,[X2]", "CMP W0,#1", "CSEL W3,W8,W8,EQ", "LDR W4,[X1,W3,SXTW]"]
    writer = ["MOV W0,#1", "STR W0,[X1]", "DMB ST", "STR W0,[X2]"]
    code = "P0 | P1;\n" + "\n".join(f"{a} | {b} ;" for a, b in zip(writer, reader, strict=True))
    text = litmus("0:X1=x; 0:X2=y; 1:X1=x; 1:X2=y;", code, "exists (1:X0=1 /\\ 1:X4=0)")
    assert check(parse_test(Source("t", text)), load_model("aarch64")).observation == "Sometimes"
    strong = text.replace("CSEL W3,W8,W8,EQ", "EOR W3,W0,W0")
    assert check(parse_test(Source("t", strong)), load_model("aarch64")).observation == "Never"


# ---------------------------------------------------------------- what is refused


def problem(text: str, model: str = "aarch64") -> CheckerError:
    with pytest.raises(CheckerError) as caught:
        check(parse_test(Source("t.litmus", text)), load_model(model))
    return caught.value


@pytest.mark.parametrize(
    ("row", "kind", "message", "hint"),
    [
        ("LDAQR W0,[X1]", UnknownName, "unknown instruction 'LDAQR'", "LDAR"),
        ("ADD W0,X1,X2", Unsupported, "no such form of ADD", "ADD Xd, Xn"),
        ("STLR W0,[X1,#4]", Unsupported, "STLR takes an address without offset", "[Xn]"),
        ("DMB FOO", Unsupported, "no such option of DMB: 'FOO'", "ISHLD"),
        ("B.XX L", UnknownName, "unknown instruction 'B.XX'", "MI"),
        ("CSEL W0,W1,W2,XX", UnknownName, "unknown condition 'XX'", "EQ"),
        ("CBNZ W0,Fial", UnknownName, "no label 'Fial'", "Fail"),
        ("TBZ W0,#32,Fail", CheckerError, "no bit 32", ""),
        ("LDR X1,[X1],#8", Unsupported, "unpredictable", ""),
        ("MOVZ W0,#70000", Unsupported, "does not fit into 16 bits", "65535"),
        ("LDR W0,[X31]", CheckerError, "not supported", ""),
        ("???", CheckerError, "no instruction", ""),
    ],
)
def test_what_is_not_known_names_itself_its_line_and_what_would_do(
    row: str, kind: type[CheckerError], message: str, hint: str
) -> None:
    error = problem(litmus("0:X1=x;", f"P0;\nFail: NOP;\n {row} ;", "forall (true)"))
    assert isinstance(error, kind)
    assert message in error.message
    assert hint in error.hint
    assert error.span is not None
    assert error.span.line == 5


@pytest.mark.parametrize(
    ("init", "code", "message"),
    [
        (
            "0:X1=x; 1:X1=x;",
            "P0 | P1;\nSTR X0,[X1] | LDR W0,[X1];",
            "accesses of different sizes to x: 4 bytes here, 8 bytes in line 4",
        ),
        ("0:X1=x;", "P0;\nLDR W0,[X1,#4];", "no location is declared there"),
        ("int32_t t[2]; 0:X1=t;", "P0;\nLDR X0,[X1];", "declared as 'int32_t'"),
        ("int8_t x; 0:X1=x;", "P0;\nSTRH W0,[X1];", "declared as 'int8_t'"),
        ("x=y; 0:X1=x;", "P0;\nLDR W0,[X1];", "no value can be given"),
        (
            "t[4]; 0:X1=t;",
            "P0;\nLDR X0,[X1];\nLDR X2,[X1,#4];",
            "8 bytes of t at offset 4 overlap the 8 bytes at offset 0 of line 4",
        ),
        ("uint64_t x=0x100000000; 0:X1=x;", "P0;\nSTR W0,[X1];", "a write of 4 bytes to x, a 'uint64_t' with more in it"),
    ],
)
def test_accesses_of_several_sizes_are_refused_by_name(init: str, code: str, message: str) -> None:
    """By a model that does not say what the parts of an access are to each other; tests/test_mixed.py has the others."""
    assert message in str(problem(litmus(init, code, "forall (true)"), "sc"))


def test_a_write_of_half_a_location_that_has_no_more_in_it_is_one_of_the_whole() -> None:
    text = litmus("uint64_t x=0xffffffff; 0:X1=x; 0:X0=1;", "P0;\nSTR W0,[X1];", "forall (x=1)")
    assert check(parse_test(Source("t", text)), load_model("aarch64")).observation == "Always"


@pytest.mark.parametrize(("name", "hint"), [("W0", "write X0"), ("X31", "did you mean 'X3'"), ("Y", "")])
def test_an_initial_value_is_of_a_register_that_the_machine_has(name: str, hint: str) -> None:
    error = problem(litmus(f"0:X1=x; 0:{name}=1;", "P0;\nSTR W0,[X1];", "exists (x=1)"))
    assert f"AArch64 has no register '{name}'" in error.message
    assert hint in error.hint


def test_a_variant_that_changes_the_meaning_is_refused_by_name() -> None:
    text = "AArch64 t\nVariant=mixed\n{0:X1=x;}\nP0;\nNOP;\nforall (true)"
    assert "the variant 'mixed' is not supported" in str(problem(text))


def test_final_values_are_seen_in_their_declared_types() -> None:
    init = "uint32_t u; int8_t b; w; 0:X1=u; 0:X2=b; 0:X3=w; uint64_t 0:X4;"
    code = "P0;\nMOV W0,#-1;\nSTR W0,[X1];\nSTRB W0,[X2];\nSTR W0,[X3];\nMOV X4,#-2;"
    text = litmus(init, code, "locations [u; b; w; 0:X0; 0:X4;]\nforall (0:X0=-1 /\\ u=-1 /\\ 0:X0=0xffffffff)")
    result = check(parse_test(Source("t", text)), load_model("aarch64"), Options(states=True))
    assert result.states == ("0:X0=-1; 0:X4=18446744073709551614; [b]=-1; [u]=4294967295; [w]=-1;",)
    assert result.observation == "Always"


PIECES = st.sampled_from(
    ["LDR", "W0", "X1", "[", "]", ",", "#", "1", "-", "!", ";", "|", "P0", "P1", ":", "L", "CAS", "SXTW", "LSL", "B.EQ", "{", "}",
     "exists", "(", ")", "=", "0:X0", "x", " ", "\n", "MOV", "DMB", "SY", "STXR", "LDP", "XZR", "SP", "0x", "é", "\x00"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.booleans())
def test_any_text_gives_a_test_or_an_error_with_a_place(text: str, code_only: bool) -> None:
    whole = litmus("0:X1=x; 0:X2=y;", f"P0;\n{text};", "forall (true)") if code_only else "AArch64 t\n" + text
    try:
        parse_test(Source("t.litmus", whole))
    except CheckerError as error:
        assert error.span is not None  # noqa: PT017


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(TABLE)),
    st.lists(st.sampled_from(["W0", "X1", "WZR", "#1", "[X1]", "[X1,#4]", "EQ", "L", "LSL #1", "SXTW"]), max_size=5),
)
def test_any_operands_give_code_or_an_error(mnemonic: str, operands: list[str]) -> None:
    text = litmus("0:X1=x;", f"P0;\nL: {mnemonic} {','.join(operands)};", "forall (true)")
    try:
        check(parse_test(Source("t.litmus", text)), load_model("sc"), Options(timeout=5))
    except CheckerError as error:
        assert error.span is not None  # noqa: PT017
