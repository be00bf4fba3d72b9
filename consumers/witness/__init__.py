"""The witness of the audit log: a small process on a machine and a disk of its own, which cosigns the log's checkpoints only while the log merely grows.

It reads no topic and no table. What it needs of the log comes with each request, and what it has cosigned is in its own store; so whoever can change everything
in the log's database, and even holds the log's key, still cannot change what was witnessed.
"""
