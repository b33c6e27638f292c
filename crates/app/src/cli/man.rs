//! `ganger man`.

use std::path::Path;

use engine::error::{Error, Result};
use engine::files;
use serde_json::json;

use crate::context::Context;
use crate::exit;

/// Print the manual page, or write the pages of all commands into a folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for ganger.1 and ganger-*.1; it is made when it is missing
    #[arg(value_name = "DIR")]
    folder: Option<String>,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let command = super::whole();
    let Some(folder) = args.folder else {
        let page = page(&command)?;
        if context.json {
            context.printer.json(&json!({ "page": page }))?;
        } else {
            context.printer.write(&page);
        }
        return Ok(exit::DONE);
    };
    let folder = context.start.join(folder);
    files::folder(&folder)?;
    let mut written = Vec::new();
    write(&folder, &command, &mut written)?;
    if context.json {
        context.printer.json(&json!({ "pages": written }))?;
    } else {
        context.printer.line(&format!("wrote {} pages to {}", written.len(), files::shown(&folder)));
    }
    Ok(exit::DONE)
}

/// Writes the page of a command and those of its own commands.
fn write(folder: &Path, command: &clap::Command, written: &mut Vec<String>) -> Result<()> {
    let name = format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()));
    files::publish(&folder.join(&name), &page(command)?)?;
    written.push(name);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        write(folder, sub, written)?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .source(format!("ganger {}", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Error::bug(format!("cannot write a manual page: {error}")))?;
    String::from_utf8(page).map_err(|error| Error::bug(format!("a manual page is no text: {error}")))
}
