#!/usr/bin/env python3
"""Write a GGUF file of Q4_1, Q8_0 and F32 tensors again with its matrices in F16: gguf_f16.py IN.gguf OUT.gguf

For measuring full-precision models where only a quantised one can be had. Needs numpy.
"""
import struct
import sys

import numpy as np

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
F32, F16, Q4_1, Q8_0 = 0, 1, 3, 8
ALIGNMENT = 32


def skip_value(data, at, kind):
    """The place behind a value of metadata."""
    if kind in SCALARS:
        return at + SCALARS[kind]
    if kind == 8:
        return at + 8 + struct.unpack_from("<Q", data, at)[0]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in SCALARS:
        return at + count * SCALARS[inner]
    for _ in range(count):
        at = skip_value(data, at, inner)
    return at


def numbers(data, at, kind, count):
    """The numbers of a tensor."""
    if kind == F32:
        return np.frombuffer(data, "<f4", count, at)
    if kind == Q8_0:
        blocks = np.frombuffer(data, np.dtype([("d", "<f2"), ("q", "i1", 32)]), count // 32, at)
        return (blocks["d"].astype("f4")[:, None] * blocks["q"]).ravel()
    if kind == Q4_1:
        blocks = np.frombuffer(data, np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)]), count // 32, at)
        codes = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1).astype("f4")
        return (codes * blocks["d"].astype("f4")[:, None] + blocks["m"].astype("f4")[:, None]).ravel()
    sys.exit(f"tensors of type {kind} are not known here")


def main(source, target):
    data = open(source, "rb").read()
    magic, version, tensors, values = struct.unpack_from("<4sIQQ", data)
    if magic != b"GGUF":
        sys.exit(f"{source} is not a GGUF file")
    at = 24
    for _ in range(values):
        at += 8 + struct.unpack_from("<Q", data, at)[0]
        at = skip_value(data, at + 4, struct.unpack_from("<I", data, at)[0])
    head, infos = data[24:at], []
    for _ in range(tensors):
        length = struct.unpack_from("<Q", data, at)[0]
        name, at = data[at + 8 : at + 8 + length], at + 8 + length
        rank = struct.unpack_from("<I", data, at)[0]
        dims = struct.unpack_from(f"<{rank}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * rank)
        at += 16 + 8 * rank
        infos.append((name, dims, kind, offset))
    begin = -(-at // ALIGNMENT) * ALIGNMENT
    table, parts, end = b"", [], 0
    for name, dims, kind, offset in infos:
        own = F16 if len(dims) > 1 else F32
        values_of = numbers(data, begin + offset, kind, int(np.prod(dims)))
        part = values_of.astype("<f2" if own == F16 else "<f4").tobytes()
        table += struct.pack("<Q", len(name)) + name + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        table += struct.pack("<IQ", own, end)
        parts.append(part + bytes(-len(part) % ALIGNMENT))
        end += len(parts[-1])
    start = struct.pack("<4sIQQ", magic, version, tensors, values) + head + table
    with open(target, "wb") as out:
        out.write(start + bytes(-len(start) % ALIGNMENT))
        out.writelines(parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
