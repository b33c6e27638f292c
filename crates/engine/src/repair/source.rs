//! What is read of: the damaged file itself, or where its head or its schema is damaged, a copy of it with those of a new store. Every store of
//! one schema is made by the same statements in the same order, so what is where is known without them.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use super::{beside, swap};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::store::sqlite::salvage::{Numbered, Wreck};
use crate::store::sqlite::{Missing, SqliteStore, Use};

/// The size of a page in every store.
const PAGE_BYTES: usize = 4_096;

/// Opens what can be read of the store in `path`; `told` is what its opening said. `new` names files that may be made.
pub(super) fn open(path: &Path, new: &Path, told: Option<Error>, clock: &Arc<dyn Clock>) -> Result<Wreck> {
    // SQLite would throw the log of an empty file away: that one is looked at as a copy only (A44).
    let wreck = if files::size(path) == 0 { None } else { Wreck::open(path).ok() };
    let yields = wreck.as_ref().map(Yield::of).unwrap_or_default();
    match told {
        // Another program's file, or a newer ganger's, is no damage, unless it has our very tables.
        Some(error) if matches!(error.code, "foreign_file" | "newer_schema") && !wreck.as_ref().is_some_and(Wreck::is_ours) => {
            return Err(error);
        }
        Some(_) | None => {}
    }
    if let Some(wreck) = wreck
        && yields.is_whole
    {
        return Ok(wreck);
    }
    let copy = beside(new, ".copy");
    transplant(path, new, &copy, clock)?;
    if let Ok(wreck) = Wreck::open(&copy) {
        let copied = Yield::of(&wreck);
        if copied.rows > yields.rows || (copied.is_whole && copied.rows == yields.rows) {
            return Ok(wreck);
        }
    }
    if yields.rows > 0 {
        return Wreck::open(path);
    }
    let shown = files::shown(path);
    Err(Error::new(Kind::Store, "beyond_repair", format!("nothing of a store can be read in {shown}; nothing was changed"))
        .hint(format!("mv '{}' '{}.away' && ganger init", path.display(), path.display()))
        .hint("ganger import FILE   brings a project back from an export"))
}

/// How much can be read.
#[derive(Debug, Clone, Copy, Default)]
struct Yield {
    rows: i64,
    /// Whether every table can be asked, and each of those that cannot be empty gives something.
    is_whole: bool,
}

impl Yield {
    fn of(wreck: &Wreck) -> Self {
        let tops = [Numbered::Tasks, Numbered::Specs, Numbered::Events].map(|table| wreck.keys(table).top());
        Self { rows: tops.iter().sum(), is_whole: wreck.has_tables() && tops.iter().all(|top| *top > 0) }
    }
}

/// Copies the file with its log, and puts the head and the schema of a new store into the copy. Nobody has the file open here: whoever looked at
/// it in this process has closed it, and others keep what they have locked (T1).
fn transplant(path: &Path, new: &Path, copy: &Path, clock: &Arc<dyn Clock>) -> Result<()> {
    duplicate(path, copy)?;
    let log = beside(path, "-wal");
    if files::is_file(&log) {
        duplicate(&log, &beside(copy, "-wal"))?;
    }
    let fresh = SqliteStore::open(new, Use::OneShot, Missing::Make, Arc::clone(clock))?;
    let pages = fresh.schema_pages()?;
    fresh.settle()?;
    let failed = |error: std::io::Error| Error::file("write", copy, &error);
    let mut from = files::open(new)?;
    let mut to = files::open_existing(copy)?;
    let count = usize::try_from(files::size(copy)).unwrap_or(0).div_ceil(PAGE_BYTES);
    let count = pages.iter().copied().max().unwrap_or(1).max(u32::try_from(count).unwrap_or(u32::MAX));
    for number in pages {
        let offset = u64::from(number.saturating_sub(1)) * PAGE_BYTES as u64;
        let mut page = vec![0; PAGE_BYTES];
        from.seek(SeekFrom::Start(offset)).and_then(|_| from.read_exact(&mut page)).map_err(failed)?;
        if number == 1 {
            head(&mut page, count);
        }
        to.seek(SeekFrom::Start(offset)).and_then(|_| to.write_all(&page)).map_err(failed)?;
    }
    drop((from, to));
    swap::remove_store(new);
    Ok(())
}

/// The head of a file with this many pages, none of them free.
fn head(page: &mut [u8], count: u32) {
    let mut put = |at: usize, value: [u8; 4]| {
        if let Some(place) = page.get_mut(at..at + 4) {
            place.copy_from_slice(&value);
        }
    };
    put(28, count.to_be_bytes());
    put(32, [0; 4]);
    put(36, [0; 4]);
    // Equal counters say that the number of pages is true.
    put(24, [0, 0, 0, 1]);
    put(92, [0, 0, 0, 1]);
}

fn duplicate(from: &Path, to: &Path) -> Result<()> {
    let (mut source, mut target) = (files::open(from)?, files::create_new(to)?);
    std::io::copy(&mut source, &mut target).map(|_| ()).map_err(|error| Error::file("copy", from, &error))
}
