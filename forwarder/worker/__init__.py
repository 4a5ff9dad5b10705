"""Which lists this worker owns, one ownership of each, and halts.

worker        owns a share of the lists or stands by; waits while halted; starts over
shares        which lists this worker owns
ownership     one ownership of a list: wires the steps, renews the lease, winds down, releases it
jury          reports what this worker has decided, and passes on the fleet's verdict
presence      what people see of this worker, written with each heartbeat
halts         which halt is meant for this process; the only code of the worker that reads it
requests      the requests of people to try now
address       whether the API's address is known to have answered 202
condition     what the worker is doing, and whether it is ready
process       what a process builds once
"""
