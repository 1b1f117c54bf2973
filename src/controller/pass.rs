//! One pass over one object: gather, decide, act, until the planner is done or something stops it.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};

use super::{
    audit::Author,
    claim::Claim,
    context::{Operator, Pair, Verified},
    context_secret::{self, sha256_hex},
    error::{Retry, Stop},
    finalizer,
    kube_call::{KubeCall, absent, failed_with, kube_call},
    login::{Caller, Login},
    observe,
    secret::{self, Wanted},
    status::Findings,
};
use crate::{
    api::{self, BunqOAuthClient},
    bunq::{ApiKey, Environment, Priority},
    plan::{self, Action, Desired, Observed, Seen, Step, Verdict, Waiting, Weight, action::News, backoff},
    telemetry::ReconcileResult,
};

/// How a pass ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The planner is done.
    Verdict(Verdict),
    /// The planner waits.
    Waiting(Timestamp, Waiting),
    /// Something else stopped it.
    Stop(Stop),
}

impl End {
    /// How it is counted.
    pub(crate) fn result(&self) -> ReconcileResult {
        match self {
            Self::Verdict(Verdict::Stalled(_)) => ReconcileResult::Terminal,
            Self::Stop(stop) if stop.reason().is_some_and(|reason| reason.weight() == Weight::Stalled) => {
                ReconcileResult::Terminal
            }
            Self::Stop(stop) if matches!(stop.retry(), Retry::Backoff | Retry::Soon) => ReconcileResult::Error,
            Self::Stop(_) | Self::Waiting(..) | Self::Verdict(_) => ReconcileResult::RequeueAfter,
        }
    }
}

/// Actions in one pass, at most: far more than any path through the rules needs.
const LONGEST_PASS: usize = 60;

/// What a pass knows, and what it works with.
pub(crate) struct Pass {
    pub(super) operator: Arc<Operator>,
    pub(super) object: BunqOAuthClient,
    pub(super) want: Desired,
    pub(super) seen: Observed,
    pub(super) environment: Option<Environment>,
    pub(super) key: Result<ApiKey, Stop>,
    pub(super) claim: Option<Claim>,
    pub(super) login: Option<Login>,
    /// The output Secret as it was last read or written.
    pub(super) output: Option<Secret>,
    /// Output Secrets of earlier names that may still be there.
    pub(super) leftovers: BTreeSet<String>,
    /// Pairs that verified reads of this pass carried.
    pub(super) pairs: Vec<Pair>,
    /// When the client was read: by this pass, or by the one whose read it goes by.
    pub(super) read_at: Option<Timestamp>,
    bound_ip: Option<String>,
    /// What happened, to be told at the end.
    pub(super) news: Vec<News>,
    /// Whether the slot for the announced mutation is taken.
    pub(super) has_turn: bool,
    pub(super) caller: Caller,
    credentials_version: String,
}

impl Pass {
    pub(crate) fn new(operator: Arc<Operator>, object: BunqOAuthClient) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        let reference = &object.spec.credentials.api_key_secret_ref;
        let credentials = format!("{namespace}/{}", reference.name);
        let caller = Caller {
            uid: object.uid().unwrap_or_default(),
            priority: Priority::Change,
            is_asked: false,
            is_newcomer: false,
            object: format!("{namespace}/{}", object.name_any()),
            credentials: credentials.clone(),
            author: Arc::new(Author::of(&object)),
            credentials_created: None,
        };
        Self {
            want: observe::desired(&object, ""),
            seen: Observed { finalizer: finalizer::is_set(&object), ..Observed::default() },
            environment: None,
            key: Err(Stop::CredentialsSecretNotFound { secret: credentials }),
            claim: None,
            login: None,
            output: None,
            leftovers: BTreeSet::new(),
            pairs: Vec::new(),
            read_at: None,
            bound_ip: None,
            news: Vec::new(),
            has_turn: false,
            credentials_version: String::new(),
            caller,
            operator,
            object,
        }
    }

    /// Runs to the end.
    pub(crate) async fn run(&mut self) -> End {
        match self.walk().await {
            Ok(end) => end,
            Err(stop) => {
                if matches!(stop, Stop::Limit { .. } | Stop::Outage | Stop::Ending) {
                    self.keep_what_is_known().await;
                }
                End::Stop(stop)
            }
        }
    }

    async fn walk(&mut self) -> Result<End, Stop> {
        if self.want.deleting && !self.seen.finalizer {
            return Ok(End::Verdict(Verdict::Released));
        }
        if self.want.suspended && !self.want.deleting {
            return Err(Stop::Suspended);
        }
        if !self.is_let_go() {
            self.check_manifest()?;
            self.read_secrets().await?;
            self.respect_backoff()?;
            self.identify().await?;
            self.recall();
        }
        for _ in 0..LONGEST_PASS {
            self.refresh();
            match plan::next(&self.want, &self.seen, self.operator.clock.now()) {
                Step::Act(action) => {
                    if !finishes(&action) {
                        self.operator.go_on()?;
                    }
                    self.perform(action).await?;
                }
                Step::Wait(until, why) => return Ok(End::Waiting(until, why)),
                Step::Done(verdict) => return Ok(End::Verdict(verdict)),
            }
        }
        // Never seen; if the rules ever went round in circles, the bank is not to pay for it.
        Err(Stop::Corrupt { what: self.caller.object.clone(), reason: format!("no end after {LONGEST_PASS} actions") })
    }

    /// Whether it goes without a call: then nothing has to be known, and nothing can stand in its way
    /// (D6, `L4`).
    fn is_let_go(&self) -> bool {
        self.want.deleting && (!self.want.cancel_on_delete || self.want.suspended)
    }

    /// The rules of the definition once more: an old object may have been stored under other rules.
    fn check_manifest(&self) -> Result<(), Stop> {
        if self.want.deleting {
            return Ok(());
        }
        api::validate(&self.object.spec, &self.object.name_any(), None)
            .map_err(|violations| Stop::InvalidSpec { violations })
    }

    /// Both Secrets of the tenant. While the object is being deleted they may be gone already.
    async fn read_secrets(&mut self) -> Result<(), Stop> {
        let namespace = self.object.namespace().unwrap_or_default();
        self.operator.watches.ensure(&namespace);
        let api = self.secrets();
        let key = self.read_key(&api, &namespace).await;
        if matches!(key, Err(Stop::NamespaceNotGranted { .. })) {
            self.operator.watches.revoked(&namespace);
        }
        match key {
            Err(stop @ Stop::NamespaceNotGranted { .. }) if !self.want.deleting => return Err(stop),
            key => self.key = key,
        }
        let output = self.output_name();
        let published = self.object.status.as_ref().and_then(|status| status.binding.as_ref());
        let mut earlier = self.operator.remember(&self.caller.uid, |memory| memory.outputs.clone());
        earlier.extend(published.map(|binding| binding.name.clone()));
        earlier.remove(&output);
        self.leftovers = earlier;
        match read_secret(&api, &namespace, &output).await {
            Err(Stop::NamespaceNotGranted { .. }) if self.want.deleting => {}
            found => self.output = found?,
        }
        // What published something was here before, and only its status was lost.
        let is_ours = |found: &Secret| secret::is_ours(found, &self.object);
        self.caller.is_newcomer &= !self.output.as_ref().is_some_and(is_ours);
        if let Ok(key) = &self.key {
            let environment = observe::environment(&self.object, key, &self.caller.credentials);
            if self.want.deleting {
                self.environment = environment.ok();
            } else {
                self.environment = Some(environment?);
            }
        } else if !self.want.deleting {
            return Err(self.lack_of_key());
        }
        Ok(())
    }

    /// Why there is no key; asked once, to end the pass with it.
    pub(super) fn lack_of_key(&mut self) -> Stop {
        let gone = Stop::CredentialsSecretNotFound { secret: self.caller.credentials.clone() };
        std::mem::replace(&mut self.key, Err(gone)).err().unwrap_or(Stop::Gone)
    }

    /// The tenant's Secrets.
    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.operator.client.clone(), &self.object.namespace().unwrap_or_default())
    }

    /// The name of the output Secret.
    pub(super) fn output_name(&self) -> String {
        self.object.spec.output_secret_name(&self.object.name_any()).to_owned()
    }

    async fn read_key(&mut self, api: &Api<Secret>, namespace: &str) -> Result<ApiKey, Stop> {
        let reference = self.object.spec.credentials.api_key_secret_ref.clone();
        let (secret, key) = (self.caller.credentials.clone(), reference.key);
        let Some(found) = read_secret(api, namespace, &reference.name).await? else {
            return Err(Stop::CredentialsSecretNotFound { secret });
        };
        self.credentials_version = version(Some(&found));
        self.caller.credentials_created = found.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let Some(bytes) = found.data.as_ref().and_then(|data| data.get(&key)) else {
            return Err(Stop::CredentialsKeyNotFound { secret, key });
        };
        let found = ApiKey::from_bytes(&bytes.0).ok_or(Stop::CredentialsKeyEmpty { secret, key })?;
        self.want.cause.key = context_secret::name(found.environment(), &found);
        Ok(found)
    }

    /// What this pass works from: when it differs from the last attempt's, back-off is skipped (D13).
    pub(crate) fn inputs(&self) -> String {
        let parts = [
            self.want.cause.generation.to_string(),
            self.credentials_version.clone(),
            version(self.output.as_ref()),
            self.want.cause.requested_at.clone().unwrap_or_default(),
            self.want.allow_new_client.clone().unwrap_or_default(),
            self.want.confirm_cancel.clone().unwrap_or_default(),
            self.want.deleting.to_string(),
        ];
        sha256_hex(parts.join("\n").as_bytes())
    }

    fn respect_backoff(&mut self) -> Result<(), Stop> {
        let inputs = self.inputs();
        let status = self.object.status.as_ref();
        let is_same = status.is_some_and(|status| status.attempted_inputs.as_ref() == Some(&inputs));
        let until = status.and_then(|status| status.next_attempt_time.as_ref()).map(|time| time.0);
        self.caller.priority = match (self.want.deleting, is_same) {
            (true, _) => Priority::Deletion,
            (false, false) => Priority::Change,
            (false, true) => Priority::Resync,
        };
        let asked = self.want.cause.requested_at.as_ref();
        self.caller.is_asked =
            asked.is_some() && asked != status.and_then(|status| status.last_handled_reconcile_at.as_ref());
        let is_released = self.operator.remember(&self.caller.uid, |memory| std::mem::take(&mut memory.released));
        match until {
            Some(until) if is_same && !is_released && self.operator.clock.now() < until => {
                Err(Stop::BackingOff { until })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A read that ended as declared serves until the next resync: a lost Secret heals without the
    /// bank (D12).
    fn recall(&mut self) {
        let now = self.operator.clock.now();
        let interval = self.resync_interval();
        let verified = self.operator.remember(&self.caller.uid, |memory| memory.verified.clone());
        let is_fresh = |verified: &Verified| {
            verified.cause == self.want.cause
                && Some(verified.client.id) == self.seen.journal.oauth_client_id
                && now.duration_since(verified.at).unsigned_abs() < interval
        };
        if !self.want.deleting
            && let Some(verified) = verified.filter(is_fresh)
        {
            self.read_at = Some(verified.at);
            self.bound_ip = verified.bound_ip;
            self.seen.client = Seen::Present(verified.client);
        }
    }

    /// `spec.resyncInterval`, shortened a little so that objects applied together drift apart.
    pub(crate) fn resync_interval(&self) -> std::time::Duration {
        let interval = self.object.spec.resync_interval.to_duration();
        let interval = interval.unwrap_or(crate::api::interval::LONGEST);
        backoff::spread(interval, draw(&self.caller.uid))
    }

    /// Looks at the output Secret with the credentials that are now in hand.
    fn refresh(&mut self) {
        self.seen.leftover = self.leftovers.first().cloned();
        let pair = self.pair();
        self.seen.pair = pair.as_ref().map(|pair| pair.client_id.clone());
        self.seen.output = match &self.output {
            None => Seen::Absent,
            Some(secret) => Seen::Present(secret::judge(secret, &self.object, self.wanted().as_ref())),
        };
    }

    /// The client's pair: from a read of this pass, of an earlier one, or from the Secret itself.
    pub(super) fn pair(&self) -> Option<Pair> {
        let client_id = self.seen.client.present()?.client_id.as_ref()?;
        let is_its = |pair: &Pair| pair.client_id == *client_id;
        let remembered = || self.operator.remember(&self.caller.uid, |memory| memory.pair.clone());
        let published = || self.output.as_ref().and_then(|secret| secret::published_pair(secret, &self.object));
        let read = self.pairs.iter().find(|pair| is_its(pair)).cloned();
        read.or_else(|| remembered().filter(is_its)).or_else(|| published().filter(is_its))
    }

    pub(super) fn wanted(&self) -> Option<Wanted> {
        let endpoints = self.operator.bank(self.environment?).endpoints();
        Some(Wanted::new(&self.object, endpoints, &self.pair()?))
    }

    /// The address that the bank bound the key to, as far as this pass or the last read knows.
    pub(crate) fn bound_ip(&self) -> Option<String> {
        let told = self.login.as_ref().and_then(|login| login.bound_ip.clone());
        told.or_else(|| self.bound_ip.clone())
    }

    /// What the status may tell.
    pub(crate) fn findings(&self) -> Findings {
        let client = self.seen.client.present().cloned();
        let endpoints = self.environment.map(|environment| self.operator.bank(environment).endpoints());
        let client_id = client.as_ref().and_then(|client| client.client_id.as_deref());
        let authorization_url = endpoints.zip(client_id).map(|(endpoints, client_id)| {
            observe::authorization_url(endpoints, client_id, &self.object.spec.redirect_url)
        });
        Findings {
            environment: self.environment.map(observe::to_api),
            user_id: self.claim.as_ref().map(|claim| claim.user_id),
            oauth_client_id: self.seen.journal.oauth_client_id,
            managed_urls: self.seen.journal.managed_urls.clone(),
            display_name: self.want.display_name.clone(),
            bound_ip: self.bound_ip(),
            authorization_url,
            secret_name: Some(self.output_name()),
            secret_hash: self.wanted().map(|wanted| wanted.hash()),
            verified_at: self.read_at,
            client,
        }
    }
}

/// Whether the action ends what an earlier one began: what was announced is sent, and what came of it is noted,
/// also while the process ends. Otherwise the next one would find a doubt, and wait.
fn finishes(action: &Action) -> bool {
    matches!(action, Action::Send(_) | Action::Record { then: None, .. })
}

/// 403 means that nobody granted the namespace (D14), or that it is on its way out (kube trap 10).
pub(super) async fn read_secret(api: &Api<Secret>, namespace: &str, name: &str) -> Result<Option<Secret>, Stop> {
    let found = kube_call(KubeCall::ReadSecret, || format!("{namespace}/{name}"), api.get(name)).await;
    if failed_with(&found, 403) {
        return Err(Stop::NamespaceNotGranted { namespace: namespace.to_owned() });
    }
    absent(found)
}

fn version(secret: Option<&Secret>) -> String {
    let meta = secret.map(|secret| &secret.metadata);
    let text = |part: Option<&String>| part.cloned().unwrap_or_default();
    format!(
        "{}/{}",
        text(meta.and_then(|meta| meta.uid.as_ref())),
        text(meta.and_then(|meta| meta.resource_version.as_ref()))
    )
}

/// A number in 0..1 that belongs to this object.
pub(crate) fn draw(uid: &str) -> f64 {
    let sum = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(sum % 1000) / 1000.0
}
