//! The map of modules in `docs/design/architecture.md` holds: every module is on it, imports what the map allows and
//! nothing else, and no module reaches itself again through others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sparsecbm_tests::repository;

/// Crates of the map.
const CRATES: [&str; 7] =
    ["core", "exporter", "cli", "bench", "bindings-c", "bindings-python", "bindings-wasm"];

/// A builder and what it builds may know each other: a model makes predictions, which keep it.
const BUILDERS: [(&str, &str, &str); 5] = [
    ("core", "prediction", "model"),
    ("bindings-python", "prediction", "model"),
    ("bindings-python", "edit", "model"),
    ("bindings-python", "concept", "prediction"),
    ("bindings-python", "explanation", "prediction"),
];

/// Each module of a crate with modules of the same crate.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// What the map says of `package`: rows of the table under the heading of its name.
fn allowed(package: &str) -> Arrows {
    let path = repository().join("docs/design/architecture.md");
    let page = fs::read_to_string(path).expect("the page is there");
    let heading = format!("### `{package}`\n");
    let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("no heading {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with("| `"));
    let rows = rows.take_while(|line| line.starts_with("| `"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(String::from).collect();
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [module, _, imports] = cells[..] else { panic!("three cells: {row}") };
        (module.trim().trim_matches('`').to_string(), names(imports))
    })
    .collect()
}

/// What the sources of `package` import.
fn found(package: &str) -> Arrows {
    let source = repository().join(package).join("src");
    let roots = ["lib.rs", "main.rs"].map(|name| source.join(name));
    let root = roots.iter().find(|path| path.exists()).expect("a crate has a root");
    let exported = re_exports(&code(root));
    let mut arrows = Arrows::new();
    for path in files(&source).into_iter().filter(|path| path != root) {
        let relative = path.strip_prefix(&source).expect("it lies there");
        let first = relative.iter().next().expect("a name").to_str().expect("UTF-8");
        let module = first.trim_end_matches(".rs").to_string();
        let imports = arrows.entry(module.clone()).or_default();
        for name in names_of_crate(&code(&path)) {
            let target = exported.get(&name).unwrap_or(&name).clone();
            if target != module {
                imports.insert(target);
            }
        }
    }
    arrows
}

/// A file without its comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    let all = paths.flat_map(below);
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The names that a crate's root gives on, each with its module.
fn re_exports(root: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for rest in root.split("pub use ").skip(1) {
        let statement = rest.split(';').next().expect("a statement ends");
        let Some((module, given)) = statement.split_once("::") else { continue };
        for name in given.trim_matches(['{', '}']).split(',') {
            names.insert(name.trim().trim_matches(['{', '}']).to_string(), module.to_string());
        }
    }
    names
}

/// The first name of every path that begins with `crate::`.
fn names_of_crate(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => names.extend(first_name(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut begins = true;
                for (at, letter) in list.char_indices() {
                    match letter {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        _ if begins && !letter.is_whitespace() => {
                            names.extend(first_name(&list[at..]));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_string())
}

#[test]
fn modules_import_what_the_map_allows() {
    for package in CRATES {
        let (allowed, found) = (allowed(package), found(package));
        let modules = |arrows: &Arrows| arrows.keys().cloned().collect::<Vec<_>>();
        assert_eq!(modules(&found), modules(&allowed), "modules of {package}, and of its map");
        for (module, imports) in found {
            assert_eq!(
                imports, allowed[&module],
                "{package}: what `{module}` imports, and the map"
            );
        }
    }
}

#[test]
fn no_module_reaches_itself() {
    for package in CRATES {
        let mut arrows = found(package);
        for (_, module, builder) in BUILDERS.iter().filter(|(of, ..)| *of == package) {
            let known = arrows.get_mut(*module).is_some_and(|imports| imports.remove(*builder));
            assert!(known, "{package}: `{module}` no longer imports `{builder}`");
        }
        // Modules that import nothing any more are taken away until none is left.
        while !arrows.is_empty() {
            let (inner, outer): (Arrows, Arrows) =
                arrows.into_iter().partition(|(_, imports)| imports.is_empty());
            assert!(!inner.is_empty(), "{package}: circles among {outer:?}");
            arrows = outer;
            for imports in arrows.values_mut() {
                imports.retain(|module| !inner.contains_key(module));
            }
        }
    }
}
