//! Responsible for bytes as text: base64, hexadecimal digits, UTF-8.
//! Leaves digests to `digests`.

use crate::{Encoding, Error};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Reads with and without `=` at the end.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT.with_encode_padding(false));

/// Writes bytes.
pub fn encode(data: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Base64 => BASE64.encode(data),
        Encoding::Base64url => BASE64URL.encode(data),
        Encoding::Hex => data.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect(),
    }
}

fn digit(number: u8) -> char {
    char::from_digit(u32::from(number), 16).unwrap_or('0')
}

/// Reads bytes.
pub fn decode(text: &str, encoding: Encoding) -> Result<Vec<u8>, Error> {
    let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let malformed = |error: base64::DecodeError| Error::Malformed(error.to_string());
    match encoding {
        Encoding::Base64 => BASE64.decode(text).map_err(malformed),
        Encoding::Base64url => BASE64URL.decode(text).map_err(malformed),
        Encoding::Hex => from_hex(&text),
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, Error> {
    let digits = (0..).zip(text.chars()).map(|(at, letter): (usize, char)| {
        let digit = letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        digit.ok_or_else(|| Error::Malformed(format!("{letter:?} at {at} is no hexadecimal digit")))
    });
    let digits = digits.collect::<Result<Vec<u8>, Error>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Ok(high * 16 + low),
        _ => Err(Error::Malformed(format!("{} hexadecimal digits: the number is odd", digits.len()))),
    });
    bytes.collect()
}

/// Returns the text that bytes are.
pub fn text(data: Vec<u8>) -> Result<String, Error> {
    let place = |error: std::string::FromUtf8Error| error.utf8_error().valid_up_to();
    String::from_utf8(data).map_err(|error| Error::NotUtf8(u32::try_from(place(error)).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Encoding; 3] = [Encoding::Base64, Encoding::Base64url, Encoding::Hex];

    #[test]
    fn bytes_come_back() {
        let data: Vec<u8> = (0..=255).collect();
        for end in 0..data.len() {
            for encoding in ALL {
                assert_eq!(decode(&encode(&data[..end], encoding), encoding).unwrap(), data[..end]);
            }
        }
        assert_eq!(encode(&[251, 255], Encoding::Base64), "+/8=");
        assert_eq!(encode(&[251, 255], Encoding::Base64url), "-_8");
    }

    #[test]
    fn usual_forms_are_read() {
        assert_eq!(decode(" +/8\n", Encoding::Base64).unwrap(), [251, 255]);
        assert_eq!(decode("-_8=", Encoding::Base64url).unwrap(), [251, 255]);
        assert_eq!(decode("FB ff", Encoding::Hex).unwrap(), [251, 255]);
    }

    #[test]
    fn other_text_is_an_error() {
        for (text, encoding) in [
            ("a", Encoding::Base64),
            ("-_8=", Encoding::Base64),
            ("+/8=", Encoding::Base64url),
            ("ab=c", Encoding::Base64),
            ("abc", Encoding::Hex),
            ("0x", Encoding::Hex),
            ("ä", Encoding::Hex),
        ] {
            assert!(matches!(decode(text, encoding), Err(Error::Malformed(_))), "{text}");
        }
        assert!(matches!(super::text(vec![b'a', 0xff]), Err(Error::NotUtf8(1))));
    }
}
