"""Everything goes wrong at random for as long as you like, and then the sums must be right.

`python -m tests.programs.soak --minutes 2 --seed 1`
"""
