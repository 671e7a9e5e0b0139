//! Components from registries and web servers: what must be pinned, and the faults of what cannot be fetched.
//! `fetch` gets them; `checked` loads them.

use crate::app::pinned::{accepting, not_pinned};
use crate::config::Pinning;
use crate::fetch;
use crate::fetch::{Fetched, Fetcher, Wanted};
use crate::graph::Manifests;
use crate::manifest::{Component, ComponentSource};
use crate::model::{Digest, Fault, Name, Remote, Span, Spanned};
use std::sync::Arc;

/// The command that writes pins.
const LOCK: &str = "`cascade-host lock MANIFEST` writes it";

/// A component from elsewhere, as a manifest declares it.
#[derive(Clone, Copy)]
pub(crate) struct RemoteComponent<'a> {
    pub(crate) name: &'a Name,
    pub(crate) from: &'a Remote,
    /// Span of the source.
    pub(crate) span: &'a Span,
    pub(crate) pin: Option<&'a Spanned<Digest>>,
}

impl RemoteComponent<'_> {
    fn wanted(&self) -> Wanted {
        Wanted { from: self.from.clone(), pin: self.pin.map(|pin| pin.value) }
    }

    /// Returns a fault at the source.
    pub(crate) fn fault(&self, message: String) -> Fault {
        let fault = Fault::spanned(self.span.clone(), message);
        if self.from.is_secret() { fault.secret() } else { fault }
    }

    /// Returns the fault of a component without a pin that it must have.
    fn unpinned(&self, pinning: Pinning) -> Option<Fault> {
        let name = self.name;
        match (self.from, pinning) {
            (Remote::Url(_), _) if self.pin.is_none() => {
                let message = format!("the component `{name}` is a download, and has no pin `sha256`");
                Some(self.fault(message).help(LOCK))
            }
            (_, Pinning::Required) if !self.wanted().is_pinned() => {
                let message = format!("the component `{name}` has no pin, which `--locked` demands");
                Some(self.fault(message).help(LOCK))
            }
            _ => None, // it is pinned, or need not be
        }
    }

    /// Returns the fault of a component that was not fetched.
    pub(crate) fn not_fetched(&self, error: &fetch::Error) -> Fault {
        if let (fetch::Error::NotPinned(found), Some(pin)) = (error, self.pin) {
            return not_pinned(self.name, pin, (&self.from.to_string(), found)).help(accepting(found));
        }
        let fault = self.fault(format!("cannot fetch the component `{}`", self.name));
        let fault = fault.note(format!("`{}`: {error}", self.from));
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        let fault = causes.fold(fault, |fault, cause| fault.note(cause.to_string()));
        match error.help() {
            Some(help) => fault.help(help),
            None => fault,
        }
    }
}

/// A component that is on this machine now, or the fault of its source.
pub(crate) type Arrival = Result<Fetched, Box<Fault>>;

/// Fetches components, or finds them on this machine.
pub(crate) fn fetch_all(components: &[RemoteComponent<'_>], fetcher: &Fetcher) -> Vec<Arrival> {
    let checked: Vec<Result<Wanted, Box<Fault>>> = components
        .iter()
        .map(|component| match component.unpinned(fetcher.pinning()) {
            Some(fault) => Err(Box::new(fault)),
            None => Ok(component.wanted()),
        })
        .collect();
    let wanted: Vec<Wanted> = checked.iter().filter_map(|wanted| wanted.clone().ok()).collect();
    let mut arrivals = fetcher.fetch(&wanted).into_iter();
    let outcome = |(component, checked): (&RemoteComponent<'_>, Result<Wanted, Box<Fault>>)| {
        checked?;
        let missing = || Err(Arc::new(fetch::Error::Offline));
        // There is an outcome for each that was wanted.
        let arrival = arrivals.next().unwrap_or_else(missing);
        arrival.map_err(|error| Box::new(component.not_fetched(&error)))
    };
    components.iter().zip(checked).map(outcome).collect()
}

/// Returns a warning for each component that only a tag names: it may be another one tomorrow.
pub(crate) fn unpinned(manifests: &Manifests) -> Vec<String> {
    let warning = |(name, component): (&Name, &Component)| {
        let ComponentSource::Remote(from) = &component.source.as_ref()?.value else { return None };
        let wanted = Wanted { from: from.clone(), pin: component.sha256.as_ref().map(|pin| pin.value) };
        let message = || {
            format!(
                "the component `{name}` has no pin, and the tag in `{from}` may come to mean another; {LOCK}"
            )
        };
        (!wanted.is_pinned()).then(message)
    };
    manifests.components().filter_map(warning).collect()
}
