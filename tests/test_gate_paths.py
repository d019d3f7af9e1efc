"""Paths through functions, which order is at least another, how a change is told, and how a test is asked both ways."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from checker.core.source import Source, SyntaxProblem
from checker.kernel.binding import bindings, bound_skeleton, processes
from checker.kernel.carry import lost
from checker.kernel.changes import difference
from checker.kernel.paths import MAX_PATHS, TooManyPaths, family, paths
from checker.kernel.signal import PLAIN, RETURN, other_signal
from checker.kernel.skeleton import Code, Op, skeleton
from checker.kernel.strength import at_least
from checker.kernel.trees import FolderTree, Overlay

NO_FILES = FolderTree(Path(__file__).parent / "kernel")


def ops_of(body: str, more: str = "") -> tuple[Op, ...]:
    code = Code(Overlay(NO_FILES, {"f.c": f"{more}\nvoid f(struct s *s)\n{{\n{body}\n}}\n".encode()}))
    found = skeleton(code, "f.c", "f", 3)
    assert found is not None
    return found.ops


def lines(body: str, more: str = "") -> set[str]:
    """The paths of a function, each the places and fences on it."""
    ops = ops_of(body, more)
    kinds = {family(op) for op in ops if op.verb != "jump"}
    return {" ".join(op.place or op.name for op in path.ops) for path in paths(ops, kinds)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("s->a = 1; smp_mb(); s->b = 1;", {"a smp_mb b"}),
        ("if (x) smp_mb(); s->b = 1;", {"smp_mb b", "b"}),
        ("if (x) smp_mb(); else smp_wmb(); s->b = 1;", {"smp_mb b", "smp_wmb b"}),
        ("if (x) return; smp_mb(); s->b = 1;", {"", "smp_mb b"}),
        ("if (x) goto out; smp_mb();\nout:\ns->b = 1;", {"b", "smp_mb b"}),
        ("again: s->a = 1; if (x) goto again; s->b = 1;", {"a b", "a a b", "a a a b"}),
        ("while (x) { smp_rmb(); s->a = 1; } s->b = 1;", {"b", "smp_rmb a b"}),
        ("do { smp_rmb(); if (x) break; s->a = 1; } while (y); s->b = 1;", {"smp_rmb b", "smp_rmb a b"}),
        ("for (;;) { if (x) continue; s->a = 1; } s->b = 1;", {"b", "a b"}),
        ("switch (x) { case 1: s->a = 1; case 2: s->b = 1; break; default: s->c = 1; }", {"", "a b", "b", "c"}),
        ("x && (smp_mb(), 1); s->b = 1;", {"smp_mb b", "b"}),
        ("x ? smp_mb() : smp_wmb(); s->b = 1;", {"smp_mb b", "smp_wmb b"}),
        ("guard(mutex)(&s->m); if (x) return; s->a = 1;", {"m m", "m a m"}),
        ("scoped_guard(mutex, &s->m) { s->a = 1; } s->b = 1;", {"m a m b"}),
        ("if (READ_ONCE(s->a)) s->b = 1; s->c = 1;", {"a b c", "a c"}),
        ("int a = READ_ONCE(s->a); if (a) s->b = 1; if (!a) s->c = 1;", {"a b", "a c"}),
        ("int a = READ_ONCE(s->a); if (a) s->b = 1; a = x; if (!a) s->c = 1;", {"a b c", "a b", "a c", "a"}),
        ("int a = READ_ONCE(s->a); if (a == 0) return; if (likely(a != 0)) s->b = 1; s->c = 1;", {"a", "a b c"}),
    ],
)  # fmt: skip
def test_a_function_is_all_the_lines_that_its_branches_allow(body: str, expected: set[str]) -> None:
    assert lines(body) == expected


def test_a_return_ends_the_function_that_it_is_in_and_gives_its_value_to_the_caller() -> None:
    helper = "int g(struct s *s)\n{\n\tif (x)\n\t\treturn 0;\n\tsmp_mb();\n\treturn 1;\n}"
    assert lines("g(s); s->b = 1;", helper) == {"b", "smp_mb b"}
    read = "int g(struct s *s)\n{\n\treturn READ_ONCE(s->a);\n}"
    assert lines("if (g(s)) s->b = 1; if (!g(s)) s->c = 1;", read) == {"a b a", "a b a c", "a a", "a a c"}
    assert lines("int a = g(s); if (a) s->b = 1; if (!a) s->c = 1;", read) == {"a b", "a c"}


def test_more_paths_than_anybody_asks_about_are_too_many() -> None:
    body = " ".join(f"if (x{i}) s->a{i} = 1;" for i in range(MAX_PATHS.bit_length() + 1))
    with pytest.raises(TooManyPaths, match="more than 256 paths"):
        lines(body)


LOST: list[tuple[str, str, bool]] = [
    ("smp_mb(); s->b = 1;", "if (x) goto out; smp_mb();\nout:\ns->b = 1;", True),
    ("smp_mb(); s->b = 1;", "if (x) return; smp_mb(); s->b = 1;", True),
    ("smp_mb(); s->b = 1;", "if (x) smp_mb(); else smp_mb(); s->b = 1;", False),
    ("smp_rmb(); s->b = 1;", "smp_wmb(); s->b = 1;", True),
    ("smp_wmb(); s->b = 1;", "smp_rmb(); s->b = 1;", True),
    ("smp_wmb(); s->b = 1;", "smp_mb(); s->b = 1;", False),
    ("smp_mb(); s->b = 1;", "smp_mb__after_atomic(); s->b = 1;", True),
    ("WRITE_ONCE(s->a, 1);", "smp_store_release(&s->a, 1);", False),
    ("smp_store_release(&s->a, 1);", "WRITE_ONCE(s->a, 1);", True),
    ("call_srcu(&s->srcu, &p->rcu, g);", "call_rcu(&p->rcu, g);", True),
    ("synchronize_srcu(&s->srcu);", "synchronize_srcu_expedited(&s->srcu);", False),
    ("synchronize_srcu(&s->srcu);", "synchronize_srcu(&s->other);", True),
    ("mutex_lock(&s->m); s->a = 1; mutex_unlock(&s->m);", "guard(mutex)(&s->m); s->a = 1;", False),
    ("mutex_lock(&s->m); s->a = 1; mutex_unlock(&s->m);", "guard(mutex)(&s->n); s->a = 1;", True),
    ("mutex_lock(&s->m); s->a = 1; mutex_unlock(&s->m);", "scoped_guard(mutex, &s->m) { s->a = 1; }", False),
    ("read_lock(&s->m); g(s); read_unlock(&s->m);", "g(s); read_lock(&s->m); read_unlock(&s->m);", True),
    ("mutex_lock(&s->m); s->a = 1; mutex_unlock(&s->m);", "mutex_lock(&s->m); mutex_unlock(&s->m); s->a = 1;", True),
    ("g(&s->k); atomic_set_release(&s->a, 1);", "atomic_set_release(&s->a, 1); g(&s->k);", True),
    ("mutex_lock(&s->m); s->a = 1; s->b = 1;", "mutex_lock(&s->m); s->b = 1; s->a = 1;", False),
    ("if (x) { s->a = 1; smp_wmb(); s->b = 1; }", "if (x) { s->a = 1; if (y) smp_wmb(); s->b = 1; }", True),
    ("if (x) { smp_wmb(); s->b = 1; }", "if (x) {\n#ifdef CONFIG_X\nsmp_wmb();\n#endif\ns->b = 1; }", True),
    ("if (x) { smp_wmb(); s->b = 1; }", "if (x) { if (y) goto over; smp_wmb();\nover: s->b = 1; }", True),
    ("while (x) { s->a = 1; smp_wmb(); s->b = 1; }", "while (x) { s->a = 1; if (y) smp_wmb(); s->b = 1; }", True),
    ("if (x) s->a = 1; smp_wmb();", "if (x) s->a = 1; if (y) goto over; smp_wmb();\nover: return;", True),
    ("if (x) { smp_wmb(); s->b = 1; }", "if (x) { if (y) { smp_wmb(); s->b = 1; } else { smp_wmb(); s->b = 1; } }", False),
    ("s->b = 1; smp_mb();", "s->b = 1; if (x) smp_mb(); else smp_mb();", False),
    ("if (x) smp_wmb(); s->b = 1;", "if (x) { if (y) smp_wmb(); } s->b = 1;", True),
    ("s->b = 1; if (x) smp_wmb();", "s->b = 1; if (x) { if (y) smp_wmb(); }", True),
    ("if (x) { smp_wmb(); s->b = 1; s->c = 1; }", "if (x) { if (y) smp_wmb(); s->c = 1; }", True),
    ("if (x) { s->b = 1; s->c = 1; smp_wmb(); }", "if (x) { s->b = 1; if (y) smp_wmb(); }", True),
    ("if (x) { smp_wmb(); WRITE_ONCE(s->b, 1); }", "if (x) { if (y) smp_wmb(); s->b = 1; }", True),
    (
        "switch (x) { case 1: s->a = 1; smp_wmb(); s->b = 1; break; case 2: s->a = 1; s->b = 1; }",
        "switch (x) { case 1: s->a = 1; s->b = 1; break; case 2: s->a = 1; s->b = 1; }",
        True,
    ),
    (
        "switch (x) { case 1: g(s); spin_lock(&s->m); h(s); spin_unlock(&s->m); break; case 2: g(s); h(s); }",
        "switch (x) { case 1: g(s); h(s); break; case 2: g(s); h(s); }",
        True,
    ),
    (
        "switch (x) { case 1: g(s); mutex_lock(&s->m); h(s); mutex_unlock(&s->m); break; case 2: mutex_lock(&s->m); }",
        "switch (x) { case 1: g(s); mutex_lock(&s->m); h(s); break; case 2: mutex_lock(&s->m); }",
        True,
    ),
    (
        "read_lock(&s->m); if (g(s)) return; s->b = 1; read_unlock(&s->m);\nover: if (y) return;",
        "read_lock(&s->m); if (g(s)) return; s->b = 1; if (z) goto end; read_unlock(&s->m);\nover: if (y) return;\nend: ;",
        True,
    ),
    ("my_lock(s); g(s); my_unlock(s);", "my_lock(s); my_unlock(s); g(s);", True),
    ("if (x) smp_mb();", "", True),
    ("if (x) { s->b = 1; smp_mb(); s->c = 1; } else { s->b = 1; smp_mb(); }", "s->b = 1; smp_mb(); if (x) s->c = 1;", False),
    ("raw_spin_lock_rcu_node(s); s->b = 1; raw_spin_unlock_rcu_node(s);", "s->b = 1;", True),
    ("if (x) raw_spin_lock_rcu_node(s); g(s);", "g(s);", True),
    ("s->b = 1; my_barrier_between(s); s->c = 1;", "my_barrier_between(s); s->b = 1; s->c = 1;", True),
    ("lockdep_assert_lock_held(s); s->b = 1;", "s->b = 1;", False),
    ("smp_store_release(&s->a, 1);", "smp_mb(); WRITE_ONCE(s->a, 1);", False),
    ("smp_store_release(s->p, s->n);", "smp_mb(); WRITE_ONCE(*s->p, s->n);", False),
    (
        "if (x) g(s->p); else if (y) return; smp_store_release(s->p, n);",
        "if (x) g(s->p); else if (y) return; smp_mb(); WRITE_ONCE(*s->p, n);",
        False,
    ),
    ("smp_store_release(&s->a, 1);", "smp_wmb(); WRITE_ONCE(s->a, 1);", True),
    ("smp_store_release(&s->a, 1);", "smp_mb(); s->a = 1;", True),
    ("s->b = 1; smp_store_release(&s->a, 1);", "smp_mb(); s->b = 1; WRITE_ONCE(s->a, 1);", True),
    ("smp_store_release(&s->a, 1);", "if (x) smp_mb(); WRITE_ONCE(s->a, 1);", True),
    ("smp_store_release(&s->a, 1);", "WRITE_ONCE(s->a, 1); smp_mb();", True),
    ("r = smp_load_acquire(&s->a);", "r = READ_ONCE(s->a); smp_mb();", False),
    ("r = smp_load_acquire(&s->a);", "r = READ_ONCE(s->a); smp_rmb();", True),
    ("r = smp_load_acquire(&s->a);", "smp_mb(); r = READ_ONCE(s->a);", True),
    ("r = xchg(&s->a, 1);", "smp_mb(); r = xchg_relaxed(&s->a, 1); smp_mb();", False),
    ("r = xchg(&s->a, 1);", "smp_mb(); r = xchg_relaxed(&s->a, 1);", True),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "less"), LOST)
def test_what_some_path_loses_is_lost(before: str, after: str, less: bool) -> None:
    assert bool(lost(ops_of(before), ops_of(after))) is less


AROUND = [
    "if (c) {{ {} }}",
    "if (c) {{ s->k = 1; }} else {{ {} }}",
    "r = READ_ONCE(s->k); if (r) {{ {} }}",
    "while (c) {{ {} }}",
    "do {{ {} }} while (c);",
    "for (;;) {{ {} if (c) break; }}",
    "again: {} if (c) goto again;",
    "switch (k) {{ case 1: {} break; default: s->l = 1; }}",
    "s->k = 1; {} s->l = 1;",
    "if (k) return; {}",
    "if (c) goto last; {}\nlast: s->k = 1;",
    "mutex_lock(&s->z); {} mutex_unlock(&s->z);",
    "guard(mutex)(&s->z); {}",
]


@pytest.mark.parametrize("around", AROUND)
def test_what_is_lost_is_lost_in_any_surroundings(around: str) -> None:
    """But for a return, which leaves out what comes behind, and a guard, which holds it too."""
    for before, after, less in LOST:
        if not ("return" in after or "guard" in after):
            assert bool(lost(ops_of(around.format(before)), ops_of(around.format(after)))) is less, after


TWINS = [
    "if (c) {{ {0} }} else if (d) {{ {1} }}",
    "if (c) {{ {1} }} else if (d) {{ {0} }}",
    "if (c) {{ {0} }} if (d) {{ {1} }}",
    "switch (k) {{ case 1: {0} break; case 2: {1} break; }}",
    "{0} {1}",
    "{1} {0}",
]


@pytest.mark.parametrize("twins", TWINS)
def test_what_is_lost_is_lost_beside_a_path_that_keeps_it(twins: str) -> None:
    for before, after, less in LOST:
        if not any(word in before + after for word in ("return", "goto", "guard")):
            was, now = (ops_of(twins.format(before, one)) for one in (before, after))
            assert bool(lost(was, now)) is less, after


POOL = [
    "s->a = 1;", "smp_wmb();", "s->b = 1;", "smp_mb();", "WRITE_ONCE(s->c, 1);", "g(s);", "smp_store_release(&s->d, 1);",
    "r = READ_ONCE(s->e);", "smp_rmb();",
]  # fmt: skip


def jumped(rng: random.Random) -> tuple[str, str, str]:
    """Statements; and with some of them jumped over by a goto, or under a condition."""
    many = rng.randint(3, 7)
    at = sorted(rng.sample(range(many + 1), 4))
    over = rng.choice([[at[:2]], [at[:2], at[2:]], [at[::3], at[1:3]]])
    plain = rng.choices(POOL, k=many)
    goto, under = [], []
    for k in range(many + 1):
        for n, (_, last) in [*enumerate(over)][::-1]:
            if k == last:
                goto.append(f"\nover{n}: ;")
                under.append("}")
        for n, (first, _) in enumerate(over):
            if k == first:
                goto.append(f"if (y{n}) goto over{n};")
                under.append(f"if (!y{n}) {{")
        goto += plain[k : k + 1]
        under += plain[k : k + 1]
    return " ".join(plain), " ".join(goto), " ".join(under)


@pytest.mark.parametrize("seed", range(8))
def test_what_a_goto_jumps_over_is_what_a_condition_leaves_out(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        plain, goto, under = jumped(rng)
        around = rng.choice([*AROUND, "{}"])
        before, first, second = (ops_of(around.format(body)) for body in (plain, goto, under))
        assert bool(lost(before, first)) == bool(lost(before, second)), around.format(goto)
        assert not lost(first, before)


ORDERED = (
    "smp_load_acquire(&s->a); smp_store_release(&s->a, 1); smp_store_mb(s->a, 1); xchg(&s->a, 1); xchg_acquire(&s->a, 1); "
    "cmpxchg_release(&s->a, 1, 2); atomic_set_release(&s->a, 1); atomic_read_acquire(&s->a); atomic_inc_return(&s->a); "
    "spin_lock(&s->a); mutex_unlock(&s->a); rcu_read_lock(); srcu_read_unlock(&s->a, i); smp_mb(); smp_wmb(); smp_rmb(); "
    "synchronize_rcu(); synchronize_srcu(&s->a); test_and_set_bit(1, &s->a); test_and_set_bit_lock(1, &s->a); "
    "clear_bit_unlock(1, &s->a); refcount_dec_and_test(&s->a); rcu_assign_pointer(s->a, p); my_lock(s); set_mb(x)"
)
RELAXED = (
    "READ_ONCE(s->a); WRITE_ONCE(s->a, 1); xchg_relaxed(&s->a, 1); atomic_inc(&s->a); atomic_read(&s->a); set_bit(1, &s->a); "
    "atomic_add_return_relaxed(1, &s->a); rcu_dereference(s->a); cmpxchg_relaxed(&s->a, 1, 2); g(s)"
)


@pytest.mark.parametrize("op", ORDERED.split("; "))
def test_what_passes_something_that_orders_loses_order(op: str) -> None:
    for code in ("s->k = 1;", "s->k = 1; s->l = 1; s->m = 1;", "h(&s->k);"):
        first, last = ops_of(f"{op}; {code}"), ops_of(f"{code} {op};")
        assert lost(first, last)
        assert lost(last, first)
        assert not lost(first, first)


@pytest.mark.parametrize("op", RELAXED.split("; "))
def test_what_passes_something_that_does_not_order_loses_nothing(op: str) -> None:
    assert not lost(ops_of(f"{op}; s->k = 1;"), ops_of(f"s->k = 1; {op};"))


@pytest.mark.parametrize(("head", "less"), [("#ifdef CONFIG_X\nvoid g(void);\n#else\n{}\n#endif", True), ("{}", False)])
def test_a_stub_that_other_configurations_do_without_says_nothing_about_them(head: str, less: bool) -> None:
    more = head.format("static inline void g(void) { }")
    before, after = "r = atomic_dec_and_test(&s->a);", "g();"
    assert bool(lost(ops_of(f"{after} {before}", more), ops_of(f"{before} {after}", more))) is less


@pytest.mark.parametrize("dots", ["...", "args...", "first, ..."])
def test_what_a_macro_is_given_for_its_dots_is_what_its_body_has(dots: str) -> None:
    named = dots.removesuffix("...").rstrip(", ")
    words = {"": "__VA_ARGS__", "args": "args", "first": "first, ## __VA_ARGS__"}[named]
    more = f"#define do_it({dots}) call_srcu({words})\n"
    assert not lost(ops_of("call_srcu(&s->srcu, &p->rcu, g);", more), ops_of("do_it(&s->srcu, &p->rcu, g);", more))
    assert lost(ops_of("call_srcu(&s->srcu, &p->rcu, g);", more), ops_of("do_it(&s->other, &p->rcu, g);", more))


@pytest.mark.parametrize("loop", ["while (x) {{ {} }}", "for (; x;) {{ {} }}"])
@pytest.mark.parametrize(
    ("outside", "inside", "behind"),
    [
        ("smp_wmb();", "s->a = 1; s->b = 1;", ""),
        ("", "s->a = 1; s->b = 1;", "smp_wmb();"),
        ("", "s->a = 1; s->b = 1; smp_wmb();", ""),
    ],
)
def test_what_is_done_in_every_round_is_lost_out_of_the_loop(loop: str, outside: str, inside: str, behind: str) -> None:
    whole = ops_of(loop.format("s->a = 1; smp_wmb(); s->b = 1;"))
    assert lost(whole, ops_of(f"{outside} {loop.format(inside)} {behind}"))
    assert not lost(whole, ops_of(loop.format("s->a = 1; smp_mb(); s->b = 1;")))
    alone = ops_of(loop.format("smp_wmb();"))
    assert lost(alone, ops_of(f"smp_wmb(); {loop.format('g(s);')}"))


FENCES = [
    "barrier()",
    "smp_rmb()",
    "smp_wmb()",
    "smp_mb()",
    "rmb()",
    "wmb()",
    "mb()",
    "dma_rmb()",
    "dma_wmb()",
    "smp_mb__after_atomic()",
]


def test_at_least_as_strong_is_a_partial_order() -> None:
    fences = [ops_of(f"{text};")[0] for text in FENCES]
    for a, b, c in itertools.product(fences, repeat=3):
        assert at_least(a, a)
        assert not (at_least(a, b) and at_least(b, a)) or a.strength == b.strength
        assert not (at_least(a, b) and at_least(b, c)) or at_least(a, c)
    by_name = {op.strength: op for op in fences}
    assert all(at_least(by_name["mb"], fence) for fence in fences)
    for above, below in (
        ("wmb", "dma_wmb"),
        ("rmb", "dma_rmb"),
        ("dma_wmb", "smp_wmb"),
        ("dma_rmb", "smp_rmb"),
        ("smp_mb", "smp_wmb"),
    ):
        assert at_least(by_name[above], by_name[below])
        assert not at_least(by_name[below], by_name[above])
    for one, other in (("smp_rmb", "smp_wmb"), ("wmb", "smp_mb"), ("dma_rmb", "smp_wmb"), ("rmb", "wmb")):
        assert not at_least(by_name[one], by_name[other])
        assert not at_least(by_name[other], by_name[one])


def test_a_read_under_a_lock_may_be_plain_where_the_old_one_named_that_lock() -> None:
    checked = ops_of("x = srcu_dereference_check(s->p, &s->srcu, lockdep_is_held(&s->m) || !refcount_read(&s->users));")[0]
    for condition, fine in (
        ("lockdep_is_held(&s->m)", True),
        ("!refcount_read(&s->users)", True),
        ("1", False),
        ("lockdep_is_held(&s->n)", False),
    ):
        plain = ops_of(f"x = rcu_dereference_protected(s->p, {condition});")[0]
        assert at_least(plain, checked) is fine


def test_a_callback_is_what_it_frees_and_where() -> None:
    free = "static void g(struct rcu_head *rcu)\n{\n\tstruct b *b = container_of(rcu, struct b, rcu);\n\n\tkfree(b);\n}\n"
    (queued,) = ops_of("call_srcu(&s->srcu, &old->rcu, g);", free)
    assert (queued.place, queued.freed, queued.callback) == ("srcu", "old", "g")
    (unknown,) = ops_of("call_srcu(&s->srcu, &old->rcu, g);")
    assert (unknown.freed, unknown.callback) == ("", "g")
    change = difference([*ops_of("kfree(old);")], [queued]).changes
    assert [str(c) for c in change] == ["kfree(old) becomes call_srcu(&s->srcu, &old->rcu, g)"]


SIGNAL = """C t
(*
 * Signal: P0 = flag
 *)
{}

P0(int *x, int *flag)
{
	WRITE_ONCE(*x, 1);
	smp_store_release(flag, 1);
}

exists (x=1)
"""


def test_a_test_that_names_its_signal_is_asked_with_the_other_one_too() -> None:
    source = Source("t.litmus", SIGNAL)
    other = other_signal(source, processes(source))
    assert other is not None
    assert other[1:] == (PLAIN, RETURN)
    assert other[0].text == SIGNAL.replace("smp_store_release(flag, 1)", "WRITE_ONCE(*flag, 1)")
    back = other_signal(other[0], processes(other[0]))
    assert back is not None
    assert back[0].text == SIGNAL
    assert back[1:] == (RETURN, PLAIN)


def test_a_signal_that_is_no_store_of_the_test_is_an_error() -> None:
    for line in ("P0 = nothing", "P1 = flag", "flag"):
        source = Source("t.litmus", SIGNAL.replace("P0 = flag", line))
        with pytest.raises(SyntaxProblem, match="this signal is no store of the test") as caught:
            other_signal(source, processes(source))
        assert caught.value.span is not None
        assert caught.value.span.line == 3


def test_of_several_functions_each_ends_by_itself() -> None:
    files = {"f.c": b"int f(struct s *s)\n{\n\ts->a = 1;\n\treturn 0;\n}\nvoid g(struct s *s)\n{\n\tsmp_mb();\n\ts->b = 1;\n}\n"}
    (binding,) = bindings(Source("t.litmus", "(*\n * Source: P0 = f.c:f + f.c:g\n *)\n"))
    found = bound_skeleton(Code(Overlay(NO_FILES, files)), binding, 3)
    assert not isinstance(found, str)
    kinds = {family(op) for op in found.ops if op.verb != "jump"}
    assert {" ".join(op.place or op.name for op in path.ops) for path in paths(found.ops, kinds)} == {"a smp_mb b"}


def test_what_is_on_no_path_is_not_called_unchanged() -> None:
    before, after = ops_of("return; smp_mb(); s->b = 1;"), ops_of("return; smp_wmb(); s->b = 1;")
    assert [str(change) for change in lost(before, after)] == ["smp_mb() becomes smp_wmb()"]
