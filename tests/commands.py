"""Running the real command in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def wordlab(
    *arguments: str | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    limit_bytes: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `wordlab` with the arguments.

    Args:
        limit_bytes: no file may grow beyond this size, as on a full disk.
    """
    prefix: Sequence[str] = ()
    if limit_bytes is not None:
        prefix = ("bash", "-c", f'ulimit -f {limit_bytes // 1024}; exec "$@"', "bash")
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "wordlab", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def refusal(*arguments: str | Path, **options: object) -> str:
    """Run a command that must fail with one line on standard error and status 2; return it."""
    done = wordlab(*arguments, **options)  # type: ignore[arg-type]
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("wordlab: ")]
    assert len(errors) == 1, lines
    assert lines[-1] == errors[0], lines
    return errors[0]
