//! Reads the memory limit of this process's control group and all its ancestors.
//! Supports cgroup versions 1 and 2 at any mount point; other limits of the machine are in `machine`.

use std::path::{Path, PathBuf};

/// Returns the smallest memory limit of this process's groups, in bytes; `None` if there is none.
pub(crate) fn memory() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let groups = read(Path::new("/proc/self/cgroup"))?;
    min_limit(&mounts, &groups, read)
}

/// Returns the smallest limit of all groups. Without a limit, version 2 reads `max` and version 1 an enormous number.
fn min_limit(mounts: &str, groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let mounts = mounts.lines().filter_map(Mount::parse);
    let bounds = mounts.flat_map(|mount| mount.files(groups));
    bounds.filter_map(|file| read(&file)?.trim().parse().ok()).min()
}

/// A mount point of groups that limit memory.
struct Mount<'a> {
    version: Version,
    /// The group visible at the mount point: a container sees only its own subtree.
    root: &'a str,
    path: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl<'a> Mount<'a> {
    /// Parses a line of `/proc/self/mountinfo`: `36 35 0:30 ROOT PATH OPTIONS … - TYPE SOURCE OPTIONS`.
    fn parse(line: &'a str) -> Option<Self> {
        let (location, kind) = line.split_once(" - ")?;
        let mut location = location.split(' ').skip(3);
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", Some(options)) if options.split(',').any(|option| option == "memory") => Version::One,
            _ => return None, // another file system, or groups without the memory controller
        };
        Some(Self { version, root: location.next()?, path: location.next()? })
    }

    /// Returns the limit files of this process's group and its visible ancestors.
    fn files(&self, groups: &str) -> Vec<PathBuf> {
        let own = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let is_memory_group = match self.version {
                Version::One => controllers.split(',').any(|controller| controller == "memory"),
                Version::Two => controllers.is_empty(),
            };
            is_memory_group.then_some(path)
        });
        let below = own.and_then(|own| Path::new(own).strip_prefix(self.root).ok());
        let is_plain =
            |path: &&Path| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let below = below.filter(is_plain).unwrap_or(Path::new(""));
        let file = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        below.ancestors().map(|group| Path::new(self.path).join(group).join(file)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n22 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
    const ONE: &str = "31 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                       32 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    fn limit(mounts: &str, groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        min_limit(mounts, groups, |path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| format!("{text}\n"))
        })
    }

    #[test]
    fn smallest_limit_of_all_ancestors_applies() {
        let files = [
            ("/sys/fs/cgroup/system.slice/job.service/inner/memory.max", "max"),
            ("/sys/fs/cgroup/system.slice/job.service/memory.max", "500"),
            ("/sys/fs/cgroup/system.slice/memory.max", "900"),
            ("/sys/fs/cgroup/other/memory.max", "1"),
        ];
        assert_eq!(limit(TWO, "0::/system.slice/job.service/inner\n", &files), Some(500));
        assert_eq!(limit(TWO, "0::/system.slice\n", &files), Some(900));
    }

    #[test]
    fn group_without_limit_is_ignored() {
        assert_eq!(limit(TWO, "0::/\n", &[("/sys/fs/cgroup/memory.max", "max")]), None);
        assert_eq!(limit(TWO, "0::/\n", &[]), None);
        assert_eq!(limit("", "", &[]), None);
    }

    #[test]
    fn version_one_uses_the_memory_controller() {
        let files = [
            ("/sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes", "700"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
        ];
        assert_eq!(limit(ONE, "5:cpu:/else\n4:memory:/jobs/a\n0::/\n", &files), Some(700));
    }

    #[test]
    fn container_sees_its_group_at_the_root() {
        let mounts = "32 23 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let files = [
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "800"),
            ("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "600"),
        ];
        assert_eq!(limit(mounts, "4:memory:/docker/abc\n", &files), Some(800));
        assert_eq!(limit(mounts, "4:memory:/docker/abc/inner\n", &files), Some(600));
        let own = [("/sys/fs/cgroup/memory.max", "300")];
        assert_eq!(limit(TWO, "0::/../elsewhere\n", &own), Some(300), "a group outside the visible subtree");
    }
}
