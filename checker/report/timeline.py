"""A boot's grace periods as a table and as a picture: a lane for each strategy, time runs to the right.

table(timelines)    one line a strategy and HZ: what registrations, memslot updates and the first vCPU took
picture(timelines)  SVG; above the line what the VMM does, waiting in a darker colour; below it SRCU's grace periods
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from checker.gp import REGISTER, UPDATE, VCPU, Step, Timeline
from checker.report.table import columns

_HEAD = ("hz", "strategy", "registrations", "slowest", "updates", "slowest", "first vcpu", "waited", "boot", "callbacks")


def span(us: float) -> str:
    """A time in µs with a unit that suits it: `137 µs`, `20.1 ms`, `1.25 s`."""
    for limit, unit, size in ((1e3, "µs", 1.0), (1e6, "ms", 1e3)):
        if us < limit:
            return f"{us / size:.3g} {unit}"
    return f"{us / 1e6:.3g} s"


def table(timelines: Sequence[Timeline]) -> str:
    """One line a timeline; `slowest` is the longest single call of the kind before it."""
    rows = [_HEAD, *[_row(t) for t in timelines]]
    return "\n".join(columns(rows, right={i for i in range(len(_HEAD)) if i != 1}))


def _row(t: Timeline) -> tuple[str, ...]:
    register, update, vcpu = t.of(REGISTER), t.of(UPDATE), t.of(VCPU)
    return (
        str(t.machine.hz), t.strategy, _sum(register), _most(register), _sum(update), _most(update),
        span(vcpu[0].length) if vcpu else "–", span(t.waited), span(t.length), str(t.deferred),
    )  # fmt: skip


def _sum(steps: Sequence[Step]) -> str:
    return span(sum(s.length for s in steps)) if steps else "–"


def _most(steps: Sequence[Step]) -> str:
    return span(max(s.length for s in steps)) if steps else "–"


# ---------------------------------------------------------------- the picture

_COLOURS = {REGISTER: "#4477aa", UPDATE: "#228833", VCPU: "#ccbb44"}
_WAIT, _TIMER, _SCAN, _INK = "#ee6677", "#dddddd", "#888888", "#222222"
_NAMES = {
    REGISTER: "registration", UPDATE: "memslot update", VCPU: "KVM_CREATE_VCPU", "wait": "waiting for a grace period",
    "timer": "a grace period's timer", "scan": "its scans",
}  # fmt: skip
_ABOVE, _BELOW = (10, 18), (32, 10)  # a row of bars in a lane: where, and how high
_LEFT, _WIDTH, _RIGHT, _TOP, _LANE = 240, 720, 110, 64, 58


def picture(timelines: Sequence[Timeline], title: str) -> str:
    """An SVG drawing of the timelines, all on one scale."""
    length = max([t.length for t in timelines], default=0) or 1
    height = _TOP + _LANE * len(timelines) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" height="{height}" '
        f'viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" font-family="sans-serif" font-size="12" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="16" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        *_legend(),
    ]
    for i, t in enumerate(timelines):
        parts += _lane(t, _TOP + _LANE * i, _WIDTH / length)
    parts += [*_axis(length, _TOP + _LANE * len(timelines)), "</svg>"]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    parts, x = [], 16.0
    colours = {**_COLOURS, "wait": _WAIT, "timer": _TIMER, "scan": _SCAN}
    for key, colour in colours.items():
        parts.append(_box(x, 36, 12, 12, colour, ""))
        parts.append(f'<text x="{x + 17:.0f}" y="46">{_NAMES[key]}</text>')
        x += 34 + 6.6 * len(_NAMES[key])
    return parts


def _lane(t: Timeline, top: float, scale: float) -> list[str]:
    parts = [
        f'<text x="16" y="{top + 22:.0f}">{escape(t.strategy)}</text>',
        f'<text x="16" y="{top + 38:.0f}" fill="#666666">HZ={t.machine.hz}</text>',
        f'<text x="{_LEFT + t.length * scale + 8:.1f}" y="{top + 22:.0f}">{span(t.length)}</text>',
        f'<line x1="{_LEFT}" y1="{top + 30}" x2="{_LEFT + _WIDTH}" y2="{top + 30}" stroke="#cccccc"/>',
    ]

    def bar(start: float, length: float, row: tuple[int, int], colour: str, says: str) -> None:
        if length > 0 and start < t.length:
            shown = min(length, t.length - start)
            parts.append(_box(_LEFT + start * scale, top + row[0], shown * scale, row[1], colour, says))

    for gp in t.grace_periods:
        bar(gp.start, gp.scan - gp.start, _BELOW, _TIMER, f"{_NAMES['timer']}, {span(gp.scan - gp.start)}")
        bar(gp.scan, gp.end - gp.scan, _BELOW, _SCAN, f"{_NAMES['scan']}, {span(gp.end - gp.scan)}")
    for step in t.steps:
        work, says = step.length - step.waited, f"{_NAMES[step.kind]}, {span(step.length)}"
        bar(step.start, work, _ABOVE, _COLOURS[step.kind], says)
        bar(step.start + work, step.waited, _ABOVE, _WAIT, f"{says}, {span(step.waited)} of it waiting")
    return parts


def _box(x: float, y: float, width: float, height: float, colour: str, says: str) -> str:
    """A bar; one too short to see is drawn half a pixel wide."""
    shape = f'<rect x="{x:.2f}" y="{y:.1f}" width="{max(width, 0.5):.2f}" height="{height}" fill="{colour}"'
    return f"{shape}><title>{escape(says)}</title></rect>" if says else f"{shape}/>"


def _axis(length: float, top: float) -> list[str]:
    """Marks at round times: some four to ten of them."""
    step = 10.0 ** len(str(int(length / 4 or 1))) / 10
    step = next(s for s in (step, 2 * step, 5 * step, 10 * step) if length / s <= 10)
    parts = [f'<line x1="{_LEFT}" y1="{top + 8}" x2="{_LEFT + _WIDTH}" y2="{top + 8}" stroke="{_INK}"/>']
    for i in range(int(length / step) + 1):
        x = _LEFT + i * step * _WIDTH / length
        parts.append(f'<line x1="{x:.1f}" y1="{top + 8}" x2="{x:.1f}" y2="{top + 13}" stroke="{_INK}"/>')
        parts.append(f'<text x="{x:.1f}" y="{top + 26}" text-anchor="middle">{span(i * step) if i else "0"}</text>')
    return parts
