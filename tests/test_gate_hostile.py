"""What strangers send to the gate: damaged patches, odd trees, broken bindings. An error, a finding, never a traceback.

`python -m tests.test_gate_hostile 100000` runs every target as often as that.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from checker.campaign.baseline import read_baseline
from checker.campaign.policy import load_policy
from checker.campaign.verdicts import unpack
from checker.cli import cli
from checker.core.source import CheckerError, Source
from checker.kernel.binding import bindings, processes
from checker.kernel.patch import applied, read_patch
from checker.kernel.skeleton import Code, own_ops
from checker.kernel.syntax import unit
from checker.kernel.trees import MAX_FILE, FolderTree, GitTree, Overlay, revisions
from checker.parse.cat import parse_cat
from checker.parse.files import decode
from checker.parse.litmus import parse_test
from checker.parse.macros import parse_table

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "tests" / "kernel"
CAT = ROOT / "checker" / "models" / "sc" / "sc.cat"
DEF = ROOT / "checker" / "models" / "lkmm" / "linux.def"
PATCH = ROOT / "tests" / "patches" / "bus-lookup-no-barrier.patch"
REPLACED = (ROOT / "tests" / "patches" / "bus-lookup-smp-wmb.patch").read_bytes()
SCENARIO = ROOT / "litmus" / "kvm" / "mmio-bus-exit-after-lock-mb.litmus"
MAIN = "virt/kvm/kvm_main.c"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def gate(*args: str, code: int) -> str:
    made = CliRunner().invoke(cli, ["gate", str(SCENARIO), "-j", "1", *args])
    assert made.exit_code == code, (made.output, made.exception)
    assert "Traceback" not in made.output
    return " ".join(made.output.split())


def git(folder: Path, *args: str) -> str:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *settings, "-C", str(folder), *args], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# ---------------------------------------------------------------- the command


def test_a_harmful_patch_is_blocked_with_the_execution() -> None:
    out = gate("--kernel", str(TREE), "--diff", str(PATCH), code=1)
    assert "reads bus = old" in out


def test_a_range_of_commits_is_judged_like_a_patch(tmp_path: Path) -> None:
    repository = tmp_path / "linux"
    repository.mkdir()
    git(repository, "init", "-q")
    for file in TREE.rglob("*.[ch]"):
        target = repository / file.relative_to(TREE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    git(repository, "apply", str(PATCH))
    git(repository, "commit", "-qam", "two")
    assert "reads bus = old" in gate("--kernel", str(repository), "--diff", "HEAD~1..HEAD", code=1)
    assert "passed" in gate("--kernel", str(repository), "--diff", "HEAD..HEAD", code=0)
    assert "no commit" in gate("--kernel", str(repository), "--diff", "nowhere..HEAD", code=2)
    (tmp_path / "touched").unlink(missing_ok=True)
    (repository / ".git/hooks/x").parent.mkdir(exist_ok=True)
    git(repository, "config", "core.fsmonitor", f"touch {tmp_path}/touched")
    git(repository, "config", "diff.external", f"touch {tmp_path}/touched")
    assert "reads bus = old" in gate("--kernel", str(repository), "--diff", "HEAD~1..HEAD", code=1)
    assert not (tmp_path / "touched").exists()


def test_a_tree_that_has_the_patch_is_compared_with_the_one_before(tmp_path: Path) -> None:
    after = applied(FolderTree(TREE), read_patch("x", PATCH.read_bytes())).after
    data = after.read(MAIN)
    assert data is not None
    patched = tmp_path / "linux"
    for file in TREE.rglob("*.[ch]"):
        (patched / file.relative_to(TREE)).parent.mkdir(parents=True, exist_ok=True)
        (patched / file.relative_to(TREE)).write_bytes(file.read_bytes())
    (patched / MAIN).write_bytes(data)
    assert "has this patch already" in gate("--kernel", str(patched), "--diff", str(PATCH), code=1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"not a patch",
        b"--- a/x.c\n+++ b/x.c\n@@ -1,1 +1,1 @@\n-a\n+b\n",
        b"--- a/../../etc/passwd\n+++ b/../../etc/passwd\n@@ -1,1 +1,1 @@\n-a\n+b\n",
        b"--- /etc/passwd\n+++ /etc/passwd\n@@ -1,1 +1,1 @@\n-a\n+b\n",
        REPLACED[: REPLACED.index(b"-\tsmp_mb__")],
        REPLACED[: REPLACED.index(b"+\tsmp_wmb")],
        PATCH.read_bytes().replace(b"kvm_main.c", b"kvm_\xff\x1b[31m.c"),
        PATCH.read_bytes().replace(b",7 +", b",2 +").replace(b",6 @@", b",2 @@"),
    ],
)
def test_a_patch_that_cannot_be_applied_is_an_error(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.patch"
    file.write_bytes(data)
    out = gate("--kernel", str(TREE), "--diff", str(file), code=2)
    assert "\x1b" not in out


def test_there_may_be_no_patch_and_no_tree(tmp_path: Path) -> None:
    gate("--kernel", str(TREE), "--diff", str(tmp_path / "none"), code=2)
    gate("--kernel", str(tmp_path / "none"), code=2)
    gate("--diff", str(PATCH), code=2)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace(b"\n", b"\r\n"),
        lambda d: b"From: somebody\nSubject: [PATCH] \xe9\xff\n\n- a list\n+ of things\n\n" + d,
        lambda d: d + b"-- \n2.51.0\n",
        lambda d: d.replace(b"\n \n", b"\n\n"),
        lambda d: b"\n".join(line.lstrip(b" \t") if line[:1] == b" " else line for line in d.split(b"\n")),
        lambda d: d.replace(b"--- a/", b"diff --git a/p.png b/p.png\nBinary files a/p.png and b/p.png differ\n--- a/", 1),
        lambda d: d.replace(b" static struct kvm_io_bus *kvm_get_bus_srcu", b" struct kvm_io_bus *kvm_get_bus_srcu"),
    ],
)
def test_a_patch_that_came_through_mail_is_still_read(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "mailed.patch"
    file.write_bytes(change(PATCH.read_bytes()))
    assert "reads bus = old" in gate("--kernel", str(TREE), "--diff", str(file), code=1)


def test_a_function_that_the_patch_removes_or_moves_needs_review(tmp_path: Path) -> None:
    text = (TREE / MAIN).read_text()
    moved = tmp_path / "moved.patch"
    head = f"diff --git a/{MAIN} b/virt/kvm/bus.c\nsimilarity index 90%\nrename from {MAIN}\nrename to virt/kvm/bus.c\n"
    moved.write_text(f"{head}--- a/{MAIN}\n+++ b/virt/kvm/bus.c\n@@ -1,2 +1,3 @@\n #include <linux/kvm_host.h>\n+\n \n")
    assert "review" in gate("--kernel", str(TREE), "--diff", str(moved), code=1)
    gone = tmp_path / "gone.patch"
    gone.write_text(text and f"--- a/{MAIN}\n+++ b/{MAIN}\n" + _hunk(text, "int kvm_io_bus_write(", "int kvm_io_bus_written("))
    assert "there is no function kvm_io_bus_write()" in gate("--kernel", str(TREE), "--diff", str(gone), code=1)


def _hunk(text: str, old: str, new: str) -> str:
    number, line = next((n, line) for n, line in enumerate(text.split("\n"), 1) if old in line)
    return f"@@ -{number},1 +{number},1 @@\n-{line}\n+{line.replace(old, new)}\n"


@pytest.mark.parametrize(
    "line",
    [
        "P1 = nowhere",
        "P1 = ../../etc/passwd:main",
        "P1 = /etc/passwd:main",
        "P1 = a.c:f (bus = )",
        "P1 = a.c:f (",
        "P1 virt/kvm/kvm_main.c:kvm_io_bus_write",
        "P9 = virt/kvm/kvm_main.c:kvm_io_bus_write",
        "P1 = a.c:f + ",
    ],
)
def test_a_binding_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.litmus").write_text(SCENARIO.read_text().replace(" * Result: Never\n", f" * Result: Never\n * Source: {line}\n"))
    made = CliRunner().invoke(cli, ["gate", "a.litmus", "-j", "1", "--kernel", str(TREE)])
    assert made.exit_code == 2, made.output
    assert "Traceback" not in made.output


def test_a_test_without_processes_has_none() -> None:
    assert processes(Source("x", "")) == {}
    assert processes(Source("x", "1(int *x) { } exists (x=0)")) == {}


def test_a_weaker_function_that_its_tests_do_not_agree_with_needs_review(tmp_path: Path) -> None:
    """The tests drifted from the code; that must not let a patch of the code pass."""
    kernel = tmp_path / "linux"
    for file in TREE.rglob("*.[ch]"):
        (kernel / file.relative_to(TREE)).parent.mkdir(parents=True, exist_ok=True)
        (kernel / file.relative_to(TREE)).write_bytes(file.read_bytes())
    main = kernel / MAIN
    lookup = "\tbus = kvm_get_bus_srcu(vcpu->kvm, idx);\n"
    main.write_text(main.read_text().replace(lookup, f"\tsmp_rmb();\n{lookup}"))
    patch = tmp_path / "x.patch"
    number = main.read_text().split("\n").index("\tsmp_rmb();") + 1
    patch.write_text(f"--- a/{MAIN}\n+++ b/{MAIN}\n@@ -{number},2 +{number},1 @@\n-\tsmp_rmb();\n {lookup}")
    out = gate("--kernel", str(kernel), "--diff", str(patch), code=1)
    assert "drift" in out
    assert "review" in out


# ---------------------------------------------------------------- trees


def test_a_tree_ends_at_its_top(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    top = tmp_path / "top"
    top.mkdir()
    (top / "link").symlink_to(tmp_path / "secret")
    (top / "loop").symlink_to("loop")
    (top / "sub").symlink_to(tmp_path)
    tree = FolderTree(top)
    for path in ("link", "loop", "../secret", "/etc/passwd", "sub/secret", "", "a\0b", "."):
        assert tree.read(path) is None
        assert Overlay(tree).read(path) is None
        assert GitTree(top, "HEAD").read(path) is None
    assert tree.names("sub") == tree.names("..") == ()


def test_a_header_that_cannot_be_read_is_said_to_be_missing(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    shutil.copytree(TREE, kernel)
    header = kernel / "include" / "linux" / "kvm_host.h"
    with header.open("ab") as stream:
        stream.truncate(MAX_FILE + 1)
    out = gate("--kernel", str(kernel), "--output", "text", code=0)
    assert "include/linux/kvm_host.h is larger than 4,000,000 bytes, and is taken for missing" in out


def test_a_touched_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    shutil.copytree(TREE, kernel)
    with (kernel / MAIN).open("ab") as stream:
        stream.truncate(MAX_FILE + 1)
    assert "is larger than 4,000,000 bytes" in gate("--kernel", str(kernel), "--diff", str(PATCH), code=2)


@pytest.mark.parametrize("text", ["--output=x..HEAD", "-x..y", "a..--upload-pack=x", "a", "..", "a.. b", "a..b;c"])
def test_only_revisions_are_revisions(text: str) -> None:
    assert revisions(text) is None


def test_code_nested_without_end_is_refused_quickly() -> None:
    start = time.process_time()
    for opening in (b"{", b"(", b"if (x) ", b"a->b[", b"*", b"x ? "):
        data = b"void f(void) { " + opening * 20_000 + b" }"
        try:
            for function in unit("deep.c", data, ("x86",)).functions.values():
                own_ops(function)
        except CheckerError:
            pass
    assert time.process_time() - start < 20


# ---------------------------------------------------------------- fuzzing

Target = Callable[[bytes], object]
LITMUS = SCENARIO.read_bytes()
KERNEL = (TREE / MAIN).read_bytes()
SCRATCH = Path(os.environ.get("TMPDIR", "/tmp")) / f"checker-fuzz-{os.getpid()}"


def _through_file(read: Callable[[Path], object]) -> Target:
    def target(data: bytes) -> object:
        SCRATCH.write_bytes(data)
        return read(SCRATCH)

    return target


def _patch(data: bytes) -> object:
    return applied(FolderTree(TREE), read_patch("x", data))


def _code(data: bytes) -> object:
    functions = unit("x.c", data, ("x86",)).functions.values()
    return [op for function in functions for op in own_ops(function)], Code(FolderTree(TREE)).callee("x.c", "f")


def _binding(data: bytes) -> object:
    source = Source("x", data.decode("utf-8", "replace"))
    return bindings(source), processes(source)


def _row(data: bytes) -> object:
    return unpack(data.decode("utf-8", "surrogateescape"))


def _text(parse: Callable[[Source], object]) -> Target:
    def target(data: bytes) -> object:
        return parse(decode("x", data))

    return target


AARCH64 = b"""AArch64 MP
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
 P0          | P1           ;
 MOV W0,#1   | LDAR W0,[X1] ;
 STR W0,[X1] | LDR W2,[X3]  ;
 STLR W0,[X3]|              ;
exists (1:X0=1 /\\ 1:X2=0)
"""
X86 = b"""X86 SB
{ uint64_t x=0; y=0; 0:EBX=x; 1:EAX=-1; }
 P0                 | P1                       ;
 MOV [x],$1         | L0: LOCK XADD [y],EAX    ;
 MFENCE             | CMP EAX,$0x7f            ;
 MOV EAX,[y]        | JNE L0                   ;
 MOV ECX,[EBX+4]    | MOVZX ECX,byte ptr [x+1] ;
 SHR ECX,$3         | CMOVGE EDX,ECX           ;
exists (0:EAX=0 /\\ 1:ECX=0)
"""
X86_64 = b"""X86_64 SB
{ int x=0; uint8_t y=0; 0:rbx=x; int64_t 1:rdx=0x10; }
 P0                         | P1                ;
 movl $1,(x)                | lock; btsq $0,(x) ;
 lock; cmpxchgl %ecx,(%rbx) | setc %ah          ;
 movb y(%rip),%al           | adcw $-1,%dx      ;
 movl -4(%rbx,%rdi,4),%esi  | sarq $63,%rdx     ;
 jmp out                    | movzbl (y),%esi   ;
 out: xchgl %eax,(x)        | ret               ;
locations [x; 0:rax]
forall (0:rsi=0 \\/ ~(1:rdx=-1))
"""
BELL = b"""Tags
(* which *) enum Accesses = 'ONCE || 'ACQUIRE (* of reads *) || 'RELEASE
enum Barriers = || 'MB || 'rmb
enum Scopes = 'cta || 'gl
instructions R[{'ONCE, 'ACQUIRE}, Scopes]
instructions W[Accesses]
default F[{'MB}]
instructions RMW[]
let narrower s = match s with || 'gl -> {'cta} || _ -> {} end
let rec lock = [R & ONCE] ; po | lock ; (lock | rf^-1)*
flag ~empty lock \\ (M * W) as unbalanced
"""

TARGETS: dict[str, tuple[Target, bytes]] = {
    "litmus": (_text(parse_test), LITMUS[LITMUS.index(b"{\nbus") :].join([b"C x\n", b""])),
    "aarch64": (_text(parse_test), AARCH64),
    "x86": (_text(parse_test), X86),
    "x86-64": (_text(parse_test), X86_64),
    "bell": (_text(parse_cat), BELL),
    "cat": (_text(parse_cat), CAT.read_bytes()),
    "def": (_text(parse_table), DEF.read_bytes()[:3000].rpartition(b"\n")[0]),
    "patch": (_patch, PATCH.read_bytes()),
    "code": (_code, KERNEL[:1500]),
    "binding": (_binding, LITMUS),
    "row": (_row, b'{"key": "k", "seal": "s", "row": "{}"}'),
    "baseline": (
        _through_file(read_baseline),
        b'{"format": 1, "tool": "", "solver": "", "models": {}, "tests": {"a": {"digest": "", "verdicts": {"lkmm": "Never"}}}}',
    ),
    "policy": (_through_file(lambda path: load_policy(".", path)), b'[gate]\npaths = ["a"]\nblock = ["changed"]\ntimeout = 3\n'),
}
PIECES = (
    b"@@ -1,3 +1,4 @@\n", b"--- a/x\n", b"+++ b/x\n", b"diff --git a/x b/x\n", b"{", b"}", b"(", b")", b"/*", b"(*", b"*)", b"\n",
    b"\r\n", b"\0", b"\xff", b"\xe2\x80\xa8", b"\x1b[0m", b"Source: P1 = a.c:f", b"P0(int *x) {", b"#define f(x) ", b"#if 0\n",
    b"guard(mutex)(&x);", b"smp_mb();", b"[", b"]", b'"', b"'", b"\\\n", b"= {", b"999999999999", b"-1", b"\\ No newline\n", b" ",
)  # fmt: skip


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """`seed` with some of it lost, doubled, swapped or overwritten."""
    data = seed
    for _ in range(chance.randrange(1, 6)):
        at, size = chance.randrange(len(data) + 1), chance.choice((1, 2, 8, 40))
        match chance.randrange(5):
            case 0:
                data = data[:at] + data[at + size :]
            case 1:
                data = data[:at] + chance.choice(PIECES) * chance.choice((1, 1, 1, 3, 50)) + data[at:]
            case 2:
                data = data[:at] + data[max(0, at - size) :]
            case 3:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case _:
                data = data[at:] + data[:at]
    return data[:20_000]


def fuzz(name: str, times: int, seed: int = 0) -> int:
    """Run a target on mutated input; anything but a CheckerError is a bug. How many inputs were refused."""
    target, example = TARGETS[name]
    chance, refused = random.Random(seed), 0
    try:
        for i in range(times):
            data = mutated(example, chance)
            start = time.monotonic()
            try:
                target(data)
            except CheckerError as error:
                refused += 1
                error.render()
            except Exception as error:
                raise AssertionError(f"{name}, input {i} of seed {seed}: {data!r}") from error
            assert time.monotonic() - start < 10, (name, i, data)
    finally:
        SCRATCH.unlink(missing_ok=True)
    return refused


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_is_too_odd(name: str) -> None:
    fuzz(name, 400, seed=1)


if __name__ == "__main__":
    for each in sys.argv[2:] or TARGETS:
        print(each, "refused", fuzz(each, int(sys.argv[1])), "of", sys.argv[1])
