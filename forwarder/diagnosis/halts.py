"""The words for a halt: a title, and what to do, the right action first."""
