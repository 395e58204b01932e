//! What the documents promise of themselves: every link and anchor leads somewhere, every page stands in the site's
//! navigation, the words are those that `tests/documents/phrases.tsv` asks for, and lines are short.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use markdown::ParseOptions;
use markdown::mdast::Node;
use sparsecbm_tests::repository;

/// The longest line of a document or a source, in characters.
const LONGEST_LINE: usize = 120;
/// Where words and lines are looked at.
const SOURCES: [&str; 14] =
    ["md", "rs", "py", "js", "mjs", "cjs", "ts", "cts", "c", "cpp", "h", "hpp", "html", "toml"];
/// Not written by hand, or a list of what is not to be said.
const LEFT_OUT: [&str; 5] = [
    "tests/goldens/",
    "tests/documents/",
    "tests/fuzz/corpus/",
    "server/fuzz/corpus/",
    "Cargo.lock",
];

/// The repository's files that are text of the given kinds.
fn files(kinds: &[&str]) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(repository())
        .output()
        .expect("git lists the files");
    let listed = String::from_utf8(listed.stdout).expect("names in UTF-8");
    let wanted = |name: &&str| {
        let kind = Path::new(name).extension().and_then(|kind| kind.to_str());
        kind.is_some_and(|kind| kinds.contains(&kind))
            && !LEFT_OUT.iter().any(|folder| name.starts_with(folder))
    };
    let paths = listed.split('\0').filter(wanted).map(|name| repository().join(name));
    // A link to a file shows what the file says; a file that was taken away is still listed.
    paths.filter(|path| path.is_file() && !path.is_symlink()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A path as the repository names it.
fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

/// A page's anchors and links, the latter as they are written.
#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<String>,
    /// What is set as code within a line.
    code: Vec<String>,
}

/// The anchor of a heading, as GitHub and the site make it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
}

/// What stands in quotes after each `name=` in a piece of HTML.
fn attributes<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let opening = format!(" {name}=\"");
    html.match_indices(&opening)
        .map(|(at, found)| at + found.len())
        .collect::<Vec<_>>()
        .into_iter()
        .map(|at| html[at..].split('"').next().expect("a split has a first part").to_string())
}

fn page(text: &str) -> Page {
    let mut page = Page::default();
    let tree = markdown::to_mdast(text, &ParseOptions::gfm()).expect("Markdown has no errors");
    collect(&tree, &mut page);
    page
}

/// Adds the anchors and links in `node` to the page.
fn collect(node: &Node, page: &mut Page) {
    match node {
        Node::Heading(_) => {
            let name = anchor(&node.to_string());
            let mut unique = name.clone();
            for number in 1.. {
                if page.anchors.insert(unique) {
                    break;
                }
                unique = format!("{name}-{number}");
            }
        }
        Node::InlineCode(code) => page.code.push(code.value.clone()),
        Node::Link(link) => page.links.push(link.url.clone()),
        Node::Image(image) => page.links.push(image.url.clone()),
        Node::Html(html) => {
            page.anchors.extend(attributes(&html.value, "id"));
            let links = attributes(&html.value, "src").chain(attributes(&html.value, "href"));
            page.links.extend(links);
        }
        _ => {}
    }
    for child in node.children().into_iter().flatten() {
        collect(child, page);
    }
}

/// What is wrong with the links of the Markdown files in `files`.
fn broken_links(files: &[PathBuf]) -> Vec<String> {
    let pages: BTreeMap<&PathBuf, Page> =
        files.iter().map(|path| (path, page(&read(path)))).collect();
    let mut broken = Vec::new();
    for (path, page) in &pages {
        for link in &page.links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let folder = path.parent().expect("a file lies in a folder");
            let target = if file.is_empty() { path.to_path_buf() } else { folder.join(file) };
            let Ok(target) = target.canonicalize() else {
                broken.push(format!("{}: {link}: no such file", shown(path)));
                continue;
            };
            let known = |page: &Page| page.anchors.contains(fragment);
            if !fragment.is_empty() && !pages.get(&target).is_some_and(known) {
                broken.push(format!("{}: {link}: no such anchor", shown(path)));
            }
        }
    }
    broken
}

#[test]
fn every_link_leads_to_a_file_and_an_anchor() {
    let files = files(&["md"]);
    assert!(files.len() > 20, "{} pages", files.len());
    let broken = broken_links(&files);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_broken_link_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("it is there");
    let path = folder.join("page.md");
    let text = "# Two `words`\n[a](#two-words) [b](#two) [c](page.md#two-words) [d](gone.md)\n<img src=\"gone.png\">\n";
    fs::write(&path, text).expect("written");
    let broken = broken_links(&[path]).join("\n");
    let found: Vec<&str> =
        broken.lines().map(|line| line.split(": ").nth(1).expect("a link")).collect();
    assert_eq!(found, ["#two", "gone.md", "gone.png"], "{broken}");
}

#[test]
fn every_path_of_a_source_is_there() {
    let roots = [
        "bench/",
        "cli/",
        "core/",
        "examples/",
        "exporter/",
        "server/",
        "tests/",
        "tools/",
        "training/",
    ];
    let mut checked = 0;
    for path in files(&["md"]).into_iter().filter(|path| shown(path).starts_with("docs/")) {
        for code in page(&read(&path)).code {
            let is_path = |c: char| c.is_alphanumeric() || "/._-".contains(c);
            if roots.iter().any(|root| code.starts_with(root)) && code.chars().all(is_path) {
                assert!(
                    repository().join(&code).exists(),
                    "{}: `{code}` is not there",
                    shown(&path)
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked} paths");
}

#[test]
fn ten_questions_have_an_answer_and_a_way_to_it() {
    let index = read(&repository().join("docs/index.md"));
    for number in 1..=10 {
        let row = index.lines().find(|line| line.starts_with(&format!("| {number} |")));
        let row = row.unwrap_or_else(|| panic!("no question {number}"));
        assert!(
            row.contains('?') && row.contains("]("),
            "no question or no way to its answer: {row}"
        );
    }
    assert!(read(&repository().join("README.md")).contains("docs/index.md#ten-questions"));
}

#[test]
fn every_page_is_in_the_navigation() {
    let navigation = read(&repository().join("mkdocs.yml"));
    for path in files(&["md"]) {
        if let Some(name) = shown(&path).strip_prefix("docs/") {
            assert!(navigation.contains(&format!(": {name}\n")), "mkdocs.yml does not have {name}");
        }
    }
}

/// A file's words in lower case, without punctuation at their ends, and the line of each. What begins a comment is no
/// word, so that a phrase is found across lines.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in line.split_whitespace() {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-');
            if !bare.trim_matches('-').is_empty() {
                words.push((index + 1, bare.to_lowercase()));
            }
        }
    }
    words
}

/// Where `text` says a phrase, and what it should say.
fn phrases_in(text: &str, phrases: &[(Vec<&str>, &str)]) -> Vec<(usize, String)> {
    let words = words(text);
    let mut found = Vec::new();
    for (phrase, instead) in phrases {
        for window in words.windows(phrase.len()) {
            if window.iter().map(|(_, word)| word.as_str()).eq(phrase.iter().copied()) {
                found.push((window[0].0, format!("'{}': say '{instead}'", phrase.join(" "))));
            }
        }
    }
    found
}

#[test]
fn the_words_are_plain() {
    let list = read(&repository().join("tests/documents/phrases.tsv"));
    let phrases: Vec<(Vec<&str>, &str)> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap_or_else(|| panic!("a tab: {line}")))
        .map(|(phrase, instead)| (phrase.split(' ').collect(), instead))
        .collect();
    // The list's first phrase, in a comment and over two lines.
    let (first, instead) = &phrases[0];
    let sample = format!("/// They go {}, always.\n", first.join("\n/// ").to_uppercase());
    let complaint = format!("'{}': say '{instead}'", first.join(" "));
    assert_eq!(phrases_in(&sample, &phrases), [(1, complaint)]);

    let mut found = Vec::new();
    for path in files(&SOURCES) {
        for (line, complaint) in phrases_in(&read(&path), &phrases) {
            found.push(format!("{}:{line}: {complaint}", shown(&path)));
        }
    }
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

#[test]
fn lines_are_short() {
    let mut long = Vec::new();
    // A paragraph of a page's template is one line.
    for path in
        files(&SOURCES).iter().filter(|path| path.extension().is_none_or(|kind| kind != "html"))
    {
        for (index, line) in read(path).lines().enumerate() {
            let length = line.chars().count();
            let table = line.trim_start().trim_start_matches(['/', '!', '*', ' ']).starts_with('|');
            let link = line.contains("](") || line.contains("://") || line.contains("src=\"");
            if length > LONGEST_LINE && !table && !link {
                long.push(format!("{}:{}: {length} characters", shown(path), index + 1));
            }
        }
    }
    assert!(
        long.is_empty(),
        "{} lines are longer than {LONGEST_LINE}:\n{}",
        long.len(),
        long.join("\n")
    );
}
