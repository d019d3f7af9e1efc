"""From the syntax tree of a function's body to its statements.

statements(code.function("virt/kvm/kvm_main.c", "kvm_vcpu_kick"))    (Local("me", "int"), Branch(…), …)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from checker.core.depth import deep_recursion
from checker.kernel.syntax import MAX_DEPTH, Function, too_deep, word
from checker.reach.declared import based, declarator, number, written
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

if TYPE_CHECKING:
    from tree_sitter import Node
else:
    Node: TypeAlias = object

_LOOPS = ("for_each", "_for_each", "list_for_", "hlist_for_")
_ONE, _ZERO = Number(1), Number(0)
_KNOWN = {"true": _ONE, "false": _ZERO, "NULL": _ZERO}


def statements(function: Function) -> tuple[Stmt, ...]:
    """The statements of a function. Raises LimitExceeded for code nested deeper than anybody writes."""
    with deep_recursion(20 * MAX_DEPTH):
        read = _Read(function)
        first = read.block(function.body)
        for one in function.others:  # definitions under other conditions: one of them is there
            under = ", ".join(function.under) or "#if"
            first = (Branch(Number(1), first, _Read(one).block(one.body), function.line, under),)
        return first


def unread(function: Function) -> Iterator[range]:
    """The lines of a function of which the grammar cannot read all."""
    todo = [function.body]
    while todo:
        node = todo.pop()
        if node.type == "ERROR":
            yield range(node.start_point.row + function.shift + 1, node.end_point.row + function.shift + 2)
        elif node.has_error:
            todo += node.children


class _Read:
    def __init__(self, function: Function) -> None:
        self.function, self.shift, self.depth = function, function.shift + 1, 0
        self.arms = 0

    def line(self, node: Node) -> int:
        return node.start_point.row + self.shift

    # ------------------------------------------------------------ statements

    def block(self, node: Node) -> tuple[Stmt, ...]:
        """The statements in a block, or the one that a node is."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise too_deep(self.function.path, node)
        try:
            return tuple(self.sequence(node.named_children if node.type == "compound_statement" else [node]))
        finally:
            self.depth -= 1

    def sequence(self, nodes: Sequence[Node]) -> Iterator[Stmt]:
        at, arms = 0, self.function.arms
        nodes = list(nodes)
        while at < len(nodes):
            node = nodes[at]
            if node.type == "labeled_statement":  # what is behind it may begin what the next node goes on with
                label = node.child_by_field_name("label")
                yield Label(word(label) if label is not None else "", self.line(node))
                nodes[at : at + 1] = [c for c in node.named_children if label is None or c.id != label.id]
                continue
            if self.arms < len(arms):
                while self.arms < len(arms) and arms[self.arms].end <= node.start_byte:
                    self.arms += 1
                if self.arms < len(arms) and arms[self.arms].start <= node.start_byte and node.end_byte <= arms[self.arms].end:
                    yield from self.conditional(nodes, at)
                    group = arms[self.arms - 1]
                    while at < len(nodes) and nodes[at].start_byte < group.end:
                        at += 1
                    continue
            following = nodes[at + 1] if at + 1 < len(nodes) else None
            macro = _macro_call(node)
            if macro is not None and following is not None:
                name, args = macro
                made = self.macro_block(name, args, following, self.line(node))
                if made is not None:
                    yield made
                    at += 2
                    continue
            yield from self.statement(node)
            at += 1

    def conditional(self, nodes: Sequence[Node], at: int) -> Iterator[Stmt]:
        """Conditional code of which it is not known whether it is there, its arms one after the other."""
        arm = self.function.arms[self.arms]
        self.arms += 1
        inside = [n for n in nodes[at:] if n.start_byte >= arm.start and n.end_byte <= arm.end]
        body = tuple(self.sequence(inside))
        yield Branch(Number(int(not arm.number)), body, (), self.line(nodes[at]), arm.text)

    def macro_block(self, name: str, args: list[Node], following: Node, line: int) -> Stmt | None:
        """A macro with a statement behind it: a loop, or a guarded block."""
        if name.startswith("scoped_") and "guard" in name and args:
            guarded = tuple(self.value(a) for a in args[1:])
            return Scope(self.block(following), word(args[0]), guarded, line)
        if any(part in name for part in ("for_each", "_for_", "foreach")) or name.startswith(_LOOPS):
            return Loop(name, None, self.block(following), line=line, head=tuple(self.value(a) for a in args))
        return None

    def statement(self, node: Node) -> Iterator[Stmt]:
        handle = _STATEMENTS.get(node.type)
        if handle is not None:
            yield from handle(self, node)
        elif node.type.startswith("preproc_") or node.type == "ERROR":
            yield from self.sequence(node.named_children)
        elif node.type not in ("comment", "type_definition", "struct_specifier", "function_definition", "enum_specifier"):
            yield Do(self.value(node), self.line(node))

    def expression_statement(self, node: Node) -> Iterator[Stmt]:
        for child in node.named_children:
            if child.type == "comment":
                continue
            if child.type == "call_expression" and (guard := self.guard(child)) is not None:
                yield guard
            else:
                yield Do(self.value(child), self.line(child))

    def guard(self, node: Node) -> Guard | None:
        callee, args = node.child_by_field_name("function"), _arguments(node)
        if callee is None or callee.type != "call_expression" or word(callee).partition("(")[0].strip() != "guard":
            return None
        return Guard(word(callee).partition("(")[2].rstrip(") "), tuple(self.value(a) for a in args), self.line(node))

    def declaration(self, node: Node) -> Iterator[Stmt]:
        kind = node.child_by_field_name("type")
        if kind is None:
            return
        static = any(c.type == "storage_class_specifier" and word(c) == "static" for c in node.children)
        base = based(kind)
        for one in node.children_by_field_name("declarator"):
            value = one.child_by_field_name("value") if one.type == "init_declarator" else None
            name, derived = declarator(one)
            if not name:
                continue
            if kind.type == "macro_type_specifier" and value is not None:  # typeof(x) y = x
                yield Local(name, f"typeof {name}", self.value(value), self.line(one), static)
            else:
                yield Local(name, base + derived, self.value(value) if value is not None else None, self.line(one), static)

    def if_statement(self, node: Node) -> Iterator[Stmt]:
        cond = node.child_by_field_name("condition")
        then, other = node.child_by_field_name("consequence"), node.child_by_field_name("alternative")
        value = self.value(cond) if cond is not None else Other("")
        if other is not None and other.type == "else_clause":
            other = next((c for c in other.named_children if c.type != "comment"), None)
        made = self.block(then) if then is not None else ()
        yield Branch(value, made, self.block(other) if other is not None else (), self.line(node))

    def while_statement(self, node: Node) -> Iterator[Stmt]:
        cond, body = node.child_by_field_name("condition"), node.child_by_field_name("body")
        value = self.value(cond) if cond is not None else None
        yield Loop("while", value, self.block(body) if body is not None else (), line=self.line(node))

    def do_statement(self, node: Node) -> Iterator[Stmt]:
        cond, body = node.child_by_field_name("condition"), node.child_by_field_name("body")
        inner = self.block(body) if body is not None else ()
        yield Loop("do", self.value(cond) if cond is not None else None, inner, line=self.line(node))

    def for_statement(self, node: Node) -> Iterator[Stmt]:
        first, cond = node.child_by_field_name("initializer"), node.child_by_field_name("condition")
        step, body = node.child_by_field_name("update"), node.child_by_field_name("body")
        before = tuple(self.statement(first)) if first is not None else ()
        value = self.value(cond) if cond is not None else None
        after = (Do(self.value(step), self.line(step)),) if step is not None else ()
        yield Loop("for", value, self.block(body) if body is not None else (), before, after, self.line(node))

    def switch_statement(self, node: Node) -> Iterator[Stmt]:
        cond, body = node.child_by_field_name("condition"), node.child_by_field_name("body")
        arms: list[tuple[list[Expr | None], list[Node]]] = []
        value = self.value(cond) if cond is not None else Other("")
        for one in body.named_children if body is not None else ():
            if one.type != "case_statement":  # a directive among the statements ends the case to the grammar, and not to C
                if arms:
                    arms[-1][1].append(one)
                continue
            label = one.child_by_field_name("value")
            inside = [c for c in one.named_children if c.type != "comment" and (label is None or c.id != label.id)]
            labels = [self.value(label) if label is not None else None]
            if arms and not arms[-1][1]:
                labels = arms.pop()[0] + labels
            arms.append((labels, inside))
        yield Switch(value, tuple((tuple(labels), tuple(self.sequence(inside))) for labels, inside in arms), self.line(node))

    def compound_statement(self, node: Node) -> Iterator[Stmt]:
        yield Scope(self.block(node), line=self.line(node))

    def jump(self, node: Node) -> Iterator[Stmt]:
        label = node.child_by_field_name("label")
        yield Jump(node.type.partition("_")[0], word(label) if label is not None else "", self.line(node))

    def return_statement(self, node: Node) -> Iterator[Stmt]:
        value = next((c for c in node.named_children if c.type != "comment"), None)
        yield Return(self.value(value) if value is not None else None, self.line(node))

    # ------------------------------------------------------------ expressions

    def value(self, node: Node) -> Expr:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise too_deep(self.function.path, node)
        handle = _EXPRESSIONS.get(node.type)
        made = handle(self, node) if handle is not None else self.other(node)
        self.depth -= 1
        return made

    def other(self, node: Node) -> Expr:
        args = tuple(self.value(c) for c in node.named_children if c.type.endswith(("expression", "identifier", "list", "pair")))
        return Other(word(node)[:120], args, self.line(node))

    def identifier(self, node: Node) -> Expr:
        name = word(node)
        return _KNOWN.get(name) or Name(name)

    def literal(self, node: Node) -> Expr:
        text = word(node)
        known = number(text)
        return _KNOWN.get(text) or (Number(known) if known is not None else Other(text[:40]))

    def parenthesized_expression(self, node: Node) -> Expr:
        inside = [c for c in node.named_children if c.type != "comment"]
        if len(inside) == 1:
            if inside[0].type == "compound_statement":
                return Braced(self.block(inside[0]))
            return self.value(inside[0])
        return self.other(node)

    def field_expression(self, node: Node) -> Expr:
        base, name, operator = (node.child_by_field_name(f) for f in ("argument", "field", "operator"))
        if base is None or name is None:
            return self.other(node)
        return Member(self.value(base), word(name), operator is not None and operator.type == "->", self.line(node))

    def subscript_expression(self, node: Node) -> Expr:
        base, index = node.child_by_field_name("argument"), node.child_by_field_name("index")
        if base is None:
            return self.other(node)
        return Index(self.value(base), self.value(index) if index is not None else _ZERO, self.line(node))

    def pointer_expression(self, node: Node) -> Expr:
        operator, base = node.child_by_field_name("operator"), node.child_by_field_name("argument")
        if base is None:
            return self.other(node)
        inner = self.value(base)
        if operator is not None and operator.type == "&":
            return inner.base if isinstance(inner, Deref) else AddressOf(inner)
        return inner.base if isinstance(inner, AddressOf) else Deref(inner, self.line(node))

    def cast_expression(self, node: Node) -> Expr:
        kind, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        if value is None or kind is None:
            return self.other(node)
        text = written(word(kind))
        return Cast(text, self.value(value)) if "*" in text or "struct" in text else self.value(value)

    def unary_expression(self, node: Node) -> Expr:
        operator, inner = node.child_by_field_name("operator"), node.child_by_field_name("argument")
        if inner is None or operator is None:
            return self.other(node)
        value = self.value(inner)
        if operator.type == "-" and isinstance(value, Number):
            return Number(-value.value)
        return value if operator.type == "+" else Op(operator.type, (value,))

    def binary_expression(self, node: Node) -> Expr:
        left, operator, right = (node.child_by_field_name(f) for f in ("left", "operator", "right"))
        if left is None or right is None or operator is None:
            return self.other(node)
        return Op(operator.type, (self.value(left), self.value(right)))

    def conditional_expression(self, node: Node) -> Expr:
        cond, then, other = (node.child_by_field_name(f) for f in ("condition", "consequence", "alternative"))
        if cond is None or other is None:
            return self.other(node)
        test = self.value(cond)
        return Op("?:", (test, self.value(then) if then is not None else test, self.value(other)))

    def comma_expression(self, node: Node) -> Expr:
        return Op(",", tuple(self.value(c) for c in node.named_children if c.type != "comment"))

    def assignment_expression(self, node: Node) -> Expr:
        left, operator, right = (node.child_by_field_name(f) for f in ("left", "operator", "right"))
        if left is None or right is None:
            return self.other(node)
        return Set(operator.type[:-1] if operator is not None else "", self.value(left), self.value(right), self.line(node))

    def update_expression(self, node: Node) -> Expr:
        inner, operator = node.child_by_field_name("argument"), node.child_by_field_name("operator")
        if inner is None or operator is None:
            return self.other(node)
        after = operator.start_byte > inner.start_byte
        return Set(operator.type[:1], self.value(inner), _ONE, self.line(node), after)

    def call_expression(self, node: Node) -> Expr:
        callee, args = node.child_by_field_name("function"), tuple(self.arguments(_arguments(node)))
        line, start = self.line(node), node.start_byte
        if callee is None:
            return Other(word(node)[:120], args, line)
        if callee.type == "identifier":
            return Call(word(callee), args, line, None, start)
        return Call("", args, line, self.value(callee), start)

    def arguments(self, nodes: Sequence[Node]) -> Iterator[Expr]:
        """The arguments of a call. `struct x`, as an argument of a macro, comes as a name and what went wrong."""
        for node, following in itertools.zip_longest(nodes, nodes[1:]):
            if node.type == "identifier" and following is not None and following.type == "ERROR":
                yield Name(written(f"{word(node)} {word(following)}"))
            elif node.type != "ERROR":
                yield self.value(node)

    def type_descriptor(self, node: Node) -> Expr:
        return Name(written(word(node)))

    def sizeof_expression(self, node: Node) -> Expr:
        return Other(word(node)[:120])

    def initializer(self, node: Node) -> Expr:
        values = [c.child_by_field_name("value") if c.type == "initializer_pair" else c for c in node.named_children]
        return Other("{}", tuple(self.value(v) for v in values if v is not None and v.type != "comment"), self.line(node))

    def compound_literal_expression(self, node: Node) -> Expr:
        value = node.child_by_field_name("value")
        return self.value(value) if value is not None else self.other(node)

    def gnu_asm_expression(self, node: Node) -> Expr:
        def inside(one: Node) -> Iterator[Node]:
            for child in one.named_children:
                if child.type in ("gnu_asm_output_operand", "gnu_asm_input_operand"):
                    value = child.child_by_field_name("value")
                    yield from [value] if value is not None else []
                else:
                    yield from inside(child)

        return Other(f"asm {word(node)[:100]}", tuple(self.value(n) for n in inside(node)), self.line(node))


def _macro_call(node: Node) -> tuple[str, list[Node]] | None:
    """The name and arguments of a call without `;` behind it."""
    if node.type != "expression_statement" or not node.children or not node.children[-1].is_missing:
        return None
    call = node.named_children[0] if node.named_children else None
    callee = call.child_by_field_name("function") if call is not None and call.type == "call_expression" else None
    if call is None or callee is None or callee.type != "identifier":
        return None
    return word(callee), _arguments(call)


def _arguments(node: Node) -> list[Node]:
    listed = node.child_by_field_name("arguments")
    return [n for n in listed.named_children if n.type != "comment"] if listed is not None else []


_STATEMENTS = {
    made.__name__: made
    for made in (
        _Read.expression_statement,
        _Read.declaration,
        _Read.if_statement,
        _Read.while_statement,
        _Read.do_statement,
        _Read.for_statement,
        _Read.switch_statement,
        _Read.compound_statement,
        _Read.return_statement,
    )
} | {f"{kind}_statement": _Read.jump for kind in ("goto", "break", "continue")}
_EXPRESSIONS = {
    made.__name__: made
    for made in (
        _Read.identifier,
        _Read.parenthesized_expression,
        _Read.field_expression,
        _Read.subscript_expression,
        _Read.pointer_expression,
        _Read.cast_expression,
        _Read.unary_expression,
        _Read.binary_expression,
        _Read.conditional_expression,
        _Read.comma_expression,
        _Read.assignment_expression,
        _Read.update_expression,
        _Read.call_expression,
        _Read.type_descriptor,
        _Read.sizeof_expression,
        _Read.compound_literal_expression,
        _Read.gnu_asm_expression,
    )
} | {
    "number_literal": _Read.literal,
    "char_literal": _Read.literal,
    "true": _Read.literal,
    "false": _Read.literal,
    "null": _Read.literal,
    "string_literal": _Read.literal,
    "concatenated_string": _Read.literal,
    "initializer_list": _Read.initializer,
    "offsetof_expression": _Read.sizeof_expression,
    "alignof_expression": _Read.sizeof_expression,
}
