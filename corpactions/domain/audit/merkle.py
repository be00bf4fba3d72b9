"""The Merkle tree of RFC 6962 over leaf hashes: its root, and the paths that prove an entry is in it or that a later tree only adds to an earlier one.

Whoever holds the hashes gives paths (``inclusion_path``, ``consistency_path``, ``path_within``); whoever holds a root alone checks them. What a path is
made from is asked for by ``Node``, so a tree of any size needs only the few subtrees that the path names.

Invariant: the root of a tree depends on its leaf hashes and their order alone, and the checks answer False to everything that is not the one right path:
another length, another index, another bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""``(level, index)``: the root of the perfect subtree over the leaves ``index << level`` up to, not including, ``(index + 1) << level``."""


def leaf_hash(body: bytes) -> bytes:
    """The hash of an entry: its link in the chain and its leaf in the tree."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side; its first byte differs from a leaf's, so that no entry can pass for a subtree."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root of a tree with these leaf hashes, any number of them; also of these equally high perfect subtrees."""
    if not hashes:
        return EMPTY_ROOT
    row = hashes
    while len(row) > 1:
        row = _paired(row)
    return row[0]


def _paired(row: Sequence[bytes]) -> list[bytes]:
    """The row above: neighbours become one, and a last one without a neighbour moves up as it is."""
    hashed = sha256  # the log hashes once per entry here, so the loop looks nothing up
    halves = iter(row)
    above = [hashed(b"\x01" + left + right).digest() for left, right in zip(halves, halves, strict=False)]
    if len(row) & 1:
        above.append(row[-1])
    return above


def root_at(size: int, node: Node) -> bytes:
    """The root of the tree of the first ``size`` leaves.

    Raises:
        ValueError: for a negative size.
    """
    if size < 0:
        raise ValueError(f"size is {size}; a tree has 0 leaves or more")
    return _tail_root(size, size, node) if size else EMPTY_ROOT


def _tail_root(count: int, end: int, node: Node) -> bytes:
    """The root over the ``count`` leaves before ``end``, where every one bit of ``count`` is one perfect subtree, the smallest last."""
    root: bytes | None = None
    for level in range(count.bit_length()):
        if count >> level & 1:
            subtree = node(level, (end >> level) - 1)
            root = subtree if root is None else node_hash(subtree, root)
        end -= count & 1 << level
    assert root is not None  # callers ask for one leaf at least
    return root


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """What, hashed in turn with the leaf at ``index``, gives the root of the tree of the first ``size`` leaves; the leaf's own neighbour first.

    Raises:
        ValueError: when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"index is {index}; a tree of {size} leaves has them from 0 up to, not including, its size")
    return _path_up(0, index, size, node)


def _path_up(level: int, index: int, size: int, node: Node) -> list[bytes]:
    """The neighbours met on the way from the subtree at ``(level, index)`` up to the root."""
    path = []
    last = size - 1 >> level
    while last:
        if index & 1:
            path.append(node(level, index - 1))
        elif index < last:
            begin = index + 1 << level
            whole = begin + (1 << level) <= size
            path.append(node(level, index + 1) if whole else _tail_root(size - begin, size, node))
        level, index, last = level + 1, index >> 1, last >> 1
    return path


def path_within(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The inclusion path of one of ``hashes`` in the tree of exactly these, for a batch of entries, say.

    Raises:
        ValueError: when there is no hash at ``index``.
    """
    if not 0 <= index < len(hashes):
        raise ValueError(f"index is {index}; {len(hashes)} hashes have theirs from 0 up to, not including, their number")
    path = []
    row = hashes
    while len(row) > 1:
        if index ^ 1 < len(row):
            path.append(row[index ^ 1])
        row, index = _paired(row), index >> 1
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves that ``leaf`` is the hash at ``index`` in the tree of ``size`` leaves with this root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *path):
        return False
    climbed = _climb(leaf, None, index, size - 1, path)
    return climbed is not None and climbed[0] == root


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """What proves that the tree of ``new`` leaves begins with the tree of ``old`` leaves; nothing when one of them is empty or both are the same.

    Raises:
        ValueError: when the old tree is the larger one, or a size is negative.
    """
    if not 0 <= old <= new:
        raise ValueError(f"the sizes are {old} and {new}; the old tree has 0 leaves or more, the new one at least as many")
    if old in (0, new):
        return []
    level = _trailing_ones(old - 1)
    index = old - 1 >> level
    seed = [node(level, index)] if index else []  # with index 0 that subtree is the old tree, whose root the verifier has
    return seed + _path_up(level, index, new, node)


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the tree of ``new`` leaves only adds to the tree of ``old`` leaves (RFC 9162, section 2.1.4.2).

    An empty tree is the beginning of every tree, so with ``old`` 0 the new root remains unproved.
    """
    if not 0 <= old <= new or not _are_hashes(old_root, new_root, *path):
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    level = _trailing_ones(old - 1)
    index = old - 1 >> level
    if index and not path:
        return False
    seed, rest = (path[0], path[1:]) if index else (old_root, path)
    return _climb(seed, seed, index, new - 1 >> level, rest) == (new_root, old_root)


def _climb(up: bytes, left: bytes | None, index: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes | None] | None:
    """Hashes the path onto ``up``, the subtree at ``index`` of a row that ends at ``last``; None when the path is too short or too long.

    ``left`` climbs along with the left neighbours alone: from the last subtree of an old tree it reaches that tree's root.
    """
    for sibling in path:
        if not last:
            return None
        if index & 1 or index == last:
            while not index & 1:  # the last of its row has no neighbour here and moves up as it is
                index, last = index >> 1, last >> 1
            up = node_hash(sibling, up)
            left = left and node_hash(sibling, left)
        else:
            up = node_hash(up, sibling)
        index, last = index >> 1, last >> 1
    return None if last else (up, left)


def _trailing_ones(number: int) -> int:
    """How many one bits the number ends with; for the last index of a tree, the height of the last perfect subtree in it."""
    return (~number & number + 1).bit_length() - 1


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
