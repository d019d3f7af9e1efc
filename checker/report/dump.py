"""The stages between a file and its verdict as text, for those who want to see why.

`graph` shows the events of all paths and what the program says of them, `bounds` what is known of the model's relations before
solving, `problem` what the solver is asked, `execution` the execution that decided. Events are lettered from a, initial
writes first. `?` marks what is not yet decided.

    a  init  IW           [x]=0
    b  P0    W  ONCE      [x]=1                line 12
    po: b→c
"""

from __future__ import annotations

from checker.cat.evaluate import Bounds
from checker.cat.term import Model
from checker.check import Options, check, stages
from checker.core.circuit import TRUE
from checker.core.rel import Rows, bits, compose, diff, pairs
from checker.core.source import printable
from checker.core.value import Symbolic
from checker.program.events import INIT_TID, Event, EventGraph
from checker.program.ir import Test
from checker.report.spell import show_condition
from checker.solve.encode import Problem
from checker.solve.execution import Execution
from checker.solve.progress import STUCK

STAGES = ("graph", "bounds", "problem", "execution")
PROGRAM = ("po", "addr", "data", "ctrl", "rmw", "amo")
MEMORY = ("rf", "co", "fr")
EVERYWHERE = ("_", "int", "ext", "id", "loc")
WIDTH = 100
BOUND_LINES = 3


def dump(stage: str, test: Test, model: Model, options: Options) -> str:
    """The text of one stage of checking `test` under `model`. Raises CheckerError as `check` does."""
    if stage == "execution":
        return "\n".join([_title(stage, test, model), *show_execution(test, model, options), ""])
    graph, bounds, problem = stages(test, model, options)
    match stage:
        case "graph":
            lines = show_graph(graph)
        case "bounds":
            lines = show_bounds(model, bounds)
        case _:
            lines = show_problem(problem)
    return "\n".join([_title(stage, test, model), *lines, ""])


def _title(stage: str, test: Test, model: Model) -> str:
    return f"{stage} of {printable(test.name)} under {printable(model.name)}"


# ---------------------------------------------------------------- events


def show_graph(graph: EventGraph) -> list[str]:
    """All events of all paths, then the relations that the program fixes."""
    lines = [_event(e, conditional=e.guard != TRUE) for e in graph.events]
    for name in PROGRAM:
        if name in graph.leaves:
            must, may, _ = graph.leaves[name]
            lines.extend(_relation(name, must, may, graph))
    lines.extend(_relation("rf", *graph.leaves["rf"][:2], graph))
    lines.extend([f"{'code is left out' if lost else 'loop bound reached'} at {span}" for _, span, lost in graph.cut])
    lines.extend([f"no address at {span}: {what}" for _, span, what in graph.wild])
    return [line.rstrip() for line in lines]


def _event(e: Event, *, conditional: bool) -> str:
    who = "init" if e.tid == INIT_TID else f"P{e.tid}"
    tags = " ".join(sorted([tag for tag in map(str, e.tags - {e.kind}) if "@" not in tag]))
    if any(tag.startswith(STUCK) for tag in e.tags):
        tags = "waits for ever"
    what = "" if e.addr is None else f"[{_values(e.addr)}]" + ("" if e.value is None else f"={_values(e.value)}")
    where = f"line {e.span.line}" if e.span.line else ""
    return f"{e.letter + ('?' if conditional else ''):<4}{who:<6}{e.kind:<3}{tags:<18} {what:<24} {where}"


def _values(value: Symbolic) -> str:
    """`1`, or `0|1` where it is open."""
    return "|".join([printable(str(v)) for v in value])


def _relation(name: str, must: Rows, may: Rows, graph: EventGraph) -> list[str]:
    """`rf: a→d b→e?`: the pairs of a relation; po without what follows from transitivity. Nothing when it is empty."""
    if name == "po":
        may = diff(may, compose(may, may))
    letters = [e.letter for e in graph.events]
    shown = [f"{letters[a]}→{letters[b]}" + ("" if must[a] >> b & 1 else "?") for a, b in pairs(may)]
    return _filled(f"{name}: ", shown)


def _filled(head: str, words: list[str]) -> list[str]:
    """`head` and the words in lines of about `WIDTH`, further ones indented; nothing without words."""
    lines: list[str] = []
    line = head
    for word in words:
        if len(line) + len(word) > WIDTH and line.strip() != head.strip():
            lines.append(line.rstrip())
            line = " " * len(head)
        line += word + " "
    return [*lines, line.rstrip()] if words else []


# ---------------------------------------------------------------- bounds


def show_bounds(model: Model, bounds: Bounds) -> list[str]:
    """What is known of each named set and relation of the model that is not empty, a few lines each."""
    lines = []
    for name, term in model.names.items():
        if name in EVERYWHERE:
            continue
        must, may = bounds.of(term)
        if term.kind == "set":
            words = [bounds.graph.events[a].letter + ("" if must >> a & 1 else "?") for a in bits(may)]
            lines.extend(_filled(f"{name}: ", words))
        else:
            shown = _relation(name, must, may, bounds.graph)
            lines.extend(shown[:BOUND_LINES])
            if len(shown) > BOUND_LINES:
                sure, open_ = sum(map(int.bit_count, must)), sum(map(int.bit_count, diff(may, must)))
                lines.append(f"  … {sure} pairs sure, {open_} open")
    return lines


# ---------------------------------------------------------------- the problem


def show_problem(problem: Problem) -> list[str]:
    """How large the question to the solver is, and which questions there are beside the verdict."""
    circuit = problem.circuit
    roots = [problem.cut, problem.wild, problem.undefined, *[lit for _, lit in problem.flags]]
    clauses = circuit.clauses(roots)
    variables = sum(gate is None for gate in circuit.gates[2:])
    lines = [
        f"events       {problem.graph.n}",
        f"variables    {variables}",
        f"gates        {len(circuit.gates) - 2 - variables}",
        f"constraints  {len(circuit.constraints)}",
        f"clauses      {len(clauses)}",
        f"literals     {sum(map(len, clauses))}",
    ]
    lines.extend([f"may raise    flag {name}" for name, _ in problem.flags])
    asked = {"a loop is cut short": problem.cut, "memory is accessed through no address": problem.wild}
    lines.extend([f"may be that  {what}" for what, lit in asked.items() if lit != -TRUE])
    return lines


# ---------------------------------------------------------------- the execution


def show_execution(test: Test, model: Model, options: Options) -> list[str]:
    """The verdict and the certified execution that satisfies (for `forall`: violates) the proposition, if there is one;
    then an execution for each flag that is raised."""
    result = check(test, model, options)
    lines = [f"{result.observation}: {printable(show_condition(result.condition))}"]
    lines.extend([f"unknown: {printable(name)}, because {because}" for name, because in result.unanswered])
    if result.witness is None:
        satisfies = "violates" if result.condition.quantifier == "forall" else "satisfies"
        lines.append(f"no execution {satisfies} the proposition")
    else:
        lines.extend(one_execution(result.witness, model))
    for name, answer in result.answers.flags:
        if answer.execution is not None:
            lines.extend(["", f"flag {printable(name)}:", *one_execution(answer.execution, model)])
    return lines


def one_execution(found: Execution, model: Model) -> list[str]:
    """Its events with the values they have, how they are related, and what registers and memory hold at the end."""
    graph = found.graph
    lines = [_event(e, conditional=False).rstrip() for e in found.events()]
    for name in (*PROGRAM, *MEMORY):
        term = model.names.get(name)
        rows = found.bounds.of(term)[1] if term is not None else graph.leaves[name][1] if name in graph.leaves else None
        if rows is not None:
            lines.extend(_relation(name, rows, rows, graph))
    parameters = {str(loc): str(value) for loc, value in found.finals.items()}
    finals = [f"{loc}={value};" for loc, value in parameters.items() if loc.partition(":")[2] != value and "%" not in loc]
    finals.extend([f"[{address}]={value};" for address, value in sorted(found.memory.items())])
    return lines + _filled("finally: ", [printable(text) for text in finals])
