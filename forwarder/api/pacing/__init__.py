"""How many POSTs at once, and how many per second.

permits       which POST may start now
rate          how many POSTs per second
"""
