//! One connection, driven by the thread that uses it: statements are sent as they are asked for and go down the line one behind the other,
//! so what needs no answer costs no wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use super::connect::PgAddress;
use crate::error;

/// Why a statement brought nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The driver or the server says so.
    Told(Error),
    /// Nobody said anything for too long. The line is of no more use.
    Silence,
}

impl Fault {
    /// What the server calls it, where it was the server.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Told(error) => error.code(),
            Self::Silence => None,
        }
    }

    /// What went wrong, without what the driver says before it.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Told(error) => super::connect::told(error),
            Self::Silence => format!("no answer for {} s", PATIENCE.as_secs()),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

/// How long an answer may take: longer than the server lets a statement run, and a lock be waited for.
const PATIENCE: Duration = Duration::from_secs(75);

/// A value for a statement.
pub(super) type Value = Box<dyn ToSql + Sync + Send>;

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as super::session::Value),*] };
}
pub(super) use values;

/// A statement on its way.
enum Going {
    Sent(Pin<Box<dyn Future<Output = Result<u64, Fault>> + Send>>),
    Ended(Result<u64, Fault>),
}

/// How many statements may be on their way: each holds some memory here and in the server's socket.
const GOING_MAX: usize = 1_000;

/// A connection.
pub(super) struct Session {
    // Before the runtime: fields are dropped in this order, and the connection ends when its client does.
    client: Arc<Client>,
    statements: HashMap<&'static str, Statement>,
    going: RefCell<Vec<Going>>,
    runtime: Runtime,
    is_silent: Cell<bool>,
}

impl Session {
    /// Connects and says how this session wants to be treated.
    pub(super) fn open(address: &PgAddress) -> error::Result<Self> {
        let runtime = super::connect::runtime()?;
        let connected = runtime.block_on(async { tokio::time::timeout(CONNECT_PATIENCE, super::connect::connect(address)).await });
        let client = connected.map_err(|_| super::connect::silent(address))??;
        Ok(Self { client: Arc::new(client), statements: HashMap::new(), going: RefCell::default(), runtime, is_silent: Cell::new(false) })
    }

    /// Whether the connection has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.is_silent.get()
    }

    /// Drives the line until this is done, or nobody has said anything for too long.
    ///
    /// What was sent before is listened to as well: the driver reads no further while an earlier answer is not taken.
    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        if self.is_silent.get() {
            return Err(Fault::Silence);
        }
        let mut work = std::pin::pin!(work);
        let mut heard = 0;
        let all = poll_fn(|context| {
            // Answers come in the order of the questions, so only the first that is missing can hold up the others.
            let mut going = self.going.borrow_mut();
            while let Some(one) = going.get_mut(heard) {
                if let Going::Sent(future) = one {
                    match future.as_mut().poll(context) {
                        Poll::Ready(ended) => *one = Going::Ended(ended),
                        Poll::Pending => break,
                    }
                }
                heard += 1;
            }
            drop(going);
            work.as_mut().poll(context)
        });
        let done = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await });
        done.map_err(|_| {
            self.is_silent.set(true);
            Fault::Silence
        })
    }

    /// Runs statements without values, separated by semicolons, and waits for them.
    pub(super) fn batch(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.wait(self.client.batch_execute(sql))??)
    }

    /// Asks something once, outside of any transaction of the funnel.
    pub(super) fn ask(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        Ok(self.wait(self.client.query(sql, values))??)
    }

    /// As [`Session::batch`], for statements that nobody waits for yet.
    pub(super) fn send_batch(&mut self, sql: impl Into<String>) {
        let (client, sql) = (Arc::clone(&self.client), sql.into());
        self.set_out(Box::pin(async move { Ok(client.batch_execute(&sql).await.map(|()| 0)?) }));
    }

    /// Sends a statement. What comes of it is known at [`Session::arrive`].
    pub(super) fn send(&mut self, sql: &'static str, values: Vec<Value>) -> Result<(), Fault> {
        let statement = self.statement(sql)?;
        let client = Arc::clone(&self.client);
        self.set_out(Box::pin(async move { Ok(client.execute_raw(&statement, values).await?) }));
        if self.going.borrow().len() >= GOING_MAX {
            self.arrive()?;
        }
        Ok(())
    }

    /// The first poll writes the message to the connection's queue, in the order of these calls.
    fn set_out(&mut self, mut future: Pin<Box<dyn Future<Output = Result<u64, Fault>> + Send>>) {
        let first = self.runtime.block_on(poll_fn(|context| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending => None,
            })
        }));
        self.going.borrow_mut().push(first.map_or(Going::Sent(future), Going::Ended));
    }

    /// Waits for everything that was sent: the first thing that went wrong, if anything did.
    pub(super) fn arrive(&mut self) -> Result<(), Fault> {
        let mut wrong = None;
        let going = self.going.take();
        self.wait(async {
            for one in going {
                let ended = match one {
                    Going::Sent(future) => future.await,
                    Going::Ended(ended) => ended,
                };
                if let Err(error) = ended {
                    wrong.get_or_insert(error);
                }
            }
        })?;
        wrong.map_or(Ok(()), Err)
    }

    /// Ends the transaction behind everything that was sent: what went wrong first, and whether the end may have come all the same.
    ///
    /// The end is on its way together with what goes before it. So only what the server itself says about an earlier statement is certain: when
    /// the line breaks, the answers to those are lost as well as the answer to the end (T8).
    pub(super) fn commit(&mut self) -> Result<(), (Fault, bool)> {
        let before = self.going.borrow().len();
        self.send_batch("COMMIT");
        let going = self.going.take();
        let mut wrong = None;
        self.wait(async {
            for (place, one) in going.into_iter().enumerate() {
                let ended = match one {
                    Going::Sent(future) => future.await,
                    Going::Ended(ended) => ended,
                };
                if let Err(error) = ended {
                    let may_have_ended = place == before || error.code().is_none();
                    wrong.get_or_insert((error, may_have_ended));
                }
            }
        })
        // Silence may hide the end itself.
        .map_err(|silence| (silence, true))?;
        wrong.map_or(Ok(()), Err)
    }

    /// Sends a statement and waits for its rows. What was sent before arrives first.
    pub(super) fn query(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        let statement = self.statement(sql)?;
        let rows = self.wait(self.client.query(&statement, values))?;
        self.arrive()?;
        Ok(rows?)
    }

    /// As [`Session::query`], for a text that is not always the same.
    pub(super) fn query_once(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        let rows = self.wait(self.client.query(sql, values))?;
        self.arrive()?;
        Ok(rows?)
    }

    /// Several statements at once, in order: one wait for all their rows, and one before for those that the server does not know yet.
    pub(super) fn query_all(&mut self, asked: &[(&'static str, &[&(dyn ToSql + Sync)])]) -> Result<Vec<Vec<Row>>, Fault> {
        let client = Arc::clone(&self.client);
        let unknown: Vec<&'static str> = asked.iter().map(|(sql, _)| *sql).filter(|sql| !self.statements.contains_key(sql)).collect();
        let prepared = self.all(unknown.iter().map(|sql| Box::pin(client.prepare(sql))).collect())?;
        for (sql, statement) in unknown.iter().zip(prepared) {
            match statement {
                Ok(statement) => self.statements.insert(sql, statement),
                Err(error) => {
                    // Behind something that went wrong everything goes wrong: that is what to tell.
                    self.arrive()?;
                    return Err(error.into());
                }
            };
        }
        let mut statements = Vec::with_capacity(asked.len());
        for (sql, _) in asked {
            statements.push(self.statement(sql)?);
        }
        let answers =
            self.all(statements.iter().zip(asked).map(|(statement, (_, values))| Box::pin(client.query(statement, values))).collect())?;
        // What was sent before tells of the cause, where there is one.
        self.arrive()?;
        answers.into_iter().map(|rows| Ok(rows?)).collect()
    }

    /// Sends these in their order and waits for all of them.
    fn all<F: Future + Unpin>(&self, mut futures: Vec<F>) -> Result<Vec<F::Output>, Fault> {
        let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
        self.wait(poll_fn(|context| {
            let mut pending = false;
            for (future, slot) in futures.iter_mut().zip(&mut done) {
                if slot.is_none() {
                    match Pin::new(future).poll(context) {
                        Poll::Ready(output) => *slot = Some(output),
                        Poll::Pending => pending = true,
                    }
                }
            }
            if pending { Poll::Pending } else { Poll::Ready(()) }
        }))?;
        Ok(done.into_iter().flatten().collect())
    }

    /// The statement as the server knows it.
    fn statement(&mut self, sql: &'static str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = match self.wait(self.client.prepare(sql))? {
            Ok(statement) => statement,
            Err(error) => {
                // Behind something that went wrong everything goes wrong: that is what to tell.
                self.arrive()?;
                return Err(error.into());
            }
        };
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// A session that is used through a shared reference: a transaction belongs to one thread.
pub(super) type Shared = RefCell<Session>;

/// How long a connection may take to be made.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
