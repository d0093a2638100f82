#!/usr/bin/env python3
"""Times the queries of docs/sql.md on 5 million spans, 2 million log records and 3 million points.

    bench.py --start native|timescale|apache [--keep]   on a server of its own, made for this
    bench.py --connection URI [--load]                  on a database that has the schema

Prints the median and the slowest of the runs and, where the server is on this machine, the median of
its processor time, beside the goals there are. Without parallel workers, so that times can be
compared, and the processor time is all. `--explain` prints the plans of those with a goal. Needs
psycopg: Tests/integration/requirements.txt.
"""

import argparse
import pathlib
import statistics
import sys
import time

import psycopg

from load import load
from queries import QUERIES, moments

ROOT = pathlib.Path(__file__).resolve().parents[2]
WARM_UPS = 2


def main():
    options = arguments()
    server = None
    try:
        if options.start:
            server, dsn = start(options.start)
        else:
            dsn = options.connection
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
            connection.execute("SET timezone = 'UTC'")
            connection.execute("SET max_parallel_workers_per_gather = 0")
            if options.start or options.load:
                load(connection, options.schema, options.spans)
            is_well = report(connection, options)
        if options.keep:
            input(f"{dsn}\nEnter ends the server: ")
        sys.exit(0 if is_well else 1)
    finally:
        if server:
            server.close()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--start", choices=("native", "timescale", "apache"))
    where.add_argument("--connection", metavar="URI")
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--schema", default="otel")
    parser.add_argument("--spans", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--only", default="", help="queries whose name has this")
    return parser.parse_args()


def start(edition):
    """With memory for the data's working set, as a server that has such data would have."""
    sys.path.insert(0, str(ROOT / "Tests/integration"))
    from postgres import Server
    server = Server(edition, settings={
        "shared_buffers": "1GB", "work_mem": "64MB", "maintenance_work_mem": "256MB",
        "max_wal_size": "8GB", "jit": "off", "max_locks_per_transaction": 256})
    return server, server.database().dsn()


def report(connection, options):
    schema = options.schema
    edition = connection.execute(f"SELECT {schema}.edition()").fetchone()[0]
    counts = {table: connection.execute(f"SELECT count(*) FROM {schema}.{table}").fetchone()[0]
              for table in ("span", "log", "metric_number", "metric_histogram",
                            "metric_exp_histogram", "metric_summary")}
    print(f"edition {edition}; " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    values = moments(connection, schema)
    is_well = True
    print(f"{'query':44} {'median':>9} {'processor':>10} {'slowest':>9} {'rows':>6}  goal")
    for query in QUERIES:
        if options.only not in query.name:
            continue
        text = query.text.format(s=schema, **values)
        times, work, rows = timed(connection, text, options.runs)
        median = statistics.median(times)
        is_met = query.goal_ms is None or median < query.goal_ms
        is_well &= is_met
        goal = "" if query.goal_ms is None else f"< {query.goal_ms} ms: {'met' if is_met else 'MISSED'}"
        print(f"{query.name:44} {median:6.1f} ms {statistics.median(work):7.1f} ms"
              f" {max(times):6.1f} ms {rows:6}  {goal}", flush=True)
        if options.explain and query.goal_ms is not None:
            for row in connection.execute(
                    f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {text}"):
                print("    " + row[0])
    return is_well


def timed(connection, text, runs):
    """Milliseconds from sending the text to having all rows, planning included."""
    times, work = [], []
    backend = pathlib.Path(f"/proc/{connection.info.backend_pid}/schedstat")
    for run in range(WARM_UPS + runs):
        before, began = processor_ms(backend), time.perf_counter()
        rows = connection.execute(text).fetchall()
        if run >= WARM_UPS:
            times.append((time.perf_counter() - began) * 1000)
            work.append(processor_ms(backend) - before)
    return times, work, len(rows)


def processor_ms(schedstat):
    """What a process has used so far; 0 where it can't be known."""
    try:
        return int(schedstat.read_text().split()[0]) / 1e6
    except OSError:
        return 0.0


if __name__ == "__main__":
    main()
