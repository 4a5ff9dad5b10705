"""The demo: its own Redis, a shop's purchases, and a check of every event.

demo          runs Redis, the stand-in API and the service together
check         what the demo pushes, and whether each event fared as it must
guide         commands to copy for a demo that is left running
view          what the demo prints
redis_server  a private redis-server for the demo and the tests
"""
