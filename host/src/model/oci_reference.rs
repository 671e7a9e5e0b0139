//! References to artifacts in OCI registries: `registry/repository:tag@sha256:digest`, always with the registry.
//! `fetch` asks the registry.

use crate::model::web::{Url, is_loopback};
use crate::model::{Digest, excerpt};
use std::fmt;

/// Maximum length of a reference, in bytes: beyond it no registry accepts one.
const MAX_LENGTH: usize = 1024;

/// Maximum length of a repository's name, in bytes, as registries have it.
const MAX_REPOSITORY: usize = 255;

/// Maximum length of a tag, in bytes, as registries have it.
const MAX_TAG: usize = 128;

/// The registry that Docker means where a reference names none.
const DOCKER: &str = "docker.io";

/// The host that answers for [`DOCKER`].
const DOCKER_HOST: &str = "registry-1.docker.io";

/// The only algorithm of digests that is accepted.
const SHA256: &str = "sha256:";

/// A reference to an artifact: registry, repository, and a tag, a digest of the artifact's manifest, or both. The digest
/// decides; a tag beside it is for readers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OciReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The error of parsing an [`OciReference`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OciFault {
    /// There is a scheme.
    #[error("the reference begins with a scheme")]
    Scheme {
        /// The reference without it.
        bare: String,
    },
    /// There is no registry.
    #[error("the reference names no registry")]
    NoRegistry {
        /// The reference as Docker would complete it.
        long: String,
    },
    /// The registry is no host with an optional port.
    #[error("`{0}` is no host of a registry")]
    Registry(String),
    /// The repository has characters or a form that registries do not accept.
    #[error("`{0}` is no name of a repository")]
    Repository(String),
    /// There is neither a tag nor a digest.
    #[error("the reference has neither a tag nor a digest")]
    NoVersion {
        /// The reference with the tag that Docker would take.
        latest: String,
    },
    /// The tag has characters or a form that registries do not accept.
    #[error("`{0}` is no tag")]
    Tag(String),
    /// The digest is malformed, or of another algorithm.
    #[error("the digest is not `sha256:` with 64 hexadecimal digits")]
    Digest,
    /// The text is too long.
    #[error("the reference is longer than {MAX_LENGTH} bytes")]
    Length,
}

impl OciFault {
    /// Returns the help text.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Scheme { bare } => format!("write `{bare}`"),
            Self::NoRegistry { long } => format!("write the registry as well; Docker means `{long}`"),
            Self::Registry(_) => {
                "a registry is a host with an optional port, as `ghcr.io` or `127.0.0.1:5000`".to_owned()
            }
            Self::Repository(_) => {
                "a repository has parts of `a-z`, `0-9`, `.`, `_` and `-` between `/`, as `acme/words`"
                    .to_owned()
            }
            Self::NoVersion { latest } => format!("write a tag, as `{latest}`, or a digest, as `…@sha256:…`"),
            Self::Tag(_) => {
                format!(
                    "a tag has at most {MAX_TAG} characters of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`, as `1.2`"
                )
            }
            Self::Digest => "copy the digest as the registry shows it, as `…@sha256:…`".to_owned(),
            Self::Length => "check the reference; it is for example `ghcr.io/acme/words:1.2`".to_owned(),
        }
    }
}

impl OciReference {
    /// Parses a reference.
    pub fn parse(text: &str) -> Result<Self, OciFault> {
        if text.len() > MAX_LENGTH {
            return Err(OciFault::Length);
        }
        if let Some((_, bare)) = text.split_once("://") {
            return Err(OciFault::Scheme { bare: bare.to_owned() });
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let (registry, rest) = split_registry(name, text)?;
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if registry == DOCKER && !repository.contains('/') {
            return Err(OciFault::NoRegistry { long: text.replacen('/', "/library/", 1) });
        }
        if !is_repository(repository) {
            return Err(OciFault::Repository(shown(repository)));
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(OciFault::Tag(shown(tag)));
        }
        if tag.is_none() && digest.is_none() {
            return Err(OciFault::NoVersion { latest: format!("{registry}/{repository}:latest") });
        }
        Ok(Self { registry, repository: repository.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// Returns the registry as references name it.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the last part of the repository, which names the artifact.
    #[must_use]
    pub fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the digest of the artifact's manifest; `None` if only a tag says which one is meant.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns how requests name the version: the digest, or else the tag.
    #[must_use]
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{SHA256}{digest}"),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }

    /// Returns the reference with this digest.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Returns the reference without its digest, if a tag is left.
    #[must_use]
    pub fn without_digest(&self) -> Option<Self> {
        self.tag.is_some().then(|| Self { digest: None, ..self.clone() })
    }

    /// Returns the URL of a path in the repository. It is plain HTTP for a registry on this machine, HTTPS for others.
    #[must_use]
    pub fn url(&self, path: &str) -> Option<Url> {
        let host = if self.registry == DOCKER { DOCKER_HOST } else { &self.registry };
        base(host)
            .and_then(|base| Url::parse(&format!("{}/v2/{}/{path}", base.origin(), self.repository)).ok())
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{SHA256}{digest}"),
            None => Ok(()),
        }
    }
}

/// Parses `sha256:` and 64 digits in lower case, the one form that registries know.
fn parse_digest(text: &str) -> Result<Digest, OciFault> {
    let digits =
        text.strip_prefix(SHA256).filter(|digits| !digits.bytes().any(|byte| byte.is_ascii_uppercase()));
    digits.and_then(|digits| Digest::parse(digits).ok()).ok_or(OciFault::Digest)
}

/// Splits the registry from a name without a digest. `text` is the whole reference.
fn split_registry<'t>(name: &'t str, text: &str) -> Result<(String, &'t str), OciFault> {
    match name.split_once('/') {
        // Docker tells a registry from a part of the repository by these marks.
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':', '[']) => {
            let registry = first.to_ascii_lowercase();
            let normal = base(&registry).is_some();
            if normal { Ok((registry, rest)) } else { Err(OciFault::Registry(shown(first))) }
        }
        Some(_) => Err(OciFault::NoRegistry { long: format!("{DOCKER}/{text}") }),
        None => Err(OciFault::NoRegistry { long: format!("{DOCKER}/library/{text}") }),
    }
}

/// Returns the URL of a registry's host; `None` if it is no host with an optional port.
fn base(host: &str) -> Option<Url> {
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)) {
        return None;
    }
    let secure = Url::parse(&format!("https://{host}/")).ok()?;
    if is_loopback(&secure.host()) { Url::parse(&format!("http://{host}/")).ok() } else { Some(secure) }
}

/// Returns whether a text is the name of a repository, by the grammar of the OCI distribution specification.
fn is_repository(text: &str) -> bool {
    text.len() <= MAX_REPOSITORY && text.split('/').all(is_part)
}

/// Returns whether a text is a part of such a name: words of letters and digits, with `.`, `_`, `__` or `-`s between.
fn is_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    let is_separator =
        |run: &[u8]| matches!(run, b"" | b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-');
    let bytes = part.as_bytes();
    is_end(bytes.first()) && is_end(bytes.last()) && bytes.split(|byte| is_word(*byte)).all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn shown(text: &str) -> String {
    excerpt(text, 80).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn references_are_split_into_their_parts() {
        for (text, url) in [
            ("ghcr.io/acme/words:1.2", "https://ghcr.io/v2/acme/words/x"),
            ("ghcr.io/acme/deep/er/words:1.2", "https://ghcr.io/v2/acme/deep/er/words/x"),
            ("docker.io/library/busybox:1", "https://registry-1.docker.io/v2/library/busybox/x"),
            ("127.0.0.1:5000/csv:1", "http://127.0.0.1:5000/v2/csv/x"),
            ("localhost/csv:1", "http://localhost/v2/csv/x"),
            ("[::1]:5000/csv:1", "http://[::1]:5000/v2/csv/x"),
            ("10.0.0.1:5000/csv:1", "https://10.0.0.1:5000/v2/csv/x"),
            ("registry.example:443/a__b/c.d_e--f:v_1.0-x", "https://registry.example/v2/a__b/c.d_e--f/x"),
        ] {
            let reference = OciReference::parse(text).unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(reference.url("x").unwrap().as_str(), url);
            assert_eq!(reference.digest(), None);
        }
        let both = OciReference::parse(&format!("ghcr.io/acme/words:1.2@sha256:{HEX}")).unwrap();
        assert_eq!((both.version(), both.name()), (format!("sha256:{HEX}"), "words"));
        assert_eq!(both.without_digest().unwrap().to_string(), "ghcr.io/acme/words:1.2");
        let bare = OciReference::parse(&format!("GHCR.io/acme/words@sha256:{HEX}")).unwrap();
        assert_eq!(bare.to_string(), format!("ghcr.io/acme/words@sha256:{HEX}"));
        assert_eq!(bare.without_digest(), None);
    }

    #[test]
    fn short_names_are_refused_with_the_long_form() {
        for (text, long) in [
            ("busybox:1", "docker.io/library/busybox:1"),
            ("acme/words:1.2", "docker.io/acme/words:1.2"),
            ("docker.io/busybox:1", "docker.io/library/busybox:1"),
        ] {
            let fault = OciReference::parse(text).unwrap_err();
            assert_eq!(fault, OciFault::NoRegistry { long: long.to_owned() }, "{text}");
            assert!(OciReference::parse(long).is_ok(), "{long}");
        }
    }

    #[test]
    fn malformed_references_name_their_part() {
        let part = |text: &str| OciReference::parse(text).unwrap_err();
        for text in [
            "ghcr.io/",
            "ghcr.io/Acme/words:1",
            "ghcr.io/a//b:1",
            "ghcr.io/-a:1",
            "ghcr.io/a._b:1",
            "ghcr.io/a/:1",
        ] {
            assert!(matches!(part(text), OciFault::Repository(_)), "{text}: {:?}", part(text));
        }
        for text in ["ghcr.io/a:", "ghcr.io/a:.1", "ghcr.io/a:1 2", "ghcr.io/a:ä"] {
            assert!(matches!(part(text), OciFault::Tag(_)), "{text}: {:?}", part(text));
        }
        for text in ["g h.cr/a:1", "u:p.x/a:1", "a.b:0/c:1", "a.b:99999/c:1", "[::1/c:1", "ex%61mple.com/a:1"]
        {
            assert!(matches!(part(text), OciFault::Registry(_)), "{text}: {:?}", part(text));
        }
        for text in ["ghcr.io/a@sha256:abc", "ghcr.io/a@sha512:abc", "ghcr.io/a@"] {
            assert_eq!(part(text), OciFault::Digest, "{text}");
        }
        assert_eq!(part(&format!("ghcr.io/a@sha256:{}", HEX.to_uppercase())), OciFault::Digest);
        assert_eq!(part("ghcr.io/a"), OciFault::NoVersion { latest: "ghcr.io/a:latest".to_owned() });
        assert_eq!(part("oci://ghcr.io/a:1"), OciFault::Scheme { bare: "ghcr.io/a:1".to_owned() });
        assert_eq!(part(&format!("ghcr.io/{}:1", "a".repeat(2000))), OciFault::Length);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_has_one_form(text in "[a-zA-Z0-9./:@_\\[\\]%?# -]{0,48}|\\PC{0,24}") {
            if let Ok(reference) = OciReference::parse(&text) {
                let again = OciReference::parse(&reference.to_string());
                prop_assert_eq!(again.as_ref(), Ok(&reference));
                // Nothing in a reference leads to another host or path.
                let url = reference.url("manifests/1").expect("a reference has a URL");
                prop_assert_eq!(url.path(), format!("/v2/{}/manifests/1", reference.repository()));
                prop_assert_eq!(url.path_and_query(), url.path());
            }
        }

        #[test]
        fn valid_parts_are_accepted(
            registry in "[a-z]{1,8}\\.[a-z]{2,5}(:[1-9][0-9]{1,3})?",
            repository in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}/[a-z0-9]{1,9}",
            tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}",
        ) {
            let text = format!("{registry}/{repository}:{tag}");
            prop_assert_eq!(OciReference::parse(&text).map(|reference| reference.to_string()), Ok(text));
        }
    }
}
