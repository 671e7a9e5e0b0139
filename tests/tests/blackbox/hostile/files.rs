//! Files that this host cannot run as components: each is refused before anything runs.
//! Valid components are in the other modules.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Project, assemble};

/// A valid component, to be damaged.
fn valid_component() -> Vec<u8> {
    assemble("phases")
}

#[test]
fn non_component_is_refused_before_anything_runs() {
    let valid = valid_component();
    let damaged = "the component is cut off or damaged";
    let mut spoilt = valid.clone();
    let middle = valid.len() / 2;
    spoilt[middle..middle + 40].fill(0xff);
    let module = wat::parse_str("(module (func (export \"run\")))").expect("the text is sound");
    for (bytes, message) in [
        (valid[..valid.len() - 1].to_vec(), damaged),
        (valid[..valid.len() / 2].to_vec(), damaged),
        (valid[..9].to_vec(), damaged),
        (spoilt, "the component"),
        (Vec::new(), "the component is empty"),
        (b"garbage, and not WebAssembly at all".to_vec(), "this is not WebAssembly"),
        (vec![0xa5; 1 << 20], "this is not WebAssembly"),
        (module, "this is a core WebAssembly module that does not carry its interface"),
        (b"(component)".to_vec(), "this is the text of a component, not its binary form"),
    ] {
        let project = Project::new("[components.h]\npath = \"h.wasm\"\n[tasks.t]\ncall = \"h.run\"\n");
        project.file("h.wasm", &bytes);
        let finished = project.run().expect(2).says(["cannot load the component `h`", message]);
        assert!(finished.peak < 128 << 20, "{message}: {} bytes", finished.peak);
    }
}

#[test]
fn oversized_file_is_not_read() {
    let project = Project::new("[components.h]\npath = \"h.wasm\"\n[tasks.t]\ncall = \"h.run\"\n");
    let file = std::fs::File::create(project.folder().join("h.wasm")).expect("it can be made");
    // A sparse file, which takes no disk space.
    file.set_len(3 << 30).expect("it can be made longer");
    let finished = project.run().expect(2).says(["the component is larger than `component-size` = 256MiB"]);
    assert!(finished.peak < 64 << 20, "{} bytes", finished.peak);
}

#[test]
fn unknown_import_is_refused_before_anything_runs() {
    let guest = named("h", Guest::UnknownImport);
    let project = Project::new(&format!("{guest}[tasks.t]\ncall = \"h.run\"\n"));
    project.run().expect(2).says(["imports `", "which this host does not provide"]);
}
