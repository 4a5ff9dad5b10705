"""Virtual time: the pipeline alone, or a whole process with the real redis-py and a real Redis.

loop         an event loop whose time passes only while everybody waits
actors       the same for many processes, each of which can be frozen
api          the API at the border of the process: a function answers
pipeline     one ownership of one list
list_model   a model of one list in Redis
fleet_model  a model of the fleet's latest decisions
crowd        users who want to POST, for the tests of pacing
stepped      a real Redis server with a stepped clock (`stepped.c` is preloaded into it)
network      connections between redis-py and that server, and everything that can go wrong on them
quiet        no log lines, or where they go instead
"""
