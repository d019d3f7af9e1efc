"""Machines: one description of an instruction reads it, says what it means, and writes it.

An instruction is a line of a table, `aarch64/table.py` or `x86/table.py`, in the terms of `table.py`:

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

A machine of another kind is the same. RISC-V: `"lr.w.aq": row("d:r a:a", "d = a", read="X Acq", access=4, exclusive=True)`,
`"amoadd.w": row("d:r s:r a:a", "o = a; a = o + s; d = o", access=4, atomic=True)` for each of the letters .aq and .rl, `"sc.w":
row("d:r s:r a:a", "exclusive(d, s, a)", …)` with the emitter's `store_exclusive`, `"bne": row("n:r m:r l:l", "goto(l, n != m)")`,
`"fence": row("p:o s:o", "barrier(p, s)")`, a set like `Fence.rw.w`. Power: `"lwarx"` and `"stwcx."`, which leaves its success in a
flag, `"cmpw": row("n:r m:r", "compare(n, m)")` with EQ, LT and GT as the flags, `"beq": row("l:l", "goto(l, EQ)")`, `"lwsync":
row("", "fence('LWSYNC')")`. LoongArch is RISC-V with other names: `ll.w`, `sc.w`, `amadd_db.w`, and `dbar` with a hint.
"""
