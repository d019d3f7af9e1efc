"""Conditional code: read as gcc reads it where the condition is known, as either where it is not; and never silent at the gate."""

from __future__ import annotations

import itertools
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from checker.campaign.gate import Finding, Report, Request
from checker.campaign.patched import with_kernel
from checker.campaign.policy import Policy
from checker.campaign.verdicts import Row
from checker.kernel.conditional import evaluate, known, reading
from checker.kernel.mentions import mentions
from checker.kernel.skeleton import own_ops
from checker.kernel.syntax import unit

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "tests" / "kernel"
GCC = shutil.which("gcc")
UNKNOWN = ("CONFIG_ONE", "CONFIG_TWO")
KNOWN = {"CONFIG_SMP": 1, "CONFIG_X86": 1, "CONFIG_X86_64": 1, "CONFIG_64BIT": 1, "CONFIG_MMU": 1}
ATOMS = (
    "0", "1", "defined(CONFIG_SMP)", "defined CONFIG_ARM64", "CONFIG_X86", "IS_ENABLED(CONFIG_ARM64)", "IS_ENABLED(CONFIG_SMP)",
    "defined(CONFIG_ONE)", "CONFIG_TWO", "IS_ENABLED(CONFIG_ONE)", "(2 > 1)", "(3 & 4)", "LOCAL == 3", "!defined(LOCAL)",
)  # fmt: skip


def condition(rng: random.Random, depth: int = 2) -> str:
    if depth == 0 or rng.random() < 0.4:
        return ("!" if rng.random() < 0.3 else "") + rng.choice(ATOMS)
    return f"({condition(rng, depth - 1)} {rng.choice(('&&', '||'))} {condition(rng, depth - 1)})"


def block(rng: random.Random, depth: int, number: itertools.count[int]) -> list[str]:
    lines = []
    for _ in range(rng.randint(1, 3)):
        if depth == 0 or rng.random() < 0.4:
            lines.append(f"s{next(number)}();")
            continue
        opening = rng.choice(("if {}", "if {}", "ifdef CONFIG_ONE", "ifndef CONFIG_TWO", "ifdef CONFIG_ARM64", "ifndef CONFIG_X86"))
        lines += [f"#{opening.format(condition(rng))}", *block(rng, depth - 1, number)]
        if rng.random() < 0.4:
            lines += [f"# elif {condition(rng)} /* a\n comment */", *block(rng, depth - 1, number)]
        if rng.random() < 0.5:
            lines += ["#else // not", *block(rng, depth - 1, number)]
        lines.append("#endif")
    return lines


@pytest.mark.skipif(GCC is None, reason="needs gcc")
@pytest.mark.parametrize("seed", range(12))
def test_what_is_there_is_what_gcc_leaves_under_every_configuration(seed: int) -> None:
    rng = random.Random(seed)
    text = "\n".join(["#define LOCAL 3", *block(rng, 3, itertools.count())]) + "\n"
    read = reading(text.encode(), ("x86",))
    assert len(read.data) == len(text.encode())
    ours = {word for word in read.data.decode().split() if word.startswith("s")}
    sure = {
        word for word in ours
        if not any(arm.start <= read.data.index(word.encode()) < arm.end for arm in read.arms)
    }  # fmt: skip
    ever: set[str] = set()
    always = {word for word in text.split() if word.startswith("s") and word.endswith("();")}
    for setting in itertools.product((False, True), repeat=len(UNKNOWN)):
        names = {**KNOWN, **{name: 1 for name, on in zip(UNKNOWN, setting, strict=True) if on}}
        flags = [f"-D{name}={value}" for name, value in names.items()]
        command = [str(GCC), "-E", "-P", "-undef", "-x", "c", "-DIS_ENABLED(x)=x", *flags, "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        words = {word for word in done.stdout.split() if word.startswith("s")}
        ever |= words
        always &= words
    assert sure <= always
    assert ever <= ours


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x10 == 16 && 010 == 8", True), ("1 ? 0 : 1", False), ("UNKNOWN || 1", True), ("UNKNOWN && 0", False), ("UNKNOWN", None),
        ("-1 < 0", True), ("1 +", None), ("", None), ("F(1) || 1", True), ("F(1)", None), ("~0 == -1", True), ("'a' == 97", True),
        ("2 + 3 * 4 == 14", True), ("1 << 3 == 8", True), ("5 - 2 - 1 == 2", True), ("@", None), ("defined(", None),
        ("1 / 0", None),
    ],
)  # fmt: skip
def test_a_condition_is_true_false_or_not_known(text: str, value: bool | None) -> None:
    assert evaluate(text, lambda name: None) is value


SURE = (
    "CONFIG_X86", "CONFIG_ARM64", "defined CONFIG_SMP", "defined(CONFIG_ARM64)", "defined ( LOCAL )", "LOCAL", "OTHER",
    "0x1F", "017", "0", "1", "2", "65", "'A'",
    *[f"{ask}({name})" for ask in ("IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE") for name in ("CONFIG_SMP", "CONFIG_ARM64")],
)  # fmt: skip
OPERATORS = ("+", "-", "*", "<<", ">>", "&", "|", "^", "==", "!=", "<", ">", "<=", ">=", "&&", "||")


def expression(rng: random.Random, depth: int) -> str:
    """A condition of numbers and of names that are known, with brackets or without. (Not known: what takes more than 64 bits.)"""
    if depth == 0:
        return rng.choice(SURE)
    left, right = (expression(rng, depth - 1) for _ in range(2))
    match rng.randrange(6):
        case 0:
            return f"({left} {rng.choice(OPERATORS)} {right})"
        case 1:
            return f"{rng.choice('!~-+')} {rng.choice(SURE)}"
        case 2:
            return f"({left} ? {right} : {rng.choice(SURE)})"
    return f"{left}{rng.choice((' ', ''))}{rng.choice(OPERATORS)} {right}"


@pytest.mark.skipif(GCC is None, reason="needs gcc")
def test_a_condition_of_known_names_is_worth_what_gcc_finds_it_worth() -> None:
    rng = random.Random(1)
    texts = [
        *SURE,
        "3UL",
        "0xFFu == 255",
        *(f"!{one}" for one in SURE),
        *(expression(rng, depth) for depth in (1, 2, 2, 3) for _ in range(150)),
    ]
    text = "#define LOCAL 3\n#define OTHER 0x10\n" + "\n".join(f"#if {one}\ns{n}\n#endif" for n, one in enumerate(texts)) + "\n"
    asks = [f"-D{ask}(x)=x" for ask in ("IS_ENABLED", "IS_BUILTIN", "IS_REACHABLE")]
    command = [str(GCC), "-E", "-P", "-w", "-undef", "-x", "c", *asks, *[f"-D{name}={value}" for name, value in KNOWN.items()], "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    bad = {int(found) - 3 for found in re.findall(r"<stdin>:(\d+):\d+: error", done.stderr)}  # a shift that is too large
    theirs = set(done.stdout.split())
    for n, one in enumerate(texts):
        if 3 * n not in bad:
            found = evaluate(one, lambda name: known(name, "x86", {"LOCAL": "3", "OTHER": "0x10"}))
            assert found is (f"s{n}" in theirs) or (found is None and ("<<" in one or ">>" in one)), one


WORDS: list[tuple[str, list[str]]] = [
    ("\tsmp_mb();", ["smp_mb"]),
    ("\tx = READ_ONCE(s->a) + READ_ONCE(s->b);", ["READ_ONCE", "READ_ONCE"]),
    ("\tsmp_store_release (&s->a,", ["smp_store_release"]),
    ("\tif (x) smp_rmb(); /* smp_wmb() */", ["smp_rmb"]),
    ("\t/* smp_mb();\n\t smp_mb(); */", []),
    ("\t// smp_mb();", []),
    ('\tg("smp_mb()", \'"\', s->smp_mb());', []),
    ("\tplain(smp_mb);", []),
    ("#define once(x) READ_ONCE(x)", ["READ_ONCE"]),
    ("#define both() do { smp_wmb(); \\\n\tsmp_rmb(); } while (0)", ["smp_wmb", "smp_rmb"]),
    ("#undef smp_mb", ["smp_mb"]),
    ('\tasm volatile("dmb ish" : : : "memory");', ["asm"]),
    ('\tasm("mfence");', ["asm"]),
    ('\tasm("nop" : "=r" (x));', []),
    ("\tp = rcu_dereference_protected(q, READ_ONCE(s->held));", ["rcu_dereference_protected"]),
    ("#ifdef CONFIG_ONE", []),
    ("#else", []),
    ("#endif", []),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_a_word_that_orders_is_mentioned_with_its_line_and_conditions(seed: int) -> None:
    rng = random.Random(seed)
    text, expected = "\n" * rng.randint(0, 1), []
    under: list[str] = []
    for line, words in rng.choices(WORDS, k=rng.randint(1, 12)):
        match line:
            case "#ifdef CONFIG_ONE":
                under.append("ifdef CONFIG_ONE")
            case "#else" if under and ";" not in under[-1]:
                under[-1] += "; else"
            case "#endif" if under:
                under.pop()
            case "#else" | "#endif":
                continue
        for word in words:
            at = next(n for n, one in enumerate(line.split("\n")) if word in one or word == "asm")
            shown = " ".join(re.sub(r"/\*.*?\*/", "", line).split())
            expected.append((text.count("\n") + 1 + at, word, shown.removesuffix(";") if word == "asm" else shown, tuple(under)))
        text += f"{line}\n"
    found = [(one.line, one.word, one.text, one.under) for one in mentions(text.encode())]
    assert sorted(found) == sorted(expected)


def ops(text: str, arch: tuple[str, ...] = ("x86",)) -> list[tuple[str, tuple[str, ...]]]:
    function = unit("x.c", text.encode(), arch).functions["f"]
    return [(op.text, op.inside) for op in own_ops(function) if op.verb == "fence"]


def test_arms_that_are_not_known_are_alternatives() -> None:
    text = "void f(void)\n{\n#ifdef CONFIG_ONE\n\tsmp_rmb();\n#else\n\tsmp_mb();\n#endif\n\tsmp_wmb();\n}\n"
    assert ops(text) == [("smp_rmb()", ("#if",)), ("smp_mb()", ("#else",)), ("smp_wmb()", ())]
    assert ops(text.replace("CONFIG_ONE", "CONFIG_X86")) == [("smp_rmb()", ()), ("smp_wmb()", ())]
    assert ops(text.replace("CONFIG_ONE", "CONFIG_ARM64")) == [("smp_mb()", ()), ("smp_wmb()", ())]
    three = ops(text.replace("#else", "#elif defined(CONFIG_TWO)\n\tsmp_mb__after_atomic();\n#else"))
    assert [inside for _, inside in three] == [("#if",), ("#else", "#if"), ("#else", "#else"), ()]
    both = ops(text.replace("CONFIG_ONE", "CONFIG_ARM64"), ("arm64", "x86"))
    assert both == [("smp_rmb()", ("#if",)), ("smp_mb()", ("#else",)), ("smp_wmb()", ())]


def test_definitions_under_other_conditions_are_alternatives() -> None:
    one, other = "static void f(void) { smp_mb(); }\n", "static void f(void) { }\n"
    assert ops(f"#ifdef CONFIG_ONE\n{one}#else\n{other}#endif\n") == [("smp_mb()", ("#if",))]
    assert ops(f"#ifdef CONFIG_SMP\n{one}#else\n{other}#endif\n") == [("smp_mb()", ())]
    assert ops(f"#ifndef H\n#define H\n{one}#endif\n") == [("smp_mb()", ())]


def test_half_a_statement_under_a_condition_spoils_nothing_behind_it() -> None:
    half = "#ifdef CONFIG_ONE\n\tif (x) {\n#else\n\tif (y) {\n#endif\n\t\tsmp_rmb();\n\t}\n"
    text = f"void g(void)\n{{\n{half}}}\n\nvoid f(void)\n{{\n\tsmp_mb();\n}}\n"
    assert ops(text) == [("smp_mb()", ())]
    broken = "void g(void)\n{\n\tif (x) {\n\tMACRO(\n}\n\nvoid f(void)\n{\n\tsmp_mb();\n}\n"
    assert ops(broken) == [("smp_mb()", ())]


# ---------------------------------------------------------------- the gate

MAIN, VGIC = "virt/kvm/kvm_main.c", "arch/arm64/kvm/vgic/vgic-init.c"
VMX = "arch/x86/kvm/vmx/vmx.c"


@pytest.fixture(scope="module")
def scenarios() -> Report:
    names = ("mmio-bus-exit-after-lock-mb", "emulate-arch-smp-rmb", "vgic-ready-release-acquire")
    files = [str(ROOT / "litmus" / "kvm" / f"{name}.litmus") for name in names]
    return Report(tuple(Row(file, "lkmm", verdict="Never", expected="Never") for file in files), ())


def judged(scenarios: Report, folder: Path, changes: dict[str, tuple[str, str]], tree: Path = TREE) -> list[Finding]:
    """What the gate says of replacing, in each file, one text by another; a file whose text is empty is new."""
    lines = []
    for name, (old, new) in changes.items():
        path = tree / name
        before = path.read_text() if path.is_file() else ""
        assert old in before
        after = before.replace(old, new, 1) if before else new
        for side, text in (("a", before), ("b", after)):
            (folder / side / name).parent.mkdir(parents=True, exist_ok=True)
            if text:
                (folder / side / name).write_text(text)
    done = subprocess.run(["git", "diff", "--no-index", "--no-prefix", "a", "b"], cwd=folder, capture_output=True, text=True)
    lines.append(done.stdout)
    patch = folder / "x.patch"
    patch.write_text("".join(lines))
    return list(with_kernel(scenarios, str(tree), str(patch), Request(()), Policy()).findings)


def said(findings: list[Finding]) -> str:
    return "\n".join(f"{f.level} {f.kind} {f.kernel} {f.message}" for f in findings)


FENCE = "\tsmp_mb__after_srcu_read_lock();\n"
TOP = "#include <linux/kvm_host.h>\n"


def below(text: str) -> tuple[str, str]:
    """`text` behind the first include."""
    return TOP, TOP + text


@pytest.mark.parametrize(
    ("around", "kind"),
    [
        (("#if 0\n", "#endif\n"), "harmful"),
        (("#ifdef CONFIG_ARM64\n", "#endif\n"), "harmful"),
        (("#ifdef CONFIG_KVM_FAST\n", "#endif\n"), "harmful"),
        (("#ifndef CONFIG_SMP\n", "#endif\n"), "harmful"),
        (("#if !defined(CONFIG_SMP)\n", "#endif\n"), "harmful"),
        (("#ifdef CONFIG_X86\n\tcpu_relax();\n#elif defined(CONFIG_KVM_FAST)\n", "#endif\n"), "harmful"),
        (("#ifdef CONFIG_SMP\n", "#endif\n"), ""),
        (("#if 1\n", "#endif\n"), ""),
        (("\tif (IS_ENABLED(CONFIG_KVM_FAST))\n\t", ""), "harmful"),
    ],
)
def test_a_barrier_put_under_a_condition_is_judged(scenarios: Report, tmp_path: Path, around: tuple[str, str], kind: str) -> None:
    text = (TREE / MAIN).read_text()
    fence = next(
        line for line in text.splitlines(keepends=True) if "smp_mb__after_srcu_read_lock" in line and line.startswith("\t")
    )
    findings = judged(scenarios, tmp_path, {MAIN: (fence, around[0] + fence + around[1])})
    assert {f.kind for f in findings if f.level == "block"} == ({kind} if kind else set()), said(findings)


@pytest.mark.parametrize(
    "changes",
    [
        {MAIN: below("#define smp_mb__after_srcu_read_lock() do { } while (0)\n")},
        {MAIN: below("#undef READ_ONCE\n#define READ_ONCE(x) (x)\n")},
        {MAIN: below("#define smp_rmb barrier\n")},
        {MAIN: below("#define raw_spin_unlock_irq_rcu_node(...) do { } while (0)\n")},
        {"include/linux/kvm_order.h": ("", "#define smp_mb__after_srcu_read_lock() do { } while (0)\n")},
        {"include/linux/kvm_order.h": ("", "static inline void smp_rmb(void) { }\n")},
        {"arch/arm64/kvm/hyp.S": ("", "\tdmb ish\n\tret\n")},
        {MAIN: below('#define relax() asm volatile("" ::: "memory")\n')},
        {MAIN: below('void order(void)\n{\n\tasm volatile("dmb ishld");\n}\n')},
    ],
)  # fmt: skip
def test_a_word_that_orders_does_not_change_in_silence(
    scenarios: Report, tmp_path: Path, changes: dict[str, tuple[str, str]]
) -> None:
    findings = judged(scenarios, tmp_path, changes)
    assert any(f.kind == "review" and f.kernel and f.kernel[0] in changes for f in findings), said(findings)


@pytest.mark.parametrize(
    "changes",
    [
        {VGIC: ("\tmutex_lock(&kvm->slots_lock);\n", "\tif (!kvm)\n\t\treturn -EINVAL;\n\n\tmutex_lock(&kvm->slots_lock);\n")},
        {MAIN: below("/* smp_rmb() and READ_ONCE() */\n")},
        {MAIN: below("#include <linux/smp.h>\n#define KVM_X 1\n")},
        {MAIN: below("\nstatic int kvm_x(int x)\n{\n\treturn x + 1;\n}\n")},
        {MAIN: below('static const char said[] = "call_srcu(): twice";\nvoid kvm_x_release(struct kvm *kvm);\n')},
        {MAIN: ("\tfound = bus_search(bus, addr);\n", "\tkvm_x_release(vcpu);\n\tfound = bus_search(bus, addr);\n")},
        {MAIN: ("\tsmp_mb__after_srcu_read_lock();\n", "\tsmp_mb__after_srcu_read_lock();  /* pairs with the grace period */\n")},
    ],
)  # fmt: skip
def test_what_orders_nothing_is_not_told(scenarios: Report, tmp_path: Path, changes: dict[str, tuple[str, str]]) -> None:
    assert judged(scenarios, tmp_path, changes) == []


def grown(folder: Path, name: str, text: str) -> Path:
    """The miniature kernel with one file more, or one that is longer."""
    made = folder / "tree"
    shutil.copytree(TREE, made)
    with (made / name).open("a") as stream:
        stream.write(text)
    return made


@pytest.mark.parametrize(("defines", "told"), [("#define smp_rmb() barrier()\n", True), ("int kvm_x(int x);\n", False)])
def test_an_include_that_gives_words_another_meaning_needs_review(
    scenarios: Report, tmp_path: Path, defines: str, told: bool
) -> None:
    tree = grown(tmp_path, "arch/x86/kvm/half.h", defines)
    first = "#include <linux/kvm_host.h>\n"
    findings = judged(scenarios, tmp_path, {VMX: (first, f'{first}#include "../half.h"\n')}, tree)
    assert [(f.kind, f.kernel) for f in findings] == ([("review", (VMX, 2))] if told else []), said(findings)


def test_an_arm_that_is_no_alternative_does_not_change_in_silence(scenarios: Report, tmp_path: Path) -> None:
    half = "\nvoid h(int x)\n{\n#ifdef CONFIG_ONE\n\tif (x) {\n#else\n\tsmp_rmb();\n\tif (!x) {\n#endif\n\t\tg();\n\t}\n}\n"
    findings = judged(
        scenarios, tmp_path, {MAIN: ("\tsmp_rmb();\n\tif (!x)", "\tsmp_wmb();\n\tif (!x)")}, grown(tmp_path, MAIN, half)
    )
    assert {f.kind for f in findings} == {"review"}, said(findings)


HELPED = """
static void publish(struct kvm *kvm)
{
	smp_wmb();
	kvm->b = 1;
}

void g(struct kvm *kvm)
{
	kvm->a = 1;
	publish(kvm);
	count(kvm);
}

static int fail(struct kvm *kvm)
{
	mutex_unlock(&kvm->m);
	return -EINVAL;
}

int h(struct kvm *kvm)
{
	mutex_lock(&kvm->m);
	if (kvm->x)
		return fail(kvm);
	kvm->a = 1;
	kvm->b = 1;
	mutex_unlock(&kvm->m);
	return 0;
}
"""


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ("\tkvm->a = 1;\n\tpublish(kvm);\n", "\tpublish(kvm);\n\tkvm->a = 1;\n", {"uncovered"}),
        ("\tkvm->a = 1;\n\tpublish(kvm);\n\tcount(kvm);\n", "\tcount(kvm);\n\tkvm->a = 1;\n\tpublish(kvm);\n", {"uncovered"}),
        ("\tkvm->b = 1;\n\tmutex", "\tif (kvm->y)\n\t\treturn 1;\n\tmutex", {"uncovered"}),
        ("\tkvm->b = 1;\n\tmutex", "\tif (kvm->y)\n\t\treturn fail(kvm);\n\tmutex", set()),
        ("\tkvm->a = 1;\n\tpublish(kvm);\n", "\tpublish(kvm);\n", set()),
        ("\tkvm->a = 1;\n", "\tkvm->a = 1;\n\tkvm->c = 1;\n", set()),
    ],
)  # fmt: skip
def test_code_that_passes_a_fence_in_a_helper_is_uncovered(
    scenarios: Report, tmp_path: Path, old: str, new: str, kinds: set[str]
) -> None:
    findings = judged(scenarios, tmp_path, {MAIN: (old, new)}, grown(tmp_path, MAIN, HELPED))
    assert {f.kind for f in findings} == kinds, said(findings)


REST = "\tsmp_store_release(&dist->ready, true);\n"
HEAD = "int kvm_vgic_map_resources(struct kvm *kvm)\n"
CALL = ("\tret = map_regions(kvm);\n", "\tret = map_regions(kvm);\n\tset_it({});\n")


@pytest.mark.parametrize(
    "changes",
    [
        (REST, f"{REST}\tmemset(dist, 0, sizeof(*dist));\n"),
        (REST, f"{REST}\tmemset(&kvm->arch.vgic, 0, sizeof(kvm->arch.vgic));\n"),
        (REST, f"\t*dist = (struct vgic_dist){{ }};\n{REST}"),
        (REST, f"\tkvm->arch.vgic = empty;\n{REST}"),
        (REST, f"{{\n\tstruct vgic_dist *other = dist;\n\tmemcpy(other, &empty, sizeof(empty));\n}}\n{REST}"),
        (REST, f"\tbool *flag = &dist->ready;\n\t*flag = true;\n{REST}"),
        (REST, f"\tbool *flag;\n\tflag = &dist->ready;\n\t(*flag)++;\n{REST}"),
        (REST, f"\tbool *flag = &dist->ready, *same = flag;\n\tWRITE_ONCE(*same, true);\n{REST}"),
        (HEAD, f"static void set_it(bool *p)\n{{\n\t*p = true;\n}}\n\n{HEAD}", CALL[0], CALL[1].format("&dist->ready")),
        (HEAD, f"static void set_it(struct vgic_dist *p)\n{{\n\tmemset(p, 0, 8);\n}}\n\n{HEAD}", CALL[0], CALL[1].format("dist")),
        (HEAD, f"#define set_it(p) (*(p) = true)\n\n{HEAD}", CALL[0], CALL[1].format("&dist->ready")),
    ],
)  # fmt: skip
def test_a_write_by_another_name_of_what_a_test_has_needs_review(
    scenarios: Report, tmp_path: Path, changes: tuple[str, ...]
) -> None:
    text = new = (TREE / VGIC).read_text()
    for old, made in zip(changes[::2], changes[1::2], strict=True):
        assert old in new
        new = new.replace(old, made, 1)
    findings = judged(scenarios, tmp_path, {VGIC: (text, new)})
    assert any(f.kind == "review" for f in findings), said(findings)


@pytest.mark.parametrize(
    "more",
    [
        "\tmemset(&local, 0, sizeof(local));\n",
        "\tmemcpy(kvm->name, name, sizeof(name));\n",
        "\t*out = 1;\n",
        "\tbool *flag = &dist->other;\n\t*flag = true;\n",
        "\tkvm->dist = dist;\n",
    ],
)
def test_a_write_of_something_else_is_no_matter(scenarios: Report, tmp_path: Path, more: str) -> None:
    findings = judged(scenarios, tmp_path, {VGIC: (REST, more + REST)})
    assert not any(f.level == "block" for f in findings), said(findings)


def test_a_lock_of_another_flavour_is_told(scenarios: Report, tmp_path: Path) -> None:
    findings = judged(scenarios, tmp_path, {VGIC: ("mutex_lock(&kvm->slots_lock)", "mutex_lock_killable(&kvm->slots_lock)")})
    assert [(f.kind, f.level) for f in findings] == [("harmless", "note")], said(findings)
    assert "mutex_lock(&kvm->slots_lock) becomes mutex_lock_killable(&kvm->slots_lock) in " in findings[0].message


def test_a_jump_past_a_lock_that_no_test_has_needs_review(scenarios: Report, tmp_path: Path) -> None:
    unlock = "out_slots:\n\tmutex_unlock(&kvm->slots_lock);\n"
    findings = judged(scenarios, tmp_path, {VGIC: (unlock, f"\tif (ret > 1)\n\t\tgoto end;\n{unlock}end:\n")})
    assert any(f.kind == "review" and "mutex_unlock(&kvm->slots_lock)" in f.message for f in findings), said(findings)


def test_a_helper_that_gets_an_empty_twin_needs_review(scenarios: Report, tmp_path: Path) -> None:
    text = (TREE / MAIN).read_text()
    start = text.index("static struct kvm_io_bus *kvm_get_bus_srcu")
    helper = text[start : text.index("\n}\n", start) + 3]
    twin = helper.replace("\tsmp_mb__after_srcu_read_lock();\n", "")
    assert twin != helper
    findings = judged(scenarios, tmp_path, {MAIN: (helper, f"#ifdef CONFIG_KVM_SAFE\n{helper}#else\n{twin}#endif\n")})
    assert any(f.level == "block" for f in findings), said(findings)


LOCKED = """
void g(struct srcu_struct *ssp)
{
	raw_spin_lock_irq_rcu_node(ssp->sup);
	ssp->a = 1;
	raw_spin_unlock_irq_rcu_node(ssp->sup);
}
"""


def test_a_lock_that_no_table_has_becomes_another_lock(scenarios: Report, tmp_path: Path) -> None:
    other = LOCKED.replace("ssp->sup)", "ssp->other)")
    findings = judged(scenarios, tmp_path, {MAIN: (LOCKED, other)}, grown(tmp_path, MAIN, LOCKED))
    assert {f.kind for f in findings if f.level == "warning"} == {"uncovered"}, said(findings)
    assert any("raw_spin_lock_irq_rcu_node(ssp->sup) is removed" in f.message for f in findings), said(findings)


FALSE = """
void g(struct kvm *kvm)
{
#ifdef CONFIG_X86
	cpu_relax();
#elif defined(CONFIG_S390)
	kvm->a = kvm->b;
	smp_rmb();
	kvm->c = kvm->d;
	smp_rmb();
	kvm->e = 1;
#endif
}
"""


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ("\tkvm->a = kvm->b;\n\tsmp_rmb();\n\tkvm->c = kvm->d;\n", "\tkvm->c = kvm->d;\n\tsmp_rmb();\n\tkvm->a = kvm->b;\n", 2),
        ("\tkvm->e = 1;\n", "\tkvm->e = 2;\n", 1),
        ("\tsmp_rmb();\n\tkvm->e", "\tsmp_wmb();\n\tkvm->e", 2),
        ("\tsmp_rmb();\n\tkvm->e", "\n\tsmp_rmb();  /* once more */\n\n\tkvm->e", 0),
        ("\tcpu_relax();\n", "\tcpu_relax();\n\tcpu_relax();\n", 0),
    ],
)
def test_what_stands_beside_a_fence_that_no_function_shows_does_not_change_in_silence(
    scenarios: Report, tmp_path: Path, old: str, new: str, count: int
) -> None:
    findings = judged(scenarios, tmp_path, {VMX: (FALSE, FALSE.replace(old, new))}, grown(tmp_path, VMX, FALSE))
    assert [f.kind for f in findings] == ["review"] * count, said(findings)


EMULATE = "handle_invalid_guest_state"


def test_a_function_that_gets_another_name_is_what_it_was(scenarios: Report, tmp_path: Path) -> None:
    text = (TREE / VMX).read_text()
    findings = judged(scenarios, tmp_path, {VMX: (text, text.replace(EMULATE, "emulate"))})
    assert {(f.kind, f.level) for f in findings} == {("drift", "warning")}, said(findings)
    assert all(f"{VMX}:{EMULATE} is {VMX}:emulate" in f.message for f in findings)
    weaker = text.replace(EMULATE, "emulate").replace("\tsmp_rmb();\n", "")
    assert any(f.level == "block" for f in judged(scenarios, tmp_path, {VMX: (text, weaker)}))


USED = "\nint kvm_x(struct kvm_vcpu *vcpu)\n{\n\treturn handle_invalid_guest_state(vcpu);\n}\n"


@pytest.mark.parametrize("twin", [True, False])
def test_a_name_that_means_another_function_now_is_not_only_a_name(scenarios: Report, tmp_path: Path, twin: bool) -> None:
    tree = grown(tmp_path, VMX, USED)
    text = (tree / VMX).read_text()
    begin = text.index(f"static int {EMULATE}")
    whole = text[begin : text.index("\n}\n", begin) + 3]
    assert "\tsmp_rmb();\n" in whole
    weaker = whole.replace("\tsmp_rmb();\n", "")
    new = text.replace(whole, whole.replace(EMULATE, "emulate") + "\n" + (weaker.replace(EMULATE, "weaker") if twin else ""))
    new = new.replace(f"return {EMULATE}", "return weaker") if twin else new
    findings = judged(scenarios, tmp_path, {VMX: (text, new)}, tree)
    assert any(f.level == "block" for f in findings), said(findings)


@pytest.mark.parametrize(
    ("define", "told"),
    [
        ("#define kvm_get_bus_srcu(...) (kvm->buses[0])\n", True),
        ("#define kvm_get_bus_srcu weaker\n", True),
        ("#define bus_search(bus, addr) 0\n", True),
        ("#define kvm_get_bus_srcu kvm_get_bus_srcu\n", False),
        ("#define kvm_get_bus_weakly(...) (kvm->buses[0])\n", False),
        ("#ifdef CONFIG_S390\n#define kvm_get_bus_srcu weaker\n#endif\n", False),
    ],
)
def test_a_macro_with_a_functions_name_needs_review(scenarios: Report, tmp_path: Path, define: str, told: bool) -> None:
    first = "int kvm_io_bus_write("
    findings = judged(scenarios, tmp_path, {MAIN: (first, define + first)})
    assert bool([f for f in findings if f.kind == "review" and "#define of " in f.message]) is told, said(findings)


def test_a_function_that_becomes_a_macro_is_compared_with_it(scenarios: Report, tmp_path: Path) -> None:
    found = "static int bus_search(struct kvm_io_bus *bus, gpa_t addr)\n"
    text = (TREE / MAIN).read_text()
    begin = text.index(found)
    whole = text[begin : text.index("\n}\n", begin) + 3]
    findings = judged(scenarios, tmp_path, {MAIN: (whole, "#define bus_search(bus, addr) search_in(bus->range, addr)\n")})
    assert not any("#define of " in f.message for f in findings), said(findings)


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ("\tpublish(kvm);\n\tcount(kvm);\n", "\tcount(kvm);\n", {"uncovered"}),
        ("\tpublish(kvm);\n", "\tif (kvm->y)\n\t\tpublish(kvm);\n", {"uncovered"}),
        ("\tpublish(kvm);\n\tcount", "\tkvm->b = 1;\n\tcount", {"uncovered"}),
        ("\tpublish(kvm);\n\tcount", "\tsmp_mb();\n\tkvm->b = 1;\n\tcount", {"unasked"}),
        ("\tpublish(kvm);\n\tcount(kvm);\n", "\tpublish(kvm);\n", set()),
        ("\tcount(kvm);\n", "\tcount(kvm);\n\tcount(kvm);\n", set()),
    ],
)
def test_a_call_that_ordered_is_missed(scenarios: Report, tmp_path: Path, old: str, new: str, kinds: set[str]) -> None:
    findings = judged(scenarios, tmp_path, {MAIN: (old, new)}, grown(tmp_path, MAIN, HELPED))
    assert {f.kind for f in findings} == kinds, said(findings)


def test_a_signal_that_is_no_store_is_an_error_where_the_patch_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "signal.litmus"
    scenario = ROOT / "litmus" / "kvm" / "mmio-bus-exit-after-lock-mb.litmus"
    path.write_text(scenario.read_text().replace("Signal: P0 = registered", "Signal: P0 = slots_lock"))
    rows = (Row(str(path), "lkmm", verdict="Never", expected="Never"),)
    findings = judged(Report(rows, ()), tmp_path, {MAIN: below("#define KVM_X 1\n")})
    assert [(f.kind, f.level) for f in findings] == [("error", "error")], said(findings)
    assert (findings[0].path, findings[0].message) == (str(path), "this signal is no store of the test")
