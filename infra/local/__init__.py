"""The local stack: real Kafka, schema registry and MySQL as private processes of this clone.

``python -m infra.local --help`` lists the commands; tests use :class:`infra.local.stack.Stack`.
"""
