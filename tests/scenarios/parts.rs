//! Proofs of single parts: the planner against its model of the bank, the REST client against the
//! emulator, the emulator against bunq's own SDK, the validation on the API server.

use libtest_mimic::Trial;
use testbed::{harness::cases, sandbox::sdk};

use crate::{bank_client, planner, planner_properties, stage::Stage};

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = planner_trials(stage);
    trials.extend(bank_client_trials(stage));
    for version in ["1.14.18", "1.28.0"] {
        let name = format!("bunq_sdk_{}_accepts_the_emulator", version.replace('.', "_"));
        trials.push(stage.plain("emulator", &name, sdk::bunq_sdk_accepts_the_emulator(version)));
    }
    let verdicts = "the_api_server_judges_every_case_as_the_tables_say";
    trials.push(stage.scenario("validation", verdicts, |world| async move {
        Ok(cases::verdicts_of_the_api_server(world.admin(), &world.namespace).await?)
    }));
    trials
}

/// Names each function once.
macro_rules! named {
    ($story:ident: $($name:ident),+ $(,)?) => {
        [$((stringify!($name), $story::$name as fn() -> Result<(), String>)),+]
    };
}

fn planner_trials(stage: &Stage) -> Vec<Trial> {
    let played = named!(planner:
        at_every_bank_there_is_one_client_and_a_verdict,
        at_every_bank_urls_change_and_foreign_ones_stay,
        at_every_bank_a_kill_switch_holds_and_deletion_does_what_was_asked,
        at_every_bank_the_secret_holds_the_banks_own_pair_or_none,
        a_lost_answer_or_a_crash_anywhere_ends_as_if_nothing_had_happened,
        two_faults_in_a_row_end_as_if_nothing_had_happened,
    );
    let properties = named!(planner_properties:
        the_planner_is_total_and_deterministic,
        the_order_of_a_listing_is_irrelevant,
        a_creation_is_announced_only_on_an_empty_listing,
        nothing_is_sent_that_was_not_recorded,
        whatever_happens_can_be_learned,
        what_was_done_is_not_asked_for_again,
        no_creation_follows_a_lost_one_before_two_empty_listings,
        a_stalled_manifest_asks_for_nothing,
    );
    played.into_iter().chain(properties).map(|(name, check)| stage.check("planner", name, check)).collect()
}

fn bank_client_trials(stage: &Stage) -> Vec<Trial> {
    macro_rules! trials {
        ($($name:ident),+ $(,)?) => {
            vec![$(stage.plain("bank_client", stringify!($name), bank_client::$name())),+]
        };
    }
    trials!(
        the_whole_conversation_succeeds,
        a_long_list_is_read_whole,
        a_handshake_is_refused_in_the_banks_own_words,
        only_a_trusted_certificate_gets_an_answer,
        every_fault_has_its_class,
        no_tampered_success_is_believed,
        no_success_without_sense_is_believed,
        every_pair_of_a_wires_habits_leaves_one_request_and_its_true_outcome,
    )
}
