"""What a slice of a function is made of: the lines of a process of a test, with the line of the kernel each is from.

`pruned` leaves out what nothing depends on: locals nobody reads, branches and loops with nothing in them, jumps to what follows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

CHOICE = "__VERIFIER_nondet_bool()"
ROUNDS = "round"
_WORD = re.compile(r"[A-Za-z_]\w*")

At: TypeAlias = "tuple[str, int]"


class Line(Struct, frozen=True):
    """A statement, without its semicolon; `sets` is the local that it sets, and `idle`: that is all it does."""

    text: str
    at: At
    sets: str = ""
    idle: bool = False
    note: str = ""


class Choice(Struct, frozen=True):
    cond: str
    then: tuple[Part, ...]
    orelse: tuple[Part, ...]
    at: At


class Rounds(Struct, frozen=True):
    """A loop: `rounds` times at most (0: as long as `cond` holds). `first` is what its condition takes; the last one ends it."""

    rounds: int
    body: tuple[Part, ...]
    at: At


class Jump(Struct, frozen=True):
    """`break`, `continue`, `return`, or with a label `goto`."""

    kind: str
    label: str
    at: At


class Target(Struct, frozen=True):
    label: str


Part: TypeAlias = Line | Choice | Rounds | Jump | Target


def pruned(parts: tuple[Part, ...], kept: frozenset[str] = frozenset()) -> tuple[Part, ...]:
    """The parts without what nothing depends on; the locals `kept` stay."""
    while True:
        words = Counter([*_words(parts), *kept])
        jumps = {part.label for part in every(parts) if isinstance(part, Jump) and part.kind == "goto"}
        made = _pruned(parts, words, jumps, ("",))
        if made == parts:
            return parts
        parts = made


def every(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        match part:
            case Choice(_, then, orelse):
                yield from every(then)
                yield from every(orelse)
            case Rounds(_, body):
                yield from every(body)


def _words(parts: Sequence[Part]) -> Iterator[str]:
    """The words that lines use: not those they only set."""
    for part in every(parts):
        if isinstance(part, Line):
            text = part.text.partition("=")[2] if part.sets and part.text.startswith(f"{part.sets} =") else part.text
            yield from (word for word in _WORD.findall(text) if word != part.sets or not part.idle)
        elif isinstance(part, Choice):
            yield from _WORD.findall(part.cond)


def _pruned(parts: tuple[Part, ...], words: Counter[str], jumps: set[str], follow: tuple[str, ...]) -> tuple[Part, ...]:
    """`follow`: the labels right behind these parts."""
    made: list[Part] = []
    for part in reversed(parts):
        labels = (*_labels(made), *(follow if all(isinstance(p, Target) for p in made) else ()))
        match part:
            case Line(sets=sets, idle=True) if sets not in words:
                continue
            case Target(label) if label not in jumps:
                continue
            case Jump("goto", label) if label in labels:
                continue
            case Jump("return") if all(isinstance(p, Target) for p in made) and "" in follow:
                continue
            case Jump():
                made = _from_label(made)
            case Choice(cond, then, orelse):
                then, orelse = (_pruned(arm, words, jumps, labels) for arm in (then, orelse))
                if not then and not orelse:
                    continue
                if not then:
                    cond, then, orelse = negated(cond), orelse, ()
                part = replace(part, cond=cond, then=then, orelse=orelse)
            case Rounds(rounds, body):
                body = _pruned(body, words, jumps, ())
                inside = Counter(_words(body))
                if not any(_matters(p, rounds, labels, words - inside) for p in every(body)):
                    continue
                if rounds == 1 and not _leaves(body):
                    made += reversed(body)
                    continue
                part = replace(part, body=body)
        if isinstance(part, Choice) and made and _again(part, made[-1]):
            continue
        made.append(part)
    made.reverse()
    return tuple(made)


def _matters(part: Part, rounds: int, labels: tuple[str, ...], outside: Counter[str]) -> bool:
    """Whether what is in a loop makes the loop matter: of one that waits, any line. `labels` are those right behind the loop,
    `outside` the words that are used outside of it."""
    if isinstance(part, Line):
        return not (part.idle and rounds) or part.sets in outside
    return isinstance(part, Jump) and part.kind in ("goto", "return") and part.label not in labels


def _leaves(body: Sequence[Part]) -> bool:
    """Whether a loop's body ends a round early."""
    for part in body:
        if isinstance(part, Choice) and (_leaves(part.then) or _leaves(part.orelse)):
            return True
        if isinstance(part, Jump) and part.kind in ("break", "continue"):
            return True
    return False


def _again(part: Choice, following: Part) -> bool:
    """Whether a free choice to go somewhere has the same choice behind it."""
    alike = isinstance(following, Choice) and part.cond == following.cond == CHOICE and not part.orelse and not following.orelse
    if not alike or len(part.then) != 1 or not isinstance(following, Choice) or len(following.then) != 1:
        return False
    one, other = part.then[0], following.then[0]
    return isinstance(one, Jump) and isinstance(other, Jump) and (one.kind, one.label) == (other.kind, other.label)


def _from_label(made: list[Part]) -> list[Part]:
    """What is behind a jump, from the first label on (`made` has the last part first)."""
    at = next((i for i in range(len(made) - 1, -1, -1) if any(isinstance(p, Target) for p in every([made[i]]))), None)
    return made[: at + 1] if at is not None else []


def _labels(made: list[Part]) -> tuple[str, ...]:
    """The labels that come next (`made` has the last part first)."""
    found = []
    for part in reversed(made):
        if not isinstance(part, Target):
            break
        found.append(part.label)
    return tuple(found)


def negated(cond: str) -> str:
    """The opposite of a condition."""
    if re.fullmatch(r"!?\w+(?:\(\))?", cond):
        return cond[1:] if cond.startswith("!") else f"!{cond}" if cond != CHOICE else cond
    return f"!({cond})"


def printed(parts: Sequence[Part], comment: Comments, depth: int = 1) -> Iterator[str]:
    """The lines of a process, indented, with where each is from."""
    for part in parts:
        pad = "\t" * depth
        match part:
            case Line(text, at, note=note):
                yield f"{pad}{text};{comment.of(at, note)}"
            case Choice(cond, then, orelse, at):
                yield f"{pad}if ({cond}) {{{comment.of(at)}"
                yield from printed(then, comment, depth + 1)
                if orelse:
                    yield f"{pad}}} else {{"
                    yield from printed(orelse, comment, depth + 1)
                yield f"{pad}}}"
            case Rounds(rounds, body, at):
                head = f"for (int {ROUNDS} = 0; {ROUNDS} < {rounds}; {ROUNDS}++)" if rounds else "while (1)"
                yield f"{pad}{head} {{{comment.of(at)}"
                yield from printed(body, comment, depth + 1)
                yield f"{pad}}}"
            case Jump(kind, label, at):
                yield f"{pad}{kind} {label};{comment.of(at)}" if label else f"{pad}{kind};{comment.of(at)}"
            case Target(label):
                yield f"{label}:;"


class Comments(Struct):
    """Comments that say where a line is from: the file only where it is another than that of the line before."""

    path: str
    last: At = ("", 0)

    def of(self, at: At, note: str = "") -> str:
        path, line = at
        said = "" if at == self.last or not line else str(line) if path == self.path else f"{path}:{line}"
        self.last = at
        text = ", ".join(part for part in (said, note) if part)
        return f" // {text}" if text else ""
