"""Which keys of the config each rule asks for, read from the rules' text.

For DVC's stages (`medpriv.workflow.dvc`) and for the page of reruns (`medpriv.workflow.reruns`).
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from medpriv.workflow.artefacts import looped_rules
from medpriv.workflow.settings import DATASET, READS


def rule_files(root: Path) -> list[Path]:
    """Return the rules' files in the order of the Snakefile, which is the order of the stages."""
    return [root / name for name in re.findall(r'^include: "(.+)"', (root / "Snakefile").read_text(), re.MULTILINE)]


@cache
def asked_by_rules(root: Path) -> dict[str, list[str]]:
    """Return, for every rule with a script, the patterns of the keys that its params and inputs hang on.

    The patterns are those of `medpriv.workflow.settings.reads`.
    """
    asked = {}
    for file in rule_files(root):
        for block in re.split(r"^rule ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if "script:" in block:
                calls = re.finditer(rf"\b({'|'.join(READS)})\(", block)
                found = [key for call in calls for key in READS[call[1]](*_arguments(block[call.end() :]))]
                found += [f"{DATASET}.format"] if "{format}" in block else []
                asked[block.partition(":")[0]] = found
    return asked | looped_rules()


def _arguments(text: str) -> list[Any]:
    """Return the arguments of a call, from the text after its bracket; names of arguments are in the helper's order."""
    depth, end = 1, 0
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    call = ast.parse(f"f({text[: end - 1]})", mode="eval").body
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    named = [given.get(name, ()) for name in ("only", "without")] if given else []
    return [*map(ast.literal_eval, call.args), *named]
