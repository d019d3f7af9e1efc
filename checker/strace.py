"""A boot out of a trace: the ioctls of a VMM as `strace -f -ttt -T -e trace=ioctl` wrote them.

    4242 1700000000.000100 ioctl(5, KVM_CREATE_VCPU, 0) = 18 <0.000137>      Call("vcpu", gap=…)

Calls keep the gaps between them; what they took is the model's to say. A thread begins when the call of the first one ends
that ended last before it. strace shows no argument of most calls: what is assumed, and what is not known, is said with the line.
The tables are of Linux 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field

from checker.core.source import CheckerError, Source, Span
from checker.gp import REGISTER, UPDATE, VCPU, Boot, Call, Thread

HOW = "make it with strace -f -ttt -T -e trace=ioctl -o FILE VMM …"


class BadTrace(CheckerError):
    """A trace that cannot be replayed."""

    code = "trace"


class _Event(Struct, frozen=True):
    """One ioctl that returned; times in µs."""

    line: int
    pid: str
    start: int
    length: int
    name: str
    argument: str
    result: str


_LINE = re.compile(r"(?:\[pid +(\d+)\] +|(\d+) +)?(\d{9,})\.(\d{1,9}) +(.*)")
_NAME = r"(_IOC\([^)]*\)|\w+(?: or \w+)*)"
_BEGUN = re.compile(rf"ioctl\(-?\d+(?:<.*?>)?, {_NAME}(?:, *)?(.*)")
_DONE = re.compile(r"(.*)\) += (.*?)(?: <(\d+)\.(\d+)>)?")
_RESUMED, _UNFINISHED = "<... ioctl resumed>", "<unfinished ...>"
_OTHER = re.compile(r"\+\+\+ |--- |<\.\.\. |\w+\(")  # ends of threads, signals, other system calls
_FIELD = re.compile(r"(\w+)=([^,}]+)")

# What a call registers: how many devices on which bus.
_DEVICES = {
    "KVM_CREATE_IRQCHIP": (("pio", 3), ("mmio", 1)),
    "KVM_CREATE_PIT": (("pio", 2),),
    "KVM_CREATE_PIT2": (("pio", 2),),
    "KVM_IOEVENTFD": (("mmio", 1),),
    "KVM_REGISTER_COALESCED_MMIO": (("mmio", 1),),
}
_MEMSLOT, _MEMSLOT2 = "KVM_SET_USER_MEMORY_REGION", "KVM_SET_USER_MEMORY_REGION2"
_ASSUMED = {
    "KVM_IOEVENTFD": "is taken for one more device on the MMIO bus; strace does not show its flags",
    "KVM_CREATE_PIT2": "is taken for two devices, the speaker too; strace does not show its flags",
    _MEMSLOT2: "is taken for a new slot; strace does not show its argument",
}
_UNKNOWN = {
    "KVM_SET_DEVICE_ATTR": "is taken for no device; strace does not show what it sets. If it registers N: --registers LINE=N",
    "KVM_UNREGISTER_COALESCED_MMIO": "waits for a grace period; that is not modelled",
    "KVM_SET_PMU_EVENT_FILTER": "waits for a grace period; that is not modelled",
    "KVM_X86_SET_MSR_FILTER": "waits for a grace period; that is not modelled",
    "KVM_HYPERV_EVENTFD": "may wait for a grace period; that is not modelled",
    "KVM_XEN_HVM_SET_ATTR": "may wait for a grace period; that is not modelled",
}
_OTHERS = {
    "x86": re.compile(r"KVM_ARM_\w+"),
    "arm64": re.compile(r"KVM_(CREATE_PIT2?|SET_(TSS_ADDR|IDENTITY_MAP_ADDR|CPUID2?|LAPIC|MSRS|XSAVE|PIT2?)|X86_\w+)"),
}  # calls that a machine does not have
# What neither registers devices nor waits for readers of kvm->srcu: its time is part of the gap. KVM_IRQFD and
# KVM_SET_GSI_ROUTING wait for those of kvm->irq_srcu, another domain.
_QUIET = re.compile(
    r"KVM_(GET_\w+|HAS_\w+|CHECK_\w+|ARM_\w+|CREATE_(VM|DEVICE|GUEST_MEMFD)|RUN|IRQFD|IRQ_LINE\w*|SIGNAL_MSI|INTERRUPT|NMI|SMI|"
    r"ENABLE_CAP|KVMCLOCK_CTRL|REINJECT_CONTROL|TPR_ACCESS_REPORTING|TRANSLATE|CLEAR_DIRTY_LOG|RESET_DIRTY_RINGS|"
    r"MEMORY_ENCRYPT_\w+|X86_SETUP_MCE|X86_SET_MCE|PRE_FAULT_MEMORY|"
    r"SET_(REGS|SREGS2?|FPU|MSRS|CPUID2?|LAPIC|XSAVE|XCRS|VCPU_EVENTS|DEBUGREGS|MP_STATE|ONE_REG|TSC_KHZ|SIGNAL_MASK|CLOCK|"
    r"IRQCHIP|PIT2?|BOOT_CPU_ID|TSS_ADDR|IDENTITY_MAP_ADDR|NR_MMU_PAGES|GUEST_DEBUG|NESTED_STATE|VAPIC_ADDR|GSI_ROUTING|"
    r"MEMORY_ATTRIBUTES))"
)


def read(source: Source, arch: str, registers: dict[int, int] | None = None) -> tuple[Boot, list[str]]:
    """The boot in a trace, and what is to be said about it. `registers` tells of lines how many devices they register."""
    reader = _Reader(source, arch, registers or {})
    for event in sorted(reader.events(), key=lambda event: event.start):
        reader.take(event)
    if missing := [line for line in reader.registers if line not in reader.taken]:
        raise BadTrace("no call that returned without an error began here", reader.span(missing[0]), hint="--registers names it")
    if not reader.threads:
        raise BadTrace("no call in it registers a device, sets a memslot or creates a vCPU", reader.span(0), hint=HOW)
    said = sorted((line, text, count) for text, (line, count) in reader.notes.items())
    notes = [f"{source.name}:{line}: {text}{f' (and {count} more)' if count else ''}" for line, text, count in said]
    return Boot(arch, tuple(Thread(tuple(calls), after) for after, calls in reader.threads.values())), notes


class _Reader(Struct):
    """A trace that is being read. `threads`: of each pid after how many calls of the first it begins, and its own."""

    source: Source
    arch: str
    registers: dict[int, int]
    threads: dict[str, tuple[int, list[Call]]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)  # of the first thread's calls
    began: int = 0
    notes: dict[str, tuple[int, int]] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    slots: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def span(self, line: int) -> Span:
        return Span(self.source, line, 1, len(self.source.line(line)) + 1)

    def note(self, line: int, said: str) -> None:
        first, count = self.notes.get(said, (line, -1))
        self.notes[said] = (first, count + 1)

    def events(self) -> Iterator[_Event]:
        """The ioctls that returned, in the order in which they did."""
        begun: dict[str, tuple[int, int, str]] = {}
        for number, text in enumerate(self.source.text.split("\n"), 1):
            match = _LINE.fullmatch(text.rstrip())
            if match is None:
                if "ioctl(" in text or "ioctl resumed" in text:
                    raise BadTrace("this line has no time since 1970", self.span(number), hint=HOW)
                if text.strip() and not text.startswith("strace: "):
                    self.note(number, "is no line of strace and left out")
                continue
            pid, said = match[1] or match[2] or "", match[5]
            if said.startswith(_RESUMED) and pid in begun:
                began, start, first = begun.pop(pid)
                said = first + said.removeprefix(_RESUMED)
            elif said.startswith("ioctl("):
                began, start = number, int(match[3]) * 1_000_000 + int(match[4][:6].ljust(6, "0"))
            else:
                if not _OTHER.match(said):
                    self.note(number, "is no line of strace and left out")
                continue
            if said.endswith(_UNFINISHED):
                begun[pid] = (began, start, said.removesuffix(_UNFINISHED).rstrip())
            elif event := self.event(began, pid, start, said):
                yield event
        for began, _, said in begun.values():
            self.note(began, f"{_called(said)} never returns and is left out")

    def event(self, line: int, pid: str, start: int, said: str) -> _Event | None:
        """A whole call; None where it is not one of KVM's, or the thread was killed in it."""
        match = _BEGUN.fullmatch(said)
        done = _DONE.fullmatch(match[2]) if match else None
        if match is None or done is None:
            raise BadTrace("this ioctl cannot be read", self.span(line), hint=HOW)
        name = _called(said)
        if not name.startswith("KVM_") and "0xae" not in name:
            return None
        if done[2].startswith("?"):
            self.note(line, f"{name} never returns and is left out")
            return None
        if done[3] is None:
            raise BadTrace("this call does not say how long it took", self.span(line), hint=HOW)
        length = int(done[3]) * 1_000_000 + int(done[4][:6].ljust(6, "0"))
        return _Event(line, pid, start, length, name, done[1], done[2])

    def take(self, event: _Event) -> None:
        """What a call means for the model. A guest that was interrupted has run; another call that failed did nothing."""
        if event.result.startswith("-1") and not (event.name == "KVM_RUN" and "EINTR" in event.result):
            return
        self.taken.add(event.line)
        if event.name == "KVM_CREATE_VM" and event.name in self.seen:
            raise BadTrace("a second VM in one trace", self.span(event.line), hint="cut the trace to the lines of one VM")
        if _OTHERS[self.arch].fullmatch(event.name):
            raise BadTrace(f"{self.arch} has no {event.name}", self.span(event.line), hint="--arch says which machine it was")
        calls = self.calls(event)
        self.seen.add(event.name)
        if calls and self.threads and bool(event.pid) == ("" in self.threads):
            raise BadTrace("lines with and without a thread in one trace", self.span(event.line), hint=HOW)
        if calls:
            runs = event.name == "KVM_RUN"  # registers where it begins; then the guest runs
            self.add(event.pid, event.start, event.start + (0 if runs else event.length), calls)

    def calls(self, event: _Event) -> list[Call]:
        """What a call that succeeded does, by the tables above."""
        name = event.name
        if event.line in self.registers:
            count = self.registers[event.line]
            return [Call(REGISTER, count=count)] if count else []
        if name in _ASSUMED:
            self.note(event.line, f"{name} {_ASSUMED[name]}")
        if name == "KVM_CREATE_VCPU":
            return [Call(VCPU)]
        if name in (_MEMSLOT, _MEMSLOT2):
            count = self.updates(event)
            return [Call(UPDATE, count=count)] if count else []
        if self.arch == "arm64":
            chips = {"KVM_CREATE_DEVICE", "KVM_CREATE_IRQCHIP"}
            if name == "KVM_RUN" and "KVM_RUN" not in self.seen and chips & self.seen:
                return [Call(REGISTER)]  # kvm_vgic_map_resources(): the distributor
            if name in ("KVM_CREATE_IRQCHIP", "KVM_RUN"):
                return []
        elif name == "KVM_SET_DEVICE_ATTR":
            return []
        if name in _DEVICES:
            return [Call(REGISTER, count=count, bus=bus) for bus, count in _DEVICES[name]]
        if name in _UNKNOWN:
            self.note(event.line, f"{name} {_UNKNOWN[name]}")
        elif not _QUIET.fullmatch(name):
            self.note(event.line, f"{name} is not known; its time counts as a gap")
        return []

    def updates(self, event: _Event) -> int:
        """How often a call swaps the memslots (kvm_set_memory_region()): twice to delete or to move one."""
        new = dict(_FIELD.findall(event.argument))
        if "slot" not in new:
            if event.name == _MEMSLOT:
                self.note(event.line, f"{event.name} is taken for a new slot; its argument could not be read")
            return 1
        old = self.slots.pop(new["slot"], None)
        if new.get("memory_size") == "0":
            return 2
        self.slots[new["slot"]] = new
        if old is None:
            return 1
        moved, changed = (old.get(key) != new.get(key) for key in ("guest_phys_addr", "flags"))
        return 2 if moved else int(changed)

    def add(self, pid: str, start: int, end: int, calls: list[Call]) -> None:
        """Calls of a thread, after the gap since its last ones; of a new thread, since what seems to have started it."""
        if not self.threads:
            self.began, self.ended[pid] = start, start
        if pid not in self.threads:
            before = [at for at in self.ends if at <= start]
            self.threads[pid] = (len(before), [])
            self.ended[pid] = before[-1] if before else self.began
        gap = max(start - self.ended[pid], 0)
        self.ended[pid] = end
        self.threads[pid][1].extend([Call(c.kind, gap if i == 0 else 0, c.count, c.bus) for i, c in enumerate(calls)])
        if pid == next(iter(self.threads)):
            self.ends += [end] * len(calls)


def _called(said: str) -> str:
    """The name of the ioctl; where strace gives several, KVM's; the memslots' newer one, which older versions do not know."""
    match = _BEGUN.match(said)
    names = match[1].split(" or ") if match else ["ioctl"]
    name = next((name for name in names if name.startswith("KVM_")), names[0])
    return _MEMSLOT2 if re.fullmatch(r"_IOC\(_IOC_WRITE, 0xae, 0x49, \w+\)", name) else name
