"""The events of one list: claim, buffer, dispatch, deliver, settle.

intake        claims, adopts and decodes events
buffer        groups events by user, and says which user is next
delivery      gets a batch decided: attempts, backoff, bisecting
settlement    ends claims: the only code that acknowledges or dead-letters
brake         the dead-letter brake
gate          whether a POST may start
ending        how an ownership of a list ends
availability  repeats Redis commands until Redis is available
parts         what a process builds once
"""
