"""How many POSTs at once, and how many per second.

permits       which POST may start now
concurrency   how many POSTs at once
backoffs      the backoffs of all batches, and what ends them before their time
outage        whether the API answers anybody, and when to probe it
silence       since when the API has accepted and refused nothing, and why
news          what to say about outages: one line when one begins, and one when it is over
pushback      whether 429s mean everybody, and until when nobody may POST
rate          how many POSTs per second the API takes
window        when the next POST may start, for a number of POSTs per second
grant         this process's part of the fleet's rate
"""
