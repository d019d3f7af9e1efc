"""What order is worth between two functions: an extract (reach/extract.py) with something and without it, by what may come out.

An outcome is what the locals that hold reads, and the places, hold in the end. The outcomes of two extracts are compared, those of
the same places; reads correspond by process, place and order.

    compared(before, after, models, options)    Difference("opens", "exists (1:seen=1 /\\ 1:n=0)", model="lkmm", …)

`opens`: the second has an outcome that the first has not. `closes`: only the first has one that the other has not. `same`: neither,
under any model. `open`: it is not known. Where something is left out that may order, an outcome that both have may in truth be one
of the second only: then they are the `same` only if all outcomes are those of interleavings.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.cat.term import Model
from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.insight.question import State, shortest, state_of
from checker.library import load_model, test_in
from checker.reach.extract import Extract
from checker.reach.places import Place
from checker.result import NEVER, Result

OPENS, CLOSES, SAME, OPEN = "opens", "closes", "same", "open"
RACE = "data-race"
MOST_BEGINNINGS = 12
UNREAD, FRESH = 77, 55
"""What locals hold that nothing is read to, and places whose writes are not known: no other value of a test, in all likelihood."""
_LOST = re.compile(r"__lost\(\);")
_COMMENT = re.compile(r"//[^\n]*|\(\*.*?\*\)", re.S)
_CONDITION = "\nexists (0=1)\n"
_WRITTEN = (
    r"\*{0} = ([^;]+);|(?:WRITE_ONCE|rcu_assign_pointer)\(\*{0}, ([^;]+)\);|\b\w*(?:release|set|xchg|store)\w*\({0}, ([^;]+)\);"
)
_COUNTED = r"\w*(?:_dec|_sub)\w*\((?:\w+, )?{0}\)"
_CLEARED = r"\w*clear_bit\w*\((\d+), {0}\)"
_TESTED = r"\btest_bit\w*\((\d+), {0}\)"
_SET = r"\w*set_bit\w*\((\d+), {0}\)"


class Outcomes(Struct, frozen=True):
    """What may come out of a test under a model: each outcome the values of the observables, in their order. `open`: why there may
    be others."""

    states: frozenset[tuple[str, ...]]
    race: bool
    open: str = ""


class Difference(Struct, frozen=True):
    """How the outcomes of two extracts differ. `condition` asks for one that only one of them has under `model` (the text `shown`
    is that one's, with this question; empty `condition`: it is a data race), `weak`: no interleaving has it. `altered`: the two
    make other accesses, or not the same. `why` nothing is known, of `open`."""

    kind: str
    condition: str = ""
    model: str = ""
    shown: str = ""
    other: str = ""
    weak: bool = True
    altered: bool = False
    why: str = ""

    @property
    def loses(self) -> bool:
        """Whether order is lost, and not another program written: with other accesses there are other interleavings."""
        return self.kind == OPENS and (self.weak or not self.altered)


Ask = Callable[[str, str, Sequence[str]], Outcomes]
"""The outcomes of a text, under a model, by what is observed."""

Never = Callable[[str, str], bool]
"""Whether what a text asks for never happens under a model."""


def refuting(options: Options) -> Never:
    """What never happens, by checking."""

    def never(text: str, model: str) -> bool:
        try:
            return check(test_in(Source("extract.litmus", text)), load_model(model), options).observation == NEVER
        except CheckerError:
            return False

    return never


def asking(options: Options) -> Ask:
    """Outcomes by checking. Raises CheckerError as `check` does."""

    def ask(text: str, model: str, observed: Sequence[str]) -> Outcomes:
        return outcomes(text, load_model(model), options, observed)

    return ask


def outcomes(text: str, model: Model, options: Options, observed: Sequence[str]) -> Outcomes:
    """What may come out of a test, its own question aside."""
    shown = f"\nlocations [{' '.join(f'{one};' for one in observed)}]\nexists (0=1)\n" if observed else _CONDITION
    test = test_in(Source("extract.litmus", text.replace(_CONDITION, shown)))
    result = check(test, model, replace(options, states=True, witness=False))
    found = frozenset(tuple(state_of(s).get(_spelled(one), "") for one in observed) for s in result.states or ())
    why = result.unfinished or ("" if result.states is not None else result.unknown_because or "not all states are known")
    return Outcomes(found, RACE in result.flags, why or result.unanswered_text())


def _spelled(one: str) -> str:
    """What an observable is called in a state."""
    return one if ":" in one else f"[{one}]"


# ---------------------------------------------------------------- what corresponds


class Matched(Struct, frozen=True):
    """The observables of two extracts that correspond, under the names of each; `left`: what does not, in words."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    left: str = ""


def matched(before: Extract, after: Extract) -> Matched:
    """What can be observed of both."""
    one, other = _observables(before), _observables(after)
    pairs, left = [], []
    for key in dict.fromkeys((*one, *other)):
        mine, yours = one.get(key, []), other.get(key, [])
        if len(mine) == len(yours):
            pairs += list(zip(mine, yours, strict=True))
        elif key[0] >= 0:
            left.append(f"P{key[0]} reads {key[1]} {_times(len(mine))} before, {_times(len(yours))} after")
    return Matched(tuple([a for a, _ in pairs]), tuple([b for _, b in pairs]), "; ".join(left))


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times" if n else "never"


def _observables(made: Extract) -> dict[tuple[int, str], list[str]]:
    found: dict[tuple[int, str], list[str]] = {}
    for (tid, local), place in zip(made.reads, made.read_of, strict=True):
        found.setdefault((tid, str(place)), []).append(f"{tid}:{local}")
    for place, name in zip(made.places, made.finals, strict=True):
        if name:
            found.setdefault((-1, str(place)), []).append(name)
    return found


def bare(made: Extract) -> tuple[tuple[str, ...], ...]:
    """The processes without comments, locals under numbers: equal where two extracts are."""
    text = _COMMENT.sub("", made.text)
    bodies = re.findall(r"\nP\d+\([^)]*\)\n\{\n(.*?)\n\}\n", text, re.S)
    found = []
    for body in bodies:
        declared, blank, code = body.rpartition("\n\n")
        names = re.findall(r"(\w+);", declared) if blank else []
        numbers: dict[str, str] = {}

        def number(word: re.Match[str], names: list[str] = names, numbers: dict[str, str] = numbers) -> str:
            return numbers.setdefault(word[0], f"r{len(numbers)}") if word[0] in names else word[0]

        made_lines = [" ".join(re.sub(r"[A-Za-z_]\w*", number, line).split()) for line in code.split("\n")]
        found.append(tuple([line for line in made_lines if line]))
    return tuple(found)


_ACCESS = (
    (re.compile(r"\b(?:READ_ONCE|s?rcu_dereference\w*)\((\**[\w>-]+)(?:, [^()]*)?\)"), r"\1"),
    (re.compile(r"\b(?:smp_load_acquire)\(&?([\w>-]+)\)"), r"*\1"),
    (re.compile(r"\b(?:WRITE_ONCE|rcu_assign_pointer|RCU_INIT_POINTER)\((\**[\w>-]+), (.*)\);"), r"\1 = \2;"),
    (re.compile(r"\b(?:smp_store_release|smp_store_mb)\(&?([\w>-]+), (.*)\);"), r"*\1 = \2;"),
    (re.compile(r"(\w+)_(?:acquire|release|relaxed)\("), r"\1("),
)
_ORDERS = re.compile(
    r"(?:smp_|dma_)?\w*mb(?:__\w+)?\(\);|barrier\(\);|synchronize_\w+\(.*\);|\w*(?:lock|unlock|down|up)\w*\(.*\);"
    r"|\}|\{|\w+:;|goto \w+;"
)


def same_accesses(before: Extract, after: Extract) -> bool:
    """Whether the processes make the same accesses, whatever orders them."""
    return [sorted(_accesses(one)) for one in bare(before)] == [sorted(_accesses(one)) for one in bare(after)]


def _accesses(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        text = re.sub(r"^\w+ = (?=.*[*(])", "", line)
        if not _ORDERS.fullmatch(text) and not text.startswith(("if (", "} else", "while (", "for (")):
            for pattern, made in _ACCESS:
                text = pattern.sub(made, text)
            yield re.sub(r"\br\d+\b", "r", text)


# ---------------------------------------------------------------- the comparison


def compared(
    before: Extract, after: Extract, models: Sequence[str], ask: Ask, never: Never = lambda text, model: False
) -> Difference:  # fmt: skip
    """How the outcomes of two extracts of the same functions differ, by the first model under which they do; `never` is asked where
    not all outcomes of the first are known."""
    what = matched(before, after)
    if not what.first:
        return Difference(OPEN, why="nothing of it can be observed")
    altered = bool(what.left) or not same_accesses(before, after)
    lost = [_lost(made) for made in (before, after)]
    unsure = "what is left out of it is not the same before and after" if lost[0] != lost[1] else ""
    ordering = next((note.text for made in (before, after) for note in made.notes if note.kind in ("call", "order")), "")
    missing = {f"{tid}:{local}" for tid, local in before.ends}
    reached = [not missing]
    closes, why = None, what.left or unsure or ("something is left out that may matter" if before.lost or after.lost else "")
    for first, second in _beginnings(before, after, lambda: not reached[-1]):
        for model in models:
            try:
                was, now = ask(first, model, what.first), ask(second, model, what.second)
                why = why or was.open or now.open
                reached.append(reached[-1] or _reached(was, what.first, missing))
                new, gone = now.states - was.states, was.states - now.states
                if new and not was.open and not unsure:
                    return _shown(OPENS, new, was, second, first, what.second, model, altered, ask)
                if new and was.states and not unsure:
                    found = _shown(OPENS, new, was, second, first, what.second, model, altered, ask)
                    if what.first == what.second and never(asked_for(first, found.condition), model):
                        return found
                if now.race and not was.race and not was.open and not altered:
                    return Difference(OPENS, "", model, second, first, altered=altered)
                if gone and closes is None and not now.open and not unsure:
                    closes = _shown(CLOSES, gone, now, first, second, what.first, model, altered, ask)
                if ordering and not why and not new and now.states - ask(second, "sc", what.second).states:
                    why = f"what is left out may order something: {ordering}"
            except CheckerError as error:
                why = why or f"{model}: {error.message}"
    if not reached[-1]:
        why = why or "no run of it comes to both accesses"
    if closes is not None:
        return replace(closes, why=why)
    return Difference(OPEN, why=why, altered=altered) if why else Difference(SAME, altered=altered)


def _reached(found: Outcomes, observed: Sequence[str], ends: set[str]) -> bool:
    """Whether some run comes to all of the reads `ends`."""
    where = [n for n, one in enumerate(observed) if one in ends]
    return any(all(state[n] != str(UNREAD) for n in where) for state in found.states)


def _shown(
    kind: str, found: frozenset[tuple[str, ...]], others: Outcomes, text: str, other: str, observed: Sequence[str], model: str,
    altered: bool, ask: Ask,
) -> Difference:  # fmt: skip
    """The plainest of some outcomes that only one extract has: one that no interleaving has, if there is such a one."""
    strict = ask(text, "sc", observed).states
    weak = found - strict
    some = [_state(one, observed) for one in weak or found]
    rest = [_state(one, observed) for one in others.states]
    condition = min((shortest(one, rest) for one in some), key=lambda c: (f"={UNREAD}" in c, len(c), c))
    return Difference(kind, condition, model, asked_for(text, condition), other, bool(weak), altered)


def asked_for(text: str, condition: str) -> str:
    """The test with a question."""
    return text.replace(_CONDITION, f"\n{condition}\n")


def _state(values: Sequence[str], observed: Sequence[str]) -> State:
    return dict(zip([_spelled(one) for one in observed], values, strict=True))


def _lost(made: Extract) -> frozenset[tuple[str, str]]:
    return frozenset((note.path, note.text) for note in made.notes if note.kind == "lost")


# ---------------------------------------------------------------- how it begins


def _beginnings(before: Extract, after: Extract, more: Callable[[], bool]) -> Iterator[tuple[str, str]]:
    """Both tests, with what places may hold in the beginning: 0, or, where a process may write that, something else; and with what
    is looked for in them, if there should be `more`."""
    texts = [_COMMENT.sub("", one.text) for one in (before, after)]
    told = [_read_apart(one) for one in (before, after)]
    firsts = [_firsts(before, place, name, texts) for place, name in zip(before.places, before.finals, strict=True)]
    done: set[tuple[int, ...]] = set()
    for values in ([(0, *some) for some, _ in firsts], [(0, *some, *sought) for some, sought in firsts]):
        if "\n{}\n" not in before.text:  # it begins with objects
            values = [(0,) for _ in values]
        if done and not more():
            return
        for some in itertools.product(*[tuple(dict.fromkeys(one)) for one in values]):
            if some not in done and len(done) < MOST_BEGINNINGS:
                done.add(some)
                yield _begins(told[0], before.finals, some), _begins(told[1], after.finals, some)


def _read_apart(made: Extract) -> str:
    """The test, what is left out taken to do nothing, and a local that no read has reached told apart from one that was read."""
    text = _LOST.sub("", made.text)
    for tid, local in made.reads:
        head = text.find(f"\nP{tid}(")
        text = text[:head] + re.sub(rf"(\n\t[\w ]*[\w ]) ?\b({local});", rf"\1 \2 = {UNREAD};", text[head:], count=1)
    return text


def _begins(text: str, names: Sequence[str], values: Sequence[int]) -> str:
    begin = " ".join(f"{name}={value};" for name, value in zip(names, values, strict=False) if value and name)
    return text.replace("\n{}\n", f"\n{{ {begin} }}\n", 1) if begin else text


def _firsts(made: Extract, place: Place, name: str, texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """What a place may hold in the beginning that is not 0: where a process may write 0 to it, what nobody writes; and what it is
    compared with."""
    if not name:
        return [], []
    text = "\n".join(texts)
    written = ["".join(found) for found in re.findall(_WRITTEN.format(name), text)]
    cleared, tested, given = (_bits(pattern, name, text) for pattern in (_CLEARED, _TESTED, _SET))
    locals_ = "|".join(local for (_, local), of in zip(made.reads, made.read_of, strict=True) if of == place)
    compared = re.findall(rf"\b(?:{locals_})\)? (?:[!=]=|&) \(?(\d+)", text) if locals_ else []
    sought = [n for n in dict.fromkeys(map(int, compared)) if n and str(n) not in written]
    sought = [*sought[:2], *[bits for bits in (tested & ~given,) if bits]]
    if cleared:
        return [cleared], sought
    if any(not value.isdigit() for value in written):
        return [FRESH], sought
    if "0" in written or re.search(_COUNTED.format(name), text):
        return sought[:1] or [1], sought
    return [], sought


def _bits(pattern: str, name: str, text: str) -> int:
    made = 0
    for n in re.findall(pattern.format(name), text):
        made |= 1 << int(n) % 31
    return made


def executed(found: Difference, options: Options) -> Result:
    """The result that shows the execution of a difference: of its outcome, or of its data race."""
    return check(test_in(Source("extract.litmus", found.shown)), load_model(found.model), options)
