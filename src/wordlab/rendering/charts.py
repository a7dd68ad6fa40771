"""Charts as Vega-Lite, and from there as interactive offline HTML, SVG and PNG; no browser."""

import html
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from wordlab.chart import Axis, Chart
from wordlab.registry import Registry
from wordlab.rendering.tables import as_html
from wordlab.table import Table

ChartRenderer = Callable[[Chart], bytes]

CHART_RENDERERS: Registry[ChartRenderer] = Registry("picture format")

VEGA_LITE = "6.1"
"""Version of the grammar; the renderer brings it along."""

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_FONT = "system-ui, 'DejaVu Sans', sans-serif"


def specification(chart: Chart) -> dict[str, Any]:
    """Write a chart as a Vega-Lite specification that holds its data."""
    encoding: dict[str, Any] = {
        "x": _axis(chart.x, chart.data),
        "y": _axis(chart.y, chart.data),
        "tooltip": [
            {"field": _escaped(name), "type": "nominal", "title": name}
            for name in chart.tooltip or chart.data.names
        ],
    }
    if chart.series:
        encoding["color"] = {
            "field": _escaped(chart.series),
            "type": "nominal",
            "title": None,
            "sort": None,
        }
        if chart.colours:
            encoding["color"]["scale"] = {"range": list(chart.colours)}
    mark: dict[str, Any] = {"type": chart.mark}
    if chart.mark == "line":
        mark["point"] = len(chart.data.rows) <= 400
    if chart.mark == "point":
        mark.update({"filled": True, "size": chart.dot})
    if chart.mark == "word":
        mark = {"type": "text"}
        encoding |= _findable(chart.label)
    spec: dict[str, Any] = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": chart.title,
        "description": chart.description,
        "data": {"values": [_drawable(record) for record in chart.data.records()]},
        "config": {"font": _FONT, "background": "white"},
    }
    unit: dict[str, Any] = {"mark": mark, "encoding": encoding}
    if chart.mark in {"point", "word", "line"} and not (chart.x.ordered or chart.y.ordered):
        unit["params"] = [{"name": "view", "select": "interval", "bind": "scales"}]
    layers = [unit]
    if chart.low:
        layers.append(_bars(chart, encoding))
    if chart.border:
        layers.append(_border(chart))
    view = {"layer": layers} if len(layers) > 1 else unit
    drawing: dict[str, Any] = {"width": chart.width, "height": chart.height, **view}
    if chart.panel:
        facet = {"field": _escaped(chart.panel), "type": "nominal", "title": None, "sort": None}
        drawing = {"facet": facet, "columns": 2, "spec": drawing}
    if chart.mark == "word":
        drawing["params"] = [*drawing.get("params", []), _SEARCH]
    return spec | drawing


_SEARCH = {
    "name": "find",
    "value": "",
    "bind": {"input": "search", "name": "Find a word: ", "autocomplete": "off"},
}
"""A box under an interactive drawing; Vega makes and watches it."""


def _findable(label: str) -> dict[str, Any]:
    """Words as text; those that hold what is looked for grow, the others fade."""
    word = f"lower(datum[{json.dumps(label)}])"
    found = f"find && indexof({word}, lower(find)) >= 0"
    return {
        "text": {"field": _escaped(label), "type": "nominal"},
        "size": {"condition": {"test": found, "value": 18}, "value": 10},
        "opacity": {"condition": {"test": f"!find || {found}", "value": 1}, "value": 0.15},
    }


def _bars(chart: Chart, encoding: dict[str, Any]) -> dict[str, Any]:
    """A layer of upright bars from `low` to `high` through the points of another."""
    ends = {
        "y": {**encoding["y"], "field": _escaped(chart.low)},
        "y2": {"field": _escaped(chart.high)},
    }
    return {"mark": "rule", "encoding": {**encoding, **ends}}


def _border(chart: Chart) -> dict[str, Any]:
    """A layer with a dashed line, on the scales of the others."""
    return {
        "data": {"values": [{"x": x, "y": y} for x, y in chart.border]},
        "mark": {"type": "line", "strokeDash": [6, 4], "color": "black"},
        "encoding": {name: {"field": name, "type": "quantitative"} for name in ("x", "y")},
    }


def _drawable(record: dict[str, Any]) -> dict[str, Any]:
    """Show the characters that XML cannot hold, and so no drawing, as the replacement sign."""
    return {
        key: _NOT_XML.sub("\ufffd", value) if isinstance(value, str) else value
        for key, value in record.items()
    }


def _axis(axis: Axis, data: Table) -> dict[str, Any]:
    at = data.names.index(axis.column)
    ordered = axis.ordered or not data.is_number(at)
    channel: dict[str, Any] = {
        "field": _escaped(axis.column),
        "type": "ordinal" if ordered else "quantitative",
        "title": axis.title,
    }
    if ordered:
        channel["sort"] = None
    elif axis.log:
        # As far as the data go, not to the powers of ten around them.
        channel["scale"] = {"type": "log", "nice": False, "padding": 12}
    else:
        channel["scale"] = {"zero": axis.zero}
        if all(isinstance(row[at], int) for row in data.rows):
            channel["axis"] = {"tickMinStep": 1}
    if axis.ends and not ordered:
        channel["scale"] |= {"domain": list(axis.ends), "nice": False}
    return channel


def _escaped(name: str) -> str:
    """A field name in which dots and brackets mean themselves."""
    return "".join("\\" + c if c in ".[]\\'\"" else c for c in name)


@CHART_RENDERERS.register("svg")
def as_svg(chart: Chart) -> bytes:
    """A drawing as SVG."""
    return _drawing(specification(chart)).encode()


def _drawing(spec: dict[str, Any]) -> str:
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    return drawn


@CHART_RENDERERS.register("png")
def as_png(chart: Chart) -> bytes:
    """A drawing as PNG, at twice the nominal size."""
    import vl_convert

    data: bytes = vl_convert.vegalite_to_png(specification(chart), vl_version=VEGA_LITE, scale=2)
    return data


@CHART_RENDERERS.register("html")
def as_page(chart: Chart) -> bytes:
    """A page of its own: the drawing, interactive without a network, and its data as a table."""
    page = (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(chart.title)}</title>'
        "<style>body{font-family:system-ui,sans-serif;margin:2em}td,th{padding:.1em .6em;"
        "text-align:left}.n{text-align:right}</style></head><body>\n"
        f"{as_figure(chart)}\n{interactive_script()}\n</body></html>\n"
    )
    return page.encode()


def as_figure(chart: Chart) -> str:
    """A figure element: the drawing, its description for screen readers, its data folded away."""
    spec = specification(chart)
    spec["config"]["background"] = None  # the page's own, light or dark
    data = json.dumps(spec).replace("<", "\\u003c")
    return (
        f'<figure><div class="chart" role="img" aria-label="{html.escape(chart.description)}">'
        f"{_drawing(spec)}</div>\n"
        f'<script type="application/json" class="specification">{data}</script>\n'
        f"<details><summary>The data of this picture as a table</summary>\n"
        f"{as_html(chart.table)}</details></figure>"
    )


@cache
def interactive_script() -> str:
    """The script that makes a page's figures interactive; it asks for nothing from outside."""
    import vl_convert

    code = vl_convert.javascript_bundle(
        """
        for (const figure of document.querySelectorAll("figure")) {
          const spec = JSON.parse(figure.querySelector(".specification").textContent);
          const place = document.createElement("div");
          vegaEmbed(place, spec, {actions: false, renderer: "svg"}).then(() => {
            figure.querySelector(".chart").replaceChildren(place);
          });
        }
        """,
        vl_version=VEGA_LITE,
    ).replace("</script", "<\\/script")
    return f'<script type="module">{code}</script>'
