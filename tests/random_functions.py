"""Random functions of a made-up kernel, as C: what they do to two members is what a compiler and an extract are to agree on."""

from __future__ import annotations

import re
from random import Random

HEADER = """
struct thing { int flag; int data; int other; struct link { int next; } link; spinlock_t lock; };
struct owner { struct thing *thing; struct thing inside; };
struct ops { void (*put)(struct thing *t); int (*get)(struct thing *t); };
#define FLAG(t) ((t)->flag)
#define look(t) ({ int seen_ = READ_ONCE((t)->data); seen_; })
#define note(t, v) do { WRITE_ONCE((t)->data, v); smp_wmb(); } while (0)
static inline struct thing *of(struct link *l) { return container_of(l, struct thing, link); }
"""
"""What every file of that kernel includes."""
HELPERS = """
static void put(int *p, int v) { WRITE_ONCE(*p, v); }
static int get(struct thing *t) { if (choose()) return 0; return READ_ONCE(t->flag); }
static int both(struct thing *t, int v) { if (v) { WRITE_ONCE(t->flag, 5); return 1; } return READ_ONCE(t->data); }
static void linked(struct link *l) { struct thing *t = of(l); smp_mb(); WRITE_ONCE(t->flag, 6); }
static int none(struct thing *t, int v) { t->other = v; return v + 1; }
static int twice(struct thing *t, int v) { int r = get(t); if (r == v) return both(t, r); return r ? 2 : 3; }
static void many(struct thing *t, int n)
{
	int i;
	for (i = 0; i < n; i++) { if (READ_ONCE(t->data)) break; WRITE_ONCE(t->flag, 7); }
}
static void one_put(struct thing *t) { WRITE_ONCE(t->flag, 8); }
static int one_get(struct thing *t) { return READ_ONCE(t->data); }
static const struct ops ops = {
	.put = one_put,
	.get = one_get,
};
static void call(void (*fn)(struct thing *t), struct thing *t) { fn(t); }
"""
# What $-letters stand for is chosen anew each time: $p a place, $t a pointer, $v a local, $e a value, $c a condition, $b a block
PLACES = ("t->flag", "t->data", "FLAG(t)", "o->thing->data", "u->flag", "(*t).data", "*p", "o->inside.flag")
THINGS = ("t", "u", "o->thing", "of(&t->link)")
VALUES = (
    "1", "2", "0", "$v", "$v", "$v + 1", "!$v", "-$v", "($v & 1)", "($v ? 3 : w)", "($c ? 2 : $e)", "($c)", "READ_ONCE($p)",
    "look($t)", "(READ_ONCE($p), $v)",
    "xchg(&$p, 9)", "xchg(&$p, $v)", "get($t)", "both(t, $v)", "twice(u, $v)", "none(t, $v)", "ops.get(t)",
    "choose()", "local.flag",
)  # fmt: skip
CHANGES = ("($v = 2)", "$v++", "--$v")
CONDITIONS = (
    "choose()", "$v", "!$v", "$v == 1", "$v > 1", "READ_ONCE($p)", "get($t) != 0", "n", "!n", "($v = READ_ONCE($p)) == 1",
    "likely($v)", "look(u)", "t->other",
    "(READ_ONCE($p)) && ($c)", "(choose()) || (READ_ONCE($p))", "($v) || (n)", "!(READ_ONCE($p) && $v)",
)  # fmt: skip
SIMPLE = (
    "WRITE_ONCE($p, $e);", "WRITE_ONCE($p, $e);", "WRITE_ONCE($p, $x);", "$v = $e;", "$v += $e;", "$v ^= $e;", "$v |= $e;",
    "smp_mb();", "smp_wmb();", "smp_rmb();", "spin_lock(&t->lock); smp_mb(); spin_unlock(&t->lock);", "put(&t->flag, $v);",
    "put(&u->data, 2);",
    "linked(&t->link);", "note(u, w);", "ops.put(t);", "call(one_put, t);", "t->other = v;", "many(t, $v & 1);", "p = &t->flag;",
    "p = choose() ? &t->data : &t->flag;", "u = t;", "u = o->thing;", "q = &v; *q = 2;", "if ($c) goto out;", "if ($c) return;",
    "local.flag = $v;", "if ($c && again++ < 1) goto top;",
)  # fmt: skip
NESTED = (
    "if ($c) { $b }", "if ($c) { $b } else { $b }", "if ($c) { $b } else if ($c) { $b }", "do { $b if ($c) break; $b } while (0);",
    "switch ($v) { case 0: $b break; case 1: $b default: $b }", "switch ($e) { case 2: $b default: $b break; case 0: $b break; }",
    "switch ($c) { case 1: $b case 3: $b break; }", "switch (get(t)) { case 0: case 2: $b }",
)  # fmt: skip
LOOPS = (
    "{ int $k; for ($k = 0; $k < 2; $k++) { $b } }", "{ int $k; for ($k = 0; $k < 2 && ($c); $k++) { $b } }",
    "{ int $k = 2; while ($k-- > 0) { $b } }", "{ int $k = 0; do { $b } while (++$k < 2 && ($c)); }",
)  # fmt: skip


class Body:
    """The statements of a function while they are made. `budget`: how many more; `loops`: how many there are around."""

    def __init__(self, rnd: Random, budget: int) -> None:
        self.rnd, self.budget = rnd, budget
        self.loops = self.counters = self.depth = 0

    def fill(self, text: str) -> str:
        self.depth += 1
        made = re.sub(r"\$([ptvecxb])", lambda found: self.one(found[1]), text)
        self.depth -= 1
        return made

    def one(self, what: str) -> str:
        """Something that a letter stands for."""
        if what == "v":
            return self.rnd.choice("vw")
        if what == "b":
            return self.block(3)
        some = {"p": PLACES, "t": THINGS, "e": VALUES, "c": CONDITIONS, "x": CHANGES}[what]
        return self.fill(self.rnd.choice(some if self.depth < 5 else some[:4]))

    def block(self, most: int) -> str:
        made = []
        for _ in range(self.rnd.randint(1, most)):
            if self.budget > 0:
                self.budget -= 1
                made.append(self.statement())
        return " ".join(made) or ";"

    def statement(self) -> str:
        kind = self.rnd.random()
        if kind < 0.12:
            self.counters, self.loops = self.counters + 1, self.loops + 1
            made = self.fill(self.rnd.choice(LOOPS).replace("$k", f"k{self.counters}"))
            self.loops -= 1
            return made
        if kind < 0.35:
            loops, self.loops = self.loops, 0
            made = self.fill(self.rnd.choice(NESTED))
            self.loops = loops
            return made
        jumps = ("if ($c) break;", "if ($c) continue;") if self.loops else ()
        return self.fill(self.rnd.choice((*SIMPLE, *jumps)))


def function(name: str, seed: int) -> str:
    """A function of that kernel."""
    rnd = Random(seed)
    body = Body(rnd, rnd.randint(2, 10))
    first = body.fill(
        f"int v = 0, w = {rnd.choice(('0', '1', 'choose()'))}, again = 0, *p = &t->{rnd.choice(('flag', 'data'))}, *q;"
    )
    lines = (
        first, f"struct thing *u = {rnd.choice(('t', 'o->thing'))}, local = {{ 0 }};", "top:", body.block(8), "out:",
        "WRITE_ONCE(t->data, v);", "WRITE_ONCE(t->flag, w);",
    )  # fmt: skip
    return f"void {name}(struct thing *t, struct owner *o, int n)\n{{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"
