"""The types of the kernel's primitives: of which type a call is, and to which type it converts its arguments.

Most access a location, given as `*p` (READ_ONCE) or by its address (xchg), and have its type; `atomic_t` holds an int whatever
the test declares. What a primitive does is said in the tables of the models, not here.

    prototype("xchg_acquire")       Prototype(LOCATED, ("pointer", "value"))
    prototype("atomic_inc_return")  Prototype(INT, (), INT, overflows=True)
"""

from __future__ import annotations

import functools
import re

from msgspec import Struct

from checker.parse.c_types import BOOL, INT, LONG, U32, CType, Other

LOCATED = Other("the location's")
UNKNOWN = LONG
WAITS = re.compile(r"(?:smp_cond_load|atomic(?:64|_long)?_cond_read)_(?:relaxed|acquire)")
"""Those that wait for a condition, in which VAL is what they read."""


class Prototype(Struct, frozen=True):
    """`result` is LOCATED where it is that of the location accessed. `args`, as far as known: "place" (`*p`), "pointer", "value"
    (converted to the location's type), "same" (taken as it is); beyond them everything is converted to `others`, where that is
    a type. `overflows`: it computes what it stores from what was there.
    """

    result: CType
    args: tuple[str, ...] = ()
    others: CType | None = None
    overflows: bool = False


_ROWS: tuple[tuple[str, Prototype], ...] = (
    (
        r"(?:READ_ONCE|data_race|ACCESS_PRIVATE|(?:s?rcu_dereference|rcu_access_pointer|__load|this_cpu_read)\w*)",
        Prototype(LOCATED, ("place",)),
    ),
    (rf"(?:smp|virt)_load_acquire|{WAITS.pattern}", Prototype(LOCATED, ("pointer",))),
    (
        r"(?:WRITE_ONCE|(?:smp|virt)_store_mb|RCU_INIT_POINTER|rcu_assign_pointer|__store|this_cpu_write)",
        Prototype(Other("void"), ("place", "value")),
    ),
    (r"this_cpu_(?:add|inc|dec)", Prototype(Other("void"), ("place", "value"), overflows=True)),
    (r"(?:smp|virt)_store_release", Prototype(Other("void"), ("pointer", "value"))),
    (r"(?:sync_|arch_)?(?:xchg|__xchg)(?!add)\w*", Prototype(LOCATED, ("pointer", "value"))),
    (r"(?:sync_|arch_)?(?:cmpxchg|__cmpxchg)\w*", Prototype(LOCATED, ("pointer", "value", "value"))),
    (r"(?:sync_|arch_)?(?:try_cmpxchg|__try_cmpxchg)\w*", Prototype(BOOL, ("pointer", "same", "value"))),
    (
        r"__atomic_(?:op|op_return|fetch_op)(?::\w+)?|__fetch_op(?::\w+)?|__atomic_add_unless",
        Prototype(LOCATED, ("pointer", "value", "value"), overflows=True),
    ),
    (r"(?:_{0,2}test_and_\w+_bit\w*|test_bit\w*)", Prototype(BOOL)),
    (r"(?:refcount|kref)_read", Prototype(U32)),
    (r"refcount_\w*(?:and_test|not_zero|not_one|unless)\w*", Prototype(BOOL, (), INT, overflows=True)),
    (r"refcount_\w+", Prototype(INT, (), INT, overflows=True)),
    (r"(?:raw_)?(?:spin|read|write|mutex|down|srcu)_\w*(?:try|is_)?lock\w*", Prototype(INT)),
)
_PROTOTYPES = tuple([(re.compile(pattern), prototype) for pattern, prototype in _ROWS])
_ATOMIC = re.compile(r"(?:arch_|raw_)?atomic(64|_long)?_(\w+)")
_YES_OR_NO = re.compile(r"(?:try_|\w*_and_test|\w*_?add_negative|(?!fetch_)\w*(?:add_unless|not_zero|unless_\w+))")
_ARITHMETIC = re.compile(r"\w*(?:add|sub|inc|dec)")


@functools.lru_cache(maxsize=1024)
def prototype(name: str) -> Prototype | None:
    """The types of a primitive; None for one that is not known to have any."""
    if found := _ATOMIC.fullmatch(name):
        number = LONG if found[1] else INT
        return Prototype(BOOL if _YES_OR_NO.match(found[2]) else number, (), number, bool(_ARITHMETIC.match(found[2])))
    return next((p for pattern, p in _PROTOTYPES if pattern.fullmatch(name)), None)
