"""The native module: what of it is public stands in `sparsecbm`."""

import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, SupportsIndex, TypeAlias, final, overload

import numpy as np
from numpy.typing import NDArray

from . import reports

__all__ = [
    "VERSION",
    "Concept",
    "Edit",
    "Explanation",
    "MaskPatch",
    "Model",
    "Prediction",
    "Subnetworks",
    "Token",
    "Variable",
    "export",
    "inspect",
    "restore",
    "run",
]

VERSION: Final[str]

_Path: TypeAlias = str | os.PathLike[str]
_Ids: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]
_Value: TypeAlias = str | SupportsIndex | Sequence[float] | NDArray[np.floating[Any]]
_Floats: TypeAlias = NDArray[np.float32]

@final
class Variable:
    """A concept, or the label, of a model."""

    @property
    def name(self) -> str:
        """The name."""
    @property
    def classes(self) -> list[str]:
        """The class names, in order."""
    @property
    def values(self) -> list[float] | None:
        """What each class is worth, where they are worth something (stars)."""

@final
class Token:
    """One position of a model's input."""

    @property
    def id(self) -> int:
        """The token's id in the model's vocabulary."""
    @property
    def piece(self) -> str:
        """The vocabulary piece, as the tokenizer writes it (`##ing`, `[CLS]`)."""
    @property
    def start(self) -> int | None:
        """The first character of the text that it stands for; `None` for special tokens, and for given ids."""
    @property
    def end(self) -> int | None:
        """The character after the last one; `None` as `start`."""

@final
class Concept:
    """One concept of a prediction, after overrides; `str` gives its class."""

    @property
    def name(self) -> str:
        """The concept's name."""
    @property
    def class_name(self) -> str:
        """The most probable class."""
    @property
    def class_index(self) -> int:
        """Its index."""
    @property
    def probabilities(self) -> _Floats:
        """Probabilities after overrides, one per class of the concept; read-only, no copy."""
    @property
    def logits(self) -> _Floats:
        """The model's own logits before overrides, one per class of the concept; read-only, no copy."""
    @property
    def overridden(self) -> bool:
        """Whether the probabilities were given by an override."""
    @property
    def question(self) -> reports.Question | None:
        """Which question the override asks, `suppose` or `correct`; `None` where there is none."""

@final
class Prediction:
    """What a model says of one text, with the overrides that were made since.

    A prediction never changes: `suppose`, `correct` and `undo` return another one, which shares what the backbone
    computed. In a notebook it shows why; `print` gives its tables.
    """

    @property
    def text(self) -> str | None:
        """The text; `None` where token ids were given."""
    @property
    def model(self) -> Model:
        """The model that made it."""
    @property
    def label(self) -> str:
        """The label's most probable class, after overrides."""
    @property
    def label_index(self) -> int:
        """Its index."""
    @property
    def label_probabilities(self) -> _Floats:
        """[L]: the label's probabilities, after overrides; read-only, no copy."""
    @property
    def label_logits(self) -> _Floats:
        """[L]: the label's logits, after overrides; read-only, no copy."""
    @property
    def expected_value(self) -> float | None:
        """Mean of the class values under the probabilities, where the label's classes are worth something (stars)."""
    @property
    def concepts(self) -> dict[str, Concept]:
        """Every concept by its name, in the model's order, after overrides."""
    def __getitem__(self, name: str, /) -> Concept:
        """The concept of that name, after overrides."""
    @property
    def concept_logits(self) -> _Floats:
        """[K, C]: the model's own concept logits, before overrides; read-only, no copy.

        Where a concept has fewer than C classes, its row ends in logits of a probability of 0.
        """
    @property
    def concept_probabilities(self) -> _Floats:
        """[K, C]: concept probabilities, after overrides; read-only, no copy."""
    @property
    def token_evidence(self) -> _Floats:
        """[K, C, S]: what each position adds to each concept logit, before overrides; read-only, no copy.

        The sum over the positions plus the concept head's bias is the logit, exactly.
        """
    @property
    def tokens(self) -> list[Token]:
        """The S positions that the model read, special tokens included."""
    @property
    def dropped_tokens(self) -> int:
        """How many tokens at the end of the text did not fit into the model and were left out."""
    def suppose(self, values: Mapping[str, _Value] | None = None, /, **concepts: _Value) -> Prediction:
        """The prediction as it would be if these concepts were so: the label follows as when a person edits the text.

        A value is a class name, a class index or probabilities, one per class: `suppose(noise="positive")`. The
        mapping is for names that are no identifiers. Takes microseconds: the backbone does not run.

        Raises `SparseCbmError` of kind `input` where the model has no such concept or class.
        """
    def correct(self, values: Mapping[str, _Value] | None = None, /, **concepts: _Value) -> Prediction:
        """The prediction once it is known that these concepts are so: the text is as it was, the model misread it.

        Values, cost and errors as `suppose`.
        """
    def undo(self, *concepts: str) -> Prediction:
        """The prediction without the overrides of these concepts, or without any where none is named."""
    def explain(
        self,
        *,
        occlusion: bool | int | None = None,
        integrated: bool | _Path | None = None,
        faithfulness: bool = False,
        policy: reports.Policy = "combined",
        costs: Mapping[str, float] | None = None,
    ) -> Explanation:
        """Why: by concepts and by words, with the overrides that there are.

        Words are masked out, five at a time and one at a time, many runs of the model: all, or the `occlusion` words
        with the most evidence, or none where it is `False`. The phrases that matter come from that, else from evidence.
        `integrated` adds integrated gradients; it needs the file of gradients beside the model, or at that path.
        `faithfulness` tests the order of the words. `policy` and `costs` are those of `suggest`.
        """
    def suggest(
        self, *, policy: reports.Policy = "combined", costs: Mapping[str, float] | None = None
    ) -> list[reports.Suggestion]:
        """The concepts worth asking a person about, the best first; overridden ones are left out.

        `costs`: what asking about a concept costs, 1 where not named; the score is divided by it.
        """
    def to_dict(self) -> reports.Answer:
        """`label` and `score` (its probability), and the same of each concept: what calling the model gives."""
    def _repr_html_(self) -> str: ...

@final
class Explanation:
    """Why a model says what it says of one text. In a notebook it is the picture of `sparsecbm explain --html`."""

    @property
    def prediction(self) -> Prediction:
        """What is explained."""
    @property
    def contributions(self) -> reports.Contributions:
        """What each concept adds to each label logit, exactly."""
    @property
    def what_if(self) -> list[reports.WhatIf]:
        """For each concept, the label if it were of each class."""
    @property
    def counterfactual(self) -> reports.Counterfactual | None:
        """The smallest set of concept changes that gives another label; `None` where none does."""
    @property
    def suggestions(self) -> list[reports.Suggestion]:
        """Which concept to ask a person about, the best first."""
    @property
    def reasons(self) -> list[reports.Reason]:
        """For each concept the few phrases that matter: what to show first."""
    @property
    def evidence(self) -> reports.WordEvidence:
        """What each word adds to each concept logit, exactly."""
    @property
    def occlusion(self) -> reports.Occlusion | None:
        """What the model loses with each word, where asked for."""
    @property
    def integrated(self) -> reports.IntegratedGradients | None:
        """What each word adds by the integral of its gradient, where asked for."""
    @property
    def faithfulness(self) -> list[reports.Faithfulness]:
        """How well the words named are the words that matter; empty where not asked for."""
    def to_dict(self) -> reports.ExplanationReport:
        """All of it, as plain data."""
    def to_html(self, path: _Path | None = None, *, subnetworks: bool = False) -> str:
        """The page that `sparsecbm explain --html` writes, also written to `path` where one is given."""
    def _repr_html_(self) -> str: ...

@final
class Subnetworks:
    """Which weights each concept of a model uses."""

    def report(self) -> reports.SubnetworkReport:
        """Density, overlap and exclusive use, for the whole backbone and each matrix; shares from 0 to 1."""
    def heatmap(self, concept: str, layer: str, *, rows: int = 64, columns: int = 64) -> _Floats:
        """[rows, columns]: share of the weights that a concept keeps in each cell of a grid over one matrix.

        A grid finer than the matrix is as fine as the matrix.
        """
    def _repr_html_(self) -> str: ...

@final
class MaskPatch:
    """Bits of one concept's mask that are to be flipped: a small change of a model, kept beside it."""

    @staticmethod
    def load(path: _Path) -> MaskPatch:
        """Reads a patch file."""
    @staticmethod
    def from_json(json: str) -> MaskPatch:
        """Reads a patch from JSON."""
    def save(self, path: _Path) -> None:
        """Writes a patch file, which `--patch` of the command takes."""
    def to_json(self) -> str:
        """The patch as JSON."""
    @property
    def concept(self) -> str:
        """The concept whose mask it changes."""
    @property
    def note(self) -> str | None:
        """What it was made for, in words."""
    @property
    def flips(self) -> int:
        """How many bits it flips."""

@final
class Edit:
    """A change of one concept's mask, and what it does to the texts it was made for."""

    @property
    def outcome(self) -> str:
        """`turned` where every text is of its class, `not-turned` where none did that, `stopped` at the time limit."""
    @property
    def concept(self) -> str:
        """The concept."""
    @property
    def flips(self) -> int:
        """How many bits are flipped: half of them pruned, half grown."""
    @property
    def patch(self) -> MaskPatch:
        """The change itself, for `Model.with_patches`."""
    def model(self) -> Model:
        """The model with the edit, on top of the patches that it had."""
    def to_dict(self) -> reports.EditReport:
        """All of it, as plain data."""

@final
class Model:
    """A loaded model.

    It never changes and may be used by several threads at once. A pickle holds the path of its file and how it was
    loaded, so that the file must be there where it is read. After `os.fork` the engines `sparse` and `tract` go on in
    the child; ONNX Runtime's threads do not live there, and a model on it raises an error instead of hanging.
    """

    @staticmethod
    def load(
        path: _Path,
        *,
        engine: str = "auto",
        threads: int | None = None,
        patches: Sequence[MaskPatch] | None = None,
        ort_library: _Path | None = None,
    ) -> Model:
        """Loads an exported file.

        `engine` is `auto`, `sparse`, `tract`, `ort-cpu`, `ort-cuda` or `ort-cuda:N`. `threads` is how many a list is
        spread over, and a single text, its concepts and its tokens; by default a list takes all cores, and a text one.
        `patches` are applied in their order. `ort_library` is ONNX Runtime's library, or a folder that holds it.

        Raises `SparseCbmError`: `io`, `format`, `version` or `model` for the file, `unavailable` for the engine.
        """
    @staticmethod
    def from_bytes(
        data: bytes, *, engine: str = "auto", threads: int | None = None, ort_library: _Path | None = None
    ) -> Model:
        """Loads an exported file from memory; such a model cannot be pickled. Options and errors as `load`."""
    # A str is a sequence of str too, but no list of texts; an array of ids is no list of arrays.
    @overload
    def predict(self, input: str) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, input: NDArray[np.integer[Any]]) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, input: Sequence[int]) -> Prediction: ...
    @overload
    def predict(self, input: Iterable[str]) -> list[Prediction]: ...
    @overload
    def predict(self, input: Iterable[_Ids]) -> list[Prediction]:
        """Predicts a text, or token ids (special tokens included, no padding), or a list of either.

        A list releases the GIL and takes all cores, or `threads` of `load`; the results stand in its order. Text
        beyond `max_length` is cut, and `Prediction.dropped_tokens` says so.

        Raises `SparseCbmError` of kind `input` for what is no text and for ids that the vocabulary does not have.
        """
    def __call__(self, input: str | Iterable[str] | _Ids | Iterable[_Ids]) -> list[reports.Answer]:
        """As Hugging Face's pipelines: for each text a dict of `label`, `score` and the same of each concept."""
    @property
    def path(self) -> pathlib.Path | None:
        """The file that it was loaded from; `None` where it was loaded from memory."""
    @property
    def concepts(self) -> list[Variable]:
        """The K concepts, in order."""
    @property
    def label(self) -> Variable:
        """The label."""
    @property
    def max_length(self) -> int:
        """The most positions (tokens, special ones included); longer text is cut."""
    @property
    def schema(self) -> dict[str, Any]:
        """What the model's concepts and label mean: `sparsecbm.json` of its checkpoint."""
    @property
    def masks(self) -> reports.MaskStatistics:
        """How dense the masks are and how much they share."""
    @property
    def engine(self) -> str:
        """The engine really in use: `sparse`, `tract`, `ort-cpu` or `ort-cuda:N`."""
    @property
    def device(self) -> reports.Device:
        """Where the model really runs, and why there."""
    def subnetworks(self) -> Subnetworks:
        """Which weights each concept uses, with the model's patches."""
    def edit(
        self,
        texts: str | Iterable[str],
        concept: str,
        class_name: str,
        *,
        keep: str | Iterable[str] | None = None,
        gradients: _Path | None = None,
        max_share: float = 0.01,
        time_limit: float | None = None,
    ) -> Edit:
        """Searches the fewest bits of a concept's mask whose change gives it that class in all `texts`.

        Texts of `keep` are to keep the class that the model reads. Needs the file of gradients, by default the one
        beside the model. At most `max_share` (0 to 1) of the bits are pruned, and as many grown. `time_limit` is in
        seconds.
        """
    def with_patches(self, patches: Sequence[MaskPatch]) -> Model:
        """The model with these patches, in this order, and no others; without any, the model as it was loaded."""
    @property
    def patches(self) -> list[MaskPatch]:
        """The patches that it has, in order."""
    def __copy__(self) -> Model: ...
    def __deepcopy__(self, _memo: dict[int, Any], /) -> Model: ...

def export(
    checkpoint: _Path,
    path: _Path,
    *,
    weights: str = "f16",
    masks: str = "packed",
    layout: str = "branches",
    gradients: bool = False,
    check: bool = True,
    atol: float = 1e-4,
) -> reports.ExportReport:
    """Turns a checkpoint's folder into one ONNX file, and checks what was written.

    `weights`: `f32`, `f16` or `int8`; `masks`: `packed` or `folded`; `layout`: `branches`, or `batched` for GPUs.
    `gradients` also writes the file of gradients beside it, for edits and integrated gradients. The check runs the
    file and allows a difference of `atol` in any output.

    Raises `SparseCbmError` of kind `model` where the checkpoint contradicts itself or the file differs from it.
    """

def inspect(path: _Path) -> reports.Inspection:
    """What is in a checkpoint's folder or an exported file: schema, sizes, densities, overlaps; no model is loaded.

    Raises `SparseCbmError` that names the file, tensor or field where something is not as the format has it.
    """

def restore(path: _Path, engine: str, threads: int | None, ort_library: _Path | None, patches: Sequence[str]) -> Model:
    """Loads a pickled model from its file."""

def run(arguments: Sequence[str]) -> int:
    """Runs the command `sparsecbm`, whose name comes first, and returns its exit code."""
