"""What a file of C declares: structures with their members, typedefs, functions with their types, variables, macros.

A type is a text, its base and then what is made of it, the outermost last: `struct bus *buses[4]` is "struct bus*[]", a function
that gives a pointer "struct bus*()". A structure without a name is called by where it is: `struct kvm { struct { … } arch; }` has
a member of type "struct kvm.arch". Members of a structure or union that has no name of its own are members of the one around it.

    declared(outline(data, ("x86",))).structs["kvm"]    {"users": "refcount_t", "buses": "struct bus*[]"}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

from checker.kernel.outline import Outline
from checker.kernel.syntax import parse, unnoted, word

if TYPE_CHECKING:
    from tree_sitter import Node
else:
    Node: TypeAlias = object

LONGEST = 400
"""How many characters a macro may have that is kept."""
_LINES = re.compile(rb"^[ \t]*#(?:[^\n\\]|\\\r?\n|\\.)*", re.M)
_DEFINE = re.compile(rb"[ \t]*#[ \t]*define[ \t]+(\w+)(?:\(([^)]*)\))?[ \t]*((?:[^\n\\]|\\\r?\n|\\.)*)")
_COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*", re.S)
# Macros of the kernel that declare something, as C: include/linux, types.h to wait.h
_MACROS = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (rb"\bDECLARE_BITMAP\s*\(\s*(\w+)\s*,[^;]*\)", rb"unsigned long \1[1]"),
        (rb"\bDECLARE_HASHTABLE\s*\(\s*(\w+)\s*,[^;]*\)", rb"struct hlist_head \1[1]"),
        (rb"\bDECLARE_FLEX_ARRAY\s*\(([^,;]*),\s*(\w+)\s*\)", rb"\1 \2[1]"),
        (rb"\b(?:DEFINE|DECLARE)_PER_CPU\w*\s*\(([^,;]*),\s*(\w+)\s*\)", rb"\1 \2"),
        (rb"\b(?:DEFINE_|__SPIN_)?RAW_SPINLOCK\s*\(\s*(\w+)\s*\)", rb"raw_spinlock_t \1"),
        (rb"\bDEFINE_SPINLOCK\s*\(\s*(\w+)\s*\)", rb"spinlock_t \1"),
        (rb"\bDEFINE_RWLOCK\s*\(\s*(\w+)\s*\)", rb"rwlock_t \1"),
        (rb"\bDEFINE_MUTEX\s*\(\s*(\w+)\s*\)", rb"struct mutex \1"),
        (rb"\bDECLARE_RWSEM\s*\(\s*(\w+)\s*\)", rb"struct rw_semaphore \1"),
        (rb"\bDEFINE_(?:STATIC_)?SRCU(?:_FAST)?\s*\(\s*(\w+)\s*\)", rb"struct srcu_struct \1"),
        (rb"\bDEFINE_SEQLOCK\s*\(\s*(\w+)\s*\)", rb"seqlock_t \1"),
        (rb"\bHLIST_HEAD\s*\(\s*(\w+)\s*\)", rb"struct hlist_head \1"),
        (rb"\bLIST_HEAD\s*\(\s*(\w+)\s*\)", rb"struct list_head \1"),
        (rb"\bDECLARE_WAIT_QUEUE_HEAD\s*\(\s*(\w+)\s*\)", rb"wait_queue_head_t \1"),
        (rb"\bDECLARE_COMPLETION\s*\(\s*(\w+)\s*\)", rb"struct completion \1"),
    )
)
_GROUP = re.compile(rb"\b(?:__)?struct_group(?:_attr|_tagged)?\s*\(")
_DERIVED = re.compile(r"(?:\*|\[\]|\(\))+$")


class Macro(Struct, frozen=True, array_like=True):
    """A macro: its parameters, None for one without brackets, and its text."""

    params: tuple[str, ...] | None
    text: str


class Prototype(Struct, frozen=True, array_like=True):
    """A function: the type it gives, the names and types of its parameters."""

    result: str
    params: tuple[tuple[str, str], ...]


class Declared(Struct, frozen=True):
    """What one file declares. `structs` have their members in order."""

    structs: dict[str, dict[str, str]] = field(default_factory=dict)
    typedefs: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Prototype] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    macros: dict[str, Macro] = field(default_factory=dict)
    enumerators: dict[str, int] = field(default_factory=dict)
    """With their values, as far as these are numbers."""


def declared(outline: Outline) -> Declared:
    """What a file declares; the bodies of its functions are not looked at."""
    data = outline.data
    made = Declared(macros=dict(_macros(data)))
    walk = _Walk(made)
    walk.unit(parse(unnoted(_plain(_without_bodies(outline)))))
    return made


def _without_bodies(outline: Outline) -> bytes:
    """The file with a `;` in place of every function's body, and without directives."""
    pieces = sorted((p.body, p.end) for several in outline.pieces.values() for p in several if not p.macro)
    parts, at = [], 0
    for body, end in pieces:
        if body >= at:
            parts += [outline.data[at:body], b";"]
            at = end
    return _LINES.sub(b"", b"".join([*parts, outline.data[at:]]))


def _plain(data: bytes) -> bytes:
    """C with the kernel's declaring macros written out."""
    for pattern, text in _MACROS:
        data = pattern.sub(text, data)
    while group := _GROUP.search(data):
        depth, at = 1, group.end()
        while depth and at < len(data):
            depth += {0x28: 1, 0x29: -1}.get(data[at], 0)
            at += 1
        inside = data[group.end() : at - 1]
        data = data[: group.start()] + b"struct { " + inside.partition(b",")[2] + b" }" + data[at:]
    return data


def _macros(data: bytes) -> Iterator[tuple[str, Macro]]:
    for found in _DEFINE.finditer(data):
        text = " ".join(
            _COMMENT.sub(b" ", found[3]).replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").decode("utf-8", "replace").split()
        )
        if text and len(text) <= LONGEST:
            params = tuple(one.strip() for one in found[2].decode("utf-8", "replace").split(",")) if found[2] is not None else None
            yield found[1].decode("utf-8", "replace"), Macro(params, text)


# ---------------------------------------------------------------- declarations


class _Walk:
    """Takes in the declarations of a tree."""

    def __init__(self, made: Declared) -> None:
        self.made = made

    def unit(self, node: Node) -> None:
        todo = node.named_children[::-1]
        while todo:
            child = todo.pop()
            kind = child.type
            if kind in ("declaration", "type_definition"):
                self.declaration(child, typedef=kind == "type_definition")
            elif kind in ("struct_specifier", "union_specifier", "enum_specifier"):
                self.base(child, "")
            elif kind != "comment" and kind != "function_definition":
                todo += child.named_children[::-1]  # what went wrong, or holds others: look inside

    def declaration(self, node: Node, *, typedef: bool) -> None:
        kind = node.child_by_field_name("type")
        if kind is None:
            return
        declarators = node.children_by_field_name("declarator")
        first = declarator(declarators[0])[0] if declarators else ""
        base = self.base(kind, first)
        for one in declarators:
            name, derived = declarator(one)
            if not name:
                continue
            if typedef:
                self.made.typedefs.setdefault(name, base + derived)
            elif derived.endswith("()") and (head := _function_head(one)) is not None:
                self.made.functions.setdefault(name, Prototype(base + derived[:-2], tuple(self.params(head))))
            else:
                self.made.variables.setdefault(name, base + derived)

    def params(self, head: Node) -> Iterator[tuple[str, str]]:
        listed = head.child_by_field_name("parameters")
        for one in listed.named_children if listed is not None else ():
            if one.type == "parameter_declaration" and (kind := one.child_by_field_name("type")) is not None:
                name, derived = declarator(one.child_by_field_name("declarator"))
                if name or derived or word(kind) != "void":
                    yield name, self.base(kind, "") + derived

    def base(self, node: Node, around: str) -> str:
        """The type that a specifier names. What it declares is taken in; a structure without a name is called `around`."""
        if node.type in ("struct_specifier", "union_specifier"):
            named, body = node.child_by_field_name("name"), node.child_by_field_name("body")
            tag = word(named) if named is not None else around
            if body is not None and tag:
                members = self.made.structs.setdefault(tag, {})
                self.fields(body, tag, members)
            return f"struct {tag}"
        if node.type == "enum_specifier":
            self.enumerate(node)
            return "int"
        return based(node)

    def fields(self, body: Node, tag: str, members: dict[str, str]) -> None:
        for one in body.named_children:
            kind = one.child_by_field_name("type")
            if one.type != "field_declaration" or kind is None:
                if one.named_children and one.type != "comment":
                    self.fields(one, tag, members)  # what went wrong: look inside
                continue
            declarators = one.children_by_field_name("declarator")
            if not declarators and kind.type in ("struct_specifier", "union_specifier"):
                inside = kind.child_by_field_name("body")
                if inside is not None:
                    self.fields(inside, tag, members)
                continue
            names = [declarator(d) for d in declarators]
            base = self.base(kind, f"{tag}.{names[0][0]}" if names else "")
            for name, derived in names:
                if name:
                    members.setdefault(name, base + derived)

    def enumerate(self, node: Node) -> None:
        body, at = node.child_by_field_name("body"), 0
        for one in body.named_children if body is not None else ():
            name, value = one.child_by_field_name("name"), one.child_by_field_name("value")
            if name is None:
                continue
            known = number(word(value)) if value is not None else at
            if known is None:  # a value that has to be computed: those that follow are not known either
                at = -(1 << 62)
                continue
            if known > -(1 << 61):
                self.made.enumerators.setdefault(word(name), known)
            at = known + 1


def based(node: Node) -> str:
    """A type specifier as a text: blanks squeezed, without qualifiers; `struct` for a union."""
    text = word(node)
    if node.type in ("struct_specifier", "union_specifier"):
        named = node.child_by_field_name("name")
        return f"struct {word(named)}" if named is not None else "struct"
    if node.type == "enum_specifier":
        return "int"
    return " ".join(part for part in text.split() if part not in ("const", "volatile"))


def declarator(node: Node | None) -> tuple[str, str]:
    """The name that a declarator declares, and what it makes of the type before it, the outermost last."""
    derived = ""
    while node is not None:
        kind = node.type
        if kind in ("identifier", "field_identifier", "type_identifier"):
            return word(node), derived
        if kind in ("pointer_declarator", "abstract_pointer_declarator"):
            derived += "*"
        elif kind in ("array_declarator", "abstract_array_declarator"):
            derived += "[]"
        elif kind in ("function_declarator", "abstract_function_declarator"):
            derived += "()"
        inner = node.child_by_field_name("declarator")
        if inner is None:
            inner = next((c for c in node.named_children if c.type.endswith(("declarator", "identifier"))), None)
        node = inner
    return "", derived


def _function_head(node: Node) -> Node | None:
    found: Node | None = node
    while found is not None and found.type != "function_declarator":
        found = found.child_by_field_name("declarator")
    return found


def number(text: str) -> int | None:
    """The value of a number as C writes it; None for anything else."""
    found = re.fullmatch(r"\(?(-?)\s*(0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*\)?", text)
    if found is None:
        return None
    digits = found[2]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if len(digits) > 1 and digits[0] == "0" and digits.isdigit() else 10
    try:
        return int(found[1] + digits, base)
    except ValueError:
        return None


# ---------------------------------------------------------------- texts of types


def pointee(kind: str) -> str:
    """What a pointer points to, or an array is made of; empty where that is not known."""
    return kind[:-1] if kind.endswith("*") else kind[:-2] if kind.endswith("[]") else ""


def result(kind: str) -> str:
    """What a function, or a pointer to one, gives."""
    kind = kind.rstrip("*") if kind.endswith("()*") else kind
    return kind[:-2] if kind.endswith("()") else ""


def plain(kind: str) -> bool:
    """Whether nothing is made of a type: no pointer, array or function."""
    return bool(kind) and not _DERIVED.search(kind)


def written(text: str) -> str:
    """A type as C writes it in a cast, as a text of ours: `const struct kvm *` is "struct kvm*"."""
    stars = text.count("*")
    words = [
        w
        for w in text.replace("*", " ").split()
        if w not in ("const", "volatile", "__rcu", "__user", "__force", "__iomem", "__percpu")
    ]
    if words[:1] == ["union"]:
        words[0] = "struct"
    return " ".join(words) + "*" * stars
