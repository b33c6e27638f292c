//! Where a program lies, found as `execvp` finds it. Whether it can then be started is the kernel's word.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where to look when nobody says.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// The file of a program that is named with or without a folder, for a process in `folder` with this `PATH`.
///
/// # Errors
/// Why there is none, in words.
pub(crate) fn find(program: &str, path: Option<&OsStr>, folder: &Path) -> Result<PathBuf, &'static str> {
    if program.is_empty() {
        return Err("its name is empty");
    }
    if program.contains('/') {
        let file = folder.join(program);
        return match (file.is_file(), runs(&file)) {
            (true, true) => Ok(file),
            (true, false) => Err("it may not be executed"),
            (false, _) if file.exists() => Err("it is no file"),
            (false, _) => Err("there is no such file"),
        };
    }
    let mut refused = false;
    let path = path.unwrap_or(OsStr::new(PATH_DEFAULT));
    for place in path.as_bytes().split(|byte| *byte == b':') {
        // An empty place is the folder itself.
        let file = folder.join(OsStr::from_bytes(place)).join(program);
        if file.is_file() {
            if runs(&file) {
                return Ok(file);
            }
            refused = true;
        }
    }
    Err(if refused { "what is on PATH may not be executed" } else { "it is not on PATH" })
}

fn runs(file: &Path) -> bool {
    access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_found_as_execvp_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("bin")).unwrap();
        std::fs::create_dir(root.join("bin/folder")).unwrap();
        for (name, mode) in [("here", 0o755), ("bin/agent", 0o755), ("bin/text", 0o644)] {
            std::fs::write(root.join(name), "").unwrap();
            std::fs::set_permissions(root.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let find = |program: &str, path: &str| find(program, Some(OsStr::new(path)), root);
        assert_eq!(find("agent", "/nowhere:bin"), Ok(root.join("bin/agent")));
        assert_eq!(find("./here", ""), Ok(root.join("./here")));
        assert_eq!(find("bin/agent", ""), Ok(root.join("bin/agent")));
        assert_eq!(find("here", "bin:"), Ok(root.join("here")), "an empty place is the folder");
        assert_eq!(find("agnet", "bin"), Err("it is not on PATH"));
        assert_eq!(find("folder", "bin"), Err("it is not on PATH"));
        assert_eq!(find("text", "bin"), Err("what is on PATH may not be executed"));
        assert_eq!(find("bin/text", ""), Err("it may not be executed"));
        assert_eq!(find("bin/folder", ""), Err("it is no file"));
        assert_eq!(find("bin/none", ""), Err("there is no such file"));
        assert_eq!(find("", "bin"), Err("its name is empty"));
        assert!(super::find("sh", None, root).is_ok());
    }
}
