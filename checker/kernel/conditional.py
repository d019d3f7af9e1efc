"""The preprocessor's conditions: which lines of a file are there, for the architectures being asked about.

A condition is true, false, or not known (most of the configuration is not). What is false is blanked, byte for byte; what is
not known stays, and its arms are kept as branches. Of arms that do not hold whole statements only the first stays.

    reading(b"#ifdef CONFIG_NUMA\\nsmp_rmb();\\n#endif\\n", ("x86",)).arms    (Arm(start=19, end=30, …),)
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field

from checker.core.source import LimitExceeded, Source, Span

_SCAN = re.compile(
    rb'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#[ \t]*([a-z_]+)', re.M | re.S
)  # fmt: skip
_ANY = re.compile(rb"^[ \t]*#[ \t]*if", re.M)
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*", re.S)
_BEGINNING = re.compile(rb"(?:\s+|/\*.*?\*/|//[^\n]*)*", re.S)
_LITERAL = re.compile(rb'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_LINES = re.compile(rb"^[ \t]*#(?:[^\n\\]|\\\r?\n|\\.)*", re.M)
_DEFINE = re.compile(rb"[ \t]*#[ \t]*(?:define|undef)[ \t]+(\w+)(\()?(.*)", re.S)
_NAME = re.compile(rb"\w+")
_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|\d+)[uUlL]*|([A-Za-z_]\w*)|(\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%!~<>()&|^?:,])|('(?:\\.|[^'])+'))"
)
MAX_NESTED = 200
MAX_ARMS = 100
OPENING = frozenset({b"if", b"ifdef", b"ifndef"})
_DIRECTIVES = OPENING | {b"elif", b"elifdef", b"elifndef", b"else", b"endif"}

_ARCH = {"x86": ("CONFIG_X86", "CONFIG_X86_64", "__x86_64__"), "arm64": ("CONFIG_ARM64", "__aarch64__")}
_FOREIGN = frozenset(
    f"CONFIG_{name}"
    for name in (
        "ALPHA", "ARC", "ARM", "ARM64", "CSKY", "HEXAGON", "LOONGARCH", "M68K", "MICROBLAZE", "MIPS", "NIOS2", "OPENRISC", "PARISC",
        "PPC", "PPC32", "PPC64", "RISCV", "S390", "SPARC", "SPARC64", "SUPERH", "UML", "X86", "X86_32", "X86_64", "XTENSA",
    )
) | {"__x86_64__", "__aarch64__", "__i386__", "__arm__", "__powerpc__", "__riscv", "__s390__"}  # fmt: skip
_SET = {"CONFIG_SMP": 1, "CONFIG_MMU": 1, "CONFIG_64BIT": 1, "__KERNEL__": 1, "BITS_PER_LONG": 64}
_UNSET = frozenset({"__ASSEMBLY__", "__ASSEMBLER__", "__CHECKER__", "__cplusplus", "__GENKSYMS__", "CONFIG_32BIT", "CONFIG_BROKEN"})


class Arm(Struct, frozen=True):
    """Code between two directives under a condition that is not known, from byte `start` to `end`.

    `group` is where its `#if` stands, `number` which of the group's arms it is; `rest`: it is that of the `#else`.
    """

    start: int
    end: int
    group: int
    number: int
    rest: bool
    text: str

    def branches(self) -> Iterator[tuple[str, int]]:
        """The branches that lead to it, outermost first: "#else" past each arm ahead of it, then "#if"; each with its number."""
        for number in range(self.number):
            yield "#else", -(self.group * MAX_ARMS + number + 1)
        if not self.rest:
            yield "#if", -(self.group * MAX_ARMS + self.number + 1)


class Reading(Struct, frozen=True):
    """A file with what is not there blanked, and the arms of which it is not known whether they are there."""

    data: bytes
    arms: tuple[Arm, ...] = ()
    blanked: tuple[tuple[int, int], ...] = ()
    """What is not there, from byte to byte."""
    unread: tuple[tuple[int, bytes], ...] = ()
    """Where arms begin that may be there and are not read, and what they hold."""


def architectures(path: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The architectures that a file is read for: those wanted, or the one whose file it is."""
    found = re.match(r"arch/(\w+)/", path)
    return (found[1],) if found else wanted


def reading(data: bytes, arch: tuple[str, ...], path: str = "") -> Reading:
    """The file `path` for the architectures `arch`. Raises LimitExceeded."""
    if not _ANY.search(data):
        return Reading(data)
    scan = _Scan(data, arch, path)
    scan.run()
    return scan.reading()


# ---------------------------------------------------------------- directives


class _Group(Struct):
    """An `#if` that is open: whether it is there, whether an arm was taken so far, and the arm at hand: its `value`, its start."""

    outer: bool | None
    taken: bool | None
    value: bool | None
    start: int
    text: str
    at: int
    kept: list[Arm] = field(default_factory=list)

    @property
    def there(self) -> bool | None:
        return _and(self.outer, self.value)


class _Scan(Struct):
    data: bytes
    arch: tuple[str, ...]
    path: str
    stack: list[_Group] = field(default_factory=list)
    macros: dict[str, str | None] = field(default_factory=dict)
    """Macros that the file defines: their text, or None where it is not known whether they are defined."""
    arms: list[Arm] = field(default_factory=list)
    gone: list[tuple[int, int]] = field(default_factory=list)
    """Arms that are not there."""
    unread: list[tuple[int, bytes]] = field(default_factory=list)
    """Arms that may be there, and that are no alternatives to the first: these are not whole statements."""
    lines: list[tuple[int, int]] = field(default_factory=list)
    """The directives themselves."""

    def run(self) -> None:
        for found in _SCAN.finditer(self.data):
            word = found[1]
            if word in _DIRECTIVES or word in (b"define", b"undef"):
                end = _line_end(self.data, found.end())
                line = self.data[found.start() : end]
                if word in (b"define", b"undef"):
                    self._macro(line, defined=word == b"define")
                else:
                    self._directive(word, line, found.start(), end)
        while self.stack:  # an #if that is never closed
            self._close(len(self.data))

    def reading(self) -> Reading:
        out = bytearray(self.data)
        for start, end in (*self.lines, *self.gone):
            out[start:end] = re.sub(rb"[^\n]", b" ", self.data[start:end])
        blanked: list[tuple[int, int]] = []
        for start, end in sorted(self.gone):
            if not blanked or start > blanked[-1][1]:
                blanked.append((start, end))
            else:
                blanked[-1] = (blanked[-1][0], max(end, blanked[-1][1]))
        begins = [start for start, _ in blanked]
        kept = [arm for arm in self.arms if (n := bisect_right(begins, arm.start)) == 0 or blanked[n - 1][1] < arm.end]
        return Reading(bytes(out), tuple(sorted(kept, key=lambda arm: (arm.start, -arm.end))), tuple(blanked), tuple(self.unread))

    @property
    def there(self) -> bool | None:
        return self.stack[-1].there if self.stack else True

    def _macro(self, line: bytes, *, defined: bool) -> None:
        found = _DEFINE.match(line)
        if found is None or self.there is False:
            return
        name = found[1].decode("utf-8", "replace")
        if self.there is None:
            self.macros[name] = None
        elif defined:
            self.macros[name] = "" if found[2] else _plain(found[3])
        else:
            self.macros.pop(name, None)

    def _directive(self, word: bytes, line: bytes, start: int, end: int) -> None:
        self.lines.append((start, end))
        text = _plain(line.split(word, 1)[1])
        if word in OPENING:
            value = self._guard(text, start, end) if word == b"ifndef" else self._value(word, text)
            if len(self.stack) >= MAX_NESTED:
                span = Span(Source(self.path, ""), self.data.count(b"\n", 0, start) + 1, 1)
                raise LimitExceeded(f"conditions nested more than {MAX_NESTED} deep", span)
            self.stack.append(_Group(self.there, value, value, end, f"{word.decode()} {text}", start))
        elif not self.stack:
            return
        elif word == b"endif":
            self._close(start)
        else:
            group = self.stack[-1]
            self._end_arm(group, start)
            value = True if word == b"else" else self._value(word.removeprefix(b"el"), text)
            group.value, group.start = _and(_not(group.taken), value), end
            group.text = f"else of {group.text}" if word == b"else" else f"{word.decode()} {text}"
            group.taken = _or(group.taken, group.value)

    def _end_arm(self, group: _Group, end: int) -> None:
        if group.there is False:
            self.gone.append((group.start, end))
        elif group.value is None:
            number = len(group.kept)
            rest = number > 0 and (number >= MAX_ARMS - 1 or group.text.startswith("else of "))
            group.kept.append(Arm(group.start, end, group.at, number, rest, group.text))

    def _close(self, end: int) -> None:
        group = self.stack.pop()
        self._end_arm(group, end)
        if len(group.kept) > 1 and not all(_whole(self.data[arm.start : arm.end]) for arm in group.kept):
            self.gone += [(arm.start, arm.end) for arm in group.kept[1:]]
            self.unread += [(arm.start, self.data[arm.start : arm.end]) for arm in group.kept[1:]]
            del group.kept[1:]
        self.arms += group.kept

    def _guard(self, name: str, start: int, end: int) -> bool | None:
        """`#ifndef`, which is true where the file defines the name right behind it: to be read once, or as a default."""
        value = _not(self._defined(name))
        if value is not None:
            return value
        following = next((m for m in _SCAN.finditer(self.data, end) if m[1]), None)
        if following is None or following[1] != b"define":
            return None
        found = _DEFINE.match(self.data[following.start() : _line_end(self.data, following.end())])
        if found is None or found[1].decode("utf-8", "replace") != name:
            return None
        first = _BEGINNING.match(self.data)
        return True if (first is not None and start <= first.end()) or self._only_directives(end) else None

    def _only_directives(self, start: int) -> bool:
        """Whether there is no code up to the `#endif` or `#else` that ends the arm which begins at `start`."""
        at = start
        for found in _SCAN.finditer(self.data, start):
            if found[1] is None and found[0][:1] == b"/":
                continue
            if found[1] is None or found.start() < at:
                continue
            if _COMMENT.sub(b"", self.data[at : found.start()]).strip() or found[1] in OPENING:
                return False
            if found[1] in _DIRECTIVES:
                return True
            at = _line_end(self.data, found.end())
        return False

    def _value(self, word: bytes, text: str) -> bool | None:
        if word in (b"ifdef", b"ifndef"):
            name = text.split(" ")[0] if text else ""
            return self._defined(name) if word == b"ifdef" else _not(self._defined(name))
        found = [evaluate(text, self._lookup(arch)) for arch in self.arch]
        return found[0] if found and all(value == found[0] for value in found) else None

    def _defined(self, name: str) -> bool | None:
        found = [self._lookup(arch)(name) for arch in self.arch]
        values = [None if value is None else value is not False for value in found]
        return values[0] if values and all(value == values[0] for value in values) else None

    def _lookup(self, arch: str) -> Callable[[str], int | str | bool | None]:
        return lambda name: known(name, arch, self.macros)


def known(name: str, arch: str, macros: Mapping[str, str | None]) -> int | str | bool | None:
    """What a name stands for: a number or a text where it is defined, False where it is not, None where nobody knows."""
    if name in macros:
        return macros[name]
    if name in _ARCH.get(arch, (f"CONFIG_{arch.upper()}",)):
        return 1
    if name in _SET:
        return _SET[name]
    return False if name in _FOREIGN or name in _UNSET else None


def _line_end(data: bytes, at: int) -> int:
    """Where the logical line ends: behind continuations, and behind a comment that begins in it."""
    while True:
        end = data.find(b"\n", at)
        if end < 0:
            return len(data)
        opened = data.rfind(b"/*", at, end)
        if opened >= 0 and data.find(b"*/", opened, end) < 0:
            closed = data.find(b"*/", end)
            if closed < 0:
                return len(data)
            at = closed + 2
        elif data[max(0, end - 2) : end].endswith((b"\\", b"\\\r")):
            at = end + 1
        else:
            return end


def _plain(text: bytes) -> str:
    """The text of a directive without comments and continuations."""
    return " ".join(_COMMENT.sub(b" ", re.sub(rb"\\\r?\n", b" ", text)).decode("utf-8", "replace").split())


def _whole(code: bytes) -> bool:
    """Whether code is statements or declarations from beginning to end."""
    bare = _LITERAL.sub(b" ", code)
    text = _LINES.sub(b"", bare).strip()
    balanced = all(text.count(a) == text.count(b) for a, b in ((b"{", b"}"), (b"(", b")")))
    return balanced and (not text or text.endswith((b";", b"}", b",", b":")))


# ---------------------------------------------------------------- expressions


def _not(a: bool | None) -> bool | None:
    return None if a is None else not a


def _and(a: bool | None, b: bool | None) -> bool | None:
    return False if a is False or b is False else True if a and b else None


def _or(a: bool | None, b: bool | None) -> bool | None:
    return _not(_and(_not(a), _not(b)))


def evaluate(text: str, lookup: Callable[[str], int | str | bool | None]) -> bool | None:
    """Whether the condition of an `#if` holds; None where that is not known, or it cannot be read."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            if text[at:].strip():
                return None
            break
        tokens.append(found[1] or found[2] or found[3] or found[4])
        at = found.end()
    try:
        value, rest = _expression(tokens, 0, 0, lookup)
    except (IndexError, ValueError, RecursionError):
        return None
    return None if value is None or rest != len(tokens) else bool(value)


_BINARY: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "||": (1, lambda a, b: bool(a) or bool(b)), "&&": (2, lambda a, b: bool(a) and bool(b)),
    "|": (3, int.__or__), "^": (4, int.__xor__), "&": (5, int.__and__), "==": (6, lambda a, b: a == b),
    "!=": (6, lambda a, b: a != b),
    "<": (7, lambda a, b: a < b), ">": (7, lambda a, b: a > b), "<=": (7, lambda a, b: a <= b), ">=": (7, lambda a, b: a >= b),
    "<<": (8, lambda a, b: a << min(b, 64)), ">>": (8, lambda a, b: a >> min(b, 64)), "+": (9, int.__add__), "-": (9, int.__sub__),
    "*": (10, int.__mul__),
}  # fmt: skip

Lookup = Callable[[str], "int | str | bool | None"]


def _expression(tokens: list[str], at: int, least: int, lookup: Lookup) -> tuple[int | None, int]:
    """The value of the tokens from `at` on that bind tighter than `least`, and what follows them."""
    left, at = _operand(tokens, at, lookup)
    while at < len(tokens):
        if tokens[at] == "?" and least == 0:
            first, at = _expression(tokens, at + 1, 0, lookup)
            if tokens[at] != ":":
                raise ValueError
            second, at = _expression(tokens, at + 1, 0, lookup)
            left = None if left is None else first if left else second
            continue
        operator = _BINARY.get(tokens[at])
        if operator is None or operator[0] <= least:
            break
        right, following = _expression(tokens, at + 1, operator[0], lookup)
        left, at = _binary(tokens[at], left, right), following
    return left, at


def _binary(operator: str, left: int | None, right: int | None) -> int | None:
    if operator in ("&&", "||"):
        a, b = (None if value is None else bool(value) for value in (left, right))
        return _and(a, b) if operator == "&&" else _or(a, b)
    value = int(_BINARY[operator][1](left, right)) if left is not None and right is not None else None
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else None


def _operand(tokens: list[str], at: int, lookup: Lookup) -> tuple[int | None, int]:
    token = tokens[at]
    if token in ("!", "-", "+", "~"):
        value, at = _operand(tokens, at + 1, lookup)
        if value is None:
            return None, at
        return {"!": int(not value), "-": -value, "+": value, "~": ~value}[token], at
    if token == "(":
        value, at = _expression(tokens, at + 1, 0, lookup)
        if tokens[at] != ")":
            raise ValueError
        return value, at + 1
    if token[0].isdigit():
        return int(token, 16 if token[:2] in ("0x", "0X") else 8 if token[0] == "0" and len(token) > 1 else 10), at + 1
    if token[0] == "'":
        return (ord(token[1]) if len(token) == 3 else None), at + 1
    if token == "defined":
        bracket = tokens[at + 1] == "("
        found = lookup(tokens[at + 1 + bracket])
        return (None if found is None else int(found is not False)), at + 2 + 2 * bracket
    if at + 1 < len(tokens) and tokens[at + 1] == "(":
        return _call(tokens, at, lookup)
    return _number(lookup(token)), at + 1


def _call(tokens: list[str], at: int, lookup: Lookup) -> tuple[int | None, int]:
    """`IS_ENABLED(CONFIG_X)` and the like; of other macros nothing is known."""
    depth, end = 0, at + 1
    while depth or end == at + 1:
        depth += (tokens[end] == "(") - (tokens[end] == ")")
        end += 1
    if tokens[at] in ("IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE") and end == at + 4:
        value = lookup(tokens[at + 2])
        return (None if value is None else int(value is not False)), end
    return None, end


def _number(value: int | str | bool | None) -> int | None:
    """What a name is worth in a condition: what is not defined is 0."""
    if isinstance(value, str):
        return int(value, 0) if re.fullmatch(r"0[xX][0-9a-fA-F]+|[1-9]\d*|0", value) else None
    return None if value is None else int(value)


class Nest:
    """Arms one within the other, to be asked which hold a part of the text and which it holds."""

    def __init__(self, arms: tuple[Arm, ...]) -> None:
        self.arms, self.starts = arms, [arm.start for arm in arms]
        self.outer: list[int] = []
        """The number of the arm around each, -1 for none."""
        stack: list[int] = []
        for number, arm in enumerate(arms):
            while stack and arms[stack[-1]].end < arm.end:
                stack.pop()
            self.outer.append(stack[-1] if stack else -1)
            stack.append(number)

    def around(self, start: int, end: int) -> tuple[Arm, ...]:
        """The arms that hold all of the bytes from `start` to `end`, outermost first."""
        number, found = bisect_right(self.starts, start) - 1, []
        while number >= 0:
            if self.arms[number].end >= end:
                found.append(self.arms[number])
            number = self.outer[number]
        return tuple(reversed(found))

    def within(self, start: int, end: int) -> tuple[Arm, ...]:
        """The arms that lie between the bytes `start` and `end`."""
        return tuple(arm for arm in self.arms[bisect_left(self.starts, start) : bisect_right(self.starts, end)] if arm.end <= end)


def conditions(data: bytes) -> tuple[list[int], list[tuple[str, ...]]]:
    """Where the conditions around code change, and what they are from there on, whatever they are worth."""
    starts, stacks = [0], [()]  # type: tuple[list[int], list[tuple[str, ...]]]
    stack: list[str] = []
    for found in _SCAN.finditer(data):
        word = found[1]
        if word not in _DIRECTIVES:
            continue
        end = _line_end(data, found.end())
        text = f"{word.decode()} {_plain(data[found.start() : end].split(word, 1)[1])}".strip()
        if word in OPENING:
            stack.append(text)
        elif stack and word == b"endif":
            stack.pop()
        elif stack:
            stack[-1] = f"{stack[-1]}; {text}"
        starts.append(end)
        stacks.append(tuple(stack))
    return starts, stacks
