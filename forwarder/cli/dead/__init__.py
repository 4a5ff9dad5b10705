"""`forwarder dead …`.

commands      list, show, export, delete
replay        replay
summary       summary
filters       selects letters, and asks for confirmation
output        prints letters
table         prints letters as a table
report        prints the result of a replay
"""
