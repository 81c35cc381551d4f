use catalog::Status;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::testing::completed;

const LEASE: Duration = Duration::from_secs(60);

/// Two workers of one catalog in which there is a recording, and the clock of both.
async fn workers(folder: &TempDir) -> ([Claims; 2], Clock, RecordingSid) {
    let clock = Clock::manual("2026-11-20T09:00:00Z".parse().unwrap());
    let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
    let catalog = Catalog::connect(&url).await.unwrap();
    catalog.migrate().await.unwrap();
    let recording = completed();
    let sid = recording.recording_sid.clone();
    let heard = catalog.hear(&recording, clock.now()).await.unwrap();
    assert_eq!(heard.row.status, Status::Received);
    ([(); 2].map(|()| Claims { catalog: catalog.clone(), clock: clock.clone(), lease: LEASE }), clock, sid)
}

async fn put(held: &Held) -> io::Result<Vec<Bytes>> {
    held.fenced(stream::iter([Ok(Bytes::from_static(b"media"))]).boxed()).try_collect().await
}

#[tokio::test]
async fn body_of_a_worker_whose_claim_was_taken_over_never_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let ([slow, other], clock, sid) = workers(&folder).await;
    let stop = CancellationToken::new();
    let handled = slow.with(&sid, Work::Archive, &stop, async |held| {
        clock.advance(LEASE * 2);
        let taken_over = other.with(&sid, Work::Archive, &stop, async |held| {
            assert_eq!(put(&held).await.unwrap().concat(), b"media");
            Ok("archived")
        });
        assert_eq!(taken_over.await, Ok("archived"));
        assert_eq!(held.fault(), None);
        put(&held).await.unwrap_err();
        Err(held.fault().unwrap())
    });
    assert_eq!(handled.await, Err(Fault::Busy));
}

#[tokio::test]
async fn body_of_a_slow_worker_that_still_has_its_claim_ends_well_and_keeps_others_away() {
    let folder = tempfile::tempdir().unwrap();
    let ([slow, other], clock, sid) = workers(&folder).await;
    let stop = CancellationToken::new();
    let handled = slow.with(&sid, Work::Archive, &stop, async |held| {
        clock.advance(LEASE * 2);
        assert_eq!(put(&held).await.unwrap().concat(), b"media");
        clock.advance(LEASE / 2);
        assert_eq!(other.with(&sid, Work::Archive, &stop, async |_| Ok("archived twice")).await, Err(Fault::Busy));
        Ok("archived")
    });
    assert_eq!(handled.await, Ok("archived"));
}
