//! Buckets under faults: lost replies, lost servers, and keys of a foreign type.
//! The rest of the contract is left to the conformance suite.

use super::proxy::{Cut, Proxy};
use super::*;
use crate::state::redis::link::{Link, RetryPolicy};
use crate::state::redis::stored::RedisBuckets;
use crate::state::{BucketName, ErrorKind, Key, Swap, Swapped, Value, Writes};
use std::time::{Duration, Instant};

fn bucket() -> BucketName {
    BucketName::new("b").unwrap()
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn value(text: &'static str) -> Value {
    Value::new(text).unwrap()
}

fn writes(name: &str, text: &'static str) -> Writes {
    Writes::new(vec![(key(name), Some(value(text)))]).unwrap()
}

/// A server that has loaded the scripts, so that the first request of a test does something.
async fn server() -> Server {
    let server = Server::start();
    at(&server.uri()).buckets().write(&bucket(), &writes("warm", "")).await.unwrap();
    server
}

#[tokio::test]
async fn increment_with_a_lost_reply_counts_once() {
    let server = server().await;
    let proxy = Proxy::before_word(server.port(), "increment").await;
    let backend = at(&proxy.uri());
    let mut sum = 0;
    for commits in 0..3 {
        for bytes in [0, 1, 4, 9, 14, 20] {
            proxy.cut(Cut { commits, bytes });
            for _ in 0..=commits {
                sum += 1;
                let total = backend.buckets().increment(&bucket(), &key("n"), 1).await.unwrap();
                assert_eq!(total, sum, "increment {commits}, byte {bytes}");
            }
            assert!(!proxy.is_armed(), "nothing was cut");
        }
    }
    assert_eq!(server.cli(&["HGET", "cascade:bucket:b", "n"]), sum.to_string());
}

#[tokio::test]
async fn swap_with_a_lost_reply_reports_success() {
    let server = server().await;
    let proxy = Proxy::before_word(server.port(), "swap").await;
    let buckets = at(&proxy.uri()).buckets();
    for bytes in [0, 5, 12] {
        server.cli(&["FLUSHALL"]);
        proxy.cut(Cut { commits: 0, bytes });
        let swap = Swap { expected: None, value: value("a") };
        assert_eq!(buckets.swap(&bucket(), &key("k"), &swap).await.unwrap(), Swapped::Done, "byte {bytes}");
        assert!(!proxy.is_armed());
        let again = buckets.swap(&bucket(), &key("k"), &swap).await.unwrap();
        assert_eq!(again, Swapped::Other(Some("a".into())));
    }
}

#[tokio::test]
async fn repeated_write_reverts_no_later_value() {
    let server = server().await;
    let proxy = Proxy::before_word(server.port(), "write").await;
    let (buckets, other) = (at(&proxy.uri()).buckets(), at(&server.uri()).buckets());
    proxy.hold();
    proxy.cut(Cut { commits: 0, bytes: 0 });
    let (name, mine) = (bucket(), writes("k", "mine"));
    let late = buckets.write(&name, &mine);
    let theirs = async {
        while server.cli(&["HGET", "cascade:bucket:b", "k"]) != "mine" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.write(&bucket(), &writes("k", "theirs")).await.unwrap();
        proxy.release();
    };
    let (late, ()) = tokio::join!(late, theirs);
    late.unwrap();
    assert_eq!(server.cli(&["HGET", "cascade:bucket:b", "k"]), "theirs");
}

#[tokio::test]
async fn last_writes_are_remembered_briefly_and_buckets_forever() {
    let server = Server::start();
    let buckets = at(&server.uri()).buckets();
    for _ in 0..20 {
        buckets.write(&bucket(), &writes("k", "v")).await.unwrap();
    }
    for key in ["cascade:bucket:b", "cascade:bucket:b:keys"] {
        assert_eq!(server.cli(&["TTL", key]), "-1", "{key}");
    }
    let turns = server.cli(&["KEYS", "cascade:bucket:b:by:*"]);
    let left: u64 = server.cli(&["TTL", &turns]).parse().unwrap();
    assert!((500..=600).contains(&left), "{left}");
    assert_eq!(server.cli(&["HLEN", &turns]), "1", "writes one after the other take one turn");
    buckets.write(&bucket(), &Writes::new(vec![(key("k"), None)]).unwrap()).await.unwrap();
    assert_eq!(server.cli(&["EXISTS", "cascade:bucket:b", "cascade:bucket:b:keys"]), "0");
}

#[tokio::test]
async fn foreign_key_is_rejected() {
    let server = Server::start();
    server.cli(&["SET", "cascade:bucket:b", "x"]);
    let buckets = at(&server.uri()).buckets();
    let read = buckets.get(&bucket(), &key("k").into()).await.unwrap_err();
    let written = buckets.write(&bucket(), &writes("k", "v")).await.unwrap_err();
    let added = buckets.increment(&bucket(), &key("k"), 1).await.unwrap_err();
    for error in [read, written, added] {
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.help().unwrap().contains("cascade:bucket:b"), "{:?}", error.help());
    }
    assert_eq!(server.cli(&["GET", "cascade:bucket:b"]), "x");
}

#[tokio::test]
async fn lost_server_is_retried_until_the_timeout_names_the_cause() {
    let mut server = Server::durable();
    let StateUri::Redis(uri) = StateUri::parse(&server.uri()).unwrap() else { panic!() };
    let over = |later| {
        let policy = RetryPolicy { at_start: Duration::from_secs(30), later };
        RedisBuckets::over(Link::new(&uri, "test", policy).unwrap())
    };
    let (patient, brief) = (over(Duration::from_secs(30)), over(Duration::from_millis(1500)));
    let (name, number) = (bucket(), key("n"));
    assert_eq!(patient.increment(&name, &number, 1).await.unwrap(), 1);
    server.kill();
    let mut second = Box::pin(patient.increment(&name, &number, 1));
    let early = tokio::time::timeout(Duration::from_millis(300), second.as_mut()).await;
    assert!(early.is_err(), "{early:?} without a server");
    server.restart();
    assert_eq!(second.await.unwrap(), 2);
    assert_eq!(brief.increment(&name, &number, 1).await.unwrap(), 3);
    server.kill();
    let start = Instant::now();
    let error = brief.increment(&name, &number, 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[tokio::test]
async fn server_without_memory_writes_no_part_of_an_operation() {
    let server = Server::start();
    let StateUri::Redis(uri) = StateUri::parse(&server.uri()).unwrap() else { panic!() };
    let policy = RetryPolicy { at_start: Duration::from_secs(5), later: Duration::from_millis(200) };
    let buckets = RedisBuckets::over(Link::new(&uri, "test", policy).unwrap());
    buckets.write(&bucket(), &writes("k", "v")).await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let removal = Writes::new(vec![(key("k"), None)]).unwrap();
    for refused in [
        buckets.write(&bucket(), &writes("l", "v")).await.unwrap_err(),
        buckets.write(&bucket(), &removal).await.unwrap_err(),
        buckets.increment(&bucket(), &key("n"), 1).await.unwrap_err(),
    ] {
        assert_eq!(refused.kind, ErrorKind::Unavailable, "{refused}");
        assert!(refused.help().unwrap().contains("maxmemory"), "{:?}", refused.help());
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(server.cli(&["HGETALL", "cascade:bucket:b"]), "k\nv");
    assert_eq!(server.cli(&["ZRANGE", "cascade:bucket:b:keys", "0", "-1"]), "k");
}
