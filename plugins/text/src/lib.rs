//! Responsible for the exports that `wit/text.wit` promises.
//! Leaves counting to `words`, sentences to `prose` and the page to `report`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod prose;
mod report;
mod words;

struct Text;

impl Guest for Text {
    fn split(document: String, chunks: u32) -> Vec<String> {
        words::split(&document, chunks)
    }

    fn count(chunk: String) -> Vec<Tally> {
        words::count(&chunk)
    }

    fn merge(counts: Vec<Vec<Tally>>, limit: u32) -> Summary {
        words::merge(counts, limit)
    }

    fn report(title: String, document: String, summary: Summary) -> String {
        report::report(&title, &document, &summary)
    }
}

export!(Text);
