use serde_json::{Value, json as object};
use sparsecbm::{LoadOptions, Model};
use sparsecbm_bench::eval::{evaluate, read_reviews};

use crate::support::{
    assert_fails, exported, json, printed, repository, run, run_with, tiny, tiny_executed, write,
};

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Two reviews, each with an edit of it; the first edit raises the label, the other leaves it alone.
fn edits() -> Vec<Value> {
    vec![
        object!({"text": "gut", "essen": "gut", "laerm": "gut", "note": -1, "geaendert": null, "urtext": "a"}),
        object!({"text": "so laut", "essen": "gut", "laerm": "schlecht",
                 "note": "2.5", "geaendert": "Lärm", "urtext": "a"}),
        object!({"text": "nichts", "essen": "unbekannt", "laerm": "unbekannt",
                 "note": 0.0, "geaendert": null, "urtext": 7}),
        object!({"text": "fein", "essen": "gut", "laerm": "unbekannt", "note": 0, "geaendert": "Essen", "urtext": 7}),
    ]
}

#[test]
fn figures_agree_with_predictions_made_one_by_one() {
    let data = write("edits.jsonl", lines(&edits()));
    let report = json(run([&"eval", &tiny_executed(), &data, &"--json"]));
    let model = Model::load(tiny_executed(), &LoadOptions::default()).unwrap();
    let classes = ["schlecht", "gut", "unbekannt"];
    let (mut right, mut curve) = ([0.0; 2], [0.0; 3]);
    for row in edits() {
        let note = ["-1", "0", "2.5"];
        let value = row["note"].as_f64().or(row["note"].as_str().map(|n| n.parse().unwrap()));
        let gold = note.iter().position(|n| n.parse::<f64>().ok() == value).unwrap();
        let prediction = model.predict(row["text"].as_str().unwrap()).unwrap();
        let mut corrected = prediction.clone();
        let mut step = 0;
        curve[0] += f64::from(prediction.label().class_index == gold);
        for (k, (name, field)) in [("Essen", "essen"), ("Lärm", "laerm")].iter().enumerate() {
            let truth = row[field].as_str().unwrap();
            assert!(classes.contains(&truth));
            if prediction.concept(name).unwrap().class == truth {
                right[k] += 1.0;
            } else {
                corrected = corrected.intervene([(name, truth)]).unwrap();
                step += 1;
                curve[step] += f64::from(corrected.label().class_index == gold);
            }
        }
        for later in &mut curve[step + 1..] {
            *later += f64::from(corrected.label().class_index == gold);
        }
    }
    assert_eq!(report["reviews"], 4);
    assert_eq!(report["concepts"]["Essen"]["accuracy"], right[0] / 4.0);
    assert_eq!(report["concepts"]["Lärm"]["accuracy"], right[1] / 4.0);
    assert_eq!(report["concept_accuracy"], (right[0] + right[1]) / 8.0);
    assert_eq!(report["label_accuracy"], curve[0] / 4.0);
    assert_eq!(report["correct"]["curve"], object!(curve.map(|count| count / 4.0)));

    let change = |text: &str, concept: &str, class: &str| {
        let before = model.predict(text).unwrap();
        let after = before.intervene([(concept, class)]).unwrap();
        after.label().expected_value.unwrap() - before.label().expected_value.unwrap()
    };
    let raised = change("gut", "Lärm", "schlecht");
    let kept = change("nichts", "Essen", "gut");
    let effect = &report["suppose"];
    assert_eq!(effect["pairs"], 2);
    assert_eq!(effect["no_change"]["size"], 0.0);
    assert_eq!(effect["no_change"]["label_moved"], 0.0);
    assert!(effect["reread"]["mean_error"].is_number());
    assert_eq!(effect["sign_accuracy"], f64::from(raised > 0.0));
    // Of two points the correlation is the sign of the slope.
    let correlation = effect["pearson"].as_f64().unwrap();
    assert!((correlation - f64::from((raised - kept).signum())).abs() < 1e-9, "{effect}");
}

#[test]
fn json_has_its_keys_at_the_top_level() {
    let data = write("keys.jsonl", lines(&edits()));
    let report = json(run([&"eval", &tiny_executed(), &data, &"--json"]));
    let shares = [
        "concept_accuracy",
        "concept_macro_f1",
        "concept_macro_f1_paper",
        "label_accuracy",
        "label_macro_f1",
        "label_macro_f1_paper",
    ];
    let share = |value: &Value| (0.0..=1.0).contains(&value.as_f64().expect("a number"));
    for key in shares {
        assert!(share(&report[key]), "{key}: {report}");
    }
    for key in ["accuracy", "macro_f1", "macro_f1_paper"] {
        assert!(share(&report["concepts"]["Lärm"][key]), "{key}: {report}");
    }
    assert_eq!(report["correct"]["curve"].as_array().unwrap().len(), 3);
    let policies = report["correct"]["policies"].as_array().unwrap();
    let names: Vec<&Value> = policies.iter().map(|curve| &curve["policy"]).collect();
    assert_eq!(names, ["uncertainty", "contribution", "expected-change", "combined", "random"]);
    for curve in policies {
        let accuracy = curve["label_accuracy"].as_array().unwrap();
        assert_eq!(accuracy.len(), 3);
        assert_eq!(accuracy[0], report["label_accuracy"], "nothing asked yet");
        assert_eq!(accuracy[2], policies[0]["label_accuracy"][2], "all asked, in whatever order");
    }
    assert!(report.get("notes").is_none());
    let table = printed(run([&"eval", &tiny_executed(), &data]));
    for part in [
        "4 reviews",
        "Essen",
        "macro-F1 (paper's)",
        "up to 2",
        "by policy",
        "2 human edits",
        "calibration",
    ] {
        assert!(table.contains(part), "no '{part}' in:\n{table}");
    }
}

#[test]
fn without_edits_there_is_nothing_to_suppose() {
    let row = object!({"review": "a film", "has_acting": "present", "has_plot": "absent",
        "has_effects": "absent", "verdict": "fine"});
    let report = run_with([&"eval", &tiny(), &"-", &"--json"], lines(&[row]).as_bytes());
    assert!(json(report).get("suppose").is_none());
}

#[test]
fn concepts_that_nobody_labelled_count_for_nothing() {
    let mut rows = edits();
    rows[1]["laerm"] = Value::Null;
    rows[2]["laerm"] = object!("");
    rows[3].as_object_mut().unwrap().remove("laerm");
    let data = write("unlabelled.jsonl", lines(&rows));
    let report = json(run([&"eval", &tiny_executed(), &data, &"--json"]));
    assert_eq!(report["concepts"]["Lärm"]["labelled"], 1);
    assert_eq!(report["concepts"]["Essen"]["labelled"], 4);
    let first =
        json(run([&"eval", &tiny_executed(), &write("one.jsonl", lines(&rows[..1])), &"--json"]));
    assert_eq!(report["concepts"]["Lärm"]["accuracy"], first["concepts"]["Lärm"]["accuracy"]);
    rows[0]["laerm"] = Value::Null;
    let nothing = run([&"eval", &tiny_executed(), &write("nothing.jsonl", lines(&rows))]);
    assert_fails(nothing, &["nothing.jsonl: field 'laerm'", "no class in any line"]);
}

#[test]
fn a_page_shows_how_far_probabilities_can_be_believed() {
    let data = write("reliability.jsonl", lines(&edits()));
    let page = data.with_extension("html");
    printed(run([&"eval", &tiny_executed(), &data, &"--html", &page]));
    let page = std::fs::read_to_string(page).unwrap();
    for part in ["<svg", "Essen", "Lärm", "Note", "expected calibration error"] {
        assert!(page.contains(part), "no '{part}' in the page");
    }
}

#[test]
fn bad_data_names_file_line_and_field() {
    let eval = |change: &dyn Fn(&mut Value)| {
        let mut rows = edits();
        change(&mut rows[1]);
        let data = write("bad.jsonl", lines(&rows));
        run([&"eval", &tiny_executed(), &data, &"--json"])
    };
    let class = eval(&|row| row["essen"] = object!("lecker"));
    let classes = "'schlecht', 'gut', 'unbekannt'";
    assert_fails(class, &["bad.jsonl: line 2: field 'essen'", "\"lecker\"", "'Essen'", classes]);
    let label = eval(&|row| row["note"] = object!(3));
    assert_fails(label, &["line 2: field 'note'", "found 3", "'-1', '0', '2.5'"]);
    let edited = eval(&|row| row["geaendert"] = object!("Preis"));
    assert_fails(edited, &["line 2: field 'geaendert'", "'Preis'", "'Essen', 'Lärm'"]);
    let text = eval(&|row| drop(row.as_object_mut().unwrap().remove("text")));
    assert_fails(text, &["line 2: field 'text'", "no such field", "a string"]);
    let list = eval(&|row| *row = object!([1, 2]));
    assert_fails(list, &["line 2", "a JSON object"]);
    let empty = write("empty.jsonl", "");
    assert_fails(run([&"eval", &tiny(), &empty]), &["empty.jsonl", "no reviews"]);
    assert_fails(run([&"eval", &tiny(), &"no/such.jsonl"]), &["no/such.jsonl", "readable"]);
    let data = write("good.jsonl", lines(&edits()));
    let not_onnx = write("not-a-model.onnx", "text");
    assert_fails(run([&"eval", &not_onnx, &data]), &["not-a-model.onnx", "ONNX"]);
}

/// The recipe measured the checkpoint that it wrote, in PyTorch; `eval` measures the exported file.
#[test]
fn validation_reproduces_the_recipes_figures() {
    let model = Model::load(exported("examples/models/cebab"), &LoadOptions::default()).unwrap();
    let path = repository().join("examples/data/cebab/validation.jsonl");
    let file = std::fs::File::open(&path).unwrap();
    let reviews = read_reviews(file, "validation.jsonl", model.schema()).unwrap();
    let report = serde_json::to_value(evaluate(&model, &reviews, |_| ()).unwrap()).unwrap();
    let recipe = model.schema().training.as_ref().expect("the recipe's figures");
    let agree = |pointer: &str| {
        let [found, expected] = [&report, recipe].map(|figures| {
            figures.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}"))
        });
        assert!((found - expected).abs() <= 0.001, "{pointer}: {found}, recipe {expected}");
    };
    for pointer in ["/concept_accuracy", "/label_accuracy", "/concept_macro_f1", "/label_macro_f1"]
    {
        agree(pointer);
    }
    for concept in &model.schema().concepts {
        agree(&format!("/concepts/{}/accuracy", concept.name));
        agree(&format!("/concepts/{}/macro_f1", concept.name));
    }
    for n in 0..=model.schema().concept_count() {
        agree(&format!("/correct/curve/{n}"));
    }
    agree("/suppose/pearson");
    agree("/suppose/sign_accuracy");
}
