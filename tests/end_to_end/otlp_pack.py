# SPDX-License-Identifier: Apache-2.0
"""The compressions OTLP requests come in; snappy is written here, without compressing anything."""

import gzip
import zlib

import zstandard

POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
CHUNK_BYTES_MAX = 65536


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def snappy_block(data):
    """Literals only."""
    out = varint(len(data))
    for first in range(0, len(data), CHUNK_BYTES_MAX):
        piece = data[first:first + CHUNK_BYTES_MAX]
        out += bytes([61 << 2]) + (len(piece) - 1).to_bytes(2, "little") + piece
    return out


def snappy_framed(data):
    """Uncompressed chunks only."""
    out = b"\xff\x06\0\0sNaPpY"
    for first in range(0, len(data), CHUNK_BYTES_MAX):
        piece = data[first:first + CHUNK_BYTES_MAX]
        crc = crc32c(piece)
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        out += b"\x01" + (len(piece) + 4).to_bytes(3, "little")
        out += masked.to_bytes(4, "little") + piece
    return out


def zstd(data):
    return zstandard.ZstdCompressor().compress(data)


PACK = {"gzip": gzip.compress, "zstd": zstd,
        "deflate": zlib.compress, "zlib": zlib.compress, "snappy": snappy_block,
        "x-snappy-framed": snappy_framed, "identity": bytes}
