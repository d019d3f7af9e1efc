"""Families of litmus tests that grow with n: rings of threads, writers of one location, readers of one release, long threads.

Each makes the text of a kernel-C test for n threads whose condition is the outcome of interest, so that growth shows in a
benchmark. A ring of n threads is the n-fold version of the two-thread test: each thread's second access is to the location of
the next one's first.

    store_buffer(2, "smp_mb();")  is  SB with full fences
"""

from __future__ import annotations

from collections.abc import Callable


def _test(name: str, bodies: list[tuple[list[str], list[str]]], condition: str) -> str:
    threads = []
    for i, (params, body) in enumerate(bodies):
        head = f"P{i}({', '.join(p if ' ' in p else f'int *{p}' for p in params)})"
        threads.append(head + "\n{\n" + "".join(f"\t{line}\n" for line in body) + "}\n")
    return f"C {name}\n{{}}\n\n" + "\n".join(threads) + f"\nexists ({condition})\n"


def _ring(name: str, n: int, body: Callable[[str, str], list[str]], result: str) -> str:
    xs = [f"x{i}" for i in range(n)]
    bodies = [([xs[i], xs[(i + 1) % n]], ["int r0;", *body(xs[i], xs[(i + 1) % n])]) for i in range(n)]
    return _test(name, bodies, " /\\ ".join(f"{i}:r0={result}" for i in range(n)))


def store_buffer(n: int, fence: str = "") -> str:
    """Each thread writes its location, then reads the next one's; can all read 0?"""
    return _ring(f"SB{n}{'+mbs' * bool(fence)}", n, lambda x, y: [f"WRITE_ONCE(*{x}, 1);", fence, f"r0 = READ_ONCE(*{y});"], "0")


def load_buffer(n: int, fence: str = "") -> str:
    """Each thread reads its location, then writes the next one's; can all read 1?"""
    return _ring(f"LB{n}{'+mbs' * bool(fence)}", n, lambda x, y: [f"r0 = READ_ONCE(*{x});", fence, f"WRITE_ONCE(*{y}, 1);"], "1")


def message_passing(n: int, fence: str = "") -> str:
    """Data, then a flag that is handed on from thread to thread; can the last one see the flag, not the data?"""
    bodies = [(["d", "f1"], ["WRITE_ONCE(*d, 1);", fence, "WRITE_ONCE(*f1, 1);"])]
    for i in range(1, n - 1):
        lines = ["int r0;", f"r0 = READ_ONCE(*f{i});", fence, f"WRITE_ONCE(*f{i + 1}, 1);"]
        bodies.append(([f"f{i}", f"f{i + 1}"], lines))
    last = n - 1
    bodies.append((["d", f"f{last}"], ["int r0;", "int r1;", f"r0 = READ_ONCE(*f{last});", fence, "r1 = READ_ONCE(*d);"]))
    seen = " /\\ ".join(f"{i}:r0=1" for i in range(1, n))
    return _test(f"MP{n}{'+mbs' * bool(fence)}", bodies, f"{seen} /\\ {last}:r1=0")


def writers(n: int) -> str:
    """n threads write one location; can the first thread's value be the last, after the last thread saw it overwritten?"""
    bodies = [(["x"], ["int r0;", f"WRITE_ONCE(*x, {i + 1});", "r0 = READ_ONCE(*x);"]) for i in range(n)]
    return _test(f"W{n}", bodies, f"{n - 1}:r0=1 /\\ 0:r0={n} /\\ x=1")


def readers(n: int) -> str:
    """One release, n - 1 acquiring readers; can one see the flag and not the data?"""
    bodies = [(["d", "f"], ["WRITE_ONCE(*d, 1);", "smp_store_release(f, 1);"])]
    bodies.extend((["d", "f"], ["int r0;", "int r1;", "r0 = smp_load_acquire(f);", "r1 = READ_ONCE(*d);"]) for _ in range(n - 1))
    return _test(f"R{n}", bodies, " \\/ ".join(f"{i}:r0=1 /\\ {i}:r1=0" for i in range(1, n)))


def accesses(n: int) -> str:
    """4 threads write and read 4 locations in turn, n times; does the first read see what the last thread wrote?"""
    xs = [f"x{i}" for i in range(4)]
    bodies = []
    for t in range(4):
        body = []
        for k in range(n):
            x = xs[(k * k + t) % 4]
            body.append(f"WRITE_ONCE(*{x}, {t * n + k + 1});" if (k + t) % 3 else f"int r{k} = READ_ONCE(*{x});")
        bodies.append((xs, body))
    return _test(f"A4x{n}", bodies, f"0:r0={3 * n + 2}")


def writes(n: int) -> str:
    """Two threads with n writes each to one location; can the first of all be the last?"""
    return _test(f"W2x{n}", [(["x"], [f"WRITE_ONCE(*x, {t * n + k + 1});" for k in range(n)]) for t in range(2)], "x=1")


def coherence_ring(n: int) -> str:
    """Each thread writes its location, then the next one's, with a full fence between; can all first writes be the last?"""
    bodies = []
    for i in range(n):
        x, y = f"x{i}", f"x{(i + 1) % n}"
        bodies.append(([x, y], [f"WRITE_ONCE(*{x}, 2);", "smp_mb();", f"WRITE_ONCE(*{y}, 1);"]))
    return _test(f"2+2W{n}+mbs", bodies, " /\\ ".join(f"x{i}=2" for i in range(n)))


def section_ring(n: int, domain: str) -> str:
    """A ring of load buffering in which each other thread is a read-side critical section, and the rest wait for a grace period."""
    s, params = ("s", ["struct srcu_struct *s"]) if domain == "srcu" else ("", [])
    taken, given = ("int i = srcu_read_lock(s);", "srcu_read_unlock(s, i);") if s else ("rcu_read_lock();", "rcu_read_unlock();")
    bodies = []
    for i in range(n):
        x, y = f"x{i}", f"x{(i + 1) % n}"
        read, write = f"int r0 = READ_ONCE(*{x});", f"WRITE_ONCE(*{y}, 1);"
        body = [read, f"synchronize_{domain}({s});", write] if i % 2 else [taken, read, write, given]
        bodies.append(([x, y, *params], body))
    return _test(f"LB{n}+{domain}", bodies, " /\\ ".join(f"{i}:r0=1" for i in range(n)))


def counter(n: int) -> str:
    """n threads add one with atomic_cmpxchg() in a loop; is none lost?"""
    body = ["int r0 = atomic_read(x);", "int r1 = atomic_cmpxchg(x, r0, r0 + 1);"]
    body += ["while (r1 != r0) {", "  r0 = r1;", "  r1 = atomic_cmpxchg(x, r0, r0 + 1);", "}"]
    return _test(f"CAS{n}", [(["atomic_t *x"], body)] * n, f"x={n}")


def disjuncts(n: int) -> str:
    """Store buffering with a condition of 64 n alternatives."""
    text = store_buffer(2)
    return text[: text.index("exists")] + "exists (" + " \\/ ".join(f"(0:r0={k} /\\ 1:r0={k + 1})" for k in range(64 * n)) + ")\n"


FAMILIES: dict[str, Callable[[int], str]] = {
    "SB ring": store_buffer,
    "SB ring, smp_mb": lambda n: store_buffer(n, "smp_mb();"),
    "LB ring": load_buffer,
    "LB ring, smp_mb": lambda n: load_buffer(n, "smp_mb();"),
    "MP chain": message_passing,
    "MP chain, smp_mb": lambda n: message_passing(n, "smp_mb();"),
    "writers": writers,
    "readers": readers,
}
GROWING: dict[str, Callable[[int], str]] = {
    "accesses": accesses,
    "writes": writes,
    "2+2W ring, smp_mb": coherence_ring,
    "RCU ring": lambda n: section_ring(n, "rcu"),
    "SRCU ring": lambda n: section_ring(n, "srcu"),
    "disjuncts": disjuncts,
}
SIZES = (2, 4, 8, 16, 32)
