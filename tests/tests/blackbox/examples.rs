//! The manifests of `plugins`, which are the README's examples, on their real input.
//! The plugins' own tests are beside their code.

use cascade_host_tests::{Host, build_plugins, repository};

#[test]
fn text_pipeline_reports_on_a_document_of_this_repository() {
    build_plugins();
    let finished =
        Host::new(["run", "plugins/text/pipeline.toml", "-o", "raw"]).within(repository()).run().expect(0);
    let report = finished.text();
    for text in ["Architecture", "words", "engine"] {
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
fn build_runs_the_build_commands_of_a_manifest() {
    let finished = Host::new(["build", "plugins/text/pipeline.toml"]).within(repository()).run().expect(0);
    assert!(finished.stdout.is_empty());
    finished.says(["cargo build"]);
}
