"""How many of the comments at barriers that name a partner have it among the partners found: a measure of checker/reach/pairs.py.

    python -m tools.named TREE PATH...      a line for each folder, then those missed

A comment names a partner where it says of a function that it pairs, matches, or is to be seen; functions that no file below the
paths has are not counted. `by places`: what the functions do makes a pattern; `blind`: without a look at comments.
"""

from __future__ import annotations

import re
import sys
from collections import Counter

from checker.campaign.indexed import indexed
from checker.campaign.verdicts import tool
from checker.kernel.kept import Kept
from checker.kernel.trees import folder_tree
from checker.parse.files import cache_folder
from checker.reach.index import Barrier, Index
from checker.reach.pairs import Partner, partners

MOST = 8
"""How many partners of a barrier are looked at."""
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_SAYS = re.compile(
    r"\b(?:pair|match|counterpart|see |synchroni[sz]|order(?:ed|s)? (?:against|with))[^.;]*(?:\.(?=\w)[^.;]*)*", re.I
)
_NAME = re.compile(r"\b([a-z_]\w*_\w+|\w+(?=\(\)))")


def names(index: Index, barrier: Barrier, text: str) -> list[str]:
    """The functions that the comment at a barrier says it pairs with, as far as any file has them."""
    lines = text.split("\n")
    end = barrier.line
    start = max(0, end - 40)
    found: list[str] = []
    block = "\n".join(lines[start : end + 8])
    ends = len("\n".join(lines[start:end])) + 1
    begins = len("\n".join(lines[start : end - 1]))
    for comment in _COMMENT.finditer(block):
        between = block[comment.end() : begins]
        if comment.start() <= ends and (comment.end() >= begins or (between.count(";") <= 1 and "}" not in between)):
            bare = " ".join(re.sub(r"^\s*(?:/?\*+/?|//)", " ", line) for line in comment[0].split("\n"))
            found += [name for said in _SAYS.findall(" ".join(bare.split())) for name in _NAME.findall(said)]
    return [name for name in dict.fromkeys(found) if name != barrier.inside and index.defined(name)]


def rank(found: tuple[Partner, ...], name: str, *, pattern: bool) -> int:
    """Where a function, or one that calls it for one of the two accesses, is among partners; 0 for nowhere."""
    for n, one in enumerate(found, 1):
        calls = {called for access in (*one.there, *one.beside) for _, called, _ in access.via}
        if (one.pattern or not pattern) and (one.of[1] == name or name in calls):
            return n
    return 0


def main() -> None:
    folder, *paths = sys.argv[1:]
    tree = folder_tree(folder)
    index = indexed(tree, paths, Kept(cache_folder("reach"), tool()), "x86", 2)
    counts: dict[str, Counter[str]] = {path: Counter() for path in paths}
    missed = []
    for barrier in index.barriers:
        count = counts[next(path for path in paths if barrier.path.startswith(path))]
        said = names(index, barrier, (tree.read(barrier.path) or b"").decode("utf-8", "replace"))
        informed, blind = (partners(index, barrier, MOST, comments=c) if said else () for c in (True, False))
        count["barriers"] += 1
        for name in said:
            count["named"] += 1
            count["found"] += bool(rank(informed, name, pattern=False))
            count["by places"] += bool(rank(informed, name, pattern=True))
            count["blind"] += (at := rank(blind, name, pattern=True)) > 0
            count["blind, first"] += at == 1
            if not at:
                missed.append(f"{barrier.path}:{barrier.line}: {barrier.name}() in {barrier.inside}() names {name}()")
    counts["all"] = sum(counts.values(), Counter())
    for path, count in counts.items():
        of = max(count["named"], 1)
        shares = ", ".join(
            f"{kind} {count[kind]} ({count[kind] / of:.0%})" for kind in ("found", "by places", "blind", "blind, first")
        )
        print(f"{path}: {count['barriers']} barriers, {count['named']} partners named: {shares}")
    print("\n".join(missed))


if __name__ == "__main__":
    main()
