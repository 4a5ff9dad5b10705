"""`forwarder status`.

command       prints the status once, or again and again
watch         reads it again and again, and waits for a Redis that is away
screen        a terminal that shows lines in place
drawing       the status as lines of text
rows          its workers and lists
charts        how the backlog and the rate changed
words         numbers and names
document      the status as JSON
"""
