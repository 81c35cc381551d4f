//! The meaning of an object store, as a suite that runs against every one.
//!
//! `contract_tests!(fresh)` makes one test of each case; `fresh` is an async function that makes a [`Place`] with an empty
//! store of its own. `contract_tests!(fresh; reading listing)` takes the named chapters only.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these are tests: their names say what they show, and they fail by panicking"
)]

mod place;

pub mod deleting;
pub mod listing;
pub mod reading;
pub mod s3_server;
pub mod sealing;
pub mod sweeping;
pub mod writing;

pub use place::Place;

/// One test for each case of the suite, against the store that `$fresh().await` makes.
#[macro_export]
macro_rules! contract_tests {
    ($fresh:path) => {
        $crate::contract_tests! { $fresh; writing sweeping reading deleting listing sealing }
    };
    ($fresh:path; $($chapter:ident)+) => {
        $($crate::contract_tests! { @$chapter $fresh })+
    };
    (@writing $fresh:path) => {
        $crate::contract_tests! { @cases $fresh; writing
            object_of_any_length_comes_back_as_it_was_put
            put_replaces_what_was_there
            object_of_known_length_comes_back_as_it_was_put_and_replaces_what_was_there
            object_outlives_the_handle_that_put_it
            body_that_breaks_off_leaves_nothing
            body_that_breaks_off_leaves_the_old_object
            body_of_known_length_that_breaks_off_leaves_what_was_there
            body_of_another_length_than_was_told_leaves_nothing
            abandoned_put_is_never_visible
            puts_of_one_key_at_once_leave_one_of_them_whole
        }
    };
    (@sweeping $fresh:path) => {
        $crate::contract_tests! { @cases $fresh; sweeping
            unfinished_puts_are_swept_when_old_and_left_when_fresh
        }
    };
    (@reading $fresh:path) => {
        $crate::contract_tests! { @cases $fresh; reading
            range_is_what_the_object_holds_there
            range_behind_the_end_is_empty
            missing_object_is_not_found
            head_tells_length_and_time
        }
    };
    (@deleting $fresh:path) => {
        $crate::contract_tests! { @cases $fresh; deleting
            deleted_object_is_gone
            deleting_what_is_not_there_succeeds
            every_version_is_deleted
            of_many_deleted_together_none_is_left_and_the_others_stay
            neighbours_of_a_deleted_object_stay
        }
    };
    (@listing $fresh:path) => {
        $crate::contract_tests! { @cases $fresh; listing
            list_has_every_object_under_the_prefix_once
            list_of_nothing_is_empty
            list_goes_on_past_a_thousand_objects
            list_shows_nothing_unfinished
            healthy_store_passes_its_check_and_keeps_nothing_of_it
        }
    };
    (@sealing $fresh:path) => {
        $crate::contract_tests! { @cases $fresh; sealing
            sealed_object_shows_nothing_of_what_is_in_it
            sealed_object_opens_as_it_was
            range_of_a_sealed_object_is_what_was_sealed_there
            damaged_object_fails_before_its_end
            seal_that_breaks_off_leaves_nothing
            seal_of_another_length_than_was_told_leaves_nothing
            purged_object_is_seen_to_be_gone
        }
    };
    (@cases $fresh:path; $chapter:ident $($case:ident)+) => {
        mod $chapter {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let place = $fresh().await;
                $crate::contract::$chapter::$case(&place).await;
            })+
        }
    };
}
