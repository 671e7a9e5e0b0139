//! Asks the sources of a manifest and of those that it includes for their pins, and writes them.
//! `missing_pins` finds what lacks one; `pinned_text` edits the texts.

use crate::app::lock::missing_pins::{Locking, Unpinned, unpinned};
use crate::app::lock::pinned_text::{Pin, with_pins};
use crate::app::lock::replaced_file::replace_file;
use crate::app::{Error, Refusal};
use crate::fetch;
use crate::fetch::{Fetcher, Pins};
use crate::graph::Resolved;
use crate::model::{Fault, Faults, Remote, Source};
use std::path::{Path, PathBuf};

/// A manifest with pins that were written, or that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockedFile {
    /// The file.
    pub(crate) path: PathBuf,
    /// The components with their new keys: `words`, `sha256 = "…"`.
    pub(crate) components: Vec<(String, Vec<String>)>,
}

/// A manifest with what it lacks.
struct Part<'a> {
    path: PathBuf,
    source: &'a Source,
    unpinned: Vec<Unpinned<'a>>,
}

/// Returns the manifests that lack pins, with the components' names and no keys.
pub(crate) fn missing_pins(resolved: &Resolved, manifest: &Path) -> Result<Vec<LockedFile>, Error> {
    let parts = parts(resolved, manifest, Locking::Missing)?;
    let file = |part: Part<'_>| LockedFile {
        components: part
            .unpinned
            .iter()
            .map(|missing| (missing.component.name.to_string(), Vec::new()))
            .collect(),
        path: part.path,
    };
    Ok(parts.into_iter().map(file).collect())
}

/// Writes pins. Nothing is written if one of them cannot be had.
pub(crate) fn lock(
    resolved: &Resolved,
    manifest: &Path,
    (locking, fetcher): (Locking, &Fetcher),
) -> Result<Vec<LockedFile>, Error> {
    let parts = parts(resolved, manifest, locking)?;
    let asked: Vec<Remote> =
        parts.iter().flat_map(|part| &part.unpinned).map(|missing| missing.ask.clone()).collect();
    let mut answers = fetcher.pins(&asked).into_iter();
    let mut faults = Faults::none(resolved.graph.manifests().sources().clone());
    let mut edited = Vec::new();
    for part in &parts {
        let answers = answers.by_ref().take(part.unpinned.len());
        let mut pins = Vec::new();
        for (missing, answer) in part.unpinned.iter().zip(answers) {
            match answer
                .map_err(|error| missing.component.not_fetched(&error))
                .and_then(|pins| check(missing, locking, pins))
            {
                Ok(found) => pins.push(pin(missing, found)),
                Err(fault) => faults.push(fault),
            }
        }
        edited.push(edit(part, &pins)?);
    }
    if !faults.is_empty() {
        faults.sort();
        return Err(faults.into());
    }
    let mut changed = Vec::new();
    for (part, (text, file)) in parts.iter().zip(edited) {
        if *text == *part.source.text {
            continue;
        }
        replace_file(&part.path, &part.source.text, &text).map_err(|error| {
            let message = format!("cannot write the pins into `{}`", part.path.display());
            Refusal::new(message).help("run the command again, or write the keys by hand").caused_by(error)
        })?;
        changed.push(file);
    }
    Ok(changed)
}

/// Returns the manifests with components to pin.
fn parts<'a>(resolved: &'a Resolved, manifest: &Path, locking: Locking) -> Result<Vec<Part<'a>>, Error> {
    if !resolved.faults.is_empty() {
        return Err(resolved.faults.clone().into());
    }
    let manifests = resolved.graph.manifests();
    let parts = manifests.all().iter().zip(manifests.sources().texts()).enumerate();
    let part = |(position, (written, source))| {
        let included = manifests.included_name(position).map(PathBuf::from);
        Part {
            path: included.unwrap_or_else(|| manifest.to_owned()),
            source,
            unpinned: unpinned(written, locking),
        }
    };
    Ok(parts.map(part).filter(|part| !part.unpinned.is_empty()).collect())
}

/// Refuses a component that is pinned to another one than its source has.
fn check(missing: &Unpinned<'_>, locking: Locking, found: Pins) -> Result<Pins, Fault> {
    let other = missing.component.pin.is_some_and(|pin| pin.value != found.component);
    if other && locking == Locking::Missing {
        let fault = missing.component.not_fetched(&fetch::Error::NotPinned(found.component));
        return Err(fault.help("`cascade-host lock --update MANIFEST` accepts what all sources have now"));
    }
    Ok(found)
}

fn pin(missing: &Unpinned<'_>, found: Pins) -> Pin {
    let oci = match (&missing.ask, found.manifest) {
        (Remote::Oci(reference), Some(digest)) => Some(reference.with_digest(digest).to_string()),
        (Remote::Oci(_) | Remote::Url(_), _) => None,
    };
    Pin { component: missing.component.name.to_string(), oci, sha256: found.component.to_string() }
}

/// Returns the new text of a manifest, and what is new in it.
fn edit(part: &Part<'_>, pins: &[Pin]) -> Result<(String, LockedFile), Error> {
    let text = with_pins(&part.source.text, pins)
        .map_err(|error| Refusal::new(format!("cannot edit `{}`", part.path.display())).caused_by(error))?;
    let new =
        part.unpinned.iter().zip(pins).map(|(missing, pin)| (pin.component.clone(), new_keys(missing, pin)));
    let components = new.filter(|(_, keys)| !keys.is_empty()).collect();
    Ok((text, LockedFile { path: part.path.clone(), components }))
}

/// Returns the keys that a component does not have yet.
fn new_keys(missing: &Unpinned<'_>, pin: &Pin) -> Vec<String> {
    let written = missing.component.from.to_string();
    let oci = pin.oci.as_ref().filter(|oci| **oci != written).map(|oci| format!("oci = \"{oci}\""));
    let sha256 = missing.component.pin.is_none_or(|old| old.value.to_string() != pin.sha256);
    let sha256 = sha256.then(|| format!("sha256 = \"{}\"", pin.sha256));
    oci.into_iter().chain(sha256).collect()
}
