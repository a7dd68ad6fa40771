"""`wordlab demo boolean` through a real process."""

from pathlib import Path

from commands import refusal, wordlab


def test_the_assignments_functions(tmp_path: Path) -> None:
    done = wordlab("demo", "boolean", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for part in (
        "XOR: not linearly separable",
        "is 0 >= 1, whatever w and b are",
        "14 of 16 are separable",
        "h1, A or B: A + B - 0.5 > 0; h2, A and B: A + B - 1.5 > 0",
    ):
        assert part in done.stdout
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"and.svg", "or.svg", "not.svg", "xor.svg", "xor-hidden.svg"}


def test_a_function_of_ones_own(tmp_path: Path) -> None:
    done = wordlab("demo", "boolean", "--table", "00010111", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "00010111 separable"
    assert "A linear unit computes it: w1 = 2, w2 = 2, w3 = 2, b = -3" in done.stdout
    done = wordlab("demo", "boolean", "--table", "1001", "--folder", "own", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "1001 not separable"
    assert (tmp_path / "own" / "1001.svg").exists()


def test_what_is_refused(tmp_path: Path) -> None:
    assert "'011' is no truth table" in refusal("demo", "boolean", "--table", "011")
    assert "allowed: language-model, tagger, boolean" in refusal("demo", "xor")
    assert "--table: is of Boolean functions" in refusal("demo", "tagger", "--table", "0110")
    assert "--dirty: is of the tagger" in refusal("demo", "boolean", "--dirty")
