"""Laws of relations as bit rows: the same as sets of pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from checker.core import rel

Pair = tuple[int, int]
N = 6
events = st.integers(0, N - 1)
relations = st.frozensets(st.tuples(events, events), max_size=14)
sets = st.frozensets(events)


def rows(r: frozenset[Pair]) -> rel.Rows:
    return rel.rows_of(N, r)


def back(r: rel.Rows) -> frozenset[Pair]:
    assert len(r) == N
    return frozenset((a, b) for a in range(N) for b in range(N) if r[a] >> b & 1)


def plus(r: frozenset[Pair]) -> frozenset[Pair]:
    while (more := r | {(a, d) for a, b in r for c, d in r if b == c}) != r:
        r = more
    return r


@given(relations)
def test_rows_are_the_pairs(r: frozenset[Pair]) -> None:
    assert back(rows(r)) == r
    assert list(rel.pairs(rows(r))) == sorted(r)


@given(sets)
def test_masks_are_the_events(s: frozenset[int]) -> None:
    assert list(rel.bits(rel.mask_of(s))) == sorted(s)
    assert back(rel.identity(rel.mask_of(s), N)) == {(a, a) for a in s}


@given(relations, relations)
def test_boolean_operators(r: frozenset[Pair], s: frozenset[Pair]) -> None:
    assert back(rel.union(rows(r), rows(s))) == r | s
    assert back(rel.inter(rows(r), rows(s))) == r & s
    assert back(rel.diff(rows(r), rows(s))) == r - s


@given(relations, relations)
def test_composition_and_inverse(r: frozenset[Pair], s: frozenset[Pair]) -> None:
    composed = rel.compose(rows(r), rows(s))
    assert back(composed) == {(a, d) for a, b in r for c, d in s if b == c}
    assert back(rel.inverse(rows(r))) == {(b, a) for a, b in r}
    assert rel.inverse(composed) == rel.compose(rel.inverse(rows(s)), rel.inverse(rows(r)))


@given(relations, sets, sets)
def test_sets_and_relations(r: frozenset[Pair], s: frozenset[int], t: frozenset[int]) -> None:
    left, right = rel.mask_of(s), rel.mask_of(t)
    assert back(rel.restrict(left, rows(r), right)) == {(a, b) for a, b in r if a in s and b in t}
    assert back(rel.product(left, right, N)) == {(a, b) for a in s for b in t}
    assert rel.domain(rows(r)) == rel.mask_of(a for a, _ in r)
    assert rel.codomain(rows(r)) == rel.mask_of(b for _, b in r)


@given(relations)
def test_closure_is_the_least_transitive_relation(r: frozenset[Pair]) -> None:
    assert back(rel.closure(rows(r))) == plus(r)


@given(relations)
def test_components_are_the_classes_of_events_on_common_cycles(r: frozenset[Pair]) -> None:
    reach = plus(r)
    classes = {frozenset(b for b in range(N) if {(a, b), (b, a)} <= reach) for a in range(N) if (a, a) in reach}
    found = rel.components(rows(r))
    assert {frozenset(rel.bits(c)) for c in found} == classes
    assert len(found) == len(classes)
    assert [c & -c for c in found] == sorted(c & -c for c in found)


@given(relations)
def test_a_cycle_is_a_shortest_real_cycle(r: frozenset[Pair]) -> None:
    found = rel.cycle(rows(r))
    step, length = r, 1  # the pairs joined by exactly `length` steps
    while length <= N and not any(a == b for a, b in step):
        step, length = frozenset((a, d) for a, b in step for c, d in r if b == c), length + 1
    assert len(found) == (length if length <= N else 0)
    assert len(set(found)) == len(found)
    assert all(pair in r for pair in zip(found, found[1:] + found[:1], strict=True))
