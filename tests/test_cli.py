"""The command as a user meets it: exit codes, what goes to stdout and what to stderr, and every sort of bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from checker.cli import cli

ROOT = Path(__file__).resolve().parent.parent

NEVER = """C {name}

(* Result: {expected} *)

{{}}

P0(int *x)
{{
	WRITE_ONCE(*x, 1);
}}

exists (x=0)
"""

SPIN = """C spin

{}

P0(int *x, int *y)
{
	int r = READ_ONCE(*x);
	while (r == 0) {
		WRITE_ONCE(*y, 1);
		r = READ_ONCE(*x);
	}
}

P1(int *x)
{
	WRITE_ONCE(*x, 1);
}

exists (0:r=0)
"""


def never(expected: str = "Never", name: str = "never") -> str:
    """A test whose outcome never happens, with what it expects."""
    return NEVER.format(expected=expected, name=name)


def ring(threads: int) -> str:
    """Store buffering among many: it has 2^threads final states."""
    code = "\n".join(
        f"P{i}(int *x{i}, int *x{(i + 1) % threads})\n{{\n\tWRITE_ONCE(*x{i}, 1);\n"
        f"\tint r = READ_ONCE(*x{(i + 1) % threads});\n}}\n"
        for i in range(threads)
    )
    outcome = " /\\ ".join([f"{i}:r=0" for i in range(threads)])
    return f"C ring\n\n{{}}\n\n{code}\nexists ({outcome})\n"


def run(*args: object, jobs: int = 1) -> Result:
    result = CliRunner().invoke(cli, ["run", "--jobs", str(jobs), *map(str, args)])
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def records(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


Write = Callable[[str, str], Path]


# ---------------------------------------------------------------- exit codes, stdout and stderr


@pytest.mark.parametrize(
    ("expected", "code"),
    [("Never", 0), ("Maybe", 0), ("Sometimes", 1), ("Always", 1), ("DEADLOCK", 1), ("Never DATARACE", 1)],
)
def test_the_exit_code_says_whether_verdict_and_race_are_as_the_file_expects(write: Write, expected: str, code: int) -> None:
    result = run(write("a.litmus", never(expected)))
    assert result.exit_code == code
    assert ("✓" in result.stdout) == (code == 0)


def test_a_test_without_expectation_counts_as_expected(write: Write) -> None:
    assert run(write("a.litmus", never().replace("Result", "Remark"))).exit_code == 0


def test_one_bad_file_does_not_stop_the_others_and_the_run_ends_with_2(write: Write) -> None:
    files = [
        write("a.litmus", never()),
        write("b.litmus", "C b\n{}\nP0(int *x) { smp_mbb(); }\nexists (x=0)"),
        write("c.litmus", never("Always")),
    ]
    result = run(*files)
    assert result.exit_code == 2
    assert "error: unknown primitive 'smp_mbb'" in result.stderr
    assert "smp_mbb" not in result.stdout
    assert "a " in result.stdout
    assert "Never ✗ (Always)" in result.stdout
    as_json = records(run("--format", "json", *files))
    assert [r["observation"] for r in as_json] == ["Never", "Unknown", "Never"]
    assert [r["error"] for r in as_json] == [None, "unknown-name", None]


def test_an_error_is_said_once_for_all_models(write: Write) -> None:
    result = run("-m", "lkmm", "-m", "sc", write("b.litmus", "C b\n{}\nP0(int *x) { ( }\nexists (x=0)"))
    assert result.exit_code == 2
    assert result.stderr.count("error:") == 1


def test_json_has_the_promised_fields(write: Write) -> None:
    [plain] = records(run("--format", "json", write("a.litmus", never())))
    [full] = records(run("--format", "json", "--states", write("a.litmus", never())))
    assert plain["states"] is None
    assert full["states"] == ["[x]=1;"]
    del plain["seconds"]
    assert 0 < float(str(full.pop("seconds"))) < 60
    wanted = {"file", "test", "model", "observation", "ok", "states", "flags", "expected", "unknown_because"}
    assert wanted <= plain.keys() == full.keys()
    assert (full["test"], full["model"], full["ok"], full["flags"], full["expected"]) == ("never", "lkmm", False, [], "Never")


def test_herd_format_prints_a_block_a_test_and_nothing_else(write: Write) -> None:
    result = run("--format", "herd", write("a.litmus", never()), write("b.litmus", never(name="second")))
    assert result.exit_code == 0
    assert result.stderr == ""
    assert [line for line in result.stdout.splitlines() if line.startswith("Observation")] == [
        "Observation never Never 0 1",
        "Observation second Never 0 1",
    ]


def test_expected_checks_a_file_under_every_model_it_names(write: Write) -> None:
    text = never().replace("Result: Never", "Result: Never\n * Result(sc): Never")
    result = run("--expected", "--format", "json", write("a.litmus", text), write("b.litmus", never()))
    assert result.exit_code == 0
    assert [r["model"] for r in records(result)] == ["lkmm", "sc", "lkmm"]
    assert run("--expected", "-m", "sc", "a.litmus").exit_code == 2


@pytest.mark.parametrize("stage", ["graph", "bounds", "problem", "execution"])
def test_every_stage_can_be_shown(write: Write, stage: str) -> None:
    result = run("--dump", stage, write("a.litmus", never()))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{stage} of never under lkmm\n")


def test_the_execution_shown_is_the_one_that_satisfies_the_proposition(write: Write) -> None:
    shown = run("--dump", "execution", write("a.litmus", ring(3))).stdout
    assert "Sometimes: exists (0:r=0 /\\ 1:r=0 /\\ 2:r=0)" in shown
    assert "finally: 0:r=0; 1:r=0; 2:r=0;" in shown


def test_help_imports_nothing_heavy() -> None:
    heavy = ["lark", "rich", "msgspec", "z3", "checker.check", "checker.parse.grammar", "ctypes"]
    code = f"import sys, checker.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_models_lists_what_may_be_expected_of_them() -> None:
    result = CliRunner().invoke(cli, ["models"])
    assert result.exit_code == 0
    for name in ("lkmm", "x86-tso", "aarch64", "aarch64-llsc", "sc"):
        assert any(line.startswith(name + " ") for line in result.stdout.splitlines())


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.stdout.startswith("checker 0.")


# ---------------------------------------------------------------- what PATH may be


def test_a_folder_stands_for_the_tests_below_it_in_order(write: Write, tmp_path: Path) -> None:
    for name in ("b", "a-more", "a", "sub/c"):
        write(f"tests/{name}.litmus", never())
    write("tests/notes.txt", "no test")
    files = [Path(str(r["file"])) for r in records(run("--format", "json", tmp_path / "tests"))]
    assert [str(f.relative_to(tmp_path / "tests")) for f in files] == ["a.litmus", "a-more.litmus", "b.litmus", "sub/c.litmus"]


def test_a_list_holds_one_path_a_line_relative_to_it(write: Write, tmp_path: Path) -> None:
    write("tests/a.litmus", never())
    write("b.litmus", never())
    write("lists/@inner", "../b.litmus\n")
    at = write("lists/@all", "# all of them\n\n../tests   # a folder\n@inner\n")
    files = [os.path.realpath(str(r["file"])) for r in records(run("--format", "json", at))]
    assert files == [str((tmp_path / name).resolve()) for name in ("tests/a.litmus", "b.litmus")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("@self", "@self\n", "this list includes itself"),
        ("@gone", "\n  gone.litmus\n", "gone.litmus: error: there is no such file"),
        ("@empty-folder", "nothing\n", "there is no test in this folder"),
    ],
)
def test_what_is_wrong_with_a_list_is_said_and_the_rest_is_checked(
    write: Write, tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / "nothing").mkdir()
    result = run(write(name, text), write("a.litmus", never()))
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Never ✓" in result.stdout


# ---------------------------------------------------------------- bad tests


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"C bin\0ary", "this is a binary file"),
        (b"C l\xff\xfe", "is not UTF-8 text"),
        (b"", "the file is empty"),
        (b"a" * 10_000_000, "the file is larger than"),
        (never().replace("*x, 1", "*x").encode(), "takes 2 arguments"),
        (never().replace("x=0", "y=0").encode(), "there is no location 'y'"),
        (never().replace("1)", "1").encode(), "unexpected"),
        (never().replace("1)", "(" * 500 + "1" + ")" * 501).encode(), "nested more than"),
        (never().replace("(x=0)", "(" * 5000 + "x=0" + ")" * 5000).encode(), "nested more than"),
        (never().replace("\tWRITE", "if (1) " * 1000 + "WRITE").encode(), "nested more than"),
        (never().replace("exists", "exists " + "~" * 5000).encode(), "more than"),
        (never().replace("C never", "Pascal never").encode(), "'Pascal'"),
    ],
)
def test_a_test_that_cannot_be_checked_has_one_clear_message(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.litmus"
    path.write_bytes(content)
    result = run(path, "--format", "json")
    assert result.exit_code == 2
    assert result.stderr.startswith(str(path))
    assert result.stderr.count("error:") == 1
    assert message in result.stderr
    [record] = records(result)
    assert (record["observation"], record["ok"], record["as_expected"]) == ("Unknown", None, False)


def test_a_missing_file_and_a_folder_without_tests_are_errors(tmp_path: Path) -> None:
    assert run(tmp_path / "gone.litmus").exit_code == 2
    assert run(tmp_path).exit_code == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error(write: Write) -> None:
    path = write("a.litmus", never())
    path.chmod(0)
    result = run(path)
    assert result.exit_code == 2
    assert "may not be read" in result.stderr


def test_a_loop_that_hits_the_bound_makes_the_verdict_unknown_and_the_exit_code_1(write: Write) -> None:
    path = write("spin.litmus", SPIN)
    result = run(path)
    assert result.exit_code == 1
    assert "Unknown ✗" in result.stdout
    assert "--unroll" in result.stdout
    [record] = records(run("--format", "json", path))
    assert (record["observation"], record["ok"]) == ("Unknown", None)
    herd = run("--format", "herd", path).stdout
    assert "\nLoop No\n" in herd
    assert "\nObservation spin Unknown 0 " in herd


@pytest.mark.parametrize("layout", ["table", "json", "herd"])
def test_a_timeout_makes_the_verdict_unknown(write: Write, layout: str) -> None:
    start = time.monotonic()
    result = run("--format", layout, "--states", "--timeout", "0.2", write("ring.litmus", ring(30)), write("a.litmus", never()))
    assert result.exit_code == 1
    assert time.monotonic() - start < 20
    assert "not decided within 0.2 s" in result.stdout + result.stderr
    assert "Never" in result.stdout


def test_a_global_used_as_a_local_is_a_warning_and_with_strict_an_error(write: Write) -> None:
    text = never("Always").replace("{}", "{ x=0; y=0; }").replace("*x, 1);", "*x, 1);\n\tint r = y;")
    path = write("a.litmus", text.replace("Always", "Never"))
    result = run(path)
    assert result.exit_code == 0
    assert "warning: " in result.stderr
    assert "local variable" in result.stderr
    strict = run("--strict", path)
    assert strict.exit_code == 2
    assert "a.litmus:10:" in strict.stderr


def test_names_from_a_file_cannot_steer_the_terminal(write: Write) -> None:
    path = write("\x1b[31mred\x07.litmus", never(name="go\x1b[2Jod", expected="Always"))
    for args in (["--format", "table", "--states"], ["--format", "herd"], ["--format", "json"], ["--dump", "execution"]):
        result = run(*args, path)
        assert not {"\x1b", "\x07"} & set(result.stdout + result.stderr)


# ---------------------------------------------------------------- bad models


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"m"\ninclude "missing.cat"\n', 'included file "missing.cat" is not found'),
        ('"m"\ninclude "model.cat"\n', "includes itself"),
        ('"m"\ninclude "../up.cat"\n', "leaves the include path"),
        ('"m"\nacyclic (po as a\n', "unexpected 'as'"),
        ('"m"\nacyclic pp as a\n', "'pp' is not defined"),
        ('"m"\nacyclic ' + "(" * 500 + "po" + ")" * 500 + " as a\n", "nested more than"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_said_once_before_any_test(write: Write, text: str, message: str) -> None:
    write("up.cat", '"up"\n')
    model = write("models/model.cat", text)
    result = run("-m", model, write("a.litmus", never()), write("b.litmus", never()))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("error:") == 1
    assert "model.cat:2:" in result.stderr
    assert message in result.stderr


def test_an_unknown_model_is_answered_with_near_names(write: Write) -> None:
    result = run("-m", "arch64", write("a.litmus", never()))
    assert result.exit_code == 2
    assert "did you mean aarch64" in result.stderr


def test_a_model_by_path_finds_its_includes_with_dash_capital_i(write: Write, tmp_path: Path) -> None:
    write("shared/base.cat", '"base"\ninclude "cos.cat"\nlet com = rf | co | fr\n')
    model = write("mine/mine.cat", '"mine"\ninclude "base.cat"\nacyclic po | com as sc\n')
    macros = ROOT / "checker" / "models" / "lkmm" / "linux.def"
    test = write("a.litmus", ring(2))
    assert run("-m", model, "--macros", macros, test).exit_code == 2
    [record] = records(run("-m", model, "--macros", macros, "-I", tmp_path / "shared", "--format", "json", test))
    assert (record["model"], record["observation"]) == ("mine", "Never")


# ---------------------------------------------------------------- a process of its own


def checker(*args: object, seed: int = 0) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "checker", *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_prints_what_was_decided_and_exits_with_130(write: Write, jobs: int) -> None:
    files = [write("a.litmus", never()), write("ring.litmus", ring(30)), write("b.litmus", never())]
    process = checker("run", "--states", "--format", "json", "--jobs", jobs, *files)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(first)["observation"] == "Never"
    assert rest == ""
    assert "interrupted after 1 of 3" in told
    assert "Traceback" not in told


def test_two_runs_with_different_hash_seeds_print_the_same() -> None:
    some = sorted((ROOT / "litmus" / "kvm").glob("*-slow-path-*.litmus"))
    calls = [["--dump", stage, some[0]] for stage in ("graph", "bounds", "problem", "execution")]
    calls.append(["--states", "--expected", "--jobs", 2, "litmus"])
    calls.append(["--format", "herd", "--jobs", 1, *some])
    for call in calls:
        first, second = [checker("run", *call, seed=seed) for seed in (1, 2)]
        outputs = [process.communicate(timeout=120) for process in (first, second)]
        told = [[line for line in out.splitlines() if not line.startswith("Time ")] for out, _ in outputs]
        assert told[0] == told[1]
        assert outputs[0][1] == outputs[1][1]
        assert told[0]
