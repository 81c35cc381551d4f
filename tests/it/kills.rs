//! kill -9 at any moment, and what is there afterwards.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use simulator::{CallPlan, CallbackPlan};

use crate::engines::on_each_engine;
use crate::fleet::{Fleet, call};
use crate::whole::assert_whole;

const CALLS: u64 = 60;
const KILLS: u32 = 20;

fn plan(index: u64) -> CallPlan {
    let callbacks = CallbackPlan { duplicates: u32::from(index.is_multiple_of(10)), ..CallbackPlan::default() };
    CallPlan { callbacks, ..call(index) }
}

async fn serve_killed_at_twenty_moments_loses_and_doubles_nothing(mut fleet: Fleet) {
    // What a dead process had in hand and what it lost has to come back within the test.
    fleet.set("QUEUE_LEASE_SECS", "2");
    fleet.set("RECONCILE_STUCK_AFTER_SECS", "5");
    let mut random = rand::rngs::StdRng::seed_from_u64(20);
    for kill in 0..KILLS {
        let serving = fleet.serve(false).await;
        let calls = (0..CALLS).filter(|index| index % u64::from(KILLS) == u64::from(kill)).map(|index| {
            let twilio = fleet.twilio.clone();
            tokio::spawn(async move { twilio.place_call(plan(index)).await })
        });
        let calls: Vec<_> = calls.collect();
        // The moment is what is random here, not something that is waited for.
        tokio::time::sleep(Duration::from_millis(random.random_range(20..700))).await;
        serving.kill();
        drop(calls);
    }
    let serving = fleet.serve(true).await;
    fleet.settled(CALLS as usize, &["transcribed"]).await;
    assert_whole(&fleet);
    drop(serving);
}

on_each_engine!(serve_killed_at_twenty_moments_loses_and_doubles_nothing,);
