//! Requests for documents and files: redirects, proxies, time-outs.
//! `registry` and `fetcher` say what is asked for; `retries` repeats it.

use crate::config::{Environment, read_at_most};
use crate::fetch::Error;
use crate::fetch::failed::Failed;
use crate::fetch::proxies::Proxies;
use crate::model::{SecureUrl, Size, Url, one_line};
use crate::sandbox::{Answer, Client, Outgoing, Route, Zone};
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RANGE};
use http::{HeaderMap, Method};
use std::time::Duration;
use tokio::time::timeout;

/// Maximum number of redirects of one request.
const MAX_REDIRECTS: usize = 5;

/// Maximum time until the head of an answer, and between two pieces of its body.
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Maximum size of a document: a manifest, a token, or the text of an error.
pub(crate) const MAX_DOCUMENT: Size = Size::bytes(4 << 20);

/// Maximum size of the text of an error that is read, in bytes.
const MAX_ERROR: usize = 16 << 10;

/// Maximum size of a file of certificate authorities.
const MAX_AUTHORITIES: Size = Size::bytes(16 << 20);

/// The variable with the file of certificate authorities.
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// Sends the requests of one session.
pub(crate) struct Http {
    client: Client,
    proxies: Proxies,
}

/// A request.
#[derive(Clone, Copy)]
pub(crate) struct Get<'a> {
    /// The URL.
    pub(crate) url: &'a Url,
    /// The media types that are accepted.
    pub(crate) accept: &'a str,
    /// The value of `authorization`. It goes to the host of the URL alone, and to no host that a redirect names.
    pub(crate) authorization: Option<&'a str>,
    /// Number of bytes that are here already.
    pub(crate) offset: u64,
    /// The outermost zone from which a server has led here; addresses further inside are refused.
    pub(crate) zone: Zone,
    /// A form to post instead of asking for the URL.
    pub(crate) form: Option<&'a str>,
}

impl<'a> Get<'a> {
    /// Creates the request for a URL of the manifest, which may lead anywhere.
    pub(crate) const fn new(url: &'a Url, accept: &'a str) -> Self {
        Self { url, accept, authorization: None, offset: 0, zone: Zone::Loopback, form: None }
    }
}

impl Http {
    /// Reads proxies and authorities from variables.
    pub(crate) fn new(client: Client, environment: &Environment) -> Result<Self, Error> {
        let client = match environment.path_setting(AUTHORITIES) {
            None => client,
            Some(path) => {
                let unusable = |what| Error::Variable { name: AUTHORITIES, what };
                let pem = read_at_most(&path, MAX_AUTHORITIES)
                    .map_err(|error| unusable(format!("`{}`: {error}", path.display())))?;
                client
                    .with_authorities(&pem)
                    .map_err(|error| unusable(format!("`{}`: {error}", path.display())))?
            }
        };
        Ok(Self { client, proxies: Proxies::of(environment)? })
    }

    /// Sends a request, follows redirects, and returns the last answer, whatever its status. A demand for a login comes from
    /// the host of the URL itself.
    pub(crate) async fn send(&self, get: Get<'_>) -> Result<Answer, Failed> {
        let mut url = get.url.clone();
        let mut zone = get.zone;
        for _ in 0..=MAX_REDIRECTS {
            let is_same_host = url.origin() == get.url.origin();
            let allowed = if is_same_host { get } else { Get { authorization: None, form: None, ..get } };
            let outgoing = outgoing(&url, &allowed);
            let route = Route::Within(zone, self.proxies.of_url(&url));
            let answer = match timeout(MAX_SILENCE, self.client.send(outgoing, route)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(source)) => return Err(Failed::unanswered(url.origin(), source)),
                Err(_) => return Err(silent(&url)),
            };
            match answer.status() {
                301 | 302 | 303 | 307 | 308 => {}
                // A host that a redirect names demands a login in vain: it could name a server of its own for that.
                401 | 403 if !is_same_host => return Err(error_of(answer, &url).await),
                _ => return Ok(answer), // the caller reads the status
            }
            // A server leads at most as far inside as it is itself.
            zone = zone.min(answer.zone());
            url = target(&url, &answer)?;
        }
        Err(redirect(get.url, &url, "after too many redirects").into())
    }

    /// Returns a small document.
    pub(crate) async fn document(&self, mut answer: Answer, url: &Url) -> Result<Vec<u8>, Failed> {
        let mut document = Vec::new();
        while let Some(piece) = piece(&mut answer, url).await? {
            if document.len() + piece.len() > MAX_DOCUMENT.as_usize() {
                let what = format!("a document of more than {MAX_DOCUMENT}");
                return Err(Error::Malformed { origin: url.origin(), what }.into());
            }
            document.extend_from_slice(&piece);
        }
        Ok(document)
    }
}

/// Returns the next piece of a body; `None` at its end.
pub(crate) async fn piece(answer: &mut Answer, url: &Url) -> Result<Option<Bytes>, Failed> {
    match timeout(MAX_SILENCE, answer.piece()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(source)) => Err(Failed::unanswered(url.origin(), source)),
        Err(_) => Err(silent(url)),
    }
}

/// Reads an answer that is an error: its status, and what registries say in it.
pub(crate) async fn error_of(mut answer: Answer, url: &Url) -> Failed {
    let after =
        answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let text = text_of(&mut answer, url).await;
    Failed::status((url.origin(), answer.status()), text, after)
}

/// Returns what a registry says in an error; empty if it says nothing in the form of registries.
pub(crate) async fn text_of(answer: &mut Answer, url: &Url) -> String {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = piece(answer, url).await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ERROR {
            return String::new();
        }
    }
    let said: Option<Said> = serde_json::from_slice(&body).ok();
    let first = said.and_then(|said| said.errors.into_iter().next());
    first
        .map(|first| one_line(&format!("{} {}", first.code, first.message)).trim().to_owned())
        .unwrap_or_default()
}

/// An error as the OCI distribution specification has it.
#[derive(serde::Deserialize)]
struct Said {
    errors: Vec<SaidError>,
}

#[derive(serde::Deserialize)]
struct SaidError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn outgoing<'u>(url: &'u Url, get: &Get<'_>) -> Outgoing<'u> {
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| {
        // Texts of the manifest and of registries are checked before they come here.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add(ACCEPT, get.accept);
    // Offsets and digests count the bytes of the file itself.
    add(ACCEPT_ENCODING, "identity");
    if let Some(authorization) = get.authorization {
        add(AUTHORIZATION, authorization);
    }
    if get.offset > 0 {
        add(RANGE, &format!("bytes={}-", get.offset));
    }
    match get.form {
        Some(form) => {
            add(CONTENT_TYPE, "application/x-www-form-urlencoded");
            Outgoing { method: Method::POST, url, headers, body: Bytes::copy_from_slice(form.as_bytes()) }
        }
        None => Outgoing { method: Method::GET, url, headers, body: Bytes::new() },
    }
}

/// Returns where a redirect leads.
fn target(from: &Url, answer: &Answer) -> Result<Url, Error> {
    let Some(location) = answer.header("location") else {
        return Err(Error::Malformed {
            origin: from.origin(),
            what: "a redirect without a target".to_owned(),
        });
    };
    let Ok(to) = from.join(location) else {
        let what = "a redirect to no URL of the web".to_owned();
        return Err(Error::Malformed { origin: from.origin(), what });
    };
    match SecureUrl::parse(to.as_str()) {
        Ok(_) => Ok(to),
        Err(_) => Err(redirect(from, &to, "where the connection is not encrypted")),
    }
}

fn redirect(from: &Url, to: &Url, why: &'static str) -> Error {
    Error::Redirect { origin: from.origin(), to: to.origin(), why }
}

fn silent(url: &Url) -> Failed {
    let what = format!("is silent for {}s", MAX_SILENCE.as_secs());
    Failed::Again(Error::Silent { origin: url.origin(), what }, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use crate::model::show_duration;

    #[test]
    fn manual_names_the_limits_of_this_file() {
        let host = |limit| Page::of("limits").section("Limits of a host").line(limit).cell(1);
        host("silence of a server").says(&show_duration(MAX_SILENCE));
        host("silence of a server").says(&count(MAX_REDIRECTS));
        host("a manifest or token of a registry").says(&MAX_DOCUMENT.to_string());
        host("file of `SSL_CERT_FILE`").says(&MAX_AUTHORITIES.to_string());
    }
}
