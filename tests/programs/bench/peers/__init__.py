"""The contestants: for each how it is installed, loaded and started, and the worker that a user would write."""
