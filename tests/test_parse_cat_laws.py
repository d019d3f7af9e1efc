"""Laws of the cat front end over random models: round trips, places, and nothing but a CheckerError gets out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cat_texts import EXPS, WORDS, bare, exp, parse, words
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from checker.cat import syntax
from checker.cat.syntax import Binary, Binding, Check, Exp, Fun, Junction, LetIns, Variant
from checker.core.source import CheckerError, Source
from checker.parse.cat import parse_cat

MODELS = Path(__file__).resolve().parent.parent / "checker" / "models"


@settings(deadline=None)
@given(EXPS, st.data())
def test_what_is_printed_is_parsed_back(e: Exp, data: st.DataObject) -> None:
    spaces = st.sampled_from([" ", "\n", "\t (* a (* b *) *) ", " // ( x\n", " # let\n"])
    text = "".join(word + data.draw(spaces) for word in words(e))
    assert exp(text) == e


def nodes(node: Any) -> list[Any]:
    if isinstance(node, tuple):
        return [n for part in node for n in nodes(part)]
    if not isinstance(node, Struct):
        return []
    return [node, *nodes(tuple(getattr(node, f) for f in node.__struct_fields__ if f not in ("span", "source")))]


@settings(deadline=None)
@given(EXPS)
def test_the_place_of_an_expression_is_its_own_text(e: Exp) -> None:
    text = "let x = " + " ".join(words(e))
    for node in nodes(parse(text).body[0]):
        assert node.span.line == 1
        own = text[node.span.column - 1 : node.span.end - 1]
        match node:
            case LetIns():
                assert own == text
            case Binding():
                assert "=" in own
            case Fun() if node.name:
                assert own.startswith(node.name)
            case Variant() | Junction() | syntax.Test():
                assert exp(f"if {own} then a else b").cond == bare(node)
            case _:
                assert exp(own) == bare(node)


def test_what_spans_lines_is_placed_at_its_first() -> None:
    (found,) = parse("acyclic a |\n  (b ;\nc) as\n n").body
    assert isinstance(found, Check)
    assert isinstance(found.exp, Binary)
    places = [(s.line, s.column, s.end) for s in (found.span, found.exp.span, found.exp.left.span, found.exp.right.span)]
    assert places == [(1, 1, 8), (1, 9, 10), (1, 9, 10), (2, 3, 4)]


def refusal(text: str) -> CheckerError | None:
    """Why the text is refused, if it is; no other exception gets out."""
    try:
        parse(text)
    except CheckerError as problem:
        return problem
    return None


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)))
def test_any_text_is_parsed_or_refused_with_a_place(text: str) -> None:
    problem = refusal(text)
    assert problem is None or (problem.span is not None and problem.render())


@settings(deadline=None)
@given(EXPS, st.data())
def test_a_damaged_model_is_parsed_or_refused_with_a_place(e: Exp, data: st.DataObject) -> None:
    text = ["let", "x", "=", *words(e)]
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(WORDS))
    problem = refusal(" ".join(text))
    assert problem is None or (problem.span is not None and problem.span.line == 1)


@pytest.mark.parametrize("path", sorted(p for p in MODELS.rglob("*") if p.suffix in (".cat", ".bell")), ids=lambda p: p.name)
def test_every_model_of_ours_is_parsed(path: Path) -> None:
    file = parse_cat(Source(path.name, path.read_text(encoding="utf-8")))
    assert file.title or file.body
