//! When sweeps last got through.

use super::fixture::{Fixture, account_sid, day};
use crate::Pass;

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
