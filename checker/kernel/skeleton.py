"""The ordering skeleton of a function: what it does to memory that another CPU could notice, in order.

Marked and plain accesses of members, fences, locks, RCU and SRCU sections, grace periods, frees, and calls that are not
followed. Each operation knows the branches and loops it stands in. Calls of functions whose source is at hand are followed
to a stated depth.

    skeleton(code, "virt/kvm/kvm_main.c", "kvm_get_bus_srcu").ops
        fence smp_mb__after_srcu_read_lock()
        read once kvm->buses[idx]
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from checker.core.depth import deep_recursion
from checker.kernel.code import Code as Code
from checker.kernel.conditional import Arm
from checker.kernel.primitives import (
    ACCESSES,
    CALL,
    CONCERNS,
    DEFER,
    FREE,
    JUMP,
    LOCK,
    READ,
    SILENT,
    TRANSPARENT,
    UNLOCK,
    WHOLE,
    WRITE,
    Primitive,
    primitive,
    says_order,
)  # fmt: skip
from checker.kernel.syntax import MAX_DEPTH, Function, spread, too_deep, word

if TYPE_CHECKING:
    from tree_sitter import Node
else:
    Node: TypeAlias = object

MAX_OPS = 4000
MAX_FOLLOWED = 400
_MEMBER = re.compile(r"(?:->|\.)\s*([A-Za-z_]\w*)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_STARS = re.compile(r"\*(?: ?(?:\*|const|__rcu))* ?([A-Za-z_]\w*)")
_ALIAS = re.compile(r"\(*\*[ (]*([A-Za-z_]\w*)[ )]*")
_LAST = re.compile(r"(.+?)\s*(->|\.)\s*\w+[ )]*(?:\[.*\][ )]*)?")
_HEAD = re.compile(r"& ?\(?([A-Za-z_]\w*) ?->.*")


class Frame(Struct, frozen=True):
    """Something that an operation stands in: one arm of a branch, a loop, a switch, a call. `id` is the same for all arms.

    `tested`: the index of the read whose value decides, -1 where that is not known; `truth`: this arm is for values not 0.
    """

    kind: str
    id: int
    tested: int = -1
    truth: bool = True


class Op(Struct, frozen=True):
    """One operation. `place` is the last member (or the variable) it concerns; `inside` the branches around it, outermost first.

    `branches` tells apart branches of one kind; `start` and `end` are the bytes of the call or access, `outer` those of the
    statement it is in; `via` the calls that lead from the bound function to it, `function` the one it is written in.
    `frames` is everything it stands in, calls included. `freed` is the pointer that a free frees, or the callback queued here.
    `named` are the places that a call that is not followed gets the addresses of, or the object that a write overwrites, all of it.
    `objects` are those that `place` is a part of: `x` for `x.a`, `*x` for `x->a`.
    """

    verb: str
    strength: str
    place: str
    text: str
    path: str
    line: int
    inside: tuple[str, ...] = ()
    branches: tuple[int, ...] = ()
    start: int = 0
    end: int = 0
    outer: tuple[int, int] = (0, 0)
    via: tuple[str, ...] = ()
    name: str = ""
    where: str = ""
    function: str = ""
    frames: tuple[Frame, ...] = ()
    freed: str = ""
    callback: str = ""
    named: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two operations the same in two versions of the code."""
        return (*self.sort, self.inside)

    @property
    def sort(self) -> tuple[object, ...]:
        """What it does, wherever it stands."""
        return self.verb, self.strength, self.place, (self.callback, self.freed) if self.verb == DEFER else self.named

    @property
    def concerns(self) -> bool:
        """Whether it orders anything, is a marked access, or a call that says by its name that it orders."""
        if self.verb == CALL:
            return says_order(self.strength)
        return self.verb in CONCERNS or (self.verb in ACCESSES and self.strength != "plain")

    def __str__(self) -> str:
        return f"{self.text} ({self.path}:{self.line})"


class Skeleton(Struct, frozen=True):
    """The operations of a function in order, the files and functions they were read from; `cut`: there was more than allowed."""

    ops: tuple[Op, ...]
    functions: tuple[tuple[str, str], ...]
    cut: bool = False


class _Kept(Struct, frozen=True):
    """A skeleton as it is kept: with the functions it was read from, and the digest of what surrounds each of their files."""

    skeleton: Skeleton
    surroundings: dict[str, str]
    consulted: frozenset[tuple[str, str]]


def skeleton(code: Code, path: str, name: str, depth: int) -> Skeleton | None:
    """The skeleton of a function, calls followed `depth` deep; None where there is no such function."""
    made = _made(code, path, name, depth)
    return made.skeleton if made is not None else None


def _made(code: Code, path: str, name: str, depth: int) -> _Kept | None:
    """A skeleton from this run, from the tree before the patch, from an earlier run, or made now."""
    at = (path, name, depth)
    if at in code.skeletons:
        known: _Kept | None = code.skeletons[at]
        return known
    before = _made(code.base, path, name, depth) if code.base is not None else None
    if before is not None and code.unmoved(before.consulted):
        code.skeletons[at] = before
        return before
    key = f"skeleton {path} {name} {depth} {code.surroundings(path)}"
    found = code.kept.get(key, _Kept) if code.kept is not None else None
    if found is None or any(code.surroundings(file) != digest for file, digest in found.surroundings.items()):
        found = _walked(code, path, name, depth)
        if code.kept is not None and found is not None:
            code.kept.put(key, found)
    code.skeletons[at] = found
    return found


def _walked(code: Code, path: str, name: str, depth: int) -> _Kept | None:
    function = code.function(path, name)
    if function is None:
        return None
    code.consulted.clear()
    code.consulted.add((path, name))
    walk = _Walk(code, depth)
    with deep_recursion(20 * MAX_DEPTH):  # a few calls for each level of nesting
        walk.follow(function, _Here(function))
    made = Skeleton(tuple(walk.ops), tuple(dict.fromkeys(walk.functions)), walk.cut)
    consulted = frozenset(code.consulted)
    return _Kept(made, {file: code.surroundings(file) for file in sorted({file for file, _ in consulted})}, consulted)


def own_ops(function: Function) -> list[Op]:
    """The operations of a function by itself."""
    walk = _Walk(None, 0)
    with deep_recursion(20 * MAX_DEPTH):  # a few calls for each level of nesting
        walk.follow(function, _Here(function))
    return walk.ops


class _Here(Struct, frozen=True):
    """Where the walk is."""

    function: Function
    inside: tuple[str, ...] = ()
    branches: tuple[int, ...] = ()
    via: tuple[str, ...] = ()
    outer: tuple[int, int] = (0, 0)
    level: int = 0
    frames: tuple[Frame, ...] = ()
    given: dict[str, str] = {}
    """The parameters of the function, and what they were given where it was called."""
    arms: int = 0
    """How many of the function's arms of conditional code are behind, or around the walk already."""

    @property
    def call(self) -> tuple[Frame, ...]:
        """The call that this is in."""
        calls = [i for i, frame in enumerate(self.frames) if frame.kind == "call"]
        return self.frames[: calls[-1] + 1] if calls else ()


class _Walk:
    """Walks a function in the order of evaluation, and collects."""

    def __init__(self, code: Code | None, depth: int) -> None:
        self.code, self.depth = code, depth
        self.ops: list[Op] = []
        self.functions: list[tuple[str, str]] = []
        self.cut = False
        self.followed = 0
        self.holds: dict[tuple[tuple[Frame, ...], str], tuple[int, bool]] = {}
        self.scopes: dict[int, int] = {}
        self.results: dict[tuple[Frame, ...], list[tuple[int, bool]]] = {}
        self.points: dict[tuple[tuple[Frame, ...], str], str] = {}
        """What local pointers point to: the place whose address they were given."""

    def follow(self, function: Function, here: _Here) -> None:
        self.functions.append((function.path, function.name))
        if not function.others:
            self.walk(function.body, here)
            return
        last = len(function.others)
        for number, one in enumerate((function, *function.others)):
            arm = Arm(0, 0, function.start, number, number == last, "")
            self.walk(one.body, _in_arm(arm, replace(here, function=one)))

    # ------------------------------------------------------------ statements

    def walk(self, node: Node, here: _Here) -> None:
        if len(self.ops) >= MAX_OPS:
            self.cut = True
            return
        if here.level > MAX_DEPTH:
            raise too_deep(here.function.path, node)
        here = replace(here, level=here.level + 1)
        if here.function.arms:
            here = _conditional(node, here)
        if node.type.endswith("_statement") or node.type == "declaration":
            here = replace(here, outer=(node.start_byte, node.end_byte))
        handle = getattr(self, f"_{node.type}", None)
        if handle is not None:
            handle(node, here)
        elif node.type != "comment":
            self.children(node, here)

    def children(self, node: Node, here: _Here) -> None:
        for child in node.named_children:
            self.walk(child, here)

    def _under(self, node: Node | None, here: _Here, kind: str, test: tuple[int, bool] = (-1, True)) -> None:
        if node is not None:
            known = node.parent.id if node.parent is not None else 0
            inside, branches = (*here.inside, kind), (*here.branches, known)
            frames = (*here.frames, Frame(kind, known, *test))
            self.walk(node, replace(here, inside=inside, branches=branches, frames=frames))

    def _framed(self, node: Node, here: _Here, kind: str) -> _Here:
        """A frame that is no branch: a call, a switch, a loop that runs at least once."""
        return replace(here, frames=(*here.frames, Frame(kind, node.id)))

    def _if_statement(self, node: Node, here: _Here) -> None:
        self._arms(node, here)

    def _arms(self, node: Node, here: _Here) -> None:
        test = (-1, True)
        if (condition := node.child_by_field_name("condition")) is not None:
            self.walk(condition, here)
            test = self._tested(condition, here)
        self._under(node.child_by_field_name("consequence"), here, "if", test)
        self._under(node.child_by_field_name("alternative"), here, "else", (test[0], not test[1]))

    def _loop(self, node: Node, here: _Here, kind: str) -> None:
        for part in node.named_children:
            self._under(part, here, kind)

    def _while_statement(self, node: Node, here: _Here) -> None:
        self._loop(node, here, "while")

    def _do_statement(self, node: Node, here: _Here) -> None:
        self.children(node, self._framed(node, here, "do"))

    def _for_statement(self, node: Node, here: _Here) -> None:
        first = node.child_by_field_name("initializer")
        if first is not None:
            self.walk(first, here)
        for part in node.named_children:
            if first is None or part.id != first.id:
                self._under(part, here, "for")

    def _switch_statement(self, node: Node, here: _Here) -> None:
        if (condition := node.child_by_field_name("condition")) is not None:
            self.walk(condition, here)
        if (body := node.child_by_field_name("body")) is not None:
            self.walk(body, self._framed(node, here, "switch"))

    def _case_statement(self, node: Node, here: _Here) -> None:
        self._loop(node, here, "case")

    def _compound_statement(self, node: Node, here: _Here) -> None:
        mark = len(self.ops)
        self.children(node, here)
        for op in reversed(self.ops[self.scopes.pop(node.id, mark) :]):
            if op.name == "guard" and op.verb == LOCK and op.where == str(node.id):
                self._emit(node, here, UNLOCK, op.strength, op.place, f"end of {op.text}", "guard", op.where)

    def _conditional_expression(self, node: Node, here: _Here) -> None:
        self._arms(node, here)

    def _binary_expression(self, node: Node, here: _Here) -> None:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if left is not None:
            self.walk(left, here)
        lazy = operator.type if operator is not None and operator.type in ("&&", "||") else ""
        if right is not None and not lazy:
            self.walk(right, here)
        elif right is not None:
            read, truth = self._tested(left, here) if left is not None else (-1, True)
            self._under(right, here, "if", (read, truth if lazy == "&&" else not truth))

    def _return_statement(self, node: Node, here: _Here) -> None:
        self.children(node, here)
        value = node.named_children[0] if node.named_children else None
        self.results.setdefault(here.call, []).append(self._tested(value, here) if value is not None else (-1, True))
        self._emit(node, here, JUMP, "return", "", "return", "return")

    def _goto_statement(self, node: Node, here: _Here) -> None:
        label = node.child_by_field_name("label")
        self._emit(node, here, JUMP, "goto", word(label) if label is not None else "", word(node), "goto")

    def _break_statement(self, node: Node, here: _Here) -> None:
        self._emit(node, here, JUMP, "break", "", "break", "break")

    def _continue_statement(self, node: Node, here: _Here) -> None:
        self._emit(node, here, JUMP, "continue", "", "continue", "continue")

    def _labeled_statement(self, node: Node, here: _Here) -> None:
        label = node.child_by_field_name("label")
        self._emit(node, here, JUMP, "label", word(label) if label is not None else "", "label", "label")
        for child in node.named_children:
            if label is None or child.id != label.id:
                self.walk(child, here)

    # ------------------------------------------------------------ expressions

    def _assignment_expression(self, node: Node, here: _Here) -> None:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        operator = node.child_by_field_name("operator")
        if right is not None:
            self.walk(right, here)
        if left is not None:
            if operator is not None and operator.type != "=":
                self.walk(left, here)
            self._access(left, here, WRITE, node)
            if left.type == "identifier":
                plain = operator is None or operator.type == "="
                self._holds(word(left), right if plain else None, here)

    def _init_declarator(self, node: Node, here: _Here) -> None:
        self.children(node, here)
        name, value = node.child_by_field_name("declarator"), node.child_by_field_name("value")
        if name is not None and name.type == "identifier":
            self._holds(word(name), value, here)
        elif name is not None and value is not None and (pointer := _STARS.fullmatch(word(name))):
            self._points(pointer[1], value, here.call, here)

    def _holds(self, name: str, value: Node | None, here: _Here) -> None:
        """The variable `name` has from here on the value of a read, or another."""
        read = self._tested(value, here) if value is not None else (-1, True)
        self.holds.pop((here.call, name), None)
        if read[0] >= 0:
            self.holds[here.call, name] = read
        self._points(name, value, here.call, here)

    def _points(self, name: str, value: Node | None, call: tuple[Frame, ...], here: _Here) -> None:
        """The pointer `name` points from here on to what `value` is the address of, or somewhere."""
        self.points.pop((call, name), None)
        while value is not None and value.type in ("parenthesized_expression", "cast_expression"):
            value = value.named_children[-1] if value.named_children else None
        if value is not None and value.type == "pointer_expression" and word(value).startswith("&"):
            self.points[call, name] = place_of(word(value))
        elif value is not None and value.type == "identifier" and (here.call, word(value)) in self.points:
            self.points[call, name] = self.points[here.call, word(value)]

    def _place(self, text: str, here: _Here, *, address: bool = False) -> str:
        """The place that an lvalue, or an address, names; through a local pointer the one that it points to."""
        pointer = _ALIAS.fullmatch(f"*{text}" if address else text)
        return (pointer and self.points.get((here.call, pointer[1]))) or place_of(text)

    def _whole(self, text: str, here: _Here) -> tuple[str, ...]:
        """The object that a write of `*p` overwrites, all of it; none for another lvalue."""
        pointer = _ALIAS.fullmatch(text)
        return (self.points.get((here.call, pointer[1]), f"*{pointer[1]}"),) if pointer else ()

    def _objects(self, text: str, here: _Here) -> tuple[str, ...]:
        """The objects that what an lvalue or an address names is a part of."""
        found: list[str] = []
        while member := _LAST.fullmatch(text):
            text = member[1].rstrip(") ")
            name = place_of(text)
            if member[2] == "->":
                return (*found, self.points.get((here.call, name), f"*{name}"))
            found.append(name)
        return tuple(found)

    def _tested(self, node: Node, here: _Here) -> tuple[int, bool]:
        """The read whose value an expression just evaluated has, as far as being 0 goes, and whether it is not turned round."""
        truth = True
        for _ in range(MAX_DEPTH):
            args = node.child_by_field_name("arguments")
            if node.type == "parenthesized_expression" and len(node.named_children) == 1:
                node = node.named_children[0]
            elif node.type == "unary_expression" and word(node).startswith("!") and node.named_children:
                node, truth = node.named_children[0], not truth
            elif node.type == "call_expression" and args is not None and word(node).startswith(("likely(", "unlikely(")):
                node = args.named_children[0]
            elif node.type == "binary_expression" and (compared := _compared(node)) is not None:
                node, truth = compared[0], truth == compared[1]
            else:
                break
        if node.type == "identifier":
            read = self.holds.get((here.call, word(node)), (-1, True))
        elif node.type == "call_expression" and (found := self.results.get((*here.frames, Frame("call", node.id)))) is not None:
            read = found[0] if len(found) == 1 else (-1, True)
        else:
            path = here.function.path
            same = [
                i for i, op in enumerate(self.ops)
                if (op.start, op.end, op.path, op.verb) == (node.start_byte, node.end_byte, path, READ)
            ]  # fmt: skip
            read = (same[-1], True) if same else (-1, True)
        return read[0], read[1] == truth

    def _update_expression(self, node: Node, here: _Here) -> None:
        inner = node.child_by_field_name("argument")
        if inner is not None:
            self.walk(inner, here)
            self._access(inner, here, WRITE, node)

    def _field_expression(self, node: Node, here: _Here) -> None:
        self._access(node, here, READ, node)

    def _subscript_expression(self, node: Node, here: _Here) -> None:
        self._access(node, here, READ, node)

    def _pointer_expression(self, node: Node, here: _Here) -> None:
        operator, inner = node.child_by_field_name("operator"), node.child_by_field_name("argument")
        if inner is None:
            return
        if operator is not None and operator.type == "&":
            self._parts(inner, here)
            if inner.type == "identifier":
                self._holds(word(inner), None, here)
        else:
            self._access(node, here, READ, node)

    def _sizeof_expression(self, node: Node, here: _Here) -> None:
        pass

    def _access(self, node: Node, here: _Here, verb: str, whole: Node) -> None:
        """A plain access of what `node` names; what it takes to find the place comes first."""
        while node.type == "parenthesized_expression" and node.named_children:
            node = node.named_children[0]
        self._parts(node, here)
        if node.type in ("field_expression", "subscript_expression", "pointer_expression"):
            text = word(node)
            if name := self._place(text, here):
                said, named = (word(whole), self._whole(text, here)) if verb == WRITE else (text, ())
                self._emit(whole, here, verb, "plain", name, said, "", named=named, objects=self._objects(text, here))
        elif node.type not in ("identifier",):
            self.walk(node, here)

    def _parts(self, node: Node, here: _Here) -> None:
        """The accesses within an lvalue: pointers it goes through, indices."""
        if here.level > MAX_DEPTH:
            raise too_deep(here.function.path, node)
        here = replace(here, level=here.level + 1)
        if node.type == "field_expression":
            inner, operator = node.child_by_field_name("argument"), node.child_by_field_name("operator")
            if inner is not None:
                arrow = operator is not None and operator.type == "->"
                self.walk(inner, here) if arrow else self._parts(inner, here)
        elif node.type == "subscript_expression":
            for part in node.named_children:
                self._parts(part, here) if part == node.named_children[0] else self.walk(part, here)
        elif node.type == "pointer_expression":
            inner, operator = node.child_by_field_name("argument"), node.child_by_field_name("operator")
            if inner is not None:
                address = operator is not None and operator.type == "&"
                self._parts(inner, here) if address else self.walk(inner, here)
        elif node.type == "parenthesized_expression":
            for part in node.named_children:
                self._parts(part, here)
        elif node.type != "identifier":
            self.walk(node, here)

    # ------------------------------------------------------------ calls

    def _call_expression(self, node: Node, here: _Here) -> None:
        callee, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        args = [n for n in arguments.named_children if n.type != "comment"] if arguments is not None else []
        if callee is None:
            return
        if callee.type == "call_expression" and word(callee).startswith(("guard(", "guard (")):
            self._guard(node, callee, args, here)
            return
        name = word(callee) if callee.type == "identifier" else ""
        if name in SILENT:
            return
        if name == "scoped_guard":
            self._guard(node, node, args, here)
            return
        known = primitive(name) if name else None
        if known is not None:
            self._primitive(node, name, known, args, here)
            return
        if callee.type != "identifier":
            self.walk(callee, here)
        for arg in args:
            self.walk(arg, here)
        if name in WHOLE and args:
            place = self._place(word(args[0]), here, address=True)
            whole = self._whole(f"*{word(args[0])}", here) or (place,)
            self._emit(node, here, WRITE, "plain", place, word(node), name, named=whole)
        elif name not in TRANSPARENT:
            given = [
                place_of(word(arg)) for arg in args
                if says_order(name) or (arg.type == "pointer_expression" and word(arg).startswith("&"))
            ]  # fmt: skip
            self._call(node, name or word(callee), here, args, tuple(given))

    def _primitive(self, node: Node, name: str, known: Primitive, args: list[Node], here: _Here) -> None:
        place, strength, objects = "", known.strength, ()  # type: str, str, tuple[str, ...]
        for i, arg in enumerate(args):
            if i != known.place:
                if not (name.startswith(("rcu_dereference", "srcu_dereference"))):
                    self.walk(arg, here)
            else:
                self._parts(arg, here)
                place = self._place(word(arg), here, address=known.form == "address")
                objects = self._objects(word(arg), here)
        if known.of_null and len(args) > 1 and word(args[1]) in ("NULL", "0"):
            strength = known.of_null
        freed = callback = ""
        if known.verb in (DEFER, FREE) and args:
            freed, callback = self._freed(name, known, args, here)
        self._emit(node, here, known.verb, strength, place, word(node), name, freed=freed, callback=callback, objects=objects)

    def _freed(self, name: str, known: Primitive, args: list[Node], here: _Here) -> tuple[str, str]:
        """The pointer that is freed, now or by the callback, and the callback; "" for a callback that does other things."""
        words = [here.given.get(word(arg), word(arg)) for arg in args]
        if known.verb == FREE:
            return words[max(known.place, 0)], ""
        if not name.startswith("call_") or len(args) < 2:
            return words[0], ""
        head, function = _HEAD.fullmatch(words[-2]), words[-1]
        found = self.code.callee(here.function.path, function) if self.code is not None and function.isidentifier() else None
        does = [op for op in own_ops(found) if op.concerns] if found is not None else []
        alone = [op.verb for op in does] == [FREE]
        return (head[1] if head is not None and alone else ""), function

    def _guard(self, node: Node, callee: Node, args: list[Node], here: _Here) -> None:
        """`guard(mutex)(&m)`: a lock until the end of the block; `scoped_guard(mutex, &m) { }`: to that of the next one."""
        scoped = callee.id == node.id
        kind = word(args[0]) if scoped and args else word(callee).partition("(")[2].rstrip(") ")
        args = args[1:] if scoped else args
        kinds = {"mutex": "mutex", "srcu": "srcu", "rcu": "rcu", "rwsem_read": "read", "rwsem_write": "write"}
        place = place_of(word(args[0])) if args else ""
        block: Node = node
        while block.parent is not None and block.type != "compound_statement":
            follows = block.next_named_sibling
            if scoped and follows is not None and follows.type == "compound_statement":
                self.scopes[follows.id] = len(self.ops)
            block = follows if scoped and follows is not None and follows.type == "compound_statement" else block.parent
        self._emit(node, here, LOCK, kinds.get(kind, "spin"), place, word(node), "guard", str(block.id))

    def _call(self, node: Node, name: str, here: _Here, args: list[Node], named: tuple[str, ...]) -> None:
        found = None
        if self.code is not None and len(here.via) < self.depth and name not in here.via and name.isidentifier():
            if self.followed < MAX_FOLLOWED:
                found = self.code.callee(here.function.path, name)
            else:
                self.cut = True
        if found is None or found.name == here.function.name:
            self._emit(node, here, CALL, name, "", word(node), name, named=named)
            return
        if found.under and not found.others:  # in other configurations it is one that is not seen here
            self._emit(node, here, CALL, name, "", word(node), name, named=named)
        self.followed += 1
        found = spread(found, len(args))
        inner = self._framed(node, here, "call")
        self.results.pop(inner.frames, None)
        for param, arg in zip(found.params, args, strict=False):
            self._points(param, arg, inner.frames, here)
        given = {param: here.given.get(word(arg), word(arg)) for param, arg in zip(found.params, args, strict=False)}
        self.follow(found, replace(inner, function=found, via=(*here.via, name), arms=0, given=given))

    def _emit(
        self, node: Node, here: _Here, verb: str, strength: str, place: str, text: str, name: str, where: str = "",
        freed: str = "", callback: str = "", named: tuple[str, ...] = (), objects: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        line = node.start_point.row + 1 + here.function.shift
        self.ops.append(
            Op(
                verb, strength, place, text[:200], here.function.path, line, here.inside, here.branches, node.start_byte,
                node.end_byte, here.outer, here.via, name, where, here.function.name, here.frames, freed, callback, named, objects,
            )
        )  # fmt: skip


def _compared(node: Node) -> tuple[Node, bool] | None:
    """`x == 0` and the like: what is compared with 0, and whether the whole is true when that is not 0."""
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    operator = node.child_by_field_name("operator")
    if left is None or right is None or operator is None or operator.type not in ("==", "!="):
        return None
    if word(right) not in ("0", "NULL", "false"):
        return None
    return left, operator.type == "!="


def _conditional(node: Node, here: _Here) -> _Here:
    """Inside the arms of conditional code that hold all of the node."""
    for number, arm in enumerate(here.function.arms[here.arms :], here.arms + 1):
        if arm.start <= node.start_byte and node.end_byte <= arm.end:
            here = replace(_in_arm(arm, here), arms=number)
    return here


def _in_arm(arm: Arm, here: _Here) -> _Here:
    """Inside an arm of conditional code, which is a branch like any other."""
    for kind, number in arm.branches():
        frames = (*here.frames, Frame(kind, number))
        here = replace(here, inside=(*here.inside, kind), branches=(*here.branches, number), frames=frames)
    return here


def place_of(text: str) -> str:
    """The last member that an lvalue or an address names, else the variable: `&dist->ready` is ready, `*x` is x."""
    text = re.sub(r"\[[^\[\]]*\]", "", text)
    members = _MEMBER.findall(text)
    if members:
        return str(members[-1])
    names = [name for name in _WORD.findall(text) if name not in ("struct", "void", "int", "long", "unsigned", "const")]
    return names[-1] if names else ""
