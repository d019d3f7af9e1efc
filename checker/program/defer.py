"""Deferred work: call_srcu() and its kin become processes that run after a grace period.

What the documentation promises and no more (the comment above __call_srcu(), kernel/rcu/srcutree.c): the callback runs once,
after a grace period of the domain that starts after the call, and the call and the callback have a full barrier between
them. So the call is a release of a hidden flag, and the callback a process that acquires it, waits, and then runs.

    call_srcu(ss, &head, P2);      smp_store_release(&flag, 1);
    P2(…) { body }                 P2(…) { if (smp_load_acquire(&flag)) { synchronize_srcu(ss); body; done = 1; } }

`srcu_barrier(ss)` waits for the callbacks whose queueing it sees. `kfree_rcu(p, head)` makes a process that frees; these are
waited for by kvfree_rcu_barrier(), not by rcu_barrier() (mm/slab_common.c). call_srcu() as implemented has full barriers before
and behind: __within_call_srcu() of the machines' tables, and of the kernel's model with "call_srcu-implementation" (see
`assumptions`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

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
    Test,
    Thread,
    While,
)  # fmt: skip

# What queues: which argument is the domain (None: RCU), the function, the pointer to free.
_QUEUE: dict[str, tuple[int | None, int | None, int | None, int]] = {
    "call_srcu": (0, 2, None, 3),
    "call_srcu_expedited": (0, 2, None, 3),
    "call_rcu": (None, 1, None, 2),
    "call_rcu_hurry": (None, 1, None, 2),
    "kfree_rcu": (None, None, 0, 2),
    "kvfree_rcu": (None, None, 0, 2),
    "kfree_rcu_mightsleep": (None, None, 0, 1),
}
_WAIT: dict[str, int] = {"srcu_barrier": 1, "rcu_barrier": 0, "kvfree_rcu_barrier": 0}
_FREE = ("kfree", "kvfree")
_NAMES = re.compile("|".join([*_QUEUE, *_WAIT, *_FREE]))


@dataclass(frozen=True, slots=True)
class _Callback:
    """One queued callback: its process, who queues it, its grace period's domain ("" for RCU), its flags, the call's place."""

    tid: int
    queued_by: int
    domain: str
    queued: Address
    done: Address
    frees: bool
    span: Span


def defer(test: Test, assume: frozenset[str] = frozenset()) -> Test:
    """`test` with deferred work made explicit; the very same test when it has none."""
    known(assume)
    if test.arch == "C" and assume:
        test = replace(test, threads=tuple(replace(thread, body=assumed(thread.body, assume)) for thread in test.threads))
    if test.arch != "C" or not _NAMES.search(test.source.text):
        return test
    work = _Deferral(test, assume)
    return work.result()


class _Deferral:
    def __init__(self, test: Test, assume: frozenset[str]) -> None:
        self.test, self.assume = test, assume
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
        self.frees = self.frees or call.name in _FREE
        shape = _QUEUE.get(call.name)
        if shape is None:
            return None
        domain_at, function_at, pointer_at, count = shape
        if len(call.args) != count:
            raise UnknownName(f"'{call.name}' takes {count} arguments, not {len(call.args)}", call.span)
        domain = self.domain(call.args[domain_at], call) if domain_at is not None else ""
        tid = self.function(call.args[function_at], call) if function_at is not None else self.new_process()
        name = f"P{tid}"
        frees = pointer_at is not None
        self.frees = self.frees or frees
        self.callbacks[tid] = _Callback(
            tid, self.here.tid, domain, Address(f"{name} queued"), Address(f"{name} done"), frees, call.span
        )
        value = call.args[pointer_at] if pointer_at is not None else Const(1)
        release = Do(Call("smp_store_release", (Const(Address(f"{name} queued")), value), (), call.span), call.span)
        if call.name.startswith("call_srcu"):
            inside = "smp_mb" if "call_srcu-implementation" in self.assume else "__within_call_srcu"
            fence = Do(Call(inside, (), (), call.span), call.span)
            return fence, release, fence
        return (release,)

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
        count = _WAIT.get(call.name)
        if count is None:
            return None
        if len(call.args) != count:
            raise UnknownName(f"'{call.name}' takes {count} arguments, not {len(call.args)}", call.span)
        domain, frees = self.domain(call.args[0], call) if count else "", call.name == "kvfree_rcu_barrier"
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


def _rewritten(body: tuple[Stmt, ...], rule: Rule) -> tuple[Stmt, ...]:
    """`body` with every call statement replaced by what `rule` makes of it, where it makes anything of it."""
    result: list[Stmt] = []
    for s in body:
        match s:
            case Do(Call() as call):
                made = rule(call)
                result.extend(made if made is not None else (s,))
            case If(cond, then, orelse, span):
                result.append(If(cond, _rewritten(then, rule), _rewritten(orelse, rule), span))
            case While(cond, inner, span):
                result.append(While(cond, _rewritten(inner, rule), span))
            case _:
                result.append(s)
    return tuple(result)
