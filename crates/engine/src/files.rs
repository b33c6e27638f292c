//! The only room that touches project files. Whatever comes from a plan, a task or an agent stays below the project's folder (G22);
//! files are replaced whole, through a new file of our own beside them (A17); reads have a limit (G24).

#![expect(clippy::disallowed_methods, reason = "this is the room that touches files")]

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::random;

/// Reads a whole text file of at most `bytes_max` bytes. `-` is not special here.
///
/// # Errors
/// `file`, `too_large`, `not_utf8` with the position.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String> {
    let file = File::open(path).map_err(|error| Error::file("read", path, &error))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::usage("file", format!("{} is a folder", shown(path))));
    }
    read_text_from(file, &shown(path), bytes_max)
}

/// Reads a whole text of at most `bytes_max` bytes from anything.
///
/// # Errors
/// `file`, `too_large`, `not_utf8` with the position.
pub fn read_text_from(from: impl Read, name: &str, bytes_max: u64) -> Result<String> {
    let mut bytes = Vec::new();
    from.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| Error::file("read", Path::new(name), &error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Error::usage("too_large", format!("{name} has more than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let hint = match error.as_bytes() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it looks like UTF-16: save it as UTF-8",
            _ => "save it as UTF-8",
        };
        Error::usage("not_utf8", format!("{name} is not UTF-8: byte {at}, in line {line}")).hint(hint)
    })
}

/// The last `bytes_max` bytes of a file as text; what is no UTF-8 is replaced. An unreadable file gives an empty text.
#[must_use]
pub fn tail(path: &Path, bytes_max: u64) -> String {
    use std::io::{Seek, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes_max)))?;
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether anything has this name.
#[must_use]
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether a regular file has this name.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file())
}

/// Whether a folder has this name.
#[must_use]
pub fn is_folder(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_dir())
}

/// The size of a file in bytes; 0 when there is none.
#[must_use]
pub fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

/// Replaces a file with this content, or makes it: a reader sees the old or the new one whole. Nothing is written when nothing changes;
/// says whether something did. The file is readable by its owner only.
///
/// # Errors
/// `file`.
pub fn replace(path: &Path, content: &str) -> Result<bool> {
    if let Ok(old) = std::fs::read(path)
        && old == content.as_bytes()
    {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let temporary = folder.join(format!(".ganger-{}", random::hex()?));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content.as_bytes())?;
        drop(file);
        std::fs::rename(&temporary, path)
    };
    write().map(|()| true).map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        Error::file("write", path, &error)
    })
}

/// The same for a file that is not ganger's own: everybody may read it whom the user's umask lets.
///
/// # Errors
/// `file`.
pub fn publish(path: &Path, content: &str) -> Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let temporary = folder.join(format!(".ganger-{}", random::hex()?));
    let write = || -> std::io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(0o666).open(&temporary)?.write_all(content.as_bytes())?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        Error::file("write", path, &error)
    })
}

/// Writes a file that nobody has seen yet; its name is ours alone, so no second file is needed.
///
/// # Errors
/// `file`.
pub fn create(path: &Path, content: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let _ = std::fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())
    };
    write().map_err(|error| Error::file("write", path, &error))
}

/// Makes a folder that only its owner may enter, if it is missing.
///
/// # Errors
/// `file`; `loose_permissions` when it is there and others may enter it.
pub fn private_folder(path: &Path) -> Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_private(path),
        Err(error) => Err(Error::file("make the folder", path, &error)),
    }
}

/// Refuses a folder that others may enter (A22), and anything that is no folder.
///
/// # Errors
/// `loose_permissions`, `file`.
pub fn check_private(path: &Path) -> Result<()> {
    let meta = path.symlink_metadata().map_err(|error| Error::file("look at", path, &error))?;
    if !meta.is_dir() {
        return Err(Error::refused("file", format!("{} is not a folder", shown(path))));
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::refused("loose_permissions", format!("{} may be entered by others (mode {mode:04o})", shown(path)))
            .hint(format!("chmod 700 '{}'", path.display())));
    }
    Ok(())
}

/// Makes a folder below the project, as any program would.
///
/// # Errors
/// `file`.
pub fn folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| Error::file("make the folder", path, &error))
}

/// Moves a file to another name in the same file system, never over another one.
///
/// # Errors
/// `file`.
pub fn move_aside(from: &Path, to: &Path) -> Result<()> {
    if exists(to) {
        return Err(Error::refused("file", format!("{} is there already", shown(to))));
    }
    std::fs::rename(from, to).map_err(|error| Error::file("rename", from, &error))
}

/// Removes a file, if it is there.
///
/// # Errors
/// `file`.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::file("remove", path, &error)),
    }
}

/// Removes a throw-away folder of ours with everything in it.
pub fn remove_folder(path: &Path) {
    let _ = std::fs::remove_dir_all(path);
}

/// The names in a folder, sorted; nothing when it cannot be read.
#[must_use]
pub fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// A file to append to, made 0600 when it is missing, never through a symlink.
///
/// # Errors
/// `file`.
pub fn append_to(path: &Path) -> Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| Error::file("open", path, &error))
}

/// Opens a file for writing, made new: for what a person asked to be written somewhere.
///
/// # Errors
/// `file`.
pub fn create_new(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| Error::file("make", path, &error))
}

/// Opens a file of ours for writing into it where it is.
///
/// # Errors
/// `file`.
pub fn open_existing(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).open(path).map_err(|error| Error::file("open", path, &error))
}

/// Opens a file for reading.
///
/// # Errors
/// `file`.
pub fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::file("read", path, &error))
}

/// Checks that a path from foreign text names something below `root`, symlinks included, whether or not it exists yet (G22, A15, A16).
///
/// # Errors
/// `outside_project` with the path shown escaped.
pub fn contained(root: &Path, relative: &str) -> Result<PathBuf> {
    named_path(relative)?;
    let path = root.join(relative);
    if planted!("prefix_paths") && path.starts_with(root) {
        return Ok(path);
    }
    if beneath(root, Path::new(relative)) {
        Ok(path)
    } else {
        Err(outside(format!("the path '{}' leads out of the project through a symbolic link", domain::text::escaped(relative, 200))))
    }
}

/// Checks the words of a path from foreign text alone: where nobody looks at the file yet.
///
/// # Errors
/// `outside_project` with the path shown escaped.
pub fn named_path(relative: &str) -> Result<()> {
    domain::plan::check_path(relative).map_err(outside)
}

fn outside(message: String) -> Error {
    Error::usage("outside_project", message).hint("name a file below the project's folder")
}

/// The kernel itself resolves the path and refuses to leave the folder: no race between the look and the use.
#[cfg(target_os = "linux")]
fn beneath(root: &Path, relative: &Path) -> bool {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    let Ok(root_fd) = rustix::fs::open(root, OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty()) else { return false };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut part = relative;
    loop {
        match openat2(&root_fd, part, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
            Ok(_) => return true,
            // It is not there yet: then the folder that it would lie in decides.
            Err(rustix::io::Errno::NOENT) => match part.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => part = parent,
                None => return !is_link(&root.join(part)),
            },
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => return beneath_by_name(root, relative),
            Err(_) => return false,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn beneath(root: &Path, relative: &Path) -> bool {
    beneath_by_name(root, relative)
}

/// Where the kernel cannot be asked: every existing part is resolved and must stay below the root.
fn beneath_by_name(root: &Path, relative: &Path) -> bool {
    let Ok(root) = std::fs::canonicalize(root) else { return false };
    let mut part = root.join(relative);
    loop {
        match std::fs::canonicalize(&part) {
            Ok(real) => return real.starts_with(&root),
            Err(_) if is_link(&part) => return false,
            Err(_) => {
                if !part.pop() {
                    return false;
                }
            }
        }
    }
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_symlink())
}

/// A path for people: control characters escaped, not endless.
#[must_use]
pub fn shown(path: &Path) -> String {
    domain::text::escaped(&path.to_string_lossy(), 200)
}

/// A path with its links resolved, when it exists.
#[must_use]
pub fn real(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_path_leads_out_of_the_project() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "").unwrap();
        std::fs::create_dir(root.path().join("inside")).unwrap();
        symlink(outside.path().join("secret"), root.path().join("file")).unwrap();
        symlink(outside.path(), root.path().join("folder")).unwrap();
        symlink("../nowhere/at/all", root.path().join("dangling")).unwrap();
        symlink("inside", root.path().join("stays")).unwrap();
        for path in ["inside/new.md", "new/and/deeper.md", "stays/new.md", "a b.md"] {
            assert!(contained(root.path(), path).is_ok(), "{path}");
        }
        for path in
            ["file", "folder/secret", "folder/new", "dangling", "../x", "/etc/passwd", "~/x", "inside/../../x", "a\0b", ".git/config", ""]
        {
            let refused = contained(root.path(), path).unwrap_err();
            assert_eq!(refused.code, "outside_project", "{path}");
            assert!(!refused.message.contains('\0'), "{path}");
            assert!(refused.message.matches("path").count() == 1, "told twice: {}", refused.message);
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_left_alone_when_nothing_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        assert!(replace(&path, "one").unwrap());
        assert!(!replace(&path, "one").unwrap());
        assert!(replace(&path, "two").unwrap());
        assert_eq!(read_text(&path, 3).unwrap(), "two");
        assert_eq!(read_text(&path, 2).unwrap_err().code, "too_large");
        assert_eq!(names(folder.path()), ["page.md"], "no temporary file is left");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_utf8_is_refused_with_its_place() {
        let told = read_text_from(&b"one\ntwo\xff"[..], "stdin", 100).unwrap_err();
        assert_eq!((told.code, told.message.as_str()), ("not_utf8", "stdin is not UTF-8: byte 7, in line 2"));
        assert!(read_text_from(&b"\xff\xfea\0"[..], "stdin", 100).unwrap_err().hints.iter().any(|hint| hint.contains("UTF-16")));
    }
}
