"""Tables and charts as text, Markdown, HTML, SVG and PNG."""
