"""What describes a generated request: kept as JSON, made anew from it, and varied by the search."""

import dataclasses
import math

import containers
import shapes
import shapes_messages  # noqa: F401  They register themselves.
import shapes_signals  # noqa: F401
import shapes_values  # noqa: F401

SIGNALS = ("traces", "metrics", "logs")
ENCODINGS = ("protobuf", "json")
SIZE_MIN = 256
# Above 1 MiB a request leaves the event loop; what is worse than linear shows on both sides.
SIZE_MAX = 24 << 20


@dataclasses.dataclass(frozen=True)
class Parameters:
    shape: str
    signal: str = "traces"
    encoding: str = "protobuf"
    size: int = 1 << 20
    # Of the shape; each uses what it knows.
    depth: int = 1
    width: int = 1
    text: int = 0
    characters: str = "plain"
    nesting: str = "array"
    # Of the way; `header` is the length of a field that processors may copy.
    header: int = 0
    container: str = "identity"
    level: int = 1
    parts: int = 1
    empty: str = ""
    empties: int = 0

    def known(self):
        """As a mapping, without what is at its default."""
        return {
            field.name: value for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default}

    def __str__(self):
        return " ".join(f"{name}={value}" for name, value in self.known().items())

    def body(self):
        """(wire bytes, bytes before compression, items)"""
        plain, items = shapes.build(self)
        return containers.compressed(
            plain, self.container, self.level, self.parts, self.empty, self.empties), \
            len(plain), items


def is_possible(p):
    _, signals, encodings = shapes.SHAPES[p.shape]
    return p.signal in signals and p.encoding in encodings


def random_parameters(random, signals=SIGNALS, size_max=SIZE_MAX):
    while True:
        candidate = Parameters(
            shape=random.choice(list(shapes.SHAPES)), signal=random.choice(signals),
            encoding=random.choice(ENCODINGS), size=log_uniform(random, SIZE_MIN, size_max),
            **{name: draw(random) for name, draw in DRAWS.items()})
        if is_possible(candidate):
            return candidate


def log_uniform(random, low, high):
    return int(math.exp(random.uniform(math.log(low), math.log(high))))


def few_or_many(most):
    return lambda random: random.choice(
        [0, 1, 2, 3, random.randrange(8), log_uniform(random, 1, most)])


DRAWS = {
    "depth": lambda random: random.choice([0, 1, 3, 16, 60, 120, 127, 128, random.randrange(140)]),
    "width": few_or_many(1000),
    "text": few_or_many(5000),
    "characters": lambda random: random.choice(list(shapes.TEXTS)),
    "header": lambda random: random.choice([0, 0, 0, 100, 8000, 60_000]),
    "nesting": lambda random: random.choice(["array", "map", "both"]),
    "container": lambda random: random.choice(containers.CONTAINERS),
    "level": lambda random: random.choice([1, 3, 9]),
    "parts": lambda random: random.choice([1, 1, 1, 7, 1000]),
    "empty": lambda random: random.choice(["", "", "members", "stored", "frames", "skippable"]),
    "empties": lambda random: random.choice([0, log_uniform(random, 1, 300_000)]),
}


def mutated(random, p, signals=SIGNALS, size_max=SIZE_MAX):
    """One to three parameters changed; of numbers often by a factor."""
    while True:
        changes = {}
        for _ in range(random.choice([1, 1, 2, 3])):
            name = random.choice(["shape", "signal", "encoding", "size", *DRAWS])
            match name:
                case "shape": changes[name] = random.choice(list(shapes.SHAPES))
                case "signal": changes[name] = random.choice(signals)
                case "encoding": changes[name] = random.choice(ENCODINGS)
                case "size":
                    changed = int(p.size * random.choice([0.25, 0.5, 0.9, 1.1, 2, 4]))
                    changes[name] = min(max(changed, SIZE_MIN), size_max)
                case "depth" | "width" | "text" if random.random() < 0.5:
                    changed = int(getattr(p, name) * random.choice([0.5, 0.9, 1.1, 2, 4])) \
                        + random.choice([-1, 0, 1])
                    changes[name] = min(max(changed, 0), 20_000)
                case _: changes[name] = DRAWS[name](random)
        candidate = dataclasses.replace(p, **changes)
        if candidate != p and is_possible(candidate):
            return candidate
