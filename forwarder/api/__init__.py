"""The Carnival API: one POST, what its answer means, how many at once and how fast.

courier         one POST, one verdict: sends, gives the permit back, judges, counts and logs
client          sends one POST once
egress          the way to the API: through which proxy, and which certificates are trusted
connections     how long a connection is used, and whether a POST has got one
failure         why a POST got no answer: judges exceptions
request         the URL, the headers and the body of a POST
answer          the answer to one POST, and what a status means
verdict         turns an answer into accept, bisect, refuse, retry or halt
doubts          whether it is the API that answers, and whether the key may do what it must
evidence        what different users were answered: three of them say something about the whole service
body_limit      how long a body may be: learnt from what the API answers 413
credentials     the API key
shared_timeout  gives many POSTs the same timeout with a single timer
pacing          how many POSTs at once, and how many per second
"""
