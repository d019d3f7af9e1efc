"""What every access may touch and every store may write, before anything is symbolic.

An abstract run of all threads over sets of values: a load yields what the stores to its locations may have written, and
the run is repeated until nothing is added. A chain of reads and writes passes each store at most once, so as many rounds
as there are stores are enough: values that would need more could only come out of thin air.

    P0: x = 1     P1: r = x; y = r + 1     ──►  x: {0, 1}, y: {0, 1, 2}

Reads that can only be fed by copies of themselves (x = y in one thread, y = x in another, each reading the other's write) may
have any value: they get one `Free` value more per such circle, found by sending a token from each load through the copies. What
is computed from a token is the token, stained: a read that may get its own back may have a value that makes itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from msgspec import Struct

from checker.core.deadline import Deadline, look
from checker.core.source import LimitExceeded, Span
from checker.core.value import DOMAIN_LIMIT, UNSOLVED, Free, Undefined, result_of, undetermined
from checker.program.ir import (
    Address,
    Allocate,
    Assign,
    Branch,
    Choose,
    Const,
    Cut,
    Expr,
    Instr,
    Label,
    Load,
    Mark,
    Op,
    Reg,
    Store,
    Value,
    registers,
)

Values = frozenset[Value]
Site = tuple[int, int]
"""(index of the thread, position in its code)."""
ZERO: Values = frozenset({0})
_NOTHING: frozenset[Any] = frozenset()
_FED = ""
"""No register's name: among registers it stands for the set of those whose value depends on what a read returned."""


class Ranges(Struct, frozen=True):
    """By site: the values an access's address may have, and what a load may read or a store may write.

    `stores` are the sites of all stores in a fixed order.
    """

    addresses: dict[Site, Values]
    values: dict[Site, Values]
    stores: tuple[Site, ...]
    circles: dict[Site, Free]
    """Loads that may get their value from themselves by copies, with the value they have then."""
    loops: frozenset[Site]
    """Loads whose value may come from themselves, by copies or by computation."""
    copies: dict[Site, frozenset[Site]]
    """The loads of `loops` that a store may copy, through registers alone."""
    computed: dict[Site, frozenset[Site]]
    """Those from which it may compute what it writes."""


def ranges(
    codes: list[tuple[Instr, ...]],
    envs: list[dict[str, Values]],
    memory: dict[Address, Values],
    *,
    coherent: bool = True,
    deadline: Deadline = None,
) -> Ranges:
    """The ranges of all accesses; `envs` are initial registers by thread, `memory` initial values.

    `coherent`: a read never takes what its own thread stores later.
    """
    start = _Start(codes, envs, memory, coherent, deadline)
    plain = _settled(_Run(start, {}))
    if not any(_copies_a_read(code) for code in codes):
        return plain.result()
    tokens = {site: Free(f"{site[0]}.{site[1]}") for site in plain.values if site not in plain.stores}
    traced = _settled(_Run(start, tokens, tokens=True))
    reaches = {site: traced.values[site] & frozenset(tokens.values()) for site in tokens}
    circles: dict[Site, Free] = {}
    loops: set[Site] = set()
    for site in sorted(tokens):
        back = traced.returned.get(site, _NOTHING)
        if not back.isdisjoint((tokens[site], _stained(tokens[site]))):
            loops.add(site)
        if tokens[site] in back:
            mates = [s for s in circles if tokens[s] in reaches[site] and tokens[site] in reaches[s]]
            circles[site] = circles[mates[0]] if mates else Free(f"S{len(set(circles.values())) + 1}")
    if not loops:
        return plain.result()
    direct = _settled(_Run(start, tokens, tokens=True, alone=True))
    stores = sorted(direct.stores)
    copies = {store: frozenset([s for s in loops if tokens[s] in direct.values[store]]) for store in stores}
    computed = {store: frozenset([s for s in loops if _stained(tokens[s]) in direct.values[store]]) for store in stores}
    run = _settled(_Run(start, circles)) if circles else plain
    return Ranges(run.addresses, run.values, tuple(sorted(run.stores)), circles, frozenset(loops), copies, computed)


def _stained(token: Any) -> Free:
    """The token that marks what was computed from another, or from what was computed from it."""
    return Free(token.name.rstrip("'") + "'")


def _copies_a_read(code: tuple[Instr, ...]) -> bool:
    """Whether some store writes what is not known from the text alone."""
    return any(isinstance(i, Store) and not isinstance(i.value, Const) for i in code)


def _settled(run: _Run) -> _Run:
    """`run`, repeated until nothing is added."""
    rounds = 1 + sum(isinstance(i, Store) for code in run.start.codes for i in code)
    for _ in range(rounds):
        if not run.once():
            break
    return run


def takes(load: Instr, store: Instr, *, earlier: bool, coherent: bool) -> bool:
    """Whether a load may take what a store of its own thread wrote; `earlier`: the store is before it in the text."""
    if earlier:
        return True
    assert isinstance(load, Load)
    assert isinstance(store, Store)
    if load.pair and load.pair == store.pair:
        return False
    if not coherent:
        return True
    if load.group != store.group or load.turn is None or store.turn is None:
        return False
    return not store.turn.follows(load.turn)


class _Start(Struct, frozen=True):
    """What every run starts from."""

    codes: list[tuple[Instr, ...]]
    envs: list[dict[str, Values]]
    memory: dict[Address, Values]
    coherent: bool
    deadline: Deadline


class _Run:
    def __init__(self, start: _Start, seeds: Mapping[Site, Free], *, tokens: bool = False, alone: bool = False) -> None:
        """`tokens`: the seeds are tokens; `alone`: a load reads its token and nothing else."""
        self.start, self.seeds, self.alone = start, seeds, alone
        self.tokens = tokens
        self.memory: dict[Address, dict[Site, Values]] = {}  # what each store may have put there
        self.before: dict[Address, dict[Site, Values]] = {}
        self.returned: dict[Site, Values] = {}  # what a seeded load reads besides its own seed
        self.addresses: dict[Site, Values] = {}
        self.values: dict[Site, Values] = {}
        self.stores: set[Site] = set()

    def result(self) -> Ranges:
        return Ranges(self.addresses, self.values, tuple(sorted(self.stores)), {}, _NOTHING, {}, {})

    def once(self) -> bool:
        """Run every thread once on what memory held before; whether it may now hold anything new."""
        before = self.before = {a: dict(written) for a, written in self.memory.items()}
        for t, code in enumerate(self.start.codes):
            self.thread(t, code)
        return before != self.memory

    def thread(self, t: int, code: tuple[Instr, ...]) -> None:
        env: dict[str, Values] | None = dict(self.start.envs[t])
        pending: dict[str, dict[str, Values]] = {}
        for i, instr in enumerate(code):
            if isinstance(instr, Label):
                env = _merged(env, pending.pop(instr.name, None))
            elif env is not None:
                env = self.step((t, i), instr, env, pending)

    def step(
        self, site: Site, instr: Instr, env: dict[str, Values], pending: dict[str, dict[str, Values]]
    ) -> dict[str, Values] | None:
        look(self.start.deadline)
        match instr:
            case Load(dst, addr, _, span):
                self.feed(dst, env)
                where = self.addresses[site] = evaluate(addr, env, span)
                read: Values = frozenset().union(*[self.readable(a, site) for a in where if isinstance(a, Address)])
                seed = self.seeds.get(site)
                if seed is not None:
                    self.returned[site] = read
                    read = frozenset({seed}) if self.alone else read | {seed}
                env[dst] = self.values[site] = read or ZERO
            case Store(addr, value, _, span):
                where = self.addresses[site] = evaluate(addr, env, span)
                written = self.values[site] = self.computed(value, env, span)
                self.stores.add(site)
                for a in where:
                    if isinstance(a, Address):
                        here = self.memory.setdefault(a, {})
                        here[site] = here.get(site, frozenset()) | written
            case Assign(dst, value, span):
                self.assign(dst, value, env, span)
            case Mark(_, addr, dst, value, span):
                if addr is not None:
                    self.addresses[site] = evaluate(addr, env, span)
                if dst and value is not None:
                    env[dst] = self.computed(value, env, span)
                    self.feed(dst, env)
            case Choose(dst):
                env[dst] = frozenset({0, 1})
            case Allocate(dst, name):
                env[dst] = frozenset({Address(name)})
            case Branch(cond, target):
                # Both ways are followed whatever the condition's range: a branch may be what makes itself possible.
                merged = _merged(dict(env), pending.get(target))
                assert merged is not None
                pending[target] = merged
                if isinstance(cond, Const) and cond.value != 0:
                    return None
            case Cut(after=after):
                pending[after] = _merged(env, pending.get(after)) or env
                return None
        return env

    def readable(self, address: Address, load: Site) -> Values:
        """What a load may find at an address."""
        t, i = load
        code, coherent = self.start.codes[t], self.start.coherent
        found = self.start.memory.get(address, ZERO)
        for (thread, k), values in self.before.get(address, {}).items():
            if thread != t or takes(code[i], code[k], earlier=k < i, coherent=coherent):
                found = found | values
        return found

    def assign(self, dst: str, value: Expr, env: dict[str, Values], span: Span) -> None:
        if _told(value, env):
            env[_FED] = env.get(_FED, _NOTHING) - {Free(dst)}
        else:
            self.feed(dst, env)
        env[dst] = self.computed(value, env, span)

    def feed(self, dst: str, env: dict[str, Values]) -> None:
        if self.seeds:  # nobody asks otherwise
            env[_FED] = env.get(_FED, _NOTHING) | {Free(dst)}

    def computed(self, e: Expr, env: dict[str, Values], span: Span) -> Values:
        return evaluate(e, env, span, tokens=self.tokens)


def _told(e: Expr, env: Mapping[str, Values]) -> bool:
    """Whether the text alone tells the value of `e`, whatever the reads return."""
    fed = env.get(_FED, _NOTHING)
    return not fed or all(Free(name) not in fed for name in registers(e))


def _merged(a: dict[str, Values] | None, b: dict[str, Values] | None) -> dict[str, Values] | None:
    if a is None or b is None:
        return a if b is None else b
    return {name: a.get(name, ZERO) | b.get(name, ZERO) for name in {**a, **b}}


def evaluate(e: Expr, env: dict[str, Values], span: Span, *, tokens: bool = False) -> Values:
    """The values `e` may have, 0 for what is undefined. Values that nothing determines add none; with `tokens` these are tokens,
    and leave their stain on what is computed from them."""
    found = _values(e, env, span, tokens=tokens)
    if type(e) is Op and Undefined in map(type, found):
        return frozenset([v for v in found if type(v) is not Undefined]) | ZERO
    return found


def _values(e: Expr, env: dict[str, Values], span: Span, *, tokens: bool) -> Values:
    match e:
        case Const(value):
            return frozenset({value})
        case Reg(name):
            return env.get(name, ZERO)
        case Op(op, args):
            several = _used_twice(args, env)
            if several:  # r ^ r: both operands have one value
                return frozenset().union(*[_values(e, {**env, several: frozenset({v})}, span, tokens=tokens) for v in env[several]])
            domains = [_values(a, env, span, tokens=tokens) for a in args]
            solvable = all(not any(map(undetermined, d)) for d in domains) or simplified(op, args, [_told(a, env) for a in args])
            size = 1
            for d in domains:
                size *= len(d)
            if size > DOMAIN_LIMIT:
                raise LimitExceeded(f"an expression has more than {DOMAIN_LIMIT} combinations of operand values", span)
            found: set[Any] = set()
            for values in product(*domains):
                made = result_of(op, values) if solvable or not any(map(undetermined, values)) else UNSOLVED
                if made != UNSOLVED:
                    found.add(made)
                elif tokens:
                    found.update(map(_stained, filter(undetermined, values)))
            return frozenset(found) or ZERO
        case _:
            raise AssertionError(f"not an instruction's operand: {e}")


def simplified(op: str, args: tuple[Expr, ...], told: list[bool]) -> bool:
    """Whether an operator can be applied to what nothing determines: where one operand is `told` by the text alone, whatever
    the reads return (`r | 0`), or both are one (`r ^ r`). herd solves these before it knows what is read from where."""
    return op in ("first", "weak", "pick", "part", "ite") or len(args) < 2 or args[0] == args[1] or any(told)


def _used_twice(args: tuple[Expr, ...], env: dict[str, Values]) -> str:
    """A register with several values that occurs in more than one of the operands; empty when there is none."""
    if len(args) < 2 or all(isinstance(a, Const) for a in args[1:]):
        return ""
    seen: set[str] = set()
    for arg in args:
        names = set(registers(arg))
        for name in names & seen:
            if len(env.get(name, ZERO)) > 1:
                return name
        seen |= names
    return ""
