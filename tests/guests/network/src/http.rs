//! Responsible for HTTP requests through `wasi:http`.
//! Leaves TLS, proxies and connections to the host.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

use crate::Response;

/// Redirects that are followed.
const HOPS: u32 = 10;

/// How much of a body is sent at once; the host takes less.
const PIECE: u64 = 256 * 1024;

/// A response, and the URL that it redirects to.
type Hop = (Response, Option<String>);

/// Sends a GET request and reads the whole answer.
pub fn fetch(url: &str) -> Result<Response, String> {
    Ok(hop(url)?.0)
}

/// Sends GET requests until one is not answered by a redirect.
pub fn follow(url: &str) -> Result<Response, String> {
    let mut url = url.to_owned();
    for _ in 0..HOPS {
        match hop(&url)? {
            (_, Some(next)) => url = next,
            (response, None) => return Ok(response),
        }
    }
    Err("too many redirects".to_owned())
}

/// Sends a request with a method and a header.
pub fn fetch_as(url: &str, method: &str, (name, value): (&str, &str)) -> Result<Response, String> {
    let fields = Fields::new();
    fields.append(name, value.as_bytes()).map_err(|error| format!("{error:?}"))?;
    let request = request(url, fields)?;
    let method = match method {
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.to_owned()),
    };
    request.set_method(&method).map_err(|()| "the method is malformed")?;
    whole(&sent(request, None)?)
}

/// Makes requests of long texts and sends none; gives how many texts were taken.
pub fn compose(requests: u32, bytes: u32) -> u32 {
    let text = "a".repeat(bytes as usize);
    let mut kept = Vec::new();
    let mut taken = 0;
    for _ in 0..requests {
        let request = OutgoingRequest::new(Fields::new());
        let set = [
            request.set_method(&Method::Other(text.clone())),
            request.set_scheme(Some(&Scheme::Other(text.clone()))),
            request.set_authority(Some(&text)),
            request.set_path_with_query(Some(&format!("/{text}"))),
        ];
        taken += set.iter().map(|set| u32::from(set.is_ok())).sum::<u32>();
        kept.push(request);
    }
    taken
}

/// Sends a GET request, with some patience.
pub fn fetch_within(url: &str, milliseconds: u32) -> Result<Response, String> {
    let options = RequestOptions::new();
    let patience = Some(u64::from(milliseconds) * 1_000_000);
    options.set_first_byte_timeout(patience).map_err(|()| "there are no timeouts")?;
    options.set_between_bytes_timeout(patience).map_err(|()| "there are no timeouts")?;
    whole(&sent(request(url, Fields::new())?, Some(options))?)
}

/// Sends a POST request with a body of some length.
pub fn upload(url: &str, bytes: u64) -> Result<Response, String> {
    let request = request(url, Fields::new())?;
    request.set_method(&Method::Post).map_err(|()| "the method is malformed")?;
    let body = request.body().map_err(|()| "the body was taken already")?;
    let pending = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    let stream = body.write().map_err(|()| "the stream was taken already")?;
    let ready = stream.subscribe();
    let mut left = bytes;
    while left > 0 {
        ready.block();
        let room = stream.check_write().map_err(|error| format!("{error:?}"))?;
        let piece = left.min(room).min(PIECE);
        let bytes = vec![b'.'; usize::try_from(piece).map_err(|error| error.to_string())?];
        stream.write(&bytes).map_err(|error| format!("{error:?}"))?;
        left -= piece;
    }
    drop((ready, stream));
    OutgoingBody::finish(body, None).map_err(|error| format!("{error:?}"))?;
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => whole(&response),
        Some(Ok(Err(error))) => Err(format!("{error:?}")),
        Some(Err(())) | None => Err("no response".to_owned()),
    }
}

/// Reads some of an answer.
pub fn drain(url: &str, bytes: u64) -> Result<u64, String> {
    let response = get(url)?;
    let body = response.consume().map_err(|()| "the body was taken already")?;
    let stream = body.stream().map_err(|()| "the stream was taken already")?;
    let mut read = 0;
    while read < bytes {
        match stream.blocking_read((bytes - read).min(64 * 1024)) {
            Ok(part) => read += part.len() as u64,
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    Ok(read)
}

/// Sends requests and keeps their responses.
pub fn hoard(url: &str, requests: u32) -> (u32, String) {
    let mut kept = Vec::new();
    for count in 0..requests {
        match get(url) {
            Ok(response) => kept.push(response),
            Err(error) => return (count, error),
        }
    }
    (requests, String::new())
}

/// Sends a request, and does not let go of its response.
pub fn cling(url: &str) -> Result<u32, String> {
    let response = get(url)?;
    let mut turns = 0_u32;
    while response.status() > 0 {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
    Ok(turns)
}

fn hop(url: &str) -> Result<Hop, String> {
    let response = get(url)?;
    let locations = response.headers().get("location");
    let next = locations.first().map(|location| String::from_utf8_lossy(location).into_owned());
    let next = next.filter(|_| (300..400).contains(&response.status()));
    Ok((whole(&response)?, next))
}

fn get(url: &str) -> Result<IncomingResponse, String> {
    sent(request(url, Fields::new())?, None)
}

fn sent(request: OutgoingRequest, options: Option<RequestOptions>) -> Result<IncomingResponse, String> {
    let pending = outgoing_handler::handle(request, options).map_err(|error| format!("{error:?}"))?;
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(error))) => Err(format!("{error:?}")),
        Some(Err(())) | None => Err("no response".to_owned()),
    }
}

fn request(url: &str, fields: Fields) -> Result<OutgoingRequest, String> {
    let (scheme, rest) = url.split_once("://").ok_or("the URL has no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(fields);
    let parts = request
        .set_scheme(Some(&scheme))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })));
    parts.map_err(|()| format!("the URL {url} is malformed"))?;
    Ok(request)
}

fn whole(response: &IncomingResponse) -> Result<Response, String> {
    Ok(Response { status: response.status(), body: body(response)? })
}

fn body(response: &IncomingResponse) -> Result<String, String> {
    let body: IncomingBody = response.consume().map_err(|()| "the body was taken already")?;
    let stream = body.stream().map_err(|()| "the stream was taken already")?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
