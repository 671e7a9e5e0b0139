//! Tasks that end when the test says so: what has to come first comes first, however fast or slow the machine is.
//! A gate is a file that a guest waits for. What waits at it is said by the tests.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::Project;

/// What a task needs that waits at a gate, as a line of it. It calls `await-file` with the gate's name, and returns that.
pub(crate) const GRANTS: &str = "grants = { read = [\"gates:.\"], clock = true }\n";

/// A project of tasks some of which wait at gates.
pub(crate) fn project(body: &str) -> Project {
    let project = Project::new(&format!("{}{body}", component(Guest::Basic)));
    std::fs::create_dir(project.folder().join("gates")).expect("a folder can be made");
    project
}

/// Elements `texts[0]`, `texts[1]`, … each of which waits at a gate that is named by one letter; then their text, as `all`.
pub(crate) fn elements(letters: &str) -> Project {
    let texts: Vec<String> = letters.chars().map(|letter| format!("\"{letter}\"")).collect();
    project(&format!(
        "[tasks.texts]\ncall = \"g.await-file\"\nfor-each.text = [{}]\nargs.path = {{ item = \"text\" }}\n{GRANTS}\
         [tasks.all]\ncall = \"g.concat\"\nargs.parts = {{ task = \"texts\" }}\n",
        texts.join(", ")
    ))
}

/// Opens gates: each letter is the name of one.
pub(crate) fn open(project: &Project, letters: &str) {
    for letter in letters.chars() {
        let gate = project.folder().join("gates").join(letter.to_string());
        // A guest sees it with its text or not at all.
        let aside = gate.with_extension("aside");
        std::fs::write(&aside, letter.to_string()).expect("a file can be written");
        std::fs::rename(aside, gate).expect("a file can be renamed");
    }
}
