use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use catalog::{Catalog, Expects, Policy};
use chrono::TimeDelta;
use queue::{Clock, Delivery, Lane, Options, Settlement};
use simulator::{CallPlan, Faults, MediaPlan, Simulator, SimulatorConfig};
use tempfile::TempDir;
use twilio::{Client, ClientConfig, Credentials};

use super::*;
use crate::{ReconcileWindow, SweepMode};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const OTHER: &str = "ACffffffffffffffffffffffffffffffff";
const LANE: Lane = Lane::backfill(Stage::Archive);
const DAYS: i32 = 30;

fn now() -> DateTime<Utc> {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn window() -> ReconcileWindow {
    ReconcileWindow { since: Some((now() - TimeDelta::days(DAYS.into())).date_naive()), until: None }
}

/// A simulator with two accounts, and what reads their lists.
struct Fixture {
    simulator: Simulator,
    reconciler: Reconciler,
    _folder: TempDir,
}

impl Fixture {
    /// With so many recordings of the one and the other account, spread over [`DAYS`].
    async fn new(one: i32, other: i32) -> Fixture {
        let config = SimulatorConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            account_sid: account(ACCOUNT),
            auth_token: "token".into(),
            callback_url: None,
            callback_target: None,
            seed: 7,
        };
        let simulator = Simulator::start(config).await.unwrap();
        simulator.add_subaccount(account(OTHER), "token".into());
        for (sid, count, first) in [(ACCOUNT, one, 0), (OTHER, other, 100_000)] {
            for index in 0..count {
                // None at midnight, which is of two days to Twilio.
                let started_at = now() - TimeDelta::seconds(90) - TimeDelta::days(DAYS.into()) / count * index;
                let plan = CallPlan::nth(first + index.unsigned_abs() as u64, started_at);
                let media = MediaPlan::Synthetic { bytes: 1044 };
                simulator.add_recording_of(&account(sid), CallPlan { media, ..plan });
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let reconciler = reconciler(&folder, &simulator).await;
        Fixture { simulator, reconciler, _folder: folder }
    }

    async fn run(&self, mode: SweepMode) -> ReconcileReport {
        Reconciler { mode, ..self.reconciler.clone() }.run(window(), now()).await.unwrap()
    }

    /// Runs until the lane is full, and is broken off then.
    async fn run_until_full(&self) -> BackfillProgress {
        let seen = std::sync::Mutex::new(BackfillProgress::default());
        let is_full = tokio::sync::Notify::new();
        let tell = |progress: &BackfillProgress| {
            *seen.lock().unwrap() = *progress;
            progress.waiting.iter().for_each(|_| is_full.notify_one());
        };
        tokio::select! {
            ended = self.reconciler.run_telling(window(), now(), &tell) => panic!("{ended:?}"),
            () = is_full.notified() => {}
        }
        seen.into_inner().unwrap()
    }

    fn listings(&self) -> u64 {
        self.simulator.counters().requests_to("list")
    }

    async fn receive(&self) -> Vec<Delivery> {
        self.reconciler.queue.receive(LANE, 100, Duration::from_millis(200)).await.unwrap()
    }

    /// Acks all there is, as whoever works; whose each was, in order.
    async fn work(&self, is_over: &AtomicBool) -> Vec<(String, String)> {
        let mut done = Vec::new();
        loop {
            let received = self.receive().await;
            if received.is_empty() && is_over.load(Ordering::Relaxed) {
                return done;
            }
            for delivery in received {
                let job = delivery.job().unwrap();
                done.push((job.account_sid().to_string(), job.recording_sid().to_string()));
                self.reconciler.queue.settle(delivery, Settlement::Ack).await.unwrap();
            }
        }
    }
}

async fn reconciler(folder: &TempDir, simulator: &Simulator) -> Reconciler {
    let url = |file: &str| format!("sqlite:{}", folder.path().join(file).display());
    let options = Options { lease: Duration::from_secs(600), clock: Clock::manual(now()) };
    let catalog = Catalog::connect(&url("catalog.db")).await.unwrap();
    catalog.migrate().await.unwrap();
    Reconciler {
        queue: queue::open(&url("queue.db"), options).await.unwrap(),
        catalog,
        twilio: client(simulator),
        accounts: vec![account(ACCOUNT), account(OTHER)],
        policy: Policy { retention_days: 30, transcript_days: 30, twilio_delete_after_days: None },
        expects: Expects { transcribe: false, deliver: false },
        stuck_after: Duration::from_secs(900),
        lookback: TimeDelta::days(3),
        mode: SweepMode::Regular,
    }
}

fn account(sid: &str) -> AccountSid {
    sid.parse().unwrap()
}

fn client(simulator: &Simulator) -> Client {
    let credentials = |user: &str| Credentials { user: user.to_owned(), secret: "token".into() };
    let config = ClientConfig {
        api_url: simulator.url(),
        credentials: credentials(ACCOUNT),
        account_credentials: [(account(OTHER), credentials(OTHER))].into(),
        max_concurrency: 4,
        requests_per_second: 1000,
        request_timeout: Duration::from_secs(30),
    };
    Client::new(config).unwrap()
}

#[tokio::test]
async fn old_recordings_go_into_the_backfill_lane_whichever_pass_finds_them() {
    let mut fixture = Fixture::new(60, 0).await;
    fixture.reconciler.lookback = TimeDelta::days(10);
    let report = fixture.reconciler.run(ReconcileWindow { since: None, until: None }, now()).await.unwrap();
    let depth = fixture.reconciler.queue.depth(Stage::Archive).await.unwrap();
    // Two a day; those of the last two days are new.
    assert_eq!((depth.ready, depth.ready + depth.backfill), (4, report.published));
    assert!(depth.backfill > 10, "{depth:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_lane_is_waited_for_and_accounts_share_it() {
    let fixture = Fixture::new(4_000, 1_000).await;
    let (most_waiting, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let tell = |progress: &BackfillProgress| {
        most_waiting.fetch_max(progress.waiting.unwrap_or(0), Ordering::Relaxed);
    };
    let run = async {
        let report = fixture.reconciler.run_telling(window(), now(), &tell).await.unwrap();
        is_over.store(true, Ordering::Relaxed);
        report
    };
    let work = async {
        while most_waiting.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        fixture.work(&is_over).await
    };
    let (report, done) = tokio::join!(run, work);
    assert!(most_waiting.load(Ordering::Relaxed) <= WAITING_MOST, "{most_waiting:?}");
    assert_eq!((report.listed, report.missing, report.published, done.len()), (5_000, 5_000, 5_000, 5_000));
    let others = done[..1_000].iter().filter(|(account, _)| account == OTHER).count();
    assert!((50..=950).contains(&others), "{others} of the first thousand");
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill_that_was_broken_off_goes_on_without_the_days_it_was_through_with() {
    let fixture = Fixture::new(3_000, 0).await;
    let whole = fixture.run(SweepMode::DryRun).await;
    let listings = fixture.listings();
    let before = fixture.run_until_full().await;
    let broken_off = fixture.listings() - listings;
    assert!(before.days_done > 0 && before.report.listed < whole.listed, "{before:?}");
    let is_over = AtomicBool::new(true);
    let first = fixture.work(&is_over).await;
    is_over.store(false, Ordering::Relaxed);
    let run = async {
        let report = fixture.run(SweepMode::Regular).await;
        is_over.store(true, Ordering::Relaxed);
        report
    };
    let (report, second) = tokio::join!(run, fixture.work(&is_over));
    // The page it was at is read again, in smaller steps.
    assert!(report.listed + before.report.listed <= whole.listed + LISTED_PAGE, "{report:?} after {before:?}");
    assert!(fixture.listings() - listings <= listings + broken_off + 4, "days are not listed again");
    let all: BTreeSet<_> = first.iter().chain(&second).collect();
    assert_eq!((whole.listed, all.len()), (3_000, 3_000));
}

#[tokio::test]
async fn only_the_same_days_go_on_and_only_until_they_are_through() {
    let fixture = Fixture::new(240, 240).await;
    let middle = (now() - TimeDelta::days(10)).date_naive();
    for sid in [ACCOUNT, OTHER] {
        let days = BackfillDays { account: account(sid), since: window().since.unwrap(), until: None };
        fixture.reconciler.catalog.move_backfill(&days, Some(middle)).await.unwrap();
    }
    assert_eq!(fixture.run(SweepMode::DryRun).await.listed, 480);
    let others = ReconcileWindow { until: Some(now().date_naive()), ..window() };
    assert_eq!(fixture.reconciler.run(others, now()).await.unwrap().listed, 480);
    let rest = fixture.run(SweepMode::Regular).await.listed;
    assert!((150..=180).contains(&rest), "{rest}");
    assert_eq!(fixture.run(SweepMode::Regular).await.listed, 480, "it was through");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_that_is_throttled_is_asked_seldom_and_holds_up_no_other() {
    let fixture = Fixture::new(100, 100).await;
    fixture.simulator.set_faults(Faults { throttle_account: Some(account(ACCOUNT)), ..Faults::default() });
    let mend = async {
        while fixture.reconciler.queue.depth(Stage::Archive).await.unwrap().backfill < 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        fixture.simulator.set_faults(Faults::default());
    };
    let (report, ()) = tokio::join!(fixture.run(SweepMode::Regular), mend);
    assert_eq!(report.published, 200);
    let refused = fixture.simulator.counters().responses["list 429"];
    assert!(refused <= 6, "{refused} requests were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_the_backfill_lane_is_not_taken_for_stuck() {
    let fixture = Fixture::new(300, 0).await;
    assert_eq!(fixture.run(SweepMode::Regular).await.published, 300);
    let later = now() + TimeDelta::hours(1);
    let regular = ReconcileWindow { since: None, until: None };
    let pass = fixture.reconciler.run(regular, later).await.unwrap();
    // Those of the last two days go as new ones.
    assert_eq!((pass.stuck, pass.published), (300, 20));
    fixture.work(&AtomicBool::new(true)).await;
    // Had the queue lost them, they would still be old.
    let pass = fixture.reconciler.run(regular, later + TimeDelta::hours(7)).await.unwrap();
    let depth = fixture.reconciler.queue.depth(Stage::Archive).await.unwrap();
    assert!(pass.published == 300 && depth.backfill > 270, "{pass:?}, {depth:?}");
}
