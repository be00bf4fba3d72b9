"""Installs the servers into the cache: atomically, once per version, usable by several clones at the same time."""
