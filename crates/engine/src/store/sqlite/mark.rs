//! How far the store has come, noted beside it after each commit: its epoch and its newest event. A store that has come less far than that has
//! lost what was acknowledged: its log was removed, or an older copy was put in its place (A44). The claims of then must not count again (G7).

use std::os::fd::OwnedFd;
use std::path::Path;

use super::turnstile::lock_file;

/// The length of a note: 32 digits of an epoch, a blank, 20 digits of a number, a line end.
const NOTE_BYTES: usize = 54;

/// The file with the note. It is never needed: where it is missing or says something else, nothing is concluded.
#[derive(Debug)]
pub(super) struct Mark {
    file: OwnedFd,
}

impl Mark {
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        Ok(Self { file: lock_file(&folder.join("newest"))? })
    }

    /// Notes the newest event that is on disk. Whoever writes holds the turn, so notes do not overtake each other; one that fails is no loss.
    pub(super) fn note(&self, epoch: &str, seq: u64) {
        if epoch.len() == 32 {
            let _ = rustix::io::pwrite(&self.file, format!("{epoch} {seq:020}\n").as_bytes(), 0);
        }
    }

    /// The newest event that was noted in this epoch. To be read before the store is asked for its newest event, never after.
    pub(super) fn newest(&self, epoch: &str) -> Option<u64> {
        let mut note = [0; NOTE_BYTES];
        let length = rustix::io::pread(&self.file, &mut note, 0).ok()?;
        let (noted, seq) = std::str::from_utf8(note.get(..length)?).ok()?.strip_suffix('\n')?.split_once(' ')?;
        (noted == epoch).then(|| seq.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::unwrap_used, reason = "tests")]
    fn a_note_counts_in_its_own_epoch_only() {
        let folder = tempfile::tempdir().unwrap();
        let (mark, epoch) = (Mark::open(folder.path()).unwrap(), "0123456789abcdef0123456789abcdef");
        assert_eq!(mark.newest(epoch), None);
        mark.note(epoch, 17);
        assert_eq!(Mark::open(folder.path()).unwrap().newest(epoch), Some(17));
        mark.note(epoch, 9);
        assert_eq!((mark.newest(epoch), mark.newest(&epoch.replace('0', "1"))), (Some(9), None));
        mark.note("", 5);
        assert_eq!(mark.newest(epoch), Some(9));
    }
}
