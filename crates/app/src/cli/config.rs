//! `ganger config`: the settings with where each came from, and the project's own file.

use std::path::PathBuf;

use engine::config::{Config, KEYS, Known, with_value};
use engine::error::{Error, Result};
use engine::files;
use engine::project::FOLDER;
use engine::store::address::Address;

use crate::context::Context;
use crate::output::{Tint, tinted};
use crate::{exit, wire};

/// The settings: list them with what they mean and where they come from, get one, set one of this project.
#[derive(Debug, clap::Args)]
#[command(after_long_help = settings())]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List every setting
    List,
    /// Print the value of one setting
    Get {
        /// Its name
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Set a value in .orchestrator/config.toml
    Set {
        /// Its name
        #[arg(value_name = "KEY")]
        key: String,
        /// Its value
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
    },
}

/// Every setting, for those whose settings cannot be read, or who have no more than this binary.
fn settings() -> String {
    let mut text = "Settings, each with its default (GANGER_<NAME> in the environment goes before every file):\n".to_owned();
    for known in &KEYS {
        let default = known.default_value();
        let default = if default.is_empty() { "\"\"" } else { &default };
        text.push_str(&format!("\n  {} = {default}\n      {}", known.name, known.meaning));
    }
    text
}

/// How large a configuration file may be.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
    match args.what {
        None | Some(What::List) => {
            let project = context.project()?;
            list(context, project.config())
        }
        Some(What::Get { key }) => {
            let project = context.project()?;
            let setting = project.config().get(&key)?;
            if context.json {
                context.printer.json(&wire::Setting::of(&key, setting))?;
            } else if context.printer.is_terminal {
                context.printer.line(&domain::text::escaped_lines(&setting.shown(&key)));
            } else {
                context.printer.line(&setting.shown(&key));
            }
            Ok(exit::DONE)
        }
        Some(What::Set { key, value }) => set(context, &key, &value),
    }
}

fn list(context: &mut Context, config: &Config) -> Result<u8> {
    if context.json {
        let shapes: Vec<wire::Setting<'_>> = config.all().map(|(key, setting)| wire::Setting::of(key, setting)).collect();
        context.printer.json(&shapes)?;
        return Ok(exit::DONE);
    }
    for (key, setting) in config.all() {
        let source = tinted(&format!("({})", setting.source), Tint::Dim, context.printer.color);
        let value = if setting.value.is_empty() { "\"\"".to_owned() } else { domain::text::escaped(&setting.shown(key), 300) };
        if let Some(known) = Known::of(key) {
            let meaning = tinted(&format!("# {}", known.meaning), Tint::Dim, context.printer.color);
            context.printer.line(&meaning);
        }
        context.printer.line(&format!("{} = {value}  {source}", domain::text::escaped(key, 300)));
    }
    Ok(exit::DONE)
}

/// Says what is set and changes nothing yet.
pub(super) fn warn_without_effect(context: &mut Context, key: &str) {
    if let Some(known) = KEYS.iter().find(|known| known.name == key && !known.has_effect) {
        context.printer.say(&format!("warning: {key}: {}; it is kept, and has no effect", known.meaning));
    }
}

/// Sets a value. The file that this would make is checked as a whole first, so a settings file that is broken can be mended
/// this way, and one that is whole cannot be broken.
fn set(context: &mut Context, key: &str, value: &str) -> Result<u8> {
    let root = root(context)?;
    let file = root.join(FOLDER).join("config.toml");
    let text = if files::is_file(&file) { files::read_text(&file, CONFIG_BYTES_MAX)? } else { String::new() };
    engine::config::table(&text, &files::shown(&file))?;
    let changed = with_value(&text, key, value)?;
    let user = context.around.user_config.as_deref();
    // What the environment says is not looked at: it may be gone the next time.
    let config = Config::of_layers(user, Some((&file, &changed)), |_| None)?;
    config.settings(None)?;
    Address::parse(config.text("store")?, &root)?;
    files::replace(&file, &changed)?;
    let setting = config.get(key)?;
    if context.json {
        context.printer.json(&wire::Setting::of(key, setting))?;
    } else {
        context.printer.line(&format!("{key} = {}", domain::text::escaped(&setting.shown(key), 300)));
    }
    warn_without_effect(context, key);
    let variable = format!("GANGER_{}", key.to_ascii_uppercase());
    if context.variable(&variable).is_some() {
        context.printer.say(&format!("warning: {variable} in the environment goes before it"));
    }
    Ok(exit::DONE)
}

/// The folder of the project, also when its settings cannot be read.
fn root(context: &Context) -> Result<PathBuf> {
    let found = context.start.ancestors().find(|folder| files::is_folder(&folder.join(FOLDER)));
    match found {
        Some(root) => files::check_private(&root.join(FOLDER)).map(|()| root.to_owned()),
        None => context.project().map(|project| project.root().to_owned()).map_err(|error| match error.code {
            "no_project" => error,
            _ => Error::bug(format!("a project that is not there was found: {error}")),
        }),
    }
}
