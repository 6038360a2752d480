"""Runs scripts of this folder one after the other in one process, for tests that ask often: what they
import takes longer than most of their work.

    python tests/tools/serve.py

A line that comes in is a JSON list: a script's name and its arguments. The line that goes out is a JSON
object:
  code     the script's exit code
  printed  what it printed, and what it complained about
"""

import contextlib
import importlib
import io
import json
import sys
import traceback


def main() -> None:
    """Answers until nobody asks."""
    for line in sys.stdin:
        script, *arguments = json.loads(line)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = run(script, arguments)
        print(json.dumps({"code": code, "printed": printed.getvalue()}), flush=True)


def run(script: str, arguments: list[str]) -> int:
    """The exit code of a script's `main`."""
    sys.argv = [script, *arguments]
    try:
        importlib.import_module(script).main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
