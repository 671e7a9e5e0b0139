//! Responsible for sections: where headings cut a text, and their anchors.
//! Leaves the parts of a section to `parts`.

use crate::Section;
use crate::page::OPTIONS;
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use std::collections::BTreeMap;
use std::ops::Range;

/// A heading as it was found.
struct Heading {
    level: u8,
    text: String,
    place: Range<usize>,
}

/// Cuts a text at its headings up to a level.
pub fn sections(text: &str, level: u8) -> Vec<Section> {
    let mut anchors = BTreeMap::new();
    let mut sections =
        vec![Section { level: 0, heading: String::new(), anchor: String::new(), text: String::new() }];
    let mut begin = 0;
    for heading in headings(text) {
        let anchor = anchor(&heading.text, &mut anchors);
        if heading.level > level {
            continue;
        }
        close(&mut sections, text.get(begin..heading.place.start));
        begin = heading.place.end;
        sections.push(Section { level: heading.level, heading: heading.text, anchor, text: String::new() });
    }
    close(&mut sections, text.get(begin..));
    if sections.first().is_some_and(|first| first.text.is_empty()) {
        sections.remove(0);
    }
    sections
}

fn close(sections: &mut [Section], text: Option<&str>) {
    if let (Some(section), Some(text)) = (sections.last_mut(), text) {
        text.trim().clone_into(&mut section.text);
    }
}

/// The headings that are no part of a quotation or a list.
fn headings(text: &str) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    let (mut depth, mut is_open) = (0_u32, false);
    for (event, place) in Parser::new_ext(text, OPTIONS).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                headings.push(Heading { level: number(level), text: String::new(), place });
                is_open = true;
            }
            Event::End(TagEnd::Heading(_)) => is_open = false,
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::FootnoteDefinition(_)) => depth += 1,
            Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::FootnoteDefinition) => depth -= 1,
            Event::Text(part) | Event::Code(part) if is_open => append(&mut headings, &part),
            Event::SoftBreak | Event::HardBreak if is_open => append(&mut headings, " "),
            _ => {}
        }
    }
    headings
}

fn append(headings: &mut [Heading], text: &str) {
    if let Some(heading) = headings.last_mut() {
        heading.text.push_str(text);
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// The anchor of a heading, with a number if it stood before.
fn anchor(heading: &str, used: &mut BTreeMap<String, u32>) -> String {
    let letters = heading.trim().chars().flat_map(char::to_lowercase);
    let kept = letters.filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    let anchor: String = kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
    let times = used.entry(anchor.clone()).or_default();
    *times += 1;
    if *times == 1 { anchor } else { format!("{anchor}-{}", *times - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, level: u8) -> Vec<(u8, String, String)> {
        sections(text, level)
            .into_iter()
            .map(|section| (section.level, section.heading, section.text))
            .collect()
    }

    fn section(level: u8, heading: &str, text: &str) -> (u8, String, String) {
        (level, heading.to_owned(), text.to_owned())
    }

    #[test]
    fn a_text_is_cut_at_headings_up_to_a_level() {
        let text = "before\n# A *b*\nc\n\n## D\ne\n\nF\n=\n> # quoted\n```\n# code\n```\n";
        assert_eq!(
            shown(text, 1),
            [
                section(0, "", "before"),
                section(1, "A b", "c\n\n## D\ne"),
                section(1, "F", "> # quoted\n```\n# code\n```")
            ]
        );
        assert_eq!(shown(text, 2).len(), 4);
        assert_eq!(shown(text, 0), [section(0, "", text.trim())]);
        assert!(shown("", 6).is_empty());
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text = "# Two words\n# `Two` words!\n# Größe_1-2\n";
        let anchors: Vec<String> = sections(text, 6).into_iter().map(|section| section.anchor).collect();
        assert_eq!(anchors, ["two-words", "two-words-1", "größe_1-2"]);
    }
}
