"""From a function to a process: what it does to chosen places, what orders it, and the branches, loops and data that this hangs on.

Calls are written out as deep as asked. A condition on anything else is a free choice. What is left out and could have touched a
chosen place is `__lost()`; what could have ordered something is noted.

    Slice(types, places, depth=3, rounds=1).function("virt/kvm/kvm_main.c", "kvm_vcpu_wake_up")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from checker.kernel.syntax import Function
from checker.reach.body import body, missing
from checker.reach.calls import Calls
from checker.reach.constants import computed
from checker.reach.constants import value as constant
from checker.reach.places import Place, located
from checker.reach.process import CHOICE, At, Choice, Jump, Line, Part, Rounds, Target, every, negated
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
    inside,
)
from checker.reach.statements import Jump as Jumps
from checker.reach.summary import Path, Walk
from checker.reach.types import Types
from checker.reach.world import STRAY, UNKNOWN, Frame, TooLong, Value, bracketed, number_type, scalar

MAX_ROUNDS_OF_NAMES = 12
MAX_BODIES = 1500
"""How many functions are gone through for one process, each round of names anew."""
_GUARDS = {
    "mutex": ("mutex_lock", "mutex_unlock"), "rcu": ("rcu_read_lock", "rcu_read_unlock"),
    "srcu": ("srcu_read_lock", "srcu_read_unlock"), "spin": ("spin_lock", "spin_unlock"),
    "read": ("read_lock", "read_unlock"), "write": ("write_lock", "write_unlock"),
    "rwsem_read": ("down_read", "up_read"), "rwsem_write": ("down_write", "up_write"),
}  # fmt: skip


class Slice(Calls):
    """A process while it is made: statements and expressions."""

    # ------------------------------------------------------------ a function, and those it calls

    def function(self, path: str, name: str) -> tuple[Part, ...]:
        """The parts of the process that a function makes, locals whose value is not known found by going over it again."""
        found = self.types.code.function(path, name)
        assert found is not None
        for _ in range(MAX_ROUNDS_OF_NAMES):
            known = set(self.unknown)
            self.out, self.first, self.count, self.parts, self.dropped = [], [], 0, 0, -1
            self.notes.clear()
            self.locals.clear()
            self.reads.clear()
            self.held.clear()
            self.body(found, Frame(path, name, self._walk(path, found), 0))
            if self.unknown == known:
                break
        return (*self.first, *self.out)

    def body(self, found: Function, frame: Frame) -> None:
        self.bodies += 1
        if self.bodies > MAX_BODIES:
            raise TooLong(f"more than {MAX_BODIES:,} functions, written out", hint="--depth follows calls less deep")
        for lines, text in missing(self.types, found):
            if any(re.search(rf"\b{re.escape(p.name)}\b", text) for p in self.chosen):
                self.lost((found.path, lines[0]), "a line that cannot be read")
        frame.walk.several = _set_to(self.types, found, frame.walk)
        self.block(body(self.types, found), frame)

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
        if test.text is not None and test.text.isdigit():
            taken, other = (then, orelse) if test.text != "0" else (orelse, then)
            taken()
            rest = self.apart(other)
            if any(isinstance(part, Target) for part in every(rest)):  # one may jump there
                self.out.append(Choice("0", rest, (), at))
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
        for target, (_, arm) in zip(targets, s.arms, strict=True):
            self.out.append(Target(target))
            self.block(arm, frame)
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
            case Braced(some):
                self.block(some[:-1], frame)
                if some and isinstance(some[-1], Do):
                    return self.value(some[-1].value, frame, wanted=wanted, wish=wish)
                self.block(some[-1:], frame)
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
        self.first.append(Line(f"{variable} = {CHOICE}", (frame.path, 0), variable, True))
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
        if all((v.text or "").isdigit() for v in values):
            number = computed(op, [int(v.text or "") for v in values])
            if number is not None and number >= 0:
                return Value(str(number))
        if op == "!":
            return Value(f"!{bracketed(values[0])}", truth=True)
        if op in ("==", "!=") and values[1].text == "0":
            text = bracketed(values[0])
            return Value(f"!{text}" if op == "==" else f"!!{text}" if values[0].truth else f"{text} != 0")
        if any(v.truth and not (v.text or "").isdigit() for v in values):
            return UNKNOWN
        if len(values) == 1:
            return Value(f"{op}{bracketed(values[0])}")
        return Value(f"{bracketed(values[0])} {op} {bracketed(values[1])}") if op not in ("/", "%") else UNKNOWN

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

    def assignment(self, op: str, target: Expr, inner: Expr, frame: Frame, at: At, *, after: bool) -> Value:
        if isinstance(target, Name) and target.name in frame.walk.locals:
            return self.set(op, target.name, inner, frame, at, after=after)
        found = self.value(inner, frame)
        through = self.parts_of(target, frame)
        spot, kind = self.spot(target, frame)
        if spot is None or spot not in self.chosen or not scalar(self.types, frame.path, kind):
            if self.world.holds(frame.path, kind):
                self.lost(at, f"all of a {kind} is written")
            elif spot not in self.chosen and self.astray(target, frame):
                self.lost(at, STRAY)
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
            value = Value(f"{old.text} {op} {bracketed(value)}") if known else UNKNOWN
        self.set_local(name, value, frame, at)
        return UNKNOWN if after else self.named(name, frame, "")


def _set_to(types: Types, found: Function, walk: Walk) -> dict[str, list[Path | None]]:
    """All that locals of a function are set to: a loop comes back to what stands ahead of it."""
    key = ("set to", found.path, f"{found.name}@{found.start}")
    if key not in types.found:
        ahead = Walk(tuple(walk.locals.items()))
        made: dict[str, list[Path | None]] = {}
        several = [one for one in inside(body(types, found)) if isinstance(one, (Local, Set))]
        ahead.locals.update({one.name: one.type for one in several if isinstance(one, Local)})
        for one in several:
            name = one.name if isinstance(one, Local) else one.target.name if isinstance(one.target, Name) else ""
            if name and one.value is not None:
                made.setdefault(name, []).append(ahead.path(one.value))
        types.found[key] = made
    return types.found[key]  # type: ignore[return-value]


def _conjunct(v: Value) -> str:
    return bracketed(v) if v.text is not None else CHOICE


def _truth(v: Value) -> str:
    if v.text is None:
        return CHOICE
    return v.text if v.text.isdigit() else f"!!{bracketed(v)}"


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
