//! What is judged when all scenarios have played: secrets that got out, rights that nobody used,
//! reasons that nobody saw.

use std::{collections::BTreeMap, sync::Arc};

use libtest_mimic::Trial;
use testbed::{
    controlplane::audit::{Role, unused_grants},
    harness::{Bench, Outcome, canary::scan, deployment::SERVICE_ACCOUNT, ensure},
};

use crate::{reasons, stage::Stage};

/// The reasons can be judged only when every scenario has played: otherwise that is said instead.
pub(crate) fn trials(stage: &Stage, is_whole: bool) -> Vec<Trial> {
    let reasons = "every_reason_was_reached_and_left_again";
    let reasons = stage.with_bench("afterwards", reasons, |bench| async move {
        reasons::every_reason_was_reached_and_left(bench.folder())
    });
    let reasons = if is_whole {
        reasons
    } else {
        reasons.with_kind("not judged: not all scenarios play").with_ignored_flag(true)
    };
    vec![
        reasons,
        stage.with_bench("afterwards", "no_secret_got_into_logs_statuses_events_or_metrics", no_secret_got_out),
        stage.with_bench("afterwards", "every_right_that_was_granted_was_used", every_right_was_used),
    ]
}

async fn no_secret_got_out(bench: Arc<Bench>) -> Outcome {
    let secrets = bench.secrets();
    let (files, leaks) = scan(bench.folder(), &secrets)?;
    // A scan of nothing proves nothing.
    ensure(secrets.len() > 10 && files > 4, || {
        format!("{} secrets and {files} files: no scenario has played", secrets.len())
    })?;
    let told: Vec<String> =
        leaks.iter().map(|leak| format!("{} ({}): {}", leak.path.display(), leak.form, leak.place)).collect();
    ensure(leaks.is_empty(), || format!("{} leaks:\n{}", leaks.len(), told.join("\n")))
}

/// Each world has a `Role` of its own and all of them are the same: a right of theirs is unused
/// if no world used it.
async fn every_right_was_used(bench: Arc<Bench>) -> Outcome {
    let log = bench.control_plane().audit_log().ok_or("a cluster of yours keeps no audit log here")?;
    let is_operator =
        |user: &str| user.starts_with("system:serviceaccount:op-") && user.ends_with(&format!(":{SERVICE_ACCOUNT}"));
    let mut worlds_without: BTreeMap<String, u64> = BTreeMap::new();
    let mut unused = Vec::new();
    for grant in unused_grants(bench.admin(), log, is_operator).await? {
        match &grant.role {
            Role::Cluster { .. } => unused.push(grant.to_string()),
            Role::Namespaced { name, .. } => {
                let right = format!("Role {name}: {} on {} never used", grant.verb, grant.resource);
                *worlds_without.entry(right).or_default() += 1;
            }
        }
    }
    let worlds = bench.worlds();
    unused.extend(worlds_without.into_iter().filter(|(_, count)| *count == worlds).map(|(right, _)| right));
    ensure(worlds > 0, || "no scenario has played".to_owned())?;
    ensure(unused.is_empty(), || unused.join("\n"))
}
