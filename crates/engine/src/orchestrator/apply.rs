//! THE FUNNEL: every change of state, on every store, for every surface, goes through [`Orchestrator::apply`]. Load, decide, record,
//! release, append, commit: as one transaction. A batch of orders is one commit, and each caller is answered after it.

use domain::event::{Actor, EventKind, NewEvent};
use domain::lifecycle::Command;
use domain::task::{Task, TaskState};

use super::act::Kept;
use super::book::Book;
use super::{Act, Answer, Orchestrator, Order, WorkerAct};
use crate::error::{Error, Kind, Result};
use crate::store::Expected;

/// How often a batch is repeated whose outcome is unknown. Each order is known again then, so nothing happens twice.
const UNKNOWN_REPEATS: u32 = 3;

impl Orchestrator {
    /// Carries out a batch as one transaction. The outer error means that nothing of it happened (or, for [`Kind::Unknown`], that nobody
    /// can tell); an inner one that this order was refused while the others were carried out.
    ///
    /// # Errors
    /// Those of the store.
    pub fn apply(&self, orders: &[Order]) -> Result<Vec<Result<Answer>>> {
        let repeatable = orders.iter().all(Order::is_repeatable);
        let mut repeats = 0;
        loop {
            match self.apply_once(orders, repeats > 0) {
                Err(error) if error.kind == Kind::Unknown && repeatable && repeats < UNKNOWN_REPEATS => repeats += 1,
                done => return done,
            }
        }
    }

    /// Carries out one order.
    ///
    /// # Errors
    /// Those of the store, and the refusal of the order.
    pub fn apply_one(&self, order: Order) -> Result<Answer> {
        let mut answers = self.apply(std::slice::from_ref(&order))?;
        answers.pop().unwrap_or_else(|| Err(Error::bug("an order got no answer")))
    }

    fn apply_once(&self, orders: &[Order], again: bool) -> Result<Vec<Result<Answer>>> {
        let mut answers = Vec::with_capacity(orders.len());
        let mut freed = false;
        let mut bereft = Vec::new();
        self.store.write_expecting(&expected(orders), &mut |tx| {
            answers.clear();
            let mut book = Book::new(self, tx);
            book.again = again;
            for order in orders {
                let answer = book.carry(order);
                match &answer {
                    Err(error) if is_fatal(error) => return Err(error.clone()),
                    Ok(_) | Err(_) => answers.push(answer),
                }
            }
            book.close()?;
            freed = !book.freed.is_empty() || book.shifted;
            bereft = book.bereft.drain().collect();
            Ok(())
        })?;
        let waker = self.store.waker();
        waker.any();
        if freed {
            waker.work();
        }
        for name in &bereft {
            waker.worker(name);
        }
        Ok(answers)
    }
}

/// What these orders will ask the store for.
fn expected(orders: &[Order]) -> Expected {
    let mut expected = Expected::default();
    for order in orders {
        expected.requests.extend(order.request.clone());
        match &order.act {
            Act::Claim { worker, only, nonce: _ } => {
                expected.workers.push(worker.clone());
                expected.tasks.extend(*only);
                expected.claims += u32::from(only.is_none());
            }
            Act::Report { command, result: _, ran: _ } => expected.tasks.extend(claim_of(command).map(|claim| claim.task)),
            Act::Manage { task, command: _ } | Act::Edit { task, patch: _ } => expected.tasks.push(*task),
            Act::Worker { name, what: _ } => expected.workers.push(name.clone()),
            Act::Join(card) => expected.workers.push(card.name.clone()),
            Act::Add { .. } | Act::Sweep | Act::Say { .. } | Act::Note(_) | Act::Tests { .. } | Act::Cycles(_) => {}
        }
    }
    expected
}

/// Whether an error says something about the store or about us, so that the whole transaction must go.
fn is_fatal(error: &Error) -> bool {
    match error.kind {
        Kind::Store | Kind::Bug | Kind::Unknown => true,
        Kind::Refused | Kind::Usage | Kind::NotFound | Kind::Nothing => false,
    }
}

impl Book<'_> {
    /// One order. It checks everything before it writes anything, so a refusal leaves nothing behind.
    fn carry(&mut self, order: &Order) -> Result<Answer> {
        if let Some(request) = &order.request
            && !planted!("request_unchecked")
            && let Some(kept) = self.tx.request(request)?
        {
            return self.tell_again(&kept);
        }
        let answer = self.act(order);
        if !answer.as_ref().is_err_and(is_fatal) {
            // Also behind a refusal: what a refused claim swept may have been the last that its plan waited for, and nobody looks again.
            self.settle()?;
        }
        let answer = answer?;
        if let Some(request) = &order.request
            && let Some(kept) = Kept::of(&answer)
        {
            self.tx.put_request(request, &kept.to_string())?;
        }
        Ok(answer)
    }

    fn act(&mut self, order: &Order) -> Result<Answer> {
        let actor = order.actor;
        match &order.act {
            Act::Add { tasks, plan } => self.add(tasks, plan.as_ref(), actor),
            Act::Claim { worker, only, nonce } => self.claim(worker, *only, *nonce, actor),
            Act::Report { command, result, ran } => {
                let task = self.task(claim_of(command).ok_or_else(|| Error::bug("a report without a claim"))?.task)?;
                self.may_wait_for(&task, command)?;
                let after = self.carry_out(&task, command, actor)?;
                if let Some(result) = result
                    && !result.is_empty()
                    && after.state != task.state
                {
                    self.tx.put_result(task.id, result)?;
                }
                if let Some(ran) = ran {
                    self.tx.put_duration(ran.key, ran.ms)?;
                }
                Ok(Answer::Changed(Box::new(after)))
            }
            Act::Manage { task, command } => {
                let task = self.task(*task)?;
                self.carry_out(&task, command, actor).map(|task| Answer::Changed(Box::new(task)))
            }
            Act::Edit { task, patch } => self.edit(*task, patch, actor),
            Act::Join(card) => self.join(card, actor),
            Act::Worker { name, what } => self.change_worker(name, what, actor),
            Act::Sweep => self.sweep().map(Answer::Swept),
            Act::Say { from, text, task } => {
                if let Some(task) = task {
                    self.task(*task)?;
                }
                let event = NewEvent { task: *task, ..NewEvent::new(EventKind::MessagePosted) }.text("from", from).text("text", text);
                self.tx.append(&event, actor)?;
                Ok(Answer::Done)
            }
            Act::Note(event) => {
                self.tx.append(event, actor)?;
                Ok(Answer::Done)
            }
            Act::Tests { plan, wanted } => {
                let plans = self.tx.plans()?;
                for row in plans.iter().filter(|row| plan.is_none_or(|id| row.id == id)) {
                    self.want_tests(row.id, *wanted)?;
                }
                Ok(Answer::Done)
            }
            Act::Cycles(cycles) => {
                self.tx.put_meta("cycles", &cycles.to_string())?;
                Ok(Answer::Done)
            }
        }
    }

    /// The same answer as the first time.
    fn tell_again(&mut self, kept: &str) -> Result<Answer> {
        let kept: Kept = kept.parse().map_err(|()| Error::bug(format!("the answer '{kept}' does not decode")))?;
        match kept {
            Kept::Done => Ok(Answer::Done),
            Kept::Added { plan, first, count, resumed } => Ok(Answer::Added { plan, first, count, resumed }),
            Kept::Claimed(claim) => Ok(Answer::Claimed { task: Box::new(self.task(claim.task)?), claim }),
            Kept::Changed(id) => Ok(Answer::Changed(Box::new(self.task(id)?))),
            Kept::Swept(count) => Ok(Answer::Swept(count)),
        }
    }

    /// Ends every claim whose lease or time is over.
    pub(super) fn sweep(&mut self) -> Result<u32> {
        let mut swept = 0;
        for id in self.tx.due(self.now.store)? {
            if let Ok(task) = self.task(id) {
                self.carry_out(&task, &Command::Expire, Actor::Orchestrator)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn change_worker(&mut self, name: &domain::id::WorkerName, what: &WorkerAct, actor: Actor) -> Result<Answer> {
        if self.worker(name)?.is_none() {
            return Err(Error::no_worker(name));
        }
        let now = self.now;
        let told = |book: &mut Self, kind: EventKind, why: &str| -> Result<()> {
            let event = NewEvent { worker: Some(name.clone()), ..NewEvent::new(kind) }.text("why", why);
            book.tx.append(&event, actor).map(|_| ())
        };
        // Whoever comes back, or is no longer waited for, changes what idle workers may have.
        self.shifted |= match what {
            WorkerAct::Resume | WorkerAct::Remove | WorkerAct::Lost { .. } | WorkerAct::Left => true,
            WorkerAct::Seen | WorkerAct::Pause => false,
        };
        match what {
            WorkerAct::Seen => self.seen(name)?,
            WorkerAct::Pause => {
                told(self, EventKind::WorkerPaused, "")?;
                if let Some(worker) = self.worker(name)? {
                    worker.paused = true;
                }
            }
            WorkerAct::Resume => {
                told(self, EventKind::WorkerResumed, "")?;
                if let Some(worker) = self.worker(name)? {
                    worker.paused = false;
                }
            }
            WorkerAct::Remove => {
                // A person's decision, not a death: it counts against no task.
                let note = "its worker was taken off the roster".to_owned();
                self.take_back(name, |claim| Command::Release { claim, note: note.clone() })?;
                self.dismiss(name, actor)?;
            }
            WorkerAct::Lost { why, session } => {
                if session.is_some() && self.tx.session(name)? != *session {
                    return Ok(Answer::Done);
                }
                // Many may find it dead at once: it is told once.
                if self.worker(name)?.is_some_and(|worker| worker.lost_at.is_some() && worker.holding == 0) {
                    return Ok(Answer::Done);
                }
                told(self, EventKind::WorkerLost, why)?;
                self.take_back(name, |_| Command::Lose)?;
                if let Some(worker) = self.worker(name)? {
                    worker.lost_at = Some(now.store);
                }
            }
            WorkerAct::Left => {
                // That it says so is the last that is heard of it; whoever dies is not heard of at that moment.
                self.seen(name)?;
                if let Some(worker) = self.worker(name)? {
                    worker.lost_at = Some(now.store);
                }
            }
        }
        Ok(Answer::Done)
    }

    fn take_back(&mut self, name: &domain::id::WorkerName, command: impl Fn(domain::lease::Claim) -> Command) -> Result<()> {
        let held: Vec<Task> =
            self.tx.live()?.into_iter().filter(|task| matches!(&task.state, TaskState::InProgress(held) if held.worker == *name)).collect();
        for task in held {
            if let Some(claim) = task.claim() {
                self.carry_out(&task, &command(claim), Actor::Orchestrator)?;
            }
        }
        Ok(())
    }
}

/// The claim that a command carries.
pub(super) fn claim_of(command: &Command) -> Option<domain::lease::Claim> {
    match command {
        Command::Heartbeat { claim, .. }
        | Command::Complete { claim, .. }
        | Command::Fail { claim, .. }
        | Command::Block { claim, .. }
        | Command::Release { claim, .. } => Some(*claim),
        Command::Claim { .. }
        | Command::Expire
        | Command::Lose
        | Command::Cancel { .. }
        | Command::Retry
        | Command::Unblock { .. }
        | Command::Answer { .. }
        | Command::Edit(_) => None,
    }
}
