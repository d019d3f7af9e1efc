"""The command from outside: exit codes whatever happens, Ctrl-C, streams, stdin, odd files, other systems, completion, man."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from kernel_c import contended

from checker.campaign.corpus import Setup, run
from checker.campaign.paths import plan
from checker.campaign.pool import processes
from checker.cli import cli
from checker.report.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
GOOD = ROOT / "litmus" / "kvm" / "vgic-ready-release-acquire.litmus"
BAD = "C bad\n(* Result: Never *)\n{}\nP0(int *x)\n{\n\tWRITE_ONCE(*x, 1);\n}\nexists (x=1)\n"


def ring(threads: int) -> str:
    """Store buffering among many: it has 2^threads final states."""
    code = "\n".join(
        f"P{i}(int *x{i}, int *x{(i + 1) % threads}) {{ WRITE_ONCE(*x{i}, 1); int r = READ_ONCE(*x{(i + 1) % threads}); }}"
        for i in range(threads)
    )
    outcome = " /\\ ".join([f"{i}:r=0" for i in range(threads)])
    return f"C ring\n(* Result: Sometimes *)\n{{}}\n{code}\nexists ({outcome})\n"


def checker(*args: object, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", ""), **more}
    environment = {name: value for name, value in environment.items() if value}
    command = [sys.executable, "-m", "checker", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=False)


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """A line of shell in which `checker` is ours."""
    line = f'checker() {{ "{sys.executable}" -m checker "$@"; }}; {line}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)


# ---------------------------------------------------------------- results that cannot be written


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "command",
    ["checker models", f"checker run -j1 {GOOD}", f"checker run -j1 --format json {GOOD}", f"checker gate -j1 --no-cache {GOOD}",
     f"checker compile --arch aarch64 {GOOD}", f"checker cost {GOOD}", "checker gp", "checker --help"],
)  # fmt: skip
def test_a_full_disk_is_said_and_never_taken_for_a_verdict(command: str) -> None:
    done = shell(f"{command} > /dev/full")
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("target", ["/nonexistent/x", "/dev/full", "."])
def test_a_report_that_cannot_be_written_is_exit_2_and_stops_no_other(tmp_path: Path, target: str) -> None:
    if not os.path.exists(target) and target == "/dev/full":
        pytest.skip("needs a device that is always full")
    for test, text in (("good", GOOD.read_text()), ("bad", BAD)):
        file = tmp_path / f"{test}.litmus"
        file.write_text(text)
        junit = tmp_path / f"{test}.xml"
        args = [
            "gate",
            str(file),
            "--no-cache",
            "-j",
            "1",
            "--baseline",
            "",
            "--output",
            f"sarif={target}",
            "--output",
            f"junit={junit}",
        ]
        made = CliRunner().invoke(cli, args)
        assert made.exit_code == 2, made.output
        assert f"error: {target} cannot be written" in made.stderr
        assert "testsuites" in junit.read_text()


def test_a_reader_that_has_seen_enough_is_no_error_to_talk_about() -> None:
    done = shell("checker run -j1 --format json litmus/kvm | head -1")
    assert json.loads(done.stdout)["observation"]
    assert done.stderr == ""
    assert done.returncode == 2


def test_a_bug_of_ours_is_exit_2_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from checker.campaign import paths

    def broken(*_: object) -> None:
        raise ZeroDivisionError("somewhere")

    monkeypatch.setattr(paths, "plan", broken)
    made = CliRunner().invoke(cli, ["run", str(GOOD)])
    assert made.exit_code == 2
    assert made.stderr == "internal error: ZeroDivisionError: somewhere\n"


def test_exit_zero_is_for_verdicts_and_not_for_errors(tmp_path: Path) -> None:
    bad, broken = tmp_path / "bad.litmus", tmp_path / "broken.litmus"
    bad.write_text(BAD)
    broken.write_text("C broken\n")
    for command in (["run"], ["gate", "--no-cache", "--baseline", ""]):
        for file, code in ((bad, 0), (broken, 2)):
            made = CliRunner().invoke(cli, [*command, "-j", "1", "--exit-zero", str(file)])
            assert made.exit_code == code, made.output


# ---------------------------------------------------------------- a full disk


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on files")
@pytest.mark.parametrize(
    ("command", "file"),
    [
        (f"compile --arch aarch64 -o out {GOOD}", f"out/{GOOD.name}"),
        ("init", "litmus/ready-flag.litmus"),
        (f"gate -j1 --memory 0 --no-cache --baseline known.json --update-baseline {GOOD.parent / GOOD.name}", "known.json"),
        ("gp --svg boot.svg", "boot.svg"),
        (f"gate -j1 --memory 0 --no-cache --baseline '' --journal journal {GOOD}", ""),
    ],
)
def test_a_disk_that_is_full_is_an_error_that_names_the_file_and_leaves_no_part_of_it(
    tmp_path: Path, command: str, file: str
) -> None:
    """A limit on the size of files stands for the disk; a second run is not in the way of the first one's remains."""
    for _ in range(2):
        done = subprocess.run(
            ["sh", "-c", f"ulimit -f 0; exec {sys.executable} -m checker {command}"],
            capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert "File too large" in done.stderr
        assert file in done.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in left if path.stat().st_size == 0] in ([], ["boot.svg"], ["journal"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_error_that_nobody_can_be_told_of_is_still_exit_2() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "checker", "run", "gone.litmus"], stdout=full, stderr=full, cwd=ROOT, check=False
        )
    assert done.returncode == 2


# ---------------------------------------------------------------- Ctrl-C


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("command", ["run --states -j1", "run --states -j2", "gate --no-cache -j2"])
@pytest.mark.parametrize("delay", [0.15, 0.4, 0.8, 1.6])
def test_ctrl_c_is_exit_130_from_the_first_second(tmp_path: Path, command: str, delay: float) -> None:
    """As a terminal sends it: to all processes of the command."""
    for name in "ab":
        (tmp_path / f"{name}.litmus").write_text(contended(9))
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "checker", *command.split(), str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        _, told = process.communicate(timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode in (130, -signal.SIGINT), (process.returncode, told)  # a shell says 130 of both
    assert "Traceback" not in told or delay < 0.2, told  # before that Python itself may be starting


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_told_to_end_while_z3_works_the_command_ends(tmp_path: Path) -> None:
    (tmp_path / "a.litmus").write_text(contended(9))
    process = subprocess.Popen(
        [sys.executable, "-m", "checker", "run", "--states", "--solver", "z3", "-j1", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    time.sleep(4)
    process.terminate()
    try:
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, told.split()[:1]) == (130, ["interrupted"])


def alive(group: int) -> list[str]:
    """The processes of a group, without those that nobody has buried yet."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,pid="], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in listed.splitlines()]
    return [pid for pgid, state, pid in lines if pgid == str(group) and not state.startswith("Z")]


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_no_worker_outlives_the_command(tmp_path: Path, how: str) -> None:
    for name in "abc":
        (tmp_path / f"{name}.litmus").write_text(contended(9))
    process = subprocess.Popen(
        [sys.executable, "-m", "checker", "run", "--states", "-j2", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(alive(process.pid)) < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(alive(process.pid)) == 5  # the command, what starts its workers, two workers, and what counts their semaphores
    process.send_signal(getattr(signal, how))
    process.wait()
    deadline = time.monotonic() + 20
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(process.pid) == []


def test_an_interrupted_gate_shows_what_was_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from checker.campaign import gate as module

    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.litmus").write_text(BAD)
    whole = module.run

    def cut(*args: object, **more: object) -> object:
        outcomes = whole(*args, **more)  # type: ignore[arg-type]
        yield next(outcomes)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run", cut)
    made = CliRunner().invoke(cli, ["gate", "--no-cache", "-j", "1", "."])
    assert made.exit_code == 130
    assert "expected Never, got Always" in made.stdout
    assert "interrupted after 1 of 2" in made.stderr


# ---------------------------------------------------------------- what PATH may be


def test_a_test_may_come_through_standard_input() -> None:
    made = CliRunner().invoke(cli, ["run", "-j", "1", "--format", "json", "-"], input=GOOD.read_text())
    record = json.loads(made.stdout)
    assert (record["file"], record["observation"], made.exit_code) == ("<stdin>", "Never", 0)
    broken = CliRunner().invoke(cli, ["run", "-j", "1", "-"], input="C x\n{}\nP0(int *x) { smp_mbb(); }\nexists (x=0)")
    assert broken.exit_code == 2
    assert broken.stderr.startswith("<stdin>:3:14: error: ")
    for command in (["cost", "-"], ["compile", "--arch", "x86_64", "-"]):
        assert CliRunner().invoke(cli, command, input=GOOD.read_text()).exit_code == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_is_refused_and_one_that_is_named_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.litmus")
    (tmp_path / "good.litmus").write_bytes(GOOD.read_bytes())
    start = time.monotonic()
    for where in (tmp_path, tmp_path / "@list"):
        (tmp_path / "@list").write_text("pipe.litmus\ngood.litmus\n")
        made = CliRunner().invoke(cli, ["run", "-j", "1", str(where)])
        assert made.exit_code == 2
        assert "pipe.litmus: error: this is not a regular file" in made.stderr
        assert "Never ✓" in made.stdout
    assert time.monotonic() - start < 20
    assert shell(f"checker run -j1 <(cat {GOOD})").returncode == 0


def test_a_device_in_a_folder_is_refused(tmp_path: Path) -> None:
    if not os.path.exists("/dev/zero"):
        pytest.skip("needs devices")
    (tmp_path / "zero.litmus").symlink_to("/dev/zero")
    made = CliRunner().invoke(cli, ["run", "-j", "1", str(tmp_path)])
    assert "this is not a regular file" in made.stderr
    assert made.exit_code == 2


# ---------------------------------------------------------------- compile -o


def test_compile_takes_folders_and_lists_and_keeps_their_shape(tmp_path: Path) -> None:
    for name in ("a/x", "a/sub/x", "b/x"):
        file = tmp_path / f"{name}.litmus"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(GOOD.read_bytes())
    (tmp_path / "@list").write_text("b/x.litmus\n")
    out = tmp_path / "out"
    made = CliRunner().invoke(cli, ["compile", "--arch", "aarch64", "-o", str(out), str(tmp_path / "a")])
    assert made.exit_code == 0, made.output
    assert sorted(str(f.relative_to(out)) for f in out.rglob("*.litmus")) == ["sub/x.litmus", "x.litmus"]
    assert CliRunner().invoke(cli, ["compile", "--arch", "aarch64", "-o", str(out), str(tmp_path / "@list")]).exit_code == 0
    assert (out / "x.litmus").read_text().startswith("AArch64 ")


def test_compile_overwrites_neither_a_source_nor_another_output(tmp_path: Path) -> None:
    source = tmp_path / "x.litmus"
    other = tmp_path / "b" / "x.litmus"
    other.parent.mkdir()
    for file in (source, other):
        file.write_bytes(GOOD.read_bytes())
    for where in (tmp_path, other.parent):
        for force in ([], ["--force"]):
            made = CliRunner().invoke(cli, ["compile", "--arch", "aarch64", *force, "-o", str(where), str(source), str(other)])
            assert made.exit_code == 2
            assert "is a test that is compiled" in made.stderr
    assert source.read_bytes() == other.read_bytes() == GOOD.read_bytes()
    out = tmp_path / "out"
    made = CliRunner().invoke(cli, ["compile", "--arch", "aarch64", "-o", str(out), str(source), str(other)])
    assert made.exit_code == 2
    assert f"is what {source} is written to" in made.stderr
    first = (out / "x.litmus").read_text()
    again = CliRunner().invoke(cli, ["compile", "--arch", "x86_64", "-o", str(out), str(source)])
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert (out / "x.litmus").read_text() == first
    assert CliRunner().invoke(cli, ["compile", "--arch", "aarch64", "-o", str(out), str(source)]).exit_code == 0
    assert CliRunner().invoke(cli, ["compile", "--arch", "x86_64", "--force", "-o", str(out), str(source)]).exit_code == 0
    assert (out / "x.litmus").read_text() != first


# ---------------------------------------------------------------- other systems


def test_without_fork_and_without_resource_it_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: processes are spawned, there is no `resource`, and signals are few."""
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.delattr(signal, "pthread_sigmask")
    jobs = plan([str(GOOD), str(GOOD)], ["lkmm"])[0]
    assert [o.observation for o in run(jobs, Setup(), workers=2, executor=partial(processes, memory=2000))] == ["Never", "Never"]


@pytest.mark.parametrize("module", ["resource", "fcntl", "termios", "pwd", "grp"])
def test_nothing_needs_what_windows_lacks(module: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from checker.campaign.pool import begin; begin(1000)\n"
        "import checker.campaign.gate, checker.cli\n"
        f"checker.cli.cli(['run', '-j', '1', {str(GOOD)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LC_ALL": "", "LC_CTYPE": "", "LANG": "C"}],
)
def test_where_there_is_no_unicode_there_are_words(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bad.litmus").write_text(BAD)
    done = checker("run", "-j", "1", GOOD, tmp_path, **environment)
    assert "Never ok" in done.stdout
    assert "Always NOT OK (Never)" in done.stdout
    assert "NOT OK not so" in done.stdout
    gated = checker("gate", "-j", "1", "--no-cache", tmp_path, **environment)
    assert gated.stdout.startswith("NOT OK unexpected")
    for text in (done.stdout, gated.stdout, checker("gp", **environment).stdout, checker("cost", GOOD, **environment).stdout):
        assert text
        assert text.isascii()


def test_where_there_is_unicode_there_are_signs() -> None:
    assert "Never ✓" in checker("run", "-j", "1", GOOD, PYTHONIOENCODING="utf-8", LC_ALL="C").stdout


# ---------------------------------------------------------------- loudness, progress, help


def test_quiet_says_only_what_is_not_as_expected_and_verbose_how_long_it_took(tmp_path: Path) -> None:
    bad = tmp_path / "bad.litmus"
    bad.write_text(BAD)
    quiet = CliRunner().invoke(cli, ["run", "-q", "-j", "1", str(GOOD), str(bad)])
    assert "vgic" not in quiet.stdout
    assert "Always ✗ (Never)" in quiet.stdout
    assert "2 verdicts: 1 as expected, 1 not as expected" in quiet.stdout
    verbose = CliRunner().invoke(cli, ["run", "-v", "-j", "1", str(GOOD)])
    assert "under lkmm: Never, 0." in verbose.stderr
    assert CliRunner().invoke(cli, ["run", "-q", "-v", str(GOOD)]).exit_code == 2


def on_a_terminal(*args: str, cwd: Path) -> tuple[str, int]:
    """What a command writes to a terminal, and its exit code."""
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "checker", *args], stdout=follower, stderr=follower, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(leader)
    return seen.decode(), process.wait(30)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
@pytest.mark.parametrize("command", [["run", "--states"], ["gate", "--no-cache"]])
def test_progress_is_shown_after_a_second_and_cleared_before_anything_else(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "a.litmus").write_text(contended(9))
    (tmp_path / "b.litmus").write_text("C b\n{}\nP0(int *x) { smp_mbb(); }\nexists (x=0)")
    text, code = on_a_terminal(*command, "-j", "1", "--timeout", "2.5", "a.litmus", "b.litmus", cwd=tmp_path)
    assert code == 2
    assert "checking" in text
    before, _, _ = text.partition("unknown primitive")
    line = before[before.rindex("checking") :]
    assert "\x1b[2K" in line, "the bar is cleared before the error"


def test_what_is_done_within_a_second_shows_no_progress() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with Progress(screen, "reading") as bar:
        for i in range(100):
            bar.step(i, 100)
        bar.hush()
    assert screen.getvalue() == ""
    assert bar.timer is not None
    assert not bar.timer.is_alive() or bar.timer.finished.is_set()


@pytest.mark.parametrize(
    ("words", "cword", "some"),
    [
        ("checker run -m ", "3", {"lkmm", "aarch64", "x86-tso", "sc"}),
        ("checker run -m aar", "3", {"aarch64", "aarch64-llsc"}),
        ("checker gate --output s", "3", {"sarif"}),
        ("checker cost -m x", "3", {"x86-tso"}),
    ],
)
def test_a_shell_completes_models_and_formats(words: str, cword: str, some: set[str]) -> None:
    environment = {**os.environ, "_CHECKER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": cword}
    code = "from checker.cli import cli; cli(prog_name='checker')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert some <= {line.partition(",")[2] for line in done.stdout.split()}, done


@pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")  # click-man asks Click for a name that will move
def test_man_pages_are_made_from_the_help_texts(tmp_path: Path) -> None:
    from click_man.core import write_man_pages

    write_man_pages("checker", cli, version="0", target_dir=str(tmp_path))
    pages = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert {"checker.1", "checker-run.1", "checker-gate.1", "checker-compile.1"} <= pages.keys()
    assert "\\-\\-exit\\-zero" in pages["checker-gate.1"]
