//! `ganger completions`.

use clap_complete::Shell;
use engine::error::{Error, Result};
use serde_json::json;

use crate::context::Context;
use crate::exit;

/// Print what a shell needs to complete ganger's commands and flags. For bash: source <(ganger completions bash)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    let mut command = super::whole();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ganger", &mut script);
    let script = String::from_utf8(script).map_err(|error| Error::bug(format!("the completions are no text: {error}")))?;
    if context.json {
        context.printer.json(&json!({ "shell": args.shell.to_string(), "script": script }))?;
    } else {
        context.printer.write(&script);
    }
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    fn look(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some_and(|about| !about.to_string().is_empty()), "{path} has no description");
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            assert!(arg.get_help().is_some_and(|help| !help.to_string().is_empty()), "{path}: {} has no help", arg.get_id());
        }
        command.get_subcommands().for_each(|sub| look(sub, &path));
    }

    #[test]
    fn every_command_and_every_flag_has_help() {
        let command = super::super::whole();
        command.clone().debug_assert();
        look(&command, "");
    }

    #[test]
    fn flags_of_commands_are_completed_although_they_are_made_late() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut super::super::whole(), "ganger", &mut script);
        let script = String::from_utf8_lossy(&script);
        for flag in ["--heartbeat", "--idle-exit", "--max-hours", "--request-id"] {
            assert_eq!(script.contains(flag), flag != "--heartbeat", "{flag}");
        }
    }
}
