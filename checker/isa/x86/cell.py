"""One x86 instruction as written, in Intel's or in AT&T's spelling: its row of the table and its operands, destination first.

    read("MOV [x],$1", intel)           Instruction(ROWS["mov"], (Memory("x"), Number(1)))
    read("lock; xaddl %eax,(x)", att)   Instruction(ROWS["xadd"], (Memory("x"), Part("rax", 4)), size=4, locked=True)

As in herd, a number is one with or without its `$`, and so is a register without its `%`; `[x]` and `(x)` are the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from checker.core.source import CheckerError, SyntaxProblem, UnknownName, Unsupported
from checker.isa.asm import nearest
from checker.isa.x86.table import NARROW, ROWS, SUFFIXES, WIDE, Part, Row


class Number(NamedTuple):
    value: int


class Target(NamedTuple):
    """The label a jump goes to."""

    label: str


class Memory(NamedTuple):
    """`symbol + base + scaled * scale + offset`; `size` in bytes where a prefix says it (`DWORD PTR`)."""

    symbol: str = ""
    base: str = ""
    scaled: str = ""
    scale: int = 1
    offset: int = 0
    size: int = 0


Operand: TypeAlias = Part | Number | Memory | Target


class Instruction(Struct, frozen=True):
    """`size` is that of the operation, in bytes; for extensions, `source` is that of what is read."""

    mnemonic: str
    row: Row
    operands: tuple[Operand, ...]
    size: int
    source: int
    locked: bool


class Problem(Exception):
    """What is wrong with a line, at `start` and for `length` characters of it."""

    def __init__(self, kind: type[CheckerError], message: str, start: int, length: int, hint: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.start, self.length, self.hint = kind, message, start, length, hint


class Syntax(NamedTuple):
    """The spelling of an architecture: whether the destination comes last, and the size of a register in bytes."""

    arch: str
    last: bool
    word: int


INTEL, ATT = Syntax("X86", False, 4), Syntax("X86_64", True, 8)

_WORDS = re.compile(r"\s*(?:(lock)\b[\s;]*)?(?:(?:rep|repz|repe)\b[\s;]*(?=nop))?([A-Za-z][A-Za-z0-9]*)\s*", re.I)
_PIECES = re.compile(r"(?:[^,(\[]|\([^()]*\)|\[[^\[\]]*\])+")
_NUMBER = re.compile(r"\$?\s*(-?(?:0[xX][0-9a-fA-F]{1,20}|[0-9]{1,25}))\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./]*\Z")
_PTR = re.compile(r"(byte|word|dword|qword)\s+(?:ptr\s+)?", re.I)
_PTR_SIZES = {"byte": 1, "word": 2, "dword": 4, "qword": 8}
_SEGMENT = re.compile(r"%?(?:cs|ds|es|ss|fs|gs)\s*:\s*", re.I)
_ATT_MEMORY = re.compile(r"(-?(?:0x[0-9a-f]{1,16}|[0-9]{1,20})|[a-z_][\w.]*)?\s*[(\[]([^()\[\]]*)[)\]]\Z", re.I)
_TERM = re.compile(r"\s*([+-]?)\s*([^\s+*-]+)\s*(?:\*\s*([^\s+*-]+)\s*)?")


@lru_cache(maxsize=8192)
def read(text: str, syntax: Syntax) -> Instruction:
    """The instruction in `text`, which has no blanks around. Raises Problem."""
    words = _WORDS.match(text)
    if not words:
        raise Problem(SyntaxProblem, "an instruction begins with its name", 0, len(text), _EXAMPLE[syntax.last])
    mnemonic, locked = words[2].lower(), bool(words[1])
    row, size = _row(mnemonic, words.start(2))
    operands = _operands(text, words.end(), row, syntax)
    if syntax.last and row.kind not in ("jump", "jump-if"):
        operands = _destination_first(row, operands)
    at = (words.start(2), len(text) - words.start(2))
    _check_pattern(mnemonic, row, operands, at)
    size, source = _sizes(mnemonic, row, operands, size, syntax, at)
    if locked and not (row.lock and operands and any(isinstance(o, Memory) for o in operands)):
        what = "an instruction that writes no memory" if row.lock else f"'{mnemonic}'"
        hint = "lock goes with add, sub, and, or, xor, inc, dec, neg, not, xadd, cmpxchg, bts, btr and btc of memory"
        raise Problem(Unsupported, f"lock cannot prefix {what}", 0, words.start(2), hint)
    values = tuple([_fitting(o, size if row.kind != "bit" else 8, at) if isinstance(o, Number) else o for o in operands])
    return Instruction(mnemonic, row, values, size, source, locked)


_EXAMPLE = {False: "write 'MOV [x],$1'", True: "write 'movl $1,(x)'"}


def _row(mnemonic: str, at: int) -> tuple[Row, int]:
    """The row of a mnemonic, and the size that its last letter says."""
    row = ROWS.get(mnemonic)
    if row is not None:
        return row, 0
    row = ROWS.get(mnemonic[:-1])
    if row is not None and row.suffix and mnemonic[-1] in SUFFIXES:
        return row, SUFFIXES[mnemonic[-1]]
    if mnemonic in _REFUSED:
        raise Problem(Unsupported, f"'{mnemonic}' is not supported", at, len(mnemonic), _REFUSED[mnemonic])
    raise Problem(UnknownName, f"unknown instruction '{mnemonic}'", at, len(mnemonic), nearest(mnemonic, ROWS))


_WEAK = "non-temporal accesses are not ordered as TSO has it; they are not modelled"
_REFUSED = dict.fromkeys(("movnti", "movntil", "movntiq", "movntdqa", "movntq", "movntdq"), _WEAK) | dict.fromkeys(
    ("clflush", "clflushopt", "clwb"), "caches are not modelled"
)


def _operands(text: str, at: int, row: Row, syntax: Syntax) -> tuple[Operand, ...]:
    if at >= len(text):
        return ()
    found: list[Operand] = []
    while True:
        piece = _PIECES.match(text, at)
        end = piece.end() if piece else len(text)
        word = text[at:end]
        start = at + len(word) - len(word.lstrip())
        found.append(_operand(word.strip(), start, row, syntax))
        if end >= len(text):
            return tuple(found)
        if text[end] != ",":
            raise Problem(SyntaxProblem, f"unexpected {text[end]!r}", end, 1, "operands are separated by ','")
        at = end + 1


def _operand(word: str, at: int, row: Row, syntax: Syntax) -> Operand:
    length = max(1, len(word))
    if row.kind in ("jump", "jump-if"):
        if _NAME.match(word):
            return Target(word)
        raise Problem(Unsupported, f"a jump to {word!r}", at, length, "a jump goes to a label")
    parts = WIDE if syntax.word == 8 else NARROW
    part = parts.get(word.removeprefix("%").lower())
    if part is not None:
        return part
    if number := _NUMBER.match(word):
        value = int(number[1], 0) if "x" in number[1].lower() else int(number[1])
        return Number(value)
    if prefix := _PTR.match(word):
        if again := _PTR.match(word, prefix.end()):
            raise Problem(SyntaxProblem, "a second size of the same operand", at + again.start(), len(again[0]), "keep one of them")
        memory = _operand(word[prefix.end() :], at + prefix.end(), row, syntax)
        if isinstance(memory, Memory):
            return memory._replace(size=_PTR_SIZES[prefix[1].lower()])
    if "[" in word or "(" in word:
        return _memory(word, at, parts)
    raise _no_operand(word, at, syntax)


def _no_operand(word: str, at: int, syntax: Syntax) -> Problem:
    length = max(1, len(word))
    bare = word.removeprefix("%").lower()
    if not word:
        return Problem(SyntaxProblem, "an operand is missing", at, 1)
    if syntax.word == 4 and bare in WIDE:
        return Problem(Unsupported, f"X86 has no register {word!r}", at, length, "a test for X86_64 has; its first line says so")
    if word.startswith("%"):
        return Problem(
            UnknownName, f"there is no register {word!r}", at, length, nearest(bare, WIDE if syntax.word == 8 else NARROW)
        )
    if _NAME.match(word):
        hint = f"write ({word}) for the location" if syntax.last else f"write [{word}] for the location"
        return Problem(UnknownName, f"{word!r} is no register", at, length, hint)
    return Problem(SyntaxProblem, f"this is no operand: {word!r}", at, length, "an operand is a register, $1, [x] or (x)")


def _memory(word: str, at: int, parts: dict[str, Part]) -> Memory:
    """`[EBX+4]`, `(x)`, `8(%rax,%rbx,4)`, `x(%rip)`."""
    segment = _SEGMENT.match(word)
    start = segment.end() if segment else 0
    if segment and segment[0].lstrip("%")[:2].lower() in ("fs", "gs"):
        raise Problem(Unsupported, "addresses relative to fs or gs", at, len(word), "name the location itself")
    form = _ATT_MEMORY.match(word, start)
    if not form:
        raise Problem(SyntaxProblem, f"this is no address: {word!r}", at, len(word), "write [x], [EBX] or 8(%rax,%rbx,4)")
    memory = _outside(form[1] or "")
    inside = form[2]
    if inside.strip().lower() in ("%rip", "rip") and memory.symbol:
        return memory
    if "," in inside:
        return _scaled(inside.split(","), memory, word, at, parts)
    for sign, name, scale in _terms(inside, word, at):
        memory = _added(memory, sign, name, scale, parts, word, at)
    return memory


def _outside(text: str) -> Memory:
    if not text:
        return Memory()
    return Memory(offset=int(text, 0 if "x" in text.lower() else 10)) if text.lstrip("-")[0].isdigit() else Memory(text)


def _terms(inside: str, word: str, at: int) -> Sequence[tuple[str, str, str]]:
    found, end = [], 0
    while end < len(inside):
        term = _TERM.match(inside, end)
        if not term or (end and not term[1]):
            break
        found.append((term[1], term[2], term[3] or ""))
        end = term.end()
    if end < len(inside) or not found:
        raise Problem(SyntaxProblem, f"this is no address: {word!r}", at, len(word), "write [x], [EBX] or [EBX+4]")
    return found


def _added(memory: Memory, sign: str, name: str, scale: str, parts: dict[str, Part], word: str, at: int) -> Memory:
    """`memory` with one more term."""
    if scale and name.isdigit():
        name, scale = scale, name
    if number := _NUMBER.match(name):
        value = int(number[1], 0) if "x" in number[1].lower() else int(number[1])
        if not scale:
            return memory._replace(offset=memory.offset + (-value if sign == "-" else value))
    if sign != "-":
        register = _address_register(name, parts, word, at)
        if register and not scale and not memory.base:
            return memory._replace(base=register)
        if register and not memory.scaled and (scale or "1") in ("1", "2", "4", "8"):
            return memory._replace(scaled=register, scale=int(scale or "1"))
        if not register and not scale and not memory.symbol and _NAME.match(name):
            return memory._replace(symbol=name)
    raise Problem(SyntaxProblem, f"this is no address: {word!r}", at, len(word), "an address is x + base + index * scale + n")


def _scaled(pieces: list[str], memory: Memory, word: str, at: int, parts: dict[str, Part]) -> Memory:
    base, index, scale = (*[p.strip() for p in pieces], "1")[:3]
    registers = [_address_register(name, parts, word, at) if name else "" for name in (base, index)]
    if len(pieces) > 3 or scale not in ("0", "1", "2", "4", "8") or (base and not registers[0]) or not registers[1]:
        raise Problem(SyntaxProblem, f"this is no address: {word!r}", at, len(word), "write 8(%rax,%rbx,4)")
    return memory._replace(base=registers[0], scaled=registers[1], scale=int(scale))


def _address_register(name: str, parts: dict[str, Part], word: str, at: int) -> str:
    """The whole register of that name, "" when it is none."""
    part = parts.get(name.strip().removeprefix("%").lower())
    if part is None:
        if name.strip().startswith("%"):
            bare = name.strip("% ").lower()
            raise Problem(UnknownName, f"there is no register {name.strip()!r}", at, len(word), nearest(bare, parts))
        return ""
    return part.name


# ---------------------------------------------------------------- what goes together


def _destination_first(row: Row, operands: tuple[Operand, ...]) -> tuple[Operand, ...]:
    """AT&T operands in Intel's order. Where only one of the two can be the destination, either order is taken, as in herd."""
    if len(operands) != 2:
        return operands
    first, second = operands
    if row.kind in ("compare-exchange", "exchange-add") and isinstance(first, Memory):
        return operands
    if row.kind == "move-if" and isinstance(second, Memory):
        return operands
    return second, first


_LETTER = {Part: "r", Memory: "m", Number: "i", Target: "l"}
_SPOKEN = {"r": "a register", "m": "memory", "i": "a number", "l": "a label"}


def _check_pattern(mnemonic: str, row: Row, operands: tuple[Operand, ...], at: tuple[int, int]) -> None:
    optional = bool(row.operands) and row.operands[0].endswith("?")
    if len(operands) != len(row.operands) and not (optional and not operands):
        wanted = len(row.operands)
        raise Problem(SyntaxProblem, f"'{mnemonic}' takes {wanted or 'no'} operand{'s' * (wanted != 1)}", *at)
    letters = [_LETTER[type(o)] for o in operands]
    for letter, pattern in zip(letters, row.operands, strict=False):
        if letter not in pattern:
            takes = " or ".join(_SPOKEN[p] for p in pattern if p in _SPOKEN)
            raise Problem(SyntaxProblem, f"'{mnemonic}' cannot take {_SPOKEN[letter]} there", *at, f"it takes {takes}")
    if letters.count("m") > 1:
        raise Problem(Unsupported, "two operands in memory", *at, "an instruction accesses memory once; load into a register first")


def _sizes(
    mnemonic: str, row: Row, operands: tuple[Operand, ...], suffix: int, syntax: Syntax, at: tuple[int, int]
) -> tuple[int, int]:
    """The size of the operation and, for an extension, of its source."""
    said = [o.size for o in operands if isinstance(o, Part) or (isinstance(o, Memory) and o.size)]
    if any(s > syntax.word for s in (*said, suffix)):
        raise Problem(Unsupported, f"{syntax.arch} has no operands of 8 bytes", *at, "a test for X86_64 has")
    if row.kind == "extend":
        return _extension(row, operands, suffix, at)
    if row.kind == "address":
        said = [o.size for o in operands if isinstance(o, Part)]
    if row.kind == "set":
        suffix = 1
    sizes = {*said, suffix} - {0}
    if len(sizes) > 1 and row.kind != "nothing":
        spoken = " and ".join(str(s) for s in sorted(sizes))
        raise Problem(SyntaxProblem, f"operands of {spoken} bytes", *at, "the operands of an instruction have one size")
    return (max(sizes) if sizes else 4), 0


def _extension(row: Row, operands: tuple[Operand, ...], suffix: int, at: tuple[int, int]) -> tuple[int, int]:
    given = [o.size if isinstance(o, Part | Memory) else 0 for o in operands]
    size, source = row.sizes[1] or given[0], row.sizes[0] or given[1] or suffix
    if not source:
        raise Problem(SyntaxProblem, "how many bytes are read?", *at, "write 'byte ptr [x]' or 'word ptr [x]', or movzbl")
    if size <= source or (given[0] or size) != size or (given[1] or source) != source:
        raise Problem(SyntaxProblem, f"operands of {given[0]} and {given[1] or source} bytes", *at, "the source is the smaller one")
    return size, source


def _fitting(number: Number, size: int, at: tuple[int, int]) -> Number:
    """The number as a signed one of `size` bytes."""
    bits = 8 * size
    if not -(1 << bits - 1) <= number.value < 1 << bits:
        raise Problem(SyntaxProblem, f"{number.value} does not fit into {size} byte{'s' * (size != 1)}", *at)
    return Number(number.value - (1 << bits) if number.value >> (bits - 1) > 0 else number.value)
