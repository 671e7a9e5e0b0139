//! Responsible for requests to a bucket: their addresses, the keys that sign them, and what failures mean.
//! Leaves the signature to `sign`.

use crate::sign::{self, Keys, Time};
use crate::{Bucket, Error, Failure};
use outgoing::{Request, Response};

/// Before this time, a clock is the logical one of a task without `clock`: 2020-01-01.
const FIRST_REAL_TIME: u64 = 1_577_836_800;

/// Asks for an object, or removes it.
pub fn object(method: &str, bucket: &Bucket, key: &str) -> Result<Response, Error> {
    let request = Request {
        method: method.to_owned(),
        url: address(bucket, key)?,
        headers: Vec::new(),
        body: Vec::new(),
    };
    signed(bucket, request).map_err(|error| match error {
        Error::Permanent(Failure { status: Some(404), .. }) => Error::NotFound(key.to_owned()),
        other => other,
    })
}

/// Writes an object.
pub fn put(bucket: &Bucket, key: String, body: Vec<u8>, content_type: &str) -> Result<String, Error> {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    signed(bucket, Request { method: "PUT".to_owned(), url: address(bucket, &key)?, headers, body })?;
    Ok(key)
}

/// Asks the bucket itself.
pub fn query(bucket: &Bucket, query: &[(&str, &str)]) -> Result<String, Error> {
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", sign::escaped(value, ""))).collect();
    let url = format!("{}/?{}", bucket.url.trim_end_matches('/'), query.join("&"));
    let request = Request { method: "GET".to_owned(), url, headers: Vec::new(), body: Vec::new() };
    let answer = signed(bucket, request).map_err(|error| match error {
        Error::Permanent(Failure { status: Some(404), .. }) => Error::NotFound(bucket.url.clone()),
        other => other,
    })?;
    answer.into_text().map_err(error)
}

fn address(bucket: &Bucket, key: &str) -> Result<String, Error> {
    // Proxies and the host take `..` out of a path; the signature would be of another one.
    if key.is_empty() || key.split('/').any(|step| matches!(step, "." | "..")) {
        return Err(error(outgoing::Failure::permanent("a key is not empty, and has no step `.` or `..`")));
    }
    Ok(format!("{}/{}", bucket.url.trim_end_matches('/'), sign::escaped(key, "/")))
}

fn signed(bucket: &Bucket, request: Request) -> Result<Response, Error> {
    let keys = keys().ok_or_else(|| {
        let grant = "grants.env = [\"AWS_ACCESS_KEY_ID\", \"AWS_SECRET_ACCESS_KEY\"]";
        error(outgoing::Failure::permanent(&format!(
            "there are no keys: `{grant}` passes on those of the host"
        )))
    })?;
    let region = bucket.region.as_deref().unwrap_or("us-east-1");
    let request = sign::signed(request, &keys, region, &now()?).ok_or_else(|| {
        error(outgoing::Failure::permanent(&format!("`{}` is no address of a bucket", bucket.url)))
    })?;
    outgoing::ask(&request).map_err(error)
}

#[expect(clippy::disallowed_methods, reason = "the ban is for the host; a component sees what it is granted")]
fn keys() -> Option<Keys> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Keys {
        id: variable("AWS_ACCESS_KEY_ID")?,
        secret: variable("AWS_SECRET_ACCESS_KEY")?,
        token: variable("AWS_SESSION_TOKEN"),
    })
}

#[expect(
    clippy::disallowed_types,
    reason = "the ban is for the host; a component sees the clock that it is granted"
)]
fn now() -> Result<Time, Error> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    if seconds < FIRST_REAL_TIME {
        let message = "a request is signed with the time, and the clock is not granted: `grants.clock = true` grants it";
        return Err(error(outgoing::Failure::permanent(message)));
    }
    Ok(Time::of(seconds))
}

/// The failure of a request as the interface has it.
pub fn error(failure: outgoing::Failure) -> Error {
    let outgoing::Failure { is_transient, status, message, retry_after } = failure;
    let failure = Failure { status, message, retry_after };
    if is_transient { Error::Transient(failure) } else { Error::Permanent(failure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_paths() {
        let bucket = Bucket { url: "https://h/b/".to_owned(), region: None };
        assert_eq!(address(&bucket, "a/b c+ä?#.txt").unwrap(), "https://h/b/a/b%20c%2B%C3%A4%3F%23.txt");
        for key in ["", "..", "a/../b", "./a"] {
            assert!(matches!(address(&bucket, key), Err(Error::Permanent(_))), "{key}");
        }
    }
}
