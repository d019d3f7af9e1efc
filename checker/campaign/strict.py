"""What people and programs hand to the gate, taken strictly: a policy, a baseline, a stored row.

A `Table` says which keys there are and what each may hold; a key nobody knows is refused, with the near ones.

    class Settings(Table, frozen=True): unroll: Annotated[int, bounds(1, 1000)] = 2
    read({"unrol": 3}, Settings)        NotSo: unknown key 'unrol' (did you mean 'unroll'?)
"""

from __future__ import annotations

import difflib
import re
from typing import TypeVar

import msgspec
from msgspec import Meta, inspect

T = TypeVar("T")

_AT = re.compile(r"(?s)(?P<what>.*?)(?: - at `\$?(?P<path>.*)`)?")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.S)
_WORDS = {
    "`float`": "a number", "`int`": "a whole number", "`str`": "a text", "`array`": "a list", "`object`": "a table",
    "`bool`": "true or false", "`null`": "nothing", "Object missing required field": "there is no",
}  # fmt: skip


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object with the keys of its fields, and no others."""


class NotSo(ValueError):
    """`key` is the last one on the way to what is wrong; `hint` what may have been meant."""

    def __init__(self, message: str, key: str, hint: str) -> None:
        super().__init__(message)
        self.key, self.hint = key, hint


replace = msgspec.structs.replace
"""A table with some of its fields changed."""


def bounds(least: float, most: float) -> Meta:
    """A number from `least` to `most`."""
    return Meta(ge=least, le=most)


def named() -> Meta:
    """A text that is not empty."""
    return Meta(min_length=1)


def like(pattern: str) -> Meta:
    """A text that a regular expression describes."""
    return Meta(pattern=pattern)


def read(found: object, kind: type[T]) -> T:
    """`found` (what a TOML or JSON reader made) as a `kind`. Raises NotSo."""
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        parts = _AT.fullmatch(str(error))
        assert parts is not None
        steps = re.findall(r"\.([^.\[\]`]+)", parts["path"] or "")
        unknown = _UNKNOWN.fullmatch(parts["what"])
        if unknown:
            known = _keys(kind, steps)
            near = near_one(unknown[1], known)
            hint = f"did you mean {near!r}?" if near else f"the keys are {', '.join(known)}"
            raise NotSo(f"unknown key {unknown[1]!r}", unknown[1], hint) from None
        said = parts["what"]
        for theirs, ours in _WORDS.items():
            said = said.replace(theirs, ours)
        said = said[:1].lower() + said[1:]
        raise NotSo(f"{'.'.join(steps)}: {said}" if steps else said, steps[-1] if steps else "", "") from None


def near_one(word: str, known: list[str]) -> str:
    """The one of `known` that `word` may stand for; empty where none is near."""
    return next(iter(difflib.get_close_matches(word, known, 1)), "")


def _keys(kind: type[object], steps: list[str]) -> list[str]:
    """The keys of the table that `steps` lead to."""
    here = _table(inspect.type_info(kind))
    for step in steps:
        here = _table(next(field.type for field in here.fields if field.encode_name == step))
    return [field.encode_name for field in here.fields]


def _table(found: inspect.Type) -> inspect.StructType:
    """The table that something is, or is a list of, or a table of."""
    while isinstance(found, inspect.DictType | inspect.CollectionType):
        found = found.value_type if isinstance(found, inspect.DictType) else found.item_type
    assert isinstance(found, inspect.StructType)
    return found
