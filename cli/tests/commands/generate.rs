//! Completions, manual pages, colours, and the page that lists the command's options.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{FOLDER, assert_fails, printed, repository, run, tiny, write};

/// The commands that `--help` lists, `help` left out; of a command's own with its name before each.
fn commands(help: &str) -> Vec<String> {
    let Some((_, listed)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let names = listed.lines().take_while(|line| !line.trim().is_empty());
    // A description that goes on stands further to the right.
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next().map(String::from));
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_shell_completes_commands_and_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(run([&"completions", &shell]));
        for part in ["predict", "correct", "ort-library"] {
            assert!(script.contains(part), "{shell}: no '{part}'");
        }
    }
    assert_fails(run([&"completions", &"tcsh"]), &["tcsh", "bash"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = TempDir::new_in(FOLDER.path()).expect("a folder").keep().join("man1");
    printed(run([&"man", &folder]));
    let page = |name: &str| fs::read_to_string(folder.join(name)).expect("a page");
    assert!(page("sparsecbm-predict.1").contains("misread"));
    for command in commands(&printed(run([&"--help"]))) {
        assert!(page(&format!("sparsecbm-{command}.1")).contains(".SH OPTIONS"), "{command}");
    }
    let file = folder.join("sparsecbm.1");
    assert!(page("sparsecbm.1").contains("sparsecbm\\-explain"));
    assert_fails(run([&"man", &file]), &["expected a folder that can be written"]);
}

#[test]
fn the_reference_names_every_command_and_option() {
    let page = repository().join("docs/reference/command-line.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let named = |word: &str| {
        let end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-');
        page.match_indices(word).any(|(at, _)| end(&page[at + word.len()..]))
    };
    let listed = commands(&printed(run([&"--help"])));
    assert!(listed.len() >= 10, "{listed:?}");
    let mut helps = Vec::new();
    for command in &listed {
        assert!(page.contains(&format!("[`{command}`]")), "no command {command}");
        let help = printed(run([&command.as_str(), &"--help"]));
        for inner in commands(&help) {
            assert!(named(&format!("{command} {inner}")), "no command {command} {inner}");
            helps.push(printed(run([&command.as_str(), &inner.as_str(), &"--help"])));
        }
        helps.push(help);
    }
    for line in helps.iter().flat_map(|help| help.lines()) {
        let line = line.trim_start().trim_start_matches("-o, ");
        let option = line.split([' ', '=']).next().unwrap_or_default();
        if option.len() > 2 && option.starts_with("--") && option != "--help" {
            assert!(named(option), "no option {option}");
        }
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let output = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sparsecbm"));
        let command =
            command.arg("predict").arg(tiny()).arg("a film").envs(variables.iter().copied());
        printed(command.output().expect("the command starts"))
    };
    let coloured = output(&[("CLICOLOR_FORCE", "1")]);
    assert!(coloured.starts_with("\u{1b}[1mverdict: "), "{coloured:?}");
    let plain = output(&[]);
    assert!(plain.starts_with("verdict: ") && !plain.contains('\u{1b}'), "{plain:?}");
    assert_eq!(output(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), plain);
    let last = plain.trim_end().lines().last().expect("a line");
    assert!(last.starts_with("Engine: tract, because the sparse kernels"), "{plain}");
}

#[test]
fn an_error_says_what_to_do_next() {
    let checkpoint = repository().join("tests/models/tiny");
    let export = format!(
        "help: this is a checkpoint; export it first: sparsecbm export {}",
        checkpoint.display()
    );
    assert_fails(run([&"predict", &checkpoint, &"a film"]), &["error: ", &export]);
    let alone = write("alone.onnx", fs::read(tiny()).expect("the model is there"));
    let help = "help: the file of gradients is written beside the model";
    assert_fails(run([&"explain", &alone, &"a film", &"--integrated"]), &[help]);
}
