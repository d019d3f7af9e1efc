"""C tests written as assembly: the same states, whatever scenario, and what cannot be written is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from checker import CheckerError, Options, check, load_model, load_test
from checker.cli import cli
from checker.core.source import Source
from checker.isa.aarch64.compile import AArch64
from checker.isa.compile import export
from checker.isa.ppc.compile import Power
from checker.isa.riscv.compile import RiscV
from checker.isa.text import Exported
from checker.isa.x86.compile import X86
from checker.parse.litmus import parse_test
from checker.program import ir

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted((ROOT / "litmus").glob("**/*.litmus"))
TARGETS = {"aarch64": (AArch64, "aarch64"), "ppc": (Power, "ppc"), "riscv": (RiscV, "riscv"), "x86_64": (X86, "x86-tso")}
PROTOCOLS = re.compile(r"'(\w*rcu\w*|kfree|kvfree)'(: no machine| is a protocol)|the address of this access is computed")
STATES = Options(states=True, unroll=1)


def exported(test: ir.Test, arch: str) -> Exported:
    machine, model = TARGETS[arch]
    return export(test, load_model(model), machine)


def states_in_c(test: ir.Test, arch: str, made: Exported) -> list[list[str]]:
    """The states of the C test, every place under its name in the assembly test."""
    names = {str(loc).strip("[]"): name for loc, name in made.places.items()}
    result = check(test, load_model(TARGETS[arch][1]), STATES)
    pairs = [[part.rstrip(";").split("=") for part in state.split()] for state in result.states or ()]
    return sorted(sorted(f"{names[k.strip('[]')]}={v}" for k, v in state) for state in pairs)


def states_in_assembly(arch: str, made: Exported) -> list[list[str]]:
    result = check(parse_test(Source("made", made.text)), load_model(TARGETS[arch][1]), STATES)
    return sorted(sorted(re.sub(r"^\[(\w+)\]", r"\1", part.rstrip(";")) for part in state.split()) for state in result.states or ())


@pytest.mark.parametrize("arch", TARGETS)
@pytest.mark.parametrize("path", SCENARIOS, ids=[p.stem for p in SCENARIOS])
def test_a_scenario_has_the_same_states_in_assembly_or_is_a_protocol(path: Path, arch: str) -> None:
    test = load_test(path)
    try:
        made = exported(test, arch)
    except CheckerError as refused:
        why = refused
    else:
        assert states_in_assembly(arch, made) == states_in_c(test, arch, made)
        return
    assert PROTOCOLS.match(why.message)
    assert why.span is not None
    assert why.span.line > 1


STATEMENTS = (
    "r0 = READ_ONCE(*x);", "r1 = READ_ONCE(*y);", "WRITE_ONCE(*x, 1);", "WRITE_ONCE(*y, r0 + 1);", "*x = 2;", "r1 = *y;",
    "r0 = smp_load_acquire(x);", "smp_store_release(y, 1);", "smp_mb();", "smp_rmb();", "smp_wmb();", "barrier();",
    "mb();", "rmb();", "wmb();", "dma_rmb();", "r0 = atomic_fetch_sub(r1, a);", "r1 = atomic_fetch_and(r0, a);",
    "r0 = xchg(x, 1);", "r1 = xchg_relaxed(y, 2);", "r0 = cmpxchg(x, 0, 2);", "r1 = cmpxchg_acquire(y, 1, r0);",
    "atomic_inc(a);", "atomic_sub(2, a);", "r0 = atomic_fetch_add(1, a);", "r1 = atomic_inc_return_release(a);",
    "atomic_or(6, a);", "r0 = atomic_fetch_and(3, a);", "r1 = atomic_fetch_andnot(1, a);", "atomic_xor(1, a);",
    "set_bit(3, m);", "r0 = test_and_clear_bit(0, m);", "r1 = atomic_dec_and_test(a);", "this_cpu_inc(*m);",
    "r1 = (r0 == 1);", "r0 = r1 < r0;", "r1 = !r0;", "r0 = r1 ^ r0;", "r1 = (r0 & 1) | 4;", "r0 = r1 - 1;", "r1 = r0 - r1;",
    "spin_lock(l); WRITE_ONCE(*x, 3); spin_unlock(l);", "if (r0 == 0) { WRITE_ONCE(*x, 4); }",
    "if (r0 && r1) { r1 = READ_ONCE(*x); } else { r0 = READ_ONCE(*y); }", "i = srcu_read_lock(s); srcu_read_unlock(s, i);",
)  # fmt: skip


def text_of(*bodies: list[str]) -> str:
    params = "int *x, int *y, atomic_t *a, unsigned long *m, spinlock_t *l, struct srcu_struct *s"
    processes = "".join(f"P{n}({params})\n{{\n\tint r0; int r1; int i;\n\t{' '.join(body)}\n}}\n" for n, body in enumerate(bodies))
    return f"C t\n{{ a=1; m=1; }}\n{processes}locations [x; y; a; m; 0:r1; 1:r1;]\nexists (0:r0=1 /\\ 1:r0=0)\n"


bodies = st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=3)


@settings(max_examples=80)
@given(bodies, bodies)
def test_what_is_written_in_assembly_means_what_the_c_means(first: list[str], second: list[str]) -> None:
    test = parse_test(Source("t", text_of(first, second)))
    for arch in TARGETS:
        made = exported(test, arch)
        in_c, in_assembly = states_in_c(test, arch, made), states_in_assembly(arch, made)
        if arch == "aarch64" and "if" in test.source.text:  # a control dependency does not end with the if
            assert all(state in in_c for state in in_assembly)
        else:
            assert in_assembly == in_c


CASTS = ("(s8)", "(u8)", "(short)", "(unsigned short)", "(int)", "(unsigned int)", "(long)")


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "&", "|", "^", "==", "!=", "<", ">", "<=", ">=", "&&", "||"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, binary, inner),
        st.builds("{}({})".format, st.sampled_from(["-", "~", "!", *CASTS]), inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("({} {})".format, inner, st.sampled_from(["* 4", "* 1", ">> 1", "& ~6", "<< 2"])),
    )


EXPRESSIONS = st.recursive(st.sampled_from(["r0", "r1", "0", "1", "3", "-1", "70000", "-70000"]), _larger, max_leaves=5)
COMPUTED = """C computed
{{ }}
P0(int *x, int *y, int *z) {{ int r0 = READ_ONCE(*x); int r1 = READ_ONCE(*y); int r2 = {}; if ({}) {{ *z = 1; }} }}
P1(int *x, int *y) {{ WRITE_ONCE(*x, -5); WRITE_ONCE(*y, 70001); }}
locations [0:r2; z;]
exists (0:r0=-5)
"""


@settings(max_examples=120)
@given(EXPRESSIONS, EXPRESSIONS)
def test_what_is_computed_in_assembly_is_what_c_computes(value: str, condition: str) -> None:
    for arch in TARGETS:
        try:
            test = parse_test(Source("t", COMPUTED.format(value, condition)))
            made = exported(test, arch)
            in_c = states_in_c(test, arch, made)
        except CheckerError:  # what C leaves undefined, or what no instruction computes
            reject()
        assert states_in_assembly(arch, made) == in_c, made.text


@pytest.mark.parametrize("arch", TARGETS)
def test_pointers_arrays_and_names_of_registers_are_no_trouble(arch: str) -> None:
    text = """C t
{ int z[2] = {3, 4}; rax=1; X1=2; p=rax; }
P0(int **p, int *X1, int *z) { int *q; int r0; q = READ_ONCE(*p); r0 = READ_ONCE(*q); WRITE_ONCE(z[1], r0); }
P1(int **p, int *X1, int *z) { int r1; smp_store_release(p, X1); r1 = READ_ONCE(z[1]); }
locations [0:q; z[1]; p;]
forall (0:r0=1 \\/ 0:r0=2 \\/ ~(1:r1!=4))
"""
    test = parse_test(Source("t", text))
    made = exported(test, arch)
    in_c = [[part.replace("=rax", "=v_rax").replace("=X1", "=v_X1") for part in state] for state in states_in_c(test, arch, made)]
    assert states_in_assembly(arch, made) == in_c
    assert "rax is v_rax" in made.text


@pytest.mark.parametrize("arch", TARGETS)
def test_what_fails_is_filtered_away_together_with_the_filter_of_the_test(arch: str) -> None:
    text = """C t
{}
P0(int *x, spinlock_t *l) { int r0; spin_lock(l); r0 = READ_ONCE(*x); WRITE_ONCE(*x, r0 + 1); spin_unlock(l); }
P1(int *x, spinlock_t *l) { int r0; spin_lock(l); r0 = READ_ONCE(*x); WRITE_ONCE(*x, r0 + 1); spin_unlock(l); }
filter (0:r0=1)
exists (x=2)
"""
    test = parse_test(Source("t", text))
    made = exported(test, arch)
    assert states_in_assembly(arch, made) == states_in_c(test, arch, made) == [[f"{made.places[test.condition.prop.left]}=2"]]  # type: ignore[union-attr]


def test_instructions_are_those_that_a_compiler_takes() -> None:
    body = "int r0 = READ_ONCE(*x); if (r0 == 0) { WRITE_ONCE(*x, 1); } rmb(); wmb(); mb(); barrier();"
    test = parse_test(Source("t", f"C t\n{{}}\nP0(int *x) {{ {body} }}\nexists (x=1)\n"))
    lines = {arch: [line.strip(" ;") for line in exported(test, arch).text.split("\n")] for arch in TARGETS}
    assert [line for line in lines["x86_64"] if line.endswith("fence")] == ["lfence", "sfence", "mfence"]
    assert [line for line in lines["aarch64"] if line.startswith("DSB")] == ["DSB LD", "DSB ST", "DSB SY"]
    assert [line.split()[0] for line in lines["aarch64"] if line.startswith("CB")] == ["CBNZ"]
    assert not [line for line in lines["aarch64"] if line.startswith("CMP")]


REFUSED = {
    "synchronize_rcu();": "'synchronize_rcu' is a protocol",
    "call_rcu(h, P1);": "'call_rcu' is a protocol",
    "cleanup_srcu_struct(s);": "'cleanup_srcu_struct' is a protocol",
    "kfree(x);": "'kfree': no machine",
    "r0 = atomic_add_unless(a, 1, 0);": "'atomic_add_unless' cannot be written",
    "r0 = r0 / 2;": "the operation 'div'",
}


@pytest.mark.parametrize("arch", TARGETS)
@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_no_instruction_is_refused_by_name_and_place(statement: str, arch: str) -> None:
    params = "int *x, atomic_t *a, struct rcu_head *h, struct srcu_struct *s"
    text = f"C t\n{{}}\nP0({params})\n{{\n\tint r0;\n\t{statement}\n}}\nP1(int *x)\n{{\n}}\nexists (0:r0=0)\n"
    with pytest.raises(CheckerError) as refused:
        exported(parse_test(Source("t", text)), arch)
    assert REFUSED[statement] in refused.value.message
    assert refused.value.span is not None
    assert refused.value.span.line == 6


def test_too_many_variables_for_the_machine_are_an_error() -> None:
    locals_ = "".join(f"int r{n}; " for n in range(40))
    reads = "".join(f"r{n} = READ_ONCE(*x); " for n in range(40))
    text = f"C t\n{{}}\nP0(int *x) {{ {locals_}{reads} }}\nexists (0:r39=0)\n"
    for arch in TARGETS:
        with pytest.raises(CheckerError, match="more registers than"):
            exported(parse_test(Source("t", text)), arch)


def test_assembly_is_not_compiled_again() -> None:
    made = exported(load_test(ROOT / "litmus/virtio/kick-mb.litmus"), "aarch64")
    with pytest.raises(CheckerError, match="AArch64 already"):
        exported(parse_test(Source("t", made.text)), "aarch64")


def test_the_command_prints_or_writes_files_and_tells_what_it_could_not(tmp_path: Path) -> None:
    good, bad = (str(ROOT / "litmus" / name) for name in ("virtio/kick-mb.litmus", "kvm/mmio-bus-exit-synchronize.litmus"))
    runner = CliRunner()
    printed = runner.invoke(cli, ["compile", "--arch", "aarch64", good])
    assert printed.exit_code == 0
    assert printed.stdout.startswith("AArch64 kick-mb\n")
    some = runner.invoke(cli, ["compile", "--arch", "x86_64", "-o", str(tmp_path / "made"), bad, good])
    assert some.exit_code == 2
    assert "'synchronize_srcu' is a protocol" in some.stderr
    assert [p.name for p in (tmp_path / "made").iterdir()] == ["kick-mb.litmus"]
    assert runner.invoke(cli, ["run", "-m", "x86-tso", str(tmp_path / "made")]).exit_code == 0
    assert runner.invoke(cli, ["compile", "--arch", "vax", good]).exit_code == 2
    (tmp_path / "file").write_text("")
    assert runner.invoke(cli, ["compile", "--arch", "aarch64", "-o", str(tmp_path / "file"), good]).exit_code != 0
