//! Responsible for the exports that `wit/regex.wit` promises.
//! Leaves searching to the crate `regex`, through `search`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod search;

use exports::cascade::regex::regex::{Error, Group, Guest, Match, Table};

struct Plugin;

impl Guest for Plugin {
    fn is_match(text: String, pattern: String) -> Result<bool, Error> {
        Ok(search::compile(&pattern)?.is_match(&text))
    }

    fn find(text: String, pattern: String) -> Result<Vec<String>, Error> {
        let pattern = search::compile(&pattern)?;
        Ok(pattern.find_iter(&text).map(|found| found.as_str().to_owned()).collect())
    }

    fn matches(text: String, pattern: String) -> Result<Vec<Match>, Error> {
        Ok(search::matches(&text, &search::compile(&pattern)?))
    }

    fn extract(text: String, pattern: String) -> Result<Table, Error> {
        Ok(search::extract(&text, &search::compile(&pattern)?))
    }

    fn replace(text: String, pattern: String, replacement: String) -> Result<String, Error> {
        Ok(search::compile(&pattern)?.replace_all(&text, replacement).into_owned())
    }

    fn split(text: String, pattern: String) -> Result<Vec<String>, Error> {
        Ok(search::compile(&pattern)?.split(&text).map(str::to_owned).collect())
    }

    fn select(texts: Vec<String>, pattern: String) -> Result<Vec<bool>, Error> {
        let pattern = search::compile(&pattern)?;
        Ok(texts.iter().map(|text| pattern.is_match(text)).collect())
    }
}

export!(Plugin);
