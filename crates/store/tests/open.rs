//! What does not open says why in one sentence, and what to do.

use std::fs;
use std::path::Path;

use topicwire_store::{DiskStore, Durability, FORMAT_VERSION, OpenError};

fn open(directory: &Path) -> Result<DiskStore, OpenError> {
    DiskStore::open(directory, Durability::Process)
}

/// The error, after a look at its message.
fn refused(directory: &Path) -> OpenError {
    let error = open(directory).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(directory.to_str().unwrap()), "{text}");
    assert!(text.contains(": ") && !text.contains(". ") && !text.ends_with('.'), "{text}");
    error
}

#[test]
fn a_second_process_is_refused_until_the_first_has_closed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    assert!(matches!(refused(directory.path()), OpenError::InUse { .. }));
    drop(store);
    open(directory.path()).unwrap();
}

#[test]
fn a_file_in_the_place_of_the_directory_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    fs::write(&path, "mine").unwrap();
    assert!(matches!(refused(&path), OpenError::NotADirectory { .. }));
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
}

#[test]
fn a_directory_of_other_files_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    assert!(matches!(refused(directory.path()), OpenError::NotAStore { .. }));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let path = directory.path().join("journal");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8..12].copy_from_slice(&(FORMAT_VERSION + 1).to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.to_be_bytes());
    fs::write(&path, bytes).unwrap();
    let found = u64::from(FORMAT_VERSION + 1);
    assert!(matches!(refused(directory.path()), OpenError::Newer { found: it, .. } if it == found));
}

#[test]
fn files_that_are_something_else_are_damage() {
    for (name, other) in [("journal", "tables.redb"), ("tables.redb", "journal")] {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()).unwrap());
        fs::write(directory.path().join(name), vec![b'x'; 100_000]).unwrap();
        let before = fs::read(directory.path().join(other)).unwrap();
        assert!(matches!(refused(directory.path()), OpenError::Damaged { .. } | OpenError::Io { .. }));
        assert_eq!(fs::read(directory.path().join(other)).unwrap(), before);
    }
}

#[test]
fn a_file_that_is_gone_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    fs::remove_file(directory.path().join("tables.redb")).unwrap();
    assert!(matches!(refused(directory.path()), OpenError::Damaged { .. }));
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_used_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("closed");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may do everything.
    if fs::write(path.join("x"), "").is_err() {
        assert!(matches!(refused(&path), OpenError::Denied { .. }));
    }
}
