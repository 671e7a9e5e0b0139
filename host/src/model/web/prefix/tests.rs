//! Tests which URLs a prefix allows, as tables: plain ones, and those of an attacker.
//! `target` tests the normal form.

use super::*;

fn allows(prefix: &str, url: &str) -> bool {
    // An unparsable URL is never sent, as in the HTTP hook.
    Url::parse(url).is_ok_and(|url| UrlPrefix::parse(prefix).unwrap().allows(&url))
}

#[test]
fn prefix_allows_urls_below_it() {
    for (prefix, url) in [
        ("https://api.example.com", "https://api.example.com/"),
        ("https://api.example.com", "https://api.example.com/any/thing?q=1"),
        ("https://api.example.com", "https://API.EXAMPLE.COM:443/x"),
        ("https://api.example.com:443", "https://api.example.com/x"),
        ("https://api.example.com", "https://api.example.com./x"),
        ("HTTPS://API.example.com", "https://api.example.com/x"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/a"),
        ("http://127.0.0.1:8080/", "http://0x7f.1:8080/a"),
        ("http://[::1]:8080/", "http://[0:0:0:0:0:0:0:1]:8080/a"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://xn--bcher-kva.example/", "http://bücher.example/"),
        ("http://h/v1", "http://h/v1"),
        ("http://h/v1", "http://h/v1/a"),
        ("http://h/v1", "http://h/v1?q"),
        ("http://h/v1/", "http://h/v1/"),
        ("http://h/v1/", "http://h/v1/a/b"),
        ("http://h/v1/", "http://h/v1/a/../b"),
        ("http://h/v1/", "http://h/%76%31/a"),
        ("http://h/v1/", "http://h/v1/projects/group%2Fproject"),
        ("http://h/v1/", "http://h/v1/a?path=../../admin"),
        ("http://h/v1/", "http://h/v1/50%"),
        ("http://h/", "http://h/a%2f..%2fb"),
        ("http://h/a%2Fb/", "http://h/a%2fb/c"),
        ("http://h/", "http://h/a%00b"),
        ("http://h/~me/", "http://h/%7Eme/a"),
    ] {
        assert!(allows(prefix, url), "{prefix} {url}");
    }
}

/// URLs of an attacker who wants to bypass `https://api.example.com/v1/`.
const HOSTILE: &[&str] = &[
    // Another scheme, host or port.
    "http://api.example.com/v1/",
    "http://api.example.com:443/v1/",
    "https://api.example.com:80/v1/",
    "https://api.example.com:8443/v1/",
    "https://api.example.com:0/v1/",
    "https://api.example.com:4433/v1/",
    "https://example.com/v1/",
    "https://evil.api.example.com/v1/",
    "https://api.example.com.evil.com/v1/",
    "https://api.example.comevil.com/v1/",
    "https://api.example.com../v1/",
    "https://.api.example.com/v1/",
    "https://api-example.com/v1/",
    "https://api.example.co/v1/",
    "https://xn--api.example.com/v1/",
    "https://аpi.example.com/v1/", // the first letter is Cyrillic
    "https://api%2eexample%2ecom%2eevil.com/v1/",
    "https://api.example.com%2f@evil.com/v1/",
    "https://api.example.com%23.evil.com/v1/",
    "https://api.example.com%00.evil.com/v1/",
    "https://evil.com/api.example.com/v1/",
    "https://evil.com/https://api.example.com/v1/",
    "https://evil.com?https://api.example.com/v1/",
    "https://evil.com#https://api.example.com/v1/",
    "ftp://api.example.com/v1/",
    "file://api.example.com/v1/",
    "wss://api.example.com/v1/",
    "javascript://api.example.com/v1/",
    "//api.example.com/v1/",
    "api.example.com/v1/",
    "",
    // A user, or a lookalike of one.
    "https://api.example.com@evil.com/v1/",
    "https://api.example.com:443@evil.com/v1/",
    "https://user:pass@api.example.com/v1/",
    "https://@api.example.com/v1/",
    "https://api.example.com\\@evil.com/v1/",
    "https://evil.com\\@api.example.com/v1/",
    "https://evil.com/@api.example.com/v1/",
    "https://[::1]@api.example.com/v1/",
    "https://api.example.com&@evil.com/v1/",
    // Addresses in any notation.
    "https://127.0.0.1/v1/",
    "https://0x7f.1/v1/",
    "https://2130706433/v1/",
    "https://0177.0.0.1/v1/",
    "https://127.1/v1/",
    "https://[::1]/v1/",
    "https://[::ffff:127.0.0.1]/v1/",
    "https://[::]/v1/",
    "https://169.254.169.254/v1/",
    "https://0/v1/",
    "https://localhost/v1/",
    // Paths that only look like subpaths.
    "https://api.example.com/",
    "https://api.example.com/v1",
    "https://api.example.com/v10/",
    "https://api.example.com/v1x/",
    "https://api.example.com/V1/",
    "https://api.example.com/v1;/a",
    "https://api.example.com/v1;x=/../admin",
    "https://api.example.com/v2/v1/",
    "https://api.example.com//v1/",
    "https://api.example.com/v1%2fa",
    "https://api.example.com/v1%2F",
    "https://api.example.com/v1%3f/",
    "https://api.example.com/v1%00/",
    "https://api.example.com/./v1%20/",
    // Paths that leave the prefix again.
    "https://api.example.com/v1/../admin",
    "https://api.example.com/v1/..",
    "https://api.example.com/v1/a/../../admin",
    "https://api.example.com/v1/%2e%2e/admin",
    "https://api.example.com/v1/%2E%2e/admin",
    "https://api.example.com/v1/.%2e/admin",
    "https://api.example.com/v1/..%2fadmin",
    "https://api.example.com/v1/..%2Fadmin",
    "https://api.example.com/v1/..%5cadmin",
    "https://api.example.com/v1/%2e%2e%2fadmin",
    "https://api.example.com/v1/%252e%252e/admin",
    "https://api.example.com/v1/%252e%252e%252fadmin",
    "https://api.example.com/v1/%25252e%25252e%25252fadmin",
    "https://api.example.com/v1/..%252fadmin",
    "https://api.example.com/v1/a%2f..%2f..%2fadmin",
    "https://api.example.com/v1/..;/admin",
    "https://api.example.com/v1/..;a=b/admin",
    "https://api.example.com/v1/%2e%2e;/admin",
    "https://api.example.com/v1/..%3b/admin",
    "https://api.example.com/v1//../../admin",
    "https://api.example.com/v1\\..\\admin",
    "https://api.example.com/v1/..\\admin",
    "https://api.example.com/v1/..%00/admin",
    "https://api.example.com/v1/..%0d%0a/admin",
    "https://api.example.com/v1/..%09/admin",
    "https://api.example.com/v1/%c0%ae%c0%ae/admin",
    "https://api.example.com/v1/%c0%ae%c0%ae%c0%afadmin",
    "https://api.example.com/v1/.\t./admin",
    "https://api.example.com/v1/.\n./admin",
    "https://api.example.com/v1/../../../../etc/passwd",
];

#[test]
fn nothing_gets_past_a_prefix() {
    assert!(HOSTILE.len() >= 60);
    let passed: Vec<_> = HOSTILE.iter().filter(|url| allows("https://api.example.com/v1/", url)).collect();
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn request_is_sent_in_its_normal_form() {
    let prefix = UrlPrefix::parse("https://api.example.com/v1/").unwrap();
    // Unusual spellings, which normalisation removes before a server sees them.
    for (path, sent) in [
        ("/v1/a/../b", "/v1/b"),
        ("/v1/a/.\t./b", "/v1/b"),
        ("/v1//../b", "/v1/b"),
        ("/v1/\\..\\b", "/v1/b"),
        ("/v1/%00/../b", "/v1/b"),
        ("/v1/..%20/../b", "/v1/b"),
        ("/v2/../v1/b?c#d", "/v1/b?c"),
    ] {
        let url = Url::parse(&format!("https://api.example.com{path}")).unwrap();
        assert!(prefix.allows(&url), "{path}");
        assert_eq!(url.path_and_query(), sent, "{path}");
    }
}

#[test]
fn prefixes_are_written_in_their_normal_form() {
    for (text, kept) in [
        ("https://example.com", "https://example.com/"),
        ("HTTP://Example.com:80/A", "http://example.com/A"),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://[::1]", "http://[::1]/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://localhost:1/", "http://localhost:1/"),
    ] {
        assert_eq!(UrlPrefix::parse(text).map(|prefix| prefix.to_string()), Ok(kept.to_owned()), "{text}");
    }
    for (text, normal) in [
        ("http://h/a/../b/", "http://h/b/"),
        ("http://h/a/%2e%2e/b/", "http://h/b/"),
        ("http://h/%61/", "http://h/a/"),
        ("http://h/a%2fb/", "http://h/a%2Fb/"),
        ("http://h\\a/", "http://h/a/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1:80/", "http://127.0.0.1/"),
        ("http://[0:0::1]/", "http://[::1]/"),
        ("http://example.com./", "http://example.com/"),
        ("http://ex%61mple.com/", "http://example.com/"),
    ] {
        let fault = UrlPrefixFault::NotNormal { normal: normal.to_owned() };
        assert_eq!(UrlPrefix::parse(text), Err(fault), "{text}");
    }
}

#[test]
fn invalid_prefixes_are_rejected() {
    for (text, fault) in [
        ("example.com", UrlPrefixFault::Scheme),
        ("ftp://a/", UrlPrefixFault::Scheme),
        ("http:/h/", UrlPrefixFault::Scheme),
        ("http://", UrlPrefixFault::Host),
        ("http://h:x/", UrlPrefixFault::Host),
        ("http://h:0/", UrlPrefixFault::Host),
        ("http://[::1/", UrlPrefixFault::Host),
        ("https://u:p@h/", UrlPrefixFault::User),
        ("https://h/?q", UrlPrefixFault::Query),
        ("https://h/#f", UrlPrefixFault::Query),
        ("https://*.h/", UrlPrefixFault::Wildcard),
        ("https://h/a b", UrlPrefixFault::Wildcard),
        ("https://h/%00/", UrlPrefixFault::Path),
        ("https://h/%C0%AE/", UrlPrefixFault::Path),
    ] {
        assert_eq!(UrlPrefix::parse(text), Err(fault), "{text}");
    }
}
