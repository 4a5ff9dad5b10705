"""Runs what is shipped in real containers, breaks it, and judges what happened.

`python -m tests.programs.containers` needs root, Debian's `docker.io`, `iptables` and `mmdebstrap`, and Go. It takes
five minutes, the first time up to twenty more, and leaves nothing running: its engine lives in namespaces of its own.

__main__      the two phases, one after the other, each in namespaces of its own
engine        the namespaces, `dockerd`, and the `docker` command
images        base images from Debian under the names that are shipped, the image, and Compose itself
compose       `docker compose up --wait`, and that the forwarder is shut in
stage         Redis, workers and the stand-in on networks that can be cut
faults        the faults
playing       one fault under load, and its judgement
table         the table in deploy/README.md; pure
"""
