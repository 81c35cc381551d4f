//! The meaning of a catalog, as a suite that runs against every database.
//!
//! `contract_tests!(fresh)` makes one test of each case; `fresh` is an async function that makes a [`Fixture`] on an
//! empty, migrated catalog of its own. The cases look only through the public interface.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these are tests: their names say what they show, and they fail by panicking"
)]

mod fixture;

pub mod broken;
pub mod claims;
pub mod hear;
pub mod holds;
pub mod looking;
pub mod media;
pub mod pages;
pub mod passes;
pub mod purge;
pub mod retention;
pub mod schedules;
pub mod server;
pub mod strays;
pub mod stuck;
pub mod sweeps;
pub mod transcripts;

pub use fixture::Fixture;

/// One test for each case of the suite, against the fixtures that `$fresh().await` makes.
#[macro_export]
macro_rules! contract_tests {
    ($fresh:path) => {
        $crate::contract_tests! { @modules $fresh;
            hear {
                messages_in_any_order_make_the_same_row,
                contradicting_words_in_any_order_make_the_same_row,
                first_message_makes_a_new_row,
                repeated_message_changes_nothing,
                later_message_never_blanks_what_is_known,
                start_heard_later_moves_the_retention_date,
                first_time_heard_counts,
                absent_at_twilio_ends_as_absent,
                failed_at_twilio_ends_as_failed_with_its_code,
                completed_takes_absent_back,
                completed_after_a_dead_letter_is_received_again,
                repeated_word_after_a_dead_letter_leaves_it_failed,
                absent_after_the_archive_changes_nothing,
                absent_during_a_purge_does_not_stop_it,
                deleted_at_twilio_is_said_and_takes_nothing_back,
                tombstone_stays_a_tombstone,
                heard_by_many_at_once_is_one_row,
                facts_round_trip_as_twilio_said_them,
            }
            claims {
                claimed_work_is_not_claimed_twice,
                different_work_is_claimed_at_once,
                released_claim_can_be_taken,
                work_that_is_written_down_ends_its_claim,
                end_that_is_dropped_half_way_leaves_a_claim_that_can_be_released,
                expired_claim_is_taken_over,
                claim_by_a_clock_that_is_ahead_keeps_nobody_away,
                claim_by_a_clock_that_is_a_lease_ahead_holds,
                overtaken_holder_can_neither_extend_nor_commit,
                overtaken_holder_releases_without_harm,
                extended_claim_lasts_longer,
                expired_claim_that_nobody_took_can_be_extended,
                fence_grows_past_a_release,
                claim_to_other_work_does_not_count,
                unknown_recording_cannot_be_claimed,
                claimed_by_many_at_once_has_one_holder,
            }
            media {
                staged_media_is_not_archived,
                stored_media_is_archived,
                stored_media_clears_the_error,
                media_cannot_be_stored_unstaged,
                stored_media_cannot_be_staged_again,
                measured_channels_outlast_what_twilio_says,
                measured_duration_fills_in_for_twilio,
                media_of_unknown_and_known_length_are_stored_alike,
                failing_needs_a_recording,
                failed_recording_says_why,
                noted_error_keeps_the_status,
                absent_recording_does_not_fail,
            }
            transcripts {
                staged_transcript_is_not_transcribed,
                stored_transcript_is_transcribed,
                staging_again_leaves_a_stored_version,
                unstaged_version_cannot_be_stored,
                requested_versions_count_up,
                requested_version_keeps_its_model_until_made,
                newest_stored_version_is_latest,
                request_without_media_is_refused,
                request_for_encrypted_media_is_refused,
                request_sets_a_failed_recording_going,
                failure_of_a_later_version_keeps_it_transcribed,
                delivery_is_marked_once,
                unmade_version_cannot_be_delivered,
            }
            holds {
                hold_is_placed_and_released,
                second_hold_is_refused,
                release_without_hold_is_refused,
                hold_on_a_marked_recording_is_refused,
                hold_while_twilios_copy_goes_is_refused,
                hold_on_a_tombstone_is_refused,
                hold_after_a_release_is_a_new_one,
                hold_against_purge_has_exactly_one_winner,
                erasure_request_is_remembered_once,
                erasure_of_a_tombstone_changes_nothing,
                operators_on_unknown_recordings_are_told,
            }
            retention {
                audio_falls_due_at_its_very_instant,
                transcript_falls_due_before_its_audio,
                transcript_outlives_its_audio,
                twilios_copy_falls_due_after_the_archive,
                twilios_copy_waits_for_the_archive,
                twilios_copy_stays_where_ours_may_not_be_all_of_it,
                twilios_copy_never_outlives_the_audio,
                never_archived_and_failed_recordings_fall_due,
                absent_recordings_never_fall_due,
                held_recordings_never_fall_due,
                erasure_is_due_at_once,
                erasure_under_a_hold_is_due_on_release,
                begun_purge_stays_due_under_a_longer_policy,
                due_recordings_come_in_pages,
                recording_due_in_several_ways_comes_once,
                new_policy_holds_for_old_recordings,
            }
            purge {
                nothing_due_is_not_granted,
                held_recording_is_not_granted,
                absent_recording_is_gone,
                permit_names_everything_that_is_due,
                permit_names_staged_objects_and_leftovers,
                everything_gone_makes_a_tombstone,
                twilios_copy_goes_alone,
                work_goes_on_while_twilios_copy_goes,
                audio_goes_and_the_transcript_stays,
                transcript_goes_and_the_audio_stays,
                never_archived_recording_is_deleted_at_twilio,
                crash_before_completion_grants_the_same_again,
                withdrawn_permit_leaves_the_recording_as_it_was_and_free_for_a_hold,
                permit_that_is_withdrawn_after_a_crash_leaves_the_mark_of_before,
                mark_and_new_due_parts_are_granted_together,
                work_under_way_makes_the_gate_wait,
                work_that_ended_by_a_clock_that_is_ahead_holds_no_gate_up,
                mark_takes_expired_claims_away,
                marked_recording_takes_no_new_work,
                purge_under_way_is_another_ones_until_its_lease_ends,
                of_many_each_is_decided_as_it_stands,
                of_many_that_end_together_those_whose_claim_was_lost_are_told,
                completion_needs_the_newest_claim,
                versions_never_made_go_with_the_audio,
                purge_is_audited_with_rule_and_evidence,
            }
            strays {
                object_of_a_kept_recording_is_no_stray,
                object_of_a_tombstone_is_a_stray,
                marked_transcripts_make_no_stray_of_the_audio,
                deleted_audio_makes_no_stray_of_the_transcript,
                object_of_an_unheard_recording_is_left,
                stray_that_is_gone_is_audited,
                recordings_that_keep_their_objects_are_told_from_others,
            }
            stuck {
                received_recording_lacks_its_archive,
                archived_recording_lacks_its_transcript,
                encrypted_recording_lacks_nothing,
                transcription_is_lacked_only_where_expected,
                requested_and_staged_versions_are_lacked,
                undelivered_version_lacks_its_delivery,
                marked_recording_lacks_its_purge,
                recording_whose_copy_at_twilio_goes_lacks_its_other_steps_too,
                failed_and_finished_recordings_lack_nothing,
                recent_movement_is_not_stuck,
                live_claim_is_not_stuck,
                work_attempted_lately_is_not_stuck,
                deleted_transcripts_are_not_lacked,
                recording_that_stands_still_is_known_to_lack_its_steps,
                stuck_recordings_come_in_pages,
                versions_of_one_recording_keep_no_other_off_a_page,
            }
            sweeps {
                due_recording_taken_by_a_sweep_is_left_out_by_the_other,
                due_recording_is_taken_again_only_after_the_interval,
                recording_that_falls_due_in_another_way_is_taken_at_once,
                deletion_that_is_still_tried_is_not_taken_again,
                sweep_takes_what_is_due_and_not_held,
                taking_changes_nothing_that_is_seen,
                stuck_recording_taken_by_a_sweep_is_left_out_by_the_other,
                stuck_recording_is_taken_again_only_after_the_interval,
                what_is_due_and_taken_without_being_kept_is_found_by_the_next_sweep,
                what_is_stuck_and_taken_without_being_kept_is_found_by_the_next_sweep,
                what_a_clock_that_was_ahead_took_is_found_by_the_next_sweep,
                recording_taken_before_it_was_due_is_found_when_it_is,
                two_sweeps_at_once_share_what_is_due,
                two_sweeps_at_once_share_what_is_stuck,
            }
            pages {
                pages_hold_every_recording_once_and_in_order,
                page_narrows_by_when_recordings_started,
                versions_of_many_recordings_are_read_at_once,
                tombstone_names_the_rule_that_made_it,
            }
            broken {
                media_that_was_set_back_is_archived_again_and_flagged,
                media_that_was_set_back_is_stuck_until_it_is_archived_again,
                media_that_was_archived_again_meanwhile_is_not_set_back,
                what_was_known_of_media_that_is_set_back_is_audited,
                media_is_set_back_only_under_the_newest_claim,
                media_that_nobody_could_archive_again_is_not_set_back,
                broken_transcript_is_replaced_by_a_further_version,
                other_version_keeps_it_transcribed_when_one_is_replaced,
                transcript_that_could_not_be_made_is_not_replaced,
                replaced_transcript_is_named_until_the_recording_goes,
            }
            passes {
                pass_that_never_was_complete_is_none,
                latest_complete_pass_of_each_kind_is_remembered,
                backfill_goes_on_where_it_was_until_it_is_through,
            }
            schedules {
                schedule_is_run_by_one_at_a_time,
                different_schedules_run_at_once,
                schedule_that_is_asked_for_by_many_is_run_by_one,
                released_schedule_can_be_run,
                schedule_of_one_who_is_gone_can_be_run,
            }
            looking {
                unknown_recording_is_none,
                list_narrows_by_status_time_and_call,
                list_shows_the_newest_start_first,
                known_tells_heard_from_unheard,
                further_word_of_twilio_moves_what_waits_or_stands_still,
                counts_name_every_status,
                audit_log_shows_the_newest_first,
                operators_acts_are_audited,
                shown_recording_has_the_fields_of_the_contract,
                shown_tombstone_has_nothing_left,
                check_passes_on_a_migrated_catalog,
                migrating_again_applies_nothing,
            }
        }
    };
    (@modules $fresh:path; $($module:ident { $($case:ident,)+ })+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::contract::$module::$case(&$fresh().await).await;
            })+
        })+
    };
}
