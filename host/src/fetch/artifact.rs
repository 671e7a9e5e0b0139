//! Documents of a registry: an index, or the manifest of one artifact. Finds the layer that is a component.
//! `registry` asks for them and checks their digests.

use crate::model::{Digest, one_line};
use serde::Deserialize;

/// The media types of manifests and indexes that are asked for, of OCI and of Docker.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// The media types of layers that are components: that of the CNCF's layout, and Spin's older one.
const LAYERS: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// The architecture of platforms in an index.
const ARCHITECTURE: &str = "wasm";

/// The operating systems of such platforms, the preferred ones first.
const SYSTEMS: [&str; 3] = ["wasip2", "wasi", "wasip1"];

/// Maximum number of media types or platforms that an error names.
const MAX_NAMED: usize = 6;

/// A document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// The manifest of an artifact, with the layer that is its component.
    Artifact(Layer),
    /// An index, with the manifest for WebAssembly.
    Index(Digest),
}

/// The layer with the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// The reason why a document leads to no component.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Useless {
    /// The document is none of a registry.
    Malformed(String),
    /// The document describes something else than a component.
    NotComponent(String),
}

/// A manifest or an index; which one, its lists tell.
#[derive(Deserialize)]
struct Written {
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

impl Document {
    /// Reads a document.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Useless> {
        // An error of the parser may quote the document, which may be anything.
        let written: Written = serde_json::from_slice(bytes).map_err(|error| {
            Useless::Malformed(format!("a manifest that is unreadable at line {}", error.line()))
        })?;
        match (written.layers, written.manifests) {
            (Some(layers), _) => layer(&layers).map(Self::Artifact),
            (None, Some(manifests)) => platform(&manifests).map(Self::Index),
            (None, None) => Err(Useless::Malformed("a manifest without layers".to_owned())),
        }
    }
}

fn layer(layers: &[Descriptor]) -> Result<Layer, Useless> {
    let mut components = layers.iter().filter(|layer| LAYERS.contains(&layer.media_type.as_str()));
    match (components.next(), components.next()) {
        (Some(layer), None) => Ok(Layer { digest: digest(&layer.digest)?, size: layer.size }),
        (Some(_), Some(_)) => {
            Err(Useless::NotComponent("it has several layers that are components".to_owned()))
        }
        (None, _) => {
            let types = layers.iter().map(|layer| layer.media_type.clone());
            Err(Useless::NotComponent(format!("its layers are {}", list(types))))
        }
    }
}

fn platform(manifests: &[Descriptor]) -> Result<Digest, Useless> {
    let wasm = |system: &str| {
        let is_it = |platform: &Platform| platform.architecture == ARCHITECTURE && platform.os == system;
        manifests.iter().find(|manifest| manifest.platform.as_ref().is_some_and(is_it))
    };
    match SYSTEMS.into_iter().find_map(wasm) {
        Some(manifest) => digest(&manifest.digest),
        None => {
            let name = |manifest: &Descriptor| match &manifest.platform {
                Some(platform) => format!("{}/{}", platform.os, platform.architecture),
                None => "none".to_owned(),
            };
            let platforms = list(manifests.iter().map(name));
            Err(Useless::NotComponent(format!("its platforms are {platforms}, and none is wasm")))
        }
    }
}

fn digest(text: &str) -> Result<Digest, Useless> {
    let digits = text.strip_prefix("sha256:");
    digits
        .and_then(|digits| Digest::parse(digits).ok())
        .ok_or_else(|| Useless::Malformed("a manifest with a digest that is not of SHA-256".to_owned()))
}

/// Lists texts of the registry.
fn list(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> =
        texts.take(MAX_NAMED + 1).map(|text| format!("`{}`", one_line(&text))).collect();
    if texts.len() > MAX_NAMED {
        texts.truncate(MAX_NAMED);
        texts.push("others".to_owned());
    }
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parse(document: &serde_json::Value) -> Result<Document, Useless> {
        Document::parse(document.to_string().as_bytes())
    }

    fn described(media_type: &str, content: &str) -> serde_json::Value {
        let digest = format!("sha256:{}", Digest::of_bytes(content.as_bytes()));
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    }

    fn on(architecture: &str, os: &str) -> serde_json::Value {
        let mut described =
            described("application/vnd.oci.image.manifest.v1+json", &format!("{architecture}{os}"));
        described["platform"] = json!({ "architecture": architecture, "os": os });
        described
    }

    #[test]
    fn layer_of_either_type_is_the_component() {
        for media_type in LAYERS {
            let layers = [described("text/plain", "notes"), described(media_type, "component")];
            let found = parse(&json!({ "schemaVersion": 2, "layers": layers }));
            let layer = Layer { digest: Digest::of_bytes(b"component"), size: 9 };
            assert_eq!(found, Ok(Document::Artifact(layer)));
        }
    }

    #[test]
    fn other_artifacts_are_refused_by_their_types() {
        let layers = [described("application/vnd.oci.image.layer.v1.tar+gzip", "x")];
        let Err(Useless::NotComponent(why)) = parse(&json!({ "layers": layers })) else { panic!() };
        assert_eq!(why, "its layers are `application/vnd.oci.image.layer.v1.tar+gzip`");
        let two = [described(LAYERS[0], "a"), described(LAYERS[1], "b")];
        assert!(matches!(parse(&json!({ "layers": two })), Err(Useless::NotComponent(_))));
        for broken in [json!([]), json!({}), json!({ "layers": 1 }), json!({ "layers": [{ "digest": "x" }] })]
        {
            assert!(matches!(parse(&broken), Err(Useless::Malformed(_))), "{broken}");
        }
        let other = json!({ "layers": [{ "mediaType": LAYERS[0], "digest": "sha512:00", "size": 1 }] });
        assert!(matches!(parse(&other), Err(Useless::Malformed(_))));
    }

    #[test]
    fn index_leads_to_its_manifest_for_wasm() {
        let all = [on("amd64", "linux"), on("wasm", "wasip1"), on("wasm", "wasip2")];
        let found = parse(&json!({ "manifests": all }));
        assert_eq!(found, Ok(Document::Index(Digest::of_bytes(b"wasmwasip2"))));
        let Err(Useless::NotComponent(why)) = parse(&json!({ "manifests": [on("amd64", "linux")] })) else {
            panic!()
        };
        assert_eq!(why, "its platforms are `linux/amd64`, and none is wasm");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            drop(Document::parse(&bytes));
        }
    }
}
