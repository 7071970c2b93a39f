"""Keeps the README's picture of the rules equal to the workflow: `python -m medpriv.workflow.rulegraph`."""

import re
import subprocess
import sys
from pathlib import Path

from medpriv.files import write_text

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- rulegraph:begin -->\n", "<!-- rulegraph:end -->\n"


def rule_graph() -> str:
    """Return the rules and what they wait for as a Mermaid flowchart, edges sorted by name."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js"]
    drawn = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", drawn, re.MULTILINE))
    edges = re.findall(r"^\s*(id\d+) --> (id\d+)", drawn, re.MULTILINE)
    lines = sorted(f"    {names[start]} --> {names[end]}" for start, end in edges if names[end] != "all")
    return "\n".join(["```mermaid", "flowchart LR", *lines, "```", ""])


def with_graph(readme: str, graph: str) -> str:
    """Return the README with the graph between its two marks."""
    head, rest = readme.split(BEGIN)
    return head + BEGIN + graph + END + rest.split(END)[1]


def edges_of(readme: str) -> list[tuple[str, str]]:
    """Return what waits for what by the README's graph: pairs of a rule and one that follows it."""
    return re.findall(r"^    (\w+) --> (\w+)$", readme.split(BEGIN)[1].split(END)[0], re.MULTILINE)


def main() -> None:
    """Rewrite the README's graph."""
    readme = ROOT / "README.md"
    write_text(readme, with_graph(readme.read_text(encoding="utf-8"), rule_graph()))


if __name__ == "__main__":
    main()
