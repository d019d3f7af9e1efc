"""In herd7's seat: its options, its output, its exit codes.

What herd7 7.58 prints was taken down from it: the hashes, the words of its errors, the counts. Where the kernel's tree is at hand
(CHECKER_LINUX names it), the kernel's own scripts run with this in PATH as herd7; with herd7's programs beside it
(CHECKER_HERD7 names the real one), every file that they leave is compared.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checker.__main__ import herd7
from checker.core.source import Source
from checker.herd7.hashes import digest
from checker.herd7.options import ROWS, BadOption, Said, asked
from checker.herd7.run import STANDARD, Stop, find, run
from checker.library import SHIPPED
from checker.parse.macros import MODELS
from checker.parse.sections import split

ROOT = Path(__file__).resolve().parents[1]
CONF = (
    f"macros {MODELS}/lkmm/linux.def\nbell {MODELS}/lkmm/lkmm.bell\nmodel {MODELS}/lkmm/lkmm.cat\nvariant lkmmv2\ngraph columns\n"
)
MP = """C MP

{}

P0(int *x, int *y)
{
	WRITE_ONCE(*x, 1);
	WRITE_ONCE(*y, 1);
}

P1(int *x, int *y)
{
	int r0 = READ_ONCE(*y);
	int r1 = READ_ONCE(*x);
}

exists (1:r0=1 /\\ 1:r1=0)
"""
PRINTED = """Test MP Allowed
States 4
1:r0=0; 1:r1=0;
1:r0=0; 1:r1=1;
1:r0=1; 1:r1=0;
1:r0=1; 1:r1=1;
Ok
Witnesses
Positive: 1 Negative: 3
Condition exists (1:r0=1 /\\ 1:r1=0)
Observation MP Sometimes 1 3
Time MP 0.00
Hash=f841e152de1fb5a384f1c354948324c1

"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and a test in it, where the command is at home."""
    (tmp_path / "lkmm.cfg").write_text(CONF)
    (tmp_path / "MP.litmus").write_text(MP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*argv: str) -> tuple[int, str, str]:
    """Exit code, results without times, and what is said to people."""
    results, people = io.StringIO(), io.StringIO()
    code = run(asked(argv, find, {}), results, people)
    return code, re.sub(r"(?m)^(Time \S+) .*$", r"\1 0.00", results.getvalue()), people.getvalue()


# ---------------------------------------------------------------- output


def test_a_test_is_printed_as_herd7_prints_it(here: Path) -> None:
    assert ran("-conf", "lkmm.cfg", "MP.litmus") == (0, PRINTED, "")


ARM = """AArch64 A
{ 0:X1=x; 1:X1=x; }
 P0             | P1                  ;
 mov w0 , #1    | Again: ldxr w0,[x1] ;
 str W0 , [x1, #0] | stxr w2, w0, [x1] ;
 dmb ish        | cbnz w2 , Again     ;
exists (x=1)
"""
X86 = """X86 B
{ }
 P0          | P1             ;
 mov [x] , 1 | MOV EAX,[y]    ;
 mfence      | movl EBX, [x]  ;
exists (1:EAX=1 /\\ 1:EBX=0)
"""
RISCV = """RISCV R
{ 0:x6=x; 1:x6=x; }
 P0         | P1             ;
 ori x5,x0,1 | lw.aq x5,0(x6) ;
 sw  x5,0(x6) | bne x5,x0,LC00 ;
 fence rw,w  | LC00:          ;
exists (1:x5=1)
"""
POWER = """PPC W
{ 0:r2=x; 1:r2=x; }
 P0           | P1           ;
 li r1,1      | lwz r1,0(r2) ;
 stw r1,0(r2) | cmpw r1,r1   ;
 lwsync       | beq LC00     ;
              | LC00:        ;
exists (1:r1=1)
"""


@pytest.mark.parametrize(
    ("text", "hashed"),  # herd7 7.58's
    [
        (MP, "f841e152de1fb5a384f1c354948324c1"),
        (MP.replace("{}", "{ int y=0; x=2; atomic_t *p=&x; int z[2]={1,2}; 0:r9=1; }"), "965422ef9587903c7eee3366266984c7"),
        (MP.replace("P0(int *x,", "P0(volatile int *x, struct srcu_struct *s, int **q,"), "969f7673a19f51cb61ecfbf19d8d760e"),
        (
            MP.replace("{}", "{ int z[2]; }").replace("exists", "locations [x; 1:r1; z[1]]\nfilter (x=1)\nforall"),
            "87ea230d3d4be281cfa90ebc9d9353c5",
        ),
        (MP.replace("C MP\n", "C MP\nMT=a\nHash=0f\n"), "0f"),
        (ARM, "2f463d3447df500f04454d1f4cfacf34"),
        (RISCV, "16647c00c85e5f51f6ddf618efa07815"),
        (POWER, "d6baed93caa5fdef3d519b8778e04ab4"),
        (X86, "07f584101ef69cdcb84a99f2a04c93e3"),
    ],
)
def test_tests_have_the_hashes_that_herd7_gives_them(text: str, hashed: str) -> None:
    source = Source("x.litmus", text)
    assert digest(source, split(source, ["C", "AArch64", "X86", "RISCV", "PPC"])) == hashed


def test_states_are_listed_by_their_values(here: Path) -> None:
    text = MP.replace("*x, 1", "*x, 10").replace("*y, 1", "*y, 2").replace("int r1 = READ", "WRITE_ONCE(*x, -1);\n\tint r1 = READ")
    (here / "MP.litmus").write_text(text)
    states = [line for line in ran("-conf", "lkmm.cfg", "MP.litmus")[1].split("\n") if line.startswith("1:r0")]
    assert [line.split("r1=")[1] for line in states[:2]] == ["-1;", "10;"]


def test_registers_are_shown_by_the_names_that_a_mapping_gives(here: Path) -> None:
    text = "AArch64 M\nMapping=0:X2=r0,0:X1=y\n{ 0:X1=y; }\n P0 ;\n LDR W2,[X1] ;\nexists (0:X2=0)\n"
    (here / "M.litmus").write_text(text)
    printed = ran("M.litmus")[1]
    assert "\n0:r0=0;\n" in printed
    assert "Condition exists (0:r0=0)\n" in printed


def test_the_default_model_of_armv8_flags_shareability_as_herd7s_does(here: Path) -> None:
    code = "AArch64 {0}\n{{ 0:X1=x; }}\n P0 ;\n LDR W2,[X1] ;\n DMB {0} ;\n LDR W3,[X1] ;\nexists (0:X2=0)\n"
    for option in ("SY", "ISH", "ISHLD"):
        (here / f"{option}.litmus").write_text(code.format(option))
    printed = ran("SY.litmus", "ISH.litmus", "ISHLD.litmus")[1]
    assert printed.count("\nFlag Assuming-common-inner-shareable-domain\n") == 2
    assert "Flag" not in printed.split("Test ISH ")[0]


def test_a_loop_that_was_cut_is_shown_by_what_ran(here: Path) -> None:
    """herd7 says `Loop`, and a warning; what was cut off is not counted."""
    (here / "L.litmus").write_text(
        "C L\n{}\nP0(int *x) { while (READ_ONCE(*x) == 0) { WRITE_ONCE(*x, 0); } }\n"
        "P1(int *x) { WRITE_ONCE(*x, 1); }\nexists (x=1)\n"
    )
    code, printed, said = ran("-conf", "lkmm.cfg", "L.litmus")
    assert code == 0
    assert "\nLoop Ok\n" in printed
    assert "Observation L Unknown" not in printed
    assert said == 'Warning: File "L.litmus": unrolling limit exceeded, legal outcomes may be missing.\n'


# ---------------------------------------------------------------- several files, and errors


def test_lists_name_files_beside_them(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "@all").write_text("# a comment\n../MP.litmus\n\n")
    assert ran("-conf", "lkmm.cfg", "sub/@all")[1] == PRINTED


def test_without_files_standard_input_lists_them(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("MP.litmus\n"))
    assert ran("-conf", "lkmm.cfg")[1] == PRINTED


def test_the_same_test_is_shown_once_and_another_of_its_name_not_at_all(here: Path) -> None:
    (here / "same.litmus").write_text(MP)
    (here / "other.litmus").write_text(MP.replace("*x, 1", "*x, 2"))
    code, printed, said = ran("-conf", "lkmm.cfg", "MP.litmus", "same.litmus", "other.litmus")
    assert (code, printed) == (0, PRINTED)
    assert said == 'Warning: File "other.litmus": Different hashes for test MP (previous file MP.litmus) (User error)\n'


def test_what_is_wrong_with_a_test_is_a_warning_and_the_next_is_checked(here: Path) -> None:
    (here / "macro.litmus").write_text(MP.replace("WRITE_ONCE(*x", "write_twice(*x"))
    (here / "syntax.litmus").write_text(MP.replace("(*y, 1)", "(*y, 1"))
    files = ("macro.litmus", "syntax.litmus", "none.litmus", "MP.litmus")
    code, printed, said = ran("-conf", "lkmm.cfg", *files)
    macro, syntax, none = said.splitlines()
    assert (code, printed) == (0, PRINTED)
    assert macro == 'Warning: File "macro.litmus": Unknown macro write_twice (User error)'  # judgelitmus.sh looks for this
    assert re.match(r'Warning: File "syntax.litmus", line 8, characters \d+-\d+: .* \(User error\)$', syntax)
    assert none == 'Warning: File "none.litmus": open_in failed: none.litmus: No such file or directory'
    assert ran("-exit", "true", "-conf", "lkmm.cfg", *files) == (1, "", macro + "\n")


@pytest.mark.parametrize("text", ["", "Foo bar\n{}\n", "C MP"])
def test_a_header_that_cannot_be_read_ends_the_run(here: Path, text: str) -> None:
    (here / "bad.litmus").write_text(text)
    with pytest.raises(Stop):
        ran("-conf", "lkmm.cfg", "bad.litmus", "MP.litmus")


def test_a_primitive_is_what_the_given_table_says_and_no_other_table(here: Path) -> None:
    (here / "mine.def").write_text("READ_ONCE(X) __load{ONCE}(X)\nWRITE_ONCE(X,V) { __store{ONCE}(X,0); }\n")
    printed = ran("-conf", "lkmm.cfg", "-macros", "mine.def", "MP.litmus")[1]
    assert "\nObservation MP Never 0 1\n" in printed.replace("Never 0 4", "Never 0 1")
    assert "1:r0=1" not in printed.split("Ok")[0].split("No\n")[0]
    (here / "deferred.litmus").write_text(MP.replace("WRITE_ONCE(*x, 1)", "call_rcu(x, P1)"))
    assert "Unknown macro call_rcu" in ran("-conf", "lkmm.cfg", "-macros", "mine.def", "deferred.litmus")[2]


def test_a_model_that_changes_is_read_again(here: Path) -> None:
    shutil.copy(MODELS / "lkmm" / "lkmm.cat", here / "own.cat")
    argv = ("-I", str(MODELS / "lkmm"), "-conf", "lkmm.cfg", "-model", "own.cat", "MP.litmus")
    assert "Sometimes 1 3" in ran(*argv)[1]
    (here / "own.cat").write_text((here / "own.cat").read_text() + "\nempty (rf & ext) \\ (IW * _) as no-other\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from checker.__main__ import herd7; herd7()", *argv]
    printed = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=here, check=True).stdout
    assert "Observation MP Never 0 1\n" in printed


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("-nprocs", "3"), "unknown option '-nprocs'."),
        (("-",), "unknown option '-'."),
        (("-unroll", "x"), "wrong argument 'x'; option '-unroll' expects an integer."),
        (("-exit",), "option '-exit' needs an argument."),
        (("-exit", "maybe"), "wrong argument 'maybe'; option '-exit' expects a boolean."),
        (("-show", "maybe"), "bad tag for -show, allowed tag are prop,all,neg,cond,none,wit."),
        (("-gv",), "option '-gv' is not supported."),
        (("-variant", "vmsa"), "option '-variant vmsa' is not supported."),
        (("-candidates", "true"), "option '-candidates true' is not supported."),
    ],
)
def test_an_option_that_is_not_taken_is_named(argv: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadOption, match=f"^{re.escape(said)}$"):
        asked(argv, find, {})


def test_every_option_of_herd7_is_known() -> None:
    assert len([name for name in ROWS if not name.startswith("--")]) == 116
    for name, row in ROWS.items():
        assert row.takes in ("", "bool", "int", "float", "string", "list") or " " in row.takes or name == row.takes, name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense 3\n", "line 1, character 10: Unknown key 'nonsense'"),
        ("# fine\nmodel\n", "line 2, character 0: Unknown key"),
        ("hexa = maybe\n", "line 1: wrong argument 'maybe'"),
        ("exit true\n", "Unknown key 'exit'"),
    ],
)
def test_what_is_wrong_in_a_configuration_has_its_place(here: Path, text: str, said: str) -> None:
    (here / "bad.cfg").write_text(text)
    with pytest.raises(BadOption, match=re.escape(said)):
        asked(["-conf", "bad.cfg"], find, {})


def test_what_comes_later_counts(here: Path) -> None:
    (here / "one.cfg").write_text("unroll = 3\nspeedcheck true\nlocal-conf two.cfg\nskipchecks a,b\n")
    (here / "two.cfg").write_text("speedcheck fast\n")
    made = asked(["-unroll", "9", "-conf", "one.cfg", "-skipcheck", "c", "-unroll=5"], find, {})
    assert made.values == {"unroll": "5", "speedcheck": "fast"}
    assert made.each("skipchecks") | made.each("skipcheck") == {"a", "b", "c"}


def test_files_are_looked_for_where_herd7_looks(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "lib").mkdir()
    (here / "lkmm.cfg").rename(here / "lib" / "there.cfg")
    with pytest.raises(Stop, match=r"^Cannot find file there\.cfg$"):
        asked(["-conf", "there.cfg"], find, {})
    assert asked(["-I", "lib", "-conf", "there.cfg"], find, {}).values["variant" if False else "model"].endswith("lkmm.cat")
    monkeypatch.setenv("HERDLIB", "lib")
    assert asked(["-conf", "there.cfg"], find, {}).style == [("graph", "columns")]


def test_version_and_help_are_said_and_nothing_is_run() -> None:
    with pytest.raises(Said, match=r"^7\.58$"):
        asked(["-version", "no.litmus"], find, {"-version": "7.58"})


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("-nprocs", "3"), 2, "unknown option '-nprocs'."),
        (("-conf", "none.cfg"), 2, "Cannot find file none.cfg"),
        (("-conf", "lkmm.cfg", "@none"), 2, "open_in failed: @none: No such file or directory"),
        (("-conf", "lkmm.cfg", "-model", "bad.cat", "MP.litmus"), 2, "bad.cat:1:1: error:"),
        (("-conf", "lkmm.cfg", "-o", "none", "-show", "all", "MP.litmus"), 0, "Cannot create none/MP.dot: No such file"),
        (("-version",), 0, ""),
    ],
)
def test_the_command_ends_with_herd7s_exit_codes(
    here: Path, argv: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "bad.cat").write_text("}")
    monkeypatch.setattr(sys, "argv", ["/bin/herd7", *argv])
    with pytest.raises(SystemExit) as ended:
        herd7()
    assert ended.value.code == code
    out, err = capsys.readouterr()
    assert said in err
    assert err.startswith("herd7: " if code else "Warning: " if said else "")
    assert out.startswith("7.58, Rev: ") == (argv == ("-version",))


def test_the_question_can_be_changed(here: Path) -> None:
    (here / "kinds").write_text("MP Forbidden\nother Allowed # not here\n")
    (here / "names").write_text("MP\n")
    (here / "others").write_text("other\n")
    conf = ("-conf", "lkmm.cfg")
    assert "Test MP Forbidden\n" in ran(*conf, "-kinds", "kinds", "MP.litmus")[1]
    assert ran(*conf, "-names", "others", "MP.litmus") == (0, "", "")
    assert ran(*conf, "-excl", "names", "MP.litmus") == (0, "", "")
    assert ran(*conf, "-names", "names", "MP.litmus")[1] == PRINTED
    quick = ran(*conf, "-speedcheck", "true", "MP.litmus")[1]
    assert "States 1\n1:r0=1; 1:r1=0;\nOk\n" in quick
    assert "Observation MP Always 1 0\n" in quick


def test_a_check_that_is_skipped_forbids_nothing(here: Path) -> None:
    (here / "MP.litmus").write_text(
        MP.replace("*y, 1);", "*y, 1);")
        .replace("WRITE_ONCE(*y", "smp_store_release(y")
        .replace("smp_store_release(y, 1", "smp_store_release(y, 1")
        .replace("READ_ONCE(*y)", "smp_load_acquire(y)")
    )
    conf = ("-conf", "lkmm.cfg")
    assert "Never 0 3" in ran(*conf, "MP.litmus")[1]
    assert "Sometimes 1 3" in ran(*conf, "-skipcheck", "happens-before", "MP.litmus")[1]


def test_bad_executions_can_be_kept_from_being_shown(here: Path) -> None:
    (here / "MP.litmus").write_text(MP.replace("WRITE_ONCE(*x, 1)", "*x = 1"))
    conf = ("-conf", "lkmm.cfg")
    assert "Flag data-race" in ran(*conf, "-badexecs", "false", "MP.litmus")[1]
    assert ran(*conf, "-badexecs", "false", "-badflag", "data-race", "MP.litmus") == (0, "", "")


def test_c_needs_the_kernels_model(here: Path) -> None:
    with pytest.raises(Stop, match=r"-conf linux-kernel\.cfg"):
        ran("MP.litmus")
    (here / "old.cfg").write_text(CONF.replace("variant lkmmv2\n", ""))
    with pytest.raises(Stop, match="lkmmv2"):
        ran("-conf", "old.cfg", "MP.litmus")


def test_herd7s_models_are_shipped_ones() -> None:
    assert {name for name in STANDARD.values() if not name.endswith(".cat")} & set(SHIPPED) >= {"x86-tso", "sc"}
    assert Path(STANDARD["aarch64.cat"]).is_file()


# ---------------------------------------------------------------- pictures


@pytest.mark.parametrize(("kind", "count"), [("prop", 1), ("neg", 3), ("all", 4), ("cond", 1), ("wit", 1), ("none", 0)])
def test_there_is_a_picture_of_each_execution_asked_for(here: Path, kind: str, count: int) -> None:
    assert ran("-conf", "lkmm.cfg", "-show", kind, "-o", ".", "MP.litmus")[:2] == (0, PRINTED)
    drawn = (here / "MP.dot").read_text() if (here / "MP.dot").exists() else ""
    assert drawn.count("digraph G {") == count


def test_a_picture_shows_events_and_relations(here: Path) -> None:
    ran(
        "-conf",
        "lkmm.cfg",
        "-show",
        "prop",
        "-squished",
        "true",
        "-doshow",
        "hb",
        "-edgeattr",
        "hb,color,indigo",
        "-o",
        ".",
        "MP.litmus",
    )
    drawn = (here / "MP.dot").read_text()
    labels = dict(re.findall(r'(eiid\d+) \[label="(\w): ', drawn))
    assert re.findall(r'label="(\w: [^"]*)"', drawn) == ["a: W[ONCE][x]=1", "b: W[ONCE][y]=1", "c: R[ONCE][y]=1", "d: R[ONCE][x]=0"]
    edges = {(labels[a], labels[b], name) for a, b, name in re.findall(r'(eiid\d+) -> (eiid\d+) \[label="([\w-]+)"', drawn)}
    assert {("a", "b", "po"), ("c", "d", "po"), ("b", "c", "rf"), ("d", "a", "fr")} <= edges
    assert ("b", "c", "hb") in edges
    assert 'label="hb", color="indigo"' in drawn
    assert 'pos="1,0!"' in drawn


def test_pictures_can_go_to_standard_output(here: Path) -> None:
    printed = ran("-conf", "lkmm.cfg", "-show", "all", "-nshow", "2", "-o", "-", "MP.litmus")[1]
    assert printed.startswith(PRINTED + "\nDOTBEGIN MP\nDOTCOM neato\n")
    assert printed.count("digraph") == 2


# ---------------------------------------------------------------- the kernel's scripts

TREE = os.environ.get("CHECKER_LINUX", "")
REAL = os.environ.get("CHECKER_HERD7", "")
needs_tree = pytest.mark.skipif(not TREE, reason="CHECKER_LINUX does not name a Linux tree")
SELECT = '#!/bin/sh\nwhile read f; do head -n 1 "$f" | grep -q "^C " && echo "$f"; done\nexit 0\n'  # mselect7 -arch C
SCRIPTS = (
    "checkalllitmus.sh", "checklitmus.sh litmus-tests/MP+poonceonces.litmus", "judgelitmus.sh litmus-tests/MP+poonceonces.litmus",
    "checkghlitmus.sh", "newlitmushist.sh", "simpletest.sh litmus-tests/MP+polocks.litmus",
)  # fmt: skip


def _scripts(folder: Path, herd7: str) -> dict[str, str]:
    """What the kernel's scripts say, and what they leave, with `herd7` in PATH, but for times."""
    memory_model, binaries = folder / "memory-model", folder / "bin"
    shutil.copytree(Path(TREE) / "tools" / "memory-model", memory_model)
    binaries.mkdir()
    for name, text in (("herd7", herd7), ("mselect7", SELECT)):
        (binaries / name).write_text(text)
        (binaries / name).chmod(0o755)
    (memory_model / "litmus").mkdir()
    for name in ("MP+polocks", "SB+fencembonceonces", "MP+poonceonces"):
        shutil.copy(memory_model / "litmus-tests" / f"{name}.litmus", memory_model / "litmus")
    (memory_model / "litmus" / "unknown.litmus").write_text(
        MP.replace("C MP", "C unknown\n\n(*\n * Result: Never\n *)").replace("WRITE_ONCE(*x", "write_twice(*x")
    )
    environment = {
        **os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LKMM_JOBS": "1", "LKMM_DESTDIR": ".",
        "LKMM_HERD_OPTIONS": "-conf linux-kernel.cfg", "LKMM_TIMEOUT_CMD": "timeout 1m",
    }  # fmt: skip
    said = {}
    for script in SCRIPTS:
        done = subprocess.run(
            ["bash", *f"scripts/{script}".split()], capture_output=True, text=True, cwd=memory_model, env=environment, timeout=300
        )
        said[script] = f"{done.stdout}{done.stderr}rc {done.returncode}"
    for file in sorted(memory_model.rglob("*.out")):
        said[str(file.relative_to(memory_model))] = file.read_text()
    return {
        name: "\n".join(line for line in text.split("\n") if not re.match(r"Time |.*elapsed|.*pagefaults", line))
        for name, text in said.items()
    }


OURS = f"#!/bin/sh\nexec {sys.executable} -c 'from checker.__main__ import herd7; herd7()' \"$@\"\n"


@needs_tree
@pytest.mark.skipif(not shutil.which("time"), reason="the scripts call /usr/bin/time")
def test_the_kernels_scripts_run_with_this_as_herd7(tmp_path: Path) -> None:
    ours = _scripts(tmp_path / "ours", OURS)
    assert ours["checkalllitmus.sh"].endswith("All litmus tests verified as was expected.\nrc 0")
    assert ours[SCRIPTS[1]].endswith("rc 0")
    assert ours[SCRIPTS[2]].endswith("rc 0")
    assert 'does not know "write_twice"' in ours["checkghlitmus.sh"]
    assert ours["newlitmushist.sh"].endswith("rc 0")
    assert ours[SCRIPTS[5]].endswith("rc 255")
    assert sum(name.endswith(".out") for name in ours) == 39
    if REAL:
        assert ours == _scripts(tmp_path / "theirs", f'#!/bin/sh\nexec {REAL} "$@"\n')
