//! Names of interfaces as components have them, `ns:package/interface@1.2.3`, and which versions fit.
//! `sandbox` reads the names from components, the manifest writes them as keys of `imports`.

/// Splits a name into the interface and its version; a plain name has none.
#[must_use]
pub fn split_version(name: &str) -> (&str, Option<&str>) {
    name.split_once('@').map_or((name, None), |(interface, version)| (interface, Some(version)))
}

/// Returns whether two names are of one interface, in versions that are compatible by the rules of semantic versioning.
#[must_use]
pub fn are_compatible(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (split_version(one), split_version(other)) {
        ((one, Some(first)), (other, Some(second))) => {
            one == other && track(first).is_some_and(|first| track(second) == Some(first))
        }
        _ => false, // without a version only equal names fit
    }
}

/// Orders versions of one compatible track.
#[must_use]
pub fn version_numbers(name: &str) -> Vec<u64> {
    let version = split_version(name).1.unwrap_or_default();
    version.split(['.', '+']).map_while(|number| number.parse().ok()).collect()
}

/// Returns the leading numbers that compatible versions share; none for a prerelease and for `0.0.x`.
fn track(version: &str) -> Option<(u64, u64)> {
    let version = version.split('+').next().filter(|version| !version.contains('-'))?;
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    match (major, minor) {
        (0, 0) => None,
        (0, minor) => Some((0, minor)),
        (major, _) => Some((major, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_fit_by_the_rules_of_semantic_versioning() {
        for (one, other, fit) in [
            ("a:b/c@1.0.0", "a:b/c@1.2.3", true),
            ("a:b/c@1.0.0", "a:b/c@2.0.0", false),
            ("a:b/c@0.2.0", "a:b/c@0.2.9", true),
            ("a:b/c@0.2.0", "a:b/c@0.3.0", false),
            ("a:b/c@0.0.1", "a:b/c@0.0.2", false),
            ("a:b/c@0.0.1", "a:b/c@0.0.1", true),
            ("a:b/c@1.0.0-rc.1", "a:b/c@1.0.0", false),
            ("a:b/c@1.0.0+build", "a:b/c@1.0.1", true),
            ("a:b/c@1.0.0", "a:b/d@1.0.0", false),
            ("a:b/c", "a:b/c@1.0.0", false),
            ("a:b/c@x", "a:b/c@1.0.0", false),
            ("log", "log", true),
        ] {
            assert_eq!(are_compatible(one, other), fit, "{one} {other}");
            assert_eq!(are_compatible(other, one), fit, "{other} {one}");
        }
        assert!(version_numbers("a:b/c@1.10.0") > version_numbers("a:b/c@1.9.3"));
    }
}
