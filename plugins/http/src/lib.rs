//! Responsible for the exports that `wit/http.wit` promises.
//! Leaves requests to the crate `outgoing`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

use exports::cascade::http::http::{Error, Failure, Guest, Header, Request, Response};

struct Plugin;

impl Guest for Plugin {
    fn get(url: String, headers: Option<Vec<Header>>) -> Result<String, Error> {
        let answer = outgoing::ask(&request("GET", url, headers, Vec::new())).map_err(error)?;
        answer.into_text().map_err(error)
    }

    fn get_bytes(url: String, headers: Option<Vec<Header>>) -> Result<Vec<u8>, Error> {
        outgoing::ask(&request("GET", url, headers, Vec::new())).map(|answer| answer.body).map_err(error)
    }

    fn post(
        url: String,
        body: String,
        content_type: Option<String>,
        headers: Option<Vec<Header>>,
    ) -> Result<String, Error> {
        let mut request = request("POST", url, headers, body.into_bytes());
        let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
        request.headers.push(("content-type".to_owned(), content_type));
        outgoing::ask(&request).map_err(error)?.into_text().map_err(error)
    }

    fn send(request: Request) -> Result<Response, Error> {
        let Request { method, url, headers, body } = request;
        let answer = outgoing::send(&self::request(&method, url, Some(headers), body)).map_err(error)?;
        let outgoing::Response { status, headers, body, url } = answer;
        Ok(Response { status, headers, body, url })
    }
}

fn request(method: &str, url: String, headers: Option<Vec<Header>>, body: Vec<u8>) -> outgoing::Request {
    outgoing::Request { method: method.to_owned(), url, headers: headers.unwrap_or_default(), body }
}

fn error(failure: outgoing::Failure) -> Error {
    let outgoing::Failure { is_transient, status, message, retry_after } = failure;
    let failure = Failure { status, message, retry_after };
    if is_transient { Error::Transient(failure) } else { Error::Permanent(failure) }
}

export!(Plugin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_keep_what_a_retry_needs() {
        let late = outgoing::Failure {
            retry_after: Some(7),
            status: Some(503),
            ..outgoing::Failure::transient("busy")
        };
        assert!(
            matches!(error(late), Error::Transient(found) if found.retry_after == Some(7) && found.status == Some(503))
        );
        assert!(
            matches!(error(outgoing::Failure::permanent("no")), Error::Permanent(found) if found.message == "no")
        );
    }

    #[test]
    fn malformed_addresses_are_permanent_before_anything_is_sent() {
        for url in ["", "example.com", "ftp://example.com/", "http://a b/"] {
            assert!(matches!(Plugin::get(url.to_owned(), None), Err(Error::Permanent(_))), "{url}");
        }
    }
}
