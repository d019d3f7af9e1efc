"""What barriers pair with, and what they are worth: for people, as Markdown, and as JSON, an object a line."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from checker.campaign.barriers import BEARS, VERDICTS, Judgement, Pair, Surveyed
from checker.reach.pairs import Partner
from checker.report import markdown as md
from checker.report.records import clean


def table(found: Sequence[Surveyed], width: int | None) -> str:
    """A paragraph for each file, a line for each barrier, its partners below; nothing is longer than `width`."""
    lines: list[str] = []
    for path, some in groupby(found, key=lambda one: one.barrier.path):
        lines += [path]
        for one in some:
            lines += _filled(f"{one.barrier.line:>6}  {one.barrier.name}() in {one.barrier.inside}(): {one.verdict}", 8, width)
            for pair in one.pairs:
                lines += _filled(f"{'':8}{_paired(pair.partner)}", 10, width)
                for judgement in pair.judged:
                    lines += _filled(f"{'':10}{_judged(judgement)}", 12, width)
        lines.append("")
    return "\n".join([*lines, summary(found)])


def summary(found: Sequence[Surveyed]) -> str:
    """How many barriers there are of each verdict."""
    counts = Counter(one.verdict for one in found)
    barriers = "1 barrier" if len(found) == 1 else f"{len(found)} barriers"
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    return f"{barriers}: {said}" if said else barriers


def _filled(text: str, indent: int, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _paired(one: Partner) -> str:
    """A partner in a line: the pattern, where it is, the two places in its order, and why it is thought to be one."""
    where = f"{one.of[0]}:{one.there[0].line}" if one.there and one.there[0].path == one.of[0] else one.of[0]
    root = f" (for {one.root[1]}())" if one.here and one.here[0].function != one.root[1] else ""
    places = " then ".join(str(p) for p in (one.second, one.first) if p is not None)
    return "; ".join(filter(None, (
        f"{one.pattern or 'no pattern'} with {one.of[1]}() {where}{root}", places,
        "a comment names it" if one.named else "", "" if one.ordered or not one.pattern else "nothing orders them there",
    )))  # fmt: skip


def _judged(one: Judgement) -> str:
    instead = f": {one.instead} would do" if one.instead else ""
    without = f", without it {one.condition}" if one.condition else ""
    return f"{one.model}: {one.verdict}{instead}{without}{f': {one.why}' if one.why else ''}"


def markdown(found: Sequence[Surveyed]) -> str:
    """A table: a row for each barrier, with its likeliest partner, or the one it is needed for."""
    rows = ["| where | barrier | in | partner | pattern | places | verdict |", "|---|---|---|---|---|---|---|"]
    for one in found:
        pair = _telling(one)
        partner = pair.partner if pair is not None else None
        rows.append("| " + " | ".join((
            md.code(f"{one.barrier.path}:{one.barrier.line}"), md.code(f"{one.barrier.name}()"), md.code(f"{one.barrier.inside}()"),
            md.code(f"{partner.of[1]}()") if partner is not None else "", md.text(partner.pattern) if partner is not None else "",
            md.code(", ".join(partner.places)) if partner is not None else "",
            "<br>".join([md.text(one.verdict), *[md.text(_judged(j)) for j in (pair.judged if pair is not None else ())]]),
        )) + " |")  # fmt: skip
    return "\n".join([f"### checker barriers: {summary(found)}", "", *rows, ""])


def _telling(one: Surveyed) -> Pair | None:
    """The pair that says why a verdict is what it is: the first of that verdict."""
    same = [pair for pair in one.pairs if any(j.verdict == one.verdict for j in pair.judged)]
    return next(iter((*same, *one.pairs)), None)


def jsonl(found: Sequence[Surveyed]) -> str:
    """An object a line for each barrier."""
    return "".join(json.dumps(_record(one), ensure_ascii=False) + "\n" for one in found)


def _record(one: Surveyed) -> dict[str, object]:
    b = one.barrier
    return {
        "file": clean(b.path), "line": b.line, "barrier": b.name, "function": b.inside, "verdict": one.verdict,
        "partners": [_partner(pair) for pair in one.pairs],
    }  # fmt: skip


def _partner(pair: Pair) -> dict[str, object]:
    one = pair.partner
    return {
        "function": one.of[1], "file": clean(one.of[0]), "for": {"function": one.root[1], "file": clean(one.root[0])},
        "pattern": one.pattern or None, "places": list(one.places), "named": one.named, "ordered": one.ordered,
        "distance": one.distance, "depth": one.depth, "score": round(one.score, 1),
        "here": [{"file": clean(a.path), "line": a.line, "place": str(a.place), "access": a.verb} for a in one.here],
        "there": [{"file": clean(a.path), "line": a.line, "place": str(a.place), "access": a.verb} for a in one.there],
        "judged": [
            {"model": j.model, "verdict": j.verdict, "condition": j.condition or None, "instead": j.instead or None,
             "why": j.why or None, "test": j.test if j.verdict == BEARS else None}
            for j in pair.judged
        ],
    }  # fmt: skip
