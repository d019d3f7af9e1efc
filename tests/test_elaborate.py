"""Set functions of the library are known by what they say: another function of the same name is not taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.cat.elaborate import fingerprint
from checker.cat.syntax import LetIns
from checker.core.source import CheckerError, Source
from checker.library import load_model
from checker.parse.cat import parse_cat


def value(text: str) -> object:
    ins = parse_cat(Source("m.cat", text)).body[0]
    assert isinstance(ins, LetIns)
    return ins.bindings[0].value


def test_a_fingerprint_does_not_depend_on_names_or_places() -> None:
    one = value("let twice f = let rec go S = match S with || {} -> {} || e ++ S -> f e ++ go S end in go")
    same = value("let other g =\n let rec walk T = match T with || {} -> {} || x ++ T -> g x ++ walk T end in walk")
    less = value("let twice f = let rec go S = match S with || {} -> {} || e ++ S -> go S end in go")
    assert fingerprint(one) == fingerprint(same) != fingerprint(less)


def test_a_map_that_forgets_its_members_is_not_taken_for_the_librarys(tmp_path: Path) -> None:
    model = tmp_path / "m.cat"
    model.write_text(
        "let map f = let rec go S = match S with || {} -> {} || e ++ S -> go S end in go\n"
        "let edge p = p ++ 0\n"
        "let choices e = map edge ((W * {e}) & loc)\n"
        "with x from cross(map choices R)\n"
        "acyclic x | po as c\n"
    )
    with pytest.raises(CheckerError):
        load_model(str(model))
