//! `ganger export`.

use std::io::{BufWriter, Write};

use domain::text::counted;
use engine::error::{Error, Result};
use engine::files;
use engine::transfer::Summary;
use engine::transfer::export::export;
use serde_json::json;

use crate::context::Context;
use crate::exit;
use crate::output::Printer;

/// Write everything that the project's store holds, one JSON object a line: for a backup, or for `ganger import` into another store.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A new file, or - for stdout
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let (_, door) = context.open()?;
    if args.file == "-" {
        let mut out = Stdout { printer: &mut context.printer };
        let summary = export(door.store().as_ref(), &mut BufWriter::with_capacity(64 * 1024, &mut out), "stdout")?;
        if !context.json {
            context.printer.say(&told(&summary, "stdout"));
        }
        return Ok(exit::DONE);
    }
    let path = context.start.join(&args.file);
    let file = files::create_new(&path).map_err(|error| {
        let is_there = files::exists(&path);
        error.hint(if is_there {
            "ganger export ANOTHER-FILE   nothing is ever written over"
        } else {
            "name a new file in a folder that is there"
        })
    })?;
    let mut writer = BufWriter::with_capacity(64 * 1024, &file);
    let done = export(door.store().as_ref(), &mut writer, &files::shown(&path)).and_then(|summary| {
        file.sync_all().map_err(|error| Error::file("write", &path, &error))?;
        Ok(summary)
    });
    drop(writer);
    let summary = done.inspect_err(|_| {
        // Half an export is none.
        let _ = files::remove(&path);
    })?;
    if context.json {
        context.printer.json(&json!({ "file": path, "counts": summary.counts, "sha256": summary.sha256 }))?;
    } else {
        context.printer.line(&told(&summary, &files::shown(&path)));
    }
    Ok(exit::DONE)
}

fn told(summary: &Summary, to: &str) -> String {
    let count = |kind: &str| summary.counts.get(kind).copied().unwrap_or(0);
    format!("exported {} and {} to {to}", counted(count("task"), "task"), counted(count("event"), "event"))
}

/// Stdout as something that can fail: an export that its reader did not take whole is none.
struct Stdout<'p> {
    printer: &'p mut Printer,
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The buffer before this hands on whole texts or parts of them: only whole characters are written at once.
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
        };
        if text.is_empty() && !bytes.is_empty() {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        self.printer.write(text);
        if self.printer.is_closed() { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(text.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.printer.flush();
        if self.printer.is_closed() { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}
