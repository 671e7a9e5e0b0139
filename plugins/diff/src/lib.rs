//! Responsible for the exports that `wit/diff.wit` promises.
//! Leaves texts to `texts` and lists to `lists`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod lists;
mod texts;

use exports::cascade::diff::diff::{Guest, Kind, Line, ListChanges, Part, Summary};

struct Plugin;

impl Guest for Plugin {
    fn unified(old: String, new: String, context: Option<u32>) -> String {
        texts::unified(&old, &new, context.unwrap_or(3))
    }

    fn lines(old: String, new: String) -> Vec<Line> {
        texts::lines(&old, &new)
    }

    fn words(old: String, new: String) -> Vec<Part> {
        texts::words(&old, &new)
    }

    fn compare(old: String, new: String) -> Summary {
        texts::summary(&old, &new)
    }

    fn lists(old: Vec<String>, new: Vec<String>) -> ListChanges {
        lists::changes(old, new)
    }
}

export!(Plugin);
