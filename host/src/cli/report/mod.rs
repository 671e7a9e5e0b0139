//! `report`: one page about a run, without scripts and without any request: summary, failures, graph, timeline, tables.
//! `app` reads the run. Every section is bounded, so that the page stays below [`MAX_PAGE`].

mod html;
mod sections;
mod timeline;

use crate::app::{Figures, RunDetails};
use crate::cli::drawing::{RunStates, draw_stored};
use crate::cli::print::StatsTable;
use crate::cli::report::html::{short, text};
use crate::model::Timestamp;

/// Maximum size of a page, in bytes.
pub(crate) const MAX_PAGE: usize = 1_000_000;

/// Maximum length of a manifest's text on the page, in characters.
const MAX_MANIFEST: usize = 64 << 10;

/// The looks, for light and for dark screens, and for paper.
const STYLE: &str = include_str!("page.css");

/// The sections: id, title.
const SECTIONS: [(&str, &str); 8] = [
    ("failures", "Failures"),
    ("graph", "Graph"),
    ("timeline", "Timeline"),
    ("tasks", "Tasks"),
    ("slowest", "Slowest calls"),
    ("memory", "Memory"),
    ("plan", "Plan"),
    ("manifest", "Manifest"),
];

/// What a page is made of.
pub(crate) struct Content<'a> {
    /// The figures.
    pub figures: &'a Figures,
    /// The tasks and failures.
    pub details: &'a RunDetails,
    /// Failures with the last lines of their guests.
    pub failures: Vec<Failure>,
    /// The text of the manifest, if it was named.
    pub manifest: Option<String>,
    /// When the page was made.
    pub now: Timestamp,
}

/// A failed node.
pub(crate) struct Failure {
    /// Its name.
    pub name: String,
    /// Class of the failure.
    pub class: &'static str,
    /// The message, with its backtrace.
    pub message: String,
    /// The last lines that its guest wrote.
    pub lines: Vec<String>,
}

/// Returns the page.
pub(crate) fn page(content: &Content<'_>) -> String {
    let stats = StatsTable::new(content.figures);
    let run = &content.figures.run;
    let name = text(run.name.as_deref().unwrap_or("run"));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name}: run {run}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>{name}: run {run}</h1>\n",
        run = run.run
    );
    sections::put_summary(&mut out, content, &stats);
    out.push_str("</header>\n<nav aria-label=\"Sections\"><ul>");
    for (id, title) in SECTIONS {
        out.push_str(&format!("<li><a href=\"#{id}\">{title}</a></li>"));
    }
    out.push_str("</ul></nav>\n<main>\n");
    for (id, title) in SECTIONS {
        let mut section = String::new();
        match id {
            "failures" => sections::put_failures(&mut section, content),
            "graph" => put_graph(&mut section, content),
            "timeline" => {
                section.push_str(
                    "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline\">\n",
                );
                timeline::put(&mut section, content.figures);
                section.push_str("</div>\n");
                sections::put_hosts(&mut section, &stats);
                sections::put_path(&mut section, &stats);
            }
            "tasks" => sections::put_tasks(&mut section, &stats),
            "slowest" => sections::put_slowest(&mut section, &stats),
            "memory" => sections::put_memory(&mut section, &stats),
            "plan" => sections::put_plan(&mut section, content),
            _ => put_manifest(&mut section, content), // the last one
        }
        out.push_str(&format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n"));
        // Names may be long, and each of their characters may take several bytes.
        if out.len() + section.len() > MAX_PAGE - 10_000 {
            "<p class=\"none\">Left out: the page would be larger than 1 MB.</p>\n".clone_into(&mut section);
        }
        out.push_str(&section);
        out.push_str("</section>\n");
    }
    out + &format!(
        "</main>\n<footer><p class=\"note\">Made by cascade-host {} at {}.</p></footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        content.now
    )
}

fn put_graph(out: &mut String, content: &Content<'_>) {
    let picture = draw_stored(&content.figures.record, &RunStates::new(content.details));
    out.push_str("<div class=\"graph wide\" tabindex=\"0\" role=\"region\" aria-label=\"Graph\">\n");
    out.push_str(&picture.to_svg());
    out.push_str("</div>\n");
}

fn put_manifest(out: &mut String, content: &Content<'_>) {
    match &content.manifest {
        Some(manifest) => {
            out.push_str(&format!(
                "<details><summary>Text of the manifest</summary>\n<pre>{}</pre></details>\n",
                short(manifest, MAX_MANIFEST)
            ));
        }
        None => out.push_str(
            "<p class=\"none\">A run does not store its manifest: <code>report --manifest FILE</code> adds its text.</p>\n",
        ),
    }
}
