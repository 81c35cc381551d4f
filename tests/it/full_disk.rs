//! The vault's disk is full.

use simulator::{CallPlan, MediaPlan};

use crate::fleet::{Fleet, call, until};
use crate::whole::assert_whole;

#[tokio::test(flavor = "multi_thread")]
async fn recording_that_does_not_fit_is_retried_and_nothing_half_written_is_visible() {
    let fleet = Fleet::new().await;
    // Queue and catalog fit in.
    let serving = fleet.start_on_small_disk(&["serve"], 6 << 10);
    fleet.ready().await;
    let large = fleet.place(CallPlan { media: MediaPlan::Synthetic { bytes: 8 << 20 }, ..call(1) }).await;
    let small = fleet.place(call(0)).await;
    until("it was tried twice", async || fleet.log().matches("File too large").count() >= 2).await;
    until("the small one is done", async || fleet.show(&small)["status"] == "transcribed").await;
    assert_eq!(fleet.show(&large)["status"], "received");
    assert!(!fleet.objects().iter().any(|object| object.ends_with(format!("{large}.wav.age"))));
    assert_eq!(serving.stop(), Some(0));
    assert_eq!(fleet.objects().len(), 2, "{:?}", fleet.objects());

    let _serving = fleet.serve(true).await;
    fleet.settled(2, &["transcribed"]).await;
    assert_whole(&fleet);
}
