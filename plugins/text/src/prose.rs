//! Responsible for the sentences of a Markdown text: code, tables and headings are none.
//! Leaves their words to `words`.

/// The sentences of a text, each on one line.
pub fn sentences(text: &str) -> Vec<String> {
    paragraphs(text).iter().flat_map(|paragraph| split_sentences(paragraph)).collect()
}

/// Runs of lines that belong together, each joined to one line. Every item of a list is one of its own.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    let mut in_code = false;
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        let prose = if in_code || is_fence { None } else { prose_of(line) };
        if prose.is_none() || is_list_item(line) {
            paragraphs.push(String::new());
        }
        if let (Some(prose), Some(paragraph)) = (prose, paragraphs.last_mut()) {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(prose);
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// What a line says, if it is prose.
fn prose_of(line: &str) -> Option<&str> {
    let is_indented_code = line.starts_with("    ");
    let line = line.trim();
    let is_prose = !line.is_empty() && !line.starts_with(['#', '|', '<']) && !is_indented_code;
    is_prose.then(|| line.trim_start_matches(|mark: char| "-*>".contains(mark) || mark == ' '))
}

fn is_list_item(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
    line.starts_with("- ")
        || line.starts_with("* ")
        || (number.len() < line.len() && number.starts_with(". "))
}

/// A sentence ends with its mark before a space or at the end of the paragraph.
fn split_sentences(paragraph: &str) -> Vec<String> {
    let mut sentences = vec![String::new()];
    for word in paragraph.split(' ') {
        if let Some(sentence) = sentences.last_mut() {
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(word);
        }
        if word.trim_end_matches(['"', ')', '*', '`']).ends_with(['.', '!', '?']) {
            sentences.push(String::new());
        }
    }
    sentences.retain(|sentence| sentence.chars().any(char::is_alphabetic));
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_paragraph_are_joined() {
        assert_eq!(
            sentences("One sentence\nover two lines. And 1.5 more!"),
            ["One sentence over two lines.", "And 1.5 more!"]
        );
    }

    #[test]
    fn code_headings_and_tables_are_no_sentences() {
        assert!(sentences("# Title\n\n```\nlet x = 1.\n```\n\n    indented.\n\n| a | b |\n").is_empty());
    }

    #[test]
    fn items_of_a_list_stand_alone() {
        assert_eq!(sentences("- first\n- second\n  goes on\n* third"), ["first", "second goes on", "third"]);
    }
}
