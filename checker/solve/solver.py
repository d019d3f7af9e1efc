"""The only module that knows Z3: clauses in, answers out.

The clauses go over in one DIMACS text to Z3's finite-domain solver (SAT with assumptions), which is made, loaded and asked
in about a millisecond. The few functions needed are called in the library that the `z3-solver` package installs; its Python
layer, made for building terms, is not imported (it costs more to load than most tests to decide).
"""

from __future__ import annotations

import ctypes
import importlib.util
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from checker.core import memory
from checker.core.circuit import FALSE, TRUE, Lit
from checker.core.deadline import Deadline, Timeout, look

CHUNK = 50_000  # clauses handed over between two looks at the clock
_P = ctypes.c_void_p
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "global_param_set": (None, ctypes.c_char_p, ctypes.c_char_p),
    "mk_config": (_P,),
    "mk_context_rc": (_P, _P),
    "mk_bool_sort": (_P, _P),
    "mk_int_symbol": (_P, _P, ctypes.c_int),
    "mk_string_symbol": (_P, _P, ctypes.c_char_p),
    "mk_const": (_P, _P, _P, _P),
    "mk_not": (_P, _P, _P),
    "mk_or": (_P, _P, ctypes.c_uint, ctypes.POINTER(_P)),
    "inc_ref": (None, _P, _P),
    "dec_ref": (None, _P, _P),
    "get_app_decl": (_P, _P, _P),
    "func_decl_to_ast": (_P, _P, _P),
    "mk_solver_for_logic": (_P, _P, _P),
    "solver_inc_ref": (None, _P, _P),
    "solver_dec_ref": (None, _P, _P),
    "solver_from_string": (None, _P, _P, ctypes.c_char_p),
    "solver_assert": (None, _P, _P, _P),
    "solver_check_assumptions": (ctypes.c_int, _P, _P, ctypes.c_uint, ctypes.POINTER(_P)),
    "solver_get_model": (_P, _P, _P),
    "solver_get_reason_unknown": (ctypes.c_char_p, _P, _P),
    "solver_set_params": (None, _P, _P, _P),
    "mk_params": (_P, _P),
    "params_inc_ref": (None, _P, _P),
    "params_dec_ref": (None, _P, _P),
    "params_set_uint": (None, _P, _P, _P, ctypes.c_uint),
    "model_inc_ref": (None, _P, _P),
    "model_dec_ref": (None, _P, _P),
    "model_get_const_interp": (_P, _P, _P, _P),
    "get_bool_value": (ctypes.c_int, _P, _P),
    "get_error_code": (ctypes.c_int, _P),
    "get_error_msg": (ctypes.c_char_p, _P, ctypes.c_int),
    "set_error_handler": (None, _P, _P),
    "get_full_version": (ctypes.c_char_p,),
    "interrupt": (None, _P),
}


class _Library:
    """Z3's C functions and the one context of this process; Boolean constants are made once and kept."""

    def __init__(self) -> None:
        library = ctypes.CDLL(str(_library_path()))
        self.functions: dict[str, Any] = {}
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(library, f"Z3_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        f: Any = self
        f.global_param_set(b"memory_max_size", str(memory.limit() >> 20).encode())
        self.context = f.mk_context_rc(f.mk_config())
        f.set_error_handler(self.context, None)
        self.boolean = f.mk_bool_sort(self.context)
        f.inc_ref(self.context, self.boolean)
        self.logic = f.mk_string_symbol(self.context, b"QF_FD")
        self.constants: list[int] = []
        self.negations: list[int] = []
        self.declarations: list[int] = []

    def grow(self, count: int) -> None:
        """Have the constants of variables 1..count."""
        f: Any = self
        context = self.context
        while len(self.constants) <= count:
            constant = f.mk_const(context, f.mk_int_symbol(context, len(self.constants)), self.boolean)
            f.inc_ref(context, constant)
            negation = f.mk_not(context, constant)
            f.inc_ref(context, negation)
            declaration = f.get_app_decl(context, constant)
            f.inc_ref(context, f.func_decl_to_ast(context, declaration))
            self.constants.append(constant)
            self.negations.append(negation)
            self.declarations.append(declaration)

    def failed(self) -> None:
        """Raise when the last call went wrong."""
        f: Any = self
        code = f.get_error_code(self.context)
        if code:
            message = f.get_error_msg(self.context, code) or b"?"
            if b"memory" in message:
                raise memory.OutOfMemory(memory.limit())
            raise RuntimeError(f"Z3: {message.decode(errors='replace')}")


def _library_path() -> Path:
    spec = importlib.util.find_spec("z3")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package z3-solver is not installed")
    folder = Path(spec.origin).parent / "lib"
    for name in ("libz3.so", "libz3.dylib", "libz3.dll"):
        if (folder / name).is_file():
            return folder / name
    raise RuntimeError(f"no Z3 library in {folder}")


@cache
def _z3() -> Any:
    return _Library()


def forget() -> None:
    """Have the next solver start afresh: for when an exception may have cut short a call of the library."""
    _z3.cache_clear()


def interrupt() -> None:
    """Stop what Z3 is doing now, from another thread: while it works, none of Python's signal handlers runs."""
    if _z3.cache_info().currsize:
        z3 = _z3()
        z3.interrupt(z3.context)


def version() -> str:
    """Z3's version, as it names itself."""
    return str(_z3().get_full_version().decode())


class Solver:
    """One set of clauses and the questions asked of it. Literals are the circuit's; TRUE and FALSE may occur in assumptions."""

    def __init__(self, clauses: Sequence[Sequence[Lit]], variables: int, deadline: Deadline) -> None:
        self.z3 = z3 = _z3()
        self.context = z3.context
        self.deadline = deadline
        self.contradiction = any(not c for c in clauses)
        self.variables = variables
        z3.grow(variables)
        self.handle = z3.mk_solver_for_logic(self.context, z3.logic)
        z3.solver_inc_ref(self.context, self.handle)
        for first in range(0, len(clauses), CHUNK):
            look(deadline)
            some = clauses[first : first + CHUNK]
            lines = [f"p cnf {variables} {len(some)}", *[" ".join(map(str, c)) + " 0" for c in some], ""]
            z3.solver_from_string(self.context, self.handle, "\n".join(lines).encode())
            z3.failed()
        self.model: Any = None

    def close(self) -> None:
        self._drop_model()
        self.z3.solver_dec_ref(self.context, self.handle)

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop_model(self) -> None:
        if self.model is not None:
            self.z3.model_dec_ref(self.context, self.model)
            self.model = None

    def _limit(self) -> None:
        if self.deadline is None:
            return
        look(self.deadline)
        left = max(1, int((self.deadline - time.monotonic()) * 1000))
        z3 = self.z3
        params = z3.mk_params(self.context)
        z3.params_inc_ref(self.context, params)
        z3.params_set_uint(self.context, params, z3.mk_string_symbol(self.context, b"timeout"), left)
        z3.solver_set_params(self.context, self.handle, params)
        z3.params_dec_ref(self.context, params)

    def _ast(self, lit: Lit) -> Any:
        return self.z3.constants[lit] if lit > 0 else self.z3.negations[-lit]

    def satisfiable(self, assumptions: Iterable[Lit] = ()) -> bool:
        """Whether the clauses have a solution in which all `assumptions` hold. Raises Timeout."""
        self._drop_model()
        asked = [lit for lit in assumptions if lit != TRUE]
        if self.contradiction or FALSE in asked:
            return False
        self._limit()
        array = (_P * len(asked))(*[self._ast(lit) for lit in asked])
        answer = self.z3.solver_check_assumptions(self.context, self.handle, len(asked), array)
        if answer == 0:
            self.z3.failed()
            why = self.z3.solver_get_reason_unknown(self.context, self.handle)
            if b"keyboard" in why:
                raise KeyboardInterrupt  # while it works, Z3 takes the signal for itself
            if b"memory" in why:
                raise memory.OutOfMemory(memory.limit())
            raise Timeout
        return bool(answer == 1)

    def holding(self, variables: Iterable[Lit]) -> set[Lit]:
        """Which of `variables` (positive literals) are true in the solution just found; those it leaves open are false."""
        z3, context = self.z3, self.context
        if self.model is None:
            self.model = z3.solver_get_model(context, self.handle)
            z3.failed()
            z3.model_inc_ref(context, self.model)
        model, declarations = self.model, z3.declarations
        interp, value = z3.model_get_const_interp, z3.get_bool_value
        found = set()
        for v in variables:
            ast = interp(context, model, declarations[v])
            if ast and value(context, ast) == 1:
                found.add(v)
        return found

    def solutions(
        self, assumptions: Iterable[Lit], projected: Sequence[Lit], read: Sequence[Lit], free: object = None
    ) -> Iterator[Mapping[int, int]]:
        """One solution for each way the literals `projected` can come out: a table from literal to 1 (true) or -1, good for
        the literals `read`. (`free` is of use to the other engine only.)"""
        assumptions = list(assumptions)
        blocking = self.fresh()
        names = sorted({abs(lit) for lit in projected} - {TRUE})
        looked_at = sorted({abs(lit) for lit in read} | set(names))
        while self.satisfiable([*assumptions, blocking]):
            true = self.holding(looked_at)
            table = {TRUE: 1, FALSE: -1}
            for v in looked_at:
                if v != TRUE:
                    table[v] = 1 if v in true else -1
                    table[-v] = -table[v]
            yield table
            self.add([-blocking, *[-v if v in true else v for v in names]])

    def fresh(self) -> Lit:
        """A variable that is in no clause yet."""
        self.variables += 1
        self.z3.grow(self.variables)
        return self.variables

    def add(self, clause: Sequence[Lit]) -> None:
        """Assert one more clause."""
        lits = [lit for lit in clause if lit != FALSE]
        if TRUE in lits:
            return
        if not lits:
            self.contradiction = True
            return
        z3, context = self.z3, self.context
        formula = z3.mk_or(context, len(lits), (_P * len(lits))(*[self._ast(lit) for lit in lits]))
        z3.inc_ref(context, formula)
        z3.solver_assert(context, self.handle, formula)
        z3.dec_ref(context, formula)
