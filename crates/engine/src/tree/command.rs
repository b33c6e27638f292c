//! Starts the program of an order, by the quick road (`posix_spawn`: nothing of the guardian is copied). What becomes
//! of it is not known here.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, CWD, FileType, Mode, OFlags, access, fcntl_setfl, fstat, openat};
use rustix::process::Pid;

use super::mark::{GUARDIAN_VARIABLE, MARK_VARIABLE};
use super::order::{Obstacle, Order};
use super::room;
use super::spool::Spool;

/// A program that was started.
pub(super) struct Started {
    pub(super) leader: Pid,
    /// Where its output comes out; reading never blocks.
    pub(super) output: PipeReader,
    pub(super) spool: Spool<File>,
}

/// Why it was not, in kind and in words.
pub(super) type NotStarted = (Obstacle, String);

/// Starts the program in a process group of its own, marked with `marks`.
pub(super) fn start(order: &Order, marks: &str) -> Result<Started, NotStarted> {
    let Some((program, arguments)) = order.argv.split_first() else {
        return Err((Obstacle::Other, "start a program: none is named".to_owned()));
    };
    let spool = Spool::create(&order.output, order.output_bytes_max)
        .map_err(|error| (exhausted(&error, Obstacle::Output), format!("create {:?}: {error}", order.output)))?;
    let stdin = match &order.stdin {
        None => Stdio::null(),
        Some(path) => {
            readable(path).map_err(|error| (exhausted(&error, Obstacle::Input), format!("open {path:?} for its stdin: {error}")))?
        }
    };
    let not_started = |error: io::Error| {
        let obstacle = obstacle(&error, order);
        let what = if obstacle == Obstacle::Folder { format!("enter {:?}", order.cwd) } else { format!("start {program:?}") };
        (obstacle, format!("{what}: {error}"))
    };
    let (output, stdout) = pipe().map_err(not_started)?;
    let stderr = stdout.try_clone().map_err(not_started)?;

    let mut command = match in_path_of(order, program) {
        Some(found) => Command::new(found),
        None => Command::new(program),
    };
    order.env_remove.iter().for_each(|name| {
        command.env_remove(name);
    });
    // Neither `pre_exec` nor a user id is set: they would make std fork, which copies page tables.
    command
        .arg0(program)
        .args(arguments)
        .current_dir(&order.cwd)
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .env(MARK_VARIABLE, marks)
        .env_remove(GUARDIAN_VARIABLE)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0);
    let child = command.spawn().map_err(not_started)?;
    // `command` holds the writing ends; with them open here the pipe would never end.
    drop(command);
    Ok(Started { leader: Pid::from_child(&child), output, spool })
}

fn pipe() -> io::Result<(PipeReader, io::PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    fcntl_setfl(&reader, OFlags::NONBLOCK)?;
    room::widen(&reader);
    Ok((reader, writer))
}

/// A file for stdin. No FIFO or terminal: opening or reading one may hang.
fn readable(path: &Path) -> io::Result<Stdio> {
    let fd = openat(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(fd.into())
}

/// Where a program without `/` lies when the order brings a `PATH` of its own. std knows that too, but then forks.
fn in_path_of(order: &Order, program: &str) -> Option<PathBuf> {
    let (_, path) = order.env.iter().rfind(|(name, _)| name == "PATH")?;
    if program.contains('/') {
        return None;
    }
    super::program::find(program, Some(OsStr::new(path)), &order.cwd).ok()
}

/// What stood in the way of a start. The kernel gives one number for a missing folder, program and interpreter.
fn obstacle(error: &io::Error, order: &Order) -> Obstacle {
    use io::ErrorKind::{ExecutableFileBusy, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound | NotADirectory | PermissionDenied if !can_be_entered(&order.cwd) => Obstacle::Folder,
        NotFound | NotADirectory => Obstacle::ProgramMissing,
        PermissionDenied | IsADirectory | ExecutableFileBusy => Obstacle::ProgramRefused,
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => Obstacle::ProgramRefused,
        _ => exhausted(error, Obstacle::Other),
    }
}

fn can_be_entered(folder: &Path) -> bool {
    folder.is_dir() && access(folder, Access::EXEC_OK).is_ok()
}

fn exhausted(error: &io::Error, otherwise: Obstacle) -> Obstacle {
    use rustix::io::Errno;
    let out_of = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE];
    let is = error.raw_os_error().is_some_and(|raw| out_of.iter().any(|errno| errno.raw_os_error() == raw));
    if is { Obstacle::Exhausted } else { otherwise }
}

/// The marks for all that a guardian starts, from its own environment.
pub(super) fn marks_for(mark: &str) -> String {
    let inherited = std::env::var_os(MARK_VARIABLE).map(|marks: OsString| marks.to_string_lossy().into_owned());
    super::mark::within(inherited, mark)
}
