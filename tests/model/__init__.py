"""The protocols as models that Spin explores completely, and their agreement with the real scripts.

==============  =======================================================================
claims.pml      one list: claims, settlements, leases, faults; what must always hold
claims          the bounds within which it is explored, and each guard with what breaks without it
mover.pml       the mover of `forwarder reshard` against everything that may happen meanwhile
mover           its bounds and guards
exploring       what configurations and guards are, and how they are explored
spin            builds a verifier, runs it within limits, reads its figures and trails
trace           reads what a model prints, strictly
sample          thousands of a model's schedules, from a seed
replay          runs schedules on a real Redis, compares every reply and every state
clients         the real classes that send the commands of workers and people
movers          those that send the commands of a resharding
lists           the lists of one schedule on a real Redis
names           what the numbers of a model stand for
wire            runs many schedules at once over one connection
==============  =======================================================================
"""
