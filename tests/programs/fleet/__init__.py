"""Simulates whole fleets for a while: `python -m tests.programs.fleet --minutes 5`; and faults put back."""
