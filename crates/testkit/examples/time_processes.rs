//! Times whole processes for `benches/compare`: a small program, so that starting one costs what it costs a shell and not what it costs an
//! interpreter with a large heap. It needs nothing but the standard library, whose `Command` uses `posix_spawn` here.
//!
//!     time_processes each N -- PROGRAM [ARGUMENT]…     N times in a row
//!     time_processes one-shot GANGER N PROJECT…        in turn: a bare process, `add`, `claim`, `complete`, in each project
//!     time_processes stamp FILE MILLISECONDS           what a measured task runs: sleeps, and notes when it began and ended

use std::fs::OpenOptions;
use std::io::{Error, Read, Result, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// The least that a process can be, spawned and awaited like the others.
const BARE: &str = "/bin/true";
const WARM: u32 = 3;

#[expect(clippy::disallowed_methods, reason = "a measuring program of its own: ganger's clock is not what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds of the wall clock: the only clock of the standard library that two processes can compare.
#[expect(clippy::disallowed_methods, reason = "a measuring program of its own: ganger's clock is not what is measured")]
fn wall_ns() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn us(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// From before the process is made until it has ended and what it printed is read.
fn time(program: &str, arguments: &[&str]) -> Result<(Duration, String)> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut said = String::new();
    let began = now();
    let mut child = command.spawn()?;
    if let Some(out) = child.stdout.as_mut() {
        out.read_to_string(&mut said)?;
    }
    let ended = child.wait()?;
    let took = began.elapsed();
    if !ended.success() {
        return Err(Error::other(format!("{program} {} failed: {ended}", arguments.join(" "))));
    }
    Ok((took, said))
}

fn figures(name: &str, mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
    let (n, least, most) = (times.len(), times.first().copied().unwrap_or(0), times.last().copied().unwrap_or(0));
    let (median, p99) = (at(50), at(99));
    format!("\"{name}\":{{\"n\":{n},\"median_us\":{median},\"p99_us\":{p99},\"min_us\":{least},\"max_us\":{most}}}")
}

fn each(n: u32, program: &str, arguments: &[&str]) -> Result<String> {
    let mut times = Vec::new();
    for _ in 0..n {
        times.push(us(time(program, arguments)?.0));
    }
    Ok(format!("{{{}}}", figures("each", times)))
}

/// The value of a text field of a JSON document, where it first occurs.
fn field<'text>(json: &'text str, name: &str) -> Result<&'text str> {
    let value =
        json.split_once(&format!("\"{name}\"")).and_then(|(_, rest)| rest.split_once('"')).and_then(|(_, rest)| rest.split_once('"'));
    value.map(|(value, _)| value).ok_or_else(|| Error::other(format!("no {name} in {json}")))
}

#[derive(Default)]
struct OneShot {
    bare: Vec<u64>,
    add: Vec<u64>,
    claim: Vec<u64>,
    complete: Vec<u64>,
}

/// The commands in turn, so that a disturbance hits them all; the projects in turn as well.
fn one_shot(ganger: &str, n: u32, projects: &[&str]) -> Result<String> {
    let ganger = std::path::absolute(ganger)?;
    let ganger = ganger.to_str().ok_or_else(|| Error::other("the path of ganger is not UTF-8"))?;
    let places: Vec<_> = projects.iter().map(std::path::absolute).collect::<Result<_>>()?;
    let mut all: Vec<OneShot> = projects.iter().map(|_| OneShot::default()).collect();
    for round in 0..n + WARM {
        for (place, times) in places.iter().zip(&mut all) {
            std::env::set_current_dir(place)?;
            let bare = time(BARE, &[])?.0;
            let add = time(ganger, &["add", "one measured task"])?.0;
            let (claim, said) = time(ganger, &["claim", "--worker", "measure", "--json"])?;
            // The claim itself, not the task's lease: it is the one that reads T-…#….
            let token =
                said.rmatch_indices("\"claim\"").find_map(|(at, _)| field(&said[at..], "claim").ok().filter(|value| value.contains('#')));
            let token = token.ok_or_else(|| Error::other(format!("no claim in {said}")))?;
            let complete = time(ganger, &["complete", token])?.0;
            if round >= WARM {
                times.bare.push(us(bare));
                times.add.push(us(add));
                times.claim.push(us(claim));
                times.complete.push(us(complete));
            }
        }
    }
    let one = |times: OneShot| {
        let parts = [("bare", times.bare), ("add", times.add), ("claim", times.claim), ("complete", times.complete)];
        format!("{{{}}}", parts.map(|(name, times)| figures(name, times)).join(","))
    };
    Ok(format!("[{}]", all.into_iter().map(one).collect::<Vec<_>>().join(",")))
}

#[expect(clippy::disallowed_methods, reason = "appends to the measurement's own file")]
fn stamp(file: &Path, sleep: Duration) -> Result<()> {
    let began = wall_ns();
    let worker = std::env::var("GANGER_WORKER").unwrap_or_else(|_| "-".to_owned());
    std::thread::sleep(sleep);
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    let ended = wall_ns();
    file.write_all(format!("{worker} {began} {ended}\n").as_bytes())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let usage = || Error::other("usage: time_processes each N -- PROGRAM … | one-shot GANGER N PROJECT… | stamp FILE MILLISECONDS");
    let said = match words.as_slice() {
        ["stamp", file, ms] => return stamp(Path::new(file), Duration::from_millis(ms.parse().map_err(|_| usage())?)),
        ["each", n, "--", program, rest @ ..] => each(n.parse().map_err(|_| usage())?, program, rest)?,
        ["one-shot", ganger, n, projects @ ..] => one_shot(ganger, n.parse().map_err(|_| usage())?, projects)?,
        _ => return Err(usage()),
    };
    writeln!(std::io::stdout(), "{said}")
}
