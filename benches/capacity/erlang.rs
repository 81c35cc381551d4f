//! Erlang's delay formula: how long one waits for one of so many servers, where arrivals are Poisson, service times
//! exponential and nobody gives up (M/M/c).

/// A queue before equal servers, in its steady state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Erlang {
    servers: u32,
    /// Arrivals a second.
    rate: f64,
    /// Mean service time, in seconds.
    service_secs: f64,
}

impl Erlang {
    /// `None` where more arrives than is served: there is no steady state then, the backlog only grows.
    pub(crate) fn new(servers: u32, rate: f64, service_secs: f64) -> Option<Erlang> {
        let erlang = Erlang { servers, rate, service_secs };
        (erlang.load() < f64::from(servers)).then_some(erlang)
    }

    /// Servers at work at a time, by Little's law.
    fn load(&self) -> f64 {
        self.rate * self.service_secs
    }

    /// The probability that an arrival has to wait: Erlang's C, by way of his B, whose recursion overflows nowhere.
    pub(crate) fn waits(&self) -> f64 {
        let load = self.load();
        let blocked = (1..=self.servers).fold(1.0, |blocked, n| load * blocked / (f64::from(n) + load * blocked));
        let busy = load / f64::from(self.servers);
        blocked / (1.0 - busy * (1.0 - blocked))
    }

    /// Mean wait of all arrivals, in seconds.
    pub(crate) fn mean_wait_secs(&self) -> f64 {
        self.waits() / self.spare_rate()
    }

    /// The wait that a `share` of arrivals does not exceed, in seconds.
    pub(crate) fn wait_secs(&self, share: f64) -> f64 {
        ((self.waits() / (1.0 - share)).ln() / self.spare_rate()).max(0.0)
    }

    fn spare_rate(&self) -> f64 {
        f64::from(self.servers) / self.service_secs - self.rate
    }
}
