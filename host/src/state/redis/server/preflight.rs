//! The preflight check: asks a server for its facts, and probes whether the user may run every needed command.
//! `server_info.rs` evaluates the facts.

use crate::model::Random;
use crate::state::redis::link::{Answer, Command, Link, NOT_ALLOWED, Request, Script, digest};
use crate::state::redis::server::server_info::{Persistence, ServerFacts, Version, grant_hint};
use crate::state::{Error, ErrorKind, Notice};
use std::time::Duration;
use tokio::time::Instant;

static PROBE: Script =
    Script::new(include_str!("../scripts/probe.lua"), || digest(include_str!("../scripts/probe.lua")));

/// Number of scratch keys of the probes.
const KEYS: usize = 5;

/// Number of round trips that are measured.
const ROUND_TRIPS: usize = 10;

/// Each command that scripts and requests use, in an order in which all succeed. `@1` is a hash, `@2` a stream, `@3`
/// a sorted set, `@4` a string, `@5` a list. Each gets a TTL at once, in case that this user may not remove it.
const PROBES: &[&str] = &[
    "hset @1 a 1",
    "pexpire @1 1000",
    "hget @1 a",
    "hmget @1 a b",
    "hgetall @1",
    "hvals @1",
    "hlen @1",
    "hkeys @1",
    "hexists @1 a",
    "hstrlen @1 a",
    "hscan @1 0",
    "hdel @1 b",
    "hincrby @1 n 1",
    "xadd @2 1-1 a 1",
    "pexpire @2 1000",
    "xread count 1 streams @2 0",
    "zadd @3 1 a",
    "pexpire @3 1000",
    "zcount @3 0 1",
    "zscore @3 a",
    "zrange @3 0 0",
    "zscan @3 0",
    "zrangebyscore @3 0 2",
    "zrevrange @3 0 1",
    "zrangebylex @3 - +",
    "zremrangebylex @3 [x [y",
    "zrem @3 a",
    "set @4 a",
    "pexpire @4 1000",
    "get @4",
    "setrange @4 0 a",
    "getrange @4 0 1",
    "exists @4",
    "type @4",
    "pttl @4",
    "rpush @5 a",
    "pexpire @5 1000",
    "lindex @5 0",
    "lrange @5 0 1",
    "time",
    "unlink @1 @2 @3 @4 @5",
];

/// Needed commands that cannot be probed within a script, and commands that are optional.
const UNPROBED: &[&str] = &["evalsha", "script|load", "select", "info", "wait", "client|setname"];

/// Returns warnings for the user. Fails if the server cannot be used.
pub(crate) async fn preflight(link: &Link) -> Result<Vec<Notice>, Error> {
    let facts = read_facts(link).await?;
    let mut needed: Vec<&str> = PROBES.iter().filter_map(|probe| probe.split(' ').next()).collect();
    needed.sort_unstable();
    needed.dedup();
    let needed = [UNPROBED, &needed].concat();
    // An old server lacks commands; its version is the better explanation.
    let uri = link.uri().to_string();
    facts.check(&uri, &needed)?;
    facts.check_durability(&uri, link.uri().durability)?;
    let missing = missing(link).await.map_err(|error| match error.kind {
        // Other refusals, such as those of certificates, have a hint of their own.
        ErrorKind::Refused if error.help() == Some(NOT_ALLOWED) => error.hint(grant_hint(&needed)),
        _ => error, // the server was lost: rights do not matter
    })?;
    ServerFacts { missing, ..facts }.check(&uri, &needed)
}

/// Describes the server and its shortest round trip, for display.
pub(crate) async fn describe(link: &Link) -> Result<Vec<(&'static str, String)>, Error> {
    let facts = read_facts(link).await?;
    let unknown = || "unknown".to_owned();
    let persistence = match facts.persistence {
        Some(Persistence::AppendOnly) => "append-only file".to_owned(),
        Some(Persistence::Snapshots) => "snapshots: a crash loses all writes since the last one".to_owned(),
        Some(Persistence::None) => "none: a restart loses its runs".to_owned(),
        None => unknown(),
    };
    let mut shortest = Duration::MAX;
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        link.ask("measuring the round trip", Request::read([Command::new("TIME")])).await?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(vec![
        ("version", facts.version.as_ref().map_or_else(unknown, Version::show)),
        ("persistence", persistence),
        ("eviction", facts.eviction.clone().unwrap_or_else(unknown)),
        ("round trip", format!("{:.2} ms", shortest.as_secs_f64() * 1e3)),
    ])
}

async fn read_facts(link: &Link) -> Result<ServerFacts, Error> {
    let info = text(link, Command::new("INFO")).await?.unwrap_or_default();
    let save = text(link, Command::new("CONFIG").arg("GET").arg("save")).await?;
    Ok(ServerFacts::read(&info, save.as_deref()))
}

/// Returns the text of a reply; none if this user may not ask.
async fn text(link: &Link, command: Command) -> Result<Option<String>, Error> {
    match link.ask("reading the server's settings", Request::read([command])).await {
        Ok(answers) => Ok(answers.into_iter().last().and_then(last)),
        Err(error) if error.kind == ErrorKind::Refused => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the text of a reply, or of its last part.
fn last(answer: Answer) -> Option<String> {
    match answer {
        Answer::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Answer::List(parts) => parts.into_iter().last().and_then(last),
        Answer::Nil | Answer::Number(_) | Answer::Foreign => None,
    }
}

async fn missing(link: &Link) -> Result<Vec<String>, Error> {
    let mark = Random::from_system().next_u64();
    let keys: Vec<String> = (0..KEYS).map(|key| format!("cascade:probe:{{{mark:016x}}}:{key}")).collect();
    let command = PROBES.iter().fold(Command::script(&PROBE, &keys), |command, probe| {
        command.arg(probe.split(' ').count().to_string()).args(probe.split(' '))
    });
    let answers = link.ask_at_start("checking the rights of this user", Request::read([command])).await?;
    let mut names: Vec<String> = answers.into_iter().flat_map(Answer::list).filter_map(last).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateUri;
    use crate::state::redis::link_to;
    use crate::state::redis::server::test_server::Server;

    async fn run_preflight(uri: &str) -> Result<Vec<Notice>, Error> {
        let StateUri::Redis(uri) = StateUri::parse(uri).unwrap() else { panic!("not Redis") };
        preflight(&link_to(&uri, "test").unwrap()).await
    }

    fn codes(notices: &[Notice]) -> Vec<&'static str> {
        notices.iter().map(|Notice { code, .. }| *code).collect()
    }

    #[tokio::test]
    async fn suitable_server_passes_without_notices() {
        let server = Server::durable();
        assert_eq!(run_preflight(&server.uri()).await.unwrap(), []);
        assert_eq!(server.cli(&["DBSIZE"]), "0");
    }

    #[tokio::test]
    async fn server_that_may_lose_runs_causes_warnings() {
        let server = Server::with(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);
        let notices = run_preflight(&server.uri()).await.unwrap();
        assert_eq!(codes(&notices), ["state-eviction", "state-persistence"]);
    }

    #[tokio::test]
    async fn missing_permissions_are_named_and_the_suggested_line_grants_them() {
        let server = Server::durable();
        let user =
            ["ACL", "SETUSER", "cascade", "on", ">hunter2", "~cascade:*", "+@all", "-zrangebylex", "-info"];
        server.cli(&user);
        let uri = server.uri().replace("redis://", "redis://cascade:hunter2@");
        let error = run_preflight(&uri).await.unwrap_err();
        assert!(error.to_string().ends_with("this user may not run ZRANGEBYLEX"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
        let line = error
            .help()
            .unwrap()
            .split_once(": ")
            .unwrap()
            .1
            .replace('\'', "")
            .replace("PASSWORD", "hunter2");
        assert_eq!(server.cli(&line.split(' ').collect::<Vec<_>>()), "OK", "{line}");
        assert_eq!(run_preflight(&uri).await.unwrap(), []);
    }

    #[tokio::test]
    async fn scratch_keys_expire_without_the_right_to_remove_them() {
        let server = Server::durable();
        server.cli(&["ACL", "SETUSER", "cascade", "on", ">hunter2", "~cascade:*", "+@all", "-unlink"]);
        let uri = server.uri().replace("redis://", "redis://cascade:hunter2@");
        assert!(run_preflight(&uri).await.unwrap_err().to_string().ends_with("this user may not run UNLINK"));
        let keys = server.cli(&["KEYS", "*"]);
        for key in keys.lines().filter(|key| !key.is_empty()) {
            assert_ne!(server.cli(&["PTTL", key]), "-1", "{key}");
        }
    }

    #[tokio::test]
    async fn user_without_access_to_the_keys_gets_the_acl_line() {
        let server = Server::durable();
        server.cli(&["ACL", "SETUSER", "other", "on", ">hunter2", "~other:*", "+@all"]);
        let uri = server.uri().replace("redis://", "redis://other:hunter2@");
        let error = run_preflight(&uri).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.help().unwrap().contains("ACL SETUSER cascade on"), "{:?}", error.help());
    }

    #[test]
    fn every_command_is_probed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/state/redis");
        let mut text = String::new();
        for folder in ["", "run", "stored", "server", "link", "scripts"].map(|name| folder.join(name)) {
            for file in std::fs::read_dir(folder).unwrap() {
                let file = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
                text += file.split("#[cfg(test)]\nmod tests {").next().unwrap();
            }
        }
        let known: Vec<&str> =
            PROBES.iter().chain(UNPROBED).filter_map(|probe| probe.split([' ', '|']).next()).collect();
        for (start, end) in [("call('", '\''), ("all('", '\''), ("Command::new(\"", '"')] {
            for found in text.split(start).skip(1) {
                let command = found.split(end).next().unwrap();
                if !command.chars().all(|c| c.is_ascii_uppercase()) {
                    continue; // a program, not a Redis command
                }
                let command = command.to_lowercase();
                // These are optional.
                let is_optional = ["config", "waitaof"].contains(&command.as_str());
                assert!(is_optional || known.contains(&command.as_str()), "{command}");
            }
        }
    }
}
