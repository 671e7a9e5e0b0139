//! Responsible for the exports that `wit/template.wit` promises.
//! Leaves templates to the crate `minijinja`, through `render`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod render;

use exports::cascade::template::template::{Error, Guest, Mistake, Partial};
use minijinja::AutoEscape;

struct Plugin;

impl Guest for Plugin {
    fn render(template: String, values: String, partials: Option<Vec<Partial>>) -> Result<String, Error> {
        render::render(&template, &values, &partials.unwrap_or_default(), AutoEscape::None)
    }

    fn render_html(
        template: String,
        values: String,
        partials: Option<Vec<Partial>>,
    ) -> Result<String, Error> {
        render::render(&template, &values, &partials.unwrap_or_default(), AutoEscape::Html)
    }
}

export!(Plugin);
