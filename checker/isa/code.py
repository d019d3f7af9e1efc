"""The assembly of one thread while it grows, and what a machine has to know to write it: for `assembly.export`.

A register is taken, for a local variable for good, for a temporary until its last use. One that must hold something from the
start (an address, the 0 of a variable that is never set) is one that nothing was written to before.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct, field

from checker.core.source import NOWHERE, LimitExceeded, Span, Unsupported
from checker.program.ir import Address, Expr, Load, Store, Value

SIZE = 8  # bytes of a location
CALLED = {"div32": "div", "divu": "div", "mod32": "mod", "modu": "mod", "within": "shift"}
"""Operations by the names that people know, where they have others."""


class Code(Struct):
    """The assembly of one thread while it grows. The two machines differ in `Machine`, which writes into it."""

    tid: int
    params: frozenset[str]
    names: dict[str, str]
    free: list[str]
    lines: list[str] = field(default_factory=list)
    registers: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    initial: dict[str, Value] = field(default_factory=dict)
    scratch: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    failed: str = ""
    here: Span = NOWHERE

    def emit(self, *lines: str) -> None:
        self.lines.extend(lines)

    def take(self, *, fresh: bool) -> str:
        """A register nobody uses; a fresh one nobody has used before either: it has its initial value, 0 unless said otherwise."""
        found = next((r for r in self.free if not (fresh and r in self.written)), "")
        if not found:
            raise LimitExceeded(f"P{self.tid} needs more registers than the machine has", self.here)
        self.free.remove(found)
        self.written.add(found)
        return found

    def temporary(self) -> str:
        """A register until the end of the instruction at work."""
        self.scratch.append(self.take(fresh=False))
        return self.scratch[-1]

    def constant(self, value: Value) -> str:
        """A register that has a value from the start."""
        register = self.take(fresh=True)
        self.initial[register] = value
        return register

    def register(self, name: str) -> str:
        """The register of a local variable, or of a temporary of `expand`."""
        if name not in self.registers:
            self.registers[name] = self.take(fresh=not name.startswith("%"))
            if name in self.params:
                self.initial[self.registers[name]] = Address(name)
        return self.registers[name]

    def address(self, name: str) -> str:
        """A register that holds the address of a global from the start."""
        if name not in self.addresses:
            self.addresses[name] = self.constant(Address(name))
        return self.addresses[name]

    def label(self, name: str) -> str:
        return self.labels.setdefault(name, f"L{self.tid}_{len(self.labels)}")

    def failure(self) -> str:
        """The register that is 0 as long as all has succeeded that must."""
        self.failed = self.failed or self.take(fresh=True)
        return self.failed

    def release(self, upto: dict[str, int], at: int) -> None:
        """Give back what instruction `at` was the last to use."""
        self.free[:0] = reversed(self.scratch)
        self.scratch.clear()
        for name, last in upto.items():
            if last == at and name in self.registers:
                self.free.insert(0, self.registers.pop(name))

    def refuse(self, what: str, hint: str = "") -> Unsupported:
        return Unsupported(f"{what} cannot be written as {self.machine_name} instructions", self.here, hint=hint)

    machine_name: str = ""


class Machine(Protocol):
    """How one machine says what the instructions of a program are, each written into the `Code` that is given."""

    @property
    def arch(self) -> str:
        """The word a herd test begins with."""
        ...

    @property
    def name(self) -> str:
        """The machine's name in messages."""
        ...

    @property
    def pool(self) -> tuple[str, ...]:
        """Its registers."""
        ...

    def assign(self, code: Code, dst: str, value: Expr) -> None: ...

    def load(self, code: Code, load: Load) -> None: ...

    def store(self, code: Code, store: Store) -> None: ...

    def fence(self, code: Code, tags: frozenset[str]) -> None: ...

    def branch(self, code: Code, cond: Expr, target: str) -> None: ...

    def fail_unless(self, code: Code, cond: Expr) -> None:
        """Make `code.failure()` something else than 0 unless the condition holds."""
        ...

    def exchange(self, code: Code, load: Load, store: Store, *, used: bool) -> None: ...

    def fetch(self, code: Code, load: Load, store: Store, op: str, value: Expr, *, used: bool) -> None: ...

    def compare_exchange(self, code: Code, load: Load, expected: Expr, store: Store) -> None: ...
