//! Others write in between, and the cache is behind: both only delay.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bunq_oauth_operator::bunq::{HttpOptions, HttpTransport, LimitMode};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testbed::harness::{
    Outcome, TestClock, World, ensure, ensure_eq,
    meddle::{meddled, without_streams},
    world::{InProcess, Seams},
};

use crate::stage::{Stage, scenarios};

const SOON: Duration = Duration::from_secs(10);
const CREATION: (&str, &str) = ("POST", "user/{u}/oauth-client");
const ELSEWHERE: &str = "https://myapp.com/elsewhere";

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "interference":
        a_cache_that_is_behind_decides_nothing,
        whoever_writes_in_between_only_delays,
        an_edit_costs_no_more_than_three_passes,
    )
}

fn start(world: &World, client: Client) -> Outcome<InProcess> {
    let transport = Arc::new(HttpTransport::new(HttpOptions { ca_pem: None })?);
    let seams = Seams { client, transport, clock: TestClock::new() };
    Ok(world.start_in_process_on(seams, LimitMode::Off)?)
}

/// The watch on manifests falls silent after its first list, and the store stays as it was. Passes go by
/// what they read live: a new spec is carried out, and a manifest that is gone gets nothing (F05, F07).
async fn a_cache_that_is_behind_decides_nothing(world: Arc<World>) -> Outcome {
    world.user().await?;
    world.apply(&world.manifest("my-app", &json!({}))).await?;
    let silent = meddled(without_streams(world.operator_client().await?), |asked| async move {
        if asked.contains("/bunqoauthclients?") && asked.contains("watch=") && !asked.contains("sendInitialEvents") {
            std::future::pending::<()>().await;
        }
    });
    let operator = start(&world, silent)?;
    world.ready("my-app").await?;

    world.apply(&world.manifest("my-app", &json!({"redirectUrl": ELSEWHERE}))).await?;
    world.delete_secret("my-app").await?;
    world.secret_until("my-app", SOON, |data| data.get("redirect_uri").is_some_and(|url| url == ELSEWHERE)).await?;
    world.ready("my-app").await?;
    operator.settle().await?;

    world.delete("my-app").await?;
    world.gone("my-app").await?;
    world.sandbox.clear_calls();
    let deleted = world.delete_secret("my-app").await;
    ensure(deleted.is_ok() || world.secret_if_any("my-app").await?.is_none(), || "the Secret stays".to_owned())?;
    operator.settle().await?;
    ensure_eq(world.secret_if_any("my-app").await?.is_none(), true, "the Secret of a manifest that is gone")?;
    ensure_eq(world.sandbox.calls().len(), 0, "calls for a manifest that is gone")?;
    operator.stop().await
}

/// Before every other write of the operator somebody writes the same object, so that it is refused with
/// 409: statuses, the finalizer, the claim, contexts and the Secret all get there, and the bank is asked for
/// nothing twice (F12).
async fn whoever_writes_in_between_only_delays(world: Arc<World>) -> Outcome {
    world.user().await?;
    let (busybody, writes) = (Arc::new(Busybody::new(&world)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&writes);
    let meddling = meddled(world.operator_client().await?, move |asked| {
        let (busybody, seen) = (Arc::clone(&busybody), Arc::clone(&seen));
        async move {
            let is_write = asked.starts_with("PUT ") || asked.starts_with("PATCH ");
            if is_write && seen.fetch_add(1, Ordering::Relaxed) % 2 == 0 {
                busybody.write(&asked).await;
            }
        }
    });
    let operator = start(&world, meddling)?;

    let cancelling = json!({"deletionPolicy": "Cancel"});
    world.apply_ready(&world.manifest("my-app", &cancelling)).await?;
    let moved = json!({"deletionPolicy": "Cancel", "redirectUrl": ELSEWHERE});
    world.apply_ready(&world.manifest("my-app", &moved)).await?;
    operator.settle().await?;

    let sent: Vec<_> = world.sandbox.mutations().into_iter().map(|call| (call.method, call.template)).collect();
    let urls = "user/{u}/oauth-client/{c}/callback-url";
    let wanted = [CREATION, ("POST", urls), ("DELETE", "user/{u}/oauth-client/{c}/callback-url/{m}")];
    ensure_eq(sent, wanted.map(|(method, template)| (method.to_owned(), template)).to_vec(), "changes at the bank")?;
    ensure_eq(world.sandbox.count("POST", "device-server"), 1, "devices registered")?;
    ensure_eq(world.secret("my-app").await?["redirect_uri"].as_str(), ELSEWHERE, "the published redirect URL")?;
    let refused = writes.load(Ordering::Relaxed) / 2;
    ensure(refused > 5, || format!("only {refused} writes were meddled with"))?;
    operator.stop().await
}

/// Somebody who annotates whatever the operator is about to write.
struct Busybody {
    admin: Client,
    home: String,
    namespace: String,
    times: AtomicUsize,
}

impl Busybody {
    fn new(world: &World) -> Self {
        let (home, namespace) = (world.operator_namespace.clone(), world.namespace.clone());
        Self { admin: world.admin(), home, namespace, times: AtomicUsize::new(0) }
    }

    async fn write(&self, asked: &str) {
        let time = self.times.fetch_add(1, Ordering::Relaxed).to_string();
        let label = Patch::Merge(json!({"metadata": {"labels": {"busybody": time}}}));
        let path = asked.split([' ', '?']).nth(1).unwrap_or_default();
        let mut segments = path.split('/').skip_while(|segment| *segment != "namespaces").skip(2);
        let (kind, name) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let (admin, how) = (self.admin.clone(), PatchParams::default());
        let is_ours = path.contains(&format!("/namespaces/{}/", self.home));
        let namespace = if is_ours { &self.home } else { &self.namespace };
        // What is not there yet cannot be written in between.
        let _ = match kind {
            "bunqoauthclients" => {
                let api: Api<bunq_oauth_operator::api::BunqOAuthClient> = Api::namespaced(admin, namespace);
                api.patch_metadata(name, &how, &label).await.map(drop)
            }
            "configmaps" => Api::<ConfigMap>::namespaced(admin, namespace).patch(name, &how, &label).await.map(drop),
            "secrets" => Api::<Secret>::namespaced(admin, namespace).patch(name, &how, &label).await.map(drop),
            _ => Ok(()),
        };
    }
}

/// The operator's own writes wake nobody: not its status, not its finalizer, not its Secret (F35, F34).
async fn an_edit_costs_no_more_than_three_passes(world: Arc<World>) -> Outcome {
    world.user().await?;
    let operator = world.start_in_process().await?;
    world.apply_ready(&world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}))).await?;
    operator.settle().await?;

    for (edit, spec) in [
        ("another URL", json!({"deletionPolicy": "Cancel", "redirectUrl": ELSEWHERE})),
        ("another name of the Secret", json!({"redirectUrl": ELSEWHERE, "secret": {"name": "renamed"}})),
        ("CANCELLED", json!({"redirectUrl": ELSEWHERE, "secret": {"name": "renamed"}, "status": "CANCELLED"})),
    ] {
        let before = operator.passes();
        let applied = world.apply(&world.manifest("my-app", &spec)).await?;
        let is_told = |object: &Value| object["status"]["observedGeneration"] == applied["metadata"]["generation"];
        world.until("my-app", edit, is_told).await?;
        operator.settle().await?;
        let passes = operator.passes() - before;
        ensure(passes <= 3, || format!("{edit} cost {passes} passes"))?;
    }
    operator.stop().await
}
