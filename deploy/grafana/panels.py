"""Grafana's dashboard JSON in few words: what all panels of Sluice's dashboards have in common."""

POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "${datasource}"}
PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
GREEN, YELLOW, RED = "green", "orange", "red"


def sql(text, format="table", ref="A"):
    return {"datasource": POSTGRES, "editorMode": "code", "format": format, "rawQuery": True,
            "rawSql": " ".join(text.split()), "refId": ref}


def promql(expression, legend, ref="A"):
    return {"datasource": PROMETHEUS, "editorMode": "code", "expr": expression,
            "legendFormat": legend, "range": True, "refId": ref}


def thresholds(*steps):
    """(value, colour) in ascending order; the first value is ignored."""
    return {"mode": "absolute", "steps": [
        {"value": value if index else None, "color": color}
        for index, (value, color) in enumerate(steps)]}


ERROR_RATIO = thresholds((None, GREEN), (0.01, YELLOW), (0.05, RED))
NO_THRESHOLDS = thresholds((None, GREEN))


def panel(kind, title, description, targets, *, unit=None, decimals=None, steps=NO_THRESHOLDS,
          overrides=(), options=None, custom=None, transformations=(), interval=None, color=None,
          minimum=None, maximum=None, mappings=(), links=()):
    defaults = {"mappings": list(mappings), "thresholds": steps,
                "color": {"mode": color or "palette-classic"}}
    for name, value in (("unit", unit), ("decimals", decimals), ("custom", custom),
                        ("min", minimum), ("max", maximum)):
        if value is not None:
            defaults[name] = value
    if links:
        defaults["links"] = list(links)
    targets = list(targets) if isinstance(targets, (list, tuple)) else [targets]
    made = {
        "type": kind, "title": title, "description": " ".join(description.split()),
        "targets": targets,
        "datasource": targets[0]["datasource"],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options or {},
    }
    if transformations:
        made["transformations"] = list(transformations)
    if interval:
        made["interval"] = interval
    return made


def timeseries(title, description, targets, *, stacked=False, bars=False, points=False, fill=10,
               interval="1m", steps=NO_THRESHOLDS, show_steps=False, color=None, legend="list",
               **options):
    custom = {
        "drawStyle": "bars" if bars else "points" if points else "line", "lineWidth": 1,
        "fillOpacity": 70 if bars else fill, "showPoints": "always" if points else "never",
        "pointSize": 5, "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if show_steps else "off"},
    }
    shown = {"legend": {"displayMode": legend, "placement": "bottom", "showLegend": legend != "hidden",
                        "calcs": ["mean", "max"] if legend == "table" else []},
             "tooltip": {"mode": "multi", "sort": "desc"}}
    if legend == "hidden":
        shown["legend"]["displayMode"] = "list"
    if isinstance(targets, str):
        targets = sql(targets, "time_series")
    return panel("timeseries", title, description, targets, custom=custom, options=shown,
                 interval=interval, steps=steps, color=color, **options)


def stat(title, description, targets, *, sparkline=False, **options):
    shown = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
             "colorMode": "value", "graphMode": "area" if sparkline else "none",
             "justifyMode": "auto", "textMode": "auto", "orientation": "auto"}
    if isinstance(targets, str):
        targets = sql(targets)
    return panel("stat", title, description, targets, options=shown,
                 color=options.pop("color", "thresholds"), **options)


def table(title, description, query, *, overrides=(), sort=None, **options):
    shown = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"]}}
    if sort:
        shown["sortBy"] = [{"displayName": sort, "desc": True}]
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True}
    return panel("table", title, description, sql(query), custom=custom, options=shown,
                 overrides=overrides, color="thresholds", **options)


# -- Overrides of table columns

def column(name, **properties):
    """Keys are the ids of properties, with __ for the dot."""
    return {"matcher": {"id": "byName", "options": name}, "properties": [
        {"id": key.replace("__", "."), "value": value} for key, value in properties.items()]}


def hidden(*names):
    return [column(name, custom__hidden=True) for name in names]


def milliseconds(*names):
    return [column(name, unit="ms", decimals=1) for name in names]


def ratio(name):
    return column(name, unit="percentunit", decimals=2, thresholds=ERROR_RATIO,
                  custom__cellOptions={"type": "color-text"})


def link(title, url, new_tab=False):
    return {"title": title, "url": url, "targetBlank": new_tab}


# Links keep the data source and the schema; a trace is looked for where it is.
KEPT = "${datasource:queryparam}&${schema:queryparam}"
TIME = "${__url_time_range}"


def to_service(field="service"):
    return link("Service", f"/d/sluice-service?{TIME}&{KEPT}"
                f"&var-service=${{__data.fields.{field}:percentencode}}")


def to_trace(field="trace"):
    return link("Trace", f"/d/sluice-traces?from=${{__data.fields.from_ms}}"
                f"&to=${{__data.fields.to_ms}}&{KEPT}&var-trace=${{__data.fields.{field}}}")


# What links to traces pass: some time before and after a moment, for the rest of the trace.
def trace_window(time):
    return (f"(extract(epoch FROM {time}) * 1000 - 600000)::int8 AS from_ms, "
            f"(extract(epoch FROM {time}) * 1000 + 3600000)::int8 AS to_ms")


# -- Dashboards

def variable_datasource(name, kind, label):
    return {"name": name, "label": label, "type": "datasource", "query": kind, "refresh": 1,
            "hide": 0, "current": {}, "options": [], "includeAll": False, "multi": False}


def variable_schema():
    return {"name": "schema", "label": "Schema", "type": "constant", "query": "otel", "hide": 2,
            "current": {"selected": True, "text": "otel", "value": "otel"}, "options": [],
            "description": "Where Sluice keeps its tables: the setting `schema` of the exporter."}


def variable_query(name, label, query, *, with_all=True, description=""):
    """`All` stands for NULL, by which the functions mean it too."""
    query = " ".join(query.split())
    made = {"name": name, "label": label, "type": "query", "datasource": POSTGRES, "query": query,
            "definition": query, "refresh": 2, "sort": 1, "hide": 0, "multi": False,
            "includeAll": with_all, "options": [], "description": description, "current": {}}
    if with_all:
        made |= {"allValue": "NULL",
                 "current": {"selected": True, "text": "All", "value": "$__all"}}
    return made


def variable_text(name, label, default, description):
    return {"name": name, "label": label, "type": "textbox", "query": default, "hide": 0,
            "current": {"selected": True, "text": default, "value": default},
            "options": [{"selected": True, "text": default, "value": default}],
            "description": description}


def variable_custom(name, label, choices, description):
    """(text, value); the first is the default."""
    options = [{"text": text, "value": value, "selected": not index}
               for index, (text, value) in enumerate(choices)]
    return {"name": name, "label": label, "type": "custom", "hide": 0, "multi": False,
            "includeAll": False, "options": options, "current": options[0],
            "query": ", ".join(f"{text} : {value}" for text, value in choices),
            "description": description}


SERVICE_QUERY = "SELECT DISTINCT service_name FROM ${schema}.resource ORDER BY 1"
SERVICE = variable_query("service", "Service", SERVICE_QUERY)
ONE_SERVICE = variable_query("service", "Service", SERVICE_QUERY, with_all=False)
OPERATION = variable_query(
    "operation", "Operation", """
    SELECT DISTINCT operation FROM ${schema}.red_1h WHERE bucket >= $__timeFrom()::timestamptz -
    interval '1 hour' AND bucket < $__timeTo() AND (${service:sqlstring} IS NULL OR
    service_name = ${service:sqlstring}) ORDER BY 1""")
DATASOURCE = variable_datasource("datasource", "grafana-postgresql-datasource", "PostgreSQL")


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def place(lines):
    """Lines of (panel, width) or a row, with the height first; 24 columns a line."""
    placed, y = [], 0
    for height, *panels in lines:
        x = 0
        for each, width in panels:
            placed.append({**each, "id": len(placed) + 1,
                           "gridPos": {"h": height, "w": width, "x": x, "y": y}})
            x += width
        assert x == 24, (x, [each["title"] for each, _ in panels])
        y += height
    return placed


def dashboard(uid, title, description, variables, lines, *, since="now-1h", refresh="30s"):
    return {
        "uid": uid, "title": title, "description": description, "tags": ["sluice"],
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "timezone": "browser",
        "time": {"from": since, "to": "now"}, "refresh": refresh, "annotations": {"list": []},
        "links": [{
            "type": "dashboards", "title": "Sluice", "tags": ["sluice"], "asDropdown": False,
            "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link",
            "tooltip": "", "url": ""}],
        "templating": {"list": [DATASOURCE, variable_schema(), *variables]},
        "panels": place(lines),
    }
