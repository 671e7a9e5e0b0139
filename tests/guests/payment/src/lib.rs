//! Responsible for one effect that must not happen twice: a payment, sent with the key of the call.
//! Leaves it to the service to know keys that it has seen.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, IncomingResponse, Method, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

wit_bindgen::generate!({
    path: ["../../../wit/deps/cascade-task", "wit"],
    world: "test:payment/payment",
    generate_all,
});

struct Payment;

impl Guest for Payment {
    fn charge(url: String, cents: u32) -> Result<String, String> {
        let key = cascade::task::context::current().idempotency_key;
        let fields = Fields::new();
        let header = fields.append("idempotency-key", key.as_bytes());
        header.map_err(|error| format!("{error:?}"))?;
        let (authority, path) = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or("the URL is not http://host/path")?;
        let request = OutgoingRequest::new(fields);
        request
            .set_method(&Method::Post)
            .and_then(|()| request.set_scheme(Some(&Scheme::Http)))
            .and_then(|()| request.set_authority(Some(authority)))
            .and_then(|()| request.set_path_with_query(Some(&format!("/{path}?cents={cents}"))))
            .map_err(|()| "the URL is malformed")?;
        let pending = handle(request, None).map_err(|error| format!("{error:?}"))?;
        pending.subscribe().block();
        match pending.get() {
            Some(Ok(Ok(response))) if response.status() == 200 => body(&response),
            Some(Ok(Ok(response))) => Err(format!("the service answered {}", response.status())),
            Some(Ok(Err(error))) => Err(format!("{error:?}")),
            Some(Err(())) | None => Err("no response".to_owned()),
        }
    }
}

fn body(response: &IncomingResponse) -> Result<String, String> {
    let body = response.consume().map_err(|()| "the body was taken already")?;
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

export!(Payment);
