"""The gate: what is found, what blocks, what the baseline remembers, and that the cache is never trusted."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from checker.campaign.verdicts import Row, pack, tool, unpack
from checker.cli import cli

ROOT = Path(__file__).resolve().parent.parent

TEST = """C {name}

(*
{results}
 *)

{{}}

P0(int *x, int *y)
{{
	WRITE_ONCE(*x, 1);
	{fence}
	WRITE_ONCE(*y, 1);
}}

P1(int *x, int *y)
{{
	int seen;
	int found;

	seen = READ_ONCE(*y);
	smp_rmb();
	found = READ_ONCE(*x);
}}

exists (1:seen=1 /\\ 1:found=0)
"""

RACE = """C race

(*
 * Result: Sometimes{race}
 *)

{{}}

P0(int *x)
{{
	{write};
}}

P1(int *x)
{{
	int r;

	r = READ_ONCE(*x);
}}

exists (1:r=1)
"""


def text(results: str = " * Result: Never", fence: str = "smp_wmb();", name: str = "mp") -> str:
    return TEST.format(name=name, results=results, fence=fence)


class Folder:
    """A repository with tests, and a gate over it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def gate(self, *args: str, code: int = 0, table: bool = False) -> dict[str, object]:
        before = Path.cwd()
        os.chdir(self.path)
        try:
            made: Result = CliRunner().invoke(cli, ["gate", "-j", "1", *([] if table else ["--output", "json"]), *args])
        finally:
            os.chdir(before)
        assert made.exit_code == code, (made.output, made.exception)
        assert "Traceback" not in made.output
        return {"output": made.output} if table else json.loads(made.stdout)

    def kinds(self, *args: str, code: int = 0) -> list[tuple[str, str]]:
        found = self.gate(*args, code=code)["findings"]
        assert isinstance(found, list)
        return [(finding["kind"], finding["level"]) for finding in found]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "repo").mkdir()
    made = Folder(tmp_path / "repo")
    made.write("checker.toml", '[gate]\npaths = ["litmus"]\n')
    return made


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from checker.parse import files

    cache = tmp_path / "cache"
    monkeypatch.setattr(files, "cache_folder", lambda name: cache)
    return cache


BASE = ("--baseline", "litmus/baseline.json")


# ---------------------------------------------------------------- each class of problem has its finding and its exit code


def test_a_test_that_is_as_expected_passes(folder: Folder) -> None:
    folder.write("litmus/mp.litmus", text())
    assert folder.kinds() == []


@pytest.mark.parametrize(
    ("content", "kind", "level", "code"),
    [
        (text(fence=""), "unexpected", "block", 1),
        (text(" * nothing"), "missing", "block", 1),
        (text(" * Result: Sometimes"), "unexpected", "block", 1),
        (text("(* never closed"), "error", "error", 2),
        (text(fence="smp_wbm();"), "error", "error", 2),
        (text(" * Result(nomodel): Never"), "error", "error", 2),
        ("", "error", "error", 2),
        (RACE.format(race="", write="*x = 1"), "unexpected", "block", 1),
        (RACE.format(race=" DATARACE", write="WRITE_ONCE(*x, 1)"), "unexpected", "block", 1),
    ],
)
def test_every_problem_of_a_test_is_found(folder: Folder, content: str, kind: str, level: str, code: int) -> None:
    folder.write("litmus/mp.litmus", content)
    assert (kind, level) in folder.kinds(code=code)


def test_a_loop_that_is_not_decided_blocks(folder: Folder) -> None:
    loop = "while (READ_ONCE(*x) == 0) { WRITE_ONCE(*x, 0); }"
    folder.write("litmus/spin.litmus", text(fence=loop).replace("WRITE_ONCE(*x, 1);\n", "", 1))
    assert folder.kinds(code=1) == [("unknown", "block")]


def test_nothing_to_check_is_an_error(folder: Folder) -> None:
    folder.write("litmus/readme.txt", "")
    assert folder.kinds(code=2) == [("error", "error")]
    assert folder.kinds("nowhere.litmus", code=2) == [("error", "error")]


def test_a_model_that_every_test_has_to_speak_of(folder: Folder) -> None:
    folder.write("checker.toml", '[gate]\npaths = ["litmus"]\nrequire = ["lkmm", "aarch64"]\n')
    folder.write("litmus/mp.litmus", text())
    assert folder.kinds(code=1) == [("missing", "block")]


# ---------------------------------------------------------------- the baseline


def test_nothing_differs_from_a_baseline_just_made(folder: Folder) -> None:
    folder.write("litmus/mp.litmus", text(" * Result: Never\n * Result(aarch64): Never"))
    folder.gate(*BASE, "--update-baseline")
    assert folder.kinds(*BASE) == []


def test_a_verdict_that_changed_with_its_expectation_is_found(folder: Folder) -> None:
    folder.write("litmus/mp.litmus", text())
    folder.gate(*BASE, "--update-baseline")
    folder.write("litmus/mp.litmus", text(" * Result: Sometimes", fence=""))
    assert folder.kinds(code=0) == []
    assert folder.kinds(*BASE, code=1) == [("changed", "block")]


def test_an_expectation_that_was_deleted_is_found(folder: Folder) -> None:
    folder.write("litmus/mp.litmus", text(" * Result: Never\n * Result(aarch64): Never"))
    folder.gate(*BASE, "--update-baseline")
    folder.write("litmus/mp.litmus", text())
    assert folder.kinds(*BASE, code=1) == [("missing", "block")]


def test_a_race_that_appears_blocks_and_one_that_goes_warns(folder: Folder) -> None:
    plain, marked = RACE.format(race=" DATARACE", write="*x = 1"), RACE.format(race="", write="WRITE_ONCE(*x, 1)")
    folder.write("litmus/race.litmus", marked)
    folder.gate(*BASE, "--update-baseline")
    folder.write("litmus/race.litmus", plain)
    assert folder.kinds(*BASE, code=1) == [("race-appeared", "block")]
    folder.gate(*BASE, "--update-baseline")
    folder.write("litmus/race.litmus", marked)
    assert folder.kinds(*BASE) == [("race-gone", "warning")]


def test_tests_that_come_go_and_move(folder: Folder) -> None:
    folder.write("litmus/a.litmus", text(name="a"))
    folder.write("litmus/b.litmus", text(name="b"))
    folder.gate(*BASE, "--update-baseline")
    (folder.path / "litmus/a.litmus").rename(folder.path / "litmus/moved.litmus")
    (folder.path / "litmus/b.litmus").unlink()
    folder.write("litmus/new.litmus", text(name="new"))
    assert folder.kinds(*BASE, code=1) == [("removed", "block"), ("renamed", "note"), ("added", "note")] or sorted(
        folder.kinds(*BASE, code=1)
    ) == [("added", "note"), ("removed", "block"), ("renamed", "note")]


def test_a_part_of_the_tests_misses_none_of_the_others(folder: Folder) -> None:
    folder.write("litmus/a.litmus", text(name="a"))
    folder.write("litmus/b.litmus", text(name="b"))
    folder.gate(*BASE, "--update-baseline")
    assert folder.kinds(*BASE, "litmus/a.litmus") == []


@pytest.mark.parametrize("named", ["litmus", "./litmus/../litmus", "ABSOLUTE", "@list", "LINK"])
def test_a_removed_test_is_found_however_the_folder_is_named(folder: Folder, named: str) -> None:
    folder.write("litmus/a.litmus", text(name="a"))
    folder.write("litmus/b.litmus", text(name="b"))
    folder.write("@list", "litmus\n")
    (folder.path / "link").symlink_to("litmus")
    path = {"ABSOLUTE": str(folder.path / "litmus"), "LINK": "link"}.get(named, named)
    folder.gate(*BASE, "--update-baseline")
    (folder.path / "litmus/b.litmus").unlink()
    found = folder.kinds(*BASE, path, code=1)
    assert found.count(("removed", "block")) == (1 if named != "LINK" else len(found) - found.count(("renamed", "note")))


def test_a_link_to_a_folder_elsewhere_is_not_passed_over_in_silence(folder: Folder, tmp_path: Path) -> None:
    folder.write("litmus/a.litmus", text(name="a"))
    (folder.path / "litmus/again").symlink_to(".")
    folder.gate("litmus")
    (tmp_path / "elsewhere").mkdir()
    (folder.path / "litmus/link").symlink_to(tmp_path / "elsewhere")
    assert "litmus/link: error: this link to a folder is not followed" in str(folder.gate("litmus", table=True, code=2)["output"])


def test_the_key_of_a_row_has_the_versions_of_what_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tool.__wrapped__()
    for library in ("lark", "tree-sitter", "tree-sitter-c"):
        monkeypatch.setattr(
            "checker.campaign.verdicts.version", lambda name, library=library: "0" if name == library else version(name)
        )
        assert tool.__wrapped__() != before


def test_a_test_that_left_a_list_is_found_by_the_run_over_everything(folder: Folder) -> None:
    folder.write("checker.toml", '[gate]\npaths = ["@list"]\n')
    folder.write("litmus/a.litmus", text(name="a"))
    folder.write("litmus/b.litmus", text(name="b"))
    folder.write("@list", "litmus/a.litmus\nlitmus/b.litmus\n")
    folder.gate(*BASE, "--update-baseline")
    folder.write("@list", "litmus/a.litmus\n")
    assert folder.kinds(*BASE, code=1) == [("removed", "block")]
    assert "the rest of the baseline not looked at" in str(folder.gate(*BASE, "@list", table=True)["output"])
    assert folder.gate(*BASE, "@list")["unasked"] == 1
    (folder.path / "litmus/b.litmus").unlink()
    assert folder.kinds(*BASE, "@list", code=1) == [("removed", "block")]


def test_updating_a_part_of_a_baseline_leaves_the_rest(folder: Folder) -> None:
    both = " * Result: Never\n * Result(aarch64): Never"
    for name in "abc":
        folder.write(f"litmus/{name}.litmus", text(both, name=name))
    folder.gate(*BASE, "--update-baseline")
    file = folder.path / "litmus/baseline.json"
    before = json.loads(file.read_text())
    folder.write("litmus/a.litmus", text(" * Result: Sometimes", fence="", name="a"))
    (folder.path / "litmus/c.litmus").unlink()
    folder.gate(*BASE, "--update-baseline", "litmus/a.litmus")
    after = json.loads(file.read_text())
    assert after["tests"]["a.litmus"]["verdicts"] == {"lkmm": "Sometimes"}
    assert after["tests"]["b.litmus"] == before["tests"]["b.litmus"]
    assert set(after["tests"]) == {"a.litmus", "b.litmus"}
    folder.write("checker.toml", '[gate]\npaths = ["litmus"]\nmodels = ["lkmm"]\n')
    folder.gate(*BASE, "--update-baseline")
    assert json.loads(file.read_text())["tests"]["b.litmus"] == before["tests"]["b.litmus"]


FREED = """C freed

(* Result: Never{flag} *)

{{}}

P0(int *p, int **g)
{{
	int *r;

	r = kmalloc(8, GFP_KERNEL);
	rcu_assign_pointer(*g, r);
{free}}}

P1(int *p, int **g)
{{
	int *r;
	int v = 0;

	rcu_read_lock();
	r = rcu_dereference(*g);
	if (r)
		v = READ_ONCE(*r);
	rcu_read_unlock();
}}

exists (1:v=7)
"""


def test_a_use_after_free_that_appears_is_in_no_baseline(folder: Folder) -> None:
    folder.write("litmus/freed.litmus", FREED.format(flag="", free=""))
    folder.gate(*BASE, "--update-baseline")
    folder.write("litmus/freed.litmus", FREED.format(flag=" USE-AFTER-FREE", free="\tkfree(r);\n"))
    folder.gate()
    assert folder.kinds(*BASE, code=1) == [("flag-appeared", "block")]
    folder.gate(*BASE, "--update-baseline")
    assert folder.kinds(*BASE) == []
    folder.write("litmus/freed.litmus", FREED.format(flag="", free=""))
    assert folder.kinds(*BASE) == [("flag-gone", "warning")]


def test_a_verdict_that_differs_from_a_baseline_of_another_model_is_said_to_do_so(folder: Folder) -> None:
    folder.write("litmus/mp.litmus", text())
    folder.gate(*BASE, "--update-baseline")
    file = folder.path / "litmus/baseline.json"
    made = json.loads(file.read_text())
    made["models"]["lkmm"], made["tool"] = "0" * 16, "0.0.1"
    file.write_text(json.dumps(made))
    assert folder.kinds(*BASE) == []
    file.write_text(json.dumps(made).replace("Never", "Sometimes"))
    assert folder.kinds(*BASE, code=1) == [("changed", "block"), ("stale", "note"), ("stale", "note")]


GOOD = '{"format": 1, "tool": "", "solver": "", "models": {}, "tests": {%s}}'


@pytest.mark.parametrize(
    "damage",
    [
        "", "{}", "[]", '{"format": 1}', '{"format": 2, "tests": {}}', "[" * 100_000, "\0",
        GOOD % '"mp.litmus": {"digest": "", "verdicts": {"lkmm": "Nevr"}}',
        GOOD % '"mp.litmus": {"digest": "", "verdict": {"lkmm": "Never"}}',
        GOOD % '"a": {"digest": "", "verdicts": {}}, "a": {"digest": "", "verdicts": {}}',
    ],
)  # fmt: skip
def test_a_damaged_or_missing_baseline_is_an_error(folder: Folder, damage: str) -> None:
    folder.write("litmus/mp.litmus", text())
    assert folder.kinds(*BASE, code=2) == [("error", "error")]
    folder.write("litmus/baseline.json", damage)
    assert folder.kinds(*BASE, code=2) == [("error", "error")]


def test_a_baseline_is_not_made_from_what_could_not_be_checked(folder: Folder) -> None:
    folder.write("litmus/mp.litmus", text(fence="smp_wbm();"))
    folder.gate(*BASE, "--update-baseline", code=2)
    assert not (folder.path / "litmus/baseline.json").exists()


# ---------------------------------------------------------------- the policy


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("path = []", "checker.toml:2:1: error: unknown key 'path' | did you mean 'paths'?"),
        ("block = ['all']", "checker.toml:2:11: error: 'block' names 'all', which is no finding"),
        ("block = ['unexpcted']", "did you mean 'unexpected'?"),
        ("timeout = 0", "checker.toml:2:1: error: gate.timeout: expected a number >= 0.1"),
        ("timeout = nan", "checker.toml:2:1: error: gate.timeout"),
        ("timeout = true", "gate.timeout: expected a number, got true or false"),
        ("memory = -1", "gate.memory: expected a whole number >= 0"),
        ("models = 'lkmm'", "gate.models: expected a list, got a text"),
        ("models = ['arch64']", "'models' names 'arch64', which is no model | did you mean 'aarch64'?"),
        ("models = ['lkmm']\nrequire = ['sc']", "'require' names 'sc', which 'models' leaves out"),
        ("x", "checker.toml:2:2: error: this is not TOML"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_an_error(folder: Folder, setting: str, said: str) -> None:
    folder.write("checker.toml", f"[gate]\n{setting}\n")
    folder.write("litmus/mp.litmus", text())
    output = str(folder.gate(table=True, code=2)["output"])
    for part in said.split(" | "):
        assert part in output


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("checker.toml", "[gates]\npaths = []\n", "checker.toml:1:2: error: unknown key 'gates' | did you mean 'gate'?"),
        ("checker.toml", "", "there is no `gate`"),
        ("pyproject.toml", "[tool.checker.gates]\npaths = []\n", "unknown key 'gates' | did you mean 'gate'?"),
        ("pyproject.toml", "[tool.checker.gate]\npaths = []\n", "both have a policy"),
    ],
)
def test_a_policy_is_never_passed_over_in_silence(folder: Folder, name: str, content: str, said: str) -> None:
    folder.write("litmus/mp.litmus", text())
    folder.write(name, content)
    output = str(folder.gate(table=True, code=2)["output"])
    for part in said.split(" | "):
        assert part in output


@pytest.mark.parametrize("head", ["[gate]", "[tool.checker.gate]"])
def test_a_policy_may_stand_in_any_file_that_is_named(folder: Folder, head: str) -> None:
    folder.write("litmus/mp.litmus", text(fence=""))
    folder.write("ci/strict.toml", f'{head}\npaths = ["litmus"]\nblock = []\n')
    assert folder.kinds("--config", "ci/strict.toml") == [("unexpected", "warning")]
    folder.write("ci/strict.toml", "[project]\nname = 'x'\n")
    folder.gate("--config", "ci/strict.toml", table=True, code=2)


def test_a_file_that_speaks_only_of_models_not_asked_is_found(folder: Folder) -> None:
    folder.write("checker.toml", '[gate]\npaths = ["litmus"]\nmodels = ["aarch64"]\n')
    folder.write("litmus/mp.litmus", text())
    folder.write("litmus/other.litmus", text(" * Result(aarch64): Never", name="other"))
    assert folder.kinds(code=1) == [("missing", "block")]


def test_what_does_not_block_is_still_said(folder: Folder) -> None:
    folder.write("checker.toml", '[gate]\npaths = ["litmus"]\nblock = []\n')
    folder.write("litmus/mp.litmus", text(fence=""))
    assert folder.kinds() == [("unexpected", "warning")]


def test_the_policy_may_stand_in_pyproject(folder: Folder) -> None:
    (folder.path / "checker.toml").unlink()
    folder.write("pyproject.toml", '[tool.checker.gate]\npaths = ["elsewhere"]\n')
    folder.write("elsewhere/mp.litmus", text(fence=""))
    assert folder.kinds(code=1) == [("unexpected", "block")]


# ---------------------------------------------------------------- the cache


def cached(report: dict[str, object]) -> int:
    rows = report["rows"]
    assert isinstance(rows, list)
    return sum(row["cached"] for row in rows)


def test_what_did_not_change_comes_from_the_cache(folder: Folder) -> None:
    folder.write("litmus/a.litmus", text(name="a"))
    folder.write("litmus/b.litmus", text(name="b"))
    assert cached(folder.gate()) == 0
    assert cached(folder.gate()) == 2
    assert cached(folder.gate("--no-cache")) == 0
    folder.write("litmus/b.litmus", text(name="b", fence="smp_mb();"))
    assert cached(folder.gate()) == 1


def test_what_could_not_be_decided_is_not_kept(folder: Folder, own_cache: Path) -> None:
    folder.write("litmus/a.litmus", text(fence="smp_wbm();"))
    folder.gate(code=2)
    assert not own_cache.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s.replace("Never", "Sometimes"),
        lambda s: s.replace("Never", "Sometimes").replace('"unmet\\": \\"\\"', '"unmet\\": \\"x\\"'),
        lambda s: s[: len(s) // 2],
        lambda s: "",
        lambda s: "[]",
        lambda s: "\udcff" + s,
        lambda s: "[" * 100_000,
    ],
)
def test_a_corrupt_cache_is_made_again(folder: Folder, own_cache: Path, damage: Callable[[str], str]) -> None:
    folder.write("litmus/mp.litmus", text())
    good = folder.gate()
    (file,) = own_cache.glob("??/*")
    file.write_text(damage(file.read_text()), encoding="utf-8", errors="surrogateescape")
    again = folder.gate()
    assert cached(again) == 0
    assert cached(folder.gate()) == 1
    assert [r["verdict"] for r in again["rows"]] == [r["verdict"] for r in good["rows"]] == ["Never"]  # type: ignore[attr-defined]


def test_a_row_is_of_the_text_that_its_key_is_of(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file changes between the first look at it and the check, then back: what is kept must be of what was looked at."""
    from checker.campaign import gate as module

    file = folder.write("litmus/mp.litmus", text())
    run = module.run

    def meanwhile(*args: object, **more: object) -> object:
        file.write_text(text(fence=""))
        return run(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run", meanwhile)
    assert folder.kinds() == []
    folder.write("litmus/mp.litmus", text())
    assert cached(folder.gate()) == 1
    monkeypatch.setattr(module, "run", run)
    folder.write("litmus/mp.litmus", text(fence=""))
    assert folder.kinds(code=1) == [("unexpected", "block")]


def test_a_verdict_of_a_model_that_changed_meanwhile_is_none(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    from checker import library
    from checker.campaign import gate as module

    folder.write("sub/rules.cat", "acyclic po | rf | co | fr as sc\n")
    folder.write("mine.cat", '"mine"\ninclude "cos.cat"\nlet fr = rf^-1 ; co\ninclude "sub/rules.cat"\n')
    assembly = "X86 SB\n(* Result(mine.cat): Never *)\n{ x=0; y=0; }\n P0 | P1 ;\n MOV [x],$1 | MOV [y],$1 ;\n"
    folder.write("litmus/sb.litmus", assembly + " MOV EAX,[y] | MOV EAX,[x] ;\nexists (0:EAX=0 /\\ 1:EAX=0)\n")
    run = module.run

    def meanwhile(*args: object, **more: object) -> object:
        folder.write("sub/rules.cat", "acyclic rf | co | fr as weaker\n")
        library.forget()
        return run(*args, **more)  # type: ignore[arg-type]

    library.forget()
    monkeypatch.setattr(module, "run", meanwhile)
    assert folder.kinds(code=1) == [("unknown", "block")]
    assert not list(own_cache.glob("??/*")), "no verdict is kept"
    monkeypatch.setattr(module, "run", run)
    library.forget()
    assert folder.kinds(code=1) == [("unexpected", "block")], "nor the model as it was"


def test_the_key_is_of_the_included_files_too(folder: Folder) -> None:
    from checker import library

    folder.write("rules.cat", "acyclic po | rf | co | fr as sc\n")
    folder.write("mine.cat", '"mine"\ninclude "cos.cat"\nlet fr = rf^-1 ; co\ninclude "rules.cat"\n')
    assembly = "X86 SB\n(* Result(mine.cat): Never *)\n{ x=0; y=0; }\n P0 | P1 ;\n MOV [x],$1 | MOV [y],$1 ;\n"
    folder.write("litmus/sb.litmus", assembly + " MOV EAX,[y] | MOV EAX,[x] ;\nexists (0:EAX=0 /\\ 1:EAX=0)\n")
    library.forget()
    assert folder.kinds() == []
    library.forget()
    assert cached(folder.gate()) == 1
    folder.write("rules.cat", "acyclic rf | co | fr as weaker\n")
    library.forget()
    assert folder.kinds(code=1) == [("unexpected", "block")]


def test_a_row_with_a_field_more_or_less_is_not_taken() -> None:
    from checker.campaign.verdicts import _seal

    body = json.loads(json.loads(pack("k", Row("a", "lkmm")))["row"])
    for made in ({**body, "more": 1}, {name: value for name, value in body.items() if name != "race"}, {**body, "line": True}):
        inner = json.dumps(made)
        assert unpack(json.dumps({"key": "k", "seal": _seal("k", inner), "row": inner})) is None


def test_the_row_of_one_key_is_not_taken_for_another(folder: Folder, own_cache: Path) -> None:
    folder.write("litmus/mp.litmus", text())
    folder.gate()
    (file,) = own_cache.glob("??/*")
    folder.write("litmus/mp.litmus", text(fence=""))
    folder.gate(code=1)
    (other,) = set(own_cache.glob("??/*")) - {file}
    other.write_text(file.read_text())
    assert folder.kinds(code=1) == [("unexpected", "block")]


@given(
    st.builds(
        Row, path=st.text(), model=st.text(), test=st.text(), verdict=st.text(), race=st.booleans(),
        flags=st.lists(st.text()).map(tuple), unmet=st.text(), line=st.integers(0, 10**6), cached=st.booleans(),
    ),
    st.text(),
)  # fmt: skip
def test_a_row_survives_packing(row: Row, key: str) -> None:
    assert unpack(pack(key, row)) == (key, row)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.text(), lambda x: st.dictionaries(st.text(), x)).map(json.dumps))
def test_what_was_not_packed_is_not_unpacked(line: str) -> None:
    assert unpack(line) is None


# ---------------------------------------------------------------- the journal


def test_a_run_that_was_cut_short_goes_on(folder: Folder) -> None:
    for name in "abc":
        folder.write(f"litmus/{name}.litmus", text(name=name))
    flags = ("--no-cache", "--journal", "run.journal")
    whole = folder.gate(*flags)
    journal = folder.path / "run.journal"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:2]) + "\n" + lines[2][:50])
    again = folder.gate(*flags, "--resume")
    assert cached(again) == 2
    assert cached(folder.gate(*flags, "--resume")) == 3
    assert [r["verdict"] for r in again["rows"]] == [r["verdict"] for r in whole["rows"]]  # type: ignore[attr-defined]
    assert cached(folder.gate(*flags)) == 0


def test_what_could_not_be_decided_is_asked_again_with_more_time(folder: Folder) -> None:
    loop = "while (READ_ONCE(*x) == 0) { barrier(); }"
    folder.write("litmus/spin.litmus", text(fence=loop).replace("WRITE_ONCE(*x, 1);\n", "", 1))
    flags = ("--no-cache", "--journal", "run.journal")
    folder.gate(*flags, "--timeout", "20", code=1)
    assert cached(folder.gate(*flags, "--timeout", "20", "--resume", code=1)) == 1
    assert cached(folder.gate(*flags, "--timeout", "40", "--resume", code=1)) == 0


# ---------------------------------------------------------------- strangers


def test_a_link_out_of_the_folders_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    secret = tmp_path / "secret.litmus"
    secret.write_text("hidden words")
    (folder.path / "litmus").mkdir()
    (folder.path / "litmus/link.litmus").symlink_to(secret)
    (folder.path / "litmus/loop.litmus").symlink_to("loop.litmus")
    report = folder.gate(code=2)
    assert [f["kind"] for f in report["findings"]] == ["error", "error"]  # type: ignore[attr-defined]
    assert "hidden" not in json.dumps(report)


def test_a_model_outside_the_folders_is_not_read(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret.cat").write_text("hidden words")
    folder.write("litmus/mp.litmus", text(" * Result(../secret.cat): Never"))
    report = folder.gate(code=2)
    assert "hidden" not in json.dumps(report)


def test_a_linked_list_shows_nothing_of_what_it_leads_to(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden words\n")
    folder.write("litmus/mp.litmus", text())
    (folder.path / "@list").symlink_to(tmp_path / "secret")
    assert "hidden" not in str(folder.gate("@list", table=True, code=2)["output"])
    folder.write("lists/@all", "@inner\n../litmus\n")
    (folder.path / "lists/@inner").symlink_to(tmp_path / "secret")
    assert "hidden" not in str(folder.gate("lists/@all", table=True, code=2)["output"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(folder: Folder) -> None:
    (folder.path / "litmus").mkdir()
    os.mkfifo(folder.path / "litmus/pipe.litmus")
    assert folder.kinds(code=2) == [("error", "error")]


# ---------------------------------------------------------------- this repository


def test_the_scenarios_of_this_repository_pass_quickly_when_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    args = ["gate", "litmus", "--cache", str(tmp_path), "--output", "json"]
    cold = CliRunner().invoke(cli, args)
    assert cold.exit_code == 0, cold.output
    start = time.process_time()
    warm = CliRunner().invoke(cli, args)
    assert time.process_time() - start < 1.5
    rows = json.loads(warm.stdout)["rows"]
    assert warm.exit_code == 0
    assert all(row["cached"] for row in rows)
