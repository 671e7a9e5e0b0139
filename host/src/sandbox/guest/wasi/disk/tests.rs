//! Tests of the private disk: paths, changes, quota, and what a guest learns of its files.
//! `tests/blackbox/scratch` tests it from a guest.

use crate::model::{Limits, Size};
use crate::sandbox::guest::limits::MemoryAccount;
use crate::sandbox::guest::wasi::disk::descriptor::{DiskFile, DiskListing, SharedTree};
use crate::sandbox::guest::wasi::disk::operations::Opening;
use crate::sandbox::guest::wasi::disk::quota::DiskQuota;
use crate::sandbox::guest::wasi::disk::tree::{DEV, DiskError, DiskResult, NodeId, TMP, Tree, WORK};
use bytes::Bytes;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;

fn disk(limit: u64) -> SharedTree {
    let memory = MemoryAccount::new(&Limits::default(), Size::bytes(u64::MAX));
    SharedTree::new(Tree::new(DiskQuota::new(Size::bytes(limit), memory)))
}

fn folder(disk: &SharedTree, node: NodeId) -> DiskFile {
    DiskFile { held: disk.hold(node), access: DescriptorFlags::READ }
}

fn tmp() -> DiskFile {
    folder(&disk(1 << 20), TMP)
}

fn open(folder: &DiskFile, path: &str, open_flags: OpenFlags) -> DiskResult<DiskFile> {
    let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
    folder.open(path, Opening { path_flags: FOLLOW, open_flags, access })
}

fn create(folder: &DiskFile, path: &str, content: &[u8]) -> DiskFile {
    let file = open(folder, path, OpenFlags::CREATE).unwrap();
    file.tree().write(file.node(), Some(0), content).unwrap();
    file
}

fn content(folder: &DiskFile, path: &str) -> Result<Vec<u8>, ErrorCode> {
    let opening =
        Opening { path_flags: FOLLOW, open_flags: OpenFlags::empty(), access: DescriptorFlags::READ };
    let file = code(folder.open(path, opening))?;
    let read = file.tree().read(file.node(), 0, 1 << 20).map(<[u8]>::to_vec);
    code(read)
}

/// Returns the error for the guest.
fn code<T>(result: DiskResult<T>) -> Result<T, ErrorCode> {
    result.map_err(|error| match error {
        DiskError::Code(code) => code,
        DiskError::Full(hit) => panic!("{hit}"),
    })
}

fn refusal<T>(result: DiskResult<T>) -> ErrorCode {
    code(result).err().expect("the call is refused")
}

fn full<T>(result: DiskResult<T>) -> String {
    match result.err().expect("the disk is full") {
        DiskError::Full(hit) => hit.to_string(),
        DiskError::Code(code) => panic!("{code:?}"),
    }
}

fn names(folder: &DiskFile) -> Vec<String> {
    let mut listing = DiskListing::new(folder.held.clone());
    std::iter::from_fn(|| listing.next().unwrap()).map(|entry| entry.name).collect()
}

/// Returns a working directory with a file of 10,000 bytes, and the content that was given.
fn work(limit: u64) -> (DiskFile, Bytes) {
    let memory = MemoryAccount::new(&Limits::default(), Size::bytes(u64::MAX));
    let quota = DiskQuota::new(Size::bytes(limit), memory).with_working_directory();
    let disk = SharedTree::new(Tree::with_working_directory(quota));
    let (root, given) = (folder(&disk, WORK), Bytes::from(vec![b'x'; 10_000]));
    root.give("in/a", &given).unwrap();
    (root, given)
}

#[test]
fn given_file_is_shared_until_it_is_changed() {
    let (root, given) = work(1 << 20);
    let place = |file: &DiskFile| file.tree().read(file.node(), 0, 1).unwrap().as_ptr();
    let file = open(&root, "in/a", OpenFlags::empty()).unwrap();
    assert_eq!(place(&file), given.as_ptr());
    file.tree().write(file.node(), Some(1), b"y").unwrap();
    assert_ne!(place(&file), given.as_ptr());
    assert_eq!(&content(&root, "in/a").unwrap()[..3], b"xyx");
    assert_eq!(given, vec![b'x'; 10_000], "the argument is as it was");
}

#[test]
fn given_files_count_as_written_ones_do() {
    let (root, _) = work(1 << 20);
    let used = || root.tree().quota.used();
    let all = used();
    assert!(all >= 10_000, "{all}");
    let file = open(&root, "in/a", OpenFlags::empty()).unwrap();
    file.tree().set_size(file.node(), 4_000).unwrap();
    assert_eq!(used(), all - 6_000, "a shorter one is still shared");
    file.tree().write(file.node(), None, b"y").unwrap();
    assert!(used() > all - 6_000);
    assert_eq!(content(&root, "in/a").unwrap().len(), 4_001);
    drop(file);
    root.unlink_at("in/a").unwrap();
    root.remove_folder_at("in").unwrap();
    assert_eq!(used(), 0);
    let (small, _) = work(12_000);
    let file = open(&small, "in/a", OpenFlags::empty()).unwrap();
    let message = full(file.tree().set_size(file.node(), 20_000));
    assert!(message.contains("the guest's files in its working directory and `/tmp` need more"), "{message}");
}

#[test]
fn scratch_and_devices_are_in_the_working_directory_and_fixed() {
    let (root, _) = work(1 << 20);
    assert_eq!(names(&root), ["in"]);
    create(&root, "tmp/a", b"x");
    let tmp = DiskFile { held: root.held.tree.hold(TMP), access: DescriptorFlags::READ };
    assert_eq!(content(&tmp, "a").unwrap(), b"x");
    assert_eq!(refusal(root.rename_at("tmp", &root, "other")), ErrorCode::NotPermitted);
    assert_eq!(refusal(root.rename_at("in", &root, "dev")), ErrorCode::NotEmpty);
    root.create_folder_at("empty").unwrap();
    root.unlink_at("tmp/a").unwrap();
    assert_eq!(refusal(root.remove_folder_at("tmp")), ErrorCode::NotPermitted);
    assert_eq!(refusal(root.rename_at("empty", &root, "tmp")), ErrorCode::NotPermitted);
    assert_eq!(refusal(root.create_folder_at("tmp")), ErrorCode::Exist);
    assert_eq!(refusal(open(&tmp, "../in/a", OpenFlags::empty())), ErrorCode::NotPermitted);
}

#[test]
fn path_never_leads_out_of_its_folder() {
    let tmp = tmp();
    tmp.create_folder_at("a").unwrap();
    tmp.create_folder_at("a/b").unwrap();
    create(&tmp, "a/b/../f", b"x");
    assert_eq!(content(&tmp, "a/b/.././/f").unwrap(), b"x");
    let inner = tmp.open(
        "a",
        Opening { path_flags: FOLLOW, open_flags: OpenFlags::DIRECTORY, access: DescriptorFlags::READ },
    );
    let inner = inner.unwrap();
    for path in ["..", "../a/f", "b/../../f", "/tmp/a/f", "/"] {
        assert_eq!(refusal(inner.stat_at(FOLLOW, path)), ErrorCode::NotPermitted, "{path}");
    }
    tmp.symlink_at("../f".into(), "a/up").unwrap();
    assert_eq!(refusal(inner.stat_at(FOLLOW, "up")), ErrorCode::NotPermitted);
    assert_eq!(refusal(tmp.symlink_at("/etc".into(), "etc")), ErrorCode::NotPermitted);
    assert_eq!(refusal(tmp.stat_at(FOLLOW, "")), ErrorCode::NoEntry);
    assert_eq!(refusal(tmp.stat_at(FOLLOW, "a/f/x")), ErrorCode::NotDirectory);
    assert_eq!(refusal(tmp.stat_at(FOLLOW, "a/f/")), ErrorCode::NotDirectory);
    assert_eq!(refusal(tmp.stat_at(FOLLOW, "none/x")), ErrorCode::NoEntry);
    assert_eq!(refusal(tmp.create_folder_at(&"n".repeat(256))), ErrorCode::NameTooLong);
    assert_eq!(refusal(tmp.create_folder_at("nul\0")), ErrorCode::Invalid);
}

#[test]
fn links_are_followed_but_not_for_ever() {
    let tmp = tmp();
    create(&tmp, "f", b"x");
    tmp.symlink_at("f".into(), "l").unwrap();
    tmp.symlink_at("l".into(), "ll").unwrap();
    assert_eq!(content(&tmp, "ll").unwrap(), b"x");
    assert_eq!(tmp.read_link_at("ll").unwrap(), "l");
    assert_eq!(tmp.stat_at(PathFlags::empty(), "l").unwrap().type_, DescriptorType::SymbolicLink);
    tmp.symlink_at("o".into(), "o").unwrap();
    assert_eq!(refusal(tmp.stat_at(FOLLOW, "o")), ErrorCode::Loop);
    tmp.symlink_at("new".into(), "dangling").unwrap();
    create(&tmp, "dangling", b"y");
    assert_eq!(content(&tmp, "new").unwrap(), b"y");
    assert_eq!(refusal(open(&tmp, "l", OpenFlags::CREATE | OpenFlags::EXCLUSIVE)), ErrorCode::Exist);
}

#[test]
fn removed_file_stays_while_it_is_open() {
    let disk = disk(1 << 20);
    let tmp = folder(&disk, TMP);
    let file = create(&tmp, "f", b"still here");
    tmp.unlink_at("f").unwrap();
    assert_eq!(content(&tmp, "f").err(), Some(ErrorCode::NoEntry));
    assert_eq!(file.tree().read(file.node(), 6, 99).unwrap(), b"here");
    assert!(disk.lock().quota.used() > 0);
    drop(file);
    assert_eq!(disk.lock().quota.used(), 0);
}

#[test]
fn names_can_be_moved_and_folders_not_into_themselves() {
    let disk = disk(1 << 20);
    let tmp = folder(&disk, TMP);
    for path in ["a", "a/b", "c"] {
        tmp.create_folder_at(path).unwrap();
    }
    drop(create(&tmp, "f", b"f"));
    drop(create(&tmp, "g", b"g"));
    assert_eq!(refusal(tmp.rename_at("a", &tmp, "a/b/x")), ErrorCode::Invalid);
    assert_eq!(refusal(tmp.rename_at("c", &tmp, "a")), ErrorCode::NotEmpty);
    assert_eq!(refusal(tmp.rename_at("f", &tmp, "a")), ErrorCode::IsDirectory);
    assert_eq!(refusal(tmp.rename_at("a", &tmp, "f")), ErrorCode::NotDirectory);
    assert_eq!(refusal(tmp.rename_at("f", &tmp, "new/")), ErrorCode::NotDirectory);
    assert_eq!(refusal(tmp.remove_folder_at("a")), ErrorCode::NotEmpty);
    assert_eq!(refusal(tmp.unlink_at("a")), ErrorCode::IsDirectory);
    tmp.rename_at("f", &tmp, "g").unwrap();
    assert_eq!(
        (content(&tmp, "g").unwrap(), names(&tmp)),
        (b"f".to_vec(), vec!["a".into(), "c".into(), "g".into()])
    );
    tmp.rename_at("c", &tmp, "a/b").unwrap();
    tmp.link_at(PathFlags::empty(), "g", &tmp, "h").unwrap();
    assert_eq!(tmp.stat_at(FOLLOW, "h").unwrap().link_count, 2);
    for path in ["g", "h"] {
        tmp.unlink_at(path).unwrap();
    }
    for path in ["a/b", "a"] {
        tmp.remove_folder_at(path).unwrap();
    }
    assert_eq!(disk.lock().quota.used(), 0, "everything was given back");
}

#[test]
fn quota_bounds_bytes_names_and_holes() {
    let disk = disk(64 << 10);
    let tmp = folder(&disk, TMP);
    let file = create(&tmp, "f", &vec![1; 30_000]);
    let said = full(file.tree().write(file.node(), None, &vec![1; 60_000]));
    assert!(
        said.starts_with("`limits.disk` = 64KiB reached: the guest's files in `/tmp` need more"),
        "{said}"
    );
    assert!(said.ends_with("raise it with `limits.disk = \"128KiB\"`"), "{said}");
    full(file.tree().set_size(file.node(), 1 << 40));
    full(file.tree().set_size(file.node(), u64::MAX));
    full(file.tree().write(file.node(), Some(u64::MAX), b"x"));
    file.tree().set_size(file.node(), 0).unwrap();
    drop(file);
    let created = (0..1_000).take_while(|nth| tmp.create_folder_at(&format!("{nth}")).is_ok()).count();
    assert!((50..110).contains(&created), "{created}");
    let used = disk.lock().quota.used();
    assert!(used <= 64 << 10, "{used}");
}

#[test]
fn disk_counts_in_the_memory_of_the_call() {
    let limits = Limits { memory: Size::bytes(100_000), ..Limits::default() };
    let memory = MemoryAccount::new(&limits, Size::bytes(u64::MAX));
    let tree = Tree::new(DiskQuota::new(limits.disk, memory.clone()));
    let tmp = folder(&SharedTree::new(tree), TMP);
    memory.charge(60_000, || "").unwrap();
    let file = create(&tmp, "f", &vec![1; 20_000]);
    let said = full(file.tree().write(file.node(), None, &vec![1; 30_000]));
    assert!(said.starts_with("`limits.memory` = 100000B reached"), "{said}");
    file.tree().set_size(file.node(), 0).unwrap();
    assert!(memory.has_room(30_000));
}

#[test]
fn what_a_guest_learns_depends_on_its_calls_only() {
    let learn = || {
        let tmp = tmp();
        for name in ["z", "a", "m"] {
            drop(create(&tmp, name, name.as_bytes()));
        }
        tmp.unlink_at("m").unwrap();
        drop(create(&tmp, "m", b""));
        let stats: Vec<String> = names(&tmp)
            .iter()
            .map(|name| {
                format!(
                    "{name} {:?} {:?}",
                    tmp.stat_at(FOLLOW, name).unwrap(),
                    tmp.hash_at(FOLLOW, name).unwrap()
                )
            })
            .collect();
        stats
    };
    let (first, second) = (learn(), learn());
    assert_eq!(first, second);
    assert!(first[0].starts_with("a ") && first[2].starts_with("z "), "sorted: {first:?}");
    let tmp = tmp();
    let modified = |name: &str| {
        let time = tmp.stat_at(FOLLOW, name).unwrap().data_modification_timestamp.unwrap();
        (time.seconds, time.nanoseconds)
    };
    drop(create(&tmp, "one", b"1"));
    drop(create(&tmp, "two", b"2"));
    assert!(modified("one") < modified("two"));
    assert_eq!(modified("one").0, 946_684_800);
}

#[test]
fn null_device_takes_everything_and_dev_is_fixed() {
    let dev = folder(&disk(1 << 20), DEV);
    let null = open(&dev, "null", OpenFlags::CREATE | OpenFlags::TRUNCATE).unwrap();
    null.tree().write(null.node(), None, &vec![0; 5_000_000]).unwrap();
    assert_eq!(null.tree().read(null.node(), 0, 10).unwrap(), b"");
    assert_eq!(dev.stat_at(FOLLOW, "null").unwrap().type_, DescriptorType::CharacterDevice);
    assert_eq!(names(&dev), ["null", "random", "stderr", "stdin", "stdout", "urandom", "zero"]);
    assert_eq!(refusal(open(&dev, "x", OpenFlags::CREATE)), ErrorCode::NotPermitted);
    assert_eq!(refusal(dev.unlink_at("null")), ErrorCode::NotPermitted);
    assert_eq!(refusal(dev.create_folder_at("x")), ErrorCode::NotPermitted);
}

#[test]
fn entries_removed_during_a_listing_are_no_error() {
    let tmp = tmp();
    for name in ["a", "b", "c"] {
        drop(create(&tmp, name, b""));
    }
    let mut listing = DiskListing::new(tmp.held.clone());
    assert_eq!(listing.next().unwrap().unwrap().name, "a");
    tmp.unlink_at("a").unwrap();
    tmp.unlink_at("b").unwrap();
    assert_eq!(listing.next().unwrap().unwrap().name, "c");
    assert!(listing.next().unwrap().is_none());
}
