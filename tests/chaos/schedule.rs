//! Which faults a run meets, and when: all of it from the seed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::fault::{Fault, Misdeed, Peer, Role};
use crate::proxy::Way;
use crate::s3::S3Fault;

/// One fault of a run.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
    pub(crate) fault: Fault,
}

/// All of them, by their begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schedule {
    pub(crate) faults: Vec<Planned>,
    /// Whether `reconcile` runs only after the storm: whatever ingest answered 200 has to come to its end without it.
    pub(crate) reconciles_late: bool,
}

impl Schedule {
    /// Faults that begin within `spread`; the same ones for the same seed.
    pub(crate) fn drawn(seed: u64, spread: Duration) -> Schedule {
        let mut random = StdRng::seed_from_u64(seed);
        let mut planned: Vec<Planned> = Vec::new();
        let mut free_from: BTreeMap<String, Duration> = BTreeMap::new();
        for _ in 0..random.random_range(5..=9) {
            let at = spread.mul_f64(random.random_range(0.0..1.0));
            let lasts = Duration::from_millis(random.random_range(300..3000));
            let fault = fault(&mut random);
            planned.push(Planned { at, lasts: lasts.max(fault.lasts_at_least()), fault });
        }
        planned.sort_by_key(|planned| planned.at);
        // One thing at a time has one thing wrong with it.
        for each in &mut planned {
            let free_from = free_from.entry(each.fault.target()).or_default();
            each.at = each.at.max(*free_from);
            *free_from = each.at + each.lasts;
        }
        planned.sort_by_key(|planned| planned.at);
        let mut schedule = Schedule { faults: planned, reconciles_late: false };
        // Steps whose jobs were lost are found again only once the clocks have caught up with what they wrote. What a
        // transcriber refused is failed, which is an end, where the dead letter is lost that could be redriven.
        let may_strike = |fault: &Fault| match fault {
            Fault::ClockJumped(_, minutes) => *minutes <= 0,
            Fault::Misdeed(misdeed) => !misdeed.what.contains("refuse"),
            _ => true,
        };
        if schedule.wipes_queues() {
            schedule.faults.retain(|planned| may_strike(&planned.fault));
        }
        let needs_reconcile =
            schedule.wipes_queues() || schedule.faults.iter().any(|planned| planned.fault.is_of_reconcile());
        schedule.reconciles_late = random.random_bool(0.8) && !needs_reconcile;
        schedule
    }

    /// Whether work is taken for older than it is, or is claimed by a clock that is ahead: it is put off for minutes
    /// then.
    pub(crate) fn skews_work(&self) -> bool {
        let is_skewed = |fault: &Fault| matches!(fault, Fault::ClockJumped(role, _) if *role != Role::Retention);
        self.faults.iter().any(|planned| is_skewed(&planned.fault))
    }

    /// Whether jobs are lost that nobody but an operator can tell are.
    pub(crate) fn wipes_queues(&self) -> bool {
        self.faults.iter().any(|planned| matches!(planned.fault, Fault::QueuesWiped))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned { at, lasts, fault } in &self.faults {
            writeln!(f, "  at {:.1} s, for {:.1} s: {fault}", at.as_secs_f64(), lasts.as_secs_f64())?;
        }
        if self.reconciles_late { writeln!(f, "  reconcile only after all of it") } else { Ok(()) }
    }
}

fn fault(random: &mut StdRng) -> Fault {
    match random.random_range(0..112) {
        0..16 => Fault::Killed(role(random)),
        16..22 => Fault::RolledOut(role(random)),
        22..46 => line(random),
        46..51 => Fault::Unconfirmed,
        51..54 => Fault::RabbitMqKilled,
        54..56 => Fault::RabbitMqRestarted,
        56..58 => Fault::DiskAlarm,
        58..59 => Fault::MemoryAlarm,
        59..62 => Fault::QueuesWiped,
        62..66 => Fault::PostgresKilled,
        66..69 => Fault::PostgresRestarted,
        69..71 => Fault::S3Killed,
        71..80 => Fault::S3(s3(random)),
        80..98 => Fault::Misdeed(MISDEEDS.choose(random).unwrap().clone()),
        98..110 => Fault::ClockJumped(role(random), minutes(random)),
        _ => Fault::ReceiverRefuses { every: random.random_range(1..3) },
    }
}

/// One of the two sweeps as often as each of the others has its turn, which are several.
fn role(random: &mut StdRng) -> Role {
    match random.random_range(0..5) {
        0 => Role::Ingest(random.random_range(1..=2)),
        1..3 => Role::Worker(random.random_range(1..=3)),
        3 => Role::Retention,
        _ => Role::Reconcile,
    }
}

/// Ahead or back.
fn minutes(random: &mut StdRng) -> i64 {
    let minutes = random.random_range(2..=60);
    if random.random_bool(0.5) { minutes } else { -minutes }
}

fn line(random: &mut StdRng) -> Fault {
    let peer = *Peer::ALL.choose(random).unwrap();
    let way = match random.random_range(0..8) {
        0..2 if peer == Peer::Transcriber => Way::Twice,
        0 if peer == Peer::Receiver => Way::Twice,
        0 => Way::Cut,
        1 => Way::Reset,
        2 => Way::Stalled,
        3 => Way::Slow,
        4 => Way::HalfOpen,
        5 => Way::Deaf,
        6 => Way::Mute,
        _ => Way::Torn(random.random_range(200..60_000)),
    };
    Fault::Line(peer, way)
}

fn s3(random: &mut StdRng) -> S3Fault {
    let every = random.random_range(1..4);
    match random.random_range(0..5) {
        0 => S3Fault::Error { every },
        1 => S3Fault::SlowDown { every },
        2 => S3Fault::EndlessPut { every },
        3 => S3Fault::UnansweredPut { every },
        _ => S3Fault::CutGet { every },
    }
}

macro_rules! misdeeds {
    ($($whose:ident: $what:literal $(=> $shown_by:literal)?, $($field:ident = $value:expr),+;)+) => {
        &[$(Misdeed {
            whose: Peer::$whose,
            what: $what,
            shown_by: [$($shown_by,)?].first().copied(),
            set: |faults| { $(faults.$field = $value;)+ },
        }),+]
    };
}

const MISDEEDS: &[Misdeed] = misdeeds! {
    Twilio: "media 404 at first", media_404_first = 2;
    Twilio: "429 storm", throttle_every = Some(1);
    Twilio: "429 storm with Retry-After", throttle_every = Some(1), retry_after_secs = Some(2);
    Twilio: "429 beyond one request at a time" => "media 429", concurrency_limit = Some(1);
    Twilio: "500 and 503", server_error_every = Some(1);
    Twilio: "every other request 500 or 503", server_error_every = Some(2);
    Twilio: "list pages 503" => "list 503", list_error_every = Some(1);
    Twilio: "every other list page 503" => "list 503", list_error_every = Some(2), list_page_max = Some(3);
    Twilio: "deletes 500", delete_error_every = Some(2);
    Twilio: "an error page as media", xml_error_as_200_every = Some(1);
    Twilio: "media cut", cut_body_every = Some(2);
    Twilio: "media stalled", stall_body_every = Some(2);
    Twilio: "media shorter than promised", wrong_length_every = Some(1);
    Twilio: "media cut, ranges ignored", cut_body_every = Some(2), ignore_range = true;
    Twilio: "media without a length", chunked_media = true;
    Transcriber: "500 and 503", transcriber_error_every = Some(1);
    Transcriber: "429", transcriber_throttle_every = Some(1);
    Transcriber: "429 with Retry-After", transcriber_throttle_every = Some(1), retry_after_secs = Some(1);
    Transcriber: "refuses all", transcriber_refusal_every = Some(1);
    Transcriber: "slow", transcriber_delay_ms = 2000;
    Transcriber: "never answers", transcriber_delay_ms = 3_600_000;
};
