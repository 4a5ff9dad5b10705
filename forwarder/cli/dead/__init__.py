"""`forwarder dead …`.

commands      list, show, export, delete
replay        replay
filters       selects letters, and asks for confirmation
output        prints letters
report        prints the result of a replay
"""
