//! Twilio's connection overrides: the fragment of a callback URL says when a callback is sent again.
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>

use std::time::Duration;

/// How one sending ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Answered(u16),
    NotConnected,
    TimedOut,
}

impl Attempt {
    /// The HTTP status; 0 where there was no answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Answered(status) => status,
            Self::NotConnected | Self::TimedOut => 0,
        }
    }
}

/// How often, on what and how long a callback is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryPolicy {
    pub(crate) connect: Duration,
    pub(crate) read: Duration,
    pub(crate) total: Duration,
    retries: u32,
    on_4xx: bool,
    on_5xx: bool,
    on_connect: bool,
    on_read: bool,
}

impl RetryPolicy {
    /// The overrides of a callback URL; without any, Twilio's defaults.
    pub(crate) fn of(fragment: Option<&str>) -> Self {
        let mut policy = Self::twilio_default();
        for (key, value) in form_urlencoded::parse(fragment.unwrap_or_default().as_bytes()) {
            let ms = |max| Duration::from_millis(value.parse::<u64>().unwrap_or(max).clamp(100, max));
            match &*key {
                "ct" => policy.connect = ms(10_000),
                "rt" => policy.read = ms(15_000),
                "tt" => policy.total = ms(15_000),
                "rc" => policy.retries = value.parse().unwrap_or(1).min(5),
                "rp" => policy.retry_on(&value),
                _ => {}
            }
        }
        policy
    }

    /// No retry.
    pub(crate) fn once() -> Self {
        Self { retries: 0, ..Self::twilio_default() }
    }

    /// One retry, and only where no connection came about: an answer is the end of it, whatever it says.
    fn twilio_default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            on_4xx: false,
            on_5xx: false,
            on_connect: true,
            on_read: false,
        }
    }

    fn retry_on(&mut self, reasons: &str) {
        let has = |reason| reasons.split(',').any(|one| one == reason || one == "all");
        self.on_4xx = has("4xx");
        self.on_5xx = has("5xx");
        self.on_connect = has("ct");
        self.on_read = has("rt");
    }

    /// The pause before the next attempt after so many; `None` when there is to be none.
    ///
    /// Twilio documents no pauses; doubling from 100 ms, five retries fit well into the 15 seconds.
    pub(crate) fn pause_before(&self, attempts: u32) -> Option<Duration> {
        match attempts {
            0 => Some(Duration::ZERO),
            made if made <= self.retries => Some(Duration::from_millis(100) * 2u32.pow(made - 1)),
            _ => None,
        }
    }

    pub(crate) fn retries(&self, attempt: Attempt) -> bool {
        match attempt {
            Attempt::Answered(400..500) => self.on_4xx,
            Attempt::Answered(500..) => self.on_5xx,
            Attempt::Answered(_) => false,
            Attempt::NotConnected => self.on_connect,
            Attempt::TimedOut => self.on_read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragment_overrides_the_defaults() {
        let policy = RetryPolicy::of(Some("rc=3&rp=4xx,rt&rt=2000"));
        assert_eq!(policy.read, Duration::from_secs(2));
        assert_eq!(policy.total, Duration::from_secs(15));
        assert!(policy.retries(Attempt::Answered(404)) && policy.retries(Attempt::TimedOut));
        assert!(!policy.retries(Attempt::Answered(503)) && !policy.retries(Attempt::NotConnected));
        assert!(policy.pause_before(3).is_some() && policy.pause_before(4).is_none());
    }

    #[test]
    fn without_a_fragment_only_a_failed_connection_is_retried_and_once() {
        let policy = RetryPolicy::of(None);
        assert!(policy.retries(Attempt::NotConnected) && !policy.retries(Attempt::TimedOut));
        assert!(!policy.retries(Attempt::Answered(503)) && !policy.retries(Attempt::Answered(404)));
        assert!(policy.pause_before(1).is_some() && policy.pause_before(2).is_none());
    }

    #[test]
    fn retries_of_the_recommended_fragment_fit_the_total() {
        let policy = RetryPolicy::of(Some("rc=5&rp=5xx,ct,rt&ct=2000&rt=4000&tt=15000"));
        let pauses: Duration = (0..=5).filter_map(|made| policy.pause_before(made)).sum();
        assert!(pauses < Duration::from_secs(4), "{pauses:?}");
        assert!(policy.retries(Attempt::Answered(503)) && !policy.retries(Attempt::Answered(403)));
    }
}
