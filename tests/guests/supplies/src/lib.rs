//! Interfaces that published components import: facts about mail domains, and a tool for scripts.
//! The components themselves come from registries.

wit_bindgen::generate!({ path: "wit", generate_all });

use exports::arcjet::js_req::email_validator_overrides::{Guest as Mail, ValidatorResponse};
use exports::arcjet::js_req::filter_overrides::Guest as Addresses;
use exports::hyperlight::sandbox::tools::Guest as Tools;

struct Supplies;

impl Mail for Supplies {
    fn is_free_email(domain: String) -> ValidatorResponse {
        if domain == "free.example.com" { ValidatorResponse::Yes } else { ValidatorResponse::No }
    }

    fn is_disposable_email(domain: String) -> ValidatorResponse {
        if domain == "thrown-away.example.com" { ValidatorResponse::Yes } else { ValidatorResponse::No }
    }

    fn has_mx_records(domain: String) -> ValidatorResponse {
        if domain == "nowhere.example.com" { ValidatorResponse::No } else { ValidatorResponse::Yes }
    }

    fn has_gravatar(_email: String) -> ValidatorResponse {
        ValidatorResponse::Unknown
    }
}

impl Addresses for Supplies {
    fn ip_lookup(_ip: String) -> Option<String> {
        None
    }
}

impl Tools for Supplies {
    fn dispatch(name: String, args_json: String) -> Result<String, String> {
        match name.as_str() {
            // The length of what it was given: an answer that no interpreter can have by itself.
            "measure" => Ok(format!("{{\"bytes\":{}}}", args_json.len())),
            unknown => Err(format!("there is no tool {unknown}")),
        }
    }
}

export!(Supplies);
