//! What surrounds a store: the project's folder and settings, permissions, locks, processes, claims that nobody tends. It changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::id::WorkerName;
use domain::task::TaskState;
use rustix::fs::{FileType, lstat};

use super::{Report, Severity};
use crate::clock::instant;
use crate::error::{Error, Result};
use crate::files;
use crate::project::{Project, Surroundings};
use crate::store::address::Address;
use crate::store::sqlite::{SCHEMA_VERSION, Turnstile};
use crate::store::{Missing, Snapshot, Store, Use};
use crate::worker::lock::{NameLock, Session, is_here};

/// A writer has the store for milliseconds; who has it for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(2);

/// Looks at a project from outside. Gives its store where that can be opened.
///
/// # Errors
/// `no_project`; everything else is a finding.
pub fn quick(start: &Path, around: &Surroundings, report: &mut Report) -> Result<Option<Arc<dyn Store>>> {
    let project = match Project::find(start, around) {
        Ok(project) => project,
        Err(error) if error.code == "no_project" => return Err(error),
        Err(error) => {
            report.error(&error);
            return Ok(None);
        }
    };
    let store = match project.open_store(Use::OneShot, Missing::Refuse) {
        Ok(store) => store,
        Err(error) => {
            report.error(&error);
            return Ok(None);
        }
    };
    permissions(&project, report);
    locks(&project, store.as_ref(), report);
    let read = store.read(&mut |snapshot| {
        report.looked_at("schema", usize::try_from(SCHEMA_VERSION).unwrap_or(0));
        report.looked_at("tasks", snapshot.last_task()? as usize);
        report.looked_at("events", usize::try_from(snapshot.last_event()?.0).unwrap_or(usize::MAX));
        rows(snapshot, report)?;
        workers(&project, snapshot, report)
    });
    report.ask(read)?;
    report.close();
    Ok(Some(store))
}

/// Nobody else may read or write what is the project's own.
fn permissions(project: &Project, report: &mut Report) {
    let Address::Sqlite(store) = project.address() else {
        open_to_others(std::iter::once(project.folder().join("config.toml")), report);
        return;
    };
    let beside = |ending: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(ending);
        std::path::PathBuf::from(name)
    };
    let own = [project.folder().join("config.toml"), beside("-wal"), beside("-shm")];
    let store_folder = store.parent().map(Path::to_path_buf).filter(|folder| *folder != project.folder());
    open_to_others(own.into_iter().chain(store_folder), report);
    if let (Some(folder), Some(name)) = (store.parent(), store.file_name()) {
        let begun = format!("{}.new-", name.to_string_lossy());
        for name in files::names(folder).into_iter().filter(|name| name.starts_with(&begun)) {
            let path = folder.join(name);
            let message = format!("{} is what a repair that was interrupted left behind", files::shown(&path));
            report.add(Severity::Warning, "leftover", message, format!("rm -r '{}'", path.display()));
        }
    }
}

fn open_to_others(paths: impl Iterator<Item = std::path::PathBuf>, report: &mut Report) {
    for path in paths {
        let Ok(stat) = lstat(&path) else { continue };
        // A configuration may be read by everybody, but not written; whoever may write the folder of a store can replace it.
        let is_log =
            path.extension().is_none_or(|ending| ending != "toml") && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let forbidden = if is_log { 0o077 } else { 0o022 };
        if stat.st_mode & forbidden != 0 && stat.st_mode & 0o1000 == 0 {
            let (shown, mode) = (files::shown(&path), stat.st_mode & 0o7777);
            let message = format!("{shown} is open to others (mode {mode:04o})");
            report.add(Severity::Warning, "loose_permissions", message, format!("chmod go-rwx '{}'", path.display()));
        }
    }
}

/// Lock files are files, and nobody holds the store for long.
fn locks(project: &Project, store: &dyn Store, report: &mut Report) {
    let folder = project.locks();
    for name in files::names(&folder) {
        let path = folder.join(&name);
        let is_file = lstat(&path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        if !is_file {
            let message = format!("{} is no file, so nothing can be locked with it", files::shown(&path));
            report.add(Severity::Error, "lock_file", message, format!("mv '{}' '{}.away'", path.display(), path.display()));
        }
    }
    if matches!(project.address(), Address::Sqlite(_))
        && let Err(error) = writing(&folder, store, report)
    {
        report.error(&error);
    }
}

/// Whether somebody has the store for itself and does nothing with it: a process that was stopped in the middle of a write.
fn writing(folder: &Path, store: &dyn Store, report: &mut Report) -> Result<()> {
    let turnstile = Turnstile::open(folder).map_err(|error| Error::file("use the locks in", folder, &error))?;
    let newest = || {
        let mut newest = None;
        store.read(&mut |snapshot| {
            newest = Some(snapshot.last_event()?);
            Ok(())
        })?;
        Ok::<_, Error>(newest)
    };
    let (before, until) = (newest()?, instant() + STUCK_AFTER);
    while !turnstile.is_free() {
        if instant() >= until {
            if newest()? == before {
                let message = format!("a process has had the store for itself for {} s: nobody else can write", STUCK_AFTER.as_secs());
                report.add(Severity::Error, "writer_stuck", message, format!("fuser -v '{}'", folder.join("store").display()));
            }
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn rows(snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
    for id in snapshot.unreadable()? {
        let message = format!("{id} was set aside because its row did not decode: nobody gets it");
        report.wrong("set_aside", message);
    }
    Ok(())
}

/// Workers whose process ended, and claims that are over and still there.
fn workers(project: &Project, snapshot: &dyn Snapshot, report: &mut Report) -> Result<()> {
    let roster = snapshot.workers()?;
    report.looked_at("workers", roster.len());
    let live = snapshot.live()?;
    let held = |name: &WorkerName| live.iter().find(|task| matches!(&task.state, TaskState::InProgress(held) if held.worker == *name));
    for worker in &roster {
        let name = &worker.name;
        let session = snapshot.session(name)?.and_then(|text| serde_json::from_str::<Session>(&text).ok());
        let task = held(name);
        if let Some(session) = session.filter(|session| is_here(project, name, session))
            && (worker.lost_at.is_none() || task.is_some())
            && !NameLock::is_taken(project, name)?
        {
            let holds = task.map_or_else(String::new, |task| format!(" and still holds {}", task.id));
            report.add(Severity::Warning, "worker_dead", format!("the process {} of {name} ended{holds}", session.pid), "ganger workers");
        }
    }
    for id in snapshot.due(snapshot.now().store)? {
        let by = live.iter().find(|task| task.id == id).and_then(|task| match &task.state {
            TaskState::InProgress(held) => Some(held.worker.to_string()),
            TaskState::Pending
            | TaskState::Completed { .. }
            | TaskState::Blocked(_)
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => None,
        });
        let message = format!("the claim of {} on {id} is over, and nobody has taken it back yet", by.unwrap_or_default());
        report.add(Severity::Warning, "claim_over", message, "ganger workers");
    }
    Ok(())
}
