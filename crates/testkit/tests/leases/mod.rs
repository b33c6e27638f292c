//! The store, the workers and the messages between them, small enough to visit every state. What the store does with a message is decided by
//! the real `domain::lifecycle::transition`; messages are never taken out of the network, so each may arrive late, twice or never.
//! Time has no numbers: a lease or an attempt's time may be over at any moment.

mod row;

use domain::event::EventKind;
use domain::id::{TaskId, WorkerName};
use domain::lease::Claim;
use domain::lifecycle::{Change, Command, Decision, Refusal, Rules, transition};
use domain::task::{FailReason, Failure, Step};

use self::row::{LEASE, NOW, nonce};
pub(crate) use self::row::{Row, Token};

/// What of the system is in the model, and how much of it.
#[derive(Debug, Clone)]
pub(crate) struct Leases {
    pub(crate) workers: u8,
    /// For each task, the tasks that it waits for.
    pub(crate) tasks: Vec<Vec<u8>>,
    /// How often a task may be claimed; no bound when every path ends by itself.
    pub(crate) claims_max: Option<u8>,
    pub(crate) failures_max: u8,
    pub(crate) verbs: Verbs,
    pub(crate) release: Release,
}

/// What may happen besides claims and completions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verbs {
    /// Claims that arrive a second time.
    pub(crate) claim_again: bool,
    pub(crate) heartbeat: bool,
    pub(crate) fail: bool,
    pub(crate) give_back: bool,
    /// The process of a worker is seen to have ended, rightly or not.
    pub(crate) lose: bool,
    pub(crate) time_over: bool,
    /// Cancel and retry.
    pub(crate) people: bool,
    /// One backup, and one restore of it.
    pub(crate) restore: bool,
}

/// How the store learns that a child may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// A counter in the child's row, moved in the transaction that moves the parent: what the funnel does.
    Counter,
    /// By looking at the siblings as they stood when the transaction began: what must not be done (write skew).
    Siblings,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) rows: Vec<Row>,
    /// What each worker works on.
    workers: Vec<Option<Token>>,
    network: Vec<Message>,
    /// How many nonces were drawn for each task; a restore does not bring them back.
    nonces: Vec<u8>,
    /// Transactions that have looked and not written: of this parent, whether its siblings were all done.
    begun: Vec<(Token, bool)>,
    backup: Backup,
    /// The first promise that was broken.
    pub(crate) broken: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Backup {
    None,
    Kept(Vec<Row>),
    Restored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Message {
    Claim { worker: u8, task: u8, nonce: u8 },
    Granted { worker: u8, token: Token },
    Report(Word, Token),
}

/// What a worker says of its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Word {
    Heartbeat,
    Complete,
    Fail,
    Release,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A worker claims; its request and the grant are on their way from now on.
    Claim {
        worker: u8,
        task: u8,
    },
    /// A worker reports on what it works on; all but a heartbeat end the work.
    Send(u8, Word),
    Deliver(Message),
    Commit(usize),
    LeaseOver(u8),
    TimeOver(u8),
    Expire(u8),
    Lose(u8),
    Cancel(u8),
    Retry(u8),
    BackUp,
    Restore,
}

fn name(worker: u8) -> WorkerName {
    #[expect(clippy::unwrap_used, reason = "a letter and a digit make a name")]
    format!("w{worker}").parse().unwrap()
}

impl Leases {
    pub(crate) fn start(&self) -> State {
        let row = |needs: &Vec<u8>| Row::new(u8::try_from(needs.len()).unwrap_or(u8::MAX));
        State {
            rows: self.tasks.iter().map(row).collect(),
            workers: vec![None; usize::from(self.workers)],
            network: Vec::new(),
            nonces: vec![0; self.tasks.len()],
            begun: Vec::new(),
            backup: Backup::None,
            broken: None,
        }
    }

    /// Whatever could be tried in a state; what changes nothing is sorted out by [`Self::next`].
    pub(crate) fn all_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let verbs = self.verbs;
        let tasks = 0..u8::try_from(self.tasks.len()).unwrap_or(u8::MAX);
        for (worker, works_on) in (0..).zip(&state.workers) {
            if works_on.is_none() {
                actions.extend(tasks.clone().map(|task| Action::Claim { worker, task }));
                continue;
            }
            actions.push(Action::Send(worker, Word::Complete));
            actions.extend(verbs.heartbeat.then_some(Action::Send(worker, Word::Heartbeat)));
            actions.extend(verbs.fail.then_some(Action::Send(worker, Word::Fail)));
            actions.extend(verbs.give_back.then_some(Action::Send(worker, Word::Release)));
        }
        actions.extend(state.network.iter().map(|message| Action::Deliver(*message)));
        actions.extend((0..state.begun.len()).map(Action::Commit));
        for task in tasks {
            actions.extend([Action::LeaseOver(task), Action::Expire(task)]);
            actions.extend(verbs.lose.then_some(Action::Lose(task)));
            actions.extend(verbs.time_over.then_some(Action::TimeOver(task)));
            if verbs.people {
                actions.extend([Action::Cancel(task), Action::Retry(task)]);
            }
        }
        if verbs.restore {
            actions.extend([Action::BackUp, Action::Restore]);
        }
    }

    /// The state after an action; `None` when it changes nothing.
    pub(crate) fn next(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Claim { worker, task } => {
                let token = self.claim(&mut state, worker, task, before.nonces[usize::from(task)])?;
                state.nonces[usize::from(task)] += 1;
                if self.verbs.claim_again {
                    state.send(Message::Claim { worker, task, nonce: token.nonce });
                }
            }
            Action::Send(worker, word) => {
                let token = state.workers[usize::from(worker)]?;
                if word != Word::Heartbeat {
                    state.workers[usize::from(worker)] = None;
                }
                state.send(Message::Report(word, token));
            }
            Action::Deliver(message) => self.deliver(&mut state, message)?,
            Action::Commit(index) => {
                let (token, all_done) = state.begun.remove(index);
                let was_done = state.rows[usize::from(token.task)].is_completed();
                self.report(&mut state, Word::Complete, token);
                if all_done && !was_done && state.rows[usize::from(token.task)].is_completed() {
                    self.release_children(&mut state, token.task);
                }
            }
            Action::LeaseOver(task) => state.rows[usize::from(task)].lease_is_over()?,
            Action::TimeOver(task) => state.rows[usize::from(task)].time_is_over()?,
            Action::Expire(task) => self.decide(&mut state, task, &Command::Expire)?,
            Action::Lose(task) => self.decide(&mut state, task, &Command::Lose)?,
            Action::Cancel(task) => self.decide(&mut state, task, &Command::Cancel { note: String::new() })?,
            Action::Retry(task) if self.may_be_claimed(&state, task) => self.decide(&mut state, task, &Command::Retry)?,
            Action::Retry(_) => return None,
            Action::BackUp => match state.backup {
                Backup::None => state.backup = Backup::Kept(state.rows.clone()),
                Backup::Kept(_) | Backup::Restored => return None,
            },
            Action::Restore => match std::mem::replace(&mut state.backup, Backup::Restored) {
                Backup::Kept(rows) => state.rows = rows,
                Backup::None | Backup::Restored => return None,
            },
        }
        (state != *before).then_some(state)
    }

    fn deliver(&self, state: &mut State, message: Message) -> Option<()> {
        match message {
            Message::Claim { worker, task, nonce } => self.claim(state, worker, task, nonce).map(|_| ()),
            Message::Granted { worker, token } => {
                if state.workers[usize::from(worker)].is_some() {
                    return None;
                }
                // The one message that is taken out: who got it twice would only say the same things again.
                state.network.retain(|other| *other != message);
                state.workers[usize::from(worker)] = Some(token);
                Some(())
            }
            Message::Report(Word::Complete, token) if self.release == Release::Siblings => {
                if state.begun.iter().any(|(begun, _)| *begun == token) {
                    return None;
                }
                let others_done = self.children_of(token.task).all(|child| {
                    let mut others = self.tasks[usize::from(child)].iter().filter(|need| **need != token.task);
                    others.all(|other| state.rows[usize::from(*other)].is_completed())
                });
                state.begun.push((token, others_done));
                Some(())
            }
            Message::Report(word, token) => {
                self.report(state, word, token);
                Some(())
            }
        }
    }

    fn may_be_claimed(&self, state: &State, task: u8) -> bool {
        self.claims_max.is_none_or(|max| state.rows[usize::from(task)].attempt < max)
    }

    fn claim(&self, state: &mut State, worker: u8, task: u8, with: u8) -> Option<Token> {
        if !self.may_be_claimed(state, task) {
            return None;
        }
        let command = Command::Claim { worker: name(worker), nonce: nonce(with), lease: LEASE, lacking: Vec::new(), instead_of: None };
        let early = self.tasks[usize::from(task)].iter().any(|need| !state.rows[usize::from(*need)].is_completed());
        self.decide(state, task, &command)?;
        if early {
            state.breaks("G11: a task began before its parents were done");
        }
        let token = state.rows[usize::from(task)].last_opened()?;
        state.send(Message::Granted { worker, token });
        Some(token)
    }

    /// A worker's word, held against the books that the model keeps by itself (G7).
    fn report(&self, state: &mut State, word: Word, token: Token) {
        let row = state.rows[usize::from(token.task)];
        let claim = token.claim();
        let failure = || Failure { reason: FailReason::Reported, note: String::new() };
        let command = match word {
            Word::Heartbeat => Command::Heartbeat { claim, lease: LEASE, step: Step::Running, started_at: None },
            Word::Complete => complete(claim),
            Word::Fail => Command::Fail { claim, started_at: None, failure: failure() },
            Word::Release => Command::Release { claim, note: String::new() },
        };
        match transition(&row.task(token.task, self.failures_max), &command, NOW, Rules::default()) {
            Ok(Decision::Change(change)) => {
                if row.open != Some(token) {
                    state.breaks("G7: a claim that is not current changed something");
                }
                self.put(state, token.task, &change);
            }
            Ok(Decision::Already) if row.done_by == Some(token) => {}
            Ok(Decision::Already) => state.breaks("G7: a completion counts as done that another claim did"),
            Err(Refusal::StaleClaim { .. } | Refusal::OtherClaim { .. }) if row.open != Some(token) => {}
            Err(_) => state.breaks("the current claim was refused"),
        }
    }

    fn decide(&self, state: &mut State, task: u8, command: &Command) -> Option<()> {
        let row = state.rows[usize::from(task)];
        match transition(&row.task(task, self.failures_max), command, NOW, Rules::default()) {
            Ok(Decision::Change(change)) => {
                self.put(state, task, &change);
                Some(())
            }
            Ok(Decision::Already) | Err(_) => None,
        }
    }

    /// Writes a change, and moves what hangs on it, as one transaction.
    fn put(&self, state: &mut State, task: u8, change: &Change) {
        let before = state.rows[usize::from(task)];
        let mut row = before.with(change.after());
        for event in change.events() {
            match event.kind {
                EventKind::TaskClaimed => {
                    if row.open.is_some() {
                        state.breaks("G6: a second claim is alive");
                    }
                    row.claims += 1;
                    row.open = row.token(task);
                }
                EventKind::TaskCompleted => row.done_by = row.open.take(),
                EventKind::TaskFailed | EventKind::TaskReleased | EventKind::TaskExpired | EventKind::TaskCancelled => row.open = None,
                // Nothing else begins or ends a claim.
                _ => {}
            }
        }
        state.rows[usize::from(task)] = row;
        if self.release == Release::Siblings {
            return;
        }
        let (was, is) = (before.place.need(), row.place.need());
        for child in self.children_of(task) {
            let child = &mut state.rows[usize::from(child)];
            let shift = |count: u8, was: bool, is: bool| count.saturating_add(u8::from(is)).saturating_sub(u8::from(was));
            let waited = child.waiting;
            child.waiting = shift(child.waiting, was != row::Need::Met, is != row::Need::Met);
            child.dead = shift(child.dead, was == row::Need::Dead, is == row::Need::Dead);
            child.released += u8::from(waited > 0 && child.waiting == 0);
        }
    }

    fn release_children(&self, state: &mut State, parent: u8) {
        for child in self.children_of(parent) {
            let child = &mut state.rows[usize::from(child)];
            child.waiting = 0;
            child.released += 1;
        }
    }

    pub(crate) fn children_of(&self, parent: u8) -> impl Iterator<Item = u8> {
        (0..).zip(&self.tasks).filter(move |(_, needs)| needs.contains(&parent)).map(|(child, _)| child)
    }

    /// G8: from here, without any luck, each task can still be brought to its end by an expiry, a claim and a completion.
    pub(crate) fn can_go_on(&self, state: &State) -> bool {
        (0..).zip(&state.rows).all(|(id, row)| {
            let mut task = Row { waiting: 0, dead: 0, ..*row }.task(id, self.failures_max);
            let step = |task: &domain::task::Task, command: &Command| match transition(task, command, NOW, Rules::default()) {
                Ok(Decision::Change(change)) => Some(change.after().clone()),
                Ok(Decision::Already) | Err(_) => None,
            };
            if let Some(freed) = step(&task, &Command::Lose) {
                task = freed;
            }
            if task.status().is_final() {
                return true;
            }
            let claim = Command::Claim { worker: name(9), nonce: nonce(99), lease: LEASE, lacking: Vec::new(), instead_of: None };
            let held = step(&task, &claim);
            held.and_then(|held| held.claim().and_then(|claim| step(&held, &complete(claim)))).is_some_and(|done| done.status().is_final())
        })
    }
}

fn complete(claim: Claim) -> Command {
    Command::Complete { claim, started_at: None, checked: None, note: String::new() }
}

impl State {
    fn send(&mut self, message: Message) {
        if let Err(place) = self.network.binary_search(&message) {
            self.network.insert(place, message);
        }
    }

    /// Whether a report is on its way whose claim is over, while another one holds the task.
    pub(crate) fn has_late_report(&self) -> bool {
        self.network.iter().any(|message| match message {
            Message::Report(_, token) => self.rows[usize::from(token.task)].open.is_some_and(|open| open != *token),
            Message::Claim { .. } | Message::Granted { .. } => false,
        })
    }

    /// Whether a transaction has looked and not written yet.
    pub(crate) fn is_writing(&self) -> bool {
        !self.begun.is_empty()
    }

    fn breaks(&mut self, promise: &'static str) {
        self.broken = self.broken.or(Some(promise));
    }
}

impl Token {
    fn claim(self) -> Claim {
        Claim { task: TaskId(u32::from(self.task) + 1), attempt: domain::id::Attempt(u32::from(self.attempt)), nonce: nonce(self.nonce) }
    }
}
