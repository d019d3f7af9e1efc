"""The condition read at once is what the grammar makes of it, to the column; what is more is left to the grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.core.source import CheckerError, Source
from checker.parse import state
from checker.parse.quick import simple_tail

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


@given(st.builds("{}{}{} {}{}".format, blank, shown, quantifier, prop, st.sampled_from(["", ";", " ", "\n", ")"])))
def test_what_is_read_at_once_is_what_the_grammar_reads(text: str) -> None:
    source = Source("t.litmus", text)
    parts = simple_tail(source, text)
    if parts is not None:
        assert state.Tail(*parts) == state._parse("tail", source, text)


@pytest.mark.parametrize(
    "text",
    ["exists (0:EAX=0 /\\ [x]=1)", "locations [x; 0:r1;]\nforall x=1 \\/ (y=2 /\\ z!=3)", "~exists\n (x=-1)", "not exists (x==1);"],
)
def test_common_conditions_are_read_at_once(text: str) -> None:
    assert simple_tail(Source("t.litmus", text), text) is not None


@given(st.text(alphabet="exists (0:rax=1/\\~[x];)\n", max_size=40))
def test_any_condition_is_read_or_refused(text: str) -> None:
    source = Source("t.litmus", text)
    try:
        found: object = state._parse("tail", source, text) if text.strip() else None
    except CheckerError:
        found = None
        assert simple_tail(source, text) is None
    parts = simple_tail(source, text)
    assert parts is None or state.Tail(*parts) == found
