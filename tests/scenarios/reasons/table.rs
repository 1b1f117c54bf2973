//! Which scenario reaches a reason, and which leaves it again.

use std::collections::BTreeSet;

use bunq_oauth_operator::plan::Reason;

/// The names of two scenarios, which may be the same.
pub(super) struct Played {
    /// An object gets the reason.
    pub(super) reached: &'static str,
    /// An object that had it becomes Ready by the way out that the message names.
    pub(super) left: &'static str,
}

/// Fails unless every scenario that the table names is one of `names`.
pub(super) fn every_scenario_exists(names: &BTreeSet<String>) -> Result<(), String> {
    let mut missing = Vec::new();
    for reason in Reason::ALL {
        let Played { reached, left } = played(*reason);
        missing.extend([reached, left].into_iter().filter(|name| !names.contains(*name)));
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("there is no scenario {}", missing.join(", "))) }
}

/// The table. A new reason does not compile without its row.
pub(super) fn played(reason: Reason) -> Played {
    let both = |name| Played { reached: name, left: name };
    let each = |reached, left| Played { reached, left };
    match reason {
        Reason::Synced => each(
            "path::a_manifest_becomes_a_ready_client_and_a_secret",
            "ending::a_client_is_cancelled_and_comes_back_with_the_same_credentials",
        ),
        Reason::Cancelled => both("ending::a_client_is_cancelled_and_comes_back_with_the_same_credentials"),
        Reason::NothingToCancel => {
            both("reasons::with_nothing_to_cancel_nothing_is_made_until_the_manifest_says_active")
        }
        Reason::Suspended => both("requests::suspended_from_birth_nothing_is_sent_and_nothing_is_published"),
        Reason::Progressing => both("path::a_manifest_becomes_a_ready_client_and_a_secret"),
        Reason::CredentialsSecretNotFound => {
            both("credentials::a_missing_credentials_secret_is_waited_for_and_found_within_seconds")
        }
        Reason::CredentialsKeyNotFound => both("credentials::a_missing_key_is_named_and_found_within_seconds"),
        Reason::CredentialsKeyEmpty => both("credentials::an_empty_key_is_told_and_its_filling_found_within_seconds"),
        Reason::WaitingForBankLimit => both("reasons::a_session_that_has_its_turn_later_is_announced_with_its_time"),
        Reason::BankUnavailable => both("reasons::a_new_manifest_waits_for_a_bank_that_is_away"),
        Reason::BankNotTrusted => both("tls::a_bank_that_proves_nothing_gets_no_key_and_the_status_says_why"),
        Reason::BankAnswerUnverified => each(
            "bad_input::an_answer_without_a_signature_is_not_believed",
            "reasons::answers_without_a_signature_are_waited_out",
        ),
        Reason::KubernetesUnavailable => both("reasons::a_failing_admission_webhook_is_waited_out"),
        Reason::CreateUnconfirmed => {
            both("hostile_bank::a_request_that_never_arrived_is_repeated_after_a_minute_of_doubt")
        }
        Reason::ClientNotReadableYet => both("reasons::a_client_that_the_bank_does_not_show_yet_is_waited_for"),
        Reason::CancellationPending => {
            both("reasons::a_cancellation_under_way_is_waited_for_before_the_client_comes_back")
        }
        Reason::CredentialsRejected => {
            both("bad_credentials::a_refused_key_is_explained_and_a_new_one_heals_within_seconds")
        }
        Reason::NotAnApiKey => both("login::an_access_token_is_no_api_key_and_reaches_no_client"),
        Reason::EnvironmentMismatch => {
            both("bad_credentials::a_key_of_the_other_environment_is_stopped_without_a_call")
        }
        Reason::UserChanged => each(
            "bad_credentials::the_key_of_another_user_is_stopped",
            "reasons::the_key_of_another_user_moves_the_manifest_when_the_annotation_allows_it",
        ),
        Reason::UserAlreadyClaimed => {
            both("claims::the_second_manifest_of_a_user_waits_and_takes_over_when_the_first_goes")
        }
        Reason::NamespaceNotGranted => {
            both("bad_input::a_namespace_without_rights_is_healed_by_the_command_in_the_message")
        }
        Reason::Forbidden => {
            both("reasons::rights_taken_away_while_it_runs_are_named_and_their_return_heals_within_seconds")
        }
        Reason::OperatorStateUnreadable => each(
            "reasons::a_claim_that_cannot_be_read_is_left_alone_until_it_is_mended",
            "reasons::a_claim_that_cannot_be_read_is_made_anew_after_its_deletion",
        ),
        Reason::InvalidSpec => both("older_rules::a_manifest_stored_under_older_rules_is_told_which_field_to_mend"),
        Reason::SecretNotOwned => both("output::a_foreign_secret_stays_untouched_and_its_removal_heals"),
        Reason::SecretImmutable => {
            both("reasons::an_immutable_secret_that_must_change_is_written_anew_after_its_deletion")
        }
        Reason::ClientExists => both("adoption::the_policy_never_leaves_an_existing_client_alone"),
        Reason::AmbiguousClients => both("adoption::of_several_clients_none_is_guessed"),
        Reason::AdoptionWouldCancel => both("adoption::nothing_is_cancelled_in_the_pass_that_adopts"),
        Reason::ClientVanished => both("reasons::a_client_that_vanished_is_replaced_when_the_annotation_names_it"),
        Reason::CreateRefused => both("reasons::a_refused_creation_rests_until_a_request_or_an_edit"),
        Reason::CancelledAtBank => both("ending::a_client_cancelled_by_its_owner_is_not_reactivated"),
        Reason::CancelRefused => both("reasons::a_refused_cancellation_ends_in_the_app_or_with_a_request"),
        Reason::ReactivationRefused => {
            both("reasons::a_refused_reactivation_ends_with_a_new_client_that_the_annotation_allows")
        }
        Reason::RedirectUrlRefused => both("bad_input::a_refused_redirect_url_is_told_in_the_banks_words"),
        Reason::RedirectUrlNotApplied => {
            both("reasons::bytes_that_the_bank_changed_are_shown_and_declaring_them_heals")
        }
        Reason::RedirectUrlOccupied => both("reasons::the_only_place_for_a_url_is_taken_over_by_pruning"),
        Reason::OneRedirectUrlOnly => both("reasons::one_place_for_a_url_is_enough_when_only_one_is_declared"),
        Reason::DriftContested => both("drift::a_value_that_somebody_keeps_undoing_is_left_alone_until_a_request"),
        Reason::ClientSecretNotShown => each(
            "reasons::a_secret_that_is_shown_later_is_published_on_request",
            "reasons::a_secret_that_is_never_shown_ends_with_a_new_client",
        ),
        Reason::ServerSignatureInvalid => {
            both("reasons::a_bank_whose_key_changed_is_believed_again_after_its_context_was_deleted")
        }
    }
}
