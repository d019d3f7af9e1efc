"""Conditions and initial states: what is read knows its place, and whatever is written is read or refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from checker.core.source import CheckerError, Source, Span
from checker.parse import state
from checker.program.ir import And, Compare, Implies, MemLoc, Not, Or, Prop, RegLoc
from checker.report.spell import show_condition

blank = st.sampled_from(["", "", " ", "\n", "  "])
name = st.sampled_from(["x", "y", "ok", "exists1", "v.0", "_z", "true", "not", "filter", "P0", "l$a"])
register = st.sampled_from(["EAX", "X0", "r1", "%rax", "$v"])
place = st.one_of(
    st.builds("{}{}:{}{}".format, st.sampled_from(["", "P"]), st.integers(0, 3), blank, register),
    name,
    st.builds("[{}]".format, name),
    st.builds("{}[{}]".format, name, st.integers(0, 2)),
)
number = st.one_of(st.integers(-3, 300).map(str), st.just(str(2**63)), st.sampled_from(["0x1f", "x", "&y", "1a"]))
atom = st.builds(
    "{}{}{}{}{}".format, place, blank, st.sampled_from(["=", "=", "==", "!=", "<", "=>"]), blank, number
) | st.sampled_from(["true", "not x=1", "~(x=1)"])  # fmt: skip
prop = st.recursive(
    atom,
    lambda inner: (
        st.builds("({}{}{})".format, blank, inner, blank)
        | st.builds("{} {} {}".format, inner, st.sampled_from(["/\\", "\\/", "&&", "||", "/\\", "=>"]), inner)
    ),
    max_leaves=6,
)
quantifier = st.sampled_from(["exists", "~exists", "not exists", "forall", "final", "~ exists", ""])
listing = st.tuples(st.lists(place, max_size=3), st.sampled_from(["", ";"])).map(lambda c: f"locations [{'; '.join(c[0])}{c[1]}] ")
shown = st.just("") | listing


texts = st.builds("{}{}{} {}{}".format, blank, shown, quantifier, prop, st.sampled_from(["", ";", " ", "\n", ")"]))


def read(text: str) -> state.Tail | None:
    source = Source("t.litmus", text)
    try:
        return state.parse_tail(source, text, Span(source, 1, 1))
    except CheckerError as error:
        assert_placed(error, text)
        return None


def assert_placed(error: CheckerError, text: str) -> None:
    assert error.span is not None
    assert 1 <= error.span.line <= text.count("\n") + 1


def comparisons(p: Prop) -> Iterator[Compare]:
    match p:
        case Compare():
            yield p
        case Not(arg):
            yield from comparisons(arg)
        case And(args) | Or(args):
            for arg in args:
                yield from comparisons(arg)
        case Implies(left, right):
            yield from comparisons(left)
            yield from comparisons(right)


@given(texts)
def test_what_is_read_knows_where_it_stands(text: str) -> None:
    tail = read(text)
    for atom in comparisons(tail.condition.prop) if tail else ():
        op = text.split("\n")[atom.span.line - 1][atom.span.column - 1 : atom.span.end - 1]
        assert op == atom.op or (op, atom.op) in (("=", "=="), ("<>", "!="))
    for place, span in (*tail.mentioned, *tail.listed) if tail else ():
        found = text.split("\n")[span.line - 1][span.column - 1 : span.end - 1]
        name = place.reg if isinstance(place, RegLoc) else (place.address if isinstance(place, MemLoc) else place).name
        assert found.endswith(name) or found.rstrip(" %$").endswith(":")  # the rest may be on the next line


@given(texts, blank)
def test_blanks_change_nothing(text: str, more: str) -> None:
    one, other = read(text), read(more + text.replace(" ", "  ").replace("[", "[ "))
    assert (one is None) == (other is None)
    if one and other:
        assert show_condition(one.condition) == show_condition(other.condition)
        assert one.shown == other.shown


@given(st.text(alphabet="exists (0:rax=1/\\~[x];)\n{}&,", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text or " ")
    source = Source("t.litmus", text)
    with contextlib.suppress(CheckerError):
        state.parse_init(source, text)
