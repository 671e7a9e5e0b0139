//! The manual against the binary: `help` prints its pages, and their examples behave as shown.
//! Tests beside the code check that the pages name every key, flag and limit.

use cascade_host_tests::{Host, build_plugins, repository};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The languages of code blocks that need no test, or are tested elsewhere.
const UNTRIED: [&str; 11] =
    ["toml fragment", "text", "sh", "json", "rust", "wit", "python", "js", "lua", "crontab", "ini"];

/// A code block: its first line, its language, its content.
struct Block {
    line: usize,
    kind: String,
    text: String,
}

/// Returns the pages of the manual and the README.
fn pages() -> Vec<PathBuf> {
    let docs = repository().join("host/docs");
    let mut pages = vec![repository().join("README.md")];
    for folder in [docs.clone(), docs.join("decisions")] {
        let files = fs::read_dir(folder).expect("the pages are there").flatten().map(|entry| entry.path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    assert!(pages.len() > 10, "{pages:?}");
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("a page is text");
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((line, first)) = lines.next() {
        let Some(kind) = first.strip_prefix("```") else { continue };
        let mut block = Block { line, kind: kind.to_owned(), text: String::new() };
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, inner)) => block.text.push_str(&format!("{inner}\n")),
                None => panic!("{}:{line}: the block has no end", page.display()),
            }
        }
        blocks.push(block);
    }
    blocks
}

/// Creates a folder with links to the repository's root, where a page's files can be written.
fn copy_of_repository_root() -> TempDir {
    let folder = TempDir::new().expect("a scratch folder can be made");
    for entry in fs::read_dir(repository()).expect("the repository can be read").flatten() {
        let link = folder.path().join(entry.file_name());
        std::os::unix::fs::symlink(entry.path(), link).expect("links can be made");
    }
    folder
}

/// Returns the file name of a complete manifest, from a comment in its first line if there is one.
fn file_name(block: &Block) -> String {
    let first = block.text.lines().next().unwrap_or_default();
    let name = first.strip_prefix("cascade = 1").unwrap_or_default().trim().strip_prefix("# ");
    name.map_or_else(|| format!("line-{}.toml", block.line), str::to_owned)
}

/// Returns the commands of a session, each with its output.
fn commands(session: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in session.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => printed.push_str(&format!("{line}\n")),
            (None, None) => panic!("a session begins with a command: {line}"),
        }
    }
    commands
}

/// Runs a command in a shell whose PATH has the binary. Returns stdout, or stderr if the command fails.
fn printed(folder: &Path, command: &str) -> Result<String, String> {
    let host = Host::new([]).within(folder).command();
    let binary = Path::new(host.get_program()).parent().expect("the binary is in a folder");
    let mut shell = Command::new("bash");
    for (name, value) in host.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let script = format!("PATH={}:$PATH; {command}", binary.display());
    let output = shell.args(["-c", &script]).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.expect("bash can be started");
    let [printed, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() { Ok(printed) } else { Err(stderr) }
}

#[test]
fn manifests_and_sessions_of_the_manual_work() {
    build_plugins();
    let mut faults = Vec::new();
    let (mut manifests, mut sessions) = (0, 0);
    for page in pages() {
        let folder = copy_of_repository_root();
        for block in blocks(&page) {
            let position = format!("{}:{}", page.display(), block.line);
            match block.kind.as_str() {
                "toml" if !block.text.starts_with("cascade = 1") => {
                    faults.push(format!(
                        "{position}: a manifest begins with `cascade = 1`, anything else is a `toml fragment`"
                    ));
                }
                "toml" => {
                    manifests += 1;
                    let name = file_name(&block);
                    fs::write(folder.path().join(&name), &block.text).expect("the folder can be written");
                    let checked = Host::new(["check", &name]).within(folder.path()).run();
                    if checked.code != Some(0) {
                        faults.push(format!("{position}:\n{}", checked.stderr));
                    }
                }
                "console" => {
                    for (command, expected) in commands(&block.text) {
                        sessions += 1;
                        match printed(folder.path(), &command) {
                            Ok(printed) if printed.trim_end() == expected.trim_end() => {}
                            Ok(other) => faults.push(format!(
                                "{position}: {command}\n== the page\n{expected}== printed\n{other}"
                            )),
                            Err(stderr) => faults.push(format!("{position}: {command}\n{stderr}")),
                        }
                    }
                }
                kind if UNTRIED.contains(&kind) => {}
                kind => faults.push(format!("{position}: no block is of the kind {kind:?}")),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(manifests >= 3 && sessions >= 5, "{manifests} manifests, {sessions} commands");
}

#[test]
fn help_prints_every_page_unchanged() {
    let list = Host::new(["help"]).run().expect(0).text();
    let docs = repository().join("host/docs");
    for page in pages().iter().filter(|page| page.parent() == Some(&docs)) {
        let name = page.file_stem().and_then(|name| name.to_str()).expect("a page has a name");
        let line = list.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
        assert!(line.is_some_and(|line| line.len() > name.len() + 10), "{name} has no line in\n{list}");
        let text = fs::read_to_string(page).expect("a page is text");
        assert!(Host::new(["help", name]).run().expect(0).text() == text, "{name}");
        assert!(Host::new(["help", &format!("{name}.md")]).run().expect(0).text() == text, "{name}.md");
    }
    let root = Host::new(["--help"]).run().expect(0).text();
    assert!(root.contains("help TOPIC"), "{root}");
}

#[test]
fn help_of_a_command_equals_its_help_flag() {
    for command in ["run", "plan", "rm", "help"] {
        let flag = Host::new([command, "--help"]).run().expect(0).text();
        assert!(flag.contains(&format!("Usage: cascade-host {command}")), "{flag}");
        assert_eq!(Host::new(["help", command]).run().expect(0).text(), flag);
    }
}

#[test]
fn unknown_topic_suggests_the_nearest_and_lists_all() {
    let finished = Host::new(["help", "evnts"]).run().expect(2);
    assert!(finished.stdout.is_empty());
    finished.says([
        "`evnts`",
        "did you mean `cascade-host help events`?",
        "getting-started",
        "writing-tasks",
    ]);
    Host::new(["help", "decisions"]).run().expect(2).says(["getting-started", "writing-tasks"]);
}

#[test]
fn help_works_with_invalid_settings_and_a_closed_stdout() {
    let folder = TempDir::new().expect("a scratch folder can be made");
    fs::write(folder.path().join("config.toml"), "jobs = \"many\"\n").expect("the folder can be written");
    let host = Host::new(["help", "cli", "--config", "config.toml"]).env("CASCADE_JOBS", "none");
    let text = host.within(folder.path()).run().expect(0).text();
    assert!(text.starts_with("# Command line"), "{text}");
    // The page is larger than a pipe's buffer, and the reader closes it after the first line.
    let first = printed(
        folder.path(),
        "set -o pipefail; cascade-host help manifest | (read -r line; echo \"$line\")",
    );
    assert_eq!(first.as_deref(), Ok("# Manifest\n"));
    let full = printed(folder.path(), "cascade-host help manifest > /dev/full; echo $?");
    assert_eq!(full.as_deref(), Ok("3\n"));
}
