//! Gates: tasks that end when the test allows it, so that order does not depend on the machine's speed.
//! A gate is a file that a guest waits for. Each test decides which tasks wait.

use cascade_host_tests::Project;

/// The grants of a task that waits at a gate. It calls `await-file` with the gate's name, and returns it.
pub(crate) const GRANTS: &str = "grants = { read = [\"gates:.\"], clock = true }\n";

/// Creates a project with the elements `texts[0]` and `texts[1]`, which wait at the gates `a` and `b`, and other tasks.
pub(crate) fn two_texts(others: &str) -> Project {
    project(&format!(
        "[tasks.texts]\ncall = \"g.await-file\"\nfor-each.text = [\"a\", \"b\"]\nargs.path = {{ item = \"text\" }}\n\
         {GRANTS}{others}"
    ))
}

/// Creates a project with tasks that may wait at gates.
pub(crate) fn project(body: &str) -> Project {
    let project = Project::basic(body);
    std::fs::create_dir(project.folder().join("gates")).expect("a folder can be made");
    project
}

/// Creates elements `texts[0]`, `texts[1]`, …, each waiting at a gate named by one letter, and `all`, their joined
/// text.
pub(crate) fn elements(letters: &str) -> Project {
    let texts: Vec<String> = letters.chars().map(|letter| format!("\"{letter}\"")).collect();
    project(&format!(
        "[tasks.texts]\ncall = \"g.await-file\"\nfor-each.text = [{}]\nargs.path = {{ item = \"text\" }}\n{GRANTS}\
         [tasks.all]\ncall = \"g.concat\"\nargs.parts = {{ task = \"texts\" }}\n",
        texts.join(", ")
    ))
}

/// Opens gates, one per letter.
pub(crate) fn open(project: &Project, letters: &str) {
    for letter in letters.chars() {
        let gate = project.folder().join("gates").join(letter.to_string());
        // Rename, so that a guest never sees a partly written file.
        let aside = gate.with_extension("aside");
        std::fs::write(&aside, letter.to_string()).expect("a file can be written");
        std::fs::rename(aside, gate).expect("a file can be renamed");
    }
}
