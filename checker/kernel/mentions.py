"""Nothing that orders changes in silence: what a patch does to ordering words of the kernel, held against what was said of it.

Operations that a skeleton shows are compared as operations. What no skeleton shows (a macro's name, inline assembly, assembly
files, code under a false condition, text that the grammar does not know) is compared as text, with the conditions around it.

    list(untold(before, after, (("a.h", "a.h"),), ()))    [(("a.h", 12), "smp_rmb changes, and no function shows it: #define …")]
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from checker.kernel.changes import difference
from checker.kernel.conditional import conditions
from checker.kernel.outline import uncommented
from checker.kernel.primitives import CALL, primitive, says_order
from checker.kernel.skeleton import Code, own_ops
from checker.kernel.syntax import Function, Functions

Place = tuple[str, int]
Told = tuple[Place, str]
MOST_BESIDE = 10_000
CODE = (".c", ".h")
TEXT = (*CODE, ".S", ".rs", ".inc")
_WORD = re.compile(rb"(?<![\w.>])([A-Za-z_]\w*)(?=\s*\()")
_DIRECTIVE = re.compile(rb"^[ \t]*#[ \t]*(?:define|undef)\b(?:[^\n\\]|\\\r?\n|\\.)*", re.M)
_DEFINED = re.compile(rb"[ \t]*#[ \t]*(?:define|undef)[ \t]*(\w*)")
_MACRO = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)\b(?!(?:\([^)]*\))?[ \t]+\1\b)", re.M)
_JUMP = re.compile(rb"\b(?:if|else|for|while|do|switch|case|goto|return|break|continue)\b")
_STRING = re.compile(rb"'(?:\\.|[^'\\\n])'|\"(?:\\.|[^\"\\\n])*\"")
_NAME = re.compile(rb"[A-Za-z_]\w*")
_ASM = re.compile(
    rb"\b(?:asm|__asm__|__asm)\b(?:\s+(?:volatile|__volatile__|inline|goto))*\s*\(|\basm_(?:volatile|inline|goto)\w*\s*\("
)
_INSTRUCTION = re.compile(
    rb"\b(?:dmb|dsb|isb|ldap?u?r[bh]?|ldaxrb?h?|ldaxp|stlu?r[bh]?|stlxr[bh]?|stlxp|(?:cas|swp|ld(?:add|clr|set|eor|smax|smin))p?[al]{0,2}[bh]?"
    rb"|mfence|lfence|sfence|lock|xchg[bwlq]?|cmpxchg\w*)\b", re.I
)  # fmt: skip
_CLAIM = re.compile(rb"\bs?rcu_dereference_(?:check|protected)\w*\s*\(")
_COMMON = re.compile(r"(?:arch/\w+/)?include/(?:linux|asm|asm-generic|uapi)/")
_CLOBBER = re.compile(rb'"memory"')


def untold(before: Code, after: Code, paths: Iterable[tuple[str, str]], told: Iterable[Told]) -> Iterator[tuple[Place, str]]:
    """What changed in the files `paths` (old and new name) that nothing was told of: the place in the kernel, and what it is."""
    known = tuple(told)
    for old, new in paths:
        if (old or new).endswith(TEXT):
            yield from _File(_Side(before, old), _Side(after, new), known).untold()


class _Side(Struct):
    """A file in one of the two trees: what skeletons show of its changed functions (word, line), and where the others stand."""

    code: Code
    path: str
    shown: set[tuple[str, int]] = field(default_factory=set)
    same: list[range] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    @property
    def functions(self) -> Functions | None:
        unit = self.code.unit(self.path) if self.path.endswith(CODE) else None
        return unit.functions if unit is not None else None

    def defined(self) -> list[tuple[str, int]]:
        """The macros that the file defines, but for those that stand for themselves, and the lines of that."""
        functions = self.functions
        data = functions.outline.data if functions is not None else b""
        found = [(one[1].decode("utf-8", "replace"), one.start()) for one in _MACRO.finditer(data)]
        return [(name, data.count(b"\n", 0, at) + 1) for name, at in found]

    def lying(self, name: str) -> list[list[bytes]]:
        """The lines of a function, with what stands in it under a false condition."""
        functions = self.functions
        if functions is None:
            return []
        self.lines = self.lines or (self.code.data(self.path) or b"").split(b"\n")
        return [self.lines[one.start - 1 : one.stop - 1] for one in functions.lines(name)]

    def includes(self) -> set[str]:
        summary = self.code.summary(self.path) if self.path.endswith(CODE) else None
        return {name for name, _ in summary.includes} if summary is not None else set()

    def line(self, name: str) -> int:
        """Where a header is included."""
        data = self.code.data(self.path) or b""
        found = re.search(rb"(?m)^[ \t]*#[ \t]*include\b.*" + re.escape(name.encode()), data)
        return data.count(b"\n", 0, found.end()) + 1 if found else 1

    def mentions(self) -> list[Mention]:
        """What no skeleton shows, outside of functions that are the same on both sides."""
        data = self.code.data(self.path) if self.path else None
        if data is None:
            return []
        return [
            one for one in mentions(data, assembly=self.path.endswith(".S"))
            if (one.word, one.line) not in self.shown and not any(one.line in lines for lines in self.same)
        ]  # fmt: skip


class _File(Struct, frozen=True):
    before: _Side
    after: _Side
    told: tuple[Told, ...]
    spans: list[tuple[tuple[str, range], ...]] = field(default_factory=list)
    """Where changed functions stand, on both sides."""

    def untold(self) -> Iterator[tuple[Place, str]]:
        old, new = self.before.functions, self.after.functions
        renamed = self.after.code.renamed(self.after.path) if self.before.path == self.after.path else {}
        for side, functions, names in ((self.before, old, renamed), (self.after, new, renamed.values())):
            side.same.extend(lines for name in names for lines in (functions.lines(name) if functions is not None else ()))
        for name in dict.fromkeys((*(old or ()), *(new or ()))):
            if name not in {*renamed, *renamed.values()}:
                yield from self._function(name, old, new)
        yield from self._texts()
        yield from self._redefined()
        yield from self._includes(old, new)

    def _function(self, name: str, old: Functions | None, new: Functions | None) -> Iterator[tuple[Place, str]]:
        """The changed operations of one function that nothing was told of."""
        sides = ((self.before, old), (self.after, new))
        same = old is not None and new is not None and old.written(name) == new.written(name)
        same = same and self.before.lying(name) == self.after.lying(name)
        lines = [
            (side.path, line) for side, functions in sides for line in (functions.lines(name) if functions is not None else ())
        ]
        if same:
            for side, functions in sides:
                side.same.extend(functions.lines(name) if functions is not None else ())
            return
        self.spans.append(tuple(lines))
        was, now = (functions.get(name) if functions is not None else None for _, functions in sides)
        before, after = own_ops(was) if was else [], own_ops(now) if now else []
        self.before.shown.update((op.name, op.line) for op in before)
        self.after.shown.update((op.name, op.line) for op in after)
        for change in difference(before, after).changes:
            concerns = any(op is not None and op.concerns for op in (change.before, change.after))
            if change.kind == "add" and change.op.verb == CALL:
                continue  # whatever it orders by its name, it adds
            if concerns and not self._told(change.place, change.op.text):
                yield change.place, f"{change} in {name}()"
        orders = [op for op in after if op.concerns]
        if (
            was
            and now
            and orders
            and _under(was) != _under(now)
            and not any(self._told((op.path, op.line), op.text) for op in orders)
        ):
            yield (now.path, now.line), f"{name}(), which has {orders[0].text}, is defined under other conditions"

    def _includes(self, old: Functions | None, new: Functions | None) -> Iterator[tuple[Place, str]]:
        """Headers included on one side only, of nobody's but their own folder, that define words or functions anew."""
        known = {*(old or ()), *(new or ())}
        for side, other, what in ((self.after, self.before, "new"), (self.before, self.after, "gone")):
            for name in sorted(side.includes() - other.includes()):
                for path in [
                    p for p in side.code.around(side.path) if p.endswith("/" + name.lstrip("./")) and not _COMMON.match(p)
                ]:
                    unit = side.code.unit(path)
                    words = [word for word in (unit.functions if unit else ()) if word in known or _orders(word.encode())]
                    if words:
                        yield (
                            (side.path, side.line(name)),
                            f"#include of {name} is {what}, and {path} defines {', '.join(words[:3])}",
                        )

    def _redefined(self) -> Iterator[tuple[Place, str]]:
        """New macros with the name of a function that is still there: calls of it mean something else now."""
        known = Counter(name for name, _ in self.before.defined())
        for name, line in self.after.defined():
            known[name] -= 1
            meant = self.before.code.callee(self.before.path, name) if known[name] < 0 and self.before.path else None
            place = (self.after.path, line)
            if meant is not None and self.after.code.still(meant) and not self._told(place, name):
                yield place, f"#define of {name}, which is a function in {meant.path}"

    def _told(self, place: Place, text: str) -> bool:
        """Whether something was told of an operation: at its line, or in the same function and with its text."""
        return any(
            where == place or (text in message and any(_inside(where, spans) and _inside(place, spans) for spans in self.spans))
            for where, message in self.told
        )

    def _texts(self) -> Iterator[tuple[Place, str]]:
        """Mentions that are there on one side only, and that no skeleton shows."""
        old, new = self.before.mentions(), self.after.mentions()
        said = Counter[tuple[str, ...]]()
        for found, others, path, what in ((new, old, self.after.path, "new"), (old, new, self.before.path, "gone")):
            left = Counter(mention.key for mention in others)
            for mention in found:
                if left[mention.key] > 0:
                    left[mention.key] -= 1
                elif what == "gone" and said[mention.written] > 0:
                    said[mention.written] -= 1  # it is there still, and was told of
                elif not self._told((path, mention.line), f"{mention.word}("):
                    said[mention.written] += 1
                    yield (path, mention.line), f"{mention.word} is {what}, or is not as it was: {mention.text[:80]}"


def _inside(place: Place, spans: tuple[tuple[str, range], ...]) -> bool:
    return any(place[0] == path and place[1] in lines for path, lines in spans)


def _under(function: Function) -> list[tuple[str, ...]]:
    return [one.under for one in (function, *function.others)]


# ---------------------------------------------------------------- words


class Mention(Struct, frozen=True):
    """A word that orders: its line as it is written, the conditions around it, and what in its function may lead past it."""

    word: str
    text: str
    under: tuple[str, ...]
    line: int
    jumps: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    """The lines ahead of it and behind it in its function: what it is to order stands there."""

    @property
    def written(self) -> tuple[str, ...]:
        return self.word, self.text, *self.under

    @property
    def key(self) -> tuple[object, ...]:
        return self.written, self.jumps, self.beside


def mentions(data: bytes, *, assembly: bool = False) -> Iterator[Mention]:
    """The words of a file that order memory, in order of their kind and place."""
    text = uncommented(data)
    starts, stacks = conditions(data)
    ends = [found.start() for found in re.finditer(rb"\n", text)]

    def mention(word: bytes, at: int, end: int) -> Mention:
        line = bisect_right(ends, at - 1) + 1 if at else 1
        stack = stacks[bisect_right(starts, at) - 1]
        return Mention(
            word.decode("utf-8", "replace"), " ".join(text[_line(text, at) : end].decode("utf-8", "replace").split()), stack, line
        )

    directives = [(found.start(), found.end()) for found in _DIRECTIVE.finditer(text)]
    for start, end in directives:
        named = defined.start(1) if (defined := _DEFINED.match(text, start, end)) else -1
        for found in _NAME.finditer(text, start, end):
            if _orders(found[0]) or _ASM.match(text, found.start()) or (found.start() == named and says_order(found[0].decode())):
                yield mention(found[0], found.start(), end)
    firsts = [start for start, _ in directives]
    claims = [(found.end(), _closing(text, found.end())) for found in _CLAIM.finditer(text)]
    for found in _WORD.finditer(_STRING.sub(lambda m: b" " * len(m[0]), text)):
        if any(start <= found.start() < end for start, end in claims):
            continue  # what lockdep is to check, and nobody executes
        number = bisect_right(firsts, found.start()) - 1
        if (number < 0 or found.start() >= directives[number][1]) and _orders(found[1]):
            one = mention(found[1], found.start(), _line_end(text, found.end()))
            begin = text.rfind(b"\n{", 0, found.start())
            if text.rfind(b"\n}", 0, found.start()) < begin:
                jumps = tuple([word.decode() for word in _JUMP.findall(text, begin + 1, found.start())])
                one = replace(one, jumps=jumps, beside=_beside(text, found.start(), found.end()))
            yield one
    for found in _ASM.finditer(text):
        end = _closing(text, found.end())
        body = text[found.start() : end]
        if _CLOBBER.search(body) or _INSTRUCTION.search(body):
            yield mention(b"asm", found.start(), end)
    for found in _INSTRUCTION.finditer(text) if assembly else ():
        yield mention(found[0], found.start(), _line_end(text, found.end()))


def _orders(word: bytes) -> bool:
    return primitive(word.decode("ascii", "replace")) is not None


def _line(text: bytes, at: int) -> int:
    """Where the line begins that `at` is in, continued lines together."""
    start = text.rfind(b"\n", 0, at) + 1
    while text[max(0, start - 2) : start].endswith(b"\\\n"):
        start = text.rfind(b"\n", 0, start - 1) + 1
    return start


def _line_end(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    return end if end >= 0 else len(text)


def _beside(text: bytes, start: int, end: int) -> tuple[str, ...]:
    """The last line with anything in it ahead of a word's, and the first behind it."""
    start, end = _line(text, start), _line_end(text, end)
    ahead, behind = text[max(0, start - MOST_BESIDE) : start].rstrip(), text[end : end + MOST_BESIDE].lstrip()
    lines = (ahead[ahead.rfind(b"\n") + 1 :], behind[: _line_end(behind, 0)])
    return tuple([" ".join(line.decode("utf-8", "replace").split()) for line in lines])


def _closing(text: bytes, at: int) -> int:
    """Behind the bracket that closes the one before `at`."""
    depth = 1
    for found in re.finditer(rb'"(?:\\.|[^"\\])*"|[()]', text[at : at + 20_000]):
        depth += (found[0] == b"(") - (found[0] == b")")
        if not depth:
            return at + found.end()
    return _line_end(text, at)
