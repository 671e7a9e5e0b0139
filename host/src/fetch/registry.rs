//! Pulls from an OCI registry: a manifest by tag or digest, then the layer that is the component.
//! `artifact` reads documents, `authorization` logs in, `download` streams the layer.

use crate::config::Environment;
use crate::fetch::Error;
use crate::fetch::artifact::{ACCEPTED, Document, Layer, Useless};
use crate::fetch::authorization::authorize;
use crate::fetch::challenge::Challenge;
use crate::fetch::credentials::{Login, login};
use crate::fetch::failed::Failed;
use crate::fetch::http::{Get, Http, error_of, text_of};
use crate::fetch::retries::retried;
use crate::model::{Digest, OciReference, Url};
use crate::sandbox::Answer;

/// What a reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The digest of the manifest or index that the reference names.
    pub(crate) manifest: Digest,
    /// The layer that is the component.
    pub(crate) layer: Layer,
}

/// A session with the registry of one reference. Without `Debug`, since it holds secrets.
pub(crate) struct Registry<'a> {
    http: &'a Http,
    environment: &'a Environment,
    reference: &'a OciReference,
    /// The value of `authorization` that was accepted last.
    authorization: Option<String>,
}

impl<'a> Registry<'a> {
    pub(crate) const fn new(
        http: &'a Http,
        environment: &'a Environment,
        reference: &'a OciReference,
    ) -> Self {
        Self { http, environment, reference, authorization: None }
    }

    /// Asks which component the reference means.
    pub(crate) async fn resolve(&mut self) -> Result<Resolved, Error> {
        let named = self.reference.digest().copied();
        let version = self.reference.version();
        let (manifest, document) = self.manifest(&version, named).await?;
        let layer = match document {
            Document::Artifact(layer) => layer,
            Document::Index(digest) => {
                match self.manifest(&format!("sha256:{digest}"), Some(digest)).await?.1 {
                    Document::Artifact(layer) => layer,
                    Document::Index(_) => {
                        return Err(Error::NotComponent("its index leads to an index".to_owned()));
                    }
                }
            }
        };
        Ok(Resolved { manifest, layer })
    }

    /// Returns the URL of a layer.
    pub(crate) fn layer_url(&self, layer: Layer) -> Result<Url, Error> {
        self.url(&format!("blobs/sha256:{}", layer.digest))
    }

    /// Opens a layer at an offset.
    pub(crate) async fn open(&mut self, url: &Url, offset: u64) -> Result<Answer, Failed> {
        self.send(Get { offset, ..Get::new(url, "*/*") }).await
    }

    async fn manifest(&mut self, version: &str, named: Option<Digest>) -> Result<(Digest, Document), Error> {
        let url = self.url(&format!("manifests/{version}"))?;
        let bytes = retried(async || {
            let answer = self.send(Get::new(&url, ACCEPTED)).await?;
            if answer.status() != 200 {
                return Err(error_of(answer, &url).await);
            }
            self.http.document(answer, &url).await
        });
        let bytes = bytes.await?;
        let found = Digest::of_bytes(&bytes);
        if let Some(expected) = named.filter(|named| *named != found) {
            return Err(Error::Digest { what: "the manifest", expected, found });
        }
        let document = Document::parse(&bytes).map_err(|useless| match useless {
            Useless::Malformed(what) => Error::Malformed { origin: url.origin(), what },
            Useless::NotComponent(why) => Error::NotComponent(why),
        })?;
        Ok((found, document))
    }

    /// Sends a request, and meets a challenge once. The answer is no demand for a login.
    async fn send(&mut self, get: Get<'_>) -> Result<Answer, Failed> {
        let known = self.authorization.clone();
        let answer = self.http.send(Get { authorization: known.as_deref(), ..get }).await?;
        if answer.status() != 401 {
            return self.permitted(answer, get.url, known.as_deref()).await;
        }
        let Some(challenge) = Challenge::of(answer.headers("www-authenticate")) else {
            return self.permitted(answer, get.url, known.as_deref()).await;
        };
        let zone = answer.zone();
        let login = self.login().await?;
        let authorization = authorize(self.http, self.reference, (challenge, zone), login.as_ref()).await?;
        let answer = self.http.send(Get { authorization: Some(&authorization), ..get }).await?;
        let answer = self.permitted(answer, get.url, Some(&authorization)).await?;
        self.authorization = Some(authorization);
        Ok(answer)
    }

    /// Turns a refusal into its error; `sent` is the value of `authorization`.
    async fn permitted(&self, mut answer: Answer, url: &Url, sent: Option<&str>) -> Result<Answer, Failed> {
        if !matches!(answer.status(), 401 | 403) {
            return Ok(answer);
        }
        let text = text_of(&mut answer, url).await;
        let registry = self.reference.registry().to_owned();
        Err(match self.login().await?.filter(|_| sent.is_some()) {
            Some(Login { place, .. }) => Error::Denied { registry, place, text },
            None => Error::NoLogin { registry, text },
        }
        .into())
    }

    async fn login(&self) -> Result<Option<Login>, Error> {
        login(self.environment, self.reference.registry()).await
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        self.reference.url(path).ok_or_else(|| Error::Malformed {
            origin: self.reference.registry().to_owned(),
            what: "a name that no URL can have".to_owned(),
        })
    }
}
