"""Known inputs: a few bytes that became gigabytes, minutes or the end of the process."""

import functools

import client
import numbered
from metering import TYPES, headers
from parameters import Parameters

MEBIBYTE = 1 << 20


def empties(signal, shape, size, **more):
    return Parameters(shape, signal, size=size, container="zstd", level=3, **more)


# What an index of one entry a message makes of 64 MiB.
INDEX = [
    empties("traces", "empty_resources", 62 * MEBIBYTE),
    empties("traces", "empty_scopes", 62 * MEBIBYTE),
    empties("metrics", "empty_items", 62 * MEBIBYTE),
    empties("traces", "empty_items", 62 * MEBIBYTE),
    empties("logs", "empty_items", 62 * MEBIBYTE),
    empties("logs", "empty_items", 62 * MEBIBYTE, encoding="json"),
    empties("traces", "empty_resources", 62 * MEBIBYTE, encoding="json"),
    empties("metrics", "empty_points", 62 * MEBIBYTE),
]
# As many messages as one request may have (service.limits.request_messages), and nothing in them.
NEAR = [
    empties("traces", "empty_resources", 980_000),
    empties("logs", "empty_scopes", 980_000),
    empties("metrics", "empty_items", 980_000),
    empties("traces", "least_items", 15 * MEBIBYTE),
    empties("logs", "empty_items", 980_000),
    empties("logs", "empty_items", 1_400_000, encoding="json"),
    empties("metrics", "a_point_each_metric", 3_600_000),
    empties("traces", "an_item_each_resource", 5_000_000),
]
# What decoration makes of resources without items.
GROWTH = [
    empties("traces", "empty_resources", 560_000),
    empties("logs", "empty_resources", 560_000),
    empties("metrics", "empty_resources", 1_100_000),
    empties("traces", "an_item_each_resource", 4 * MEBIBYTE),
    empties("logs", "empty_items", 2 * MEBIBYTE),
    empties("logs", "shared_resource", 2 * MEBIBYTE, width=300, text=100),
]
# What a repair does once for each level.
REPAIR = [
    empties("logs", "one_deep_text", 8 * MEBIBYTE, depth=127, characters="invalid"),
    empties("traces", "one_deep_text", 8 * MEBIBYTE, depth=120, characters="cut", nesting="map"),
    empties("metrics", "one_deep_text", 8 * MEBIBYTE, depth=100, characters="invalid",
            nesting="both"),
    empties("logs", "repeated_schema", MEBIBYTE, text=3, characters="invalid"),
]
# Behind the log: each exporter writes each of these out.
EXPORT = [
    empties("logs", "empty_items", 980_000),
    empties("traces", "least_items", 2 * MEBIBYTE),
    empties("traces", "one_span_of_events", 980_000, width=1),
    empties("traces", "shared_resource", MEBIBYTE, width=100, text=200, characters="control"),
    empties("metrics", "buckets", 4 * MEBIBYTE),
    empties("metrics", "exponential_buckets", 4 * MEBIBYTE),
    empties("logs", "bushes", MEBIBYTE, depth=20, width=3),
]
ALL = INDEX + NEAR + GROWTH + REPAIR + EXPORT


@functools.lru_cache(32)
def wire(p):
    return p.body()[0]


def post(address, p, source="127.0.0.2", timeout=60, body=None):
    """The status, or 0 when there was no answer."""
    connection = numbered.connect(address, source, timeout)
    try:
        connection.send(client.head_and_body(
            f"/v1/{p.signal}", body or wire(p), TYPES[p.encoding], headers=headers(p)))
        return connection.response().status
    except (OSError, EOFError):
        return 0
    finally:
        connection.close()
