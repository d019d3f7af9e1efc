"""Random small kernel-C litmus tests, as text: for the laws that hold of every test."""

from __future__ import annotations

from random import Random

KINDS = {
    "plain": ("read", "write"),
    "marked": ("READ_ONCE", "WRITE_ONCE", "smp_load_acquire", "smp_store_release"),
    "fences": ("fence",),
    "rmw": ("xchg", "cmpxchg", "add_return", "inc"),
    "rcu": ("rcu", "synchronize_rcu"),
    "srcu": ("srcu", "synchronize_srcu"),
    "locks": ("spin", "trylock"),
    "pointers": ("load pointer", "store pointer"),
    "branches": ("if",),
}
FENCES = ("smp_mb();", "smp_rmb();", "smp_wmb();")
HARDWARE = ("plain", "marked", "fences", "rmw", "branches", "pointers")
PARAMETERS = {
    "x": "int *x", "y": "int *y", "p": "int **p", "a": "atomic_t *a", "l": "spinlock_t *l", "s": "struct srcu_struct *s",
}  # fmt: skip


class _Process:
    """One process while it is written. `budget`: how many more events it may get."""

    def __init__(self, rnd: Random, choices: list[str], budget: int) -> None:
        self.rnd, self.choices, self.budget = rnd, choices, budget
        self.integers: list[str] = []
        self.pointers: list[str] = []
        self.named: set[str] = set()

    def register(self, into: list[str]) -> str:
        into.append(f"r{len(self.integers) + len(self.pointers)}")
        return into[-1]

    def name(self, what: str) -> str:
        self.named.add(what)
        return what

    def place(self) -> str:
        if self.pointers and self.rnd.random() < 0.6:
            return self.rnd.choice(self.pointers)
        return self.name(self.rnd.choice("xy"))

    def value(self) -> str:
        if self.integers and self.rnd.random() < 0.3:
            r = self.rnd.choice(self.integers)
            return self.rnd.choice([r, f"{r} + 1", f"({r} ^ {r}) + 1", f"({r} == 1)"])
        return self.rnd.choice("12")

    def suffix(self) -> str:
        return self.rnd.choice(("", "_relaxed", "_acquire", "_release"))

    def block(self, most: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self.rnd.randint(1, most)):
            if self.budget > 0:
                self.budget -= 1
                lines += self.statement(self.rnd.choice(self.choices))
        return lines

    def assigned(self, call: str) -> list[str]:
        return [f"{self.register(self.integers)} = {call};"]

    def statement(self, kind: str) -> list[str]:
        rnd = self.rnd
        match kind:
            case "read":
                return self.assigned(f"*{self.place()}")
            case "write":
                return [f"*{self.place()} = {self.value()};"]
            case "READ_ONCE":
                return self.assigned(f"READ_ONCE(*{self.place()})")
            case "smp_load_acquire":
                return self.assigned(f"smp_load_acquire({self.place()})")
            case "WRITE_ONCE":
                return [f"WRITE_ONCE(*{self.place()}, {self.value()});"]
            case "smp_store_release":
                return [f"smp_store_release({self.place()}, {self.value()});"]
            case "fence":
                return [rnd.choice(FENCES)]
            case "xchg":
                return self.assigned(f"xchg{self.suffix()}({self.place()}, {self.value()})")
            case "cmpxchg":
                return self.assigned(f"cmpxchg{self.suffix()}({self.place()}, {rnd.choice('01')}, {self.value()})")
            case "add_return":
                return self.assigned(f"atomic_add_return{self.suffix()}({rnd.choice('12')}, {self.name('a')})")
            case "inc":
                return [f"atomic_inc({self.name('a')});"]
            case "synchronize_rcu":
                return ["synchronize_rcu();"]
            case "synchronize_srcu":
                return [f"synchronize_srcu({self.name('s')});"]
            case "rcu":
                return ["rcu_read_lock();", *self.block(2), "rcu_read_unlock();"]
            case "spin":
                return [f"spin_lock({self.name('l')});", *self.block(2), f"spin_unlock({self.name('l')});"]
            case "load pointer":
                self.name("p")
                return [f"{self.register(self.pointers)} = {rnd.choice(('READ_ONCE(*p)', 'rcu_dereference(*p)'))};"]
            case "store pointer":
                self.name("p")
                return [rnd.choice(("WRITE_ONCE(*p, {});", "rcu_assign_pointer(*p, {});")).format(self.name(rnd.choice("xy")))]
        return self.structured(kind)

    def structured(self, kind: str) -> list[str]:
        match kind:
            case "srcu":
                cookie = self.assigned(f"srcu_read_lock({self.name('s')})")
                name = self.integers[-1]
                return [*cookie, *self.block(2), f"srcu_read_unlock(s, {name});"]
            case "trylock":
                taken = self.assigned(f"spin_trylock({self.name('l')})")
                name = self.integers[-1]
                return [*taken, f"if ({name}) {{", *self.block(2), "spin_unlock(l);", "}"]
        if not self.integers:
            return self.statement("READ_ONCE")
        r = self.rnd.choice(self.integers)
        lines = [f"if ({self.rnd.choice((r, f'{r} == 0', f'{r} != 1'))}) {{", *self.block(2)]
        if self.rnd.random() < 0.4:
            lines += ["} else {", *self.block(2)]
        return [*lines, "}"]


def random_text(
    rnd: Random, *, kinds: tuple[str, ...] = tuple(KINDS), most: int = 3, processes: tuple[int, ...] = (2, 2, 3)
) -> str:
    """A test of 2 or 3 processes of at most `most` statements, which shows all its registers and locations."""
    chosen = rnd.sample(kinds, min(len(kinds), rnd.randint(2, 4)))
    choices = [k for name in {*chosen, "marked"} & {*kinds} or {*chosen} for k in KINDS[name]]
    choices.sort()
    text, shown = "", ["x", "y"]
    for tid in range(rnd.choice(processes)):
        p = _Process(rnd, choices, most)
        lines = p.block(most)
        declared = [f"int {r};" for r in p.integers] + [f"int *{r};" for r in p.pointers]
        body = "".join(f"\t{line}\n" for line in [*declared, *lines])
        text += f"P{tid}({', '.join(PARAMETERS[n] for n in sorted(p.named))})\n{{\n{body}}}\n\n"
        shown += [f"{tid}:{r}" for r in (*p.integers, *p.pointers)]
    condition = f"{rnd.choice(('exists', '~exists', 'forall'))} ({rnd.choice(shown)}={rnd.choice('01')})"
    initial = "int x; int y; int *p = &x; atomic_t a = ATOMIC_INIT(0);"
    return f"C random\n\n{{ {initial} }}\n\n{text}locations [{' '.join(f'{s};' for s in shown)} a;]\n{condition}\n"
