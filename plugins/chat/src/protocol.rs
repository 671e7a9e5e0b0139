//! Responsible for the JSON of chat completions.
//! Leaves sending it to `lib`.

use crate::{Message, Model, Reply, Role};
use serde_json::{Map, Value, json};

/// Writes the body of a request.
pub fn question(model: &Model, messages: &[Message]) -> String {
    let message = |message: &Message| {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": message.content })
    };
    let messages = messages.iter().map(message).collect::<Vec<_>>();
    let mut body =
        Map::from_iter([("model".to_owned(), json!(model.name)), ("messages".to_owned(), json!(messages))]);
    body.extend(model.max_tokens.map(|most| ("max_tokens".to_owned(), json!(most))));
    body.extend(model.temperature.map(|temperature| ("temperature".to_owned(), json!(temperature))));
    Value::Object(body).to_string()
}

/// Reads the body of an answer.
pub fn reply(answer: &str) -> Result<Reply, String> {
    let answer: Value =
        serde_json::from_str(answer).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let choice = answer.pointer("/choices/0");
    let content = choice.and_then(|choice| choice.pointer("/message/content")).and_then(Value::as_str);
    let content = content.ok_or("the answer has no `choices[0].message.content`")?;
    let tokens = |name: &str| {
        let number = answer.pointer(&format!("/usage/{name}")).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
    };
    let finish_reason = choice.and_then(|choice| choice.get("finish_reason")).and_then(Value::as_str);
    Ok(Reply {
        content: content.to_owned(),
        finish_reason: finish_reason.unwrap_or("stop").to_owned(),
        input_tokens: tokens("prompt_tokens"),
        output_tokens: tokens("completion_tokens"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_what_is_set() {
        let model = |max_tokens, temperature| Model {
            url: String::new(),
            name: "m".to_owned(),
            max_tokens,
            temperature,
        };
        let messages = [Message { role: Role::System, content: "\"a\"\n".to_owned() }];
        assert_eq!(
            question(&model(None, None), &messages),
            r#"{"messages":[{"content":"\"a\"\n","role":"system"}],"model":"m"}"#
        );
        let full: Value = serde_json::from_str(&question(&model(Some(5), Some(0.5)), &messages)).unwrap();
        assert_eq!((&full["max_tokens"], &full["temperature"]), (&json!(5), &json!(0.5)));
    }

    #[test]
    fn answers_are_read() {
        let text = r#"{"choices":[{"message":{"content":"yes"},"finish_reason":"length"}],
                       "usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
        let found = reply(text).unwrap();
        assert_eq!((found.content.as_str(), found.finish_reason.as_str()), ("yes", "length"));
        assert_eq!((found.input_tokens, found.output_tokens), (3, 1));
        assert_eq!(reply(r#"{"choices":[{"message":{"content":""}}]}"#).unwrap().finish_reason, "stop");
    }

    #[test]
    fn answers_in_another_form_are_errors() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"choices":[]}"#,
            r#"{"choices":[{"message":{"content":null}}]}"#,
            "<html>",
            &"[".repeat(99_999),
        ] {
            assert!(reply(text).is_err(), "{text}");
        }
    }
}
