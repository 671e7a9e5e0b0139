//! Responsible for the exports that `wit/s3.wit` promises.
//! Leaves requests to `call`, signatures to `sign` and lists to `listing`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod call;
mod listing;
mod sign;

use exports::cascade::s3::s3::{Bucket, Entry, Error, Failure, Guest};

struct Plugin;

impl Guest for Plugin {
    fn get(bucket: Bucket, key: String) -> Result<Vec<u8>, Error> {
        Ok(call::object("GET", &bucket, &key)?.body)
    }

    fn get_text(bucket: Bucket, key: String) -> Result<String, Error> {
        call::object("GET", &bucket, &key)?.into_text().map_err(call::error)
    }

    fn put(
        bucket: Bucket,
        key: String,
        content: Vec<u8>,
        content_type: Option<String>,
    ) -> Result<String, Error> {
        call::put(&bucket, key, content, content_type.as_deref().unwrap_or("application/octet-stream"))
    }

    fn put_text(
        bucket: Bucket,
        key: String,
        content: String,
        content_type: Option<String>,
    ) -> Result<String, Error> {
        let content_type = content_type.as_deref().unwrap_or("text/plain; charset=utf-8");
        call::put(&bucket, key, content.into_bytes(), content_type)
    }

    fn delete(bucket: Bucket, key: String) -> Result<(), Error> {
        match call::object("DELETE", &bucket, &key) {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn entries(bucket: Bucket, prefix: String) -> Result<Vec<Entry>, Error> {
        listing::entries(&prefix, |query| call::query(&bucket, query))
    }
}

export!(Plugin);
