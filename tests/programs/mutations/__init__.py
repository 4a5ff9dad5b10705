"""The code broken on purpose, one promise at a time: does a test fail?

`python -m tests.programs.mutations` breaks a copy of the tree in each way that the catalogue lists, runs the tests
that should notice, and ends with 1 if one did not.
"""
