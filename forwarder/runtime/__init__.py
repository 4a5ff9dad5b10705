"""The process and its event loop, where Python's defaults do not do what a service needs.

signals       the signals that end a process
cancellation  whether a CancelledError is meant for this task
loop          runs a command, and waits for no look-up of a name at its end
"""
