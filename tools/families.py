"""Families of litmus tests that grow with n: rings of threads, writers of one location, readers of one release.

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
        head = f"P{i}({', '.join(f'int *{p}' for p in params)})"
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
SIZES = (2, 4, 8, 16, 32)
