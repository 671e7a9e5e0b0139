//! Responsible for the exports that `wit/chat.wit` promises.
//! Leaves the protocol to `protocol` and requests to the crate `outgoing`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod protocol;

use exports::cascade::chat::chat::{Error, Failure, Guest, Message, Model, Reply, Role};

struct Plugin;

impl Guest for Plugin {
    fn ask(model: Model, question: String) -> Result<String, Error> {
        let message = Message { role: Role::User, content: question };
        complete(&model, &[message]).map(|reply| reply.content)
    }

    fn complete(model: Model, messages: Vec<Message>) -> Result<Reply, Error> {
        complete(&model, &messages)
    }
}

fn complete(model: &Model, messages: &[Message]) -> Result<Reply, Error> {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if let Some(key) = key() {
        headers.push(("authorization".to_owned(), format!("Bearer {key}")));
    }
    let body = protocol::question(model, messages).into_bytes();
    let request = outgoing::Request { method: "POST".to_owned(), url: model.url.clone(), headers, body };
    let answer = outgoing::ask(&request).and_then(outgoing::Response::into_text).map_err(error)?;
    protocol::reply(&answer).map_err(|message| error(outgoing::Failure::permanent(&message)))
}

#[expect(clippy::disallowed_methods, reason = "the ban is for the host; a component sees what it is granted")]
fn key() -> Option<String> {
    std::env::var("CHAT_API_KEY").ok().filter(|key| !key.is_empty())
}

fn error(failure: outgoing::Failure) -> Error {
    let outgoing::Failure { is_transient, status, message, retry_after } = failure;
    let failure = Failure { status, message, retry_after };
    if is_transient { Error::Transient(failure) } else { Error::Permanent(failure) }
}

export!(Plugin);
