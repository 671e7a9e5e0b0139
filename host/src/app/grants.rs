//! Resolves the manifest's grants on this host: reads variables, finds folders.
//! `sandbox` enforces the grants.

use crate::config::{Environment, NotText};
use crate::graph::Manifests;
use crate::invoke;
use crate::manifest::{Grants, Preopen};
use crate::model::{Digest, Digester, Fault, Faults, Spanned};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Resolved grants, and the digest of those parts that determine a result.
pub(crate) struct Resolved {
    pub(crate) grants: invoke::Grants,
    pub(crate) digest: Digest,
}

/// Checks every grant of the manifests once, whether or not a task uses it.
pub(crate) fn check(manifests: &Manifests, environment: &Environment, faults: &mut Faults) {
    for manifest in manifests.all() {
        let component_grants = manifest.components.values().map(|component| &component.grants);
        let task_grants = manifest.tasks.values().filter_map(|task| task.grants.as_deref());
        for written in component_grants.chain(task_grants) {
            resolve(written, &manifest.folder, environment, faults);
        }
    }
}

/// Resolves grants on this host. `folder` is the manifest's folder. Paths below it are digested relative to it, so
/// that the same checkout elsewhere gives the same digest.
pub(crate) fn resolve(
    written: &Grants,
    folder: &Path,
    environment: &Environment,
    faults: &mut Faults,
) -> Resolved {
    let env = variables(written, environment, faults);
    let digest = digest(written, &env, folder);
    let grants = invoke::Grants {
        env,
        args: written.args.clone(),
        read: folders(&written.read, faults),
        write: folders(&written.write, faults),
        http: values(&written.http),
        tcp: values(&written.tcp),
        dns: written.dns,
        clock: written.clock,
        random: written.random,
        context: written.context,
        keyvalue: buckets(written).into_iter().collect(),
    };
    Resolved { grants, digest }
}

/// `NAME=value` sets a variable, `NAME` passes one on; a variable that this host lacks stays unset.
fn variables(written: &Grants, environment: &Environment, faults: &mut Faults) -> Vec<(String, String)> {
    let has_values = written.env.iter().any(|entry| entry.value.contains('='));
    let mut variables = Vec::with_capacity(written.env.len());
    for entry in &written.env {
        if let Some((name, value)) = entry.value.split_once('=') {
            variables.push((name.to_owned(), value.to_owned()));
            continue;
        }
        match environment.get(&entry.value) {
            Ok(value) => variables.extend(value.map(|value| (entry.value.clone(), value.to_owned()))),
            Err(variable) => {
                let fault = Fault::spanned(entry.span.clone(), variable.to_string()).help(NotText::help());
                // Values on the same line may be secrets.
                faults.push(if has_values { fault.secret() } else { fault });
            }
        }
    }
    variables
}

/// Returns the names of buckets without duplicates.
fn buckets(written: &Grants) -> BTreeSet<String> {
    written.keyvalue.iter().map(|bucket| bucket.value.clone()).collect()
}

fn folders(written: &[Spanned<Preopen>], faults: &mut Faults) -> Vec<(PathBuf, String)> {
    for folder in written {
        let host = &folder.value.host;
        let fault = |problem| Fault::spanned(folder.span.clone(), format!("`{}` {problem}", host.display()));
        match std::fs::read_dir(host) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => faults.push(
                fault("does not exist on this host").help("create the folder, or grant an existing one"),
            ),
            Err(error) if error.kind() == ErrorKind::NotADirectory => faults.push(
                fault("is a file, not a folder")
                    .help("grant the folder of the file; single files cannot be granted"),
            ),
            Err(error) => faults.push(fault("cannot be opened").note(error.to_string())),
        }
    }
    written.iter().map(|folder| (folder.value.host.clone(), folder.value.guest.clone())).collect()
}

fn values<T: Clone>(granted: &[Spanned<T>]) -> Vec<T> {
    granted.iter().map(|granted| granted.value.clone()).collect()
}

fn texts<T: ToString>(granted: &[Spanned<T>]) -> Vec<String> {
    granted.iter().map(|granted| granted.value.to_string()).collect()
}

fn digest(written: &Grants, env: &[(String, String)], folder: &Path) -> Digest {
    // Destructured, so that no grant is left out of the key under which results are shared.
    let Grants {
        span: _,
        is_partial: _,
        env: _,
        args,
        read,
        write,
        http,
        tcp,
        dns,
        clock,
        random,
        context,
        keyvalue,
    } = written;
    let mut digester = Digester::new("cascade grants 1");
    let mut list = |key: &str, values: &[String]| {
        digester.field(key.as_bytes()).number(u64::try_from(values.len()).unwrap_or(u64::MAX));
        values.iter().for_each(|value| {
            digester.field(value.as_bytes());
        });
    };
    let paths = |folders: &[Spanned<Preopen>]| -> Vec<String> {
        let shown = |host: &Path| host.strip_prefix(folder).unwrap_or(host).display().to_string();
        folders.iter().flat_map(|granted| [shown(&granted.value.host), granted.value.guest.clone()]).collect()
    };
    list("env", &env.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect::<Vec<_>>());
    list("args", args);
    list("read", &paths(read));
    list("write", &paths(write));
    let network = [("http", texts(http)), ("tcp", texts(tcp))];
    // Empty lists are left out: grants without a network keep the digests from before network grants existed.
    network.iter().filter(|(_, granted)| !granted.is_empty()).for_each(|(key, granted)| list(key, granted));
    let switches = [("clock", *clock), ("random", *random), ("context", *context), ("dns", *dns)];
    list(
        "switches",
        &switches.iter().filter(|(_, on)| *on).map(|(key, _)| (*key).to_owned()).collect::<Vec<_>>(),
    );
    // Left out if empty: tasks without buckets keep the digests from before buckets existed.
    if !keyvalue.is_empty() {
        list("keyvalue", &buckets(written).into_iter().collect::<Vec<_>>());
    }
    digester.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Source, UrlPrefix};
    use std::collections::HashSet;

    fn env(entries: &[&str]) -> Grants {
        let env = entries.iter().map(|entry| Spanned::new((*entry).to_owned(), 0..0)).collect();
        Grants { env, ..Grants::default() }
    }

    fn resolved(written: &Grants, environment: &Environment) -> (Resolved, Faults) {
        let mut faults = Faults::none(Source { name: "m.toml".into(), text: "".into() });
        (resolve(written, Path::new("/m"), environment, &mut faults), faults)
    }

    #[test]
    fn variables_are_passed_on_or_set_and_their_values_change_the_digest() {
        let german = Environment::from([("LANG", "de"), ("SECRET", "x")]);
        let (granted, faults) = resolved(&env(&["LANG", "MODE=fast", "UNSET"]), &german);
        assert!(faults.is_empty());
        assert_eq!(granted.grants.env, [("LANG".into(), "de".into()), ("MODE".into(), "fast".into())]);
        let english = Environment::from([("LANG", "en")]);
        assert_ne!(granted.digest, resolved(&env(&["LANG", "MODE=fast", "UNSET"]), &english).0.digest);
    }

    #[test]
    fn folders_below_the_manifest_are_digested_relative_to_it() {
        let read = |host: &str| Grants {
            read: vec![Spanned::new(Preopen { host: host.into(), guest: "/data".into() }, 0..0)],
            ..Grants::default()
        };
        let digest = |host, folder| digest(&read(host), &[], Path::new(folder));
        assert_eq!(digest("/m/data", "/m"), digest("/n/data", "/n"));
        assert_ne!(digest("/m/data", "/m"), digest("/m/other", "/m"));
    }

    #[test]
    fn bucket_names_change_the_digest_whatever_their_order() {
        let keyvalue = |names: &[&str]| {
            let keyvalue = names.iter().map(|name| Spanned::new((*name).to_owned(), 0..0)).collect();
            Grants { keyvalue, ..Grants::default() }
        };
        let digest = |names| digest(&keyvalue(names), &[], Path::new("/m"));
        assert_ne!(digest(&["a"]), digest(&[]));
        assert_ne!(digest(&["a"]), digest(&["b"]));
        assert_eq!(digest(&["a", "b"]), digest(&["b", "a", "b"]));
        let (granted, faults) = resolved(&keyvalue(&["b", "a", "b"]), &Environment::default());
        assert!(faults.is_empty());
        assert_eq!(granted.grants.keyvalue, ["a", "b"]);
    }

    #[test]
    fn every_network_grant_changes_the_digest() {
        let prefix = |text| Spanned::new(UrlPrefix::parse(text).unwrap(), 0..0);
        let endpoint = |text| Spanned::new(Endpoint::parse(text).unwrap(), 0..0);
        let all = [
            Grants::default(),
            Grants { dns: true, ..Grants::default() },
            Grants { http: vec![prefix("http://h/")], ..Grants::default() },
            Grants { http: vec![prefix("http://h/a")], ..Grants::default() },
            Grants { http: vec![prefix("http://h/"), prefix("http://h/a")], ..Grants::default() },
            Grants { tcp: vec![endpoint("h:80")], ..Grants::default() },
            Grants { tcp: vec![endpoint("h:81")], ..Grants::default() },
        ];
        let digests: HashSet<Digest> =
            all.iter().map(|written| digest(written, &[], Path::new("/m"))).collect();
        assert_eq!(digests.len(), all.len());
        let (granted, faults) = resolved(&all[4], &Environment::default());
        assert!(faults.is_empty() && granted.grants.http.len() == 2);
    }
}
