//! Somebody else writes what the operator writes, every second for a minute: each write is answered once at
//! most, and when it stops everything is as declared and quiet (F13).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::harness::{
    Outcome, World, ensure, ensure_eq,
    world::{Member, is_ready},
};

use crate::stage::{Stage, report};

const LONGEST: Duration = Duration::from_mins(4);
const WRITES: usize = 60;
const EVERY: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);
/// Nothing is written for so long afterwards.
const QUIET: Duration = Duration::from_secs(5);
const RIVAL: &str = "rival";
const DECLARED: &str = "https://myapp.com/oauth/callback";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    vec![stage.scenario_within(
        "rivals",
        "a_rival_who_writes_every_second_for_a_minute_is_answered_once_each_and_then_all_is_quiet",
        LONGEST,
        a_rival_who_writes_every_second_for_a_minute_is_answered_once_each_and_then_all_is_quiet,
    )]
}

/// What the rival fights over, each on an object of its own.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// A label of the published Secret.
    Label,
    /// The published credentials themselves.
    Data,
    /// The status of the manifest.
    Status,
    /// The manifest.
    Spec,
}

const FIELDS: [Field; 4] = [Field::Label, Field::Data, Field::Status, Field::Spec];

impl Field {
    async fn write(self, world: &World, member: &Member, number: usize) -> Outcome {
        let name = member.name.as_str();
        let (rival, forced) = (
            PatchParams { field_manager: Some(RIVAL.to_owned()), ..PatchParams::default() },
            PatchParams::apply(RIVAL).force(),
        );
        let secrets: Api<Secret> = world.secrets();
        match self {
            Self::Label => {
                let label = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {"app.kubernetes.io/name": format!("rival-{number}")}}});
                secrets.patch(name, &forced, &Patch::Apply(&label)).await.map(drop)?;
            }
            Self::Data => {
                let data = json!({"stringData": {"client_secret": format!("rival-{number}")}});
                secrets.patch(name, &rival, &Patch::Merge(&data)).await.map(drop)?;
            }
            Self::Status => {
                let status = json!({"status": {"clientId": format!("rival-{number}"), "secretHash": "rival"}});
                world.objects().patch_status(name, &rival, &Patch::Merge(&status)).await.map(drop)?;
            }
            Self::Spec => {
                let url =
                    if number + 1 == WRITES { DECLARED.to_owned() } else { format!("https://rival.example/{number}") };
                let spec = json!({"spec": {"redirectUrl": url}});
                world.objects().patch(name, &rival, &Patch::Merge(&spec)).await.map(drop)?;
            }
        }
        Ok(())
    }

    /// The operator's writes of the object that is fought over.
    fn contested(self, world: &World, member: &Member) -> String {
        let resource = match self {
            Self::Label | Self::Data => "secrets",
            Self::Status | Self::Spec => "bunqoauthclients/status",
        };
        format!(" {resource} {}/{} ", world.namespace, member.name)
    }
}

async fn a_rival_who_writes_every_second_for_a_minute_is_answered_once_each_and_then_all_is_quiet(
    world: Arc<World>,
) -> Outcome {
    let members = world.crowd(FIELDS.len()).await?;
    world.start_operator().await?;
    for member in &members {
        world.ready(&member.name).await?;
    }
    let trail = world.audit_trail()?;
    let since = Instant::now();
    for number in 0..WRITES {
        for (field, member) in FIELDS.into_iter().zip(&members) {
            field.write(&world, member, number).await?;
        }
        let next = EVERY * u32::try_from(number + 1)?;
        tokio::time::sleep(next.saturating_sub(since.elapsed())).await;
    }
    come_to_rest(&world, &members).await?;

    let writes = trail.writes_of(&world.operator_user())?;
    for (field, member) in FIELDS.into_iter().zip(&members) {
        let answers = writes.iter().filter(|write| write.contains(&field.contested(&world, member))).count();
        report(&format!("{WRITES} writes of a rival, {field:?}: {answers} answers"));
        ensure(answers <= WRITES + 1, || format!("{answers} answers to {WRITES} writes of {field:?}"))?;
        world.ensure_one_client_with_its_pair(member).await?;
    }

    let trail = world.audit_trail()?;
    tokio::time::sleep(QUIET).await;
    ensure_eq(trail.writes_of(&world.operator_user())?, Vec::<String>::new(), "writes when the rival has stopped")
}

/// Everything is as declared again; what only a look at the bank would correct is asked for.
async fn come_to_rest(world: &World, members: &[Member]) -> Outcome {
    for member in members {
        world.annotate(&member.name, "reconcile.fluxcd.io/requestedAt", "rest").await?;
        world
            .until(&member.name, "at rest", |object: &Value| {
                is_ready(object)
                    && object["status"]["lastHandledReconcileAt"] == "rest"
                    && object["status"]["clientId"].as_str().is_some_and(|id| !id.starts_with(RIVAL))
            })
            .await?;
        world
            .secret_until(&member.name, SOON, |data| {
                data.get("redirect_uri").is_some_and(|url| url == DECLARED)
                    && data.get("client_secret").is_some_and(|secret| !secret.starts_with(RIVAL))
            })
            .await?;
    }
    Ok(())
}
