use queue::{Clock, Lane, Options, Stage};
use simulator::{CallPlan, Simulator, SimulatorConfig};
use tempfile::TempDir;

use super::*;
use crate::testing::client;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
/// The simulator refuses it.
const OTHER_ACCOUNT: &str = "ACffffffffffffffffffffffffffffffff";

fn start() -> DateTime<Utc> {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

async fn reconciler(folder: &TempDir, simulator: &Simulator) -> Reconciler {
    let url = |file: &str| format!("sqlite:{}", folder.path().join(file).display());
    let options = Options { lease: Duration::from_secs(60), clock: Clock::manual(start()) };
    let catalog = Catalog::connect(&url("catalog.db")).await.unwrap();
    catalog.migrate().await.unwrap();
    Reconciler {
        queue: queue::open(&url("queue.db"), options).await.unwrap(),
        catalog,
        twilio: client(ACCOUNT, simulator.url()),
        accounts: [OTHER_ACCOUNT, ACCOUNT].map(|sid| sid.parse().unwrap()).into(),
        policy: Policy { retention_days: 30, transcript_days: 30, twilio_delete_after_days: None },
        expects: Expects { transcribe: false, deliver: false },
        stuck_after: Duration::from_secs(900),
        lookback: TimeDelta::days(3),
        mode: SweepMode::Regular,
    }
}

#[tokio::test]
async fn account_that_fails_keeps_neither_the_next_nor_what_is_stuck_from_its_turn() {
    let config = SimulatorConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        account_sid: ACCOUNT.parse().unwrap(),
        auth_token: "token".into(),
        callback_url: None,
        callback_target: None,
        seed: 7,
    };
    let simulator = Simulator::start(config).await.unwrap();
    simulator.add_recording(CallPlan::nth(0, start()));
    let folder = tempfile::tempdir().unwrap();
    let reconciler = reconciler(&folder, &simulator).await;
    let stuck = simulator.add_recording(CallPlan::nth(1, start()));
    let heard = reconciler.twilio.recording(&stuck.account_sid, &stuck.recording_sid).await.unwrap();
    reconciler.catalog.hear(&heard, start()).await.unwrap();

    let window = ReconcileWindow { since: None, until: None };
    let ended = reconciler.run(window, start() + TimeDelta::hours(1)).await;
    assert!(matches!(ended, Err(Fault::Unauthorized(_))), "{ended:?}");
    let jobs = reconciler.queue.receive(Lane::live(Stage::Archive), 10, Duration::ZERO).await.unwrap();
    assert_eq!(jobs.len(), 2, "the other account's recording and the stuck one");
}
