"""The tree, held against RFC 6962's own recursive definition and the test inputs that its implementations share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpactions.domain.audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    path_within,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The eight inputs with which the implementations of Certificate Transparency test each other, and the roots of the trees of the first 1 to 8 of them.
KNOWN_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
KNOWN_LEAVES = [leaf_hash(bytes.fromhex(text)) for text in KNOWN_INPUTS]
SIZES = [*range(1, 70), 255, 256, 257, 511, 513, 1000]
LARGE = [65_535, 65_536, 65_537]
LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(max(LARGE))]


@cache
def naive(begin: int, end: int) -> bytes:
    """MTH(D[begin:end]) as RFC 6962, section 2.1 writes it, over ``LEAVES``."""
    count = end - begin
    if count == 0:
        return sha256(b"").digest()
    if count == 1:
        return LEAVES[begin]
    split = begin + (1 << (count - 1).bit_length() - 1)
    return sha256(b"\x01" + naive(begin, split) + naive(split, end)).digest()


def naive_path(index: int, begin: int, end: int) -> list[bytes]:
    """PATH(m, D[n]) of section 2.1.1."""
    count = end - begin
    if count == 1:
        return []
    split = begin + (1 << (count - 1).bit_length() - 1)
    if index < split:
        return [*naive_path(index, begin, split), naive(split, end)]
    return [*naive_path(index, split, end), naive(begin, split)]


def naive_proof(old: int, begin: int, end: int, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of section 2.1.2; ``old`` counts from 0."""
    if old == end:
        return [] if whole else [naive(begin, end)]
    split = begin + (1 << (end - begin - 1).bit_length() - 1)
    if old <= split:
        return [*naive_proof(old, begin, split, whole), naive(split, end)]
    return [*naive_proof(old, split, end, False), naive(begin, split)]


def node(level: int, index: int) -> bytes:
    return naive(index << level, index + 1 << level)


def flipped(value: bytes) -> Iterator[bytes]:
    """The value with each one of its bits turned."""
    for bit in range(len(value) * 8):
        changed = bytearray(value)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_the_shared_inputs_have_the_roots_that_others_publish() -> None:
    assert [root_of(KNOWN_LEAVES[:size]).hex() for size in range(1, 9)] == KNOWN_ROOTS
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == EMPTY_ROOT


def test_the_shared_inputs_have_the_paths_that_others_publish() -> None:
    published = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    path = [bytes.fromhex(text) for text in published]
    assert path_within(KNOWN_LEAVES, 0) == path
    assert verify_inclusion(KNOWN_LEAVES[0], 0, 8, path, bytes.fromhex(KNOWN_ROOTS[7]))
    roots = [bytes.fromhex(text) for text in KNOWN_ROOTS]
    proof = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert verify_consistency(6, 8, roots[5], roots[7], [bytes.fromhex(text) for text in proof])


@pytest.mark.parametrize("size", [0, *SIZES, *LARGE])
def test_the_root_is_the_one_of_the_definition(size: int) -> None:
    assert root_of(LEAVES[:size]) == root_at(size, node) == naive(0, size)


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_of_a_tree_has_the_path_of_the_definition_and_it_verifies(size: int) -> None:
    leaves, root = LEAVES[:size], naive(0, size)
    for index in range(size):
        path = inclusion_path(index, size, node)
        assert path == naive_path(index, 0, size)
        assert path_within(leaves, index) == path
        assert verify_inclusion(leaves[index], index, size, path, root)


@pytest.mark.parametrize("new", SIZES)
def test_every_earlier_tree_has_the_path_of_the_definition_and_it_verifies(new: int) -> None:
    for old in range(1, new + 1):
        path = consistency_path(old, new, node)
        assert path == naive_proof(old, 0, new)
        assert verify_consistency(old, new, naive(0, old), naive(0, new), path)


@given(st.sampled_from(LARGE), st.data())
def test_a_tree_of_a_whole_segment_proves_any_entry_and_any_earlier_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1) | st.sampled_from([0, 32_767, 32_768, size - 2, size - 1]))
    path = inclusion_path(index, size, node)
    assert path == naive_path(index, 0, size)
    assert verify_inclusion(LEAVES[index], index, size, path, naive(0, size))
    proof = consistency_path(index + 1, size, node)
    assert proof == naive_proof(index + 1, 0, size)
    assert verify_consistency(index + 1, size, naive(0, index + 1), naive(0, size), proof)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=40), st.data())
def test_a_path_proves_its_own_entry_at_its_own_place_alone(bodies: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(body) for body in bodies]
    root = root_of(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = path_within(leaves, index)
    accepted = [place for place in range(-1, len(leaves) + 1) if verify_inclusion(leaves[index], place, len(leaves), path, root)]
    assert index in accepted
    assert {leaves[place] for place in accepted} == {leaves[index]}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_one_bit_turned_in_leaf_root_or_path_is_refused(size: int) -> None:
    root = naive(0, size)
    for index in range(size):
        leaf, path = LEAVES[index], inclusion_path(index, size, node)
        assert not any(verify_inclusion(wrong, index, size, path, root) for wrong in flipped(leaf))
        assert not any(verify_inclusion(leaf, index, size, path, wrong) for wrong in flipped(root))
        for place, sibling in enumerate(path):
            assert not any(
                verify_inclusion(leaf, index, size, [*path[:place], wrong, *path[place + 1 :]], root) for wrong in flipped(sibling)
            )


@pytest.mark.parametrize(("old", "new"), [(1, 1), (1, 2), (3, 7), (4, 7), (6, 8), (7, 13), (8, 13)])
def test_one_bit_turned_in_a_root_or_the_proof_between_them_is_refused(old: int, new: int) -> None:
    before, after, path = naive(0, old), naive(0, new), consistency_path(old, new, node)
    assert verify_consistency(old, new, before, after, path)
    assert not any(verify_consistency(old, new, wrong, after, path) for wrong in flipped(before))
    assert not any(verify_consistency(old, new, before, wrong, path) for wrong in flipped(after))
    for place, step in enumerate(path):
        assert not any(verify_consistency(old, new, before, after, [*path[:place], wrong, *path[place + 1 :]]) for wrong in flipped(step))


@pytest.mark.parametrize("size", range(1, 20))
def test_a_path_too_short_or_too_long_is_refused(size: int) -> None:
    root = naive(0, size)
    for index in range(size):
        path = inclusion_path(index, size, node)
        for wrong in [path[:-1]] * bool(path) + [path[1:]] * bool(path) + [[*path, root], [root, *path], [*path, b""]]:
            assert not verify_inclusion(LEAVES[index], index, size, wrong, root)
        proof, before = consistency_path(index + 1, size, node), naive(0, index + 1)
        for wrong in [proof[:-1]] * bool(proof) + [proof[1:]] * bool(proof) + [[*proof, root], [before, *proof]]:
            assert not verify_consistency(index + 1, size, before, root, wrong)


def test_sizes_and_indexes_out_of_range_are_refused() -> None:
    root = naive(0, 8)
    path = inclusion_path(0, 8, node)
    for index, size in [(-1, 8), (8, 8), (9, 8), (0, 0), (0, -1), (0, 7), (0, 9), (0, 4), (0, 16)]:
        assert not verify_inclusion(LEAVES[0], index, size, path if size != 7 else path[:2], root)
    for old, new in [(-1, 8), (9, 8), (3, -1), (-2, -1)]:
        assert not verify_consistency(old, new, naive(0, 3), root, consistency_path(3, 8, node))
        with pytest.raises(ValueError, match=f"the sizes are {old} and {new}"):
            consistency_path(old, new, node)
    for index, size in [(-1, 8), (8, 8), (0, 0)]:
        with pytest.raises(ValueError, match=f"index is {index}"):
            inclusion_path(index, size, node)
        with pytest.raises(ValueError, match=f"index is {index}"):
            path_within(LEAVES[:size], index)
    with pytest.raises(ValueError, match="size is -1"):
        root_at(-1, node)


def test_the_empty_tree_begins_every_tree_and_proves_nothing() -> None:
    assert consistency_path(0, 5, node) == consistency_path(0, 0, node) == []
    assert verify_consistency(0, 5, EMPTY_ROOT, naive(0, 5), [])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 5, naive(0, 1), naive(0, 5), [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, naive(0, 5), [EMPTY_ROOT])
    assert not verify_consistency(0, 0, EMPTY_ROOT, naive(0, 1), [])
    assert not verify_consistency(5, 5, naive(0, 5), naive(0, 5), [naive(0, 5)])


def test_a_subtree_cannot_pass_for_an_entry() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
    assert len(left) == HASH_BYTES
