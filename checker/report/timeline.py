"""A boot's grace periods as a table, as JSON and as a picture: a lane for each strategy, time runs to the right.

table(timelines)    a block of lines for each machine, a line for each strategy; no wider than 80 columns
record(timeline)    one line of JSON, the fields of `Record`
picture(timelines)  SVG; above the line what the VMM does, waiting in darker colours; below it SRCU's grace periods
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate, groupby
from textwrap import fill

import msgspec

from checker.gp import REGISTER, STRATEGIES, UPDATE, VCPU, OldBus, Step, Timeline
from checker.report.table import columns
from checker.srcu import GracePeriod, Machine

_HEAD = ("devices", "memslot", "vcpu", "waited", "boot", "held")


class Record(msgspec.Struct, frozen=True):
    """The fields of a line of JSON. Times are µs, sizes bytes; `waited_in_registrations` is a share of `boot`."""

    arch: str
    strategy: str
    machine: Machine
    boot: float
    waited: float
    waited_in_registrations: float
    locked: float
    deferred: int
    held: int
    steps: tuple[Step, ...]
    grace_periods: tuple[GracePeriod, ...]
    old_buses: tuple[OldBus, ...]


def record(t: Timeline) -> str:
    """A timeline as JSON."""
    made = Record(
        arch=t.arch, strategy=t.strategy, machine=t.machine, boot=t.length, waited=t.waited, waited_in_registrations=t.share,
        locked=sum(step.locked for step in t.steps), deferred=t.deferred, held=t.held, steps=t.steps,
        grace_periods=t.grace_periods, old_buses=t.old,
    )  # fmt: skip
    return msgspec.json.encode(made).decode()


def span(us: float) -> str:
    """A time in µs with a unit that suits it: `137 µs`, `20.1 ms`, `1.25 s`."""
    return _scaled(us, ("µs", "ms", "s"))


def size(octets: int) -> str:
    """`144 B`, `24.1 kB`."""
    return _scaled(octets, ("B", "kB", "MB", "GB"))


def _scaled(number: float, units: Sequence[str]) -> str:
    """Three digits and the unit; what rounds up to the next unit has that one."""
    place = 0
    while number >= 999.5 and place < len(units) - 1:
        number, place = number / 1000, place + 1
    return f"{number:.0f} {units[place]}" if number >= 999.5 else f"{number:.3g} {units[place]}"


def table(timelines: Sequence[Timeline]) -> str:
    """A line for each timeline: all registrations together, the slowest update of the memslots and the slowest vCPU, all waits
    for grace periods, the whole, and the most memory that waited to be freed."""
    blocks = []
    for machine, group in groupby(timelines, key=lambda t: t.machine):
        rows = [(f"HZ={machine.hz}", *_HEAD), *[_row(t) for t in group]]
        blocks.append("\n".join(columns(rows, right=range(1, len(_HEAD) + 1))))
    return "\n\n".join(blocks)


def about(timelines: Sequence[Timeline], fitted: Sequence[str]) -> str:
    """What a reader of the table has to know: what the columns are, and which numbers are no measurements."""
    shares = [f"{t.share:.0%} (HZ={t.machine.hz})" for t in timelines if t.strategy == STRATEGIES[0]]
    says = [
        "devices: all registrations together; memslot, vcpu: the slowest call; waited: for grace periods; held: the most memory "
        "of old buses that waited to be freed, as struct kvm_io_bus has it with 64 bits.",
        f"With {STRATEGIES[0]}, registrations wait, as part of the boot: {', '.join(shares)}. The series that brought "
        "call_srcu() says: around 25% of a VM's startup time.",
        "The times are a model's." + (f" Fitted to what was reported, not measured: {', '.join(fitted)}." if fitted else ""),
    ]
    return "\n".join(fill(text, 80) for text in says)


def _row(t: Timeline) -> tuple[str, ...]:
    register = t.of(REGISTER)
    return (
        t.strategy, span(sum(step.length for step in register)) if register else "–", _slowest(t, UPDATE), _slowest(t, VCPU),
        span(t.waited), span(t.length), size(t.held),
    )  # fmt: skip


def _slowest(t: Timeline, kind: str) -> str:
    return span(t.slowest(kind)) if t.of(kind) else "–"


# ---------------------------------------------------------------- the picture

_COLOURS = {REGISTER: "#4477aa", UPDATE: "#228833", VCPU: "#ccbb44"}
_WAIT, _LOCK, _TIMER, _SCAN, _INK = "#ee6677", "#aa3377", "#dddddd", "#888888", "#222222"
_NAMES = {
    REGISTER: "registration", UPDATE: "memslot update", VCPU: "KVM_CREATE_VCPU", "wait": "waiting for a grace period",
    "lock": "for slots_lock", "timer": "a grace period's timer", "scan": "its scans",
}  # fmt: skip
_ROW, _GAP, _BELOW = 18, 10, 10  # in a lane: how high each thread's bars, what is between, those of SRCU
_LEFT, _WIDTH, _RIGHT, _TOP = 240, 720, 110, 64


def picture(timelines: Sequence[Timeline], title: str) -> str:
    """An SVG drawing of the timelines, all on one scale."""
    length = max([t.length for t in timelines], default=0) or 1
    tops = list(accumulate((_high(t) for t in timelines), initial=_TOP))
    height = tops[-1] + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _RIGHT}" height="{height}" '
        f'viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" font-family="sans-serif" font-size="12" fill="{_INK}">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="16" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        *_legend(),
    ]
    for t, top in zip(timelines, tops, strict=False):
        parts += _lane(t, top, _WIDTH / length)
    parts += [*_axis(length, tops[-1]), "</svg>"]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    parts, x = [], 16.0
    colours = {**_COLOURS, "wait": _WAIT, "lock": _LOCK, "timer": _TIMER, "scan": _SCAN}
    for key, colour in colours.items():
        parts.append(_box(x, 36, 12, 12, colour, ""))
        parts.append(f'<text x="{x + 17:.0f}" y="46">{_NAMES[key]}</text>')
        x += 34 + 6.6 * len(_NAMES[key])
    return parts


def _high(t: Timeline) -> int:
    """How high a lane is: a row for each thread, and one for SRCU."""
    return _GAP + _ROW * t.threads + 4 + _BELOW + 16


def _lane(t: Timeline, top: float, scale: float) -> list[str]:
    line = top + _GAP + _ROW * t.threads + 2
    parts = [
        f'<text x="16" y="{top + 22:.0f}">{escape(t.strategy)}</text>',
        f'<text x="16" y="{top + 38:.0f}" fill="#666666">HZ={t.machine.hz}</text>',
        f'<text x="{_LEFT + t.length * scale + 8:.1f}" y="{top + 22:.0f}">{span(t.length)}</text>',
        f'<line x1="{_LEFT}" y1="{line}" x2="{_LEFT + _WIDTH}" y2="{line}" stroke="#cccccc"/>',
    ]

    def bar(start: float, length: float, y: float, high: float, colour: str, says: str) -> None:
        if length > 0 and start < t.length:
            shown = min(length, t.length - start)
            parts.append(_box(_LEFT + start * scale, y, shown * scale, high, colour, says))

    for gp in t.grace_periods:
        bar(gp.start, gp.scan - gp.start, line + 2, _BELOW, _TIMER, f"{_NAMES['timer']}, {span(gp.scan - gp.start)}")
        bar(gp.scan, gp.end - gp.scan, line + 2, _BELOW, _SCAN, f"{_NAMES['scan']}, {span(gp.end - gp.scan)}")
    for step in t.steps:
        y, at, says = top + _GAP + _ROW * step.thread, step.start, f"{_NAMES[step.kind]}, {span(step.length)}"
        work = step.length - step.waited - step.locked
        waits = ((step.locked, _LOCK, f"{says}, {span(step.locked)} of it behind slots_lock"),
                 (work, _COLOURS[step.kind], says),
                 (step.waited, _WAIT, f"{says}, {span(step.waited)} of it waiting"))  # fmt: skip
        for length, colour, text in waits:
            bar(at, length, y, _ROW, colour, text)
            at += length
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
