"""What the gate says of a real kernel with no test at hand: barriers weakened one by one, harmless patches, fixes undone.

    make kernel KERNEL=TREE
    python -m tools.kernel TREE [--only weakened|harmless|undone] [--sample N] [--seed S] [--seconds S] [--match TEXT]

Each patch is one edit of a file of the tree, made in memory. A table of what was said, sums, and what was to be reached.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from checker.campaign.gate import Finding
from checker.campaign.patched import judged
from checker.campaign.policy import Policy
from checker.campaign.verdicts import tool
from checker.kernel.kept import Kept
from checker.kernel.patch import Applied
from checker.kernel.skeleton import Code
from checker.kernel.trees import Overlay, Tree, folder_tree
from checker.parse.files import cache_folder
from checker.reach.gather import files, gathered
from checker.reach.index import Barrier, Index
from tools.undone import FIXES, Fix

SCOPE = ("virt/kvm", "arch/x86/kvm", "arch/arm64/kvm", "include/linux/kvm_host.h", "drivers/vhost")
GENERIC = re.compile(r"(?:smp_|dma_)?(?:mb|rmb|wmb)(?:__\w+)?|smp_\w+|atomic\w*_(?:acquire|release)")
WEAKENED, HARMLESS, UNDONE = "weakened", "harmless", "undone"
JUDGED = ("harmful", "spare", "harmless")
_ORDER = ("harmful", "review", "altered", "uncovered", "unasked", "bears", "idle", "spare", "harmless")


class Case(Struct, frozen=True):
    """A patch: what it is called, and one file's text with it."""

    name: str
    path: str
    text: str


class Said(Struct, frozen=True):
    """What the gate says of a case, the worst of it, and how long that took."""

    case: Case
    kind: str
    level: str
    message: str
    seconds: float


class Gate:
    """The gate on one tree, with no tests."""

    def __init__(self, folder: str, kept: Kept | None) -> None:
        self.tree: Tree = folder_tree(folder)
        self.kept, self.policy = kept, Policy()
        self.before = Code(self.tree, (), self.policy.arch, kept)

    def text(self, path: str) -> str:
        return (self.tree.read(path) or b"").decode("utf-8", "surrogateescape")

    def said(self, case: Case) -> Said:
        began = time.perf_counter()
        after = Overlay(self.tree, {case.path: case.text.encode("utf-8", "surrogateescape")})
        codes = (self.before, Code(after, (), self.policy.arch, self.kept, self.before, frozenset((case.path,))))
        patch = Applied(self.tree, after, ((case.path, case.path),), reversed=False, remarks=())
        found = judged((), [], codes, patch, self.policy, self.kept)
        worst = min(found, key=_rank, default=None)
        kind, level = (worst.kind, worst.level) if worst is not None else ("none", "")
        return Said(case, kind, level, worst.message if worst is not None else "", time.perf_counter() - began)


def _rank(finding: Finding) -> int:
    return _ORDER.index(finding.kind) if finding.kind in _ORDER else 1


# ---------------------------------------------------------------- barriers, weakened


def barriers(gate: Gate) -> Iterator[Barrier]:
    """The explicit barriers of the scope."""
    scope = files(gate.tree, SCOPE)
    index = Index(gathered(gate.tree, scope, gate.kept, "x86"), frozenset(scope))
    yield from (one for one in index.barriers if GENERIC.fullmatch(one.name))


def weakened(gate: Gate) -> Iterator[Case]:
    """Each barrier as barrier(), each acquire and release as the access alone."""
    for one in barriers(gate):
        text = gate.text(one.path)
        made = weaker(text, one.line, one.name)
        if made is not None:
            yield Case(f"{one.path}:{one.line} {one.name}() in {one.inside}()", one.path, made)
        else:
            print(f"not weakened: {one.path}:{one.line} {one.name}()", file=sys.stderr)


def weaker(text: str, line: int, name: str) -> str | None:
    """A file's text with less order in one call; None where the call is not there."""
    start = sum(len(row) + 1 for row in text.split("\n")[: line - 1])
    found = re.compile(rf"\b{name}\s*\(").search(text, start)
    if found is None or text.count("\n", start, found.start()) > 3:
        return None
    end = closing(text, found.end())
    args = [arg.strip() for arg in arguments(text[found.end() : end - 1])]
    return text[: found.start()] + _less(name, args) + text[end:]


def _less(name: str, args: list[str]) -> str:
    if name == "smp_load_acquire":
        return f"READ_ONCE({_pointed(args[0])})"
    if name == "smp_store_release":
        return f"WRITE_ONCE({_pointed(args[0])}, {args[1]})"
    if name == "smp_store_mb":
        return f"WRITE_ONCE({args[0]}, {args[1]})"
    if name.endswith(("_acquire", "_release")):
        bare = name.rpartition("_")[0]
        return f"{bare if bare.endswith(('_set', '_read')) else f'{bare}_relaxed'}({', '.join(args)})"
    return "barrier()"


def _pointed(arg: str) -> str:
    return arg[1:] if arg.startswith("&") else f"*({arg})"


def closing(text: str, at: int) -> int:
    """Behind the bracket that closes the one before `at`."""
    depth = 1
    while depth:
        depth += (text[at] == "(") - (text[at] == ")")
        at += 1
    return at


def arguments(text: str) -> list[str]:
    found, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return found


# ---------------------------------------------------------------- harmless patches


def harmless(gate: Gate) -> Iterator[Case]:
    """Comments, renamed locals, code motion that keeps the order, stronger barriers, helpers split off."""
    for one in barriers(gate):
        text = gate.text(one.path)
        rows = text.split("\n")
        begin, end = _body(rows, one.line)
        if not begin:
            continue
        row = rows[one.line - 1]
        where = f"{one.path}:{one.line} in {one.inside}()"
        pad = row[: len(row) - len(row.lstrip())]
        alone = re.fullmatch(rf"\s*{one.name}\(\);\s*", row)
        yield Case(
            f"comment {where}", one.path, _rows(rows, one.line - 1, [f"{pad}/* smp_mb() would do, too; READ_ONCE() not */", row])
        )
        local = _local(rows[begin:end])
        if local:
            body = re.sub(rf"(?<![\w.>]){local}\b", f"{local}_renamed", "\n".join(rows[begin:end]))
            yield Case(f"rename {local} {where}", one.path, "\n".join([*rows[:begin], body, *rows[end:]]))
        if alone:
            yield Case(f"motion {where}", one.path, _rows(rows, one.line - 1, [f"{pad}do {{", f"\t{row}", f"{pad}}} while (0);"]))
            helper = f"static void ordered_{one.line}(void)\n{{\n\t{one.name}();\n}}\n"
            made = _rows(rows, one.line - 1, [f"{pad}ordered_{one.line}();"]).split("\n")
            head = _head(made, begin)
            if not one.path.endswith(".h"):
                yield Case(f"helper {where}", one.path, "\n".join([*made[:head], *helper.split("\n"), *made[head:]]))
        if one.name in ("smp_rmb", "smp_wmb", "smp_mb__after_atomic", "smp_mb__before_atomic"):
            yield Case(f"stronger {where}", one.path, _rows(rows, one.line - 1, [row.replace(f"{one.name}()", "smp_mb()")]))


def _rows(rows: list[str], n: int, new: list[str]) -> str:
    return "\n".join([*rows[:n], *new, *rows[n + 1 :]])


def _body(rows: list[str], line: int) -> tuple[int, int]:
    """The rows of the function around a line; 0, 0 where that is not plain."""
    begin = next((n for n in range(line - 1, -1, -1) if rows[n].startswith("{")), 0)
    end = next((n for n in range(line, len(rows)) if rows[n].startswith("}")), 0)
    return (begin, end) if begin and end else (0, 0)


def _head(rows: list[str], begin: int) -> int:
    """Where the comment or the type of the function that begins at a row stands."""
    return next((n + 1 for n in range(begin - 1, 0, -1) if not rows[n].strip() or rows[n].startswith(("}", "#"))), 0)


def _local(body: list[str]) -> str:
    """A local that is declared in a line by itself, and named nowhere as a member."""
    for row in body[1:12]:
        found = re.fullmatch(r"\t(?:unsigned |struct )?\w+ \**(\w+)(?: = [^,]*)?;", row)
        if found and len(found[1]) > 1 and not re.search(rf"(?:->|\.|\"[^\"]*){found[1]}\b", "\n".join(body)):
            return found[1]
    return ""


# ---------------------------------------------------------------- fixes, undone


def undone(gate: Gate) -> Iterator[Case]:
    """What upstream mended, as it was."""
    for fix in FIXES:
        text = gate.text(fix.path)
        made = without(text, fix)
        if made is not None:
            yield Case(f"{fix.path} {fix.function}(): {fix.what}", fix.path, made)
        else:
            print(f"not in this tree: {fix.path} {fix.function}(): {fix.what}", file=sys.stderr)


def without(text: str, fix: Fix) -> str | None:
    """A file's text without a fix; None where it is not there as it should be."""
    begin = re.search(rf"^(?:[A-Za-z][^\n;]*\b)?{fix.function}\([^;{{]*\)\s*\{{$", text, re.M)
    end = text.find("\n}\n", begin.end()) if begin is not None else -1
    if begin is None or end < 0:
        return None
    body = text[begin.end() : end]
    code = re.sub(r"/\*.*?\*/", lambda comment: " " * len(comment[0]), body, flags=re.S)
    found = re.search(fix.pattern, code)
    if found is None:
        return None
    return text[: begin.end()] + body[: found.start()] + found.expand(fix.undone) + body[found.end() :] + text[end:]


# ---------------------------------------------------------------- the command


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree")
    parser.add_argument("--only", choices=(WEAKENED, HARMLESS, UNDONE))
    parser.add_argument("--sample", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--seconds", type=float, default=3600.0, metavar="S", help="for each part")
    parser.add_argument("--match", default="", metavar="TEXT")
    asked = parser.parse_args()
    gate = Gate(asked.tree, Kept(cache_folder("kernel"), tool()))
    passed = True
    for part, made, most in ((WEAKENED, weakened, 0), (HARMLESS, harmless, 60), (UNDONE, undone, 0)):
        if asked.only in (None, part):
            cases = [case for case in made(gate) if asked.match in case.name]
            few = asked.sample or most
            cases = random.Random(asked.seed).sample(cases, few) if few and few < len(cases) else cases
            passed = _part(part, gate, cases, asked.seconds) and passed
    return 0 if passed else 1


def _part(part: str, gate: Gate, cases: list[Case], seconds: float) -> bool:
    """Go through a part; whether it reaches what it has to."""
    print(f"{part}: {len(cases)} patches", flush=True)
    end = time.monotonic() + seconds
    said: list[Said] = []
    for case in cases:
        if time.monotonic() > end:
            print(f"  {len(cases) - len(said)} not looked at, for want of time", flush=True)
            break
        said.append(gate.said(case))
        one = said[-1]
        print(f"  {one.kind:9} {one.seconds:5.1f} s  {case.name}\n      {one.message[:300]}", flush=True)
    sums = Counter(one.kind for one in said)
    print(f"{part}: {', '.join(f'{n} {kind}' for kind, n in sums.most_common())}; {sum(one.seconds for one in said):.0f} s")
    return _enough(part, said)


def _enough(part: str, said: list[Said]) -> bool:
    if part == WEAKENED:
        judged_, silent = sum(one.kind in JUDGED for one in said), sum(one.kind == "none" for one in said)
        return _bar(
            f"{judged_} of {len(said)} judged (two thirds wanted), {silent} without a finding",
            3 * judged_ >= 2 * len(said) and not silent,
        )
    blocked = sum(one.level == "block" for one in said)
    if part == HARMLESS:
        return _bar(f"{blocked} of {len(said)} blocked (none wanted)", not blocked)
    return _bar(f"{blocked} of {len(said)} blocked (four fifths wanted)", 5 * blocked >= 4 * len(said))


def _bar(text: str, reached: bool) -> bool:
    print(f"{'reached' if reached else 'MISSED'}: {text}\n", flush=True)
    return reached


if __name__ == "__main__":
    sys.exit(main())
