"""The audit log: what is told of every change (``records``), and the bytes, hashes, trees, signatures and checks that make it provable.

Everything here is pure; ``docs/audit-format.md`` is the same in words, for whoever writes a verifier of his own.
"""
