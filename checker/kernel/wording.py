"""Operations of kernel code in the words of a test: calls, accesses, and what has to be declared for them.

Words(text, process, all processes, members).call(fence smp_rmb())    ("smp_rmb()", [])
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from checker.kernel.binding import Process
from checker.kernel.primitives import DEFER, FENCE, READ, RMW
from checker.kernel.skeleton import Op

_CALLS = {"call_srcu": 3, "call_srcu_expedited": 3, "call_rcu": 2, "call_rcu_hurry": 2}


class NoWords(Exception):
    """A change that the test has no words for."""


class Edit(Struct, frozen=True, order=True):
    """Bytes `start` to `end` of the test's text become `text`."""

    start: int
    end: int
    text: str


class Words:
    """What a process of a test can say. `members`: the code's names → the test's."""

    def __init__(self, text: bytes, process: Process, processes: Mapping[int, Process], members: Mapping[str, str]) -> None:
        self.text, self.process, self.processes, self.members = text, process, processes, members
        head = text[process.start : text.index(b"{", process.start)].decode("utf-8", "replace")
        self.head = head
        self.close = process.start + len(head[: head.rindex(")")].encode())
        self.params = {name: " ".join(f"{kind}{stars}{name}".split()) for kind, stars, name in _PARAMETER.findall(head)}
        self.callbacks = 0

    def call(self, op: Op, was: str = "") -> tuple[str, list[Edit]]:
        """A fence, a grace period, or what queues a callback, without the semicolon; `was` is the call it takes the place of."""
        if op.verb == FENCE:
            return f"{op.strength}()", []
        if op.verb == DEFER:
            return self._queue(op, was)
        if op.strength in ("rcu", "rcu barrier"):
            return ("synchronize_rcu()" if op.strength == "rcu" else "rcu_barrier()"), []
        if op.strength in ("srcu", "srcu barrier"):
            domain, edits = self.domain(op.place)
            return f"{'synchronize_srcu' if op.strength == 'srcu' else 'srcu_barrier'}({domain})", edits
        raise NoWords(f"the tests have no word for {op.text}")

    def domain(self, place: str) -> tuple[str, list[Edit]]:
        """The test's name of an srcu_struct: its own, one that it has to be given, or a new one that no reader uses."""
        name = self.members.get(place, place)
        if name in self.params:
            return name, []
        if not name.isidentifier():
            raise NoWords("the test has no name for the srcu_struct")
        known = any(re.search(rf"srcu_struct \*\s*{name}\b", self._head(other)) for other in self.processes.values())
        if not known and re.search(rb"\b%s\b" % name.encode(), self.text.partition(b"*)")[2]):
            raise NoWords(f"the test has another thing named {name}")
        comma = ", " if self.params else ""
        return name, [Edit(self.close, self.close, f"{comma}struct srcu_struct *{name}")]

    def _head(self, process: Process) -> str:
        return self.text[process.start : self.text.index(b"{", process.start)].decode("utf-8", "replace")

    def _queue(self, op: Op, was: str) -> tuple[str, list[Edit]]:
        """What queues a callback. `was` is what the test has in this place: another call of the kind, or kfree()."""
        name, _, arguments = was.partition("(")
        args = [arg.strip() for arg in arguments.rstrip("); \n\t").split(",")]
        edits: list[Edit] = []
        if len(args) == _CALLS.get(name):
            head, function = args[-2:]
        else:
            head = "&deferred"
            function, edits = self._callback(args[0] if name == "kfree" else "")
        if op.strength == "rcu":
            return f"call_rcu({head}, {function})", edits
        domain, more = self.domain(op.place)
        return f"call_srcu({domain}, {head}, {function})", [*edits, *more]

    def _callback(self, freed: str) -> tuple[str, list[Edit]]:
        """A new process that is the callback: it frees, or does nothing that the test shows."""
        if freed and freed not in self.params:
            raise NoWords(f"the test does not say what {freed} is")
        number = max(self.processes) + 1 + self.callbacks
        self.callbacks += 1
        end = max(process.end for process in self.processes.values())
        param = self.params[freed] if freed else "int *deferred"
        body = f"\tkfree({freed});\n" if freed else ""
        return f"P{number}", [Edit(end, end, f"P{number}({param})\n{{\n{body}}}\n\n")]

    def access(self, op: Op, after: Op) -> str:
        """An access of the test with the strength of `after`."""
        written = self.text[op.start : op.end].decode("utf-8", "replace")
        if op.verb == RMW:
            if not op.name or not after.name:
                raise NoWords(f"{op.text} cannot be put as {after.text}")
            return after.name + written[len(op.name) :]
        if "[" in written:
            raise NoWords(f"{op.text} cannot be put as {after.text}")
        target = f"*{op.place}"
        words = {"plain": target, "once": f"READ_ONCE({target})", "acquire": f"smp_load_acquire({op.place})"}
        if op.verb != READ:
            value = _value(written, op)
            words = {
                "plain": f"{target} = {value}",
                "once": f"WRITE_ONCE({target}, {value})",
                "release": f"smp_store_release({op.place}, {value})",
                "mb": f"smp_store_mb({target}, {value})",
            }
        if after.strength not in words:
            raise NoWords(f"the tests have no word for {after.text}")
        return words[after.strength]

    def without(self, op: Op) -> Edit:
        """Take the statement of `op` away."""
        start, end = op.outer
        statement = self.text[start:end]
        if not re.match(rb"(?:\w+\s*=\s*)?\w+\s*\(", statement):
            raise NoWords(f"{op.text} is not a statement of its own in the test")
        return Edit(start, end, "{ }" if self.bare(start) else "")

    def statement(self, op: Op) -> str:
        start, end = op.outer
        return self.text[start:end].decode("utf-8", "replace")

    def bare(self, start: int) -> bool:
        """Whether the statement at `start` is the body of an `if` without braces."""
        ahead = self.text[:start].rstrip()
        return ahead.endswith((b")", b"else"))

    def register(self, op: Op) -> str:
        """The register that a read of the test fills; "" for none."""
        found = re.match(rb"(\w+)\s*=\s*[^=]", self.text[op.outer[0] : op.outer[1]])
        return found[1].decode() if found is not None and op.verb in (READ, RMW) else ""


_PARAMETER = re.compile(r"((?:\w+\s+)+)(\**\s*)(\w+)\s*(?=[,)])")


def _value(written: str, op: Op) -> str:
    """What a store of the test stores."""
    if op.strength == "plain":
        return written.partition("=")[2].strip()
    inner = written[written.index("(") + 1 : written.rindex(")")]
    depth = 0
    for at, c in enumerate(inner):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and not depth:
            return inner[at + 1 :].strip()
    raise NoWords(f"{op.text} stores nothing")
