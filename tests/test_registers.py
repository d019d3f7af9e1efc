"""Models that compute dependencies themselves, from events of registers: what these are, and that what comes out is right."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from checker.check import Options, check
from checker.core.source import CheckerError, Source, Unsupported
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.result import NEVER

HERDLIB = Path(os.environ.get("HERDLIB", "/usr/share/herdtools7/herd"))
HERD7 = os.environ.get("CHECKER_HERD7", "")
Cat = Callable[..., str]


@pytest.fixture
def cat(tmp_path: Path) -> Cat:
    """Writes a model that says `catdep`; its path."""

    def write(*lines: str, name: str = "own") -> str:
        path = tmp_path / f"{name}.cat"
        path.write_text("\n".join(['"own" catdep', 'include "cos.cat"', *lines]) + "\n")
        return str(path)

    return write


def flags(text: str, model: str) -> set[str]:
    return set(check(parse_test(Source("t.litmus", text)), load_model(model), Options()).flags)


def litmus(*columns: str, init: str = "") -> str:
    """A test of processes that have x in X1, y in X2 and z in X3, each as its instructions with `;` between."""
    rows = [[row.strip() for row in column.split(";")] for column in columns]
    lines = [" | ".join(row[i] if i < len(row) else "" for row in rows) + " ;" for i in range(max(map(len, rows)))]
    begin = " ".join(f"{p}:X1=x; {p}:X2=y; {p}:X3=z;" for p in range(len(columns)))
    return (
        f"AArch64 t\n{{ {begin} {init} }}\n{' | '.join(f'P{p}' for p in range(len(columns)))} ;\n"
        + "\n".join(lines)
        + "\nexists (x=1)\n"
    )


# ---------------------------------------------------------------- what an instruction is made of

STEPS = {
    "address": "[Rreg \\ DATA]; iico_data; [R]",
    "address-of-write": "[Rreg \\ DATA]; iico_data; [W]",
    "data": "[DATA]; iico_data; [W]",
    "result": "[R]; iico_data; [Wreg]",
    "computed": "[Rreg]; iico_data; [Wreg]",
    "read-written": "[R]; iico_data; [W]",
    "in-order": "[R]; iico_order; [W]",
    "decided": "[R]; iico_data; [B]; iico_ctrl; [W]",
    "decided-result": "[B]; iico_ctrl; ([Wreg] | [Rreg]; iico_data; [Wreg])",
    "selected": "[Rreg & DATA]; iico_data; [Wreg]",
    "tested": "[Rreg]; iico_data; [BCC]",
    "from-before": "[Wreg]; rf-reg; [Rreg]",
    "moved-base": "[Rreg]; iico_data; [Wreg]; same-instance; [M]",
    "register-order": "([Wreg] ; po ; [Rreg]) \\ ([Wreg] ; po ; [_] ; po ; [Rreg])",
}
INSTRUCTIONS = {
    "LDR W0,[X1]": {"address", "result"},
    "LDR W0,[X1],#4": {"address", "result", "computed", "moved-base"},
    "LDR W0,[X1,W4,SXTW]": {"address", "result"},
    "LDP W0,W5,[X3]": {"address", "result"},
    "STR W0,[X1]": {"address-of-write", "data"},
    "STR X1,[X1]": {"address-of-write", "data"},
    "MOV W0,#1": set(),
    "MOV W0,W4": {"computed"},
    "EOR W0,W4,W4": {"computed"},
    "CBZ W0,L; L:": {"tested"},
    "B L; L:": set(),
    "LDADD W0,W4,[X1]": {"address", "address-of-write", "data", "result", "read-written"},
    "STADD W0,[X1]": {"address", "address-of-write", "data", "read-written"},
    "SWP W0,W4,[X1]": {"address", "address-of-write", "data", "result", "in-order"},
    "CAS W0,W4,[X1]": {
        *("address", "address-of-write", "data", "result", "decided", "decided-result", "selected", "computed", "moved-base")
    },
    "MOV W0,W4; MOV W5,W0": {"computed", "from-before", "register-order"},
    "MOV W0,W4; CBNZ W0,L; MOV W0,#2; L: ; STR W0,[X1]": {
        *("computed", "from-before", "register-order", "tested", "data", "address-of-write")
    },
    "CMP W0,#1; CSEL W5,W6,W7,EQ": {"computed", "from-before", "decided-result", "selected", "register-order"},
}


@pytest.mark.parametrize("code", INSTRUCTIONS)
def test_an_instruction_is_made_of_the_events_that_herd7_makes_of_it(code: str, cat: Cat) -> None:
    model = cat(*[f"flag ~empty ({relation}) as {name}" for name, relation in STEPS.items()])
    text = litmus(code, init="int z[2];")
    assert flags(text, model) == INSTRUCTIONS[code]
    if HERD7:
        Path(model).with_name("t.litmus").write_text(text)
        said = subprocess.run(
            [HERD7, "-model", model, Path(model).with_name("t.litmus")], capture_output=True, text=True, check=True
        )
        assert {line.removeprefix("Flag ") for line in said.stdout.splitlines() if line.startswith("Flag ")} == INSTRUCTIONS[code]


def test_registers_are_read_also_where_their_values_are_known(cat: Cat) -> None:
    model = cat("flag ~empty ([Wreg]; rf-reg; [DATA]; iico_data; [W]) as data", "flag ~empty ([Rreg & ADDR]) as address")
    assert flags(litmus("MOV W0,#1; STR W0,[X1]"), model) == {"data", "address"}


def test_events_of_registers_are_no_accesses(cat: Cat) -> None:
    model = cat(
        "flag ~empty ((Rreg | Wreg | B) & (M | F)) as both",
        "flag ~empty [Rreg] & (po | rf | sm) as related",
        "flag ~empty Rreg as there",
    )
    assert flags(litmus("LDR W0,[X1]; CBNZ W0,L; L: ; DMB SY"), model) == {"there"}


# ---------------------------------------------------------------- dependencies

THROUGH = (
    "let step = [Wreg]; rf-reg; [Rreg]; iico_data",
    "let reached = [R]; iico_data; ([Wreg]; rf-reg; [Rreg]; iico_data)*; [Wreg]; rf-reg",
    "let own-addr = (reached; [ADDR]; iico_data; [M]) \\ same-instance",
    "let own-data = (reached; [DATA]; iico_data; [W]) \\ same-instance",
    "let own-ctrl = [R]; reached; [Rreg]; iico_data; [BCC]; po; [M | F]",
    *[f"flag ~empty (own-{d} \\ {d}) as more-{d}\nflag ~empty (([_]; {d}; [M | F]) \\ (own-{d} | same-instance)) as less-{d}"
      for d in ("addr", "data", "ctrl")],
)  # fmt: skip


def program(r: Random) -> str:
    """Loads, stores, atomics and arithmetic of a few registers, with branches over some of them."""
    rows: list[str] = []
    for n in range(r.randint(2, 7)):
        a, b, c = [f"W{r.choice([4, 5, 6, 7])}" for _ in "abc"]
        place = f"[X{r.randint(1, 3)}]"
        index = place.replace("]", ",W8,SXTW]")
        rows += r.choice([
            [f"LDR {a},{place}"], [f"LDAR {a},{place}"], [f"STR {a},{place}"], [f"STLR {a},{place}"], [f"LDR {a},{place}"],
            [f"AND W8,{b},#0", f"LDR {a},{index}"], [f"EOR W8,{b},{b}", f"STR {a},{index}"],
            [f"SWPA {a},{b},{place}"], [f"LDADDL {a},{b},{place}"], [f"STADD {a},{place}"],
            [f"ADD {a},{b},{c}"], [f"MOV {a},#1"], [f"MOV {a},{b}"], [f"ADDS {a},{b},#1"],
            [f"CBNZ {a},L{n}", f"{r.choice([f'STR {b},{place}', f'MOV {b},{c}', f'LDR {b},{place}'])}", f"L{n}:"],
            [f"LDXR {a},{place}", f"STXR W9,{b},{place}"], ["DMB SY"], ["ISB"],
        ])  # fmt: skip
    return ";".join(rows)


@pytest.mark.parametrize("seed", range(30))
def test_dependencies_through_registers_are_those_that_are_known_otherwise(seed: int, cat: Cat) -> None:
    r = Random(seed)
    assert flags(litmus(program(r), program(r)), cat(*THROUGH)) == set()


def test_a_dependency_that_nothing_takes_is_missed(cat: Cat) -> None:
    """The law above can fail: without arithmetic, what goes through it is missing."""
    lines = [line.replace("([Wreg]; rf-reg; [Rreg]; iico_data)*; ", "") for line in THROUGH]
    assert flags(litmus("LDR W4,[X1]; ADD W5,W4,#1; STR W5,[X2]"), cat(*lines)) == {"less-data"}


# ---------------------------------------------------------------- what the files are made of


def test_register_events_are_for_models_that_say_so(tmp_path: Path, cat: Cat) -> None:
    (tmp_path / "part.cat").write_text("part catdep\nlet taken = rf-reg\n")
    (tmp_path / "without.cat").write_text('"own"\ninclude "part.cat"\n')
    with pytest.raises(Unsupported, match="an included file says 'catdep', the model does not"):
        load_model(str(tmp_path / "without.cat"))
    (tmp_path / "without.cat").write_text('"own"\nflag ~empty rf-reg as f\n')
    with pytest.raises(Unsupported, match="'rf-reg' is not supplied"):
        load_model(str(tmp_path / "without.cat"))
    assert load_model(cat('include "part.cat"', "flag ~empty taken as f")).registers
    with pytest.raises(CheckerError, match="C tests cannot be checked under 'own'"):
        check(parse_test(Source("t", "C t\n{}\nP0(int *x) { }\nexists (x=1)\n")), load_model(cat("acyclic po as c")), Options())


def test_functions_of_translation_tables_are_nothing_of_nothing(cat: Cat) -> None:
    load_model(cat("let T = T | TLBI", "flag ~empty same-oa(T * T) | oa-changes(T, po) as f"))
    with pytest.raises(Unsupported, match="'same-oa' of what may be there"):
        load_model(cat("flag ~empty same-oa(M * M) as f", name="other"))


def test_a_choice_among_no_pairs_is_one(cat: Cat) -> None:
    """One relation for each way to turn the pairs of a set, as for TLBI: there are none, so there is one way."""
    lines = (
        "let both p = map (fun r -> (p | r))",
        "let rec ways (rs, pairs) = match pairs with || {} -> rs",
        "|| p ++ pairs -> ways (both (p ++ 0) rs | both ((p ++ 0)^-1) rs, pairs) end",
        "with turned from ways ({po}, (TLBI * W) & loc)",
        "flag ~empty (turned \\ po) | (po \\ turned) as f",
    )
    assert flags(litmus("LDR W0,[X1]; STR W0,[X2]"), cat(*lines)) == set()


def test_a_relation_that_is_its_own_square_is_a_closure(cat: Cat) -> None:
    model = load_model(
        cat("let rec ob = rf | ob; ob | fr", "irreflexive ob as external", "let rec plain = po", "empty plain \\ po")
    )
    external = next(a for a in model.axioms if a.name == "external")
    assert (external.kind, external.term.op, model.names["ob"].op) == ("acyclic", "union", "plus")
    assert model.names["plain"] is model.names["po"]


# ---------------------------------------------------------------- loops

ARM = (
    "let local = [W]; ((po & loc) & ~((po & loc); [W]; (po & loc))); [R]",
    "let rec dtrm = [~range(lxsx)]; rf-reg | local | iico_data | dtrm; dtrm",
    "let dep = [R]; (dtrm; [DATA | ADDR]; iico_data+; [M]) & ~same-instance",
    "let ctrl = [R]; dtrm; [BCC]; po; [W]",
    "let rec ob = rfe | ((fr | co) & ext) | dep | ctrl | rmw | [A]; po; [M] | [M]; po; [L] | ob; ob",
    "irreflexive ob as external",
    "acyclic (po & loc) | rf | co | fr as internal",
    "empty rmw & (fr; co) as atomic",
)
SPIN = litmus("MOV W0,#1; STR W0,[X1]; STLR W0,[X2]", "L: ; LDAR W0,[X2]; CBZ W0,L; LDR W4,[X1]").replace("(x=1)", "(1:X4=0)")
LOCK = "MOV W4,#1; L{}: ; LDAXR W0,[X1]; CBNZ W0,L{}; STXR W5,W4,[X1]; CBNZ W5,L{}; "
LOCK += "LDR W6,[X2]; ADD W6,W6,#1; STR W6,[X2]; STLR WZR,[X1]"
CARRIED = litmus("MOV W0,#1; STR W0,[X2]", "MOV W0,#0; L: ; CBNZ W0,M; LDR W0,[X2]; B L; M: ; LDR W4,[X1]").replace(
    "(x=1)", "(1:X4=1)"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(SPIN, NEVER), (litmus(LOCK.replace("{}", "a"), LOCK.replace("{}", "b")).replace("(x=1)", "(y=1)"), NEVER)],
    ids=["spin", "lock"],
)
def test_a_loop_that_waits_is_decided(text: str, expected: str, cat: Cat) -> None:
    for unroll in (2, 3):
        assert check(parse_test(Source("t", text)), load_model(cat(*ARM)), Options(unroll=unroll)).observation == expected


def test_a_loop_that_takes_a_register_from_the_round_before_is_not_cut_short(cat: Cat) -> None:
    """Were a round left out, the register would have been written by another, which no relation has shown."""
    found = check(parse_test(Source("t", CARRIED)), load_model(cat(*ARM)), Options())
    assert found.observation == "Unknown"
    assert check(parse_test(Source("t", CARRIED)), load_model("aarch64"), Options()).observation == NEVER


# ---------------------------------------------------------------- the official model

CLASSICS = {
    "LDR W0,[X2]; LDR W4,[X1]": "Sometimes",
    "LDAR W0,[X2]; LDR W4,[X1]": "Never",
    "LDR W0,[X2]; EOR W8,W0,W0; LDR W4,[X1,W8,SXTW]": "Never",
    "LDR W0,[X2]; CBNZ W0,L; L: ; LDR W4,[X1]": "Sometimes",
    "LDR W0,[X2]; CBNZ W0,L; L: ; ISB; LDR W4,[X1]": "Never",
    "LDR W0,[X2]; CMP W0,#1; CSEL W8,W9,W9,EQ; LDR W4,[X1,W8,SXTW]": "Sometimes",
    "LDR W0,[X2]; STR W0,[X3]; LDR W5,[X3]; EOR W8,W5,W5; LDR W4,[X1,W8,SXTW]": "Never",
    "SWPA W7,W0,[X2]; LDR W4,[X1]": "Never",
}


@pytest.mark.skipif(not (HERDLIB / "aarch64.cat").is_file(), reason=f"no aarch64.cat in {HERDLIB}")
@pytest.mark.parametrize("reader", CLASSICS)
def test_the_official_model_says_what_ours_does(reader: str) -> None:
    text = litmus("MOV W0,#1; STR W0,[X1]; DMB SY; STR W0,[X2]", reader, init="1:X7=7;").replace("(x=1)", "(1:X0=1 /\\ 1:X4=0)")
    for model in ("aarch64", str(HERDLIB / "aarch64.cat")):
        assert check(parse_test(Source("t", text)), load_model(model), Options()).observation == CLASSICS[reader]
