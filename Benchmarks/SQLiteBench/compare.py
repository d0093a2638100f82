#!/usr/bin/env python3
"""The sqlite exporter against the sqlite3 shell: the same rows, tables, pragmas and batch size.

    compare.py SQLITE_BENCH_BINARY [SPANS] [RUNS]
"""
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

ROWS_PER_TRANSACTION = 10_000
PRAGMAS = """PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -16384;
PRAGMA secure_delete = FAST;
PRAGMA wal_autocheckpoint = 4096;
"""


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def write_script(database, path):
    """The schema without views, then every row of `span`, in the order of arrival."""
    connection = sqlite3.connect(database)
    schema = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL")
    with open(path, "w") as script:
        script.write(PRAGMAS)
        for (sql,) in schema:
            script.write(sql + ";\n")
        rows = connection.execute("SELECT * FROM span ORDER BY id")
        count = 0
        for row in rows:
            if count % ROWS_PER_TRANSACTION == 0:
                script.write("COMMIT;\nBEGIN;\n" if count else "BEGIN;\n")
            script.write("INSERT INTO span VALUES(" + ",".join(map(literal, row)) + ");\n")
            count += 1
        script.write("COMMIT;\n")
    return count


def main():
    binary = sys.argv[1]
    spans = sys.argv[2] if len(sys.argv) > 2 else "300000"
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    print(f"{'run':>3} {'exporter rows/s':>16} {'sqlite3 rows/s':>16} {'ratio':>6}")
    for run in range(1, runs + 1):
        with tempfile.TemporaryDirectory() as directory:
            ours = int(subprocess.check_output([binary, directory, spans]))
            script = os.path.join(directory, "rows.sql")
            count = write_script(os.path.join(directory, "exporter.db"), script)
            start = time.monotonic()
            with open(script) as source:
                subprocess.run(
                    ["sqlite3", "-bail", os.path.join(directory, "shell.db")], stdin=source,
                    stdout=subprocess.DEVNULL, check=True)
            shell = int(count / (time.monotonic() - start))
        print(f"{run:>3} {ours:>16,} {shell:>16,} {ours / shell:>6.2f}")


if __name__ == "__main__":
    main()
