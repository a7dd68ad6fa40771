"""Reports as Markdown and JSON."""

import json
from collections.abc import Callable

from wordlab.chart import Chart
from wordlab.registry import Registry
from wordlab.rendering.tables import as_markdown
from wordlab.reports.page import as_page
from wordlab.reports.section import Beside, Part, Report, as_values, plain
from wordlab.table import finite

REPORT_FORMATS: Registry[Callable[[Report], str]] = Registry("format of reports")

REPORT_FORMATS.register("html")(as_page)


@REPORT_FORMATS.register("md")
def as_text(report: Report) -> str:
    """Headings and pipe tables; of a picture, what it shows and its figures."""
    lines = [f"# {report.title}"]
    for section in report.sections:
        lines.append(f"## {section.title}")
        for part in section.parts:
            if isinstance(part, Beside):
                for name, own in zip(part.names, part.parts, strict=True):
                    lines.append(f"### {name}")
                    lines += map(_in_markdown, own)
            else:
                lines.append(_in_markdown(part))
    return "\n\n".join(line.rstrip() for line in lines) + "\n"


def _in_markdown(part: Part) -> str:
    said = f"*{part.description}*\n\n" if isinstance(part, Chart) else ""
    tables = (as_markdown(table) if table.columns else table.note for table in plain(part))
    return said + "\n".join(tables)


@REPORT_FORMATS.register("json")
def as_json(report: Report) -> str:
    """Raw values under the titles of sections and tables."""
    sections = [
        {"title": section.title, "parts": list(map(as_values, section.parts))}
        for section in report.sections
    ]
    found = {"title": report.title, "sections": sections}
    return json.dumps(finite(found), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
