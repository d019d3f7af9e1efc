"""The `Hash=` of a test: what tells tests apart that have one name (herdtools7: lib/testHash.ml, lib/CTestHash.ml).

It is the MD5 of the digests of the initial state, the code and the observed locations, each printed in one way: an initial
state sorted by location, C code as it stands, assembly in columns with blanks, labels and spelling of registers made equal.

    digest(Source("MP.litmus", "C MP\\n{}\\nP0(int *x) { … }\\nexists (x=1)"))    "c0ebd8ca556580d772ac73303c4c4f84"
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from checker.core.source import Source
from checker.parse.sections import Sections

DIGESTED = ("memorytype", "mt", "cachetype")
"""The keys of a header that make another test."""


def digest(source: Source, sections: Sections) -> str:
    """The hash of the test: what its header says, or its MD5 as hexadecimal digits."""
    said = next((value for key, value in sections.info if key.lower() == "hash"), None)
    if said is not None:
        return said
    made = [_md5(_init(sections.init)), _md5(_code(sections)), _md5(_observed(sections.tail))]
    if keys := "".join([f"{key.lower()}={value}" for key, value in sorted(sections.info, reverse=True) if key.lower() in DIGESTED]):
        made.insert(0, _md5(keys))
    return hashlib.md5(b"".join(made), usedforsecurity=False).hexdigest()


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


# ---------------------------------------------------------------- locations

_REGISTER = re.compile(r"P?([0-9]+)\s*:\s*([%$]?[A-Za-z_][A-Za-z0-9_.$]*)\Z")
_ELEMENT = re.compile(r"(.*)\[([0-9]+)\]\Z")


def _sorted(place: str) -> tuple[int, int, str, int]:
    """Registers by process and name, then globals; elements of arrays last."""
    element = _ELEMENT.match(place)
    base, index = (element[1], int(element[2])) if element else (place, 0)
    register = _REGISTER.match(base)
    known = (0, int(register[1]), register[2]) if register else (1, 0, base)
    return (*known, index)


def _spelled(place: str) -> str:
    """`1:r0` or `x`."""
    register = _REGISTER.match(place)
    return f"{int(register[1])}:{register[2]}" if register else place


_ENTRY = re.compile(
    r"(?P<type>(?:_Atomic\s+)?(?:[A-Za-z_]\w*\s+(?=[\[%$A-Za-z_0-9P])|[A-Za-z_]\w*\s*(?=\*))?)(?P<stars>\*?)\s*"
    r"\[?\s*(?P<place>(?:P?[0-9]+\s*:\s*)?[%$]?[A-Za-z_][\w.$]*)\s*\]?\s*"
    r"(?:\[\s*(?P<size>[0-9]+)\s*\])?\s*(?:=\s*(?P<value>.*))?\Z",
    re.S,
)
_WRAPPED = re.compile(r"ATOMIC_INIT\s*\(\s*(.*?)\s*\)\Z")


def _init(text: str) -> str:
    """The initial state, sorted, each location with its type and value."""
    entries: dict[str, str] = {}
    for item in text.split(";"):
        found = _ENTRY.match(item.strip())
        if not found:
            continue
        place = _spelled(found["place"])
        kind = " ".join(found["type"].split())
        if found["size"] is not None:
            entries.setdefault(place, f"{kind} {place}[{found['size']}]")
            continue
        value = (found["value"] or "0").strip()
        wrapped = _WRAPPED.match(value)
        value = wrapped[1] if wrapped else value.removeprefix("&").strip()
        before = f"{kind} {found['stars']}" if kind else found["stars"]
        entries.setdefault(place, f"{before}{place}={_spelled(value)}")
    return "; ".join([entries[place] for place in sorted(entries, key=lambda p: (*_sorted(p)[:3],))])


_LOCATIONS = re.compile(r"\s*locations\s*\[(.*?)\]\s*(?=filter|exists|forall|~|not\b|final|\(|\Z)", re.S)
_FILTER = re.compile(r"filter\b.*?(?=\b(?:exists|forall|final|not\s+exists)\b|~\s*exists)", re.S)
_ITEM = re.compile(r"\[?\s*((?:P?[0-9]+\s*:\s*)?[%$]?[A-Za-z_][\w.$]*)\s*\]?\s*(\[\s*[0-9]+\s*\])?")
_ATOM = re.compile(
    r"(?P<left>P?[0-9]+\s*:\s*[%$]?[A-Za-z_][\w.$]*|\[\s*[A-Za-z_][\w.$]*\s*\]|\*?\s*[A-Za-z_][\w.$]*)\s*(?P<index>\[\s*[0-9]+\s*\])?\s*"
    r"(?:==|!=|<>|=(?!>))\s*(?P<right>P?[0-9]+\s*:\s*[%$]?[A-Za-z_][\w.$]*|\[\s*[A-Za-z_][\w.$]*\s*\])?"
)  # fmt: skip


def _observed(text: str) -> str:
    """The locations that `locations` lists and the condition names, sorted, each once."""
    found: set[tuple[str, str]] = set()
    if listed := _LOCATIONS.match(text):
        for item in listed[1].split(";"):
            if place := _ITEM.match(item.strip()):
                found.add((_spelled(place[1]), (place[2] or "").replace(" ", "")))
        text = text[listed.end() :]
    for atom in _ATOM.finditer(_FILTER.sub("", text, count=1)):
        found.add((_spelled(atom["left"].strip("[]* \t\n")), (atom["index"] or "").replace(" ", "")))
        if atom["right"]:
            found.add((_spelled(atom["right"].strip("[] \t\n")), ""))
    ordered = sorted(found, key=lambda place: (bool(place[1]), *_sorted(place[0] + place[1])))
    return "; ".join([place + index for place, index in ordered])


# ---------------------------------------------------------------- code


def _code(sections: Sections) -> str:
    return _c_code(sections.code) if sections.arch == "C" else _columns(sections.code, sections.arch)


_HEAD = re.compile(r"\s*(?:void\s*\*?\s*)?(?:P([0-9]+)\s*\(([^()]*)\)\s*)?\{", re.S)


def _c_code(text: str) -> str:
    """The functions side by side, each with its parameters as pointers and its body as it stands."""
    cells, at = [], 0
    while head := _HEAD.match(text, at):
        end = _closing(text, head.end())
        body = text[head.end() : end]
        if head[1] is None:
            cells.append(f"{{{body}}}\n\n")
        else:
            params = ", ".join([_parameter(p) for p in head[2].split(",") if p.strip()])
            cells.append(f"P{int(head[1])}({params}) {{\n{body}\n}}\n")
        at = end + 1
    return "|".join([f" {cell} " for cell in cells]) + ";\n" if cells else ""


def _closing(text: str, at: int) -> int:
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, at):
        if brace[0] == "{":
            depth += 1
        elif depth:
            depth -= 1
        else:
            return brace.start()
    return len(text)


_BARE = {"volatile", "const", "_Atomic"}


def _parameter(text: str) -> str:
    """`int *x` as `int* x`."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    *words, name = re.findall(r"\w+|\*", text)
    kind = ""
    for word in words:
        kind += word if word == "*" or not kind else f" {word}"
    return f"{kind} {name}"


_LABEL = re.compile(r"\s*([A-Za-z_][\w.]*)\s*:(?!:)\s*")


def _columns(text: str, arch: str) -> str:
    """Assembly in columns as wide as their longest instruction, spelled in one way."""
    rows = [[cell.strip() for cell in row.split("|")] for row in text.split(";") if row.strip()]
    body = rows[1:] if rows else []
    columns = [[row[i] if i < len(row) else "" for row in body] for i in range(len(rows[0]) if rows else 0)]
    labels = sorted({found for column in columns for cell in column for found in _labels_in(cell)})
    names = {label: f"L{i:02d}" for i, label in enumerate(labels)}
    lines = [list(_instructions(column, arch, names)) for column in columns]
    return _table(lines)


def _labels_in(cell: str) -> Iterable[str]:
    while found := _LABEL.match(cell):
        yield found[1]
        cell = cell[found.end() :]


def _instructions(column: Iterable[str], arch: str, names: dict[str, str]) -> Iterable[str]:
    for cell in column:
        rest = cell
        while found := _LABEL.match(rest):
            yield f"{names[found[1]]}:"
            rest = rest[found.end() :]
        if rest:
            yield _instruction(rest, arch, names)


def _table(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column), default=0) for column in columns]
    text = []
    for i in range(max(map(len, columns), default=0)):
        cells = [column[i] if i < len(column) else "" for column in columns]
        text.append("|".join([f" {cell:<{width}} " for cell, width in zip(cells, widths, strict=True)]) + ";\n")
    return "".join(text)


_MOVES = ("MOVB", "MOVW", "MOVL", "MOVQ", "MOVT")


def _instruction(text: str, arch: str, names: dict[str, str]) -> str:
    """An instruction with one blank behind its name and none between its operands."""
    words = text.split(None, 1)
    name, rest = words[0], words[1] if len(words) > 1 else ""
    name = name.lower() if arch in ("RISCV", "PPC") else name.upper()
    operands = re.sub(r"\s*([,\[\]()+])\s*", r"\1", " ".join(rest.split()))
    if arch == "AArch64" and name in ("DMB", "DSB"):
        operands = operands.upper()
    elif arch == "AArch64":
        operands = re.sub(r"(?<![\w.#])([wx](?:[0-9]+|zr)|sp)(?![\w])", lambda m: m[1].upper(), operands)
        operands = re.sub(r"(?<![\w#.:\[])(-?[0-9]+)(?!\w)", r"#\1", operands) if not name.startswith("B") else operands
        operands = re.sub(r",#0\]", "]", operands)
        operands = re.sub(r",(lsl|sxtw|uxtw|sxtx|lsr|asr)\b", lambda m: m[0].upper(), operands)
    elif arch.startswith("X86"):
        name = "MOV" if arch == "X86" and name in _MOVES else name
        if arch == "X86":
            operands = re.sub(r"(?<![\w$\[])(-?[0-9]+)(?!\w)", r"$\1", operands)
    for label in sorted(names, key=len, reverse=True):
        operands = re.sub(rf"(?<![\w.]){re.escape(label)}(?![\w.])", names[label], operands)
    blanks = "  " if arch == "PPC" and re.fullmatch(r"b(eq|ne|lt|ge|gt|le)", name) else " "
    return f"{name}{blanks}{operands}" if operands else name
