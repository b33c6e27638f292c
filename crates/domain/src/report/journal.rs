//! What the journal tells beside the tasks themselves: who worked when, whose claims expired, who was lost, which run began and ended.
//! It reads events one after another, the oldest first, and keeps sums. Times are those of the wall clock, for people (A40).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::event::EventKind;
use crate::id::{TaskId, WorkerName};
use crate::time::Timestamp;

/// How many fallbacks are kept; further ones are counted.
pub const FALLBACKS_MAX: usize = 100;

/// An event as it is told to the journal.
pub struct Happened<'e> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// To which task.
    pub task: Option<TaskId>,
    /// By or to which worker.
    pub worker: Option<&'e WorkerName>,
    /// Its particulars by name; a list is joined by commas.
    pub fact: &'e dyn Fn(&str) -> Option<String>,
}

/// The sums.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    trails: HashMap<TaskId, Trail>,
    hours: BTreeMap<WorkerName, Hours>,
    lost: BTreeMap<WorkerName, Lost>,
    fallbacks: Vec<Fallback>,
    fallbacks_more: u32,
    run: Option<Run>,
    first_claim: Option<Timestamp>,
    last_end: Option<Timestamp>,
    earlier_left_out: bool,
}

/// What was done about one task.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    open: Option<(Timestamp, WorkerName)>,
    worked_ms: u64,
    /// How often a claim of it was taken away.
    pub expired: u32,
    /// Why, the last time.
    pub expired_for: String,
}

impl Trail {
    /// How long it was worked on, over all attempts that have ended; `None` when none has.
    #[must_use]
    pub fn worked(&self) -> Option<Duration> {
        (self.worked_ms > 0).then(|| Duration::from_millis(self.worked_ms))
    }
}

/// When one worker worked. Two claims at once count once.
#[derive(Debug, Clone, Default)]
pub struct Hours {
    holding: u32,
    since: Timestamp,
    worked_ms: u64,
    completed: u32,
    lost_at: Option<Timestamp>,
}

impl Hours {
    /// How long it has held a claim, up to the last end of one.
    #[must_use]
    pub fn worked(&self) -> Duration {
        Duration::from_millis(self.worked_ms)
    }

    /// How many tasks it completed.
    #[must_use]
    pub fn completed(&self) -> u32 {
        self.completed
    }

    /// When it was lost, if it has not worked since.
    #[must_use]
    pub fn lost_at(&self) -> Option<Timestamp> {
        self.lost_at
    }
}

/// A worker that was found dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which.
    pub worker: WorkerName,
    /// How often.
    pub times: u32,
    /// How that was known, the last time.
    pub why: String,
}

/// A task that went to somebody else than it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The task.
    pub task: TaskId,
    /// Who took it.
    pub worker: WorkerName,
    /// What that worker lacks, joined by commas.
    pub lacking: Option<String>,
    /// Whom it had been meant for.
    pub instead_of: Option<String>,
}

/// The newest `ganger run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// When it ended, and with which word.
    pub ended: Option<(Timestamp, String)>,
}

impl Journal {
    /// A journal of which the oldest events are not told.
    #[must_use]
    pub fn without_the_earliest() -> Self {
        Self { earlier_left_out: true, ..Self::default() }
    }

    /// One more event.
    pub fn tell(&mut self, event: &Happened<'_>) {
        match event.kind {
            EventKind::TaskClaimed => self.claimed(event),
            EventKind::TaskCompleted => {
                if let Some(name) = event.worker {
                    let hours = self.hours.entry(name.clone()).or_default();
                    hours.completed = hours.completed.saturating_add(1);
                }
                self.ended(event);
            }
            EventKind::TaskFailed
            | EventKind::TaskBlocked
            | EventKind::TaskReleased
            | EventKind::TaskCancelled
            | EventKind::TaskRestored => self.ended(event),
            EventKind::TaskExpired => {
                if let Some(id) = event.task {
                    let trail = self.trails.entry(id).or_default();
                    trail.expired = trail.expired.saturating_add(1);
                    trail.expired_for = (event.fact)("reason").unwrap_or_default();
                }
                self.ended(event);
            }
            EventKind::TaskFellBack => self.fell_back(event),
            EventKind::WorkerLost => {
                if let Some(name) = event.worker {
                    let why = (event.fact)("why").unwrap_or_default();
                    let lost = self.lost.entry(name.clone()).or_insert_with(|| Lost { worker: name.clone(), times: 0, why: String::new() });
                    lost.times = lost.times.saturating_add(1);
                    lost.why = why;
                    self.hours.entry(name.clone()).or_default().lost_at = Some(event.at);
                }
            }
            EventKind::RunStarted => self.run = Some(Run { began_at: Some(event.at), ended: None }),
            EventKind::RunFinished => {
                let ended = Some((event.at, (event.fact)("outcome").unwrap_or_default()));
                let began_at = self.run.as_ref().and_then(|run| run.began_at);
                self.run = Some(Run { began_at, ended });
            }
            EventKind::TaskAdded
            | EventKind::TaskEdited
            | EventKind::TaskStarted
            | EventKind::TaskRetried
            | EventKind::TaskUnblocked
            | EventKind::CheckPassed
            | EventKind::CheckFailed
            | EventKind::WorkerAdded
            | EventKind::WorkerLimited
            | EventKind::WorkerRemoved
            | EventKind::PromptDelivered
            | EventKind::PromptUnconfirmed
            | EventKind::MessagePosted
            | EventKind::BoardEditApplied
            | EventKind::BoardEditRefused
            | EventKind::PlanImported
            | EventKind::WorkerPaused
            | EventKind::WorkerResumed
            | EventKind::RowUnreadable
            | EventKind::ProjectImported
            | EventKind::ProjectRepaired => {}
        }
    }

    fn claimed(&mut self, event: &Happened<'_>) {
        let (Some(id), Some(name)) = (event.task, event.worker) else { return };
        self.first_claim = Some(self.first_claim.map_or(event.at, |first| first.min(event.at)));
        self.trails.entry(id).or_default().open = Some((event.at, name.clone()));
        let hours = self.hours.entry(name.clone()).or_default();
        if hours.holding == 0 {
            hours.since = event.at;
        }
        hours.holding = hours.holding.saturating_add(1);
        hours.lost_at = None;
    }

    /// The end of a claim; an event of a task that nobody holds ends none.
    fn ended(&mut self, event: &Happened<'_>) {
        let Some(trail) = event.task.and_then(|id| self.trails.get_mut(&id)) else { return };
        let Some((since, name)) = trail.open.take() else { return };
        trail.worked_ms = trail.worked_ms.saturating_add(ms(event.at.since(since)));
        self.last_end = Some(self.last_end.map_or(event.at, |last| last.max(event.at)));
        let hours = self.hours.entry(name).or_default();
        hours.holding = hours.holding.saturating_sub(1);
        if hours.holding == 0 {
            hours.worked_ms = hours.worked_ms.saturating_add(ms(event.at.since(hours.since)));
        }
    }

    fn fell_back(&mut self, event: &Happened<'_>) {
        let (Some(task), Some(worker)) = (event.task, event.worker) else { return };
        if self.fallbacks.len() == FALLBACKS_MAX {
            self.fallbacks_more = self.fallbacks_more.saturating_add(1);
            return;
        }
        self.fallbacks.push(Fallback {
            task,
            worker: worker.clone(),
            lacking: (event.fact)("lacking").filter(|list| !list.is_empty()),
            instead_of: (event.fact)("instead_of"),
        });
    }

    /// What was done about a task.
    #[must_use]
    pub fn trail(&self, id: TaskId) -> Option<&Trail> {
        self.trails.get(&id)
    }

    /// How long all attempts together took.
    #[must_use]
    pub fn worked(&self) -> Duration {
        Duration::from_millis(self.trails.values().map(|trail| trail.worked_ms).sum())
    }

    /// Everybody who did something.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerName> {
        let did = |hours: &Hours| hours.holding > 0 || hours.worked_ms > 0 || hours.completed > 0;
        self.hours.iter().filter(move |(_, hours)| did(hours)).map(|(name, _)| name)
    }

    /// When a worker worked.
    #[must_use]
    pub fn hours(&self, name: &WorkerName) -> Option<&Hours> {
        self.hours.get(name)
    }

    /// Workers that were lost, by name.
    pub fn lost(&self) -> impl Iterator<Item = &Lost> {
        self.lost.values()
    }

    /// Tasks that went to somebody else, and how many more there were.
    #[must_use]
    pub fn fallbacks(&self) -> (&[Fallback], u32) {
        (&self.fallbacks, self.fallbacks_more)
    }

    /// The newest run.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// From the first claim to the last end of one; `None` before anything ended.
    #[must_use]
    pub fn wall(&self) -> Option<(Timestamp, Timestamp)> {
        self.first_claim.zip(self.last_end).filter(|(first, last)| first <= last)
    }

    /// Whether any task was ever claimed.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.first_claim.is_some()
    }

    /// Whether the oldest events are not in it.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.earlier_left_out
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
