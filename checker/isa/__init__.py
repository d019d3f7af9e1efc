"""Machines: how their instructions are read, what they mean, and how a C test is written in them (`compile.py`)."""
