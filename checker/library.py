"""Models by name or path: which files they are made of, read, parsed and elaborated once per process.

Shipped models live under `models/`; a foreign one is the path of a `.cat`, with its own bell and macros. Includes are
looked for beside the including file, in the folders given, and in the shipped library, and may not leave these.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from checker.cat.evaluate import plan
from checker.cat.term import Model, Term, coherent, in_order
from checker.core.source import Source, Span, UnknownName
from checker.parse.files import data_folder, kept, read_source
from checker.parse.litmus import parse_test
from checker.parse.macros import LIBRARY, MODELS, OneALine, deferrals, parse_table, read_table
from checker.program.ir import Test

if TYPE_CHECKING:
    from checker.cat import syntax

VARIANTS = frozenset({"lkmmv2"})
KERNEL = "Linux-kernel memory consistency model"
"""What linux-kernel.cat calls itself: the kernel's `Result:` lines speak of it, wherever it lies."""


class Shipped(Struct, frozen=True):
    """A model that comes with the checker: its files (relative to models/), and which tests it takes.

    `gate`: kernel patches are judged by it. Not by one that allows less than another does.
    """

    cat: str
    bell: str = ""
    macros: str = ""
    archs: tuple[str, ...] = ("C",)
    about: str = ""
    compiled: bool = True
    gate: bool = True


SHIPPED: dict[str, Shipped] = {
    "lkmm": Shipped(
        "lkmm/lkmm.cat",
        "lkmm/lkmm.bell",
        "lkmm/linux.def",
        about="the kernel's own memory model (v6.15 and later)",
        compiled=False,
    ),
    "x86-tso": Shipped("x86-tso/x86-tso.cat", "", "x86-tso/linux.def", ("C", "X86", "X86_64"), "x86-64, kernel C as compiled"),
    "aarch64": Shipped(
        "aarch64/aarch64.cat", "", "aarch64/linux-lse.def", ("C", "AArch64"), "Armv8, kernel C as compiled with LSE atomics"
    ),
    "aarch64-llsc": Shipped(
        "aarch64/aarch64.cat", "", "aarch64/linux-llsc.def", ("C",), "Armv8, kernel C as compiled with LL/SC atomics"
    ),
    "aarch64-lto": Shipped(
        "aarch64/aarch64.cat",
        "",
        "aarch64/linux-lto.def",
        ("C",),
        "Armv8, kernel C as compiled with LSE atomics and LTO",
        gate=False,
    ),
    "riscv": Shipped("riscv/riscv.cat", "", "riscv/linux.def", ("C", "RISCV"), "RISC-V, kernel C as compiled without Zacas"),
    "riscv-zacas": Shipped("riscv/riscv.cat", "", "riscv/linux-zacas.def", ("C",), "RISC-V, kernel C as compiled with Zacas"),
    "sc": Shipped(
        "sc/sc.cat", "", "x86-tso/linux.def", ("C", "X86", "X86_64", "AArch64", "RISCV"), "sequential consistency", gate=False
    ),
}


def load_test(path: str | Path) -> Test:
    """Read and parse a litmus test. Raises CheckerError."""
    return test_in(read_source(path))


def test_in(source: Source) -> Test:
    """The litmus test in a text, if the models that it speaks of can be meant. Raises CheckerError."""
    test = parse_test(source)
    for said in test.expect:
        if said.model not in SHIPPED and not said.model.endswith(".cat"):
            near = difflib.get_close_matches(said.model, [*SHIPPED], n=1)
            known = f"the models are {', '.join(SHIPPED)}; one of your own is a path: Result(mine.cat)"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise UnknownName(f"there is no model {said.model!r}", said.span, hint=hint)
    return test


def load_model(
    name: str, *, bell: str | None = None, macros: str | None = None, include: Sequence[str] = (), variants: Sequence[str] = ()
) -> Model:
    """The model called `name` (a shipped one, or the path of a .cat file). Raises CheckerError.

    `bell` and `macros` are paths that replace the model's own; `include` lists more folders to find includes in.
    """
    return _load(name, bell, macros, tuple(include), frozenset(variants) | VARIANTS)


def forget() -> None:
    """Drop what this process keeps of models: the next `load_model` reads them again."""
    _load.cache_clear()


@cache
def _load(name: str, bell: str | None, macros: str | None, include: tuple[str, ...], variants: frozenset[str]) -> Model:
    shipped = SHIPPED.get(name)
    if shipped is None and not name.endswith(".cat"):
        near = difflib.get_close_matches(name, [*SHIPPED], n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the models are {', '.join(SHIPPED)}; a path ends in .cat"
        raise UnknownName(f"unknown model '{name}'", hint=hint)
    if shipped and variants == VARIANTS and not (bell or macros or include):
        return kept(name, _made_of(), lambda: _made(name, shipped, bell, macros, include, variants))
    return _made(name, shipped, bell, macros, include, variants)


@cache
def _made_of() -> str:
    """What shipped models are made of: the program (its files as Python's own cache knows them), the grammars, and the models."""
    known = []
    for top in (Path(__file__).resolve().parent, data_folder("grammar")):
        for folder, _, names in os.walk(top):
            for file in [os.path.join(folder, name) for name in names]:
                if file.endswith(".py"):
                    stat = os.stat(file)
                    known.append(f"{file} {stat.st_size} {stat.st_mtime_ns}")
                elif file.endswith((".cat", ".bell", ".def", ".lark")):
                    known.append(f"{file} {hashlib.sha256(Path(file).read_bytes()).hexdigest()}")
    return "\n".join(sorted(known))


def _made(
    name: str, shipped: Shipped | None, bell: str | None, macros: str | None, include: tuple[str, ...], variants: frozenset[str]
) -> Model:
    from checker.cat.elaborate import elaborate

    cat_path = MODELS / shipped.cat if shipped else Path(name)
    bell_path = Path(bell) if bell else MODELS / shipped.bell if shipped and shipped.bell else None
    macro_path = Path(macros) if macros else MODELS / shipped.macros if shipped and shipped.macros else None
    reader = _Reader([cat_path.parent, *map(Path, include), LIBRARY])
    files = [reader.read(path) for path in (LIBRARY / "stdlib.cat", bell_path, cat_path) if path is not None]
    made = elaborate(files, reader.include, variants)
    table = None
    if macro_path is not None:
        sources = read_table(macro_path, [Path(folder) for folder in include])
        for source in sources:
            reader.digest.update(f"\0macros\0{source.text}".encode())
        table = {**deferrals(), **parse_table(*sources)} if macros else OneALine(*sources)
    names = {k: v for k, v in made.env.items() if isinstance(v, Term)}
    archs = shipped.archs if shipped else ("C", "AArch64", "X86", "X86_64", "RISCV")
    return Model(
        name if shipped else Path(name).stem, made.title, tuple(made.axioms), made.terms, names, table,
        plan(axiom.term for axiom in made.axioms if axiom.role == "check"), reader.digest.hexdigest()[:16], archs,
        shipped is not None and shipped.compiled, _answers(name, made.title), coherent(made.axioms),
        in_order(made.axioms, made.terms),
    )  # fmt: skip


def _answers(name: str, title: str) -> tuple[str, ...]:
    """What a test may call the model `name`: that, the name of its file, and the kernel's where it is the kernel's."""
    return tuple(dict.fromkeys([name, Path(name).name, *["lkmm"] * (title == KERNEL)]))


class _Reader:
    """Finds, reads and parses the files of one model."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = [f.resolve() for f in folders]
        self.digest = hashlib.sha256()

    def read(self, path: Path) -> syntax.File:
        return self.parse(read_source(path))

    def parse(self, source: Source) -> syntax.File:
        from checker.parse.cat import parse_cat

        self.digest.update(f"{len(source.text)}\0{source.text}".encode())
        return parse_cat(source)

    def include(self, name: str, span: Span) -> syntax.File:
        for folder in self.folders:
            path = (folder / name).resolve()
            if not any(path.is_relative_to(root) for root in self.folders):
                raise UnknownName(
                    f'include "{name}" leaves the include path', span, hint="name its folder with -I and include it by its name"
                )
            if path.is_file():
                return self.read(path)
        raise UnknownName(f'included file "{name}" is not found', span, hint="looked in " + ", ".join(map(str, self.folders)))
