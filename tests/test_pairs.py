"""Partners of barriers: who touches what a barrier keeps apart, the other way round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.kernel.kept import Kept
from checker.kernel.trees import FolderTree
from checker.reach.extract import NotThere
from checker.reach.gather import files, indexed
from checker.reach.index import Barrier, Index
from checker.reach.pairs import Partner, partners

HEADER = """
struct thing { int flag; int data; int other; int more; spinlock_t lock; struct inner in; };
struct inner { int a; int b; };
"""
WRITER = "WRITE_ONCE(t->data, 1);\n\tsmp_wmb();\n\tWRITE_ONCE(t->flag, 1);"
READER = "int seen = READ_ONCE(t->flag);\n\tsmp_rmb();\n\treturn READ_ONCE(t->data) + seen;"


def c(**bodies: str) -> str:
    """A file with functions of these bodies."""
    texts = [f"int {name}(struct thing *t)\n{{\n\t{body}\n}}\n" for name, body in bodies.items()]
    return "#include <linux/thing.h>\n" + "".join(texts)


def index(folder: Path, sources: Mapping[str, str], kept: Kept | None = None, paths: tuple[str, ...] = ("drivers/t",)) -> Index:
    for path, text in {"include/linux/thing.h": HEADER, **sources}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return indexed(FolderTree(folder), paths, kept, "x86")


def one(made: Index, name: str) -> Barrier:
    """The barrier of a name."""
    (found,) = [b for b in made.barriers if b.name == name]
    return found


def names(found: tuple[Partner, ...]) -> list[str]:
    return [partner.of[1] for partner in found]


def said(partner: Partner) -> tuple[str, str, str, str]:
    return partner.of[1], str(partner.first), str(partner.second), partner.pattern


# ---------------------------------------------------------------- patterns


@pytest.mark.parametrize(
    ("here", "there", "pattern"),
    [
        ("t->data = 1; {} t->flag = 1;", "t->other = t->flag; t->more = t->data;", "message passing"),
        ("t->more = t->data; {} t->other = t->flag;", "t->flag = 1; t->data = 1;", "message passing"),
        ("t->data = 1; {} t->more = t->flag;", "t->flag = 1; t->other = t->data;", "store buffering"),
        ("t->more = t->data; {} t->flag = 1;", "t->other = t->flag; t->data = 1;", "load buffering"),
        ("t->data = 1; {} t->flag = 1;", "t->flag = 2; t->more = t->data;", "R"),
        ("t->data = 1; {} t->flag = 1;", "t->other = t->flag; t->data = 2;", "S"),
        ("t->data = 1; {} t->flag = 1;", "t->flag = 2; t->data = 2;", "2+2W"),
    ],
)
def test_a_function_that_comes_to_two_places_the_other_way_round_makes_a_pattern(
    tmp_path: Path, here: str, there: str, pattern: str
) -> None:
    made = index(tmp_path, {"drivers/t/a.c": c(f=here.replace("{}", "smp_mb();"), g=there)})
    assert ("g", "thing.data", "thing.flag", pattern) in [said(p) for p in partners(made, one(made, "smp_mb"))]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("t->data = 1; {} t->flag = 1;", "t->other = t->data; t->more = t->flag;"),  # the same way round
        ("t->other = t->data; {} t->more = t->flag;", "return t->flag + t->data;"),  # nobody writes
        ("t->data = 1; {} t->flag = 1;", "return t->data;"),  # one place only
    ],
)
def test_what_makes_no_pattern_is_no_partner(tmp_path: Path, here: str, there: str) -> None:
    made = index(tmp_path, {"drivers/t/a.c": c(f=here.replace("{}", "smp_mb();"), g=there)})
    assert "g" not in names(partners(made, one(made, "smp_mb")))


def test_a_write_barrier_keeps_no_reads_apart(tmp_path: Path) -> None:
    other = c(f="t->data = 1; smp_mb(); t->more = READ_ONCE(t->flag);", g="t->flag = 1; t->other = t->data;")
    assert names(partners(made := index(tmp_path, {"drivers/t/a.c": other}), one(made, "smp_mb")))[:1] == ["g"]
    weaker = other.replace("smp_mb", "smp_wmb")
    found = partners(made := index(tmp_path, {"drivers/t/a.c": weaker}), one(made, "smp_wmb"))
    assert all(str(p.second) != "thing.flag" for p in found)


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("smp_store_release", "t->data = 1; smp_store_release(&t->flag, 1);"),
        ("smp_store_mb", "smp_store_mb(t->data, 1); t->flag = 1;"),
        ("rcu_assign_pointer", "t->data = 1; rcu_assign_pointer(t->flag, 1);"),
        ("atomic_inc_return_release", "t->data = 1; atomic_inc_return_release(&t->flag);"),
    ],
)
def test_what_orders_and_accesses_at_once_has_partners_too(tmp_path: Path, name: str, here: str) -> None:
    made = index(tmp_path, {"drivers/t/a.c": c(f=here, g=READER)})
    assert said(partners(made, one(made, name))[0]) == ("g", "thing.data", "thing.flag", "message passing")


def test_both_sides_name_each_other(tmp_path: Path) -> None:
    made = index(tmp_path, {"drivers/t/a.c": c(f=WRITER), "drivers/u/b.c": c(g=READER)}, paths=("drivers",))
    assert names(partners(made, one(made, "smp_wmb"))) == ["g"]
    assert names(partners(made, one(made, "smp_rmb"))) == ["f"]


# ---------------------------------------------------------------- calls


def test_calls_are_followed_on_both_sides(tmp_path: Path) -> None:
    text = c(
        fill="t->data = 1;", order="smp_wmb();", f="fill(t); order(t); t->flag = 1;", look="return t->data;",
        g="if (READ_ONCE(t->flag)) return look(t);",
    )  # fmt: skip
    made = index(tmp_path, {"drivers/t/a.c": text})
    (found,) = partners(made, one(made, "smp_wmb"))
    assert (found.root[1], said(found)) == ("f", ("g", "thing.data", "thing.flag", "message passing"))


def test_the_function_with_both_accesses_is_the_partner_and_not_its_callers(tmp_path: Path) -> None:
    made = index(tmp_path, {"drivers/t/a.c": c(f=WRITER, g=READER, above="return g(t);")})
    assert names(partners(made, one(made, "smp_wmb"))) == ["g"]


def test_what_a_parameter_points_to_is_the_place_that_was_given(tmp_path: Path) -> None:
    text = "static void put(int *p)\n{\n\tsmp_store_release(p, 1);\n}\n" + c(f="t->data = 1; put(&t->flag);", g=READER)
    made = index(tmp_path, {"drivers/t/a.c": text})
    found = partners(made, one(made, "smp_store_release"))
    assert [(p.root[1], p.of[1]) for p in found] == [("f", "g")]


def test_branches_that_exclude_each_other_are_not_kept_apart(tmp_path: Path) -> None:
    text = c(f="if (t->other) {\n\tt->data = 1;\n\t} else {\n\tsmp_wmb();\n\tt->flag = 1;\n\t}", g=READER)
    made = index(tmp_path, {"drivers/t/a.c": text})
    assert all(p.first is None for p in partners(made, one(made, "smp_wmb")))


# ---------------------------------------------------------------- what ranks


def test_rare_places_say_more_than_those_that_everybody_touches(tmp_path: Path) -> None:
    crowd = {f"u{n}": "t->more = 1; t->other = 1;" for n in range(60)}
    text = c(f="t->other = 1; t->data = 1; smp_wmb(); t->flag = 1; t->more = 1;", **crowd, g=READER)
    made = index(tmp_path, {"drivers/t/a.c": text})
    assert names(partners(made, one(made, "smp_wmb")))[0] == "g"


def test_who_a_comment_names_comes_first(tmp_path: Path) -> None:
    plain = c(f=WRITER, far="if (t->flag)\n\tt->more = 1;\n\tt->other = 2;\n\treturn t->data;", g=READER)
    made = index(tmp_path, {"drivers/t/a.c": plain})
    assert names(partners(made, one(made, "smp_wmb")))[0] == "g"
    noted = plain.replace("smp_wmb();", "smp_wmb();\t/* pairs with the load in far() */")
    made = index(tmp_path, {"drivers/t/a.c": noted})
    assert [(p.of[1], p.named) for p in partners(made, one(made, "smp_wmb"))] == [("far", True), ("g", False)]
    assert names(partners(made, one(made, "smp_wmb"), comments=False))[0] == "g"


def test_a_comment_at_the_other_barrier_counts_too(tmp_path: Path) -> None:
    text = c(
        f=WRITER, a="if (t->flag)\n\treturn t->data;", g="if (t->flag) {\n\t/* see f() */\n\tsmp_rmb();\n\treturn t->data;\n\t}"
    )
    made = index(tmp_path, {"drivers/t/a.c": text})
    first = partners(made, one(made, "smp_wmb"))[0]
    assert (first.of[1], first.named) == ("g", True)


# ---------------------------------------------------------------- laws


def shape(made: Index, back: Mapping[str, str]) -> list[tuple[str, tuple[tuple[str, ...], ...]]]:
    """Every barrier with its partners, in old names."""

    def old(text: str) -> str:
        return re.sub(r"\w+", lambda m: back.get(m[0], m[0]), text)

    return sorted((old(b.inside), tuple(sorted(tuple(map(old, said(p))) for p in partners(made, b)))) for b in made.barriers)


SOME = {
    "f": WRITER, "g": READER, "h": "t->other = 1; smp_mb(); return t->more;", "k": "t->more = 1; smp_mb(); return t->other;",
    "m": "t->in.a = 1; smp_store_release(&t->in.b, 2);", "n": "if (smp_load_acquire(&t->in.b)) return t->in.a;",
}  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(st.permutations(sorted(SOME)), st.permutations(("flag", "data", "other", "more")), st.booleans())
def test_names_and_the_order_of_functions_and_files_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], renamed: list[str], apart: bool
) -> None:
    plain = shape(index(tmp_path_factory.mktemp("plain"), {"drivers/t/a.c": c(**SOME)}), {})
    assert sum(bool(found) for _, found in plain) == 6
    words = dict(zip(("flag", "data", "other", "more"), [f"{name}_{n}" for n, name in enumerate(renamed)], strict=True))
    words |= {name: f"fn_{order.index(name)}" for name in SOME}
    texts = {f"drivers/t/{n if apart else 0}.c": "" for n in range(len(order))}
    for n, name in enumerate(order):
        texts[f"drivers/t/{n if apart else 0}.c"] += c(**{name: SOME[name]})
    texts = {path: re.sub(r"\w+", lambda m: words.get(m[0], m[0]), text) for path, text in texts.items() if text}
    header = re.sub(r"\w+", lambda m: words.get(m[0], m[0]), HEADER)
    made = index(tmp_path_factory.mktemp("other"), {**texts, "include/linux/thing.h": header})
    assert shape(made, {new: old for old, new in words.items()}) == plain


def test_the_order_in_which_files_were_read_does_not_matter(tmp_path: Path) -> None:
    callers = {f"drivers/t/{n}.c": c(**{f"f{n}": "t->data = 1;\n\thelper(t);\n\tt->flag = 1;"}) for n in range(3)}
    made = index(tmp_path, {"drivers/t/h.c": c(helper="smp_wmb();", g=READER), **callers})
    other = Index(dict(reversed(made.records.items())), made.of)
    assert [partners(other, b) for b in other.barriers] == [partners(made, b) for b in made.barriers]


# ---------------------------------------------------------------- what is kept


def test_a_second_run_finds_the_same_and_what_changed_is_read_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", "1")
    sources = {"drivers/t/a.c": c(f=WRITER), "drivers/t/b.c": c(g=READER)}
    first = index(tmp_path / "tree", sources, kept)
    again = index(tmp_path / "tree", sources, kept)
    assert again.records == first.records and again.barriers == first.barriers
    changed = index(tmp_path / "tree", sources | {"drivers/t/b.c": c(g=READER.replace("smp_rmb();", "t->flag = 1;"))}, kept)
    assert [b.inside for b in changed.barriers] == ["f"]


def test_a_structure_that_changes_in_a_header_changes_places(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", "1")
    text = c(f=WRITER, g=READER).replace("t->flag", "t->in.a")
    sources = {"drivers/t/a.c": text}
    was = index(tmp_path / "tree", sources, kept)
    assert said(partners(was, one(was, "smp_wmb"))[0])[2] == "inner.a"
    now = index(tmp_path / "tree", sources | {"include/linux/thing.h": HEADER.replace("inner", "within")}, kept)
    assert said(partners(now, one(now, "smp_wmb"))[0])[2] == "within.a"


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="there is no file drivers/x"):
        files(FolderTree(tmp_path), ("drivers/x",))


def test_code_of_two_architectures_is_never_paired(tmp_path: Path) -> None:
    sources = {f"arch/{name}/t/a.c": text for name, text in (("x86", c(f=WRITER)), ("arm64", c(g=READER)))}
    made = index(tmp_path, sources, paths=("arch",))
    assert names(partners(made, one(made, "smp_wmb"))) == []
    made = index(tmp_path, {**sources, "arch/x86/t/b.c": c(h=READER), "lib/b.c": c(k=READER)}, paths=("arch", "lib"))
    assert set(names(partners(made, one(made, "smp_wmb")))) == {"h", "k"}
