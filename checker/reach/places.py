"""Places: what an access is to, whatever the variables that lead there are called.

A place is a member of a structure type, or a variable outside of functions: `dist->ready`, `kvm->arch.vgic.ready` and
`vcpu->kvm->arch.vgic.ready` are all (vgic_dist, ready). The types of parameters, locals, members and function results say so. Where
these run out a place is the member's name alone, and is not `sure`.

    place(types, "virt/kvm/kvm_main.c", Path("vcpu", "struct kvm_vcpu*", ("->mode",)))    Place("kvm_vcpu", "mode", …)
"""

from __future__ import annotations

import re

from msgspec import Struct

from checker.reach.declared import plain, pointee, result
from checker.reach.summary import Path
from checker.reach.types import Types

_CONTAINER = re.compile(r"\(*(?:container_of(?:_const)?|list_entry)\(.+?, *(struct \w+), *[\w.]+\)\)*")
_CALLED = re.compile(r"(\w+)\(\)")


class Place(Struct, frozen=True, order=True, array_like=True):
    """Member `name` of structure `tag`, or the variable `name` (`tag` empty). `home` is the file that declares it: two files may
    have structures of one name. `behind`: what the member, a pointer, points to. Without a name it is all of a structure. A tag
    "?" is one that is not known.
    """

    tag: str
    name: str
    home: str = ""
    behind: bool = False

    @property
    def sure(self) -> bool:
        return self.tag != "?"

    def __str__(self) -> str:
        text = f"{self.tag}.{self.name or '*'}" if self.tag else self.name
        return f"*{text}" if self.behind else text


def place(types: Types, path: str, at: Path) -> Place | None:
    """The place that a path in the file `path` leads to; None for none: what a number's pointer points to, a local variable."""
    return located(types, path, at)[0]


def located(types: Types, path: str, at: Path) -> tuple[Place | None, str]:
    """The place that a path leads to, and its type (empty where it is not known). What is in a local variable is no place."""
    found, kind = _root(types, path, at)
    own = at.type not in ("", "?")
    for step in at.steps:
        own = own and (step[:1] == "." or (step in ("*", "[]") and kind.endswith("[]")))
        if step == "*" or step == "[]":
            bare = types.bare(path, kind) if kind and not pointee(kind) else kind
            if found is not None and kind and not kind.endswith("[]"):
                found = None if found.behind else Place(found.tag, found.name, found.home, behind=True)
            kind = pointee(bare)
            if found is None and kind.startswith("struct ") and plain(kind):
                found = Place(kind.removeprefix("struct "), "")
        elif step == "&":
            kind = f"{kind}*" if kind else ""
        else:
            arrow = step[:2] == "->"
            name = step[2:] if arrow else step[1:]
            if arrow:
                kind = pointee(kind) or pointee(types.bare(path, kind))
            member = types.member(path, kind, name) if kind else None
            if member is not None:
                found, kind = Place(member.tag, name, member.home), member.type
            else:
                found, kind = Place("?", name), ""
    return None if own else found, kind


def _root(types: Types, path: str, at: Path) -> tuple[Place | None, str]:
    """The place that a path begins with, and its type."""
    if at.type == "?":
        return None, ""
    if at.type:
        return None, at.type
    if at.root.endswith("()"):
        name = at.root[:-2]
        head = types.function(path, name)
        if head is not None:
            return None, head.result
        macro = types.macro(path, name)
        if macro is not None and (contains := _CONTAINER.fullmatch(macro.text)):
            return None, f"{contains[1]}*"
        known = types.variable(path, name) if name.isidentifier() else None
        return None, result(known[1]) if known is not None else ""
    known = types.variable(path, at.root)
    if known is not None:
        return Place("", at.root, known[0]), known[1]
    macro = types.macro(path, at.root)  # `current` is `get_current()`
    gives = _CALLED.fullmatch(macro.text) if macro is not None and macro.params is None else None
    head = types.function(path, gives[1]) if gives else None
    return None, head.result if head is not None else ""
