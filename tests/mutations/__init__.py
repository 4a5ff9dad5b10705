"""The code broken on purpose, one promise at a time: does a test fail?

`python -m tests.mutations` breaks a copy of the tree in each way of :mod:`tests.mutations.catalogue`, runs the tests
that should notice, and ends with 1 if one did not.
"""
