//! Responsible for failures: whether another attempt can help, and when.
//! Leaves requests to `send`.

use crate::Response;
use crate::date;

/// Bounds what a message quotes of an answer, in characters.
const MAX_QUOTE: usize = 500;

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether another attempt can help.
    pub is_transient: bool,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    pub message: String,
    /// After how many seconds the server wants to be asked again.
    pub retry_after: Option<u32>,
}

impl Failure {
    /// A failure that another attempt meets again.
    #[must_use]
    pub fn permanent(message: &str) -> Self {
        Self { is_transient: false, status: None, message: message.to_owned(), retry_after: None }
    }

    /// A failure that another attempt may not meet.
    #[must_use]
    pub fn transient(message: &str) -> Self {
        Self { is_transient: true, ..Self::permanent(message) }
    }
}

/// What an answer that refuses means: 408, 425, 429 and 500 or above may be another one later, but 501 and 505.
#[must_use]
pub fn refusal(response: &Response) -> Failure {
    let status = response.status;
    let is_transient = matches!(status, 408 | 425 | 429) || (status >= 500 && !matches!(status, 501 | 505));
    let quote: String = String::from_utf8_lossy(&response.body).trim().chars().take(MAX_QUOTE).collect();
    let message =
        if quote.is_empty() { format!("status {status}") } else { format!("status {status}: {quote}") };
    let retry_after = if is_transient { retry_after(response) } else { None };
    Failure { is_transient, status: Some(status), message, retry_after }
}

/// Seconds, or a date, which the server's own clock makes seconds: a component may have no clock.
fn retry_after(response: &Response) -> Option<u32> {
    let value = response.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(seconds);
    }
    let now = date::seconds(response.header("date")?)?;
    let then = date::seconds(value)?;
    u32::try_from((then - now).max(0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Failure {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        refusal(&Response { status, headers, body: body.to_vec(), url: String::new() })
    }

    #[test]
    fn status_tells_whether_to_try_again() {
        for (status, is_transient) in [
            (400, false),
            (401, false),
            (404, false),
            (408, true),
            (425, true),
            (429, true),
            (500, true),
            (501, false),
            (503, true),
            (505, false),
            (599, true),
            (304, false),
        ] {
            let failure = answer(status, &[], b"");
            assert_eq!((failure.is_transient, failure.status), (is_transient, Some(status)), "{status}");
        }
    }

    #[test]
    fn server_tells_when() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (headers, expected) in [
            (&[("retry-after", "120")][..], Some(120)),
            (&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30)),
            (&[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "99999999999")], None),
            (&[], None),
        ] {
            assert_eq!(answer(503, headers, b"").retry_after, expected, "{headers:?}");
        }
        assert_eq!(answer(404, &[("retry-after", "5")], b"").retry_after, None);
    }

    #[test]
    fn message_quotes_the_answer() {
        assert_eq!(answer(404, &[], b" no such thing\n").message, "status 404: no such thing");
        assert_eq!(
            answer(500, &[], &[0xff; 9_999]).message.chars().count(),
            "status 500: ".len() + MAX_QUOTE
        );
    }
}
