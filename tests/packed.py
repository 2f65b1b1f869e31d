"""How files of each packed form are made."""

import bz2
import gzip
import lzma

import pyarrow as pa


def zst(data: bytes) -> bytes:
    file = pa.BufferOutputStream()
    with pa.CompressedOutputStream(file, "zstd") as packed:
        packed.write(data)
    return file.getvalue().to_pybytes()


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zst}
"""By the ending of the file's name."""
