"""The one command: looks at the data, trains the dense CBM, prunes it to a SparseCBM, fits the label, writes the
model."""

import argparse
import hashlib
import pathlib
import sys
import time
import typing

import torch

from . import (
    ablation, after, backbone, card, checkpoint, crossfit, evidence, masks, metrics, options, output, plain, prepare,
    recipe, saliency, table, train,
)  # fmt: skip
from .model import Model, new_heads
from .recipe import Recipe
from .run import FOLDER, Run
from .targets import Teacher


def main(arguments: list[str] | None = None) -> int:
    try:
        command(options.parse(arguments))
    except table.DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on", file=sys.stderr)
        return 130
    return 0


def command(given: argparse.Namespace) -> None:
    begun = time.monotonic()
    torch.set_num_threads(given.threads or torch.get_num_threads())
    if given.out:
        expect_room(given)
    found = prepare.read(given, options.recipe_of(given))
    source = find_backbone(given.backbone)
    wanted = options.recipe_of(given)
    wanted.layers = wanted.layers or source.layers
    wanted.teacher_layers = wanted.teacher_layers or source.teacher_layers
    tokenized = prepare.tokenize(found, source, wanted, given.device)
    for line in found.described:
        print(line)
    for line in found.warned:
        print(f"warning: {line}", file=sys.stderr)
    sys.stdout.flush()
    if given.look:
        return
    Training(given, wanted, found, tokenized, source, begun).all()


def expect_room(given: argparse.Namespace) -> None:
    """That nothing is overwritten by mistake."""
    out: pathlib.Path = given.out
    if out.exists() and not out.is_dir():
        raise table.DataError(f"--out {out} is a file; expected a folder, which need not exist")
    if given.resume:
        return
    if (out / FOLDER).exists() and not given.overwrite:
        raise table.DataError(
            f"--out {out} holds an interrupted training; --resume goes on with it, --overwrite begins again"
        )
    if (out / "sparsecbm.json").exists() and not given.overwrite:
        raise table.DataError(f"--out {out} holds a model already; name another folder, or --overwrite it")


def find_backbone(name: str | None) -> typing.Any:
    try:
        return backbone.source(name)
    except ImportError as error:
        raise table.DataError(f"--backbone {name} needs a package that is not installed: {error.name}") from error
    except (OSError, ValueError) as error:
        raise table.DataError(f"--backbone {name}: {str(error).splitlines()[0]}") from error


def fast_here(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32."""
    if device.type == "cuda":
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


WHOLES = "whole heads and neurons"
FORWARD = 0.6  # what reading texts in float32 costs beside learning from them in bfloat16


def silent(_: str) -> None:
    """How the fit after training went stands in the checkpoint."""


class Training:
    """The stages in order. What a finished stage gave is kept by the run, so each can be skipped after an
    interruption."""

    def __init__(
        self, given: argparse.Namespace, wanted: Recipe, found: prepare.Data, tokenized: prepare.Tokenized,
        source: typing.Any, begun: float,
    ) -> None:  # fmt: skip
        self.given, self.recipe, self.found, self.tokenized, self.source = given, wanted, found, tokenized, source
        self.schema, self.tokens = found.schema, tokenized.tokens
        self.dtype = torch.bfloat16 if fast_here(given.device) and not given.float32 else torch.float32
        body, weights = self.load(wanted.layers)
        self.recipe = recipe.fitted_to(wanted, prepare.size(self.tokens["fitting"], body, weights), given.quality)
        if not body.parts and (wanted.whole_heads or wanted.whole_neurons):
            self.recipe.whole_heads = self.recipe.whole_neurons = 0.0  # nobody knows where this backbone has them
            self.recipe.mend_steps = 0
        self.classes = self.schema.counts
        saliency.expect_whole_blocks(Model(body, weights, {}))
        self.run = Run(given.out, self.costs(body), self.settings(), given.resume, given.time_limit, begun)
        self.random = torch.Generator()
        self.stages = train.Settings(self.recipe, self.dtype, self.run, self.random)

    def load(self, layers: int | None) -> tuple[typing.Any, dict[str, torch.Tensor]]:
        try:
            loaded = self.source.load(layers, self.tokenized.pieces, self.recipe.max_length)
            return loaded  # type: ignore[no-any-return]
        except ValueError as error:
            raise table.DataError(str(error)) from error

    def settings(self) -> dict[str, typing.Any]:
        """What an interrupted training must have had to be taken up."""
        files = [*self.given.data, *(self.given.validation or ())]
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files))
        columns = vars(options.columns_of(self.given))
        return (
            {"data": digest.hexdigest(), "backbone": self.given.backbone, "precision": str(self.dtype)}
            | columns
            | vars(self.recipe)
        )

    def costs(self, body: typing.Any) -> dict[str, float]:
        """Of each stage, in steps of the dense CBM."""
        recipe, concepts = self.recipe, len(self.schema.concepts)
        pruning = concepts * recipe.fisher_batches * (recipe.prunings or 0)
        result: dict[str, float] = {}
        if recipe.plain_steps:
            result["plain classifier"] = recipe.plain_steps
        result["dense CBM"] = recipe.dense_steps or 1
        wholes = recipe.whole_heads or recipe.whole_neurons
        # Every head is tried, a pass without gradients each.
        tried = len(list(body.parts.heads())) / 3 if recipe.whole_heads else 0
        if wholes and recipe.whole_first:
            result[WHOLES] = (recipe.whole_batches or 1) * (tried + concepts)
        result["sparse CBM"] = concepts * (recipe.steps or 1) + pruning
        result["averaging"] = concepts * (recipe.average_steps or 0)
        if recipe.settle_steps:
            deeper = (recipe.teacher_layers or 1) / (recipe.layers or 1)
            for fold in range(recipe.teacher_folds):
                result[f"teacher {fold + 1}"] = deeper * (recipe.teacher_steps or 1)
            result["settling"] = concepts * recipe.settle_steps
        if wholes and not recipe.whole_first:
            result[WHOLES] = concepts * (recipe.whole_batches or 1) * (tried + 1)
            result["mending"] = concepts * (recipe.mend_steps or 0)
        # What reads texts without learning from them, in float32 mostly.
        fitting, calibration, validation = (len(self.tokens[name]) for name in ("fitting", "calibration", "validation"))
        read = concepts * (fitting + 2 * calibration + 2 * validation) + 2 * (fitting + calibration + 2 * validation)
        result["measuring"] = FORWARD * read / (recipe.batch or 1)
        return result

    def stage(self, name: str, number: int, work: typing.Callable[[], dict[str, typing.Any]]) -> dict[str, typing.Any]:
        """With a seed of its own, so that it gives the same whatever was before it in this run."""

        def seeded() -> dict[str, typing.Any]:
            self.run.say(name)
            self.random.manual_seed(1000 * number + self.recipe.seed)
            return work()

        return self.run.stage(name, seeded)

    def untrained(self) -> Model:
        body, weights = self.load(self.recipe.layers)
        random = torch.Generator().manual_seed(self.recipe.seed)
        heads = new_heads(self.classes, len(self.schema.labels), body.width, random)
        return Model(body, weights, heads).to(self.given.device)

    def loaded(self, result: dict[str, typing.Any]) -> Model:
        """The model that a stage left."""
        model = self.untrained()
        model.restore(result["model"])
        if result.get("masks"):
            model.masks = train.unpacked(result["masks"], model, self.dtype)
        return model

    @staticmethod
    def kept(model: Model) -> dict[str, typing.Any]:
        packed = model.masks and {name: masks.pack(mask.cpu(), 1) for name, mask in model.masks.items()}
        return {"model": model.state(), "masks": packed}

    def all(self) -> None:
        recipe, stages, fitting, calibration = (
            self.recipe,
            self.stages,
            self.tokens["fitting"],
            self.tokens["calibration"],
        )
        figures: dict[str, typing.Any] = {}
        if recipe.plain_steps:
            figures["plain_classifier"] = self.stage("plain classifier", 1, self.plain)
        dense = self.stage("dense CBM", 2, self.dense)
        figures["dense_baseline"] = dense["figures"]
        lessons = self.lessons(self.loaded(dense))
        wholes = bool(recipe.whole_heads or recipe.whole_neurons)

        def take_first() -> dict[str, typing.Any]:
            model = self.loaded(dense)
            train.take_wholes_first(model, fitting, stages)
            return self.kept(model)

        start = self.stage(WHOLES, 6, take_first) if wholes and recipe.whole_first else dense

        def sparse() -> dict[str, typing.Any]:
            model = self.loaded(start)
            train.fit_sparse(model, fitting, lessons, calibration, stages)
            return self.kept(model)

        result = self.stage("sparse CBM", 3, sparse)

        def average() -> dict[str, typing.Any]:
            model = self.loaded(result)
            train.fit_average(model, fitting, lessons, calibration, stages)
            return self.kept(model)

        averaged = self.stage("averaging", 4, average)
        model = self.loaded(self.settled(averaged, lessons.places, figures) if recipe.settle_steps else averaged)
        if wholes and not recipe.whole_first:
            model = self.without_wholes(model, lessons.places)
        self.write(model.to("cpu"), figures)

    def plain(self) -> dict[str, typing.Any]:
        return plain.fit(lambda: self.load(self.recipe.layers), self.tokens, self.stages, self.given.device)

    def dense(self) -> dict[str, typing.Any]:
        model = self.untrained()
        train.fit_dense(model, self.tokens["fitting"], self.tokens["calibration"], self.stages)
        result = self.kept(model)
        result["figures"] = self.dense_figures(model.to("cpu"))
        self.run.say(f"  validation: {output.told(result['figures'])}")
        return result

    def dense_figures(self, model: Model) -> dict[str, typing.Any]:
        """The baseline's, its label head fitted after training as the sparse model's is; and with the one of
        training."""
        validation = self.tokens["validation"]
        as_trained = metrics.accuracy(model.label_logits(train.predict(model, validation)), validation.labels)
        head = after.fit(model, self.tokens["calibration"], self.schema, self.recipe, silent)
        logits = train.predict(model, validation)
        label = head(logits)
        return {
            "concept_accuracy": metrics.accuracy(logits, validation.concepts),
            "concept_macro_f1": metrics.concept_macro_f1(logits, validation.concepts),
            "label_accuracy": metrics.accuracy(label, validation.labels),
            "label_macro_f1": metrics.macro_f1(label, validation.labels),
            "label_accuracy_as_trained": as_trained,
        }

    def lessons(self, dense: Model) -> train.Lessons:
        """What the sparse model learns: what people said, mixed with what the dense CBM says, and where they say that
        each concept stands."""
        fitting = self.tokens["fitting"]
        said = train.own_predictions(dense, fitting, self.dtype)
        targets = train.towards(said, dense, fitting, self.stages, self.recipe.distill)
        return train.Lessons(targets, Teacher(dense, self.dtype), self.places(dense) if self.recipe.evidence else None)

    def places(self, dense: Model) -> evidence.Places:
        """By human edits where there are any, else by what the dense CBM loses without a window of words."""
        fitting = self.tokens["fitting"]
        places = evidence.Places(fitting, self.schema).of_edits(fitting, self.tokenized.cut)
        if not places.shares.any():
            places.of_windows(fitting, dense, self.dtype, torch.Generator().manual_seed(self.recipe.seed))
        return places

    def settled(
        self, before: dict[str, typing.Any], places: evidence.Places | None, figures: dict[str, typing.Any]
    ) -> dict[str, typing.Any]:
        fitting, calibration = self.tokens["fitting"], self.tokens["calibration"]
        self.run.say("teachers")
        teachers = crossfit.predictions(
            lambda: self.load(self.recipe.teacher_layers), self.classes, self.tokenized.cut, self.found.parts.fitting,
            calibration, self.stages,
        )  # fmt: skip
        figures["teachers"] = teachers["figures"]

        def work() -> dict[str, typing.Any]:
            model = self.loaded(before)
            train.settle(model, fitting, calibration, (teachers["concepts"], teachers["labels"]), places, self.stages)
            return self.kept(model)

        return self.stage("settling", 5, work)

    def without_wholes(self, model: Model, places: evidence.Places | None) -> Model:
        fitting, calibration = self.tokens["fitting"], self.tokens["calibration"]
        said = train.own_predictions(model, fitting, self.dtype)

        def take() -> dict[str, typing.Any]:
            train.take_wholes(model, fitting, self.stages)
            return self.kept(model)

        taken = self.stage(WHOLES, 6, take)

        def mend() -> dict[str, typing.Any]:
            left = self.loaded(taken)
            train.mend(left, said, fitting, calibration, places, self.stages)
            return self.kept(left)

        return self.loaded(self.stage("mending", 7, mend))

    def write(self, model: Model, figures: dict[str, typing.Any]) -> None:
        """Fits the label, writes the checkpoint, and measures what was written."""
        given, out, fitting, validation = self.given, self.given.out, self.tokens["fitting"], self.tokens["validation"]
        self.run.say("writing and measuring")
        checkpoint.round_to_half(model)
        head = after.fit(model, self.tokens["calibration"], self.schema, self.recipe, silent)
        checkpoint.round_to_half(model)
        calibrated = checkpoint.calibration(train.predict(model, fitting, self.dtype), head.temperature, self.classes)
        training = {
            "recipe": "training",
            "seed": self.recipe.seed,
            "quality": given.quality,
            "backbone": given.backbone or "all-MiniLM-L6-v2",
            "options": vars(self.recipe),
            "rows": self.found.sizes,
            "seconds": round(self.run.seconds),
            "threads": torch.get_num_threads(),
            "precision": str(self.dtype).removeprefix("torch."),
            "answers": head.notes,
        } | figures
        if given.overwrite and not given.resume:
            remove_written(out)
        checkpoint.write(out, model, self.recipe.block, self.tokenized.cut, self.schema, calibrated, head, training)
        model, head = checkpoint.read(out, type(model.backbone))
        logits = train.predict(model, validation)
        measured = output.measure(model, head, logits, self.found.parts.validation, self.schema)
        measured["evidence"] = evidence.measured(model, validation, self.tokenized.cut, self.schema)
        if given.ablation:
            measured["accuracy_drops"] = ablation.drops(model, validation, self.dtype)
        checkpoint.add_training(out, measured)
        output.write_validation(out / "validation.jsonl", self.found.parts.validation, self.schema)
        exported = output.export(out, self.run.say)
        card.write(out, self.found, self.schema, training | measured)
        self.run.finish()
        for line in output.closing(out, training | measured, exported):
            print(line)


def remove_written(out: pathlib.Path) -> None:
    """What an earlier training wrote there, and nothing else."""
    for name in (*output.FILES, *checkpoint.FILES):
        (out / name).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
