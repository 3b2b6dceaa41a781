"""A figure as a tree of SVG elements, drawn by matplotlib's own renderer to a tenth of a point."""

import base64
import io
import re
import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import _path
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Bbox
from PIL import Image

from mlmath._check import require

RC = {
    "svg.hashsalt": "mlmath",  # the same ids each time
    "svg.fonttype": "none",  # words stay words
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "image.composite_image": False,
    "image.interpolation": "none",  # pixels as they are; the page enlarges them
    "path.simplify_threshold": 0.2,
}
INK = {"#000000": "currentColor", "#ffffff": "var(--paper,#fff)"}  # black and white follow the page, dark or light
DPI = 144  # of what is rasterised: the colours of a colour bar, smoothed images
FONT = "DejaVu Sans,sans-serif"
SIZE = 10  # points; other sizes are in proportion to it, and larger on a phone (explore.css)
STRAIGHT = {Path.MOVETO, Path.LINETO, Path.CLOSEPOLY}


class Node(NamedTuple):
    """An SVG element. `kind` says what drew it ("line2d", "axes"): like kinds are laid over one another."""

    tag: str
    kind: str
    attributes: dict[str, str]
    text: str
    children: tuple["Node", ...]


class Tree:
    """Takes the place of the renderer's XML writer, and builds nodes."""

    def __init__(self, name: str) -> None:
        self.name, self.open = name, [("svg", {}, [], [])]  # of each open element: tag, attributes, text, children

    def start(self, tag: str, attrib: dict | None = None, **extra: str) -> int:
        self.open.append((tag, {**(attrib or {}), **extra}, [], []))
        return len(self.open) - 1

    def data(self, text: str) -> None:
        self.open[-1][2].append(text)

    def end(self, tag: str | None = None, indent: bool = True) -> None:
        tag, attributes, text, children = self.open.pop()
        kind = attributes.pop("kind", "")
        attributes = {k.removeprefix("xlink:"): tidy(k, v, self.name) for k, v in attributes.items() if v}
        styles = {child.attributes.get("style", "") if child.tag == "use" else "" for child in children}
        if len(children) > 1 == len(styles) and not re.search("^$|(^|;)opacity", *styles):  # the markers of a line
            attributes["style"] = styles.pop()
            children = [
                c._replace(attributes={k: v for k, v in c.attributes.items() if k != "style"}) for c in children
            ]
        siblings = self.open[-1][3]
        if siblings and tag == "g" and [*attributes] == ["clip-path"] and siblings[-1][:3] == ("g", kind, attributes):
            children = [
                *siblings.pop().children,
                *children,
            ]  # one clipped group for the points of a cloud, not one each
        siblings.append(Node(tag, kind, attributes, "".join(text), tuple(children)))

    def element(self, tag: str, text: str = "", attrib: dict | None = None, **extra: str) -> None:
        self.start(tag, attrib, **extra)
        self.data(text)
        self.end()

    def comment(self, *_) -> None:
        pass

    close = flush = comment


def tidy(name: str, value: str, figure: str) -> str:
    """An attribute in fewer characters: tenths of a point, no spaces, no font that the whole figure has.

    Ids begin with the name of the figure: two figures on a page must not take each other's clip paths.
    """
    if name == "id":
        return figure + value
    if name == "xlink:href":
        return value.replace("#", "#" + figure)
    if name in ("x", "y"):
        return f"{float(value):.1f}".removesuffix(".0")
    if name == "transform":
        return re.sub(r" ?rotate\(-?0(?: [^)]*)?\)", "", re.sub(r"(\.\d{4})\d+", r"\1", value)).strip()
    if name == "style":
        value = re.sub("; *", ";", value.replace(": ", ":").replace(", ", ",").replace("'", ""))
        value = re.sub(r"font-size:([\d.]+)px", lambda m: f"font-size:{float(m[1]) / SIZE:.3g}em", value)
        value = value.replace(f"font-family:{FONT}", "").replace(";;", ";").strip(";")
    return re.sub("#(?:000000|ffffff)", lambda m: INK[m[0]], value).replace("url(#", "url(#" + figure)


class Renderer(RendererSVG):
    """matplotlib's, but for the precision, and what is defined once a figure and not once a drawing."""

    def __init__(self, canvas: "Canvas") -> None:
        super().__init__(canvas.width, canvas.height, io.StringIO(), image_dpi=DPI)
        self.writer, self.canvas, self._glyph_map = Tree(canvas.name), canvas, canvas.glyphs

    def _convert_path(self, path, transform=None, clip=None, simplify=None, sketch=None) -> str:
        if clip is None:  # a marker, small: a tenth of a point would show
            return convert(path, transform, digits=2)
        if not clip and len(path.vertices) > 50 and (path.codes is None or set(path.codes) <= STRAIGHT):
            path, simplify = (
                Path(path.vertices, path.codes),
                True,
            )  # matplotlib leaves the outlines of areas as they are
        return convert(path, transform, (0, 0, self.width, self.height) if clip else None, simplify, sketch)

    def _draw_text_as_text(self, gc, x, y, s, prop, angle, ismath, mtext=None) -> None:
        if not ismath:
            return super()._draw_text_as_text(gc, x, y, s, prop, angle, ismath, mtext)
        if mtext and (anchor := {"left": "start", "right": "end"}.get(mtext.get_ha())):
            self.writer.open[-1][1]["text-anchor"] = anchor  # from where the group grows on a phone (book.css)
        return super()._draw_text_as_path(gc, x, y, s, prop, angle, ismath, mtext)  # fonts lack letters of mathtext's

    def _update_glyph_map_defs(self, glyphs: dict) -> None:
        self.canvas.glyphs |= glyphs

    def open_group(self, s: str, gid: str | None = None) -> None:
        self.writer.start("g", kind=s)

    def draw_image(self, gc, x, y, im, transform=None) -> None:
        h, w = im.shape[:2]
        pixel = Affine2D().scale(1 / w, 1 / h) + transform if transform else Affine2D().scale(72 / DPI)
        place = pixel + Affine2D().translate(x, y).scale(1, -1).translate(0, self.height)
        attributes = {
            "href": self.canvas.keep(im),
            "width": str(w),
            "height": str(h),
            "transform": f"matrix({' '.join(f'{v:.5g}' for v in place.frozen().to_values())})",
            "style": "image-rendering:pixelated" if transform else "",
            "opacity": f"{gc.get_alpha():.3g}" if transform and gc.get_alpha() != 1 else "",
        }
        self.writer.start("g", self._get_clip_attrs(gc))
        self.writer.element("image", attrib=attributes)
        self.writer.end("g")


class Canvas:
    """What is kept of all drawings of one figure: glyphs, and the pixels of images."""

    def __init__(self, fig, name: str) -> None:
        require(isinstance(fig, mpl.figure.Figure), "fig", type(fig).__name__, "a matplotlib figure")
        self.fig, self.name, self.glyphs, self.images = fig, name, {}, {}
        self.width, self.height = (72 * inches for inches in fig.get_size_inches())

    def __enter__(self) -> "Canvas":
        self.rc = mpl.rc_context(RC)
        self.rc.__enter__()
        self.fig.dpi = 72
        return self

    def __exit__(self, *error) -> None:
        self.rc.__exit__(*error)

    def draw(self) -> Node:
        """What the figure shows now."""
        size = tuple(72 * inches for inches in self.fig.get_size_inches())
        require(
            size == (self.width, self.height), "update", "a change of the figure's size", "a change of what is in it"
        )
        for artist in (a for ax in self.fig.axes for a in ax.get_children()):
            if artist.get_animated():  # matplotlib leaves it out of every drawing
                raise ValueError(f"explore cannot move {artist}: it is animated=True; make it without that")
            if getattr(artist, "get_interpolation", str)() in ("auto", "antialiased", "nearest"):
                artist.set_interpolation("none")
        renderer = Renderer(self)
        self.fig.draw(MixedModeRenderer(self.fig, *self.fig.get_size_inches(), DPI, renderer))
        renderer.finalize()
        return Node("svg", "", {}, "", tuple(renderer.writer.open[0][3]))

    def png(self) -> bytes:
        """The figure as it is now, in few colours: for paper, and where there is no HTML."""
        self.fig.savefig(out := io.BytesIO(), format="png", dpi=100, facecolor="white")
        picture = Image.open(out).convert("RGB").quantize(128, dither=Image.Dither.NONE)
        picture.save(out := io.BytesIO(), format="png", optimize=True)
        return out.getvalue()

    def keep(self, pixels: np.ndarray) -> str:
        """Remember an image, and give the name that stands for it until all are known."""
        name = f"image:{zlib.crc32(pixels.tobytes()):x}-{pixels.shape[0]}"
        self.images.setdefault(name, pixels)
        return name

    def svg(self, inside: str) -> str:
        """A whole picture of these elements. The outlines of letters in mathtext come first, once a figure."""
        glyphs = ""
        for name, (vertices, codes) in sorted(self.glyphs.items()):
            outline = convert(Path(vertices * 64, codes), digits=0)
            glyphs += f"<path id='{self.name}{name}' d='{outline}' transform='scale(.015625)'/>"
        size = f"width='{self.width:g}pt' height='{self.height:g}pt' viewBox='0 0 {self.width:g} {self.height:g}'"
        look = f"fill='currentColor' stroke-linejoin='round' font-family='{FONT}' font-size='{SIZE}'"
        start = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {look} style='background:#fff'>"
        svg = f"{start}{inside}<defs>{glyphs}</defs></svg>"
        return re.sub("image:[0-9a-f]+-[0-9]+", lambda m: link(self.images[m[0]]), svg)


def convert(path, transform=None, box=None, simplify=False, sketch=None, digits: int = 1) -> str:
    """The text of a path."""
    commands = [b"M", b"L", b"Q", b"C", b"z"]
    d = _path.convert_to_string(path, transform, box, simplify, sketch, digits, commands, False)
    return d.decode("ascii").replace("\n", "").strip()


def link(pixels: np.ndarray) -> str:
    """An image as a link that contains it."""
    Image.fromarray(pixels).save(out := io.BytesIO(), format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def settle(fig, show: Callable, settings: Iterable[dict]) -> None:
    """Give a figure whose layout is automatic a fixed one, with room for the widest labels of these settings."""
    engine, boxes = fig.get_layout_engine(), []
    for setting in settings:
        show(**setting)
        if engine:
            fig.draw_without_rendering()
            boxes.append([ax.get_position(original=True).extents for ax in fig.axes])
    if engine and len({len(b) for b in boxes}) == 1:
        fig.set_layout_engine("none")
        for ax, low, high in zip(fig.axes, np.max(boxes, axis=0), np.min(boxes, axis=0), strict=True):
            ax.set_position(Bbox.from_extents(*low[:2], *high[2:]))
