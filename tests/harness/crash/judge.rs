//! What must hold at every effect, judged by the truth: the objects at the API server and the state
//! of the bank, not by what the operator believes (`S1`–`S6`, `S10`, `S12`, `S13`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bunq_oauth_operator::{
    bunq::{Call, Request},
    controller::KubeCall,
    plan::{Journal, Target},
};
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use super::{effect::Effect, script::Script};
use crate::{
    harness::{
        Outcome, World,
        outcome::{chain, ensure},
        world::condition,
    },
    sandbox::bank::{Client, ClientStatus},
};

/// Judges one run.
pub(super) struct Judge {
    pub(super) world: Arc<World>,
    pub(super) script: Arc<Script>,
    /// Whose client it is about.
    pub(super) user: u64,
    seen: Mutex<Seen>,
}

/// What the operator was shown.
#[derive(Default)]
struct Seen {
    /// The last live read of a manifest, and the process that made it.
    manifest: Option<(u64, Value)>,
    /// The clients as they were when the operator last looked.
    clients: Option<Vec<Client>>,
    /// Whether the clients were listed since a creation was last begun.
    is_listed: bool,
}

impl Judge {
    pub(super) fn new(world: Arc<World>, script: Arc<Script>, user: u64) -> Self {
        Self { world, script, user, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heed(&self, verdict: Outcome) {
        if let Err(broken) = verdict {
            self.script.complain(&chain(broken.as_ref()));
        }
    }

    pub(super) async fn before_kube(&self, effect: Effect, body: &[u8]) {
        let Effect::Kube(call) = effect else { return };
        match call {
            KubeCall::CreateOutput | KubeCall::UpdateOutput => self.heed(self.may_publish(call, body).await),
            KubeCall::WriteStatus => self.heed(self.may_tell(body).await),
            KubeCall::ReadManifest
            | KubeCall::ReadOwner
            | KubeCall::SetFinalizer
            | KubeCall::ReadSecret
            | KubeCall::DeleteLeftover
            | KubeCall::ReadContext
            | KubeCall::ListContexts
            | KubeCall::CreateContext
            | KubeCall::UpdateContext
            | KubeCall::DeleteContext
            | KubeCall::ReadClaim
            | KubeCall::ListClaims
            | KubeCall::CreateClaim
            | KubeCall::UpdateClaim
            | KubeCall::DeleteClaim
            | KubeCall::ReadLease
            | KubeCall::CreateLease
            | KubeCall::UpdateLease
            | KubeCall::PublishEvent => {}
        }
    }

    pub(super) fn after_kube(&self, effect: Effect, process: u64, body: &[u8]) {
        let answer = || serde_json::from_slice::<Value>(body).ok();
        match effect {
            Effect::Kube(KubeCall::ReadManifest) => self.seen().manifest = answer().map(|manifest| (process, manifest)),
            // The greeting was written over the version that was known: its answer is as good as a read.
            Effect::Kube(KubeCall::WriteStatus) => {
                let greeted = answer().filter(|it| condition(it, "Ready")["reason"] == "Progressing");
                if let Some(manifest) = greeted {
                    self.seen().manifest = Some((process, manifest));
                }
            }
            Effect::Kube(_) | Effect::Bank(_) => {}
        }
    }

    pub(super) async fn before_bank(&self, effect: Effect, process: u64, request: &Request) {
        let base = self.world.sandbox.base_url();
        self.heed(ensure(request.url.starts_with(&base), || format!("S10: a call to {}", request.url)));
        if effect.is_client_mutation() {
            self.heed(self.may_change(effect, process, request).await);
        }
        self.heed(self.is_kept(effect).await);
        if effect == Effect::Bank(Call::CreateOauthClient) {
            self.seen().is_listed = false;
        }
    }

    pub(super) fn after_bank(&self, effect: Effect) {
        let Effect::Bank(call) = effect else { return };
        let clients = self.clients();
        let mut seen = self.seen();
        seen.is_listed |= call == Call::ListOauthClients;
        if matches!(call, Call::ListOauthClients | Call::GetOauthClient) {
            seen.clients = Some(clients);
        }
    }

    /// Each step of a handshake is written down before the next (D7).
    async fn is_kept(&self, effect: Effect) -> Outcome {
        let (kept, next) = match effect {
            Effect::Bank(Call::CreateInstallation) => ("private-key", "installation-token"),
            Effect::Bank(Call::CreateDeviceServer) => ("installation-token", "device"),
            Effect::Bank(_) | Effect::Kube(_) => return Ok(()),
        };
        let contexts = self.world.contexts().await?;
        let has = |context: &Secret, part: &str| context.data.as_ref().is_some_and(|data| data.contains_key(part));
        let is_kept = contexts.iter().any(|context| has(context, kept) && !has(context, next));
        ensure(is_kept, || format!("D7: {effect} before the {kept} is stored"))
    }

    /// The clients of the user, as they are.
    fn clients(&self) -> Vec<Client> {
        self.world.sandbox.with(|bank| bank.clients_of(self.user).into_iter().cloned().collect())
    }

    async fn may_change(&self, effect: Effect, process: u64, request: &Request) -> Outcome {
        let (owner, journal) = self.claim().await?;
        let shown = self.seen().manifest.clone();
        let (reader, shown) = shown.ok_or("S2: a change without a live read of the manifest")?;
        let name = shown["metadata"]["name"].as_str().unwrap_or_default();
        let live = self.world.object(name).await?;
        let part = |object: &Value, part: &str| object["metadata"][part].clone();
        ensure(reader == process, || "S2: the manifest was read by an earlier process".to_owned())?;
        for field in ["uid", "generation", "deletionTimestamp"] {
            ensure(part(&live, field) == part(&shown, field), || format!("S2: another {field} than the one read"))?;
        }
        ensure(owner["uid"] == part(&live, "uid"), || "S3: a change by one that does not hold the claim".to_owned())?;
        let cancels = live["spec"]["deletionPolicy"] == "Cancel";
        let has_finalizer = !part(&live, "finalizers").as_array().is_none_or(Vec::is_empty);
        ensure(!cancels || has_finalizer, || "S6: a change before the finalizer is stored".to_owned())?;
        let is_deleting = !part(&live, "deletionTimestamp").is_null();
        ensure(!is_deleting || cancels, || "S13: a change during the deletion of a retained client".to_owned())?;
        self.is_announced(effect, request, &journal)
    }

    /// Written down before it is sent (D5), and never a creation while there may be a client (`S1`).
    fn is_announced(&self, effect: Effect, request: &Request, journal: &Journal) -> Outcome {
        let Effect::Bank(call) = effect else { return Ok(()) };
        let body: Value = request.body.as_ref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let is_noted = |fits: &dyn Fn(&Target) -> bool| journal.writes.iter().any(|write| fits(&write.target));
        let url = body["url"].as_str().or_else(|| body["redirect_url"].as_str()).unwrap_or_default();
        let holds = match call {
            Call::CreateOauthClient => {
                let is_alive = |client: &Client| client.status == ClientStatus::Active;
                ensure(!self.clients().iter().any(is_alive), || "S1: a creation while a client is ACTIVE".to_owned())?;
                ensure(self.seen().is_listed, || "S1: a creation without a listing before it".to_owned())?;
                journal.create_sent.is_some() && journal.oauth_client_id.is_none()
            }
            Call::UpdateOauthClient => is_noted(&|target| match target {
                Target::Activate => body["status"] == "ACTIVE",
                Target::Cancel => body["status"] == "CANCELLED",
                Target::RedirectUrl(noted) | Target::RedirectUrlWithStatus(noted) => noted == url,
                Target::Add(_) | Target::Replace(_) | Target::Remove(_) => false,
            }),
            Call::CreateCallbackUrl => is_noted(&|target| matches!(target, Target::Add(noted) if noted == url)),
            Call::UpdateCallbackUrl => is_noted(&|target| matches!(target, Target::Replace(noted) if noted == url)),
            Call::DeleteCallbackUrl => {
                let id = request.url.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
                let clients = self.clients();
                let entry = clients.iter().flat_map(|client| &client.urls).find(|entry| Some(entry.id) == id);
                let removed = entry.map(|entry| entry.url.clone()).unwrap_or_default();
                is_noted(&|target| matches!(target, Target::Remove(noted) if *noted == removed))
            }
            Call::CreateInstallation
            | Call::CreateDeviceServer
            | Call::CreateSession
            | Call::DeleteSession
            | Call::GetUser
            | Call::ListOauthClients
            | Call::GetOauthClient
            | Call::ListCallbackUrls
            | Call::ListCredentialIps => true,
        };
        ensure(holds, || format!("D5: {call} was sent and the stored journal does not know"))
    }

    /// A whole pair of an ACTIVE client, into a Secret that is ours (`S4`, `S5`).
    async fn may_publish(&self, call: KubeCall, body: &[u8]) -> Outcome {
        let sent: Value = serde_json::from_slice(body)?;
        let text = |key: &str| sent["data"][key].as_str().and_then(|value| STANDARD.decode(value).ok());
        let clients = self.clients();
        let is_of = |client: &&Client| {
            text("client_id").as_deref() == Some(client.client_id.as_bytes())
                && text("client_secret").as_deref() == Some(client.secret.as_bytes())
        };
        let client = clients.iter().find(is_of).ok_or("S4: a Secret was written without a pair of the bank's")?;
        let redirect_uri = text("redirect_uri").unwrap_or_default();
        let is_registered = client.urls.iter().any(|entry| entry.url.as_bytes() == redirect_uri);
        ensure(call == KubeCall::UpdateOutput || is_registered, || "protocol §7: published too early".to_owned())?;
        let controllers = |secret: &Value| {
            let owners = secret["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            let ours = owners.filter(|owner| owner["controller"] == true);
            ours.map(|owner| owner["uid"].clone()).collect::<Vec<_>>()
        };
        let (owner, _) = self.claim().await?;
        ensure(controllers(&sent) == [owner["uid"].clone()], || "S5: a Secret of somebody else's".to_owned())?;
        if call == KubeCall::UpdateOutput {
            let name = sent["metadata"]["name"].as_str().unwrap_or_default();
            let uid = sent["metadata"]["uid"].as_str().unwrap_or_default();
            let secrets = self.world.secrets().list(&kube::api::ListParams::default()).await?.items;
            let live = secrets.iter().find(|secret| secret.metadata.uid.as_deref() == Some(uid));
            let live = serde_json::to_value(live.ok_or_else(|| format!("S5: Secret {name} is not there"))?)?;
            ensure(controllers(&live) == [owner["uid"].clone()], || "S5: a foreign Secret is written".to_owned())?;
        }
        Ok(())
    }

    /// Ready tells the truth (`S12`).
    async fn may_tell(&self, body: &[u8]) -> Outcome {
        let object: Value = serde_json::from_slice(body)?;
        let ready = condition(&object, "Ready");
        if ready["reason"] != "Synced" || condition(&object, "RemoteInSync")["status"] != "True" {
            return Ok(());
        }
        let url = object["spec"]["redirectUrl"].as_str().unwrap_or_default();
        // What happens at the bank afterwards is seen by the next look.
        let shown = self.seen().clients.clone();
        let clients = shown.unwrap_or_else(|| self.clients());
        let client = clients.iter().find(|client| client.status == ClientStatus::Active);
        let client = client.ok_or("S12: Synced without an ACTIVE client")?;
        let is_registered = client.urls.iter().any(|entry| entry.url == url);
        ensure(is_registered, || format!("S12: Synced and {url} is not registered"))?;
        let name = object["status"]["binding"]["name"].as_str().unwrap_or_default();
        let published = self.world.secret_if_any(name).await?.ok_or("S12: Synced without a Secret")?;
        let is_pair = published.get("client_id") == Some(&client.client_id)
            && published.get("client_secret") == Some(&client.secret);
        ensure(is_pair, || "S12: Synced and the Secret holds another pair".to_owned())
    }

    /// Owner and journal as they are stored.
    async fn claim(&self) -> Outcome<(Value, Journal)> {
        let name = format!("bunq-user-sandbox-{}", self.user);
        let claims = self.world.claims().await?;
        let claim = claims.into_iter().find(|claim| claim.metadata.name.as_deref() == Some(name.as_str()));
        let data = claim.and_then(|claim| claim.data).ok_or("S3: a change without a claim")?;
        let part = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
        Ok((serde_json::from_str(part("owner"))?, serde_json::from_str(part("journal"))?))
    }
}
