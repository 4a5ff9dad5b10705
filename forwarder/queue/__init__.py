"""Redis. This is the only package that imports redis. It moves bytes and never parses an event.

keys          the names of the Redis keys
sharding      which list holds a user's events
lease         one acquisition of one list; every fenced script runs through it
shard_count   what Redis holds as a queue's number of lists
claims        the owner's side of a list: claim, adopt, settle, wait for events
claim_ids     the IDs of claimed events, 20 bytes each
census        the counts of one list
counts        the counts of all lists: one process counts, the others read
totals        what all lists added up to at one moment of the last 15 minutes
letters       the dead letters of one list
groups        how many dead letters of one list have each reason, status and event name
address       which API address has answered 202
halts         a queue's halt, and the requests of people to all workers
content       how much is in any list, even in one that nobody drains
markers       the number that a marker of pushed events holds
file_marks    how much of a file was pushed onto each list
decisions     the fleet's latest decisions: what the dead-letter brake is about
tally         what a worker reports of its decisions, and what they add up to
fleet         which workers are running
about         what a worker writes of itself for people
queue         one queue: its lists, and what belongs to all of them
mover         one list during resharding
wire          how bytes get to Redis and back
"""
