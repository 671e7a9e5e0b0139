//! Forms of Redis URIs: sockets, users and TLS, and the errors for mistakes.
//! Runs over each form are checked by the conformance suite.

use super::*;
use crate::state::ErrorKind;
use crate::state::conformance::Fixture;
use std::error::Error as _;
use std::process::Command;
use std::time::{Duration, Instant};

mod socket {
    use super::*;

    struct Socket;

    #[async_trait]
    impl Harness for Socket {
        async fn backend(&self) -> Arc<dyn Backend> {
            let server = Server::start();
            Arc::new(Owned { backend: at(&server.socket_uri()), server })
        }
    }

    crate::state_conformance!(tokio::test, Socket);
}

mod user {
    use super::*;

    struct User;

    #[async_trait]
    impl Harness for User {
        async fn backend(&self) -> Arc<dyn Backend> {
            let server = guarded();
            let uri = format!("redis://cascade:s3cret@127.0.0.1:{}", server.port());
            Arc::new(Owned { backend: at(&uri), server })
        }
    }

    crate::state_conformance!(tokio::test, User);
    crate::reservation_conformance!(tokio::test, User);
}

mod encrypted {
    use super::*;

    struct Encrypted;

    #[async_trait]
    impl Harness for Encrypted {
        async fn backend(&self) -> Arc<dyn Backend> {
            let (server, tls) = encrypted();
            let ca = server.folder().join("ca.crt").display().to_string();
            Arc::new(Owned { backend: at(&format!("rediss://127.0.0.1:{tls}?ca={ca}")), server })
        }
    }

    crate::state_conformance!(tokio::test, Encrypted);
}

/// A server with one sufficiently privileged user, one with few rights, and no anonymous access.
fn guarded() -> Server {
    let server = Server::start();
    let rights = ["~cascade:*", "+@all", "-@dangerous", "+info"];
    server.cli(&[&["ACL", "SETUSER", "cascade", "on", ">s3cret"][..], &rights].concat());
    server.cli(&["ACL", "SETUSER", "narrow", "on", ">s3cret", "~cascade:*", "-@all", "+ping"]);
    server.cli(&["ACL", "SETUSER", "default", "off"]);
    server
}

/// A server with a TLS port, and that port.
fn encrypted() -> (Server, String) {
    let tls = cascade_host_tests::free_port().to_string();
    let server = Server::within(
        certificates(),
        &[
            "--save",
            "",
            "--tls-port",
            &tls,
            "--tls-cert-file",
            "{folder}/server.crt",
            "--tls-key-file",
            "{folder}/server.key",
            "--tls-ca-cert-file",
            "{folder}/ca.crt",
            "--tls-auth-clients",
            "no",
        ],
    );
    (server, tls)
}

/// A harness with an existing backend.
struct There(std::sync::Mutex<Option<RedisBackend>>);

impl There {
    fn at(uri: &str) -> Self {
        Self(std::sync::Mutex::new(Some(at(uri))))
    }
}

#[async_trait]
impl Harness for There {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.lock().unwrap().take().unwrap())
    }
}

/// Everything that an error shows.
fn said(error: &Error) -> String {
    let mut text = format!("{error} | {:?} | {}", error.help(), error.kind == ErrorKind::Refused);
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text} | {error} | {error:?}");
        cause = error.source();
    }
    text
}

async fn works(uri: &str) {
    let mut bench = Fixture::new(&There::at(uri), &[&[], &[0]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    let next = host.done(&claims[0]).await;
    assert_eq!(next.len(), 1);
}

async fn refused(uri: &str) -> (Error, Duration) {
    let start = Instant::now();
    let mut bench = Fixture::new(&There::at(uri), &[&[]]).await;
    let error = bench.ask().await.err().expect("this was to be refused");
    (error, start.elapsed())
}

#[tokio::test]
async fn valid_login_works_and_invalid_logins_fail_immediately() {
    let server = guarded();
    let port = server.port();
    works(&format!("redis://cascade:s3cret@127.0.0.1:{port}")).await;
    for login in ["cascade:wr0ng@", "nobody:wr0ng@", "", "narrow:s3cret@"] {
        let (error, took) = refused(&format!("redis://{login}127.0.0.1:{port}")).await;
        assert_eq!(error.kind, ErrorKind::Refused, "{login}: {}", said(&error));
        assert!(error.help().is_some(), "{login}: {}", said(&error));
        assert!(took < Duration::from_secs(9), "{login}: {took:?}");
        assert!(!said(&error).contains("wr0ng") && !said(&error).contains("s3cret"), "{}", said(&error));
    }
}

#[tokio::test]
async fn absent_server_fails_after_the_connect_timeout() {
    let (error, took) = refused("redis://u:hunter2@127.0.0.1:1?connect-timeout=400ms").await;
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(9), "{took:?}");
    assert!(said(&error).contains("refused") && !said(&error).contains("hunter2"), "{}", said(&error));
}

fn openssl(folder: &std::path::Path, args: &str) {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(folder).output();
    let output = output.expect("install openssl: apt-get install openssl");
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with a certificate authority, and a server certificate signed by it.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("cascade-redis-").tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    openssl(
        path,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt",
    );
    openssl(
        path,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stranger -keyout x.key -out stranger.crt",
    );
    openssl(
        path,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key -out server.csr",
    );
    openssl(
        path,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
    folder
}

#[tokio::test]
async fn encrypted_connections_work_and_mistakes_are_reported() {
    let (server, tls) = encrypted();
    let ca = server.folder().join("ca.crt").display().to_string();
    let stranger = server.folder().join("stranger.crt").display().to_string();
    works(&format!("rediss://127.0.0.1:{tls}?ca={ca}")).await;
    for (uri, hint) in [
        (format!("rediss://127.0.0.1:{tls}?ca={stranger}"), "authority"),
        (format!("rediss://127.0.0.1:{tls}"), "authority"),
        (format!("rediss://127.0.0.1:{}?ca={ca}&connect-timeout=1s", server.port()), "TLS"),
    ] {
        let (error, _) = refused(&uri).await;
        assert!(error.help().is_some_and(|help| help.contains(hint)), "{uri}: {}", said(&error));
    }
}
