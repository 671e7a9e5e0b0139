//! The webhook of `[notify]`, with the values of its variables: the URL, the key of the signature, and the endings.
//! `notification` sends it.

use crate::app::Error;
use crate::config::{Environment, NotText};
use crate::graph::{Manifests, Resolved};
use crate::manifest::{HookSource, Notify, invalid_hook};
use crate::model::{Fault, Faults, RunStatus, SecureUrl, Span, Spanned};
use ring::hmac;

/// The webhook that receives notifications. Without `Debug`, since it holds secrets.
pub(crate) struct Hook {
    /// The URL.
    pub(crate) url: SecureUrl,
    /// The URL as messages name it: its path may be a secret.
    pub(crate) shown: String,
    on: Vec<RunStatus>,
    secret: Option<String>,
    /// Texts to hide wherever text is shown.
    hidden: Vec<String>,
}

impl Hook {
    /// Reads the variables of `[notify]`; none if there is no such section. Returns all faults together.
    pub(crate) fn of(manifests: &Manifests, environment: &Environment) -> Result<Option<Self>, Error> {
        let Some(notify) = &manifests.root().notify else { return Ok(None) };
        Self::new(notify, environment).map(Some).map_err(|found| {
            let mut faults = Faults::none(manifests.sources().clone());
            faults.list.extend(found);
            faults.into()
        })
    }

    /// Adds the faults of `[notify]` that are known without a run.
    pub(crate) fn check(resolved: &mut Resolved, environment: &Environment) {
        let notify = resolved.graph.manifests().root().notify.as_ref();
        let found = notify.and_then(|notify| Self::new(notify, environment).err());
        resolved.faults.list.extend(found.into_iter().flatten());
        resolved.faults.sort();
    }

    fn new(notify: &Notify, environment: &Environment) -> Result<Self, Vec<Fault>> {
        let url = url(&notify.url, environment);
        let secret = notify
            .secret
            .as_ref()
            .map(|secret| variable(("the secret", secret.value.as_str()), &secret.span, environment));
        match (url, secret.transpose()) {
            (Ok(url), Ok(secret)) => {
                let secret = secret.map(ToOwned::to_owned);
                let hidden = secret.iter().cloned().chain(url.secret).collect();
                Ok(Self { url: url.url, shown: url.shown, on: notify.on.clone(), secret, hidden })
            }
            (url, secret) => {
                Err([url.err(), secret.err()].into_iter().flatten().map(|fault| *fault).collect())
            }
        }
    }

    /// Returns whether this ending sends a notification.
    pub(crate) fn tells(&self, status: RunStatus) -> bool {
        self.on.contains(&status)
    }

    /// Returns whether notifications are signed.
    pub(crate) const fn is_signing(&self) -> bool {
        self.secret.is_some()
    }

    /// Returns the texts to hide wherever text is shown.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = &str> {
        self.hidden.iter().map(String::as_str)
    }

    /// Returns the signature of a body in hexadecimal digits; none without a secret.
    pub(crate) fn signature(&self, body: &[u8]) -> Option<String> {
        let secret = self.secret.as_ref()?;
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
        let hex = |mut text: String, byte: &u8| {
            text.push_str(&format!("{byte:02x}"));
            text
        };
        Some(signed.as_ref().iter().fold(String::new(), hex))
    }
}

/// A URL, and how it is shown.
struct Target {
    url: SecureUrl,
    shown: String,
    /// The URL, if it is from a variable and so may be a secret.
    secret: Option<String>,
}

fn url(written: &Spanned<HookSource>, environment: &Environment) -> Result<Target, Box<Fault>> {
    let Spanned { value, span } = written;
    match value {
        HookSource::Url(url) => {
            Ok(Target { shown: format!("`{}`", url.url().origin()), url: url.clone(), secret: None })
        }
        HookSource::Env(name) => {
            let text = variable(("the URL", name), span, environment)?;
            let url = SecureUrl::parse(text)
                .map_err(|fault| Box::new(invalid_hook(span, fault, &format!(" in `{name}`"))))?;
            Ok(Target { url, shown: format!("the URL in `{name}`"), secret: Some(text.to_owned()) })
        }
    }
}

fn variable<'e>(
    (role, name): (&str, &str),
    span: &Span,
    environment: &'e Environment,
) -> Result<&'e str, Box<Fault>> {
    let fault = |message: String| Fault::spanned(span.clone(), message);
    match environment.setting(name) {
        // A mounted secret ends with a line end that is no part of it.
        Ok(Some(text)) => Ok(text.trim_end_matches(['\r', '\n'])),
        Ok(None) => {
            let message = format!("the manifest takes {role} of `[notify]` from `{name}`, which is not set");
            Err(Box::new(fault(message).help(format!("set `{name}`"))))
        }
        Err(not_text) => Err(Box::new(fault(not_text.to_string()).help(NotText::help()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph;
    use crate::manifest;
    use crate::model::Source;
    use std::path::Path;

    fn hook(notify: &str, environment: &Environment) -> Result<Hook, String> {
        let text = format!(
            "cascade = 1\nname = \"x\"\n[tasks.a]\ncall = \"a.b\"\n[components.a]\npath = \"a\"\n[notify]\n{notify}\n"
        );
        let source = Source { name: "m.toml".into(), text: text.into() };
        let mut resolved = graph::resolve(manifest::parse(source, Path::new(".")));
        Hook::check(&mut resolved, environment);
        assert!(!format!("{:?}", resolved.faults.list).contains("hunter2"), "{:?}", resolved.faults.list);
        if !resolved.faults.is_empty() {
            return Err(resolved.faults.to_string());
        }
        Ok(Hook::of(resolved.graph.manifests(), environment).unwrap().unwrap())
    }

    #[test]
    fn faults_of_variables_are_reported_together_and_show_no_value() {
        let text = "url = { env = \"HOOK\" }\nsecret = { env = \"KEY\" }";
        let unset = hook(text, &[("KEY", "")].into()).err().unwrap();
        assert_eq!(
            unset,
            "m.toml:8:7: the manifest takes the URL of `[notify]` from `HOOK`, which is not set\n\
             m.toml:9:10: the manifest takes the secret of `[notify]` from `KEY`, which is not set"
        );
        let plain = hook(text, &[("HOOK", "http://h/hunter2"), ("KEY", "k")].into()).err().unwrap();
        assert_eq!(
            plain,
            "m.toml:8:7: the URL of `[notify]` in `HOOK` cannot be used: `http` is for this machine only"
        );
    }

    #[test]
    fn url_of_a_variable_is_shown_by_its_name_and_hidden() {
        let environment: Environment = [("HOOK", "https://h/hunter2"), ("KEY", "k")].into();
        let secret = hook("url = { env = \"HOOK\" }\nsecret = { env = \"KEY\" }", &environment).unwrap();
        assert_eq!(secret.shown, "the URL in `HOOK`");
        assert_eq!(secret.hidden().collect::<Vec<_>>(), ["k", "https://h/hunter2"]);
        let written = hook("url = \"https://h/x\"\non = [\"failed\"]", &environment).unwrap();
        assert_eq!((written.shown.as_str(), written.hidden().count()), ("`https://h`", 0));
        assert!(written.tells(RunStatus::Failed) && !written.tells(RunStatus::Succeeded));
        assert!(written.signature(b"x").is_none());
    }

    #[test]
    fn signature_is_that_of_rfc_4231() {
        let environment: Environment = [("KEY", "Jefe")].into();
        let hook = hook("url = \"https://h/\"\nsecret = { env = \"KEY\" }", &environment).unwrap();
        assert_eq!(
            hook.signature(b"what do ya want for nothing?").unwrap(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
