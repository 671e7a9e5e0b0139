//! Starts real `docker-registry` processes, each on a free port with a folder of its own, and fills them.
//! The host's behaviour towards them is in the tests.

use crate::server::free_port;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Maximum time for a server to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The media type of an artifact's manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The media type of a layer that is a component.
pub const LAYER: &str = "application/wasm";

/// A registry for one test.
pub struct OciRegistry {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl OciRegistry {
    /// Starts a registry that demands no login.
    pub fn start() -> Self {
        let mut registry = Self {
            folder: TempDir::new().expect("a scratch folder can be made"),
            port: free_port(),
            child: None,
        };
        registry.restart("");
        registry
    }

    /// Starts the registry again, with further lines of its configuration.
    pub fn restart(&mut self, lines: &str) {
        self.stop();
        let folder = self.folder.path().display();
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\n\
             http:\n  addr: 127.0.0.1:{}\n{lines}",
            self.port
        );
        let path = self.folder.path().join("config.yml");
        std::fs::write(&path, config).expect("the configuration can be written");
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(path)
            .env_remove("OTEL_TRACES_EXPORTER")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(
            started.expect("docker-registry cannot be started; install it: apt-get install docker-registry"),
        );
        let since = Instant::now();
        while !answers(self.port) {
            assert!(since.elapsed() < TIMEOUT, "the registry does not answer on port {}", self.port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the process; what was pushed stays.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The registry may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Returns host and port, as references name them.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder, for files of its configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Pushes a component under a tag, and returns the digest of its manifest: `sha256:…`.
    pub fn push(&self, name: &str, tag: &str, component: &[u8]) -> String {
        self.push_layers(name, tag, &[(LAYER, component)])
    }

    /// Pushes an artifact with these layers under a tag or a digest, and returns the digest of its manifest.
    pub fn push_layers(&self, name: &str, reference: &str, layers: &[(&str, &[u8])]) -> String {
        let descriptor = |(media_type, content): (&str, &[u8])| {
            let digest = self.push_blob(name, content);
            json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
        };
        let config =
            descriptor(("application/vnd.wasm.config.v0+json", br#"{"architecture":"wasm","os":"wasip2"}"#));
        let layers: Vec<Value> = layers.iter().copied().map(descriptor).collect();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.push_manifest(name, reference, (MANIFEST, &manifest))
    }

    /// Pushes a manifest or an index, and returns its digest. An empty reference stands for the digest.
    pub fn push_manifest(
        &self,
        name: &str,
        reference: &str,
        (media_type, manifest): (&str, &Value),
    ) -> String {
        let body = manifest.to_string();
        let digest = digest(body.as_bytes());
        let reference = if reference.is_empty() { &digest } else { reference };
        let path = format!("/v2/{name}/manifests/{reference}");
        let (status, head) = self.request("PUT", &path, media_type, body.as_bytes());
        assert_eq!(status, 201, "{head}");
        digest
    }

    /// Pushes a blob, and returns its digest.
    pub fn push_blob(&self, name: &str, content: &[u8]) -> String {
        let digest = digest(content);
        let (status, head) = self.request("POST", &format!("/v2/{name}/blobs/uploads/"), "text/plain", b"");
        assert_eq!(status, 202, "{head}");
        let location =
            head.lines().find_map(|line| line.strip_prefix("Location: ")).expect("an upload has a location");
        let path = location.split_once(&self.address()).map_or(location, |(_, path)| path);
        let path = format!("{path}&digest={digest}");
        let (status, head) = self.request("PUT", &path, "application/octet-stream", content);
        assert_eq!(status, 201, "{head}");
        digest
    }

    fn request(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> (u16, String) {
        let mut server = TcpStream::connect(("127.0.0.1", self.port)).expect("the registry listens");
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address());
        let _ = write!(request, "content-type: {media_type}\r\ncontent-length: {}\r\n\r\n", body.len());
        server
            .write_all(request.as_bytes())
            .and_then(|()| server.write_all(body))
            .expect("the registry reads");
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).expect("the registry answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("the registry speaks HTTP"), answer)
    }
}

impl Drop for OciRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the digest of bytes as registries write it.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// Returns the SHA-256 of bytes in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn answers(port: u16) -> bool {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let sent = server.write_all(b"GET /v2/ HTTP/1.0\r\n\r\n");
    sent.and_then(|()| server.read_to_string(&mut answer)).is_ok() && answer.starts_with("HTTP/1.0 ")
}
