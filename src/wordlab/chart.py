"""A chart: what to draw from a table, without a word on how it is drawn."""

from dataclasses import dataclass, field
from typing import Literal

from wordlab.table import Table

Mark = Literal["line", "point", "bar", "word"]


@dataclass(frozen=True)
class Axis:
    """A column of the chart's table, with the title and scale of its axis."""

    column: str
    title: str
    log: bool = False
    zero: bool = False
    ordered: bool = False
    """Draw the values as categories in the table's order, not as numbers."""
    ends: tuple[float, float] | None = None
    """Where an axis of numbers begins and ends; None: as far as the data go."""


@dataclass(frozen=True)
class Chart:
    """One picture of one table.

    Attributes:
        mark: lines, points, bars, or words set at their coordinates.
        series: the column that tells lines or colours apart; empty for one series.
        label: the column with the words of a "word" chart; a page lets readers find them.
        panel: the column whose values have drawings of their own, side by side; empty for one.
        low, high: the columns with the ends of a bar through each point; empty for no bars.
        border: the two ends (x, y) of a dashed line over all, to be told of in `description`; empty
            for none.
        colours: of the series, in the order in which they first come; empty for the usual ones.
        dot: area of a point, in square pixels.
        description: the alternative text: what the picture shows, for those who cannot see it.
    """

    title: str
    mark: Mark
    data: Table
    x: Axis
    y: Axis
    description: str
    series: str = ""
    label: str = ""
    panel: str = ""
    low: str = ""
    high: str = ""
    border: tuple[tuple[float, float], ...] = ()
    colours: tuple[str, ...] = ()
    dot: int = 30
    width: int = 560
    height: int = 320
    tooltip: tuple[str, ...] = field(default=())

    @property
    def table(self) -> Table:
        """The same figures as a table: every picture has one."""
        return self.data
