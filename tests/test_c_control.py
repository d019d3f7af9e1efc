"""Jumps, structures, helper functions and macros: a test that uses them is the test that is written without them."""

from __future__ import annotations

import random
import re

import pytest

from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.report.dump import dump
from checker.result import Result

OTHER = "P1(int *x, int *y, int *z) { WRITE_ONCE(*x, 1); WRITE_ONCE(*x, 2); }"


def text(body: str, *, before: str = "", init: str = "", params: str = "int *x, int *y, int *z", question: str = "") -> str:
    asked = question or "locations [0:r; 0:q; y; z;] forall (true)"
    return f"C t\n{before}\n{{ {init} }}\nP0({params})\n{{\n{body}\n}}\n{OTHER}\n{asked}\n"


def result(written: str, model: str = "lkmm") -> Result:
    return check(parse_test(Source("t.litmus", written)), load_model(model), Options(states=True))


def graph(written: str, model: str = "lkmm") -> str:
    """The events with their dependencies, without their places in the text."""
    shown = dump("graph", parse_test(Source("t.litmus", written)), load_model(model), Options())
    shown = re.sub(r"[^ =\[\]]+\|\S+", lambda m: "|".join(sorted(m[0].split("|"))), shown)
    return re.sub(r" +line \d+", "", shown)


def same(one: str, other: str, **rest: str) -> None:
    first, second = text(one, **rest), text(other)
    for model in ("lkmm", "aarch64"):
        assert graph(first, model) == graph(second, model)
        assert result(first, model).states == result(second, model).states


PAIRS = {
    "a return makes the rest an else": (
        "int r = 0; int q = 0; if (READ_ONCE(*x)) { r = 1; return; } WRITE_ONCE(*y, 1); q = READ_ONCE(*z);",
        "int r = 0; int q = 0; if (READ_ONCE(*x)) { r = 1; } else { WRITE_ONCE(*y, 1); q = READ_ONCE(*z); }",
    ),
    "what follows the join of a goto does not depend on its condition": (
        "int r = 0; int q = 0; if (READ_ONCE(*x)) goto out; WRITE_ONCE(*y, 1); out: WRITE_ONCE(*z, 1);",
        "int r = 0; int q = 0; if (!READ_ONCE(*x)) { WRITE_ONCE(*y, 1); } WRITE_ONCE(*z, 1);",
    ),
    "nested returns": (
        "int r = READ_ONCE(*x); int q = 0; if (r) { if (r == 2) return; WRITE_ONCE(*y, 1); } WRITE_ONCE(*z, 1);",
        "int r = READ_ONCE(*x); int q = 0;"
        " if (r) { if (r != 2) { WRITE_ONCE(*y, 1); WRITE_ONCE(*z, 1); } } else WRITE_ONCE(*z, 1);",
    ),
    "a break leaves the loop as its condition does": (
        "int r; int q = 0; while (1) { r = READ_ONCE(*x); if (r) break; WRITE_ONCE(*y, 1); } WRITE_ONCE(*z, 1);",
        "int r = READ_ONCE(*x); int q = 0; while (!r) { WRITE_ONCE(*y, 1); r = READ_ONCE(*x); } WRITE_ONCE(*z, 1);",
    ),
    "a switch is a chain of ifs": (
        "int q = 0; int r = READ_ONCE(*x); switch (r) { case 1: WRITE_ONCE(*y, 1); break; case 2: q = 5; break; default: q = 7; }",
        "int q = 0; int r = READ_ONCE(*x); if (r == 1) WRITE_ONCE(*y, 1); else if (r == 2) q = 5; else q = 7;",
    ),
    "a switch keeps its value as a variable does": (
        "int q = 0; int r = 0; switch (READ_ONCE(*x)) { case 1: q = 1; case 2: r = 3; } WRITE_ONCE(*y, r);",
        "int q = 0; int r = 0; int t = READ_ONCE(*x); if (t == 1) { q = 1; r = 3; } else if (t == 2) r = 3; WRITE_ONCE(*y, r);",
    ),
    "a loop that counts is written out": (
        "int q = 0; int r = 0; for (int i = 0; i < 5; i++) { if (i == 3) continue; q += i; }",
        "int q = 7; int r = 0;",
    ),
    "an assignment may be a condition": (
        "int q = 0; int r; if ((r = READ_ONCE(*x))) WRITE_ONCE(*y, r);",
        "int q = 0; int r; r = READ_ONCE(*x); if (r) WRITE_ONCE(*y, r);",
    ),
    "a step may be a value": ("int q = 3; int r = q++ + 1;", "int r = 4; int q = 4;"),
    "do once": ("int q = 0; int r = 0; do { r = READ_ONCE(*x); if (r) break; q = 1; } while (0);",
                "int q = 0; int r = READ_ONCE(*x); if (!r) { q = 1; }"),
    "statements in an expression come before its value": (
        "int q = 0; int r = ({ int t = READ_ONCE(*x); smp_rmb(); if (t) q = 1; t + READ_ONCE(*y); });",
        "int q = 0; int t = READ_ONCE(*x); smp_rmb(); if (t) { q = 1; } int r = t + READ_ONCE(*y);",
    ),
    "statements in a condition": (
        "int q = 0; int r = 0; if (({ int t = READ_ONCE(*x); t == 2; })) WRITE_ONCE(*y, 1);",
        "int q = 0; int r = 0; int t = READ_ONCE(*x); if (t == 2) WRITE_ONCE(*y, 1);",
    ),
    "a block-scope name is a variable of its own": ("int q = 0; int r = 1; { int r = 2; q = r; }", "int r = 1; int q = 2;"),
    "likely and WARN_ON are their conditions": (
        "int q = 0; int r = 0; if (likely(READ_ONCE(*x) == 1)) r = 1; if (WARN_ON(!READ_ONCE(*z))) q = 1;",
        "int q = 0; int r = 0; if (READ_ONCE(*x) == 1) r = 1; if (!READ_ONCE(*z)) q = 1;",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_a_test_with_jumps_is_the_test_without(name: str) -> None:
    one, other = PAIRS[name]
    if name in ("a break leaves the loop as its condition does", "nested returns"):  # an event of one is two of the other
        assert set(result(text(other)).states or ()) == set(result(text(one)).states or ())
        return
    same(one, other)


def random_jumps(rng: random.Random, depth: int) -> tuple[list[str], bool]:
    """Statements with returns in them, and whether every way through them returns."""
    lines: list[str] = []
    for _ in range(rng.randrange(1, 4)):
        match rng.randrange(5 if depth else 3):
            case 0:
                lines.append(f"WRITE_ONCE(*{rng.choice('yz')}, {rng.randrange(1, 4)});")
            case 1:
                lines.append(f"{rng.choice('rq')} = READ_ONCE(*{rng.choice('xyz')});")
            case 2:
                lines.append(f"{rng.choice('rq')} = {rng.choice('rq')} ^ 1;")
            case _:
                inner, ended = random_jumps(rng, depth - 1)
                if not ended and rng.random() < 0.6:
                    inner.append("return;")
                lines.append(f"if ({rng.choice(('r', 'q', 'READ_ONCE(*x)', 'r == 1'))}) {{ {' '.join(inner)} }}")
    return lines, False


def without_returns(lines: list[str]) -> list[str]:
    """The same by the rule that what follows a conditional return is its else."""
    for i, line in enumerate(lines):
        if line == "return;":
            return lines[:i]
        if found := re.fullmatch(r"if \((.*?)\) \{ (.*) \}", line):
            inner = split(found[2])
            rest = without_returns(lines[i + 1 :])
            if not any("return;" in part for part in inner):
                continue
            kept = without_returns([*inner, *lines[i + 1 :]])
            return [*lines[:i], f"if ({found[1]}) {{ {' '.join(kept)} }} else {{ {' '.join(rest)} }}"]
    return lines


def split(body: str) -> list[str]:
    """Statements, those in braces whole."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(body):
        depth += (c == "{") - (c == "}")
        if depth == 0 and c in ";}":
            parts.append(body[start : i + 1].strip())
            start = i + 1
    return parts


@pytest.mark.parametrize("seed", range(60))
def test_random_returns_are_elses(seed: int) -> None:
    """The rest may be there twice in the test without returns, so that states are compared, with what orders them."""
    lines, _ = random_jumps(random.Random(seed), 2)
    start = ["int r = 0;", "int q = 0;"]
    for model in ("lkmm", "aarch64", "sc"):
        one = result(text(" ".join([*start, *lines])), model)
        other = result(text(" ".join([*start, *without_returns(lines)])), model)
        assert (one.states, one.flags) == (other.states, other.flags)


def test_a_helper_is_its_body() -> None:
    before = (
        "#define DONE 2\n#define SET(p, v) do { WRITE_ONCE(*(p), (v)); } while (0)\nenum { NO, YES = 5 };\n"
        "static inline int seen(int *p)\n{\n\tint r = READ_ONCE(*p);\n\tif (r == DONE)\n\t\treturn YES;\n\treturn NO;\n}\n"
        "static void set(int *p, int v) { SET(p, v + 1); }"
    )
    same(
        "int q = 0; int r; r = seen(x); set(y, r);",
        "int q = 0; int v = READ_ONCE(*x); int r; if (v == 2) r = 5; else r = 0; WRITE_ONCE(*y, r + 1);",
        before=before,
    )


STRUCTURES = """struct inner { int a[2]; spinlock_t lock; };
struct kvm { int *buses; int ready; struct inner in; struct { u8 z; } anon; };"""


@pytest.mark.parametrize("place", ["before", "behind"])
def test_the_members_of_a_structure_are_locations_of_their_own(place: str) -> None:
    init = "{ struct kvm k = { .ready = 1, .in.a[1] = 7, .buses = &x }; int *p = &k.in.a[1]; }"
    code = """P0(struct kvm *k, int *x)
{
	k->in.a[0] = 3;
	(*k).ready++;
	spin_lock(&k->in.lock);
	k->anon.z--;
	spin_unlock(&k->in.lock);
	*k->buses = k->in.a[1];
}
P1(struct kvm *k, int **p) { int *r0 = *p; struct kvm *r1 = k; int r2 = *r0; }
exists (k.ready=2 /\\ k.in.a[0]=3 /\\ k.anon.z=255 /\\ x=7 /\\ 1:r1=k /\\ 1:r0=&k.in.a[1] /\\ 1:r2=7)
"""
    written = f"C t\n{STRUCTURES}\n{init}\n{code}" if place == "before" else f"C t\n{init}\n{STRUCTURES}\n{code}"
    found = result(written)
    assert found.observation == "Always"
    assert found.states == ("1:r0=k.in.a[1]; 1:r1=k; 1:r2=7; k.ready=2; k.in.a[0]=3; k.anon.z=255; [x]=7;",)


def test_a_typedef_is_the_type_it_names() -> None:
    before = "typedef u8 gen_t;\ntypedef struct { int a; gen_t g[2]; } thing_t;\ntypedef thing_t *ref_t;\n"
    before += "typedef enum { NO, YES = 7 } answer_t;"
    code = """P0(thing_t *k, gen_t *g, ref_t *p)
{
	answer_t r = YES;
	gen_t s = 260;
	ref_t q = k;
	q->g[1] = 300;
	*g = -1;
	*p = k;
	(*p)->a = (gen_t)513 + r;
}
exists (k.a=8 /\\ k.g[1]=44 /\\ g=255 /\\ 0:s=4 /\\ k.g[0]=3)
"""
    for place in (f"{before}\n{{ thing_t k; int z = 1; }}\n", f"{{ thing_t k; }}\n{before}\n"):
        found = result(f"C t\n{place}{code.replace('0]=3', '0]=0')}")
        assert found.observation == "Always"
        assert result(f"C t\n{place}{code}").observation == "Never"


def test_a_structure_nobody_initialises_exists() -> None:
    found = result("C t\nstruct s { int a; int b; };\n{}\nP0(struct s *s) { s->b = 1; }\nexists (s.a=0 /\\ s.b=1)\n")
    assert found.observation == "Always"


def test_message_passing_between_members_is_message_passing() -> None:
    code = """P0(struct s *s) { WRITE_ONCE(s->data, 1); smp_store_release(&s->flag, 1); }
P1(struct s *s) { int r0 = smp_load_acquire(&s->flag); int r1 = READ_ONCE(s->data); }
exists (1:r0=1 /\\ 1:r1=0)
"""
    declared = "C t\nstruct s { int data; int flag; };\n{}\n"
    assert result(declared + code).observation == "Never"
    assert result(declared + code.replace("smp_store_release(&s->flag, 1)", "WRITE_ONCE(s->flag, 1)")).observation == "Sometimes"


def test_waiting_for_a_condition_reads_it_last() -> None:
    code = (
        "P0(int *x, int *y) {{ WRITE_ONCE(*y, 1); {} }}\n"
        "P1(int *x, int *y) {{ int r0 = smp_cond_load_{}(x, VAL > 1); int r1 = READ_ONCE(*y); }}\n"
    )
    asked = "exists (1:r0=2 /\\ 1:r1=0)\n"
    for kind, expected in (("acquire", "Never"), ("relaxed", "Sometimes")):
        written = "C t\n{}\n" + code.format("smp_store_release(x, 2);", kind) + asked
        for model in ("lkmm", "aarch64"):
            assert result(written, model).observation == expected
    relaxed = "C t\n{}\n" + code.format("smp_store_release(x, 2);", "relaxed") + asked
    assert result(relaxed, "aarch64-lto").observation == "Never"  # READ_ONCE() is an acquire there
    assert result("C t\n{}\n" + code.format("WRITE_ONCE(*x, 1);", "acquire") + "exists (1:r0=1)\n").deadlock


def test_a_loop_with_a_constant_bound_needs_no_unrolling() -> None:
    written = text("int q = 0; int r = 0; for (int i = 0; i < 40; i++) q += READ_ONCE(*z) + 1;", question="exists (0:q=40)")
    found = result(written)
    assert (found.observation, found.cut) == ("Always", False)


def test_a_loop_that_goes_back_is_cut_like_any_other() -> None:
    found = result(
        text("int q = 0; int r; again: r = READ_ONCE(*x); q = q + 1; if (r != 2) goto again;", question="exists (0:r=2)")
    )
    assert found.cut


def test_constants_of_the_file_have_their_values_everywhere() -> None:
    before = "#define N (A + 1)\nenum { A = 4, B };"
    written = text("int r = N; int q = B;", before=before, init="int y = N;", question="exists (0:r=B /\\ 0:q=N /\\ y=5)")
    assert result(written).observation == "Always"


def test_a_number_of_the_question_is_one_of_the_type_it_is_compared_with() -> None:
    written = text("u32 r = 0 - 1; u64 q = r; q = q - r - 1;", question="exists (0:r=-1 /\\ 0:r=4294967295 /\\ 0:q=-1)")
    found = result(written)
    assert found.observation == "Always"
    assert found.states == ("0:q=18446744073709551615; 0:r=4294967295;",)


@pytest.mark.parametrize(
    ("init", "expected"),
    [("u8 y = 300;", 44), ("bool y = 2;", 1), ("s8 y = 200;", -56), ("unsigned int y = -1;", 4294967295)],
)
def test_an_initial_value_is_converted_to_its_type(init: str, expected: int) -> None:
    written = text("", init=init, question=f"exists (y={expected})").replace("int *y", init.split(" y")[0] + " *y")
    assert result(written).observation == "Always"


def test_what_two_processes_count_on_wraps_where_an_int_does() -> None:
    body = "int r = atomic_inc_return(v); bool q = atomic_add_negative(1, v);"
    written = (
        "C t\n{ atomic_t v = ATOMIC_INIT(2147483647); }\nP0(atomic_t *v) { " + body + " }\nexists (0:r=-2147483648 /\\ 0:q=1)\n"
    )
    for model in ("lkmm", "aarch64", "aarch64-llsc", "x86-tso"):
        assert result(written, model).observation == "Always"


@pytest.mark.parametrize("call", ["atomic_add_unless(v, 1, 5)", "atomic_inc_unless_negative(v)", "refcount_inc_not_zero(v)"])
def test_what_a_table_computes_fits_into_the_location(call: str) -> None:
    start = "C t\n{ atomic_t v = ATOMIC_INIT(2147483647); }\nP0(atomic_t *v) { "
    for model in ("lkmm", "aarch64", "aarch64-llsc", "x86-tso"):
        assert result(start + call + "; }\nexists (v=-2147483648)\n", model).observation == "Always"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("int r = *x / *y;", "a division by zero"),
        ("int r = 1 << (*x + 31);", "a shift of 32 bits by"),
        ("int r = (-2147483647 - 1) / (*x - 2);", "-2147483648 / -1"),
    ],
)
def test_what_c_leaves_undefined_is_no_value(body: str, message: str) -> None:
    with pytest.raises(CheckerError, match="no value can be given") as caught:
        result(text(body, question="exists (x=2)"))
    assert message in caught.value.message


_GUARDED = """C t
{{ x=0; }}
P0(int *x) {{
	int r = READ_ONCE(*x);
	int s = -1;
	{body}
}}
P1(int *x) {{ WRITE_ONCE(*x, {other}); }}
locations [0:s;]
exists (0:s=5)
"""


@pytest.mark.parametrize(
    ("body", "wrong", "other", "values"),
    [
        ("if (r < 31) s = 1 << r;", "if (r < 41) s = 1 << r;", 40, (-1, 1)),
        ("if (r) s = 100 / r;", "if (r < 20) s = 100 / r;", 20, (-1, 5)),
        ("if (r) s = (-2147483647 - 1) % (r - 1);", "s = (-2147483647 - 1) % (r - 1);", 3, (-1, 0)),
        ("s = r && 7 % r;", "s = r || 7 % r;", 7, (0,)),
        ("s = r == 0 || 12 / r == 4;", "s = r == 0 && 12 / r == 4;", 3, (1,)),
        ("s = r ? 15 / r : 2;", "s = r ? 2 : 15 / r;", 3, (2, 5)),
        ("s = (r > 0 && r < 8) << r;", "s = (r > 0) << r;", 32, None),
    ],
)
@pytest.mark.parametrize("model", ["lkmm", "aarch64"])
def test_what_is_undefined_is_refused_where_an_execution_gets_there(
    body: str, wrong: str, other: int, values: tuple[int, ...] | None, model: str
) -> None:
    if values is not None:
        found = result(_GUARDED.format(body=body, other=other), model)
        assert found.states == tuple(sorted([f"0:s={v};" for v in values]))
    with pytest.raises(CheckerError, match="no value can be given"):
        result(_GUARDED.format(body=wrong, other=other), model)


def test_a_loop_that_may_go_on_to_what_is_undefined_leaves_that_open() -> None:
    body = "int r; int s; int q; do { r = READ_ONCE(*x); q = q + 1; } while (r != 5);"
    body += " while (!READ_ONCE(*y)) r = r - 3; s = 10 / (r + 1);"
    found = result(text(body, question="exists (0:s=1)"))
    assert found.answers.undefined.unknown


def test_all_that_is_wrong_is_said_at_once_the_first_thing_first() -> None:
    written = text("int r;\nint r;\nWRITE_ONCE(x, 1);\nr = ;\ngoto nowhere;\nr = N << 40;\nbreak;", before="#define N 3")
    with pytest.raises(CheckerError) as caught:
        parse_test(Source("t.litmus", written))
    errors = [caught.value, *caught.value.more]
    assert [e.span.line for e in errors if e.span] == [7, 8, 9, 10, 11, 12]
    assert [part in e.message for part, e in zip(("twice", "'WRITE_ONCE'", "';'", "nowhere", "40", "break"), errors, strict=True)]
    assert caught.value.render().count("error:") == 6


def test_a_place_in_a_line_with_macros_is_the_place_in_the_file() -> None:
    written = text("int r = ADD(1, 2) + unheard_of(3);", before="#define ADD(a, b) ((a) + (b) + 0)")
    with pytest.raises(CheckerError) as caught:
        result(written)
    assert caught.value.span is not None
    assert (caught.value.span.line, caught.value.span.column) == (6, 21)


REFUSED = {
    "#if 0\nint r;\n#endif": "'#if' is not supported",
    "int r = kvm->x;": "'->x' of what is no pointer",
    "x->ready = 1;": "no structure",
    "switch (*x) { case 1: case 1: break; }": "this case is there twice",
    "out: out: ;": "the label 'out' is there twice",
    "case 1: ;": "outside of a switch",
    "continue;": "'continue' outside of a loop",
    "int r = 1; int r = 2;": "'r' is declared twice in one block",
    "int x = 1;": "'x' is declared twice in one block",
}


@pytest.mark.parametrize("body", sorted(REFUSED))
def test_a_mistake_with_the_new_words_is_named(body: str) -> None:
    with pytest.raises(CheckerError) as caught:
        parse_test(Source("t.litmus", text(body)))
    assert REFUSED[body] in caught.value.message


def test_functions_that_call_each_other_are_refused() -> None:
    before = "static int f(int n) { return g(n); }\nstatic int g(int n) { return f(n); }"
    with pytest.raises(CheckerError, match="calls itself"):
        parse_test(Source("t.litmus", text("int r = f(1);", before=before)))
