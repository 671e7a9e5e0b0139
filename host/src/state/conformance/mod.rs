//! The conformance suite of state backends: one case per sentence of the contract, run unchanged on every backend.
//! A [`Harness`] makes the backends; `state_conformance!` turns the cases into tests.

mod archive;
pub(crate) mod fixture;
mod buckets;
mod closing;
mod deadlines;
mod finally;
mod elements;
mod ending;
mod flows;
mod iterations;
mod journal;
mod leases;
mod left_out;
mod notes;
mod order;
mod policies;
mod reruns;
mod reservations;
mod resources;
mod resume;
mod updates;
mod waking;

pub use archive::*;
pub use buckets::*;
pub use closing::*;
pub use deadlines::*;
pub use elements::*;
pub use ending::*;
pub use finally::*;
pub use fixture::{Fixture, Harness, Host};
pub use flows::*;
pub use iterations::*;
pub use journal::*;
pub use leases::*;
pub use left_out::*;
pub use notes::*;
pub use order::*;
pub use policies::*;
pub use reruns::*;
pub use reservations::*;
pub use resources::*;
pub use resume::*;
pub use updates::*;
pub use waking::*;

/// Turns each case into a test: `state_conformance!(tokio::test, harness)`, where `harness` is an expression that is
/// evaluated for each case. A store without I/O can have `tokio::test(start_paused = true)`.
#[macro_export]
macro_rules! state_conformance {
    ($attribute:meta, $harness:expr) => {
        $crate::state_conformance!(@ $attribute, $harness,
            higher_ranks_are_claimed_first_and_equal_ranks_in_order
            task_is_claimable_once_all_dependencies_have_ended
            result_is_stored_before_a_dependent_is_claimable
            claims_never_exceed_the_slots
            one_commit_claims_up_to_the_ledgers_maximum
            task_after_a_skip_is_tainted_and_takes_no_slot
            released_tainted_task_waits_for_a_slot
            retried_task_returns_after_its_delay_with_the_next_attempt
            step_of_a_retry_comes_with_later_claims
            released_task_returns_with_the_same_attempt
            awaiting_task_returns_when_the_awaited_ones_have_ended
            task_awaiting_ended_tasks_returns_immediately
            task_awaiting_a_skipped_task_returns_tainted
            excluded_tasks_are_ignored
            invalid_settlement_rejects_the_whole_batch
            progress_counts_included_tasks
            deadline_begins_when_its_task_is_first_handed_out
            claim_has_the_deadline_that_passes_first
            task_that_waits_for_a_retry_ends_at_its_deadline
            deadline_wakes
            task_that_waits_for_a_resource_ends_at_its_deadline
            awaiting_task_ends_at_its_deadline
            held_node_is_left_to_its_holder
            node_of_a_lost_host_is_overdue
            overdue_node_is_not_returned
            elements_end_at_the_deadline
            late_elements_are_overdue
            overdue_node_is_expanded
            readers_see_the_time_that_deadlines_leave
            many_elements_end_at_the_deadline
            elements_that_wait_for_others_end_at_the_deadline
            elements_of_a_pipeline_wait_for_each_other
            tasks_of_a_pipeline_share_a_clock
            elements_of_elements_end_at_the_deadline
            run_ends_at_its_deadline
            waiting_run_ends_at_its_deadline
            interrupted_run_goes_on_with_the_time_that_is_left
            deadline_of_a_failed_task_begins_anew
            deadlines_begin_anew_after_the_run_has_ended
            finally_tasks_follow_the_last_task
            finally_tasks_follow_the_closing_node
            finally_tasks_follow_a_failure
            finally_tasks_follow_a_cancellation
            finally_tasks_follow_the_deadline_of_the_run
            failed_finally_task_changes_nothing_else
            finally_tasks_run_as_others_do
            expired_claims_are_lost_at_the_ending
            interrupted_ending_is_resumed
            finally_tasks_follow_a_new_ending
            run_with_nothing_to_do_has_no_new_ending
            cancelled_finally_tasks_run_when_resumed
            cancelled_run_without_hosts_waits_for_its_finally_tasks
            ending_hands_on_to_many_tasks
            elements_are_claimed_in_order_and_then_their_task
            empty_list_is_expanded_immediately
            parallel_elements_are_bounded_across_hosts
            failed_element_ends_its_task_unless_the_run_keeps_going
            element_is_retried_on_its_own
            awaiting_element_returns
            left_out_element_counts_as_done
            resumed_run_keeps_what_is_left_out
            only_elements_are_left_out
            element_waits_for_the_same_element_of_another_task
            farthest_element_is_claimed_first
            elements_that_ended_before_are_not_waited_for
            only_the_element_after_a_failed_one_is_tainted
            task_is_tainted_if_its_source_was_never_expanded
            ready_elements_are_bounded_too
            expanded_elements_are_bounded
            resumed_run_keeps_elements_that_others_wait_for
            elements_of_elements_are_claimed_by_their_path
            elements_of_elements_wait_for_the_same_path
            elements_of_elements_are_bounded_together
            element_is_ready_whatever_else_a_commit_does
            element_awaits_an_element
            node_is_claimed_again_after_each_iteration
            iteration_is_retried_on_its_own
            iteration_of_a_lost_claim_is_fenced
            resumed_run_goes_on_after_the_last_iteration
            iterations_are_kept_as_results_are
            elements_have_iterations_of_their_own
            elements_of_elements_have_iterations_of_their_own
            iterations_are_read_by_name
            other_nodes_have_no_iterations
            host_resources_bound_the_claims_of_that_host
            shared_resources_are_counted_across_hosts
            blocked_node_is_reported_once
            expanding_task_takes_no_resources
            node_waits_for_a_host_with_enough_resources
            hosts_may_have_different_resource_totals
            oversized_node_takes_the_whole_resource
            oversized_node_is_left_to_a_larger_host
            node_that_has_grown_is_left_to_a_larger_host
            node_that_has_grown_is_passed_over
            oversized_node_is_claimed_once_the_larger_host_has_left
            larger_host_without_another_resource_is_ignored
            failure_lets_running_tasks_finish_and_starts_no_new_node
            stop_policy_cancels_running_tasks_after_a_failure
            keep_going_policy_continues_after_a_failure
            cancelled_run_ends_once_nothing_is_claimed
            joining_host_adopts_the_creators_policy
            run_succeeds_only_after_its_closing_node
            failed_closing_node_fails_the_run
            resumed_run_is_closed_again
            failed_run_is_not_closed
            run_can_be_cancelled_before_it_is_closed
            closing_node_of_a_lost_host_is_taken_over
            closing_node_accepts_only_its_own_outcomes
            expired_claim_is_taken_over_and_its_first_holder_fenced
            renewed_lease_is_kept
            renewal_hides_no_change_from_followers
            background_renewal_keeps_claims
            losses_are_reported_to_a_host_with_background_renewal
            claims_of_dead_hosts_are_taken_over_immediately
            late_result_counts_until_the_node_is_taken_over
            settlement_other_than_a_release_resets_the_takeovers
            repeated_settlement_is_a_duplicate
            token_of_an_earlier_life_is_fenced
            results_are_read_by_name
            missing_run_is_an_error
            resumed_run_keeps_results_and_discards_skips_and_failures
            resumed_run_keeps_elements
            resumed_successful_run_keeps_everything
            different_digest_is_rejected_with_the_stored_record
            update_keeps_unchanged_results_in_a_new_epoch
            update_keeps_elements_of_unchanged_tasks
            fresh_run_keeps_nothing_in_a_new_epoch
            update_offers_results_to_nodes_that_may_make_the_same_call
            offers_go_to_nodes_of_the_same_name
            offers_to_other_tasks_outlast_a_run_of_some
            what_is_left_out_is_offered
            offers_outlast_lives_and_plans
            offers_are_not_waited_for_as_results
            iterations_are_offered_with_their_node
            succeeded_run_offers_nothing_more
            fresh_and_resumed_runs_are_offered_nothing
            rerun_discards_nodes_and_the_lists_around_them
            rerun_covers_what_is_below_a_node
            rerun_calls_what_was_left_out
            rerun_needs_an_idle_run
            rerun_of_another_plan_is_offered_nothing
            rerun_is_known_until_the_run_succeeds
            rerun_of_excluded_nodes_outlasts_a_success
            run_with_a_live_host_is_joined_and_not_replaced
            run_without_writes_expires
            usable_backend_passes_its_checks
            host_that_leaves_is_not_waited_for
            end_is_claimed_by_the_first_host_that_asks
            resumed_run_has_an_end_of_its_own
            nobody_claims_the_end_of_a_life_that_changes_nothing
            nobody_claims_the_end_of_a_life_without_new_results
            end_of_a_run_that_was_left_is_claimed
            change_wakes_other_hosts
            change_since_the_version_wakes_immediately
            elapsed_retry_delay_wakes
            expired_lease_wakes
            cancellation_wakes
            run_summary_has_counts_and_hosts
            runs_are_listed_by_their_last_activity
            runs_are_found_by_prefix
            node_views_omit_results
            failed_elements_are_listed
            claims_are_listed_with_their_holders
            run_is_cancelled_by_the_archive
            cancelled_run_without_hosts_ends_immediately
            removed_run_is_gone
            run_with_live_hosts_is_removed_only_by_force
            missing_run_is_an_error_for_every_query
            latest_note_of_a_node_is_kept
            kept_notes_follow_the_rule
            notes_of_all_nodes_are_read_in_pages
            note_of_an_epoch_is_stored_once
            logs_of_all_nodes_are_read_in_pages
            logs_are_stored_by_node
            repeated_batch_is_appended_once
            full_log_keeps_its_newest_part
            logs_of_a_run_are_bounded
            journal_lasts_until_a_fresh_run
            journal_creates_no_run
            events_are_followed_from_the_oldest
            newest_events_are_kept
            value_is_stored_until_deleted
            many_keys_are_written_and_read_together
            buckets_of_the_same_name_are_shared
            keys_are_listed_in_ordered_pages
            increment_adds_to_a_number
            increment_of_a_non_number_is_rejected
            swap_replaces_only_the_expected_value
            concurrent_writes_are_all_stored
            oversized_operations_are_rejected
        );
    };
    (@ $attribute:meta, $harness:expr, $($case:ident)*) => {
        $(
            #[$attribute]
            async fn $case() {
                $crate::port::conformance::state::$case(&$harness).await;
            }
        )*
    };
}

/// Turns each case about [`crate::port::reservations`] into a test, for backends that have them:
/// `reservation_conformance!(tokio::test, harness)`, as in [`crate::state_conformance`].
#[macro_export]
macro_rules! reservation_conformance {
    ($attribute:meta, $harness:expr) => {
        $crate::state_conformance!(@ $attribute, $harness,
            resource_is_shared_by_runs
            repeated_reservation_is_held_once
            line_is_ordered_by_priority_and_arrival
            large_need_is_not_overtaken
            needs_are_held_together
            leaving_the_line_calls_the_next
            kept_place_is_taken_again
            first_declaration_counts_while_it_is_used
            rate_gives_turns_in_even_steps
            turns_of_a_rate_are_told_in_line
            passed_lease_ends_what_a_session_holds
            kept_lease_keeps_what_a_session_holds
            sessions_end_with_their_hosts
            amount_is_never_exceeded
        );
    };
}
