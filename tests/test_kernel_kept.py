"""What is kept of kernel source from run to run never gives another answer than reading it anew."""

from __future__ import annotations

import os
import random
import re
import time
from pathlib import Path

import pytest

from checker.core.source import CheckerError
from checker.kernel.code import Code, Summary
from checker.kernel.kept import Kept
from checker.kernel.outline import outline
from checker.kernel.skeleton import Op, Skeleton, skeleton
from checker.kernel.trees import FolderTree, Overlay

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "tests" / "kernel"
FILES = sorted(str(path.relative_to(TREE)) for path in TREE.rglob("*.[ch]"))
WORDS = [b"smp_mb();", b"smp_rmb();", b"kvm_x(y);", b"}", b"{", b"if (x)", b"/*", b"#if 0", b"#endif", b"#else", b""]


def functions() -> list[tuple[str, str]]:
    code = Code(FolderTree(TREE))
    return [(path, name) for path in FILES if (unit := code.unit(path)) is not None for name in unit.functions]


FUNCTIONS = functions()


def same(made: Skeleton | None) -> str:
    """A skeleton in words, without the numbers of syntax nodes, which differ from run to run."""
    known: dict[str, str] = {}
    return re.sub(r"\d{9,}", lambda found: known.setdefault(found[0], f"#{len(known)}"), repr(made))


def edited(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    how = rng.randrange(3)
    if how == 0:
        lines.insert(at, rng.choice(WORDS))
    elif how == 1:
        del lines[at]
    else:
        lines[at] = lines[at].replace(b"smp_mb", b"smp_xb").replace(b"->", b".")
    return b"\n".join(lines)


@pytest.mark.parametrize("seed", range(4))
def test_a_skeleton_that_was_kept_is_the_one_that_would_be_made(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    kept = Kept(tmp_path, "1")
    plain = FolderTree(TREE)
    for path, name in FUNCTIONS:
        skeleton(Code(plain, kept=kept), path, name, 3)
    for _ in range(6):
        changed = rng.sample(FILES, rng.randint(1, 2))
        files = {path: edited(data, rng) for path in changed if (data := plain.read(path)) is not None}
        tree = Overlay(plain, files)
        before = Code(plain, kept=kept)
        after = Code(tree, kept=kept, base=before, touched=frozenset(files))
        fresh = Code(tree)
        for path, name in FUNCTIONS:
            assert same(skeleton(after, path, name, 3)) == same(skeleton(fresh, path, name, 3)), (path, name, files)
            assert same(skeleton(before, path, name, 3)) == same(skeleton(Code(plain), path, name, 3))


def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "tree" / "a.c"
    file.parent.mkdir()
    file.write_text("void f(void)\n{\n\tsmp_rmb();\n}\n")
    stamp = file.stat()
    kept = Kept(tmp_path, "1")
    first = skeleton(Code(FolderTree(file.parent), kept=kept), "a.c", "f", 3)
    file.write_text("void f(void)\n{\n\tsmp_wmb();\n}\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    second = skeleton(Code(FolderTree(file.parent), kept=kept), "a.c", "f", 3)
    assert first is not None
    assert second is not None
    assert [op.text for op in (*first.ops, *second.ops)] == ["smp_rmb()", "smp_wmb()"]


def test_a_definition_that_appears_nearer_is_found(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "1")
    files = {"a.c": b'#include "h.h"\nvoid f(void)\n{\n\tg();\n}\n', "z.c": b"void g(void)\n{\n\tsmp_mb();\n}\n"}
    (tmp_path / "tree").mkdir()
    tree = FolderTree(tmp_path / "tree")
    before = Code(Overlay(tree, files), kept=kept)
    assert [op.text for op in _ops(before)] == ["smp_mb()"]
    more = {**files, "h.h": b"static inline void g(void)\n{\n\tsmp_rmb();\n}\n"}
    for code in (
        Code(Overlay(tree, more), kept=kept),
        Code(Overlay(tree, more), kept=kept, base=before, touched=frozenset({"h.h"})),
    ):
        assert [op.text for op in _ops(code)] == ["smp_rmb()"]


def _ops(code: Code) -> tuple[Op, ...]:
    made = skeleton(code, "a.c", "f", 3)
    assert made is not None
    return made.ops


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"no database"),
        lambda file: file.write_bytes(file.read_bytes()[:3000]),
        lambda file: file.write_bytes(bytes(b ^ (n % 7 == 0) for n, b in enumerate(file.read_bytes()))),
        lambda file: file.is_file() and (file.unlink(), file.mkdir()),
        lambda file: file.write_bytes(b""),
    ],
)
def test_a_damaged_file_costs_time_and_nothing_else(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    whole = [same(skeleton(Code(FolderTree(TREE)), path, name, 3)) for path, name in FUNCTIONS]
    for _ in range(2):
        kept = Kept(tmp_path, "1")
        code = Code(FolderTree(TREE), kept=kept)
        assert [same(skeleton(code, path, name, 3)) for path, name in FUNCTIONS] == whole
        if kept.base is not None:
            kept.base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            kept.base.close()
        damage(tmp_path / "source.db")


def test_a_value_under_another_key_version_or_kind_is_none(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "1")
    kept.put("x", Summary(frozenset({"f"}), (("a.h", True),)))
    assert kept.get("x", Summary) == Summary(frozenset({"f"}), (("a.h", True),))
    assert kept.get("y", Summary) is None
    assert kept.get("x", Skeleton) is None
    assert Kept(tmp_path, "2").get("x", Summary) is None
    assert kept.base is not None
    rows = kept.base.execute("SELECT key, value FROM kept").fetchall()
    kept.base.execute("UPDATE kept SET value = ?", (rows[0][1][:-1] + b"\0",))
    assert kept.get("x", Summary) is None


@pytest.mark.parametrize("use", ["get", "put"])
def test_what_is_found_damaged_on_the_way_is_begun_anew(tmp_path: Path, use: str) -> None:
    value = Summary(frozenset({"f"}), ())
    kept = Kept(tmp_path, "1")
    kept.put("x", value)
    assert kept.base is not None
    kept.base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept.base.close()
    kept = Kept(tmp_path, "1")
    file = tmp_path / "source.db"
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (file.stat().st_size - 4096))
    if use == "get":
        assert kept.get("x", Summary) is None
    else:
        kept.put("x", value)
    assert kept.base is None
    assert not list(tmp_path.glob("source.db*"))
    kept.put("x", value)
    assert kept.get("x", Summary) is None
    again = Kept(tmp_path, "1")
    again.put("x", value)
    assert again.get("x", Summary) == value


def test_what_another_process_writes_meanwhile_is_not_kept_by_this_one(tmp_path: Path) -> None:
    kept, other = Kept(tmp_path, "1"), Kept(tmp_path, "1")
    assert kept.base is not None
    assert other.base is not None
    other.base.execute("PRAGMA busy_timeout = 0")
    kept.base.execute("BEGIN IMMEDIATE")
    other.put("x", Summary(frozenset(), ()))
    kept.base.execute("COMMIT")
    assert kept.get("x", Summary) is None
    other.put("x", Summary(frozenset({"g"}), ()))
    assert kept.get("x", Summary) == Summary(frozenset({"g"}), ())


def test_a_file_that_grew_too_large_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path, "1")
    kept.put("x", Summary(frozenset(), ()))
    monkeypatch.setattr("checker.kernel.kept.MOST", (tmp_path / "source.db").stat().st_size)
    assert Kept(tmp_path, "1").get("x", Summary) is not None
    assert kept.base is not None
    kept.base.close()
    monkeypatch.setattr("checker.kernel.kept.MOST", 4095)
    assert Kept(tmp_path, "1").get("x", Summary) is None


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Kept(tmp_path / "file" / "folder", "1")
    kept.put("x", Summary(frozenset(), ()))
    assert kept.get("x", Summary) is None


# ---------------------------------------------------------------- outlines

HEADS = {
    "static int f(struct x *y)\n{ }": "f",
    "SYSCALL_DEFINE2(f, int, x)\n{ }": "SYSCALL_DEFINE2",
    "__printf(1, 2) void f(const char *x, ...)\n{ }": "f",
    "void __f(int x) __acquires(&x->lock)\n{ }": "__f",
    "static __always_inline __attribute__((pure)) bool f(void) { return x; }": "f",
    "DEFINE_GUARD(x, struct y *, a(_T), b(_T))\n\nbool f(void)\n{ }": "f",
    "int __lock_acquire(void)\n{ }": "__lock_acquire",
    "struct x *f(int (*g)(void))\n{ }": "f",
    "#define f(x) do { smp_mb(); } while (0)": "f",
    "extern \"C\" {\nvoid f(void) { }\n}": "f",
}  # fmt: skip


@pytest.mark.parametrize("text", HEADS)
def test_a_definition_is_known_by_its_name(text: str) -> None:
    assert list(outline(f"int a;\n{text}\nint b[] = {{ 1, 2 }};\n".encode(), ("x86",)).pieces) == [HEADS[text]]


@pytest.mark.parametrize(
    "text",
    [
        "struct x { int (*f)(void); };",
        "int a[] = { f(1) };",
        "enum { A = F(1) };",
        "struct x y = { .f = g(1) };",
        "#define F 1",
        "f(x);",
    ],
)
def test_what_defines_no_function_is_none(text: str) -> None:
    assert outline(text.encode(), ("x86",)).pieces == {}


def test_an_outline_takes_time_in_proportion_to_its_text() -> None:
    start = time.process_time()
    for opening in (
        b"{",
        b"(",
        b"/*",
        b'"',
        b"f(x) {",
        b"#define f(x) \\\n",
        b"#ifndef X\n#endif\n",
        b"#if X\nf(x) { }\n#else\n#endif\n",
    ):
        outline(opening * 20_000, ("x86",))
    with pytest.raises(CheckerError, match=r"a\.c:201:1: .*conditions nested more than 200 deep"):
        outline(b"#if X\n" * 20_000, ("x86",), "a.c")
    assert time.process_time() - start < 10
