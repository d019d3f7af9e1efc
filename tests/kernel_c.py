"""Checking kernel-C text in a test."""

from __future__ import annotations

from functools import cache

from checker.cat.term import Model
from checker.check import Options, check
from checker.core.source import Source
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.program.ir import Test
from checker.result import Result


def parse(text: str) -> Test:
    return parse_test(Source("test.litmus", text))


@cache
def model(name: str) -> Model:
    return load_model(name)


def result(text: str, name: str = "lkmm") -> Result:
    """What the model `name` says of a test, with all its final states."""
    return check(parse(text), model(name), Options(states=True))


def contended(threads: int) -> str:
    """Many read-modify-writes of one location: no checker is done with them at once."""
    code = "\n".join(
        f"P{i}(atomic_t *a) {{ int r = atomic_fetch_add({i + 1}, a); int s = atomic_fetch_sub(1, a); }}" for i in range(threads)
    )
    return f"C contended\n(* Result: Sometimes *)\n{{}}\n{code}\nlocations [0:r; 1:r; 2:r]\nexists (0:s=0)\n"
