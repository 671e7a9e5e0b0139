//! The files of a new folder with a task in a language: its source, the interface, a manifest with tests, and a README.
//! Each is a file of `host/templates`, in which words between `@` are replaced.

use crate::app::build::Language;
use crate::app::scaffold::NewFile;

const MANIFEST: &str = include_str!("../../../templates/manifest.toml");
const README: &str = include_str!("../../../templates/README.md");
const WIT: &str = include_str!("../../../templates/task.wit");

/// The files of one language, beside those that all have.
struct Template {
    /// Path of the component.
    component: &'static str,
    /// Paths and contents; the first is the source of the task.
    sources: &'static [(&'static str, &'static str)],
    /// The lines of `.gitignore`.
    ignored: &'static str,
}

const RUST: Template = Template {
    component: "target/wasm32-wasip2/release/task.wasm",
    sources: &[
        ("src/lib.rs", include_str!("../../../templates/rust/src/lib.rs")),
        ("Cargo.toml", include_str!("../../../templates/rust/Cargo.toml.template")),
    ],
    ignored: "/target\n",
};

const PYTHON: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.py", include_str!("../../../templates/python/task.py")),
        ("requirements.txt", include_str!("../../../templates/python/requirements.txt")),
    ],
    ignored: "/.venv\n__pycache__\n/task.wasm\n",
};

const JAVASCRIPT: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.js", include_str!("../../../templates/javascript/task.js")),
        ("package.json", include_str!("../../../templates/javascript/package.json")),
    ],
    ignored: "/node_modules\n/task.wasm\n",
};

const TYPESCRIPT: Template = Template {
    component: "task.wasm",
    sources: &[
        ("task.ts", include_str!("../../../templates/typescript/task.ts")),
        ("package.json", include_str!("../../../templates/typescript/package.json")),
    ],
    ignored: "/node_modules\n/task.wasm\n",
};

const fn template(language: Language) -> Template {
    match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::JavaScript => JAVASCRIPT,
        Language::TypeScript => TYPESCRIPT,
    }
}

/// Returns the files of a folder of this name, with a task in a language.
pub(crate) fn files_for(language: Language, name: &str) -> Vec<NewFile> {
    let Template { component, sources, ignored } = template(language);
    let source = sources.first().map_or("", |(path, _)| path);
    let fill = |text: &str| {
        [
            ("@name@", name),
            ("@component@", component),
            ("@build@", language.key()),
            ("@language@", language.name()),
            ("@source@", source),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    };
    let common =
        [("manifest.toml", MANIFEST), ("wit/task.wit", WIT), ("README.md", README), (".gitignore", ignored)];
    sources.iter().copied().chain(common).map(|(path, text)| (path, fill(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_left_to_replace() {
        for language in Language::ALL {
            for (path, text) in files_for(language, "shout") {
                assert!(path == "package.json" || !text.contains('@'), "{path}: {text}");
                assert!(!text.is_empty() && text.ends_with('\n'), "{path}");
            }
        }
    }
}
