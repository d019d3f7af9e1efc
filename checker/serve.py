"""The tools of `checker mcp`: what a program that reviews patches may ask, with typed answers (Model Context Protocol, stdio).

Each call is answered in a process of its own (checker/asked.py); a question that cannot be answered is a tool error, in the words
that people get. Nothing is read but the text in the call, and only the models that come with the checker are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from checker import __version__
from checker.asked import Limits, Question, Row, within
from checker.core.source import CheckerError
from checker.library import SHIPPED

INSTRUCTIONS = """\
Decides litmus tests of kernel synchronisation under memory models, and says why. Do not assume that barriers in a patch are right:
write the two or more sides of the code as one small litmus test (C as in tools/memory-model/litmus-tests; `exists` asks for the
outcome that must not happen) and ask. check: whether it can happen. explain: the cycle that forbids it, or the execution that shows
it and the order that is missing. audit: which barriers matter. repair: the cheapest ones that would do. compare: where two models
differ. Models: lkmm (the kernel's own), machines, sc. A verdict of Unknown is no verdict."""
READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(SHIPPED)]
Test = Annotated[str, Field(description="a litmus test: the whole text, in C or assembly")]
Models = Annotated[list[Name] | None, Field(description="default: the models the test expects something of, else lkmm")]
Unroll = Annotated[int, Field(ge=1, le=100, description="rounds of a loop")]


class _Said(BaseModel):
    """All fields, and no others: what the commands print with --format json."""

    model_config = ConfigDict(extra="forbid")


class Verdict(_Said):
    """Whether an outcome happens under one model. `unknown` tells why a question has no answer."""

    file: str
    test: str
    model: str
    observation: str = Field(description="Never, Sometimes, Always, DEADLOCK or Unknown")
    ok: bool | None
    states: list[str]
    more_states: int
    flags: list[str]
    expected: str | None
    as_expected: bool | None
    seconds: float
    unknown_because: str
    condition: str | None
    counts: list[int] | None
    undefined: bool
    warnings: list[str]
    error: str | None
    unknown: dict[str, str]


class Edge(_Said):
    """An edge of a cycle: from one access to the next, and what makes it hold."""

    from_: str = Field(alias="from")
    to: str
    relation: str
    lines: list[int]
    because: str


class Cycle(_Said):
    """A cycle that an axiom of a cat file forbids."""

    axiom: str
    cat: str
    edges: list[Edge]


class Gap(_Said):
    """Two accesses that nothing orders (`kept`: not for all CPUs), and the barrier that would: between the two, where others stand
    between right behind the first or before the second."""

    from_: str = Field(alias="from")
    to: str
    lines: list[int]
    kept: bool
    barrier: str | None
    where: str | None


class Flag(_Said):
    """What raises a flag (data-race, use-after-free, …)."""

    flag: str
    cat: str
    events: list[str]
    lines: list[int]
    execution: list[str]
    way: list[Edge]
    gaps: list[Gap]


class Reason(_Said):
    """Never: the cycles that refute every way the outcome could come about. Sometimes: an execution, and what is missing."""

    file: str
    test: str
    model: str
    observation: str
    certified: bool
    seconds: float
    check_seconds: float
    candidates: int | None
    summary: str
    cycles: list[Cycle]
    execution: list[str] | None
    cycle: list[Edge] | None
    gaps: list[Gap] | None
    flags: list[Flag]


class Choice(_Said):
    """An ordering choice: load-bearing, too strong (`weakest` would do), idle, or unknown."""

    line: int
    text: str
    status: str
    weakest: str | None
    opens: str | None


class Audited(_Said):
    """The choices of a test under one model; `minimal` are the smallest sets of them that are enough, by index."""

    file: str
    test: str
    model: str
    observation: str
    kept: str
    decided: bool
    seconds: float
    choices: list[Choice]
    minimal: list[list[int]]
    complete: bool


class Change(_Said):
    """One change of a repair."""

    line: int
    text: str
    statement: str


class Alternative(_Said):
    """Changes that are enough: their cost, what machines execute more, the changes as a diff, and the whole changed test."""

    cost: dict[str, int]
    machines: dict[str, dict[str, int]]
    diff: str
    changes: list[Change]
    text: str
    flags: list[str]


class Repaired(_Said):
    """The cheapest changes that make the outcome impossible, the cheapest first; or the reason why there are none."""

    file: str
    test: str
    models: list[str]
    seconds: float
    reason: str | None
    alternatives: list[Alternative]


class Difference(_Said):
    """A final state that one model allows and the other does not, with both sides' reasons."""

    state: str
    exists: str
    by: str
    allowed: Reason | None
    forbidden: Reason | None


class Compared(_Said):
    """Where two models differ on a test."""

    file: str
    test: str
    models: list[str]
    same: bool
    observations: list[str]
    flags: list[list[str]]
    truncated: int
    undecided: str | None
    outcomes: list[Difference]


def server(limits: Limits, at_once: int) -> MCPServer[Any]:
    """The server, which answers `at_once` calls at a time."""
    made = MCPServer[Any]("checker", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    turns = anyio.Semaphore(at_once)

    async def rows(tool: str, test: str, models: list[Name] | None, unroll: int) -> list[Row]:
        question = Question(tool, test, tuple(models or ()), unroll)
        async with turns:
            try:
                return await anyio.to_thread.run_sync(within, question, limits)
            except CheckerError as error:
                raise ToolError(error.render()) from None

    @made.tool(annotations=READS)
    async def check(test: Test, models: Models = None, unroll: Unroll = 2) -> list[Verdict]:
        """Decide whether the outcome that a litmus test asks for can happen, under each model; with final states and flags."""
        return [Verdict.model_validate(row) for row in await rows("check", test, models, unroll)]

    @made.tool(annotations=READS)
    async def explain(test: Test, models: Models = None, unroll: Unroll = 2) -> list[Reason]:
        """Say why an outcome never happens (certified cycles), or how it does and which order is missing."""
        return [Reason.model_validate(row) for row in await rows("explain", test, models, unroll)]

    @made.tool(annotations=READS)
    async def audit(test: Test, models: Models = None, unroll: Unroll = 2) -> list[Audited]:
        """Say of each fence, acquire, release, lock, grace period and dependency whether it is load-bearing, too strong or idle."""
        return [Audited.model_validate(row) for row in await rows("audit", test, models, unroll)]

    @made.tool(annotations=READS)
    async def repair(test: Test, models: Models = None, unroll: Unroll = 2) -> Repaired:
        """Find the cheapest changes that make the outcome impossible under all models, as diffs that were checked again."""
        return Repaired.model_validate((await rows("repair", test, models, unroll))[0])

    @made.tool(annotations=READS)
    async def compare(test: Test, first: Name, second: Name, unroll: Unroll = 2) -> Compared:
        """Say where two models differ on a test: verdicts, flags, final states, and the reason on both sides."""
        return Compared.model_validate((await rows("compare", test, [first, second], unroll))[0])

    return made
