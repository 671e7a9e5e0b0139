//! Responsible for texts: their differences by lines and by words, through the crate `similar`.
//! Leaves lists to `lists`.

use crate::{Kind, Line, Part, Summary};
use similar::{ChangeTag, TextDiff};

/// Returns a unified diff.
pub fn unified(old: &str, new: &str, context: u32) -> String {
    let context = usize::try_from(context).unwrap_or(usize::MAX);
    // More context than there are lines is all of them; the crate adds the number to positions.
    let context = context.min(old.len().max(new.len()));
    TextDiff::from_lines(old, new).unified_diff().context_radius(context).header("old", "new").to_string()
}

/// Returns all lines.
pub fn lines(old: &str, new: &str) -> Vec<Line> {
    let number = |index: Option<usize>| index.and_then(|index| u32::try_from(index + 1).ok());
    let diff = TextDiff::from_lines(old, new);
    let line = |change: similar::Change<&str>| Line {
        kind: kind(change.tag()),
        text: without_end(change.value()).to_owned(),
        old: number(change.old_index()),
        new: number(change.new_index()),
    };
    diff.iter_all_changes().map(line).collect()
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Returns the words, neighbours of one kind together.
pub fn words(old: &str, new: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for change in TextDiff::from_words(old, new).iter_all_changes() {
        let kind = kind(change.tag());
        match parts.last_mut() {
            Some(part) if part.kind == kind => part.text.push_str(change.value()),
            _ => parts.push(Part { kind, text: change.value().to_owned() }),
        }
    }
    parts
}

/// Returns how much has changed.
pub fn summary(old: &str, new: &str) -> Summary {
    let diff = TextDiff::from_lines(old, new);
    let count = |tag| {
        let lines = diff.iter_all_changes().filter(|change| change.tag() == tag).count();
        u32::try_from(lines).unwrap_or(u32::MAX)
    };
    let (added, removed) = (count(ChangeTag::Insert), count(ChangeTag::Delete));
    let same = f64::from(count(ChangeTag::Equal)) * 2.0;
    let all = same + f64::from(added) + f64::from(removed);
    Summary { added, removed, similarity: if all > 0.0 { same / all } else { 1.0 } }
}

fn kind(tag: ChangeTag) -> Kind {
    match tag {
        ChangeTag::Equal => Kind::Same,
        ChangeTag::Delete => Kind::Removed,
        ChangeTag::Insert => Kind::Added,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unified_diffs_are_those_of_the_tool() {
        assert_eq!(
            unified("a\nb\nc\n", "a\nB\nc\n", 1),
            "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
        assert_eq!(unified("a\nb\nc\n", "a\nB\nc\n", 0), "--- old\n+++ new\n@@ -2 +2 @@\n-b\n+B\n");
        assert_eq!(unified("a", "a", 3), "");
        assert!(unified("a", "b", u32::MAX).contains("\\ No newline at end of file"));
    }

    #[test]
    fn lines_have_numbers_of_both_sides() {
        let shown: Vec<_> = lines("a\r\nb\n", "a\r\nc")
            .into_iter()
            .map(|line| (line.kind, line.text, line.old, line.new))
            .collect();
        let line = |kind, text: &str, old, new| (kind, text.to_owned(), old, new);
        assert!(
            shown
                == [
                    line(Kind::Same, "a", Some(1), Some(1)),
                    line(Kind::Removed, "b", Some(2), None),
                    line(Kind::Added, "c", None, Some(2)),
                ]
        );
    }

    #[test]
    fn words_add_up_to_both_texts() {
        let (old, new) = ("the quick brown fox", "the slow brown  fox jumps");
        let parts = words(old, new);
        let side = |left_out| {
            parts
                .iter()
                .filter(|part| part.kind != left_out)
                .map(|part| part.text.as_str())
                .collect::<String>()
        };
        assert_eq!((side(Kind::Added).as_str(), side(Kind::Removed).as_str()), (old, new));
    }

    #[test]
    fn similarity_is_a_share_of_lines() {
        let shown = |old, new| {
            let summary = summary(old, new);
            format!("{} {} {}", summary.added, summary.removed, summary.similarity)
        };
        assert_eq!(shown("a\nb\n", "a\nc\nd\n"), "2 1 0.4");
        assert_eq!(shown("", ""), "0 0 1");
        assert_eq!(shown("a", "b"), "1 1 0");
    }

    #[test]
    fn any_two_texts_differ_somehow() {
        let texts = ["", "\n", "\r\r\n", "a\0b", "äöü\u{2028}", "\u{feff}", "🦀\n\n🦀"];
        for (old, new) in texts.iter().flat_map(|old| texts.iter().map(move |new| (old, new))) {
            unified(old, new, 3);
            lines(old, new);
            words(old, new);
        }
    }
}
