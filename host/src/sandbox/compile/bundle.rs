//! A core module with the WIT that it was built by, as bytes: the input of the process that makes a component of it.
//! `module` decides which modules need WIT, `adapt` uses it, and `app` reads its files.

use crate::model::{Digest, Digester};
use serde::{Deserialize, Serialize};

/// First bytes of a bundle, with its version. No WebAssembly begins like this.
const MAGIC: &[u8] = b"\0cascade module 2\n";

/// WIT that a manifest names for a core module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wit {
    /// The packages, each with its files. The first one is the main package; the others are those in `deps`.
    pub packages: Vec<Vec<WitFile>>,
    /// The world; `None` for the only one of the main package.
    pub world: Option<String>,
}

/// A file of WIT: text, or a package in its binary form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitFile {
    /// The path, for messages.
    pub path: String,
    /// The content.
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
}

impl Wit {
    /// Adds world and files to a digest.
    pub(crate) fn digest_into(&self, digester: &mut Digester) {
        digester.field(self.world.as_deref().unwrap_or_default().as_bytes());
        digester.number(count(&self.packages));
        for files in &self.packages {
            digester.number(count(files));
            for file in files {
                // The path is left out: a component stays the same if its folder moves.
                digester.digest(&Digest::of_bytes(&file.content));
            }
        }
    }
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// Encoding of the strings in the memory of a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextEncoding {
    /// UTF-8, as most languages have it.
    #[default]
    Utf8,
    /// UTF-16.
    Utf16,
}

/// A module with its WIT.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bundle<'a> {
    /// The module.
    #[serde(with = "serde_bytes")]
    pub(crate) module: &'a [u8],
    /// Its WIT.
    pub(crate) wit: Wit,
    /// Encoding of its strings.
    pub(crate) encoding: TextEncoding,
}

impl<'a> Bundle<'a> {
    /// Returns the bundle as bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut serializer = rmp_serde::Serializer::new(&mut bytes);
        // Writing to a vector fails only for types that this one does not have.
        drop(self.serialize(&mut serializer));
        bytes
    }

    /// Reads a bundle; `None` if the bytes are anything else.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes.strip_prefix(MAGIC)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wit(texts: &[&str], world: Option<&str>) -> Wit {
        let file = |text: &&str| WitFile { path: format!("{text}.wit"), content: text.as_bytes().to_vec() };
        Wit { packages: vec![texts.iter().map(file).collect()], world: world.map(str::to_owned) }
    }

    fn digest(wit: &Wit) -> Digest {
        let mut digester = Digester::new("test");
        wit.digest_into(&mut digester);
        digester.finish()
    }

    #[test]
    fn bundle_round_trips_and_a_module_is_no_bundle() {
        let wit = wit(&["a", "b"], Some("task"));
        let bytes =
            Bundle { module: b"\0asm\x01\0\0\0", wit: wit.clone(), encoding: TextEncoding::Utf16 }.to_bytes();
        let bundle = Bundle::parse(&bytes).unwrap();
        assert_eq!((bundle.module, bundle.wit), (&b"\0asm\x01\0\0\0"[..], wit));
        assert_eq!(bundle.encoding, TextEncoding::Utf16);
        assert!(Bundle::parse(b"\0asm\x01\0\0\0").is_none());
        assert!(Bundle::parse(&bytes[..bytes.len() - 1]).is_none());
        assert!(Bundle::parse(b"").is_none());
    }

    #[test]
    fn digest_depends_on_content_and_world_and_not_on_paths() {
        let one = wit(&["a", "b"], None);
        for other in [wit(&["a"], None), wit(&["b", "a"], None), wit(&["a", "b"], Some("task"))] {
            assert_ne!(digest(&one), digest(&other), "{other:?}");
        }
        let split =
            Wit { packages: one.packages[0].iter().map(|file| vec![file.clone()]).collect(), world: None };
        assert_ne!(digest(&one), digest(&split));
        let mut moved = one.clone();
        moved.packages[0][0].path = "elsewhere.wit".to_owned();
        assert_eq!(digest(&one), digest(&moved));
    }
}
