#!/usr/bin/env python3
"""Check a Yihe ledger without Yihe: one file, Python's standard library, and the `openssl` command.

离线验证沂河账本：单个文件，只用 Python 标准库和 openssl 命令，不依赖沂河程序。

    yihe_verify.py proof --policy POLICY ITEM.tlog-proof ITEM.json
    yihe_verify.py log   --keys VERIFIER-KEYS FOLDER

`proof` checks that one entry (and its payload, and one call of a batch) was entered; `log` reads a
whole exported log and computes both trees anew. Exit code 0: proven. 1: not proven, and why.
2: not asked properly, or something needed is missing.

Written from the specifications, not from Yihe's own program:
  RFC 6962 (Merkle trees), RFC 8785 (canonical JSON, whole numbers only), RFC 2104 (HMAC),
  C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof, tlog-policy,
  GB/T 32905 (SM3), GB/T 32918.2 (SM2; checked by openssl with identity 1234567812345678).
Yihe's own additions, all described in docs/how-to: the SM3 tree under `sm3/` with origin
`<origin>/sm3`, proofs in it that begin `yihe/tlog-proof-sm3@v1`, and the two SM2 key types below.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import subprocess
import sys
import tempfile

# ── hashes ───────────────────────────────────────────────────────────────────────────────────────


def _sm3_pure(data):
    """SM3 by the book (GB/T 32905-2016 §5)."""
    mask = 0xFFFFFFFF

    def rol(x, n):
        n %= 32
        return ((x << n) | (x >> (32 - n))) & mask

    v = [0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E]
    length = len(data) * 8
    data = data + b"\x80"
    data += b"\x00" * ((56 - len(data)) % 64) + length.to_bytes(8, "big")
    for start in range(0, len(data), 64):
        w = [int.from_bytes(data[start + i : start + i + 4], "big") for i in range(0, 64, 4)]
        for j in range(16, 68):
            x = w[j - 16] ^ w[j - 9] ^ rol(w[j - 3], 15)
            w.append(x ^ rol(x, 15) ^ rol(x, 23) ^ rol(w[j - 13], 7) ^ w[j - 6])
        a, b, c, d, e, f, g, h = v
        for j in range(64):
            t = 0x79CC4519 if j < 16 else 0x7A879D8A
            ss1 = rol((rol(a, 12) + e + rol(t, j)) & mask, 7)
            ss2 = ss1 ^ rol(a, 12)
            ff = a ^ b ^ c if j < 16 else (a & b) | (a & c) | (b & c)
            gg = e ^ f ^ g if j < 16 else (e & f) | (~e & mask & g)
            tt1 = (ff + d + ss2 + (w[j] ^ w[j + 4])) & mask
            tt2 = (gg + h + ss1 + w[j]) & mask
            a, b, c, d = tt1, a, rol(b, 9), c
            e, f, g, h = tt2 ^ rol(tt2, 9) ^ rol(tt2, 17), e, rol(f, 19), g
        v = [x ^ y for x, y in zip(v, (a, b, c, d, e, f, g, h))]
    return b"".join(x.to_bytes(4, "big") for x in v)


def sha256(data):
    return hashlib.sha256(data).digest()


def sm3(data):
    try:
        return hashlib.new("sm3", data).digest()
    except ValueError:
        return _sm3_pure(data)


HASHES = {"sha256": sha256, "sm3": sm3}


def hmac(hash_name, key, message):
    """RFC 2104 with a block of 64 bytes; our keys have 32."""
    digest = HASHES[hash_name]
    key = key.ljust(64, b"\x00")
    inner = digest(bytes(b ^ 0x36 for b in key) + message)
    return digest(bytes(b ^ 0x5C for b in key) + inner)


# ── canonical JSON ───────────────────────────────────────────────────────────────────────────────


class Refused(Exception):
    """Something does not hold; the message says what."""


def canonical(value):
    """RFC 8785 with whole numbers within ±(2^53 - 1) only."""
    if value is None or value is True or value is False:
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > 2**53 - 1:
            raise Refused("a whole number beyond 53 bits has no canonical form")
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(json.dumps(key, ensure_ascii=False) + ":" + canonical(value[key]) for key in keys) + "}"
    raise Refused("a number with a fraction has no canonical form")


def unique(pairs):
    """Refuses an object that names a member twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("a JSON object names a member twice")
    return members


# ── Merkle trees (RFC 6962) ──────────────────────────────────────────────────────────────────────


def leaf_hash(hash_name, data):
    return HASHES[hash_name](b"\x00" + data)


def node_hash(hash_name, left, right):
    return HASHES[hash_name](b"\x01" + left + right)


def inclusion_holds(hash_name, leaf, index, size, path, root):
    """RFC 9162 §2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(hash_name, p, r)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            r = node_hash(hash_name, r, p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root


class Range:
    """The right edge of a growing tree."""

    def __init__(self, hash_name):
        self.hash_name, self.stack = hash_name, []

    def push(self, node, height=0):
        while self.stack and self.stack[-1][0] == height:
            node = node_hash(self.hash_name, self.stack.pop()[1], node)
            height += 1
        self.stack.append((height, node))

    def root(self):
        if not self.stack:
            return HASHES[self.hash_name](b"")
        nodes = [node for _, node in self.stack]
        root = nodes.pop()
        while nodes:
            root = node_hash(self.hash_name, nodes.pop(), root)
        return root


# ── keys and signatures ──────────────────────────────────────────────────────────────────────────

ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
SM2_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
KEY_TYPES = [
    # type bytes, key length, is SM2, is cosignature
    (b"\x01", 32, False, False),
    (b"\x04", 32, False, True),
    (b"\xffyihe/sm2-sm3/note@v1", 65, True, False),
    (b"\xffyihe/sm2-sm3/cosignature@v1", 65, True, True),
]


def strict_base64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(f"not base64: {text[:60]!r}") from error
    if base64.b64encode(data).decode() != text:
        raise Refused(f"not the one spelling in base64: {text[:60]!r}")
    return data


def is_key_name(name):
    return bool(name) and not any(c.isspace() or c == "+" or ord(c) < 0x20 for c in name)


class Key:
    """A C2SP verifier key."""

    def __init__(self, vkey):
        parts = vkey.split("+", 2)
        if len(parts) != 3 or not is_key_name(parts[0]):
            raise Refused(f"not a verifier key: {vkey[:80]!r}")
        self.name, key_id, typed = parts[0], parts[1], strict_base64(parts[2])
        for prefix, length, self.is_sm2, self.is_cosignature in KEY_TYPES:
            if typed.startswith(prefix) and len(typed) == len(prefix) + length:
                self.raw = typed[len(prefix) :]
                break
        else:
            raise Refused(f"a verifier key of an unknown type: {vkey[:80]!r}")
        self.id = sha256(self.name.encode() + b"\n" + typed)[:4]
        if self.id.hex() != key_id:
            raise Refused(f"the id of the verifier key is not its own: {vkey[:80]!r}")

    def verify(self, text, signature):
        """The cosigning second, or 0 for a log's signature; `None` when it does not hold."""
        if not self.is_cosignature:
            return 0 if self._verify(text, signature) else None
        if len(signature) < 8:
            return None
        second = int.from_bytes(signature[:8], "big")
        message = b"cosignature/v1\ntime %d\n" % second + text
        return second if self._verify(message, signature[8:]) else None

    def _verify(self, message, signature):
        if len(signature) != 64:
            return False
        spki = (SM2_SPKI if self.is_sm2 else ED25519_SPKI) + self.raw
        pem = "-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(spki).decode() + "-----END PUBLIC KEY-----\n"
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin"]
        if self.is_sm2:
            signature = der_signature(signature)
            command += ["-digest", "sm3", "-pkeyopt", "distid:1234567812345678"]
        with tempfile.TemporaryDirectory() as folder:
            files = {"key": pem.encode(), "message": message, "signature": signature}
            for name, data in files.items():
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(data)
            command += ["-inkey", os.path.join(folder, "key"), "-in", os.path.join(folder, "message")]
            command += ["-sigfile", os.path.join(folder, "signature")]
            try:
                done = subprocess.run(command, capture_output=True, check=False)
            except FileNotFoundError:
                print("需要 openssl 命令 / the openssl command is needed: apt-get install openssl", file=sys.stderr)
                sys.exit(2)
        return done.returncode == 0


def der_signature(raw):
    """r and s side by side as SEQUENCE of two INTEGERs."""

    def integer(number):
        data = number.to_bytes((number.bit_length() // 8) + 1, "big")
        return b"\x02" + bytes([len(data)]) + data

    body = integer(int.from_bytes(raw[:32], "big")) + integer(int.from_bytes(raw[32:], "big"))
    return b"\x30" + bytes([len(body)]) + body


# ── notes and checkpoints ────────────────────────────────────────────────────────────────────────


def read_note(note):
    """Text with its line feed, and (name, key id, signature) per line."""
    if len(note) > 262144:
        raise Refused("the note is longer than 262,144 bytes")
    if any(ord(c) < 0x20 and c != "\n" for c in note):
        raise Refused("the note holds a control character")
    split = note.rfind("\n\n")
    if split < 0 or not note.endswith("\n"):
        raise Refused("the note has no signatures")
    text, lines = note[: split + 1], note[split + 2 :].split("\n")[:-1]
    signatures = []
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—" or not is_key_name(parts[1]):
            raise Refused(f"not a signature line: {line[:80]!r}")
        data = strict_base64(parts[2])
        if len(data) < 5:
            raise Refused(f"a signature line without a signature: {line[:80]!r}")
        signatures.append((parts[1], data[:4], data[4:]))
    if not signatures or len(signatures) > 64:
        raise Refused("the note has no signatures, or more than 64")
    return text, signatures


def verify_note(text, signatures, keys):
    """Keys that signed, with their seconds. A false signature by a known key refuses the note."""
    signed = []
    for name, key_id, signature in signatures:
        for key in keys:
            if (key.name, key.id) == (name, key_id):
                second = key.verify(text.encode(), signature)
                if second is None:
                    raise Refused(f"the signature of {name} does not hold")
                signed.append((key, second))
    return signed


def decimal(text):
    if not text.isascii() or not text.isdigit() or (len(text) > 1 and text[0] == "0") or int(text) >= 2**64:
        raise Refused(f"not a decimal: {text[:40]!r}")
    return int(text)


def hash_line(text):
    data = strict_base64(text)
    if len(data) != 32:
        raise Refused(f"not a hash of 32 bytes: {text[:60]!r}")
    return data


def read_checkpoint(text):
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] != "" or "" in lines[:-1]:
        raise Refused("the signed text is not a checkpoint")
    return lines[0], decimal(lines[1]), hash_line(lines[2])


# ── policies ─────────────────────────────────────────────────────────────────────────────────────


class Policy:
    def __init__(self, data):
        self.logs, self.members, self.quorum, seen, grouped = [], {}, None, False, set()
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                if any((b < 0x20 and b != 9) or b == 0x7F for b in line):
                    raise Refused("a control character")
                items = line.replace(b"\t", b" ").split(b" ")
                items = [item for item in items if item]
                if not items or items[0].startswith(b"#"):
                    continue
                keyword, rest = items[0], items[1:]
                if keyword == b"log" and len(rest) in (1, 2):
                    key = Key(rest[0].decode())
                    if key.is_cosignature or any(key.raw == log.raw for log in self.logs):
                        raise Refused("a log key that is a cosigner's, or stands twice")
                    self.logs.append(key)
                elif keyword == b"witness" and len(rest) in (2, 3):
                    key = Key(rest[1].decode())
                    witnesses = [member for member in self.members.values() if isinstance(member, Key)]
                    if not key.is_cosignature or any(key.raw == witness.raw for witness in witnesses):
                        raise Refused("a witness key that is no cosigner's, or stands twice")
                    self._define(rest[0], key)
                elif keyword == b"group" and len(rest) >= 3:
                    members = rest[2:]
                    for member in members:
                        if member not in self.members or member in grouped:
                            raise Refused("a member that is not defined before, or grouped twice")
                        grouped.add(member)
                    words = {b"all": len(members), b"any": 1}
                    threshold = words[rest[1]] if rest[1] in words else decimal(rest[1].decode())
                    if not 1 <= threshold <= len(members):
                        raise Refused("a threshold beyond the members")
                    self._define(rest[0], (threshold, members))
                elif keyword == b"quorum" and len(rest) == 1 and not seen:
                    seen = True
                    if rest[0] != b"none":
                        if rest[0] not in self.members:
                            raise Refused("a quorum that is not defined before")
                        self.quorum = rest[0]
                else:
                    raise Refused("not a line of a policy")
            except (Refused, UnicodeDecodeError) as error:
                raise Refused(f"line {number} of the policy: {error}") from error
        if not seen:
            raise Refused("the policy has no quorum line")

    def _define(self, name, member):
        if name == b"none" or name in self.members:
            raise Refused("a name that is taken")
        self.members[name] = member

    def accept(self, note):
        """Hash name, origin, size, root and witnesses of a checkpoint that the policy accepts."""
        text, signatures = read_note(note)
        origin, size, root = read_checkpoint(text)
        logs = [key for key in self.logs if key.name == origin]
        if not logs:
            raise Refused(f"信任策略中没有账本 / the policy knows no log {origin}")
        signed = verify_note(text, signatures, logs)
        if not signed:
            raise Refused("账本没有签名 / the log has not signed the checkpoint")
        names = {id(member): name for name, member in self.members.items() if isinstance(member, Key)}
        keys = [member for member in self.members.values() if isinstance(member, Key)]
        cosigned = {names[id(key)]: second for key, second in verify_note(text, signatures, keys)}
        holds = {}
        for name, member in self.members.items():
            if isinstance(member, Key):
                holds[name] = name in cosigned
            else:
                threshold, members = member
                holds[name] = sum(holds[m] for m in members) >= threshold
        if self.quorum is not None and not holds[self.quorum]:
            raise Refused(f"见证方未达到法定数 / the quorum is not reached: {len(cosigned)} of {len(keys)} have cosigned")
        witnesses = [(name.decode("utf-8", "replace"), second) for name, second in cosigned.items()]
        return ("sm3" if signed[0][0].is_sm2 else "sha256"), origin, size, root, witnesses


# ── proofs ───────────────────────────────────────────────────────────────────────────────────────

PROOF_HEADERS = {"c2sp.org/tlog-proof@v1": "sha256", "yihe/tlog-proof-sm3@v1": "sm3"}


def read_proof(text):
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] not in PROOF_HEADERS:
        raise Refused("not a tlog-proof")
    hash_name, lines = PROOF_HEADERS[lines[0]], lines[1:]
    if lines and lines[0].startswith("extra "):
        strict_base64(lines[0][6:])
        lines = lines[1:]
    if not lines or not lines[0].startswith("index "):
        raise Refused("the proof has no index")
    index, path = decimal(lines[0][6:]), [hash_line(line) for line in lines[1:]]
    if len(path) > 63:
        raise Refused("the path is longer than 63 hashes")
    return hash_name, index, path, checkpoint


def verify_proof(policy, proof_text, item_text):
    """What is proven, as lines for people."""
    hash_name, index, path, checkpoint = read_proof(proof_text)
    log_hash, origin, size, root, witnesses = policy.accept(checkpoint)
    if log_hash != hash_name:
        raise Refused(f"the proof is in the {hash_name} tree, the log's key signs the {log_hash} tree")
    item = json.loads(item_text, object_pairs_hook=unique, parse_float=lambda text: float(text))
    entry = item["entry"]
    leaf = leaf_hash(hash_name, canonical(entry).encode())
    if not inclusion_holds(hash_name, leaf, index, size, path, root):
        raise Refused(f"第 {index} 号不是该事项 / entry {index} of the tree of {size} is another one")
    lines = [f"已证明 / proven: {origin} #{index} / {size}  {entry['kind']}  {entry['at']}  {entry['object']}"]
    lines += [f"见证 / witnessed by {name} at {second}" for name, second in witnesses]
    payload, salt = item.get("payload"), item.get("salt")
    if payload is None:
        lines.append("未附内容 / no payload was handed over: only the entry is proven")
    elif salt is None:
        lines.append("盐值已销毁，内容无法核对 / the salt was destroyed: the payload can no longer be checked")
    else:
        for name in HASHES:
            if hmac(name, bytes.fromhex(salt), canonical(payload).encode()).hex() != entry[f"digest_{name}"]:
                raise Refused("内容与登记不一致 / the payload is not the one that was entered")
        lines.append("内容一致 / the payload is the one that was entered")
    if "call" in item or "call_proof" in item:
        if payload is None or salt is None or not call_holds(item.get("call"), item.get("call_proof"), payload):
            raise Refused("调用不在该批次中 / the call is not one of the batch")
        lines.append("调用在该批次中 / the call is one of the batch")
    return lines


def call_holds(call, proof, payload):
    name = proof["hash"]
    leaf = leaf_hash(name, hmac(name, bytes.fromhex(proof["salt"]), canonical(call).encode()))
    path = [bytes.fromhex(line) for line in proof["path"]]
    root = bytes.fromhex(payload[f"calls_root_{name}"])
    return payload["calls"] == proof["calls"] and inclusion_holds(name, leaf, proof["index"], proof["calls"], path, root)


# ── whole logs ───────────────────────────────────────────────────────────────────────────────────


def tile_path(level, index, width):
    digits = f"{index % 1000:03}"
    index //= 1000
    while index:
        digits = f"x{index % 1000:03}/{digits}"
        index //= 1000
    return f"tile/{level}/{digits}" + ("" if width == 256 else f".p/{width}")


def read_file(folder, name, faults):
    try:
        with open(os.path.join(folder, *name.split("/")), "rb") as file:
            return file.read()
    except OSError:
        faults.append(f"缺少文件 / missing: {name}")
        return None


def verify_log(folder, keys):
    """Sizes and roots, and every fault found."""
    faults, heads = [], {}
    origin = keys[0].name
    for name, prefix, origin_here in (("sha256", "", origin), ("sm3", "sm3/", origin + "/sm3")):
        data = read_file(folder, prefix + "checkpoint", faults)
        if data is None:
            continue
        try:
            text, signatures = read_note(data.decode())
            known = [key for key in keys if key.name == origin_here and key.is_sm2 == (name == "sm3") and not key.is_cosignature]
            if not verify_note(text, signatures, known):
                raise Refused("no trusted key has signed")
            found_origin, size, root = read_checkpoint(text)
            if found_origin != origin_here:
                raise Refused(f"it is of {found_origin}")
            heads[name] = (prefix, size, root)
        except (Refused, UnicodeDecodeError) as error:
            faults.append(f"检查点不成立 / {prefix}checkpoint does not hold: {error}")
    if not heads:
        return heads, faults
    size = min(size for _, size, _ in heads.values())
    ranges = {name: Range(name) for name in heads}
    # Per tree and level, the hashes of the unfinished tile.
    levels = {name: [bytearray()] for name in heads}

    def close_tiles(name, prefix, level, index, width):
        expected = bytes(levels[name][level])
        found = read_file(folder, prefix + tile_path(level, index, width), faults)
        if found is not None and found != expected:
            offset = next((i for i, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))
            faults.append(f"哈希块与登记不符 / {prefix}{tile_path(level, index, width)} differs from the entries at byte {offset}")

    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        name = tile_path("entries", index, width)
        data, entries, at = read_file(folder, name, faults), [], 0
        if data is None:
            return heads, faults
        while at + 2 <= len(data) and len(entries) < width:
            length = int.from_bytes(data[at : at + 2], "big")
            entries.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if at != len(data) or len(entries) != width:
            faults.append(f"登记包长度不符 / the lengths in {name} do not add up")
            return heads, faults
        for position, entry in enumerate(entries):
            try:
                value = json.loads(entry, object_pairs_hook=unique)
                if canonical(value).encode() != entry or value["v"] != 1:
                    raise Refused("not canonical")
            except (Refused, ValueError, KeyError, TypeError):
                faults.append(f"登记不是规范格式 / entry {index * 256 + position} in {name} is not canonical")
            for tree in heads:
                leaf = leaf_hash(tree, entry)
                ranges[tree].push(leaf)
                levels[tree][0] += leaf
        for tree, (prefix, _, _) in heads.items():
            level, tile_index = 0, index
            while len(levels[tree][level]) == 8192:
                close_tiles(tree, prefix, level, tile_index, 256)
                row = [bytes(levels[tree][level][i : i + 32]) for i in range(0, 8192, 32)]
                while len(row) > 1:
                    row = [node_hash(tree, row[i], row[i + 1]) for i in range(0, len(row), 2)]
                levels[tree][level] = bytearray()
                if len(levels[tree]) == level + 1:
                    levels[tree].append(bytearray())
                level += 1
                levels[tree][level] += row[0]
                tile_index //= 256
    for tree, (prefix, head_size, root) in heads.items():
        for level, hashes in enumerate(levels[tree]):
            if hashes:
                close_tiles(tree, prefix, level, size // 256 ** (level + 1), len(hashes) // 32)
        if head_size != size:
            faults.append(f"两棵树大小不同 / the two trees differ in size: {prefix}checkpoint says {head_size}")
        elif ranges[tree].root() != root:
            faults.append(f"树根不符 / the root of {prefix}checkpoint is not that of the {size} entries")
    return heads, faults


def read_keys(path):
    with open(path, encoding="utf-8") as file:
        keys = [Key(line) for line in file.read().split("\n") if line and not line.startswith("#")]
    if not keys:
        raise Refused("the key file is empty")
    return keys


# ── commands ─────────────────────────────────────────────────────────────────────────────────────


def main():
    parser = argparse.ArgumentParser(description="Check a Yihe ledger without Yihe. 离线验证沂河账本。")
    commands = parser.add_subparsers(dest="command", required=True)
    proof = commands.add_parser("proof", help="one proof and its item / 验证一份证明")
    proof.add_argument("--policy", required=True, help="whom to believe: a tlog-policy file / 信任策略")
    proof.add_argument("proof", help="X.tlog-proof")
    proof.add_argument("item", help="X.json")
    log = commands.add_parser("log", help="a whole exported log / 验证整个账本")
    log.add_argument("--keys", required=True, help="verifier keys, one per line / 验证公钥清单")
    log.add_argument("folder", help="the folder that holds `checkpoint` and `tile/`")
    arguments = parser.parse_args()
    try:
        if arguments.command == "proof":
            with open(arguments.policy, "rb") as file:
                policy = Policy(file.read())
            with open(arguments.proof, encoding="utf-8", newline="") as file:
                proof_text = file.read()
            with open(arguments.item, encoding="utf-8") as file:
                item_text = file.read()
            for line in verify_proof(policy, proof_text, item_text):
                print(line)
        else:
            heads, faults = verify_log(arguments.folder, read_keys(arguments.keys))
            for fault in faults:
                print(fault)
            if faults:
                return 1
            for name, (_, size, root) in heads.items():
                print(f"完好 / sound: {size} entries, {name} root {root.hex()}")
        return 0
    except Refused as error:
        print(f"不成立 / not proven: {error}")
        return 1
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        print(f"不成立 / not proven: the file is not of the expected form ({error!r})")
        return 1
    except OSError as error:
        print(f"无法读取 / cannot read: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
