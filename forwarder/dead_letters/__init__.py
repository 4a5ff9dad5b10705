"""Selecting, explaining and replaying dead letters.

letters       finds, replays and deletes the dead letters of a queue
selection     selects dead letters, by ID or by a filter
letter        one dead letter, for people
groups        the dead letters by reason, status and event name
explain       why an event is a dead letter, in sentences
anomalies     what is unusual about an event
curl          the command that sends one event as the service does
replay        pushes dead letters again
canary        the first letters of a replay, and whether the API accepts them
edit          edits of one event
"""
