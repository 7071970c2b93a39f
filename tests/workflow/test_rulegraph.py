"""The README's picture of the rules is the workflow's."""

from medpriv.workflow.rulegraph import ROOT, rule_graph, with_graph


def test_readme_shows_the_rules_as_they_are():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_graph(readme, rule_graph()) == readme, "run python -m medpriv.workflow.rulegraph"
