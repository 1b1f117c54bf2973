//! What the operator is about to remove is gone at that very moment: that is what it wanted (F12, L3, L4).

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bunq_oauth_operator::{
    api::BunqOAuthClient,
    bunq::{HttpOptions, HttpTransport, LimitMode},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams},
};
use libtest_mimic::Trial;
use serde::de::DeserializeOwned;
use serde_json::json;
use testbed::harness::{
    Outcome, TestClock, World, ensure, ensure_eq,
    meddle::meddled,
    world::{InProcess, Seams},
};

use crate::stage::{Stage, scenarios};

const FAILED: &str = "controller_runtime_reconcile_errors_total{";
/// A context that nobody uses goes after a day.
const MORE_THAN_A_DAY: Duration = Duration::from_hours(25);
/// It is seen to be unused on the first, and goes on the second.
const MOST_DAYS: usize = 5;

pub(crate) fn trials(stage: &Stage) -> Vec<Trial> {
    scenarios!(stage, "gone_already":
        a_secret_or_a_manifest_that_is_gone_already_fails_no_pass,
        a_claim_that_is_gone_already_is_free_for_whoever_waits,
        a_context_that_is_gone_already_does_not_end_the_sweep,
    )
}

/// The Secret of an earlier name, and a manifest whose finalizer somebody else took off (F12).
async fn a_secret_or_a_manifest_that_is_gone_already_fails_no_pass(world: Arc<World>) -> Outcome {
    world.user().await?;
    let rival = Rival::new(&world);
    let operator = rival.start(&world).await?;
    world.apply_ready(&world.manifest("my-app", &json!({"deletionPolicy": "Cancel"}))).await?;

    let moved = json!({"deletionPolicy": "Cancel", "secret": {"name": "renamed"}});
    world.apply_ready(&world.manifest("my-app", &moved)).await?;
    operator.settle().await?;
    ensure(rival.was_first(), || "nobody removed the Secret first".to_owned())?;
    ensure_eq(world.secret_if_any("my-app").await?.is_some(), false, "a Secret of the earlier name")?;
    ensure_eq(operator.sum_of(FAILED), 0, "passes that failed over a Secret")?;

    world.delete("my-app").await?;
    world.gone("my-app").await?;
    operator.settle().await?;
    ensure(rival.was_first(), || "nobody took the finalizer off first".to_owned())?;
    ensure_eq(operator.sum_of(FAILED), 0, "passes that failed over a finalizer")?;
    operator.stop().await
}

/// Whoever waits for the user is woken all the same (F12, F32).
async fn a_claim_that_is_gone_already_is_free_for_whoever_waits(world: Arc<World>) -> Outcome {
    world.user().await?;
    let rival = Rival::new(&world);
    let operator = rival.start(&world).await?;
    world.apply_ready(&world.manifest("first", &json!({}))).await?;
    world.apply_reason(&world.manifest("second", &json!({})), "UserAlreadyClaimed").await?;
    operator.settle().await?;

    world.delete("first").await?;
    world.ready("second").await?;

    ensure(rival.was_first(), || "nobody removed the claim first".to_owned())?;
    operator.stop().await
}

/// Two keys that nobody uses go in one sweep: another one never sees what is there (F12).
async fn a_context_that_is_gone_already_does_not_end_the_sweep(world: Arc<World>) -> Outcome {
    let rival = Rival { is_last_sweep: true, ..Rival::new(&world) };
    let operator = rival.start(&world).await?;
    world.apply_reason(&world.manifest("bystander", &json!({"suspend": true})), "Suspended").await?;
    for member in world.crowd(2).await? {
        world.ready(&member.name).await?;
        world.delete(&member.name).await?;
        world.gone(&member.name).await?;
    }
    operator.settle().await?;
    ensure_eq(world.contexts().await?.len(), 2, "contexts right after the manifests went")?;

    for _ in 0..MOST_DAYS {
        operator.let_pass(MORE_THAN_A_DAY).await?;
        if world.contexts().await?.is_empty() {
            break;
        }
    }
    ensure_eq(world.contexts().await?.len(), 0, "contexts after days")?;
    ensure(rival.was_first(), || "nobody removed a context first".to_owned())?;
    operator.stop().await
}

/// Somebody who removes whatever the operator is about to remove.
#[derive(Clone)]
struct Rival {
    admin: Client,
    home: String,
    namespace: String,
    /// Whether no sweep sees any contexts after one of them was removed.
    is_last_sweep: bool,
    was_first: Arc<AtomicBool>,
    has_removed_context: Arc<AtomicBool>,
}

impl Rival {
    fn new(world: &World) -> Self {
        Self {
            admin: world.admin(),
            home: world.operator_namespace.clone(),
            namespace: world.namespace.clone(),
            is_last_sweep: false,
            was_first: Arc::default(),
            has_removed_context: Arc::default(),
        }
    }

    /// Starts the operator, with this one before each of its requests.
    async fn start(&self, world: &World) -> Outcome<InProcess> {
        let rival = self.clone();
        let client = meddled(world.operator_client().await?, move |asked| {
            let rival = rival.clone();
            async move { rival.meet(&asked).await }
        });
        let transport = Arc::new(HttpTransport::new(HttpOptions { ca_pem: None })?);
        Ok(world.start_in_process_on(Seams { client, transport, clock: TestClock::new() }, LimitMode::Off)?)
    }

    /// Whether it removed anything since this was last asked.
    fn was_first(&self) -> bool {
        self.was_first.swap(false, Ordering::Relaxed)
    }

    async fn meet(&self, asked: &str) {
        let (method, uri) = asked.split_once(' ').unwrap_or_default();
        let path = uri.split('?').next().unwrap_or_default();
        let mut segments = path.split('/').skip_while(|segment| *segment != "namespaces").skip(1);
        let mut next = || segments.next().unwrap_or_default();
        let (namespace, kind, name) = (next(), next(), next());
        let is_done = match (method, kind) {
            ("DELETE", "configmaps") => delete::<ConfigMap>(&self.all(namespace), name).await,
            ("DELETE", "secrets") => {
                let is_done = delete::<Secret>(&self.all(namespace), name).await;
                self.has_removed_context.fetch_or(is_done && namespace == self.home, Ordering::Relaxed);
                is_done
            }
            ("PATCH", "bunqoauthclients") => self.release(name).await,
            ("GET", "secrets") if name.is_empty() && namespace == self.home && self.is_last_sweep => {
                if self.has_removed_context.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                false
            }
            _ => false,
        };
        self.was_first.fetch_or(is_done, Ordering::Relaxed);
    }

    /// Takes the finalizer off a manifest that is being deleted: then it is gone.
    async fn release(&self, name: &str) -> bool {
        let api: Api<BunqOAuthClient> = self.all(&self.namespace);
        let found = api.get_metadata(name).await;
        let is_leaving = found.is_ok_and(|object| object.metadata.deletion_timestamp.is_some());
        let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        is_leaving && api.patch_metadata(name, &PatchParams::default(), &freed).await.is_ok()
    }

    fn all<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.admin.clone(), namespace)
    }
}

async fn delete<K: Clone + DeserializeOwned + Debug>(api: &Api<K>, name: &str) -> bool {
    api.delete(name, &DeleteParams::default()).await.is_ok()
}
