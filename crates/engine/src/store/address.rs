//! Where a store is: `sqlite:PATH`, `postgres://…`, later `http(s)://…`. A password is never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use super::postgres::PgAddress;
use crate::error::{Error, Result};

/// The address of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A schema of a database, for many machines.
    Postgres(PgAddress),
}

impl Address {
    /// Reads an address; a relative path is relative to `base`.
    ///
    /// # Errors
    /// `bad_store` for what is none, `store_not_built` for one that this version cannot open.
    pub fn parse(text: &str, base: &Path) -> Result<Self> {
        let shown = || domain::text::escaped(&without_password(text), 200);
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
            if path.is_empty() || path.contains('\0') {
                return Err(
                    Error::usage("bad_store", format!("'{}' names no file", shown())).hint("--store sqlite:.orchestrator/ganger.db")
                );
            }
            return Ok(Self::Sqlite(base.join(path)));
        }
        let scheme = text.split(':').next().unwrap_or_default();
        if matches!(scheme, "postgres" | "postgresql") {
            return PgAddress::parse(text, &shown(), base).map(Self::Postgres);
        }
        if matches!(scheme, "http" | "https") {
            return Err(Error::usage("store_not_built", format!("this version of ganger cannot open '{}'", shown()))
                .hint("use --store sqlite:PATH or --store postgres://USER@HOST/DATABASE"));
        }
        Err(Error::usage("bad_store", format!("'{}' is no address of a store", shown()))
            .hint("an address is written sqlite:PATH or postgres://USER@HOST/DATABASE"))
    }
}

impl Address {
    /// Whether the address itself holds a password.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(address) => address.has_password(),
        }
    }

    /// The whole address, with its secrets: only for processes of our own, and never among their arguments.
    #[must_use]
    pub fn with_secrets(&self) -> String {
        match self {
            Self::Sqlite(_) => self.to_string(),
            Self::Postgres(address) => address.with_secrets(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => write!(f, "{address}"),
        }
    }
}

/// The text without its passwords: what stands between `:` and `@` of an authority, and a parameter of that name.
pub(crate) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{user}:…@{host}"),
        Some((None, _)) | None => authority.to_owned(),
    };
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let shown = |pair: &str| if pair.starts_with("password=") { "password=…".to_owned() } else { pair.to_owned() };
    let query = query.map_or_else(String::new, |query| format!("?{}", query.split('&').map(shown).collect::<Vec<_>>().join("&")));
    format!("{scheme}://{authority}{path}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_passwords_are_not_shown() {
        let base = Path::new("/p");
        assert_eq!(Address::parse("sqlite:a.db", base), Ok(Address::Sqlite("/p/a.db".into())));
        assert_eq!(Address::parse("sqlite:///x/a.db", base), Ok(Address::Sqlite("/x/a.db".into())));
        for text in ["", "a.db", "sqlite:", "mysql://x", "sqlite:a\0b"] {
            assert!(Address::parse(text, base).is_err(), "{text:?}");
        }
        let shared =
            Address::parse("postgres://me:secret@h/db?schema=s", base).map(|address| (address.to_string(), format!("{address:?}")));
        assert!(shared.is_ok_and(|(shown, debug)| shown == "postgres://me:…@h/db?schema=s" && !debug.contains("secret")));
        let refused = Address::parse("https://me:secret@h/db", base).map_err(|e| e.message);
        assert!(refused.as_ref().is_err_and(|message| message.contains("https://me:…@h/db") && !message.contains("secret")), "{refused:?}");
    }
}
