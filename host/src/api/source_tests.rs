//! Components from elsewhere in the library: logins and rules come from the variables that a host was given, and nowhere else.
//! `tests/blackbox/sources` has the rest.

use crate::api::{Host, HostBuilder, Pipeline};
use cascade_host_tests::{Received, Reply, Service, sha256};
use std::fs;
use std::path::Path;

/// A component whose function adds one.
fn component() -> Vec<u8> {
    let text = r#"(component
        (core module $m (func (export "inc") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
        (core instance $i (instantiate $m))
        (func (export "inc") (param "x" u32) (result u32) (canon lift (core func $i "inc"))))"#;
    wat::parse_str(text).unwrap()
}

/// A registry with the component, for the user `u` with the password `p`.
fn registry() -> Service {
    Service::start(|request: &Received| {
        if request.header("authorization") != Some("Basic dTpw") {
            return Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"");
        }
        match request.line().1 {
            path if path.contains("/blobs/") => Reply::new(200, component()),
            _ => {
                let layer = format!("sha256:{}", sha256(&component()));
                let size = component().len();
                Reply::new(
                    200,
                    format!(
                        "{{\"layers\":[{{\"mediaType\":\"application/wasm\",\"digest\":\"{layer}\",\"size\":{size}}}]}}"
                    ),
                )
            }
        }
    })
}

fn open(host: HostBuilder, registry: &Service) -> Result<Pipeline, crate::api::Error> {
    let manifest = format!(
        "cascade = 1\nname = \"t\"\ncomponents.c.oci = \"{}/c:1\"\ntasks.t = {{ call = \"c.inc\", args.x = 41 }}",
        registry.address()
    );
    host.jobs(1).memory("256MiB").build()?.parse(&manifest, Path::new("."))
}

#[test]
fn logins_come_from_the_given_variables_alone() {
    let registry = registry();
    let docker = tempfile::tempdir().unwrap();
    let config = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"dTpw\"}}}}}}", registry.address());
    fs::write(docker.path().join("config.json"), config).unwrap();
    let refused = open(Host::builder(), &registry).unwrap_err();
    assert!(refused.to_string().contains("cannot fetch the component `c`"), "{refused}");
    let with_login = || Host::builder().environment([("DOCKER_CONFIG", docker.path())]);
    let report = open(with_login(), &registry).unwrap().run().wait().unwrap();
    assert_eq!(report.output::<u32>("t").unwrap(), 42);
}

#[tokio::test]
async fn component_is_fetched_inside_of_another_runtime_and_kept_with_the_code() {
    let registry = registry();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [docker, code] = folders.each_ref().map(|folder| folder.path().to_owned());
    let config = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"dTpw\"}}}}}}", registry.address());
    fs::write(docker.join("config.json"), config).unwrap();
    let host = || Host::builder().environment([("DOCKER_CONFIG", docker.as_path())]).code_cache(&code);
    let report = open(host(), &registry).unwrap().run().await.unwrap();
    assert_eq!(report.output::<u32>("t").unwrap(), 42);
    let offline = Host::builder().environment([("CASCADE_OFFLINE", "true")]).code_cache(&code);
    let asked = registry.received().len();
    assert!(open(offline, &registry).is_ok());
    assert_eq!(registry.received().len(), asked);
}
