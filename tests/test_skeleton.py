"""What is read from a function stands where it is said to stand: bytes, lines and statements, in macros, too."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from checker.kernel.outline import outline
from checker.kernel.primitives import JUMP
from checker.kernel.skeleton import Code, Op, skeleton
from checker.kernel.trees import FolderTree, Overlay

TREE = FolderTree(Path(__file__).parent / "kernel")
SOURCES = sorted(path.relative_to(TREE.folder).as_posix() for path in Path(TREE.folder).rglob("*.[ch]"))
STATEMENTS = [
    "s->a = 1;",
    "smp_wmb();",
    "WRITE_ONCE(s->a,\n\t\t   1);",
    "if (READ_ONCE(s->b))\n\t\treturn;",
    "while (s->b)\n\t\tsmp_rmb();",
    "inline_one(s);",
    "macro_one(s);",
    "macro_two(s, 1);",
    "\n\t/* a comment */\n\tx = s->a + s->b; /* another */",
    "mutex_lock(&s->m); s->a++; mutex_unlock(&s->m);",
    "do { smp_mb(); } while (0);",
    'g(&s->a, "text; }");',
    "#ifdef CONFIG_X\n\tsmp_mb();\n#else\n\tsmp_rmb();\n#endif",
    "#if 0\n\tsmp_rmb();\n#endif",
]


def written(rng: random.Random) -> bytes:
    """A file with macros of several lines, and functions one behind the other."""
    more = [
        "#define macro_one(s) smp_store_release(&(s)->a, 1)\n",
        "#define macro_two(s, x) do {\t\\\n\tsmp_wmb();\t\\\n\tWRITE_ONCE((s)->b,\t\\\n\t\t   x);\t\\\n"
        "\tinline_one(s);\t\\\n} while (0)\n",
        "static inline void inline_one(struct s *s)\n{\n\tif (s->b)\n\t\tatomic_inc(&s->b);\n}\n",
    ]
    for n in range(4):
        body = "\n\t".join(rng.choice(STATEMENTS) for _ in range(rng.randint(1, 6))).replace("\t#", "#")
        more.append(f"static int __init f{n}(struct s *s)\n{{\n\t{body}\n}}\n")
    rng.shuffle(more)
    text = ("\n" * rng.randint(0, 2)).join(more)
    return text.replace("\n", rng.choice(["\n", "\r\n"])).encode()


def squeezed(data: bytes) -> str:
    return " ".join(re.sub(rb"\\\r?\n", b" ", data).decode().split())


def names(data: bytes) -> set[str]:
    return {name.decode() for name in re.findall(rb"^(?:#define |[a-z][\w ]*[ *])(\w+)\(", data, re.M)}


def check(op: Op, data: bytes) -> None:
    said = squeezed(data[op.start : op.end])
    if op.text.startswith("end of "):
        assert said.startswith("{")
        assert said.endswith("}")
    elif op.verb == JUMP:
        assert said.startswith(op.text) or op.strength == "label"
    else:
        assert said[:200] == op.text
    assert op.line == data.count(b"\n", 0, op.start) + 1
    assert op.outer[0] <= op.start < op.end <= op.outer[1] or op.outer == (0, 0)
    assert data[op.outer[1] - 1 : op.outer[1]] in (b";", b"}", b"") or op.function.startswith("macro")


@pytest.mark.parametrize("seed", range(6))
def test_each_operation_stands_at_its_bytes_and_its_line(seed: int) -> None:
    files = {"f.c": written(random.Random(seed))}
    code = Code(Overlay(TREE, files) if seed else TREE)
    seen = set()
    for path in files if seed else SOURCES:
        data = code.data(path)
        assert data is not None
        for name in names(data):
            found = skeleton(code, path, name, 3)
            for op in found.ops if found is not None else ():
                where = code.data(op.path)
                assert where is not None
                check(op, where)
                seen.add((op.path, op.line, bool(op.via)))
    assert len(seen) > 10


ITEMS = [
    ("plain", "static int __init plain(struct s *s)\n{\n\tif (s) { return 1; }\n\treturn 0;\n}"),
    ("split", "static __always_inline\nvoid split(int a,\n\t   int (*b)(int))\n{\n}"),
    ("noted", "void __must_hold(&lock) noted(void) __acquires(x)\n\t__releases(y)\n{ }"),
    ("text", 'const char *text(void) /* }{ */\n{\n\treturn "}{" "\\"}";  // }\n}'),
    ("quoted", "char quoted(int x) { return x ? '}' : '{'; }"),
    ("macro", "#define macro(x) do { \\\n\tg(x); \\\n} while (0)"),
    ("  after", "  # define after( a,b )\ta + b"),
    ("SYSCALL_DEFINE2", "SYSCALL_DEFINE2(first, int, fd)\n{\n\treturn 0;\n}"),
    ("", "struct s { int (*f)(int); };"),
    ("", "static const struct ops ops = { .f = plain, .g = { 1, 2 } };"),
    ("", "enum { A, B };\n#define CONSTANT { 1 }"),
    ("", "/* void hidden(void) { } */\nint declared(void);\n#include <linux/x.h>"),
    ("", "typedef void (*fn)(void);\nextern int x;"),
]


CPLUSPLUS = '#ifdef __cplusplus\nextern "C" {\n#endif\n'


@pytest.mark.parametrize("seed", range(20))
def test_the_outline_of_a_file_is_what_it_was_made_of(seed: int) -> None:
    rng, text, expected = random.Random(seed), "", {}
    for name, item in rng.sample(ITEMS, rng.randint(1, len(ITEMS))):
        text += "\n" * rng.randint(0, 2)
        if name:
            expected[name.strip()] = (len(text), len(text) + len(item), text.count("\n") + 1)
        text += f"{item}\n"
    if rng.random() < 0.3:
        text, more = CPLUSPLUS + text, len(CPLUSPLUS)
        expected = {name: (a + more, b + more, line + 3) for name, (a, b, line) in expected.items()}
    found = outline(text.encode(), ("x86",), "f.c")
    assert {name: (one.start, one.end, one.line) for name, (one,) in found.pieces.items()} == expected
    for name, (one,) in found.pieces.items():
        assert one.macro == (name in ("macro", "after"))
        assert text[one.body] == "{" or one.macro
        assert one.row == text.count("\n", 0, one.body)
        assert not (one.under or one.arms)
    assert found.includes == ((("linux/x.h", False),) if "#include" in text else ())


def test_what_a_function_does_is_found_in_its_order() -> None:
    """A function of its own lines is read line by line; what it calls stands between."""
    text = b"".join(b"\tWRITE_ONCE(s->a%d, 1);\n" % n for n in range(9))
    data = b"#define m(s) smp_wmb(); \\\n\tsmp_rmb()\n\nvoid f(struct s *s)\n{\n" + text + b"\tm(s);\n" + text + b"}\n"
    found = skeleton(Code(Overlay(TREE, {"f.c": data})), "f.c", "f", 1)
    assert found is not None
    assert [op.line for op in found.ops] == [*range(6, 15), 1, 2, *range(16, 25)]
    assert [op.via for op in found.ops] == [*[()] * 9, ("m",), ("m",), *[()] * 9]
