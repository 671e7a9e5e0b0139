//! Responsible for the exports that `wit/hash.wit` promises.
//! Leaves digests to `digests` and text to `encodings`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod digests;
mod encodings;

use exports::cascade::hash::hash::{Algorithm, Encoding, Entry, Error, File, Guest};

struct Plugin;

impl Guest for Plugin {
    fn digest(data: Vec<u8>, algorithm: Algorithm) -> String {
        digests::digest(&data, algorithm)
    }

    fn digest_text(text: String, algorithm: Algorithm) -> String {
        digests::digest(text.as_bytes(), algorithm)
    }

    fn digest_files(files: Vec<File>, algorithm: Algorithm) -> Vec<Entry> {
        let entry = |file: File| Entry { digest: digests::digest(&file.content, algorithm), name: file.name };
        files.into_iter().map(entry).collect()
    }

    fn hmac(key: String, text: String, algorithm: Algorithm) -> Result<String, Error> {
        digests::hmac(key.as_bytes(), text.as_bytes(), algorithm)
    }

    fn encode(data: Vec<u8>, encoding: Encoding) -> String {
        encodings::encode(&data, encoding)
    }

    fn decode(text: String, encoding: Encoding) -> Result<Vec<u8>, Error> {
        encodings::decode(&text, encoding)
    }

    fn to_bytes(text: String) -> Vec<u8> {
        text.into_bytes()
    }

    fn to_text(data: Vec<u8>) -> Result<String, Error> {
        encodings::text(data)
    }
}

export!(Plugin);
