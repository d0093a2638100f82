"""What Grafana does to a query before it sends it: variables in their formats, and macros."""

import re

VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)")
MACRO = re.compile(r"\$__(timeFilter|timeFrom|timeTo|timeGroupAlias|timeGroup)\(")


class All:
    """`All` of a variable: its own value for that goes in as it is, whatever the format."""

    def __init__(self, text):
        self.text = text


def expand(query, variables, since, until, interval_seconds=60):
    """`since` and `until` are times in UTC; a name that is not a variable fails."""
    seconds = int(interval_seconds)
    query = query.replace("$__interval_ms", str(seconds * 1000))
    query = query.replace("$__interval", f"{seconds}s")
    query = VARIABLE.sub(lambda found: formatted(variables, found), query)
    limits = [f"'{moment:%Y-%m-%dT%H:%M:%S}Z'" for moment in (since, until)]
    while macro := MACRO.search(query):
        end = closing(query, macro.end())
        inside = query[macro.end():end]
        query = query[:macro.start()] + macro_text(macro[1], inside, *limits) + query[end + 1:]
    assert "$__" not in query, query
    return query


def formatted(variables, found):
    name, format = found[1] or found[3], found[2]
    value = variables[name]
    if isinstance(value, All):
        return value.text
    if format == "sqlstring":
        return "'" + value.replace("'", "''") + "'"
    assert format in (None, "raw"), found[0]
    return value.replace("'", "''")


def closing(text, start):
    depth = 1
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    raise AssertionError(f"no end of a macro: {text[start:]}")


def macro_text(name, inside, since, until):
    if name == "timeFrom":
        return since
    if name == "timeTo":
        return until
    if name == "timeFilter":
        return f"{inside} BETWEEN {since} AND {until}"
    column, interval = (part.strip() for part in inside.split(",")[:2])
    seconds = int(interval.strip("'").removesuffix("s"))
    group = f"floor(extract(epoch from {column})/{seconds})*{seconds}"
    return f'{group} AS "time"' if name == "timeGroupAlias" else group
