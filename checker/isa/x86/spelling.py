"""How x86 instructions are written: in Intel's spelling (X86 tests, registers of 4 bytes) or AT&T's (X86_64, of 8).

    INTEL.read("MOV [x],$1")            ROWS["mov"], {"d": Memory("x"), "n": Number(1)}, 4 bytes
    ATT.read("lock; xaddl %eax,(x)")    ROWS["xadd"], {"d": Memory("x"), "n": Register("rax", 4)}, 4 bytes, locked

As in herd, a number is one with or without its `$`, and so is a register without its `%`; `[x]` and `(x)` are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from checker.core.source import SyntaxProblem, UnknownName, Unsupported
from checker.core.value import signed
from checker.isa.operand import Memory, Number, Operand, Problem, Register, Word, nearest
from checker.isa.table import Machine, Row
from checker.isa.x86.emit import X86Emitter, X86WideEmitter
from checker.isa.x86.table import NARROW, ROWS, SUFFIXES, WIDE
from checker.program.ir import Loc, RegLoc

_PREFIX = re.compile(r"([;|:\s](?:lock|rep)\s*);", re.I)
_NUMBER = re.compile(r"\$?\s*(-?(?:0[xX][0-9a-fA-F]{1,20}|[0-9]{1,25}))\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./]*\Z")
_PTR = re.compile(r"(byte|word|dword|qword)\s+(?:ptr\s+)?", re.I)
_PTR_SIZES = {"byte": 1, "word": 2, "dword": 4, "qword": 8}
_SEGMENT = re.compile(r"%?(?:cs|ds|es|ss|fs|gs)\s*:\s*", re.I)
_MEMORY = re.compile(r"(-?(?:0x[0-9a-f]{1,16}|[0-9]{1,20})|[a-z_][\w.]*)?\s*[(\[]([^()\[\]]*)[)\]]\Z", re.I)
_TERM = re.compile(r"\s*([+-]?)\s*([^\s+*-]+)\s*(?:\*\s*([^\s+*-]+)\s*)?")
_SHIFTS = {"0": 0, "1": 0, "2": 1, "4": 2, "8": 3}
_WEAK = "non-temporal accesses are not ordered as TSO has it; they are not modelled"
_REFUSED = dict.fromkeys(("movnti", "movntil", "movntiq", "movntdqa", "movntq", "movntdq"), _WEAK) | dict.fromkeys(
    ("clflush", "clflushopt", "clwb"), "caches are not modelled"
)


class Spelling(Machine):
    """Intel's, or with `last` AT&T's: the destination comes last."""

    rows = ROWS
    words = re.compile(r"\s*(?:(lock)\b[\s;]*)?(?:(?:rep|repz|repe)\b[\s;]*(?=nop))?([A-Za-z][A-Za-z0-9]*)\s*", re.I)

    def __init__(self, arch: str, word: int, parts: Mapping[str, Register], *, last: bool) -> None:
        self.arch, self.word, self.parts, self.last = arch, word, parts, last
        self.names = {spelled: part.name for spelled, part in parts.items() if part.size == word}
        self.registers = frozenset(self.names.values())
        self.shown_whole = word == 8
        self.emitter = X86WideEmitter if word == 8 else X86Emitter
        self.fences = ("mfence",) if last else ("MFENCE",)
        self.example = "write 'movl $1,(x)'" if last else "write 'MOV [x],$1'"
        self.forms = {"r": "%eax", "m": "(x)", "i": "$1", "l": "L"} if last else {"r": "EAX", "m": "[x]", "i": "1", "l": "L"}

    def text(self, code: str) -> str:
        """'lock ; addl …' is one instruction."""
        return _PREFIX.sub(r"\1 ", code) if any(prefix in code for prefix in ("lock", "LOCK", "rep", "REP")) else code

    def register(self, name: str) -> str:
        return self.names.get(name.lower(), name)

    def whole(self, name: str) -> str:
        part = self.parts.get(name.lower())
        return part.name if part else ""

    def row(self, mnemonic: str) -> tuple[Row, int]:
        row = ROWS.get(mnemonic)
        if row is not None:
            return row, 0
        row = ROWS.get(mnemonic[:-1])
        if row is not None and row.suffix and mnemonic[-1] in SUFFIXES:
            return row, SUFFIXES[mnemonic[-1]]
        if mnemonic in _REFUSED:
            raise Problem(Unsupported, f"'{mnemonic}' is not supported", _REFUSED[mnemonic])
        raise self.unknown(mnemonic)

    # ------------------------------------------------------------ operands

    def operand(self, word: str, kinds: str) -> Operand:
        if kinds == "l":
            if _NAME.match(word):
                return Word(word)
            raise Problem(Unsupported, f"a jump to {word!r}", "a jump goes to a label")
        part = self.parts.get(word.removeprefix("%").lower())
        if part is not None:
            return part
        if number := _NUMBER.match(word):
            return Number(_integer(number[1]))
        if prefix := _PTR.match(word):
            if _PTR.match(word, prefix.end()):
                raise Problem(SyntaxProblem, "a second size of the same operand", "keep one of them")
            memory = self.operand(word[prefix.end() :], kinds)
            if isinstance(memory, Memory):
                return memory._replace(size=_PTR_SIZES[prefix[1].lower()])
        if "[" in word or "(" in word:
            return self._memory(word)
        raise self._no_operand(word)

    def _no_operand(self, word: str) -> Problem:
        bare = word.removeprefix("%").lower()
        if not word:
            return Problem(SyntaxProblem, "an operand is missing")
        if self.word == 4 and bare in WIDE:
            return Problem(Unsupported, f"X86 has no register {word!r}", "a test for X86_64 has; its first line says so")
        if word.startswith("%"):
            return Problem(UnknownName, f"there is no register {word!r}", nearest(bare, self.parts))
        if _NAME.match(word):
            return Problem(
                UnknownName, f"{word!r} is no register", f"write {f'({word})' if self.last else f'[{word}]'} for the location"
            )
        return Problem(SyntaxProblem, f"this is no operand: {word!r}", "an operand is a register, $1, [x] or (x)")

    def _memory(self, word: str) -> Memory:
        """`[EBX+4]`, `(x)`, `8(%rax,%rbx,4)`, `x(%rip)`."""
        segment = _SEGMENT.match(word)
        if segment and segment[0].lstrip("%")[:2].lower() in ("fs", "gs"):
            raise Problem(Unsupported, "addresses relative to fs or gs", "name the location itself")
        form = _MEMORY.match(word, segment.end() if segment else 0)
        if not form:
            raise _no_address(word, "write [x], [EBX] or 8(%rax,%rbx,4)")
        outside, inside = form[1] or "", form[2]
        memory = Memory(offset=_integer(outside)) if outside.lstrip("-")[:1].isdigit() else Memory(outside)
        if inside.strip().lower() in ("%rip", "rip") and memory.symbol:
            return memory
        if "," in inside:
            return self._scaled(inside.split(","), memory, word)
        for sign, name, scale in _terms(inside, word):
            memory = self._added(memory, sign, name, scale, word)
        return memory

    def _added(self, memory: Memory, sign: str, name: str, scale: str, word: str) -> Memory:
        """`memory` with one more term."""
        if scale and name.isdigit():
            name, scale = scale, name
        if (number := _NUMBER.match(name)) and not scale:
            value = _integer(number[1])
            return memory._replace(offset=memory.offset + (-value if sign == "-" else value))
        if sign != "-":
            register = self._in_address(name)
            if register and not scale and not memory.base:
                return memory._replace(base=register)
            if register and not memory.by and (scale or "1") in ("1", "2", "4", "8"):
                return memory._replace(by=register, shift=_SHIFTS[scale or "1"])
            if not register and not scale and not memory.symbol and _NAME.match(name):
                return memory._replace(symbol=name)
        raise _no_address(word, "an address is x + base + index * scale + n")

    def _scaled(self, parts: list[str], memory: Memory, word: str) -> Memory:
        base, index, scale = (*[p.strip() for p in parts], "1")[:3]
        found = self._in_address(base), self._in_address(index)
        if len(parts) > 3 or scale not in _SHIFTS or (base and not found[0]) or not found[1]:
            raise _no_address(word, "write 8(%rax,%rbx,4)")
        return memory._replace(base=found[0], by=found[1], shift=_SHIFTS[scale])

    def _in_address(self, name: str) -> Register | None:
        """The whole register of that name."""
        part = self.parts.get(name.strip().removeprefix("%").lower())
        if part is None and name.strip().startswith("%"):
            raise Problem(UnknownName, f"there is no register {name.strip()!r}", nearest(name.strip("% ").lower(), self.parts))
        return Register(part.name, self.word) if part else None

    # ------------------------------------------------------------ what goes together

    def order(self, shown: list[str]) -> list[str]:
        return shown[::-1] if self.last else shown

    def line(self, meaning: str, operands: Mapping[str, str], read: frozenset[str], write: frozenset[str]) -> str:
        """As herd7 takes it: with the size behind the mnemonic (but for and), and the memory operand of cmpxchg first."""
        swapped = {"d": operands["n"], "n": operands["d"]} if meaning == "compare_exchange(d, n)" else operands
        line = super().line(meaning, swapped, read, write)
        half = any(part.size == 4 for part in map(self.parts.get, [o[1:] for o in operands.values()]) if part)
        return line.replace("q ", "l ", 1) if half else line

    def printed(self, mnemonic: str) -> str:
        return mnemonic + "q" * (ROWS[mnemonic].suffix and mnemonic not in ("and", "jmp"))

    def arranged(self, row: Row, operands: list[Operand]) -> list[Operand]:
        """Destination first. Where only one of the two can be the destination, either order is taken, as in herd."""
        if len(operands) != 2:
            return operands
        first, second = operands
        if row in (ROWS["cmpxchg"], ROWS["xadd"], ROWS["xchg"]) and isinstance(first, Memory):
            return operands
        swapped = self.last and not (" if " in row.meaning and isinstance(second, Memory))
        return [second, first] if swapped or (row == ROWS["xchg"] and isinstance(second, Memory)) else operands

    def sizes(self, mnemonic: str, row: Row, operands: Mapping[str, Operand], said: int) -> tuple[int, int]:
        d, n = operands.get("d"), operands.get("n")
        if isinstance(d, Memory) and isinstance(n, Memory):
            hint = "an instruction accesses memory once; load into a register first"
            raise Problem(Unsupported, "two operands in memory", hint)
        given = [o.size if isinstance(o, Register | Memory) else 0 for o in (d, n)]
        if max(*given, said) > self.word:
            raise Problem(Unsupported, f"{self.arch} has no operands of 8 bytes", "a test for X86_64 has")
        if row.meaning in ("d = unsigned(n)", "d = n") and (row.sizes[0] or mnemonic[:4] in ("movz", "movs")):
            return _extension(row, given, said)
        if row.meaning == "d = pointed(n)":
            given = given[:1]
        if mnemonic[:3] == "set":
            said = 1
        sizes = {*given, said} - {0}
        if len(sizes) > 1 and row.meaning:
            spoken = " and ".join(str(s) for s in sorted(sizes))
            raise Problem(SyntaxProblem, f"operands of {spoken} bytes", "the operands of an instruction have one size")
        size = max(sizes) if sizes else 4
        return size, size

    def checked(self, mnemonic: str, row: Row, operands: dict[str, Operand], size: int, *, locked: bool) -> dict[str, Operand]:
        if locked and not (row.lock and any(isinstance(o, Memory) for o in operands.values())):
            what = "an instruction that writes no memory" if row.lock else f"'{mnemonic}'"
            hint = "lock goes with add, sub, and, or, xor, inc, dec, neg, not, xadd, cmpxchg, bts, btr and btc of memory"
            raise Problem(Unsupported, f"lock cannot prefix {what}", hint, 0, 4)
        bits = 64 if row.meaning[:3] == "bit" else 8 * size
        for name, o in operands.items():
            if isinstance(o, Number):
                if not -(1 << bits - 1) <= o.value < 1 << bits:
                    raise Problem(SyntaxProblem, f"{o.value} does not fit into {bits // 8} byte{'s' * (bits > 8)}")
                operands[name] = Number(signed(o.value, bits))
        return operands

    def locks(self, row: Row, operands: Mapping[str, Operand], *, prefix: bool) -> bool:
        """An exchange with memory is locked without a prefix."""
        return prefix or (row.meaning == "d, n = n, d" and any(isinstance(o, Memory) for o in operands.values()))

    def viewed(self, loc: Loc, width: int) -> bool:
        return width > 0 or (self.word == 8 and isinstance(loc, RegLoc))


def _integer(text: str) -> int:
    return int(text, 0) if "x" in text.lower() else int(text)


def _no_address(word: str, hint: str) -> Problem:
    return Problem(SyntaxProblem, f"this is no address: {word!r}", hint)


def _terms(inside: str, word: str) -> Sequence[tuple[str, str, str]]:
    found, end = [], 0
    while end < len(inside):
        term = _TERM.match(inside, end)
        if not term or (end and not term[1]):
            break
        found.append((term[1], term[2], term[3] or ""))
        end = term.end()
    if end < len(inside) or not found:
        raise _no_address(word, "write [x], [EBX] or [EBX+4]")
    return found


def _extension(row: Row, given: list[int], said: int) -> tuple[int, int]:
    """The sizes of the destination and of what is read."""
    size, source = row.sizes[1] or given[0], row.sizes[0] or given[1] or said
    if not source:
        raise Problem(SyntaxProblem, "how many bytes are read?", "write 'byte ptr [x]' or 'word ptr [x]', or movzbl")
    if size <= source or (given[0] or size) != size or (given[1] or source) != source:
        raise Problem(SyntaxProblem, f"operands of {given[0]} and {given[1] or source} bytes", "the source is the smaller one")
    return size, source


INTEL, ATT = Spelling("X86", 4, NARROW, last=False), Spelling("X86_64", 8, WIDE, last=True)
