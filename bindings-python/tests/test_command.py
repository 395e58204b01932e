"""The command that the package installs."""

import importlib.util
import pathlib
import subprocess
import sys
import sysconfig

import pytest
import sparsecbm
from conftest import REPOSITORY, Exported
from sparsecbm import _command

PROGRAM = pathlib.Path(sysconfig.get_path("scripts"), "sparsecbm")


def run(*arguments: object, **named: object) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, capture_output=True, text=True, encoding="utf-8", **named
    )


def test_it_is_the_command(exported: Exported, tmp_path: pathlib.Path) -> None:
    told = run("predict", exported("tiny"), "bad plot, unwatched acting!", "--set", "plot=present")
    assert told.returncode == 0 and "with the overrides" in told.stdout
    assert run("--version").stdout.strip() == f"sparsecbm {sparsecbm.__version__}"
    wrong = run("predict", exported("tiny"), "text", "--set", "taste=good")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: --set: concept: found 'taste'")
    assert run("predict").returncode == 2
    written = run("export", REPOSITORY / "tests/models/tiny", "-o", tmp_path / "model.onnx")
    assert written.returncode == 0 and (tmp_path / "model.onnx").is_file()
    module = subprocess.run([sys.executable, "-m", "sparsecbm", "--version"], capture_output=True, text=True)
    assert module.stdout == run("--version").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="its shell has no head")
def test_a_reader_that_goes_away(exported: Exported) -> None:
    line = f"{PROGRAM} explain {exported('tiny')} 'bad plot' | head -n 1"
    told = subprocess.run(line, shell=True, capture_output=True, text=True)
    assert told.stderr == "" and told.stdout.strip()


def test_help_names_training() -> None:
    told = run("--help")
    assert told.returncode == 0 and "predict" in told.stdout
    assert all(f"  {command} " in told.stdout for command in _command.TRAINING)


def test_training_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(_command.TRAINING, "train", ("sparsecbm_training", "train", ("no_such_module",)))
    assert _command.main(["train", "table.csv"]) == 2
    assert (
        capsys.readouterr().err
        == "error: sparsecbm train: not installed: no_such_module; pip install 'sparsecbm[train]'\n"
    )


def test_training_comes_with_the_package() -> None:
    assert importlib.util.find_spec("sparsecbm_training") is not None
    annotation = importlib.util.find_spec("sparsecbm_annotation")
    assert annotation is not None and annotation.submodule_search_locations
    [folder] = annotation.submodule_search_locations
    assert (pathlib.Path(folder) / "page/index.html").is_file() and (pathlib.Path(folder) / "concepts.yaml").is_file()
