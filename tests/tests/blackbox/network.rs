//! Outgoing HTTP, sockets and DNS: only granted addresses are reachable, whatever guests and servers do.
//! Hostile URLs are tested beside the matcher; names that resolve to private addresses are tested beside the client.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Project, Web, free_port};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

/// Creates a project with one task per call: `function`, arguments, and further lines.
fn project(grants: &str, calls: &[(&str, Value, &str)]) -> Project {
    let mut body = format!("{}grants = {{ {grants} }}\n", named("n", Guest::Network));
    for (at, (function, args, more)) in calls.iter().enumerate() {
        body.push_str(&format!("[tasks.t{at}]\ncall = \"n.{function}\"\non-error = \"value\"\n{more}\n"));
        for (name, value) in args.as_object().expect("arguments have names") {
            body.push_str(&format!("args.{name} = {value}\n"));
        }
    }
    Project::new(&body)
}

fn fetches(grants: &str, urls: &[String]) -> Project {
    let calls: Vec<_> = urls.iter().map(|url| ("fetch", json!({ "url": url }), "")).collect();
    project(grants, &calls)
}

/// Returns the body of a response, or the error.
fn body_or_error(shown: &Value, at: usize) -> String {
    let result = &shown[format!("t{at}")];
    let body =
        result["ok"]["body"].as_str().or_else(|| result["ok"].as_str()).or_else(|| result["err"].as_str());
    body.map_or_else(|| result.to_string(), str::to_owned)
}

/// Starts a server that echoes in capitals, and returns its port.
fn start_echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
    let port = listener.local_addr().expect("a listener has an address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut text = String::new();
            if client.read_to_string(&mut text).is_ok() {
                drop(client.write_all(text.to_uppercase().as_bytes()));
                drop(client.shutdown(Shutdown::Both));
            }
        }
    });
    port
}

#[test]
fn granted_requests_are_sent_in_normal_form() {
    let web = Web::start();
    let port = web.port();
    let urls = ["/echo/a", "/echo/%61?b=%2e%2e", "/x/../echo/./c"].map(|path| web.url(path));
    let odd = format!("http://0x7f.1:{port}/echo/odd");
    let grants = format!("http = [\"{}\"]", web.url("/echo/"));
    let shown = fetches(&grants, &[urls.as_slice(), &[odd]].concat()).run().expect(0).json();
    for (at, path) in ["/echo/a", "/echo/a?b=%2e%2e", "/echo/c", "/echo/odd"].iter().enumerate() {
        assert_eq!(body_or_error(&shown, at), format!("GET {path} 127.0.0.1:{port}"));
    }
}

#[test]
fn requests_outside_the_granted_prefix_are_refused_with_the_grant() {
    let (web, other) = (Web::start(), Web::start());
    let port = web.port();
    let urls = [
        web.url("/echo"),
        web.url("/echoes/"),
        web.url("/echo/../silent"),
        web.url("/echo/%2e%2e/silent"),
        web.url("/echo/..%2fsilent"),
        web.url("/echo/%252e%252e%252fsilent"),
        other.url("/echo/?token=hunter2"),
        format!("https://127.0.0.1:{port}/echo/"),
        format!("http://localhost:{port}/echo/"),
        format!("http://user:hunter2@127.0.0.1:{port}/echo/"),
        format!("http://[::ffff:127.0.0.1]:{port}/echo/"),
        format!("http://127.0.0.1.:{port}/echo"),
    ];
    let grants = format!("http = [\"{}\"]", web.url("/echo/"));
    let project = fetches(&grants, &urls);
    let finished = project.run().expect(0);
    let shown = finished.json();
    for (at, url) in urls.iter().enumerate() {
        assert!(
            body_or_error(&shown, at).contains("HttpRequestDenied"),
            "{url}: {}",
            body_or_error(&shown, at)
        );
    }
    assert!(web.heads().is_empty() && other.heads().is_empty());
    let needed = format!("`http = [\"http://127.0.0.1:{}/\"]`", other.port());
    let finished = finished.says([needed.as_str(), "has a user or a password"]);
    let events = project.events();
    let logged: Vec<_> = events.of("task.log").map(ToString::to_string).collect();
    assert!(!finished.stderr.contains("hunter2") && !logged.concat().contains("hunter2"), "{logged:#?}");
}

#[test]
fn every_redirect_is_checked_against_the_grant() {
    let (web, other) = (Web::start(), Web::start());
    let within = web.url(&format!("/redirect?{}", web.url(&format!("/redirect?{}", web.url("/echo/end")))));
    let out = web.url(&format!("/redirect?{}", other.url("/echo/")));
    let calls = [("fetch", &within), ("follow", &within), ("follow", &out)];
    let calls = calls.map(|(function, url)| (function, json!({ "url": url }), ""));
    let shown = project(&format!("http = [\"{}\"]", web.url("/")), &calls).run().expect(0).json();
    assert_eq!(shown["t0"]["ok"]["status"], 302, "the host follows nothing by itself");
    assert_eq!(body_or_error(&shown, 1), format!("GET /echo/end 127.0.0.1:{}", web.port()));
    assert!(body_or_error(&shown, 2).contains("HttpRequestDenied"), "{shown}");
    assert!(other.heads().is_empty());
}

#[test]
fn host_header_is_set_by_the_host_and_connect_is_refused() {
    let web = Web::start();
    let url = web.url("/echo/");
    let as_method =
        |method: &str, name: &str| json!({ "url": url, "method": method, "header": [name, "evil.example"] });
    let calls = [
        ("fetch-as", as_method("POST", "x-own"), ""),
        ("fetch-as", as_method("POST", "host"), ""),
        ("fetch-as", as_method("POST", "transfer-encoding"), ""),
        ("fetch-as", as_method("CONNECT", "x-own"), ""),
    ];
    let shown = project(&format!("http = [\"{url}\"]"), &calls).run().expect(0).json();
    assert_eq!(body_or_error(&shown, 0), format!("POST /echo/ 127.0.0.1:{}", web.port()));
    assert!(
        body_or_error(&shown, 1).contains("Forbidden") && body_or_error(&shown, 2).contains("Forbidden"),
        "{shown}"
    );
    assert!(body_or_error(&shown, 3).contains("HttpRequestDenied"), "{shown}");
    assert_eq!(web.heads().len(), 1);
}

#[test]
fn bodies_are_streamed_both_ways_and_end_with_the_call() {
    let web = Web::start();
    let calls = [
        ("upload", json!({ "url": web.url("/count"), "bytes": 20_000_000 }), ""),
        ("drain", json!({ "url": web.url("/endless"), "bytes": 3_000_000 }), ""),
    ];
    let shown = project(&format!("http = [\"{}\"]", web.url("/")), &calls).run().expect(0).json();
    assert_eq!((body_or_error(&shown, 0), &shown["t1"]["ok"]), ("20000000".to_owned(), &json!(3_000_000)));
    web.wait_until_left();
    // The kernel's buffers cannot be controlled.
    assert!(web.sent() < 64 << 20, "{} bytes were taken", web.sent());
}

#[test]
fn guest_waiting_for_a_server_times_out() {
    for (function, path) in [("fetch", "/silent"), ("fetch", "/slow"), ("cling", "/endless")] {
        let web = Web::start();
        let call = (function, json!({ "url": web.url(path) }), "timeout = \"400ms\"");
        let project = project(&format!("http = [\"{}\"]", web.url("/")), &[call]);
        let finished = project.run().expect(1).says(["`timeout` = 400ms reached"]);
        assert!(finished.took < Duration::from_secs(20), "{path}: {:?}", finished.took);
        web.wait_until_left();
    }
}

#[test]
fn hostile_responses_are_errors_in_the_guest() {
    let web = Web::start();
    let paths = ["/cut", "/long-header", "/many-headers", "/garbage"];
    let mut calls = paths.map(|path| ("fetch", json!({ "url": web.url(path) }), "")).to_vec();
    calls.push(("fetch-within", json!({ "url": web.url("/silent"), "milliseconds": 50 }), ""));
    calls.push(("hoard", json!({ "url": web.url("/endless"), "requests": 100 }), ""));
    let shown = project(&format!("http = [\"{}\"]", web.url("/")), &calls).run().expect(0).json();
    let errors = [
        "incomplete HTTP response",
        "HeaderSectionSize",
        "HeaderSectionSize",
        "HttpProtocolError",
        "Timeout",
    ];
    for (at, error) in errors.iter().enumerate() {
        assert!(body_or_error(&shown, at).contains(error), "{at}: {}", body_or_error(&shown, at));
    }
    let hoarded = &shown["t5"]["ok"];
    assert_eq!(hoarded[0], 32, "{hoarded}");
    assert!(hoarded[1].as_str().is_some_and(|error| error.contains("ConnectionLimitReached")), "{hoarded}");
    web.wait_until_left();
}

fn exchange(address: &str) -> (&'static str, Value, &'static str) {
    ("exchange", json!({ "address": address, "text": "hello" }), "")
}

#[test]
fn sockets_reach_only_granted_addresses() {
    let (port, other) = (start_echo_server(), start_echo_server());
    let calls = [
        exchange(&format!("127.0.0.1:{port}")),
        exchange(&format!("127.0.0.1:{other}")),
        exchange(&format!("localhost:{port}")),
        ("listen", json!({ "address": format!("127.0.0.1:{}", free_port()) }), ""),
        ("shout", json!({ "address": format!("127.0.0.1:{port}"), "text": "hello" }), ""),
    ];
    let finished = project(&format!("tcp = [\"127.0.0.1:{port}\"]"), &calls).run().expect(0);
    let shown = finished.json();
    assert_eq!(body_or_error(&shown, 0), "HELLO", "{shown}");
    for at in 1..calls.len() {
        assert!(shown[format!("t{at}")]["err"].is_string(), "{at}: {shown}");
    }
    finished.says([
        &*format!("`tcp = [\"127.0.0.1:{other}\"]` would allow it"),
        "`dns = true` would allow it",
        "binding a socket to",
        "a UDP socket was refused; no grant allows it",
    ]);
}

#[test]
fn each_refused_socket_call_is_logged_once() {
    let shout = ("shout", json!({ "address": "127.0.0.1:9", "text": "hello" }), "");
    let listen = ("listen", json!({ "address": "0.0.0.0:0" }), "");
    let dial = ("dial", json!({ "address": "127.0.0.1:9", "connections": 3 }), "");
    let finished = project("clock = true", &[dial, listen, shout]).run().expect(0);
    let count = |text: &str| finished.stderr.matches(text).count();
    assert_eq!(count("a TCP socket was refused; `tcp = [\"HOST:PORT\"]`"), 2, "{}", finished.stderr);
    assert_eq!(count("a UDP socket was refused; no grant allows it"), 1, "{}", finished.stderr);
}

#[test]
fn listening_sockets_are_refused() {
    // Binding succeeds here, as for a connection's own end; a guest's C library fails at the next step.
    let listen = ("listen", json!({ "address": "0.0.0.0:0" }), "timeout = \"30s\"");
    let finished = project("tcp = [\"127.0.0.1:1\"]", &[listen]).run();
    assert!(
        !finished.stderr.contains("timeout") && !finished.text().contains("\"ok\""),
        "{}",
        finished.stderr
    );
}

#[test]
fn open_sockets_of_a_guest_are_limited() {
    let port = start_echo_server();
    let dial = ("dial", json!({ "address": format!("127.0.0.1:{port}"), "connections": 1000 }), "");
    let shown = project(&format!("tcp = [\"127.0.0.1:{port}\"]"), &[dial]).run().expect(0).json();
    let dialled = &shown["t0"]["ok"];
    assert_eq!(dialled[0], 64, "{shown}");
    assert!(dialled[1].as_str().is_some_and(|error| !error.is_empty()), "{shown}");
}

#[test]
fn unsent_requests_use_little_memory() {
    // Methods, authorities and paths may be that long; schemes are always shorter.
    let compose = |bytes: u32| ("compose", json!({ "requests": 200, "bytes": bytes }), "");
    for grants in ["", "http = [\"http://127.0.0.1:1/\"]"] {
        let finished = project(grants, &[compose(4_000), compose(4_000_000)]).run().expect(0);
        let shown = finished.json();
        assert_eq!((&shown["t0"]["ok"], &shown["t1"]["ok"]), (&json!(600), &json!(0)), "{shown}");
        assert!(finished.peak < 150 << 20, "{} MiB", finished.peak >> 20);
    }
}

#[test]
fn dns_needs_its_own_grant_and_reaches_only_granted_sockets() {
    let (port, other) = (start_echo_server(), start_echo_server());
    let resolve = ("resolve", json!({ "name": "localhost" }), "");
    let unknown = ("resolve", json!({ "name": "nobody.invalid" }), "");
    let calls = [resolve.clone(), unknown, exchange(&format!("localhost:{port}"))];
    let shown = project("dns = true", &calls).run().expect(0).json();
    let addresses = shown["t0"]["ok"].as_array().expect("the name has addresses").clone();
    assert!(addresses.contains(&json!("127.0.0.1")), "{shown}");
    assert!(shown["t1"]["err"].is_string() && shown["t2"]["err"].is_string(), "{shown}");
    let calls = [
        exchange(&format!("localhost:{port}")),
        exchange(&format!("127.0.0.1:{port}")),
        exchange(&format!("localhost:{other}")),
    ];
    let shown = project(&format!("tcp = [\"localhost:{port}\"], dns = true"), &calls).run().expect(0).json();
    assert_eq!(
        (body_or_error(&shown, 0), body_or_error(&shown, 1)),
        ("HELLO".to_owned(), "HELLO".to_owned())
    );
    assert!(shown["t2"]["err"].is_string(), "{shown}");
}

#[test]
fn unmatchable_grant_is_a_fault_with_its_normal_form() {
    for (grants, normal) in [
        ("http = [\"https://h/a/%2e%2e/b/\"]", "https://h/b/"),
        ("http = [\"http://2130706433/\"]", "http://127.0.0.1/"),
        ("http = [\"https://h.example./\"]", "https://h.example/"),
        ("tcp = [\"0x7f.1:80\"]", "127.0.0.1:80"),
    ] {
        project(grants, &[exchange("127.0.0.1:1")]).run().expect(2).says([&*format!("write `\"{normal}\"`")]);
    }
}

#[test]
fn results_of_network_tasks_are_not_cached() {
    let web = Web::start();
    let urls = [web.url("/echo/"), web.url("/echo/")];
    let project = fetches(&format!("http = [\"{}\"]", web.url("/")), &urls);
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    project.write(&format!("{manifest}\n[cache]\nuri = \"memory:\"\n"));
    project.run().expect(0);
    assert_eq!(web.heads().len(), 2);
    let planned = project.command("plan").run().expect(0).text();
    assert!(planned.contains(&format!("http {}", web.url("/"))), "{planned}");
}
