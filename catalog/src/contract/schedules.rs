//! Who runs a schedule.

use std::time::{Duration, Instant};

use super::fixture::Fixture;
use crate::{Catalog, Schedule, ScheduleLock};

const PATIENCE: Duration = Duration::from_secs(10);

async fn locked(catalog: &Catalog, schedule: Schedule) -> Option<ScheduleLock> {
    catalog.lock_schedule(schedule).await.unwrap()
}

pub async fn schedule_is_run_by_one_at_a_time(fixture: &Fixture) {
    for schedule in Schedule::ALL {
        let _held = locked(&fixture.catalog, *schedule).await.unwrap();
        assert!(locked(&fixture.other, *schedule).await.is_none());
        assert!(locked(&fixture.catalog, *schedule).await.is_none(), "by the same process neither");
    }
}

pub async fn different_schedules_run_at_once(fixture: &Fixture) {
    let _retention = locked(&fixture.catalog, Schedule::Retention).await.unwrap();
    assert!(locked(&fixture.other, Schedule::Reconcile).await.is_some());
}

pub async fn schedule_that_is_asked_for_by_many_is_run_by_one(fixture: &Fixture) {
    for _ in 0..10 {
        let (one, two) =
            tokio::join!(locked(&fixture.catalog, Schedule::Retention), locked(&fixture.other, Schedule::Retention),);
        assert!(one.is_some() ^ two.is_some());
        one.or(two).unwrap().release().await.unwrap();
    }
}

pub async fn released_schedule_can_be_run(fixture: &Fixture) {
    locked(&fixture.catalog, Schedule::Retention).await.unwrap().release().await.unwrap();
    assert!(locked(&fixture.other, Schedule::Retention).await.is_some());
}

pub async fn schedule_of_one_who_is_gone_can_be_run(fixture: &Fixture) {
    drop(locked(&fixture.catalog, Schedule::Retention).await.unwrap());
    // A server hears of it a moment later.
    let began = Instant::now();
    while locked(&fixture.other, Schedule::Retention).await.is_none() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
