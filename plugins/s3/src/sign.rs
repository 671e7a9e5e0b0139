//! Responsible for signatures of requests (AWS Signature Version 4).
//! Leaves where keys and time come from to `call`.

use hmac::{Hmac, KeyInit, Mac};
use outgoing::Request;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Who signs.
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// When a request is signed, in UTC.
pub struct Time {
    /// Such as `20130524`.
    day: String,
    /// Such as `20130524T000000Z`.
    full: String,
}

impl Time {
    /// The time so many seconds after 1970.
    pub fn of(seconds: u64) -> Self {
        let (year, month, day) = date(seconds / 86_400);
        let day = format!("{year:04}{month:02}{day:02}");
        let [hour, minute, second] = [seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60];
        Self { full: format!("{day}T{hour:02}{minute:02}{second:02}Z"), day }
    }
}

/// Year, month and day so many days after 1970, in years that begin in March, so that a leap day ends one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

/// Returns the request with the headers that prove who sends it; none if its URL is none.
pub fn signed(mut request: Request, keys: &Keys, region: &str, time: &Time) -> Option<Request> {
    let (_, rest) = request.url.split_once("://")?;
    let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let payload = hex(&Sha256::digest(&request.body));
    let mut headers = request.headers.clone();
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    add("x-amz-content-sha256", &payload);
    add("x-amz-date", &time.full);
    if let Some(token) = &keys.token {
        add("x-amz-security-token", token);
    }
    let mut covered = headers.clone();
    covered.push(("host".to_owned(), host.to_owned()));
    covered.sort();
    let names = covered.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: Vec<String> =
        covered.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let lines = lines.concat();
    let path = if path.is_empty() { "/" } else { path };
    let canonical = format!("{}\n{path}\n{}\n{lines}\n{names}\n{payload}", request.method, sorted(query));
    let scope = format!("{}/{region}/s3/aws4_request", time.day);
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", time.full, hex(&Sha256::digest(canonical)));
    let key = [time.day.as_str(), region, "s3", "aws4_request"];
    let first = format!("AWS4{}", keys.secret).into_bytes();
    let key = key.iter().fold(first, |key, part| code(&key, part));
    let signature = hex(&code(&key, &text));
    let proof = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    );
    headers.push(("authorization".to_owned(), proof));
    request.headers = headers;
    Some(request)
}

/// The parts of a query by name, as they are signed.
fn sorted(query: &str) -> String {
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.sort_unstable();
    parts.join("&")
}

/// HMAC takes keys of any length; the crate's `Result` is for other codes.
fn code(key: &[u8], text: &str) -> Vec<u8> {
    let code = Hmac::<Sha256>::new_from_slice(key).map(|mut code| {
        code.update(text.as_bytes());
        code.finalize().into_bytes().to_vec()
    });
    code.unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// Text in a URL: letters, digits, `-._~` and those of `kept` stay.
pub fn escaped(text: &str, kept: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric()
            || "-._~".contains(letter)
            || (letter.is_ascii() && kept.contains(letter))
        {
            escaped.push(letter);
        } else {
            _ = write!(escaped, "%{byte:02X}"); // writing to a text cannot fail
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Amazon's documentation of signatures.
    fn signature(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let request = Request {
            method: method.to_owned(),
            url: format!("https://examplebucket.s3.amazonaws.com{path}"),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.to_vec(),
        };
        let signed = signed(request, &keys, "us-east-1", &Time::of(1_369_353_600)).unwrap();
        let proof = signed.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        proof.1.split("Signature=").nth(1).unwrap().to_owned()
    }

    #[test]
    fn signatures_of_published_examples() {
        assert_eq!(
            signature("GET", "/test.txt", &[("range", "bytes=0-9")], b""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            signature("GET", "/?max-keys=2&prefix=J", &[], b""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
        let put = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        assert_eq!(
            signature("PUT", "/test%24file.text", &put, b"Welcome to Amazon S3."),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
    }

    #[test]
    fn times_are_utc() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (1_369_353_600, "20130524T000000Z"),
            (1_709_208_000, "20240229T120000Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            assert_eq!(Time::of(seconds).full, expected);
        }
    }
}
