"""A deterministic simulation of a whole fleet: a seed decides all that happens.

world      real workers, a real Redis with a stepped clock, the API, and what a producer and a person do
member     one worker process: the real worker, built as the service builds it
outside    the API: what it answers to everybody, to some users, and to bad events
producers  who pushes
causes     which faults may cause a halt or a lost lease
faults     what goes wrong, for how long, and what it excuses
life       the life of one random world, from its first worker to the verdict
ending     nothing goes wrong any more: is everything decided, are the shares fair, is the rate used?
scenes     minutes of one kind of trouble, chosen so that what it does to others shows
acts       what happens in each scene
moves      the same for scenes of a resharding
stage      what a scene may do to its world
watch      promises about time and the whole fleet, looked at once a second in each scene
observer   looks at the fleet once a second: is every user served, every list owned, memory bounded?
verdict    judges a finished world: the history, what was sent twice and why, the rate
trace      the last lines of what happened, and a digest of all of it
certain    takes chance out of a process
play       plays one world inside a virtual loop
"""
