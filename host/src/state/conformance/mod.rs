//! The conformance suite of state backends: one case per sentence of the contract, run unchanged on every backend.
//! A [`Harness`] makes the backends; `state_conformance!` turns the cases into tests.

mod archive;
mod fixture;
mod buckets;
mod closing;
mod elements;
mod journal;
mod leases;
mod order;
mod policies;
mod resources;
mod resume;
mod waking;

pub use archive::*;
pub use buckets::*;
pub use closing::*;
pub use elements::*;
pub use fixture::{Fixture, Harness, Host};
pub use journal::*;
pub use leases::*;
pub use order::*;
pub use policies::*;
pub use resources::*;
pub use resume::*;
pub use waking::*;

/// Turns each case into a test: `state_conformance!(tokio::test(start_paused = true), harness)`.
#[macro_export]
macro_rules! state_conformance {
    ($attribute:meta, $harness:expr) => {
        $crate::state_conformance!(@ $attribute, $harness,
            higher_ranks_go_first_and_equals_in_order
            a_task_follows_once_all_before_it_have_ended
            a_result_is_stored_before_a_dependent_is_handed_to_anyone
            no_more_than_the_slots_are_handed_out
            as_many_are_handed_out_at_once_as_the_ledger_says
            a_task_after_a_skip_is_tainted_and_takes_no_slot
            a_tainted_task_that_is_released_waits_for_a_slot
            a_retried_task_comes_back_after_its_delay_with_the_next_number
            a_released_task_comes_back_with_the_same_number
            a_task_that_awaits_others_comes_back_when_they_have_ended
            a_task_that_awaits_what_has_ended_comes_back_at_once
            a_task_that_awaits_a_skipped_one_comes_back_tainted
            excluded_tasks_are_ignored
            a_batch_with_a_misuse_changes_nothing
            progress_counts_included_tasks
            elements_are_handed_out_in_order_and_the_task_follows
            a_list_without_elements_is_expanded_at_once
            elements_at_the_same_time_are_bounded_over_all_hosts
            a_failed_element_hands_out_its_task_unless_the_run_keeps_going
            an_element_is_retried_on_its_own
            an_element_that_awaits_comes_back
            what_hosts_count_for_themselves_bounds_what_they_get
            shared_resources_are_counted_over_all_hosts
            a_blocked_node_is_named_once
            a_task_to_be_expanded_takes_no_resources
            a_node_waits_for_a_host_that_has_what_it_asks_for
            hosts_may_have_different_amounts
            a_node_that_asks_for_too_much_takes_all_there_is
            a_node_is_left_to_a_host_that_has_more
            what_was_left_to_a_larger_host_is_taken_once_that_is_gone
            a_larger_host_that_lacks_another_resource_is_not_waited_for
            a_failure_lets_running_tasks_finish_and_starts_nothing
            a_failure_may_stop_running_tasks
            a_run_may_keep_going_after_a_failure
            a_cancelled_run_ends_once_nothing_is_claimed
            a_host_that_joins_follows_the_creators_policy
            a_run_is_closed_before_it_has_succeeded
            a_run_fails_if_its_last_node_does
            a_resumed_run_is_closed_again
            a_run_that_has_failed_is_not_closed
            a_run_may_be_cancelled_before_it_is_closed
            another_host_closes_what_a_lost_one_has_not
            a_closing_is_settled_as_such
            a_lost_node_is_taken_over_and_its_first_holder_fenced
            a_renewed_lease_is_held
            renewing_loses_nothing_that_is_to_be_followed
            kept_claims_are_held_without_renewing
            what_a_keeping_host_has_lost_is_told
            what_hosts_held_that_are_gone_is_handed_out_at_once
            a_late_result_counts_while_nobody_else_has_the_node
            a_settlement_other_than_a_release_resets_the_takeovers
            a_settlement_that_is_repeated_is_a_duplicate
            a_token_of_an_earlier_life_is_fenced
            results_are_read_by_name
            a_run_that_is_not_there_is_no_run
            a_resumed_run_keeps_results_and_forgets_skips_and_failures
            a_resumed_run_keeps_elements
            a_run_that_succeeded_is_kept_whole
            another_digest_is_refused_with_the_stored_record
            an_update_keeps_what_is_unchanged_under_a_new_epoch
            a_fresh_run_keeps_nothing_under_a_new_epoch
            a_run_that_another_host_works_on_is_joined_and_not_replaced
            a_change_wakes_other_hosts
            a_change_since_the_version_wakes_at_once
            a_delay_that_is_over_wakes
            a_lease_that_has_passed_wakes
            a_cancellation_wakes
            a_run_is_told_with_its_counts_and_hosts
            runs_are_listed_by_their_last_activity
            nodes_are_told_without_their_results
            failed_elements_are_named
            claims_are_told_with_their_holders
            a_run_is_cancelled_from_outside
            a_run_without_hosts_has_ended_once_it_is_cancelled
            a_removed_run_is_gone
            a_run_that_a_host_works_on_is_removed_only_if_it_must
            a_run_that_is_not_there_is_not_told_of
            the_latest_note_of_a_node_is_kept
            logs_are_kept_by_node
            a_repeated_batch_is_appended_once
            a_log_keeps_its_newest_part
            the_logs_of_a_run_are_bounded
            a_journal_lasts_until_a_run_begins_afresh
            a_journal_makes_no_run
            events_are_followed_from_the_oldest
            a_value_is_there_until_it_is_taken_away
            many_keys_are_written_and_read_at_once
            buckets_of_one_name_are_one
            keys_are_listed_in_order_by_pages
            a_number_is_added_to
            what_is_no_number_is_not_added_to
            a_value_is_swapped_where_it_is_the_expected_one
            what_many_write_at_the_same_time_is_all_there
            values_that_are_too_many_at_once_are_declined
        );
    };
    (@ $attribute:meta, $harness:expr, $($case:ident)*) => {
        $(
            #[$attribute]
            async fn $case() {
                $crate::state::conformance::$case(&$harness).await;
            }
        )*
    };
}
