"""A deterministic simulation of a whole fleet: a seed decides all that happens.

The world:
world           real workers, a real Redis with a stepped clock, the API, and what a producer and a person do
member          one worker process: the real worker, built as the service builds it
outside         the API: what it answers to everybody, to some users, and to bad events
trace           the last lines of what happened, and a digest of all of it
certain         takes chance out of a process
play            plays one world inside a virtual loop

Who judges it, each promise in one place:
causes          which faults may cause a halt or a lost lease
observer        once a second: are others served, lists owned, the rate, the memory and the dead letters bounded?
scene_observer  the same in scenes, and besides: is the rate used, is a halt heeded, does everybody recover?
ending          after the last fault: is everything decided, are the shares fair, does one list get the whole rate?
verdict         judges a finished world: its history, and what was sent twice and why

Random worlds:
life            the life of one random world, from its first worker to the verdict
producers       who pushes
faults          what goes wrong, for how long, and what it excuses

Scenes:
scenes          minutes of one kind of trouble, chosen so that what it does to others shows
stage           what a scene may do to its world
acts            what happens in each scene
moves           the same for scenes of a resharding
"""
