//! Responsible for the page: numbers in words, bars in text, the longest sentence as a quotation.
//! Leaves all counting to `words` and `prose`.

use crate::Summary;
use crate::Tally;
use crate::prose;
use crate::words;

/// How wide the longest bar is, in characters.
const BAR: u32 = 40;
/// How wide the quotation is, in characters.
const LINE: usize = 72;
/// Words that a reader reads in a minute.
const PACE: usize = 230;

/// Writes the report of a document.
pub fn report(title: &str, document: &str, summary: &Summary) -> String {
    let total = words::words(document).count();
    let sentences = prose::sentences(document);
    let mut page = format!(
        "# {title}\n\n{} in {}, {} to read. Small words aside, {} of them are different.\n",
        plural(total, "word"),
        plural(sentences.len(), "sentence"),
        plural(total.div_ceil(PACE), "minute"),
        summary.distinct
    );
    page += &format!("\n## What it is about\n\n{}", chart(&summary.top));
    if let Some(longest) = sentences.iter().max_by_key(|sentence| words::words(sentence).count()) {
        let length = plural(words::words(longest).count(), "word");
        page += &format!("\n## Its longest sentence, {length}\n\n{}", quotation(longest));
    }
    page
}

fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// One bar for each word, indented as Markdown's code is, so that the columns stay.
fn chart(top: &[Tally]) -> String {
    let most = top.iter().map(|tally| tally.times).max().unwrap_or(1).max(1);
    let widest = top.iter().map(|tally| tally.word.chars().count()).max().unwrap_or(0);
    let line = |Tally { word, times }: &Tally| {
        let eighths = u64::from(*times) * u64::from(BAR) * 8 / u64::from(most);
        format!("    {word:>widest$}  {} {times}\n", bar(eighths))
    };
    top.iter().map(line).collect()
}

/// A bar that is as long as so many eighths of a character.
fn bar(eighths: u64) -> String {
    let whole = (0..eighths / 8).map(|_| '█');
    let rest = match eighths % 8 {
        0 => None,
        1 => Some('▏'),
        2 => Some('▎'),
        3 => Some('▍'),
        4 => Some('▌'),
        5 => Some('▋'),
        6 => Some('▊'),
        _ => Some('▉'),
    };
    whole.chain(rest).collect()
}

/// The text in lines that begin with `>`.
fn quotation(text: &str) -> String {
    let mut lines = vec![String::from(">")];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < LINE => *line += &format!(" {word}"),
            _ => lines.push(format!("> {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_well() {
        let top = vec![Tally { word: "task".into(), times: 4 }, Tally { word: "run".into(), times: 1 }];
        let page =
            report("Title", "A task runs. The task of a task is one task.", &Summary { distinct: 2, top });
        let task = "█".repeat(40);
        let run = "█".repeat(10);
        let expected = format!(
            "# Title\n\n11 words in 2 sentences, 1 minute to read. Small words aside, 2 of them are different.\n\n\
             ## What it is about\n\n    task  {task} 4\n     run  {run} 1\n\n\
             ## Its longest sentence, 8 words\n\n> The task of a task is one task.\n"
        );
        assert_eq!(page, expected);
    }

    #[test]
    fn an_empty_document_has_a_report_too() {
        let page = report("Nothing", "", &Summary { distinct: 0, top: Vec::new() });
        assert!(page.contains("0 words in 0 sentences"));
    }

    #[test]
    fn bars_are_exact_to_an_eighth() {
        assert_eq!(bar(0), "");
        assert_eq!(bar(17), "██▏");
    }

    #[test]
    fn quotations_are_wrapped() {
        assert!(
            quotation(&"word ".repeat(40)).lines().all(|line| line.starts_with("> ") && line.len() <= LINE)
        );
    }
}
