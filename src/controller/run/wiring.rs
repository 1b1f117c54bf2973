//! Builds the parts, and hands each what it needs; nothing else knows all of them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::Stream;
use kube::{
    Client, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::sync::watch;

use crate::{
    bunq::{Bank, Endpoints, Environment, Transport},
    clock::SharedClock,
    controller::{
        api_server::ApiServer,
        bank::{Banks, Gate},
        claim::Claims,
        config::Config,
        context::ContextStore,
        keep::{Census, Sweeper},
        lead::{Candidate, Duty, Fenced, Heir, Leadership, LeaseOf},
        manifests::{Asked, Manifest, Memories, Objects, SecretWatches},
        pass::{Frame, Grantee, Parts},
        session::{Device, Means, Sessions},
        tell::Herald,
    },
    telemetry::{self, Telemetry},
};

/// No pass takes so long: each has a deadline of 2 minutes.
const STUCK: Duration = Duration::from_secs(150);

/// What an operator touches the world through.
pub(super) struct World {
    pub(super) api_server: ApiServer,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clock: SharedClock,
    pub(super) telemetry: Telemetry,
}

/// Every part, built once.
pub(super) struct Wiring {
    config: Config,
    telemetry: Telemetry,
    leadership: Arc<Leadership>,
    contexts: Arc<ContextStore>,
    parts: Arc<Parts>,
}

impl Wiring {
    /// Every part, and what they will ask for.
    pub(super) fn new(
        config: Config,
        world: World,
        leadership: Arc<Leadership>,
        stopped: watch::Receiver<bool>,
        store: Store<Manifest>,
    ) -> (Self, Asked<impl Stream<Item = ObjectRef<Manifest>> + Send + 'static>) {
        let World { api_server, transport, clock, telemetry } = world;
        let metrics = Arc::clone(&telemetry.metrics);
        let client = api_server.client().clone();
        let (objects, asked) = Objects::new(client.clone(), store);
        let memories = Arc::<Memories>::default();
        let contexts = Arc::new(ContextStore::new(client.clone(), &config.operator_namespace));
        let duty = Duty::new(Arc::clone(&leadership), stopped);
        let gate = Arc::new(Gate::new(
            banks(&config, &(Fenced::new(Arc::clone(&leadership), transport) as Arc<dyn Transport>)),
            config.limits,
            Arc::clone(&contexts),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            on_return(objects.clone(), Arc::clone(&memories)),
        ));
        let sessions = Arc::new(Sessions::new(Means {
            contexts: Arc::clone(&contexts),
            gate: Arc::clone(&gate),
            duty: duty.clone(),
            device: Device { description: config.device_description.clone(), egress_ips: config.egress_ips.clone() },
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        }));
        let parts = Arc::new(Parts {
            watches: Arc::new(SecretWatches::new(api_server, objects.clone())),
            claims: Claims::new(client.clone(), &config.operator_namespace),
            herald: Herald::new(client),
            objects,
            memories,
            gate,
            sessions,
            duty,
            clock,
            metrics,
        });
        (Self { config, telemetry, leadership, contexts, parts }, asked)
    }

    pub(super) fn objects(&self) -> Objects {
        self.parts.objects.clone()
    }

    pub(super) fn frame(&self) -> Frame {
        let grantee = Grantee {
            namespace: self.config.operator_namespace.clone(),
            service_account: self.config.service_account.clone(),
        };
        Frame::new(Arc::clone(&self.parts), self.telemetry.liveness.work("workers", STUCK), grantee)
    }

    pub(super) fn sweeper(&self) -> Sweeper {
        let parts = &self.parts;
        Sweeper {
            claims: parts.claims.clone(),
            contexts: Arc::clone(&self.contexts),
            sessions: Arc::clone(&parts.sessions),
            objects: parts.objects.clone(),
            memories: Arc::clone(&parts.memories),
            watches: Arc::clone(&parts.watches),
            leadership: Arc::clone(&self.leadership),
            clock: Arc::clone(&parts.clock),
        }
    }

    pub(super) fn census(&self) -> Census {
        let parts = &self.parts;
        Census {
            objects: parts.objects.clone(),
            memories: Arc::clone(&parts.memories),
            leadership: Arc::clone(&self.leadership),
            gate: Arc::clone(&parts.gate),
            metrics: Arc::clone(&parts.metrics),
            clock: Arc::clone(&parts.clock),
        }
    }

    pub(super) fn candidate(&self, client: Client, listed: watch::Receiver<bool>) -> Candidate {
        let heir = Estate {
            memories: Arc::clone(&self.parts.memories),
            contexts: Arc::clone(&self.contexts),
            gate: Arc::clone(&self.parts.gate),
        };
        let lease = LeaseOf { client, namespace: &self.config.operator_namespace, pod_name: &self.config.pod_name };
        let clock = Arc::clone(&self.parts.clock);
        Candidate::new(Arc::clone(&self.leadership), Arc::new(heir), clock, &self.telemetry, lease, listed)
    }
}

/// What must not outlive a term that another process led.
struct Estate {
    memories: Arc<Memories>,
    contexts: Arc<ContextStore>,
    gate: Arc<Gate>,
}

#[async_trait]
impl Heir for Estate {
    async fn inherit(&self) {
        self.memories.forget_all();
        self.contexts.forget_all().await;
        self.gate.begin_windows().await;
    }
}

fn banks(config: &Config, transport: &Arc<dyn Transport>) -> Banks {
    let agent = format!("bunq-oauth-operator/{}", telemetry::VERSION);
    let bank = |endpoints: &Endpoints| Bank::new(endpoints.clone(), Arc::clone(transport), &agent);
    Banks { production: bank(&config.production), sandbox: bank(&config.sandbox) }
}

/// Everybody who waited for the bank comes, spread by the limiter.
fn on_return(objects: Objects, memories: Arc<Memories>) -> impl Fn(Environment) + Send + Sync + 'static {
    move |_| {
        for object in objects.all().iter().filter(|object| object.tells_of_an_outage()) {
            memories.of(&object.uid().unwrap_or_default(), |memory| {
                memory.released = true;
                memory.failures = 0;
            });
            objects.wake(object);
        }
    }
}
