"""Simulates whole fleets: with random faults, with 10 to 1,000 workers, and with faults that were fixed put back."""
