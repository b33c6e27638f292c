//! The claim: the token that a worker must present with every write, so that whoever acts late is refused (G6, G7).

use std::fmt;
use std::str::FromStr;

use crate::id::{Attempt, BadId, TaskId};

/// 128 random bits that make a claim unguessable, and unique also after a restore from a backup (counters go back).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

impl FromStr for Nonce {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { expected: "32 hexadecimal digits", given: text.to_owned() };
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

/// One attempt at one task. Printed `T-004#2:9f3c…` with the whole nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The task that was claimed.
    pub task: TaskId,
    /// Which claim of that task this is.
    pub attempt: Attempt,
    /// What makes it unguessable.
    pub nonce: Nonce,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}:{}", self.task, self.attempt.0, self.nonce)
    }
}

impl FromStr for Claim {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { expected: "a claim such as T-004#2:9f3c… as `ganger claim` printed it", given: text.to_owned() };
        let (task, rest) = text.trim().split_once('#').ok_or_else(bad)?;
        let (attempt, nonce) = rest.split_once(':').ok_or_else(bad)?;
        if attempt.is_empty() || !attempt.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        Ok(Self {
            task: task.parse().map_err(|_| bad())?,
            attempt: Attempt(attempt.parse().map_err(|_| bad())?),
            nonce: nonce.parse().map_err(|_| bad())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_claim_reads_back(task in 1u32.., attempt in any::<u32>(), nonce in any::<[u8; 16]>()) {
            let claim = Claim { task: TaskId(task), attempt: Attempt(attempt), nonce: Nonce(nonce) };
            prop_assert_eq!(claim.to_string().parse::<Claim>(), Ok(claim));
        }
    }

    #[test]
    fn half_a_claim_is_refused() {
        for text in [
            "",
            "T-004",
            "T-004#2",
            "T-004#2:",
            "T-004#:00",
            "T-004#+1:00000000000000000000000000000000",
            "T-004#2:é000000000000000000000000000000",
        ] {
            assert!(text.parse::<Claim>().is_err(), "{text:?}");
        }
    }
}
