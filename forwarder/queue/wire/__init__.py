"""How bytes get to Redis and back. Nothing here knows about events, lists or leases.

connection    connects, and translates what redis-py raises
sentinels     clients of the master that Sentinels name
cluster       clients of a Redis Cluster
url           parses Redis URLs
login         logs in, and reads the URL's file again when the password is refused
scripts       the Lua scripts by name, and the one way to run them
exchange      sends commands together, each once, and returns one reply for each
nodes         which command goes to which node of a cluster
refusals      which errors of redis-py are refusals
wording       errors of redis-py in words
replies       the outcome of a command that is sent once
"""
