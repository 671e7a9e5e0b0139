//! Reads the source of a component: `path`, `oci` or `url` of `[components.NAME]`.
//! `app` reads files; `fetch` asks registries and web servers.

use crate::manifest::component_source::ComponentSource;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::table::{Slot, Table};
use crate::model::{Fault, OciReference, Remote, SecureUrl, SecureUrlFault, Span, Spanned};

/// The keys, one of which a component has.
const KEYS: [&str; 3] = ["path", "oci", "url"];

/// Reads the source; `None` if it has a fault.
pub(crate) fn component_source(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    owner: &str,
) -> Option<Spanned<ComponentSource>> {
    let keys = KEYS.into_iter().filter_map(|key| Some((key, table.slot(key)?.key.clone())));
    let mut written: Vec<(&str, Span)> = keys.collect();
    written.sort_by_key(|(_, span)| span.start);
    let path = table.optional(reader, "path", |reader, slot| {
        let path = filled(reader, slot)?;
        Some(Spanned::new(ComponentSource::File(reader.join(&path.value)), path.span))
    });
    let oci = table.optional(reader, "oci", oci);
    let url = table.optional(reader, "url", url);
    match &*written {
        [] => {
            table.require("path", &["oci", "url"], "path = \"words.wasm\"");
            None
        }
        [(_, _)] => path.or(oci).or(url),
        [(first, span), (second, other), ..] => {
            let fault = Fault::spanned(other.clone(), format!("{owner} has both `{first}` and `{second}`"));
            let fault = fault.related(span.clone(), "first here");
            reader.fault(fault.help("a component comes from one place: keep one of `path`, `oci` and `url`"))
        }
    }
}

fn oci(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<ComponentSource>> {
    let text = filled(reader, slot)?;
    match OciReference::parse(&text.value) {
        Ok(reference) => Some(Spanned::new(ComponentSource::Remote(Remote::Oci(reference)), text.span)),
        Err(fault) => {
            let help = fault.help();
            reader.fault(Fault::spanned(text.span, fault.to_string()).help(help))
        }
    }
}

fn url(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<ComponentSource>> {
    let text = filled(reader, slot)?;
    match SecureUrl::parse(&text.value) {
        Ok(url) => Some(Spanned::new(ComponentSource::Remote(Remote::Url(url)), text.span)),
        Err(fault) => {
            let help = match fault {
                SecureUrlFault::Plain => {
                    "write `https://`: over `http`, an attacker between could replace the component"
                }
                SecureUrlFault::Url(_) => "a URL is for example `https://example.com/words-1.2.wasm`",
            };
            // A user or a query in the URL may be a secret.
            let fault =
                Fault::spanned(text.span, format!("the `url` of a component cannot be used: {fault}"));
            reader.fault(fault.secret().help(help))
        }
    }
}

/// Returns the source of a component, unless it comes from elsewhere and has a `build`, which is reported.
pub(crate) fn without_build(
    reader: &mut Reader<'_>,
    (source, build): (Option<Spanned<ComponentSource>>, Option<&Slot<'_>>),
    owner: &str,
) -> Option<Spanned<ComponentSource>> {
    let source = source?;
    let Some(build) = build.filter(|_| source.value.path().is_none()) else { return Some(source) };
    let fault = Fault::spanned(build.key.clone(), format!("{owner} has `build`, but is not built here"));
    let fault = fault.related(source.span, "it comes from here");
    reader
        .fault(fault.help("remove `build`, or replace the source by the `path` of the file that it creates"))
}
