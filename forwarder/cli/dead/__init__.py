"""`forwarder dead …`.

commands      list, show, export, delete
replay        replay
filters       which letters are meant, and whether a person agrees
output        what a person reads of dead letters
report        what a person and a script read of a replay
"""
