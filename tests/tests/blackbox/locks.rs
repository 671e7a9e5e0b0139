//! `lock`: pins are written into the manifest that declares the component, and nothing else of it changes.
//! `sources` has what pins do.

use crate::sources::{guest, manifest, own_cache};
use cascade_host_tests::{Host, OciRegistry, Project, Reply, Service, sha256};
use std::fs;

fn lock(project: &Project) -> Host {
    own_cache(project.command("lock"), project)
}

fn text(project: &Project, name: &str) -> String {
    fs::read_to_string(project.folder().join(name)).expect("the manifest is there")
}

#[test]
fn pins_are_written_between_comments_and_other_keys() {
    let registry = OciRegistry::start();
    let first = registry.push("acme/basic", "1", &guest());
    let content = guest();
    let server = Service::start(move |_| Reply::new(200, content.clone()));
    let (reference, url) =
        (format!("{}/acme/basic:1", registry.address()), format!("http://{}/x", server.address()));
    let before = format!(
        "# head\ncascade = 1\nname = 'test' # us\n\n[components.g]   # the guest\noci = \"{reference}\" # by tag\n\n\
         [components]\nh = {{ url = \"{url}\" }}\nlocal.path = \"{{guest:basic}}\"\n\n# what is done\n[tasks.t]\ncall = \"g.maybe-fail\"\nargs.x = 4"
    );
    let project = Project::raw(&before);
    let before = text(&project, "manifest.toml");
    let missing = lock(&project).args(["--check"]).run().expect(2);
    missing.says(["some components have no pin", "`g`", "`h`", "cascade-host lock manifest.toml"]);
    assert_eq!(text(&project, "manifest.toml"), before);
    let locked = lock(&project).run().expect(0);
    assert_eq!(locked.stdout, b"");
    let pinned = format!("oci = \"{reference}@{first}\"");
    let sha256 = sha256(&guest());
    locked.says(["pinned g in manifest.toml", &pinned, &format!("sha256 = \"{sha256}\"")]);
    let after = before
        .replace(
            &format!("oci = \"{reference}\" # by tag\n"),
            &format!("{pinned} # by tag\nsha256 = \"{sha256}\"\n"),
        )
        .replace(&format!("\"{url}\" }}"), &format!("\"{url}\", sha256 = \"{sha256}\" }}"));
    assert_eq!(text(&project, "manifest.toml"), after);
    lock(&project).args(["--check"]).run().expect(0);
    lock(&project).run().expect(0).says(["every component from elsewhere is pinned"]);
    own_cache(project.host(), &project).args(["--locked"]).run().expect(0);
}

#[test]
fn included_manifests_are_pinned_in_their_own_files() {
    let registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    let reference = format!("{}/acme/basic:1", registry.address());
    let project = Project::new(
        "[tasks.inner]\nmanifest = \"lib/inner.toml\"\n[tasks.again]\nmanifest = \"lib/inner.toml\"\n",
    );
    let inner = format!("cascade = 1\nname = \"inner\"\n{}", manifest(&format!("oci = \"{reference}\"")));
    project.write_to("lib/inner.toml", &inner);
    let outer = text(&project, "manifest.toml");
    lock(&project).run().expect(0).says(["pinned g in", "lib/inner.toml"]);
    assert_eq!(text(&project, "manifest.toml"), outer);
    assert!(text(&project, "lib/inner.toml").contains(&sha256(&guest())));
    lock(&project).args(["--check"]).run().expect(0);
}

#[test]
fn moved_tag_is_told_and_taken_by_update() {
    let registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    let reference = format!("{}/acme/basic:1", registry.address());
    let project = Project::new(&manifest(&format!("oci = \"{reference}\"")));
    lock(&project).run().expect(0);
    let pinned = text(&project, "manifest.toml");
    let other = fs::read(cascade_host_tests::build_rust_guests().join("flows.wasm")).expect("a guest");
    let moved = registry.push("acme/basic", "1", &other);
    lock(&project).run().expect(0);
    assert_eq!(text(&project, "manifest.toml"), pinned, "pins stay until they are updated");
    lock(&project).args(["--update"]).run().expect(0).says([moved.as_str(), &sha256(&other)]);
    let updated = text(&project, "manifest.toml");
    assert!(
        updated.contains(&format!("{reference}@{moved}")) && updated.contains(&sha256(&other)),
        "{updated}"
    );
    assert_eq!(updated.len(), pinned.len());
    // A pin that does not fit is no missing one.
    let wrong = format!("oci = \"{reference}\"\nsha256 = \"{}\"", sha256(b"x"));
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", manifest(&wrong)));
    lock(&project).run().expect(2).says(["does not match its pinned digest", "--update"]);
    assert!(!text(&project, "manifest.toml").contains("@sha256"));
}

#[test]
fn nothing_is_written_if_one_pin_cannot_be_had() {
    let registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    let address = registry.address();
    let project = Project::new(&format!(
        "[components.h]\noci = \"{address}/acme/none:1\"\n{}",
        manifest(&format!("oci = \"{address}/acme/basic:1\""))
    ));
    let before = text(&project, "manifest.toml");
    lock(&project).run().expect(2).says(["cannot fetch the component `h`", "answers 404"]);
    assert_eq!(text(&project, "manifest.toml"), before);
}
