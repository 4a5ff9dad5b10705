"""The admin address: probes, metrics, the status page, its actions.

server        listens: probes and metrics
connections   which connections end when there are too many
routes        for people: the page, its data, the actions
page          collects what the page shows
notices       logs what is found, once
guard         who may read, and who may act
actions       what may be done from the page
letters       examples of dead letters, and their export, for people with the token
assets        the page's files, and the headers of every answer
runbook       the runbook as a page, for the links of the status page
"""
