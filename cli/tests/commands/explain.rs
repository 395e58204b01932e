use crate::support::{
    FOLDER, assert_fails, json, printed, run, run_with, tiny, tiny_executed, write,
};

/// A text of which some words stand out.
const REVIEW: &str = "The food was cold, the waiter rude and loud.";

#[test]
fn json_holds_every_part_and_its_sums_hold() {
    let explanation = json(run([
        &"explain",
        &tiny(),
        &"bad plot, unwatched acting!",
        &"--set",
        &"plot=present",
        &"--faithfulness",
        &"--json",
    ]));
    let floats = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let contributions = &explanation["contributions"];
    let mut sum = floats(&contributions["baseline"]);
    for concept in contributions["concepts"].as_array().unwrap() {
        sum.iter_mut().zip(floats(&concept["label_logits"])).for_each(|(sum, share)| *sum += share);
        assert_eq!(concept["override_share"].is_null(), concept["name"] != "plot");
    }
    for (sum, logit) in sum.iter().zip(floats(&contributions["label_logits"])) {
        assert!((sum - logit).abs() < 1e-4, "{sum} and {logit}");
    }
    let words = explanation["evidence"]["words"].as_array().unwrap();
    assert_eq!(words[0]["text"], "bad");
    assert_eq!(words[0]["utf8"], serde_json::json!({"start": 0, "end": 3}));
    assert_eq!(explanation["occlusion"]["complete"], true);
    assert_eq!(explanation["suggestions"].as_array().unwrap().len(), 2);
    assert_eq!(explanation["faithfulness"].as_array().unwrap().len(), 6);
}

#[test]
fn the_terminal_view_has_no_colours_where_it_is_no_terminal() {
    let text = REVIEW;
    let by_evidence = printed(run([&"explain", &tiny(), &text, &"--max-words", &"0"]));
    let view = printed(run([&"explain", &tiny(), &text]));
    assert_ne!(view, by_evidence);
    assert!(!view.contains('\x1b'), "{view}");
    for part in
        ["verdict: ", REVIEW, "no words stand out", "adds to", "an average text", "check first"]
    {
        assert!(view.contains(part), "no '{part}' in:\n{view}");
    }
}

#[test]
fn phrases_are_told_with_what_they_do_on_every_surface() {
    let page = FOLDER.path().join("phrases.html");
    let view = printed(run([&"explain", &tiny(), &REVIEW, &"--html", &page]));
    let page = std::fs::read_to_string(page).expect("a page");
    let explanation = json(run([&"explain", &tiny(), &REVIEW, &"--json"]));
    let mut seen = 0;
    for reason in explanation["reasons"].as_array().expect("one per concept") {
        for phrase in reason["phrases"].as_array().expect("a list") {
            let text = phrase["text"].as_str().expect("a text");
            let end = |end: &str| phrase["utf8"][end].as_u64().expect("a place") as usize;
            assert_eq!(&REVIEW[end("start")..end("end")], text);
            let signed = |value: &serde_json::Value| {
                let value = value.as_f64().expect("a number");
                format!("{}{:.2}", if value < 0.0 { '−' } else { '+' }, value.abs())
            };
            let is_for = phrase["support"].as_f64().expect("a number") > 0.0;
            let does = if is_for { "makes" } else { "speaks against" };
            let (concept, class) = (&reason["concept"], &reason["class"]);
            let label = &phrase["label"];
            let told = format!(
                "{does} {} {} ({}), verdict {} {}",
                concept.as_str().expect("a name"),
                class.as_str().expect("a name"),
                signed(&phrase["probability"]),
                label["class"].as_str().expect("a name"),
                signed(&label["probability"]),
            );
            assert!(view.contains(&format!("\"{text}\" {told}")), "no '{told}' in:\n{view}");
            let mark = if is_for { "for" } else { "against" };
            let marked = format!("<mark class=\"{mark}\">{text}</mark>” {told}");
            assert!(page.contains(&marked), "no '{marked}' in the page");
            seen += 1;
        }
    }
    assert!(seen > 0, "no phrase stands out");
    let supposed = printed(run([&"explain", &tiny(), &REVIEW, &"--set", &"plot=present"]));
    assert!(supposed.contains("supposed: no words are its reason"), "{supposed}");
    let corrected = printed(run([&"explain", &tiny(), &REVIEW, &"--correct", &"plot=present"]));
    assert!(corrected.contains("corrected; the model read absent"), "{corrected}");
    assert!(corrected.contains("spoke against plot absent"), "{corrected}");
}

#[test]
fn every_line_of_an_input_is_explained() {
    let (model, set) = (tiny(), "plot=present");
    let lines = b"a film\n\nbad plot\n";
    let asked = run_with(
        [&"explain", &model, &"--input", &"-", &"--set", &set, &"--max-words", &"1", &"--json"],
        lines,
    );
    let answers: Vec<serde_json::Value> = printed(asked)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0]["text"], "a film");
    let alone =
        run([&"explain", &model, &"bad plot", &"--set", &set, &"--max-words", &"1", &"--json"]);
    assert_eq!(answers[1], json(alone));

    let views = printed(run_with([&"explain", &model, &"--input", &"-"], lines));
    for part in ["a film\n\nverdict: ", "bad plot\n\nverdict: "] {
        assert!(views.contains(part), "no '{part}' in:\n{views}");
    }
    let page = FOLDER.path().join("lines.html");
    let both = run_with([&"explain", &model, &"--input", &"-", &"--html", &page], lines);
    assert_fails(both, &["--html", "cannot be used", "--input"]);
    assert_fails(run([&"explain", &model]), &["--input"]);
}

#[test]
fn pages_stand_alone_and_hold_the_text_as_text() {
    let page = FOLDER.path().join("why.html");
    let text = "<b>bad</b> plot & \"good\" acting";
    printed(run([&"explain", &tiny(), &text, &"--html", &page]));
    let page = std::fs::read_to_string(page).expect("a page");
    for part in ["<!DOCTYPE html>", "visual effects", "The subnetworks", "Overlap", "&lt;"] {
        assert!(page.contains(part), "no '{part}' in the page");
    }
    // No network, no script, and the text cannot become markup.
    for part in ["http:", "https:", "<script", "<link", "<b>", "url("] {
        assert!(!page.contains(part), "'{part}' in the page");
    }
    let page = FOLDER.path().join("model.html");
    printed(run([&"inspect", &tiny(), &"--html", &page]));
    let page = std::fs::read_to_string(page).expect("a page");
    for part in ["<!DOCTYPE html>", "verdict", "encoder.layer.0.attention.self.query", "heat-5"] {
        assert!(page.contains(part), "no '{part}' in the page");
    }
}

#[test]
fn a_study_measures_every_part_and_draws_it() {
    let texts = ["Die Suppe war gut", "Ober laut, Suppe kalter!"];
    let schema = sparsecbm::Model::load(tiny_executed(), &Default::default()).expect("it loads");
    let schema = schema.schema();
    let rows = texts.iter().enumerate().map(|(row, text)| {
        let mut object = serde_json::Map::new();
        object.insert(schema.data_fields.text.clone(), (*text).into());
        for concept in &schema.concepts {
            let class = concept.classes[row].clone();
            object.insert(schema.data_fields.concepts[&concept.name].clone(), class.into());
        }
        let label = schema.label.classes[row].clone();
        object.insert(schema.data_fields.label.clone(), label.into());
        serde_json::Value::Object(object).to_string()
    });
    let data = write("study.jsonl", rows.collect::<Vec<_>>().join("\n"));
    let figures = FOLDER.path().join("figures");
    let study = json(run([&"study", &tiny_executed(), &data, &"--figures", &figures, &"--json"]));
    let policies = study["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 5, "four policies and random");
    for curve in policies {
        let accuracy = curve["label_accuracy"].as_array().unwrap();
        assert_eq!(accuracy.len(), schema.concepts.len() + 1);
        assert_eq!(accuracy[0], policies[0]["label_accuracy"][0], "nothing asked, nothing changed");
        let all = schema.concepts.len();
        assert_eq!(
            accuracy[all], policies[0]["label_accuracy"][all],
            "all asked: order is nothing"
        );
    }
    assert_eq!(study["responsibility"].as_array().unwrap().len(), schema.concepts.len());
    let drawn = std::fs::read_to_string(figures.join("policies.svg")).expect("a figure");
    assert!(drawn.contains("concepts asked about") && drawn.contains("expected-change"));
    assert!(study["overrides"].as_array().unwrap().is_empty(), "the data has no edits");
    assert!(!figures.join("overrides.svg").exists(), "nothing to draw");
}

#[test]
fn senseless_arguments_fail() {
    let explain =
        |argument: &str, value: &str| run([&"explain", &tiny(), &"a film", &argument, &value]);
    assert_fails(explain("--set", "sound=present"), &["sound", "visual effects"]);
    assert_fails(explain("--cost", "sound=2"), &["sound", "visual effects"]);
    assert_fails(explain("--cost", "plot=0"), &["plot", "above 0"]);
    assert_fails(explain("--policy", "best"), &["best", "combined"]);
    assert_fails(explain("--html", "no/such/folder/why.html"), &["no/such/folder"]);
    assert_fails(run([&"explain", &"no-such.onnx", &"a film"]), &["no-such"]);
}
