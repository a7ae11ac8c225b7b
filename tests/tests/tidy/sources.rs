//! What stands in the source files, and which folders there are.

use crate::{assert_none, root_folder};
use std::path::{Path, PathBuf};

/// The folders of the root, besides hidden ones, `target`, and the journals that a run of an example leaves.
const FOLDERS: &[&str] = &["adapters", "bench", "engine", "journal", "tests", "tools"];

/// The files that map memory and that ask for instructions of the processor.
const UNSAFE_FILES: &[&str] = &["journal/src/mmap.rs", "journal/src/crc.rs"];

/// Crates that only the pipeline of the engine may speak to.
const PIPELINE_CRATES: &[&str] = &["disruptor", "core_affinity", "crossbeam"];

// Put together, so that this file does not break the rules that it holds.
const UNSAFE: &str = concat!("un", "safe");
const IGNORE: &str = concat!("#[ig", "nore");
const ALLOCATOR: &str = concat!("Global", "Alloc");
/// Folders of some machine: a temporary one comes from the system, and everything else is named by whoever runs it.
const MACHINE_FOLDERS: &[&str] = &[concat!("/t", "mp"), concat!("/ro", "ot"), concat!("/ho", "me")];

/// What is written by hand.
const WRITTEN: &[&str] = &["md", "py", "rs", "sh", "sql", "toml"];

fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    if !first.starts_with("//!") {
        found.push(format!("{path}: a module opens with //! and says what it is"));
    }
    let is_test_allocator = path.split('/').any(|part| part == "tests") && text.contains(ALLOCATOR);
    let pipeline_only = path.starts_with("engine/src/") && !path.starts_with("engine/src/pipeline");
    for (index, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", index + 1);
        let code = code_of(line);
        let has_word = |word: &str| words(&code).any(|found| found == word);
        if has_word(UNSAFE) && !UNSAFE_FILES.contains(&path) && !is_test_allocator {
            found.push(format!(
                "{place}: {UNSAFE} stands only in {UNSAFE_FILES:?} and in the allocators of tests"
            ));
        }
        if code.trim_start().starts_with(IGNORE) {
            found.push(format!("{place}: a test that nobody runs is no test"));
        }
        if pipeline_only && PIPELINE_CRATES.iter().any(|name| has_word(name)) {
            found.push(format!("{place}: rings and pins stay below engine/src/pipeline"));
        }
        if path.starts_with("adapters/") && has_word("Machine") {
            found.push(format!("{place}: an adapter does not know the machine"));
        }
    }
    found
}

/// `line` without its comment and without the texts in it.
fn code_of(line: &str) -> String {
    let code = line.split("//").next().unwrap_or("");
    code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn folder_violations(folders: &[String]) -> Vec<String> {
    let strange = folders
        .iter()
        .filter(|name| !name.starts_with('.') && *name != "target" && !name.starts_with("tickwerk-"))
        .filter(|name| !FOLDERS.contains(&name.as_str()))
        .map(|name| format!("{name}/ does not belong in the root: the folders are {FOLDERS:?}"));
    let missing = FOLDERS
        .iter()
        .filter(|name| !folders.iter().any(|is| is == *name))
        .map(|name| format!("{name}/ is missing"));
    strange.chain(missing).collect()
}

/// Paths of a machine, which begin a word.
fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let is_machine = |word: &str| {
        MACHINE_FOLDERS.iter().any(|folder| {
            word.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let names_one =
        |line: &str| line.split(|c: char| !c.is_alphanumeric() && !"/._-".contains(c)).any(is_machine);
    let lines = (1..).zip(text.lines()).filter(|(_, line)| names_one(line));
    lines
        .map(|(number, line)| format!("{path}:{number}: names a folder of a machine: {}", line.trim()))
        .collect()
}

fn files_below(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace can be read") {
        let entry = entry.expect("an entry");
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if path.is_dir() && !is_hidden && entry.file_name() != "target" {
            files_below(&path, extensions, files);
        } else if extensions.iter().any(|wanted| path.extension().is_some_and(|found| found == *wanted)) {
            files.push(path);
        }
    }
}

#[test]
fn every_source_file_keeps_the_house_rules() {
    let root = root_folder();
    let mut files = Vec::new();
    for folder in FOLDERS {
        files_below(&root.join(folder), &["rs"], &mut files);
    }
    assert!(files.len() > 20, "the source files were not found below {}", root.display());
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file is UTF-8");
        let path = file.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        found.extend(violations(&path, &text));
    }
    assert_none(&found);
}

#[test]
fn no_file_names_a_folder_of_a_machine() {
    let root = root_folder();
    let mut files = Vec::new();
    files_below(root, WRITTEN, &mut files);
    assert!(files.len() > 20, "the files were not found below {}", root.display());
    files.sort();
    let found = files.iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).expect("a written file is UTF-8");
        machine_paths(&file.strip_prefix(root).expect("below the root").to_string_lossy(), &text)
    });
    assert_none(&found.collect::<Vec<_>>());
}

#[test]
fn the_root_has_the_six_folders_and_no_other() {
    let entries = std::fs::read_dir(root_folder())
        .expect("the root folder can be read")
        .map(|entry| entry.expect("an entry"));
    let folders: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_none(&folder_violations(&folders));
}

#[test]
fn a_made_up_violation_is_found() {
    let check = |path: &str, body: &str| violations(path, &format!("//! A module.\n{body}\n")).len();
    assert_eq!(violations("engine/src/a.rs", "use std::fmt;\n").len(), 1, "no //!");
    assert_eq!(violations("engine/src/a.rs", "").len(), 1, "empty");

    let block = format!("    {UNSAFE} {{ read() }}");
    assert_eq!(check("engine/src/a.rs", &block), 1);
    assert_eq!(check("journal/tests/a.rs", &block), 1, "a test without an allocator");
    assert_eq!(check("engine/tests/no_alloc.rs", &format!("{UNSAFE} impl {ALLOCATOR} for Counting {{}}")), 0);
    assert!(UNSAFE_FILES.iter().all(|path| check(path, &block) == 0));
    assert_eq!(check("engine/src/a.rs", &format!("// {UNSAFE} would be faster")), 0, "a comment");
    assert_eq!(check("engine/src/a.rs", &format!("let text = \"{UNSAFE}\";")), 0, "a text");
    assert_eq!(check("engine/src/a.rs", &format!("#![deny({UNSAFE}_code)]")), 0, "another word");

    assert_eq!(check("engine/tests/a.rs", &format!("    {IGNORE} = \"slow\"]")), 1);
    assert_eq!(check("engine/src/risk.rs", "use disruptor::Producer;"), 1);
    assert_eq!(check("engine/src/pipeline/lane.rs", "use disruptor::Producer;"), 0);
    assert_eq!(check("adapters/feeds/src/publish.rs", "use tickwerk_engine::Machine;"), 1);

    let in_temporary = format!("#     mkdir {}/found", MACHINE_FOLDERS[0]);
    assert_eq!(machine_paths("a.toml", &in_temporary).len(), 1);
    assert_eq!(machine_paths("a.rs", &format!("let dir = \"{}\";", MACHINE_FOLDERS[2])).len(), 1);
    assert!(
        machine_paths(
            "a.rs",
            &format!("journal{}/found, dir.tmp, {}s", MACHINE_FOLDERS[0], MACHINE_FOLDERS[0])
        )
        .is_empty()
    );

    let with = |extra: &str| -> Vec<String> {
        FOLDERS.iter().chain(&[extra]).map(|name| (*name).to_owned()).collect()
    };
    assert!(folder_violations(&with("target")).is_empty());
    assert!(folder_violations(&with(".ci")).is_empty());
    assert_eq!(folder_violations(&with("docs")).len(), 1);
    assert_eq!(folder_violations(&with("target")[1..]).len(), 1, "a missing folder");
}
