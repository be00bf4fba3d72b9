"""Settings to ready adapters: the one place where concrete classes are chosen. Plain constructor calls; nothing happens at import.

One module per dependency that a process may do without: a command that only talks to MySQL does not load the Kafka client.
"""
