//! Putting a new store in the place of the old one, so that a kill at any moment leaves either of them, or a file that everybody refuses to
//! open; never the old file without its log.

use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fsync, link, lstat, open, rename, unlink};
use rustix::io::Errno;

use super::beside;
use crate::error::{Error, Result};
use crate::files;

/// The files of a store beside the store itself.
const WITH: [&str; 2] = ["-wal", "-shm"];

fn exists(path: &Path) -> bool {
    lstat(path).is_ok()
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(Errno) -> Error {
    let path = path.to_owned();
    move |error| Error::file(doing, &path, &error.into())
}

/// How many names are tried.
const NAMES_MAX: u32 = 10_000;

/// Gives the old store the name `broken`, or that with a number behind it where it is taken, and the new one its name. While the old file has
/// both names nobody opens it (`two_names`). Gives the name that the old one has.
pub(super) fn swap(path: &Path, new: &Path, broken: &Path) -> Result<PathBuf> {
    let broken = &set_aside(path, broken)?;
    for ending in WITH {
        let from = beside(path, ending);
        if exists(&from) {
            rename(&from, beside(broken, ending)).map_err(failed("rename", &from))?;
        }
    }
    rename(new, path).map_err(failed("rename", new))?;
    let folder = path.parent().unwrap_or(path);
    open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .and_then(fsync)
        .map_err(failed("write the folder", folder))?;
    Ok(broken.clone())
}

/// Gives the old store a name that nothing has, nor anything beside it.
fn set_aside(path: &Path, wanted: &Path) -> Result<PathBuf> {
    for number in 1..=NAMES_MAX {
        let broken = if number == 1 { wanted.to_owned() } else { beside(wanted, &format!("-{number}")) };
        if ["", "-wal", "-shm"].iter().any(|ending| exists(&beside(&broken, ending))) {
            continue;
        }
        match link(path, &broken) {
            Ok(()) => return Ok(broken),
            // Somebody was quicker.
            Err(Errno::EXIST) => {}
            // A file system without hard links: then for a moment there is no store, which nobody opens either.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                rename(path, &broken).map_err(failed("rename", path))?;
                return Ok(broken);
            }
            Err(error) => return Err(failed("link", path)(error)),
        }
    }
    Err(Error::refused("file", format!("{} is there already, and {NAMES_MAX} more like it", files::shown(wanted)))
        .hint("move the old stores away, then repeat the command"))
}

/// Undoes a swap that was interrupted before the new store was in place: the old file has a second name, and perhaps its log has only that one.
pub(super) fn undo_interrupted(path: &Path) -> Result<()> {
    let (Ok(stat), Some(folder), Some(name)) = (lstat(path), path.parent(), path.file_name()) else { return Ok(()) };
    if stat.st_nlink < 2 {
        return Ok(());
    }
    let begun = format!("{}.broken-", name.to_string_lossy());
    let is_same = |other: &Path| lstat(other).is_ok_and(|other| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino));
    let named = files::names(folder).into_iter().filter(|name| name.starts_with(&begun)).map(|name| folder.join(name));
    for broken in named.filter(|broken| is_same(broken)).collect::<Vec<PathBuf>>() {
        for ending in WITH {
            let (from, to) = (beside(&broken, ending), beside(path, ending));
            if exists(&from) && !exists(&to) {
                rename(&from, &to).map_err(failed("rename", &from))?;
            }
        }
        unlink(&broken).map_err(failed("remove", &broken))?;
    }
    Ok(())
}

/// Removes a store that was being made, with everything beside it.
pub(super) fn remove_store(new: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let _ = files::remove(&beside(new, ending));
    }
    files::remove_folder(&beside(new, ".d"));
}

/// Removes everything that a repair has made on its way.
pub(super) fn remove(new: &Path) {
    remove_store(new);
    remove_store(&beside(new, ".copy"));
}
