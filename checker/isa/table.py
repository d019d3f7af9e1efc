"""An instruction set: a row for each mnemonic, which says what it takes and what it means; and how a line of text is read by it.

    "ADD": row("d:r n:r m:ris", "d = n + m")         ADD X0,X1,#2      {"d": X0, "n": X1, "m": 2}, 8 bytes

A pattern has one `name:kinds` an operand; the kinds are letters of `operand.py`, of which a machine may have more. `?` behind one
says that it may be missing. The meaning is read by `meaning.py`; `Machine.line` prints a row with its operands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from checker.core.source import SyntaxProblem, UnknownName, Unsupported
from checker.isa.meaning import Step, meaning
from checker.isa.operand import SPOKEN, Memory, Operand, Problem, Register, Shifted, letter, nearest, pieces
from checker.program.ir import Loc

if TYPE_CHECKING:
    from checker.isa.emit import Emitter

_PRINTED = re.compile(r"[#$]?-?[0-9]+")
"""A number as a `Writer` has it."""
NONE: frozenset[str] = frozenset()
Strength = tuple[int, int]
_ALSO = {"w": "r", "x": "r", "e": "s", "l": "n", "c": "n", "o": "n", "m": "ma", "j": "ma"}
"""What a machine's own kinds of operands look like: registers of one width, extended registers, labels, conditions, options,
addresses of two registers."""


class Row(Struct, frozen=True):
    """What a mnemonic takes and means.

    `access` is the size in memory, in bytes, 0: that of the operation. `tags` are the sets that its reads are in, `written` those
    of its writes. `atomic`: what it reads and writes in memory is one read-modify-write; `exclusive`: it uses the monitor.
    """

    operands: tuple[tuple[str, str], ...]
    meaning: str
    access: int = 0
    tags: frozenset[str] = NONE
    written: frozenset[str] = NONE
    atomic: bool = False
    exclusive: bool = False
    lock: bool = False  # x86: a lock prefix is allowed
    suffix: bool = False  # x86: a letter for the size may follow
    sizes: tuple[int, int] = (0, 0)  # x86: source and destination of an extension, where the mnemonic says them


def row(pattern: str, meaning: str, *, read: str = "", write: str = "", access: int = 0, atomic: bool = False,
        exclusive: bool = False, lock: bool = False, suffix: bool = False, sizes: tuple[int, int] = (0, 0)) -> Row:  # fmt: skip
    """A row; `read` and `write` are the sets of its accesses, with blanks between."""
    return Row(_pattern(pattern), meaning, access, _tags(read), _tags(write), atomic, exclusive, lock, suffix, sizes)


@cache
def _pattern(pattern: str) -> tuple[tuple[str, str], ...]:
    return tuple([(part[0], part[2:]) for part in pattern.split()])


@cache
def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Instruction(NamedTuple):
    """An instruction as read. `size` is that of the operation, in bytes, `access` that of its accesses.

    `flags` are those it looks at; `named` the registers it names, each as often as it does, `whole` those of which it names all.
    """

    row: Row
    operands: Mapping[str, Operand]
    size: int
    access: int
    locked: bool = False
    steps: tuple[Step, ...] = ()
    flags: frozenset[str] = NONE
    named: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


class Machine:
    """How an instruction set is spelled. `word` is the size of a register in bytes; `registers` are those that a test may name."""

    arch: str
    emitter: type[Emitter]
    word: int = 8
    registers: frozenset[str]
    rows: Mapping[str, Row]
    words = re.compile(r"()([A-Za-z][A-Za-z0-9.]*)\s*")
    forms: Mapping[str, str] = {}
    example: str = ""
    shown_whole = False
    """Is what is not declared shown as it is in memory, and in registers that are used as a whole?"""
    ordering: Mapping[str, int] = {}
    """The sets that keep accesses in order, and how strongly."""
    fences: tuple[str, ...] = ()
    """The full fences; the first is the one to put in."""
    directional: Mapping[tuple[str, str], str] = {}
    """The fence from accesses of one kind (R, W) to those of another, where one does less than a full one."""

    def operand(self, word: str, kinds: str) -> Operand:
        """The operand `word`, where `kinds` are expected. Raises Problem."""
        raise NotImplementedError

    def row(self, mnemonic: str) -> tuple[Row, int]:
        """The row of a mnemonic, and the size that it says."""
        found = self.rows.get(mnemonic)
        if found is None:
            raise self.unknown(mnemonic)
        return found, 0

    def unknown(self, mnemonic: str) -> Problem:
        return Problem(UnknownName, f"unknown instruction '{mnemonic}'", nearest(mnemonic, self.rows))

    def arranged(self, row: Row, operands: list[Operand]) -> list[Operand]:
        """The operands in the order of the row, put together where several pieces are one."""
        return operands

    def kind(self, operand: Operand) -> str:
        return letter(operand)

    def sizes(self, mnemonic: str, row: Row, operands: Mapping[str, Operand], said: int) -> tuple[int, int]:
        """The size of the operation and of its accesses. Raises Problem where operands do not go together."""
        return self.word, row.access or self.word

    def text(self, code: str) -> str:
        """The code as it is cut into rows and columns."""
        return code

    def register(self, name: str) -> str:
        """The name of a whole register, in whatever case it is written."""
        return name

    def whole(self, name: str) -> str:
        """The register that `name` is a part of, "" for none."""
        return ""

    def viewed(self, loc: Loc, width: int) -> bool:
        """Is a final value to be brought to its width, being held in another?"""
        return True

    # ------------------------------------------------------------ reading

    @lru_cache(maxsize=8192)  # noqa: B019 machines are few and stay
    def read(self, text: str) -> Instruction:
        """The instruction in `text`, which has no blanks around. Raises Problem."""
        found = self.words.match(text)
        if not found:
            raise Problem(SyntaxProblem, f"this is no instruction: {text!r}", self.example)
        start, mnemonic = found.start(2), self.spelled(found[2])
        try:
            row, said = self.row(mnemonic)
        except Problem as problem:
            raise problem.at(start, len(mnemonic)) from None
        operands: list[Operand] = []
        kinds = row.operands[0][1] if row.operands else ""
        for word, at in pieces(text, found.end()):
            try:
                operands.append(self.operand(word, kinds))
            except Problem as problem:
                raise problem.at(at, len(word)) from None
        try:
            bound = self._bound(mnemonic, row, self.arranged(row, operands))
            size, access = self.sizes(mnemonic, row, bound, said)
            bound = self.checked(mnemonic, row, bound, size, locked=bool(found[1]))
        except Problem as problem:
            raise problem.at(start, len(text) - start) from None
        made, registers = meaning(row.meaning), list(_registers(bound.values()))
        return Instruction(
            row, bound, size, access, self.locks(row, bound, prefix=bool(found[1])), made.steps, made.flags | self.tested(bound),
            named=tuple([r.name for r in registers]),
            whole=tuple([o.name for o in self.direct(bound) if o.size == 8]),
            symbols=tuple([o.symbol for o in bound.values() if isinstance(o, Memory) and o.symbol]),
        )  # fmt: skip

    def locks(self, row: Row, operands: Mapping[str, Operand], *, prefix: bool) -> bool:
        """Is what it does to memory one read-modify-write, though the row does not say so?"""
        return prefix

    def tested(self, operands: Mapping[str, Operand]) -> frozenset[str]:
        """The flags that operands look at."""
        return NONE

    def direct(self, operands: Mapping[str, Operand]) -> list[Register]:
        """The registers that are operands themselves."""
        return list(_registers([o for o in operands.values() if not isinstance(o, Memory)]))

    def spelled(self, mnemonic: str) -> str:
        return mnemonic.lower()

    def checked(self, mnemonic: str, row: Row, operands: dict[str, Operand], size: int, *, locked: bool) -> dict[str, Operand]:
        """The operands, when they go together."""
        return operands

    def _bound(self, mnemonic: str, row: Row, operands: Sequence[Operand]) -> dict[str, Operand]:
        wanted = len(row.operands)
        if len(operands) > wanted or any(kinds[-1] != "?" for _, kinds in row.operands[len(operands) :]):
            message = f"'{mnemonic}' takes {wanted or 'no'} operand{'s' * (wanted != 1)}"
            raise Problem(SyntaxProblem, message, self.usage(mnemonic, row))
        for operand, (_, kinds) in zip(operands, row.operands, strict=False):
            kind = self.kind(operand)
            if not any(kind in _ALSO.get(k, k) for k in kinds):
                if kind == "m" and "a" in kinds:
                    raise Problem(Unsupported, f"{mnemonic} takes an address without offset", self.usage(mnemonic, row))
                takes = dict.fromkeys([SPOKEN[_ALSO.get(k, k)[0]] for k in kinds if k != "?"])
                hint = f"it takes {' or '.join(takes)}; {self.usage(mnemonic, row)}"
                raise Problem(SyntaxProblem, f"'{mnemonic}' cannot take {SPOKEN[kind]} there", hint)
        return {name: operand for (name, _), operand in zip(row.operands, operands, strict=False)}

    def usage(self, mnemonic: str, row: Row) -> str:
        """How an instruction is written, for people."""
        shown = [" | ".join(self.forms.get(k, k).replace("?", name) for k in kinds if k != "?") for name, kinds in row.operands]
        written = f"{mnemonic} {', '.join(self.order(shown))}"
        return f"it is written '{written.rstrip()}'"

    def order(self, shown: list[str]) -> list[str]:
        """The operands in the order in which they are written."""
        return shown

    # ------------------------------------------------------------ more order and less

    def fence(self, text: str) -> bool:
        """Is it a fence, and nothing else? Raises Problem."""
        return self.read(text).row.meaning.startswith(("fence(", "barrier("))

    def lighter(self, fence: str) -> tuple[str, ...]:
        """The fences that do less than this one, the strongest first."""
        return ()

    def kin(self, text: str) -> list[tuple[Strength, str]]:
        """The instructions that do the same with the same operands, `text` first, and how strongly each orders what it reads and
        writes; of equally strong ones the first of the table. Raises Problem."""
        here, word = self.read(text), self.words.match(text)
        assert word is not None
        found = {self.strength(here.row): text}
        for name, row in self.rows.items():
            if (row.meaning, row.access, row.atomic, row.exclusive) == (
                here.row.meaning, here.row.access, here.row.atomic, here.row.exclusive
            ) and self.strength(row) not in found:  # fmt: skip
                other = text[: word.start(2)] + (name if word[2].isupper() else name.lower()) + text[word.end(2) :]
                with suppress(Problem):
                    there = self.read(other)
                    if (there.operands, there.size, there.access) == (here.operands, here.size, here.access):
                        found[self.strength(row)] = other
        return list(found.items())

    def strength(self, row: Row) -> Strength:
        """How strongly it orders what it reads, and what it writes."""
        read, written = ([self.ordering.get(tag, 0) for tag in tags] for tags in (row.tags, row.written))
        return max(read, default=0), max(written, default=0)

    # ------------------------------------------------------------ printing

    def line(self, meaning: str, operands: Mapping[str, str], read: frozenset[str], write: frozenset[str]) -> str:
        """The instruction that means this, with accesses in these sets."""
        names = self._meant[meaning, read, write]
        name = next((n for n in names if self._takes(self.rows[n], operands)), names[0])
        shown = self.order([operands[o] for o, _ in self.rows[name].operands])
        return f"{self.printed(name)} {','.join(shown)}".rstrip()

    def means(self, meaning: str) -> bool:
        """Is there an instruction that means this?"""
        return (meaning, NONE, NONE) in self._meant

    def _takes(self, row: Row, operands: Mapping[str, str]) -> bool:
        """Does it take numbers where they are given, and nowhere else needs them?"""
        given = [(_PRINTED.fullmatch(operands[o]), kinds) for o, kinds in row.operands]
        return all("i" in kinds if number else kinds != "i" for number, kinds in given)

    @cached_property
    def _meant(self) -> dict[tuple[str, frozenset[str], frozenset[str]], list[str]]:
        """The mnemonics of each meaning, of those that access all of a register."""
        found: dict[tuple[str, frozenset[str], frozenset[str]], list[str]] = {}
        for name, row in self.rows.items():
            if row.access in (0, self.word):
                found.setdefault((row.meaning, row.tags - {"RMW"}, row.written - {"RMW"}), []).append(name)
        return found

    def printed(self, mnemonic: str) -> str:
        return mnemonic


def _registers(operands: Iterable[Operand]) -> Iterator[Register]:
    for o in operands:
        match o:
            case Register() | Shifted(Register()):
                yield o if isinstance(o, Register) else o.operand  # type: ignore[misc]
            case Memory():
                yield from [r for r in (o.base, o.by) if r]
