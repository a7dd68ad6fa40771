"""Reports as one HTML file: opens from disk, asks for nothing from outside, needs no script."""

import html

from wordlab.chart import Chart
from wordlab.rendering.charts import as_figure, interactive_script
from wordlab.rendering.explanations import EXPLANATION_STYLE
from wordlab.rendering.tables import as_html
from wordlab.reports.section import Beside, Part, Report, Section
from wordlab.table import Table


def as_page(report: Report) -> str:
    """The sections under links to each; light or dark as the reader's system is."""
    title = html.escape(report.title)
    links = "".join(
        f'<li><a href="#part-{number}">{html.escape(section.title)}</a></li>'
        for number, section in enumerate(report.sections)
    )
    body = "".join(_section(number, section) for number, section in enumerate(report.sections))
    wide = any(isinstance(part, Beside) for s in report.sections for part in s.parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}{EXPLANATION_STYLE}</style></head>\n"
        f'<body class="{"wide" if wide else "narrow"}">'
        '<a class="skip" href="#content">Skip the list of parts</a>\n'
        f"<header><h1>{title}</h1></header>\n"
        f'<nav aria-label="Parts of the report"><ul>{links}</ul></nav>\n'
        f'<main id="content">\n{body}</main>\n{interactive_script()}</body></html>\n'
    )


def _section(number: int, section: Section) -> str:
    heading = f'<h2 id="part-{number}">{html.escape(section.title)}</h2>\n'
    parts = "\n".join(
        _side_by_side(part) if isinstance(part, Beside) else _part(part) for part in section.parts
    )
    return f'<section aria-labelledby="part-{number}">{heading}{parts}</section>\n'


def _side_by_side(both: Beside) -> str:
    columns = (
        f"<div><h3>{html.escape(name)}</h3>\n" + "\n".join(map(_part, parts)) + "</div>"
        for name, parts in zip(both.names, both.parts, strict=True)
    )
    return f'<div class="beside">{"".join(columns)}</div>'


def _part(part: Part) -> str:
    if isinstance(part, Chart):
        return as_figure(part)
    if isinstance(part, Table):
        return _table(part)
    return part.html


def _table(table: Table) -> str:
    """A table that can be scrolled sideways, by keys too, where it is wider than the page."""
    if not table.columns:
        return f"<p>{html.escape(table.note)}</p>"
    label = html.escape(table.title, quote=True)
    opened = f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">'
    return f"{opened}{as_html(table)}</div>"


_STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--faint:#4a4a4a;--paper:#fff;--head:#f2f2f2;
--rule:#d0d0d0;--link:#0b57a4}
@media (prefers-color-scheme:dark){:root{--ink:#e8e8e8;--faint:#bdbdbd;--paper:#16181b;
--head:#23262b;--rule:#3c4047;--link:#8ab8f0}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,'DejaVu Sans',sans-serif;max-width:62rem;margin:2rem auto;
padding:0 1rem;color:var(--ink);background:var(--paper)}
body.wide{max-width:110rem}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--link);
outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
h1,h2{line-height:1.2;overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:0}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.15rem .7rem;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
th{background:var(--head)}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.scroll p{max-width:62rem;color:var(--faint);font-size:.9rem;margin:.3rem 0}
figure{margin:1rem 0}.chart{overflow-x:auto}.chart svg{max-width:100%;height:auto}
.chart svg text{fill:var(--ink)}
.chart svg .role-axis-grid line,.chart svg .role-axis-domain line,.chart svg .role-axis-tick line{
stroke:var(--rule)}
.chart svg .background{stroke:var(--rule)}
.explained table{display:block;overflow-x:auto}
summary{cursor:pointer;color:var(--faint)}
.beside{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 2rem}
@media (max-width:60rem){.beside{grid-template-columns:minmax(0,1fr)}}
@media print{:root{--ink:#000;--faint:#333;--paper:#fff;--head:#eee;--rule:#999;--link:#000}
body{max-width:none;margin:0;font-size:10pt}nav,.skip,summary{display:none}
.scroll,.chart{overflow:visible}table{font-size:8pt}tr,figure{break-inside:avoid}
thead{display:table-header-group}h2,caption{break-after:avoid}}
"""
