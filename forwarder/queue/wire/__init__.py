"""How bytes get to Redis and back. Nothing here knows about events, lists or leases.

connection    connects, and translates what redis-py raises
sentinels     clients of the master that Sentinels name
url           what a Redis URL says
scripts       the Lua scripts by name, and the one way to run them
exchange      sends commands together, once, and tells what is known of each
nodes         which command goes to which node of a cluster
replies       what becomes of a command that is sent once
"""
