"""Checks a ledger's folder or a receipt, written from the C2SP documents alone.

    verify.py folder DIR [VKEY]     tlog-tiles, tlog-checkpoint, signed-note
    verify.py receipt FILE [VKEY]   tlog-proof, RFC 6962

Knows of Domicile only that an entry is a JSON object, and which fields a receipt has. Needs nothing but Python; Ed25519
is RFC 8032's, slow and plain. Says `holds SIZE` and ends with 0, or what is wrong and 1.
"""

import base64
import hashlib
import json
import pathlib
import re
import sys


class Wrong(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Wrong(what)


# Ed25519 (RFC 8032, section 5.1.7 and the appendix)

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return P - x if (x & 1) != sign else x


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, i, j, k = f - e, h - g, h + g, f + e
    return (e * i % P, j * k % P, i * j % P, e * k % P)


def multiply(n, a):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = add(out, a)
        a, n = add(a, a), n >> 1
    return out


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)


def ed25519(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return same(multiply(s, BASE), add(r, multiply(h, a)))


# Merkle trees (RFC 6962, section 2)


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes):
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        pairs = [node_hash(*hashes[n : n + 2]) for n in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0]


def root_from(index, size, leaf, path):
    """RFC 9162, section 2.1.3.2."""
    need(0 <= index < size, "an index past the end")
    fn, sn, out = index, size - 1, leaf
    for beside in path:
        need(sn != 0, "a path that is too long")
        if fn & 1 or fn == sn:
            out = node_hash(beside, out)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            out = node_hash(out, beside)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "a path that is too short")
    return out


# Signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint)


def decoded(text, bytes_wanted=None):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Wrong("not base64") from error
    need(base64.b64encode(data).decode() == text, "base64 that is spelled otherwise")
    need(bytes_wanted in (None, len(data)), "a length that does not fit")
    return data


def read_vkey(text):
    parts = text.split("+", 2)
    need(len(parts) == 3, "not a key")
    name, number, key = parts[0], parts[1], decoded(parts[2], 33)
    need(name and not re.search(r"\s", name), "not a key's name")
    need(key[0] == 1, "not an Ed25519 key")
    need(hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == number, "not the key's number")
    return name, number, key[1:]


def read_checkpoint(note, vkey):
    name, number, public = vkey
    try:
        text, signatures = note.decode().rsplit("\n\n", 1)
    except ValueError as error:
        raise Wrong("not a note") from error
    text += "\n"
    need(not any(ord(char) < 32 and char != "\n" for char in note.decode()), "not a note")
    need(signatures.endswith("\n"), "not a note")
    own = 0
    for line in signatures[:-1].split("\n"):
        match = re.fullmatch(r"\u2014 ([^\s+]+) (\S+)", line)
        need(match, "not a signature")
        signature = decoded(match[2])
        need(len(signature) > 4, "not a signature")
        # Whoever else may have signed is not known here: nothing that is not checked may stand there.
        need(match[1] == name and signature[:4].hex() == number, "a signature by somebody else")
        need(ed25519(public, text.encode(), signature[4:]), "a signature that does not hold")
        own += 1
    need(own == 1, "not one signature")
    lines = text.split("\n")
    need(len(lines) == 4 and lines[3] == "", "not a checkpoint of three lines")
    need(lines[0] == name, "a checkpoint of another ledger")
    need(re.fullmatch(r"0|[1-9][0-9]*", lines[1]), "not a size")
    return int(lines[1]), decoded(lines[2], 32)


# Tiles (c2sp.org/tlog-tiles)


def tile_name(kind, number, width):
    parts = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        parts.insert(0, f"x{number % 1000:03}")
    return f"tile/{kind}/{'/'.join(parts)}" + ("" if width == 256 else f".p/{width}")


def tiles_of(hashes):
    full, rest = divmod(hashes, 256)
    return [(number, 256) for number in range(full)] + ([(full, rest)] if rest else [])


def split(bundle):
    entries = []
    while bundle:
        need(len(bundle) >= 2, "half an entry")
        length = int.from_bytes(bundle[:2], "big")
        need(len(bundle) >= 2 + length, "half an entry")
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    return entries


def check_folder(folder, key):
    def read(name):
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise Wrong(f"{name} can't be read") from error

    own = read("vkey").decode()
    need(own.endswith("\n"), "vkey is not a line")
    need(key in (None, own[:-1]), "another key than the one that was given")
    size, root = read_checkpoint(read("checkpoint"), read_vkey(own[:-1]))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    files -= {"vkey", "checkpoint"}
    need(size <= 256 * len(files), "a head over more entries than there are files for")
    hashes = []
    for number, width in tiles_of(size):
        name = tile_name("entries", number, width)
        files.discard(name)
        entries = split(read(name))
        need(len(entries) == width, f"{name} has not {width} entries")
        for entry in entries:
            need(isinstance(json.loads(entry), dict), f"{name} has an entry that is no JSON object")
            hashes.append(leaf_hash(entry))
    need(root_of(hashes) == root, "the entries are not those under the checkpoint")
    level = 0
    while hashes:
        for number, width in tiles_of(len(hashes)):
            name = tile_name(level, number, width)
            files.discard(name)
            need(read(name) == b"".join(hashes[256 * number :][:width]), f"{name} is not the tile of its entries")
        hashes = [root_of(hashes[n : n + 256]) for n in range(0, len(hashes) // 256 * 256, 256)]
        level += 1
    need(not files, f"no checkpoint names {sorted(files)[:1]}")
    return size


# Receipts (c2sp.org/tlog-proof for the entry, RFC 6962 for the frame)


def check_receipt(receipt, key):
    fields = json.loads(receipt)
    need(set(fields) == {"frame", "place", "path", "entry", "proof", "vkey"}, "not the fields of a receipt")
    need(key in (None, fields["vkey"]), "another key than the one that was given")
    proof, checkpoint = fields["proof"].split("\n\n", 1)
    first, index, *path = proof.split("\n")
    need(first == "c2sp.org/tlog-proof@v1", "not a proof")
    need(re.fullmatch(r"index (0|[1-9][0-9]*)", index), "not an index")
    size, root = read_checkpoint(checkpoint.encode(), read_vkey(fields["vkey"]))
    path = [decoded(line, 32) for line in path]
    entry = fields["entry"].encode()
    need(root_from(int(index[6:]), size, leaf_hash(entry), path) == root, "the entry is not in the ledger")
    said = json.loads(entry)
    need(said["kind"] == "accepted", "the entry is not about what was accepted")
    need(set(fields["frame"]) == {"span", "blake3"}, "not a frame")
    (begin, end), blake3 = fields["frame"]["span"], fields["frame"]["blake3"]
    path = [decoded(line, 32) for line in fields["path"]]
    found = root_from(fields["place"], said["requests"], leaf_hash(f"{begin} {end} {blake3}".encode()), path)
    need(found.hex() == said["digest"], "the frame is not among those of the entry")
    return size


def main(what, path, key=None):
    path = pathlib.Path(path)
    try:
        size = check_folder(path, key) if what == "folder" else check_receipt(path.read_bytes(), key)
    except Wrong as wrong:
        print(wrong)
        return 1
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        print(f"not of the form that it has to have: {error}")
        return 1
    print(f"holds {size}")
    return 0


def every_line():
    """Answers one question a line, so that a test need not start a program for each."""
    for line in sys.stdin:
        main(*line.rstrip("\n").split("\t"))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(every_line() if sys.argv[1:] == ["-"] else main(*sys.argv[1:]))
