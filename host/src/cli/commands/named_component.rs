//! The component that `inspect` and `new --from` name: a file, `oci://REFERENCE`, or a URL.
//! `fetch` gets what is no file.

use crate::app;
use crate::app::{Error, Refusal};
use crate::cli::context::Context;
use crate::fetch;
use crate::fetch::{Fetcher, Wanted};
use crate::model::{Digest, Name, OciReference, Remote, SecureUrl};
use crate::sandbox::Sandbox;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

/// A component with its bytes.
pub(crate) struct NamedComponent {
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// The name of its file, for messages.
    pub(crate) file: String,
    /// A name for it in a manifest.
    pub(crate) name: Name,
    /// Where it comes from, if it is no file.
    pub(crate) remote: Option<Pinned>,
}

/// A source with the digests of what it has.
pub(crate) struct Pinned {
    /// The source; a reference has the digest of its manifest.
    pub(crate) from: Remote,
    /// The digest of the component.
    pub(crate) component: Digest,
}

impl NamedComponent {
    /// Reads or fetches a component.
    pub(crate) fn read(ctx: &Context, sandbox: &Sandbox, named: &Path) -> Result<Self, Error> {
        if let Some(from) = named.to_str().and_then(remote).transpose()? {
            return Ok(Self::fetch(&ctx.fetcher(sandbox), &from)?);
        }
        let bytes = app::read_component(named, sandbox.max_component_size()).map_err(|error| {
            Refusal::new(format!("cannot read the component `{}`", named.display())).caused_by(error)
        })?;
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let name = Name::for_file(&text(named.file_stem()));
        Ok(Self { bytes, file: text(named.file_name()), name, remote: None })
    }

    fn fetch(fetcher: &Fetcher, from: &Remote) -> Result<Self, Refusal> {
        let failed = |error: Arc<fetch::Error>| {
            let refusal = Refusal::new(format!("cannot fetch `{from}`"));
            let refusal = error.help().into_iter().fold(refusal, Refusal::help);
            refusal.caused_by(error)
        };
        let one =
            |wanted| fetcher.fetch(&[wanted]).pop().unwrap_or_else(|| Err(Arc::new(fetch::Error::Offline)));
        let (pinned, pin) = match from {
            Remote::Url(_) => (from.clone(), None),
            Remote::Oci(reference) => {
                let pins = fetcher.pins(std::slice::from_ref(from)).pop();
                let pins = pins.unwrap_or_else(|| Err(Arc::new(fetch::Error::Offline))).map_err(failed)?;
                let reference =
                    pins.manifest.map_or_else(|| reference.clone(), |digest| reference.with_digest(digest));
                (Remote::Oci(reference), Some(pins.component))
            }
        };
        let found = one(Wanted { from: pinned.clone(), pin }).map_err(failed)?;
        let bytes = found.read().map_err(|error| failed(Arc::new(fetch::Error::Store(error))))?;
        let file = pinned.name().to_owned();
        let name = Name::for_file(file.strip_suffix(".wasm").unwrap_or(&file));
        Ok(Self { bytes, file, name, remote: Some(Pinned { from: pinned, component: found.digest }) })
    }
}

/// Reads an argument that is no path; `None` for one that is.
fn remote(text: &str) -> Option<Result<Remote, Refusal>> {
    if let Some(reference) = text.strip_prefix("oci://") {
        let refuse = |fault: crate::model::OciFault| {
            Refusal::new(format!("`{reference}` is no reference to an artifact: {fault}")).help(fault.help())
        };
        return Some(OciReference::parse(reference).map(Remote::Oci).map_err(refuse));
    }
    if text.starts_with("https://") || text.starts_with("http://") {
        // A query may be a secret, so the URL is not quoted.
        let refuse = |fault| Refusal::new(format!("the URL of the component cannot be used: {fault}"));
        return Some(SecureUrl::parse(text).map(Remote::Url).map_err(refuse));
    }
    None
}
