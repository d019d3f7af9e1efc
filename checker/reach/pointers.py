"""Which functions a call through a pointer may mean: those that the tree puts into that member, table or static call.

targets(types, "virt/kvm/kvm_main.c", Path("dev", "struct kvm_device*", ("->ops", "->release")), "dev->ops->release")
    (the functions that some `struct kvm_device_ops` has as its `release`)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from checker.reach.declared import pointee
from checker.reach.defined import STATIC_CALLS, Given
from checker.reach.places import located
from checker.reach.summary import Path
from checker.reach.types import Types

At = tuple[str, str]
"""A function: its file and its name."""
MOST = 64
"""How many functions a pointer may stand for before it is taken for any."""
MOST_HELD = 24
"""How many files that put a variable into a member of some name are looked at."""
_MACRO_CALL = re.compile(r"(\w+)\( ?(\w+) ?\)")
_STATIC_CALL = re.compile(r"(?:__)?static_call(?:_cond|_ro|_mod)?\( ?(\w+) ?\)")
_TAKEN = re.compile(r"(?:->|\.)(\w+)")


def targets(types: Types, path: str, at: Path | None, text: str) -> tuple[At, ...] | None:
    """The functions that a call in the file `path` through the pointer at `at`, written `text`, may mean; None where they are not
    known, as where a variable's value is put there. Those of other architectures are not among them."""
    key = ("targets", path, f"{at} {at.type if at is not None else ''} {text}")
    if key not in types.found:
        some = list(dict.fromkeys(_given(types, path, at, text)))
        several = [given for given in some if given.text]
        made = dict.fromkeys(function for given in several[: MOST + 1] for function in _functions(types, given))
        known = made and len(several) <= MOST and len(several) == len(some)
        types.found[key] = tuple(made) if known else None
    return types.found[key]  # type: ignore[return-value]


def _given(types: Types, path: str, at: Path | None, text: str) -> Iterator[Given]:
    """What is put there."""
    if found := _STATIC_CALL.fullmatch(text):
        yield from _static_call(types, found[1])
    elif found := _MACRO_CALL.fullmatch(text):
        macro = types.macro(path, found[1])
        if macro is not None and macro.params and len(macro.params) == 1 and macro.text != text:
            yield from _given(types, path, None, _pasted(macro.text, macro.params[0], found[2]))
    if at is None:
        return
    steps = at.steps
    while steps and steps[-1] in ("*", "[]", "&"):
        steps = steps[:-1]
    if steps:
        kind = located(types, path, Path(at.root, at.type, steps[:-1]))[1]
        if steps[-1].startswith("->"):
            kind = pointee(kind) or pointee(types.bare(path, kind))
        tag = types.bare(path, kind).removeprefix("struct ").partition(".")[0] if kind else ""
        name = steps[-1].lstrip("->.")
        some = [g for g in types.defined.operations(name) if not (g.tag and tag) or g.tag == tag]
        held = [g for g in some if not g.text]
        if tag and len(held) <= MOST_HELD:  # a file that does not name the structure has a member of that name of another one
            held = [g for g in held if re.search(rb"\b%s\b" % tag.encode(), types.code.data(g.path) or b"")]
        yield from [*[g for g in some if g.text], *held]
    elif not at.type:
        if types.where(path, at.root) is not None:
            yield Given("", at.root, path)
        yield from _table(types, path, at.root)


def _static_call(types: Types, key: str) -> Iterator[Given]:
    for given in types.defined.operations(STATIC_CALLS):
        ahead, hashes, param = given.tag.partition("##")
        if given.tag == key and not hashes:
            yield Given("", given.text, given.path)
        elif hashes and key.startswith(ahead) and len(key) > len(ahead):
            text = re.sub(rf"\b{param}\b", key[len(ahead) :], given.text)
            for member in _TAKEN.findall(text):
                yield from types.defined.operations(member)


def _table(types: Types, path: str, name: str) -> Iterator[Given]:
    """What stands in a table of functions."""
    pattern = re.compile(rb"\b%s\[[^;={}]*=\s*\{(.*?)\n\}" % re.escape(name.encode()), re.S)
    for one in types.around(path):
        for body in pattern.findall(types.code.data(one) or b""):
            for word in re.findall(rb"[A-Za-z_]\w*(?=\s*[,}\n])", body + b"\n"):
                yield Given("", word.decode("utf-8", "replace"), one)


def _functions(types: Types, given: Given) -> Iterator[At]:
    """The functions that a text is, in its file; of a macro with several definitions all of them."""
    if given.own:
        yield given.path, given.text
        return
    names = [given.text]
    if found := _MACRO_CALL.fullmatch(given.text):
        pattern = rb"#[ \t]*define[ \t]+%s\((\w+)\)[ \t]+([^\n]*)" % re.escape(found[1].encode())
        several = re.findall(pattern, types.code.data(given.path) or b"")
        names = [_pasted(text.decode("utf-8", "replace").strip(), param.decode(), found[2]) for param, text in several]
    for name in names:
        if name.isidentifier() and not name.isupper():
            at = types.where(given.path, name)
            if at is not None:
                yield at


def _pasted(text: str, param: str, given: str) -> str:
    """A macro's text with what it is given in the place of its parameter."""
    return re.sub(r"\s*##\s*", "", re.sub(rf"\b{re.escape(param)}\b", given, text))
