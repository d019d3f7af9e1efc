"""The integers of C: what gcc computes, a litmus test computes; where the variables are, in registers or in memory, is the same."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from gcc_integers import Case, Writer, compiled, sizes, structures

from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.core.value import signed
from checker.library import load_model
from checker.parse.litmus import parse_test

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def values_of(text: str) -> tuple[int, ...]:
    """The one final state of a test of one thread, in the order of its `locations`, as signed numbers of 64 bits."""
    test = parse_test(Source("t.litmus", text))
    (state,) = check(test, load_model("sc"), Options(states=True)).states or ()
    found = dict(part.split("=") for part in state.rstrip(";").split("; "))
    return tuple([signed(int(found[str(loc)])) for loc in test.shown])


def in_registers(case: Case) -> str:
    lines = [*case.declarations, *case.statements]
    shown = " ".join([f"0:{name};" for name, _, _ in case.variables])
    return "C t\n{}\nP0()\n{\n\t" + "\n\t".join(lines) + f"\n}}\nlocations [{shown}]\nforall (true)\n"


def in_memory(case: Case) -> str:
    """The same with every variable a global, declared as a parameter."""
    params = ", ".join([f"{kind} *p{name}" for name, kind, _ in case.variables])
    lines = []
    for text in [*[f"{name} = {value};" for name, _, value in case.variables], *case.statements]:
        for name, _, _ in case.variables:
            text = text.replace(name, f"(*p{name})")
        lines.append(text)
    shown = " ".join([f"p{name};" for name, _, _ in case.variables])
    return "C t\n{}\nP0(" + params + ")\n{\n\t" + "\n\t".join(lines) + f"\n}}\nlocations [{shown}]\nforall (true)\n"


@needs_gcc
@pytest.mark.parametrize("seed", range(4))
def test_expressions_have_the_values_that_gcc_gives_them(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    cases = [Writer(rng).case() for _ in range(60)]
    for case, expected in zip(cases, compiled(cases, tmp_path), strict=True):
        assert values_of(in_registers(case)) == expected, in_registers(case)
        assert values_of(in_memory(case)) == expected, in_memory(case)


@needs_gcc
@pytest.mark.parametrize("seed", range(6))
def test_things_are_as_large_as_gcc_makes_them(seed: int, tmp_path: Path) -> None:
    declared, asked = structures(random.Random(seed))
    params = ", ".join([line[3:] for line in declared.splitlines() if line.startswith("// ")])
    names = [f"r{i}" for i in range(len(asked))]
    body = "\n".join([f"\tlong {name} = {e};" for name, e in zip(names, asked, strict=True)])
    shown = " ".join([f"0:{name};" for name in names])
    text = f"C t\n{declared}\n{{}}\nP0({params})\n{{\n{body}\n}}\nlocations [{shown}]\nforall (true)\n"
    assert values_of(text) == sizes(declared, asked, tmp_path), text


@pytest.mark.parametrize(
    ("given", "access", "sizes"),
    [
        ("u64", "READ_ONCE(*(u32 *)x)", "8 bytes as one of 4"),
        ("u64", "*(u8 *)x", "8 bytes as one of 1"),
        ("u32", "READ_ONCE(*(long *)x)", "4 bytes as one of 8"),
        ("atomic_t", "*(u16 *)x", "4 bytes as one of 2"),
        ("struct word", "*(u16 *)x", "8 bytes as one of 2"),
    ],
)
def test_a_part_of_a_location_is_refused_where_a_cast_would_read_it(given: str, access: str, sizes: str) -> None:
    """Read whole it would be another number than the one that C gives."""
    text = f"C t\n{{}}\nstruct word {{ long all; }};\nP0({given} *x) {{ long r0 = {access}; }}\nexists (0:r0=0)\n"
    with pytest.raises(CheckerError, match=sizes):
        parse_test(Source("t.litmus", text))


@pytest.mark.parametrize("access", ["*(unsigned *)x", "*(atomic_t *)x", "*(int *)(void *)x"])
def test_a_location_may_be_cast_to_another_type_of_its_size(access: str) -> None:
    text = f"C t\n{{ int x = 7; }}\nP0(int *x) {{ long r0 = {access}; }}\nexists (0:r0=7)\n"
    assert check(parse_test(Source("t.litmus", text)), load_model("sc")).observation == "Always"
