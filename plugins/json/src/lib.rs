//! Responsible for the exports that `wit/json.wit` promises.
//! Leaves documents to `document` and filters to `filter`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod document;
mod filter;

use exports::cascade::json::json::{Error, Guest, Mistake, Variable};

struct Plugin;

impl Guest for Plugin {
    fn one(document: String, filter: String, variables: Option<Vec<Variable>>) -> Result<String, Error> {
        let mut results =
            filter::results(&document, &filter, &variables.unwrap_or_default(), document::write)?;
        match (results.pop(), results.is_empty()) {
            (None, _) => Err(Error::Empty),
            (Some(result), true) => Ok(result),
            (Some(_), false) => Err(Error::Several),
        }
    }

    fn all(document: String, filter: String, variables: Option<Vec<Variable>>) -> Result<Vec<String>, Error> {
        filter::results(&document, &filter, &variables.unwrap_or_default(), document::write)
    }

    fn texts(
        document: String,
        filter: String,
        variables: Option<Vec<Variable>>,
    ) -> Result<Vec<String>, Error> {
        filter::results(&document, &filter, &variables.unwrap_or_default(), document::text)
    }

    fn format(document: String, indent: Option<u8>) -> Result<String, Error> {
        document::format(&document::read(&document)?, indent)
    }

    fn merge(documents: Vec<String>) -> Result<String, Error> {
        let documents = documents.iter().map(|document| document::read(document));
        document::write(&document::merge(documents.collect::<Result<_, _>>()?))
    }
}

export!(Plugin);
