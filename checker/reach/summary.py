"""What a function does to memory, in order, by itself: each access, each thing that orders, each call.

A `Step` says where by a path as it is written, with the declared type of the variable it begins at; what place that is, is for
places.py to say. So a summary depends on the text of one file alone, is made once, and kept under its digest.

    summaries(types, "virt/kvm/kvm_main.c")["kvm_vcpu_wake_up"].steps
        Step("call", "rcuwait_wake_up", None, …)    Step("write", "once", Path("vcpu", "struct kvm_vcpu*", ("->ready",)), …)
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from checker.core.source import LimitExceeded
from checker.kernel.conditional import architectures
from checker.kernel.primitives import ACCESSES, CALL, DEFER, FREE, READ, SILENT, TRANSPARENT, WHOLE, WRITE, primitive
from checker.kernel.syntax import Function
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
    Jump,
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
from checker.reach.types import Types

MAX_STEPS = 3000
PER_CPU = frozenset({"per_cpu_ptr", "this_cpu_ptr", "raw_cpu_ptr", "get_cpu_ptr", "per_cpu", "get_cpu_var"})
"""What gives a variable, or a pointer to one, of some CPU: include/linux/percpu-defs.h."""
CONTAINERS = frozenset(
    {"container_of", "container_of_const", "list_entry", "list_first_entry", "list_last_entry", "hlist_entry", "rb_entry"}
)
GUARDS = {"mutex": "mutex", "srcu": "srcu", "rcu": "rcu", "rwsem_read": "read", "rwsem_write": "write", "read_lock": "read",
          "write_lock": "write"}  # fmt: skip


class Path(Struct, frozen=True, array_like=True):
    """Where an access goes: from variable `root`, of the declared `type` (empty: it is no local one; "f()": what the function f
    gives), by `steps`: "->member", ".member", "[]", "*", "&"."""

    root: str
    type: str = ""
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = self.root
        for step in self.steps:
            text = f"{step}{text}" if step in ("*", "&") else text + step
        return text

    def then(self, step: str) -> Path:
        """The path one step further; `&` and `*` undo each other."""
        if self.steps and (self.steps[-1], step) in (("&", "*"), ("*", "&")):
            return Path(self.root, self.type, self.steps[:-1])
        if self.steps and self.steps[-1] == "&" and step[:2] == "->":
            return Path(self.root, self.type, (*self.steps[:-1], f".{step[2:]}"))
        if self.steps and self.steps[-1] == "&" and step == "[]":  # (&x->a)[i]
            return Path(self.root, self.type, self.steps[:-1])
        return Path(self.root, self.type, (*self.steps, step))


class Step(Struct, frozen=True, array_like=True):
    """One thing that is done: `verb` and `strength` as in kernel/primitives.py, `name` the primitive or function called (empty: a
    plain access). `arms` are the branches and loops it stands in, "if@LINE", outermost first; `args` are the paths that a call
    gets; of a call through a pointer, whose name begins with `*`, that pointer is the first of them.
    """

    verb: str
    strength: str
    at: Path | None
    name: str
    line: int
    arms: tuple[str, ...] = ()
    args: tuple[Path | None, ...] = ()

    @property
    def orders(self) -> bool:
        """Whether it orders anything, or is a marked access."""
        return self.verb not in (CALL, *ACCESSES) or (self.verb in ACCESSES and self.strength != "plain")


class Summary(Struct, frozen=True, array_like=True):
    """The steps of a function in order, and its parameters with their types; `cut`: there are more than were looked at."""

    name: str
    line: int
    params: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    cut: bool = False


class _Kept(Struct, frozen=True):
    summaries: dict[str, Summary]


def summaries(types: Types, path: str) -> dict[str, Summary]:
    """The summaries of all functions and function-like macros of a file; empty where there is no such file."""
    known: dict[str, Summary] | None = types.summaries.get(path)
    if known is None:
        known = types.summaries[path] = _summaries(types, path)
    return known


def _summaries(types: Types, path: str) -> dict[str, Summary]:
    code = types.code
    if code.data(path) is None:
        return {}
    key = f"steps {' '.join(architectures(path, code.arch))} {code.digest(path)}"
    if code.kept is not None and (found := code.kept.get(key, _Kept)) is not None:
        return found.summaries
    unit = code.unit(path)
    assert unit is not None
    known = types.declared(path).functions
    made = {name: summary(unit.functions[name], known[name].params if name in known else ()) for name in unit.functions}
    unit.functions.forget()
    if code.kept is not None:
        code.kept.put(key, _Kept(made))
    return made


def summary(function: Function, params: tuple[tuple[str, str], ...]) -> Summary:
    """The summary of one function, whose parameters have these types; those of a macro have none."""
    params = params or tuple([(name, "?") for name in function.params if name not in ("", "void")])
    walk = Walk(params)
    try:
        walk.block(statements(function), ())
    except LimitExceeded:
        walk.cut = True
    return Summary(function.name, function.line, params, tuple(walk.steps[:MAX_STEPS]), walk.cut or len(walk.steps) > MAX_STEPS)


class Walk:
    """Walks statements in the order of evaluation, and collects steps."""

    def __init__(self, params: Sequence[tuple[str, str]]) -> None:
        self.locals = dict(params)
        self.aliases: dict[str, Path | None] = {}
        """What local variables were set to, where that is a path; None where they were set to several things."""
        self.several: dict[str, list[Path | None]] = {}
        """All that local variables are set to anywhere, where somebody looked ahead."""
        self.steps: list[Step] = []
        self.cut = False
        self.line = 0

    # ------------------------------------------------------------ statements

    def block(self, body: Sequence[Stmt], arms: tuple[str, ...]) -> None:
        mark: list[Step] = []
        for s in body:
            if len(self.steps) > MAX_STEPS:
                self.cut = True
                return
            self.statement(s, arms, mark)
        for held in reversed(mark):
            self.steps.append(Step("unlock", held.strength, held.at, "guard", held.line, arms))

    def statement(self, s: Stmt, arms: tuple[str, ...], mark: list[Step]) -> None:
        self.line = s.line
        match s:
            case Do(value):
                self.value(value, arms)
            case Local(name, kind, value):
                self.local(name, kind, value, arms)
            case Branch(cond, then, orelse, line):
                self.value(cond, arms)
                self.block(then, (*arms, f"if@{line}"))
                self.block(orelse, (*arms, f"else@{line}"))
            case Loop(_, cond, body, first, step, line, head):
                self.block(first, arms)
                inside = (*arms, f"loop@{line}")
                for e in (*head, *([cond] if cond is not None else [])):
                    self.value(e, inside)
                self.block((*body, *step), inside)
            case Scope(body, guard, args, line):
                held = self.lock(guard, args, line, arms) if guard else None
                self.block(body, arms)
                if held is not None:
                    self.steps.append(Step("unlock", held.strength, held.at, "guard", line, arms))
            case Guard(kind, args, line):
                mark.append(self.lock(kind, args, line, arms))
            case Switch(value, several, line):
                self.value(value, arms)
                for n, (_, body) in enumerate(several):
                    self.block(body, (*arms, f"case@{line}.{n}"))
            case Return(value) if value is not None:
                self.value(value, arms)
            case Jump() | Label() | Return():
                pass

    def local(self, name: str, kind: str, value: Expr | None, arms: tuple[str, ...]) -> None:
        if value is not None:
            self.value(value, arms)
        known = self.path(value) if value is not None else None
        if kind.startswith(("typeof", "__auto_type")):
            self.locals[name] = ""
        else:
            self.locals[name] = kind
        self.alias(name, known, given=value is not None)

    def alias(self, name: str, known: Path | None, *, given: bool) -> None:
        if given:
            once = len(set(self.several.get(name, ()))) < 2
            self.aliases[name] = known if once and self.aliases.get(name, known) == known else None

    def lock(self, kind: str, args: tuple[Expr, ...], line: int, arms: tuple[str, ...]) -> Step:
        at = self.path(args[0]) if args else None
        step = Step("lock", GUARDS.get(kind, "spin"), at.then("*") if at is not None else None, "guard", line, arms)
        self.steps.append(step)
        return step

    # ------------------------------------------------------------ expressions

    def value(self, e: Expr, arms: tuple[str, ...]) -> None:
        """The steps of an expression whose value is wanted."""
        match e:
            case Number():
                pass
            case Name(name):
                if name not in self.locals and not name.isupper():
                    self.steps.append(Step(READ, "plain", Path(name), "", self.line, arms))
            case Member(_, _, _, line) | Index(_, _, line) | Deref(_, line):
                self.parts(e, arms)
                self.access(READ, e, line, arms)
            case AddressOf(base):
                self.parts(base, arms)
            case Cast(_, base):
                self.value(base, arms)
            case Call():
                self.call(e, arms)
            case Op(op, args):
                for n, arg in enumerate(args):
                    lazy = n and op in ("&&", "||", "?:")
                    self.value(arg, (*arms, f"{op}{n}@{len(self.steps)}") if lazy else arms)
            case Set(op, target, value, line):
                self.value(value, arms)
                self.parts(target, arms)
                if op:
                    self.access(READ, target, line, arms)
                self.access(WRITE, target, line, arms)
                if isinstance(target, Name):
                    self.alias(target.name, None if op else self.path(value), given=True)
            case Braced(body):
                self.block(body, arms)
            case Other(_, args):
                for arg in args:
                    self.value(arg, arms)

    def parts(self, e: Expr, arms: tuple[str, ...]) -> None:
        """The steps that it takes to find the place that `e` names."""
        match e:
            case Member(base, _, arrow):
                self.value(base, arms) if arrow else self.parts(base, arms)
            case Index(base, index):
                self.parts(base, arms)
                self.value(index, arms)
            case Deref(base):
                self.value(base, arms)
            case Cast(_, base) | AddressOf(base):
                self.parts(base, arms)
            case Name() | Number():
                pass
            case _:
                self.value(e, arms)

    def access(self, verb: str, e: Expr, line: int, arms: tuple[str, ...]) -> None:
        if isinstance(e, Name) and (e.name in self.locals or e.name.isupper()):
            return
        at = self.path(e)
        if at is not None and (at.steps or at.root not in self.locals):
            self.steps.append(Step(verb, "plain", at, "", line, arms))

    def call(self, e: Call, arms: tuple[str, ...]) -> None:
        name = e.name
        if name in SILENT:
            return
        known = primitive(name) if name else None
        if known is None:
            self.other_call(e, arms)
            return
        at = None
        for n, arg in enumerate(e.args):
            if n == known.place:
                self.parts(arg.base if isinstance(arg, AddressOf) else arg, arms) if known.form == "lvalue" or isinstance(
                    arg, AddressOf
                ) else self.value(arg, arms)
                path = self.path(arg)
                at = path if path is None or known.form == "lvalue" else path.then("*")
            elif not name.startswith(("rcu_dereference", "srcu_dereference")):
                self.value(arg, arms)
        if known.verb in (DEFER, FREE, CALL) and at is None and e.args:
            path = self.path(e.args[0])
            at = path.then("*") if path is not None else None
        null = known.of_null and len(e.args) > 1 and e.args[1] == Number(0)
        args = tuple(self.path(a) for a in e.args) if known.verb in (DEFER, CALL) else ()
        self.steps.append(Step(known.verb, known.of_null if null else known.strength, at, name, e.line, arms, args))

    def other_call(self, e: Call, arms: tuple[str, ...]) -> None:
        if e.function is not None and not (isinstance(e.function, Call) and e.function.args):  # ops(name)(…) says which function
            self.value(e.function, arms)
        for arg in e.args:
            self.value(arg, arms)
        if e.name in WHOLE and e.args:
            path = self.path(e.args[0])
            if path is not None:
                self.steps.append(Step(WRITE, "plain", path.then("*"), e.name, e.line, arms))
        elif e.name not in TRANSPARENT and e.name not in PER_CPU and e.name not in CONTAINERS:
            args = tuple(self.path(a) for a in e.args)
            if (pointer := self.pointer(e)) is not None:
                self.steps.append(Step(CALL, "", None, f"*{pointer[1]}", e.line, arms, (pointer[0], *args)))
            else:
                self.steps.append(Step(CALL, "", None, e.name, e.line, arms, args))

    def pointer(self, e: Call) -> tuple[Path | None, str] | None:
        """Of a call through a pointer, where that is and how it is written; None for one of a function by its name."""
        if e.function is None:
            return (self.named(e.name), e.name) if e.name in self.locals else None
        inner = e.function
        if isinstance(inner, Call) and len(inner.args) == 1 and isinstance(inner.args[0], Name):
            return None, f"{inner.name}({inner.args[0].name})"
        at = self.path(inner)
        return at, str(at or "what is computed")

    # ------------------------------------------------------------ paths

    def path(self, e: Expr | None) -> Path | None:
        """The path that an lvalue or a pointer is written as; None for what is none."""
        match e:
            case Name(name):
                return self.named(name)
            case Member(base, name, arrow):
                at = self.path(base)
                return at.then(f"->{name}" if arrow else f".{name}") if at is not None else Path("?", "?", (f"->{name}",))
            case Index(base):
                at = self.path(base)
                return at.then("[]") if at is not None else None
            case Deref(base):
                at = self.path(base)
                return at.then("*") if at is not None else None
            case AddressOf(base):
                at = self.path(base)
                return at.then("&") if at is not None else None
            case Cast(kind, base):
                at = self.path(base)
                return Path(f"({kind})", kind) if at is None or kind.startswith("struct ") else at
            case Call():
                return self.called(e)
            case Op("?:", (_, then, other)):
                one, two = self.path(then), self.path(other)
                apart = one is not None and two is not None and one != two and "&" in (*one.steps[-1:], *two.steps[-1:])
                return two if one is None else None if apart else one
            case Op("+" | "-", (left, _)):
                return self.path(left)
            case Op(",", args) if args:
                return self.path(args[-1])
            case Set(_, target):
                return self.path(target)
            case Braced(body) if body and isinstance(body[-1], Do):
                return self.path(body[-1].value)
        return None

    def named(self, name: str) -> Path:
        if name not in self.locals:
            return Path(name)
        kind, known = self.locals[name], self.aliases.get(name)
        if known is not None and known.root != name and not kind.startswith("struct "):
            return known  # a pointer to a number, or of a type that only its value tells
        return Path(name, kind or "?")

    def called(self, e: Call) -> Path | None:
        args = e.args
        if e.name in CONTAINERS and len(args) > 1 and isinstance(args[1], Name):
            kind = args[1].name
            return Path(f"({kind}*)", f"{kind}*")
        if (e.name in PER_CPU or e.name in TRANSPARENT) and args:
            return self.path(args[0])
        known = primitive(e.name) if e.name else None
        if known is not None and known.verb == READ and 0 <= known.place < len(args):
            at = self.path(args[known.place])
            return at if at is None or known.form == "lvalue" else at.then("*")
        return Path(f"{e.name}()") if e.name and known is None else None
