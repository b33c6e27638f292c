//! The planted bugs of the domain: each breaks one promise, so that the suite can be seen to catch it. They exist only with the
//! feature `planted-bugs`, which no release has; the variable `GANGER_PLANT` picks one. Without it nothing here reads anything.

/// Whether the bug with this name is switched on. Without the feature this is the constant `false`.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub(crate) fn is_planted(name: &str) -> bool {
    static PICKED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    PICKED.get_or_init(|| std::env::var("GANGER_PLANT").ok()).as_deref() == Some(name)
}

#[cfg(feature = "planted-bugs")]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is_planted($name)
    };
}

#[cfg(not(feature = "planted-bugs"))]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}
