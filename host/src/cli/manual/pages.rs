//! Compares the table of topics with the files of the manual, its index and the README.
//! Other tests compare the pages with the code.

use crate::cli::manual::repository;
use crate::cli::topics::{TOPICS, Topic};
use std::collections::BTreeSet;
use std::fs;

/// Returns the pages that the index lists: all but itself.
fn listed() -> impl Iterator<Item = &'static Topic> {
    TOPICS.iter().filter(|topic| topic.name != "index")
}

#[test]
fn every_page_is_a_topic() {
    let files = fs::read_dir(repository().join("host/docs")).unwrap();
    let names = files.filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".md").map(str::to_owned)
    });
    let topics: BTreeSet<String> = TOPICS.iter().map(|topic| topic.name.to_owned()).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), topics);
}

#[test]
fn index_lists_the_topics_with_their_titles() {
    let index = Topic::find("index").unwrap();
    let rows = index.text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(".md | "));
    let rows: Vec<_> = rows.map(|(name, title)| (name, title.trim_end_matches(" |"))).collect();
    assert_eq!(rows, listed().map(|topic| (topic.name, topic.title)).collect::<Vec<_>>());
}

#[test]
fn readme_links_to_every_page() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    for topic in listed() {
        let link = format!("(host/docs/{}.md)", topic.name);
        assert!(readme.contains(&link), "README.md has no link {link}");
    }
}

#[test]
fn pages_refer_to_existing_pages() {
    for topic in TOPICS {
        // A file on a server is none of the repository's.
        let texts = topic.text.split_whitespace().filter(|text| !text.contains("://"));
        let words = texts.flat_map(|text| {
            text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_' | '/'))
        });
        for word in words.filter_map(|word| word.strip_suffix(".md")) {
            let is_file = repository().join(format!("{word}.md")).is_file();
            assert!(is_file || Topic::find(word).is_some(), "{}.md refers to {word}.md", topic.name);
        }
    }
}
