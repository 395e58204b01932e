use std::path::PathBuf;

use sparsecbm_exporter::{Checkpoint, ExportOptions, export_gradients};

use crate::support::{FOLDER, assert_fails, json, printed, repository, run, tiny, write};

const TEXT: &str = "bad plot, unwatched acting!";

/// The gradients of `tiny`, beside it.
fn gradients() -> PathBuf {
    let path = tiny().with_extension("gradients.onnx");
    if !path.exists() {
        let checkpoint = Checkpoint::open(repository().join("tests/models/tiny"));
        let checkpoint = checkpoint.expect("it opens");
        let options = ExportOptions { check: false, ..ExportOptions::default() };
        let exported = export_gradients(&checkpoint, &options);
        exported.and_then(|gradients| gradients.write_beside(tiny())).expect("written");
    }
    path
}

/// `plot=CLASS` with the class that the model does not read.
fn other_class() -> (String, String) {
    let answer = json(run([&"predict", &tiny(), &TEXT, &"--json"]));
    let class = match answer["concepts"][1]["class"].as_str() {
        Some("present") => "absent",
        _ => "present",
    };
    (class.into(), format!("plot={class}"))
}

#[test]
fn an_edit_is_saved_and_applied() {
    gradients();
    let (class, set) = other_class();
    let saved = FOLDER.path().join("edit.json");
    let found =
        json(run([&"edit", &tiny(), &TEXT, &"--set", &&*set, &"--save", &saved, &"--json"]));
    assert_eq!(found["outcome"], "turned");
    assert_eq!(found["examples"][0]["class_after"], class);
    assert!(found["flips"].as_u64() >= Some(2) && found["seconds"].as_f64() > Some(0.0));
    let after = json(run([&"predict", &tiny(), &TEXT, &"--patch", &saved, &"--json"]));
    assert_eq!(after["concepts"][1]["class"], class);
    let file = std::fs::read_to_string(&saved).expect("the patch");
    assert!(file.contains(&format!("{set} for {TEXT}")), "{file}");

    // On top of the first edit, back again.
    let back = run([&"edit", &tiny(), &TEXT, &"--set", &&*set, &"--patch", &saved, &"--json"]);
    assert_eq!(json(back)["flips"], 0);
}

#[test]
fn what_is_found_is_told_with_guards_and_in_time() {
    let gradients = gradients();
    let (class, set) = other_class();
    let guards = write("guards.txt", "The movie was very good\nbad acting\n");
    let told = printed(run([
        &"edit",
        &tiny(),
        &TEXT,
        &"--set",
        &&*set,
        &"--guard",
        &guards,
        &"--gradients",
        &gradients,
        &"--time-limit",
        &"60",
        &"--max-share",
        &"0.2",
    ]));
    for part in ["Edit of plot", &class, "of 2 guards", "pruned"] {
        assert!(told.contains(part), "no '{part}' in:\n{told}");
    }
    let stopped =
        run([&"edit", &tiny(), &TEXT, &"--set", &&*set, &"--time-limit", &"0", &"--json"]);
    assert_eq!(json(stopped)["outcome"], "stopped");
}

#[test]
fn edits_that_cannot_be_are_told() {
    gradients();
    let edit = |set: &str| run([&"edit", &tiny(), &TEXT, &"--set", &set]);
    assert_fails(edit("taste=good"), &["--set", "taste"]);
    assert_fails(edit("plot=good"), &["--set", "good"]);
    assert_fails(edit("plot"), &["CONCEPT=CLASS"]);
    let two = run([&"edit", &tiny(), &TEXT, &"--set", &"plot=present", &"--set", &"acting=absent"]);
    assert_fails(two, &["found plot=present and acting=absent", "one concept", "--patch"]);
    let nowhere = &"no/such/file.onnx";
    let missing =
        run([&"edit", &tiny(), &TEXT, &"--set", &"plot=present", &"--gradients", nowhere]);
    assert_fails(missing, &["no/such/file.onnx"]);
    let endless = run([&"edit", &tiny(), &TEXT, &"--set", &"plot=present", &"--time-limit=-1"]);
    assert_fails(endless, &["--time-limit"]);
}

#[test]
fn explanations_integrate_gradients_where_asked() {
    gradients();
    let found = json(run([
        &"explain",
        &tiny(),
        &TEXT,
        &"--integrated",
        &"--steps",
        &"8",
        &"--faithfulness",
        &"--json",
    ]));
    assert_eq!(found["integrated"]["steps"], 8);
    assert_eq!(found["integrated"]["concepts"].as_array().unwrap().len(), 3);
    assert_eq!(found["faithfulness"].as_array().unwrap().len(), 9);
    let page = FOLDER.path().join("integrated.html");
    let told = printed(run([&"explain", &tiny(), &TEXT, &"--integrated", &"--html", &page]));
    assert!(told.contains("By integrated gradients in 50 steps from «"), "{told}");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("(integrated gradients)"), "no integrated gradients on the page");
}

#[test]
fn the_study_of_edits_counts_every_wrong_concept() {
    gradients();
    let words = ["bad", "plot", "good", "acting", "movie", "very", "the", "was", "effects", "!"];
    let class = |yes: bool| if yes { "present" } else { "absent" };
    let row = |n: usize| {
        format!(
            concat!(
                r#"{{"review": "the {} {}", "has_acting": "{}", "has_plot": "{}", "#,
                r#""has_effects": "{}", "verdict": "fine"}}"#
            ),
            words[n % 10],
            words[n * 7 % 10],
            class(n.is_multiple_of(2)),
            class(n.is_multiple_of(3)),
            class(n % 5 < 2),
        )
    };
    let data = write("edits.jsonl", (0..20).map(row).collect::<Vec<_>>().join("\n"));
    let study = json(run([
        &"study",
        &"edits",
        &tiny(),
        &data,
        &"--sample",
        &"10",
        &"--others",
        &"10",
        &"--draws",
        &"1",
        &"--recipe",
        &"1,0",
        &"--recipe",
        &"2,2",
        &"--json",
    ]));
    let wrong = study["wrong"].as_u64().unwrap();
    assert!(wrong > 0 && wrong < 30, "{wrong}");
    let rules = study["rules"].as_array().unwrap();
    let names: Vec<&str> = rules.iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["signed", "unsigned, 0.5 %", "unsigned, 10 %", "unsigned, 30 %", "override instead"]
    );
    assert!(rules.iter().all(|rule| rule["cases"] == wrong));
    assert!(rules[0]["recovered"].as_f64() >= rules[1]["recovered"].as_f64());
    assert_eq!(rules[4]["recovered"], 1.0);
    assert_eq!(study["others"], 10);
    let carried = study["carry_over"].as_array().unwrap();
    assert_eq!((&carried[0]["examples"], &carried[1]["guards"]), (&1.into(), &2.into()));
    for recipe in carried {
        let share = |field: &str| recipe[field].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share("repaired")) && (0.0..=1.0).contains(&share("broken")));
        assert!(share("turned") > 0.0 && share("flips") > 0.0, "{recipe}");
    }
    let told = printed(run([
        &"study",
        &"edits",
        &tiny(),
        &data,
        &"--sample",
        &"4",
        &"--others",
        &"4",
        &"--draws",
        &"1",
        &"--recipe",
        &"1,0",
    ]));
    assert!(told.contains("recovered") && told.contains("1 examples, 0 guards"), "{told}");
}
