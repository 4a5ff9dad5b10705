"""What the service costs and gains. Measured on demand, not part of the test run."""
