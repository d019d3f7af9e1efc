"""x86 assembly: what each instruction computes, bit by bit, against the manual's words; forms, messages, and hostile text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checker.check import Options, check
from checker.core.source import CheckerError, Source
from checker.core.value import compute
from checker.isa.x86.table import ROWS
from checker.library import load_model
from checker.parse.litmus import parse_test
from checker.program import ir
from checker.program.ir import Address, Assign, Branch, Const, Expr, Label, Load, Mark, MemLoc, Op, Reg, RegLoc, Store, Value

INTEL, ATT = "X86", "X86_64"


def parsed(code: str, *, arch: str = ATT, init: str = "", tail: str = "") -> ir.Test:
    return parse_test(Source("t.litmus", f"{arch} t\n{{{init}}}\n{code}\n{tail}\n"))


def alone(*lines: str, arch: str = ATT, init: str = "", tail: str = "") -> ir.Test:
    """A test of one process."""
    return parsed("P0 ;\n" + "".join(f" {line} ;\n" for line in lines), arch=arch, init=init, tail=tail)


def states(code: str, *, arch: str = ATT, init: str = "", tail: str) -> list[str]:
    return list(check(parsed(code, arch=arch, init=init, tail=tail), load_model("x86-tso"), Options(states=True)).states or ())


# ---------------------------------------------------------------- one process, run by hand


def run(test: ir.Test) -> dict[str, Value]:
    """The registers and locations of a test of one process when it is done."""
    code = test.threads[0].body
    at = {instr.name: i for i, instr in enumerate(code) if isinstance(instr, Label)}
    env: dict[str, Value] = {loc.reg: value for loc, value in test.registers}
    memory: dict[Address, Value] = {g.address: g.value for g in test.globals}

    def value(e: Expr) -> Value:
        match e:
            case Const(v):
                return v
            case Reg(name):
                return env.get(name, 0)
            case Op(op, args):
                return compute(op, [value(a) for a in args])  # type: ignore[return-value]
        raise AssertionError(e)

    i = steps = 0
    while i < len(code):
        instr, i, steps = code[i], i + 1, steps + 1
        assert steps < 1000
        match instr:
            case Load(dst, addr):
                env[dst] = memory[value(addr)]  # type: ignore[index]
            case Store(addr, written):
                memory[value(addr)] = value(written)  # type: ignore[index]
            case Assign(dst, written):
                env[dst] = value(written)
            case Branch(cond, target):
                i = at[target] if value(cond) else i
            case Label() | Mark():
                pass
            case _:
                raise AssertionError(instr)
    return env | {str(a): v for a, v in memory.items()}


def bits(value: Value, size: int = 8) -> int:
    assert isinstance(value, int)
    return value & ((1 << 8 * size) - 1)


# ---------------------------------------------------------------- the manual, in bits

Flags = dict[str, int]
PARTS = {1: ("bl", "cl"), 2: ("bx", "cx"), 4: ("ebx", "ecx"), 8: ("rbx", "rcx")}
SUFFIX = {1: "b", 2: "w", 4: "l", 8: "q"}


def signed_of(value: int, n: int) -> int:
    return value - (1 << n) if value >> (n - 1) else value


def result_flags(r: int, n: int) -> Flags:
    return {"z": int(r == 0), "s": r >> (n - 1)}


def addition(a: int, b: int, carry: int, n: int) -> tuple[int, Flags]:
    total, r = a + b + carry, (a + b + carry) % (1 << n)
    exact = signed_of(a, n) + signed_of(b, n) + carry
    return r, result_flags(r, n) | {"c": total >> n, "o": int(exact != signed_of(r, n))}


def subtraction(a: int, b: int, borrow: int, n: int) -> tuple[int, Flags]:
    r = (a - b - borrow) % (1 << n)
    exact = signed_of(a, n) - signed_of(b, n) - borrow
    return r, result_flags(r, n) | {"c": int(a < b + borrow), "o": int(exact != signed_of(r, n))}


def logic(r: int, n: int) -> tuple[int, Flags]:
    return r, result_flags(r, n) | {"c": 0, "o": 0}


def unchanged(pair: tuple[int, Flags], *flags: str) -> tuple[int, Flags]:
    return pair[0], {name: v for name, v in pair[1].items() if name not in flags}


Reference = Callable[[int, int, int, int], tuple[int, Flags]]
BINARY: dict[str, Reference] = {
    "add": lambda a, b, c, n: addition(a, b, 0, n),
    "adc": addition,
    "sub": lambda a, b, c, n: subtraction(a, b, 0, n),
    "sbb": subtraction,
    "cmp": lambda a, b, c, n: (a, subtraction(a, b, 0, n)[1]),
    "and": lambda a, b, c, n: logic(a & b, n),
    "or": lambda a, b, c, n: logic(a | b, n),
    "xor": lambda a, b, c, n: logic(a ^ b, n),
    "test": lambda a, b, c, n: (a, logic(a & b, n)[1]),
    "mov": lambda a, b, c, n: (b, {}),
}
UNARY: dict[str, Reference] = {
    "inc": lambda a, b, c, n: unchanged(addition(a, 1, 0, n), "c"),
    "dec": lambda a, b, c, n: unchanged(subtraction(a, 1, 0, n), "c"),
    "neg": lambda a, b, c, n: subtraction(0, a, 0, n),
    "not": lambda a, b, c, n: (~a % (1 << n), {}),
}


def shifted(name: str, a: int, count: int, n: int) -> tuple[int, Flags]:
    """One bit at a time; a count is taken modulo 32, or 64 for operands of 8 bytes."""
    flags: Flags = {}
    count %= 64 if n == 64 else 32
    r = a
    for _ in range(count):
        out = r >> (n - 1) if name == "shl" else r & 1
        top = r >> (n - 1)
        r = r * 2 % (1 << n) if name == "shl" else r // 2 | (top << (n - 1) if name == "sar" else 0)
        flags = result_flags(r, n) | {"c": out}
    if count == 1:
        flags["o"] = {"shl": (r >> (n - 1)) ^ flags["c"], "shr": a >> (n - 1), "sar": 0}[name]
    return r, flags


def written(old: int, value: int, size: int) -> int:
    """A register of 8 bytes after `value` was written to its low `size` bytes."""
    return value if size >= 4 else old & ~((1 << 8 * size) - 1) | value


SEEN = ["setc %r8b", "seto %r9b", "setz %r10b", "sets %r11b"]
BEFORE = {"c": 1, "o": 1, "z": 0, "s": 1}
# 0x7f.. - 0x80..: carry, overflow and sign, not zero
SET_BEFORE = ["movq $0x7fffffffffffffff,%r12", "movq $-0x8000000000000000,%r13", "cmpq %r13,%r12"]


def check_flags(env: dict[str, Value], flags: Flags, defined: str = "cozs") -> None:
    for name, register in zip("cozs", ("r8", "r9", "r10", "r11"), strict=True):
        if name in defined:
            assert env.get(register, 0) == flags.get(name, BEFORE[name]), name


words = st.one_of(
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]),
)
sizes = st.sampled_from([1, 2, 4, 8])


def registers(a: int, b: int) -> str:
    return f"0:rbx={a:#x}; 0:rcx={b:#x};"


@settings(max_examples=400)
@given(st.sampled_from(sorted(BINARY)), words, words, sizes)
def test_two_operands_in_registers_give_the_result_and_the_flags_of_the_manual(name: str, a: int, b: int, size: int) -> None:
    left, right = PARTS[size]
    env = run(alone(*SET_BEFORE, f"{name} %{right},%{left}", *SEEN, init=registers(a, b)))
    r, flags = BINARY[name](bits(a, size), bits(b, size), BEFORE["c"], 8 * size)
    changes = name not in ("cmp", "test")
    assert bits(env["rbx"]) == (written(a, r, size) if changes else a)
    assert bits(env["rcx"]) == b
    check_flags(env, flags)


@settings(max_examples=300)
@given(st.sampled_from(sorted(BINARY)), words, words, sizes, st.booleans())
def test_a_destination_in_memory_is_read_and_written_in_its_size(name: str, a: int, b: int, size: int, locked: bool) -> None:
    lock = "lock " if locked and ROWS[name].lock else ""
    kind = f"uint{8 * size}_t"
    test = alone(*SET_BEFORE, f"{lock}{name} %{PARTS[size][1]},(x)", *SEEN, init=f"{kind} x={bits(a, size)}; 0:rcx={b:#x};")
    env = run(test)
    r, flags = BINARY[name](bits(a, size), bits(b, size), BEFORE["c"], 8 * size)
    assert bits(env["x"], size) == r
    assert -(1 << 8 * size - 1) <= env["x"] < 1 << 8 * size - 1  # type: ignore[operator]
    check_flags(env, flags)
    accesses = [i for i in test.threads[0].body if isinstance(i, Load | Store)]
    assert all(i.size == size and ("X" in i.tags) == bool(lock) for i in accesses)


@settings(max_examples=200)
@given(st.sampled_from(sorted(UNARY)), words, sizes)
def test_one_operand_gives_the_result_and_the_flags_of_the_manual(name: str, a: int, size: int) -> None:
    env = run(alone(*SET_BEFORE, f"{name} %{PARTS[size][0]}", *SEEN, init=registers(a, 0)))
    r, flags = UNARY[name](bits(a, size), 0, 0, 8 * size)
    assert bits(env["rbx"]) == written(a, r, size)
    check_flags(env, flags)


@settings(max_examples=300)
@given(st.sampled_from(["shl", "shr", "sar"]), words, st.integers(0, 70), sizes)
@example("sar", 0x80, 7, 1)
def test_shifts_are_those_of_one_bit_repeated(name: str, a: int, count: int, size: int) -> None:
    env = run(alone(*SET_BEFORE, f"{name} ${count},%{PARTS[size][0]}", *SEEN, init=registers(a, 0)))
    r, flags = shifted(name, bits(a, size), count, 8 * size)
    effective = count % (64 if size == 8 else 32)
    assert bits(env["rbx"]) == (written(a, r, size) if effective else a)
    beyond = effective > 8 * size and name != "sar"  # CF is not defined there
    check_flags(env, flags, ("zs" if beyond else "czs") + ("o" if effective <= 1 else ""))


@given(words, words, sizes, st.booleans())
def test_xadd_leaves_the_sum_and_gives_the_old_value(a: int, b: int, size: int, memory: bool) -> None:
    left, right = PARTS[size]
    target, init = ("(x)", f"uint{8 * size}_t x={bits(a, size)}; 0:rcx={b:#x};") if memory else (f"%{left}", registers(a, b))
    env = run(alone(f"xadd{SUFFIX[size]} %{right},{target}", *SEEN, init=init))
    r, flags = addition(bits(a, size), bits(b, size), 0, 8 * size)
    assert bits(env["x"], size) == r if memory else bits(env["rbx"]) == written(a, r, size)
    assert bits(env["rcx"]) == written(b, bits(a, size), size)
    check_flags(env, flags)


@given(words, words, words, sizes, st.booleans())
def test_cmpxchg_writes_on_success_and_loads_the_accumulator_on_failure(a: int, b: int, c: int, size: int, equal: bool) -> None:
    acc = a if equal else c
    env = run(alone(f"cmpxchg{SUFFIX[size]} %{PARTS[size][1]},(x)", *SEEN,
                    init=f"uint{8 * size}_t x={bits(a, size)}; 0:rcx={b:#x}; 0:rax={acc:#x};"))  # fmt: skip
    old, success = bits(a, size), bits(acc, size) == bits(a, size)
    assert bits(env["x"], size) == (bits(b, size) if success else old)
    assert bits(env["rax"]) == (acc if success else written(acc, old, size))
    check_flags(env, subtraction(bits(acc, size), old, 0, 8 * size)[1])


@given(words, words, sizes)
def test_xchg_swaps_and_leaves_the_flags(a: int, b: int, size: int) -> None:
    left, right = PARTS[size]
    env = run(alone(*SET_BEFORE, f"xchg %{right},%{left}", *SEEN, init=registers(a, b)))
    assert bits(env["rbx"]) == written(a, bits(b, size), size)
    assert bits(env["rcx"]) == written(b, bits(a, size), size)
    check_flags(env, {})


@given(st.sampled_from(["bt", "bts", "btr", "btc"]), words, st.integers(0, 255), st.sampled_from([2, 4, 8]), st.booleans())
def test_bit_tests_put_the_bit_into_the_carry_and_set_clear_or_turn_it(
    name: str, a: int, n: int, size: int, register: bool
) -> None:
    index = f"%{PARTS[size][1]}" if register else f"${n}"
    env = run(alone(f"{name} {index},%{PARTS[size][0]}", *SEEN, init=registers(a, n)))
    bit, value = n % (8 * size), bits(a, size)
    wanted = {"bt": value, "bts": value | 1 << bit, "btr": value & ~(1 << bit), "btc": value ^ 1 << bit}[name]
    assert bits(env["rbx"]) == (written(a, wanted, size) if name != "bt" else a)
    assert env.get("r8", 0) == value >> bit & 1


@given(words, words, st.sampled_from([(1, 2), (1, 4), (1, 8), (2, 4), (2, 8), (4, 8)]), st.booleans())
def test_extensions_fill_with_zeros_or_with_the_sign(a: int, b: int, pair: tuple[int, int], sign: bool) -> None:
    source, target = pair
    if source == 4 and not sign:
        return  # a 4-byte mov does that
    name = f"mov{'s' if sign else 'z'}{SUFFIX[source]}{SUFFIX[target]}"
    env = run(alone(f"{name} %{PARTS[source][1]},%{PARTS[target][0]}", init=registers(a, b)))
    low = bits(b, source)
    value = bits(signed_of(low, 8 * source), target) if sign else low
    assert bits(env["rbx"]) == written(a, value, target)


@given(words, words, st.sampled_from("abcd"), st.sampled_from("abcd"))
def test_the_second_byte_of_a_register_is_read_and_written_alone(a: int, b: int, left: str, right: str) -> None:
    env = run(alone(f"movb %{right}l,%{left}h", f"movb %{left}h,%sil", init=f"0:r{left}x={a:#x}; 0:r{right}x={b:#x};"
                    if left != right else f"0:r{left}x={a:#x};"))  # fmt: skip
    byte = (b if left != right else a) & 0xFF
    assert bits(env[f"r{left}x"]) == a & ~0xFF00 | byte << 8
    assert env["rsi"] == byte


CONDITIONS: dict[str, Callable[[int, int, int, int], bool]] = {  # carry, overflow, zero, sign: SDM volume 1, table B-1
    "o": lambda c, o, z, s: o == 1, "no": lambda c, o, z, s: o == 0,
    "b": lambda c, o, z, s: c == 1, "ae": lambda c, o, z, s: c == 0,
    "e": lambda c, o, z, s: z == 1, "ne": lambda c, o, z, s: z == 0,
    "be": lambda c, o, z, s: c == 1 or z == 1, "a": lambda c, o, z, s: c == 0 and z == 0,
    "s": lambda c, o, z, s: s == 1, "ns": lambda c, o, z, s: s == 0,
    "l": lambda c, o, z, s: s != o, "ge": lambda c, o, z, s: s == o,
    "le": lambda c, o, z, s: z == 1 or s != o, "g": lambda c, o, z, s: z == 0 and s == o,
}  # fmt: skip


@settings(max_examples=200)
@given(st.sampled_from(sorted(CONDITIONS)), words, words, sizes)
def test_jumps_sets_and_moves_look_at_the_flags_of_their_condition(name: str, a: int, b: int, size: int) -> None:
    left, right = PARTS[size]
    env = run(alone(
        f"cmp %{right},%{left}", f"set{name} %r8b", "movq $5,%r9", f"cmov{name} %ecx,%r9d", f"j{name} L", "movq $1,%r10",
        "L: nop", init=registers(a, b),
    ))  # fmt: skip
    _, flags = subtraction(bits(a, size), bits(b, size), 0, 8 * size)
    holds = CONDITIONS[name](flags["c"], flags["o"], flags["z"], flags["s"])
    assert env["r8"] == int(holds)
    assert env["r9"] == (bits(b, 4) if holds else 5)
    assert env.get("r10", 0) == (0 if holds else 1)


@given(words, words)
def test_lea_computes_an_address_without_an_access(a: int, b: int) -> None:
    env = run(alone("leaq 8(%rbx,%rcx,4),%rdx", "leal -1(%rbx),%esi", init=registers(a, b)))
    assert bits(env["rdx"]) == (a + 4 * b + 8) % 2**64
    assert bits(env["rsi"]) == (a - 1) % 2**32


@settings(max_examples=200)
@given(st.sampled_from(sorted(BINARY)), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]))
def test_intel_spelling_has_the_destination_first_and_registers_of_4_bytes(name: str, a: int, b: int, size: int) -> None:
    left, right = ({1: "BL", 2: "BX", 4: "EBX"}[size], {1: "CL", 2: "CX", 4: "ECX"}[size])
    before = ["MOV ESI,0x7fffffff", "MOV EDI,-0x80000000", "CMP ESI,EDI"]
    after = ["SETC AL", "SETO DL", "SETZ AH", "SETS DH"]
    test = alone(*before, f"{name.upper()} {left},{right}", *after, arch=INTEL, init=f"0:EBX={a}; 0:ECX={b};")
    env = run(test)
    r, flags = BINARY[name](bits(a, size), bits(b, size), 1, 8 * size)
    assert bits(env["EBX"], 4) == (written(a, r, size) if name not in ("cmp", "test") else a)
    seen = BEFORE | flags
    assert env.get("EAX", 0) == seen["c"] | seen["z"] << 8
    assert env.get("EDX", 0) == seen["o"] | seen["s"] << 8


# ---------------------------------------------------------------- forms


def test_the_two_spellings_of_a_program_are_the_same_program() -> None:
    rows = "P0 | P1 ;\n MOV [x],$1 | MOV [y],$1 ;\n MFENCE | MFENCE ;\n MOV EAX,[y] | MOV EAX,[x] ;"
    att = "P0 | P1 ;\n movl $1,(x) | movl $1,(y) ;\n mfence | mfence ;\n movl (y),%eax | movl (x),%eax ;"
    ours = states(rows, arch=INTEL, tail="exists (0:EAX=0 /\\ 1:EAX=0)")
    assert ours == ["0:EAX=0; 1:EAX=1;", "0:EAX=1; 1:EAX=0;", "0:EAX=1; 1:EAX=1;"]
    assert states(att, tail="exists (0:rax=0 /\\ 1:RAX=0)") == [s.replace("EAX", "rax") for s in ours]


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("lock ; incl (x)", "lock incl (x)"),
        ("lock; xaddl %eax,(x)", "lock xadd %eax,(x)"),
        ("lock cmpxchgl (x),%ecx", "lock cmpxchgl %ecx,(x)"),
        ("xchgl (x),%ecx", "xchg %ecx,[x]"),
        ("movl x(%rip),%eax", "mov (x),%eax"),
        ("MOVL $0x10,[x]", "movl $16,(x)"),
        ("rep; nop", "pause"),
        ("movl %ds:0(%rbx),%eax", "movl (%rbx),%eax"),
    ],
)
def test_forms_that_say_the_same(line: str, plain: str) -> None:
    def body(text: str) -> list[str]:
        found = alone(text, init="0:rbx=x;").threads[0].body
        return [repr(instr).partition(", span=")[0] for instr in found]

    assert body(line) == body(plain)


def test_a_locked_instruction_is_a_pair_in_x_and_an_unlocked_one_is_not() -> None:
    for line, locked in [("lock addl $1,(x)", True), ("xchgl %eax,(x)", True), ("addl $1,(x)", False), ("incl (x)", False)]:
        load, store = [i for i in alone(line).threads[0].body if isinstance(i, Load | Store)]
        assert load.tags == store.tags == ({"X"} if locked else set())
        assert load.pair == store.pair and load.group == store.group
        assert bool(load.pair) == bool(load.group) == locked


def test_unlocked_increments_lose_updates_and_locked_ones_do_not() -> None:
    rows = "P0 | P1 ;\n {0}incl (x) | {0}incl (x) ;"
    assert states(rows.format(""), tail="exists (x=1)") == ["[x]=1;", "[x]=2;"]
    assert states(rows.format("lock "), tail="exists (x=1)") == ["[x]=2;"]


def test_the_read_of_an_increment_comes_before_its_write_locked_or_not() -> None:
    rows = "P0 | P1 | P2 ;\n {0}incl (x) | movl $5,(x) | movl (x),%eax ;\n | | movl (x),%ebx ;"
    for lock in ("", "lock "):
        found = states(rows.format(lock), tail="exists (2:rax=6 /\\ 2:rbx=5)")
        assert "2:rax=6; 2:rbx=5;" not in found
        assert "2:rax=5; 2:rbx=6;" in found


def test_a_spin_lock_by_xchg_excludes() -> None:
    rows = """P0 | P1 ;
      A: movl $1,%eax | B: movl $1,%eax ;
      xchgl %eax,(l)  | xchgl %eax,(l)  ;
      cmpl $0,%eax    | cmpl $0,%eax    ;
      jne A           | jne B           ;
      movl (x),%ebx   | movl (x),%ebx   ;
      addl $1,%ebx    | addl $1,%ebx    ;
      movl %ebx,(x)   | movl %ebx,(x)   ;
      movl $0,(l)     | movl $0,(l)     ;"""
    assert states(rows, tail="exists (x=1)") == ["[x]=2;"]


def test_values_are_shown_in_the_type_declared_and_registers_as_int_unless_all_is_used() -> None:
    lines = "P0 ;\n movl $-1,%eax ;\n movl $-1,(x) ;\n movl $-1,(y) ;\n movq $-1,%rbx ;\n movl %eax,%ecx ;\n movq %rcx,(z) ;"
    tail = "locations [x; y; z; 0:rax; 0:rbx; 0:rcx;] exists (0:rax=-1 /\\ x=-1)"
    found = states(lines, init="uint32_t x; int64_t z;", tail=tail)
    assert found == ["0:rax=-1; 0:rbx=-1; 0:rcx=4294967295; [x]=4294967295; [y]=-1; [z]=4294967295;"]


def test_elements_of_arrays_are_so_many_bytes_apart() -> None:
    rows = "P0 ;\n movq 0(%rax,%rbx,8),%rcx ;\n movq $7,(%rax) ;"
    tail = "locations [t;] exists (0:rcx=-1 /\\ t[0]=7)"
    assert states(rows, init="int64_t t[2]={1,-1}; 0:rax=t; 0:rbx=1;", tail=tail) == ["0:rcx=-1; t[0]=7; t[1]=-1;"]


def test_where_a_test_says_things_is_known_to_the_column() -> None:
    test = parsed("P0 | P1 ;\n movl $1,(x) | L: movl (x),%eax ;\n", tail="exists (1:rax=1)")
    load = next(i for i in test.threads[1].body if isinstance(i, Load))
    assert (load.span.line, load.span.column, load.span.end) == (4, 19, 32)
    assert test.condition.prop.left == RegLoc(1, "rax")  # type: ignore[union-attr]
    assert [g.address for g in test.globals] == [MemLoc(Address("x")).address]


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("arch", "line", "message", "hint"),
    [
        (ATT, "movll $1,(x)", "unknown instruction 'movll'", "did you mean"),
        (INTEL, "MFENSE", "unknown instruction 'mfense'", "did you mean 'mfence'"),
        (ATT, "movntil %eax,(x)", "'movntil' is not supported", "not ordered as TSO"),
        (ATT, "movl (x),(y)", "two operands in memory", "load into a register first"),
        (ATT, "movl %rax,%ebx", "operands of 4 and 8 bytes", "one size"),
        (ATT, "movl %eaxx,%ebx", "there is no register '%eaxx'", "did you mean 'eax'"),
        (INTEL, "MOV RAX,[x]", "X86 has no register 'RAX'", "X86_64"),
        (INTEL, "MOV EAX,x", "'x' is no register", "write [x]"),
        (INTEL, "MOV AL," + "byte ptr " * 2000 + "[x]", "a second size of the same operand", "keep one"),
        (ATT, "lock movl $1,(x)", "lock cannot prefix 'movl'", "cmpxchg"),
        (ATT, "lock incl %eax", "lock cannot prefix an instruction that writes no memory", "of memory"),
        (ATT, "jne L", "P0 has no label 'L'", ""),
        (ATT, "jmp *%rax", "a jump to '*%rax'", "label"),
        (ATT, "movb $256,(x)", "256 does not fit into 1 byte", ""),
        (ATT, "addl $1", "'addl' takes 2 operands", ""),
        (ATT, "mov %eax,$1", "'mov' cannot take a number there", "a register or memory"),
        (ATT, "movl %fs:0(%rax),%eax", "fs or gs", "name the location"),
        (ATT, "btsl %eax,(x)", "a bit of memory by the number in a register", "btsl $0,(x)"),
        (ATT, "movl (4),%eax", "an access to a fixed address", "[x]"),
        (ATT, "movl (%rax,%rbx,3),%eax", "this is no address", ""),
    ],
)
def test_a_line_that_is_not_understood_names_itself(arch: str, line: str, message: str, hint: str) -> None:
    with pytest.raises(CheckerError) as caught:
        alone(line, arch=arch)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.span is not None and caught.value.span.line == 4


def test_accesses_of_different_sizes_are_refused_and_both_named() -> None:
    test = parsed("P0 | P1 ;\n movl $1,(x) | movb (x),%al ;", tail="exists (1:rax=1)")
    with pytest.raises(CheckerError, match="accesses of different sizes to x: 1 byte here, 4 bytes in line 4"):
        check(test, load_model("sc"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P0 | P2 ;\n nop | nop ;", "expected P1 here"),
        ("P0 ;\n nop | nop ;", "a row of 2 columns, with 1 processes"),
        ("P0 ;\n nop ;\n mfence", "a row without its ';'"),
        ("P0 ;\n L: nop ;\n L: nop ;", "the label 'L' is there twice"),
        ("", "there is no process"),
        ("P0 ;\n movl $1,%eax ;\nexists (0:eax=1)", "'eax'"),
    ],
)
def test_rows_that_do_not_fit_are_named(text: str, message: str) -> None:
    with pytest.raises(CheckerError) as caught:
        parsed(text)
    assert message in caught.value.message


def test_initial_values_name_whole_registers_and_numbers_of_their_type() -> None:
    with pytest.raises(CheckerError, match="X86_64 has no register 'eax'"):
        alone("nop", init="0:eax=1;")
    with pytest.raises(CheckerError, match="the initial value 4294967295 of x is no int"):
        alone("movl (x),%eax", init="x=4294967295;")
    with pytest.raises(CheckerError, match="the variant 'mixed' is not supported"):
        parse_test(Source("t.litmus", "X86_64 t\nVariant=mixed\n{}\nP0 ;\n nop ;\nexists (0:rax=0)"))


# ---------------------------------------------------------------- hostile text

GOOD = """X86_64 t
{ x=1; 0:rbx=x; }
 P0 | P1 ;
 lock; xaddl %eax,(x) | L: movl 8(%rbx,%rcx,4),%eax ;
 movzbl %al,%ecx | jne L ;
 cmpxchgq %rcx,(y) | btsl $3,(z) ;
exists (0:rax=1 /\\ x=2)
"""


@settings(max_examples=300)
@given(st.data())
def test_damaged_tests_raise_nothing_but_our_errors(data: st.DataObject) -> None:
    text = GOOD.replace("X86_64", data.draw(st.sampled_from([INTEL, ATT])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 5)))
        piece = data.draw(
            st.one_of(st.text(max_size=3), st.sampled_from(["(", "[", "%", "$", ",", ";", "|", ":", "lock ", "0x", "-", "*"]))
        )
        text = text[:at] + piece + text[end:]
    try:
        check(parse_test(Source("t.litmus", text)), load_model("x86-tso"), Options(states=True, timeout=5))
    except CheckerError as error:
        error.render()


@given(st.text(alphabet="movaddlxchg %$()[],;|:-+*0129xyrebqPTR \n", max_size=40), st.sampled_from([INTEL, ATT]))
def test_any_line_is_read_or_refused(line: str, arch: str) -> None:
    try:
        alone(line, arch=arch)
    except CheckerError as error:
        error.render()
