//! The only room that asks the system for random bits: nonces, request ids and names of temporary files.

use domain::id::RequestId;

use crate::error::{Error, Result};

/// So many random bytes.
///
/// # Errors
/// When the system has none.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::refused("no_random", format!("the system gives no random bits: {error}")))?;
    Ok(bytes)
}

/// 128 random bits in hexadecimal.
///
/// # Errors
/// When the system has none.
pub fn hex() -> Result<String> {
    Ok(bytes::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A request id that nobody else has.
///
/// # Errors
/// When the system has no random bits.
pub fn request_id() -> Result<RequestId> {
    hex()?.parse().map_err(|error: domain::id::BadId| Error::bug(error.to_string()))
}
