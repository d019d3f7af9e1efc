"""Extracts next to the functions they are of, both compiled and run: what a function does to two members, its extract may do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from checker.reach.extract import Extract, Wanted, extracted
from tests.kernel_trees import tree
from tests.random_functions import HEADER, HELPERS, function

RUN = r"""
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>
typedef int spinlock_t;
static unsigned char bits[400];
static int used, upto, length, over, seen;
static char trace[4000], *traces[70000];
static int choose(void) {
	if (used >= 390) { over = 1; return 0; }
	if (used >= upto) { bits[used] = 0; upto = used + 1; }
	return bits[used++];
}
static void say(const char *f, int a) { if (length < 3900) length += sprintf(trace + length, f, a); }
static int is_data(const int *a);
static int rd(const int *a) { int v = choose(); say(is_data(a) ? "Rd%d " : "Rf%d ", v); return v; }
static int exchanged(const int *a, int v) { int o = choose(); say(is_data(a) ? "Xd%d" : "Xf%d", o); say("/%d ", v); return o; }
#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))
#define likely(x) (!!(x))
#define READ_ONCE(x) rd(&(x))
#define WRITE_ONCE(x, v) do { int v_ = (v); say(is_data(&(x)) ? "Wd%d " : "Wf%d ", v_); } while (0)
#define xchg(a, v) exchanged(a, v)
#define smp_mb() say("mb ", 0)
#define smp_wmb() say("wmb ", 0)
#define smp_rmb() say("rmb ", 0)
#define spin_lock(l) say("lock ", 0)
#define spin_unlock(l) say("unlock ", 0)
#define __VERIFIER_nondet_bool() choose()
#define __lost()
"""
"""Reads and choices come from one stream of bits, and everything that is done is written down."""
MAIN = r"""
static struct thing T;
static struct owner O = { &T };
static int is_data(const int *a) {
	if (a == &T.data || a == &O.inside.data) return 1;
	if (a != &T.flag && a != &O.inside.flag) { puts("neither flag nor data"); exit(1); }
	return 0;
}
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void all(void (*f)(void), const char *name, int most) {
	seen = upto = over = 0;
	do {
		used = length = trace[0] = 0;
		memset(&T, 0, sizeof T);
		f();
		traces[seen++] = strdup(trace);
		while (upto > 0 && (upto > used || bits[upto - 1])) upto--;
		if (upto) bits[upto - 1] = 1;
	} while (upto && seen < most && !over);
	qsort(traces, seen, sizeof *traces, compare);
	printf("@%s %d\n", name, upto ? 1 : over);
	for (int i = 0; i < seen; i++) if (!i || strcmp(traces[i], traces[i - 1])) puts(traces[i]);
}
"""
"""Every stream of bits is tried, one after the other."""
ARGUMENTS = {"flag": "&T.flag", "data": "&T.data", "lock": "&T.lock"}


def as_c(n: int, made: Extract) -> str:
    """The first process of an extract as a function of C."""
    text = re.sub(r"//[^\n]*", "", made.text)
    found = re.search(r"\nP0\(([^)]*)\)\n\{\n(.*?)\n\}\n", text, re.S)
    assert found is not None
    args = ", ".join(ARGUMENTS[one.rpartition("*")[2]] for one in found[1].split(",") if one)
    return f"static void p{n}({found[1]}) {{\n{found[2]}\n}}\nstatic void whole_p{n}(void) {{ p{n}({args}); }}\n"


def values(made: Extract) -> bool:
    """Whether an extract has all values that are written."""
    return not any("what is written" in note.text for note in made.notes)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not here")
@pytest.mark.parametrize("first", [0, 50, 100])
def test_whatever_a_function_does_its_extract_may_do(first: int, tmp_path: Path) -> None:
    functions = {n: function(f"f{n}", n) for n in range(first, first + 50)}
    other = "void g(struct thing *t) { WRITE_ONCE(t->flag, 1); WRITE_ONCE(t->data, 1); }\n"
    text = "".join(functions.values())
    types = tree(tmp_path, {"include/linux/thing.h": HEADER, "a/a.c": f"#include <linux/thing.h>\n{HELPERS}{text}{other}"})
    wanted = Wanted(("flag", "data"), rounds=2)
    made = {n: extracted(types, (("a/a.c", f"f{n}"), ("a/a.c", "g")), wanted) for n in functions}
    whole = "".join(
        f"static void whole_f{n}(void) {{ T.other = choose(); f{n}(&T, &O, choose()); }}\n{as_c(n, made[n])}" for n in made
    )
    calls = "".join(f'all(whole_f{n}, "f{n}", 40000); all(whole_p{n}, "p{n}", 60000);\n' for n in made)
    (tmp_path / "x.c").write_text(f"{RUN}{HEADER}{MAIN}{HELPERS}{text}{whole}int main(void)\n{{\n{calls}return 0; }}\n")
    subprocess.run(["gcc", "-w", "-o", tmp_path / "x", tmp_path / "x.c"], check=True)
    said = subprocess.run([tmp_path / "x"], capture_output=True, text=True, check=True, timeout=200).stdout
    seen = {part.split()[0]: part.partition("\n") for part in said.split("@")[1:]}
    same = 0
    for n, one in made.items():
        if (
            seen[f"f{n}"][0].endswith("1")
            or seen[f"p{n}"][0].endswith("1")
            or {note.kind for note in one.notes} & {"lost", "reads"}
        ):
            continue  # too many, or told
        does, may = (set(seen[f"{who}{n}"][2].splitlines()) for who in "fp")
        if not values(one):
            does, may = ({re.sub(r"(W[fd]|/)-?\d+", r"\1", trace) for trace in some} for some in (does, may))
        assert does <= may, f"{functions[n]}\n{one.text}\n{sorted(does - may)[:4]}"
        same += does == may
    assert same >= 30  # most of them are no more than their functions
