//! Settings in layers: default < user < project < environment < flags. Every value knows where it came from; a name that nobody knows is a mistake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::plan::Language;
use domain::retry::Backoff;
use domain::schedule::Limits;
use domain::worker::Patience;

use crate::error::{Error, Result};
use crate::files;
use crate::orchestrator::Settings;

/// The defaults, with what each setting means.
pub const DEFAULT: &str = include_str!("config/default.toml");
/// How large a configuration file may be.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    Default,
    /// The user's file.
    User(PathBuf),
    /// The project's file.
    Project(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// A flag of this command.
    Flag,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::User(path) | Self::Project(path) => write!(f, "{}", files::shown(path)),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As it is written in TOML, without quotes.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl Setting {
    /// The value as anybody may see it: an address without its password, and nothing of what a worker's commands get in their environment.
    #[must_use]
    pub fn shown(&self, key: &str) -> String {
        if key == "store" {
            crate::store::address::without_password(&self.value)
        } else if key.starts_with("workers.") && key.contains(".env.") {
            "…".to_owned()
        } else {
            self.value.clone()
        }
    }
}

/// All settings of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    values: BTreeMap<String, Setting>,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Text,
    Span,
    Number { max: u64 },
    Language,
}

impl Takes {
    /// What may be written.
    fn shown(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Span => "duration".to_owned(),
            Self::Number { max } => format!("0 to {max}"),
            Self::Language => "`en`, `fr`, `auto`".to_owned(),
        }
    }
}

/// A setting, as the help and `docs/settings.md` tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    takes: Takes,
    /// What it does, in a line of Markdown.
    pub meaning: &'static str,
    /// Whether this version does anything with it.
    pub has_effect: bool,
}

const fn known(name: &'static str, takes: Takes, meaning: &'static str) -> Known {
    Known { name, takes, meaning, has_effect: true }
}

/// A name that skills for agents use, kept for a later version.
const fn later(name: &'static str, takes: Takes, meaning: &'static str) -> Known {
    Known { name, takes, meaning, has_effect: false }
}

/// Every setting: the one table that the help, the documentation and the checks are made of.
pub const KEYS: [Known; 17] = [
    later("agents_library", Takes::Text, "not in this version: the folder with agent roles"),
    known("attempts", Takes::Number { max: 1_000 }, "how often a task of `ganger add` may fail, if it does not say so itself"),
    later("claude_md_path", Takes::Text, "not in this version: the file that holds the board"),
    known("cycles", Takes::Number { max: 100 }, "how many repairs a failing test may ask for"),
    known("fallback_after", Takes::Span, "how long a task waits for the right worker before any other may have it"),
    known("grace", Takes::Span, "how long a process that is asked to end has, before it is killed"),
    known("heartbeat", Takes::Span, "how often a worker of ganger's says that it is alive"),
    known("language", Takes::Language, "of titles, briefs and reports; `auto` goes by `LC_ALL` and `LANG`"),
    known("lease", Takes::Span, "how long a worker counts as alive after it last said so; must not be shorter than `heartbeat`"),
    known("output_bytes_max", Takes::Number { max: 64 * 1024 * 1024 }, "how many bytes of one attempt's output are kept"),
    known("poll_interval_sec", Takes::Number { max: 86_400 }, "how many seconds `ganger poll` waits between two looks"),
    later("session", Takes::Text, "not in this version: the tmux session of the workers"),
    known("silence", Takes::Span, "a command that prints nothing for so long is ended; `0s`: never"),
    known("store", Takes::Text, "where the tasks are kept: `sqlite:PATH`, relative to the project's folder, or `postgres://…`"),
    known("test_command", Takes::Text, "tests features of a plan that bring neither `run` nor `test` nor `check`"),
    known("timeout", Takes::Span, "how long an attempt of a task of `ganger add` may take, if it does not say so itself"),
    later("window_map", Takes::Text, "not in this version: which worker has which tmux window"),
];

impl Known {
    /// The setting of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|known| known.name == name)
    }

    /// Its default, as it is written.
    #[must_use]
    pub fn default_value(&self) -> String {
        let defaults: toml::Table = DEFAULT.parse().unwrap_or_default();
        match defaults.get(self.name) {
            Some(toml::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// What it takes, in Markdown.
    #[must_use]
    pub fn takes(&self) -> String {
        self.takes.shown()
    }

    /// The variable that goes before every file.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("GANGER_{}", self.name.to_ascii_uppercase())
    }

    /// A value that it takes, to be pasted.
    fn example(&self) -> String {
        let default = self.default_value();
        if default.is_empty() { "\"\"".to_owned() } else { default }
    }
}

impl Config {
    /// Reads all layers. `environment` gives the value of a variable; `user` and `project` are files that may be missing.
    ///
    /// # Errors
    /// `bad_config` with file, line and what is known instead.
    pub fn load(user: Option<&Path>, project: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let text = project.filter(|path| files::is_file(path)).map(|path| files::read_text(path, CONFIG_BYTES_MAX)).transpose()?;
        Self::of_layers(user, project.zip(text.as_deref()), environment)
    }

    /// The same with the text that the project's file is going to have.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn of_layers(user: Option<&Path>, project: Option<(&Path, &str)>, environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut config = Self { values: BTreeMap::new() };
        config.layer(DEFAULT, "default.toml", &Source::Default)?;
        if let Some(path) = user.filter(|path| files::is_file(path)) {
            config.layer(&files::read_text(path, CONFIG_BYTES_MAX)?, &files::shown(path), &Source::User(path.to_owned()))?;
        }
        if let Some((path, text)) = project {
            config.layer(text, &files::shown(path), &Source::Project(path.to_owned()))?;
        }
        for known in &KEYS {
            let name = known.variable();
            if let Some(value) = environment(&name).filter(|value| !value.is_empty()) {
                config.set(known.name, &value, Source::Environment(name.clone())).map_err(|error| {
                    Error::usage("bad_config", format!("the variable {name}: {}", error.message))
                        .hint(format!("unset {name}   or give it a value such as {}", known.example()))
                })?;
            }
        }
        config.lease_outlives_heartbeat()?;
        Ok(config)
    }

    fn lease_outlives_heartbeat(&self) -> Result<()> {
        let (lease, heartbeat) = (self.span("lease")?, self.span("heartbeat")?);
        if lease >= heartbeat {
            return Ok(());
        }
        let from = |key: &str| self.get(key).map(|setting| format!("{key} = {} ({})", setting.value, setting.source));
        let message =
            format!("lease is shorter than heartbeat: every worker would be taken for dead; {}, {}", from("lease")?, from("heartbeat")?);
        let enough = domain::time::show_duration(heartbeat.saturating_mul(4));
        Err(Error::usage("bad_config", message).hint(match &self.get("lease")?.source {
            Source::Environment(name) => format!("unset {name}   or give it a value such as {enough}"),
            Source::Default | Source::User(_) | Source::Project(_) | Source::Flag => format!("ganger config set lease {enough}"),
        }))
    }

    fn layer(&mut self, text: &str, name: &str, source: &Source) -> Result<()> {
        let bad = |line: usize, message: String| Error::usage("bad_config", format!("{name}, line {line}: {message}"));
        let edit = |line: usize| format!("mend line {line} of {name} in an editor; ganger config --help lists every setting");
        let table = table(text, name)?;
        for (key, value) in &table {
            let line = line_of(text, key);
            if key == "workers" {
                self.worker_tables(value, source).map_err(|message| bad(line, message).hint(edit(line)))?;
                continue;
            }
            // `ganger config set` writes the project's file only, and what it does not know it does not mend.
            let mend = match (source, Known::of(key)) {
                (Source::Project(_), Some(known)) => format!("ganger config set {key} {}", known.example()),
                _ => edit(line),
            };
            let value = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                other => {
                    let message = format!("'{}' is of the wrong type: {}", domain::text::escaped(key, 60), other.type_str());
                    return Err(bad(line, message).hint(mend));
                }
            };
            self.set(key, &value, source.clone()).map_err(|error| {
                let told = bad(line, error.message).hint(mend);
                error.hints.into_iter().fold(told, Error::hint)
            })?;
        }
        Ok(())
    }

    /// `[workers.NAME.env]`: variables for what a worker runs.
    fn worker_tables(&mut self, value: &toml::Value, source: &Source) -> Result<(), String> {
        let wrong = || "expected [workers.NAME.env] with texts".to_owned();
        for (name, table) in value.as_table().ok_or_else(wrong)? {
            name.parse::<domain::id::WorkerName>().map_err(|error| error.to_string())?;
            for (key, value) in table.as_table().ok_or_else(wrong)? {
                let variables = value.as_table().filter(|_| key == "env").ok_or_else(wrong)?;
                for (variable, value) in variables {
                    if variable.is_empty() || variable.contains(['=', '\0']) || variable.starts_with("GANGER_") {
                        return Err(format!("'{}' cannot be set for a worker", domain::text::escaped(variable, 60)));
                    }
                    let value = value.as_str().ok_or_else(wrong)?;
                    self.values
                        .insert(format!("workers.{name}.env.{variable}"), Setting { value: value.to_owned(), source: source.clone() });
                }
            }
        }
        Ok(())
    }

    /// Sets one value, checked.
    ///
    /// # Errors
    /// `bad_config`: an unknown name or a value of the wrong form.
    pub fn set(&mut self, key: &str, value: &str, source: Source) -> Result<()> {
        let Some(Known { name: key, takes, .. }) = Known::of(key) else {
            let known: Vec<&str> = KEYS.iter().map(|known| known.name).collect();
            return Err(Error::usage("bad_config", format!("there is no setting '{}'", domain::text::escaped(key, 60)))
                .hint(format!("the settings are {}", known.join(", "))));
        };
        let wrong = |expected: String| Error::usage("bad_config", format!("{key}: {expected}"));
        match takes {
            Takes::Text => {
                if value.chars().any(char::is_control) {
                    return Err(wrong("expected a text of one line".to_owned()));
                }
            }
            Takes::Span => {
                let span = domain::time::parse_duration(value).map_err(wrong)?;
                if span.is_zero() && !matches!(*key, "silence" | "fallback_after" | "grace") {
                    return Err(wrong("must be longer than 0s".to_owned()));
                }
            }
            Takes::Number { max } => {
                if value.parse::<u64>().ok().is_none_or(|number| number > *max) {
                    return Err(wrong(format!("expected a whole number of at most {max}, found '{}'", domain::text::escaped(value, 40))));
                }
            }
            Takes::Language => {
                if !matches!(value, "auto" | "en" | "fr") {
                    return Err(wrong(format!("expected en, fr or auto, found '{}'", domain::text::escaped(value, 40))));
                }
            }
        }
        self.values.insert((*key).to_owned(), Setting { value: value.to_owned(), source });
        Ok(())
    }

    /// Every setting with its value and where it came from, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.values.iter().map(|(key, setting)| (key.as_str(), setting))
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// `bad_config` for an unknown name.
    pub fn get(&self, key: &str) -> Result<&Setting> {
        self.values.get(key).ok_or_else(|| {
            Error::usage("bad_config", format!("there is no setting '{}'", domain::text::escaped(key, 60))).hint("ganger config")
        })
    }

    /// The value as text.
    ///
    /// # Errors
    /// `bad_config`.
    pub fn text(&self, key: &str) -> Result<&str> {
        self.get(key).map(|setting| setting.value.as_str())
    }

    /// The value as a span of time.
    ///
    /// # Errors
    /// `bad_config`.
    pub fn span(&self, key: &str) -> Result<Duration> {
        domain::time::parse_duration(self.text(key)?).map_err(|message| Error::usage("bad_config", format!("{key}: {message}")))
    }

    /// The value as a number.
    ///
    /// # Errors
    /// `bad_config`.
    pub fn number(&self, key: &str) -> Result<u64> {
        self.text(key)?.parse().map_err(|_| Error::usage("bad_config", format!("{key}: expected a whole number")))
    }

    /// The variables that a worker's commands get.
    #[must_use]
    pub fn worker_env(&self, name: &domain::id::WorkerName) -> Vec<(String, String)> {
        let prefix = format!("workers.{name}.env.");
        self.values
            .iter()
            .filter_map(|(key, setting)| key.strip_prefix(&prefix).map(|variable| (variable.to_owned(), setting.value.clone())))
            .collect()
    }

    /// The language of titles, briefs and reports; `auto` goes by `lang`, the value of `LANG`.
    ///
    /// # Errors
    /// `bad_config`.
    pub fn language(&self, lang: Option<&str>) -> Result<Language> {
        Ok(match self.text("language")? {
            "fr" => Language::Fr,
            "auto" if lang.is_some_and(|lang| lang.starts_with("fr")) => Language::Fr,
            _ => Language::En,
        })
    }

    /// The rules for the funnel.
    ///
    /// # Errors
    /// `bad_config`.
    pub fn settings(&self, lang: Option<&str>) -> Result<Settings> {
        let lease = self.span("lease")?;
        let fallback_after = self.span("fallback_after")?;
        Ok(Settings {
            lease,
            limits: Limits { fallback_after, patience: Patience { process: lease, pull: lease.max(fallback_after) } },
            rules: domain::lifecycle::Rules {
                cycles_max: u32::try_from(self.number("cycles")?).unwrap_or(u32::MAX),
                backoff: Backoff::default(),
            },
            language: self.language(lang)?,
        })
    }
}

/// The text of a configuration file, read; `name` says in errors which one.
///
/// # Errors
/// `bad_config` with the line.
pub fn table(text: &str, name: &str) -> Result<toml::Table> {
    text.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = domain::plan::line_column(text, at).0;
        Error::usage("bad_config", format!("{name}, line {line}: {}", error.message()))
            .hint(format!("mend line {line} of {name} in an editor: a line is KEY = \"VALUE\""))
    })
}

/// The line in which a key is set, from 1.
fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.trim_start().trim_start_matches('[').starts_with(key)).map_or(1, |index| index + 1)
}

/// The text of a configuration file with one value set, everything else left as it is.
///
/// # Errors
/// `bad_config` for a file that is no TOML, an unknown name or a wrong value.
pub fn with_value(text: &str, key: &str, value: &str) -> Result<String> {
    let mut probe = Config { values: BTreeMap::new() };
    probe.set(key, value, Source::Flag)?;
    let is_number = Known::of(key).is_some_and(|known| matches!(known.takes, Takes::Number { .. }));
    let mut document: toml_edit::DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| Error::usage("bad_config", error.message().to_owned()))?;
    let mut changed: toml_edit::Value = match value.parse::<i64>() {
        Ok(number) if is_number => number.into(),
        _ => value.into(),
    };
    // What stands behind the old value stays.
    if let Some(old) = document.get(key).and_then(toml_edit::Item::as_value) {
        *changed.decor_mut() = old.decor().clone();
    }
    document[key] = toml_edit::Item::Value(changed);
    Ok(document.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn every_setting_has_a_default_and_every_default_is_a_setting() {
        let config = Config::load(None, None, none).unwrap();
        let names: Vec<&str> = config.all().map(|(key, _)| key).collect();
        assert_eq!(names, KEYS.map(|known| known.name));
    }

    #[test]
    fn the_page_of_settings_is_what_the_table_says() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md")).unwrap();
        let told: Vec<&str> = page.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 5).collect();
        let wanted: Vec<String> = KEYS
            .iter()
            .map(|known| {
                let default =
                    Some(known.default_value()).filter(|value| !value.is_empty()).map_or(String::new(), |value| format!("`{value}`"));
                format!("| `{}` | {} | {default} | {} |", known.name, known.takes(), known.meaning)
            })
            .collect();
        assert_eq!(told, wanted, "docs/settings.md should have these rows:\n{}", wanted.join("\n"));
    }

    #[test]
    fn a_mistake_says_what_mends_it() {
        let file = Path::new("/p/config.toml");
        let hints = |text: &str| Config::of_layers(None, Some((file, text)), none).unwrap_err().hints;
        assert_eq!(hints("lease = \"soon\"")[0], "ganger config set lease 120s");
        assert_eq!(hints("cycles = true")[0], "ganger config set cycles 3");
        assert!(hints("\nlaese = \"1m\"")[0].starts_with("mend line 2 of /p/config.toml"));
        assert!(hints("\nlaese = \"1m\"")[1].starts_with("the settings are agents_library, "));
        assert!(hints("lease = [")[0].starts_with("mend line 1 of /p/config.toml"));
        let set = |name: &str| (name == "GANGER_LEASE").then(|| "foo".to_owned());
        let error = Config::of_layers(None, None, set).unwrap_err();
        assert!(error.message.starts_with("the variable GANGER_LEASE: lease: expected a duration"), "{error}");
        assert_eq!(error.hints, ["unset GANGER_LEASE   or give it a value such as 120s"]);
        let short = |name: &str| (name == "GANGER_LEASE").then(|| "1s".to_owned());
        let error = Config::of_layers(None, None, short).unwrap_err();
        assert!(error.message.ends_with("lease = 1s (GANGER_LEASE), heartbeat = 30s (default)"), "{error}");
        assert_eq!(error.hints, ["unset GANGER_LEASE   or give it a value such as 2m"]);
    }

    #[test]
    fn later_layers_win_and_say_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("config.toml");
        std::fs::write(&project, "lease = \"60s\"\ncycles = 1\n[workers.a.env]\nKEY = \"x\"\n").unwrap();
        let config = Config::load(None, Some(&project), |name| (name == "GANGER_CYCLES").then(|| "2".to_owned())).unwrap();
        assert_eq!(config.span("lease").unwrap(), Duration::from_secs(60));
        assert_eq!(config.get("lease").unwrap().source, Source::Project(project));
        assert_eq!(
            config.get("cycles").unwrap(),
            &Setting { value: "2".to_owned(), source: Source::Environment("GANGER_CYCLES".to_owned()) }
        );
        assert_eq!(config.worker_env(&"a".parse().unwrap()), [("KEY".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn mistakes_name_the_file_the_line_and_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("config.toml");
        for (text, found) in [
            ("a = 1", "line 1: there is no setting 'a'"),
            ("\nlease = \"soon\"", "line 2: lease: expected a duration"),
            ("lease = [", "line 1:"),
            ("cycles = 999", "at most 100"),
            ("lease = true", "wrong type"),
            ("lease = \"1s\"", "shorter than heartbeat"),
            ("[workers.a.env]\nGANGER_CLAIM = \"x\"", "cannot be set for a worker"),
        ] {
            std::fs::write(&project, text).unwrap();
            let error = Config::load(None, Some(&project), none).unwrap_err();
            assert!(error.message.contains(found), "{text:?}: {}", error.message);
        }
    }

    #[test]
    fn setting_a_value_leaves_the_rest_of_the_file() {
        let text = "# mine\nlease = \"1m\" # why\n";
        assert_eq!(with_value(text, "cycles", "1").unwrap(), "# mine\nlease = \"1m\" # why\ncycles = 1\n");
        assert_eq!(with_value(text, "lease", "2m").unwrap(), "# mine\nlease = \"2m\" # why\n");
        assert_eq!(with_value("[workers.a.env]\nK = \"v\"\n", "cycles", "1").unwrap(), "cycles = 1\n[workers.a.env]\nK = \"v\"\n");
        assert!(with_value(text, "cycles", "many").is_err());
    }
}
