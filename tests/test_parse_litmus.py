"""Litmus files: header, initial state, condition, expectations, the names they must agree on, and their mistakes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from c_texts import bare
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.core.source import CheckerError, Source, SyntaxProblem, UnknownName, Unreadable
from checker.parse.files import MAX_BYTES, data_folder, decode, read_source
from checker.parse.litmus import parse_test
from checker.program import ir
from checker.program.ir import Address, And, Compare, Expectation, Implies, MemLoc, Not, Or, Prop, RegLoc, Truth, Value
from checker.report.spell import show_condition, show_prop

CODE = "P0(int *x, int *y) { int r0; int r1; r0 = READ_ONCE(*x); }\nP1(int *y) { WRITE_ONCE(*y, 1); int r1; }\n"


def read(init: str = "", code: str = CODE, tail: str = "", header: str = "C t\n") -> ir.Test:
    return parse_test(Source("t.litmus", f"{header}{{{init}}}\n{code}{tail}"))


def globals_of(init: str, code: str = CODE) -> dict[str, Value]:
    return {str(g.address): g.value for g in read(init, code).globals}


def prop(text: str, init: str = "") -> Prop:
    return bare(read(init, tail=f"exists {text}").condition.prop)  # type: ignore[no-any-return]


# ---------------------------------------------------------------- initial state


@pytest.mark.parametrize(
    ("init", "wanted"),
    [
        ("", {}),
        (";", {}),
        ("\n\n", {}),
        ("x=1;", {"x": 1}),
        ("x=1", {"x": 1}),
        ("x = -1 ; ; y=0x10;", {"x": -1, "y": 16}),
        ("int x; x=1;", {"x": 1}),
        ("int x=1; int y=2", {"x": 1, "y": 2}),
        ("[x]=1; int [y]=2;", {"x": 1, "y": 2}),
        ("int *x=&y;", {"x": Address("y")}),
        ("int *x=y;", {"x": Address("y")}),
        ("*x=y;", {"x": Address("y")}),
        ("x=y;", {"x": Address("y")}),
        ("x=q;", {"x": Address("q"), "q": 0}),
        ("x=NULL;", {"x": 0}),
        ("atomic_t v = ATOMIC_INIT(3);", {"v": 3}),
        ("spinlock_t l;", {"l": 0}),
        ("spinlock_t l = SPIN_LOCK_UNLOCKED;", {"l": 0}),
        ("struct srcu_struct s;", {"s": 0}),
        ("int z[2];", {"z": 0, "z[1]": 0}),
        ("int z[2]={1,2};", {"z": 1, "z[1]": 2}),
        ("z[1]=3;", {"z[1]": 3}),
        ("x[1]=3;", {"x[1]": 3}),
        ("int z[2]; x=&z[1];", {"z": 0, "z[1]": 0, "x": Address("z", 1)}),
        ("x=0xffffffffffffffff;", {"x": -1}),
        ("(* int q; *) x=1; // int q\n y=2 /* int q */", {"x": 1, "y": 2}),
    ],
)
def test_an_initial_state_becomes(init: str, wanted: dict[str, Value]) -> None:
    assert globals_of(init) == {"x": 0, "y": 0} | wanted


def test_globals_come_in_the_order_of_declaration_parameters_and_pointers() -> None:
    test = read("b=q; a=1;")
    assert [str(g.address) for g in test.globals] == ["b", "a", "x", "y", "q"]


def test_a_type_is_the_declared_one_or_that_of_the_first_parameter() -> None:
    code = "P0(volatile int *x, spinlock_t *l, int **p) { }"
    test = read("long *x; q=1; struct srcu_struct s;", code)
    assert {str(g.address): g.type for g in test.globals} == {
        "x": "long *", "q": "", "s": "struct srcu_struct", "l": "spinlock_t", "p": "int *",
    }  # fmt: skip


def test_registers_may_be_initialised() -> None:
    test = read("0:r1=1; int 1:r1=x; P0:r0=-2; int *0:r2=&y;")
    assert test.registers == (
        (RegLoc(0, "r1"), 1),
        (RegLoc(1, "r1"), Address("x")),
        (RegLoc(0, "r0"), -2),
        (RegLoc(0, "r2"), Address("y")),
    )


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("x=1 y=2", "missing ';' before 'y'"),
        ("x==1", "unexpected '=='"),
        ("x=;", "unexpected ';'"),
        ("x=1; x=2", "x has an initial value already"),
        ("0:r1=1; 0:r1=2", "0:r1 has an initial value already"),
        ("int z[2]={1,2,3}", "3 values for an array of 2"),
        ("int z[2]=1", "an array takes '{…}'"),
        ("int z[0]", "an array of no elements"),
        ("x={1}", "an array takes '{…}'"),
        ("x=123456789012345678901", "not an integer of 64 bits"),
        ("x=foo(1)", "the initial value 'foo'"),
        ("int z[99999999]", "an array has at most"),
        ("int z[2]; x=&z[2]", "'z' has no element 2"),
        ("x=&z[2]", "there is no location 'z[2]'"),
    ],
)
def test_a_mistake_in_the_initial_state_is_named(init: str, message: str) -> None:
    with pytest.raises(CheckerError) as caught:
        read(init)
    assert message in caught.value.message
    assert caught.value.span is not None
    assert caught.value.span.line == 2


# ---------------------------------------------------------------- conditions

places = st.sampled_from([RegLoc(0, "r0"), RegLoc(1, "r1"), MemLoc(Address("x")), MemLoc(Address("z", 1))])
values = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([Address("x"), Address("y"), Address("z", 1)])
atoms = st.builds(Compare, st.sampled_from(["==", "<", "<=", ">", ">="]), places, values | places) | st.builds(Truth, st.booleans())


def _connect(inner: st.SearchStrategy[Prop]) -> st.SearchStrategy[Prop]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, several), st.builds(Or, several), st.builds(Implies, inner, inner))


props: st.SearchStrategy[Prop] = st.recursive(atoms, _connect, max_leaves=10)


def flat(p: Prop) -> Prop:
    """`p` with conjunctions inside conjunctions, and disjunctions inside disjunctions, made one."""
    match p:
        case And(args=args) | Or(args=args):
            kind = type(p)
            parts = [flat(a) for a in args]
            return kind(tuple(q for a in parts for q in (a.args if isinstance(a, kind) else (a,))))
        case Not(arg=arg):
            return Not(flat(arg))
        case Implies(left=left, right=right):
            return Implies(flat(left), flat(right))
    return p


@given(props)
@settings(deadline=None)
def test_a_spelled_proposition_is_read_back_as_it_was(p: Prop) -> None:
    assert prop(f"({show_prop(p)})", "int z[2];") == flat(p)


def eq(left: Any, right: Any, op: str = "==") -> Compare:
    return Compare(op, left, right)


R0, R1, X = RegLoc(0, "r0"), RegLoc(1, "r1"), MemLoc(Address("x"))
A, B, C = eq(R0, 1), eq(R1, 2), eq(X, 3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0:r0=1", A),
        ("(0:r0 == 1)", A),
        ("P0:r0=0x1", A),
        ("x=3", C),
        ("[x]=3", C),
        ("0:r0=x", eq(R0, Address("x"))),
        ("0:r0=&x", eq(R0, Address("x"))),
        ("0:r0=1:r1", eq(R0, R1)),
        ("[x]=[y]", eq(X, MemLoc(Address("y")))),
        ("x=y", eq(X, Address("y"))),
        ("0:r0!=1", eq(R0, 1, "!=")),
        ("0:r0<>1", eq(R0, 1, "!=")),
        ("0:r0<=-1", eq(R0, -1, "<=")),
        ("z[1]=2", eq(MemLoc(Address("z", 1)), 2)),
        ("[z[1]]=2", eq(MemLoc(Address("z", 1)), 2)),
        ("z={1,2}", And((eq(MemLoc(Address("z")), 1), eq(MemLoc(Address("z", 1)), 2)))),
        ("true", Truth(True)),
        ("(false)", Truth(False)),
        ("0:r0=1 /\\ 1:r1=2 /\\ x=3", And((A, B, C))),
        ("0:r0=1 \\/ 1:r1=2 /\\ x=3", Or((A, And((B, C))))),
        ("0:r0=1 /\\ 1:r1=2 => x=3", And((A, Implies(B, C)))),
        ("0:r0=1 => 1:r1=2 => x=3", Implies(A, Implies(B, C))),
        ("not 0:r0=1 /\\ x=3", And((Not(A), C))),
        ("~(0:r0=1 /\\ x=3)", Not(And((A, C)))),
        ("(0:r0=1 && (1:r1=2 || x=3))", And((A, Or((B, C))))),
    ],
)
def test_a_condition_becomes(text: str, wanted: Prop) -> None:
    assert prop(text, "int z[2];") == wanted


@pytest.mark.parametrize(
    ("tail", "spelled"),
    [
        ("exists (0:r0=1 /\\ x=3)", "exists (0:r0=1 /\\ [x]=3)"),
        ("~exists (x=3)", "~exists ([x]=3)"),
        ("~ exists x=3", "~exists ([x]=3)"),
        ("not exists (x=3);", "~exists ([x]=3)"),
        ("forall ((x=3))", "forall ([x]=3)"),
        ("(x=3)", "exists ([x]=3)"),
        ("final x=3", "exists ([x]=3)"),
        ("exists (x!=3)", "exists (not ([x]=3))"),
        ("exists ((0:r0=1 => x=3) => x=y)", "exists ((0:r0=1 => [x]=3) => [x]=y)"),
        ("", "forall (true)"),
        ("exists x=3 with tso: ~exists; sc: forall;", "exists ([x]=3)"),
        ("exists x=3\n<<\nnotes {\n>>", "exists ([x]=3)"),
    ],
)
def test_a_question_is_spelled(tail: str, spelled: str) -> None:
    assert show_condition(read(tail=tail).condition) == spelled


def test_locations_and_a_filter_come_before_the_question() -> None:
    test = read("int z[2];", tail="locations [x; 0:r0; z[1]; y int*;]\nfilter (0:r0=1)\nexists (x=1)")
    assert test.shown == (X, R0, MemLoc(Address("z", 1)), MemLoc(Address("y")))
    assert test.filter is not None
    assert bare(test.filter) == A


@pytest.mark.parametrize(
    ("tail", "message", "hint"),
    [
        ("exists (0:q=1)", "P0 has no register 'q'", "known here"),
        ("exists (7:r0=1)", "there is no process 7", "P0 to P1"),
        ("exists (zz=1)", "there is no location 'zz'", "known here: x, y"),
        ("exists (0:r0=zz)", "there is no location 'zz'", "known here: x, y"),
        ("exists (x[1]=1)", "'x' has no element 1", ""),
        ("filter (zz=1) exists (x=1)", "there is no location 'zz'", "x, y"),
        ("locations [zz;]", "there is no location 'zz'", "x, y"),
    ],
)
def test_a_name_nobody_declared_is_refused_with_the_names_there_are(tail: str, message: str, hint: str) -> None:
    with pytest.raises(UnknownName) as caught:
        read(tail=tail)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.span is not None
    assert caught.value.span.line == 5


def test_a_register_that_is_only_listed_draws_a_warning() -> None:
    test = read(tail="locations [0:r7;] exists (x=1)")
    assert [message for message, _ in test.warnings] == ["P0 never mentions r7: it stays 0"]


def test_a_global_that_is_no_parameter_draws_a_warning() -> None:
    test = read("z=1;", "P0(int *x) { r1 = z; int y; y = 1; }\nP1(int *y) { }\n")
    assert [(message, str(span)) for message, span in test.warnings] == [
        ("z is a global, but P0 has no parameter z: here it is a local variable", "t.litmus:3:19")
    ]


# ---------------------------------------------------------------- headers, comments, expectations


def test_the_header_gives_name_and_information() -> None:
    test = read(header='C MP+po.litmus "a {doc}"\nCycle=Rfe Fre\nRelax=\nPrefetch=0:x=F\n(* Hash=1 {} *)\nfree words\n')
    assert (test.name, test.arch) == ("MP+po", "C")
    assert test.info == (("Doc", "a {doc}"), ("Cycle", "Rfe Fre"), ("Relax", ""), ("Prefetch", "0:x=F"))


@pytest.mark.parametrize(
    ("comment", "wanted"),
    [
        ("(* Result: Never *)", [("lkmm", "Never", False)]),
        ("(*\n * Result: Sometimes DATARACE\n *)", [("lkmm", "Sometimes", True)]),
        ("(*\n\tResult: Maybe\n *)", [("lkmm", "Maybe", False)]),
        ("(* Result: DEADLOCK *)", [("lkmm", "DEADLOCK", False)]),
        ("(* Result: Free choice. *)", []),
        ("(* The Result: Never *)", []),
        ("(*\n * Result: Never\n * Result(aarch64): Sometimes\n * Result(x86-tso): Never DATARACE\n *)", [
            ("lkmm", "Never", False), ("aarch64", "Sometimes", None), ("x86-tso", "Never", True),
        ]),
    ],
)  # fmt: skip
def test_a_comment_says_what_is_expected(comment: str, wanted: list[tuple[str, str, bool | None]]) -> None:
    places = (
        read(header=f"C t\n{comment}\n"),
        read(header=f"{comment}\nC t\n"),
        read(init=comment),
        read(code=CODE.replace("\nP1", f"\n{comment}\nP1")),
        read(tail=f"exists (x=1)\n{comment}"),
    )
    for test in places:
        assert [(e.model, e.verdict, e.race) for e in test.expect] == wanted


def test_an_expectation_knows_its_place() -> None:
    (expected,) = read(header="C t\n(*\n * Result(aarch64): Never\n *)\n").expect
    assert isinstance(expected, Expectation)
    assert (expected.span.line, expected.span.column, expected.span.end) == (3, 21, 26)


def test_a_comment_of_the_code_expects_nothing_and_hides_code() -> None:
    test = read(code="P0(int *x) { /* Result: Never\n } */ r = 1; // }\n}\n(* P1(int *y) { } *)")
    assert test.expect == ()
    assert len(test.threads) == 1
    assert len(test.threads[0].body) == 1


def test_a_verdict_of_ours_that_is_misspelled_is_an_error() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        read(header="C t\n(* Result(lkmm): Nver *)\n")
    assert caught.value.hint == "did you mean 'Never'?"


# ---------------------------------------------------------------- mistakes

WHOLE = "C t\n{\n\tx=1;\n}\n\nP0(int *x)\n{\n\tWRITE_ONCE(*x, 2);\n}\n\nP1(int *x)\n{\n\tr0 = *x;\n}\n\nexists (1:r0=1)\n"


@pytest.mark.parametrize(
    ("old", "new", "where", "message", "hint"),
    [
        ("2);", "2)", "8:19", "missing ';'", "ends with ';'"),
        (";\n}\n\nP1", ";\n\nP1", "10:1", "a '}' is missing before this", "'{' of line 7"),
        ("*x;\n}", "*x;\n", "16:1", "a '}' is missing before this", "'{' of line 12"),
        ("1;\n}", "1;\n", "6:1", "a '}' is missing before this", "'{' of line 2"),
        ("2);\n}", "2);\n}}", "9:2", "this '}' closes nothing", "'{' missing"),
        ("{\n\tx=1;\n}\n", "", "3:1", "there is no initial state", "write '{ }'"),
        ("2);", "$2);", "8:17", "unexpected '$'", "an expression"),
        ("C t\n", "C t\n(* open\n", "2:1", "this comment is never closed", "close it with '*)'"),
        ("C t\n", "C t\n(* f(*x) *)\n", "2:1", "this comment is never closed", "opens another comment"),
        ("2);", "2); /* open", "8:21", "this comment is never closed", "close it with '*/'"),
        ("exists", "exist", "16:1", "unexpected 'exist'", "did you mean 'exists'?"),
        ("exists", "foral", "16:1", "unexpected 'foral'", "did you mean 'forall'?"),
        ("=1)\n", "=1\n", "16:14", "the condition is not complete", "')'"),
        ("=1)\n", "=1) x\n", "16:17", "unexpected 'x'", "/\\"),
        ("(1:r0=1)", "(fault(P0,x))", "16:14", "'fault' is not supported", "compares"),
        ("C t", "c t", "1:1", "'c' are not supported", "did you mean 'C'?"),
        ("C t", "Alpha t", "1:1", "'Alpha' are not supported", "one of: C"),
        ("C t", "hello", "1:1", "not the first line", "write 'C name'"),
        ("P1", "P0", "11:1", "P0 is there twice", "P0, P1"),
        ("P1", "P2", "11:1", "there is a P2 but no P1", "P0, P1"),
        ("P1", "Q1", "11:1", "unexpected 'Q1'", "a process is"),
        (WHOLE, "", "1:1", "the file is empty", "'C name'"),
        (WHOLE, " \n", "1:1", "the file is empty", "'C name'"),
        (WHOLE, "C t\n{}\n", "2:1", "there is no process", "write 'P0"),
    ],
)
def test_a_mistake_is_shown_where_it_is_with_what_would_work(old: str, new: str, where: str, message: str, hint: str) -> None:
    assert old in WHOLE
    with pytest.raises(CheckerError) as caught:
        parse_test(Source("t.litmus", WHOLE.replace(old, new, 1)))
    assert message in caught.value.message
    assert str(caught.value.span) == f"t.litmus:{where}"
    assert hint in caught.value.hint
    assert "^" in caught.value.render()


PIECES = st.sampled_from([
    "(*", "*)", "/*", "*/", "//", "{", "}", "(", ")", "[", "]", ";", ",", "=", "==", "\n", "\0", "é", "٣", "->", ".", "++", "&",
    "*", "!", "~", "P0(", "P9", "exists", "forall", "filter", "locations", "not", "=>", "/\\", "\\/", "if (", "else", "while (",
    "do", "for (", "0:r1", "9" * 25, "0x", "-1", "int", "struct", "x", "__fence{", "?", ":", "return", "#", "true", "Result: ",
    "(* Result(x): ", "\u2028", "\r", "\x0c",
])  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 6), PIECES | st.text(max_size=3)), max_size=6))
@settings(deadline=None, max_examples=300)
def test_a_damaged_test_is_read_or_refused_in_its_own_lines(damages: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for at, removed, added in damages:
        text = text[:at] + added + text[at + removed :]
    try:
        parse_test(Source("t.litmus", text))
    except CheckerError as error:
        span = error.span
    else:
        return
    assert span is not None
    assert 1 <= span.line <= text.count("\n") + 1
    assert span.column >= 1


@given(st.text(max_size=80) | st.text(alphabet="C t{}P0()*x;=1exists\n", max_size=80))
@settings(deadline=None)
def test_any_text_is_a_test_or_refused(text: str) -> None:
    with contextlib.suppress(CheckerError):
        parse_test(Source("t.litmus", text))


# ---------------------------------------------------------------- files and scenarios


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"C t\n\0{}", "binary"),
        (b"C t\n\xff{}", "line 2 is not UTF-8"),
        (b"x" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_not_text_is_unreadable(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "t.litmus"
    path.write_bytes(data)
    with pytest.raises(Unreadable, match=message):
        read_source(path)


def test_a_missing_file_and_a_directory_are_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        read_source(tmp_path / "no")
    with pytest.raises(Unreadable, match="directory"):
        read_source(tmp_path)
    with pytest.raises(Unreadable, match="cannot be read"):
        read_source("a\0b")


def test_line_ends_and_byte_order_marks_of_other_systems_are_read() -> None:
    unix = decode("t", WHOLE.encode())
    assert decode("t", b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode()) == unix
    assert decode("t", WHOLE.replace("\n", "\r").encode()) == unix


SCENARIOS = sorted(p for p in data_folder("litmus").rglob("*.litmus") if p.read_text().lstrip().startswith("C "))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_is_read_without_a_warning(path: Path) -> None:
    test = parse_test(read_source(path))
    assert test.warnings == ()
    assert test.expect
