//! `schema`: prints the JSON Schema of manifests, for editors, with the explanations of the manual.
//! `manifest` makes the schema from the keys that it reads.

use crate::app::{Error, Refusal};
use crate::cli::commands::output::print_json;
use crate::cli::process::Exit;
use crate::cli::topics::Topic;
use crate::manifest;

/// Prints the schema.
pub(crate) fn schema() -> Result<Exit, Error> {
    let schema = manifest::schema(&explanation);
    let text = serde_json::to_string_pretty(&schema);
    let text = text.map_err(|error| Refusal::new("cannot write the schema as JSON").caused_by(error))?;
    print_json((text + "\n").as_bytes())
}

/// Returns what the manual says of a key, in the table below a heading.
fn explanation(heading: &str, key: &str) -> Option<String> {
    ["manifest", "grants"].into_iter().find_map(|page| in_page(Topic::find(page)?.text, heading, key))
}

fn in_page(page: &str, heading: &str, key: &str) -> Option<String> {
    let mut lines = page.lines();
    lines.find(|line| line.starts_with('#') && line.trim_start_matches('#').trim() == heading)?;
    let rows = lines.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with("| `"));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let row = rows.map(cells).find(|cells| cells.get(1).is_some_and(|cell| is_about(cell, key)))?;
    match &*row {
        // Key, type, default, meaning.
        [_, _, _, default, meaning, _] if !matches!(&**default, "none" | "required") => {
            Some(format!("{}. Default: {}", without_links(meaning), without_links(default)))
        }
        // The same without a default to tell; value, type, meaning.
        [_, _, _, _, meaning, _] | [_, _, _, meaning, _] => Some(without_links(meaning)),
        // Grants: key, type, what it gives, without it, pure.
        [_, _, _, gives, without, _, _] => {
            Some(format!("{}. Without it: {}", without_links(gives), without_links(without)))
        }
        // Form and value.
        [_, _, value, _] => Some(without_links(value)),
        _ => None, // a table of another kind
    }
}

/// Returns whether the first cell of a row names a key: `key`, `[key.NAME]`, `{ key = … }`.
fn is_about(cell: &str, key: &str) -> bool {
    let Some(word) = cell.split('`').nth(1) else { return false };
    let word = word.trim_start_matches(['[', '{', ' ']);
    word.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with([']', '.', ' ']))
}

/// Replaces `[text](place)` by its text.
fn without_links(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        match link.split_once("](").and_then(|(name, end)| Some((name, end.split_once(')')?.1))) {
            Some((name, after)) if !name.contains([']', '`']) => {
                shown.push_str(before);
                shown.push_str(name);
                rest = after;
            }
            _ => {
                shown.push_str(before);
                shown.push('[');
                rest = link;
            }
        }
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_explains_the_keys() {
        let said = |heading, key| explanation(heading, key).unwrap();
        assert_eq!(said("Top level", "cascade"), "version of the format: `1`");
        assert_eq!(said("Top level", "deadline"), "wall time of a run: deadline");
        assert_eq!(said("Top level", "params"), "inputs of a run");
        assert!(said("[tasks.NAME]", "timeout").ends_with("Default: `\"5m\"`"));
        assert!(said("All grants", "clock").contains("Without it: logical clocks"));
        assert!(said("References", "item").contains("current element"));
        assert_eq!(explanation("[tasks.NAME]", "tim"), None);
    }

    #[test]
    fn links_become_their_text() {
        assert_eq!(without_links("a [b](#c) `list[0]` [d](e)"), "a b `list[0]` d");
    }

    #[test]
    fn every_key_is_explained() {
        let silent = std::cell::RefCell::new(Vec::new());
        let schema = manifest::schema(&|heading, key| {
            let text = explanation(heading, key);
            if text.is_none() && !heading.is_empty() {
                silent.borrow_mut().push(format!("{heading}: {key}"));
            }
            text
        });
        assert!(schema.is_object());
        assert!(silent.borrow().is_empty(), "{silent:?}");
    }
}
