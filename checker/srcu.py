"""One SRCU domain in time, as kernel/rcu/srcutree.c runs it: when a grace period begins, looks at the readers, sleeps, ends.

What takes part is an actor, a generator that yields what it waits for; the clock runs them in the order of the times. Written
after what srcutree.c of Linux 7.2 does, and for older kernels after the commits that changed it. docs/gp.md has the list.

    clock = Clock(); domain = Srcu(clock, Machine(hz=100)); domain.call(callback, expedited=False); clock.run()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from msgspec import Struct, field

RETRY = 5.0  # µs between two looks at the readers: srcu_retry_check_delay


class Kernel(Struct, frozen=True):
    """How one version of srcutree.c treats readers that stay.

    `phase` looks without a delay in a scan, `run` runs of the work without a delay in a jiffy; None is the default that goes by
    HZ. A grace period older than `slack` jiffies sleeps as long as it is old; None: never. Where `lags`, callbacks wait as the
    next look would; where `each`, every look counts, else every round of looks.
    """

    phase: float | None
    run: float | None
    slack: int | None
    lags: bool
    each: bool


KERNELS = {
    "5.18": Kernel(math.inf, math.inf, None, lags=False, each=True),
    "282d8998e997": Kernel(1, 100, 0, lags=True, each=True),
    "8f870e6eb8c0": Kernel(3, 100, 1, lags=True, each=True),
    "7.2": Kernel(None, None, 1, lags=False, each=False),
}


class Readers(Struct, frozen=True):
    """`count` threads that are in a section for `section` µs, then out of it for `pause` µs; spread evenly over that time."""

    count: int = 0
    section: float = 20
    pause: float = 80

    def until(self, now: float) -> float:
        """When the last of the sections that are open now ends; `now` where none is."""
        period = self.section + self.pause
        last = now
        for i in range(self.count if period else 0):
            inside = (now - i * period / self.count) % period
            if inside < self.section:
                last = max(last, now + self.section - inside)
        return last


class Machine(Struct, frozen=True):
    """`hz` ticks a second; times in µs: one scan, and what each ioctl takes without any waiting. `phase`: how far into a jiffy
    the boot begins. `max_nodelay_phase` and `max_nodelay` are srcutree's boot parameters; None is the kernel's own.

    `scan`, `register`, `update` and `vcpu` are fitted to the unharmed figures of the thread of February 2026: 137 µs for x86's
    first KVM_CREATE_VCPU, 16 µs for an update of the memslots on arm64. Nobody measured them.
    """

    hz: int = 100
    scan: float = 5
    phase: float = 0
    register: float = 2
    update: float = 6
    vcpu: float = 105
    readers: Readers = Readers()
    kernel: str = "7.2"
    max_nodelay_phase: int | None = None
    max_nodelay: int | None = None

    @property
    def jiffy(self) -> float:
        return 1_000_000 / self.hz

    @property
    def looks(self) -> float:
        """How many looks at the readers a scan may make without a delay."""
        return self._default_phase if self.max_nodelay_phase is None else self.max_nodelay_phase

    @property
    def runs(self) -> float:
        """How many runs of the work may follow each other without a delay in one jiffy (SRCU_DEFAULT_MAX_NODELAY)."""
        if self.max_nodelay is not None:
            return self.max_nodelay
        own = KERNELS[self.kernel].run
        return max(self._default_phase, 100) if own is None else own

    @property
    def _default_phase(self) -> float:
        """SRCU_DEFAULT_MAX_NODELAY_PHASE: looks for about a jiffy."""
        own = KERNELS[self.kernel].phase
        return min(max(2_000_000 // self.hz // int(RETRY), 3), 1000) if own is None else own

    def tick(self, now: float) -> int:
        """The number of ticks so far."""
        return int((now + self.phase * self.jiffy) / self.jiffy + 1e-9)

    def when(self, tick: int) -> float:
        return (tick - self.phase) * self.jiffy

    def timer(self, now: float, jiffies: int = 1) -> float:
        """When a timer of that many jiffies, armed now, fires: the tick after it, for none fires early (kernel/time/timer.c)."""
        return self.when(self.tick(now) + 1 + jiffies)


class GracePeriod(Struct, frozen=True):
    """From its request to its end; the scans begin at `scan`, after the timer if it had one."""

    start: float
    scan: float
    end: float


Actor = Iterator["float | list[Actor]"]  # it yields what it waits for: a time, or to be taken from a queue


class Clock(Struct):
    """Actors in the order of the times they wait for."""

    now: float = 0.0
    queue: list[tuple[float, int, Actor]] = field(default_factory=list)
    started: int = 0

    def start(self, at: float, actor: Actor) -> None:
        self.started += 1
        heappush(self.queue, (at, self.started, actor))

    def wake(self, waiting: list[Actor]) -> None:
        while waiting:
            self.start(self.now, waiting.pop(0))

    def run(self) -> None:
        while self.queue:
            self.now, _, actor = heappop(self.queue)
            wanted = next(actor, None)
            if isinstance(wanted, list):
                wanted.append(actor)
            elif wanted is not None:
                self.start(max(wanted, self.now), actor)


class Srcu(Struct):
    """One srcu_struct. Grace periods are numbered; `needed` and `needed_exp` are the last ones asked for.

    A grace period that runs has a `start`, in jiffy `tick`. `until` is when the readers have gone for whom its second scan
    waits; None during the first, which finds none: the grace period before it waited for them. `done` are those that ended.
    """

    clock: Clock
    machine: Machine
    done: list[GracePeriod] = field(default_factory=list)
    callbacks: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    needed: int = 0
    needed_exp: int = 0
    start: float | None = None
    scan: float = 0
    tick: int = 0
    until: float | None = None
    looks: int = 0
    runs: int = 0
    runs_tick: int = -1

    def call(self, callback: Callable[[], None], *, expedited: bool) -> None:
        """call_srcu(): ask for a grace period that starts from now on (rcu_seq_snap(), srcu_funnel_gp_start())."""
        target = len(self.done) + (1 if self.start is None else 2)
        self.callbacks.append((target, callback))
        self.needed = max(self.needed, target)
        if expedited:
            self.needed_exp = max(self.needed_exp, target)
        if self.start is None:
            self.begin()
            self.again(min(self.delay(), 1))

    def begin(self) -> None:
        self.start, self.tick = self.clock.now, self.machine.tick(self.clock.now)
        self.until, self.looks, self.scan = None, 0, -1

    def again(self, jiffies: int) -> None:
        """Queue the work, behind a timer if need be."""
        now = self.clock.now
        self.clock.start(self.machine.timer(now, jiffies) if jiffies else now, self.process())

    def expedited(self) -> bool:
        return self.needed_exp > len(self.done)

    def delay(self) -> int:
        """Jiffies to the next look (srcu_get_delay()): none while what is asked for is expedited, and neither old nor slow."""
        slack = KERNELS[self.machine.kernel].slack
        jiffies = 0 if self.expedited() else 1
        if self.start is not None and slack is not None:
            jiffies += max(self.machine.tick(self.clock.now) - slack - self.tick, 0)
            if not jiffies:
                self.looks += 1
                jiffies = int(self.looks > self.machine.looks)
        return min(jiffies, 10)

    def process(self) -> Actor:
        """One run of the work (process_srcu()): two scans, the second of which may have to come back."""
        clock, machine = self.clock, self.machine
        if self.scan < 0:
            self.scan = clock.now
        if self.until is None:
            yield clock.now + machine.scan
            self.until, self.looks = machine.readers.until(clock.now), 0
        yield clock.now + self.futile(self.until)
        each, more = KERNELS[machine.kernel].each, True
        spin = each or not self.delay()
        for tries in (1, 0, -1):  # what is left after this one (try_check_zero())
            yield clock.now + machine.scan
            if clock.now >= self.until:
                self.end()
                more = False
                break
            spin = not self.delay() if each else spin
            if tries + spin <= 0:
                break
            yield clock.now + RETRY
        sleep = self.pause()
        if more:
            self.again(sleep)
        elif self.start is not None:
            self.again(0)  # the next grace period, which end() began: its first look comes at once, whoever asked for it

    def futile(self, until: float) -> float:
        """How long runs take that are sure to find readers and not to sleep: all done in one step, within this jiffy."""
        machine, now = self.machine, self.clock.now
        kernel, tick = KERNELS[machine.kernel], machine.tick(now)
        if kernel.slack is not None:
            if tick != self.runs_tick or tick - kernel.slack > self.tick:
                return 0
            until = min(until, machine.when(tick + 1))
        if not self.expedited():
            return 0
        one, asked = 3 * machine.scan + 2 * RETRY, 4 if kernel.each else 2
        room = min((until - now) / one, (machine.looks - self.looks) / asked, machine.runs - self.runs)
        rounds = max(int(room) - 1, 0)
        self.looks += asked * rounds
        self.runs += rounds
        return one * rounds

    def pause(self) -> int:
        """Jiffies until the next run; too many runs in one jiffy make it sleep, too."""
        jiffies, tick = self.delay(), self.machine.tick(self.clock.now)
        if jiffies:
            self.runs = 0
        elif tick == self.runs_tick:
            self.runs += 1
            return int(self.runs > self.machine.runs)
        else:
            self.runs, self.runs_tick = 1, tick
        return jiffies

    def end(self) -> None:
        """End the grace period (srcu_gp_end()), have the callbacks called, begin the next one if it is asked for."""
        assert self.start is not None
        now, self.looks = self.clock.now, 0
        late = self.delay() if KERNELS[self.machine.kernel].lags else not self.expedited()
        self.done.append(GracePeriod(self.start, self.scan, now))
        self.start = None
        self.clock.start(self.machine.timer(now) if late else now, self.invoke())
        if self.needed > len(self.done):
            self.begin()

    def invoke(self) -> Actor:
        """Call what is ready (srcu_invoke_callbacks())."""
        ready = [callback for target, callback in self.callbacks if target <= len(self.done)]
        self.callbacks = self.callbacks[len(ready) :]
        for callback in ready:
            callback()
        yield from ()
