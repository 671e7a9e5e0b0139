//! The library as a program uses it: params, reports, sharing of a host, stopping, errors.
//! Documentation tests and `host/examples` show the usual ways.

use crate::api::{Error, ErrorKind, Host, Param, Pipeline};
use crate::cache::{Cache, Found, Insert, MakeRequest, MemoryCache, Stored};
use crate::events::Fact;
use crate::model::{Digest, RunId, RunStatus};
use crate::state;
use crate::state::{Backend, MemoryBackend};
use async_trait::async_trait;
use cascade_host_tests::{Answer, Receiver};
use serde::{Deserialize, Serialize};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A component whose functions return their argument, add one, trap, and never return.
const COMPONENT: &str = r#"(component
    (core module $m
        (func (export "inc") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func (export "fail") (param i32) (result i32) unreachable)
        (func (export "hang") (param i32) (result i32) (loop (br 0)) unreachable))
    (core instance $i (instantiate $m))
    (func (export "inc") (param "x" u32) (result u32) (canon lift (core func $i "inc")))
    (func (export "fail") (param "x" u32) (result u32) (canon lift (core func $i "fail")))
    (func (export "hang") (param "x" u32) (result u32) (canon lift (core func $i "hang"))))"#;

const HEAD: &str = "cascade = 1\nname = \"t\"\ncomponents.c.path = \"c.wasm\"\n";

pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.wasm"), wat::parse_str(COMPONENT).unwrap()).unwrap();
    folder
}

pub(crate) fn host() -> Host {
    Host::builder().jobs(2).memory("256MiB").build().unwrap()
}

/// A pipeline of one task `t`, which calls `function` with param `x`.
fn one_task(host: &Host, function: &str) -> Pipeline {
    let task = format!(
        "{HEAD}params.x.type = \"u32\"\ntasks.t = {{ call = \"c.{function}\", args.x = {{ param = \"x\" }} }}"
    );
    host.parse(&task, folder().path()).unwrap()
}

#[test]
fn a_pipeline_runs_several_times_on_one_host() {
    let pipeline = one_task(&host(), "inc");
    assert_eq!(pipeline.name(), "t");
    let params: Vec<Param<'_>> = pipeline.params().collect();
    assert_eq!(params, [Param { name: "x", ty: "u32".to_owned(), is_required: true, description: None }]);
    assert_eq!(pipeline.outputs().collect::<Vec<_>>(), [("t", "u32".to_owned())]);
    for x in 0..3_u32 {
        let report = pipeline.run().param("x", x).wait().unwrap();
        assert_eq!((report.status(), report.output::<u32>("t").unwrap()), (RunStatus::Succeeded, x + 1));
    }
}

#[test]
fn included_manifests_are_read_from_the_folder_of_a_path_or_a_text() {
    let folder = folder();
    let inner = format!(
        "{HEAD}params.n.type = \"u32\"\ntasks.t = {{ call = \"c.inc\", args.x = {{ param = \"n\" }} }}\n"
    );
    fs::write(folder.path().join("inner.toml"), inner).unwrap();
    let outer = "cascade = 1\nname = \"outer\"\nparams.x.type = \"u32\"\n\
        tasks.in = { manifest = \"inner.toml\", args.n = { param = \"x\" } }\n\
        outputs.more = { task = \"in\", path = \"t\" }\n";
    let path = folder.path().join("outer.toml");
    fs::write(&path, outer).unwrap();
    let host = host();
    for pipeline in [host.open(&path).unwrap(), host.parse(outer, folder.path()).unwrap()] {
        assert_eq!(pipeline.params().map(|param| param.name).collect::<Vec<_>>(), ["x"]);
        let report = pipeline.run().param("x", 4).wait().unwrap();
        assert_eq!(report.output::<u32>("more").unwrap(), 5);
    }
    let (kind, shown) = text(host.parse(outer, folder.path().join("elsewhere")).unwrap_err());
    assert_eq!(kind, ErrorKind::Manifest);
    assert!(shown.starts_with("manifest:4:25: cannot read the manifest `"), "{shown}");
}

#[test]
fn named_tasks_of_a_run_in_memory_run_again() {
    let manifest = format!(
        "{HEAD}tasks.t = {{ call = \"c.inc\", for-each.x = [1, 2], args.x = {{ item = \"x\" }} }}\n\
         tasks.u = {{ call = \"c.inc\", args.x = {{ task = \"t\", path = \"[0]\" }} }}\n\
         tasks.other = {{ call = \"c.inc\", args.x = 1 }}"
    );
    let host = host();
    let pipeline = host.parse(&manifest, folder().path()).unwrap();
    let started = |rerun: &[&str]| {
        let run = rerun.iter().fold(pipeline.run().run_id("r1"), |run, name| run.rerun(*name));
        let mut run = run;
        let mut events = run.events();
        run.wait()?;
        let mut calls = Vec::new();
        while let Some(event) = events.next_blocking() {
            if let (Some(subject), Fact::TaskStarted) = (event.subject, event.fact) {
                calls.push(format!("{} {:?}", subject.task, subject.item));
            }
        }
        calls.sort();
        Ok::<_, Error>(calls)
    };
    let (_, shown) = text(started(&["t"]).unwrap_err());
    assert!(shown.contains("there is no run `r1` in this state backend"), "{shown}");
    assert_eq!(started(&[]).unwrap().len(), 4);
    assert_eq!(started(&["t[1]"]).unwrap(), ["t Some(1)", "u None"]);
    assert_eq!(started(&["other", "u"]).unwrap(), ["other None", "u None"]);
    assert_eq!(started(&[]).unwrap().len(), 0);
}

#[test]
fn runs_of_one_host_execute_at_the_same_time() {
    let pipeline = one_task(&host(), "inc");
    let running: Vec<_> = (0..20_u32).map(|x| pipeline.run().param("x", x).start().unwrap()).collect();
    let sums: Vec<u32> = running.into_iter().map(|run| run.wait().unwrap().output("t").unwrap()).collect();
    assert_eq!(sums, (1..=20).collect::<Vec<_>>());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Unit,
    SideLength(u32),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Everything {
    small_number: i8,
    float: f64,
    text: String,
    letter: char,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    maybe: Option<u32>,
    pair: (u32, String),
    shape: Shape,
    unit: Shape,
    colours: Vec<String>,
}

#[test]
fn every_kind_of_value_goes_in_and_comes_out_as_a_rust_value() {
    let ty = "record { small-number: s8, float: f64, text: string, letter: char, bytes: list<u8>, maybe: option<u32>, \
              pair: tuple<u32, string>, shape: variant { unit, side-length(u32) }, unit: variant { unit, side-length(u32) }, \
              colours: flags { red, green } }";
    let manifest = format!(
        "{HEAD}params.all.type = \"{ty}\"\ntasks.t = {{ call = \"c.inc\", args.x = 1 }}\noutputs.all = {{ param = \"all\" }}\n"
    );
    let pipeline = host().parse(&manifest, folder().path()).unwrap();
    let value = || Everything {
        small_number: -3,
        float: f64::NEG_INFINITY,
        text: "é".to_owned(),
        letter: 'x',
        bytes: vec![0, 255],
        maybe: None,
        pair: (7, "seven".to_owned()),
        shape: Shape::SideLength(4),
        unit: Shape::Unit,
        colours: vec!["green".to_owned()],
    };
    let report = pipeline.run().param("all", value()).wait().unwrap();
    assert_eq!(report.output::<Everything>("all").unwrap(), value());
    let json = report.json("all").unwrap();
    assert!(json.contains(r#""float":"-Infinity""#) && json.contains(r#""bytes":"AP8=""#), "{json}");
}

/// Message, causes and help of an error.
#[expect(clippy::needless_pass_by_value, reason = "tests hand over what they unwrap")]
fn text(error: Error) -> (ErrorKind, String) {
    (error.kind(), format!("{error:?}"))
}

#[test]
fn faults_are_errors_of_their_kind_and_list_everything() {
    let folder = folder();
    let parse = |text: &str| host().parse(&format!("{HEAD}{text}"), folder.path());
    let manifest = parse("tasks.t = { call = \"c.inc\" }\ntasks.u = { call = \"c.nothing\" }").unwrap_err();
    let (kind, message) = text(manifest);
    assert_eq!(kind, ErrorKind::Manifest);
    assert!(message.contains("manifest:4:") && message.contains("manifest:5:"), "{message}");
    let pipeline = one_task(&host(), "inc");
    for (run, expected, part) in [
        (pipeline.run(), ErrorKind::Manifest, "`x`"),
        (pipeline.run().param("x", "text"), ErrorKind::Manifest, "u32"),
        (pipeline.run().param("x", 1).param("y", 1), ErrorKind::Manifest, "`y`"),
        (pipeline.run().param("x", 1).run_id("no id"), ErrorKind::Refused, "run id"),
        (pipeline.run().param("x", 1).target("nothing"), ErrorKind::Refused, "nothing"),
        (pipeline.run().param("x", 1).state("http://h"), ErrorKind::Backend, "scheme"),
        (pipeline.run().param("x", std::collections::HashMap::from([(1, 2)])), ErrorKind::Refused, "`x`"),
    ] {
        let (kind, message) = text(run.wait().unwrap_err());
        assert!(kind == expected && message.contains(part), "{kind:?} {message}");
    }
    let (kind, message) = text(Host::builder().memory("lots").build().unwrap_err());
    assert!(kind == ErrorKind::Settings && message.contains("lots"), "{message}");
}

#[test]
fn a_failed_task_is_no_error_and_is_in_the_report() {
    let report = one_task(&host(), "fail").run().param("x", 1).wait().unwrap();
    assert_eq!(report.status(), RunStatus::Failed);
    let [failure] = report.failures() else { panic!("{:?}", report.failures()) };
    assert_eq!(failure.subject.as_ref().unwrap().task.as_str(), "t");
    assert!(matches!(&failure.fact, Fact::TaskFailed(fact) if fact.error.contains("unreachable")));
    let missing = format!("{:?}", report.output::<u32>("t").unwrap_err());
    assert!(missing.contains("`t`"), "{missing}");
    let unknown = format!("{:?}", report.output::<u32>("tt").unwrap_err());
    assert!(unknown.contains("did you mean `t`?"), "{unknown}");
}

#[test]
fn an_output_of_another_type_names_both_types() {
    let report = one_task(&host(), "inc").run().param("x", 1).wait().unwrap();
    let error = format!("{:?}", report.output::<String>("t").unwrap_err());
    assert!(error.contains("`u32`") && error.contains("String"), "{error}");
}

#[test]
fn a_run_in_memory_is_resumed_by_its_id_on_the_same_host_or_backend() {
    let pipeline = one_task(&host(), "inc");
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let elsewhere = one_task(&host(), "inc");
    for is_again in [false, true] {
        let mut own = pipeline.run().param("x", 1).run_id("r");
        let mut shared = if is_again { &elsewhere } else { &pipeline }
            .run()
            .param("x", 1)
            .run_id("r")
            .state(Arc::clone(&backend));
        for (events, run) in [(own.events(), own), (shared.events(), shared)] {
            let mut events = events;
            run.wait().unwrap();
            let mut starts = 0;
            while let Some(event) = events.next_blocking() {
                starts += u32::from(matches!(event.fact, Fact::TaskStarted));
            }
            assert_eq!(starts, u32::from(!is_again));
        }
    }
    let (kind, message) = text(pipeline.run().param("x", 2).run_id("r").wait().unwrap_err());
    assert!(kind == ErrorKind::Refused && message.contains("another plan"), "{message}");
    assert_eq!(
        pipeline.run().param("x", 2).run_id("r").fresh().wait().unwrap().output::<u32>("t").unwrap(),
        3
    );
}

/// A cache that records the TTL of each entry.
#[derive(Default)]
struct Recording {
    cache: MemoryCache,
    /// A mutex, because many threads put entries; each section is one push.
    ttls: Mutex<Vec<Option<Duration>>>,
}

#[async_trait]
impl Cache for Recording {
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, state::Error> {
        self.cache.get(keys).await
    }

    async fn put(&self, inserts: Vec<Insert>) -> Result<(), state::Error> {
        self.ttls.lock().unwrap().extend(inserts.iter().map(|insert| insert.ttl));
        self.cache.put(inserts).await
    }

    async fn find(&self, request: &MakeRequest) -> Result<Found, state::Error> {
        self.cache.find(request).await
    }

    async fn put_made(&self, request: &MakeRequest, insert: Insert) -> Result<(), state::Error> {
        self.ttls.lock().unwrap().push(insert.ttl);
        self.cache.put_made(request, insert).await
    }

    async fn give_up(&self, request: &MakeRequest) -> Result<(), state::Error> {
        self.cache.give_up(request).await
    }
}

#[test]
fn a_cache_object_gets_the_ttl_of_the_manifest() {
    let task = "tasks.t = { call = \"c.inc\", args.x = 1, cache = true }";
    for (section, ttl) in [("cache.ttl = \"7m\"\n", Some(Duration::from_mins(7))), ("", None)] {
        let cache = Arc::new(Recording::default());
        let shared: Arc<dyn Cache> = Arc::<Recording>::clone(&cache);
        let pipeline = host().parse(&format!("{HEAD}{section}{task}"), folder().path()).unwrap();
        pipeline.run().cache(shared).wait().unwrap();
        assert_eq!(*cache.ttls.lock().unwrap(), [ttl]);
    }
}

#[cfg(feature = "redis")]
#[test]
fn the_lease_of_a_run_replaces_the_default() {
    let server = crate::state::redis::server::Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let uri = state::StateUri::parse(&server.uri()).unwrap();
    let backend = state::Factory::new().backend(&uri).unwrap();
    for (seconds, at_least) in [(None, 0), (Some(60), 20)] {
        let id = format!("r{at_least}");
        let run = one_task(&host(), "hang").run().param("x", 1).run_id(&id).state(server.uri());
        let mut run = match seconds {
            Some(seconds) => run.lease(Duration::from_secs(seconds)),
            None => run,
        };
        let mut events = run.events();
        let running = run.start().unwrap();
        while !matches!(events.next_blocking().unwrap().fact, Fact::TaskStarted) {}
        let claims = runtime.block_on(backend.claims(&RunId::new(&id).unwrap(), 9)).unwrap();
        running.abort();
        let range = Duration::from_secs(at_least)..=Duration::from_secs(seconds.unwrap_or(10));
        assert!(claims.len() == 1 && range.contains(&claims[0].lease), "{claims:?}");
    }
    let short = one_task(&host(), "inc").run().param("x", 1).lease(Duration::from_millis(9));
    let (kind, message) = text(short.wait().unwrap_err());
    assert!(kind == ErrorKind::Refused && message.contains("from 1s to 1h"), "{message}");
}

#[test]
fn an_aborted_run_ends_while_its_guest_hangs() {
    let running = one_task(&host(), "hang").run().param("x", 1).start().unwrap();
    running.abort();
    let report = running.wait().unwrap();
    assert_eq!(report.status(), RunStatus::Cancelled);
}

#[test]
fn a_dropped_run_frees_its_slot() {
    let host = Host::builder().jobs(1).build().unwrap();
    let pipeline = one_task(&host, "hang");
    let mut run = pipeline.run().param("x", 1);
    let mut events = run.events();
    let running = run.start().unwrap();
    while !matches!(events.next_blocking().unwrap().fact, Fact::TaskStarted) {}
    drop(running);
    let report = one_task(&host, "inc").run().param("x", 1).wait().unwrap();
    assert_eq!(report.output::<u32>("t").unwrap(), 2);
}

#[test]
fn a_code_cache_that_is_not_used_is_a_warning_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let host = Host::builder().code_cache(&file).build().unwrap();
    let mut run = one_task(&host, "inc").run().param("x", 1);
    let mut events = run.events();
    run.wait().unwrap();
    let first = events.next_blocking().unwrap().fact;
    assert!(matches!(&first, Fact::Warning { code, .. } if code == "code-cache"), "{first:?}");
}

#[test]
fn a_run_is_awaited_on_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = runtime.block_on(async {
        // The host is dropped on the runtime, which must not block.
        one_task(&host(), "inc").run().param("x", 1).await.unwrap()
    });
    assert_eq!(report.output::<u32>("t").unwrap(), 2);
}

#[test]
fn the_environment_is_not_read_unless_asked() {
    let manifest =
        format!("{HEAD}tasks.t = {{ call = \"c.inc\", args.x = 1 }}\noutputs.path = {{ env = \"PATH\" }}\n");
    let folder = folder();
    let (kind, message) = text(host().parse(&manifest, folder.path()).unwrap().run().wait().unwrap_err());
    assert!(kind == ErrorKind::Manifest && message.contains("PATH"), "{message}");
    let given = Host::builder().environment([("PATH", "/here")]).build().unwrap();
    let report = given.parse(&manifest, folder.path()).unwrap().run().wait().unwrap();
    assert_eq!(report.output::<String>("path").unwrap(), "/here");
}

#[test]
fn the_end_of_a_run_is_told_and_read_from_the_variables_of_the_host() {
    let receiver = Receiver::start(&[Answer::Status(503), Answer::Status(200)]);
    let text = format!(
        "{HEAD}tasks.t = {{ call = \"c.inc\", args.x = 1 }}\n[notify]\nurl = \"{}\"\nsecret = {{ env = \"KEY\" }}\n",
        receiver.url("/")
    );
    let with = |host: Host| host.parse(&text, folder().path()).unwrap().run();
    let error = with(host()).wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Manifest);
    assert!(error.to_string().contains("from `KEY`, which is not set"), "{error}");
    let host = Host::builder().jobs(2).memory("256MiB").environment([("KEY", "k3y")]).build().unwrap();
    assert_eq!(with(host).wait().unwrap().status(), RunStatus::Succeeded);
    let told = receiver.received();
    assert_eq!((told.len(), &told[0]), (2, &told[1]));
    assert_eq!(told[0].json()["status"], "succeeded");
    assert!(told[0].header("x-cascade-signature").is_some());
}
