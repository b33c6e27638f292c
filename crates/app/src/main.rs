//! `ganger`: what it shows and takes at the command line. `main` is a match and an exit code; everything else is done by the library.

mod cli;
mod context;
mod exit;
mod news;
mod output;
mod signals;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    // The guardian of what a worker runs is this same program. It must be quick and needs nothing of what follows.
    if args.get(1).is_some_and(|first| first == "guardian") && args.len() == 2 {
        return engine::tree::serve_stdin();
    }
    ExitCode::from(cli::run(&args))
}
