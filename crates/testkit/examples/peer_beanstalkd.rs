//! A client of beanstalkd for `benches/compare`: puts jobs, then lets some connections reserve and delete them until none is left, and prints
//! the same figures that `ganger bench` does. It needs nothing but the standard library and knows nothing of ganger.
//!
//!     peer_beanstalkd HOST:PORT JOBS CONNECTIONS [apart|together]
//!
//! `apart` (default) waits for the answer to each command, as client libraries do; `together` sends the `delete` of one job and the `reserve`
//! of the next in one packet, which is the most that the protocol allows and what ganger's own callers do.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const PUTS_AT_ONCE: u32 = 500;

struct Connection {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
    line: String,
}

type Drain = fn(&mut Connection) -> Result<Tallied>;

/// What one connection measured.
struct Tallied {
    jobs: u64,
    calls_us: Vec<u64>,
}

impl Connection {
    fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let answers = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, answers, line: String::new() })
    }

    fn send(&mut self, commands: &str) -> Result<()> {
        self.stream.write_all(commands.as_bytes())
    }

    fn answer(&mut self) -> Result<&str> {
        self.line.clear();
        self.answers.read_line(&mut self.line)?;
        Ok(self.line.trim_end())
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let answer = self.answer()?;
        if answer.starts_with(word) { Ok(()) } else { Err(Error::other(format!("expected {word}, got {answer:?}"))) }
    }

    /// The answer to a `reserve`: the job's number, or nothing when there is none.
    fn reserved(&mut self) -> Result<Option<u64>> {
        let answer = self.answer()?;
        if answer == "TIMED_OUT" {
            return Ok(None);
        }
        let mut words = answer.split(' ');
        let (word, id, bytes) = (words.next(), words.next(), words.next());
        match (word, id.and_then(|id| id.parse().ok()), bytes.and_then(|bytes| bytes.parse::<u64>().ok())) {
            (Some("RESERVED"), Some(id), Some(bytes)) => {
                let mut body = Vec::new();
                (&mut self.answers).take(bytes + 2).read_to_end(&mut body)?;
                Ok(Some(id))
            }
            _ => Err(Error::other(format!("expected RESERVED, got {answer:?}"))),
        }
    }
}

fn put(address: &str, jobs: u32) -> Result<()> {
    let mut connection = Connection::open(address)?;
    let mut done = 0;
    while done < jobs {
        let part = PUTS_AT_ONCE.min(jobs - done);
        let mut commands = String::new();
        for number in done..done + part {
            let body = format!("measured task {number}");
            commands.push_str(&format!("put 100 0 600 {}\r\n{body}\r\n", body.len()));
        }
        connection.send(&commands)?;
        for _ in 0..part {
            connection.expect("INSERTED")?;
        }
        done += part;
    }
    Ok(())
}

fn drain_apart(connection: &mut Connection) -> Result<Tallied> {
    let mut tallied = Tallied { jobs: 0, calls_us: Vec::new() };
    loop {
        let began = now();
        connection.send("reserve-with-timeout 0\r\n")?;
        let Some(id) = connection.reserved()? else { return Ok(tallied) };
        connection.send(&format!("delete {id}\r\n"))?;
        connection.expect("DELETED")?;
        tallied.calls_us.push(us(began.elapsed()));
        tallied.jobs += 1;
    }
}

fn drain_together(connection: &mut Connection) -> Result<Tallied> {
    let mut tallied = Tallied { jobs: 0, calls_us: Vec::new() };
    connection.send("reserve-with-timeout 0\r\n")?;
    let mut held = connection.reserved()?;
    while let Some(id) = held {
        let began = now();
        connection.send(&format!("delete {id}\r\nreserve-with-timeout 0\r\n"))?;
        connection.expect("DELETED")?;
        held = connection.reserved()?;
        tallied.calls_us.push(us(began.elapsed()));
        tallied.jobs += 1;
    }
    Ok(tallied)
}

#[expect(clippy::disallowed_methods, reason = "a measuring program of its own: ganger's clock is not what is measured")]
fn now() -> Instant {
    Instant::now()
}

fn us(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn figures(all: &[Tallied], took: Duration) -> String {
    let mut calls: Vec<u64> = all.iter().flat_map(|one| one.calls_us.iter().copied()).collect();
    calls.sort_unstable();
    let at = |per_thousand: usize| calls.get(calls.len().saturating_sub(1) * per_thousand / 1_000).map_or(0.0, |us| ratio(*us, 1_000));
    let jobs: u64 = all.iter().map(|one| one.jobs).sum();
    let (least, most) = (all.iter().map(|one| one.jobs).min().unwrap_or(0), all.iter().map(|one| one.jobs).max().unwrap_or(0));
    format!(
        "{{\"workers\":{},\"jobs\":{jobs},\"per_second\":{:.3},\"p50_ms\":{:.3},\"p99_ms\":{:.3},\"max_ms\":{:.3},\"slowest_share\":{:.3}}}",
        all.len(),
        ratio(jobs, 1) / took.as_secs_f64().max(1e-9),
        at(500),
        at(990),
        at(1_000),
        if most == 0 { 0.0 } else { ratio(least, most) },
    )
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::other("usage: peer_beanstalkd HOST:PORT JOBS CONNECTIONS [apart|together]");
    let (address, jobs, connections, drain): (_, u32, usize, Drain) = match arguments.as_slice() {
        [address, jobs, connections, rest @ ..] => {
            let drain = match rest.first().map(String::as_str) {
                None | Some("apart") => drain_apart,
                Some("together") => drain_together,
                Some(_) => return Err(usage()),
            };
            (address, jobs.parse().map_err(|_| usage())?, connections.parse().map_err(|_| usage())?, drain)
        }
        _ => return Err(usage()),
    };
    put(address, jobs)?;
    let ready = Arc::new(Barrier::new(connections + 1));
    let mut threads = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut connection = Connection::open(address)?;
        let ready = Arc::clone(&ready);
        threads.push(std::thread::spawn(move || {
            ready.wait();
            drain(&mut connection)
        }));
    }
    ready.wait();
    let start = now();
    let mut all = Vec::with_capacity(connections);
    for thread in threads {
        all.push(thread.join().map_err(|_| Error::other("a connection's thread ended early"))??);
    }
    let took = start.elapsed();
    if all.iter().map(|one| one.jobs).sum::<u64>() != u64::from(jobs) {
        return Err(Error::other("the queue was not empty before, or jobs were lost"));
    }
    writeln!(std::io::stdout(), "{}", figures(&all, took))
}
