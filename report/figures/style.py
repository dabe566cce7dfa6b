"""One look for all figures: quiet axes, colours that the colour-blind tell apart, dashes and markers for grey paper.

Nothing here touches matplotlib's global settings: figures are made and saved within ``drawing()``. In a page the
figure's colours become CSS variables, so that one SVG serves the light and the dark theme.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

INK, MUTED, FAINT, GRID, SHADE = "#1d2127", "#626a75", "#9aa2ac", "#dde1e6", "#eef1f4"

# seaborn's "colorblind" palette, reordered so that neighbours differ in lightness too; beside each its dark-page twin.
# Without its grey, which is of arms that stand behind others.
COLOURS: Mapping[str, str] = {
    "#0173b2": "#58b4ea",
    "#d55e00": "#ff9a52",
    "#029e73": "#3fd0a4",
    "#cc78bc": "#e5a3d9",
    "#7a5c3e": "#cfae8a",
    "#de8f05": "#f4bb4f",
    "#56b4e9": "#9ad6f8",
    "#8b1e4f": "#e88bb4",
}
DASHES: Sequence[Any] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1.2)))
MARKERS = "osD^vPX*<>"
DPI = 125

SETTINGS: Mapping[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "patch.linewidth": 0.6,
    "path.simplify_threshold": 0.2,
    "svg.fonttype": "none",
    "svg.hashsalt": "membench",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "xtick.major.size": 3,
    "xtick.major.width": 0.6,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
    "ytick.major.size": 3,
    "ytick.major.width": 0.6,
}


class Pen(NamedTuple):
    """How an arm is drawn, in every figure."""

    colour: str
    dashes: Any
    marker: str


def pens(arms: Sequence[str]) -> dict[str, Pen]:
    """A pen for each arm, by its place in the suite."""
    colours = list(COLOURS)
    return {
        arm: Pen(colours[i % len(colours)], DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)])
        for i, arm in enumerate(arms)
    }


@contextmanager
def drawing() -> Iterator[None]:
    """Within it, figures are made and saved in this style, whatever the reader's own settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)  # type: ignore[call-overload, arg-type, unused-ignore]
        yield


def canvas(rows: int, columns: int, width: float, height: float, **sharing: Any) -> tuple[Figure, Any]:
    """A figure of panels, (rows, columns) axes, in inches a panel."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **sharing)


def tip(text: str) -> str:
    """The ``gid`` of an artist whose values the reader is told when pointing at it."""
    return f"tip: {text}"


def saved(figure: Figure) -> tuple[str, bytes]:
    """The figure as an SVG file's text, transparent, and as a PNG file, on white; equal figures give equal bytes."""
    text, data = io.StringIO(), io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    figure.set_layout_engine(None)  # laid out once is enough, and by the PNG, whose letters are the wider ones
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    lines = "\n".join(line.strip() for line in text.getvalue().splitlines())
    lines = re.sub(r"(\d\.\d\d)\d+", r"\1", lines)  # points need no more digits
    lines = re.sub(r"""<g id=(["'])tip: (.*?)\1>""", r"<g><title>\2</title>", lines)
    lines = lines.replace("'DejaVu Sans'", "'DejaVu Sans', sans-serif")  # where a reader has no such letters
    return re.sub(r'(?<= d=")M[^CQ"]{99,}', _straight, lines) + "\n", _small(data)


def _straight(path: re.Match[str]) -> str:
    """The path of a long line: a tenth of a point is exact enough, and after ``M`` all others are ``L``."""
    return re.sub(r"(?<![Mz])\nL", "", re.sub(r"(\d\.\d)\d", r"\1", path[0]))


def _small(drawn: io.BytesIO) -> bytes:
    """A PNG file of 256 colours: a third of the bytes, and no eye sees which it is."""
    data = io.BytesIO()
    with Image.open(drawn) as image:
        colours = image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours.save(data, "png", optimize=True, dpi=(DPI, DPI))
    return data.getvalue()


def inline(text: str, name: str, label: str) -> str:
    """An SVG file's text for use inside a page: no prologue, no fixed size, ids of its own, colours as variables."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt"', _width, body, count=1)
    used = [one or other for one, other in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', body)]
    ids = {each: f"{name}-{i}" for i, each in enumerate(dict.fromkeys(used))}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{ids[m[1]]}"' if m[1] in ids else "", body)
    body = re.sub(r'(url\(|href=")#([^)"]+)', lambda m: f"{m[1]}#{ids[m[2]]}", body)
    for colour, variable in variables().items():
        body = body.replace(colour, f"var({variable})")
    return body.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def classed(page: str) -> str:
    """A page in which styles that figures repeat have become classes, said once: three quarters of the bytes."""
    styled = re.compile(r'(<(?:path|use|text)\b[^>]*?) style="([^"]*)"')
    often = [each for each, n in Counter(each for _, each in styled.findall(page)).items() if n > 2]
    names = {each: f"s{i}" for i, each in enumerate(often)}
    page = styled.sub(lambda m: f'{m[1]} class="{names[m[2]]}"' if m[2] in names else m[0], page)
    rules = "".join(f"\n.{name} {{ {each} }}" for each, name in names.items())
    return page.replace("</style>", f"{rules}\n</style>", 1)


def _width(found: re.Match[str]) -> str:
    """A figure may shrink and grow with the page, but stays legible."""
    return f'{found[1]} style="{_between(float(found[2]))}"'


def _between(width: float) -> str:
    """The widths of a figure of so many points."""
    return f"min-width: {76 * width / 72:.0f}px; max-width: {112 * width / 72:.0f}px"


def box(text: str) -> str:
    """The room that an SVG file takes in a page, in CSS: known before it is there, so that nothing moves."""
    width, height = (float(re.findall(rf'<svg[^>]*? {name}="([\d.]+)pt"', text)[0]) for name in ("width", "height"))
    return f"{_between(width)}; aspect-ratio: {width:g} / {height:g}"


def variables() -> dict[str, str]:
    """The CSS variable that stands for each colour."""
    named = {INK: "--ink", MUTED: "--muted", FAINT: "--faint", GRID: "--grid", SHADE: "--shade"}
    return named | {colour: f"--c{i}" for i, colour in enumerate(COLOURS)}
