//! Requests over wasi:http: redirects followed, bodies read within a bound, failures told apart.
//! Leaves what a request means to the components.

mod date;
mod failure;
mod send;
mod url;

pub use failure::{Failure, refusal};

use std::ops::Not as _;

/// Bounds the body of an answer, which a server can make endless.
pub const MAX_BODY: u64 = 64 << 20;
/// As many as browsers follow about.
const MAX_REDIRECTS: u32 = 10;

/// A name with a value.
pub type Header = (String, String);

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

/// What is received.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// In the order of the answer, names in lower case.
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    /// Where the answer came from, after redirects.
    pub url: String,
}

impl Response {
    /// The first value of a header, whose name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// A permanent failure if it is no UTF-8.
    pub fn into_text(self) -> Result<String, Failure> {
        let status = self.status;
        String::from_utf8(self.body).map_err(|_| Failure {
            status: Some(status),
            ..Failure::permanent("the answer is no UTF-8; ask for its bytes instead")
        })
    }
}

/// Sends a request and follows redirects. Every status is an answer.
///
/// # Errors
///
/// A failure if no whole answer comes.
pub fn send(request: &Request) -> Result<Response, Failure> {
    let mut request = request.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = send::once(&request)?;
        match redirected(&request, &response) {
            Some(next) => request = next,
            None => return Ok(response),
        }
    }
    Err(Failure::permanent(&format!("more than {MAX_REDIRECTS} redirects")))
}

/// Sends a request, and takes only a status from 200 to 299 for success.
///
/// # Errors
///
/// A failure for any other answer, and if no whole answer comes.
pub fn ask(request: &Request) -> Result<Response, Failure> {
    let response = send(request)?;
    if (200..300).contains(&response.status) { Ok(response) } else { Err(refusal(&response)) }
}

/// The request that a redirect asks for.
fn redirected(request: &Request, response: &Response) -> Option<Request> {
    let becomes_get = match response.status {
        301 | 302 => request.method == "POST",
        303 => request.method != "HEAD",
        307 | 308 => false,
        _ => return None,
    };
    let target = address::absolute(&request.url, response.header("location")?);
    let target = target.split('#').next().unwrap_or_default().to_owned();
    let mut next = Request { url: target, ..request.clone() };
    if becomes_get {
        "GET".clone_into(&mut next.method);
        next.body = Vec::new();
        next.headers.retain(|(name, _)| name.to_ascii_lowercase().starts_with("content-").not());
    }
    if url::origin(&next.url) != url::origin(&request.url) {
        // What proves who asks is for the server that was named.
        let is_secret = |name: &str| ["authorization", "cookie", "proxy-authorization"].contains(&name);
        next.headers.retain(|(name, _)| !is_secret(&name.to_ascii_lowercase()));
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(method: &str, status: u16, location: &str) -> Option<Request> {
        let headers = [("Authorization", "x"), ("Content-Type", "y"), ("Accept", "z")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let request = Request {
            method: method.to_owned(),
            url: "https://a/b/c".to_owned(),
            headers,
            body: b"body".to_vec(),
        };
        let headers = vec![("location".to_owned(), location.to_owned())];
        redirected(&request, &Response { status, headers, body: Vec::new(), url: String::new() })
    }

    fn names(request: &Request) -> String {
        request.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn redirects_keep_or_drop_the_body() {
        for (method, status, expected) in [
            ("POST", 301, "GET"),
            ("POST", 303, "GET"),
            ("POST", 307, "POST"),
            ("PUT", 302, "PUT"),
            ("PUT", 303, "GET"),
            ("HEAD", 303, "HEAD"),
        ] {
            let next = after(method, status, "d#e").unwrap();
            assert_eq!((next.method.as_str(), next.url.as_str()), (expected, "https://a/b/d"));
            let has_body = names(&next).contains("Content-Type");
            assert!(has_body != next.body.is_empty() && (has_body || expected == "GET"), "{method} {status}");
        }
        assert!(after("GET", 200, "d").is_none() && after("GET", 304, "d").is_none());
    }

    #[test]
    fn secrets_stay_with_the_server_that_was_named() {
        assert_eq!(names(&after("GET", 302, "/d").unwrap()), "Authorization Content-Type Accept");
        for other in ["https://b/", "http://a/", "https://a:8443/", "//b/c"] {
            assert_eq!(names(&after("GET", 302, other).unwrap()), "Content-Type Accept", "{other}");
        }
    }
}
