//! When sweeps last got through.

use super::fixture::{Fixture, account_sid, day};
use crate::{BackfillDays, Pass};

pub async fn pass_that_never_was_complete_is_none(fixture: &Fixture) {
    assert_eq!(fixture.catalog.last_pass(&Pass::Objects).await.unwrap(), None);
}

pub async fn latest_complete_pass_of_each_kind_is_remembered(fixture: &Fixture) {
    let listing = Pass::Listing(account_sid());
    for began_at in [day(1), day(3), day(2)] {
        fixture.catalog.complete_pass(&listing, began_at).await.unwrap();
    }
    assert_eq!(fixture.other.last_pass(&listing).await.unwrap(), Some(day(3)));
    assert_eq!(fixture.other.last_pass(&Pass::Objects).await.unwrap(), None);
}

pub async fn backfill_goes_on_where_it_was_until_it_is_through(fixture: &Fixture) {
    let since = day(1).date_naive();
    let days = BackfillDays { account: account_sid(), since, until: None };
    let others = BackfillDays { until: Some(day(9).date_naive()), ..days.clone() };
    let at = async || fixture.other.backfill_goes_on_from(&days).await.unwrap();
    assert_eq!(at().await, None);
    for next in [Some(day(5).date_naive()), Some(day(3).date_naive()), None] {
        fixture.catalog.move_backfill(&days, next).await.unwrap();
        assert_eq!(at().await, next);
        assert_eq!(fixture.other.backfill_goes_on_from(&others).await.unwrap(), None, "other days, another backfill");
    }
}
