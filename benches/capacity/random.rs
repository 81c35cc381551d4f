//! Random numbers that are the same on every machine.

/// SplitMix64, of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), with the
/// constants of <https://prng.di.unimi.it/splitmix64.c> (public domain).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Above 0, and 1 at most: its logarithm is a number.
    fn fraction(&mut self) -> f64 {
        const STEPS: f64 = (1_u64 << 53) as f64;
        ((self.next() >> 11) + 1) as f64 / STEPS
    }

    /// The time to the next of events that come at `rate`.
    pub(crate) fn exponential(&mut self, rate: f64) -> f64 {
        -self.fraction().ln() / rate
    }

    /// Log-normal with this mean, and `spread` times it as its standard deviation.
    pub(crate) fn log_normal(&mut self, mean: f64, spread: f64) -> f64 {
        let variance = (spread * spread).ln_1p();
        // Box and Muller's way to a normal one.
        let angle = std::f64::consts::TAU * self.fraction();
        let normal = (-2.0 * self.fraction().ln()).sqrt() * angle.cos();
        (mean.ln() - variance / 2.0 + variance.sqrt() * normal).exp()
    }
}
