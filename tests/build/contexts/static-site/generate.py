import argparse
import html
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--title")
parser.add_argument("source", type=Path)
parser.add_argument("target", type=Path)
given = parser.parse_args()
given.target.mkdir()
for page in sorted(given.source.glob("**/*.txt")):
    made = (given.target / page.relative_to(given.source)).with_suffix(".html")
    made.parent.mkdir(exist_ok=True, parents=True)
    text = "".join(f"<p>{html.escape(line)}</p>\n" for line in page.read_text().splitlines())
    made.write_text(f"<title>{given.title}</title>\n{text}")
