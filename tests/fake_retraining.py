"""Stands for `napari-nuclei retrain` in tests of the window: says what it is told, line by line.

`python fake_retraining.py SCRIPT.json …`: the script is a list of events; a number waits so many
seconds, a text goes to stderr and ends it all with exit code 2. What follows is written into
`arguments.json` beside the script.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(script: Path, arguments: list[str]) -> int:
    (script.parent / "arguments.json").write_text(json.dumps(arguments))
    code = 0
    for step in json.loads(script.read_text(encoding="utf-8")):
        if isinstance(step, (int, float)):
            time.sleep(step)
        elif isinstance(step, str):
            sys.stderr.write(step)
            return 2
        else:
            sys.stdout.write(json.dumps(step) + "\n")
            sys.stdout.flush()
            code = 1 if step.get("accepted") is False else code
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
