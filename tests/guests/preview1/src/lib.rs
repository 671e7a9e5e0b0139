//! A reactor: its functions are called one by one, and the standard library works over preview 1.

use crate::exports::test::preview1::{maps, surroundings, words};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime};

wit_bindgen::generate!({ world: "task" });

struct Reactor;

/// Words that `count` takes at most.
const MOST: usize = 100;

impl words::Guest for Reactor {
    fn count(text: String) -> Result<Vec<words::Tally>, words::Problem> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.len() {
            0 => return Err(words::Problem::Empty),
            len @ MOST.. => return Err(words::Problem::TooLong(u32::try_from(len).unwrap_or(u32::MAX))),
            _ => {}
        }
        let mut tallies: Vec<words::Tally> = Vec::new();
        for word in words {
            match tallies.iter_mut().find(|tally| tally.word == word) {
                Some(tally) => tally.times += 1,
                None => tallies.push(words::Tally { word: word.to_owned(), times: 1 }),
            }
        }
        Ok(tallies)
    }
}

impl maps::Guest for Reactor {
    fn tally(text: String) -> BTreeMap<String, u32> {
        let mut tally = BTreeMap::new();
        for word in text.split_whitespace() {
            *tally.entry(word.to_owned()).or_insert(0) += 1;
        }
        tally
    }

    fn by_times(of: BTreeMap<String, u32>) -> BTreeMap<u32, Vec<String>> {
        let mut words: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (word, times) in of {
            words.entry(times).or_default().push(word);
        }
        words
    }

    fn flip(of: Option<BTreeMap<bool, char>>) -> Option<BTreeMap<char, bool>> {
        of.map(|of| of.into_iter().map(|(flag, char)| (char, flag)).collect())
    }
}

impl surroundings::Guest for Reactor {
    fn variables() -> Vec<(String, String)> {
        std::env::vars().collect()
    }

    fn read(path: String) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn chance() -> (u64, u64, u64) {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let begin = Instant::now();
        let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        (nanoseconds(wall), nanoseconds(begin.elapsed()), RandomState::new().hash_one(1))
    }

    fn say(text: String) {
        println!("{text}");
        eprintln!("{text}, as an error");
    }

    fn panic(message: String) {
        panic!("{message}");
    }
}

impl Guest for Reactor {
    fn add(a: i32, b: i32) -> i32 {
        a + b
    }
}

export!(Reactor);
