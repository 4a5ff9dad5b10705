"""What an operator asks for: status, check, pause, resume, retry, resharding.

facts         from what Redis and the settings say to the facts of a diagnosis
status        what `forwarder status` finds out
check         what `forwarder check` finds out
send_as       what `forwarder check --send-as` finds out
pause         asks all workers to wait
resume        ends a pause or a halt
retry         asks all workers to try now
reshard       changes how many lists a queue has
redistribute  moves everything to other lists, in steps that a crash cannot lose or double
"""
