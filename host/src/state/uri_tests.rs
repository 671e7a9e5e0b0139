//! Tests of URI parsing, and of hiding logins.
//! Backends are not involved.

use super::*;
use crate::cli::manual::Page;
use crate::model::show_duration;
use crate::state::ErrorKind;
use crate::state::uri_query::{QUERY, unknown_key};
use proptest::prelude::*;

fn redis(text: &str) -> RedisUri {
    match StateUri::parse(text).unwrap() {
        StateUri::Redis(redis) => *redis,
        StateUri::Memory => panic!("{text}"),
    }
}

fn address(host: &str, port: u16) -> Address {
    Address { host: host.into(), port }
}

#[test]
fn every_scheme_parses() {
    assert_eq!(StateUri::parse("memory:").unwrap(), StateUri::Memory);
    for (text, shown) in [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("valkey://localhost:7000/3", "redis://localhost:7000/3"),
        ("rediss://user:pw@db.example/1", "rediss://***@db.example:6379/1"),
        ("valkeys://db.example", "rediss://db.example:6379/0"),
        ("redis://[::1]:7000", "redis://[::1]:7000/0"),
        ("redis+unix:///run/redis.sock?db=2", "redis+unix:///run/redis.sock?db=2"),
        ("redis+sentinel://a,b:1/main/4", "redis+sentinel://a:26379,b:1/main/4"),
        ("redis+cluster://a,[::1]:2", "redis+cluster://a:6379,[::1]:2"),
        ("REDIS://localhost/", "redis://localhost:6379/0"),
    ] {
        assert_eq!(StateUri::parse(text).unwrap().to_string(), shown);
    }
    assert_eq!(
        redis("redis+cluster://a,b:1").topology,
        RedisTopology::Cluster(vec![address("a", 6379), address("b", 1)])
    );
}

#[test]
fn logins_are_decoded_and_options_read() {
    let uri = redis(
        "rediss://us%65r:p%40%2F%3A@h?connect-timeout=3s&timeout=500ms&durability=replica:2&ca=/a%20b&cert=c&key=k",
    );
    assert_eq!(uri.user, Some(Secret::new("user")));
    assert_eq!(uri.password, Some(Secret::new("p@/:")));
    assert_eq!(
        (uri.connect_timeout, uri.timeout),
        (Duration::from_secs(3), Some(Duration::from_millis(500)))
    );
    assert_eq!(uri.durability, Durability::Replica(2));
    assert_eq!(uri.tls, Some(Tls { ca: Some("/a b".into()), identity: Some(("c".into(), "k".into())) }));
    assert_eq!(redis("redis://h?durability=aof:1").durability, Durability::Aof);
    assert_eq!(redis("redis://:p@h").user, None);
    assert_eq!(redis("redis://h").connect_timeout, Duration::from_secs(10));
}

#[test]
fn lease_defaults_to_ten_seconds() {
    let seconds = |text: &str| StateUri::parse(text).unwrap().lease().as_secs_f64();
    assert_eq!((seconds("memory:"), seconds("redis://h")), (10.0, 10.0));
    assert_eq!((seconds("redis://h?lease=1s"), seconds("redis://h?lease=90s")), (1.0, 90.0));
}

#[test]
fn separate_password_does_not_replace_one_in_the_uri() {
    let password = Secret::new("other");
    for (text, expected) in [("redis://h", "other"), ("redis://:own@h", "own")] {
        let StateUri::Redis(uri) = StateUri::parse(text).unwrap().or_password(&password) else { panic!() };
        assert_eq!(uri.password.unwrap().expose(), expected);
    }
}

#[test]
fn invalid_uris_are_rejected_with_a_hint() {
    for (text, help) in [
        ("", "redis+cluster://"),
        ("postgres://h", "memory:, redis://"),
        ("memory:x", "takes no address"),
        ("redis:h", "://"),
        ("redis://", "A host is"),
        ("redis://h:0", "A host is"),
        ("redis://h:", "A host is"),
        ("redis+sentinel://user:/pass@h/0", "master's name"),
        ("redis+sentinel://user:/pass", "A host is"),
        ("redis+unix://:p@/ss@/a", "absolute"),
        ("redis+sentinel://h/p@ss", "master's name"),
        ("redis://h:99999", "A host is"),
        ("redis://h:+1", "A host is"),
        ("redis://[::1", "A host is"),
        ("redis://[h]:1", "A host is"),
        ("redis://h/x", "whole number"),
        ("redis://h/+1", "whole number"),
        ("redis://h?db=1", "connect-timeout, timeout"),
        ("redis://h?protocol=resp3", "connect-timeout, timeout"),
        ("redis://h?timeout=1s&timeout=2s", "`timeout` is given twice"),
        ("redis://h?pass=word&pass=word", "The query keys are"),
        ("redis://h?timeout=0s", "duration above zero"),
        ("redis://h?lease=0s", "duration above zero"),
        ("redis://h?lease=999ms", "from `1s` to `1h`"),
        ("redis://h?lease=61m", "from `1s` to `1h`"),
        ("redis://h?durability=replica:0", "replica:N"),
        ("redis://h?durability=fsync", "replica:N"),
        ("redis://h?ca=x", "rediss://"),
        ("rediss://h?cert=x", "come together"),
        ("redis://h#insecure", "fragment"),
        ("redis://:%zz@h", "hexadecimal"),
        ("redis://h:63\n79", "Remove it"),
        ("redis://:pass\nword@h", "%0A"),
        ("redis://h\u{7f}", "Remove it"),
        ("redis://a b", "%20"),
        ("redis+unix://run/redis.sock", "absolute"),
        ("redis+sentinel://h:1", "master's name"),
        ("redis+cluster://h/1", "no numbered databases"),
    ] {
        let error = StateUri::parse(text).expect_err(text);
        assert_eq!(error.kind, ErrorKind::Uri);
        assert!(error.help().is_some_and(|hint| hint.contains(help)), "{text}: {:?}", error.help());
    }
}

#[test]
fn line_end_after_a_uri_is_ignored_and_one_within_is_located() {
    for text in ["redis://h\n", "redis://h\r\n", " \tredis://h ", "redis://h:6379/0\n\n"] {
        assert_eq!(StateUri::parse(text).unwrap().to_string(), "redis://h:6379/0", "{text:?}");
    }
    assert_eq!(StateUri::parse("memory:\n").unwrap(), StateUri::Memory);
    for (text, found) in [
        ("redis://h:63\n79\n", "character 13 is a line end (`\\n`)"),
        ("\nredis://:hun\rter2@h\n", "character 13 is a line end (`\\r`)"),
        ("redis://h 1:1", "which contains a space"),
    ] {
        let error = StateUri::parse(text).unwrap_err();
        assert!(error.to_string().ends_with(found), "{text:?}: {error}");
        assert!(!shown(text).contains("hun"), "{}", shown(text));
    }
}

/// Returns every visible form of a URI or of its error.
fn shown(text: &str) -> String {
    match StateUri::parse(text) {
        Ok(uri) => format!("{uri} {uri:?}"),
        Err(error) => format!("{error} {error:?} {:?}", error.help()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn user_and_password_are_never_shown(
        scheme in "memory|redis|rediss|valkey|redis\\+unix|redis\\+sentinel|redis\\+cluster|http|",
        secret in "QZ[a-zA-Z0-9]{4}",
        noise in "[@:/?#%&=,\\[\\] a-z]{0,6}",
        tail in "[@:/?#%&=,a-z0-9\\[\\]]{0,12}",
    ) {
        for text in [
            format!("{scheme}://user:{secret}@{tail}"),
            format!("{scheme}://user:{noise}{secret}@host/{tail}"),
            format!("{scheme}://user:{secret}{noise}@host:1/0"),
            format!("{scheme}://{secret}@host"),
            format!("{scheme}:{secret}{tail}"),
            format!("{secret}{tail}"),
        ] {
            // Hosts, masters and paths are shown, so in these forms none may contain the secret.
            let is_place = StateUri::parse(&text).is_ok() && !text.contains(&format!("{secret}@"));
            prop_assert!(is_place || !shown(&text).contains("QZ"), "{text}: {}", shown(&text));
        }
    }
}

#[test]
fn the_manual_has_every_scheme_and_every_key_of_the_query() {
    let uris = Page::of("state").section("URIs");
    let codes = uris.codes();
    for scheme in SCHEMES.iter().map(|(scheme, _)| *scheme).chain([MEMORY]) {
        let is_match = |code: &String| code.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(':'));
        assert!(codes.iter().any(is_match), "state.md, section \"URIs\", does not show `{scheme}:`");
    }
    let keys = Page::of("state").section("Query keys");
    let hint = unknown_key();
    for key in QUERY {
        keys.row(key).cell(1).says_something();
        assert!(hint.help().unwrap().contains(key), "{key}");
    }
    keys.row("connect-timeout").cell(2).says(&show_duration(CONNECT_TIMEOUT));
    keys.row("lease").cell(2).says(&show_duration(LEASE));
    keys.row("lease").cell(1).names(
        [LEASES.start(), LEASES.end()].map(|bound| show_duration(*bound)).each_ref().map(String::as_str),
    );
}
