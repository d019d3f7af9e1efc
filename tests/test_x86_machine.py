"""x86-TSO as a machine: every run of random programs on CPUs with store buffers ends in a state the model allows, and no other.

The machine is that of Owens, Sarkar and Sewell (TPHOLs 2009): a store goes to the end of the CPU's buffer and from its front
to memory at any time; a load takes the newest store of its own buffer, or memory; mfence and locked instructions wait for an
empty buffer, and a locked instruction is one step. The model knows nothing of buffers: relations alone must say the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from checker.check import Options, check
from checker.core.source import LimitExceeded, Source
from checker.core.value import compute
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.program import ir
from checker.program.ir import Address, Assign, Branch, Const, Expr, Label, Load, Mark, MemLoc, Op, Reg, RegLoc, Store, Value

Items = tuple[tuple[str, Value], ...]
Buffer = tuple[tuple[Address, Value], ...]
Cpu = tuple[int, Items, Buffer]
State = tuple[tuple[tuple[Address, Value], ...], tuple[Cpu, ...]]


def value(e: Expr, env: dict[str, Value]) -> Value:
    match e:
        case Const(v):
            return v
        case Reg(name):
            return env.get(name, 0)
        case Op(op, args):
            return compute(op, [value(a, env) for a in args])  # type: ignore[return-value]
    raise AssertionError(e)


def one_step(state: State, p: int, codes: Sequence[Sequence[ir.Stmt]]) -> State | None:
    """CPU p executes its next instruction; None when it cannot now."""
    memory, cpus = dict(state[0]), state[1]
    pc, items, buffer = cpus[p]
    code, env, waiting = codes[p], dict(items), list(buffer)
    locked = any(isinstance(i, Load | Store) and "X" in i.tags and i.span == _span(code[pc]) for i in code)
    if waiting and (locked or (isinstance(code[pc], Mark) and "MFENCE" in code[pc].tags)):  # type: ignore[union-attr]
        return None
    span = _span(code[pc])
    while True:
        instr, pc = code[pc], pc + 1
        match instr:
            case Load(dst, addr):
                place = value(addr, env)
                env[dst] = next((v for a, v in reversed(waiting) if a == place), memory[place])  # type: ignore[index]
            case Store(addr, written):
                place = value(addr, env)
                assert isinstance(place, Address)
                if locked:
                    memory[place] = value(written, env)
                else:
                    waiting.append((place, value(written, env)))
            case Assign(dst, written):
                env[dst] = value(written, env)
            case Branch(cond, target) if value(cond, env):
                pc = next(i for i, other in enumerate(code) if isinstance(other, Label) and other.name == target)
        if not locked or pc >= len(code) or _span(code[pc]) not in (span, None):
            break
    new = (pc, tuple(sorted(env.items())), tuple(waiting))
    return tuple(sorted(memory.items())), (*cpus[:p], new, *cpus[p + 1 :])


def _span(instr: ir.Stmt) -> object:
    return getattr(instr, "span", None)


def machine(test: ir.Test) -> set[str]:
    """The final states of the test on the machine."""
    codes = [t.body for t in test.threads]
    memory = tuple(sorted((g.address, g.value) for g in test.globals))
    todo: list[State] = [(memory, tuple((0, (), ()) for _ in codes))]
    seen, found = set(todo), set()
    while todo:
        state = todo.pop()
        following: list[State] = []
        for p, (pc, items, buffer) in enumerate(state[1]):
            if buffer:
                (place, v), *rest = buffer
                cpus = (*state[1][:p], (pc, items, tuple(rest)), *state[1][p + 1 :])
                following.append((tuple(sorted({**dict(state[0]), place: v}.items())), cpus))
            if pc < len(codes[p]) and (after := one_step(state, p, codes)):
                following.append(after)
        if not following:
            found.add(shown(test, state))
        for after in following:
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return found


def shown(test: ir.Test, state: State) -> str:
    memory, envs = dict(state[0]), [dict(cpu[1]) for cpu in state[1]]
    parts = []
    for loc in test.shown:
        v = memory[loc.address] if isinstance(loc, MemLoc) else envs[loc.tid].get(loc.reg, 0)
        parts.append(f"{loc}={v};")
    return " ".join(parts)


REGISTERS = ("eax", "ebx")
line = st.one_of(
    st.builds("movl ${},({})".format, st.integers(1, 2), st.sampled_from("xy")),
    st.builds("movl ({}),%{}".format, st.sampled_from("xy"), st.sampled_from(REGISTERS)),
    st.builds("{}({})".format, st.sampled_from(["incl ", "lock incl ", "lock orl $2,", "lock btsl $1,"]), st.sampled_from("xy")),
    st.builds("{} %{},({})".format, st.sampled_from(["xchgl", "lock xaddl", "lock cmpxchgl", "movl", "cmpxchgl"]),
              st.sampled_from(REGISTERS), st.sampled_from("xy")),
    st.sampled_from(["mfence", "sfence", "lfence", "incl %eax", "movl $1,%ebx"]),
)  # fmt: skip
threads = st.lists(st.lists(line, min_size=1, max_size=4), min_size=2, max_size=2) | st.lists(
    st.lists(line, min_size=1, max_size=2), min_size=3, max_size=3
)


def program(columns: list[list[str]]) -> ir.Test:
    longest = max(map(len, columns))
    rows = [[c[i] if i < len(c) else "" for c in columns] for i in range(longest)]
    text = "".join(" | ".join(row) + " ;\n" for row in [[f"P{p}" for p in range(len(columns))], *rows])
    places = "".join(f"{p}:rax; {p}:rbx; " for p in range(len(columns))) + "x; y;"
    return parse_test(Source("t.litmus", f"X86_64 t\n{{ x=0; y=0; }}\n{text}locations [{places}]\nexists (x=0)"))


@settings(max_examples=60, deadline=None)
@given(threads)
def test_the_model_allows_what_the_machine_does_and_no_more(columns: list[list[str]]) -> None:
    test = program(columns)
    try:
        found = check(test, load_model("x86-tso"), Options(states=True))
    except LimitExceeded:
        return
    assert set(found.states or ()) == machine(test)


def test_the_machine_shows_store_buffering_and_no_load_buffering() -> None:
    buffering = program([["movl $1,(x)", "movl (y),%eax"], ["movl $1,(y)", "movl (x),%eax"]])
    assert any("0:rax=0; 0:rbx=0; 1:rax=0;" in s for s in machine(buffering))
    loads = program([["movl (x),%eax", "movl $1,(y)"], ["movl (y),%eax", "movl $1,(x)"]])
    assert not any("0:rax=1; 0:rbx=0; 1:rax=1;" in s for s in machine(loads))
    assert isinstance(buffering.shown[0], RegLoc)
