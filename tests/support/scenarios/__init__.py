"""What `forwarder status`, the status page, /readyz and the log say when something is wrong, on the real service.

stage         a queue with its servers and workers, and what is done with them
sightings     what each place says, and after how many seconds
catalogue     the scenarios: how each is caused and ended, and what must be said
judging       what is wrong with what was said
playing       causes a scenario, looks, ends it, and looks again
"""
