#!/usr/bin/env python3
"""An exported log, and proofs from it, held against pymerkle (PyPI), which shares nothing with us.

    pip install pymerkle && python3 pymerkle_check.py EXPORTED_LOG [ITEM.tlog-proof …]

pymerkle builds the SHA-256 tree from the entries alone. Compared are the root of the signed checkpoint, every
hash of every tile on every level, and of each proof the hashes of its path (pymerkle writes them in another
order). Exit code 0: all agree; otherwise the first difference.
"""

import base64
import pathlib
import sys

from pymerkle import InmemoryTree

WIDTH = 256


def tile_path(index):
    """C2SP tlog-tiles: groups of three digits, all but the last with an x."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups)


def read_tile(folder, kind, index, width):
    path = folder / "tile" / kind / tile_path(index)
    if width < WIDTH:
        path = path.with_name(path.name + ".p") / str(width)
    return path.read_bytes()


def widths(count):
    for index in range((count + WIDTH - 1) // WIDTH):
        yield index, min(WIDTH, count - index * WIDTH)


def entries(folder, size):
    for index, width in widths(size):
        bundle, at = read_tile(folder, "entries", index, width), 0
        for _ in range(width):
            length = int.from_bytes(bundle[at : at + 2], "big")
            yield bundle[at + 2 : at + 2 + length]
            at += 2 + length
        assert at == len(bundle), f"bundle {index} has bytes behind its entries"


def check(folder):
    _, size, root, *_ = (folder / "checkpoint").read_text().split("\n")
    size, root = int(size), base64.b64decode(root)
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries(folder, size):
        tree.append_entry(entry)
    assert tree.get_size() == size
    assert tree.get_root(size) == root, "the root of the checkpoint"

    level, count = 0, size
    while count:
        span = WIDTH**level
        for index, width in widths(count):
            tile = read_tile(folder, str(level), index, width)
            for slot in range(width):
                first = (index * WIDTH + slot) * span
                # A perfect subtree's root is the state of the tree of its leaves alone.
                expected = tree.get_leaf(first + 1) if level == 0 else tree._get_root(first, first + span)
                found = tile[slot * 32 : slot * 32 + 32]
                assert found == expected, f"tile/{level}/{tile_path(index)} slot {slot}"
        level, count = level + 1, count // WIDTH
    return tree, size


def check_proof(tree, path):
    head, checkpoint = path.read_text().split("\n\n", 1)
    lines = head.split("\n")
    index = next(int(line.removeprefix("index ")) for line in lines if line.startswith("index "))
    ours = [base64.b64decode(line) for line in lines[lines.index(f"index {index}") + 1 :]]
    _, size, root, *_ = checkpoint.split("\n")
    size = int(size)
    assert tree.get_root(size) == base64.b64decode(root), f"{path}: the root of its checkpoint"
    theirs = list(tree.prove_inclusion(index + 1, size).path)
    theirs.remove(tree.get_leaf(index + 1))
    assert sorted(theirs) == sorted(ours), f"{path}: the hashes of its path"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    tree, size = check(pathlib.Path(sys.argv[1]))
    proofs = [pathlib.Path(path) for path in sys.argv[2:]]
    for path in proofs:
        check_proof(tree, path)
    print(f"pymerkle agrees: {size} entries, every tile, {len(proofs)} proofs")


if __name__ == "__main__":
    main()
