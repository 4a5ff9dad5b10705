"""The tests: shared parts here, in the folders the tests by what they need."""
