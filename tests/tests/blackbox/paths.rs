//! Granted folders, and guests that try to leave them or to exceed their grants inside.
//! The guest calls WASI directly, so that no library normalises a path first.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::{Finished, Project};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Content of the forbidden files.
const SECRET: &str = "not for the guest";
/// Content of the file that the guest may read but not change.
const OWN: &str = "for the guest to read";

/// A readable folder and a writable one, beside a forbidden file and folder, with links of every kind that lead to
/// them.
pub(crate) fn playground() -> Project {
    let project = Project::new(&format!(
        "{}[components.g.grants]\nread = [\"in:/in\"]\nwrite = [\"out:/out\"]\n",
        component(Guest::Paths)
    ));
    let root = project.folder();
    for folder in ["in", "in/below", "out", "elsewhere"] {
        std::fs::create_dir(root.join(folder)).expect("a folder can be made");
    }
    for (file, text) in [
        ("secret", SECRET),
        ("elsewhere/secret", SECRET),
        ("in/own", OWN),
        ("in/below/own", OWN),
        ("out/mine", "mine"),
    ] {
        std::fs::write(root.join(file), text).expect("a file can be written");
    }
    for granted in ["in", "out"] {
        let link =
            |to: &str, name: &str| symlink(to, root.join(granted).join(name)).expect("a link can be made");
        link("../secret", "relative");
        link(&root.join("secret").display().to_string(), "absolute");
        link("relative", "chain");
        link("chain", "longer-chain");
        link("../elsewhere", "folder");
        link("..", "up");
        link("../made-by-the-guest", "dangling");
        link("/proc/self", "proc");
        link("/", "root");
        link("below/../../secret", "winding");
        link("loop", "loop");
    }
    project
}

fn location(folder: &str, path: &str) -> Value {
    json!({ "folder": folder, "path": path })
}

pub(crate) fn action(what: &str, at: (&str, &str), to: Option<(&str, &str)>) -> Value {
    json!({ "what": what, "at": location(at.0, at.1), "to": to.map(|to| location(to.0, to.1)) })
}

/// Has the guest perform all actions, and returns their outcomes.
pub(crate) fn act(project: &Project, actions: &[Value]) -> Vec<Value> {
    acted(project, actions).json()["t"].as_array().expect("a list").clone()
}

pub(crate) fn acted(project: &Project, actions: &[Value]) -> Finished {
    project.file("actions.json", json!({ "actions": actions }).to_string().as_bytes());
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    let head = text.split("[params").next().unwrap_or_default().to_owned();
    let body = "[params.actions]\n\
        type = \"list<record { what: string, at: record { folder: string, path: string }, to: option<record { folder: string, path: string }> }>\"\n\
        [tasks.t]\ncall = \"g.act\"\nfor-each.action = { param = \"actions\" }\n\
        args.action = { item = \"action\" }\non-error = \"value\"\n";
    project.write(&format!("{head}{body}"));
    project.host().args(["--params-file", "actions.json", "-j", "1"]).run().expect(0)
}

#[track_caller]
fn assert_untouched(project: &Project) {
    let read = |file: &str| std::fs::read_to_string(project.folder().join(file)).expect("the file is there");
    assert_eq!((read("secret"), read("elsewhere/secret")), (SECRET.to_owned(), SECRET.to_owned()));
    assert_eq!((read("in/own"), read("in/below/own")), (OWN.to_owned(), OWN.to_owned()));
    let names = |folder: &str| {
        let entries = std::fs::read_dir(project.folder().join(folder)).expect("the folder is there");
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("elsewhere"), ["secret"]);
    assert!(!names(".").contains(&"made-by-the-guest".to_owned()), "{:?}", names("."));
    assert!(!Path::new("/made-by-the-guest").exists());
    for file in ["secret", "in/own"] {
        let changed = std::fs::metadata(project.folder().join(file)).and_then(|data| data.modified());
        let age = changed.expect("it has a time").elapsed().expect("it is in the past");
        assert!(age.as_secs() < 3_600, "the time of {file} was set");
    }
}

/// Returns every form of a path that leaves the folder.
fn escaping_paths(project: &Project) -> Vec<String> {
    let root = project.folder().display();
    let mut ways: Vec<String> = [
        "../secret",
        "./../secret",
        "below/../../secret",
        "../in/../secret",
        "//../secret",
        "below/../../../../etc/passwd",
        "relative",
        "absolute",
        "chain",
        "longer-chain",
        "winding",
        "folder/secret",
        "folder/",
        "folder/.",
        "up/secret",
        "up/elsewhere/secret",
        "up/up/secret",
        "proc",
        "proc/root",
        "proc/cwd/secret",
        "proc/environ",
        "proc/fd/0",
        "root/etc/passwd",
        "root",
        "..",
        "../",
        "../..",
        "/",
        "/etc/passwd",
        "loop",
        "relative/",
        "own/../../secret",
        "../secret/",
        "up/",
        "",
        ".. /secret",
        "below/..//../secret",
    ]
    .map(str::to_owned)
    .to_vec();
    ways.extend([format!("{root}/secret"), format!("/{root}/secret"), format!("{root}/in/../secret")]);
    ways
}

#[test]
fn no_path_leaves_a_granted_folder() {
    let project = playground();
    let mut actions = Vec::new();
    for way in escaping_paths(&project) {
        for folder in ["/in", "/out"] {
            for what in
                ["read", "write", "truncate", "set-size", "touch", "times", "list", "stat", "hash", "make"]
            {
                actions.push(action(what, (folder, &way), None));
            }
        }
        // Only paths that leave the folder: the guest may remove the link itself.
        if way.contains("..") || way.starts_with('/') {
            actions.extend(["remove", "unlink", "read-link"].map(|what| action(what, ("/out", &way), None)));
        }
    }
    for (action, result) in actions.iter().zip(act(&project, &actions)) {
        // The empty path may be the folder itself, which is granted.
        assert!(result["err"].is_string() || action["at"]["path"] == "", "{action}: {result}");
    }
    assert_untouched(&project);
}

#[test]
fn paths_inside_a_granted_folder_work() {
    let project = playground();
    symlink("own", project.folder().join("in/link")).expect("a link can be made");
    let results = act(
        &project,
        &[
            action("read", ("/in", "own"), None),
            action("read", ("/in", "link"), None),
            action("read", ("/in", "below/../own"), None),
            action("list", ("/in", "below"), None),
            action("write", ("/out", "new"), None),
            action("read", ("/out", "new"), None),
            action("rename", ("/out", "new"), Some(("/out", "newer"))),
            action("symlink", ("/out", "newer"), Some(("/out", "pointer"))),
            action("read", ("/out", "pointer"), None),
            action("unlink", ("/out", "relative"), None),
        ],
    );
    let expected = [
        json!({ "ok": OWN }),
        json!({ "ok": OWN }),
        json!({ "ok": OWN }),
        json!({ "ok": "own" }),
        json!({ "ok": "done" }),
        json!({ "ok": "written by the guest" }),
        json!({ "ok": "done" }),
        json!({ "ok": "done" }),
        json!({ "ok": "written by the guest" }),
        json!({ "ok": "done" }),
    ];
    assert_eq!(results, expected);
    assert_untouched(&project);
}

#[test]
fn read_only_folder_cannot_be_changed() {
    let project = playground();
    let own = ("/in", "own");
    let mut actions: Vec<Value> = ["write", "truncate", "set-size", "touch", "times", "unlink"]
        .map(|what| action(what, own, None))
        .to_vec();
    actions.extend([
        action("write", ("/in", "new"), None),
        action("make", ("/in", "new-folder"), None),
        action("remove", ("/in", "below"), None),
        action("symlink", ("/in", "own"), Some(("/in", "new-link"))),
        action("rename", own, Some(("/in", "renamed"))),
        action("rename", own, Some(("/out", "moved"))),
        action("rename", ("/out", "mine"), Some(("/in", "moved"))),
        action("rename", ("/out", "mine"), Some(own)),
        action("link", own, Some(("/in", "linked"))),
        // A hard link in the writable folder would allow changing the file.
        action("link", own, Some(("/out", "linked"))),
        action("link", ("/out", "mine"), Some(("/in", "linked"))),
        action("write", ("/in", "own/"), None),
        action("unlink", ("/in", "own/"), None),
    ]);
    for (action, result) in actions.iter().zip(act(&project, &actions)) {
        assert!(result["err"].is_string(), "{action}: {result}");
    }
    assert_untouched(&project);
    let entries = std::fs::read_dir(project.folder().join("in")).expect("the folder is there").count();
    assert_eq!(entries, 13, "nothing new and nothing gone");
}

#[test]
fn refused_opens_are_logged_with_the_grant() {
    let project = playground();
    let actions = [
        action("read", ("/in", "../secret"), None),
        action("read", ("/out", "relative"), None),
        action("write", ("/in", "new"), None),
        action("read", ("/in", "nowhere"), None),
    ];
    let finished = acted(&project, &actions);
    assert_eq!(finished.stderr.matches("was refused").count(), 3, "{}", finished.stderr);
    finished.says([
        "opening `../secret` outside of its folder was refused; `read = [\"FOLDER\"]`",
        "opening `relative` outside of its folder was refused",
        "opening `new` for writing was refused; `write = [\"FOLDER\"]`",
    ]);
}

#[test]
fn links_made_by_the_guest_do_not_escape() {
    let project = playground();
    let secret = project.folder().join("secret").display().to_string();
    let actions = [
        action("symlink", ("/out", "../secret"), Some(("/out", "made-relative"))),
        action("symlink", ("/out", &secret), Some(("/out", "made-absolute"))),
        action("symlink", ("/out", ".."), Some(("/out", "made-up"))),
        action("read", ("/out", "made-relative"), None),
        action("read", ("/out", "made-absolute"), None),
        action("read", ("/out", "made-up/secret"), None),
        action("write", ("/out", "made-relative"), None),
        action("write", ("/out", "made-up/made-by-the-guest"), None),
        action("write", ("/out", "dangling"), None),
        action("link", ("/out", "../secret"), Some(("/out", "hard"))),
        action("link", ("/out", "relative"), Some(("/out", "hard"))),
        action("link", ("/out", "mine"), Some(("/out", "../made-by-the-guest"))),
        action("rename", ("/out", "mine"), Some(("/out", "../made-by-the-guest"))),
        action("rename", ("/out", "mine"), Some(("/out", "up/made-by-the-guest"))),
        action("rename", ("/out", "../secret"), Some(("/out", "stolen"))),
        action("rename", ("/out", "folder/secret"), Some(("/out", "stolen"))),
        action("symlink", ("/out", "x"), Some(("/out", "../made-by-the-guest"))),
        action("symlink", ("/out", "x"), Some(("/out", "folder/made-by-the-guest"))),
        action("make", ("/out", "folder/made-by-the-guest"), None),
        action("unlink", ("/out", "folder/secret"), None),
        action("remove", ("/out", "../elsewhere"), None),
    ];
    let results = act(&project, &actions);
    for (action, result) in actions.iter().zip(&results).skip(3) {
        assert!(result["err"].is_string(), "{action}: {result}");
    }
    assert!(!json!(results).to_string().contains(SECRET));
    assert_untouched(&project);
}

#[test]
fn folder_swapped_for_a_link_does_not_escape() {
    let project = playground();
    for granted in ["in", "out"] {
        std::fs::create_dir(project.folder().join(granted).join("door")).expect("a folder can be made");
        let inside = project.folder().join(granted).join("door/secret");
        std::fs::write(inside, "the guest's own").expect("a file can be written");
    }
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    project.write(&format!(
        "{text}[tasks.t]\ncall = \"g.storm\"\nfor-each.n = [20_000, 20_001]\nargs.times = {{ item = \"n\" }}\n\
         args.read = {{ folder = \"/in\", path = \"door/secret\" }}\n\
         args.write = {{ folder = \"/out\", path = \"door/made-by-the-guest\" }}\n"
    ));
    let (is_over, swaps) = (AtomicBool::new(false), AtomicU32::new(0));
    let seen: Vec<Vec<String>> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                for granted in ["in", "out"] {
                    swap_folder_for_link(&project.folder().join(granted));
                }
                swaps.fetch_add(1, Ordering::SeqCst);
            }
        });
        let finished = project.run();
        is_over.store(true, Ordering::SeqCst);
        serde_json::from_value(finished.expect(0).json()["t"].clone()).expect("lists of what was read")
    });
    assert!(swaps.load(Ordering::SeqCst) > 1_000, "{swaps:?} swaps are no race");
    assert!(seen.concat().iter().all(|text| text == "the guest's own"), "{seen:?}");
    assert_untouched(&project);
}

/// Replaces a folder with a link that leaves it, and back again, repeatedly.
fn swap_folder_for_link(granted: &Path) {
    let (door, aside) = (granted.join("door"), granted.join("aside"));
    std::fs::rename(&door, &aside).expect("a folder can be moved");
    symlink("../elsewhere", &door).expect("a link can be made");
    std::fs::remove_file(&door).expect("a link can be removed");
    std::fs::rename(&aside, &door).expect("a folder can be moved");
}

#[test]
fn open_listings_of_a_guest_are_limited() {
    let project = playground();
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    let task = "[tasks.t]\ncall = \"g.hoard\"\nargs = { folder = \"/in\", listings = 1000 }\n";
    project.write(&format!("{text}{task}"));
    let shown = project.run().expect(0).json();
    assert_eq!(shown["t"][0], 64, "{shown}");
    assert!(shown["t"][1].as_str().is_some_and(|code| code.contains("insufficient-memory")), "{shown}");
}

/// Two concurrent guests: one gets its quota of files, whatever the other tries.
#[test]
fn open_files_of_a_guest_are_limited_to_its_share() {
    let project = playground();
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    let text = text.replace("[components.g.grants]\n", "[components.g.grants]\nclock = true\n");
    project.write(&format!(
        "{text}[tasks.t]\ncall = \"g.collect\"\nfor-each.n = [900, 40, 900, 40]\nargs.files = {{ item = \"n\" }}\n\
         args.file = {{ folder = \"/in\", path = \"own\" }}\nargs.wait = 500\n"
    ));
    let run = |files: u32| {
        let host = project.host().under(&format!("-n {files}"));
        host.args(["-j", "2", "--keep-going"]).run()
    };
    run(300).expect(1).says([" open files per guest reached", "reached", "`ulimit -n`", "`-j`"]);
    let events = project.events();
    let ended: Vec<&Value> = events.of("task.finished").map(|event| &event["item"]).collect();
    assert!(ended.len() == 2 && ended.iter().all(|item| **item == 1 || **item == 3), "{ended:?}");
    let failed = events.of("task.failed").filter(|event| event["item"].is_u64());
    let classes: Vec<&Value> = failed.map(|event| &event["class"]).collect();
    assert_eq!(classes, ["limit", "limit"]);
    run(4096).expect(0);
    run(170).expect(1).says(["warning", "the limit of open files gives each of 2 concurrent tasks only"]);
}

/// The names in this folder alone take 25 MB.
#[test]
fn huge_folder_is_listed_completely_in_little_memory() {
    const LINKS: u64 = 50_000;
    let project = playground();
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    for folder in ["small", "huge"] {
        std::fs::create_dir(project.folder().join(folder)).expect("a folder can be made");
    }
    for (file, from) in [("first", 0), ("second", LINKS)] {
        std::fs::write(project.folder().join(file), "").expect("a file can be written");
        for nth in from..from + LINKS {
            let name = project.folder().join("huge").join(format!("{nth:0>250}"));
            std::fs::hard_link(project.folder().join(file), name).expect("a link can be made");
        }
    }
    let census = |folder: &str| {
        let granted = text.replace("\"in:/in\"", &format!("\"{folder}:/in\""));
        project.write(&format!("{granted}[tasks.t]\ncall = \"g.census\"\nargs.folder = \"/in\"\n"));
        let finished = project.run().expect(0);
        (finished.json()["t"].clone(), finished.peak)
    };
    // The peak is sampled while the process lives, so one sample may be too early.
    let runs: Vec<_> = (0..5).map(|_| census("small")).collect();
    let idle = runs.iter().map(|(_, peak)| *peak).max().expect("there are some");
    let nothing = runs[0].0.clone();
    let (all, busy) = census("huge");
    assert_eq!((nothing, all), (json!([0, 0]), json!([2 * LINKS, 2 * LINKS * 250])));
    assert!(busy < idle + (8 << 20), "{busy} bytes instead of {idle}");
}
