//! Chance that can be repeated.

/// The same seed throws the same numbers.
pub(crate) struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, thrown: 0 }
    }

    /// A number from `least` to `most`.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        self.thrown += 1;
        least + domain::retry::jitter(self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(self.thrown), most - least)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.between(0, end as u64 - 1)).unwrap()
    }

    /// So many times of a thousand.
    pub(crate) fn per_mille(&mut self, times: u64) -> bool {
        self.between(1, 1_000) <= times
    }

    pub(crate) fn percent(&mut self, times: u64) -> bool {
        self.between(1, 100) <= times
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.below(from.len())].clone())
    }
}
