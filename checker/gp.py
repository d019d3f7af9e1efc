"""What grace periods cost a boot: KVM registers devices and updates memslots, under four ways to free the old MMIO bus.

A `Boot` (what each thread of a VMM does, in order) and a `Machine` (HZ, scan time …) in, a `Timeline` out: how long each step
took, how much of it was waiting, and which old buses were held. docs/gp.md says what is modelled, after which source, and what
is not. In short: one SRCU domain as kernel/rcu/srcutree.c runs it, `kvm->slots_lock`, one CPU for each thread.

    simulate(boot("x86", 6, 1), "call_srcu", Machine(hz=100)).slowest(VCPU)                     19934 µs
    simulate(boot("x86", 6, 1), "synchronize_srcu_expedited", Machine()).slowest(VCPU)            137 µs
"""

from __future__ import annotations

from functools import partial

from msgspec import Struct, field

from checker.srcu import Actor, Clock, GracePeriod, Machine, Srcu

STRATEGIES = ("synchronize_srcu_expedited", "call_srcu", "call_srcu_expedited", "keyed off created vCPUs")
REGISTER, UPDATE, VCPU = "register", "memslot", "vcpu"

HEADER, RANGE = 24, 24  # bytes of struct kvm_io_bus and struct kvm_io_range where pointers have 64 bits
ADDRESS_SPACES = 2  # x86 with SMM has two, and the APIC's page is a memslot in each


class Call(Struct, frozen=True):
    """One ioctl: `gap` µs after the thread's last one, `count` devices on one bus, or `count` updates of the memslots."""

    kind: str
    gap: float = 0
    count: int = 1
    bus: str = "mmio"


class Thread(Struct, frozen=True):
    """What one thread of the VMM does in order. It begins when the first thread has done `after` calls."""

    calls: tuple[Call, ...]
    after: int = 0


class Boot(Struct, frozen=True):
    """What a VMM does. The first vCPU has updates of the memslots inside on x86: the page of the APIC."""

    arch: str
    threads: tuple[Thread, ...]


class Step(Struct, frozen=True):
    """One ioctl of a thread: when it began, how long it took, how much of that it waited for grace periods, and for the lock
    that another held (`locked`). Times in µs."""

    kind: str
    start: float
    length: float
    waited: float
    thread: int = 0
    locked: float = 0.0


class OldBus(Struct, frozen=True):
    """An array that was replaced and later freed, and its size in bytes."""

    size: int
    replaced: float
    freed: float


class Timeline(Struct, frozen=True):
    arch: str
    strategy: str
    machine: Machine
    steps: tuple[Step, ...]
    grace_periods: tuple[GracePeriod, ...]
    old: tuple[OldBus, ...]
    deferred: int

    @property
    def threads(self) -> int:
        return 1 + max((step.thread for step in self.steps), default=0)

    def of(self, kind: str) -> list[Step]:
        return [step for step in self.steps if step.kind == kind]

    def slowest(self, kind: str) -> float:
        return max((step.length for step in self.of(kind)), default=0)

    @property
    def length(self) -> float:
        return max((step.start + step.length for step in self.steps), default=0)

    @property
    def waited(self) -> float:
        return sum(step.waited for step in self.steps)

    @property
    def share(self) -> float:
        """How much of the boot registrations wait for grace periods; more than 1 if several threads do."""
        return sum(step.waited for step in self.of(REGISTER)) / (self.length or 1)

    @property
    def held(self) -> int:
        """The most bytes of old buses that waited to be freed at one time."""
        most = now = 0
        for _, size in sorted([(bus.replaced, bus.size) for bus in self.old] + [(bus.freed, -bus.size) for bus in self.old]):
            now += size
            most = max(most, now)
        return most


def boot(
    arch: str, registrations: int, updates: int, *, interleave: bool = False, vcpus: int = 1, own_threads: bool = False,
    gap: float = 15,
) -> Boot:  # fmt: skip
    """The order of a boot. x86 registers its devices before the first vCPU (KVM_CREATE_IRQCHIP), arm64 after it (the vGIC).

    `interleave`: updates stand between the registrations, as when a guest sets up its devices one at a time. `own_threads`:
    each vCPU is created by a thread of its own, which the first thread starts where it would have created it.
    """
    work = _mixed(registrations, updates) if interleave else [REGISTER] * registrations + [UPDATE] * updates
    before = registrations if arch == "x86" and not interleave else 0
    kinds = work[:before] + ([] if own_threads else [VCPU] * vcpus) + work[before:]
    main = tuple(Call(kind, gap if i else 0) for i, kind in enumerate(kinds))
    others = (Thread((Call(VCPU, gap if before else 0),), before),) * (vcpus if own_threads else 0)
    return Boot(arch, (Thread(main), *others))


def _mixed(registrations: int, updates: int) -> list[str]:
    rounds = max(registrations, updates)
    return [kind for i in range(rounds) for kind, count in ((REGISTER, registrations), (UPDATE, updates)) if i < count]


def simulate(plan: Boot, strategy: str, machine: Machine) -> Timeline:
    """How the boot goes when registrations free the old bus by `strategy`."""
    assert strategy in STRATEGIES, strategy
    clock = Clock()
    vm = _Vm(plan, strategy, machine, clock, Srcu(clock, machine))
    vm.start(0)
    clock.run()
    steps = sorted(vm.steps, key=lambda step: (step.start, step.thread))
    return Timeline(plan.arch, strategy, machine, tuple(steps), tuple(vm.srcu.done), tuple(vm.old), vm.deferred)


class _Bill(Struct):
    """What a step waited for."""

    waited: float = 0.0
    locked: float = 0.0


class _Vm(Struct):
    """KVM, and the threads of the VMM that call it."""

    plan: Boot
    strategy: str
    machine: Machine
    clock: Clock
    srcu: Srcu
    steps: list[Step] = field(default_factory=list)
    old: list[OldBus] = field(default_factory=list)
    buses: dict[str, int] = field(default_factory=dict)  # how many ranges each has
    deferred: int = 0
    vcpus: int = 0
    apic_page: bool = False
    locked: bool = False  # kvm->slots_lock
    blocked: list[Actor] = field(default_factory=list)

    def start(self, done: int) -> None:
        """Start the threads that begin when the first has done that many calls, itself too."""
        for number, thread in enumerate(self.plan.threads):
            if thread.after == done and (number > 0 or done == 0):
                self.clock.start(self.clock.now, self.thread(number, thread))

    def thread(self, number: int, thread: Thread) -> Actor:
        does = {REGISTER: self.register, UPDATE: self.update, VCPU: self.create}
        for done, call in enumerate(thread.calls, 1):
            yield self.clock.now + call.gap
            start, bill = self.clock.now, _Bill()
            yield from does[call.kind](call, bill)
            self.steps.append(Step(call.kind, start, self.clock.now - start, bill.waited, number, bill.locked))
            if number == 0:
                self.start(done)

    def register(self, call: Call, bill: _Bill) -> Actor:
        """kvm_io_bus_register_dev(), under the lock."""
        yield from self.lock(bill)
        for _ in range(call.count):
            yield self.clock.now + self.machine.register
            ranges = self.buses.get(call.bus, 0)
            self.buses[call.bus] = ranges + 1
            free = partial(self.free, HEADER + RANGE * ranges, self.clock.now)
            if self.strategy == STRATEGIES[0] or (self.strategy == STRATEGIES[3] and not self.vcpus):
                yield from self.synchronize(bill)
                free()
            else:
                self.deferred += 1
                self.srcu.call(free, expedited=self.strategy == STRATEGIES[2])
        self.unlock()

    def update(self, call: Call, bill: _Bill) -> Actor:
        """kvm_set_memory_region(), under the lock."""
        yield from self.lock(bill)
        yield from self.swap(call.count, bill)
        self.unlock()

    def create(self, _: Call, bill: _Bill) -> Actor:
        """kvm_vm_ioctl_create_vcpu(), on x86 with kvm_alloc_apic_access_page()."""
        self.vcpus += 1
        yield self.clock.now + self.machine.vcpu
        if self.plan.arch == "x86":
            yield from self.lock(bill)
            if not self.apic_page:
                self.apic_page = True
                yield from self.swap(ADDRESS_SPACES, bill)
            self.unlock()

    def swap(self, count: int, bill: _Bill) -> Actor:
        """kvm_swap_active_memslots(), that many times."""
        for _ in range(count):
            yield self.clock.now + self.machine.update
            yield from self.synchronize(bill)

    def synchronize(self, bill: _Bill) -> Actor:
        """synchronize_srcu_expedited()."""
        asked, waiting = self.clock.now, list[Actor]()
        self.srcu.call(partial(self.clock.wake, waiting), expedited=True)
        yield waiting
        bill.waited += self.clock.now - asked

    def free(self, size: int, replaced: float) -> None:
        self.old.append(OldBus(size, replaced, self.clock.now))

    def lock(self, bill: _Bill) -> Actor:
        """Take the lock; who waits gets it in turn."""
        asked = self.clock.now
        if self.locked:
            yield self.blocked
        self.locked = True
        bill.locked += self.clock.now - asked

    def unlock(self) -> None:
        self.locked = bool(self.blocked)
        if self.blocked:
            self.clock.start(self.clock.now, self.blocked.pop(0))
