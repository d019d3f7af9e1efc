"""Patches as mail carries them: read as what they are, or refused with the line."""

from __future__ import annotations

import base64
import quopri
import random
import re
import textwrap
from email.message import EmailMessage
from pathlib import Path

import pytest

from checker.core.source import CheckerError
from checker.kernel.patch import applied, opened, read_patch
from checker.kernel.trees import FolderTree
from tests.test_patch_apply import BASE, NAME, SOURCES, WITH, contents, edited, patch_of, put, tree_of

MORE = WITH.replace(b"\tline11();\n", b"\tline11();\n\tsmp_wmb();\n")
SENDER = b"From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\n"


@pytest.fixture
def one(tmp_path: Path) -> bytes:
    return patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH})


@pytest.fixture
def two(tmp_path: Path) -> bytes:
    return patch_of(tmp_path / "git", {NAME: WITH}, {NAME: MORE})


def mail(body: bytes, subject: str = "[PATCH] kvm: order it", *headers: str) -> bytes:
    head = "".join(f"{line}\n" for line in ("From: A <a@example.org>", f"Subject: {subject}", *headers))
    return head.encode() + b"\nWe need order:\n\n - a list\n+ of things\n\n---\n x.c | 1 +\n\n" + body + b"-- \n2.51.0\n\n"


def after(tmp_path: Path, data: bytes, base: bytes = BASE) -> bytes | None:
    made = applied(tree_of(tmp_path / "tree", base), read_patch("x.eml", data))
    assert not made.reversed
    return made.after.read(NAME)


def refused(tmp_path: Path, data: bytes, base: bytes = BASE) -> CheckerError:
    with pytest.raises(CheckerError) as error:
        applied(tree_of(tmp_path / "tree", base), read_patch("x.eml", data))
    assert error.value.span is not None
    return error.value


def test_a_mail_is_read_whatever_its_encoding(tmp_path: Path, one: bytes) -> None:
    body = mail(one).split(b"\n\n", 1)[1]
    for encoding, coded in (("base64", base64.encodebytes(body)), ("quoted-printable", quopri.encodestring(body)), ("8bit", body)):
        data = f"From: a@b.c\nSubject: x\nContent-Transfer-Encoding: {encoding}\n\n".encode() + coded
        assert after(tmp_path, data) == WITH, encoding
        assert after(tmp_path, data.replace(b"\n", b"\r\n")) == WITH, encoding


def test_an_attached_patch_is_read(tmp_path: Path, one: bytes) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "a@example.org", "[PATCH] attached"
    message.set_content("See the attachment.\n")
    message.add_attachment(one, maintype="text", subtype="x-patch", filename="x.patch")
    assert after(tmp_path, message.as_bytes()) == WITH
    message.add_attachment(one.replace(b"smp_rmb", b"smp_mb"), maintype="text", subtype="x-patch")
    assert "different patches" in refused(tmp_path, message.as_bytes()).message


def attached(text: str, *parts: bytes, names: bool = True) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "a@example.org", "[PATCH] attached"
    message.set_content(text)
    for n, part in enumerate(parts):
        named = {"filename": f"{n}.patch"} if names else {}
        message.add_attachment(part, maintype="application", subtype="octet-stream", **named)
    return message.as_bytes()


def test_of_the_parts_of_a_mail_each_patch_is_read_once(tmp_path: Path, one: bytes, two: bytes) -> None:
    assert after(tmp_path, attached("See below.\n", one, two)) == MORE
    assert after(tmp_path, attached(one.decode(), one)) == WITH
    assert after(tmp_path, attached("See below.\n", one, b"\x00\x01 no patch", names=False)) == WITH
    page = EmailMessage()
    page["From"], page["Subject"] = "a@example.org", "[PATCH] twice"
    page.set_content(one.decode())
    page.add_alternative("<pre>" + one.decode().replace("smp_rmb", "smp_mb") + "</pre>", subtype="html")
    assert after(tmp_path, page.as_bytes()) == WITH
    assert not read_patch("x", mail(one)).remarks


@pytest.mark.parametrize("lead", [b"", b"Hello,\n\nsee below.\n\n"])
def test_what_is_wrong_with_a_mail_of_a_mailbox_is_told_with_its_line(tmp_path: Path, one: bytes, two: bytes, lead: bytes) -> None:
    good = SENDER + mail(one, "[PATCH 1/2] x")
    other = two.replace(b"smp_wmb", b"smp_mb")
    page = b"From: a@b.c\nSubject: x\nContent-Type: text/html\n\n<pre>x</pre>\n"
    short = b"\n".join(line for line in mail(two).split(b"\n") if b"line10" not in line)
    for bad, at, message in (
        (attached(two.decode(), other), 0, "the parts of this mail hold different patches"),
        (attached("Both.\n", two, other, names=False), 0, "the parts of this mail hold different patches"),
        (page, 0, "this mail is HTML"),
        (short, short[: short.index(b"@@ -")].count(b"\n"), "is cut short"),
    ):
        error = refused(tmp_path, lead + good + SENDER + bad)
        assert message in error.message
        assert error.span is not None
        assert error.span.line == (lead + good + SENDER).count(b"\n") + 1 + at
        assert error.span.column == 1


def test_a_mail_of_html_is_refused(tmp_path: Path, one: bytes) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "a@example.org", "[PATCH] html"
    message.set_content("<pre>" + one.decode() + "</pre>", subtype="html")
    with pytest.raises(CheckerError, match=r"HTML|no change|looks like"):
        read_patch("x", message.as_bytes())


def test_flowed_text_is_made_whole_again(tmp_path: Path, one: bytes) -> None:
    stuffed = b"\n".join(b" " + line if line.startswith(b" ") else line for line in one.split(b"\n"))
    folded = stuffed.replace(b"+\tsmp_rmb();", b"+\tsmp_rmb( \n);")
    data = mail(folded, "x", "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes")
    assert after(tmp_path, data) == WITH


def test_blanks_that_the_mail_took_are_put_back_from_the_tree(tmp_path: Path, one: bytes) -> None:
    lines = one.split(b"\n")
    head = next(n for n, line in enumerate(lines) if line.startswith(b"@@"))
    for mangle in (
        lambda line: line.lstrip() if line.startswith(b" ") else line,
        lambda line: line.replace(b"\t", b"        "),
        lambda line: line.replace(b"\t", b" ") + b"  ",
    ):
        data = b"\n".join([*lines[: head + 1], *[mangle(line) if line else line for line in lines[head + 1 :]]])
        made = applied(tree_of(tmp_path / "tree", BASE), read_patch("x", data))
        found = made.after.read(NAME)
        assert found is not None
        assert b"".join(found.split()) == b"".join(WITH.split())
        assert [line for line in found.split(b"\n") if b"smp" not in line] == BASE.split(b"\n")
        assert any("but for blanks" in remark for remark in made.remarks)


def mangled(patch: bytes, how: str) -> bytes:
    """A patch whose context and removed lines have other blanks than the file; what it adds is as it was."""
    made, left = [], [0, 0]
    for line in patch.split(b"\n"):
        if found := re.match(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line):
            left = [int(n or 1) for n in found.groups()]
        elif any(left) and line[:1] in (b" ", b"-", b"+"):
            left = [left[0] - (line[:1] != b"+"), left[1] - (line[:1] != b"-")]
            if line[:1] != b"+":
                mark, text = line[:1], line[1:]
                line = {"tabs": mark + text.replace(b"\t", b"        "), "ends": mark + text.rstrip() + b"  "}.get(how, line)
                line = line[1:].lstrip() if how == "lost" and mark == b" " else line
        made.append(line)
    return b"\n".join(made)


@pytest.mark.parametrize("how", ["tabs", "ends", "lost"])
@pytest.mark.parametrize("context", [1, 3])
def test_a_mended_patch_does_what_the_patch_did_with_every_file(tmp_path: Path, how: str, context: int) -> None:
    rng = random.Random(f"{how} {context}")
    parts = [source.read_bytes() for source in SOURCES if source.stat().st_size > 400]
    names = ["virt/kvm/edited.c", "virt/kvm/removed.c", "virt/kvm/moved.c", "virt/kvm/kept.c"]
    for n in range(2):
        before = dict(zip(names, rng.sample(parts, 4)))
        after = {name: edited(before[name].splitlines(keepends=True), rng.choice(["insert", "any"]), rng) for name in names}
        if any(after[name] == before[name] for name in names):
            continue
        after["a/moved.c"] = after.pop("virt/kvm/moved.c")
        after |= {"a/new.c": b"\tint  x;\n", "a/empty.c": b""}
        del after["virt/kvm/removed.c"]
        patch = mangled(patch_of(tmp_path / f"git{n}", before, after, f"-U{context}"), how)
        for now, back in ((before, False), (after, True)):
            tree = tmp_path / f"tree{n}{back}"
            tree.mkdir()
            put(tree, now)
            made = applied(FolderTree(tree), read_patch("x", patch))
            assert made.reversed == back
            found = contents(made, {*before, *after})
            if how == "lost" or not back:
                assert found == (before, after)
            assert any("fits but for blanks" in remark for remark in made.remarks)


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("other", [(), (7,), (8,), (9,), (10,), (11,), (12,), (7, 8, 11, 12), (8, 10)])
def test_the_two_outermost_lines_of_context_may_differ(tmp_path: Path, other: tuple[int, ...], end: bytes) -> None:
    """In a file that has moved, too, and up to its end, which has an end of line or none."""
    base, new = (b"".join(data.splitlines(keepends=True)[:at]).rstrip() + end for data, at in ((BASE, 13), (WITH, 14)))
    patch = patch_of(tmp_path / "git", {NAME: base}, {NAME: new})
    tree, expected = base, new
    for n in other:
        tree, expected = (data.replace(b"line%d()" % n, b"other()") for data in (tree, expected))
    moved = b"/* moved */\n\n"
    data = mangled(patch, "tabs")
    if {9, 10} & {*other}:
        assert "does not fit" in refused(tmp_path, data, moved + tree).message
        return
    made = applied(tree_of(tmp_path / "tree", moved + tree), read_patch("x", data))
    assert (made.reversed, made.after.read(NAME)) == (False, moved + expected)
    assert made.remarks == (f"{NAME}: the hunk at line 8 fits but for blanks or context",)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_of_several_places_that_fit_but_for_blanks_the_nearest_is_meant(tmp_path: Path, which: int) -> None:
    part = b"".join(b"\tline%d();\n" % n for n in range(8))
    parts = [part] * 3
    base, parts[which] = part * 3, part.replace(b"\tline4();\n", b"\tline4();\n\tsmp_wmb();\n")
    patch = patch_of(tmp_path / "git", {NAME: base}, {NAME: b"".join(parts)}).replace(b"\t", b"    ")
    made = applied(tree_of(tmp_path / "tree", base), read_patch("x", patch))
    found = made.after.read(NAME)
    assert found is not None
    assert b"".join(found.split()) == b"".join(b"".join(parts).split())


def test_a_wrapped_line_is_refused_with_its_number(tmp_path: Path) -> None:
    long = b"\tif (kvm_io_bus_registered(vcpu->kvm) && a_very_long_condition)\n"
    patch = patch_of(tmp_path / "git", {NAME: BASE}, {NAME: WITH.replace(b"\tsmp_rmb();\n", long)})
    wrapped = patch.replace(b" && a_very", b" &&\na_very")
    error = refused(tmp_path, wrapped)
    assert f"line {wrapped.split(chr(10).encode()).index(b'a_very_long_condition)') + 1} has no mark" in error.hint


def test_a_series_is_applied_in_the_order_of_its_numbers(tmp_path: Path, one: bytes, two: bytes) -> None:
    first, second = mail(one, "[PATCH v2 1/2] one"), mail(two, "[PATCH v2 2/2] two")
    cover = mail(b"", "[PATCH v2 0/2] cover")
    reply = mail(b"> " + one.replace(b"\n", b"\n> "), "Re: [PATCH v2 1/2] one")
    for order in ((cover, first, second), (second, first, reply), (first, reply, second)):
        assert after(tmp_path, b"".join(SENDER + letter for letter in order)) == MORE
    for n, letter in enumerate((cover, first, second)):
        (tmp_path / "series").mkdir(exist_ok=True)
        (tmp_path / "series" / f"000{n}-x.patch").write_bytes(SENDER + letter)
    tree_of(tmp_path / "tree", BASE)
    made = opened(str(tmp_path / "tree"), str(tmp_path / "series"))
    assert made.after.read(NAME) == MORE
    assert made.paths == ((NAME, NAME),)
    tree_of(tmp_path / "tree", MORE)
    back = opened(str(tmp_path / "tree"), str(tmp_path / "series"))
    assert (back.reversed, back.before.read(NAME)) == (True, BASE)


def test_patches_of_two_series_are_not_one(tmp_path: Path, one: bytes, two: bytes) -> None:
    data = SENDER + mail(one, "[PATCH v1 1/2] one") + SENDER + mail(two, "[PATCH v2 2/2] two")
    assert "another series" in refused(tmp_path, data).message
    twice = SENDER + mail(one, "[PATCH 1/2] one") + SENDER + mail(one, "[PATCH 1/2] one")
    error = refused(tmp_path, twice)
    assert "there twice" in error.message
    assert error.span is not None
    assert error.span.line > twice.count(b"\n") / 2  # it is the second that is one too many


def test_a_patch_that_the_series_lacks_is_named(tmp_path: Path, one: bytes, two: bytes) -> None:
    data = SENDER + mail(one, "[PATCH 1/3] one") + SENDER + mail(two, "[PATCH 3/3] two")
    made = applied(tree_of(tmp_path / "tree", BASE), read_patch("x", data))
    assert made.after.read(NAME) == MORE
    assert any("2/3 is not there" in remark for remark in made.remarks)


def test_a_letter_whose_diff_is_indented_is_named(tmp_path: Path, one: bytes, two: bytes) -> None:
    indented = mail(b"  " + two.replace(b"\n", b"\n  "), "[PATCH] two")
    made = applied(tree_of(tmp_path / "tree", BASE), read_patch("x", SENDER + mail(one, "[PATCH] one") + SENDER + indented))
    assert made.after.read(NAME) == WITH
    assert any("looks like a diff, and is not read" in remark for remark in made.remarks)


def test_several_patches_are_a_series_in_the_order_given(tmp_path: Path, one: bytes, two: bytes) -> None:
    tree = str(tmp_path / "tree")
    tree_of(tmp_path / "tree", BASE)
    files = [tmp_path / "1.diff", tmp_path / "0.diff"]
    for file, data in zip(files, (one, two), strict=True):
        file.write_bytes(data)
    assert opened(tree, *map(str, files)).after.read(NAME) == MORE
    with pytest.raises(CheckerError, match="commits are compared by themselves"):
        opened(tree, str(files[0]), "HEAD~1..HEAD")


def test_diffs_one_behind_the_other_change_a_file_twice(tmp_path: Path, one: bytes, two: bytes) -> None:
    assert after(tmp_path, one + two) == MORE


def test_a_file_that_moves_twice_has_moved_once(tmp_path: Path) -> None:
    there, again = "virt/kvm/y.c", "virt/kvm/z.c"
    first = patch_of(tmp_path / "git", {NAME: BASE}, {there: WITH})
    second = patch_of(tmp_path / "git", {there: WITH}, {again: MORE})
    made = applied(tree_of(tmp_path / "tree", BASE), read_patch("x", SENDER + mail(first) + SENDER + mail(second)))
    assert made.paths == ((NAME, again),)
    assert [made.after.read(name) for name in (NAME, there, again)] == [None, None, MORE]


@pytest.mark.parametrize("quote", [b"> ", b">", b">> ", b"> > ", b"| "])
def test_a_reply_that_quotes_the_whole_patch_is_read_without_quotes(tmp_path: Path, one: bytes, quote: bytes) -> None:
    quoted = b"".join(quote + line + b"\n" for line in one.rstrip(b"\n").split(b"\n"))
    assert after(tmp_path, mail(b"On Monday, A wrote:\n" + quoted + b"\nLooks good.\n", "Re: [PATCH] x")) == WITH
    bare = quoted.replace(quote + b" \n", quote.rstrip() + b"\n")
    assert after(tmp_path, b"A wrote:\n" + bare) == WITH


def test_a_comment_within_a_quoted_patch_is_refused(tmp_path: Path, one: bytes) -> None:
    quoted = b"".join(b"> " + line + b"\n" for line in one.rstrip(b"\n").split(b"\n"))
    data = quoted.replace(b"> +\tsmp_rmb", b"Why not smp_mb()?\n> +\tsmp_rmb")
    error = refused(tmp_path, data)
    assert "is quoted" in error.message
    assert error.span is not None
    assert error.span.source.line(error.span.line) == "Why not smp_mb()?"


def test_of_a_quoted_and_a_new_patch_the_new_one_is_read_and_said(tmp_path: Path, one: bytes) -> None:
    quoted = b"".join(b"> " + line + b"\n" for line in one.replace(b"smp_rmb", b"smp_mb").rstrip(b"\n").split(b"\n"))
    made = applied(tree_of(tmp_path / "tree", BASE), read_patch("x", mail(quoted + b"\nWhat about this:\n\n" + one, "Re: x")))
    assert made.after.read(NAME) == WITH
    assert any("quoted diff is not read" in remark for remark in made.remarks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: textwrap.indent(d.decode(), "  ").encode(), "not at the beginning of its line"),
        (lambda d: d.replace(b"diff --git a/", b"diff --cc ").replace(b"@@ -", b"@@@ -"), "merge"),
        (lambda d: d[d.index(b"@@ -") :], "belongs to no file"),
        (lambda d: d + b"+\tsmp_mb();\n", "belongs to no hunk"),
        (lambda d: d + b"\n\n+\tsmp_mb();\n", "belongs to no hunk"),
        (lambda d: d[: d.index(b"@@ -")], "no change"),
        (lambda d: d.replace(b",7 @@", b",9 @@"), "cut short"),
        (lambda d: b"*** a/x.c\n--- b/x.c\n***************\n*** 1,2 ****\n! a\n--- 1,2 ----\n! b\n", "context diff"),
        (lambda d: b"".join(b"commit " + b"%040d" % n + b"\n\n    x\n\n" + d for n in range(2)), "several commits"),
        (lambda d: b"Hello,\nno patch here\n- none\n", "no change in this patch"),
    ],
)
def test_what_cannot_be_read_as_a_patch_is_refused_by_name(tmp_path: Path, one: bytes, change, message: str) -> None:  # type: ignore[no-untyped-def]
    assert message in refused(tmp_path, change(one)).message


def test_a_dos_patch_fits_a_unix_file_and_a_unix_patch_a_dos_file(tmp_path: Path, one: bytes) -> None:
    assert after(tmp_path, one.replace(b"\n", b"\r\n")) == WITH
    dos = BASE.replace(b"\n", b"\r\n")
    assert after(tmp_path, one, dos) == WITH.replace(b"\n", b"\r\n")
    assert after(tmp_path, patch_of(tmp_path / "git", {NAME: dos}, {NAME: WITH.replace(b"\n", b"\r\n")}), dos) == WITH.replace(
        b"\n", b"\r\n"
    )


def test_reading_twice_is_reading_once(tmp_path: Path, one: bytes) -> None:
    put(tmp_path, {NAME: BASE})
    assert applied(FolderTree(tmp_path), read_patch("x", one)).after.read(NAME) == WITH
    with pytest.raises(CheckerError):
        applied(FolderTree(tmp_path), read_patch("x", one.replace(b"line9", b"line8")))
