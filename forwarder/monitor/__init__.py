"""What a process knows about its queue: read every five seconds and when somebody looks, kept for 15 minutes.

monitor         takes a sample every five seconds, and logs a summary once a minute
watch           reads Redis at most once a second
gauges          the gauges of the whole queue
waiting_age     how old the oldest waiting event is
history         the last 15 minutes, for charts
summary         the log line that is written once a minute
latest_letters  reads the groups of the dead letters, and the latest ones
shown_letters   the dead letters as the page shows them
systemd         notifies systemd that the service is up and its event loop runs
"""
