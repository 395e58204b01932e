"""The one command: trains the dense CBM, prunes it to a SparseCBM, fits the answers, writes a checkpoint."""

import argparse
import json
import pathlib
import re

import torch
import torch.nn.functional as F

from . import (
    ablation, answers, backbone, batches, checkpoint, crossfit, data, label_head, masks, metrics, saliency, train,
    vocabulary,
)  # fmt: skip
from .model import Model, new_heads

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(prog="training/train", description=__doc__)
    add = parser.add_argument
    add("--out", type=pathlib.Path, required=True, help="folder to write the checkpoint to")
    add(
        "--data",
        nargs="+",
        default=[str(REPOSITORY / "examples/data/cebab")],
        help="a folder with train_inclusive.jsonl and validation.jsonl, or those two files",
    )
    add(
        "--backbone",
        help="a Hugging Face name (bert-base-uncased, roberta-base, facebook/opt-350m, gpt2, "
        "answerdotai/ModernBERT-base, …) or folder, or bilstm (default: all-MiniLM-L6-v2)",
    )
    add("--seed", type=int, default=0)
    add("--layers", type=int, help="how many of its layers to use (default: 3 of all-MiniLM-L6-v2, all of others)")
    add("--sparsity", type=float, default=0.9, help="share of each matrix that each mask takes away")
    add("--block", type=int, choices=(1, 4), default=4, help="1: single weights; 4: blocks of 4 outputs x 1 input")
    add("--dense-epochs", type=int, default=6, help="epochs of the dense CBM that pruning starts from")
    add("--dense-rate", type=float, default=3e-4, help="its highest learning rate; the heads' is ten times it")
    add("--dense-dropout", type=float, default=0.1)
    add("--epochs", type=int, default=16, help="epochs of pruning and tuning")
    add("--rate", type=float, default=6e-4, help="the highest learning rate of these")
    add("--dropout", type=float, default=0.05)
    add("--distill", type=float, default=0.5, help="share of the dense CBM's predictions in what the sparse one learns")
    add("--average-epochs", type=int, default=3, help="epochs at a constant rate whose weights are averaged")
    add("--average-rate", type=float, default=2e-4, help="that rate")
    add("--teacher-layers", type=int, help="layers of the cross-fitted teachers (default: all)")
    add("--teacher-folds", type=int, default=5, help="how many of them, each predicting what it did not see")
    add("--teacher-epochs", type=int, default=4)
    add("--teacher-rate", type=float, default=2e-4)
    add("--settle-epochs", type=int, default=5, help="last epochs, towards the teachers and with corrections; 0: no such")
    add("--settle-rate", type=float, default=2e-4)
    add("--settle-distill", type=float, default=0.6, help="share of the teachers' predictions in what is learned there")
    add("--settle-keep", type=float, default=0.5, help="share of the weights before it in what it leaves")
    add("--corrected-weight", type=float, default=2.0, help="weight there of the label loss after corrections")
    add("--whole-heads", type=float, default=0.5, help="share of a concept's heads that lose query and key; 0: none")
    add("--whole-neurons", type=float, default=0.5, help="share of its groups of neurons that go as a whole; 0: none")
    add("--whole-batches", type=int, default=16, help="minibatches that tell which matter least")
    add("--mend-epochs", type=int, default=2, help="epochs after that, towards the answers before it")
    add("--mend-rate", type=float, default=1e-4)
    add("--start", type=pathlib.Path, help="a checkpoint of this recipe to start from, instead of training one, after settling")
    add("--batch", type=int, default=32)
    add("--weight-decay", type=float, default=0.01)
    add("--concept-weight", type=float, default=5.0, help="lambda of the joint loss")
    add("--max-length", type=int, default=128, help="tokens of a review, special tokens included")
    add("--calibration-share", type=float, default=0.15, help="share of the training originals kept out of training")
    add("--calibration-part", type=int, default=0, help="which share that is: 0, 1, … for the first, the second, …")
    add("--prunings", type=int, default=6, help="how many times masks are pruned")
    add("--prune-share", type=float, default=0.25, help="share of the sparse epochs during which they are")
    add("--fisher-batches", type=int, default=16, help="minibatch gradients in each Fisher matrix")
    add("--damping", type=float, default=1e-10, help="damping of the Fisher matrix")
    add("--distinct", type=float, default=0.3, help="how strongly concepts avoid each other's weights, 0: not at all")
    add("--label-ridge", type=float, default=1.0, help="ridge that keeps the label head near what training found")
    add("--logits", type=pathlib.Path, help="file for all concept logits and heads as they are before the answers' fit")
    add("--threads", type=int, default=1)
    add("--device", type=device, default="cpu", help="what to train on: cpu, cuda or cuda:N")
    add("--float32", dest="bf16", action="store_false", help="train in float32 (slower where bfloat16 is fast)")
    return parser.parse_args()


def device(name):
    """The device of that name, which must be here."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise argparse.ArgumentTypeError(f"{name!r} is none of cpu, cuda and cuda:N")
    chosen = torch.device(name)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise argparse.ArgumentTypeError(f"{name}: PyTorch finds {torch.cuda.device_count()} CUDA devices here")
    return chosen


def say(text):
    print(text, flush=True)


def prepare(source, options):
    """Reviews, tokenizers and tokens."""
    schema, train_reviews, validation = data.read(*data.paths(options.data))
    usable = data.without_texts(train_reviews, validation)
    fitting, calibration = data.split(usable, options.calibration_share, options.calibration_part)
    whole = vocabulary.prepare(source.tokenizer(), options.max_length)
    tokenizer, pieces = vocabulary.cut(whole, [review.text for review in usable])
    for each in (whole, tokenizer):
        each.enable_truncation(options.max_length)
    reviews = {"fitting": fitting, "calibration": calibration, "validation": validation}
    sizes = {name: len(part) for name, part in reviews.items()}
    sizes["dropped_because_in_validation"] = len(train_reviews) - len(usable)
    tokens = {name: batches.Tokens(tokenizer, part, options.device) for name, part in reviews.items()}
    say(f"reviews: {sizes}; vocabulary: {tokenizer.get_vocab_size()} of {whole.get_vocab_size()} pieces")
    return schema, reviews, sizes, tokens, whole, tokenizer, pieces


def vocabulary_cost(source, model, head, whole, pieces, reviews, options, cut_figures):
    """What the cut vocabulary costs on some reviews: figures with the whole one, and how much changes."""
    table = model.backbone.word_table
    _, weights = source.load(options.layers, list(range(whole.get_vocab_size())), options.max_length)
    full = Model(model.backbone, model.weights | {table: weights[table]}, model.heads, model.masks)
    full_tokens = batches.Tokens(whole, reviews, options.device)
    logits = train.predict(full, full_tokens)
    kept = set(pieces)
    flat = [i for ids in full_tokens.ids for i in ids]
    return {
        "pieces_before": whole.get_vocab_size(),
        "pieces": len(pieces),
        "share_of_tokens_split_further": sum(i not in kept for i in flat) / len(flat),
        "share_of_reviews_changed": sum(any(i not in kept for i in ids) for ids in full_tokens.ids) / len(reviews),
        "whole_vocabulary": {
            "concept_accuracy": metrics.accuracy(logits, full_tokens.concepts),
            "label_accuracy": metrics.accuracy(head(logits), full_tokens.labels),
        },
        "cut_vocabulary": {key: cut_figures[key] for key in ("concept_accuracy", "label_accuracy")},
    }


def fit_head(model, tokens, reviews, schema, options):
    """The label function (see answers.py), fitted on the calibration part; the model's heads change with it."""
    calibration = tokens["calibration"]
    part = reviews["calibration"]
    gold, known = metrics.classes_of(tokens["calibration"].concepts, len(schema.classes))
    examples = answers.Examples(
        logits=train.predict(model, tokens["calibration"]),
        concepts=gold,
        known=known,
        labels=F.one_hot(tokens["calibration"].labels, len(schema.labels)).float(),
        weights=torch.ones(len(part)),
        pairs=data.fitting_pairs(part),
        groups=torch.tensor([label_head.part(review, 60, 2) for review in part]),
    )
    classes = [len(schema.classes)] * len(schema.concepts)
    random = torch.Generator().manual_seed(options.seed)
    return answers.fit(model.heads, examples, classes, schema.stars, options, random, say)


def dense_figures(model, tokens, reviews, schema, options):
    """The baseline's, its label head fitted after training as the sparse model's is; and with the one of training."""
    model = model.to("cpu")
    validation = tokens["validation"]
    as_trained = metrics.accuracy(model.label_logits(train.predict(model, validation)), validation.labels)
    head = fit_head(model, tokens, reviews, schema, options)
    logits = train.predict(model, validation)
    label = head(logits)
    return {
        "concept_accuracy": metrics.accuracy(logits, validation.concepts),
        "concept_macro_f1": metrics.concept_macro_f1(logits, validation.concepts),
        "label_accuracy": metrics.accuracy(label, validation.labels),
        "label_macro_f1": metrics.macro_f1(label, validation.labels),
        "label_accuracy_as_trained": as_trained,
    }


def train_from_dense(source, schema, reviews, tokens, tokenizer, pieces, options):
    """A SparseCBM up to settling, and where it comes from: figures of the dense CBM and of the teachers."""
    body, weights = source.load(options.layers, pieces, options.max_length)
    shape = len(schema.concepts), len(schema.classes), len(schema.labels), body.width
    say("dense CBM")
    random = torch.Generator().manual_seed(options.seed)
    model = Model(body, weights, new_heads(*shape, random)).to(options.device)
    saliency.expect_whole_blocks(model)
    train.fit_dense(model, tokens["fitting"], tokens["calibration"], options, random, say)
    dense = dense_figures(model, tokens, reviews, schema, options)
    say(f"  validation: {dense}")

    say("SparseCBM")
    random.manual_seed(options.seed)
    train.fit_sparse(model, tokens["fitting"], tokens["calibration"], options, random, say)

    teacher_figures = None
    if options.settle_epochs:
        say("teachers")
        random.manual_seed(options.seed)
        *teacher, teacher_figures = crossfit.predictions(
            source, shape, pieces, tokenizer, reviews["fitting"], tokens["calibration"], options, random, say
        )
        say("settling")
        train.settle(model, tokens["fitting"], tokens["calibration"], teacher, options, random, say)
    return model, {"dense_baseline": dense, "teachers": teacher_figures}


def start_from(folder, source, tokenizer, pieces, options):
    """The model of a checkpoint that this recipe wrote, and where that comes from."""
    body, _ = source.load(options.layers, pieces, options.max_length)
    model, _ = checkpoint.read(folder, type(body))
    if model.backbone.config != body.config:
        raise ValueError(f"{folder / 'config.json'}: {model.backbone.config}, where the options ask for {body.config}")
    if json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")) != json.loads(tokenizer.to_str()):
        raise ValueError(f"{folder / 'tokenizer.json'} is not the one that these reviews give: it comes from others")
    training = json.loads((folder / "sparsecbm.json").read_text(encoding="utf-8"))["training"]
    model.masks = {name: mask.to(train.fast(options)) for name, mask in model.masks.items()}
    origin = {key: training[key] for key in ("dense_baseline", "teachers")}
    return model.to(options.device), origin | {"started_from": training["options"]}


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    source = backbone.source(options.backbone)
    if options.layers is None:
        options.layers = source.layers
    if options.teacher_layers is None:
        options.teacher_layers = source.teacher_layers
    schema, reviews, sizes, tokens, whole, tokenizer, pieces = prepare(source, options)

    if options.start:
        model, origin = start_from(options.start, source, tokenizer, pieces, options)
    else:
        model, origin = train_from_dense(source, schema, reviews, tokens, tokenizer, pieces, options)

    wholes = options.whole_heads or options.whole_neurons
    if wholes and model.backbone.parts is None:
        say("whole heads and neurons: none are taken, for it is not known where this backbone has them")
        options.whole_heads = options.whole_neurons = 0.0
    elif wholes:
        say("whole heads and neurons")
        random = torch.Generator().manual_seed(options.seed)
        train.take_wholes(model, tokens["fitting"], tokens["calibration"], options, random, say)

    say("answers")
    model = model.to("cpu")
    checkpoint.round_to_half(model)
    if options.logits:
        checkpoint.write_logits(options.logits, model, {name: train.predict(model, part) for name, part in tokens.items()})
    head = fit_head(model, tokens, reviews, schema, options)
    checkpoint.round_to_half(model)
    fitting = tokens["fitting"]
    classes = [len(schema.classes)] * len(schema.concepts)
    calibrated = checkpoint.calibration(
        train.predict(model, fitting, train.fast(options)), head.temperature, classes
    )
    left_out = ("out", "data", "start", "logits", "threads", "device")
    recipe = {key: value for key, value in vars(options).items() if key not in left_out and value is not None}
    training = {
        "recipe": "training",
        "seed": options.seed,
        "options": recipe,
        "reviews": sizes,
    } | origin
    checkpoint.write(options.out, model, options.block, tokenizer, schema, calibrated, head, training)

    say("measuring what was written, on validation")
    model, head = checkpoint.read(options.out, type(model.backbone))
    validation = tokens["validation"]
    validation_logits = train.predict(model, validation)
    overlap = masks.overlap(model.masks)
    figures = metrics.evaluate(
        head,
        validation_logits,
        validation.concepts,
        validation.labels,
        data.human_edits(reviews["validation"]),
        schema,
    )
    parts = torch.tensor([label_head.part(review, 5, 1) for review in reviews["validation"]])
    figures |= {
        "cross_fitted_label_accuracy": label_head.what_gold_adds(
            validation_logits, validation.concepts, validation.labels, parts, len(schema.labels)
        ),
        "mask_overlap": overlap.tolist(),
        "mean_mask_overlap": masks.mean_overlap(overlap),
        "accuracy_drops": ablation.drops(model, validation, train.fast(options)),
    }
    if pieces is not None:
        cost = vocabulary_cost(source, model, head, whole, pieces, reviews["validation"], options, figures)
        figures["vocabulary"] = cost
    checkpoint.add_training(options.out, figures)
    for key in ("concept_accuracy", "label_accuracy", "suppose", "correct", "calibration", "mean_mask_overlap"):
        say(f"  {key}: {figures.get(key)}")


if __name__ == "__main__":
    main()
