"""Claimed events by user, and which user is next. Pure.

buffer        the groups of all users; spills those of users who back off
space         how many events and bytes are in memory, and how much room is left
group         the events of one user, and what the user is doing
turns         the ready users, by size and by age
arrivals      when events came
batch         one POST's worth of one user's events
"""
