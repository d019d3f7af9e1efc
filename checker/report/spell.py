"""Propositions, locations and values as text, in herd's spelling.

show_prop(And((Compare("==", RegLoc(0, "r1"), 0), Compare("==", MemLoc(Address("x")), 1))))    "0:r1=0 /\\\\ [x]=1"
show_condition(condition)                                                                    "exists (0:r1=0 /\\\\ [x]=1)"
"""

from __future__ import annotations

from typing import assert_never

from checker.program.ir import And, Compare, Condition, Implies, Loc, MemLoc, Not, Or, Prop, RegLoc, Truth, Value


def show_value(value: Value) -> str:
    """A number, or the name of what an address points to."""
    return str(value)


def show_loc(loc: Loc) -> str:
    """`0:r1`, `[x]`; an element of an array is `z[1]`, without brackets around."""
    if isinstance(loc, MemLoc) and loc.address.offset and not loc.text:
        return str(loc.address)
    return str(loc)


def _left(side: Loc | Value) -> str:
    return show_loc(side) if isinstance(side, RegLoc | MemLoc) else show_value(side)


def _compare(op: str, p: Compare) -> str:
    """On the right a location keeps its brackets: `z[1]` there is the address of an element."""
    return f"{_left(p.left)}{op}{p.right}"


# How tightly each connective binds, loosest first; a term is put into parentheses under one that binds more tightly.
_TOP, _OR, _AND, _IMPLIES, _LEFT = range(5)


def show_prop(prop: Prop) -> str:
    """The proposition without parentheses around it. `!=` is spelled as a negated `=`."""
    return _show(prop, _TOP)


def _show(prop: Prop, above: int) -> str:
    match prop:
        case Compare(op="=="):
            return _compare("=", prop)
        case Compare(op="!="):
            return f"not ({_compare('=', prop)})"
        case Compare():
            return _compare(prop.op, prop)
        case Not():
            return f"not ({_show(prop.arg, _TOP)})"
        case And():
            return _within(" /\\ ".join(_show(p, _AND) for p in prop.args), _AND, above)
        case Or():
            return _within(" \\/ ".join(_show(p, _OR) for p in prop.args), _OR, above)
        case Implies():
            return _within(f"{_show(prop.left, _LEFT)} => {_show(prop.right, _IMPLIES)}", _IMPLIES, above)
        case Truth():
            return "true" if prop.value else "false"
    assert_never(prop)


def _within(text: str, here: int, above: int) -> str:
    """`text`, in parentheses where `above` would tear it apart; an implication inside `/\\` or `\\/` always gets them."""
    if here < above or (here == _IMPLIES and above in (_OR, _AND)):
        return f"({text})"
    return text


def show_condition(condition: Condition) -> str:
    """`exists (…)`, `~exists (…)` or `forall (…)`."""
    return f"{condition.quantifier} ({show_prop(condition.prop)})"
