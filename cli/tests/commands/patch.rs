use sparsecbm::edit::LayerPatch;
use sparsecbm::{LoadOptions, MaskPatch, Model};

use crate::support::{assert_fails, json, printed, run, tiny, write};

/// A patch of the concept `plot` that flips the first places of a matrix, whichever way they are.
fn patch() -> MaskPatch {
    let model = Model::load(tiny(), &LoadOptions::default()).expect("the model loads");
    let name = model.masks().layers[0].name.clone();
    let mut layer = LayerPatch { name, ..LayerPatch::default() };
    for place in (0..8).map(|column| [0, column]) {
        let alone = LayerPatch { pruned: vec![place], grown: vec![], ..layer.clone() };
        let prunes = model.with_patches(&[MaskPatch::new("plot", vec![alone])]).is_ok();
        if prunes { &mut layer.pruned } else { &mut layer.grown }.push(place);
    }
    MaskPatch::new("plot", vec![layer])
}

#[test]
fn predict_applies_patches() {
    let file = write("patch.json", patch().to_json());
    let before = json(run([&"predict", &tiny(), &"a film", &"--json"]));
    let after = json(run([&"predict", &tiny(), &"a film", &"--patch", &file, &"--json"]));
    for k in 0..3 {
        let same = before["concepts"][k]["logits"] == after["concepts"][k]["logits"];
        assert_eq!(same, k != 1, "concept {k}");
    }
    let reviews = write("patched.jsonl", "{\"review\": \"a film\"}");
    let rows = json(run([&"predict", &tiny(), &"--input", &reviews, &"--patch", &file, &"--json"]));
    assert_eq!(rows["concepts"], after["concepts"]);
}

#[test]
fn explain_tells_of_the_patched_model() {
    let file = write("patch-explained.json", patch().to_json());
    let pages = ["patch-before.html", "patch-after.html"].map(|name| write(name, ""));
    let before = run([&"explain", &tiny(), &"a film", &"--html", &pages[0], &"--json"]);
    let after =
        run([&"explain", &tiny(), &"a film", &"--html", &pages[1], &"--json", &"--patch", &file]);
    let predicted = json(run([&"predict", &tiny(), &"a film", &"--patch", &file, &"--json"]));
    let [before, after] = [before, after].map(|output| json(output)["contributions"].take());
    assert_eq!(after["label_logits"], predicted["label"]["logits"]);
    assert_ne!(after["label_logits"], before["label_logits"]);
    // The pictures of the subnetworks are the page's only ones.
    let pictures = |page| {
        let page = std::fs::read_to_string(page).expect("the page");
        page.split_once("<svg").expect("a picture").1.to_string()
    };
    let [before, after] = pages.map(pictures);
    assert_ne!(before, after);
}

#[test]
fn patches_that_do_not_fit_are_told() {
    let file = write("patch-twice.json", patch().to_json());
    let twice = run([&"predict", &tiny(), &"a film", &"--patch", &file, &"--patch", &file]);
    assert_fails(twice, &["patch 1", "a bit that is"]);
    let broken = write("patch-broken.json", "{}");
    assert_fails(
        run([&"predict", &tiny(), &"a film", &"--patch", &broken]),
        &["patch-broken.json"],
    );
    assert_fails(run([&"eval", &tiny(), &"none.jsonl", &"--patch", &broken]), &["patch-broken"]);
    printed(run([&"predict", &tiny(), &"a film"]));
}
