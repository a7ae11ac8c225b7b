#!/usr/bin/env python3
"""Verifies a journal with nothing but FORMAT.md and Python's standard library: checksums, density, hash chain, HEADS.

    verifier.py DIR        prints the last sequence and the head through it; ends with 3 and the place if anything is not as told

Slow, and meant to be: it shares no line with the crate, so that a wrong sentence of the format is found by it.
Compressed segments, torn tails and snapshots are not judged.
"""

import os
import re
import struct
import sys

BLOCK_RECORDS = 4096
PAGE = 4096
FRAMES_OFFSET = 16384


class Wrong(Exception):
    """What is not as the format tells, and where."""


def expect(is_right, what, *place):
    if not is_right:
        raise Wrong(" ".join([what, *map(str, place)]))


def crc_table():
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        yield number


CRC_TABLE = list(crc_table())


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = CRC_TABLE[(value ^ byte) & 255] ^ value >> 8
    return value ^ 0xFFFFFFFF


# BLAKE3, from section 2 of its specification; unkeyed.
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
QUARTERS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
WORD = 0xFFFFFFFF


def rotated(word, count):
    return (word >> count | word << 32 - count) & WORD


def compressed(chaining, words, counter, length, flags):
    state = chaining + IV[:4] + [counter & WORD, counter >> 32, length, flags]
    for _ in range(7):
        for quarter, (a, b, c, d) in enumerate(QUARTERS):
            state[a] = (state[a] + state[b] + words[2 * quarter]) & WORD
            state[d] = rotated(state[d] ^ state[a], 16)
            state[c] = (state[c] + state[d]) & WORD
            state[b] = rotated(state[b] ^ state[c], 12)
            state[a] = (state[a] + state[b] + words[2 * quarter + 1]) & WORD
            state[d] = rotated(state[d] ^ state[a], 8)
            state[c] = (state[c] + state[d]) & WORD
            state[b] = rotated(state[b] ^ state[c], 7)
        words = [words[place] for place in PERMUTATION]
    return [state[place] ^ state[place + 8] for place in range(8)]


def chunk(data, counter, root):
    chaining = IV
    blocks = [data[at : at + 64] for at in range(0, max(len(data), 1), 64)]
    for place, block in enumerate(blocks):
        is_last = place == len(blocks) - 1
        flags = CHUNK_START * (place == 0) | (CHUNK_END | root) * is_last
        words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
        chaining = compressed(chaining, words, counter, len(block), flags)
    return chaining


def subtree(data, first, root):
    if len(data) <= 1024:
        return chunk(data, first, root)
    chunks = (len(data) + 1023) // 1024
    left = 1 << (chunks - 1).bit_length() - 1
    words = subtree(data[: left * 1024], first, 0) + subtree(data[left * 1024 :], first + left, 0)
    return compressed(IV, words, 0, 64, PARENT | root)


def blake3(data):
    return struct.pack("<8I", *subtree(bytes(data), 0, ROOT))


def page(data, magic, where):
    expect(data[:8] == magic, "magic of", where)
    expect(struct.unpack_from("<I", data, 8)[0] == 2, "format version of", where)
    expect(struct.unpack_from("<I", data, 12)[0] == crc32c(data[:12] + data[16:PAGE]), "checksum of", where)
    return data[16:32]


class Chain:
    """The hash chain, fed with frames."""

    def __init__(self):
        self.heads = []
        self.open = bytearray(32)

    def close_block(self):
        self.heads.append(blake3(self.open))
        self.open = bytearray(self.heads[-1])

    def add(self, header, first, records):
        block = None
        for sequence, record in enumerate(records, first):
            if (sequence - 1) // BLOCK_RECORDS != len(self.heads):
                self.close_block()
            if block != len(self.heads):
                block = len(self.heads)
                self.open += header
            self.open += record

    def head(self, last):
        return self.heads[-1] if self.heads and last % BLOCK_RECORDS == 0 and len(self.open) == 32 else blake3(self.open)


def padded(at, frame, where):
    end = (at + 15) // 16 * 16
    expect(not any(frame[at:end]), "padding of", where)
    return end


def records_of(frame, count, where):
    at = 64
    for place in range(count):
        start = at
        kind, flags, _type, _version, length = struct.unpack_from("<BBHHH", frame, at)
        expect(kind == (1 if place == 0 else 2) and flags in (0, 1) and length <= 128, "record in", where)
        at = padded(at + 32 + length, frame, where)
        if flags:
            opaque, *zeros = struct.unpack_from("<IIII", frame, at)
            expect(opaque <= 65536 and not any(zeros), "opaque part in", where)
            at = padded(at + 16 + opaque, frame, where)
        yield frame[start:at]
    expect(at == len(frame), "length of", where)


class Journal:
    def __init__(self, path):
        self.path = path
        self.id = None
        self.next = 1
        self.epoch = 0
        self.chain = Chain()

    def check_id(self, found, where):
        self.id = self.id or found
        expect(self.id == found, "journal id of", where)

    def frame(self, data, segment, at):
        """Checks the frame at a place and gives its length; 0 where there is none."""
        where = f"segment {segment} offset {at}"
        (length,) = struct.unpack_from("<I", data, at)
        if length == 0:
            return 0
        expect(64 <= length <= 76016 and length % 16 == 0 and at + length <= len(data), "length at", where)
        frame = data[at : at + length]
        (crc,) = struct.unpack_from("<I", frame, 4)
        expect(crc == crc32c(struct.pack("<QII", segment, length, 0) + frame[8:]), "checksum at", where)
        first, _time, _source_sequence, _correlation, synced, _actor, epoch, count, _source, flags = struct.unpack_from(
            "<QQQQQIIHHI", frame, 8
        )
        expect(first == self.next and synced < first and epoch >= self.epoch, "sequence or epoch at", where)
        expect((flags, count) == (1, 0) or flags == 0 and 1 <= count <= 65, "flags or count at", where)
        self.epoch = epoch
        header = frame[:4] + bytes(4) + frame[8:40] + bytes(8) + frame[48:52] + bytes(4) + frame[56:64]
        self.chain.add(header, first, records_of(frame, count, where))
        self.next += count
        return length

    def segment(self, number, data):
        where = f"segment {number}"
        self.check_id(page(data[:PAGE], b"TICKWERK", where), where)
        expect(data[PAGE : 2 * PAGE] == data[:PAGE], "header copy of", where)
        found, _created, size = struct.unpack_from("<QQQ", data, 48)
        expect((found, size) == (number, len(data)), "number or size of", where)
        activation = data[2 * PAGE : 3 * PAGE]
        if not any(activation):
            expect(not any(data[2 * PAGE :]), "bytes of the prepared", where)
            return
        self.check_id(page(activation, b"TWACTIVE", where), where)
        found, first, _epoch, _zero, through = struct.unpack_from("<QQIIQ", activation, 32)
        expect((found, first) == (number, self.next), "activation of", where)
        expect(not through or self.chain.heads[through // BLOCK_RECORDS - 1] == activation[64:96], "head in", where)
        at = FRAMES_OFFSET
        while len(data) - at >= 64 and (length := self.frame(data, number, at)):
            at += length
        expect(not any(data[at:]), "bytes behind the frames of", where)

    def stored_heads(self):
        with open(os.path.join(self.path, "HEADS"), "rb") as file:
            entries = file.read()
        for block, at in enumerate(range(0, len(entries) // 48 * 48, 48)):
            entry = entries[at : at + 48]
            if not any(entry):
                continue
            found, crc = struct.unpack_from("<QI", entry)
            expect(crc == crc32c(self.id + entry[:8] + bytes(4) + entry[12:]) and found == block, "HEADS entry", block)
            is_open = self.next - 1 == (block + 1) * BLOCK_RECORDS and block == len(self.chain.heads)
            head = blake3(self.chain.open) if is_open else self.chain.heads[block]
            expect(entry[16:] == head, "HEADS entry", block)

    def verify(self):
        names = sorted(name for name in os.listdir(self.path) if re.fullmatch(r"\d{12}\.seg", name))
        for expected, name in enumerate(names, 1):
            expect(int(name[:12]) == expected, "missing segment", expected)
            with open(os.path.join(self.path, name), "rb") as file:
                self.segment(expected, file.read())
        self.stored_heads()
        return self.next - 1


def main():
    journal = Journal(sys.argv[1])
    try:
        last = journal.verify()
    except Wrong as wrong:
        print(f"not as told: {wrong}", file=sys.stderr)
        return 3
    print(last, journal.chain.head(last).hex())
    return 0


if __name__ == "__main__":
    assert crc32c(b"123456789") == 0xE3069283
    assert blake3(b"").hex().startswith("af1349b9f5f9a1a6")
    sys.exit(main())
