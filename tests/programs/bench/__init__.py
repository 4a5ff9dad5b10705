"""The benchmark: forwarder beside what one would use instead. See ``python -m tests.programs.bench --help``."""
