"""The models and tables as they are written: complete, consistent with each other, every line with its source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import checker.models
from checker.cat.syntax import Check, EnumIns, File, Include
from checker.core.source import Source
from checker.parse.cat import parse_cat
from checker.parse.macros import OneALine, parse_table, read_table
from checker.program.ir import Table

MODELS = Path(checker.models.__file__).parent
CATS = sorted([*MODELS.rglob("*.cat"), *MODELS.rglob("*.bell")])
MACHINES = ["aarch64/linux-lse.def", "aarch64/linux-llsc.def", "aarch64/linux-lto.def", "x86-tso/linux.def", "riscv/linux.def"]
MACHINES += ["riscv/linux-zacas.def", "ppc/linux.def"]
FILES = ["lkmm/linux.def", *MACHINES, "lib/linux-generic.def"]
ORDERS = ["", "_relaxed", "_acquire", "_release"]

# What Linux 6.15 and later models: 114 primitives.
BARRIERS = ["barrier", "smp_mb", "smp_rmb", "smp_wmb", "smp_mb__before_atomic", "smp_mb__after_atomic"] + [
    f"smp_mb__after_{what}" for what in ("spinlock", "unlock_lock", "srcu_read_unlock")
]
ACCESSES = ["READ_ONCE", "WRITE_ONCE", "smp_store_release", "smp_load_acquire", "smp_store_mb"]
LOCKS = ["spin_lock", "spin_unlock", "spin_trylock", "spin_is_locked"]
RCU = [
    *("rcu_assign_pointer", "rcu_dereference", "rcu_read_lock", "rcu_read_unlock"),
    *("srcu_read_lock", "srcu_read_unlock", "srcu_down_read", "srcu_up_read"),
    *(f"synchronize_{rcu}{how}" for rcu in ("rcu", "srcu") for how in ("", "_expedited")),
]
ATOMIC = ["read", "set", "read_acquire", "set_release", "add_unless", "sub_and_test", "dec_and_test", "inc_and_test"]
ARITHMETIC = ["add", "sub", "inc", "dec"]
BITWISE = ["and", "or", "xor", "andnot"]
KERNEL = [
    *ACCESSES,
    *BARRIERS,
    *LOCKS,
    *RCU,
    *(f"atomic_{op}" for op in ATOMIC + ARITHMETIC + BITWISE),
    *(f"{a}{op}{order}" for a in ("", "atomic_") for op in ("xchg", "cmpxchg") for order in ORDERS),
    *(f"atomic_add_negative{order}" for order in ORDERS),
    *(f"atomic_{op}_return{order}" for op in ARITHMETIC for order in ORDERS),
    *(f"atomic_fetch_{op}{order}" for op in ARITHMETIC + BITWISE for order in ORDERS),
]

AXIOMS = {"coherence", "atomic", "happens-before", "propagation", "rcu", "plain-coherence"}
FLAGS = {
    *("data-race", "mixed-accesses", "invalid-sleep"),
    *(f"unmatched-{what}" for what in ("rcu-lock", "rcu-unlock", "srcu-lock", "srcu-unlock", "unlock")),
    *("multiple-srcu-matches", "srcu-bad-value-match"),
    *("mixed-lock-accesses", "unpaired-LKR", "unpaired-LKW", "lock-final"),
    *("use-after-free", "double-free", "srcu-cleanup-too-early"),
}


def text(name: str) -> str:
    return (MODELS / name).read_text()


def table(name: str) -> Table:
    return parse_table(*read_table(MODELS / name))


def cat(path: Path) -> File:
    return parse_cat(Source(path.name, path.read_text()))


def definitions(name: str) -> list[str]:
    return [line for line in text(name).splitlines() if re.match(r"\w+\(", line)]


def test_the_kernel_models_114_primitives_and_so_does_the_table() -> None:
    assert len(KERNEL) == len(set(KERNEL)) == 114
    assert set(KERNEL) <= table("lkmm/linux.def").keys()


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_has_each_primitive_of_the_kernel_model(machine: str) -> None:
    def shape(t: Table) -> dict[str, tuple[tuple[str, ...], bool]]:
        return {name: (m.params, m.value is None) for name, m in t.items()}

    assert shape(table(machine)) == shape(table("lkmm/linux.def"))


@pytest.mark.parametrize("name", [*MACHINES, "lib/linux-generic.def"])
def test_each_line_of_a_table_ends_with_the_header_it_follows(name: str) -> None:
    header = re.compile(r"  // (\[[^\]]*\] )*(proposed by .*: )?[\w/.-]+\.[ch](: .*)?$")
    assert [line for line in definitions(name) if not header.search(line)] == []


@pytest.mark.parametrize("name", FILES)
def test_a_table_has_one_primitive_a_line(name: str) -> None:
    table = parse_table(Source(name, text(name)))
    assert len({macro.span.line for macro in table.values()}) == len(definitions(name))
    assert {line.partition("(")[0] for line in definitions(name)} <= table.keys()


@pytest.mark.parametrize("name", ["lkmm/linux.def", *MACHINES])
def test_the_wider_atomics_are_defined_as_atomic_t_is(name: str) -> None:
    all_of = table(name)

    def family(word: str) -> dict[str, tuple[object, ...]]:
        found = {n[len(word) :]: m for n, m in all_of.items() if re.match(f"{word}_(?!long_)", n)}
        return {n: (m.params, m.value, m.body) for n, m in found.items()}

    assert len(family("atomic")) > 80
    assert family("atomic64") == family("atomic_long") == family("atomic")


def test_a_machine_defines_itself_only_what_its_own_headers_do() -> None:
    """What is in the table of each machine, and means the same by the generic headers, stands in the generic table only."""
    generic = {line.partition("(")[0] for line in definitions("lib/linux-generic.def")}
    own = {name: {line.partition("(")[0] for line in definitions(name)} for name in MACHINES}
    assert own["aarch64/linux-lse.def"] == own["aarch64/linux-llsc.def"]
    assert generic & own["aarch64/linux-lse.def"] == set()
    locks = {"test_and_set_bit_lock", "clear_bit_unlock", "__clear_bit_unlock"}
    loops = {"__add_unless_from", "__inc_unless_negative", "__dec_unless_positive", "__dec_if_positive"}
    assert generic & own["x86-tso/linux.def"] == locks
    assert generic & own["riscv/linux.def"] == locks | loops
    fenced = {"__add_unless_from", "atomic_fetch_add_unless", "__dec_if_positive", "atomic_dec_if_positive"}
    assert generic & own["ppc/linux.def"] == locks | fenced


def test_the_tags_of_the_kernel_table_are_those_the_bell_file_declares() -> None:
    lines = "\n".join([*definitions("lkmm/linux.def"), *definitions("lib/linux-generic.def")])
    used = {t for tags in re.findall(r"__\w+\{([\w,-]+)\}", lines) for t in tags.split(",")}
    bell = cat(MODELS / "lkmm/lkmm.bell")
    declared = {tag for ins in bell.body if isinstance(ins, EnumIns) for tag in ins.tags}
    assert used | {"callback-end"} == declared  # this one comes from program/defer.py


def test_the_kernel_model_has_the_axioms_and_flags_that_kernel_people_know() -> None:
    files = [p for p in CATS if p.parent.name == "lkmm" or p.name == "sections.cat"]
    checks = [i for path in files for i in cat(path).body if isinstance(i, Check)]
    assert {c.name for c in checks if c.role == "flag"} == FLAGS
    assert {c.name for c in checks if c.role == "check"} >= AXIOMS


@pytest.mark.parametrize("path", CATS, ids=lambda p: p.name)
def test_every_cat_file_parses_has_a_title_and_includes_what_exists(path: Path) -> None:
    file = cat(path)
    assert file.title
    for include in (i for i in file.body if isinstance(i, Include)):
        assert (path.parent / include.file).exists() or (MODELS / "lib" / include.file).exists()


@pytest.mark.parametrize("name", ["lkmm/linux.def", *MACHINES])
def test_a_table_read_line_by_line_is_the_table_read_at_once(name: str) -> None:
    lines = OneALine(*read_table(MODELS / name))
    at_once = table(name)
    assert lines.keys() == at_once.keys()
    assert {n: (m.params, m.value is None, len(m.body), m.span.line) for n, m in lines.items()} == {
        n: (m.params, m.value is None, len(m.body), m.span.line) for n, m in at_once.items()
    }
