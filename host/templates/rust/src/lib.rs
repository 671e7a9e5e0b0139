//! A task: counts words. `wit/task.wit` is its interface.

wit_bindgen::generate!({ path: "wit" });

use exports::my::task::words::{Guest, Word};

struct Task;

impl Guest for Task {
    fn count(text: String) -> Result<Vec<Word>, String> {
        let mut words: Vec<Word> = Vec::new();
        for word in text.split_whitespace() {
            match words.iter_mut().find(|known| known.text == word) {
                Some(known) => known.times += 1,
                None => words.push(Word { text: word.to_owned(), times: 1 }),
            }
        }
        if words.is_empty() { Err("the text has no words".to_owned()) } else { Ok(words) }
    }
}

export!(Task);
