"""The Carnival API: one POST, what its answer means, how many at once and how fast.

client          sends one POST once
request         the URL, the headers and the body of a POST
verdict         turns an answer into accept, bisect, refuse, retry or halt
credentials     the API key
shared_timeout  gives many POSTs the same timeout with a single timer
pacing          how many POSTs at once, and how many per second
"""
