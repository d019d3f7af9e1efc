"""What was extracted from the kernel, as a file to keep and as JSON: the test, with what is weak in it."""

from __future__ import annotations

from checker.core.source import printable
from checker.insight.question import Asked
from checker.reach.extract import Extract
from checker.report import explained
from checker.report.records import clean


def question(text: str) -> str:
    """A condition as a test has it: a bare proposition gets its `exists`."""
    return text if text.lstrip().startswith(("exists", "~exists", "forall")) else f"exists ({text})"


def with_answer(made: Extract, found: Asked, model: str) -> str:
    """The test with a question, and in its comment what else could be asked."""
    asked = found.conditions[0] if found.conditions else found.forbidden or "exists (0=1)"
    lines = _told(found, model)
    comment = "(*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " *)\n"
    return made.text.replace("\nexists (0=1)\n", f"\n{comment}\n{asked}\n")


def _told(found: Asked, model: str) -> list[str]:
    spared = " were what is left out (__lost) to do nothing" if found.lost else ""
    if found.found.undecided:
        return [f"What is weak under {model} is not known: {printable(found.found.undecided)}."]
    if not found.conditions:
        what = "The question is one that comes close." if found.forbidden else "No two values are impossible together."
        return [f"Nothing is weak under {model}{',' if spared else ''}{spared}: only outcomes of interleavings. {what}"]
    more = f" (of {len(found.conditions) + found.found.truncated})" if found.found.truncated else ""
    lines = [f"Weak under {model}{',' if spared else ''}{spared}: possible, and in no interleaving{more}."]
    for condition, outcome in zip(found.conditions, found.found.outcomes, strict=False):
        lines += ["", f"  {printable(condition)}"]
        weakness = outcome.allowed.weakness if outcome.allowed is not None else None
        lines += [f"    {line}" for line in explained.gaps(weakness)] if weakness is not None else []
    return lines


def record(made: Extract, found: Asked | None, text: str) -> dict[str, object]:
    """One object, as JSON has it."""
    return {
        "test": made.name,
        "functions": [{"file": path, "function": name} for path, name in made.functions],
        "places": [{"place": str(p), "file": p.home, "sure": p.sure} for p in made.places],
        "lost": made.lost,
        "notes": [{"kind": n.kind, "file": n.path, "line": n.line, "text": clean(n.text)} for n in made.notes],
        "weak": [clean(c) for c in found.conditions] if found is not None and not found.found.undecided else None,
        "undecided": (clean(found.found.undecided) or None) if found is not None else None,
        "litmus": text,
    }
