"""Places: an access is to the same member, whatever the way there, and a type that nobody knows is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.kernel.kept import Kept
from checker.kernel.trees import FolderTree, Overlay
from checker.reach.accesses import accesses
from checker.reach.declared import pointee
from checker.reach.defined import Defined
from checker.reach.summary import Path as Way
from tests.kernel_trees import tree

HEADER = """
#ifndef H
struct dist { int ready; atomic_t users; spinlock_t lock; unsigned long map[4]; struct { int on; } timer; };
struct arch { struct dist dist; struct dist *other; union { int a; struct { int b; }; }; };
struct vm { struct arch arch; struct bus __rcu *buses[5]; struct vm_gone *gone; };
struct bus { int count; struct { int addr; } range[]; };
struct cpu { struct vm *vm; int mode; struct rcu_head head; };
struct outer { int pad; struct cpu cpu; u64 flags; };
extern struct vm the_vm;
typedef struct { int counter; } atomic_t;
static inline struct outer *to_outer(struct cpu *cpu)
{
	return container_of(cpu, struct outer, cpu);
}
DECLARE_PER_CPU(struct dist, dists);
struct cpu *get_me(void);
#define me get_me()
#endif
"""


def places(folder: Path, body: str, head: str = "struct cpu *cpu, struct vm *vm, int n", extra: str = "") -> list[str]:
    """What a function with this body does, and where."""
    text = f"#include <linux/vm.h>\n{extra}\nvoid f({head})\n{{\n{body}\n}}\n"
    types = tree(folder, {"include/linux/vm.h": HEADER, "virt/f.c": text})
    found, _ = accesses(types, "virt/f.c", "f", depth=2)
    return [f"{a.verb} {a.place}" for a in found if a.place is not None]


@pytest.mark.parametrize(
    "text",
    [
        "vm->arch.dist.ready",
        "cpu->vm->arch.dist.ready",
        "(&vm->arch.dist)->ready",
        "vm->arch.other->ready",
        "(*vm).arch.dist.ready",
        "the_vm.arch.dist.ready",
        "((struct dist *)n)->ready",
        "container_of(n, struct dist, lock)->ready",
        "this_cpu_ptr(&dists)->ready",
        "per_cpu(dists, n).ready",
        "to_outer(cpu)->cpu.vm->arch.dist.ready",
        "(n ? vm : cpu->vm)->arch.dist.ready",
        "me->vm->arch.dist.ready",
    ],
)
def test_every_way_to_a_member_is_the_same_place(text: str, tmp_path: Path) -> None:
    assert places(tmp_path, f"{text} = 1;")[-1] == "write dist.ready"


def test_a_local_alias_is_the_same_place(tmp_path: Path) -> None:
    assert places(tmp_path, "struct dist *d = &vm->arch.dist; d->ready = 1;") == ["write dist.ready"]


def test_a_pointer_to_a_number_is_what_it_was_set_to(tmp_path: Path) -> None:
    assert places(tmp_path, "int *p = &vm->arch.dist.ready; *p = 1;") == ["write dist.ready"]


def test_a_pointer_that_was_set_twice_is_no_place(tmp_path: Path) -> None:
    assert places(tmp_path, "int *p = &vm->arch.dist.ready; p = &cpu->mode; *p = 1;") == []


def test_a_parameter_that_points_to_a_number_is_what_was_given(tmp_path: Path) -> None:
    helper = "static void set(int *p) { WRITE_ONCE(*p, 1); }"
    assert places(tmp_path, "set(&vm->arch.dist.ready);", extra=helper) == ["write dist.ready"]


def test_a_primitive_accesses_what_it_is_given_the_address_of(tmp_path: Path) -> None:
    body = "spin_lock(&vm->arch.dist.lock); atomic_inc(&vm->arch.dist.users); set_bit(n, vm->arch.dist.map);"
    assert places(tmp_path, body) == ["lock dist.lock", "rmw dist.users", "rmw dist.map"]


def test_what_an_rcu_pointer_points_to_has_its_type(tmp_path: Path) -> None:
    body = "rcu_dereference(vm->buses[n])->count = 1; vm->buses[n]->range[3].addr = 2;"
    assert places(tmp_path, body) == ["read vm.buses", "write bus.count", "read vm.buses", "write bus.range.addr"]


def test_members_of_unnamed_unions_belong_to_the_structure_around(tmp_path: Path) -> None:
    assert places(tmp_path, "vm->arch.a = 1; vm->arch.b = 2;") == ["write arch.a", "write arch.b"]


def test_a_type_that_nobody_declares_leaves_the_name_of_the_member_and_says_so(tmp_path: Path) -> None:
    found = places(tmp_path, "vm->gone->there = 1;")
    assert found == ["read vm.gone", "write ?.there"]


def test_an_array_is_not_read_where_it_is_only_named(tmp_path: Path) -> None:
    assert places(tmp_path, "g(vm->arch.dist.map);") == []


def test_structures_of_one_name_in_two_files_are_two_places(tmp_path: Path) -> None:
    one = {"a/x.c": "struct priv { int v; };\nvoid f(struct priv *p) { p->v = 1; }", "include/e.h": ""}
    types = tree(tmp_path, one | {"b/y.c": "struct priv { int v; };\nvoid f(struct priv *p) { p->v = 1; }"})
    first, second = (accesses(types, path, "f")[0][0].place for path in ("a/x.c", "b/y.c"))
    assert first is not None and second is not None and str(first) == str(second) and first != second


def test_a_structure_of_an_architecture_is_that_of_the_file_s(tmp_path: Path) -> None:
    files = {f"arch/{a}/include/asm/h.h": f"struct both {{ int {a}; int v; }};" for a in ("x86", "arm64")}
    files |= {f"arch/{a}/kvm/f.c": "void f(struct both *b) { b->v = 1; }" for a in ("x86", "arm64")}
    types = tree(tmp_path, files)
    for a in ("x86", "arm64"):
        place = accesses(types, f"arch/{a}/kvm/f.c", "f")[0][0].place
        assert place is not None and place.home == f"arch/{a}/include/asm/h.h"


@given(st.lists(st.sampled_from(["->m", ".m", "[]", "*"]), max_size=6))
def test_the_address_of_a_path_dereferenced_is_the_path(steps: list[str]) -> None:
    way = Way("x", "struct a*", tuple(steps))
    assert way.then("&").then("*") == way


@given(st.lists(st.sampled_from(["*", "[]"]), max_size=5), st.sampled_from(["*", "[]"]))
def test_what_a_pointer_points_to_is_what_it_was_made_of(derived: list[str], last: str) -> None:
    kind = "int" + "".join(derived)
    assert pointee(kind + last) == kind


def test_what_lies_on_top_of_a_tree_is_in_its_index(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {"a/a.c": "int f(void)\n{\n}\nvoid set(struct s *s)\n{\n\ts->op = f;\n}\n", "arch/arm64/b.c": "int g(void)\n{\n}\n"},
    )
    below = FolderTree(tmp_path)
    assert Defined(below, "x86").functions("f") == ("a/a.c",) and not Defined(below, "x86").functions("g")
    assert [one.text for one in Defined(below, "x86").operations("op")] == ["f"]
    over = Defined(Overlay(below, {"a/a.c": b"static int f(void)\n{\n}\n", "c.c": b"long\nf(int a,\n\tint b)\n{\n}\n"}), "x86")
    assert over.functions("f") == ("c.c",) and not over.operations("op")


def test_the_index_of_a_tree_is_kept_until_a_file_changes(tmp_path: Path) -> None:
    tree(tmp_path, {"a.c": "int f(void)\n{\n}\n"})
    kept = Kept(tmp_path / "kept", "1")
    for text, there in ((None, ("a.c",)), ("int h(void)\n{\n\treturn 1;\n}\n", ())):
        if text:
            (tmp_path / "a.c").write_text(text)
        for _ in range(2):
            assert Defined(FolderTree(tmp_path), "x86", kept).functions("f") == there
