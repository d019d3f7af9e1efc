"""Whether rounds of a loop may be left out of an execution: what a model then still allows, and still flags.

The rounds are of a loop that waits (program/spin.py): they have written nothing. Leaving their events out restricts every base
relation to what is left, and a term's value becomes no larger (`down`), no smaller (`up`), or both, as its operators have it:
a composition may lose what went through an event that is gone; what is taken away by `\\` may then be less. A check that
asks a relation to be empty, irreflexive or acyclic still holds where its term goes down; a flag is still raised where its term
goes up and the events that raise it stay. Both are established of each axiom for the code at hand, over the kinds of events
there are (solve/beyond.py).

    acyclic po-loc | rf | co | fr     down: none of them grows
    ~empty race \\ ordered            up, where `ordered` goes down
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from checker.cat.recursion import names_of
from checker.cat.term import Axiom, Model, Term
from checker.core.rel import codomain, domain, pairs
from checker.solve.beyond import Beyond


class Steps(NamedTuple):
    """How a term's value on the events that are left may differ from what it was there."""

    down: bool
    up: bool


EXACT, UNKNOWN = Steps(down=True, up=True), Steps(down=False, up=False)


class Dropped:
    """What the loops of a test may leave out, and what becomes of a model's terms."""

    def __init__(self, beyond: Beyond) -> None:
        self.beyond = beyond
        self.gone = sum(1 << beyond.kinds.index(kind) for kind in beyond.of_loops)
        for _, loops, kinds in beyond.code:
            for i, kind in kinds.items():
                if kind.kind != "W" and any(i in loop for loop in loops):
                    self.gone |= 1 << beyond.kinds.index(kind)
        self.known: dict[int, Steps] = {}

    def never_breaks(self, axioms: Iterable[Axiom]) -> bool:
        """Whether every check that held does so without the rounds: what happens in any number of them happens in few."""
        return all(self.holds(axiom) for axiom in axioms if axiom.role == "check")

    def holds(self, axiom: Axiom) -> bool:
        """Whether a check that held does so without the rounds."""
        return not axiom.negated and self.of(axiom.term).down

    def rounds(self, axiom: Axiom) -> int | None:
        """In how many rounds of one loop the events are that raise a flag, if it is then raised without all others; or None."""
        if not axiom.negated or axiom.kind != "empty" or not self.of(axiom.term).up:
            return None
        if axiom.term.kind == "set":
            return 1
        kinds = self.beyond.kinds
        return 2 if any(kinds[a].tid == kinds[b].tid and self.gone >> a & self.gone >> b & 1 for a, b in self.raised(axiom)) else 1

    def enough(self, model: Model) -> int | None:
        """How many rounds of each loop that waits tell all there is to tell of a model; None where more may always tell more."""
        needed = 1
        for axiom in model.axioms:
            if not axiom.negated and self.nothing(axiom.term):  # an assertion, say, about what is not in the test
                continue
            rounds = self.rounds(axiom) if axiom.role == "flag" else 1 if axiom.role == "check" and self.holds(axiom) else None
            if rounds is None:
                return None
            needed = max(needed, rounds)
        return needed

    def raised(self, axiom: Axiom) -> list[tuple[int, int]]:
        return list(pairs(self.beyond.rel(axiom.term)))

    def of(self, term: Term) -> Steps:
        """What becomes of a term."""
        found = self.known.get(term.index)
        if found is None:
            found = self.known[term.index] = self.found(term, {})
        return found

    def found(self, term: Term, variables: dict[str, Steps]) -> Steps:
        """As `of`, where the variables of a `let rec` are as given."""
        if not term.free and term.index in self.known:
            return self.known[term.index]
        made = EXACT if not term.free and self.nothing(term) else self.made(term, variables)
        if not term.free and not variables:
            self.known[term.index] = made
        return made

    def made(self, term: Term, variables: dict[str, Steps]) -> Steps:
        if term.op == "var":
            return variables.get(term.name, UNKNOWN)
        if term.op == "fix":
            return self.fix(term, variables)
        parts = [self.found(a, variables) for a in term.args]
        down, up = all(p.down for p in parts), all(p.up for p in parts)
        match term.op:
            case "leaf" | "empty" | "single" | "union" | "inter" | "inverse" | "id" | "product" | "values":
                return Steps(down, up)
            case "diff":
                return Steps(parts[0].down and parts[1].up, parts[0].up and parts[1].down)
            case "seq" if self.takes_nothing(*term.args):
                return parts[1]
            case "seq":
                ends = any(a.op == "id" for a in term.args)  # what is in the middle is an end as well
                return Steps(down, up and (ends or not self.through(term.args[0], term.args[1])))
            case "plus":
                return Steps(down, up and not self.through(term.args[0], term.args[0]))
            case "domain":
                return Steps(down, up and not codomain(self.beyond.rel(term.args[0])) & self.gone)
            case "range":
                return Steps(down, up and not domain(self.beyond.rel(term.args[0])) & self.gone)
            case "orders":
                return EXACT if down and up and not self.beyond.set(term.args[0])[1] & self.gone else UNKNOWN
            case "choice":
                return self.choice(term, parts)
        return UNKNOWN

    def nothing(self, term: Term) -> bool:
        """Whether a term is empty in every execution of the code."""
        return not (self.beyond.set(term)[1] if term.kind == "set" else any(self.beyond.rel(term)))

    def takes_nothing(self, first: Term, second: Term) -> bool:
        """Whether a composition is `[~S] ; r` where r never begins in S."""
        less = first.args[0] if first.op == "id" else first
        if less.op != "diff" or less.args[0].name != "_":
            return False
        return not self.beyond.set(less.args[1])[1] & domain(self.beyond.rel(second))

    def through(self, first: Term, second: Term) -> bool:
        """Whether an event that may go can stand between two relations."""
        return bool(codomain(self.beyond.rel(first)) & domain(self.beyond.rel(second)) & self.gone)

    def choice(self, term: Term, parts: list[Steps]) -> Steps:
        """One pair for each member of a set or relation: the same may be chosen, where neither these nor their pairs go."""
        members, pairs_of = self.beyond.of_single(term)
        if not any(members):
            return EXACT
        if parts[0] != EXACT or not parts[1].up:
            return UNKNOWN
        touched = domain(members) | codomain(members) | domain(pairs_of) | codomain(pairs_of)
        return UNKNOWN if touched & self.gone else EXACT

    def fix(self, term: Term, variables: dict[str, Steps]) -> Steps:
        """By induction over the rounds in which a `let rec` is computed, all of whose relations begin empty."""
        component, names = names_of(term)
        state = {**variables, **dict.fromkeys(names, EXACT)}
        while True:
            made = [self.found(body, state) for body in term.bodies]
            now = {**state, **{n: Steps(state[n].down and m.down, state[n].up and m.up) for n, m in zip(names, made, strict=True)}}
            if now == state:
                break
            state = now
        found = state[names[component]]
        return found if term.monotone or all(state[n] == EXACT for n in names) else UNKNOWN
