"""A litmus test out of kernel functions: one process each, on the places that they share.

    extracted(types, (("virt/kvm/kvm_main.c", "kvm_vcpu_wake_up"), ("virt/kvm/kvm_main.c", "kvm_vcpu_on_spin")), Wanted())

The places are those asked for, or those that the functions share and one of them writes, what stands next to something that
orders first.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import CheckerError
from checker.kernel.primitives import ACCESSES, FENCE, GRACE, LOCK, RMW, UNLOCK, WRITE
from checker.parse.c_types import Integer, typed
from checker.reach.accesses import Access, accesses
from checker.reach.declared import pointee
from checker.reach.places import Place
from checker.reach.process import Choice, Comments, Jump, Line, Part, Rounds, Target, every, printed, pruned
from checker.reach.slice import Slice
from checker.reach.types import Types
from checker.reach.window import Ends, windowed
from checker.reach.world import Note, TooLong, World, element, number_type

At = tuple[str, str]
"""A function: its file and its name."""
Spot = tuple[str, int]
_APART = frozenset({FENCE, GRACE, LOCK, UNLOCK, RMW})
MOST = 4
"""How many places a test has unless told."""
MAX_LINES = 160
"""How long a process may be before calls are followed less deep."""
DEEPER = 4
"""How many times as deep calls are followed that touch a place."""
NEAR = 4
# Where the structures are declared that are a part of any other (lists, trees, locks): of these one object cannot stand for all.
_GENERIC = re.compile(
    r"include/linux/(?:types|rbtree_types|rbtree|xarray|llist|plist_types|spinlock_types\w*|mutex_types|rwsem|rwlock_types|wait|swait"
    r"|completion|seqlock_types|kref|refcount_types|percpu-rwsem|lockdep_types|idr|workqueue_types|timer_types|hrtimer_types|nodemask"
    r"_types|cpumask_types|jump_label|refcount|atomic/\w+|rcupdate|irq_work|list|list_bl|hashtable|interval_tree|rcuwait|ktime|uio|device)\.h"
    r"|arch/\w+/include/asm/spinlock_types\.h|include/asm-generic/qspinlock_types\.h"
)


class NotThere(CheckerError):
    """A function, or a place, that the tree has not, or that functions do not share."""

    code = "not-there"


class Wanted(Struct, frozen=True):
    """`places` as people write them: "kvm_vcpu.mode", "mode", a variable. `depth` of calls that are followed, `rounds` of loops."""

    places: tuple[str, ...] = ()
    depth: int = 3
    rounds: int = 1
    exists: str = ""
    name: str = ""
    windows: tuple[tuple[Access, Access], ...] = ()
    """For each function two accesses: only what lies between them is looked at. None: all of it."""
    without: tuple[str, int] | None = None
    """The line of something that orders, which is left out, or weakened."""


class Extract(Struct, frozen=True):
    """A test: its text, `places` that it is about, `notes` on what is not in it as it is in the code."""

    name: str
    text: str
    functions: tuple[At, ...]
    places: tuple[Place, ...]
    notes: tuple[Note, ...]
    reads: tuple[tuple[int, str], ...] = ()
    """The locals, with their processes, that hold what was read of a place."""
    read_of: tuple[Place, ...] = ()
    """The place that each of these holds something of."""
    finals: tuple[str, ...] = ()
    """What the final value of each place is called in a condition; empty for one that no process has."""
    ends: tuple[tuple[int, str], ...] = ()
    """The locals that the first and the last access of each process set, where it was cut to what lies between two."""
    lines: frozenset[Spot] = frozenset()
    """The lines of the code that it has something of."""

    @property
    def lost(self) -> bool:
        """Whether something is left out that may matter."""
        return any(note.kind == "lost" for note in self.notes)


def extracted(types: Types, functions: Sequence[At], wanted: Wanted) -> Extract:
    """The test of some functions; calls are followed less deep where a process would be too long. Raises NotThere where there is
    nothing to test."""
    done = [_done(types, at, wanted.depth) for at in functions]
    chosen = _asked(done, wanted.places) if wanted.places else shared(done)
    if not chosen:
        raise NotThere(
            f"{' and '.join(f'{name}()' for _, name in functions)} touch no place together that one of them writes",
            hint="--place STRUCT.MEMBER chooses one, --depth N follows calls further",
        )
    objects = _objects(types, chosen)
    world = World(types, frozenset(chosen), objects, frozenset(p for p in chosen if p.tag in objects), without=wanted.without)
    made = [_process(world, chosen, at, wanted) for at in functions]
    if world.bits:
        made = [_again(one, at) for (one, _), at in zip(made, functions, strict=True)]  # which bits are meant is known by now
    slices, parts = [one for one, _ in made], [part for _, part in made]
    parts = [_held(part, one, parts, slices) for part, one in zip(parts, slices, strict=True)]
    ends: list[tuple[int, str]] = []
    for n, window in enumerate(wanted.windows):
        parts[n], some = _cut(world, slices[n], parts[n], window)
        ends += [(n, local) for local in some]
    return replace(_written(types, functions, wanted, chosen, world, slices, parts), ends=tuple(ends))


def _cut(
    world: World, one: Slice, parts: tuple[Part, ...], window: tuple[Access, Access]
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """A process between two of its accesses, and the locals these set; what it says of the rest is left out."""
    names = [world.name(a.place, "").rpartition(">")[2] if a.place is not None else "" for a in window]
    found, ends = windowed(parts, Ends((window[0].path, window[0].line), names[0], (window[1].path, window[1].line), names[1]))
    left = {part.at for part in every(found) if isinstance(part, Line)}
    one.notes = {note for note in one.notes if (note.path, note.line) in left or _matters(note, window)}
    return found, ends


def _matters(note: Note, window: tuple[Access, Access]) -> bool:
    """Whether a note is about what two accesses have between them, as far as lines tell."""
    if note.kind not in ("call", "order"):
        return note.kind != "lost"
    first, second = sorted([one.line for one in window])
    return any(one.path != note.path for one in window) or first <= note.line <= second


def _process(world: World, chosen: Sequence[Place], at: At, wanted: Wanted) -> tuple[Slice, tuple[Part, ...]]:
    """The process of a function, calls followed as deep as wanted or as leaves it short."""
    for depth, deepest in _depths(wanted.depth):
        one = Slice(world.types, frozenset(chosen), world, depth, deepest, wanted.rounds)
        try:
            parts = pruned(one.function(*at))
        except TooLong:
            if not deepest:
                raise
            continue
        if not deepest or sum(1 for _ in every(parts)) <= MAX_LINES:
            break
    return one, parts


def _again(one: Slice, at: At) -> tuple[Slice, tuple[Part, ...]]:
    """The process of a function once more."""
    made = Slice(one.types, one.chosen, one.world, one.depth, one.deepest, one.rounds, unknown=one.unknown)
    return made, pruned(made.function(*at))


def _depths(wanted: int) -> Iterator[tuple[int, int]]:
    """How deep calls are followed that only order something, and those that touch a place: less deep each time."""
    for depth in range(wanted, -1, -1):
        yield depth, DEEPER * depth
        if depth < wanted or depth == 1:
            yield depth, 2 * depth


def _done(types: Types, at: At, depth: int) -> tuple[Access, ...]:
    path, name = at
    if types.code.data(path) is None:
        raise NotThere(
            f"there is no file {path}", hint="FILE:FUNCTION, the file as the tree has it: virt/kvm/kvm_main.c:kvm_vcpu_kick"
        )
    found = types.code.function(path, name)
    if found is None:
        raise NotThere(f"there is no function {name}() in {path}")
    return accesses(types, path, name, depth)[0]


# ---------------------------------------------------------------- which places


def shared(done: Sequence[tuple[Access, ...]], most: int = MOST) -> list[Place]:
    """The places that several functions touch and one writes: those next to something that orders first, and marked ones."""
    writers: set[Place] = set()
    scores: dict[Place, list[int]] = {}
    for one in done:
        mine: dict[Place, int] = {}
        for i, access in enumerate(one):
            if access.verb not in ACCESSES or access.place is None or not of_interest(access.place):
                continue
            if access.verb in (WRITE, RMW):
                writers.add(access.place)
            near = any(other.verb in _APART for other in one[max(0, i - NEAR) : i + NEAR + 1])
            mine[access.place] = max(mine.get(access.place, 0), 1 + 2 * near + 3 * access.orders)
        for place, score in mine.items():
            scores.setdefault(place, []).append(score)
    least = min(2, len(done))
    found = [p for p, some in scores.items() if len(some) >= least and p in writers]
    weight = {p: (sorted(scores[p])[-least], sum(scores[p])) for p in found}
    found.sort(key=lambda p: (not p.sure, [-n for n in weight[p]], p))
    apart = [p for p in found if weight[p][0] > 1]  # something orders near them in each function, or they are marked
    return sorted((apart if len(apart) > 1 else found)[:most])


def of_interest(place: Place) -> bool:
    return bool(place.name) and not place.behind and not _GENERIC.fullmatch(place.home)


def _asked(done: Sequence[tuple[Access, ...]], wanted: tuple[str, ...]) -> list[Place]:
    """The places that people name: by structure and member, or by what stands last."""
    every = sorted({a.place for one in done for a in one if a.place is not None and a.verb in ACCESSES and of_interest(a.place)})
    found: list[Place] = []
    for text in wanted:
        text = text.replace("->", ".").removeprefix("struct ")
        some = [p for p in every if str(p) == text or (p.name == text.rpartition(".")[2] and text in (p.name, str(p)))]
        if not some:
            near = ", ".join(dict.fromkeys(str(p) for p in every[:12]))
            raise NotThere(f"no function touches a place '{text}'", hint=f"they touch {near}" if near else "")
        found += some
    return sorted(set(found))


def _objects(types: Types, chosen: Sequence[Place]) -> frozenset[str]:
    """The structures that a chosen pointer points to, and that have chosen members: these are objects of the test."""
    tags = {p.tag for p in chosen}
    found = set()
    for p in chosen:
        member = types.member(p.home, f"struct {p.tag}", p.name) if p.tag else None
        tag = pointee(element(member.type)).removeprefix("struct ") if member is not None else ""
        if tag and tag in tags and tag != p.tag:
            found.add(tag)
    return frozenset(found)


# ---------------------------------------------------------------- locks that callers hold


def _held(
    parts: tuple[Part, ...], one: Slice, all_parts: Sequence[tuple[Part, ...]], slices: Sequence[Slice]
) -> tuple[Part, ...]:  # fmt: skip
    """A process between the locks that its caller holds, as far as others take them too, or their callers hold them."""
    text = ["\n".join(line.text for line in every(some) if isinstance(line, Line)) for some in all_parts]
    mine = "\n".join(line.text for line in every(parts) if isinstance(line, Line))
    for lock, unlock in one.held.items():
        name, idx = lock.partition("(")[2], ""
        others = [t for t, some in zip(text, all_parts, strict=True) if some is not parts]
        wanted = (
            any(f"({name}" in t for t in others)
            or any(lock in other.held for other in slices if other is not one)
            or ("after_srcu_read_lock" in mine and lock.startswith("srcu"))
        )
        if f"lock({name}" in mine or not wanted:
            continue
        inside = _without_returns(parts)
        out: tuple[Part, ...] = (Target("out"),) if any(isinstance(p, Jump) and p.label == "out" for p in every(inside)) else ()
        at = ("", 0)
        if unlock.endswith(", "):  # of an SRCU domain: with what the lock gave
            idx = one.fresh("idx", "int")
            lock, unlock = f"{idx} = {lock}", f"{unlock}{idx})"
        parts = (Line(lock, at, idx, note="held by the caller"), *inside, *out, Line(unlock, at, note="held by the caller"))
    return parts


def _without_returns(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    made: list[Part] = []
    for part in parts:
        if isinstance(part, Jump) and part.kind == "return":
            made.append(replace(part, kind="goto", label="out"))
        elif isinstance(part, Choice):
            made.append(replace(part, then=_without_returns(part.then), orelse=_without_returns(part.orelse)))
        elif isinstance(part, Rounds):
            made.append(replace(part, body=_without_returns(part.body)))
        else:
            made.append(part)
    return tuple(made)


# ---------------------------------------------------------------- the text


def _written(
    types: Types, functions: Sequence[At], wanted: Wanted, chosen: Sequence[Place], world: World, slices: Sequence[Slice],
    parts: Sequence[tuple[Part, ...]],
) -> Extract:  # fmt: skip
    name = wanted.name or "-".join(re.sub(r"\W+|_", "-", n).strip("-") for _, n in functions)
    notes = tuple(sorted({note for one in slices for note in one.notes}))
    bodies = ["\n".join(printed(part, Comments(path))) for part, (path, _) in zip(parts, functions, strict=True)]
    kinds = {n: _kind(types, kind, world) for n, kind in world.kinds.items()}
    heads = [_head(n, body, kinds, world) for n, body in enumerate(bodies)]
    declared = [_declared(one, body) for one, body in zip(slices, bodies, strict=True)]
    comment = _comment(functions, chosen, world, notes, slices)
    structs = "".join(_struct(types, tag, chosen) for tag in sorted(world.objects))
    text = f"C {name}\n\n{comment}\n{_initial(types, chosen, world, bodies)}\n{structs}"
    for head, local, body in zip(heads, declared, bodies, strict=True):
        text += f"\n{head}\n{{\n{local}{body}\n}}\n"
    text += f"\n{wanted.exists or 'exists (0=1)'}\n"
    reads = {
        (n, read): of for n, one in enumerate(slices) for read, of in one.reads.items() if re.search(rf"\b{read} = ", bodies[n])
    }
    finals = tuple([_final(world, p, bodies) for p in chosen])
    lines = frozenset([one.at for part in parts for one in every(part) if isinstance(one, Line)])
    return Extract(name, text, tuple(functions), tuple(chosen), notes, tuple(reads), tuple(reads.values()), finals, lines=lines)


def _final(world: World, p: Place, bodies: Sequence[str]) -> str:
    """What the value of a place in the end is called; empty where no process has it."""
    name = f"{world.object(p.tag)}.{p.name}" if p in world.members else world.names.get(p, "")
    return name if any(re.search(rf"\b{re.escape(name.replace('.', '->'))}\b", body) for body in bodies if name) else ""


def _head(n: int, body: str, kinds: dict[str, str], world: World) -> str:
    words = set(re.findall(r"\w+", re.sub(r"//[^\n]*", "", body)))
    params = [_parameter(kind, name) for name, kind in kinds.items() if name in words]
    for tag in sorted(world.objects):
        if world.object(tag) in words:
            params.append(f"struct {_tag(tag)} *{world.object(tag)}")
    return f"P{n}({', '.join(params)})"


def _parameter(kind: str, name: str) -> str:
    return f"{kind}*{name}" if kind.endswith("*") else f"{kind} *{name}"


def _declared(one: Slice, body: str) -> str:
    bare = re.sub(r"//[^\n]*", "", body)
    words = set(re.findall(r"\w+", bare))
    made = "".join(f"\t{kind}{'' if kind.endswith('*') else ' '}{name};\n" for name, kind in one.locals.items() if name in words)
    return made + "\n" if made else ""


def _kind(types: Types, kind: str, world: World) -> str:
    """The type of a global of the test."""
    kind = element(kind)
    tag = pointee(kind).removeprefix("struct ")
    if tag in world.objects:
        return f"struct {_tag(tag)} *"
    known = typed(kind) if kind and "*" not in kind else None
    if (known is not None and not isinstance(known, Integer)) or kind in ("atomic_t", "refcount_t", "atomic64_t", "atomic_long_t"):
        return kind
    return number_type(types, "", kind)


def _tag(tag: str) -> str:
    return re.sub(r"\W+", "_", tag)


def _struct(types: Types, tag: str, chosen: Sequence[Place]) -> str:
    members = []
    for p in chosen:
        if p.tag == tag:
            found = types.member(p.home, f"struct {tag}", p.name)
            members.append(f"\t{number_type(types, p.home, found.type if found is not None else '')} {p.name};\n")
    return f"\nstruct {_tag(tag)} {{\n{''.join(members)}}};\n"


def _initial(types: Types, chosen: Sequence[Place], world: World, bodies: Sequence[str]) -> str:
    """The initial state: 0 everywhere, and pointers to objects point to the object of before."""
    lines = []
    for tag in sorted(world.objects):
        lines.append(f"struct {_tag(tag)} {world.object(tag)[:-3]}old;")
        lines.append(f"struct {_tag(tag)} {world.object(tag)};")
    for p in chosen:
        member = types.member(p.home, f"struct {p.tag}", p.name) if p.tag else None
        tag = pointee(element(member.type)).removeprefix("struct ") if member is not None else ""
        if tag in world.objects and p in world.names:
            lines.append(f"{world.names[p]}={world.object(tag)[:-3]}old;")
    return "{\n" + "\n".join(lines) + "\n}" if lines else "{}"


def _comment(functions: Sequence[At], chosen: Sequence[Place], world: World, notes: Sequence[Note], slices: Sequence[Slice]) -> str:
    """What stands above the test."""
    lines = []
    for n, (path, name) in enumerate(functions):
        renamed = [f"{world.names[p]} = {p.name}" for p in chosen if p in world.names and world.names[p] != p.name]
        lines.append(f"Source: P{n} = {path}:{name}" + (f" ({', '.join(renamed)})" if renamed else ""))
    depths = sorted({one.depth for one in slices})
    lines += ["", f"Extracted, calls followed {' or '.join(map(str, depths))} deep. Places:"]
    lines += [f"  {world.name(p, '')}: {_said(p)}" for p in chosen]
    for kind, title in (
        ("lost", "Lost, and perhaps relevant: where this stands as __lost(), nothing is called impossible:"),
        ("order", "Left out, and may order something, so that fewer outcomes may be possible than found:"),
        ("reads", "Left out, and reads a place of this test:"),
        ("assumed", "Assumed:"),
        ("left out", "Left out:"),
    ):
        found = [note for note in notes if note.kind == kind]
        if found:
            lines += ["", title, *[f"  {line}" for line in told(found)]]
    calls = sorted({note.text.partition("(")[0] for note in notes if note.kind == "call"})
    if calls:
        lines += ["", "Calls that are not followed, and get nothing that leads to a place:", *_filled(calls)]
    return "(*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " *)\n"


def told(notes: Sequence[Note]) -> list[str]:
    """Notes, each once, with how often there are more of it."""
    same: dict[tuple[str, str], list[Note]] = {}
    for note in notes:
        same.setdefault((note.path, note.text), []).append(note)
    return [f"{some[0]}{f' (and {len(some) - 1} more)' if len(some) > 1 else ''}" for some in same.values()]


def _filled(words: Sequence[str]) -> list[str]:
    """Words in lines."""
    return textwrap.wrap(", ".join(words), 100, initial_indent="  ", subsequent_indent="  ")


def _said(p: Place) -> str:
    if not p.sure:
        return f"any member {p.name}; of which structure, its type does not say"
    return (
        f"struct {p.tag}, member {p.name} ({p.home}); one object stands for all" if p.tag else f"the variable {p.name} ({p.home})"
    )
