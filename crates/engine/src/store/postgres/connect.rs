//! Where the database is, how it is reached, and how a session wants to be treated there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::session::{CONNECT_PATIENCE, Fault};
use crate::error::{Error, Kind, Result};

/// The schema of a store whose address names none.
const SCHEMA: &str = "ganger";
/// As long as PostgreSQL lets a name be, less what the name of the channel has beside it.
const SCHEMA_BYTES_MAX: usize = 48;

/// How the line is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tls {
    /// Not at all: asked for, or the server is on this machine.
    Off,
    /// With a certificate that one of these roots has signed, or the system's.
    Verified(Option<PathBuf>),
}

/// The address of a store in PostgreSQL: `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?schema=NAME&sslmode=…&sslrootcert=FILE]`.
///
/// A server on another machine is spoken to by TLS, with a certificate that is checked, whatever the server offers; `sslmode=disable` says
/// otherwise (A46).
#[derive(Clone, PartialEq, Eq)]
pub struct PgAddress {
    /// For the driver: without what is ours.
    url: String,
    shown: String,
    has_password: bool,
    schema: String,
    tls: Tls,
}

impl fmt::Debug for PgAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for PgAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PgAddress {
    /// Reads an address. `shown` is the same without any password; a relative path of a file is relative to `base`.
    ///
    /// # Errors
    /// `bad_store`.
    pub fn parse(text: &str, shown: &str, base: &Path) -> Result<Self> {
        let bad =
            |why: String| Error::usage("bad_store", format!("'{shown}' {why}")).hint("--store postgres://USER@HOST/DATABASE?schema=NAME");
        let (front, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut schema, mut mode, mut roots, mut rest) = (SCHEMA.to_owned(), None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "schema" => value.clone_into(&mut schema),
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = Some(base.join(unescaped(value).ok_or_else(|| bad(format!("has a broken {key}")))?)),
                _ => rest.push(pair),
            }
        }
        let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        if schema.is_empty()
            || schema.len() > SCHEMA_BYTES_MAX
            || !schema.bytes().all(is_name)
            || schema.starts_with("pg_")
            || schema.as_bytes()[0].is_ascii_digit()
        {
            return Err(bad(format!("names no schema of ours: a-z, 0-9 and _ only, at most {SCHEMA_BYTES_MAX}")));
        }
        let url = if rest.is_empty() { front.to_owned() } else { format!("{front}?{}", rest.join("&")) };
        let config: Config = url.parse().map_err(|error: tokio_postgres::Error| bad(format!("cannot be read: {}", told(&error))))?;
        let is_here = config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback()),
            Host::Unix(_) => true,
        });
        let tls = match mode {
            Some("disable") => Tls::Off,
            None | Some("prefer") if is_here && roots.is_none() => Tls::Off,
            None | Some("prefer" | "require" | "verify-ca" | "verify-full") => Tls::Verified(roots),
            Some(other) => return Err(bad(format!("has the unknown sslmode '{}'", domain::text::escaped(other, 40)))),
        };
        Ok(Self { url, shown: shown.to_owned(), has_password: config.get_password().is_some(), schema, tls })
    }

    /// The name of the schema that the store has for itself.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Another store in the same database: `schema` is a name as [`PgAddress::parse`] takes it.
    #[must_use]
    pub fn with_schema(&self, schema: &str) -> Self {
        Self { schema: schema.to_owned(), ..self.clone() }
    }

    /// Whether the address itself holds a secret.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// The whole address, with its secrets: only for processes of our own.
    #[must_use]
    pub fn with_secrets(&self) -> String {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let tls = match &self.tls {
            Tls::Off => "&sslmode=disable".to_owned(),
            Tls::Verified(None) => "&sslmode=verify-full".to_owned(),
            Tls::Verified(Some(file)) => format!("&sslmode=verify-full&sslrootcert={}", escaped(&file.to_string_lossy())),
        };
        format!("{}{separator}schema={}{tls}", self.url, self.schema)
    }

    /// The channel of its notifications.
    pub(super) fn channel(&self) -> String {
        format!("ganger_{}", self.schema)
    }

    pub(super) fn config(&self) -> Result<Config> {
        let mut config: Config = self.url.parse().map_err(|error: tokio_postgres::Error| Error::bug(told(&error)))?;
        config
            .application_name(format!("ganger {}", self.schema))
            .connect_timeout(CONNECT_PATIENCE)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(20))
            .ssl_mode(if self.tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        Ok(config)
    }

    fn tls(&self) -> Result<Option<MakeRustlsConnect>> {
        let Tls::Verified(file) = &self.tls else { return Ok(None) };
        let mut roots = rustls::RootCertStore::empty();
        match file {
            Some(file) => {
                let bad = |why: String| Error::usage("bad_store", format!("no certificate can be read from {}: {why}", file.display()));
                let read = rustls::pki_types::CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))?;
                for certificate in read {
                    roots.add(certificate.map_err(|error| bad(error.to_string()))?).map_err(|error| bad(error.to_string()))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(Error::usage("bad_store", format!("there is no certificate to check {} by", self.shown)).hint("…?sslrootcert=FILE"));
        }
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::bug(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Some(MakeRustlsConnect::new(config)))
    }
}

/// What drives a connection.
pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::refused("no_thread", format!("cannot wait for a database: {error}")))
}

/// Connects, and says how the session wants to be treated: whatever the role or the database has as its default.
pub(super) async fn connect(address: &PgAddress) -> Result<Client> {
    let (client, driver) = dial(address).await?;
    tokio::spawn(driver);
    client.batch_execute(&greeting(address)).await.map_err(|error| unreachable(&error.into(), address))?;
    Ok(client)
}

type Driver = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

async fn dial(address: &PgAddress) -> Result<(Client, Driver)> {
    let config = address.config()?;
    Ok(match address.tls()? {
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(|error| unreachable(&error.into(), address))?;
            (client, Box::pin(async move { drop(connection.await) }))
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls).await.map_err(|error| unreachable(&error.into(), address))?;
            (client, Box::pin(async move { drop(connection.await) }))
        }
    })
}

/// Connects and gives every notification to `told`, until the connection ends or `end` is told.
pub(super) async fn listen(address: &PgAddress, told: impl Fn(Option<&str>) + Send + Sync + 'static, end: &Notify) -> Result<()> {
    let config = address.config()?;
    let told = Arc::new(told);
    macro_rules! follow {
        ($connected:expr) => {{
            let (client, mut connection) = $connected.await.map_err(|error| unreachable(&error.into(), address))?;
            let heard = Arc::clone(&told);
            let driver = tokio::spawn(async move {
                while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                    if let tokio_postgres::AsyncMessage::Notification(note) = message {
                        heard(Some(note.payload()));
                    }
                }
            });
            client.batch_execute(&format!("LISTEN {}", address.channel())).await.map_err(|error| unreachable(&error.into(), address))?;
            // From here on nothing is missed; before, anything may have been.
            told(None);
            let (mut driver, mut end) = (driver, std::pin::pin!(end.notified()));
            std::future::poll_fn(|context| {
                let is_over = std::pin::Pin::new(&mut driver).poll(context).is_ready() || end.as_mut().poll(context).is_ready();
                if is_over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        }};
    }
    match address.tls()? {
        None => follow!(config.connect(NoTls)),
        Some(tls) => follow!(config.connect(tls)),
    }
    Ok(())
}

/// The first words of each session (T10, T13, T17). Plans are made once and never by statistics: every statement is a look into an index,
/// and one that reads a table from end to end would be wrong at any size.
fn greeting(address: &PgAddress) -> String {
    format!(
        "SET search_path = {}; SET synchronous_commit = on; SET lock_timeout = '3s'; SET statement_timeout = '60s'; \
         SET idle_in_transaction_session_timeout = '4s'; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
         SET tcp_keepalives_count = 3; SET tcp_user_timeout = 15000; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
         SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; \
         SET client_encoding = 'UTF8'; SET standard_conforming_strings = on",
        address.schema()
    )
}

/// What went wrong, without what the driver says before it.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return server.message().to_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// Somebody is there and says nothing.
pub(super) fn silent(address: &PgAddress) -> Error {
    let message = format!("cannot reach the store {address}: no answer for {} s", CONNECT_PATIENCE.as_secs());
    Error::new(Kind::Store, "store_unreachable", message).hint("is the server up, and does it listen there?")
}

/// The database cannot be reached, or does not let us in.
pub(super) fn unreachable(fault: &Fault, address: &PgAddress) -> Error {
    let made = Error::new(Kind::Store, "store_unreachable", format!("cannot reach the store {address}: {}", fault.told()));
    match fault.code().map(tokio_postgres::error::SqlState::code) {
        Some("28P01" | "28000") => made.hint("check the user and the password of the address; PGPASSWORD and ~/.pgpass are not read"),
        Some("3D000") => made.hint("make the database first: createdb NAME"),
        Some("42501") => made.hint("grant CREATE on the database to this role for `ganger init`, USAGE and the tables after that"),
        Some("53300") => made.hint("the server has no connection left: raise max_connections, or put pgbouncer before it (session mode)"),
        _ => made.hint("is the server up, and does it listen there?"),
    }
}

/// The text behind %XX.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(rest.next()?)? * 16 + digit(rest.next()?)?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PgAddress> {
        PgAddress::parse(text, "shown", Path::new("/p"))
    }

    #[test]
    fn an_address_says_how_the_line_is_protected() {
        let tls = |text: &str| parse(text).map(|address| address.tls);
        assert_eq!(tls("postgres://me@localhost/db"), Ok(Tls::Off));
        assert_eq!(tls("postgres://me@127.0.0.1:5433/db?sslmode=prefer"), Ok(Tls::Off));
        assert_eq!(tls("postgres://me@db.example/db"), Ok(Tls::Verified(None)), "never in the clear unless it is said so");
        assert_eq!(tls("postgres://me@db.example/db?sslmode=prefer"), Ok(Tls::Verified(None)));
        assert_eq!(tls("postgres://me@db.example/db?sslmode=disable"), Ok(Tls::Off));
        assert_eq!(tls("postgres://me@localhost/db?sslmode=require"), Ok(Tls::Verified(None)));
        assert_eq!(tls("postgres://me@h/db?sslrootcert=a%20b.pem"), Ok(Tls::Verified(Some("/p/a b.pem".into()))));
        assert!(tls("postgres://me@h/db?sslmode=perhaps").is_err());
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        assert_eq!(parse("postgres://me@h/db").map(|address| address.schema), Ok("ganger".to_owned()));
        assert_eq!(parse("postgres://me@h/db?schema=shop_2").map(|address| address.schema), Ok("shop_2".to_owned()));
        for name in ["", "a-b", "A", "a;drop", "pg_x", "1a", &"a".repeat(49)] {
            assert!(parse(&format!("postgres://me@h/db?schema={name}")).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_handed_on_means_the_same() {
        for text in [
            "postgres://me:pw@db.example:5433/db?schema=s&sslrootcert=/a%20b.pem",
            "postgres://me@localhost/db?target_session_attrs=read-write",
        ] {
            let address = parse(text).map_err(|error| error.message);
            let again = address.clone().and_then(|address| parse(&address.with_secrets()).map_err(|error| error.message));
            assert_eq!(address, again);
        }
    }
}
