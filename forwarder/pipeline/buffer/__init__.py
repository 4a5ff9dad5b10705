"""Claimed events by user, and which user is next. Pure.

buffer        the groups, bounded in events and bytes
turns         the ready users, by size and by age
batch         one POST's worth of one user's events
"""
