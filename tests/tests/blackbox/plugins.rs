//! The components of `plugins` by their manifests: what they print, their tests, their documentation, and those that speak
//! HTTP with a service of the test. Their logic is tested beside their code.

use cascade_host_tests::{
    Finished, Host, Project, Received, Reply, Service, Toolchain, build_plugins, build_sql, repository,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

/// Components that compute, each with `NAME.toml` and `NAME.test.toml`.
const PURE: [&str; 11] =
    ["csv", "diff", "hash", "html", "image", "json", "markdown", "plot", "regex", "template", "zip"];
/// Components that compute, and are built with tools of PyPI, each with `NAME.toml` and `NAME.test.toml`.
const PURE_BY_PYTHON: [&str; 1] = ["sql"];
/// Components that make requests, each with `NAME.toml`.
const REQUESTING: [&str; 3] = ["chat", "http", "s3"];

fn text_of(path: &str) -> String {
    fs::read_to_string(repository().join("plugins").join(path)).expect("the plugin has the file")
}

/// Runs `plugins/NAME/NAME.toml`.
fn run(name: &str) -> Value {
    build_plugins();
    Host::new(["run", &format!("plugins/{name}/{name}.toml")]).within(repository()).run().expect(0).json()
}

/// A project with a plugin's own manifest, in which an address leads to a service of the test.
fn project(name: &str, address: &str, service: &Service) -> Project {
    build_plugins();
    let target = repository().join("plugins/target").display().to_string();
    let manifest = text_of(&format!("{name}/{name}.toml"));
    assert!(manifest.contains(address), "{address} is not in {name}.toml");
    Project::raw(&manifest.replace(address, &service.address()).replace("../target/", &format!("{target}/")))
}

/// Calls functions of a component, whose failures are values: name of the task, function, arguments.
fn call(name: &str, grants: &str, calls: &[(&str, &str, Value)], variables: &[(&str, &str)]) -> Finished {
    let component = build_plugins().join(format!("{name}.wasm"));
    let mut body = format!("[components.p]\npath = \"{}\"\ngrants = {{ {grants} }}\n", component.display());
    for (task, function, args) in calls {
        body.push_str(&format!("[tasks.{task}]\ncall = \"p.{function}\"\non-error = \"value\"\n"));
        for (argument, literal) in args.as_object().expect("arguments have names") {
            body.push_str(&format!("args.{argument} = {}\n", toml(literal)));
        }
    }
    let project = Project::new(&body);
    variables.iter().fold(project.host(), |host, (variable, value)| host.env(variable, value)).run()
}

/// A literal of a manifest.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[test]
fn every_manifest_passes_its_tests() {
    build_plugins();
    passes_its_tests(&PURE);
    for name in REQUESTING {
        Host::new(["check", &format!("plugins/{name}/{name}.toml")]).within(repository()).run().expect(0);
    }
}

fn passes_its_tests(names: &[&str]) {
    for name in names {
        for manifest in [format!("plugins/{name}/{name}.toml"), format!("plugins/{name}/{name}.test.toml")] {
            Host::new(["test", &manifest]).within(repository()).run().expect(0);
        }
    }
}

#[test]
fn plugins_with_c_pass_their_tests() {
    if !Toolchain::Python.is_declined() {
        build_plugins();
        build_sql();
        passes_its_tests(&PURE_BY_PYTHON);
    }
}

#[test]
fn every_plugin_with_an_interface_is_listed_here() {
    let folders = fs::read_dir(repository().join("plugins")).expect("the plugins can be read").flatten();
    let mut found = Vec::new();
    for folder in folders {
        let name = folder.file_name().into_string().expect("names are UTF-8");
        if folder.path().join(format!("wit/{name}.wit")).exists()
            && !["picture", "text"].contains(&name.as_str())
        {
            found.push(name);
        }
    }
    found.sort();
    let mut listed = [&PURE[..], &PURE_BY_PYTHON, &REQUESTING].concat();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

#[test]
fn every_function_of_a_pure_plugin_is_called_by_its_test() {
    for name in PURE.iter().chain(&PURE_BY_PYTHON) {
        let tests = text_of(&format!("{name}/{name}.test.toml"));
        for line in text_of(&format!("{name}/wit/{name}.wit")).lines() {
            if let Some((function, _)) = line.trim().split_once(": func(") {
                assert!(
                    tests.contains(&format!("call = \"{name}.{function}\"\n")),
                    "{name}.{function} is not called"
                );
            }
        }
    }
}

#[test]
fn every_type_and_function_of_an_interface_is_documented() {
    for name in PURE.iter().chain(&PURE_BY_PYTHON).chain(&REQUESTING) {
        let wit = text_of(&format!("{name}/wit/{name}.wit"));
        let mut before = "";
        for line in wit.lines().map(str::trim) {
            let starts = ["interface ", "record ", "variant ", "enum ", "type "];
            if starts.iter().any(|start| line.starts_with(start)) || line.contains(": func(") {
                assert!(before.starts_with("///"), "{name}.wit: no comment above `{line}`");
            }
            before = line;
        }
    }
}

#[test]
fn page_of_the_manual_has_every_function_and_lines_of_real_manifests() {
    let page = fs::read_to_string(repository().join("host/docs/plugins.md")).expect("the page is there");
    let mut manifests = String::new();
    for name in PURE.iter().chain(&PURE_BY_PYTHON).chain(&REQUESTING) {
        manifests.push_str(&text_of(&format!("{name}/{name}.toml")));
        for line in text_of(&format!("{name}/wit/{name}.wit")).lines() {
            if let Some((function, signature)) = line.trim().trim_end_matches(';').split_once(": func(") {
                let row = format!("| `{name}.{function}` | `func({signature}` |");
                assert!(page.contains(&row), "plugins.md has no row {row}");
            }
        }
    }
    // The first fragment shows a manifest of the reader's own.
    let fragments = page.split("```toml fragment\n").skip(2);
    for fragment in fragments.filter_map(|rest| rest.split_once("```")).map(|(fragment, _)| fragment) {
        for table in fragment.trim().split("\n\n") {
            assert!(manifests.contains(table), "no manifest of a plugin has\n{table}");
        }
    }
}

#[test]
fn manifests_print_what_they_compute() {
    for (name, expected) in [
        (
            "regex",
            json!({ "paths": ["/cart", "/order"], "table": {
            "columns": ["time", "method", "path", "status", "ms"],
            "rows": [["10:01:09", "GET", "/cart", "500", "3040"], ["10:02:30", "POST", "/order", "503", "121"]] } }),
        ),
        ("json", json!({ "typed": [{ "customer": "Ada", "euros": 36.5 }] })),
        ("csv", json!({ "text": "city,sum of euros\nBonn,240.3\nJena,7\n" })),
        (
            "template",
            json!({ "bill":
            "<p>2 × Tea: 7.00 €</p>\n<p>1 × &lt;Cake&gt;: 4.25 €</p>\n<p>Sum: 11.25 €</p>\n" }),
        ),
        (
            "html",
            json!({ "title": "Prices",
            "prices": { "columns": ["City", "Price", "Price 2"], "rows": [["Bonn", "12", "€"], ["Jena", "9", "€"]] },
            "links": [{ "text": "archive", "url": "https://example.com/archive" },
                      { "text": "others", "url": "https://example.org/" }] }),
        ),
        (
            "markdown",
            json!({
                "anchors": ["tea", "coffee"],
                "pages": ["<p>Water, <em>leaves</em>, patience.</p>\n", "<p>See <a href=\"#tea\">tea</a>.</p>\n"]
            }),
        ),
        (
            "diff",
            json!({ "lists": { "added": ["c"], "removed": ["a"], "kept": ["b"] },
            "patch": "--- old\n+++ new\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n",
            "summary": { "added": 2, "removed": 1, "similarity": 0.571_428_571_428_571_4 } }),
        ),
    ] {
        assert_eq!(run(name), expected, "{name}");
    }
}

#[test]
fn manifests_print_what_they_make_of_files() {
    let sums = run("hash")["sums"].as_str().expect("a text").to_owned();
    assert!(sums.ends_with("  wit/hash.wit\n") && sums.len() == 64 + "  wit/hash.wit\n".len(), "{sums}");
    let chart = run("plot")["chart"].as_str().expect("a text").to_owned();
    assert!(chart.starts_with("<svg") && chart.matches("<title>").count() == 4, "{chart}");
    let picture = run("image");
    assert_eq!(picture["info"], json!({ "format": "png", "width": 8, "height": 4, "has-alpha": false }));
    assert!(picture["thumbnail"].as_str().is_some_and(|png| png.starts_with("iVBORw0KGgo")), "{picture}");
    assert!(run("zip")["names"].as_array().is_some_and(|names| names.contains(&json!("zip/wit/zip.wit"))));
}

#[test]
fn http_fetches_and_tells_refusals_apart() {
    let service = Service::start(|request| match request.line().1 {
        "/README.md" => Reply::new(200, "one\ntwo\n"),
        _ => Reply::new(404, "no such page"),
    });
    let project = project("http", "127.0.0.1:8000", &service);
    assert_eq!(project.run().expect(0).json(), json!({ "lines": 2, "status": 404 }));
}

#[test]
fn http_failures_say_whether_to_try_again() {
    let service = Service::start(|request| match request.line().1 {
        "/busy" => Reply::new(503, "busy").header("retry-after", "7"),
        "/bytes" => Reply::new(200, "ok"),
        _ => Reply::new(403, "no").header("retry-after", "7"),
    });
    let (address, other) = (service.address(), cascade_host_tests::free_port());
    let url = |path: &str| json!({ "url": format!("http://{address}{path}") });
    let calls = [
        ("busy", "get", url("/busy")),
        ("refused", "get", url("/secret")),
        ("bytes", "get-bytes", url("/bytes")),
        ("denied", "get", json!({ "url": "http://example.com/" })),
        ("closed", "get", json!({ "url": format!("http://127.0.0.1:{other}/") })),
        ("malformed", "get", json!({ "url": "example.com" })),
    ];
    let grants = format!("http = [\"http://{address}/\", \"http://127.0.0.1:{other}/\"]");
    let shown = call("http", &grants, &calls, &[]).expect(0).json();
    let failure = |status: u16, message: &str, seconds: Option<u32>| json!({ "status": status, "message": message, "retry-after": seconds });
    assert_eq!(shown["busy"]["err"]["transient"], failure(503, "status 503: busy", Some(7)));
    assert_eq!(shown["refused"]["err"]["permanent"], failure(403, "status 403: no", None));
    assert_eq!(shown["bytes"]["ok"], "b2s=");
    let denied = shown["denied"]["err"]["permanent"]["message"].as_str();
    assert!(
        denied.is_some_and(|message| message.contains("grants.http = [\"http://example.com/\"]")),
        "{shown}"
    );
    assert!(
        shown["closed"]["err"]["transient"]["status"].is_null() && !shown["closed"]["err"].is_null(),
        "{shown}"
    );
    assert!(!shown["malformed"]["err"]["permanent"].is_null(), "{shown}");
}

#[test]
fn http_retries_what_may_pass_and_nothing_else() {
    let busy = Mutex::new(2);
    let service = Service::start(move |request| {
        let mut left = busy.lock().expect("no answer panics");
        match request.line().1 {
            "/flaky" if *left > 0 => {
                *left -= 1;
                Reply::new(503, "")
            }
            "/flaky" => Reply::new(200, "at last"),
            _ => Reply::new(404, ""),
        }
    });
    let address = service.address();
    let component = build_plugins().join("http.wasm");
    let retry = "retry = { attempts = 5, delay = \"1ms\", permanent = [\"permanent\"] }";
    let project = Project::new(&format!(
        "[components.p]\npath = \"{}\"\ngrants = {{ http = [\"http://{address}/\"] }}\n\
         [tasks.flaky]\ncall = \"p.get\"\nargs.url = \"http://{address}/flaky\"\n{retry}\n\
         [tasks.missing]\ncall = \"p.get\"\nargs.url = \"http://{address}/missing\"\n{retry}\non-error = \"value\"\n",
        component.display()
    ));
    assert_eq!(project.run().expect(0).json()["flaky"], "at last");
    let count = |path: &str| service.received().iter().filter(|request| request.line().1 == path).count();
    assert_eq!((count("/flaky"), count("/missing")), (3, 1));
}

#[test]
fn http_sends_bodies_whole_and_secrets_to_one_server_only() {
    let other = Service::start(|_| Reply::new(200, "elsewhere"));
    let target = other.address();
    let service = Service::start(move |request| match request.line() {
        ("POST", _) => Reply::new(200, format!("{} bytes", request.body.len())),
        (_, path) if path.starts_with("/away") => {
            Reply::new(302, "").header("location", &format!("http://{target}/"))
        }
        _ => Reply::new(200, request.header("authorization").unwrap_or("none").to_owned()),
    });
    let address = service.address();
    let secret = json!([["Authorization", "Bearer abc"]]);
    let calls = [
        ("post", "post", json!({ "url": format!("http://{address}/"), "body": "x".repeat(100_000) })),
        ("here", "get", json!({ "url": format!("http://{address}/here"), "headers": secret })),
        ("away", "get", json!({ "url": format!("http://{address}/away"), "headers": secret })),
    ];
    let grants = format!("http = [\"http://{address}/\", \"http://{}/\"]", other.address());
    let shown = call("http", &grants, &calls, &[]).expect(0).json();
    assert_eq!(shown["post"]["ok"], "100000 bytes");
    assert_eq!((&shown["here"]["ok"], &shown["away"]["ok"]), (&json!("Bearer abc"), &json!("elsewhere")));
    let posted = service.received().into_iter().find(|request| request.line().0 == "POST").expect("a POST");
    assert_eq!(posted.header("content-type"), Some("application/json"));
    assert_eq!(other.received()[0].header("authorization"), None);
}

/// A bucket `demo` in memory.
fn bucket() -> Service {
    let objects: Mutex<BTreeMap<String, String>> = Mutex::default();
    Service::start(move |request: &Received| {
        let mut objects = objects.lock().expect("no answer panics");
        let (method, path) = request.line();
        let proof = request.header("authorization").unwrap_or_default();
        if !proof.starts_with("AWS4-HMAC-SHA256 Credential=keyid/") || request.header("x-amz-date").is_none()
        {
            return Reply::new(403, "<Code>AccessDenied</Code>");
        }
        let key = path.trim_start_matches("/demo/").to_owned();
        match method {
            "PUT" => {
                objects.insert(key, String::from_utf8_lossy(&request.body).into_owned());
                Reply::new(200, "")
            }
            "DELETE" => {
                objects.remove(&key);
                Reply::new(204, "")
            }
            _ if key.starts_with('?') => {
                let entry = |(key, content): (&String, &String)| {
                    format!(
                        "<Contents><Key>{key}</Key><ETag>\"e\"</ETag><Size>{}</Size></Contents>",
                        content.len()
                    )
                };
                Reply::new(200, format!("<L>{}</L>", objects.iter().map(entry).collect::<String>()))
            }
            _ => match objects.get(&key) {
                Some(content) => Reply::new(200, content.clone()),
                None => Reply::new(404, "<Code>NoSuchKey</Code>"),
            },
        }
    })
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "keyid"), ("AWS_SECRET_ACCESS_KEY", "hidden-secret-key")];

#[test]
fn s3_writes_lists_and_reads() {
    let service = bucket();
    let project = project("s3", "127.0.0.1:9000", &service);
    let host = KEYS.iter().fold(project.host(), |host, (name, value)| host.env(name, value));
    let finished = host.run().expect(0);
    let entry = json!({ "key": "greetings/one.txt", "size": 5, "etag": "e" });
    assert_eq!(finished.json(), json!({ "list": [entry], "text": "hello" }));
    assert!(!finished.stderr.contains("hidden-secret-key"), "{}", finished.stderr);
}

#[test]
fn s3_failures_name_what_is_missing() {
    let service = bucket();
    let address = service.address();
    let http = format!("http = [\"http://{address}/demo/\"]");
    let args = json!({ "bucket": { "url": format!("http://{address}/demo") }, "key": "none" });
    let calls = [("get", "get", args.clone()), ("delete", "delete", args)];
    let message = |grants: &str, variables: &[(&str, &str)]| {
        let shown = call("s3", grants, &calls, variables).expect(0).json();
        shown["get"]["err"]["permanent"]["message"].as_str().unwrap_or_default().to_owned()
    };
    let env = "env = [\"AWS_ACCESS_KEY_ID\", \"AWS_SECRET_ACCESS_KEY\"]";
    assert!(message(&format!("{http}, clock = true"), &KEYS).contains("grants.env"));
    assert!(message(&format!("{http}, {env}"), &KEYS).contains("grants.clock = true"));
    let wrong = [("AWS_ACCESS_KEY_ID", "other"), KEYS[1]];
    assert!(message(&format!("{http}, {env}, clock = true"), &wrong).contains("AccessDenied"));
    let shown = call("s3", &format!("{http}, {env}, clock = true"), &calls, &KEYS).expect(0).json();
    assert_eq!(shown["get"]["err"], json!({ "not-found": "none" }));
    assert_eq!(shown["delete"], json!({ "ok": null }));
}

/// A model that answers in capitals to whoever has the key.
fn model() -> Service {
    Service::start(|request| {
        if request.header("authorization") != Some("Bearer hidden-chat-key") {
            return Reply::new(401, "no key");
        }
        let content =
            request.json()["messages"].as_array().and_then(|all| all.last()).map_or(json!(""), |message| {
                json!(message["content"].as_str().unwrap_or_default().to_uppercase())
            });
        let answer = json!({ "choices": [{ "message": { "content": content }, "finish_reason": "stop" }],
                             "usage": { "prompt_tokens": 9, "completion_tokens": 5 } });
        Reply::new(200, answer.to_string())
    })
}

#[test]
fn chat_asks_a_model_for_each_text() {
    let service = model();
    let project = project("chat", "127.0.0.1:11434", &service);
    let finished = project.host().env("CHAT_API_KEY", "hidden-chat-key").run().expect(0);
    let expected = json!(["RUST HAS NO GARBAGE COLLECTOR.", "WEBASSEMBLY RUNS CODE IN A SANDBOX."]);
    assert_eq!(finished.json()["contents"], expected);
    assert!(!finished.stderr.contains("hidden-chat-key"), "{}", finished.stderr);
    assert_eq!(service.received()[0].json()["max_tokens"], 100);
}

#[test]
fn chat_refusals_are_permanent() {
    let service = model();
    let url = format!("http://{}/v1/chat/completions", service.address());
    let args = json!({ "model": { "url": url, "name": "m" }, "question": "why?" });
    let grants = format!("http = [\"http://{}/v1/\"], env = [\"CHAT_API_KEY\"]", service.address());
    let calls = [("ask", "ask", args)];
    let refused = call("chat", &grants, &calls, &[]).expect(0).json();
    assert_eq!(refused["ask"]["err"]["permanent"]["message"], "status 401: no key");
    let answered = call("chat", &grants, &calls, &[("CHAT_API_KEY", "hidden-chat-key")]).expect(0).json();
    assert_eq!(answered["ask"]["ok"], "WHY?");
}
