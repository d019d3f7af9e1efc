"""Patches are applied as git applies them: random edits, in every form that `git diff` writes, forwards and backwards."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from checker.core.source import CheckerError
from checker.kernel.gitapply import NoGit, apply_diff
from checker.kernel.patch import Applied, applied, read_patch
from checker.kernel.trees import FolderTree

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "tests" / "kernel").rglob("*.[ch]"))
NAME = "virt/kvm/x.c"
FENCES = [b"\tsmp_rmb();\n", b"\tsmp_mb();\n", b"\n", b"}\n", b"\tWRITE_ONCE(a->b, 1);\n"]
KINDS = ("insert", "delete", "any", "new", "deleted", "renamed", "mode", "noeol", "crlf")


def edited(lines: list[bytes], kind: str, rng: random.Random) -> bytes:
    out = list(lines)
    for _ in range(rng.randint(1, 3)):
        at, many = rng.randrange(len(out)), rng.randint(1, 3)
        how = {"insert": "i", "delete": "d"}.get(kind) or rng.choice("idr")
        out[at : at + (0 if how == "i" else many)] = [] if how == "d" else [rng.choice(FENCES) for _ in range(many)]
    return b"".join(out)


def files_of(kind: str, rng: random.Random) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """A tree before and after an edit."""
    old = rng.choice(SOURCES).read_bytes()
    new = edited(old.splitlines(keepends=True), kind, rng)
    if kind == "noeol":
        old, new = old.rstrip(b"\n"), new if rng.random() < 0.5 else new.rstrip(b"\n")
    if kind == "crlf":
        old, new = old.replace(b"\n", b"\r\n"), new.replace(b"\n", b"\r\n")
    before, after = {NAME: old}, {NAME: new}
    match kind:
        case "new":
            before = {}
        case "deleted":
            after = {}
        case "renamed":
            after = {"virt/kvm/y.c": new}
    return before, after


def put(folder: Path, files: dict[str, bytes]) -> None:
    for path in folder.rglob("*.c"):
        path.unlink()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def git(folder: Path, *args: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {"GIT_CEILING_DIRECTORIES": str(folder.parent), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "core.safecrlf=false"]
    return subprocess.run(["git", *settings, *args], cwd=folder, input=data, capture_output=True, env={**os.environ, **environment})


def patch_of(folder: Path, before: dict[str, bytes], after: dict[str, bytes], *flags: str, mode: bool = False) -> bytes:
    """What `git diff` says of the two trees."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q")
    put(folder, before)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    put(folder, after)
    for name in after if mode else ():
        (folder / name).chmod(0o755)
    git(folder, "add", "-A")
    return git(folder, "diff", "--cached", "-M30%", *flags).stdout


def contents(made: Applied, names: set[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    before = {name: data for name in names if (data := made.before.read(name)) is not None}
    return before, {name: data for name in names if (data := made.after.read(name)) is not None}


@pytest.mark.parametrize("context", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_makes_of_a_tree_what_was_made_of_it(tmp_path: Path, kind: str, context: int) -> None:
    rng = random.Random(f"{kind} {context}")
    for n in range(2):
        before, after = files_of(kind, rng)
        patch = patch_of(tmp_path / f"git{n}", before, after, f"-U{context}", mode=kind == "mode")
        if not patch:
            continue
        tree = tmp_path / f"tree{n}"
        tree.mkdir()
        names = {*before, *after}
        for now, back in ((before, False), (after, True)):
            put(tree, now)
            made = applied(FolderTree(tree), read_patch("x", patch))
            assert made.reversed == back
            assert contents(made, names) == (before, after)


@pytest.mark.parametrize("context", [1, 3])
def test_in_a_tree_that_moved_a_patch_does_what_git_apply_does(tmp_path: Path, context: int) -> None:
    rng = random.Random(context)
    for n in range(6):
        before, after = files_of("any", rng)
        patch = patch_of(tmp_path / f"git{n}", before, after, f"-U{context}")
        moved = {NAME: b"/* moved */\n" * rng.randint(1, 20) + before[NAME]}
        tree = tmp_path / f"tree{n}"
        tree.mkdir()
        put(tree, moved)
        done = git(tree, "apply", "--whitespace=nowarn", data=patch)
        plain = (tree / NAME).read_bytes()
        put(tree, moved)
        if not done.returncode:
            made = applied(FolderTree(tree), read_patch("x", patch))
            assert not made.reversed
            assert made.after.read(NAME) == plain


def step(files: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """A tree in which one file was changed, made, removed or moved."""
    name, made = rng.choice(sorted(files)), dict(files)
    match rng.choice(["change", "change", "make", "remove", "move"]):
        case "change":
            made[name] = edited(files[name].splitlines(keepends=True) or [b"\n"], "insert", rng)
        case "make":
            made[f"new{rng.randrange(3)}.c"] = rng.choice(SOURCES).read_bytes()
        case "remove" if len(files) > 1:
            del made[name]
        case "move":
            made[f"moved{rng.randrange(3)}.c"] = made.pop(name)
    return made


@pytest.mark.parametrize("seed", range(8))
def test_a_diff_that_names_files_again_and_again_does_what_git_apply_does(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    states = [{f"old{n}.c": rng.choice(SOURCES).read_bytes() for n in range(2)}]
    for _ in range(3):
        states.append(step(states[-1], rng))
    patch = b"".join(patch_of(tmp_path / f"git{n}", *states[n : n + 2]) for n in range(3))
    for at, flags in ((0, ()), (-1, ("-R",))):
        tree = tmp_path / f"tree{at}"
        tree.mkdir()
        put(tree, states[at])
        done = git(tree, "apply", *flags, "--whitespace=nowarn", data=patch)
        plain = {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*.c")}
        put(tree, states[at])
        if done.returncode or not patch:
            continue
        made = applied(FolderTree(tree), read_patch("x", patch))
        sides = (plain, states[-1]) if made.reversed else (states[0], plain)
        assert contents(made, {name for state in (*states, plain) for name in state}) == sides
        assert made.reversed == bool(at)


BASE = b"".join(b"\tline%d();\n" % n for n in range(30))
WITH = BASE.replace(b"\tline9();\n", b"\tline9();\n\tsmp_rmb();\n")


def tree_of(folder: Path, data: bytes) -> FolderTree:
    folder.mkdir(exist_ok=True)
    put(folder, {NAME: data})
    return FolderTree(folder)


def test_a_barrier_inserted_without_context_stands_where_it_was_put(tmp_path: Path) -> None:
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH}, "-U0")
    for text in (patch, b"\n".join(line for line in patch.split(b"\n") if not line.startswith(b"index "))):
        assert applied(tree_of(tmp_path / "tree", BASE), read_patch("x", text)).after.read(NAME) == WITH
        back = applied(tree_of(tmp_path / "tree", WITH), read_patch("x", text))
        assert (back.reversed, back.before.read(NAME)) == (True, BASE)


def test_a_barrier_without_context_is_not_put_into_another_version_of_the_file(tmp_path: Path) -> None:
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH}, "-U0")
    with pytest.raises(CheckerError, match="no context, and the patch was made from another version"):
        applied(tree_of(tmp_path / "tree", b"\n\n" + BASE), read_patch("x", patch))


def test_of_several_barriers_none_is_removed_by_a_patch_that_does_not_say_which(tmp_path: Path) -> None:
    several = BASE.replace(b"();\n", b"();\n\tsmp_rmb();\n")
    lines = several.splitlines(keepends=True)
    patch = patch_of(tmp_path / "git", {NAME: several}, {NAME: b"".join(lines[:11] + lines[12:])}, "-U0")
    tree = tree_of(tmp_path / "tree", b"\n" + several)
    with pytest.raises(CheckerError, match="several places where it could belong"):
        applied(tree, read_patch("x", patch))
    once = patch_of(tmp_path / "git", {NAME: WITH}, {NAME: BASE}, "-U0")
    made = applied(tree_of(tmp_path / "tree", b"\n" + WITH), read_patch("x", once))
    assert made.after.read(NAME) == b"\n" + BASE
    assert "no context" in made.remarks[0]


def test_a_barrier_without_context_is_looked_for_under_the_old_name_of_its_file(tmp_path: Path) -> None:
    patch = patch_of(tmp_path / "git", {NAME: WITH}, {"moved.c": BASE}, "-U0", "-M")
    assert b"rename from " in patch
    made = applied(tree_of(tmp_path / "tree", b"\n" + WITH), read_patch("x", patch))
    assert made.after.read("moved.c") == b"\n" + BASE
    assert made.remarks[0].startswith(f"{NAME}: the hunk at line ")


def test_a_patch_that_fits_only_with_less_context_says_so(tmp_path: Path) -> None:
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH})
    other = BASE.replace(b"line7()", b"other()")
    made = applied(tree_of(tmp_path / "tree", other), read_patch("x", patch))
    assert made.after.read(NAME) == other.replace(b"\tline9();\n", b"\tline9();\n\tsmp_rmb();\n")
    assert any("less of its context" in remark for remark in made.remarks)
    assert not made.reversed


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("name", ["a.c", "b.c"])
def test_of_several_files_the_one_is_named_that_has_moved(tmp_path: Path, name: str, back: bool) -> None:
    """Forwards and backwards, where git says of each hunk how it fits."""
    long = b"".join(b"\tline%d();\n" % n for n in range(60))
    new = long.replace(b"\tline12();\n", b"\tsmp_rmb();\n").replace(b"\tline50();\n", b"\tsmp_wmb();\n")
    after = {"a.c": long.replace(b"\tline30();\n", b"\tsmp_mb();\n"), "b.c": new}
    before = dict.fromkeys(after, long)
    (diff,) = read_patch("x", patch_of(tmp_path / "git", before, after)).diffs
    files = [replace(file, old=file.old[2:], new=file.new[2:]) for file in diff.files]
    start = files[name == "b.c"].hunks[-1].into if back else files[name == "b.c"].hunks[-1].start
    tree = tmp_path / "tree"
    tree.mkdir()
    for edit, less in (
        (lambda data: data, False),
        (lambda data: b"".join([b"\tmore();\n" * 9, data]), False),
        (lambda data: data.replace(b"line%d()" % (start + 5), b"other()"), True),
    ):
        now = dict(after if back else before)
        now[name] = edit(now[name])
        put(tree, now)
        fit = apply_diff(FolderTree(tree), files, 1, back=back, reduced=less)
        assert fit.sure is (now == (after if back else before))
        assert [remark.split(":")[0] for remark in fit.remarks] == [name] * less
        assert fit.files[name] == edit((before if back else after)[name])


def test_what_does_not_fit_is_told_with_its_hunk(tmp_path: Path) -> None:
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH})
    with pytest.raises(CheckerError) as error:
        applied(tree_of(tmp_path / "tree", b"int x;\n"), read_patch("x.patch", patch))
    assert error.value.message == f"the hunk at line 8 does not fit {NAME}"
    assert error.value.span is not None
    assert error.value.span.line == patch[: patch.index(b"@@ -8,6")].count(b"\n") + 1


def test_names_may_have_prefixes_or_none(tmp_path: Path) -> None:
    for flags in (("--no-prefix",), ("--src-prefix=linux-6.1/", "--dst-prefix=linux-6.2/"), ("--src-prefix=i/", "--dst-prefix=w/")):
        patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH}, *flags)
        assert applied(tree_of(tmp_path / "tree", BASE), read_patch("x", patch)).after.read(NAME) == WITH


def test_neither_the_folder_around_nor_its_settings_have_a_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH})
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "config", "apply.whitespace", "error-all")
    monkeypatch.setenv("TMPDIR", str(outer))
    monkeypatch.setenv("GIT_DIR", str(outer / ".git"))
    monkeypatch.setattr("tempfile.tempdir", None)
    made = applied(tree_of(tmp_path / "tree", BASE), read_patch("x", patch + b"\n"))
    assert made.after.read(NAME) == WITH
    assert not list(outer.glob("checker-*"))


@pytest.mark.parametrize("name", ["../x.c", "/etc/passwd", "//etc/passwd", ".git/hooks/post-checkout", "a/../../x.c"])
def test_nothing_outside_of_the_tree_is_written(tmp_path: Path, name: str) -> None:
    text = f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n".encode()
    with pytest.raises(CheckerError, match="outside of the tree"):
        applied(tree_of(tmp_path / "tree", BASE), read_patch("x", text))


def test_a_link_is_not_made_and_not_followed(tmp_path: Path) -> None:
    link = b"diff --git a/l b/l\nnew file mode 120000\nindex 0000000..1111111\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n"
    through = b"diff --git a/l/x b/l/x\nnew file mode 100644\n--- /dev/null\n+++ b/l/x\n@@ -0,0 +1 @@\n+x\n"
    made = applied(tree_of(tmp_path / "tree", BASE), read_patch("x", link + through))
    assert any("symbolic link: not looked at" in remark for remark in made.remarks)
    assert made.after.read("l/x") == b"x\n"
    assert made.after.read("l") is None


def test_without_git_it_is_said_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH})
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(NoGit, match="git is not installed"):
        applied(tree_of(tmp_path / "tree", BASE), read_patch("x", patch))


@pytest.mark.parametrize("index", [True, False])
def test_a_tree_that_has_a_patch_and_a_second_place_for_it_has_it_already(tmp_path: Path, index: bool) -> None:
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH})
    if not index:
        patch = b"\n".join(line for line in patch.split(b"\n") if not line.startswith(b"index "))
    before, after = b"".join([BASE, b"//\n" * 9, BASE]), b"".join([WITH, b"//\n" * 9, BASE])
    made = applied(tree_of(tmp_path / "tree", after), read_patch("x", patch))
    assert made.reversed
    assert made.before.read(NAME) == before
    assert made.after.read(NAME) == after


ODD = [
    "\u00e4.c",
    'a"b.c',
    "a\\b.c",
    "a\\303.c",
    "tab\there.c",
    "a b.c",
    "\u00e4 \\.c",
    "a\nb.c",
    '\u00e4"\u20ac.c',
    " .c",
    "\x07.c",
]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("quoted", ["true", "false"])
def test_a_name_is_the_one_that_git_wrote(tmp_path: Path, name: str, quoted: str) -> None:
    folder = tmp_path / "git"
    renamed = [] if " " in name else [(name, f"{name}x.c")]  # a rename of a name with blanks is refused
    for names in ((name, name), ("", name), (name, ""), *renamed):
        before, after = ({one: data} if one else {} for one, data in zip(names, (b"a\n", b"b\n")))
        if names[0] != names[1] and all(names):
            after = dict.fromkeys(after, b"a\n")
        patch_of(folder, before, after)
        text = git(folder, "-c", f"core.quotepath={quoted}", "diff", "--cached", "-M").stdout
        (diff,) = read_patch("x", text).diffs
        (file,) = diff.files
        assert (file.old, file.new) == tuple(f"{side}/{one}" if one else "" for side, one in zip("ab", names)), text
