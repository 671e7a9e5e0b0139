//! Responsible for lists of objects: page after page, and the XML of a page.
//! Leaves requests to `call`.

use crate::call;
use crate::{Entry, Error};

/// Bounds a list, which takes a request for each 1,000 objects.
const MAX_ENTRIES: usize = 100_000;

/// Lists all objects, through a function that asks the bucket.
pub fn entries(
    prefix: &str,
    ask: impl Fn(&[(&str, &str)]) -> Result<String, Error>,
) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut query = vec![("list-type", "2"), ("prefix", prefix)];
        if let Some(token) = &token {
            query.insert(0, ("continuation-token", token));
        }
        let page = ask(&query)?;
        entries.extend(elements(&page, "Contents").into_iter().map(entry).collect::<Result<Vec<_>, _>>()?);
        if entries.len() > MAX_ENTRIES {
            let message = "more than 100,000 objects; list them by longer prefixes";
            return Err(call::error(outgoing::Failure::permanent(message)));
        }
        let is_cut = text(&page, "IsTruncated").is_some_and(|value| value == "true");
        match text(&page, "NextContinuationToken").filter(|next| is_cut && token.as_ref() != Some(next)) {
            Some(next) => token = Some(next),
            None => return Ok(entries),
        }
    }
}

fn entry(element: &str) -> Result<Entry, Error> {
    let size = text(element, "Size").and_then(|size| size.parse().ok());
    let (Some(key), Some(size)) = (text(element, "Key"), size) else {
        let message = format!("the server's list has an entry without key or size: {element}");
        return Err(call::error(outgoing::Failure::permanent(&message)));
    };
    let etag = text(element, "ETag").unwrap_or_default();
    Ok(Entry { key, size, etag: etag.trim_matches('"').to_owned() })
}

/// What stands between the tags of a name. Elements of one name do not nest in such a list.
fn elements<'x>(xml: &'x str, name: &str) -> Vec<&'x str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let after = xml.split(&open).skip(1);
    after.filter_map(|rest| rest.split_once(&close)).map(|(inside, _)| inside).collect()
}

fn text(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).first().map(|inside| unescaped(inside))
}

/// The entities of XML as letters, each once.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut letters = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = part.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
        if let Some((letter, rest)) = known {
            letters.push(letter);
            letters.push_str(rest);
        } else {
            letters.push('&');
            letters.push_str(part);
        }
    }
    letters
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>\
        <Contents><Key>a&amp;lt;b&#x20;c</Key><ETag>&quot;e1&quot;</ETag><Size>5</Size></Contents>\
        <Contents><Size>0</Size><Key>d</Key></Contents></ListBucketResult>";

    #[test]
    fn entries_are_read() {
        let found = entries("", |query| {
            assert_eq!(query, [("list-type", "2"), ("prefix", "")]);
            Ok(PAGE.to_owned())
        });
        let found = found.unwrap();
        assert_eq!((found[0].key.as_str(), found[0].size, found[0].etag.as_str()), ("a&lt;b c", 5, "e1"));
        assert_eq!((found[1].key.as_str(), found[1].size, found[1].etag.as_str()), ("d", 0, ""));
    }

    #[test]
    fn pages_follow_each_other() {
        let found = entries("p", |query| {
            let second = query.contains(&("continuation-token", "t"));
            let (more, key) = if second {
                ("", "b")
            } else {
                ("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>", "a")
            };
            Ok(format!("{more}<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
        });
        assert_eq!(found.unwrap().iter().map(|entry| entry.key.as_str()).collect::<String>(), "ab");
    }

    #[test]
    fn hostile_lists_end() {
        let endless = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
        assert!(entries("", |_| Ok(endless.to_owned())).unwrap().is_empty());
        assert!(entries("", |_| Ok("<Contents></Contents>".to_owned())).is_err());
        assert!(entries("", |_| Ok("<Contents><Contents>".to_owned())).unwrap().is_empty());
    }
}
