"""What the reports of a model hold: plain dicts and lists, whose fields these types name.

Arrays are lists, row-major; K, C, L, S and W are as in the package's own description.
"""

from typing import Any, Literal, TypedDict

Question = Literal["suppose", "correct"]
Policy = Literal["uncertainty", "contribution", "expected-change", "combined"]


class Score(TypedDict):
    """A class and its probability."""

    label: str
    score: float


class Answer(TypedDict):
    """A prediction as Hugging Face's pipelines answer."""

    label: str
    score: float
    concepts: dict[str, Score]


class Word(TypedDict):
    """A word of a text. `start` and `end` count characters; they are `None` where token ids were given."""

    text: str
    start: int | None
    end: int | None
    positions: list[int]
    """The positions (tokens) that stand for it: the first, and the one after the last."""


ConceptContribution = TypedDict(
    "ConceptContribution",
    {
        "name": str,
        "class": str,
        # [L]: what the concept adds to each label logit.
        "label_logits": list[float],
        # [L]: what its override changed in the label logits.
        "override_share": list[float] | None,
    },
)


class Contributions(TypedDict):
    """`baseline` plus the sum over `concepts` plus `rest` is the label's logits, exactly."""

    label: str
    label_classes: list[str]
    label_logits: list[float]
    baseline: list[float]
    concepts: list[ConceptContribution]
    rest: list[float]


Outcome = TypedDict(
    "Outcome",
    {
        "class": str,
        "label": str,
        "label_index": int,
        "label_logits": list[float],
        "label_probabilities": list[float],
        "expected_value": float | None,
    },
)


class WhatIf(TypedDict):
    """The label under every class of one concept."""

    concept: str
    class_index: int
    outcomes: list[Outcome]


ConceptChange = TypedDict("ConceptChange", {"concept": str, "from": str, "to": str, "to_index": int})


class Counterfactual(TypedDict):
    """A smallest set of concept changes that gives another label."""

    changes: list[ConceptChange]
    label: str
    label_index: int
    label_probabilities: list[float]
    expected_value: float | None


class Suggestion(TypedDict):
    """What asking a person about one concept may gain: uncertainty in nats, expected change from 0 to 1."""

    concept: str
    score: float
    uncertainty: float
    contribution: float
    expected_change: float
    cost: float


LabelChange = TypedDict(
    "LabelChange",
    {
        "class": str,
        # What the phrase adds to that class's probability.
        "probability": float,
        # What it adds to the label's expected value, where its classes are numbers.
        "expected_value": float | None,
    },
)


class Phrase(TypedDict):
    """Words that stand together. `start` and `end` count characters; they are `None` where token ids were given."""

    text: str
    start: int | None
    end: int | None
    words: list[int]
    """Its words among those of the evidence: the first, and the one after the last."""
    support: float
    """What the class's logit loses without it, less what the others' do; below 0: it speaks against the class."""
    probability: float
    """What it adds to the class's probability."""
    label: LabelChange | None
    """What it changes of the label through this concept alone; `None` for a corrected concept."""


Reason = TypedDict(
    "Reason",
    {
        "concept": str,
        # What the model itself reads, whatever the overrides.
        "class": str,
        "class_index": int,
        # A supposed concept has no phrases; a corrected one has those that were read.
        "question": Question | None,
        # For the class, then against it; none where nothing stands out.
        "phrases": list[Phrase],
    },
)


class ConceptEvidence(TypedDict):
    name: str
    classes: list[str]
    evidence: list[list[float]]
    """[C][W]"""
    special: list[float]
    """[C]: what the positions outside all words add."""
    bias: list[float]
    """[C]"""


class WordEvidence(TypedDict):
    """For each concept and class the sum over the words plus `special` plus `bias` is the logit, exactly."""

    words: list[Word]
    concepts: list[ConceptEvidence]


class ConceptOcclusion(TypedDict):
    name: str
    classes: list[str]
    logits: list[list[float]]
    """[C][W]: what each logit loses without each word."""


class Occlusion(TypedDict):
    """What the model loses with each word: its logits less those of the text with the word masked out."""

    words: list[Word]
    complete: bool
    concepts: list[ConceptOcclusion]
    label_logits: list[list[float]]


class ConceptAttribution(TypedDict):
    name: str
    classes: list[str]
    attributions: list[list[float]]
    """[C][W]"""
    positions: list[list[float]]
    """[C][S]"""
    special: list[float]
    baseline: list[float]
    convergence_error: list[float]


class IntegratedGradients(TypedDict):
    """What each word adds to each concept logit on the way from a text without words to the text."""

    words: list[Word]
    baseline_piece: str
    steps: int
    complete: bool
    concepts: list[ConceptAttribution]


Faithfulness = TypedDict(
    "Faithfulness",
    {
        "concept": str,
        "class": str,
        "method": str,
        "shares": list[float],
        "deletion": list[float],
        "insertion": list[float],
        "deletion_area": float,
        "insertion_area": float,
    },
)


class ExplanationReport(TypedDict):
    text: str | None
    contributions: Contributions
    what_if: list[WhatIf]
    counterfactual: Counterfactual | None
    suggestions: list[Suggestion]
    reasons: list[Reason]
    evidence: WordEvidence
    occlusion: Occlusion | None
    integrated: IntegratedGradients | None
    faithfulness: list[Faithfulness]


class Units(TypedDict):
    """Which concepts use which neurons, or attention heads, of a matrix."""

    count: int
    exclusive: list[list[int]]
    unused: list[int]


class LayerSubnetworks(TypedDict):
    name: str
    rows: int
    columns: int
    density: list[float]
    overlap: list[list[float]]
    exclusive: list[float]
    used: float
    neurons: Units
    heads: Units | None
    head_density: list[list[float]] | None


class SubnetworkReport(TypedDict):
    """Shares from 0 to 1. `density` [K], `overlap` [K][K] (Jaccard), `exclusive` [K], `used`: of all masked weights."""

    concepts: list[str]
    density: list[float]
    overlap: list[list[float]]
    exclusive: list[float]
    used: float
    layers: list[LayerSubnetworks]


class LayerMasks(TypedDict):
    name: str
    rows: int
    columns: int
    block_rows: int
    density: list[float]
    used: float


class MaskStatistics(TypedDict):
    """Shares from 0 to 1: of each matrix, and of the whole backbone."""

    layers: list[LayerMasks]
    density: list[float]
    overlap: list[list[float]]


class Device(TypedDict):
    """Where a model really runs."""

    engine: str
    nodes: dict[str, int]
    instructions: str | None
    library: str | None
    reason: str | None


class LayerFlips(TypedDict):
    name: str
    pruned: int
    grown: int


class TextChange(TypedDict):
    text: str | None
    wanted: str
    class_before: str
    class_after: str
    logits_before: list[float]
    logits_after: list[float]
    label_before: str
    label_after: str
    label_probabilities_before: list[float]
    label_probabilities_after: list[float]


class EditReport(TypedDict):
    outcome: Literal["turned", "not-turned", "stopped"]
    concept: str
    flips: int
    kept: int
    layers: list[LayerFlips]
    examples: list[TextChange]
    guards: int
    broken: list[TextChange]
    runs: int
    patch: dict[str, Any]


class Inspection(TypedDict):
    """What a checkpoint or an exported file is. `sizes` are bytes: of weights, masks, heads, tokenizer."""

    kind: Literal["checkpoint", "exported"]
    backbone: str
    parameters: int
    export: dict[str, Any] | None
    sizes: dict[str, int]
    masks: MaskStatistics
    mean_overlap: float | None
    schema: dict[str, Any]


class ExportReport(TypedDict):
    """What an export wrote; `check` and `gradients` hold the largest differences that the checks found."""

    files: list[str]
    exporter: str
    weights: str
    masks: str
    layout: str
    opset: int
    backbone: str
    parameters: int
    bytes: int
    removed_weights: int
    mask_statistics: MaskStatistics
    check: dict[str, Any] | None
    gradients: dict[str, Any] | None
