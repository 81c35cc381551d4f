//! The meaning of a queue, as a suite that runs against every engine.
//!
//! `contract_tests!(fresh)` makes one test of each case; `fresh` is an async function that makes an [`Engine`] with empty
//! queues of its own and a lease of one to three seconds. The cases go by the engine's own time: where one waits, it waits
//! in `receive`.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these are tests: their names say what they show, and they fail by panicking"
)]

mod engine;

pub mod dead_letters;
pub mod lanes;
pub mod leases;
pub mod publishing;
pub mod retries;

pub use engine::Engine;

/// One test for each case of the suite, against the engine that `$fresh().await` makes.
#[macro_export]
macro_rules! contract_tests {
    ($fresh:path) => {
        $crate::contract_tests! { @modules $fresh;
            publishing {
                published_message_is_received_as_it_was,
                message_outlives_the_handle_that_published_it,
                message_of_one_process_is_received_by_another,
                delayed_message_is_not_received_early,
                delayed_message_holds_up_no_other,
                shorter_delay_ends_first,
                stages_do_not_mix,
                many_published_at_once_are_each_received_once,
                receive_gives_no_more_than_asked_for,
                waiting_receiver_is_woken_by_a_publish,
                receive_with_nothing_to_give_ends_with_its_wait,
                abandoned_receive_loses_nothing,
                message_that_is_no_job_is_delivered_for_others_to_judge,
                forwarded_message_is_received_as_it_was_first_published,
                healthy_engine_passes_its_check,
            }
            leases {
                leased_message_is_hidden_from_others,
                unsettled_delivery_comes_again_as_a_further_attempt,
                delivery_of_a_process_that_died_comes_again,
                extended_lease_keeps_the_delivery,
                overtaken_receiver_can_neither_extend_nor_settle,
                acked_message_never_comes_again,
            }
            lanes {
                backfill_waits_in_a_lane_of_its_own,
                backfill_outlives_the_handle_that_published_it,
                retry_and_lost_lease_stay_in_their_lane,
                dead_letters_of_both_lanes_go_back_where_they_came_from,
            }
            retries {
                retry_comes_after_its_delay,
                only_charged_attempts_count,
                handed_back_delivery_is_received_at_once,
                retries_keep_when_it_was_first_published,
            }
            dead_letters {
                dead_letter_keeps_its_body_reason_and_attempts,
                looking_at_dead_letters_moves_nothing,
                dead_letters_are_found_in_their_stage_only,
                redriven_dead_letter_is_a_first_attempt_again,
                redrive_puts_back_no_more_than_asked_for,
                redrive_leaves_what_it_cannot_read,
                depth_tells_what_waits_and_where,
            }
        }
    };
    (@modules $fresh:path; $($module:ident { $($case:ident,)* })*) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let engine = $fresh().await;
                $crate::contract::$module::$case(&engine).await;
            })*
        })*
    };
}
