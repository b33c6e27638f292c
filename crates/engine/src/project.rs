//! A project: the folder with `.orchestrator/`, its settings, its store, and the names of its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::id::TaskId;
use domain::plan::Language;

use crate::clock::MachineClock;
use crate::config::{Config, Source};
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::orchestrator::{Orchestrator, Settings};
use crate::store::address::Address;
use crate::store::postgres::{PgStore, Time};
use crate::store::sqlite::SqliteStore;
use crate::store::{Missing, Store, Use};

/// The folder of ganger's own files in a project.
pub const FOLDER: &str = ".orchestrator";

/// A project that was found or made.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    config: Config,
    address: Address,
    language: Language,
    settings: Settings,
}

/// What a command knows beside the project.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `--store`.
    pub store: Option<String>,
    /// `--language`.
    pub language: Option<String>,
    /// The user's configuration file.
    pub user_config: Option<PathBuf>,
    /// The variables of the environment.
    pub environment: std::collections::HashMap<String, String>,
}

impl Project {
    /// Finds the project: `start` itself or the nearest folder above it that has `.orchestrator/`.
    ///
    /// # Errors
    /// `no_project`, `bad_config`, `bad_store`, `loose_permissions`.
    pub fn find(start: &Path, around: &Surroundings) -> Result<Self> {
        let root = start.ancestors().find(|folder| files::is_folder(&folder.join(FOLDER)));
        let Some(root) = root else {
            return Err(
                Error::usage("no_project", format!("there is no project in {} or above it", files::shown(start))).hint("ganger init")
            );
        };
        Self::at(root, around)
    }

    /// The project of this very folder.
    ///
    /// # Errors
    /// As [`Project::find`].
    pub fn at(root: &Path, around: &Surroundings) -> Result<Self> {
        let folder = root.join(FOLDER);
        files::check_private(&folder)?;
        let mut config =
            Config::load(around.user_config.as_deref(), Some(&folder.join("config.toml")), |name| around.environment.get(name).cloned())?;
        if let Some(store) = &around.store {
            config.set("store", store, Source::Flag)?;
        }
        if let Some(language) = &around.language {
            config.set("language", language, Source::Flag)?;
        }
        let lang = around.environment.get("LC_ALL").or_else(|| around.environment.get("LANG")).map(String::as_str);
        let address = Address::parse(config.text("store")?, root)?;
        Ok(Self { root: root.to_owned(), language: config.language(lang)?, settings: config.settings(lang)?, config, address })
    }

    /// Makes a project in this folder, or completes one: harmless when it is done twice. Says whether it is new.
    ///
    /// # Errors
    /// `file`, `bad_config`, those of opening the store.
    pub fn init(root: &Path, values: &[(&str, String)], around: &Surroundings) -> Result<(Self, bool)> {
        let folder = root.join(FOLDER);
        let is_new = !files::exists(&folder);
        files::private_folder(&folder)?;
        let file = folder.join("config.toml");
        let mut text = if files::is_file(&file) {
            files::read_text(&file, 1024 * 1024)?
        } else {
            "# The settings of this project; `ganger config` shows them all.\n".to_owned()
        };
        for (key, value) in values {
            text = crate::config::with_value(&text, key, value)?;
        }
        files::replace(&file, &text)?;
        let ignore = folder.join(".gitignore");
        if !files::exists(&ignore) {
            files::replace(&ignore, "# ganger's own files are not part of the project's history.\n*\n")?;
        }
        for name in ["log", "briefs", "results", "agent_tasks", "locks"] {
            files::private_folder(&folder.join(name))?;
        }
        let project = Self::at(root, around)?;
        project.open_with(Use::OneShot, Missing::Make)?;
        Ok((project, is_new))
    }

    /// The door to the project's store.
    ///
    /// # Errors
    /// Those of opening the store.
    pub fn open(&self, how: Use) -> Result<Orchestrator> {
        self.open_with(how, Missing::Refuse)
    }

    fn open_with(&self, how: Use, missing: Missing) -> Result<Orchestrator> {
        Ok(Orchestrator::new(self.open_store(how, missing)?, self.settings.clone()))
    }

    /// The store itself, for `doctor`, `repair` and `import`.
    ///
    /// # Errors
    /// Those of opening the store.
    pub fn open_store(&self, how: Use, missing: Missing) -> Result<Arc<dyn Store>> {
        let path = match &self.address {
            Address::Sqlite(path) => path,
            Address::Postgres(address) => return Ok(Arc::new(PgStore::open(address, how, missing, Time::Database)?)),
        };
        match SqliteStore::open(path, how, missing, Arc::new(MachineClock)) {
            Ok(store) => Ok(Arc::new(store)),
            // Inside a project the store was there once: what is missing was lost, not never made.
            Err(error) if error.kind == Kind::Store && error.code == "store_missing" => {
                Err(error.hint(format!("the project is {}", files::shown(&self.root))))
            }
            Err(error) => Err(error),
        }
    }

    /// Where the locks of this machine's workers are: beside a store in a file, else in the project.
    #[must_use]
    pub fn locks(&self) -> PathBuf {
        match &self.address {
            Address::Sqlite(store) => {
                let mut folder = store.file_name().unwrap_or_default().to_owned();
                folder.push(".d");
                store.with_file_name(folder)
            }
            Address::Postgres(_) => self.folder().join("locks"),
        }
    }

    /// The folder of the user's project.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of ganger's own files.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.root.join(FOLDER)
    }

    /// The settings with where they came from.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The rules for the funnel.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the store is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The language of titles, briefs and reports.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// The brief of one attempt.
    #[must_use]
    pub fn brief(&self, task: TaskId, attempt: u32) -> PathBuf {
        self.folder().join("briefs").join(format!("{task}.{attempt}.md"))
    }

    /// The output of one attempt: `T-004.2.log`, or `T-004.2.check.log`.
    #[must_use]
    pub fn output(&self, task: TaskId, attempt: u32, part: &str) -> PathBuf {
        self.folder().join("log").join(format!("{task}.{attempt}{part}.log"))
    }

    /// What came of a task.
    #[must_use]
    pub fn result(&self, task: TaskId) -> PathBuf {
        self.folder().join("results").join(format!("{task}.md"))
    }

    /// The final report.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.folder().join("final_output.md")
    }

    /// A path as people read it: relative to the project where it lies in it.
    #[must_use]
    pub fn short(&self, path: &Path) -> String {
        files::shown(path.strip_prefix(&self.root).unwrap_or(path))
    }
}
