"""Models by name or path: which files they are made of, read, parsed and elaborated once per process.

Shipped models live under `models/`; a foreign one is the path of a `.cat`, with its own bell and macros. Includes are
looked for beside the including file, in the folders given, and in the shipped library, and may not leave these.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.evaluate import plan
from checker.cat.term import Model, Term, coherent, in_order
from checker.core.source import Source, Span, UnknownName
from checker.parse.code import ROOMS
from checker.parse.files import data_folder, kept, kept_with_files, read_source
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

    `machine`: the folder of isa/ whose instructions its table is made of, none for the kernel's own model; `compiles`: what
    `checker compile` calls them. `gate`: kernel patches are judged by it. Not by one that allows less than another does.
    """

    cat: str
    bell: str = ""
    macros: str = ""
    archs: tuple[str, ...] = ("C",)
    about: str = ""
    machine: str = ""
    compiles: str = ""
    gate: bool = True


def _machine(
    room: str, model: str, table: str, about: str, *, reads: tuple[str, ...] = (), compiles: str = "", gate: bool = True
) -> Shipped:
    return Shipped(f"{model}/{model}.cat", "", f"{model}/{table}.def", ("C", *reads), about, room, compiles, gate)


_LKMM = Shipped("lkmm/lkmm.cat", "lkmm/lkmm.bell", "lkmm/linux.def", about="the kernel's own memory model (v6.15 and later)")
_COMPILED = "kernel C as compiled"
SHIPPED: dict[str, Shipped] = {
    "lkmm": _LKMM,
    "x86-tso": _machine("x86", "x86-tso", "linux", f"x86-64, {_COMPILED}", reads=("X86", "X86_64"), compiles="x86_64"),
    "aarch64": _machine(
        "aarch64", "aarch64", "linux-lse", f"Armv8, {_COMPILED} with LSE atomics", reads=("AArch64",), compiles="aarch64"
    ),
    "aarch64-llsc": _machine("aarch64", "aarch64", "linux-llsc", f"Armv8, {_COMPILED} with LL/SC atomics"),
    "aarch64-lto": _machine("aarch64", "aarch64", "linux-lto", f"Armv8, {_COMPILED} with LSE atomics and LTO", gate=False),
    "riscv": _machine("riscv", "riscv", "linux", f"RISC-V, {_COMPILED} without Zacas", reads=("RISCV",), compiles="riscv"),
    "riscv-zacas": _machine("riscv", "riscv", "linux-zacas", f"RISC-V, {_COMPILED} with Zacas", gate=False),
    "ppc": _machine("ppc", "ppc", "linux", f"Power, {_COMPILED}", reads=("PPC",), compiles="ppc"),
    "sc": Shipped("sc/sc.cat", "", "x86-tso/linux.def", ("C", *ROOMS), "sequential consistency", machine="x86", gate=False),
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
    name: str, *, bell: str | None = None, macros: str | None = None, include: Sequence[str] = (), variants: Sequence[str] = (),
    plain: bool = False,
) -> Model:  # fmt: skip
    """The model called `name` (a shipped one, or the path of a .cat file). Raises CheckerError.

    `bell` and `macros` are paths that replace the model's own; `include` lists more folders to find includes in. `plain`: a table
    of `macros` is all there is; otherwise deferred work is known beside it.
    """
    return _load(name, bell, macros, tuple(include), frozenset(variants) | VARIANTS, plain)


def without(model: Model, skipped: Collection[str]) -> Model:
    """The model without the checks of these names."""
    axioms = tuple([a for a in model.axioms if a.role != "check" or a.name not in skipped])
    return replace(
        model,
        axioms=axioms,
        plan=plan(axiom.term for axiom in axioms if axiom.role == "check"),
        coherent=coherent(axioms),
        in_order=in_order(axioms, model.terms),
    )


def forget() -> None:
    """Drop what this process keeps of models: the next `load_model` reads them again."""
    _load.cache_clear()


@cache
def _load(
    name: str, bell: str | None, macros: str | None, include: tuple[str, ...], variants: frozenset[str], plain: bool
) -> Model:
    shipped = SHIPPED.get(name)
    if shipped is None and not name.endswith(".cat"):
        near = difflib.get_close_matches(name, [*SHIPPED], n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the models are {', '.join(SHIPPED)}; a path ends in .cat"
        raise UnknownName(f"unknown model '{name}'", hint=hint)
    if shipped and variants == VARIANTS and not (bell or macros or include):
        return kept(name, _made_of(), lambda: _made(name, shipped, bell, macros, include, variants, plain))
    if shipped:
        return _made(name, shipped, bell, macros, include, variants, plain)
    paths = [os.path.abspath(path or "") for path in (name, bell, macros, *include)]
    said = f"{name}\0{paths}\0{sorted(variants)}\0{plain}"
    as_file = f"{Path(name).stem}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    return kept_with_files(as_file, _made_of(), lambda: _made_of_files(name, None, bell, macros, include, variants, plain))


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
    name: str, shipped: Shipped | None, bell: str | None, macros: str | None, include: tuple[str, ...], variants: frozenset[str],
    plain: bool,
) -> Model:  # fmt: skip
    return _made_of_files(name, shipped, bell, macros, include, variants, plain)[0]


def _made_of_files(
    name: str, shipped: Shipped | None, bell: str | None, macros: str | None, include: tuple[str, ...], variants: frozenset[str],
    plain: bool,
) -> tuple[Model, list[str]]:  # fmt: skip
    """The model, and the paths of the files that were looked for."""
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
            reader.looked.append(source.name)
        table = {**({} if plain else deferrals()), **parse_table(*sources)} if macros else OneALine(*sources)
    names = {k: v for k, v in made.env.items() if isinstance(v, Term)}
    archs = shipped.archs if shipped else tuple(ROOMS) if made.registers else ("C", *ROOMS)  # C has no events of registers
    checks = plan(axiom.term for axiom in made.axioms if axiom.role == "check")
    model = Model(
        name if shipped else Path(name).stem, made.title, tuple(made.axioms), made.terms, names, table, checks,
        reader.digest.hexdigest()[:16], archs, bool(shipped and shipped.machine), _answers(name, made.title),
        coherent(made.axioms), any(t.op == "leaf" and t.name in ("sm", "si") for t in checks), made.registers,
        in_order(made.axioms, made.terms), shipped.machine if shipped else "",
    )  # fmt: skip
    return model, reader.looked


def _answers(name: str, title: str) -> tuple[str, ...]:
    """What a test may call the model `name`: that, the name of its file, and the kernel's where it is the kernel's."""
    return tuple(dict.fromkeys([name, Path(name).name, *["lkmm"] * (title == KERNEL)]))


class _Reader:
    """Finds, reads and parses the files of one model."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = [f.resolve() for f in folders]
        self.digest = hashlib.sha256()
        self.looked: list[str] = []

    def read(self, path: Path) -> syntax.File:
        self.looked.append(str(path))
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
            self.looked.append(str(path))
        raise UnknownName(f'included file "{name}" is not found', span, hint="looked in " + ", ".join(map(str, self.folders)))
