"""The command barriers, what it prints, and which files it takes in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import library
from checker.campaign.barriers import BEARS, NOTHING, UNKNOWN, WEAKER, Judgement, Pair, Surveyed
from checker.check import Options, check
from checker.cli import cli
from checker.core.source import Source
from checker.kernel.kept import Kept
from checker.kernel.trees import FolderTree, Overlay
from checker.library import load_model
from checker.reach import gather
from checker.reach.headers import Headers, headers, stamp
from checker.reach.index import Barrier
from checker.reach.pairs import Partner, partners
from checker.reach.select import orders
from checker.report.barriers import markdown, table
from tests.test_pairs import HEADER, READER, WRITER, c, index, one

SOURCES = {
    "include/linux/thing.h": HEADER,
    "drivers/t/a.c": c(publish=WRITER, alone="smp_mb();"),
    "drivers/u/b.c": c(look=READER, unrelated="t->more = 1;"),
}


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    for path, text in SOURCES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def barriers(kernel: Path, *args: str) -> Result:
    return CliRunner().invoke(cli, ["barriers", "--kernel", str(kernel), "--no-cache", "--no-judge", "-j", "1", *args])


def test_every_barrier_has_its_partners_below_it(kernel: Path) -> None:
    found = barriers(kernel, "drivers")
    assert found.exit_code == 0
    lines = found.stdout.splitlines()
    assert lines[0] == "drivers/t/a.c"
    assert "     5  smp_wmb() in publish(): paired" in lines
    assert any("message passing with look() drivers/u/b.c:4; thing.flag then thing.data" in line for line in lines)
    assert any(line.endswith("smp_mb() in alone(): unpaired") for line in lines)
    assert lines[-1] == "3 barriers: 2 paired, 1 unpaired"


def test_an_object_a_line_has_the_accesses_of_both_functions(kernel: Path) -> None:
    found = [json.loads(line) for line in barriers(kernel, "drivers", "--format", "json").stdout.splitlines()]
    assert [(one["file"], one["function"], one["verdict"]) for one in found] == [
        ("drivers/t/a.c", "publish", "paired"), ("drivers/t/a.c", "alone", "unpaired"), ("drivers/u/b.c", "look", "paired"),
    ]  # fmt: skip
    (partner,) = found[0]["partners"]
    assert partner["places"] == ["thing.data", "thing.flag"]
    assert [(a["line"], a["access"]) for a in partner["here"]] == [(4, "write"), (6, "write")]
    assert [(a["file"], a["line"], a["access"]) for a in partner["there"]] == [
        ("drivers/u/b.c", 4, "read"),
        ("drivers/u/b.c", 6, "read"),
    ]


def test_markdown_has_a_row_for_each_barrier(kernel: Path) -> None:
    text = barriers(kernel, "drivers", "--format", "markdown").stdout
    assert text.count("\n| `drivers") == 3
    assert (
        "| `drivers/t/a.c:5` | `smp_wmb()` | `publish()` | `look()` | message passing | `thing.data, thing.flag` | paired |" in text
    )


@pytest.mark.parametrize("only", ["look", "drivers/u/b.c:5"])
def test_one_barrier_can_be_asked_for(kernel: Path, only: str) -> None:
    (found,) = [json.loads(line) for line in barriers(kernel, "drivers", "--only", only, "--format", "json").stdout.splitlines()]
    assert (found["function"], found["line"]) == ("look", 5)


def test_paths_that_are_not_there_and_trees_that_are_none_are_refused(kernel: Path) -> None:
    found = barriers(kernel, "drivers/x")
    assert found.exit_code == 2 and "there is no file drivers/x" in found.stderr
    assert barriers(kernel / "nowhere", "drivers").exit_code == 2


def test_a_second_run_reads_nothing_anew(kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = ["barriers", "--kernel", str(kernel), "--no-judge", "-j", "1", "drivers"]
    first = CliRunner().invoke(cli, run)
    monkeypatch.setattr("checker.reach.gather.record", None)
    again = CliRunner().invoke(cli, run)
    assert again.exit_code == 0 and again.stdout == first.stdout


def test_several_processes_find_what_one_finds(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.campaign.indexed.FEW", 0)
    run = ["barriers", "--kernel", str(kernel), "--no-cache", "drivers"]
    assert CliRunner().invoke(cli, [*run, "-j", "2"]).stdout == CliRunner().invoke(cli, [*run, "-j", "1"]).stdout


# ---------------------------------------------------------------- what a barrier is worth


def worth(kernel: Path, text: str, *args: str) -> list[dict[str, object]]:
    """What is said of each barrier of a writer, in their order; its reader stands beside it."""
    (kernel / "drivers/t/a.c").write_text(text)
    found = CliRunner().invoke(
        cli, ["barriers", "--kernel", str(kernel), "--no-cache", "-j", "1", "--format", "json", *args, "drivers"]
    )
    assert found.exit_code == 0, found.stderr
    return [one for one in map(json.loads, found.stdout.splitlines()) if one["file"] == "drivers/t/a.c"]


def judgement(one: dict[str, object]) -> dict[str, str]:
    partners = one["partners"]
    assert isinstance(partners, list)
    (found,) = partners[0]["judged"]
    return dict(found)


def test_the_only_barrier_between_two_writes_is_load_bearing_and_the_test_shows_it(kernel: Path) -> None:
    (one,) = worth(kernel, c(publish=WRITER))
    said = judgement(one)
    assert one["verdict"] == BEARS
    assert check(library.test_in(Source("t.litmus", said["test"])), load_model("lkmm"), Options()).observation == "Sometimes"
    with_barrier = said["test"].replace("WRITE_ONCE(*flag", "smp_wmb();\n\tWRITE_ONCE(*flag")
    assert check(library.test_in(Source("t.litmus", with_barrier)), load_model("lkmm"), Options()).observation == "Never"


def test_a_full_barrier_between_two_writes_could_be_weaker(kernel: Path) -> None:
    (one,) = worth(kernel, c(publish=WRITER.replace("smp_wmb", "smp_mb")))
    assert (one["verdict"], judgement(one)["instead"]) == (WEAKER, "smp_wmb()")


def test_a_full_barrier_that_a_read_needs_could_not(kernel: Path) -> None:
    (kernel / "drivers/u/b.c").write_text(c(look="WRITE_ONCE(t->flag, 1);\n\tsmp_mb();\n\treturn READ_ONCE(t->data);"))
    (one,) = worth(kernel, c(publish="WRITE_ONCE(t->data, 1);\n\tsmp_mb();\n\treturn READ_ONCE(t->flag);"))
    assert one["verdict"] == BEARS


def test_of_two_barriers_in_a_row_neither_does_anything(kernel: Path) -> None:
    found = worth(kernel, c(publish=WRITER.replace("smp_wmb();", "smp_wmb();\n\tsmp_wmb();")))
    assert [one["verdict"] for one in found] == [NOTHING, NOTHING]


def test_what_is_lost_is_no_reason_to_say_that_a_barrier_does_nothing(kernel: Path) -> None:
    found = worth(kernel, c(publish=WRITER.replace("smp_wmb();", "smp_wmb();\n\tunheard_of(t);\n\tsmp_wmb();")))
    assert {one["verdict"] for one in found} == {UNKNOWN} and judgement(found[0])["why"]


def test_a_model_is_what_is_asked(kernel: Path) -> None:
    (one,) = worth(kernel, c(publish=WRITER), "-m", "x86-tso")
    assert one["verdict"] == NOTHING
    assert barriers(kernel, "-m", "nonsense", "drivers").exit_code == 2


# ---------------------------------------------------------------- what is shown


def test_no_line_is_longer_than_a_terminal_is_wide() -> None:
    barrier = Barrier("drivers/some/where/file.c", 12345, "smp_mb__after_srcu_read_unlock", "a_function_with_quite_a_long_name")
    partner = Partner(
        (barrier.path, barrier.inside),
        ("drivers/some/where/else.c", "another_function_with_a_long_name"),
        pattern="store buffering",
    )
    judged = tuple(Judgement("lkmm", kind, "exists (0:r0=0 /\\ 1:r0=0)", why="some words " * 12) for kind in (BEARS, UNKNOWN))
    for width in (80, 60):
        text = table([Surveyed(barrier, (Pair(partner, judged),))], width)
        assert max(map(len, text.splitlines())) <= width
        assert " ".join(text.split()) == " ".join(table([Surveyed(barrier, (Pair(partner, judged),))], None).split())


def test_a_barrier_is_what_it_is_to_the_partner_that_needs_it_most() -> None:
    barrier = Barrier("a.c", 1, "smp_mb", "f")
    pairs = [
        Pair(Partner(("a.c", "f"), ("a.c", name)), (Judgement("lkmm", kind),)) for name, kind in (("g", NOTHING), ("h", BEARS))
    ]
    found = Surveyed(barrier, tuple(pairs))
    assert found.verdict == BEARS
    assert "h()" in markdown([found]) and "g()" not in markdown([found])


# ---------------------------------------------------------------- of many files those that matter


def test_what_a_text_says_is_what_a_record_says(kernel: Path) -> None:
    made = index(kernel, SOURCES, paths=("drivers", "include"))
    for path in SOURCES:
        assert orders((kernel / path).read_bytes()) == any(b.path == path for b in made.barriers)
    assert not orders(b"int f(void) { barrier(); return smp_mb; }")


def test_of_many_files_those_are_taken_in_that_a_barrier_may_pair_with(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {f"drivers/v/{n}.c": c(**{f"v{n}": "t->lock = 1;"}) for n in range(5)} | {
        "drivers/w/c.c": c(quiet="if (t->flag)\n\t\treturn t->data;")
    }
    every = index(kernel, SOURCES | more, paths=("drivers",))
    monkeypatch.setattr(gather, "MANY", 3)
    some = index(kernel, SOURCES | more, paths=("drivers",))
    assert some.of == {"drivers/t/a.c", "drivers/u/b.c", "drivers/w/c.c"}
    for barrier in every.barriers:
        assert [p.of for p in partners(some, barrier)] == [p.of for p in partners(every, barrier)]
    assert {p.of[1] for p in partners(some, one(some, "smp_wmb"))} == {"look", "quiet"}


# ---------------------------------------------------------------- the index of headers


def named(made: Headers) -> dict[tuple[str, str], tuple[str, ...]]:
    kinds = ("structs", "typedefs", "functions", "variables", "macros")
    return {(kind, name): made.of(getattr(made, kind), name) for kind in kinds for name in getattr(made, kind)}


TEXTS = st.sampled_from(
    (
        "struct a { int x; };\n",
        "struct b { int y; };\n#define M 1\n",
        "int f(void);\nstruct a { int z; };\n",
        "typedef int t;\n",
        None,
    )
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(("a", "b", "c", "d", "e")), TEXTS, max_size=3), min_size=1, max_size=4), st.booleans()
)
def test_headers_that_are_brought_up_to_date_are_those_read_anew(
    tmp_path_factory: pytest.TempPathFactory, edits: list[dict[str, str | None]], overlaid: bool
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    kept = Kept(tmp_path_factory.mktemp("kept"), "1")
    (folder / "include").mkdir()
    for name in "abcde":
        (folder / "include" / f"{name}.h").write_text(f"struct {name} {{ int own; }};\n")
    tree = FolderTree(folder)
    assert named(headers(tree, ("include",), kept)) == named(headers(tree, ("include",)))
    for edit in edits:
        files = {f"include/{name}.h": text.encode() * 2 if text is not None else None for name, text in edit.items()}
        now: FolderTree | Overlay = tree
        if overlaid:
            now = Overlay(tree, files)
        else:
            for path, data in files.items():
                (folder / path).unlink(missing_ok=True) if data is None else (folder / path).write_bytes(data)
        kept_one, anew = headers(now, ("include",), kept), headers(now, ("include",))
        assert named(kept_one) == named(anew)
        assert stamp(now, ("include",), kept) == stamp(now, ("include",))
    shutil.rmtree(folder)
