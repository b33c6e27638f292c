//! Group commit: one long-lived process serves many callers by committing their orders in one transaction. A caller is answered after
//! the commit, so what it hears is on disk; while one batch is being written the next one gathers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::{Answer, Orchestrator, Order};
use crate::error::{Error, Result};

/// How many orders go into one transaction at most: bounds how long the first of them waits, and how long others cannot write.
const BATCH_MAX: usize = 256;

type Reply = Result<Vec<Result<Answer>>>;

enum Message {
    Ask(Asked),
    /// Callers may outlive the committer, so the end of all senders is no sign.
    End,
}

struct Asked {
    orders: Vec<Order>,
    reply: SyncSender<Reply>,
}

/// The thread that commits for everybody. Dropping it lets the orders that wait be carried out, then ends it.
pub struct Committer {
    ask: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(door: Arc<Orchestrator>) -> Result<Self> {
        let (ask, asked) = channel();
        let thread = std::thread::Builder::new()
            .name("commit".to_owned())
            .spawn(move || serve(&door, &asked))
            .map_err(|error| Error::refused("no_thread", format!("cannot start the thread that commits: {error}")))?;
        Ok(Self { ask, thread: Some(thread) })
    }

    /// A caller's side. Cheap to clone; one for each caller.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller { ask: self.ask.clone() }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        let _ = self.ask.send(Message::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One of many who share the commits.
#[derive(Clone)]
pub struct Caller {
    ask: Sender<Message>,
}

impl Caller {
    /// Like [`Orchestrator::apply`], together with whoever else asks at the same time. These orders stay together, in their order.
    ///
    /// # Errors
    /// Those of the store; `stopped` when the committer has ended.
    pub fn apply(&self, orders: Vec<Order>) -> Reply {
        let stopped = || Error::refused("stopped", "the process that commits is ending");
        let (reply, answer) = sync_channel(1);
        self.ask.send(Message::Ask(Asked { orders, reply })).map_err(|_| stopped())?;
        answer.recv().map_err(|_| stopped())?
    }
}

fn serve(door: &Orchestrator, asked: &Receiver<Message>) {
    let mut ended = false;
    while !ended && let Ok(Message::Ask(first)) = asked.recv() {
        let mut size = first.orders.len();
        let mut batch = vec![first];
        while size < BATCH_MAX {
            match asked.try_recv() {
                Ok(Message::Ask(more)) => {
                    size += more.orders.len();
                    batch.push(more);
                }
                Ok(Message::End) => {
                    ended = true;
                    break;
                }
                Err(_) => break,
            }
        }
        answer(door, batch);
    }
}

fn answer(door: &Orchestrator, batch: Vec<Asked>) {
    let orders: Vec<Order> = batch.iter().flat_map(|asked| asked.orders.iter().cloned()).collect();
    match door.apply(&orders) {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for asked in batch {
                let own = answers.by_ref().take(asked.orders.len()).collect();
                // A caller that has gone needs no answer.
                let _ = asked.reply.send(Ok(own));
            }
        }
        // One caller's orders must not spoil the others': each alone tells whose they were.
        Err(error) if batch.len() > 1 && error.kind != crate::error::Kind::Unknown => {
            for asked in batch {
                let own = door.apply(&asked.orders);
                let _ = asked.reply.send(own);
            }
        }
        Err(error) => {
            for asked in batch {
                let _ = asked.reply.send(Err(error.clone()));
            }
        }
    }
}
