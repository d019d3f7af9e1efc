"""Deferred work: call_srcu() and its kin become processes that run after a grace period.

What the documentation promises and no more (the comment above __call_srcu(), kernel/rcu/srcutree.c): the callback runs once,
after a grace period of the domain that starts after the call, and the call and the callback have a full barrier between
them. So the call is a release of a hidden flag, and the callback a process that acquires it, waits, and then runs.

    call_srcu(ss, &head, P2);      smp_store_release(&flag, 1);
    P2(…) { body }                 P2(…) { if (smp_load_acquire(&flag)) { synchronize_srcu(ss); body; done = 1; } }

Which primitives defer and which wait, the table says: `__defer_srcu(S,F)`, `__flush_srcu(S)` and their kin. A
`srcu_barrier(ss)` waits for the callbacks whose queueing it sees. `kfree_rcu(p, head)` makes a process that frees; these are
waited for by kvfree_rcu_barrier(), not by rcu_barrier() (mm/slab_common.c). call_srcu() as implemented has full barriers before
and behind: __within_call_srcu() of the machines' tables, and of the kernel's model with "call_srcu-implementation" (see
`assumptions`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from checker.core.source import Span, UnknownName, Unsupported
from checker.program.assumptions import assumed, known
from checker.program.ir import (
    Address,
    And,
    Assign,
    Call,
    Compare,
    Const,
    Do,
    Expr,
    If,
    Implies,
    MemLoc,
    Op,
    Prop,
    Reg,
    RegLoc,
    Stmt,
    Table,
    Test,
    Thread,
)  # fmt: skip
from checker.program.tree import Body, rebuilt

_BUILT_IN = frozenset({"__defer", "__defer_srcu", "__defer_free", "__flush", "__flush_srcu", "__flush_free", "__free"})


class _Callback(Struct, frozen=True):
    """One queued callback: its process, who queues it, its grace period's domain ("" for RCU), its flags, the call's place."""

    tid: int
    queued_by: int
    domain: str
    queued: Address
    done: Address
    frees: bool
    span: Span


def defer(test: Test, table: Table, assume: frozenset[str] = frozenset()) -> Test:
    """`test` with deferred work made explicit, as `table` has it; the very same test when it has none."""
    known(assume)
    if test.arch == "C" and assume:
        test = replace(test, threads=tuple(replace(thread, body=assumed(thread.body, assume)) for thread in test.threads))
    if test.arch != "C" or not any(_called(name, table) for name in set(_CALLS.findall(test.source.text))):
        return test
    work = _Deferral(test, table, assume)
    return work.result()


_CALLS = re.compile(r"([A-Za-z_]\w*)\s*\(")


def _called(name: str, table: Table) -> Call | None:
    """The one built-in for deferred work that the primitive `name` is, if it is one."""
    match table[name].body if name in table else ():
        case (Do(Call() as call),) if call.name in _BUILT_IN:
            return call
    return None


class _Deferral:
    def __init__(self, test: Test, table: Table, assume: frozenset[str]) -> None:
        self.test, self.table, self.assume = test, table, assume
        self.tids = {t.tid for t in test.threads}
        self.callbacks: dict[int, _Callback] = {}
        self.frees = False
        self.here = test.threads[0] if test.threads else Thread(0, ())

    def result(self) -> Test:
        bodies = []
        for thread in self.test.threads:
            self.here = thread
            bodies.append(_rewritten(thread.body, self.queue))
        self.started()
        made = []
        for thread, body in zip(self.test.threads, bodies, strict=True):
            self.here = thread
            body = _rewritten(body, self.wait)
            callback = self.callbacks.get(thread.tid)
            made.append(replace(thread, body=self.deferred(callback, body) if callback else body))
        if self.frees:
            self.words()
        if not self.callbacks:
            return replace(self.test, threads=tuple(made))
        for callback in self.callbacks.values():
            if callback.frees:
                made.append(Thread(callback.tid, self.deferred(callback, ()), (), callback.span))
        ran = [
            Implies(Compare("!=", MemLoc(c.queued), 0, c.span), Compare("!=", RegLoc(c.tid, _RAN), 0, c.span))
            for c in self.callbacks.values()
        ]
        kept = [self.test.filter] if self.test.filter is not None else []
        prop: Prop = And((*kept, *ran))
        return replace(self.test, threads=tuple(made), filter=prop)

    def started(self) -> None:
        """Every callback is queued by a process that runs by itself, or by a callback that is."""
        for callback in self.callbacks.values():
            seen, tid = {callback.tid}, callback.queued_by
            while tid in self.callbacks:
                if tid in seen:
                    raise Unsupported(f"P{callback.tid} runs only when P{tid} has queued it, and never starts", callback.span)
                seen.add(tid)
                tid = self.callbacks[tid].queued_by

    def words(self) -> None:
        """What is freed is one word: the freeing of an array would have to be one of all its elements."""
        for g in self.test.globals:
            if g.address.offset:
                raise Unsupported(
                    f"kfree() in a test with an array ('{g.address.name}')",
                    g.span,
                    hint="an object that is freed is one word: write several",
                )

    # ------------------------------------------------------------ calls

    def queue(self, call: Call) -> tuple[Stmt, ...] | None:
        """The release of the callback's flag; the callback is noted."""
        what, args = self.meant(call)
        self.frees = self.frees or what in ("__free", "__defer_free")
        if not what.startswith("__defer"):
            return None
        frees = what == "__defer_free"
        domain = self.domain(args[0], call) if what == "__defer_srcu" else ""
        tid = self.new_process() if frees else self.function(args[-1], call)
        name = f"P{tid}"
        self.callbacks[tid] = _Callback(
            tid, self.here.tid, domain, Address(f"{name} queued"), Address(f"{name} done"), frees, call.span
        )
        value = args[0] if frees else Const(1)
        release = Do(Call("smp_store_release", (Const(Address(f"{name} queued")), value), (), call.span), call.span)
        inside = "smp_mb" if "call_srcu-implementation" in self.assume else "__within_call_srcu"
        if what == "__defer_srcu" and inside in self.table:
            fence = Do(Call(inside, (), (), call.span), call.span)
            return fence, release, fence
        return (release,)

    def meant(self, call: Call) -> tuple[str, tuple[Expr, ...]]:
        """The built-in for deferred work that a call is, with its arguments; ("", ()) for any other call."""
        built_in = _called(call.name, self.table)
        if built_in is None:
            return "", ()
        params = self.table[call.name].params
        if len(call.args) != len(params):
            count = f"{len(params)} argument{'s' * (len(params) != 1)}"
            raise UnknownName(f"'{call.name}' takes {count}, not {len(call.args)}", call.span)
        given = dict(zip(params, call.args, strict=True))
        return built_in.name, tuple([given[arg.name] for arg in built_in.args if isinstance(arg, Reg)])

    def domain(self, arg: Expr, call: Call) -> str:
        match arg:
            case Reg(name) if name in self.here.params:
                return name
        raise Unsupported(
            f"'{call.name}' of a domain that is no parameter of this process", call.span, hint="give it a srcu_struct *ss"
        )

    def function(self, arg: Expr, call: Call) -> int:
        match arg:
            case Reg(name) if re.fullmatch(r"P\d+", name) and int(name[1:]) in self.tids:
                tid = int(name[1:])
            case _:
                processes = ", ".join(f"P{t}" for t in sorted(self.tids))
                raise UnknownName(
                    f"'{call.name}' of a callback that is no process", call.span, hint=f"the processes are {processes}"
                )
        if tid in self.callbacks:
            raise Unsupported(f"P{tid} is queued twice", call.span, hint="a callback runs once; write a second process")
        return tid

    def new_process(self) -> int:
        return max([*self.tids, *self.callbacks]) + 1

    # ------------------------------------------------------------ waiting

    def wait(self, call: Call) -> tuple[Stmt, ...] | None:
        what, args = self.meant(call)
        if not what.startswith("__flush"):
            return None
        domain, frees = self.domain(args[0], call) if args else "", what == "__flush_free"
        awaited = [c for c in self.callbacks.values() if c.domain == domain and c.frees == frees]
        return tuple([self.waits_for(c, call.span) for c in awaited])

    def waits_for(self, callback: _Callback, span: Span) -> Stmt:
        """If the callback is seen to be queued, go on only when it is done."""
        queued = Call("smp_load_acquire", (Const(callback.queued),), (), span)
        done = Call("smp_load_acquire", (Const(callback.done),), (), span)
        return If(queued, (Do(Call("__assume", (done,), (), span), span),), (), span)

    def deferred(self, callback: _Callback, body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        """The body of a callback's process."""
        span = callback.span
        flag = Assign(_RAN, Call("smp_load_acquire", (Const(callback.queued),), (), span), span)
        if callback.domain:
            period = Call("synchronize_srcu", (Const(Address(callback.domain)),), (), span)
        else:
            period = Call("synchronize_rcu", (), (), span)
        if callback.frees:
            body = (Do(Call("kfree", (Reg(_RAN),), (), span), span),)
        done = Do(Call("smp_store_release", (Const(callback.done), Const(1)), (), span), span)
        end = (Do(Call("__srcu", (Const(Address(callback.domain)),), ("callback-end",), span), span),) if callback.domain else ()
        return flag, If(Op("ne", (Reg(_RAN), Const(0))), (Do(period, span), *body, *end, done), (), span)


_RAN = "callback ran"


Rule = Callable[[Call], "tuple[Stmt, ...] | None"]
_Node = TypeVar("_Node", bound=Stmt | Expr)


def _rewritten(body: Body, rule: Rule) -> Body:
    """`body` with every call statement replaced by what `rule` makes of it, where it makes anything of it."""
    result: list[Stmt] = []
    for s in body:
        made = rule(s.call) if isinstance(s, Do) and isinstance(s.call, Call) else None
        result.extend((_inside(s, rule),) if made is None else made)
    return tuple(result)


def _inside(x: _Node, rule: Rule) -> _Node:
    """`x` with the statements that are in it rewritten."""
    return rebuilt(x, lambda e: _inside(e, rule), lambda body: _rewritten(body, rule))
