//! The files of a new folder with a task in a language: its source, the interface, a manifest with tests, and a README.
//! Each is a file of `host/templates`, in which words between `@` are replaced; `languages` lists them.

use crate::app::build::Language;
use crate::app::scaffold::languages::{Template, template};
use crate::app::scaffold::new_file::NewFile;

const MANIFEST: &str = include_str!("../../../templates/manifest.toml");
const README: &str = include_str!("../../../templates/README.md");

/// Returns the files of a folder of this name, with a task in a language.
pub(crate) fn files_for(language: Language, name: &str) -> Vec<NewFile> {
    let Template { component, sources, wit, ignored } = template(language);
    let source = sources.first().map_or("", |(path, _)| path);
    let manifest =
        MANIFEST.replace("@name@", name).replace("@component@", component).replace("@build@", language.key());
    let common = [
        ("manifest.toml", manifest.as_str()),
        ("wit/task.wit", wit),
        ("README.md", &readme(language, (name, source))),
        (".gitignore", ignored),
    ];
    sources.iter().copied().chain(common).map(|(path, text)| NewFile::new(path, text)).collect()
}

/// Returns the README of a folder with the source of a task.
pub(crate) fn readme(language: Language, (name, source): (&str, &str)) -> String {
    README.replace("@name@", name).replace("@language@", language.name()).replace("@source@", source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_left_to_replace() {
        for language in Language::ALL {
            for NewFile { path, content } in files_for(language, "shout") {
                let text = String::from_utf8(content).unwrap();
                let words = ["@name@", "@component@", "@build@", "@language@", "@source@"];
                assert!(!words.iter().any(|word| text.contains(word)), "{path}: {text}");
                assert!(!text.is_empty() && text.ends_with('\n'), "{path}");
            }
        }
    }
}
