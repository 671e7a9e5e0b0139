//! The manifests of `plugins`, which are the README's examples, on their real input.
//! The plugins' own tests are beside their code.

use cascade_host_tests::{Host, build_plugins, repository};

#[test]
fn text_pipeline_reports_on_a_document_of_this_repository() {
    build_plugins();
    let finished =
        Host::new(["run", "plugins/text/pipeline.toml", "-o", "raw"]).within(repository()).run().expect(0);
    let report = finished.text();
    for text in ["Architecture", "words", "host"] {
        assert!(report.contains(text), "{text} is not in:\n{report}");
    }
}

#[test]
fn picture_is_a_png_of_the_requested_size() {
    build_plugins();
    let arguments =
        ["run", "plugins/picture/picture.toml", "-o", "raw", "-p", "width=200", "-p", "height=150"];
    let finished = Host::new(arguments).within(repository()).run().expect(0);
    let png = &finished.stdout;
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((number(16), number(20)), (200, 150));
}

#[test]
fn program_makes_a_page_of_each_part_of_a_document() {
    build_plugins();
    let finished =
        Host::new(["run", "plugins/pages/pages.toml", "-p", "title=A & B"]).within(repository()).run();
    let outputs = finished.expect(0).json();
    let pages = outputs["pages"].as_array().expect("a list");
    assert_eq!(outputs["summary"]["pages"], pages.len());
    assert_eq!(pages[0]["name"], "out/01.html");
    let page = pages[0]["content"].as_str().expect("a text");
    assert!(
        page.contains("A &amp; B") && page.contains("max-width") && page.contains("lang=\"en\""),
        "{page}"
    );
}

#[test]
fn build_runs_the_build_commands_of_a_manifest() {
    let finished = Host::new(["build", "plugins/text/pipeline.toml"]).within(repository()).run().expect(0);
    assert!(finished.stdout.is_empty());
    finished.says(["cargo build"]);
}

#[test]
fn leaflet_includes_two_other_examples() {
    build_plugins();
    let host =
        Host::new(["run", "plugins/leaflet/leaflet.toml", "-p", "title=A leaflet"]).within(repository());
    let outputs = host.run().expect(0).says(["text/report", "cover/stitch"]).json();
    let pages = outputs["pages"].as_array().expect("a list");
    assert_eq!(outputs["summary"]["pages"], pages.len());
    assert!(pages[0]["content"].as_str().expect("a text").contains("A leaflet"), "{pages:?}");
    // The first bytes of a PNG, in base64.
    assert!(outputs["cover"].as_str().expect("bytes").starts_with("iVBORw0KGgo"));
}
