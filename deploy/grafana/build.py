#!/usr/bin/env python3
"""Writes dashboards/*.json: `build.py` makes them, `build.py --check` fails where they differ."""

import json
import pathlib
import sys

from dashboards_gateway import gateway
from dashboards_signals import logs, metrics, traces
from dashboards_services import service, services

FOLDER = pathlib.Path(__file__).resolve().parent / "dashboards"


def built():
    return {f"{each['uid']}.json": json.dumps(each, indent=2, ensure_ascii=False) + "\n"
            for each in (services(), service(), traces(), logs(), metrics(), gateway())}


def main():
    files = built()
    if sys.argv[1:] == ["--check"]:
        there = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
        differing = sorted(name for name in files.keys() | there.keys()
                           if files.get(name) != there.get(name))
        sys.exit(f"run build.py: {', '.join(differing)}" if differing else 0)
    for name, text in files.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
