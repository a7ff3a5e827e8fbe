"""Files in the formats that people have: some load, others are refused."""

import base64
import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
from numpy.lib import format as npy
from pyarrow import ipc, parquet

VECTORS = [[1.5, 2.0, 3.0], [4.0, 5.0, 6.0]]


MATRIX = np.array(VECTORS, dtype=np.float32)


STORED = [("[1.5,2,3]",), ("[4,5,6]",)]


ROWS = [{"id": 1, "embedding": VECTORS[0]}, {"id": 2, "embedding": VECTORS[1]}]


ONE, TWO = (json.dumps(row) for row in ROWS)


LINES = f"{ONE}\n{TWO}\n"


RAW = [vector.tobytes() for vector in MATRIX]


BASE64 = [base64.b64encode(raw).decode() for raw in RAW]


QUOTED = [json.dumps(vector) for vector in VECTORS]


CSV = "id,embedding\n" + "".join(f'{i},"{v}"\n' for i, v in enumerate(QUOTED, 1))


def saved(table: Any) -> bytes:
    """A table of Arrow as a Parquet file."""
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def streamed(table: Any) -> bytes:
    """A table as a stream of Arrow, as the library `datasets` caches it."""
    sink = io.BytesIO()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def filed(table: Any) -> bytes:
    """A table as a file of Arrow."""
    sink = io.BytesIO()
    with ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def table(embedding: Any, **columns: Any) -> Any:
    return arrow.table({"id": [1, 2], "embedding": embedding, **columns})


def array(values: Any) -> bytes:
    """A `.npy` file."""
    sink = io.BytesIO()
    np.save(sink, values, allow_pickle=True)
    return sink.getvalue()


def archive(**arrays: Any) -> bytes:
    """An `.npz` file."""
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def records() -> Any:
    found = np.zeros(2, [("id", "i8"), ("embedding", "f4", (3,)), ("t", "U3")])
    found["id"], found["embedding"], found["t"] = [1, 2], MATRIX, "abc"
    return found


def batch(vector: list[float], number: int) -> dict[str, Any]:
    """A line of an output file of OpenAI's batches."""
    body = {"model": "m", "data": [{"index": 0, "embedding": vector}]}
    return {
        "id": f"batch_req_{number}",
        "custom_id": f"doc-{number}",
        "response": {"status_code": 200, "body": body},
        "error": None,
    }


def json_lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


BATCHES = json_lines(*(batch(v, i) for i, v in enumerate(VECTORS)))


FLOATS = arrow.list_(arrow.float32())


HALVES = arrow.ListArray.from_arrays(
    [0, 3, 6], arrow.array(MATRIX.astype("f2").reshape(-1))
)


TENSORS = arrow.ExtensionArray.from_storage(
    arrow.fixed_shape_tensor(arrow.float32(), [3]),
    arrow.array(VECTORS, arrow.list_(arrow.float32(), 3)),
)


WIDE = "id,dim_1,dim_10,dim_2\n1,1.5,3,2\n2,4,6,5\n"


LOADED: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    # JSON
    "bom.jsonl": ("\ufeff" + LINES, {}),
    "utf16.jsonl": (LINES.encode("utf-16"), {}),
    "utf16le.jsonl": (LINES.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "ends.jsonl": (LINES.replace("\n", "\r\n\r\n"), {}),
    "lines.ndjson": (LINES, {}),
    "array.json": (f" \n[\n {ONE},\n{TWO}\n]\n\n", {}),
    "array.jsonl": (f"[{ONE},{TWO}]", {}),
    "long.json": (f"[{ONE},{' ' * (3 << 20)}{TWO}]", {}),
    "over_lines.json": ("\n".join(json.dumps(row, indent=2) for row in ROWS), {}),
    "packed.json.gz": (gzip.compress(f"[{ONE},{TWO}]".encode()), {}),
    "packed.jsonl.bz2": (bz2.compress(LINES.encode()), {}),
    "packed.jsonl.xz": (lzma.compress(LINES.encode()), {}),
    "base64.jsonl": (
        json_lines(*({"embedding": text} for text in BASE64)),
        {"vector_bytes": "float32"},
    ),
    "batch.jsonl": (
        BATCHES,
        {"vectors": "response.body.data.0.embedding", "key": "custom_id"},
    ),
    # CSV
    "tabs.tsv": (CSV.replace(",", "\t", 1).replace(',"', '\t"'), {}),
    "tabs.csv": ("id\tembedding\n1\t[1.5,2,3]\n2\t[4,5,6]", {"delimiter": "\t"}),
    "semicolons.csv": ("id;embedding\n1;[1.5,2,3]\n2;[4,5,6]", {"delimiter": ";"}),
    "braces.csv": ('embedding\n"{1.5,2,3}"\n"(4, 5, 6)"\n', {}),
    "printed.csv": ('embedding\n"[1.5 2. \n 3.]"\n[4. 5. 6.]\n', {}),
    "utf16.csv": (CSV.encode("utf-16"), {}),
    "pandas.csv": (',embedding\n0,"[1.5,2,3]"\n1,"[4,5,6]"\n', {}),
    "wide.csv": (WIDE, {"vectors": "dim_*"}),
    "no_header.csv": (
        '1,"[1.5,2,3]"\n2,"[4,5,6]"\n',
        {"header": False, "key": "c1", "vectors": "c2"},
    ),
    "only_numbers.csv": ("1.5,2,3\n4,5,6\n", {"header": False, "vectors": "c?"}),
    # NumPy
    "big_endian.npy": (array(MATRIX.astype(">f8")), {}),
    "records.npy": (array(records()), {}),
    "several.npz": (
        archive(embedding=MATRIX, queries=MATRIX[:1]),
        {"column": "embedding"},
    ),
    "metadata.npz": (archive(vectors=MATRIX, model=np.array("m"), dim=np.array(3)), {}),
    "objects.npz": (
        archive(vectors=MATRIX, ids=np.array(["a", "b"], object)),
        {"skip": ["ids"]},
    ),
    # Parquet and Arrow
    "doubles.parquet": (saved(table(VECTORS)), {}),
    "halves.parquet": (
        saved(table(HALVES)),
        {},
    ),
    "large.parquet": (
        saved(table(arrow.array(VECTORS, arrow.large_list(arrow.float32())))),
        {},
    ),
    "tensors.parquet": (saved(table(TENSORS)), {}),
    "text.parquet": (saved(table(QUOTED)), {}),
    "bytes.parquet": (saved(table(RAW)), {"vector_bytes": "float32"}),
    "struct.parquet": (
        saved(table([{"of": v} for v in VECTORS])),
        {"vectors": "embedding.of"},
    ),
    "stream.arrow": (streamed(table(VECTORS)), {}),
    "file.arrow": (filed(table(VECTORS)), {}),
    "file.feather": (filed(table(VECTORS)), {"block_rows": 1}),
}


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def header(shape: tuple[int, ...], after: bytes = b"") -> bytes:
    sink = io.BytesIO()
    what = {"descr": "<f4", "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(sink, what)
    return sink.getvalue() + after


def zipped(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(f"{name}.npy", data)
    return sink.getvalue()


def changed(data: bytes, *places: tuple[int, bytes]) -> bytes:
    out = bytearray(data)
    for place, new in places:
        out[place : place + len(new)] = new
    return bytes(out)


def locked() -> bytes:
    """An archive whose flags say that it is encrypted."""
    data = archive(e=MATRIX)
    return changed(data, (6, b"\1"), (data.find(b"PK\1\2") + 8, b"\1"))


NPZ = archive(embedding=MATRIX, t=np.arange(2))


PARQUET = saved(table(VECTORS))


NESTED = "[" * 100_000 + "]" * 100_000


STRUCT = np.zeros(2, [("a", "i4")])


NUL = "a\0b"


REFUSED: dict[str, tuple[str | bytes, str]] = {
    # the file
    "no_extension": (LINES, "the extension must be one of .npy, .npz, .jsonl"),
    "d.txt": (LINES, "the extension must be one of"),
    "d.csv.gz.csv": (gzip.compress(CSV.encode()), "begins like gzip: unpack it"),
    "d.npy.gz": (gzip.compress(array(MATRIX)), "unpack it first"),
    "d.jsonl.zst": (b"\x28\xb5\x2f\xfd", "like Zstandard: unpack it with zstd -d"),
    "parquet.csv": (PARQUET, "begins like a Parquet file: call it .parquet"),
    "array.parquet": (array(MATRIX), "begins like a NumPy array: call it .npy"),
    "archive.npy": (NPZ, "begins like a zip archive"),
    "d.pkl": (b"\x80\x04x", "like a pickle, which is never read: save vectors with"),
    "pickle.npy": (b"\x80\x05x", "like a pickle, which is never read"),
    "d.h5": (b"\x89HDF\r\n", "like HDF5: save the vectors with numpy.save"),
    "d.jsonl.bz2": (b"BZhxxxxxxxx", "is not valid bz2"),
    "d.jsonl.xz": (b"xxxx", "is not valid xz"),
    # .npy
    "raw.npy": (RAW[0] * 99, "it has no .npy header. If numpy.memmap wrote it"),
    "header.npy": (changed(array(MATRIX), (12, b"\xff" * 8)), "header is damaged"),
    "version.npy": (changed(array(MATRIX), (6, b"\x09")), "header is damaged"),
    "endless.npy": (b"\x93NUMPY\x02\0\xff\xff\xff\x7f{}", "header is damaged"),
    "nested.npy": (b"\x93NUMPY\x01\0\x10\0" + b"(" * 16, "header is damaged"),
    "magic.npy": (b"\x93NUMPY", "header is damaged"),
    "huge.npy": (
        header((10**12, 1536)),
        "its header says 6144000000000000 bytes, but 0",
    ),
    "beyond.npy": (header((2**62, 2**62)), "bytes, but 0 follow"),
    "negative.npy": (header((-1, 2), b"x" * 99), "a NumPy array of shape (-1, 2)"),
    "cut.npy": (array(MATRIX)[:-1], "its header says 24 bytes, but 23 follow"),
    "objects.npy": (array(np.array([{}])), "never unpickled: save text as"),
    "complex.npy": (array(MATRIX.astype("c8")), "complex64: vectors are a matrix"),
    "deep.npy": (array(MATRIX[None]), "array.reshape(rows, -1)"),
    "narrow.npy": (array(MATRIX[:, :0]), "holds no rows, or no numbers"),
    "fields.npy": (array(STRUCT), "no column 'embedding'"),
    # .npz
    "two.npz": (archive(a=MATRIX, b=MATRIX), "(a, b)"),
    "which.npz": (archive(a=MATRIX, b=MATRIX), "(--vectors a)"),
    "whole.npz": (archive(a=MATRIX.astype(int)), "a: an array of shape (2, 3) and"),
    "ids.npz": (
        archive(a=MATRIX, ids=np.array(["a", "b"], object)),
        "array 'ids' holds Python objects, which are never unpickled: save text as "
        "array.astype(str)",
    ),
    "complex.npz": (archive(a=MATRIX, c=np.array([1j, 2])), "(--skip c)"),
    "struct.npz": (archive(a=MATRIX, s=STRUCT), "(--skip s)"),
    "length.npz": (archive(a=MATRIX, n=np.arange(3)), "3 values for 2 vectors"),
    "cut.npz": (NPZ[:-40], "is not a valid .npz file: File is not a zip file"),
    "damaged.npz": (changed(NPZ, (180, b"\xff" * 9)), "Bad CRC-32"),
    "locked.npz": (locked(), "is encrypted"),
    "bomb.npz": (
        zipped(e=header((10**9, 2), b"\0" * 999)),
        "its header says 8000000000 bytes, but 999 follow",
    ),
    "text.npz": (zipped(a=b"hello"), "array 'a' is not a NumPy array"),
    # JSON
    "cut.json": (f"[{ONE},{TWO}", "object 3 is not JSON: the array has no end"),
    "bad.json": (f"[{ONE},{{]", "object 2 is not JSON"),
    "numbers.json": ("[[1,2],\n[3,4]]", "object 1: not a JSON object but a list"),
    "behind.json": (f"[{ONE}] x", "there is more behind the end of the array"),
    "none.json": ("[]", "holds no rows"),
    "response.json": (
        json.dumps({"data": ROWS}),
        "'data' is a list of objects, and each object is a row: write each object on "
        "its own line (jq -c '.data[]')",
    ),
    "columns.json": (
        json.dumps({"embedding": {"0": VECTORS[0]}}),
        "to_json(orient='records', lines=True)",
    ),
    "behind.jsonl": (f"{ONE}\n{TWO} x\n", "row 2: not JSON: Extra data"),
    "nul.jsonl": (json_lines(*ROWS, {**ROWS[0], "t": NUL}), "row 3: the text holds a"),
    "nul2.jsonl": (json_lines(*ROWS, {**ROWS[0], "t": [NUL]}), "NUL character, which"),
    "lone.jsonl": (
        json_lines({**ROWS[0], "t": "\ud800"}),
        "row 1: character '\\ud800'",
    ),
    "twice.jsonl": ('{"embedding": [1], "a": 1, "a": 2}', "key 'a' occurs twice"),
    "digits.jsonl": (f'{{"embedding": [1], "a": {"9" * 5000}}}', "4300 digits"),
    "deep.jsonl": (f'{{"embedding": [1], "a": {NESTED}}}', "nested too deep"),
    "latin.jsonl": (b'{"embedding": [1], "t": "\xe9"}', "(--encoding latin-1, utf-16"),
    "utf16le.jsonl": (LINES.encode("utf-16-le"), "--encoding"),
    "path.jsonl": (BATCHES, "(--vectors 'response.body.data.0.embedding')"),
    "base64.jsonl": (
        json_lines({"embedding": BASE64[0]}),
        "is it base64? name their number type with vector_bytes= (--vector-bytes",
    ),
    # CSV
    "semicolons.csv": ("id;embedding\n1;[1]\n", "(--delimiter ';')"),
    "semicolons2.csv": ("id;embedding\n1;[1,2]\n", "(--delimiter ';')"),
    "tabs.csv": ("id\tembedding\n1\t[1,2]\n", "(--delimiter '\\t')"),
    "no_header.csv": ("1,2,3\n4,5,6\n", "header=False (--no-header)"),
    "wide.csv": (WIDE + "3,1,2,3\n", "(--vectors 'dim_*')"),
    "latin.csv": ('t,embedding\né,"[1]"\n'.encode("latin-1"), "(--encoding latin-1"),
    "short.csv": ('embedding\n"[1 ... 2]"\n', "NumPy left numbers out"),
    "bare.csv": ('embedding\n"1,2"\n', "is not a vector like [1,2,3]"),
    "nothing.csv": (
        "id,embedding\n1,\n",
        "create the table first, with a column of type vector(n)",
    ),
    # Parquet and Arrow
    "bytes.parquet": (
        saved(table(RAW)),
        "row 0: a vector as 12 raw bytes: name their number type with vector_bytes= "
        "(--vector-bytes float32",
    ),
    "cut.parquet": (PARQUET[:-9], "is not a valid Parquet file"),
    "damaged.parquet": (changed(PARQUET, (30, b"\xff" * 40)), "not a valid Parquet"),
    "none.parquet": (saved(table(VECTORS).slice(0, 0)), "holds no rows"),
    "no_columns.parquet": (saved(arrow.table({})), "holds no rows"),
    "far.parquet": (
        saved(table(VECTORS, t=arrow.array([1, 2**62], arrow.timestamp("us")))),
        "row 1: column 't': Python cannot read this ",
    ),
    "not_text.parquet": (
        saved(table(VECTORS, t=arrow.array([b"a", b"\xff"]).view(arrow.string()))),
        "row 1: column 't': Python cannot read this ",
    ),
    "nan.parquet": (
        saved(table(VECTORS, m=[{"a": float("nan")}, None])),
        "row 0: {'a': nan} is not JSON",
    ),
    "scalar.parquet": (saved(table([1.0, 2.0])), "row 0: 1.0 is not a vector"),
    "damaged.arrow": (b"hello", "is not a valid Arrow file"),
    # pyarrow ended the process: "Slice offset greater than array length"
    "offsets.arrow": (
        streamed(table(VECTORS)).replace(
            b"\0\0\0\0\3\0\0\0\6\0\0\0", b"\0\0\0\0\0\0\0\x65\6\0\0\0"
        ),
        "is not a valid Arrow file",
    ),
}
