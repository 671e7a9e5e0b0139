//! Logins of registries, and servers that lead elsewhere: credentials reach the registry alone.
//! `sources` has what is pulled.

use crate::sources::{cache, guest, kept, manifest, own_cache};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cascade_host_tests::{Host, OciRegistry, Project, Received, Reply, Service, free_port, sha256};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// The password in all tests of logins.
const PASSWORD: &str = "hunter22";

/// `user` with that password, by bcrypt.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuZ6QNu0NKXZkZHC5hsQUItfxcGamvB8i\n";

/// Writes Docker's file with a login for a registry, and returns the host with it.
fn logged_in(host: Host, project: &Project, registry: &str, login: &str) -> Host {
    let auths = json!({ "auths": { registry: { "auth": STANDARD.encode(login) } } });
    let path = project.file("docker/config.json", auths.to_string().as_bytes());
    host.env("DOCKER_CONFIG", &path.parent().expect("a folder").display().to_string())
}

fn run(project: &Project) -> Host {
    own_cache(project.host(), project)
}

/// Asserts that no output has the password, in plain text or as it is sent.
#[track_caller]
fn hides_login(shown: &str) {
    assert!(
        !shown.contains(PASSWORD) && !shown.contains(&STANDARD.encode(format!("user:{PASSWORD}"))),
        "{shown}"
    );
}

#[test]
fn login_with_a_password_is_that_of_docker() {
    let mut registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    let file = registry.folder().join("htpasswd");
    fs::write(&file, HTPASSWD).expect("the file can be written");
    registry.restart(&format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display()));
    let address = registry.address();
    let project = Project::new(&manifest(&format!("oci = \"{address}/acme/basic:1\"")));
    let login = format!("docker login {address}");
    run(&project).run().expect(2).says(["demands a login", &login]);
    let wrong = logged_in(run(&project), &project, &address, "user:wrong").run().expect(2);
    let wrong = wrong.says(["refuses the login of", "docker/config.json", &login]);
    assert!(!wrong.stderr.contains("user:wrong"), "{}", wrong.stderr);
    let right = logged_in(run(&project), &project, &address, &format!("user:{PASSWORD}")).run().expect(0);
    assert_eq!(right.json()["t"], 4);
    hides_login(&right.stderr);
}

/// A key that signs tokens, and the server that issues them.
struct Issuer {
    server: Service,
    certificate: std::path::PathBuf,
}

/// Signs a token that lets its bearer pull `acme/basic`.
fn token(folder: &Path) -> String {
    let now = Command::new("date").arg("+%s").output().expect("date can be started").stdout;
    let now: u64 = String::from_utf8_lossy(&now).trim().parse().expect("date prints a number");
    let der = openssl(&["x509", "-in", "cert.pem", "-outform", "DER"], folder, b"");
    let head = json!({ "alg": "RS256", "typ": "JWT", "x5c": [STANDARD.encode(der)] });
    let access = json!([{ "type": "repository", "name": "acme/basic", "actions": ["pull"] }]);
    let claims = json!({
        "iss": "issuer", "sub": "user", "aud": "test", "exp": now + 300, "nbf": now - 60, "iat": now - 60,
        "jti": "1", "access": access
    });
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = openssl(&["dgst", "-sha256", "-sign", "key.pem"], folder, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn openssl(arguments: &[&str], folder: &Path, input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("install openssl: apt-get install openssl");
    child.stdin.take().expect("stdin is piped").write_all(input).expect("openssl reads");
    let output = child.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

/// Makes a key in a folder, and issues tokens for `user` with the password.
fn issuer(folder: &Path) -> Issuer {
    let subject = ["-subj", "/CN=issuer", "-days", "2", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"];
    openssl(&[&["req", "-x509", "-newkey", "rsa:2048"][..], &subject].concat(), folder, b"");
    let token = token(folder);
    let login = format!("Basic {}", STANDARD.encode(format!("user:{PASSWORD}")));
    let server = Service::start(move |request: &Received| {
        let scope = "service=test&scope=repository%3Aacme%2Fbasic%3Apull";
        match request.header("authorization") {
            Some(found) if found == login && request.line().1.ends_with(scope) => {
                Reply::new(200, json!({ "token": token }).to_string())
            }
            _ => Reply::new(401, "{}"),
        }
    });
    Issuer { server, certificate: folder.join("cert.pem") }
}

#[test]
fn token_is_asked_for_where_the_registry_says() {
    let mut registry = OciRegistry::start();
    registry.push("acme/basic", "1", &guest());
    let issuer = issuer(registry.folder());
    registry.restart(&format!(
        "auth:\n  token:\n    realm: http://{}/token\n    service: test\n    issuer: issuer\n    rootcertbundle: {}\n",
        issuer.server.address(),
        issuer.certificate.display()
    ));
    let address = registry.address();
    let project = Project::new(&manifest(&format!("oci = \"{address}/acme/basic:1\"")));
    run(&project).run().expect(2).says(["demands a login"]);
    logged_in(run(&project), &project, &address, "user:wrong").run().expect(2).says(["refuses the login of"]);
    let before = issuer.server.received().len();
    let right = logged_in(run(&project), &project, &address, &format!("user:{PASSWORD}")).run().expect(0);
    assert_eq!(right.json()["t"], 4);
    hides_login(&right.stderr);
    assert_eq!(issuer.server.received().len() - before, 1, "a token serves manifest and layer");
}

/// The manifest of an artifact with the guest.
fn artifact() -> serde_json::Value {
    let layer = format!("sha256:{}", sha256(&guest()));
    json!({
        "schemaVersion": 2,
        "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": guest().len() }]
    })
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let content = guest();
    let storage = Service::start(move |_| Reply::new(200, content.clone()));
    let layer = format!("sha256:{}", sha256(&guest()));
    // Another name of this machine is another host.
    let target =
        format!("http://localhost:{}/storage?signed", storage.address().rsplit(':').next().expect("a port"));
    let login = format!("Basic {}", STANDARD.encode(format!("user:{PASSWORD}")));
    let front = Service::start(move |request: &Received| {
        if request.header("authorization") != Some(login.as_str()) {
            return Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"");
        }
        let path = request.line().1;
        if path.starts_with("/v2/acme/basic/manifests/") {
            return Reply::new(200, artifact().to_string());
        }
        assert_eq!(path, format!("/v2/acme/basic/blobs/{layer}"));
        Reply::new(307, "").header("location", &target)
    });
    let project = Project::new(&manifest(&format!("oci = \"{}/acme/basic:1\"", front.address())));
    let host = logged_in(run(&project), &project, &front.address(), &format!("user:{PASSWORD}"));
    assert_eq!(host.run().expect(0).json()["t"], 4);
    let received = storage.received();
    assert_eq!((received.len(), received[0].header("authorization")), (1, None), "{received:?}");
    assert_eq!(
        received[0].header("host"),
        Some(storage.address().replace("127.0.0.1", "localhost").as_str())
    );
}

#[test]
fn host_behind_a_redirect_cannot_ask_for_the_login() {
    let trap = Service::start(|_| Reply::new(200, json!({ "token": "t" }).to_string()));
    let challenge = format!("Bearer realm=\"http://{}/token\"", trap.address());
    let other = Service::start(move |_| Reply::new(401, "").header("www-authenticate", &challenge));
    let target = format!("http://localhost:{}/x", other.address().rsplit(':').next().expect("a port"));
    let front = Service::start(move |_| Reply::new(307, "").header("location", &target));
    let project = Project::new(&manifest(&format!("oci = \"{}/acme/basic:1\"", front.address())));
    let host = logged_in(run(&project), &project, &front.address(), &format!("user:{PASSWORD}"));
    host.run().expect(2).says(["`http://localhost:", "answers 401"]);
    assert_eq!(trap.received(), []);
}

#[test]
fn bytes_of_another_digest_are_refused_and_not_kept() {
    let artifact = artifact().to_string();
    let server = Service::start(move |request: &Received| match request.line().1 {
        path if path.contains("/blobs/") => Reply::new(200, vec![0; guest().len()]),
        _ => Reply::new(200, artifact.clone()),
    });
    let by_tag = Project::new(&manifest(&format!("oci = \"{}/acme/basic:1\"", server.address())));
    run(&by_tag).run().expect(2).says(["the layer has the SHA-256", &sha256(&vec![0; guest().len()])]);
    assert_eq!(kept(&cache(&by_tag)), [""; 0]);
    let other = format!("oci = \"{}/acme/basic@sha256:{}\"", server.address(), sha256(b"other"));
    run(&Project::new(&manifest(&other)))
        .run()
        .expect(2)
        .says(["the manifest has the SHA-256", &sha256(b"other")]);
}

#[test]
fn redirects_are_bounded_and_stay_encrypted() {
    let address = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&address);
    let server = Service::start(move |request: &Received| match request.line().1 {
        "/loop" => Reply::new(302, "").header("location", "/loop"),
        "/plain" => Reply::new(302, "").header("location", "http://example.com/x?hunter2"),
        "/file" => Reply::new(302, "").header("location", "file:///etc/passwd"),
        path => {
            let port = own.lock().expect("no test has panicked").clone();
            Reply::new(302, "").header("location", &format!("http://{port}{path}"))
        }
    });
    *address.lock().expect("no test has panicked") = server.address();
    for (path, says) in [
        ("/loop", "after too many redirects"),
        ("/plain", "redirects to `http://example.com`, where the connection is not encrypted"),
        ("/file", "sends a redirect to no URL of the web"),
    ] {
        let keys = format!("url = \"http://{}{path}\"\nsha256 = \"{}\"", server.address(), sha256(b""));
        let finished = run(&Project::new(&manifest(&keys))).run().expect(2);
        let finished = finished.says([says]);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}

#[test]
fn servers_that_are_busy_are_asked_again() {
    let content = guest();
    let answers = Mutex::new(vec![
        Reply::new(200, content),
        Reply::new(503, ""),
        Reply::new(429, "").header("retry-after", "1"),
    ]);
    let server = Service::start(move |_| {
        answers.lock().expect("no test has panicked").pop().expect("an answer is left")
    });
    let keys = format!("url = \"http://{}/x\"\nsha256 = \"{}\"", server.address(), sha256(&guest()));
    assert_eq!(run(&Project::new(&manifest(&keys))).run().expect(0).json()["t"], 4);
    assert_eq!(server.received().len(), 3);
}

#[test]
fn proxy_is_asked_for_a_tunnel_and_its_login_hidden() {
    let proxy = Service::start(|_| Reply::new(403, ""));
    let project = Project::new(&manifest("oci = \"registry.invalid/acme/basic:1\""));
    let variable = format!("http://user:{PASSWORD}@{}", proxy.address());
    let refused = run(&project).env("HTTPS_PROXY", &variable).run().expect(2);
    let refused = refused.says(["the proxy answers 403"]);
    hides_login(&refused.stderr);
    let received = proxy.received();
    assert!(
        received[0].head.starts_with("CONNECT registry.invalid:443 HTTP/1.1\r\n"),
        "{}",
        received[0].head
    );
    let login = format!("Basic {}", STANDARD.encode(format!("user:{PASSWORD}")));
    assert_eq!(received[0].header("proxy-authorization"), Some(login.as_str()));
    let direct = run(&project).env("HTTPS_PROXY", &variable).env("NO_PROXY", ".x, registry.invalid");
    direct.run().expect(2).says(["its name has no address"]);
    assert_eq!(proxy.received().len(), received.len());
    let broken = run(&project).env("HTTPS_PROXY", &format!("socks5://:{PASSWORD}@h")).run().expect(2);
    let broken = broken.says(["`HTTPS_PROXY` cannot be used"]);
    hides_login(&broken.stderr);
}

#[test]
fn authorities_of_a_file_are_trusted() {
    let project = Project::new("");
    let folder = project.folder();
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    openssl(
        &[&new[..], &["-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"]].concat(),
        folder,
        b"",
    );
    let names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
    let signed = [
        "-subj",
        "/CN=localhost",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ];
    openssl(&[&new[..], &names, &signed].concat(), folder, b"");
    let content = guest();
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", content.len()).into_bytes();
    answer.extend(&content);
    project.file("words.wasm", &answer);
    let port = free_port();
    let mut server = Command::new("openssl")
        .args([
            "s_server",
            "-quiet",
            "-HTTP",
            "-cert",
            "cert.pem",
            "-key",
            "key.pem",
            "-accept",
            &port.to_string(),
        ])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("install openssl: apt-get install openssl");
    let keys = format!("url = \"https://localhost:{port}/words.wasm\"\nsha256 = \"{}\"", sha256(&content));
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", manifest(&keys)));
    // The first attempts may come before the server listens; they are repeated.
    run(&project).run().expect(2).says(["its certificate is not valid", "SSL_CERT_FILE"]);
    let authority = folder.join("ca.pem").display().to_string();
    let trusted = run(&project).env("SSL_CERT_FILE", &authority).run();
    server.kill().and_then(|()| server.wait()).expect("the server ends");
    assert_eq!(trusted.expect(0).json()["t"], 4);
    let nothing = project.file("empty.pem", b"hello").display().to_string();
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", manifest("oci = \"registry.invalid/a:1\"")));
    run(&project)
        .env("SSL_CERT_FILE", &nothing)
        .run()
        .expect(2)
        .says(["`SSL_CERT_FILE` cannot be used", "PEM"]);
}
