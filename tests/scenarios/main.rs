//! The whole operator on real parts: a real kube-apiserver, the bank emulator, and the operator
//! as a process with the rights that `deploy/` gives it.
//!
//! One control plane serves all scenarios; each has namespaces, rights, a bank and an operator of
//! its own. What concerns the run as a whole is judged afterwards.

mod adoption;
mod afterwards;
mod ambiguity;
mod api_server;
mod audit;
mod bad_credentials;
mod bad_input;
mod bank_client;
mod claim_edits;
mod claims;
mod cli;
mod clock_steps;
mod clusters;
mod context;
mod crash_points;
mod credentials;
mod deletion;
mod door;
mod drift;
mod ending;
mod gone_already;
mod hostile_bank;
mod house;
mod http;
mod image;
mod interference;
mod kills;
mod kubectl;
mod leadership;
mod limits;
mod lists;
mod login;
mod logs;
mod monitoring;
mod namespaces;
mod newcomers;
mod newer_versions;
mod older_rules;
mod outage;
mod output;
mod ownership;
mod parts;
mod path;
#[expect(unreachable_pub, reason = "it is written to be played from a library, too")]
mod planner;
#[expect(unreachable_pub, reason = "it is written to be played from a library, too")]
mod planner_properties;
#[expect(unreachable_pub, reason = "it is written to be played from a library, too")]
mod planner_stories;
mod poison;
mod readme;
mod reasons;
mod redirect_urls;
mod requests;
mod rest;
mod restart;
mod rights;
mod rivals;
mod rolling;
mod secret_care;
mod secret_moves;
mod shutdown;
mod stage;
mod startup;
mod stored_bytes;
mod times;
mod tls;
mod traces;

use std::{io::Write as _, process::ExitCode};

use libtest_mimic::{Arguments, Conclusion, Trial};
use stage::{Stage, WAITS, report};
// The planner's stories say where they find it.
use testbed::harness::{self, bench::target_folder};
use times::Times;

/// Scenarios that work at the same time, and threads for those that wait beside them.
const AT_ONCE: usize = 4;
const WAITING: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE + WAITING);
    let stage = match Stage::new(AT_ONCE) {
        Ok(stage) => stage,
        Err(error) => return failed(&error),
    };
    let plays = libtest_mimic::run(&arguments, scenarios(&stage));
    let is_whole = arguments.filter.is_none() && arguments.skip.is_empty();
    let judgements = libtest_mimic::run(&arguments, afterwards::trials(&stage, is_whole));
    let times = stage.times();
    // The control plane goes whatever happened, and a failure to end it is one.
    let closed = stage.close();
    let told = if is_whole && !arguments.list { tell(&times) } else { Ok(()) };
    match closed.and(told) {
        Ok(()) => verdict(&[plays, judgements]),
        Err(error) => failed(&error),
    }
}

fn scenarios(stage: &Stage) -> Vec<Trial> {
    let stories: &[fn(&Stage) -> Vec<Trial>] = &[
        // These take longest: nothing is left to be waited for when the others have played.
        crash_points::trials,
        limits::trials,
        kills::trials,
        leadership::trials,
        rolling::trials,
        api_server::trials,
        rights::trials,
        rivals::trials,
        path::trials,
        login::trials,
        redirect_urls::trials,
        adoption::trials,
        ending::trials,
        deletion::trials,
        namespaces::trials,
        lists::trials,
        newcomers::trials,
        newer_versions::trials,
        output::trials,
        kubectl::trials,
        requests::trials,
        credentials::trials,
        bad_credentials::trials,
        bad_input::trials,
        claims::trials,
        ownership::trials,
        claim_edits::trials,
        clusters::trials,
        secret_care::trials,
        secret_moves::trials,
        hostile_bank::trials,
        ambiguity::trials,
        outage::trials,
        context::trials,
        restart::trials,
        shutdown::trials,
        startup::trials,
        interference::trials,
        gone_already::trials,
        rest::trials,
        reasons::trials,
        older_rules::trials,
        drift::trials,
        poison::trials,
        clock_steps::trials,
        stored_bytes::trials,
        http::trials,
        audit::trials,
        logs::trials,
        traces::trials,
        door::trials,
        tls::trials,
        image::trials,
        monitoring::trials,
        cli::trials,
    ];
    let mut trials: Vec<Trial> = stories.iter().flat_map(|story| story(stage)).collect();
    trials.extend(house::CHECKS.iter().map(|(name, check)| stage.check("house", name, *check)));
    trials.extend(readme::CHECKS.iter().map(|(name, check)| stage.check("readme", name, *check)));
    trials.extend(parts::trials(stage));
    trials.extend(reasons::checks(stage, &trials));
    trials.sort_by_key(|trial| trial.kind() != WAITS);
    trials
}

fn tell(times: &Times) -> Result<(), String> {
    let file = target_folder().join("testbed/times.tsv");
    let slowest = times.keep(&file).map_err(|error| format!("write {}: {error}", file.display()))?;
    report(&format!("the slowest, in seconds (all of them are in {}):", file.display()));
    for line in &slowest {
        report(line);
    }
    Ok(())
}

fn verdict(conclusions: &[Conclusion]) -> ExitCode {
    if conclusions.iter().any(Conclusion::has_failed) { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn failed(error: &str) -> ExitCode {
    // A closed standard error changes nothing.
    let _ = writeln!(std::io::stderr(), "scenarios: {error}");
    ExitCode::from(101)
}
