"""`Result:` lines: what says something, what is prose, and what is a mistake; which model they speak of."""

from __future__ import annotations

from pathlib import Path

import pytest

import checker.models
from checker.check import Options, check
from checker.core.source import Source, SyntaxProblem, UnknownName
from checker.library import forget, load_model, load_test
from checker.parse.litmus import parse_test

SAYS = "C says\n\n(*\n{lines}\n *)\n\n{{}}\n\nP0(int *x)\n{{\n\tWRITE_ONCE(*x, 1);\n}}\n\nexists (x=0)\n"


def expectations(*lines: str) -> list[str]:
    source = Source("says.litmus", SAYS.format(lines="\n".join(lines)))
    return [f"{e.model}: {e}" for e in parse_test(source).expect]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (" * Result: never", "'Never'"),
        (" * Result: Nevr", "'Never'"),
        (" * Result: NEVER DATARACE", "'Never'"),
        (" * Result: Forbidden", "'Never'"),
        (" * Result: Deadlock", "'DEADLOCK'"),
        (" * Result: Unclear", "Never, Sometimes"),
        (" * Result:", "Never, Sometimes"),
        (" * Result: ???", "Never, Sometimes"),
        (" * Result(sc): perhaps not", "Never, Sometimes"),
        (" * Results: Never", "'Result: Never'"),
        (" * Reslt: Never", "'Result: Never'"),
        (" * result: never", "'Result: Never'"),
        (" * RESULT: Sometimes DATARACE", "'Result: Sometimes'"),
        (" * Result = Never", "'Result: Never'"),
        (" * Result Never", "'Result: Never'"),
        (" * Result(aarch64) Never", "'Result(aarch64): Never'"),
        (" * Result: Never DATARCE", "'DATARACE'"),
        (" * Result: Sometimes USE-AFTER-FRE", "'USE-AFTER-FREE'"),
    ],
)
def test_a_line_that_means_to_say_a_result_and_does_not_is_an_error(line: str, hint: str) -> None:
    with pytest.raises(SyntaxProblem) as told:
        expectations(line)
    assert hint in told.value.hint
    assert told.value.span is not None
    assert told.value.span.line == 4


@pytest.mark.parametrize(
    "line",
    [
        " * The result is Never if any of the smp_mb() calls is removed.",
        "   As a result: Allow (where SC fails)",
        ' * Result: Free choice. "Allow" for simpler rules',
        " * result: never happens on the machines that we have",
        " * Results never to be seen",
        " * Release Never",
        " * Reader: Never",
        " * return: Never",
    ],
)
def test_prose_that_holds_the_words_says_nothing(line: str) -> None:
    assert expectations(line) == []
    assert expectations(line, " * Result: Never DATARACE USE-AFTER-FREE -- for a reason") == ["lkmm: Never DATARACE USE-AFTER-FREE"]


@pytest.mark.parametrize("second", ["Result: Sometimes", "Result: Never", "Result(lkmm): Never"])
def test_two_results_for_one_model_are_an_error(second: str) -> None:
    with pytest.raises(SyntaxProblem, match="a second result for 'lkmm'") as told:
        expectations(" * Result: Never", " * Result(sc): Never", f" * {second}")
    assert told.value.span is not None
    assert told.value.span.line == 6
    assert "line 4" in told.value.hint


@pytest.mark.parametrize(("model", "hint"), [("arm64", "'aarch64'"), ("x86", "'x86-tso'"), ("mine", "Result(mine.cat)")])
def test_a_result_for_no_model_is_an_error(tmp_path: Path, model: str, hint: str) -> None:
    file = tmp_path / "says.litmus"
    file.write_text(SAYS.format(lines=f" * Result({model}): Never"))
    with pytest.raises(UnknownName) as told:
        load_test(file)
    assert hint in told.value.hint
    assert told.value.span is not None
    assert told.value.span.line == 4


def test_a_result_speaks_of_the_model_of_that_path(tmp_path: Path) -> None:
    for folder, rules in (("a", "acyclic po | rf | co | fr as sc"), ("b", "acyclic rf | co | fr as weaker")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.cat").write_text(f'"m"\ninclude "cos.cat"\nlet fr = rf^-1 ; co\n{rules}\n')
    macros = str(Path(__file__).resolve().parent.parent / "checker" / "models" / "lkmm" / "linux.def")
    lines = (f" * Result({tmp_path}/a/m.cat): Never", f" * Result({tmp_path}/b/m.cat): Always")
    (tmp_path / "says.litmus").write_text(SAYS.format(lines="\n".join(lines)))
    test = load_test(tmp_path / "says.litmus")
    for folder, verdict in (("a", "Never"), ("b", "Always")):
        expected = check(test, load_model(f"{tmp_path}/{folder}/m.cat", macros=macros)).expected
        assert expected is not None
        assert expected.verdict == verdict


def test_the_kernels_results_speak_of_its_model_wherever_it_lies(tmp_path: Path) -> None:
    models = Path(__file__).resolve().parent.parent / "checker" / "models" / "lkmm"
    cat = tmp_path / "linux-kernel.cat"
    text = (models / "lkmm.cat").read_text()
    (tmp_path / "says.litmus").write_text(SAYS.format(lines=" * Result: Never"))
    bell, macros = str(models / "lkmm.bell"), str(models / "linux.def")
    for title, expected in (('"Linux-kernel memory consistency model"', "Never"), ('"another"', None)):
        cat.write_text(title + text[text.index("\n") :])
        forget()
        model = load_model(str(cat), bell=bell, macros=macros, include=[str(models)])
        found = check(load_test(tmp_path / "says.litmus"), model).expected
        assert (found and found.verdict) == expected


def test_without_coherence_a_first_value_is_the_last_one_only_where_nothing_else_is_written(tmp_path: Path) -> None:
    lkmm = Path(checker.models.__file__).parent / "lkmm"
    (tmp_path / "none.cat").write_text('"nothing"\nacyclic po as order\n')
    loose = load_model(str(tmp_path / "none.cat"), bell=str(lkmm / "lkmm.bell"), macros=str(lkmm / "linux.def"))
    assert not loose.coherent
    text = """C t
{}
P0(int *x, int *y) { int r = READ_ONCE(*y); if (r) { WRITE_ONCE(*x, 1); WRITE_ONCE(*x, 2); } }
P1(int *y) { WRITE_ONCE(*y, 1); }
exists (x=0)
"""
    asked = parse_test(Source("t", text.replace("exists (x=0)", "locations [0:r]\nexists (x=0)")))
    assert sorted(check(asked, loose, Options(states=True)).states or ()) == ["0:r=0; [x]=0;", "0:r=1; [x]=1;", "0:r=1; [x]=2;"]
