"""The options of training: what each is for, and how much work suits how much data."""

import dataclasses
import typing

QUALITIES = ("fast", "standard", "best")


def option(default: typing.Any, help: str) -> typing.Any:
    return dataclasses.field(default=default, metadata={"help": help})


@dataclasses.dataclass
class Recipe:
    """Numbers that a file of options or an option of the same name may set. Steps and batches of None follow from the
    data and from --quality."""

    seed: int = option(0, "of everything that is drawn")
    layers: int | None = option(None, "layers of the backbone (default: 3 of all-MiniLM-L6-v2, all of others)")
    sparsity: float = option(0.9, "share of each matrix that each mask takes away")
    block: int = option(4, "1: single weights; 4: blocks of 4 outputs x 1 input")
    max_length: int = option(128, "tokens of a text, special tokens included; what is longer is cut")
    validation_share: float = option(0.15, "share of the texts that is split off to measure on, where no file is named")
    calibration_share: float = option(
        0.15, "share of the other texts kept out of training, to stop it and to calibrate"
    )
    calibration_part: int = option(0, "which share that is: 0, 1, … for the first, the second, …")
    rare: float = option(0.0, "0: every text counts alike; 1: every class does; between: rare classes count for more")
    batch: int | None = option(None, "texts in a step")
    weight_decay: float = option(0.01, "of AdamW")
    concept_weight: float = option(5.0, "weight of the concepts' loss beside the label's")
    patience: int = option(5, "looks at the calibration part without gain after which a stage stops; 0: never")
    telling: int = option(
        1000, "calibration texts from which on it says which look was best; with fewer, last weights are averaged"
    )

    dense_steps: int | None = option(None, "steps of the dense CBM that pruning starts from")
    dense_rate: float | None = option(
        None, "its highest learning rate; the heads' is ten times it (default: 3e-4, 2e-4 of batches below 32)"
    )
    dense_dropout: float = option(0.1, "there")
    plain_steps: int | None = option(None, "steps of the plain classifier that the card compares with; 0: none")

    steps: int | None = option(None, "steps of pruning and tuning")
    rate: float = option(4e-4, "the highest learning rate of these")
    dropout: float = option(0.05, "there")
    distill: float = option(0.5, "share of the dense CBM's predictions in what the sparse one learns")
    match: float = option(5.0, "weight of how far its concept logits are from the dense CBM's")
    shorten: float = option(0.5, "share of the batches of which up to half of the tokens are left out")
    evidence: float = option(0.2, "weight of the loss that puts a concept's evidence where it stands; 0: none")
    prunings: int | None = option(None, "how many times masks are pruned")
    prune_share: float = option(0.4, "share of the sparse steps during which they are")
    fisher_batches: int = option(16, "minibatch gradients in each Fisher matrix")
    damping: float = option(1e-10, "damping of the Fisher matrix")
    distinct: float = option(0.3, "how strongly concepts avoid each other's weights, 0: not at all")
    average_steps: int | None = option(None, "steps at a constant rate whose weights are averaged")
    average_rate: float = option(2e-4, "that rate")

    teacher_layers: int | None = option(None, "layers of the cross-fitted teachers (default: all)")
    teacher_folds: int = option(5, "how many of them, each predicting what it did not see")
    teacher_steps: int | None = option(None, "steps of each")
    teacher_rate: float = option(2e-4, "their highest learning rate")
    settle_steps: int | None = option(None, "last steps, towards the teachers and with corrections; 0: neither")
    settle_rate: float = option(2e-4, "there")
    settle_distill: float = option(0.6, "share of the teachers' predictions in what is learned there")
    settle_keep: float = option(0.5, "share of the weights before it in what it leaves")
    corrected_weight: float = option(2.0, "weight there of the label loss after corrections")

    label_ridge: float = option(1.0, "ridge that keeps the label head near what training found, in the fit after it")

    whole_first: int = option(1, "1: whole heads and neurons go before pruning, whose steps are then faster; 0: last")
    whole_heads: float = option(0.5, "share of a concept's heads that lose query and key; 0: none")
    whole_neurons: float = option(0.5, "share of its groups of neurons that go as a whole; 0: none")
    whole_batches: int | None = option(None, "minibatches that tell which matter least")
    mend_steps: int | None = option(None, "steps after that, towards the answers before it")
    mend_rate: float = option(1e-4, "there")


# Texts that the dense CBM reads in all, for 1,000 texts to train on. 12 passes over a thousand and 6 over eight
# thousand were found to be enough on reviews of restaurants: more data needs more steps and fewer passes.
DENSE_READ = {"fast": 8_000, "standard": 13_000, "best": 16_000}
GROWTH = 0.64
# Each stage beside that. A step of the sparse model costs as much as one of the dense for every concept.
SHARES = {
    "fast": {"plain": 0.5, "sparse": 0.2, "average": 0.05, "teacher": 0.0, "settle": 0.0, "mend": 0.05},
    "standard": {"plain": 0.5, "sparse": 0.8, "average": 0.12, "teacher": 0.0, "settle": 0.0, "mend": 0.06},
    "best": {"plain": 0.7, "sparse": 2.6, "average": 0.5, "teacher": 0.55, "settle": 0.8, "mend": 0.3},
}
# What the sparse steps may cost together, in tokens x weights that read them, over all concepts. A core with bfloat16
# instructions does some 3e10 in a second.
MOST = {"fast": 1.5e13, "standard": 6e13, "best": 1e15}
LEAST_STEPS = 100
PRUNINGS = {"fast": 1, "standard": 6, "best": 6}
WHOLE_BATCHES = {"fast": 2, "standard": 4, "best": 16}
STAGES = ("dense_steps", "plain_steps", "steps", "average_steps", "teacher_steps", "settle_steps", "mend_steps")


class Size(typing.NamedTuple):
    """What a step costs."""

    texts: int  # to train on
    tokens: float  # of a text, on average
    concepts: int
    weights: int  # of the backbone's linear layers


def fitted_to(recipe: Recipe, size: Size, quality: str) -> Recipe:
    """The recipe with everything that was left open, for data and a backbone of that size."""
    batch = recipe.batch or (16 if size.texts < 4_000 else 32)
    read = DENSE_READ[quality] * (size.texts / 1_000) ** GROWTH
    shares = {"dense": 1.0, **SHARES[quality]}
    cost = size.concepts * batch * size.tokens * size.weights  # of a sparse step
    affordable = MOST[quality] / cost / (read / batch)
    slower = min(1.0, affordable / sum(shares[name] for name in ("sparse", "average")))
    names = dict(zip(STAGES, ("dense", "plain", "sparse", "average", "teacher", "settle", "mend")))
    steps = {}
    for field, name in names.items():
        steps[field] = getattr(recipe, field)
        if steps[field] is None:
            scale = slower if name in ("sparse", "average", "settle", "mend") else 1.0
            steps[field] = round(scale * shares[name] * read / batch)
            if name == "sparse":
                steps[field] = max(LEAST_STEPS, steps[field])
    rate = recipe.dense_rate or (3e-4 if batch >= 32 else 2e-4)
    prunings = PRUNINGS[quality] if recipe.prunings is None else recipe.prunings
    whole = WHOLE_BATCHES[quality] if recipe.whole_batches is None else recipe.whole_batches
    return dataclasses.replace(recipe, batch=batch, dense_rate=rate, prunings=prunings, whole_batches=whole, **steps)
