//! Tests of admitted requests over real connections to this machine: name resolution, addresses and certificates.
//! The black-box tests check the grants with real guests.

use crate::cli::manual::{Page, count, size};
use crate::invoke::Listener;
use crate::model::{SecureUrl, Url};
use crate::sandbox::guest::wasi::Network;
use crate::sandbox::guest::wasi::http::exchange::Exchange;
use crate::sandbox::guest::wasi::http::{
    Client, IncomingResponse, MAX_CONNECTIONS, MAX_FIELDS, MAX_UNGRANTED, NoAnswer, Outgoing, Proxy, Route,
    Tls,
};
use crate::sandbox::guest::wasi::network::{GuestNames, Refusals, Resolve, Resolver, TaskLookups, Zone};
use crate::sandbox::testing::RecordingListener;
use bytes::Bytes;
use cascade_host_tests::Web;
use http_body_util::{BodyExt as _, Empty};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// A resolver that maps every name but one to this machine, and counts the lookups.
#[derive(Default)]
struct LoopbackResolver(AtomicUsize);

impl Resolve for LoopbackResolver {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        match name {
            "nobody.example" => Err(io::ErrorKind::NotFound.into()),
            "mapped.example" => Ok(vec!["::ffff:127.0.0.1".parse().unwrap()]),
            "both.example" => Ok(vec!["::1".parse().unwrap(), "127.0.0.1".parse().unwrap()]),
            _ => Ok(vec!["127.0.0.1".parse().unwrap()]),
        }
    }
}

/// Sends requests as a guest does that has the grants for them.
struct Sender {
    resolver: Arc<LoopbackResolver>,
    network: Arc<Network>,
    log: Arc<RecordingListener>,
}

impl Sender {
    fn new(tls: Tls) -> Self {
        let resolver = Arc::<LoopbackResolver>::default();
        let names = Resolver::with_resolve(Arc::<LoopbackResolver>::clone(&resolver));
        Self { resolver, network: Arc::new(Network::with_parts(names, tls)), log: Arc::default() }
    }

    async fn send_raw(&self, url: &str, options: RequestOptions) -> Result<IncomingResponse, Error> {
        let url = Url::parse(url).unwrap();
        let listener: Arc<dyn Listener> = Arc::<RecordingListener>::clone(&self.log);
        let exchange = Exchange {
            url: url.clone(),
            network: Arc::clone(&self.network),
            names: GuestNames::new(self.network.names(), &TaskLookups::default()),
            refusals: Refusals::new(&listener),
            permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        };
        let body: WasiBody = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::builder().uri("http://elsewhere/never").header("host", "elsewhere");
        exchange.send(request.body(body).unwrap(), options).await
    }

    async fn send(&self, url: &str, options: RequestOptions) -> Result<String, Error> {
        let (response, driver) = self.send_raw(url, options).await?;
        let (body, _) = tokio::join!(response.into_body().collect(), Pin::from(driver));
        Ok(String::from_utf8(body?.to_bytes().to_vec()).unwrap())
    }

    async fn get(&self, url: &str) -> Result<String, Error> {
        self.send(url, RequestOptions::default()).await
    }
}

#[tokio::test]
async fn name_that_resolves_to_a_private_address_is_refused_without_a_connection() {
    let (web, sender) = (Web::start(), Sender::new(Tls::with_default_roots()));
    for name in ["inside.example", "mapped.example", "both.example", "sub.localhost"] {
        let refused = sender.get(&format!("http://{name}:{}/echo?secret", web.port())).await.unwrap_err();
        assert!(matches!(refused, Error::HttpRequestDenied), "{name}: {refused}");
    }
    assert!(web.heads().is_empty(), "{:?}", web.heads());
    let logged = sender.log.recorded();
    assert!(logged[0].contains("resolves to the private address 127.0.0.1"), "{logged:?}");
    assert!(logged[0].contains(&format!("`http = [\"http://127.0.0.1:{}/\"]`", web.port())), "{logged:?}");
    assert!(logged.len() == 4 && logged.iter().all(|line| !line.contains("secret")), "{logged:?}");
}

#[tokio::test]
async fn granted_address_is_reached_and_a_name_is_resolved_once() {
    let (web, sender) = (Web::start(), Sender::new(Tls::with_default_roots()));
    let port = web.port();
    let by_address = sender.get(&format!("http://127.0.0.1:{port}/echo/%61?b")).await.unwrap();
    assert_eq!(by_address, format!("GET /echo/a?b 127.0.0.1:{port}"));
    assert_eq!(sender.resolver.0.load(Ordering::SeqCst), 0);
    let by_name = sender.get(&format!("http://localhost:{port}/echo")).await.unwrap();
    assert_eq!(by_name, format!("GET /echo localhost:{port}"));
    // A second lookup could return another address, so the connection must use the checked one.
    assert_eq!(sender.resolver.0.load(Ordering::SeqCst), 1);
    let unknown = sender.get("http://nobody.example/").await.unwrap_err();
    assert!(matches!(unknown, Error::DnsError { .. }), "{unknown}");
}

#[tokio::test]
async fn invalid_responses_have_distinct_errors() {
    let (web, sender) = (Web::start(), Sender::new(Tls::with_default_roots()));
    let get = async |path: &str| sender.get(&web.url(path)).await.unwrap_err();
    assert!(matches!(get("/cut").await, Error::HttpResponseIncomplete));
    assert!(matches!(get("/long-header").await, Error::HttpResponseHeaderSectionSize(_)));
    assert!(matches!(get("/many-headers").await, Error::HttpResponseHeaderSectionSize(_)));
    assert!(matches!(get("/garbage").await, Error::HttpProtocolError));
    let refused = sender.get(&format!("http://127.0.0.1:{}/", cascade_host_tests::free_port())).await;
    assert!(matches!(refused, Err(Error::ConnectionRefused)));
    let tls = sender.get(&web.url("/").replace("http:", "https:")).await;
    assert!(matches!(tls, Err(Error::TlsProtocolError)), "{:?}", tls.err());
}

#[tokio::test]
async fn timeouts_of_the_guest_are_kept() {
    let (web, sender) = (Web::start(), Sender::new(Tls::with_default_roots()));
    let short = Some(Duration::from_millis(5));
    let first = RequestOptions { first_byte_timeout: short, ..RequestOptions::default() };
    let silent = sender.send(&web.url("/silent"), first).await;
    assert!(matches!(silent, Err(Error::ConnectionReadTimeout)));
    let between = RequestOptions { between_bytes_timeout: short, ..RequestOptions::default() };
    let slow = sender.send(&web.url("/slow"), between).await;
    assert!(matches!(slow, Err(Error::ConnectionReadTimeout)));
    web.wait_until_left();
}

#[tokio::test]
async fn dropped_response_closes_its_connection() {
    let (web, sender) = (Web::start(), Sender::new(Tls::with_default_roots()));
    let response = sender.send_raw(&web.url("/endless"), RequestOptions::default()).await.unwrap();
    drop(response);
    web.wait_until_left();
}

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(folder).output();
    let output = output.expect("install openssl: apt-get install openssl");
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with a certificate authority, and a certificate of it for `localhost` only.
static CERTIFICATES: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("names"), "subjectAltName=DNS:localhost").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(path, &format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.crt"));
    openssl(path, &format!("req {key} -subj /CN=server -keyout server.key -out server.csr"));
    openssl(
        path,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
    folder
});

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(CERTIFICATES.path().join(name)).unwrap()
}

/// Serves `sure` over TLS on the returned port, until the returned set is dropped.
async fn encrypted() -> (u16, JoinSet<()>) {
    let key = PrivateKeyDer::from_pem_file(CERTIFICATES.path().join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate("server.crt")], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut server = JoinSet::new();
    server.spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if let Ok(mut client) = acceptor.accept(client).await {
                client.read_buf(&mut Vec::with_capacity(4096)).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsure").await.unwrap();
                client.shutdown().await.unwrap();
            }
        }
    });
    (port, server)
}

#[tokio::test]
async fn tls_connection_requires_a_certificate_for_the_name() {
    let (port, _server) = encrypted().await;
    let mut authorities = RootCertStore::empty();
    authorities.add(certificate("ca.crt")).unwrap();
    let sender = Sender::new(Tls::with_roots(Some(authorities)));
    assert_eq!(sender.get(&format!("https://localhost:{port}/")).await.unwrap(), "sure");
    let other_name = sender.get(&format!("https://127.0.0.1:{port}/")).await;
    assert!(matches!(other_name, Err(Error::TlsCertificateError)), "{:?}", other_name.err());
    let unknown_authority =
        Sender::new(Tls::with_default_roots()).get(&format!("https://localhost:{port}/")).await;
    assert!(matches!(unknown_authority, Err(Error::TlsCertificateError)), "{:?}", unknown_authority.err());
}

#[tokio::test]
async fn requests_of_the_host_are_bound_by_the_same_rules() {
    let (port, _server) = encrypted().await;
    let mut authorities = RootCertStore::empty();
    authorities.add(certificate("ca.crt")).unwrap();
    let sender = Sender::new(Tls::with_roots(Some(authorities)));
    let posted = async |sender: &Sender, url: String| {
        let to = SecureUrl::parse(&url).unwrap();
        Client::new(Arc::clone(&sender.network)).post(&to, None, Bytes::from_static(b"{}")).await
    };
    assert_eq!(posted(&sender, format!("https://localhost:{port}/")).await.unwrap(), 200);
    let other_name = posted(&sender, format!("https://127.0.0.1:{port}/")).await;
    assert!(matches!(other_name, Err(NoAnswer::Certificate)), "{other_name:?}");
    let other = Sender::new(Tls::with_default_roots());
    let unknown_authority = posted(&other, format!("https://localhost:{port}/")).await;
    assert!(matches!(unknown_authority, Err(NoAnswer::Certificate)), "{unknown_authority:?}");
    let private = posted(&sender, format!("https://inside.example:{port}/")).await;
    assert!(matches!(private, Err(NoAnswer::Private(_))), "{private:?}");
    let unknown = posted(&sender, "https://nobody.example/".to_owned()).await;
    assert!(matches!(unknown, Err(NoAnswer::NoAddress)), "{unknown:?}");
    let web = Web::start();
    assert_eq!(posted(&sender, web.url("/redirect?/echo")).await.unwrap(), 302);
    assert_eq!(web.heads().len(), 1);
    let refused = posted(&sender, format!("http://127.0.0.1:{}/", cascade_host_tests::free_port())).await;
    assert!(matches!(refused, Err(NoAnswer::Exchange(_))), "{refused:?}");
}

/// Connects clients to this port, whatever they ask for.
async fn proxy(to: u16) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"CONNECT localhost:"));
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = tokio::net::TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
        }
    });
    (port, serving)
}

#[tokio::test]
async fn host_is_encrypted_to_the_server_behind_a_proxy() {
    let (port, _server) = encrypted().await;
    let (proxy_port, _proxy) = proxy(port).await;
    let sender = Sender::new(Tls::with_default_roots());
    let client = Client::new(Arc::clone(&sender.network));
    assert!(client.clone().with_authorities(b"no certificate").is_err());
    let authority = std::fs::read(CERTIFICATES.path().join("ca.crt")).unwrap();
    let trusting = client.clone().with_authorities(&authority).unwrap();
    let proxy = Proxy::new(Url::parse(&format!("http://127.0.0.1:{proxy_port}/")).unwrap(), None);
    let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
    let get = |client: Client, zone| {
        let (url, proxy) = (url.clone(), proxy.clone());
        async move {
            let outgoing = Outgoing {
                method: http::Method::GET,
                url: &url,
                headers: http::HeaderMap::new(),
                body: Bytes::new(),
            };
            let mut answer = client.send(outgoing, Route::Within(zone, Some(&proxy))).await?;
            let piece = answer.piece().await?.unwrap_or_default();
            Ok::<_, NoAnswer>((answer.status(), piece))
        }
    };
    let (status, body) = get(trusting, Zone::Loopback).await.unwrap();
    assert_eq!((status, &body[..]), (200, &b"sure"[..]));
    let unknown = get(client, Zone::Loopback).await;
    assert!(matches!(unknown, Err(NoAnswer::Certificate)), "{unknown:?}");
}

#[tokio::test]
async fn host_is_led_no_further_inside_than_allowed() {
    let (web, sender) = (Web::start(), Sender::new(Tls::with_default_roots()));
    let client = Client::new(Arc::clone(&sender.network));
    for name in ["inside.example", "localhost", "127.0.0.1"] {
        let url = Url::parse(&format!("http://{name}:{}/echo", web.port())).unwrap();
        let get = |zone| {
            let headers = http::HeaderMap::new();
            let outgoing = Outgoing { method: http::Method::GET, url: &url, headers, body: Bytes::new() };
            client.send(outgoing, Route::Within(zone, None))
        };
        for zone in [Zone::Public, Zone::Private] {
            assert!(matches!(get(zone).await, Err(NoAnswer::Private(_))), "{name} {zone:?}");
        }
        assert_eq!(get(Zone::Loopback).await.unwrap().zone(), Zone::Loopback);
    }
    assert_eq!(web.heads().len(), 3);
}

#[test]
fn manual_names_the_limits_of_this_folder() {
    let call = |limit| Page::of("limits").section("Limits of a call").line(limit).cell(1);
    call("headers of one HTTP request").says(&size(MAX_FIELDS));
    call("headers of one HTTP request").says(&size(MAX_UNGRANTED));
    call("sockets of a guest; HTTP connections").says(&count(MAX_CONNECTIONS));
}
