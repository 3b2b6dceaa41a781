"""What draws and moves; nothing of the mathematics lives here. Importing it sets the book's figure style."""

from mlmath.figures.experiment import experiment
from mlmath.figures.explore import explore, still
from mlmath.figures.pad import as_mnist_sees, pad
from mlmath.figures.style import (
    BLUE,
    COLOURS,
    DIVERGING,
    GREEN,
    GREY,
    OCHRE,
    ORANGE,
    PINK,
    decision_regions,
    digits,
    loss_curves,
    regions,
    use_style,
)

use_style()

__all__ = [
    "BLUE",
    "COLOURS",
    "DIVERGING",
    "GREEN",
    "GREY",
    "OCHRE",
    "ORANGE",
    "PINK",
    "as_mnist_sees",
    "decision_regions",
    "digits",
    "experiment",
    "explore",
    "loss_curves",
    "pad",
    "regions",
    "still",
    "use_style",
]
