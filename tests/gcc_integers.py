"""Random C expressions over typed variables, and what gcc makes of them: the oracle for the integers of the C front end.

One program evaluates many expressions. It is compiled as the kernel is (`-fwrapv -funsigned-char`); what C leaves undefined is
left out by construction: divisors and shift counts are made harmless in the expression itself, as a programmer would.
"""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

TYPES = {
    "bool": (1, False), "char": (8, False), "signed char": (8, True), "u8": (8, False), "s8": (8, True), "u16": (16, False),
    "s16": (16, True), "short": (16, True), "unsigned short": (16, False), "int": (32, True), "unsigned int": (32, False),
    "u32": (32, False), "s32": (32, True), "long": (64, True), "unsigned long": (64, False), "u64": (64, False),
    "s64": (64, True), "long long": (64, True), "size_t": (64, False),
}  # fmt: skip
LITERALS = (
    "0", "1", "2", "3", "-1", "7", "31", "127", "128", "255", "256", "300", "32767", "65535", "65536", "2147483647", "-2147483648",
    "2147483648", "4294967295", "4294967296", "0x7fffffff", "0x80000000", "0xffffffff", "0x100000000", "0x8000000000000000",
    "0xffffffffffffffff", "1u", "0u", "4294967295u", "1L", "1UL", "1ull", "-1L", "9223372036854775807",
    "(-9223372036854775807 - 1)",
    "020", "'a'", "'\\n'", "'\\0'", "'\\377'", "'\\xff'", "true", "false",
)  # fmt: skip
BINARY = ("+", "-", "*", "&", "|", "^", "<", "<=", ">", ">=", "==", "!=", "&&", "||")
HEADER = """
#include <stdio.h>
#include <stdbool.h>
#include <stddef.h>
typedef unsigned char u8; typedef signed char s8; typedef unsigned short u16; typedef short s16;
typedef unsigned int u32; typedef int s32; typedef unsigned long u64; typedef long s64;
"""


@dataclass(frozen=True)
class Case:
    """Variables with their types and initial values, and statements; what each variable is at the end is asked."""

    variables: tuple[tuple[str, str, str], ...]
    statements: tuple[str, ...]
    size: int  # sub-expressions

    @property
    def declarations(self) -> tuple[str, ...]:
        return tuple([f"{kind} {name} = {value};" for name, kind, value in self.variables])


class Writer:
    """Random text."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.size = rng, 0

    def expression(self, names: tuple[str, ...], depth: int) -> str:
        """An expression whose effects come from no more than one place."""
        self.size += 1
        pick = self.rng.random()
        if depth == 0 or pick < 0.2:
            return self.rng.choice(names) if self.rng.random() < 0.7 else self.rng.choice(LITERALS)
        inner = lambda: self.expression(names, depth - 1)  # noqa: E731
        if pick < 0.6:
            return f"({inner()} {self.rng.choice(BINARY)} {inner()})"
        if pick < 0.72:
            return f"({self.rng.choice('-~!+')} {inner()})"
        if pick < 0.82:
            return f"(({self.rng.choice(list(TYPES))}){inner()})"
        if pick < 0.88:
            return f"({inner()} {self.rng.choice(('<<', '>>'))} ({inner()} & {self.rng.choice(('7', '31', '0x1fu', '15L'))}))"
        if pick < 0.94:
            if self.rng.random() < 0.5:  # kept from what is undefined by a condition
                d, op = inner(), self.rng.choice(("/", "%", "<<", ">>"))
                fits = f"({d}) > 0 && ({d}) < {'31' if op in ('<<', '>>') else '0x7fffffff'}"
                return f"({fits} ? {inner()} {op} ({d}) : {inner()})"
            divisor = f"(({inner()} & {self.rng.choice(('0x7f', '0xffffu', '0x7fffffffffL'))}) + 1)"
            return f"({inner()} {self.rng.choice('/%')} {divisor})"
        if pick < 0.97:
            local = f"t{depth}"
            value = self.expression((*names, local), depth - 1)
            return f"({{ {self.rng.choice(list(TYPES))} {local} = {inner()}; {local} ^= 1; {value}; }})"
        return f"({inner()} ? {inner()} : {inner()})"

    def statement(self, names: tuple[str, ...], depth: int) -> str:
        target = self.rng.choice(names)
        match self.rng.randrange(8):
            case 0:
                return f"{target} {self.rng.choice(('+=', '-=', '*=', '&=', '|=', '^='))} {self.expression(names, depth)};"
            case 1:
                return f"{target} {self.rng.choice(('<<=', '>>='))} {self.expression(names, depth - 1)} & 7;"
            case 2:
                return self.rng.choice((f"{target}++;", f"--{target};"))
            case 3:
                other = self.rng.choice([n for n in names if n != target])
                rest = tuple([n for n in names if n not in (target, other)])
                value = self.rng.choice((f"{other}++", f"--{other}", f"({other} = {self.expression(rest, depth - 1)})"))
                return f"{target} = {value} {self.rng.choice('+-&')} {self.expression(rest, depth - 1)};"
            case _:
                return f"{target} = {self.expression(names, depth)};"

    def case(self, depth: int = 4) -> Case:
        self.size = 0
        names = tuple([f"v{i}" for i in range(5)])
        variables = tuple([(n, self.rng.choice(list(TYPES)), self.rng.choice(LITERALS)) for n in names])
        statements = tuple([self.statement(names, depth) for _ in range(4)])
        return Case(variables, statements, self.size)


SCALARS = (*TYPES, "int *", "struct unknown *", "void **", "enum e")


def structures(rng: random.Random) -> tuple[str, list[str]]:
    """Declarations of structures, each made of those before, and expressions that ask how large something is."""
    declared, types = ["enum e { E0, E1 };"], list(SCALARS)
    asked = ["sizeof('a')", "sizeof(1L + 1u)", "sizeof(1 == 2)", "sizeof(E1)", "sizeof(struct s0 *)"]
    for i in range(4):
        fields = []
        for k in range(rng.randrange(1, 6)):
            array = rng.choice(("", "", f"[{rng.randrange(1, 4)}]", "[2][3]"))
            fields.append((f"m{k}", f"{rng.choice(types)} m{k}{array};"))
        body = "{ " + " ".join([text for _, text in fields]) + " }"
        if rng.random() < 0.5:
            declared.append(f"typedef struct {body} s{i}_t;")
            types.append(f"s{i}_t")
        else:
            declared.append(f"struct s{i} {body};")
            types.append(f"struct s{i}")
        asked.append(f"sizeof({types[-1]})")
        name, _ = rng.choice(fields)
        asked += [f"sizeof(g{i}->{name})", f"sizeof *g{i}", f"sizeof(&g{i}->{name})"]
        declared.append(f"// {types[-1]} *g{i}")
    return "\n".join(declared), asked


def sizes(declared: str, asked: list[str], folder: Path) -> tuple[int, ...]:
    """What gcc makes of them."""
    pointers = "\n".join([line[3:] + ";" for line in declared.splitlines() if line.startswith("// ")])
    shown = "".join([f'\tprintf("%ld ", (long)({e}));\n' for e in asked])
    source, program = folder / "sizes.c", folder / "sizes"
    source.write_text(f"{HEADER}\n{declared}\n{pointers}\nint main(void)\n{{\n{shown}}}\n")
    subprocess.run(["gcc", "-w", "-o", str(program), str(source)], check=True, timeout=120)
    output = subprocess.run([str(program)], check=True, timeout=20, capture_output=True, text=True).stdout
    return tuple(map(int, output.split()))


def compiled(cases: list[Case], folder: Path) -> list[tuple[int, ...]]:
    """The final values of the variables of each case, by gcc, as signed numbers of 64 bits."""
    parts = [HEADER]
    for i, case in enumerate(cases):
        lines = [*[f"\tvolatile {d}" for d in case.declarations], *[f"\t{s}" for s in case.statements]]
        shown = "".join([f'\tprintf("%ld ", (long){name});\n' for name, _, _ in case.variables])
        parts.append(f"static void f{i}(void)\n{{\n" + "\n".join(lines) + f'\n{shown}\tputs("");\n}}\n')
    parts.append("int main(void)\n{\n" + "".join([f"\tf{i}();\n" for i in range(len(cases))]) + "}\n")
    source, program = folder / "cases.c", folder / "cases"
    source.write_text("".join(parts))
    flags = ["-O0", "-fwrapv", "-fno-strict-overflow", "-funsigned-char", "-w"]
    subprocess.run(["gcc", *flags, "-o", str(program), str(source)], check=True, timeout=120)
    output = subprocess.run([str(program)], check=True, timeout=20, capture_output=True, text=True).stdout
    return [tuple(map(int, line.split())) for line in output.splitlines()]
