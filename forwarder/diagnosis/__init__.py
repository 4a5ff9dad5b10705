"""What is wrong, and what to do about it: the one place that decides and words it. Pure.

The status page, `forwarder status`, /readyz and the log show what is found here, so they say the same.

facts         what is known of a queue and its service at one moment
trend         how fast the backlog changes, and when it will be gone
spans         what people read: a time, a count of events, a sentence
finding       one thing that a person should know
halts         the words for a halt: a title, and what to do, the right action first
outages       the words for an API that accepts nothing
states        the words for what a service does while nothing keeps it from its work
storage       the words for what is wrong with what Redis holds
findings      from the facts to what is wrong, the worst first
"""
