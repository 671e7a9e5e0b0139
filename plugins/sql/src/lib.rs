//! Responsible for the exports that `wit/sql.wit` promises.
//! Leaves tables of the database to `tables`, and the query to `query`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod query;
mod tables;

use exports::cascade::sql::sql::{Content, Error, Guest, Source, Table};

struct Plugin;

impl Guest for Plugin {
    fn query(tables: Vec<Source>, query: String, parameters: Option<String>) -> Result<Table, Error> {
        let database = tables::load(tables)?;
        query::table(&database, &query, parameters.as_deref())
    }

    fn query_json(tables: Vec<Source>, query: String, parameters: Option<String>) -> Result<String, Error> {
        let database = tables::load(tables)?;
        query::json(&database, &query, parameters.as_deref())
    }
}

export!(Plugin);
