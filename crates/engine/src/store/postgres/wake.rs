//! Wake-ups over the database. They are told in a transaction of their own, because one that carries a notification waits for every other
//! such one at its end (T15), and several in a row are told once. Nothing is replayed, so whoever connects anew is woken as well.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use domain::id::WorkerName;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::Notify;

use super::Use;
use super::connect::{self, PgAddress};
use crate::store::{Listen, Listener, Waker};

/// How long to wait before a lost connection is made anew; at most, by doubling.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What is told: the payload of a notification.
const ANY: &str = "any";
const WORK: &str = "work";

/// Wake-ups over the database: two threads, each begun when it is first needed.
pub(super) struct PgWaker {
    inner: Arc<Inner>,
    /// Else at the end: a command does one thing, and needs no thread and no connection more for it.
    tells_at_once: bool,
}

struct Inner {
    address: PgAddress,
    /// What is to be told, and whether a thread tells.
    told: Mutex<Told>,
    news: Condvar,
    heard: Mutex<Heard>,
    /// Ends the listening.
    end: Notify,
}

#[derive(Default)]
struct Told {
    waiting: BTreeSet<String>,
    is_running: bool,
    ended: bool,
}

#[derive(Default)]
struct Heard {
    ears: Vec<Weak<Ear>>,
    is_running: bool,
}

struct Ear {
    what: String,
    bell: OwnedFd,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn payload(what: Listen<'_>) -> String {
    match what {
        Listen::Any => ANY.to_owned(),
        Listen::Work => WORK.to_owned(),
        Listen::Worker(name) => format!("worker {name}"),
    }
}

impl PgWaker {
    pub(super) fn new(address: &PgAddress, how: Use) -> Self {
        let inner =
            Inner { address: address.clone(), told: Mutex::default(), news: Condvar::new(), heard: Mutex::default(), end: Notify::new() };
        Self { inner: Arc::new(inner), tells_at_once: how == Use::Resident }
    }

    fn tell(&self, what: Listen<'_>) {
        let mut told = locked(&self.inner.told);
        told.waiting.insert(payload(what));
        if self.tells_at_once && !told.is_running {
            let inner = Arc::clone(&self.inner);
            told.is_running = std::thread::Builder::new().name("notify".to_owned()).spawn(move || inner.tell_all()).is_ok();
        }
        drop(told);
        self.inner.news.notify_one();
    }

    /// Tells what is waiting, at the end of a process that does one thing only.
    pub(super) fn flush(&self, session: &super::Session) {
        let waiting = std::mem::take(&mut locked(&self.inner.told).waiting);
        if !waiting.is_empty() {
            let _ = session.batch(&self.inner.statement(&waiting));
        }
    }
}

impl Drop for PgWaker {
    fn drop(&mut self) {
        locked(&self.inner.told).ended = true;
        self.inner.news.notify_one();
        self.inner.end.notify_one();
    }
}

impl Inner {
    fn statement(&self, payloads: &BTreeSet<String>) -> String {
        // A payload is one of two words, or the name of a worker, which has no quotation mark.
        payloads.iter().map(|payload| format!("NOTIFY {}, '{}';", self.address.channel(), payload.replace('\'', "''"))).collect()
    }

    /// The thread that tells.
    fn tell_all(&self) {
        let mut session = None;
        loop {
            let waiting = {
                let mut told = locked(&self.told);
                while told.waiting.is_empty() && !told.ended {
                    told = self.news.wait(told).unwrap_or_else(PoisonError::into_inner);
                }
                if told.waiting.is_empty() {
                    return;
                }
                std::mem::take(&mut told.waiting)
            };
            // Twice: the connection may have gone while nothing was to be told. Losing one costs one slow poll.
            for _ in 0..2 {
                if session.as_ref().is_none_or(super::Session::is_closed) {
                    session = super::Session::open(&self.address).ok();
                }
                if session.as_ref().is_some_and(|session| session.batch(&self.statement(&waiting)).is_ok()) {
                    break;
                }
                session = None;
            }
        }
    }

    /// The thread that listens, until nobody does.
    fn listen_all(self: &Arc<Self>) {
        let mut pause = RETRY_MIN;
        loop {
            let began = crate::clock::instant();
            let inner = Arc::downgrade(self);
            if let Ok(runtime) = connect::runtime() {
                let ring = move |payload: Option<&str>| {
                    if let Some(inner) = inner.upgrade() {
                        inner.ring(payload);
                    }
                };
                let _ = runtime.block_on(connect::listen(&self.address, ring, &self.end));
            }
            {
                let mut heard = locked(&self.heard);
                heard.ears.retain(|ear| ear.strong_count() > 0);
                if heard.ears.is_empty() || locked(&self.told).ended {
                    heard.is_running = false;
                    return;
                }
            }
            pause = if began.elapsed() > RETRY_MAX { RETRY_MIN } else { (pause * 2).min(RETRY_MAX) };
            let seed = crate::random::bytes().map_or(0, u64::from_le_bytes);
            let ms = u64::try_from(pause.as_millis()).unwrap_or(1);
            std::thread::sleep(Duration::from_millis(ms / 2 + domain::retry::jitter(seed, ms / 2)));
        }
    }

    fn ring(&self, payload: Option<&str>) {
        for ear in locked(&self.heard).ears.iter().filter_map(Weak::upgrade) {
            if payload.is_none_or(|payload| payload == ear.what) {
                let _ = rustix::io::write(&ear.bell, &1_u64.to_ne_bytes());
            }
        }
    }
}

impl Waker for PgWaker {
    fn any(&self) {
        self.tell(Listen::Any);
    }

    fn work(&self) {
        self.tell(Listen::Work);
    }

    fn worker(&self, name: &WorkerName) {
        self.tell(Listen::Worker(name));
    }

    fn listen(&self, what: Listen<'_>) -> Box<dyn Listener> {
        let Ok(bell) = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) else { return Box::new(Deaf) };
        let ear = Arc::new(Ear { what: payload(what), bell });
        let mut heard = locked(&self.inner.heard);
        heard.ears.retain(|ear| ear.strong_count() > 0);
        heard.ears.push(Arc::downgrade(&ear));
        if !heard.is_running {
            let inner = Arc::clone(&self.inner);
            heard.is_running = std::thread::Builder::new().name("listen".to_owned()).spawn(move || inner.listen_all()).is_ok();
        }
        Box::new(Hearing(ear))
    }
}

struct Hearing(Arc<Ear>);

impl Listener for Hearing {
    fn wait(&mut self, at_most: Duration) -> bool {
        let timeout = Timespec { tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(at_most.subsec_nanos()) };
        let mut fds = [PollFd::new(&self.0.bell, PollFlags::IN)];
        let happened = matches!(poll(&mut fds, Some(&timeout)), Ok(count) if count > 0);
        if happened {
            self.drain();
        }
        happened
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.bell.as_fd())
    }

    fn drain(&mut self) {
        let _ = rustix::io::read(&self.0.bell, &mut [0; 8]);
    }
}

/// Where there is no bell to be had: looks often.
struct Deaf;

impl Listener for Deaf {
    fn wait(&mut self, at_most: Duration) -> bool {
        std::thread::sleep(at_most.min(Duration::from_millis(200)));
        true
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn drain(&mut self) {}
}
