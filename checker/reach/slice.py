"""From a function to a process: what it does to chosen places, what orders it, and the branches, loops and data that this hangs on.

Calls are written out as deep as asked. A condition on anything else is a free choice. What is left out and could have touched a
chosen place is `__lost()`; what could have ordered something is noted.

    Slice(types, places, depth=3, rounds=1).function("virt/kvm/kvm_main.c", "kvm_vcpu_wake_up")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import astuple

from checker.core.source import LimitExceeded
from checker.kernel.primitives import (
    ACCESSES,
    CALL,
    DEFER,
    FENCE,
    FREE,
    GRACE,
    LOCK,
    READ,
    RMW,
    SILENT,
    TRANSPARENT,
    UNLOCK,
    WHOLE,
    WRITE,
    Primitive,
    gives,
    primitive,
    sayable,
    says_order,
    spelled,
)
from checker.kernel.syntax import Function
from checker.parse.c_types import Tagged, typed
from checker.reach.accesses import Effects, effects
from checker.reach.constants import value as constant
from checker.reach.declared import plain, pointee
from checker.reach.places import Place, located
from checker.reach.process import CHOICE, At, Choice, Jump, Line, Part, Rounds, Target, every, negated
from checker.reach.reading import statements
from checker.reach.statements import (
    AddressOf,
    Braced,
    Branch,
    Call,
    Cast,
    Deref,
    Do,
    Expr,
    Guard,
    Index,
    Label,
    Local,
    Loop,
    Member,
    Name,
    Number,
    Op,
    Other,
    Return,
    Scope,
    Set,
    Stmt,
    Switch,
)
from checker.reach.statements import Jump as Jumps
from checker.reach.summary import CONTAINERS, PER_CPU, Path, Walk, summaries
from checker.reach.types import Types

TRACE = "trace_"
"""What tracepoints begin with, which change nothing: include/linux/tracepoint.h."""
MAX_PARTS = 600
MOST_ORDERS = 12
"""A function that orders more often, and touches no place of the test, is left out and told."""
MAX_ROUNDS_OF_NAMES = 12
_HELD = re.compile(r"lockdep_assert_held\w*")
_TRUTH = frozenset({"likely", "unlikely", "WARN_ON", "WARN_ON_ONCE", "unrcu_pointer", "rcu_pointer_handoff", "array_index_nospec"})
_GUARDS = {
    "mutex": ("mutex_lock", "mutex_unlock"), "rcu": ("rcu_read_lock", "rcu_read_unlock"),
    "srcu": ("srcu_read_lock", "srcu_read_unlock"), "spin": ("spin_lock", "spin_unlock"),
    "read": ("read_lock", "read_unlock"), "write": ("write_lock", "write_unlock"),
    "rwsem_read": ("down_read", "up_read"), "rwsem_write": ("down_write", "up_write"),
}  # fmt: skip


class TooLong(LimitExceeded):
    """A process of more lines than anybody reads."""


class Value(Struct, frozen=True):
    """What an expression is worth: a text over locals and numbers; None: nobody knows. `truth`: only whether it is 0 is right."""

    text: str | None = None
    truth: bool = False

    @property
    def condition(self) -> str:
        return self.text if self.text is not None else CHOICE


UNKNOWN = Value()


class Note(Struct, frozen=True, order=True):
    """Something that is not in the process as it is in the code: `kind` "lost", "order" (it may
    order), "call" (of a function whose code is not at hand), "assumed" or "left out"."""

    kind: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else self.text


MOST_REACHED = 4000
"""How many functions a call may lead to before it is taken to touch anything."""
At2: TypeAlias = "tuple[str, str]"


class World(Struct):
    """The globals of a test. `objects` are the tags of structures that are kept as such, since pointers to them are published."""

    types: Types
    chosen: frozenset[Place]
    objects: frozenset[str] = frozenset()
    members: frozenset[Place] = frozenset()
    names: dict[Place, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    bits: dict[Place, set[int]] = field(default_factory=dict)
    effects: dict[tuple[str, str, int], Effects] = field(default_factory=dict)
    held: dict[str, bool] = field(default_factory=dict)
    touches: dict[At2, bool] = field(default_factory=dict)

    def name(self, spot: Place, kind: str) -> str:
        """What a place, a lock or a domain is called: a variable, or a member of an object."""
        if spot in self.members:
            return f"{self.object(spot.tag)}->{spot.name}"
        if spot not in self.names:
            wish = re.sub(r"\W+", "_", spot.name or spot.tag)
            tagged = re.sub(r"\W+", "_", f"{spot.tag.strip('?')}_{wish}").strip("_")
            name = next(
                n for n in (wish, tagged, *[f"{tagged}{i}" for i in range(2, 99)]) if not self.taken(n) and n not in _KEYWORDS
            )
            self.names[spot], self.kinds[name] = name, kind
        return self.names[spot]

    def holds(self, path: str, kind: str, depth: int = 3) -> bool:
        """Whether something of this type is, or has inside, a structure with a chosen member."""
        bare = self.types.bare(path, kind)
        if not bare.startswith("struct ") or not plain(bare):
            return False
        tag = bare.removeprefix("struct ")
        if tag not in self.held:
            self.held[tag] = any(p.tag == tag for p in self.chosen)  # for one that leads back to itself
            found = self.types.structure(path, tag) if depth else None
            home, members = found if found is not None else (path, {})
            inside = [element(member) for member in members.values()]
            self.held[tag] = self.held[tag] or any(self.holds(home, one, depth - 1) for one in inside)
        return self.held[tag]

    def reaches(self, where: str, path: Path) -> bool:
        """Whether a pointer leads to a structure with a chosen member, or to one that points to such a structure, or to a place."""
        kind = self.types.bare(where, located(self.types, where, path)[1])
        if located(self.types, where, path.then("*"))[0] in self.chosen:
            return True
        to = pointee(kind)
        if not to.startswith("struct ") or not plain(to):
            return False
        if self.holds(where, to):
            return True
        found = self.types.structure(where, to.removeprefix("struct "))
        return found is not None and any(self.holds(found[0], pointee(one)) for one in found[1].values() if one.endswith("*"))

    def touching(self, path: str, name: str) -> bool:
        """Whether a function, or one that it calls, however deep, touches a chosen place, or may, for all that is known."""
        seen: set[At2] = set()
        todo = [(path, name)]
        while todo:
            one = todo.pop()
            if one in seen or self.touches.get(one) is False:
                continue
            seen.add(one)
            if self.touches.get(one) or len(seen) > MOST_REACHED or self._touches(one, todo):
                self.touches[path, name] = self.touches[one] = True
                return True
        self.touches.update(dict.fromkeys(seen, False))  # what these call was all looked at
        return False

    def _touches(self, one: At2, todo: list[At2]) -> bool:
        """Whether a function by itself touches a chosen place; what it calls is put to `todo`."""
        path, name = one
        made = summaries(self.types, path).get(name)
        for step in made.steps if made is not None else ():
            if step.verb == CALL and step.at is None:
                found = self.types.callee(path, step.name) if step.name.isidentifier() else None
                if found is not None:
                    todo.append((found.path, found.name))
                elif not step.name.startswith(TRACE) and any(a is not None and self.reaches(path, a) for a in step.args):
                    return True
            elif step.at is not None and step.verb in (*ACCESSES, CALL, DEFER):
                spot, kind = located(self.types, path, step.at)
                if spot in self.chosen or (step.verb == WRITE and spot is not None and self.holds(path, kind)):
                    return True
        return made is None or made.cut

    def object(self, tag: str) -> str:
        """The name of the object that stands for all of a structure type."""
        return re.sub(r"\W+", "_", f"{tag}_new")

    def taken(self, name: str) -> bool:
        return name in self.kinds or any(name in (self.object(tag), self.object(tag)[:-3] + "old") for tag in self.objects)

    def bit(self, spot: Place) -> int:
        """The bit of a place that is meant where the code does not say it: the one that is named somewhere."""
        return min(self.bits.get(spot, {0}))


class Slice(Struct):
    """A process while it is made. `chosen` are the places; `world` says what they are called."""

    types: Types
    chosen: frozenset[Place]
    world: World
    depth: int = 3
    rounds: int = 1
    out: list[Part] = field(default_factory=list)
    notes: set[Note] = field(default_factory=set)
    locals: dict[str, str] = field(default_factory=dict)
    """The locals of the process, with their types."""
    reads: dict[str, Place] = field(default_factory=dict)
    """Which locals are what was read of a place."""
    held: dict[str, str] = field(default_factory=dict)
    """The locks that the caller holds: how each is unlocked."""
    unknown: set[str] = field(default_factory=set)
    """Locals that are not always known: of these only whether they are 0 is kept, chosen freely."""
    count: int = 0
    parts: int = 0

    # ------------------------------------------------------------ a function, and those it calls

    def function(self, path: str, name: str) -> tuple[Part, ...]:
        """The parts of the process that a function makes, locals whose value is not known found by going over it again."""
        found = self.types.code.function(path, name)
        assert found is not None
        for _ in range(MAX_ROUNDS_OF_NAMES):
            known = set(self.unknown)
            self.out, self.count, self.parts = [], 0, 0
            self.notes.clear()
            self.locals.clear()
            self.reads.clear()
            self.held.clear()
            self.body(found, Frame(path, name, self._walk(path, found), 0), ())
            if self.unknown == known:
                break
        return tuple(self.out)

    def _walk(self, path: str, found: Function) -> Walk:
        known = self.types.declared(found.path).functions.get(found.name)
        params = known.params if known is not None else tuple([(name, "?") for name in found.params if name not in ("", "void")])
        return Walk(params)

    def body(self, found: Function, frame: Frame, held: tuple[Line, ...]) -> None:
        code = statements(found)
        self.block(code, frame)

    # ------------------------------------------------------------ what is put out

    def line(self, text: str, at: At, sets: str = "", *, idle: bool = False, note: str = "") -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise TooLong(f"more than {MAX_PARTS:,} lines, functions written out", hint="--depth follows calls less deep")
        self.out.append(Line(text, at, sets, idle, note))

    def apart(self, make: Callable[[], None]) -> tuple[Part, ...]:
        """What `make` puts out, not yet put out."""
        before, self.out = self.out, []
        try:
            make()
            return tuple(self.out)
        finally:
            self.out = before

    def note(self, kind: str, at: At, text: str) -> None:
        self.notes.add(Note(kind, at[0], at[1], text))

    def lost(self, at: At, text: str) -> None:
        self.note("lost", at, text)
        self.line("__lost()", at, note=text)

    def fresh(self, wish: str, kind: str) -> str:
        """A new local of the process, called about as wished."""
        wish = re.sub(r"\W+", "_", wish).strip("_") or "r"
        name, n = wish, 0
        while name in self.locals or self.world.taken(name) or name in _KEYWORDS:
            n += 1
            name = f"{wish}{n}"
        self.locals[name] = kind
        return name

    def label(self, what: str) -> str:
        self.count += 1
        return f"{what}_{self.count}"

    # ------------------------------------------------------------ statements

    def block(self, body: Sequence[Stmt], frame: Frame) -> None:
        mark = len(frame.guards)
        for s in body:
            self.statement(s, frame)
        self.unguarded(frame, mark)
        del frame.guards[mark:]

    def unguarded(self, frame: Frame, mark: int) -> None:
        """The locks that were taken by guards since `mark` are let go."""
        for text, at in reversed(frame.guards[mark:]):
            self.line(text, at)

    def statement(self, s: Stmt, frame: Frame) -> None:
        at = (frame.path, s.line)
        frame.line = s.line
        match s:
            case Do(value):
                self.value(value, frame, wanted=False)
            case Local(name, kind, value, _, static):
                self.declare(name, kind, value, frame, at, static=static)
            case Branch(cond, then, orelse, _, unknown):
                test = self.value(cond, frame)
                if unknown and cond == Number(1):
                    self.note("assumed", at, unknown)
                self.choice(test, lambda: self.block(then, frame), lambda: self.block(orelse, frame), at)
            case Loop():
                self.loop(s, frame, at)
            case Scope(inner, guard, args):
                self.block((Guard(guard, args, s.line), *inner) if guard else inner, frame)
            case Guard(kind, args):
                if unlock := self.guarded(kind, args, frame, at):
                    frame.guards.append((unlock, at))
            case Switch():
                self.switch(s, frame, at)
            case Return(value):
                self.returned(value, frame, at)
            case Jumps(kind, label):
                target = (
                    frame.labels.get(label) or frame.labels.setdefault(label, self.label(label))
                    if label
                    else frame.ends.get(kind, "")
                )
                if kind != "goto":
                    self.unguarded(frame, frame.around)
                elif frame.guards:
                    self.lost(at, "a goto out of a guard")
                self.out.append(Jump("goto" if target else kind, target, at))
            case Label(name):
                self.out.append(Target(frame.labels.setdefault(name, self.label(name))))

    def choice(self, test: Value, then: Callable[[], None], orelse: Callable[[], None], at: At) -> None:
        if test.text in ("0", "1") or (test.text or "").isdigit():
            (then if test.text != "0" else orelse)()
            return
        first, second = self.apart(then), self.apart(orelse)
        self.out.append(Choice(test.condition, first, second, at))

    def declare(self, name: str, kind: str, value: Expr | None, frame: Frame, at: At, *, static: bool) -> None:
        if static:
            return  # no local at all, and no place that is looked at
        frame.variables.pop(name, None)
        frame.walk.local(name, kind, None, ())
        if value is not None:
            frame.walk.alias(name, frame.walk.path(value), given=True)
            if kind.startswith(("typeof", "__auto_type")):
                frame.walk.locals[name] = ""
            self.set_local(name, self.value(value, frame, wish=name), frame, at)

    def set_local(self, name: str, value: Value, frame: Frame, at: At) -> None:
        """A local of the code has a new value."""
        variable = frame.variables.get(name)
        if variable is None:
            if value.text is not None and value.text in self.reads and value.text not in frame.shared:
                frame.variables[name] = value.text  # what was read is called so at once
                frame.shared.add(value.text)
                return
            variable = frame.variables[name] = self.fresh(name, self.local_type(name, value, frame))
        key = f"{frame.id}:{name}"
        if value.text is None or value.truth:
            self.unknown.add(key)
        if key in self.unknown:
            text = f"!!({value.text})" if value.text is not None and not value.text.isdigit() else value.text or CHOICE
            self.line(f"{variable} = {text}", at, variable, idle=True)
        else:
            self.line(f"{variable} = {value.text}", at, variable, idle=True)

    def local_type(self, name: str, value: Value, frame: Frame) -> str:
        if value.text in self.locals:
            return self.locals[value.text or ""]
        return number_type(self.types, frame.path, frame.walk.locals.get(name, ""))

    def returned(self, value: Expr | None, frame: Frame, at: At) -> None:
        found = self.value(value, frame, wish=frame.result_wish) if value is not None else UNKNOWN
        frame.returns.append(found)
        if frame.level and value is not None:
            key = f"{frame.id}:"
            if found.text is None or found.truth:
                self.unknown.add(key)
            text = found.condition if key not in self.unknown or found.text is None else f"!!({found.text})"
            self.line(f"{frame.result} = {text}", at, frame.result, idle=True)
        self.unguarded(frame, 0)
        self.out.append(Jump("goto", frame.end, at) if frame.level else Jump("return", "", at))

    def guarded(self, kind: str, args: tuple[Expr, ...], frame: Frame, at: At) -> str:
        """Take the lock of a guard; what unlocks it, empty where nothing can say it."""
        words = _GUARDS.get(kind) or (_GUARDS["spin"] if "spin" in kind or "raw" in kind else None)
        if words is None:
            self.note("order", at, f"guard({kind}) is not known")
            return ""
        name = self.lock_name(args[0], frame, address=True) if args else ""
        if kind == "srcu":
            index = self.fresh("idx", "int")
            self.line(f"{index} = {words[0]}({name})", at, index)
            return f"{words[1]}({name}, {index})"
        self.line(f"{words[0]}({name})", at)
        return f"{words[1]}({name})"

    def lock_name(self, e: Expr, frame: Frame, *, address: bool) -> str:
        path = frame.walk.path(e)
        path, where = self.through(path.then("*") if address and path is not None else path, frame)
        spot, kind = located(self.types, where, path) if path is not None else (None, "")
        return self.world.name(spot if spot is not None else Place("?", str(path or "lock")), kind or "spinlock_t")

    # ------------------------------------------------------------ loops and switches

    def loop(self, s: Loop, frame: Frame, at: At) -> None:
        self.block(s.first, frame)
        for e in s.head:
            self.value(e, frame, wanted=False)
        ends, frame.ends = frame.ends, {}
        around, frame.around = frame.around, len(frame.guards)
        known = True

        def test() -> None:
            nonlocal known
            if s.cond is None:
                found = UNKNOWN if s.kind not in ("for", "while", "do") else Value("1")
            else:
                found = self.value(s.cond, frame)
            known = found.text is not None and not found.text.isdigit() and CHOICE not in found.text
            if found.text == "0":
                self.out.append(Jump("break", "", at))
            elif found.text is None or not found.text.isdigit():
                self.out.append(Choice(negated(found.condition), (Jump("break", "", at),), (), at))

        def body() -> None:
            if s.kind != "do":
                test()
            again = self.label("again")
            frame.ends = {"continue": again}
            self.block(s.body, frame)
            frame.ends = {}
            self.out.append(Target(again))
            self.block(s.step, frame)
            if s.kind == "do" and s.cond != Number(0):
                test()

        made = self.apart(body)
        frame.ends, frame.around = ends, around
        known = known and _waits(made)
        if s.kind == "do" and s.cond == Number(0):
            self.out.append(Rounds(1, made, at))
            return
        self.out.append(Rounds(0 if known else self.rounds, made, at))
        if not known:
            self.note("assumed", at, f"the loop is followed for {self.rounds} round{'s' * (self.rounds > 1)}")

    def switch(self, s: Switch, frame: Frame, at: At) -> None:
        value = self.value(s.value, frame)
        end, ends = self.label("end"), frame.ends
        targets = [self.label("case") for _ in s.arms]
        default = end
        for target, (labels, _) in zip(targets, s.arms, strict=True):
            for label in labels:
                number = constant(self.types, frame.path, label) if label is not None else None
                if label is None:
                    default = target
                    continue
                known = value.text is not None and not value.truth and number is not None
                cond = f"{value.text} == {number}" if known else CHOICE
                self.out.append(Choice(cond, (Jump("goto", target, at),), (), at))
        self.out.append(Jump("goto", default, at))
        frame.ends = {**ends, "break": end}
        around, frame.around = frame.around, len(frame.guards)
        for target, (_, body) in zip(targets, s.arms, strict=True):
            self.out.append(Target(target))
            self.block(body, frame)
        frame.ends, frame.around = ends, around
        self.out.append(Target(end))

    # ------------------------------------------------------------ expressions

    def value(self, e: Expr, frame: Frame, *, wanted: bool = True, wish: str = "") -> Value:
        """What an expression is worth, after what it does is put out."""
        match e:
            case Number(number):
                return Value(str(number))
            case Name(name):
                return self.named(name, frame, wish)
            case Member() | Index() | Deref():
                return self.read(e, frame, wish)
            case AddressOf(base):
                self.parts_of(base, frame)
                if isinstance(base, Name) and base.name in frame.walk.locals:
                    self.set_local(base.name, UNKNOWN, frame, (frame.path, frame.line))  # whoever gets the address may set it
                return self.pointer(e, frame)
            case Cast(_, base):
                return self.value(base, frame, wanted=wanted, wish=wish)
            case Call():
                return self.call(e, frame, wanted=wanted, wish=wish)
            case Op():
                return self.operation(e, frame)
            case Set(op, target, inner, line, after):
                return self.assignment(op, target, inner, frame, (frame.path, line or frame.line), after=after)
            case Braced(body):
                self.block(body[:-1], frame)
                if body and isinstance(body[-1], Do):
                    return self.value(body[-1].value, frame, wanted=wanted, wish=wish)
                self.block(body[-1:], frame)
            case Other(text, args):
                for arg in args:
                    self.value(arg, frame)
                if text.startswith("asm") and "volatile" in text:
                    self.note("order", (frame.path, frame.line), text[:60])
        return UNKNOWN

    def named(self, name: str, frame: Frame, wish: str) -> Value:
        if name in frame.walk.locals:
            if name not in frame.variables:
                return self.parameter(name, frame)
            variable = frame.variables[name]
            return Value(variable, truth=f"{frame.id}:{name}" in self.unknown)
        found = constant(self.types, frame.path, Name(name))
        if found is not None:
            return Value(str(found))
        return self.read(Name(name), frame, wish)

    def parameter(self, name: str, frame: Frame) -> Value:
        """A local that was not set: a parameter of the process's function; what it is worth is chosen once."""
        if frame.level or name not in frame.params:
            return UNKNOWN
        key = f"{frame.id}:{name}"
        self.unknown.add(key)
        variable = frame.variables[name] = self.fresh(name, "int")
        self.out.insert(0, Line(f"{variable} = {CHOICE}", (frame.path, 0), variable, True))
        return Value(variable, truth=True)

    def operation(self, e: Op, frame: Frame) -> Value:
        op, args = e.op, e.args
        if op in ("&&", "||"):
            return self.lazy(op, args, frame)
        if op == "?:":
            return self.conditional(args, frame)
        if op == ",":
            found = UNKNOWN
            for arg in args:
                found = self.value(arg, frame)
            return found
        number = constant(self.types, frame.path, e)
        if number is not None:
            return Value(str(number))
        values = [self.value(arg, frame) for arg in args]
        if any(v.text is None for v in values):
            return UNKNOWN
        if op == "!":
            return Value(f"!{_bracketed(values[0])}", truth=True)
        if op in ("==", "!=") and values[1].text == "0":
            text = _bracketed(values[0])
            return Value(f"!{text}" if op == "==" else f"!!{text}" if values[0].truth else f"{text} != 0")
        if any(v.truth and not (v.text or "").isdigit() for v in values):
            return UNKNOWN
        if len(values) == 1:
            return Value(f"{op}{_bracketed(values[0])}")
        return Value(f"{_bracketed(values[0])} {op} {_bracketed(values[1])}") if op not in ("/", "%") else UNKNOWN

    def lazy(self, op: str, args: Sequence[Expr], frame: Frame) -> Value:
        left = self.value(args[0], frame)
        found = UNKNOWN

        def second() -> None:
            nonlocal found
            found = self.value(args[1], frame)

        before = dict(frame.variables)
        made = self.apart(second)
        if not made:
            if left.text is None and found.text is None:
                return UNKNOWN
            return Value(f"({_conjunct(left)} {op} {_conjunct(found)})", truth=True)
        frame.variables.update(before)
        kept = self.fresh("test", "int")
        at = (frame.path, frame.line)
        self.line(f"{kept} = {_truth(left)}", at, kept, idle=True)
        inside = (*made, Line(f"{kept} = {_truth(found)}", at, kept, True))
        self.out.append(Choice(kept if op == "&&" else f"!{kept}", inside, (), at))
        return Value(kept, truth=True)

    def conditional(self, args: Sequence[Expr], frame: Frame) -> Value:
        test = self.value(args[0], frame)
        found: list[Value] = [UNKNOWN, UNKNOWN]

        def arm(n: int) -> Callable[[], None]:
            def make() -> None:
                found[n] = self.value(args[n + 1], frame)

            return make

        if test.text is not None and test.text.isdigit():
            arm(0 if test.text != "0" else 1)()
            return found[0 if test.text != "0" else 1]
        first, second = self.apart(arm(0)), self.apart(arm(1))
        if not first and not second and all(v.text is None for v in found):
            return UNKNOWN
        known = all(v.text is not None for v in found)
        kept, at = self.fresh("chosen", "long"), (frame.path, frame.line)
        ends = [Line(f"{kept} = {v.condition if known else _truth(v)}", at, kept, True) for v in found]
        self.out.append(Choice(test.condition, (*first, ends[0]), (*second, ends[1]), at))
        return Value(kept, truth=not known or any(v.truth for v in found))

    # ------------------------------------------------------------ places

    def through(self, at: Path | None, frame: Frame) -> tuple[Path | None, str]:
        """A path as the caller has it, where it begins with a parameter that points to no structure; and whose file's it is."""
        if at is not None and at.root in frame.given and at.type and not at.type.startswith("struct "):
            made, home = frame.given[at.root]
            for step in at.steps:
                made = made.then(step)
            return made, home
        return at, frame.path

    def spot(self, e: Expr, frame: Frame, *, address: bool = False) -> tuple[Place | None, str]:
        """The place that an lvalue, or an address, names, and its type."""
        path = frame.walk.path(e)
        if path is not None and address:
            path = path.then("*")
        path, where = self.through(path, frame)
        return located(self.types, where, path) if path is not None else (None, "")

    def parts_of(self, e: Expr, frame: Frame) -> Value:
        """What it takes to find the place that an lvalue names is put out; the pointer that it goes through."""
        match e:
            case Member(base, _, arrow):
                return self.value(base, frame) if arrow else self.parts_of(base, frame)
            case Index(base, index):
                found = self.parts_of(base, frame)
                self.value(index, frame)
                return found
            case Deref(base):
                return self.value(base, frame)
            case AddressOf(base) | Cast(_, base):
                return self.parts_of(base, frame)
            case Name() | Number():
                return UNKNOWN
        return self.value(e, frame)

    def lvalue(self, e: Expr, spot: Place, kind: str, through: Value) -> str:
        """How the test names a chosen place."""
        name = self.world.name(spot, element(kind))
        if through.text is not None and self.locals.get(through.text, "").endswith("*") and "->" in name:
            return f"{through.text}->{name.partition('->')[2]}"
        return name if "->" in name else f"*{name}"

    def read(self, e: Expr, frame: Frame, wish: str) -> Value:
        through = self.parts_of(e, frame)
        spot, kind = self.spot(e, frame)
        if spot not in self.chosen or spot is None or not scalar(self.types, frame.path, kind):
            return UNKNOWN
        return self.kept(self.lvalue(e, spot, kind, through), spot, kind, frame, wish)

    def kept(self, text: str, spot: Place, kind: str, frame: Frame, wish: str, result: str = "") -> Value:
        """What is read of a place, in a local."""
        found = self.fresh(
            wish or spot.name, result or self.pointed(spot, kind) or number_type(self.types, frame.path, element(kind))
        )
        self.reads[found] = spot
        self.line(f"{found} = {text}", (frame.path, frame.line), found)
        return Value(found)

    def kind(self, spot: Place) -> str:
        """The type of a place, as it is declared."""
        if not spot.tag:
            known = self.types.variable(spot.home, spot.name)
            return known[1] if known is not None else ""
        member = self.types.member(spot.home, f"struct {spot.tag}", spot.name)
        return member.type if member is not None else ""

    def pointed(self, spot: Place, kind: str) -> str:
        """The type of a pointer to a structure that the test has; empty for anything else."""
        tag = pointee(element(kind)).removeprefix("struct ")
        return f"struct {tag} *" if tag and tag in self.world.objects else ""

    def pointer(self, e: Expr, frame: Frame) -> Value:
        """What the address of an object is worth: its name, where the test has such objects."""
        path = frame.walk.path(e)
        path, where = self.through(path, frame)
        kind = located(self.types, where, path)[1] if path is not None else ""
        tag = pointee(kind).removeprefix("struct ")
        return Value(self.world.object(tag)) if tag in self.world.objects else UNKNOWN

    def assignment(self, op: str, target: Expr, inner: Expr, frame: Frame, at: At, *, after: bool) -> Value:
        if isinstance(target, Name) and target.name in frame.walk.locals:
            return self.set(op, target.name, inner, frame, at, after=after)
        found = self.value(inner, frame)
        through = self.parts_of(target, frame)
        spot, kind = self.spot(target, frame)
        if spot is None or spot not in self.chosen or not scalar(self.types, frame.path, kind):
            if self.world.holds(frame.path, kind):
                self.lost(at, f"all of a {kind} is written")
            return found
        text = self.lvalue(target, spot, kind, through)
        if not op:
            self.line(f"{text} = {self.stored(found, inner, spot, frame, at)}", at)
            return found
        old = self.kept(text, spot, kind, frame, "")
        self.line(f"{text} = {old.text} {op} {self.stored(found, inner, spot, frame, at)}", at)
        return old if after else UNKNOWN

    def set(self, op: str, name: str, inner: Expr, frame: Frame, at: At, *, after: bool) -> Value:
        value = self.value(inner, frame, wish="" if op else name)
        frame.walk.alias(name, None if op else frame.walk.path(inner), given=True)
        if op:
            old = self.named(name, frame, "")
            known = old.text is not None and value.text is not None and not old.truth and not value.truth and op not in ("/", "%")
            value = Value(f"{old.text} {op} {_bracketed(value)}") if known else UNKNOWN
        self.set_local(name, value, frame, at)
        return UNKNOWN if after else self.named(name, frame, "")

    def stored(self, found: Value, e: Expr, spot: Place, frame: Frame, at: At) -> str:
        """What is written; 1 where nobody knows, which is told."""
        tag = pointee(element(self.kind(spot))).removeprefix("struct ")
        if tag in self.world.objects and not self.locals.get(found.text or "", "").endswith("*") and found.text != "0":
            return self.world.object(tag)
        if found.text is None:
            self.note("assumed", at, f"what is written to {spot} is 1")
            return "1"
        return f"!!{_bracketed(found)}" if found.truth and not found.text.isdigit() else found.text

    # ------------------------------------------------------------ calls

    def call(self, e: Call, frame: Frame, *, wanted: bool, wish: str) -> Value:
        at = (frame.path, e.line or frame.line)
        frame.line = at[1]
        if _HELD.fullmatch(e.name) and e.args:
            self.holds(e, frame, at)
            return UNKNOWN
        if e.name in SILENT:
            number = constant(self.types, frame.path, e)
            return Value(str(number)) if number is not None else UNKNOWN
        known = primitive(e.name) if e.name else None
        if known is not None:
            return self.primitive(e, known, frame, at, wish)
        if e.name in TRANSPARENT or e.name in PER_CPU or e.name in CONTAINERS:
            values = [self.value(arg, frame) for arg in e.args if not (e.name in CONTAINERS and isinstance(arg, Name))]
            return values[0] if e.name in _TRUTH and values else UNKNOWN
        number = constant(self.types, frame.path, e) if e.name else None
        if number is not None:
            return Value(str(number))
        return self.other_call(e, frame, at, wish)

    def holds(self, e: Call, frame: Frame, at: At) -> None:
        """What lockdep is told: a lock that the caller holds."""
        spot, kind = self.spot(e.args[0], frame, address=True)
        bare = self.types.bare(frame.path, kind)
        if "srcu_struct" in kind and spot is not None:
            name = self.world.name(spot, kind)
            self.held.setdefault(f"srcu_read_lock({name})", f"srcu_read_unlock({name}, ")
            return
        words = next((w for part, w in _LOCKS if part in kind or part in bare), None)
        if spot is None or words is None or "not_held" in e.name or "none" in e.name:
            return
        name = self.world.name(spot, kind)
        lock, unlock = (words[2], words[3]) if e.name.endswith("_read") and len(words) > 2 else words[:2]
        self.held.setdefault(f"{lock}({name})", f"{unlock}({name})")

    def protected(self, e: Call, frame: Frame, at: At) -> None:
        """What rcu_dereference_protected(p, lockdep_is_held(&l)) and srcu_dereference(p, s) say: what the caller holds."""
        if (
            "dereference_protected" in e.name
            and len(e.args) > 1
            and isinstance(e.args[1], Call)
            and e.args[1].name == "lockdep_is_held"
        ):
            self.holds(e.args[1], frame, at)
        elif e.name == "srcu_dereference" and len(e.args) > 1:
            spot, kind = self.spot(e.args[1], frame, address=True)
            if spot is not None:
                name = self.world.name(spot, kind)
                self.held.setdefault(f"srcu_read_lock({name})", f"srcu_read_unlock({name}, ")

    def other_call(self, e: Call, frame: Frame, at: At, wish: str) -> Value:
        if e.function is not None:
            self.value(e.function, frame)
        values = [self.value(arg, frame) for arg in e.args]
        if e.name in WHOLE and e.args:
            self.whole(e, frame, at)
            return UNKNOWN
        found = self.types.callee(frame.path, e.name) if e.name else None
        if found is None:
            self.not_followed(e, frame, at)
            return UNKNOWN
        touches = self.world.touching(found.path, found.name) or self.given_chosen(e, frame)
        if e.name in frame.active:
            self.beyond(e, at, touches=touches)
            return UNKNOWN
        done = self.does(found)
        orders = bool(done.orders)
        pure = any(v.text is not None and not v.truth for v in values) and not touches and not orders
        if (frame.level >= self.depth and (touches or orders)) or (not touches and done.orders > MOST_ORDERS):
            self.beyond(e, at, touches=touches)
            return UNKNOWN
        if not (touches or orders) and (not pure or frame.level >= self.depth):
            return UNKNOWN
        return self.inlined(e, found, values, frame, at, wish)

    def does(self, found: Function) -> Effects:
        """What a function touches and orders, two calls deeper than calls are followed."""
        return effects(self.types, found.path, found.name, self.depth + 2, self.world.effects)

    def given_chosen(self, e: Call, frame: Frame) -> bool:
        """Whether a call gets the address of a chosen place."""
        paths = [self.through(frame.walk.path(arg), frame) for arg in e.args]
        return any(located(self.types, where, path.then("*"))[0] in self.chosen for path, where in paths if path is not None)

    def inlined(self, e: Call, found: Function, values: list[Value], frame: Frame, at: At, wish: str) -> Value:
        self.count += 1
        walk = self._walk(found.path, found)
        inner = Frame(
            found.path, found.name, walk, frame.level + 1, id=f"{frame.id}/{e.name}@{at[1]}.{e.start}",
            active=frame.active | {e.name}, end=self.label(f"{found.name}_end"), result_wish=wish or found.name,
        )  # fmt: skip
        changed = set(_changed(statements(found)))
        inner.result = self.fresh(f"{found.name}_ret", "long")
        for (name, kind), arg, value in zip(walk.locals.items(), e.args, values, strict=False):
            path, home = self.through(frame.walk.path(arg), frame)
            if path is not None:
                inner.given[name] = (path, home)
            if value.text is not None and value.text in self.locals and name not in changed:
                inner.variables[name] = value.text
                if value.truth:
                    self.unknown.add(f"{inner.id}:{name}")
            elif value.text is not None and (not value.truth or value.text in self.locals):
                inner.variables[name] = self.fresh(name, self.locals.get(value.text, number_type(self.types, found.path, kind)))
                key = f"{inner.id}:{name}"
                if value.truth:
                    self.unknown.add(key)
                self.line(f"{inner.variables[name]} = {value.text}", at, inner.variables[name], idle=True)
        self.body(found, inner, ())
        self.out.append(Target(inner.end))
        if not inner.returns or all(v.text is None for v in inner.returns):
            return UNKNOWN
        if len(inner.returns) == 1 and inner.returns[0].text in self.reads:
            return inner.returns[0]
        return Value(inner.result, truth=f"{inner.id}:" in self.unknown)

    def not_followed(self, e: Call, frame: Frame, at: At) -> None:
        """A call whose code is not at hand: what it may do."""
        said = f"{e.name}()" if e.name else f"what {frame.walk.path(e.function) or 'is computed'} points to"
        if said.startswith(TRACE):
            return
        for arg in e.args:
            path, where = self.through(frame.walk.path(arg), frame)
            if isinstance(arg, Name) and path is not None and not path.type:
                named = self.types.callee(frame.path, arg.name)
                if named is not None and self.world.touching(named.path, named.name):
                    self.lost(at, f"{said} is not followed, and may call {arg.name}(), which touches a place of this test")
                    return
            if path is not None and self.world.reaches(where, path):
                self.lost(at, f"{said} is not followed, and gets {path}")
                return
        self.note("order" if says_order(said) else "call", at, f"{said} is not followed")

    def beyond(self, e: Call, at: At, *, touches: bool) -> None:
        if touches:
            self.lost(at, f"{e.name}() is not followed, and touches a place of this test")
        else:
            self.note("order", at, f"{e.name}() is not followed")

    def whole(self, e: Call, frame: Frame, at: At) -> None:
        """memset() and the like: all of an object is written."""
        spot, kind = self.spot(e.args[0], frame, address=True)
        tag = spot.tag if spot is not None and not spot.name else kind.removeprefix("struct ")
        if spot not in self.chosen and not self.world.holds(frame.path, kind or f"struct {tag}"):
            return
        if not any(p.tag == tag for p in self.chosen) or e.name not in _COPIES:
            self.lost(at, f"{e.name}() writes all of {frame.walk.path(e.args[0])}")
            return
        to, value = self.value(e.args[0], frame), self.value(e.args[1], frame)
        for place in sorted(p for p in self.chosen if p.tag == tag):
            sort, target = self.kind(place), ""
            target = self.lvalue(e.args[0], place, sort, to)
            if e.name == "memset":
                self.line(f"{target} = {value.text or '1'}", at, note=e.name)
                continue
            found = self.kept(self.lvalue(e.args[1], place, sort, value), place, sort, frame, "")
            self.line(f"{target} = {found.text}", at, note=e.name)

    # ------------------------------------------------------------ primitives

    def primitive(self, e: Call, known: Primitive, frame: Frame, at: At, wish: str) -> Value:
        self.protected(e, frame, at)
        place = e.args[known.place] if 0 <= known.place < len(e.args) else None
        through, address = UNKNOWN, known.form == "address"
        values: dict[int, Value] = {}
        for n, arg in enumerate(e.args):
            if n == known.place:
                inside = arg.base if isinstance(arg, AddressOf) else arg
                through = self.parts_of(inside, frame) if isinstance(arg, AddressOf) or not address else self.value(arg, frame)
            elif isinstance(arg, AddressOf) and isinstance(arg.base, Name) and arg.base.name in frame.variables:
                frame.written.add(arg.base.name)
            elif known.verb in (*ACCESSES, UNLOCK) and not e.name.startswith(("rcu_dereference", "srcu_dereference")):
                values[n] = self.value(arg, frame)
        spot, kind = self.spot(place, frame, address=address) if place is not None else (None, "")
        chosen = spot is not None and spot in self.chosen
        if known.verb in ACCESSES and not chosen:
            return self.elsewhere(e, known, spot, kind, values, frame, at, wish)
        if known.verb in (CALL, DEFER, FREE) or not sayable(e.name):
            return self.unsayable(e, known, spot, kind, through, frame, at, wish)
        if place is None:
            self.line(f"{spelled(e.name)}({', '.join(['0'] * 0)})", at)
            return UNKNOWN
        if spot is None:
            spot = Place("?", re.sub(r"\W+", "_", str(frame.walk.path(place) or "lock")).strip("_") or "lock")
        return self.said(e, known, place, spot, kind, through, values, frame, at, wish)

    def said(
        self, e: Call, known: Primitive, place: Expr, spot: Place, kind: str, through: Value, values: dict[int, Value],
        frame: Frame, at: At, wish: str,
    ) -> Value:  # fmt: skip
        """A primitive as the test says it."""
        address = known.form == "address"
        lvalue = self.lvalue(place, spot, kind or _SORTS.get(known.strength.split()[0], "spinlock_t"), through)
        args = []
        for n, arg in enumerate(e.args):
            if n == known.place:
                args.append((lvalue[1:] if lvalue.startswith("*") else f"&{lvalue}") if address else lvalue)
            elif isinstance(arg, AddressOf) and isinstance(arg.base, Name) and arg.base.name in frame.variables:
                args.append(f"&{frame.variables[arg.base.name]}")
            else:
                args.append(self.operand(e, n, arg, values.get(n, UNKNOWN), spot, frame, at))
        text = f"{spelled(e.name)}({', '.join(args)})"
        if known.verb in (LOCK, UNLOCK) and spelled(e.name).startswith("srcu_read_unlock"):
            args[1] = frame.index.get(args[0], args[1]) if args[1] == "1" else args[1]
            text = f"{spelled(e.name)}({', '.join(args)})"
        if not gives(e.name):
            self.line(text, at)
            return UNKNOWN
        result = "int" if known.verb != READ and (known.verb == LOCK or "test" in e.name) else ""
        found = self.kept(text, spot, kind, frame, wish or (_WISH.get(known.verb, spot.name)), result)
        if known.verb == LOCK and found.text is not None:
            del self.reads[found.text]
            frame.index[args[0]] = found.text
        return found

    def operand(self, e: Call, n: int, arg: Expr, value: Value, spot: Place, frame: Frame, at: At) -> str:
        """An argument of a primitive that is no place."""
        if n == 0 and e.name.lstrip("_").startswith(("set_bit", "clear_bit", "test_", "change_bit", "assign_bit")):
            if value.text is not None and value.text.isdigit():
                self.world.bits.setdefault(spot, set()).add(int(value.text))
                return value.text
            bit = self.world.bit(spot)
            self.note("assumed", at, f"the bit of {spot} is {bit}")
            return str(bit)
        if e.name.startswith(("rcu_dereference", "srcu_dereference")) or "irq" in e.name:
            return "0"
        return self.stored(value, arg, spot, frame, at)

    def elsewhere(
        self, e: Call, known: Primitive, spot: Place | None, kind: str, values: dict[int, Value], frame: Frame, at: At, wish: str
    ) -> Value:  # fmt: skip
        """An access of a place that is not of interest: what it orders stays."""
        if known.verb == RMW and "full" in known.strength and sayable(e.name):
            name = spot.name if spot is not None else "elsewhere"
            if "cmpxchg" in known.strength or "unless" in known.strength or "_if_" in e.name:
                self.note("order", at, f"{e.name}() of {name} orders where it succeeds")
            else:
                self.line("smp_mb()", at, note=f"{e.name}() of {name}")
        elif known.strength == "mb":
            self.line("smp_mb()", at, note=f"{e.name}()")
        return UNKNOWN

    def unsayable(
        self, e: Call, known: Primitive, spot: Place | None, kind: str, through: Value, frame: Frame, at: At, wish: str
    ) -> Value:  # fmt: skip
        """What a test has no words for, or takes apart."""
        chosen = spot is not None and spot in self.chosen
        if known.verb == READ and spot is not None and chosen:
            lvalue = self.lvalue(e.args[known.place], spot, kind, through)
            return self.kept(lvalue, spot, kind, frame, wish)
        if known.verb == CALL and spelled(e.name).startswith("wait_event"):
            return self.waits(e, frame, at)
        if known.verb == FENCE or (known.verb == WRITE and known.strength == "mb" and not chosen):
            self.line("smp_mb()", at, note=f"{e.name}()")
        elif chosen:
            self.lost(at, f"{e.name}() is not modelled")
        elif known.verb == FREE:
            self.note("left out", at, f"{e.name}(): how long objects live is not asked")
        elif known.verb == DEFER:
            self.deferred(e, frame, at)
        elif known.verb in (CALL, LOCK, UNLOCK, GRACE):
            for arg in e.args if known.verb == CALL else ():
                self.value(arg, frame)
            self.note("order", at, f"{e.name}() is not modelled")
        return UNKNOWN

    def waits(self, e: Call, frame: Frame, at: At) -> Value:
        """wait_event(): it ends when its condition holds."""
        cond = UNKNOWN

        def test() -> None:
            nonlocal cond
            cond = self.value(e.args[1], frame)
            self.out.append(Choice(cond.condition, (Jump("break", "", at),), (), at))

        made = self.apart(test) if len(e.args) > 1 else ()
        if cond.text is None:
            self.note("order", at, f"{e.name}(): what it waits for is not among the places")
            return Value("0") if gives(e.name) else UNKNOWN
        self.out.append(Rounds(0, made, at))
        return Value("0") if gives(e.name) else UNKNOWN

    def deferred(self, e: Call, frame: Frame, at: At) -> None:
        """call_rcu() and the like: what the callback does is no part of the process."""
        for arg in e.args:
            callback = self.types.callee(frame.path, arg.name) if isinstance(arg, Name) else None
            if callback is not None and self.world.touching(callback.path, callback.name):
                self.lost(at, f"{callback.name}(), called after a grace period, touches a place of this test")
                return
        self.note("left out", at, f"{e.name}(): what it does later")


class Frame(Struct):
    """A function that is being written out. `variables` are its locals as the process has them; `given` what its parameters are."""

    path: str
    name: str
    walk: Walk
    level: int
    id: str = ""
    active: frozenset[str] = frozenset()
    end: str = ""
    result: str = ""
    result_wish: str = ""
    line: int = 0
    params: frozenset[str] = frozenset()
    variables: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    given: dict[str, tuple[Path, str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    returns: list[Value] = field(default_factory=list)
    index: dict[str, str] = field(default_factory=dict)
    guards: list[tuple[str, At]] = field(default_factory=list)
    """What lets go of the locks that guards hold here."""
    around: int = 0
    """How many of these were there before the loop or switch around."""
    written: set[str] = field(default_factory=set)
    """Locals that a primitive writes through their address."""

    def __post_init__(self) -> None:
        self.params = self.params or frozenset(self.walk.locals)


_COPIES = frozenset({"memcpy", "memmove", "memset"})
_LOCKS = (
    ("raw_spinlock", ("spin_lock", "spin_unlock")), ("spinlock", ("spin_lock", "spin_unlock")),
    ("mutex", ("mutex_lock", "mutex_unlock")),
    ("rwlock", ("write_lock", "write_unlock", "read_lock", "read_unlock")),
    ("rw_semaphore", ("down_write", "up_write", "down_read", "up_read")),
)  # fmt: skip
_SORTS = {"srcu": "struct srcu_struct", "mutex": "struct mutex", "read": "rwlock_t", "write": "rwlock_t", "seqcount": "int"}
_WISH = {LOCK: "locked"}
_KEYWORDS = frozenset(
    (
        "int", "long", "char", "short", "if", "else", "while", "do", "for", "return", "break", "continue", "goto", "switch", "case",
        "default", "struct", "union", "enum", "void", "static", "unsigned", "signed", "bool",
    )
)  # fmt: skip


def element(kind: str) -> str:
    """The type of the one element that stands for an array."""
    while kind.endswith("[]"):
        kind = kind[:-2]
    return kind


def scalar(types: Types, path: str, kind: str) -> bool:
    """Whether something of this type is read and written as one."""
    if not kind:
        return True
    bare = types.bare(path, kind)
    return not bare.endswith(("[]", "()"))


_ATOMIC = frozenset({"atomic_t", "atomic64_t", "atomic_long_t", "refcount_t", "local_t", "local64_t"})


def number_type(types: Types, path: str, kind: str) -> str:
    """The type of a local that holds something of a type of the kernel's: an integer, as far as tests have it."""
    kind = element(kind)
    if kind in ("atomic_t", "refcount_t", "bool", "struct kref"):
        return "int"
    if kind in _ATOMIC or "*" in kind or not kind:
        return "long"
    for text in (kind, types.bare(path, kind)):
        found = typed(text)
        if found is not None and text.replace(" ", "").isidentifier() and not isinstance(found, Tagged) and hasattr(found, "bits"):
            return text
    return "long"


def _bracketed(v: Value) -> str:
    text = v.text or "0"
    return text if re.fullmatch(r"!*\w+(?:\(\))?|\(.*\)", text) and text.count("(") <= 1 else f"({text})"


def _conjunct(v: Value) -> str:
    return _bracketed(v) if v.text is not None else CHOICE


def _truth(v: Value) -> str:
    if v.text is None:
        return CHOICE
    return v.text if v.text.isdigit() else f"!!{_bracketed(v)}"


def _changed(part: object) -> Iterator[str]:
    """The variables that statements or expressions set, or take the address of."""
    if isinstance(part, Set) and isinstance(part.target, Name):
        yield part.target.name
    if isinstance(part, AddressOf) and isinstance(part.base, Name):
        yield part.base.name
    inside = part if isinstance(part, tuple) else astuple(part) if isinstance(part, Struct) else ()
    for one in inside:
        yield from _changed(one)


def _waits(parts: Sequence[Part]) -> bool:
    """Whether a loop does nothing but read again what it waits for."""
    reads = False
    for part in every(parts):
        if isinstance(part, Line):
            read = bool(part.sets) and not part.idle and not any(word in part.text for word in ("xchg", "atomic_", "lock"))
            counts = part.idle and re.search(rf"= .*\b{part.sets}\b", part.text)
            if counts or CHOICE in part.text or not (read or part.idle):
                return False
            reads = reads or read
        elif isinstance(part, Rounds) or (isinstance(part, Jump) and part.kind in ("goto", "return")):
            return False
    return reads
