"""Which lists this worker owns, one ownership of each, and halts.

worker        owns a share of the lists or stands by; waits while halted
shares        which lists are this worker's
ownership     one ownership of a list
halts         whom a halt is meant for, and its remedy
condition     what /readyz says
"""
