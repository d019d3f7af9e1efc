"""Calls: of functions, which are written out, and of primitives, which the test says as the code does where it can.

What a function does that is not written out is told: it is lost where it may touch a place, and noted where it orders.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

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
from checker.reach.accesses import Effects, effects
from checker.reach.body import body
from checker.reach.constants import value as constant
from checker.reach.draft import Draft
from checker.reach.places import Place, located
from checker.reach.pointers import targets
from checker.reach.process import CHOICE, At, Choice, Jump, Line, Rounds, Target
from checker.reach.statements import (
    AddressOf,
    Call,
    Expr,
    Name,
    Set,
    inside,
)
from checker.reach.summary import CONTAINERS, PER_CPU, Path, Walk, summaries
from checker.reach.types import Types
from checker.reach.world import STRAY, TRACE, UNKNOWN, Frame, Value, number_type

SHORT, MORE = 8, 2
"""A function of so few steps is followed so much deeper than others."""
MOST_TARGETS = 3
"""How many functions that touch a place a pointer may stand for and be followed."""
MOST_ORDERS = 12
"""A function that orders more often, and touches no place of the test, is left out and told."""
BEFORE_ATOMIC, AFTER_ATOMIC = "smp_mb__before_atomic", "smp_mb__after_atomic"
_HELD = re.compile(r"lockdep_assert_held\w*")
_TRUTH = frozenset({"likely", "unlikely", "WARN_ON", "WARN_ON_ONCE", "unrcu_pointer", "rcu_pointer_handoff", "array_index_nospec"})
_COPIES = frozenset({"memcpy", "memmove", "memset"})
_LOCKS = (
    ("raw_spinlock", ("spin_lock", "spin_unlock")), ("spinlock", ("spin_lock", "spin_unlock")),
    ("mutex", ("mutex_lock", "mutex_unlock")),
    ("rwlock", ("write_lock", "write_unlock", "read_lock", "read_unlock")),
    ("rw_semaphore", ("down_write", "up_write", "down_read", "up_read")),
)  # fmt: skip
_SORTS = {"srcu": "struct srcu_struct", "mutex": "struct mutex", "read": "rwlock_t", "write": "rwlock_t", "seqcount": "int"}
_WISH = {LOCK: "locked"}


class Calls(Draft):
    """A process while it is made: the calls in it."""

    def _walk(self, path: str, found: Function) -> Walk:
        known = self.types.declared(found.path).functions.get(found.name)
        params = known.params if known is not None else tuple([(name, "?") for name in found.params if name not in ("", "void")])
        return Walk(params)

    def body(self, found: Function, frame: Frame) -> None:
        """Write out a function (slice.py)."""
        raise NotImplementedError

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
        pointer = frame.walk.pointer(e)
        if e.function is not None and not (isinstance(e.function, Call) and pointer is not None and pointer[0] is None):
            self.value(e.function, frame)
        values = [self.value(arg, frame) for arg in e.args]
        if e.name in WHOLE and e.args:
            self.whole(e, frame, at)
            return UNKNOWN
        if pointer is not None:
            return self.pointed_to(e, pointer, values, frame, at, wish)
        where = self.types.where(frame.path, e.name) if e.name else None
        if where is None:
            self.not_followed(e, frame, at)
            return UNKNOWN
        return self.known(e, where, values, frame, at, wish)

    def known(self, e: Call, where: tuple[str, str], values: list[Value], frame: Frame, at: At, wish: str) -> Value:
        """A call of a function whose file is known; that of one that can touch no place is not even read."""
        if not where[0].endswith(".h") and not self.world.sees(where[0]) and not self.given_chosen(e, frame):
            self.elsewhere_called(e, frame, at)
            return UNKNOWN
        found = self.types.code.function(*where)
        if found is None:
            self.not_followed(e, frame, at)
            return UNKNOWN
        return self.followed(e, found, values, frame, at, wish)

    def followed(self, e: Call, found: Function, values: list[Value], frame: Frame, at: At, wish: str) -> Value:
        """A call of a function whose code is at hand: it is written out as far as it matters."""
        touches = self.world.touching(found.path, found.name) or self.given_chosen(e, frame)
        if e.name in frame.active:
            self.beyond(e, found, at, touches=touches)
            return UNKNOWN
        orders = self.does(found).orders
        pure = any(v.text is not None and not v.truth for v in values) and not touches and not orders
        short = len(summaries(self.types, found.path)[found.name].steps) <= SHORT
        deep = frame.level >= (self.deepest if touches else self.depth) + (MORE if short else 0)
        if (deep and (touches or orders)) or (not touches and orders > MOST_ORDERS):
            self.beyond(e, found, at, touches=touches)
            return UNKNOWN
        if not (touches or orders) and (not pure or deep):
            return UNKNOWN
        return self.inlined(e, found, values, frame, at, wish)

    def pointed_to(self, e: Call, pointer: tuple[Path | None, str], values: list[Value], frame: Frame, at: At, wish: str) -> Value:
        """A call through a pointer: of the functions that the tree puts there, any may be meant."""
        path, where = self.through(pointer[0], frame)
        found = targets(self.types, where, path, pointer[1])
        if found is None:
            self.not_followed(e, frame, at)
            return UNKNOWN
        given = self.given_chosen(e, frame)
        those = [one for one in found if given or self.world.touching(*one)]
        if len(found) == 1:
            return self.known(replace(e, name=found[0][1], function=None), found[0], values, frame, at, wish)
        if len(those) > MOST_TARGETS:
            self.lost(at, f"{pointer[1]} is one of {len(those)} functions that touch a place of this test")
        elif those:
            named = [f"{one[1]}()" for one in those]
            self.note("assumed", at, f"{pointer[1]} is {' or '.join(named)}{', or does nothing here' * (len(those) < len(found))}")
            self.one_of(e, those, len(those) < len(found), values, frame, at)
        else:
            self.note("call", at, f"{pointer[1]}() is not followed")
        return UNKNOWN

    def one_of(self, e: Call, those: list[tuple[str, str]], more: bool, values: list[Value], frame: Frame, at: At) -> None:
        """Any of several functions is called; with `more` perhaps none of them."""
        first, *others = those

        def followed() -> None:
            self.known(replace(e, name=first[1], function=None), first, values, frame, at, "")

        then = self.apart(followed)
        orelse = self.apart(lambda: self.one_of(e, others, more, values, frame, at)) if others else ()
        if not others and not more:
            self.out += then
        else:
            self.out.append(Choice(CHOICE, then, orelse, at))

    def elsewhere_called(self, e: Call, frame: Frame, at: At) -> None:
        """A call of code that knows no place of this test: it may still call what it is given."""
        if not any(self.given_function(f"{e.name}()", arg, frame.walk.path(arg), frame, at) for arg in e.args):
            self.note("order" if says_order(e.name) else "call", at, f"{e.name}() is not followed")

    def given_function(self, said: str, arg: Expr, path: Path | None, frame: Frame, at: At) -> bool:
        """Whether a call gets a function that touches a place: then it is lost."""
        if not isinstance(arg, Name) or path is None or path.type:
            return False
        named = self.types.where(frame.path, arg.name)
        if named is None or not self.world.touching(*named):
            return False
        self.lost(at, f"{said} is not followed, and may call {arg.name}(), which touches a place of this test")
        return True

    def does(self, found: Function) -> Effects:
        """What a function touches and orders, two calls deeper than calls are followed."""
        return effects(self.types, found.path, found.name, self.depth + 2, self.world.effects)

    def given_chosen(self, e: Call, frame: Frame) -> bool:
        """Whether a call gets a chosen place, which a macro may write, or its address."""
        paths = [self.through(frame.walk.path(arg), frame) for arg in e.args]
        spots = [located(self.types, where, at)[0] for path, where in paths if path is not None for at in (path, path.then("*"))]
        return any(spot in self.chosen for spot in spots)

    def inlined(self, e: Call, found: Function, values: list[Value], frame: Frame, at: At, wish: str) -> Value:
        self.count += 1
        walk = self._walk(found.path, found)
        inner = Frame(
            found.path, found.name, walk, frame.level + 1, id=f"{frame.id}/{e.name}@{at[1]}.{e.start}",
            active=frame.active | {e.name}, end=self.label(f"{found.name}_end"), result_wish=wish or found.name,
        )  # fmt: skip
        changed = _changed(self.types, found)
        inner.result = self.fresh(f"{found.name}_ret", "long")
        for (name, kind), arg, value in zip(walk.locals.items(), e.args, values, strict=False):
            path, home = self.through(frame.walk.path(arg), frame)
            if path is not None and name not in changed:
                inner.given[name] = (path, home)
            constant = value.text is not None and value.text.isdigit()
            if value.text is not None and (value.text in self.locals or constant) and name not in changed:
                inner.variables[name] = value.text
                if value.truth:
                    self.unknown.add(f"{inner.id}:{name}")
            elif value.text is not None and (not value.truth or value.text in self.locals):
                inner.variables[name] = self.fresh(name, self.locals.get(value.text, number_type(self.types, found.path, kind)))
                key = f"{inner.id}:{name}"
                if value.truth:
                    self.unknown.add(key)
                self.line(f"{inner.variables[name]} = {value.text}", at, inner.variables[name], idle=True)
        self.body(found, inner)
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
            if self.given_function(said, arg, path, frame, at):
                return
            if path is not None and self.world.reaches(where, path):
                self.lost(at, f"{said} is not followed, and gets {path}")
                return
        self.note("order" if says_order(said) else "call", at, f"{said} is not followed")

    def beyond(self, e: Call, found: Function, at: At, *, touches: bool) -> None:
        """A function that is not written out. A read that is left out makes nothing impossible: what is lost are writes."""
        if touches and self.world.touching(found.path, found.name, writes=True):
            self.lost(at, f"{e.name}() is not followed, and writes a place of this test")
        elif touches:
            self.note("reads", at, f"{e.name}() is not followed, and reads a place of this test")
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
                pass  # the primitive writes it, as the test's does
            elif known.verb in (*ACCESSES, UNLOCK) and not e.name.startswith(("rcu_dereference", "srcu_dereference")):
                values[n] = self.value(arg, frame)
        spot, kind = self.spot(place, frame, address=address) if place is not None else (None, "")
        chosen = spot is not None and spot in self.chosen
        if known.verb in ACCESSES and not chosen:
            if place is not None and self.astray(place, frame, address=address):
                if known.verb == READ:
                    self.note("reads", at, STRAY)
                else:
                    self.lost(at, STRAY)
            return self.elsewhere(e, known, spot, kind, values, frame, at, wish)
        if known.verb in (CALL, DEFER, FREE) or not sayable(e.name):
            return self.unsayable(e, known, spot, kind, through, frame, at, wish)
        if place is None:
            if at != self.world.without:
                self.line(self.fence(known, f"{spelled(e.name)}()"), at)
            return UNKNOWN
        if spot is None:
            spot = Place("?", re.sub(r"\W+", "_", str(frame.walk.path(place) or "lock")).strip("_") or "lock")
        return self.said(e, known, place, spot, kind, through, values, frame, at, wish)

    def fence(self, known: Primitive, text: str) -> str:
        """A barrier behind an atomic operation: a full one where that was on another place, and is left out."""
        return "smp_mb()" if known.strength == AFTER_ATOMIC and self.dropped == len(self.out) else text

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
        if at == self.world.without and known.verb in (READ, WRITE):
            stored = args[known.place + 1] if known.verb == WRITE else ""
            text = f"WRITE_ONCE({lvalue}, {stored})" if stored else f"READ_ONCE({lvalue})"
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
        if known.verb == RMW and known.strength.endswith("void"):
            self.dropped = len(self.out)
            if self.out and isinstance(last := self.out[-1], Line) and last.text == f"{BEFORE_ATOMIC}()":
                self.out[-1] = replace(last, text="smp_mb()")
        elif known.verb == RMW and "full" in known.strength and sayable(e.name) and at != self.world.without:
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
            callback = self.types.where(frame.path, arg.name) if isinstance(arg, Name) else None
            if callback is not None and self.world.touching(*callback):
                self.lost(at, f"{callback[1]}(), called after a grace period, touches a place of this test")
                return
        self.note("left out", at, f"{e.name}(): what it does later")


def _changed(types: Types, found: Function) -> set[str]:
    """The variables that a function sets, or takes the address of."""
    key = ("changed", found.path, f"{found.name}@{found.start}")
    if key not in types.found:
        made = set()
        for one in inside(body(types, found)):
            target = one.target if isinstance(one, Set) else one.base if isinstance(one, AddressOf) else None
            if isinstance(target, Name):
                made.add(target.name)
        types.found[key] = made
    return types.found[key]  # type: ignore[return-value]
