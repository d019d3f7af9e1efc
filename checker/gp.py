"""What grace periods cost a boot: KVM registers devices and updates memslots, under four ways to free the old MMIO bus.

A `Boot` (what a VMM does, in order) and a `Machine` (HZ, scan time …) in, a `Timeline` out: how long each step took and how
much of it was waiting. One SRCU domain, as kernel/rcu/srcutree.c of Linux 7.2 runs it. What is modelled:

* One grace period at a time; what comes while one runs waits for the next. A grace period is two scans, which take the time
  given, waiting for readers included.
* A normal grace period begins after a timer of one jiffy, an expedited one at once. A timer once armed is not shortened: a
  later expedited request waits for it, and that is the regression of February 2026. Once the timer fired, the expedited
  request is known and what follows has no delay.
* Timers never fire early: one of one jiffy fires at the second tick after it was armed, one to two jiffies later
  (kernel/time/timer.c). `phase` is how far into a jiffy the boot begins; 0 is the worst case.
* Grace periods without a delay may follow each other only so often in one jiffy (srcu_max_nodelay), then one waits.
* kvm_swap_active_memslots() always calls synchronize_srcu_expedited(). One thread does everything, nothing else runs.

Left out: rcu_nodes, readers that outlast a scan, the callbacks' workqueue. The times of the ioctls themselves are fitted to
the unharmed figures of that thread: 137 µs for x86's first KVM_CREATE_VCPU, 16 µs for an update of the memslots on arm64.

    boot("x86", 6, 1), "call_srcu", HZ=100: KVM_CREATE_VCPU 20 ms; "synchronize_srcu_expedited": 0.14 ms
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

STRATEGIES = ("synchronize_srcu_expedited", "call_srcu", "call_srcu_expedited", "keyed off created vCPUs")
REGISTER, UPDATE, VCPU = "register", "memslot", "vcpu"


class Machine(Struct, frozen=True):
    """`hz` ticks a second; times in µs: one scan, the gap between two ioctls, what each ioctl takes without any waiting."""

    hz: int = 100
    scan: float = 5
    gap: float = 50
    phase: float = 0
    register: float = 2
    update: float = 6
    vcpu: float = 121

    @property
    def jiffy(self) -> float:
        return 1_000_000 / self.hz

    @property
    def max_nodelay(self) -> int:
        """SRCU_DEFAULT_MAX_NODELAY: grace periods without a delay in one jiffy."""
        phase = min(max(2_000_000 // self.hz // 5, 3), 1000)
        return max(phase, 100)

    def timer(self, now: float) -> float:
        """When a timer of one jiffy, armed now, fires: the second tick from here."""
        tick = int((now + self.phase * self.jiffy) / self.jiffy + 1e-9)
        return (tick + 2 - self.phase) * self.jiffy


class Boot(Struct, frozen=True):
    """What a VMM does, in order. A VCPU step on x86 has a memslot update inside: the APIC access page."""

    arch: str
    steps: tuple[str, ...]


class Step(Struct, frozen=True):
    """One ioctl: when it began, how long it took, how much of that it waited for a grace period. Times in µs."""

    kind: str
    start: float
    length: float
    waited: float


class GracePeriod(Struct, frozen=True):
    """From its request to its end; the scans begin at `scan`, after the timer if it had one."""

    start: float
    scan: float
    end: float


class Timeline(Struct, frozen=True):
    strategy: str
    machine: Machine
    steps: tuple[Step, ...]
    grace_periods: tuple[GracePeriod, ...]
    deferred: int

    def of(self, kind: str) -> list[Step]:
        return [step for step in self.steps if step.kind == kind]

    @property
    def length(self) -> float:
        return self.steps[-1].start + self.steps[-1].length if self.steps else 0

    @property
    def waited(self) -> float:
        return sum(step.waited for step in self.steps)


def boot(arch: str, registrations: int, updates: int, *, interleave: bool = False) -> Boot:
    """The order of a boot. x86 registers its devices before the first vCPU (KVM_CREATE_IRQCHIP), arm64 after it (the vGIC).

    `interleave`: updates stand between the registrations, as when a guest sets up its devices one at a time.
    """
    work = _mixed(registrations, updates) if interleave else (REGISTER,) * registrations + (UPDATE,) * updates
    if arch == "x86" and not interleave:
        return Boot(arch, (REGISTER,) * registrations + (VCPU,) + (UPDATE,) * updates)
    return Boot(arch, (VCPU, *work))


def _mixed(registrations: int, updates: int) -> tuple[str, ...]:
    rounds = max(registrations, updates)
    return tuple(kind for i in range(rounds) for kind, count in ((REGISTER, registrations), (UPDATE, updates)) if i < count)


def simulate(plan: Boot, strategy: str, machine: Machine) -> Timeline:
    """How the boot goes when registrations free the old bus by `strategy`."""
    assert strategy in STRATEGIES, strategy
    srcu = _Srcu(machine)
    steps: list[Step] = []
    now, vcpus, deferred = 0.0, 0, 0
    for kind in plan.steps:
        start, waited = now, 0.0
        now += {REGISTER: machine.register, UPDATE: machine.update, VCPU: machine.vcpu}[kind]
        if kind == VCPU:
            vcpus += 1
            now += machine.update if plan.arch == "x86" else 0
        waits = kind == UPDATE or (kind == VCPU and plan.arch == "x86")
        if kind == REGISTER:
            waits = strategy == STRATEGIES[0] or (strategy == STRATEGIES[3] and not vcpus)
            if not waits:
                deferred += 1
                srcu.request(now, expedited=strategy == STRATEGIES[2])
        if waits:
            waited = srcu.wait(srcu.request(now, expedited=True)) - now
            now += waited
        steps.append(Step(kind, start, now - start, waited))
        now += machine.gap
    srcu.rest()
    return Timeline(strategy, machine, tuple(steps), tuple(srcu.done), deferred)


class _Srcu(Struct):
    """One srcu_struct. Grace periods are numbered; `needed` and `needed_exp` are the last ones asked for.

    A grace period that runs has a `start`; its scans begin at `scan`. `done` are those that ended.
    """

    machine: Machine
    done: list[GracePeriod] = field(default_factory=list)
    needed: int = 0
    needed_exp: int = 0
    start: float | None = None
    scan: float = 0
    this_jiffy: int = -1
    without_delay: int = 0

    def request(self, now: float, *, expedited: bool) -> int:
        """Ask for a grace period that starts from now on: its number (rcu_seq_snap(), srcu_funnel_gp_start())."""
        self.advance(now)
        target = len(self.done) + (1 if self.start is None else 2)
        self.needed = max(self.needed, target)
        if expedited:
            self.needed_exp = max(self.needed_exp, target)
        if self.start is None:
            self.begin(now)
        return target

    def begin(self, now: float) -> None:
        """Start the next grace period: at once if an expedited one is asked for, else after a jiffy (srcu_get_delay())."""
        self.start = now
        if self.needed_exp <= len(self.done):
            self.scan = self.machine.timer(now)
            return
        jiffy = int((now + self.machine.phase * self.machine.jiffy) / self.machine.jiffy)
        self.without_delay = self.without_delay + 1 if jiffy == self.this_jiffy else 1
        self.this_jiffy = jiffy
        self.scan = self.machine.timer(now) if self.without_delay > self.machine.max_nodelay else now

    def ends(self) -> Iterator[float]:
        """The end of each grace period to come that is asked for already."""
        while self.start is not None:
            end = self.scan + 2 * self.machine.scan
            yield end
            self.done.append(GracePeriod(self.start, self.scan, end))
            self.start = None
            if self.needed > len(self.done):
                self.begin(end)

    def advance(self, now: float) -> None:
        """Everything up to `now`."""
        for end in self.ends():
            if end > now:
                return

    def wait(self, target: int) -> float:
        """When grace period `target`, which was asked for, ends."""
        return next(end for end in self.ends() if len(self.done) + 1 == target)

    def rest(self) -> None:
        for _ in self.ends():
            pass
