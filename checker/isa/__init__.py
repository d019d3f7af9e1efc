"""Machines: one description of an instruction reads it, says what it means, and writes it.

An instruction is a line of a table, `aarch64/table.py` or `riscv/table.py`, in the terms of `table.py`:

    "ADD":    row("d:r n:r m:rise", "d = n + m")                                    what it takes      what it means
    "LDADDA": row("s:r t:r a:a", "o = a; a = o + s; t = o", read="A RMW", write="RMW", atomic=True)
    "jle":    row("l:l", "goto(l, ZF or SF != OF)")

    text ──asm──► lines ──table, operand──► Instruction ──meaning, emit──► loads, stores, fences, branches of `program/ir.py`
    C ──expand──► the same ──writer, compile──► "the instruction that means this" ──table──► text

What all machines share stands here: columns and labels (`asm.py`), operands (`operand.py`), reading by a pattern and printing
(`table.py`), the little language of meanings (`meaning.py`), registers, widths, flags, memory, control flow and constants
(`emit.py`), initial values and types (`front.py`), expressions, registers and questions of a test compiled from C (`writer.py`,
`text.py`, `compile.py`). A machine is a package of four files: its table; its spelling, a `Machine`: how operands are written and
of what sizes they are; its emitter, an `Emitter`: how a register's part or an address is read, and what no meaning can say (a
compare-and-swap with choices); and a `Writer`, which of its instructions are used for C.

The package's `__init__.py` has its machines and what their instructions cost. RISC-V and Power are machines of another kind made
the same way: no flags or three, no shifts in operands, exclusives that leave their status in a register or in CR0.
`docs/machines.md` says what a new one takes.
"""
