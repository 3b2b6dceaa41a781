"""Many drawings of one figure in one: a single tree, and a table of what changes in it from setting to setting."""

import base64
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import groupby, zip_longest
from typing import NamedTuple

import numpy as np
from PIL import Image

from mlmath.figures.drawing import Node

COORDINATE, PIXELS = "\x01", "\x02"  # in a text they stand for what is kept apart from it; no XML contains them
NUMBER = re.compile(r"-?\d+\.?\d*")


class Slot(NamedTuple):
    """An attribute of an element (or its text, named ""), and its value at each setting."""

    owner: str  # the groups that it lies in: "figure axes line2d"
    element: int
    attribute: str
    values: list[str]


class Woven:
    """The drawings laid over one another: the markup of setting `first`, and the slots.

    Elements are numbered in the order of the document. One that a setting lacks is there, but not displayed.
    """

    def __init__(self, drawings: Sequence[Node], first: int) -> None:
        self.first, self.elements, self.slots = first, 0, []
        self.markup = self._children(drawings, "")

    def _children(self, versions: Sequence[Node], owner: str) -> str:
        return "".join(self._element(column, owner) for column in align([v.children for v in versions]))

    def _element(self, versions: Sequence[Node | None], owner: str) -> str:
        some = next(v for v in versions if v)
        if all(v == some for v in versions):
            versions = [some]
        number, held, owner = self.elements, _held(versions), f"{owner} {some.kind}".strip()
        self.elements += 1
        values = {"display": ["" if v else "none" for v in versions]}
        for name in dict.fromkeys(name for v in held for name in v.attributes):
            values[name] = [v.attributes.get(name, "") for v in held]
        chosen = {name: self._value(number, name, v, owner) for name, v in values.items()}
        attributes = "".join(f" {name}='{escape(value)}'" for name, value in chosen.items() if value)
        text = escape(self._value(number, "", [v.text for v in held], owner))
        inside = text + self._children(held, owner)
        return f"<{some.tag}{attributes}>{inside}</{some.tag}>" if inside else f"<{some.tag}{attributes}/>"

    def _value(self, element: int, attribute: str, values: list[str], owner: str) -> str:
        """The value at the first setting; a slot if others differ."""
        if len(set(values)) == 1:
            return values[0]
        self.slots.append(Slot(owner, element, attribute, values))
        return values[self.first]

    def heaviest(self) -> tuple[str, float]:
        """What takes most room among all that moves, and its share."""
        sizes = Counter()
        for slot in self.slots:
            sizes[slot.owner] += len(zlib.compress("".join(dict.fromkeys(slot.values)).encode()))
        (owner, size), *_ = sizes.most_common(1) or [("what stands still", 1)]
        return owner, size / max(1, sizes.total())


def _held(versions: Sequence[Node | None]) -> list[Node]:
    """In place of an absent element the one before it, so that nothing is set on what is not seen."""
    held, last = [], next(v for v in versions if v)
    for last in (v or last for v in versions):
        held.append(last)
    return held


def align(drawings: Sequence[Sequence[Node]]) -> Iterator[tuple[Node | None, ...]]:
    """Columns of like elements, with None where a drawing has none. Order is kept in every drawing."""
    if len({len(d) for d in drawings}) == 1 and all(map(_alike, zip(*drawings, strict=True))):
        yield from zip(*drawings, strict=True)
        return
    runs = [[(key, list(nodes)) for key, nodes in groupby(d, key=lambda n: n[:2])] for d in drawings]
    order: list = []
    for keys in dict.fromkeys(tuple(key for key, _ in r) for r in runs):
        order = _supersequence(order, keys)
    rows = []
    for r in runs:
        rest = iter(r)
        run = next(rest, None)
        row = []
        for key in order:
            taken = run if run and run[0] == key else None
            row.append(taken[1] if taken else [])
            run = next(rest, None) if taken else run
        rows.append(row)
    for column in zip(*rows, strict=True):
        yield from zip_longest(*column)


def _alike(nodes: Sequence[Node]) -> bool:
    return len({n[:2] for n in nodes}) == 1


def _supersequence(a: Sequence, b: Sequence) -> list:
    """The shortest list found that contains both, in order."""
    merged = []
    for _, i, j, m, n in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        merged += a[i:j] if a[i:j] == list(b[m:n]) else [*a[i:j], *b[m:n]]
    return merged


def pack(woven: Woven, images: Mapping[str, np.ndarray], sentences: list[str]) -> list[str]:
    """Three deflated parts: JSON of texts with marks for what is kept apart, coordinates, pixels.

    Of a path all x come first, then all y, each as the difference from the one before: small, and alike.
    A single coordinate is the difference from that of the setting before.
    """
    pixels, places = _pixels(images)
    texts: dict[str, int] = {}
    rows: dict[tuple[int, ...], int] = {}
    table, numbers = [], [np.zeros(0, np.int16)]
    for _, element, attribute, values in woven.slots:
        apart = {value: _apart(attribute, places.get(value, value)) for value in values}
        single = attribute in ("x", "y") and all(len(found) for _, found in apart.values())
        versions = values if single else list(apart)
        row = tuple(range(len(values))) if single else tuple(map({v: i for i, v in enumerate(versions)}.get, values))
        templates = [texts.setdefault(apart[v][0], len(texts)) for v in versions]
        same = templates[0] if len(set(templates)) == 1 else templates
        table.append([element, attribute, rows.setdefault(row, len(rows)), same])
        series = (
            [np.concatenate([apart[v][1] for v in versions])]
            if single
            else [apart[v][1][i::2] for v in versions for i in (0, 1)]
        )
        numbers += [np.diff(s, prepend=np.int16(0)) for s in series]
    low_high = np.concatenate(numbers).astype("<i2").view(np.uint8).reshape(-1, 2).T
    index = json.dumps([list(texts), list(rows), table, sentences], separators=(",", ":"), ensure_ascii=False)
    return [base64.b64encode(zlib.compress(part, 9)).decode() for part in (index.encode(), low_high.tobytes(), pixels)]


def _apart(attribute: str, value: str) -> tuple[str, np.ndarray]:
    """A text with marks for its coordinates, and these in tenths of a point."""
    if attribute in ("d", "x", "y"):
        tenths = np.array([10 * float(n) for n in NUMBER.findall(value)]).round()
        if np.all(np.abs(tenths) < 2**15):
            return NUMBER.sub(COORDINATE, value), tenths.astype(np.int16)
    return value, np.zeros(0, np.int16)


def _pixels(images: Mapping[str, np.ndarray]) -> tuple[bytes, dict[str, str]]:
    """All images as PNG files that are not deflated yet (together they deflate better), and the place of each."""
    files, places, start = [], {}, 0
    for name, file in zip(images, _files(list(images.values())), strict=True):
        places[name] = f"{PIXELS}{start} {start + len(file)}"
        start += len(file)
        files.append(file)
    return b"".join(files), places


def _files(images: list[np.ndarray]) -> Iterator[bytes]:
    """Images as PNG, with a palette of 256 colours shared by as many as it serves; without one where it serves none."""
    flat = [np.ascontiguousarray(image).view("<u4").reshape(image.shape[:2]) for image in images]
    palettes: list[set[int]] = []
    chosen = []
    for colours in (set(np.unique(image).tolist()) for image in flat):
        fits = next((p for p in palettes if len(p | colours) <= 256), None)
        if fits is None and len(colours) <= 256:
            palettes.append(fits := set())
        chosen.append(fits)
        if fits is not None:
            fits |= colours
    for image, pixels, palette in zip(images, flat, chosen, strict=True):
        picture = Image.fromarray(image)
        options = {}
        if palette is not None:
            colours = np.array(sorted(palette), "<u4")
            rgba = colours.view(np.uint8).reshape(-1, 4)
            picture = Image.fromarray(np.searchsorted(colours, pixels).astype(np.uint8), "P")
            picture.putpalette(rgba[:, :3].tobytes())
            options = {} if np.all(rgba[:, 3] == 255) else {"transparency": rgba[:, 3].tobytes()}
        picture.save(out := io.BytesIO(), format="png", compress_level=0, **options)
        yield out.getvalue()
