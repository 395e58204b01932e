"""Why, what to ask, which weights; edits of masks. What the command says of the same file is said here too."""

import json
import pathlib
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from conftest import REVIEW, Exported
from sparsecbm import MaskPatch, Model, SparseCbmError


def command(*arguments: object) -> Any:
    told = subprocess.run(
        [sys.executable, "-m", "sparsecbm", *map(str, arguments), "--json"], capture_output=True, check=True
    )
    return json.loads(told.stdout)


def test_contributions_and_evidence_are_exact(cebab: Model) -> None:
    prediction = cebab.predict(REVIEW)
    explanation = prediction.explain()
    contributions = explanation.contributions
    total = np.array(contributions["baseline"]) + np.array(contributions["rest"])
    total = total + sum(np.array(concept["label_logits"]) for concept in contributions["concepts"])
    np.testing.assert_allclose(total, prediction.label_logits, atol=1e-4)
    for k, concept in enumerate(explanation.evidence["concepts"]):
        logits = np.sum(concept["evidence"], axis=1) + concept["special"] + concept["bias"]
        np.testing.assert_allclose(logits, prediction.concept_logits[k], atol=1e-4)
    for word in explanation.evidence["words"]:
        assert REVIEW[word["start"] : word["end"]] == word["text"]
    assert explanation.integrated is None and explanation.faithfulness == []


def test_reasons_are_few_phrases_of_the_text(cebab: Model) -> None:
    text = "Très 🎉 wonderful pasta, but the music was so loud that we had to shout."
    prediction = cebab.predict(text)
    explanation = prediction.explain()
    noise = next(reason for reason in explanation.reasons if reason["concept"] == "noise")
    assert noise["class"] == "negative" and noise["question"] is None and "loud" in repr(explanation)
    phrase = noise["phrases"][0]
    assert "loud" in phrase["text"] and phrase["support"] > 0 and phrase["probability"] > 0
    assert phrase["start"] is not None and text[phrase["start"] : phrase["end"]] == phrase["text"]
    words = explanation.evidence["words"][slice(*phrase["words"])]
    assert (words[0]["start"], words[-1]["end"]) == (phrase["start"], phrase["end"])
    assert phrase["label"] is not None and phrase["label"]["expected_value"] is not None
    assert phrase["text"] in str(explanation) and phrase["text"] in prediction._repr_html_()
    supposed, corrected = (ask(noise="positive").explain() for ask in (prediction.suppose, prediction.correct))
    told = [next(r for r in each.reasons if r["concept"] == "noise") for each in (supposed, corrected)]
    assert told[0]["phrases"] == [] and told[0]["question"] == "suppose"
    assert told[1]["phrases"][0]["text"] == phrase["text"] and told[1]["phrases"][0]["label"] is None


def test_as_the_command_explains(exported: Exported) -> None:
    model = Model.load(exported("tiny"))
    text = "bad plot, unwatched acting!"
    explanation = model.predict(text).explain(occlusion=True, integrated=True, faithfulness=True)
    told = command("explain", exported("tiny"), text, "--integrated", "--faithfulness")
    found: dict[str, Any] = {**explanation.to_dict()}
    assert len(found["reasons"]) == len(told["reasons"])
    for mine, other in zip(found["reasons"], told["reasons"], strict=True):
        assert [phrase["text"] for phrase in mine["phrases"]] == [phrase["text"] for phrase in other["phrases"]]
    for name in ("contributions", "what_if", "counterfactual", "suggestions", "faithfulness"):
        assert near(found[name], told[name]), name
    for name in ("evidence", "occlusion", "integrated"):
        assert near(found[name]["concepts"], told[name]["concepts"]), name
    assert near(model.predict(text).suggest(), told["suggestions"])


def near(found: Any, told: Any) -> bool:
    if isinstance(told, dict):
        return bool(found.keys() == told.keys()) and all(near(found[key], told[key]) for key in told)
    if isinstance(told, list):
        return len(found) == len(told) and all(map(near, found, told))
    return found == pytest.approx(told, abs=1e-5) if isinstance(told, float) else bool(found == told)


def test_options(cebab: Model) -> None:
    prediction = cebab.predict(REVIEW)
    some = prediction.explain(occlusion=3).occlusion
    assert some is not None and len(some["words"]) == 3 and not some["complete"]
    assert prediction.explain(occlusion=0).occlusion is None and prediction.explain(occlusion=False).occlusion is None
    assert prediction.explain().occlusion is not None
    suggestions = prediction.suggest(policy="uncertainty", costs={"noise": 1000})
    assert suggestions[-1]["concept"] == "noise" and suggestions[-1]["cost"] == 1000
    assert [s["concept"] for s in prediction.correct(noise="negative").suggest()].count("noise") == 0


class Balanced(HTMLParser):
    """Fails where an element is closed that was not opened last."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "br", "polyline", "path", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and tag == self.open[-1]:
            self.open.pop()


def test_pictures(cebab: Model, tmp_path: pathlib.Path) -> None:
    prediction = cebab.predict("So <loud> & bad, but the food was good")
    for html in (prediction._repr_html_(), prediction.explain(occlusion=True)._repr_html_()):
        seen = Balanced(html).seen
        assert html.startswith('<div class="sparsecbm">') and "<html" not in html and "&lt;" in html
        assert {"style", "table", "main"} <= seen and "body" not in seen
    page = prediction.explain().to_html(tmp_path / "page.html", subnetworks=True)
    assert page == (tmp_path / "page.html").read_text(encoding="utf-8") and page.startswith("<!DOCTYPE html>")
    assert "The subnetworks" in page and "The subnetworks" in cebab.subnetworks()._repr_html_()
    assert "concept" in str(prediction.explain()) and "\x1b" not in str(prediction.explain())


def test_subnetworks(cebab: Model) -> None:
    subnetworks = cebab.subnetworks()
    report = subnetworks.report()
    assert report["concepts"] == [concept.name for concept in cebab.concepts]
    assert report["density"] == pytest.approx(cebab.masks["density"])
    layer = report["layers"][0]
    heatmap = subnetworks.heatmap("noise", layer["name"], rows=10, columns=12)
    assert heatmap.shape == (10, 12) and 0 <= heatmap.min() <= heatmap.max() <= 1
    whole = subnetworks.heatmap("noise", layer["name"], rows=layer["rows"], columns=layer["columns"])
    assert whole.mean() == pytest.approx(layer["density"][report["concepts"].index("noise")], abs=1e-6)
    with pytest.raises(SparseCbmError):
        subnetworks.heatmap("noise", "no.layer")


def test_edits(exported: Exported, tmp_path: pathlib.Path) -> None:
    model, text = Model.load(exported("tiny")), "bad plot, unwatched acting!"
    own = model.predict(text)["plot"].class_name
    wanted = next(each for each in model.concepts[1].classes if each != own)
    edit = model.edit(text, "plot", wanted, keep=["The movie was very good"], max_share=0.2)
    assert edit.outcome == "turned" and edit.flips > 0 and edit.concept == "plot"
    assert edit.to_dict()["examples"][0]["class_after"] == wanted
    changed = edit.model()
    assert changed.predict(text)["plot"].class_name == wanted
    assert [patch.flips for patch in changed.patches] == [edit.flips]
    edit.patch.save(tmp_path / "patch.json")
    patch = MaskPatch.load(tmp_path / "patch.json")
    for again in (model.with_patches([patch]), Model.load(exported("tiny"), patches=[patch])):
        np.testing.assert_array_equal(again.predict(text).concept_logits, changed.predict(text).concept_logits)
    back = changed.with_patches([]).predict(text)
    np.testing.assert_array_equal(back.concept_logits, model.predict(text).concept_logits)
    with pytest.raises(SparseCbmError, match="gradients"):
        Model.from_bytes(exported("tiny").read_bytes()).edit(text, "plot", wanted)
