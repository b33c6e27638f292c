//! A bounded file of output: its beginning, and its end when there was too much (G24, A38). Takes whatever comes at
//! whatever speed; where the bytes come from is not known here.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::process::{Resource, getrlimit};

/// The most of the end that is kept in memory while it may still be overtaken.
const TAIL_BYTES_MAX: u64 = 1 << 20;

/// Room for the line that says what was left out.
const LINE_BYTES_MAX: u64 = 100;

/// A file being written.
#[derive(Debug)]
pub(super) struct Spool<W> {
    to: W,
    head_bytes_max: u64,
    written: u64,
    /// Set when the beginning is full or the file took no more.
    head_done: bool,
    tail: Tail,
    total: u64,
    error: Option<String>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spooled {
    pub(super) bytes: u64,
    pub(super) left_out: u64,
    pub(super) error: Option<String>,
}

impl Spool<File> {
    /// Creates or empties the file: mode 0600, no symbolic link followed, nothing but a regular file.
    pub(super) fn create(path: &Path, bytes_max: u64) -> io::Result<Self> {
        // Without NONBLOCK the open of a FIFO that nobody reads would hang; a regular file does not care.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?;
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // Beyond a file-size limit (`ulimit -f`) a write would end this process by SIGXFSZ.
        let limit = getrlimit(Resource::Fsize).current.map_or(u64::MAX, |limit| limit.saturating_sub(LINE_BYTES_MAX));
        Ok(Self::new(File::from(fd), bytes_max.min(limit)))
    }
}

impl<W: Write> Spool<W> {
    fn new(to: W, bytes_max: u64) -> Self {
        let tail = (bytes_max / 2).min(TAIL_BYTES_MAX);
        Self {
            to,
            head_bytes_max: bytes_max - tail,
            written: 0,
            head_done: false,
            tail: Tail { bytes: Vec::new(), bytes_max: tail as usize, next: 0 },
            total: 0,
            error: None,
        }
    }

    /// Takes `bytes`. An error of the file is remembered, and does not stop the taking.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if !self.head_done {
            let room = usize::try_from(self.head_bytes_max - self.written).unwrap_or(usize::MAX);
            let head = &bytes[..bytes.len().min(room)];
            let written = self.write(head);
            self.written += written as u64;
            self.head_done = written < head.len() || self.written == self.head_bytes_max;
            bytes = &bytes[written..];
        }
        self.tail.push(bytes);
    }

    /// How much has been taken so far.
    pub(super) fn bytes(&self) -> u64 {
        self.total
    }

    /// Writes the end, behind a line that says how many bytes are missing there, if any are.
    pub(super) fn finish(mut self) -> Spooled {
        let kept = self.tail.bytes.len() as u64;
        let left_out = self.total - self.written - kept;
        if left_out > 0 {
            let line = format!("\n[ganger: {left_out} bytes of output left out here]\n");
            self.write(line.as_bytes());
        }
        let (newer, older) = self.tail.bytes.split_at(self.tail.next);
        let (newer, older) = (newer.to_vec(), older.to_vec());
        let mut written = self.write(&older);
        if written == older.len() {
            written += self.write(&newer);
        }
        if let Err(error) = self.to.flush() {
            self.error.get_or_insert_with(|| error.to_string());
        }
        Spooled { bytes: self.total, left_out: left_out + kept - written as u64, error: self.error }
    }

    /// Writes what can be written of `bytes` and says how much that was.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.to.write(&bytes[written..]) {
                Ok(0) => {
                    self.error.get_or_insert_with(|| io::Error::from(io::ErrorKind::WriteZero).to_string());
                    break;
                }
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error.get_or_insert_with(|| error.to_string());
                    break;
                }
            }
        }
        written
    }
}

/// The last bytes of a stream: a ring that takes memory only as it fills.
#[derive(Debug)]
struct Tail {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Where the oldest byte is once the ring is full; 0 before.
    next: usize,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        if bytes.len() >= self.bytes_max {
            self.bytes.clear();
            self.bytes.extend_from_slice(&bytes[bytes.len() - self.bytes_max..]);
            self.next = 0;
            return;
        }
        let (first, rest) = bytes.split_at(bytes.len().min(self.bytes_max - self.bytes.len()));
        self.bytes.extend_from_slice(first);
        let (to_end, wrapped) = rest.split_at(rest.len().min(self.bytes_max - self.next));
        self.bytes[self.next..self.next + to_end.len()].copy_from_slice(to_end);
        self.bytes[..wrapped.len()].copy_from_slice(wrapped);
        self.next = (self.next + rest.len()) % self.bytes_max;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    /// A file that is full after `room` bytes, for the first `refusals` writes beyond them.
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        refusals: u32,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.room.saturating_sub(self.bytes.len());
            if room == 0 && self.refusals > 0 {
                self.refusals -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = if room == 0 { bytes.len() } else { bytes.len().min(room) };
            self.bytes.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn disk() -> Disk {
        Disk { bytes: Vec::new(), room: usize::MAX, refusals: 0 }
    }

    /// Every bound, length and size of the pieces up to some, against what the definition says.
    #[test]
    fn beginning_and_end_are_kept_exactly() {
        for bytes_max in 0..24u64 {
            for length in 0..60usize {
                for piece in [1, 2, 3, 5, 7, 11, 13, 60] {
                    let all: Vec<u8> = (0..length as u8).map(|n| b'0' + n).collect();
                    let mut disk = disk();
                    let mut spool = Spool::new(&mut disk, bytes_max);
                    all.chunks(piece).for_each(|bytes| spool.push(bytes));
                    let spooled = spool.finish();
                    let left_out = length.saturating_sub(bytes_max as usize);
                    let expected = if left_out == 0 {
                        all.clone()
                    } else {
                        let tail = bytes_max as usize / 2;
                        let head = bytes_max as usize - tail;
                        let line = format!("\n[ganger: {left_out} bytes of output left out here]\n");
                        [&all[..head], line.as_bytes(), &all[length - tail..]].concat()
                    };
                    assert_eq!(disk.bytes, expected, "{bytes_max} {length} {piece}");
                    assert_eq!(spooled, Spooled { bytes: length as u64, left_out: left_out as u64, error: None });
                }
            }
        }
    }

    #[test]
    fn a_full_disk_is_reported_and_nothing_stops() {
        let mut disk = Disk { room: 5, refusals: u32::MAX, ..disk() };
        let mut spool = Spool::new(&mut disk, 20);
        (0..1000).for_each(|_| spool.push(b"0123456789"));
        let spooled = spool.finish();
        assert_eq!((spooled.bytes, spooled.left_out), (10_000, 9_995));
        assert!(spooled.error.is_some());
        assert_eq!(disk.bytes, b"01234");
    }

    #[test]
    fn when_a_full_disk_has_room_again_the_end_is_kept() {
        let mut disk = Disk { room: 5, refusals: 1, ..disk() };
        let mut spool = Spool::new(&mut disk, 20);
        (0..3).for_each(|_| spool.push(b"0123456789"));
        let spooled = spool.finish();
        assert_eq!((spooled.bytes, spooled.left_out), (30, 15));
        assert!(spooled.error.is_some());
        assert_eq!(disk.bytes, b"01234\n[ganger: 15 bytes of output left out here]\n0123456789");
    }

    #[test]
    fn only_a_regular_file_is_written_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("ganger-spool-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("out"), folder.join("link"));
        let mut spool = Spool::create(&file, 100).unwrap();
        spool.push(b"kept");
        spool.finish();
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(Spool::create(&link, 100).is_err());
        assert!(Spool::create(&folder, 100).is_err());
        assert!(Spool::create(&folder.join("missing/out"), 100).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
