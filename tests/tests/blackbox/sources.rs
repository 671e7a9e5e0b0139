//! Components from registries and web servers: `oci`, `url`, pins, `--locked`, `--offline`.
//! `registries` has logins and hostile servers; `locks` has `lock`.

use cascade_host_tests::{
    Host, INDEX, LAYER, OciRegistry, Project, Proxy, Redis, Reply, Service, build_plugins, build_rust_guests,
    digest, repository, sha256,
};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bytes of a guest with the function `maybe-fail`.
pub(crate) fn guest() -> Vec<u8> {
    fs::read(build_rust_guests().join("basic.wasm")).expect("the guest is built")
}

/// A manifest whose only task calls the component `g` with these keys.
pub(crate) fn manifest(keys: &str) -> String {
    format!("[components.g]\n{keys}\n\n[tasks.t]\ncall = \"g.maybe-fail\"\nargs.x = 4\n")
}

/// Lets a host keep what it fetches in the project's own folder.
pub(crate) fn own_cache(host: Host, project: &Project) -> Host {
    host.env("CASCADE_CODE_CACHE", &cache(project).display().to_string())
}

/// Returns that folder.
pub(crate) fn cache(project: &Project) -> PathBuf {
    project.folder().join("cache")
}

/// Runs the manifest of a project with a cache of its own.
fn run(project: &Project) -> Host {
    own_cache(project.host(), project)
}

/// Returns the names of fetched components in a folder.
pub(crate) fn kept(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_component = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    let components = names.map(|entry| entry.path()).filter(is_component);
    components.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect()
}

#[test]
fn component_is_pulled_by_tag_and_by_digest() {
    let registry = OciRegistry::start();
    let manifest_digest = registry.push("acme/basic", "1.2", &guest());
    let address = registry.address();
    for reference in [
        format!("{address}/acme/basic:1.2"),
        format!("{address}/acme/basic@{manifest_digest}"),
        format!("{address}/acme/basic:moved@{manifest_digest}"),
    ] {
        let project = Project::new(&manifest(&format!("oci = \"{reference}\"")));
        let finished = run(&project).run().expect(0);
        assert_eq!(finished.json()["t"], 4);
        finished.says([format!("fetching {reference}").as_str()]);
        assert_eq!(kept(&cache(&project)), [format!("{}.wasm", sha256(&guest()))]);
    }
}

#[test]
fn spins_layer_type_and_an_index_are_accepted() {
    let registry = OciRegistry::start();
    let spin = "application/vnd.wasm.content.layer.v1+wasm";
    registry.push_layers("acme/spin", "1", &[("text/plain", b"notes"), (spin, &guest())]);
    let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
    let linux = registry.push_layers("acme/both", "", &[(tar, b"tar")]);
    let wasm = registry.push_layers("acme/both", "", &[(LAYER, &guest())]);
    let entry = |digest: &str, size: usize, architecture: &str, os: &str| {
        let platform = json!({ "architecture": architecture, "os": os });
        json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size, "platform": platform })
    };
    let index =
        |entries: serde_json::Value| json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let all = index(json!([entry(&linux, 1, "amd64", "linux"), entry(&wasm, 1, "wasm", "wasip2")]));
    registry.push_manifest("acme/both", "1", (INDEX, &all));
    registry.push_manifest(
        "acme/both",
        "linux",
        (INDEX, &index(json!([entry(&linux, 1, "amd64", "linux")]))),
    );
    let project =
        |reference: &str| Project::new(&manifest(&format!("oci = \"{}/{reference}\"", registry.address())));
    for reference in ["acme/spin:1", "acme/both:1"] {
        assert_eq!(run(&project(reference)).run().expect(0).json()["t"], 4);
    }
    let none = project("acme/both:linux");
    run(&none)
        .run()
        .expect(2)
        .says(["its platforms are `linux/amd64`, and none is wasm", "`application/wasm`"]);
    let other = Project::new(&manifest(&format!("oci = \"{}/acme/both@{linux}\"", registry.address())));
    run(&other).run().expect(2).says([format!("its layers are `{tar}`").as_str()]);
}

#[test]
fn pins_decide_and_the_cache_key_does_not_change_with_the_source() {
    let registry = OciRegistry::start();
    let manifest_digest = registry.push("acme/basic", "1", &guest());
    let reference = format!("{}/acme/basic", registry.address());
    let pinned = format!("oci = \"{reference}:1@{manifest_digest}\"\nsha256 = \"{}\"", sha256(&guest()));
    let project = Project::new(&manifest("path = \"{guest:basic}\""));
    let server = Redis::start("");
    let resumed = || run(&project).args(["--state", &server.uri(), "--run-id", "r"]).run().expect(0);
    resumed();
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", manifest(&pinned)));
    resumed();
    assert_eq!(
        project.events().tasks("task.stored"),
        ["t"],
        "the run is the same, wherever its component is from"
    );
    let plan = |more: &[&str]| {
        let host =
            more.iter().fold(own_cache(project.command("plan"), &project), |host, flag| host.args([*flag]));
        String::from_utf8(host.run().expect(0).stdout).expect("a plan is text")
    };
    let shown: serde_json::Value = serde_json::from_str(&plan(&["--json"])).expect("a plan is JSON");
    assert_eq!(shown["tasks"][0]["source"]["from"], format!("{reference}:1@{manifest_digest}"));
    assert_eq!(shown["tasks"][0]["source"]["sha256"], sha256(&guest()));
    assert!(plan(&[]).contains("component from"));
    // Another component under the same names: neither pin fits.
    let other = other_component();
    registry.push("acme/basic", "1", &other);
    let wrong =
        Project::new(&manifest(&format!("oci = \"{reference}:1\"\nsha256 = \"{}\"", sha256(&guest()))));
    let finished = run(&wrong).run().expect(2);
    finished.says([
        "the component `g` does not match its pinned digest",
        &sha256(&other),
        "manifest.toml:5:10",
    ]);
    assert_eq!(kept(&cache(&wrong)), [""; 0]);
    let gone = Project::new(&manifest(&format!("oci = \"{reference}@{}\"", digest(b"never pushed"))));
    run(&gone).run().expect(2).says(["answers 404", "docker login"]);
}

/// A component that is no guest of the tests.
fn other_component() -> Vec<u8> {
    b"\0asm\x0d\0\x01\0".to_vec()
}

#[test]
fn cut_connections_are_resumed_where_they_broke() {
    let registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    // A host that begins anew after each cut never gets to the end.
    let proxy = Proxy::start(registry.port(), 60_000, u64::MAX);
    let project = Project::new(&manifest(&format!("oci = \"127.0.0.1:{}/acme/basic:1\"", proxy.port())));
    assert_eq!(run(&project).run().expect(0).json()["t"], 4);
    assert!(proxy.cuts() >= 3, "{}", proxy.cuts());
}

#[test]
fn component_that_is_too_large_is_refused_before_it_comes() {
    let registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    let project = Project::new(&manifest(&format!("oci = \"{}/acme/basic:1\"", registry.address())));
    let small = run(&project).env("CASCADE_COMPONENT_SIZE", "1KiB").run().expect(2);
    let small =
        small.says(["the component is larger than `component-size` = 1KiB", "CASCADE_COMPONENT_SIZE"]);
    assert!(!small.stderr.contains("fetching"), "{}", small.stderr);
    run(&project).run().expect(0);
    // Now it is here, and still too large.
    run(&project).env("CASCADE_COMPONENT_SIZE", "1KiB").run().expect(2).says(["`component-size` = 1KiB"]);
}

#[test]
fn locked_and_offline_refuse_what_is_not_certain_or_not_here() {
    let registry = OciRegistry::start();
    let manifest_digest = registry.push("acme/basic", "1", &guest());
    let reference = format!("{}/acme/basic:1", registry.address());
    let project = Project::new(&manifest(&format!("oci = \"{reference}\"")));
    let locked = "the component `g` has no pin, which `--locked` demands";
    for command in ["run", "check", "plan", "test"] {
        let host = own_cache(project.command(command), &project).args(["--locked"]);
        host.run().expect(2).says([locked, "manifest.toml:4:7", "cascade-host lock"]);
        let host = own_cache(project.command(command), &project).args(["--offline"]);
        host.run().expect(2).says(["it is not on this machine", "--offline"]);
    }
    own_cache(project.command("check"), &project)
        .env("CASCADE_LOCKED", "true")
        .run()
        .expect(2)
        .says([locked]);
    let check = own_cache(project.command("check"), &project).run().expect(0);
    check.says([format!(
        "warning: the component `g` has no pin, and the tag in `{reference}` may come to mean another"
    )
    .as_str()]);
    drop(registry);
    // The last meaning of the tag is used, but only if that was asked for.
    let offline = || own_cache(project.host(), &project).env("CASCADE_OFFLINE", "true");
    assert_eq!(offline().run().expect(0).json()["t"], 4);
    run(&project).run().expect(2).says(["no answer from", "`--offline`"]);
    // A pin needs no registry.
    for pin in [
        format!("oci = \"{reference}@{manifest_digest}\""),
        format!("oci = \"{reference}\"\nsha256 = \"{}\"", sha256(&guest())),
    ] {
        project.write(&format!("cascade = 1\nname = \"test\"\n{}", manifest(&pin)));
        assert_eq!(run(&project).args(["--locked"]).run().expect(0).json()["t"], 4);
    }
}

#[test]
fn two_processes_pull_at_once() {
    let registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    let project = Project::new(&manifest(&format!("oci = \"{}/acme/basic:1\"", registry.address())));
    let hosts: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|events| own_cache(project.other_host(events), &project).start())
        .collect();
    for host in hosts {
        assert_eq!(host.wait().expect(0).json()["t"], 4);
    }
    assert_eq!(kept(&cache(&project)).len(), 1);
    let drafts = fs::read_dir(cache(&project)).expect("a cache").flatten();
    assert_eq!(drafts.filter(|entry| entry.file_name().to_string_lossy().starts_with(".tmp")).count(), 0);
}

#[test]
fn download_needs_its_pin_and_matches_it() {
    let content = guest();
    let server = Service::start(move |request| match request.line().1 {
        "/words.wasm?token=hunter2" => Reply::new(200, content.clone()),
        _ => Reply::new(404, "hunter2"),
    });
    let url = format!("http://{}/words.wasm?token=hunter2", server.address());
    let project = Project::new(&manifest(&format!("url = \"{url}\"\nsha256 = \"{}\"", sha256(&guest()))));
    let finished = run(&project).run().expect(0);
    assert_eq!(finished.json()["t"], 4);
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    run(&project).run().expect(0);
    assert_eq!(server.received().len(), 1, "what is pinned is fetched once");
    for (keys, says) in [
        (format!("url = \"{url}\"\nsha256 = \"{}\"", sha256(b"x")), "does not match its pinned digest"),
        (format!("url = \"{url}\""), "is a download, and has no pin `sha256`"),
        (format!("url = \"{url}2\"\nsha256 = \"{}\"", sha256(b"x")), "answers 404"),
        ("url = \"http://example.com/x.wasm?hunter2\"".to_owned(), "`http` is for this machine only"),
    ] {
        let project = Project::new(&manifest(&keys));
        let finished = run(&project).run().expect(2);
        let finished = finished.says([says]);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}

#[test]
fn inspect_and_new_take_references_and_urls() {
    let registry = OciRegistry::start();
    let manifest_digest = registry.push("acme/basic", "1", &guest());
    let reference = format!("oci://{}/acme/basic:1", registry.address());
    let project = Project::new("");
    let shown = own_cache(Host::new(["inspect", &reference]), &project).run().expect(0);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("call = \"basic"), "{shown:?}");
    let host = own_cache(Host::new(["new", "p", "--from", &reference]), &project).within(project.folder());
    host.run().expect(0);
    let written = fs::read_to_string(project.folder().join("p/manifest.toml")).expect("a manifest");
    let expected = format!(
        "oci = \"{}/acme/basic:1@{manifest_digest}\"\nsha256 = \"{}\"\n",
        registry.address(),
        sha256(&guest())
    );
    assert!(written.contains(&expected), "{written}");
    let check =
        own_cache(Host::new(["check", "p/manifest.toml", "--locked"]), &project).within(project.folder());
    check.run().expect(0);
    let short = own_cache(Host::new(["inspect", "oci://basic:1"]), &project).run().expect(2);
    short.says(["names no registry", "docker.io/library/basic:1"]);
}

#[test]
fn packed_plugin_is_called_from_a_registry() {
    build_plugins();
    let registry = OciRegistry::start();
    let packed = Command::new(repository().join("plugins/pack"))
        .args([&format!("{}/tasks", registry.address()), "1", "csv"])
        .output()
        .expect("the script can be started");
    let said = String::from_utf8_lossy(&packed.stderr).into_owned();
    assert!(packed.status.success(), "{said}");
    let reference = said.trim();
    assert!(reference.starts_with(&format!("{}/tasks/csv:1@sha256:", registry.address())), "{said}");
    let tag = reference.split('@').next().expect("a tag");
    for oci in [tag, reference] {
        let project = Project::new(&format!(
            "[components.csv]\noci = \"{oci}\"\n[tasks.t]\ncall = \"csv.parse\"\nargs = {{ text = \"a,b\\n1,2\\n\" }}\n"
        ));
        assert_eq!(run(&project).run().expect(0).json()["t"]["rows"], json!([["1", "2"]]));
    }
}
