//! What can go wrong, and in which words it is told.

use std::fmt;
use std::time::Duration;

use simulator::Faults;

use crate::proxy::Way;
use crate::s3::S3Fault;

const CLOCK_JUMP_LEAST: Duration = Duration::from_secs(8);

/// A process of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Ingest(usize),
    Worker(usize),
    Retention,
    Reconcile,
}

impl Role {
    pub(crate) const ALL: [Role; 7] = [
        Role::Ingest(1),
        Role::Ingest(2),
        Role::Worker(1),
        Role::Worker(2),
        Role::Worker(3),
        Role::Retention,
        Role::Reconcile,
    ];

    /// The subcommand.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Ingest(_) => "ingest",
            Role::Worker(_) => "worker",
            Role::Retention => "retention",
            Role::Reconcile => "reconcile",
        }
    }

    /// What its files' names begin with.
    pub(crate) fn file_name(self) -> String {
        self.to_string().replace(' ', "-")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Ingest(number) | Role::Worker(number) => write!(f, "{} {number}", self.name()),
            Role::Retention | Role::Reconcile => f.write_str(self.name()),
        }
    }
}

/// To whom a line leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// From Twilio to both ingests.
    Ingest,
    Twilio,
    Transcriber,
    RabbitMq,
    Postgres,
    S3,
    Receiver,
}

impl Peer {
    pub(crate) const ALL: [Peer; 7] =
        [Peer::Ingest, Peer::Twilio, Peer::Transcriber, Peer::RabbitMq, Peer::Postgres, Peer::S3, Peer::Receiver];

    fn name(self) -> &'static str {
        match self {
            Peer::Ingest => "ingest",
            Peer::Twilio => "Twilio",
            Peer::Transcriber => "the transcriber",
            Peer::RabbitMq => "RabbitMQ",
            Peer::Postgres => "PostgreSQL",
            Peer::S3 => "S3",
            Peer::Receiver => "the receiver",
        }
    }
}

/// What Twilio or the transcriber does wrong, in the simulator's words.
#[derive(Debug, Clone)]
pub(crate) struct Misdeed {
    pub(crate) whose: Peer,
    pub(crate) what: &'static str,
    /// The answer that shows that it struck, in the words of the simulator's counters, where it could well miss: it
    /// lasts until then.
    pub(crate) shown_by: Option<&'static str>,
    /// Sets what is wrong; several may be at once.
    pub(crate) set: fn(&mut Faults),
}

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// SIGKILL; started again when it is over.
    Killed(Role),
    /// SIGTERM, and started again.
    RolledOut(Role),
    /// Its wall clock is so many minutes ahead, or behind where they are less than 0; right again when it is over.
    ClockJumped(Role, i64),
    Line(Peer, Way),
    /// Publishes get through and their confirms do not; then every connection is reset.
    Unconfirmed,
    RabbitMqKilled,
    RabbitMqRestarted,
    DiskAlarm,
    MemoryAlarm,
    QueuesWiped,
    PostgresKilled,
    PostgresRestarted,
    S3Killed,
    S3(S3Fault),
    Misdeed(Misdeed),
    ReceiverRefuses {
        every: u32,
    },
}

impl Fault {
    /// What cannot have two faults at the same time.
    pub(crate) fn target(&self) -> String {
        match self {
            Fault::Killed(role) | Fault::RolledOut(role) => role.to_string(),
            Fault::ClockJumped(role, _) => format!("clock of {role}"),
            Fault::Line(peer, _) => format!("line to {}", peer.name()),
            Fault::Unconfirmed => format!("line to {}", Peer::RabbitMq.name()),
            Fault::RabbitMqKilled
            | Fault::RabbitMqRestarted
            | Fault::DiskAlarm
            | Fault::MemoryAlarm
            | Fault::QueuesWiped => "RabbitMQ".to_owned(),
            Fault::PostgresKilled | Fault::PostgresRestarted => "PostgreSQL".to_owned(),
            Fault::S3Killed | Fault::S3(_) => "S3".to_owned(),
            Fault::Misdeed(misdeed) => misdeed.what.to_owned(),
            Fault::ReceiverRefuses { .. } => "receiver".to_owned(),
        }
    }

    /// What is over sooner may not be noticed: a clock is looked at once a second, and a sweep runs every other.
    pub(crate) fn lasts_at_least(&self) -> Duration {
        if matches!(self, Fault::ClockJumped(..)) { CLOCK_JUMP_LEAST } else { Duration::ZERO }
    }

    /// Whether it could not strike while reconcile does not run.
    pub(crate) fn is_of_reconcile(&self) -> bool {
        match self {
            Fault::Killed(role) | Fault::RolledOut(role) | Fault::ClockJumped(role, _) => *role == Role::Reconcile,
            Fault::Misdeed(misdeed) => misdeed.shown_by == Some("list 503"),
            _ => false,
        }
    }

    /// In the words of the summary: of its kind there are many.
    pub(crate) fn kind(&self) -> String {
        match self {
            Fault::Killed(role) => format!("kill -9: {}", role.name()),
            Fault::RolledOut(role) => format!("SIGTERM: {}", role.name()),
            Fault::ClockJumped(role, minutes) => format!("clock jumps {}: {}", direction(*minutes), role.name()),
            Fault::Line(peer, way) => format!("line to {}: {}", peer.name(), way_name(*way)),
            Fault::S3(fault) => format!("S3: {}", s3_name(*fault)),
            fault => fault.to_string(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Killed(role) => write!(f, "kill -9: {role}"),
            Fault::RolledOut(role) => write!(f, "SIGTERM: {role}"),
            Fault::ClockJumped(role, minutes) => {
                write!(f, "clock jumps {} minutes {}: {role}", minutes.abs(), direction(*minutes))
            }
            Fault::Line(peer, Way::Torn(bytes)) => {
                write!(f, "line to {}: {} ({bytes})", peer.name(), way_name(Way::Torn(*bytes)))
            }
            Fault::Line(peer, way) => write!(f, "line to {}: {}", peer.name(), way_name(*way)),
            Fault::Unconfirmed => f.write_str("RabbitMQ: connections reset between publish and confirm"),
            Fault::RabbitMqKilled => f.write_str("RabbitMQ: kill -9"),
            Fault::RabbitMqRestarted => f.write_str("RabbitMQ: restarted"),
            Fault::DiskAlarm => f.write_str("RabbitMQ: disk alarm"),
            Fault::MemoryAlarm => f.write_str("RabbitMQ: memory alarm"),
            Fault::QueuesWiped => f.write_str("RabbitMQ: all queues wiped"),
            Fault::PostgresKilled => f.write_str("PostgreSQL: kill -9"),
            Fault::PostgresRestarted => f.write_str("PostgreSQL: restarted"),
            Fault::S3Killed => f.write_str("S3: kill -9"),
            Fault::S3(fault) => write!(f, "S3: {fault:?}"),
            Fault::Misdeed(misdeed) => write!(f, "{}: {}", misdeed.whose.name(), misdeed.what),
            Fault::ReceiverRefuses { .. } => f.write_str("the receiver: 500"),
        }
    }
}

fn direction(minutes: i64) -> &'static str {
    if minutes < 0 { "back" } else { "ahead" }
}

fn way_name(way: Way) -> &'static str {
    match way {
        Way::Open => "open",
        Way::Cut => "cut",
        Way::Reset => "reset",
        Way::Stalled => "stalled",
        Way::Slow => "slow",
        Way::HalfOpen => "half-open for good",
        Way::Deaf => "answers do not arrive",
        Way::Mute => "requests do not arrive",
        Way::Torn(_) => "reset after some bytes",
        Way::Twice => "each answer twice",
    }
}

fn s3_name(fault: S3Fault) -> &'static str {
    match fault {
        S3Fault::Error { .. } => "500",
        S3Fault::SlowDown { .. } => "503 SlowDown",
        S3Fault::EndlessPut { .. } => "a put or part that never ends",
        S3Fault::UnansweredPut { .. } => "a put or part that is never answered",
        S3Fault::CutGet { .. } => "media cut short",
    }
}
