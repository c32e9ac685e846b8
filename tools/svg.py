"""Small drawings as SVG text: boxes, bars, lines, words. Readable on light and dark pages, since each brings its own
background and changes it with the reader's color scheme."""

from xml.sax.saxutils import escape

STYLE = """
  .page { fill: #ffffff; } .ink { fill: #1f2328; } .faint { fill: #59636e; } .line { stroke: #818b98; fill: none; }
  .box { fill: #f6f8fa; stroke: #818b98; } .ours { fill: #0969da; } .theirs { fill: #bf8700; } .floor { fill: #818b98; }
  .good { fill: #1a7f37; } .bad { fill: #cf222e; }
  text { font-family: -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 13px; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } .ink { fill: #f0f6fc; } .faint { fill: #9198a1; } .line { stroke: #656c76; }
    .box { fill: #151b23; stroke: #656c76; } .ours { fill: #4493f8; } .theirs { fill: #d29922; } .floor { fill: #656c76; }
    .good { fill: #3fb950; } .bad { fill: #f85149; }
  }"""


class Drawing:
    def __init__(self, width, height, title):
        self.width, self.height, self.title = width, height, title
        self.parts = []

    def rect(self, x, y, width, height, kind, radius=0):
        self.parts.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
            f' rx="{radius}"/>'
        )

    def text(self, x, y, words, kind="ink", anchor="start", size=None, bold=False):
        style = (f' style="font-size: {size}px"' if size else "") + (
            ' font-weight="600"' if bold else ""
        )
        self.parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(words)}</text>'
        )

    def line(self, x1, y1, x2, y2, dashed=False):
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(
            f'<line class="line" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{dash}/>'
        )

    def arrow(self, x1, y1, x2, y2):
        self.parts.append(
            f'<path class="line" d="M{x1:.1f},{y1:.1f} L{x2:.1f},{y2:.1f}" marker-end="url(#tip)"/>'
        )

    def svg(self):
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}"'
            f' height="{self.height}" role="img">\n<title>{escape(self.title)}</title>\n<style>{STYLE}\n</style>\n'
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
            ' orient="auto"><path class="faint" d="M0,0 L8,4 L0,8 z"/></marker></defs>\n'
            f'<rect class="page" width="{self.width}" height="{self.height}" rx="6"/>\n{body}\n</svg>\n'
        )
