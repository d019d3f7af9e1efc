"""The values of constants of the kernel: enumerators, macros that are numbers, or are computed from numbers.

value(types, "virt/kvm/kvm_main.c", Name("KVM_REQ_UNBLOCK"))    2
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from checker.kernel.syntax import Function, parse
from checker.reach.reading import statements
from checker.reach.statements import Braced, Cast, Do, Expr, Local, Name, Number, Op
from checker.reach.statements import Call as Called
from checker.reach.types import Types

_LAST = re.compile(r"\(\{.*;\s*([^;{}]+);\s*\}\)")  # what `({ …; value; })` is worth
MOST = 1 << 63
DEEPEST = 24
_BITS = {"BIT": 1, "BIT_ULL": 1, "_BITUL": 1, "_BITULL": 1, "UL": 0, "ULL": 0, "_UL": 0, "_AC": 0, "_ULL": 0}
"""Macros over macros of include/linux/bits.h and const.h: whether the number is that of a bit."""


def value(types: Types, path: str, e: Expr, given: Mapping[str, int] | None = None, depth: int = 0) -> int | None:
    """The value of a constant expression in the file `path`; None for what is none, or is not known."""
    if depth > DEEPEST:
        return None
    match e:
        case Number(number):
            return number
        case Cast(_, base):
            return value(types, path, base, given, depth)
        case Braced(body) if body and isinstance(body[-1], Do):
            return value(types, path, body[-1].value, given, depth)
        case Name(name):
            return given[name] if given is not None and name in given else named(types, path, name, depth)
        case Op(op, args):
            found = [value(types, path, a, given, depth + 1) for a in args]
            known = [n for n in found if n is not None]
            return computed(op, known) if len(known) == len(found) else None
        case Called(name, args):
            numbers = [value(types, path, a, given, depth + 1) for a in args]
            return _called(types, path, name, numbers, depth)
    return None


def named(types: Types, path: str, name: str, depth: int = 0) -> int | None:
    """The value of an enumerator, or of a macro without brackets."""
    known = types.enumerator(path, name)
    if known is not None:
        return known
    macro = types.macro(path, name)
    if macro is None or macro.params is not None or macro.text == name:
        return None
    body = expression(macro.text)
    return value(types, path, body, None, depth + 1) if body is not None else None


def _called(types: Types, path: str, name: str, numbers: list[int | None], depth: int) -> int | None:
    if name in _BITS and numbers and numbers[0] is not None:
        return numbers[0] if not _BITS[name] else 1 << numbers[0] if 0 <= numbers[0] < 63 else None
    if name in ("GENMASK", "GENMASK_ULL") and len(numbers) == 2 and numbers[0] is not None and numbers[1] is not None:
        return (2 << numbers[0]) - (1 << numbers[1]) if 0 <= numbers[1] <= numbers[0] < 62 else None
    macro = types.macro(path, name)
    if macro is None or macro.params is None or len(macro.params) != len(numbers) or None in numbers:
        return None
    body = expression(macro.text)
    given = {param: n for param, n in zip(macro.params, numbers, strict=True) if n is not None}
    return value(types, path, body, given, depth + 1) if body is not None else None


def computed(op: str, args: list[int]) -> int | None:
    """What an operation makes of numbers; None where that is not said here."""
    match op, args:
        case "-", [a]:
            made = -a
        case "~", [a]:
            made = ~a
        case "!", [a]:
            made = int(not a)
        case "?:", [test, then, other]:
            made = then if test else other
        case (("<<" | ">>"), [a, b]):
            if not 0 <= b < 63:
                return None
            made = a << b if op == "<<" else a >> b
        case (("/" | "%"), [a, b]):
            if b <= 0 or a < 0:
                return None
            made = a // b if op == "/" else a % b
        case _, [a, b] if op in _TWO:
            made = int(_TWO[op](a, b))
        case _:
            return None
    return made if -MOST <= made < MOST else None


_TWO: dict[str, Callable[[int, int], int]] = {
    "+": int.__add__, "-": int.__sub__, "*": int.__mul__, "&": int.__and__, "|": int.__or__, "^": int.__xor__,
    "==": int.__eq__, "!=": int.__ne__, "<": int.__lt__, ">": int.__gt__, "<=": int.__le__, ">=": int.__ge__,
    "&&": lambda a, b: bool(a and b), "||": lambda a, b: bool(a or b),
}  # fmt: skip


@functools.lru_cache(maxsize=4096)
def expression(text: str) -> Expr | None:
    """A text as an expression; None for what is none."""
    if block := _LAST.fullmatch(text):
        text = block[1]
    data = b"{ int x = (" + text.encode() + b"); }"
    root = parse(b"void f(void)" + data)
    node = next((n for n in root.children if n.type == "function_definition"), None)
    body = node.child_by_field_name("body") if node is not None else None
    if body is None or root.has_error:
        return None
    made = statements(Function("f", "", body, 0, len(data), 1))
    first = made[0] if len(made) == 1 else None
    return first.value if isinstance(first, Local) else None
