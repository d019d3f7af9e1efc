"""Tests out of functions: what a process does is what its function does, and what is lost is never called impossible."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import library
from checker.check import Options, check
from checker.cli import cli
from checker.core.source import Source
from checker.insight.question import Asked, asked
from checker.kernel.binding import bindings
from checker.library import load_model
from checker.reach.extract import Extract, NotThere, Wanted, extracted
from checker.result import Result
from tests.kernel_trees import tree

HEADER = """
struct thing {
	int flag; int data; atomic_t users; unsigned long bits; spinlock_t lock; struct mutex mutex; void (*fn)(struct thing *);
};
struct owner { struct thing *thing; struct thing inside; int other; };
typedef struct { int counter; } atomic_t;
#define SHIFTED(n) (1 << (n))
enum { NONE, SOME = 5, MORE };
"""
TWO = Wanted(places=("flag", "data"))


def extract(
    folder: Path, first: str, second: str, wanted: Wanted = TWO, extra: str = "", head: str = "struct thing *t, int n"
) -> Extract:
    """The test of two functions with these bodies."""
    text = f"#include <linux/thing.h>\n{extra}\nvoid f({head})\n{{\n{first}\n}}\nvoid g({head})\n{{\n{second}\n}}\n"
    types = tree(folder, {"include/linux/thing.h": HEADER, "drivers/t/a.c": text})
    return extracted(types, (("drivers/t/a.c", "f"), ("drivers/t/a.c", "g")), wanted)


def question(made: Extract, model: str = "lkmm") -> Asked:
    return asked(made.text, "t.litmus", load_model(model), Options(), made.reads)


def verdict(made: Extract, exists: str, model: str = "lkmm") -> Result:
    text = made.text.replace("exists (0=1)", exists)
    return check(library.test_in(Source("t.litmus", text)), load_model(model), Options())


def process(made: Extract, n: int) -> str:
    """A process as it is written, without comments and declarations."""
    text = re.sub(r" *//[^\n]*", "", made.text)
    body = re.split(r"\nP\d\([^)]*\)\n\{\n", text)[n + 1].partition("\n}\n")[0]
    return " ".join(body.rpartition("\n\n")[2].split())


WRITER = "t->data = 1; smp_wmb(); WRITE_ONCE(t->flag, 1);"
READER = "int seen = READ_ONCE(t->flag); smp_rmb(); n = t->data;"
BAD = "exists (1:n=0 /\\ 1:seen=1)"


# ---------------------------------------------------------------- what a process is


def test_a_process_has_the_accesses_and_what_orders_them(tmp_path: Path) -> None:
    made = extract(tmp_path, WRITER, READER)
    assert process(made, 0) == "*data = 1; smp_wmb(); WRITE_ONCE(*flag, 1);"
    assert process(made, 1) == "seen = READ_ONCE(*flag); smp_rmb(); n = *data;"
    assert not made.notes


def test_the_source_lines_are_what_the_gate_reads(tmp_path: Path) -> None:
    made = extract(tmp_path, WRITER, READER)
    assert [str(b) for b in bindings(Source("t.litmus", made.text))] == ["drivers/t/a.c:f", "drivers/t/a.c:g"]


@pytest.mark.parametrize("model", ["lkmm", "aarch64", "x86-tso"])
def test_ordered_functions_have_nothing_weak(model: str, tmp_path: Path) -> None:
    found = question(extract(tmp_path, WRITER, READER), model)
    assert not found.conditions and not found.found.undecided and found.forbidden


def test_what_a_missing_barrier_allows_is_asked_for(tmp_path: Path) -> None:
    made = extract(tmp_path, WRITER.replace("smp_wmb();", ""), READER)
    assert question(made).conditions == (BAD,)
    assert verdict(made, BAD).observation == "Sometimes"


def test_calls_are_followed_and_macros_too(tmp_path: Path) -> None:
    extra = """
static void tell(struct thing *x) { smp_wmb(); WRITE_ONCE(x->flag, 1); }
static inline int look(struct thing *x) { return READ_ONCE(x->flag); }
#define DATA(x) ((x)->data)
"""
    made = extract(tmp_path, "t->data = 1; tell(t);", "int seen = look(t); smp_rmb(); n = t->data;", extra=extra)
    whole = extract(tmp_path, WRITER, READER)
    assert (process(made, 0), process(made, 1)) == (process(whole, 0), process(whole, 1))


FAR = {
    "lib/far.c": "#include <linux/thing.h>\nvoid far(struct thing *x)\n{\n\tx->data = 1;\n}\n",
    "lib/blind.c": "void far(struct thing *x)\n{\n\tother(x);\n}\n",
}
OPS = """
struct ops { int (*run)(struct thing *x); int (*stop)(struct thing *x); };
static int one(struct thing *x) { x->data = 1; return 0; }
static int two(struct thing *x)
{
	WRITE_ONCE(x->flag, 1);
	return 0;
}
static int none(struct thing *x) { x->users.counter = 1; return 0; }
#define my_op(name) one##name
static int one_run(struct thing *x) { x->data = 7; return 0; }
"""


@pytest.mark.parametrize(("file", "does"), [("lib/far.c", "*data = 1; smp_wmb();"), ("lib/blind.c", "smp_wmb();")])
def test_a_call_is_followed_wherever_the_tree_has_it_unless_it_cannot_know_the_structure(
    file: str, does: str, tmp_path: Path
) -> None:
    for folder, text in ((tmp_path / "include/linux/far.h", "void far(struct thing *x);\n"), (tmp_path / file, FAR[file])):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text(text)
    made = extract(tmp_path, "far(t); smp_wmb(); WRITE_ONCE(t->flag, 1);", READER)
    assert process(made, 0) == f"{does} WRITE_ONCE(*flag, 1);" and not made.lost


@pytest.mark.parametrize(
    ("tables", "call", "does"),
    [
        ("struct ops a = {\n\t.run = one,\n};", "o->run(t);", "*data = 1;"),
        ("struct ops a = {\n\t.run = my_op(_run),\n};", "o->run(t);", "*data = 7;"),
        ("struct ops a = {\n\t.run = one,\n};\nstruct ops b = {\n\t.run = two,\n};", "o->run(t);",
         "if (__VERIFIER_nondet_bool()) { *data = 1; } else { WRITE_ONCE(*flag, 1); }"),
        ("struct ops a = {\n\t.run = one,\n};\nstruct ops b = {\n\t.run = none,\n};", "(*o->run)(t);",
         "if (__VERIFIER_nondet_bool()) { *data = 1; }"),
        ("void set(void) { struct ops o = { .run = two }; }", "o->run(t);", "WRITE_ONCE(*flag, 1);"),
        ("void set(struct ops *o) { o->run = two; }", "o->run(t);", "WRITE_ONCE(*flag, 1);"),
        ("struct other a = {\n\t.run = one,\n};\nstruct ops b = {\n\t.run = none,\n};", "o->run(t);", ""),
        ("struct ops ops = {\n\t.run = one,\n};\n#define key_op(name) static_call(key_##name)\n"
         "#define SET(func) \\\n\tstatic_call_update(key_##func, ops.func);", "key_op(run)(t);", "*data = 1;"),
        ("static int (*const table[])(struct thing *x) = {\n\t[0] = none,\n\t[3] = two,\n};", "table[n](t);",
         "if (__VERIFIER_nondet_bool()) { WRITE_ONCE(*flag, 1); }"),
        ("static int with(int (*fn)(struct thing *), struct thing *x) { return fn(x); }", "with(one, t);", "*data = 1;"),
    ],
)  # fmt: skip
def test_a_call_through_a_pointer_is_of_what_the_tree_puts_there(tables: str, call: str, does: str, tmp_path: Path) -> None:
    made = extract(
        tmp_path,
        f"{call} smp_mb(); WRITE_ONCE(t->flag, 2);",
        READER,
        extra=OPS + tables,
        head="struct thing *t, int n, struct ops *o",
    )
    assert process(made, 0) == f"{does} smp_mb(); WRITE_ONCE(*flag, 2);".strip() and not made.lost


def test_a_pointer_that_some_variable_was_put_into_may_mean_anything(tmp_path: Path) -> None:
    extra = (
        f"{OPS}struct ops a = {{\n\t.run = none,\n}};\nvoid put(struct ops *o, int (*fn)(struct thing *))\n{{\n\to->run = fn;\n}}\n"
    )
    made = extract(tmp_path, f"o->run(t); {WRITER}", READER, extra=extra, head="struct thing *t, int n, struct ops *o")
    assert made.lost and verdict(made, BAD).observation != "Never"


def test_a_macro_that_names_a_place_is_written_through(tmp_path: Path) -> None:
    extra = "#define FLAG(x) ((x)->flag)\n#define ADDRESS(x) (&(x)->data)"
    made = extract(tmp_path, "*ADDRESS(t) = 1; smp_wmb(); WRITE_ONCE(FLAG(t), 1);", READER, extra=extra)
    assert process(made, 0) == "*data = 1; smp_wmb(); WRITE_ONCE(*flag, 1);"


def test_a_structure_of_its_own_is_no_place(tmp_path: Path) -> None:
    made = extract(tmp_path, f"struct thing own; own.flag = 7; {WRITER}", READER)
    assert process(made, 0) == "*data = 1; smp_wmb(); WRITE_ONCE(*flag, 1);"


@pytest.mark.parametrize("text", ["int *p = &t->flag; if (n) p = &t->data; *p = 4;", "int *p = n ? &t->flag : &t->data; *p = 4;",
                                  "int *p = &t->inner; while (n--) { WRITE_ONCE(*p, 4); p = &t->data; }"])  # fmt: skip
def test_a_write_through_a_pointer_to_either_of_two_places_is_lost(text: str, tmp_path: Path) -> None:
    made = extract(tmp_path, f"{text} {WRITER}", READER)
    assert made.lost and any("a pointer may lead" in note.text for note in made.notes)


def test_what_a_loop_counts_is_counted_when_it_is_used_behind_it(tmp_path: Path) -> None:
    made = extract(tmp_path, "int v = 0; do { v ^= 1; if (n) break; } while (0); WRITE_ONCE(t->flag, v);", READER)
    assert "v = v ^ 1;" in process(made, 0)


def test_an_alias_and_an_embedded_structure_are_the_same_place(tmp_path: Path) -> None:
    head = "struct owner *o, struct thing *x"
    made = extract(
        tmp_path, "struct thing *t = &o->inside; t->data = 1; smp_wmb(); o->inside.flag = 1;", "x->flag = x->data;", head=head
    )
    assert process(made, 0) == "*data = 1; smp_wmb(); *flag = 1;"


def test_a_condition_on_something_else_is_a_free_choice(tmp_path: Path) -> None:
    made = extract(tmp_path, f"if (jiffies > 7) {{ {WRITER} }}", READER)
    assert process(made, 0).startswith("if (__VERIFIER_nondet_bool()) { *data = 1;")


def test_one_choice_that_is_looked_at_twice_is_one(tmp_path: Path) -> None:
    body = "bool take = compute(); if (take) spin_lock(&t->lock); t->data = 1; t->flag = 1; if (take) spin_unlock(&t->lock);"
    made = extract(tmp_path, body, "spin_lock(&t->lock); n = t->flag; t->flag = t->data; spin_unlock(&t->lock);")
    assert process(made, 0).count("__VERIFIER_nondet_bool()") == 1
    assert not [flag for flag in verdict(made, "exists (0=1)").flags if "unlock" in flag]


def test_a_parameter_that_two_branches_look_at_is_chosen_ahead_of_both(tmp_path: Path) -> None:
    body = "if (jiffies) { if (n) t->data = 1; } if (n) WRITE_ONCE(t->flag, 1);"
    assert process(extract(tmp_path, body, READER), 0).startswith("n = __VERIFIER_nondet_bool(); if (__VERIFIER_nondet_bool()) {")


def test_a_branch_on_what_was_read_keeps_its_condition(tmp_path: Path) -> None:
    made = extract(tmp_path, WRITER, "if (READ_ONCE(t->flag) == SOME) WRITE_ONCE(t->data, SHIFTED(3));")
    assert process(made, 1) == "flag1 = READ_ONCE(*flag); if (flag1 == 5) { WRITE_ONCE(*data, 8); }"


def test_a_control_dependency_stays_one(tmp_path: Path) -> None:
    first = "if (READ_ONCE(t->flag)) WRITE_ONCE(t->data, 1);"
    second = "if (READ_ONCE(t->data)) WRITE_ONCE(t->flag, 1);"
    assert not question(extract(tmp_path, first, second)).conditions
    free = "n = READ_ONCE(t->flag); WRITE_ONCE(t->data, 1);"
    assert question(extract(tmp_path, free, "n = READ_ONCE(t->data); WRITE_ONCE(t->flag, 1);")).conditions


def test_a_lock_that_lockdep_is_told_of_is_held(tmp_path: Path) -> None:
    first = "lockdep_assert_held(&t->lock); t->data = 1; t->flag = 1;"
    made = extract(tmp_path, first, "spin_lock(&t->lock); int seen = t->flag; n = t->data; spin_unlock(&t->lock);")
    assert process(made, 0) == "spin_lock(lock); *data = 1; *flag = 1; spin_unlock(lock);"
    assert not question(made).conditions


def test_a_lock_that_the_callers_of_both_hold_is_held(tmp_path: Path) -> None:
    """As kvm_io_bus_register_dev() says by rcu_dereference_protected(): two of it do not run at once."""
    held = "lockdep_assert_held(&t->lock);"
    made = extract(tmp_path, f"{held} t->data = 1; t->flag = 1;", f"{held} int seen = t->flag; n = t->data;")
    assert process(made, 0) == "spin_lock(lock); *data = 1; *flag = 1; spin_unlock(lock);"
    assert process(made, 1).startswith("spin_lock(lock);")
    assert not question(made).conditions


def test_a_guard_is_a_lock_until_the_end_of_the_block_and_before_each_return(tmp_path: Path) -> None:
    first = "guard(mutex)(&t->mutex); if (n) return; t->data = 1; t->flag = 1;"
    made = extract(tmp_path, first, "scoped_guard(mutex, &t->mutex) { n = t->flag; t->flag = t->data; }")
    text = process(made, 0)
    assert text.count("mutex_unlock(mutex);") == 2 and text.endswith("*flag = 1; mutex_unlock(mutex);")
    assert process(made, 1).startswith("mutex_lock(mutex);") and process(made, 1).endswith("mutex_unlock(mutex);")


@pytest.mark.parametrize(
    "body",
    [
        "again: list_for_each_entry(x, list, node) { if (n) continue; t->data = 1; break; } t->flag = 1;",
        "if (n) goto in; return; if (0) { in: t->data = 1; } t->flag = 1;",
        "switch (n) { case 1: if (x) goto in; break; { in: t->data = 1; } default: t->flag = 1; }",
        "do { if (n) break; t->data = 1; } while (0); t->flag = 1;",
        "for (;;) { if (n) break; t->data = 1; while (x) { if (y) continue; t->flag = 1; } }",
        "switch (n) { case 1: a();\n#define M 1\nif (x) goto in; in: t->data = 1; break; default: t->flag = 1; }",
        "retry: t->data = 1; if (n) goto retry; t->flag = 1;",
    ],
)
def test_jumps_and_labels_stay_where_they_lead(body: str, tmp_path: Path) -> None:
    made = extract(tmp_path, body, READER)
    assert {"*data = 1;", "*flag = 1;"} <= set(re.findall(r"\*\w+ = 1;", process(made, 0)))
    assert verdict(made, "exists (1:seen=1)").observation in ("Sometimes", "Unknown")


def test_an_atomic_that_orders_is_a_barrier_wherever_it_is(tmp_path: Path) -> None:
    made = extract(tmp_path, "WRITE_ONCE(t->data, 1); atomic_inc_return(&t->users); n = READ_ONCE(t->flag);",
                   "WRITE_ONCE(t->flag, 1); smp_mb(); n = READ_ONCE(t->data);")  # fmt: skip
    assert "smp_mb();" in process(made, 0) and not question(made).conditions


def test_a_pointer_that_is_published_is_one(tmp_path: Path) -> None:
    head = "struct owner *o, struct thing *t, int n"
    reader = "struct thing *t2 = rcu_dereference(o->thing); n = t2->data;"
    wanted = Wanted(places=("thing", "data"))
    made = extract(tmp_path, "t->data = 1; rcu_assign_pointer(o->thing, t);", reader, wanted, head=head)
    assert not question(made).conditions
    made = extract(tmp_path, "t->data = 1; WRITE_ONCE(o->thing, t);", reader, wanted, head=head)
    assert question(made).conditions


def test_the_bit_of_a_parameter_is_the_one_that_the_other_looks_at(tmp_path: Path) -> None:
    reader = "if (test_bit(SOME, &t->bits)) { smp_rmb(); n = t->data; }"
    made = extract(tmp_path, "t->data = 1; smp_wmb(); set_bit(n, &t->bits);", reader, Wanted(places=("bits", "data")))
    assert "set_bit(5, bits);" in process(made, 0)
    assert [note.kind for note in made.notes] == ["assumed"]


def test_places_are_chosen_by_what_stands_next_to_something_that_orders(tmp_path: Path) -> None:
    made = extract(tmp_path, f"{WRITER} a(); b(); c(); d(); e(); t->users.counter = 1;", READER, Wanted())
    assert [str(p) for p in made.places] == ["thing.data", "thing.flag"]


def test_functions_that_share_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="touch no place together"):
        extract(tmp_path, "t->flag = 1;", "n = t->data;", Wanted())


# ---------------------------------------------------------------- what is lost

LOSSES = {
    "unknown(t);": "gets t",
    "unknown(&t->flag);": "gets",
    "FIRST(t) t->flag ] = 3;": "cannot be read",
    "x = (t->flag 3;": "cannot be read",
    "t->fn(t);": "gets t",
    "memset(t, 0, sizeof(*t));": "",
    "copy_from_user(t, n, 4);": "writes all of",
    "*t = other;": "all of a struct thing is written",
    "deep(t);": "writes a place",
    "later(&t->lock, touch);": "may call touch()",
    "call_rcu(&t->lock, touch);": "called after a grace period",
    "again(t);": "writes a place",
}
EXTRA = """
static void touch(struct thing *x) { x->data = 2; }
static void deepest(struct thing *x) { touch(x); }
static void deeper(struct thing *x) { deepest(x); }
static void down(struct thing *x) { deeper(x); }
static void deep(struct thing *x) { down(x); }
static void again(struct thing *x) { again(x); touch(x); }
"""


@pytest.mark.parametrize("text", LOSSES)
def test_what_could_touch_a_place_makes_nothing_impossible(text: str, tmp_path: Path) -> None:
    made = extract(tmp_path, f"{text} {WRITER}", READER, Wanted(("flag", "data"), depth=0), EXTRA)
    if text.startswith("memset"):
        assert process(made, 0).startswith("*data = 0; *flag = 0;") and not made.lost
        return
    assert made.lost and any(LOSSES[text] in note.text for note in made.notes if note.kind == "lost")
    assert verdict(made, BAD).observation != "Never"


@pytest.mark.parametrize("text", ["unknown(n);", "kfree(buffer);", "trace_thing(t);", 'pr_info("%d", n);', "quiet(t);"])
def test_what_leads_to_no_place_is_left_out(text: str, tmp_path: Path) -> None:
    extra = "static void quiet(struct thing *x) { x->users.counter = 3; }"
    made = extract(tmp_path, f"{text} {WRITER}", READER, extra=extra)
    assert not made.lost and verdict(made, BAD).observation == "Never"


def test_a_read_that_is_left_out_makes_nothing_impossible(tmp_path: Path) -> None:
    extra = (
        "static int more(struct thing *x) { return x->data; }\nstatic int look(struct thing *x) { int a = more(x); %s return a; }"
    )
    made = extract(tmp_path, f"look(t); {WRITER}", READER, Wanted(("flag", "data"), depth=0), extra % ("if (a) c(); " * 9))
    assert [note.kind for note in made.notes] == ["reads"] and verdict(made, BAD).observation == "Never"


@pytest.mark.parametrize(("before", "after"), [("", "smp_mb__after_atomic();"), ("smp_mb__before_atomic();", "")])
def test_a_barrier_beside_an_atomic_on_another_place_is_one(before: str, after: str, tmp_path: Path) -> None:
    made = extract(tmp_path, f"WRITE_ONCE(t->data, 1); {before} atomic_inc(&t->users); {after} n = READ_ONCE(t->flag);",
                   "WRITE_ONCE(t->flag, 1); smp_mb(); n = READ_ONCE(t->data);")  # fmt: skip
    assert "smp_mb();" in process(made, 0) and not question(made).conditions


def test_a_local_whose_address_is_given_away_is_not_known_any_more(tmp_path: Path) -> None:
    made = extract(tmp_path, "int r = 0; fill(&r); if (r) WRITE_ONCE(t->flag, 1); t->data = 1;", READER)
    assert "if (r)" in process(made, 0) and "r = __VERIFIER_nondet_bool();" in process(made, 0)


# ---------------------------------------------------------------- laws

PIECES = (
    "WRITE_ONCE(X, 1);", "WRITE_ONCE(Y, 1);", "r = READ_ONCE(X);", "s = READ_ONCE(Y);", "smp_mb();", "smp_wmb();", "smp_rmb();",
    "smp_store_release(&X, 2);", "s = smp_load_acquire(&Y);", "if (r) WRITE_ONCE(Y, 3);", "WRITE_ONCE(X, r + 1);",
    "r = xchg(&X, 4);", "if (READ_ONCE(Y) && READ_ONCE(X)) r = 7; else s = 8;", "s = READ_ONCE(X) ? READ_ONCE(Y) : 5;",
    "do { r = READ_ONCE(Y); } while (0);", "if (!s) goto out;", "switch (r) { case 1: WRITE_ONCE(Y, 6); break; default: r = 9; }",
)  # fmt: skip


def seen(text: str, places: tuple[str, ...]) -> set[tuple[str, ...]]:
    """The values that places have in the end."""
    shown = f"locations [{' '.join(f'{p};' for p in places)}]\nexists (0=1)"
    text = text[: text.rindex("\nexists")] + f"\n{shown}\n"
    result = check(library.test_in(Source("t.litmus", text)), load_model("lkmm"), Options(states=True))
    assert result.states is not None and not result.unfinished
    states = [dict(part.strip().split("=") for part in s.split(";") if part.strip()) for s in result.states]
    return {tuple(s.get(p, s.get(f"[{p}]", "")) for p in places) for s in states}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), st.lists(st.sampled_from(PIECES), min_size=1, max_size=4))
def test_an_extract_ends_as_the_same_text_written_as_a_test(first: list[str], second: list[str]) -> None:
    bodies = ["int r = 0; int s = 0; {}\nout:\n\tWRITE_ONCE(Z, r * 10 + s);".format("\n".join(b)) for b in (first, second)]
    kernel = [b.replace("X", "t->flag").replace("Y", "t->data").replace("Z", f"t->z{n}") for n, b in enumerate(bodies)]
    for n, body in enumerate(kernel):
        kernel[n] = body.replace("READ_ONCE(t", "READ_ONCE(t")
    tests = [
        b.replace("&X", "x").replace("&Y", "y").replace("X", "*x").replace("Y", "*y").replace("Z", f"*z{n}")
        for n, b in enumerate(bodies)
    ]
    tests = [t.replace("READ_ONCE", "READ_ONCE") for t in tests]
    header = HEADER.replace("struct thing {", "struct thing { int z0; int z1;")
    text = "#include <linux/thing.h>\n" + "".join(f"void f{n}(struct thing *t)\n{{\n{b}\n}}\n" for n, b in enumerate(kernel))
    with tempfile.TemporaryDirectory() as folder:
        types = tree(Path(folder), {"include/linux/thing.h": header, "a/a.c": text})
        wanted = Wanted(places=("flag", "data", "z0", "z1"))
        try:
            made = extracted(types, (("a/a.c", "f0"), ("a/a.c", "f1")), wanted)
        except NotThere:
            return  # one of the places is not touched
    head = "int *x, int *y, int *z0, int *z1"
    whole = "C t\n\n{}\n" + "".join(f"\nP{n}({head})\n{{\n{b}\n}}\n" for n, b in enumerate(tests)) + "\nexists (0=1)\n"
    assert seen(made.text, ("flag", "data", "z0", "z1")) == seen(whole, ("x", "y", "z0", "z1"))


@pytest.mark.skipif(shutil.which("herd7") is None, reason="herd7 is not here")
def test_herd_says_the_same_of_an_extract(tmp_path: Path) -> None:
    made = extract(
        tmp_path, WRITER.replace("t->data = 1", "WRITE_ONCE(t->data, 1)"), READER.replace("t->data", "READ_ONCE(t->data)")
    )
    (tmp_path / "t.litmus").write_text(made.text.replace("exists (0=1)", BAD))
    said = subprocess.run(
        ["herd7", "-conf", "linux-kernel.cfg", str(tmp_path / "t.litmus")], capture_output=True, text=True, check=False
    )
    assert "Never" in said.stdout or "linux-kernel.cfg" in said.stderr


# ---------------------------------------------------------------- the command


def run(folder: Path, *args: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["extract", "--no-cache", "--kernel", str(folder), *args])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_writes_a_test_with_its_question(tmp_path: Path) -> None:
    extract(tmp_path, WRITER.replace("smp_wmb();", ""), READER)
    code, out, err = run(tmp_path, "drivers/t/a.c:f", "drivers/t/a.c:g")
    assert (code, err) == (0, "") and out.endswith(f"\n{BAD}\n") and "nothing orders P0" in out
    test = library.test_in(Source("t.litmus", out))
    assert check(test, load_model("lkmm"), Options()).observation == "Sometimes"


def test_the_command_says_what_is_lost(tmp_path: Path) -> None:
    extract(tmp_path, f"unknown(t); {WRITER}", READER)
    code, out, err = run(tmp_path, "drivers/t/a.c:f", "drivers/t/a.c:g")
    assert code == 0 and "lost: drivers/t/a.c:5: unknown() is not followed, and gets t" in err and "__lost();" in out


def test_the_command_asks_what_it_is_told_to(tmp_path: Path) -> None:
    extract(tmp_path, WRITER, READER)
    assert run(tmp_path, "drivers/t/a.c:f", "drivers/t/a.c:g", "--exists", "1:seen=1")[1].endswith("\nexists (1:seen=1)\n")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("drivers/t/a.c:f", "drivers/t/a.c:nowhere"), "there is no function nowhere() in drivers/t/a.c"),
        (("drivers/t/b.c:f",), "there is no file drivers/t/b.c"),
        (("drivers/t/a.c:f", "drivers/t/a.c:g", "--place", "thing.gone"), "no function touches a place 'thing.gone'"),
        (("f",), "is not FILE:FUNCTION"),
    ],
)
def test_what_is_not_there_is_refused_by_name(args: tuple[str, ...], says: str, tmp_path: Path) -> None:
    extract(tmp_path, WRITER, READER)
    code, _, err = run(tmp_path, *args)
    assert code == 2 and says in err


def test_a_file_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    extract(tmp_path, WRITER, READER)
    file = tmp_path / "kept.litmus"
    file.write_text("mine")
    assert run(tmp_path, "drivers/t/a.c:f", "drivers/t/a.c:g", "-o", str(file))[0] == 2 and file.read_text() == "mine"
    assert run(tmp_path, "drivers/t/a.c:f", "drivers/t/a.c:g", "-o", str(file), "--force")[0] == 0
    assert file.read_text().startswith("C f-g\n")
