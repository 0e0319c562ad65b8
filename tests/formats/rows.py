"""Reads the tables that semcov writes with the programs that people open them in: pandas, pyarrow, DuckDB, NumPy and
embedding-atlas. It runs the README's own two commands for the last, and asks its server for the data.

    tests/formats/rows.py        with semcov, and embedding-atlas, on the PATH
"""

import contextlib
import csv
import json
import math
import os
import pathlib
import re
import shlex
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import duckdb
import numpy
import pandas
import pyarrow.parquet

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/support.jsonl"
NEIGHBORS = 15


def run(*arguments):
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_corpus(path):
    """The example, and rows whose ids and texts are hard on a table."""
    hard = ["=1+1", "+x", "-5", "@a", 'a,"b"\n;c', "  spaced ", "0012", "1e5", "NA", "true", "\u2028ü文"]
    rows = lines(EXAMPLE) + [{"id": name, "text": f"{name} is the id of a row,\nsaid \"twice\""} for name in hard]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return rows


def check_tables(folder):
    """The same rows are in Parquet, JSON lines and CSV, as pandas, pyarrow, DuckDB and Python's csv read them."""
    rows = write_corpus(folder / "hard.jsonl")
    command = ["semcov", "report", folder / "hard.jsonl", "--reference", EXAMPLE, "--rows-text", "-q", "--rows"]
    parquet, jsonl, table = (folder / f"hard-rows.{extension}" for extension in ["parquet", "jsonl", "csv"])
    for path in [parquet, jsonl, table]:
        run(*command, path)

    expected = lines(jsonl)
    names = list(expected[0])
    of_corpus = [row for row in expected if row["corpus"] == "corpus"]
    assert [row["id"] for row in of_corpus] == [row["id"] for row in rows], "ids, in the order of records"
    assert [row["text"] for row in of_corpus] == [row["text"] for row in rows], "texts, in the order of records"
    assert len(expected) == len(rows) + len(lines(EXAMPLE)), "a row per record of both"

    duck = duckdb.connect()
    as_cells = [[cell(row[name]) for name in names] for row in expected]
    with open(table, newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [names, *as_cells], "Python's csv"
    read = pandas.read_csv(table, dtype=str, keep_default_na=False)
    assert [list(row) for row in read.itertuples(index=False)] == as_cells, "pandas.read_csv"
    read = duck.execute("SELECT * FROM read_csv(?, all_varchar = true, header = true)", [str(table)]).fetchall()
    assert [[cell or "" for cell in row] for row in read] == as_cells, "DuckDB's read_csv"
    read = duck.execute("SELECT * FROM read_csv(?)", [str(table)])
    assert [column[0] for column in read.description] == names and len(read.fetchall()) == len(expected), "sniffed"

    assert pyarrow.parquet.read_table(parquet).column_names == names
    same(pyarrow.parquet.read_table(parquet).to_pylist(), expected, "pyarrow")
    read = duck.execute("SELECT * FROM read_parquet(?)", [str(parquet)]).fetchall()
    same([dict(zip(names, row)) for row in read], expected, "DuckDB, Parquet")
    read = duck.execute("SELECT * FROM read_json_auto(?)", [str(jsonl)]).fetchall()
    same([dict(zip(names, row)) for row in read], expected, "DuckDB, JSON lines")
    same(pandas.read_parquet(parquet).to_dict("records"), expected, "pandas.read_parquet")
    same(pandas.read_json(jsonl, lines=True, dtype=False).to_dict("records"), expected, "pandas.read_json")
    print(f"rows: {len(expected)} rows of {len(names)} columns, the same in Parquet, JSON lines and CSV")


def cell(value):
    """A value as a CSV cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def same(read, expected, what):
    """Whether two lists of rows agree; numbers to the precision of an f32."""
    assert len(read) == len(expected), what
    for row, other in zip(read, expected):
        assert list(row) == list(other), what
        for name in row:
            assert agree(row[name], other[name]), f"{what}: {name} of {other['id']!r}: {row[name]!r}, {other[name]!r}"


def agree(value, other):
    if isinstance(other, dict):
        return list(value) == list(other) and all(agree(value[name], other[name]) for name in other)
    if isinstance(other, list):
        return len(value) == len(other) and all(map(agree, value, other))
    if other is None or (isinstance(value, float) and math.isnan(value)):
        return (value is None or value != value) and other is None
    if isinstance(other, float):
        return math.isclose(value, other, rel_tol=1e-6, abs_tol=1e-12)
    return value == other


def check_vectors(folder):
    """Row i of `semcov embed -o vectors.npy` is record i."""
    rows = write_corpus(folder / "hard.jsonl")
    run("semcov", "embed", folder / "hard.jsonl", "-o", folder / "vectors.npy", "-q")
    vectors = numpy.load(folder / "vectors.npy", allow_pickle=False)
    assert vectors.shape == (len(rows), 384) and vectors.dtype == numpy.float32, (vectors.shape, vectors.dtype)
    has_text = numpy.array([bool(row["text"].strip()) for row in rows])
    assert not vectors[~has_text].any() and (~has_text).any(), "a record without text has zeros"
    assert numpy.allclose(numpy.linalg.norm(vectors[has_text], axis=1), 1, atol=1e-3)
    for i in [0, 1, 300, len(rows) - 1]:
        one = folder / "one.jsonl"
        one.write_text(json.dumps(rows[i]) + "\n", encoding="utf-8")
        run("semcov", "embed", one, "-o", folder / "one.npy", "-q")
        alone = numpy.load(folder / "one.npy")[0]
        assert (alone == vectors[i]).all(), f"record {i}"
        assert (vectors @ alone).argmax() == [row["text"] for row in rows].index(rows[i]["text"]), f"record {i}"
    print(f"vectors.npy: {vectors.shape}, row i is record i")


def check_embedding_atlas(folder):
    """The README's commands, typed in a folder with a corpus `train.jsonl`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(semcov report [^\n]*\n)(embedding-atlas [^\n]*)\n", readme)
    assert block, "the README has no commands for embedding-atlas"
    (folder / "train.jsonl").write_bytes(EXAMPLE.read_bytes())
    subprocess.run(shlex.split(block[1], comments=True), check=True, cwd=folder, stdout=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = shlex.split(block[2], comments=True)
    print("$", shlex.join(command))
    with serving([*command, "--port", str(port), "--no-auto-port"], folder):
        server = f"http://localhost:{port}/data"
        data = get(f"{server}/metadata.json")["props"]["data"]
        index, x, y = data["id"], data["projection"]["x"], data["projection"]["y"]
        columns = f'"{index}" AS i, "{x}" AS x, "{y}" AS y, "{data["text"]}" AS text, "{data["neighbors"]}" AS near'
        rows = get(f"{server}/query", {"type": "json", "sql": f"SELECT {columns} FROM dataset ORDER BY i"})
    records = lines(folder / "train.jsonl")
    assert [row["text"] for row in rows] == [record["text"] for record in records], "texts"
    drawn = [row for row in rows if row["text"].strip()]
    assert all(math.isfinite(row["x"]) and math.isfinite(row["y"]) for row in drawn), "places"
    for row in drawn:
        ids, distances = row["near"]["ids"], row["near"]["distances"]
        assert len(ids) == len(distances) == NEIGHBORS, row
        assert row["i"] not in ids and len(set(ids)) == NEIGHBORS, row
        assert all(0 <= near < len(rows) and rows[near]["text"].strip() for near in ids), row
        assert distances == sorted(distances) and -1e-3 < distances[0] and distances[-1] < 2, row
    print(f"embedding-atlas: {len(rows)} rows, {len(drawn)} of them on its map")


@contextlib.contextmanager
def serving(command, folder):
    """Runs a server until its first answer, and beyond while the block runs."""
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        url = f"http://localhost:{command[command.index('--port') + 1]}/data/metadata.json"
        deadline = time.monotonic() + 300
        while True:
            assert server.poll() is None and time.monotonic() < deadline, (folder / "server.log").read_text()
            try:
                get(url)
                break
            except urllib.error.URLError:
                time.sleep(0.2)
        yield
    finally:
        server.terminate()
        server.wait()


def get(url, query=None):
    """The JSON behind a URL, or the answer to a query."""
    body = None if query is None else json.dumps(query).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def main():
    with tempfile.TemporaryDirectory(prefix="semcov-rows-") as name:
        folder = pathlib.Path(name)
        os.environ["SEMCOV_CACHE"] = str(folder / "cache")
        check_tables(folder)
        check_vectors(folder)
        check_embedding_atlas(folder)


main()
