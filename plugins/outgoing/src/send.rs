//! Responsible for one request and its answer, through wasi:http.
//! Leaves redirects to `lib`.

use crate::failure::Failure;
use crate::url;
use crate::{MAX_BODY, Request, Response};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

/// As many bytes as `blocking-write-and-flush` takes at once.
const MAX_WRITE: usize = 4096;
const MAX_READ: u64 = 64 << 10;

/// Sends a request, and reads its answer whatever the status.
pub fn once(request: &Request) -> Result<Response, Failure> {
    let parts = url::parts(&request.url).ok_or_else(|| {
        Failure::permanent(&format!(
            "`{}` is no URL of HTTP, such as `https://example.com/path?query`",
            request.url
        ))
    })?;
    let head = OutgoingRequest::new(fields(request)?);
    let scheme = if parts.is_https { Scheme::Https } else { Scheme::Http };
    let is_set = head.set_method(&method(&request.method)).is_ok()
        && head.set_scheme(Some(&scheme)).is_ok()
        && head.set_authority(Some(parts.authority)).is_ok()
        && head.set_path_with_query(Some(&parts.path)).is_ok();
    let body = head.body().ok().filter(|_| is_set).ok_or_else(|| {
        Failure::permanent(&format!(
            "`{} {}` has a part that HTTP does not allow",
            request.method, request.url
        ))
    })?;
    let pending = handle(head, None).map_err(|code| failure(&code, &request.url))?;
    let sent = write(&request.body, body);
    pending.subscribe().block();
    match pending.get() {
        // An answer that came before the whole request was sent says more than the failed write.
        Some(Ok(Ok(answer))) => read(&answer, &request.url),
        Some(Ok(Err(code))) => Err(failure(&code, &request.url)),
        Some(Err(())) | None => sent.and(Err(Failure::transient("no answer came"))),
    }
}

/// The headers, and the length of the body, without which it would be sent in chunks, also an empty one: S3 takes none.
fn fields(request: &Request) -> Result<Fields, Failure> {
    let fields = Fields::new();
    let length = (!request.body.is_empty() || !matches!(request.method.as_str(), "GET" | "HEAD"))
        .then(|| ("content-length".to_owned(), request.body.len().to_string()));
    for (name, value) in request.headers.iter().chain(&length) {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| Failure::permanent(&format!("the header `{name}` cannot be sent: {error:?}")))?;
    }
    Ok(fields)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(bytes: &[u8], body: OutgoingBody) -> Result<(), Failure> {
    let unsent = || Failure::transient("the connection ended while the request was sent");
    let stream = body.write().map_err(|()| unsent())?;
    for part in bytes.chunks(MAX_WRITE) {
        stream.blocking_write_and_flush(part).map_err(|_| unsent())?;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|_| unsent())
}

fn read(answer: &IncomingResponse, url: &str) -> Result<Response, Failure> {
    let value = |(name, value): (String, Vec<u8>)| {
        (name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into_owned())
    };
    let headers = answer.headers().entries().into_iter().map(value).collect();
    let body = answer.consume().map_err(|()| Failure::transient("the answer has no body"))?;
    Ok(Response { status: answer.status(), headers, body: bytes(&body)?, url: url.to_owned() })
}

fn bytes(body: &IncomingBody) -> Result<Vec<u8>, Failure> {
    let stream = body.stream().map_err(|()| Failure::transient("the answer has no body"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(MAX_READ) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(Failure::transient(&format!(
                    "the answer broke off: {}",
                    error.to_debug_string()
                )));
            }
        }
        if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_BODY) {
            return Err(Failure::permanent("the answer has more than 64 MiB"));
        }
    }
}

/// What a code of the host means. Most are a network that may work the next time.
fn failure(code: &ErrorCode, url: &str) -> Failure {
    let address = url::parts(url).map_or_else(String::new, |parts| {
        format!("{}://{}/", if parts.is_https { "https" } else { "http" }, parts.authority)
    });
    match code {
        ErrorCode::HttpRequestDenied => Failure::permanent(&format!(
            "the request is not granted: `grants.http = [\"{address}\"]` grants it"
        )),
        ErrorCode::DestinationIpProhibited
        | ErrorCode::TlsCertificateError
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::ConfigurationError => Failure::permanent(&format!("{address}: {code:?}")),
        // All others may pass: names, connections, time-outs.
        other => Failure::transient(&format!("{address}: {other:?}")),
    }
}
